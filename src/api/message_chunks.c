/* message_chunks.c - the text of a message, chunk by chunk, until it is sent.
 *
 * Owns: the chunks that are in the store while no message row has them (QUEUE),
 * or in memory (NOW, RELAY). Promises: a message that is given up leaves no
 * chunk behind; where the store refuses that, its sweep at the next start does
 * it.
 *
 * Thread: any but the instance's loops (the calls wait for the writer); `run_*`
 * on the writer, while the caller waits. */
#include "api/message.h"

#include "base/mem.h"

struct chunk_call {
    struct mm_store_job job;
    mailmod_message *message;
    struct mm_span chunk;
};

static mailmod_message *message_of(struct mm_store_job *job)
{
    return MM_LIST_OBJECT(job, struct chunk_call, job)->message;
}

static enum mailmod_error run_chunk(struct mm_store_job *job,
                                    struct mm_store_transaction *transaction)
{
    mailmod_message *message = message_of(job);

    return mm_store_put_chunk(
        transaction, message->id, message->chunk_number,
        MM_LIST_OBJECT(job, struct chunk_call, job)->chunk);
}

static enum mailmod_error store_chunk(mailmod_message *message,
                                      struct mm_span chunk)
{
    struct chunk_call call = {
        .job.run = run_chunk, .message = message, .chunk = chunk};
    enum mailmod_error error =
        mm_store_run(message->messages->store, &call.job);

    message->chunk_number += error == MAILMOD_OK ? 1 : 0;
    return error;
}

static enum mailmod_error hold_chunk(mailmod_message *message,
                                     struct mm_span chunk)
{
    size_t number = message->chunk_number;

    if (number == message->chunk_capacity) {
        size_t capacity = number > 0 ? 2 * number : 4;
        struct mm_span *chunks =
            mm_realloc(message->chunks, capacity * sizeof *chunks);

        if (chunks == NULL) {
            return MAILMOD_ERROR_MEMORY;
        }
        message->chunks = chunks;
        message->chunk_capacity = capacity;
    }
    char *copy = mm_memdup0(chunk.data, chunk.size);
    if (copy == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    message->chunks[message->chunk_number++] = mm_span(copy, chunk.size);
    return MAILMOD_OK;
}

enum mailmod_error mm_message_keep_chunk(mailmod_message *message,
                                         struct mm_span chunk)
{
    return message->mode == MAILMOD_SEND_QUEUE ? store_chunk(message, chunk)
                                               : hold_chunk(message, chunk);
}

void mm_message_drop_chunks(mailmod_message *message)
{
    for (unsigned i = 0; message->chunks != NULL && i < message->chunk_number;
         i++) {
        mm_free((char *)message->chunks[i].data);
    }
    mm_free(message->chunks);
    message->chunks = NULL;
    message->chunk_capacity = 0;
}

static enum mailmod_error run_drop(struct mm_store_job *job,
                                   struct mm_store_transaction *transaction)
{
    return mm_store_drop_chunks(transaction, message_of(job)->id);
}

void mm_message_drop_stored(mailmod_message *message)
{
    struct chunk_call call = {.job.run = run_drop, .message = message};

    if (message->chunk_number > 0 &&
        mm_store_run(message->messages->store, &call.job) == MAILMOD_OK) {
        message->chunk_number = 0;
    }
}

void mm_message_drop(mailmod_message *message)
{
    struct mm_messages *messages = message->messages;

    mm_mutex_lock(messages->mutex);
    bool drops = message->state == MM_MESSAGE_WRITING &&
                 message->mode == MAILMOD_SEND_QUEUE &&
                 mm_messages_enter(messages) == MAILMOD_OK;
    mm_mutex_unlock(messages->mutex);
    if (!drops) {
        return;
    }
    mm_message_drop_stored(message);
    mm_mutex_lock(messages->mutex);
    mm_messages_leave(messages);
    mm_mutex_unlock(messages->mutex);
}
