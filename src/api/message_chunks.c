/* message_chunks.c - the text of a message, chunk by chunk, until it is sent.
 *
 * Owns: the deposit that the text goes into (QUEUE), or the chunks in memory
 * (NOW, RELAY). Promises: a message that is given up leaves nothing behind;
 * where the store refuses that, its sweep at the next start does it.
 *
 * Thread: any but the instance's loops (the calls wait for the writer). */
#include "api/message.h"

#include "base/mem.h"
#include "platform/clock.h"

static void note_end(void *context, enum mailmod_error error)
{
    ((mailmod_message *)context)->deposited = error;
}

enum mailmod_error mm_message_open_deposit(mailmod_message *message)
{
    const struct mm_deposit_options options = {.post = message->messages->post,
                                               .config = message->config,
                                               .edits =
                                                   MM_HEADER_DROPS_RETURN_PATH,
                                               .on_finished = note_end,
                                               .context = message};
    const struct mm_envelope envelope = {.id = message->id,
                                         .reverse_path = message->reverse_path,
                                         .arrival_ms = mm_clock_wall_ms(),
                                         .is_smtputf8 = message->is_smtputf8};

    return message->deposit != NULL
               ? MAILMOD_OK
               : mm_deposit_new(&message->deposit, &options, &envelope);
}

enum mailmod_error mm_message_deposit(mailmod_message *message,
                                      struct mm_span octets)
{
    size_t used = 0;
    enum mailmod_error error = mm_message_open_deposit(message);

    return error == MAILMOD_OK
               ? mm_deposit_write(message->deposit, octets, &used)
               : error;
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
    return message->mode == MAILMOD_SEND_QUEUE
               ? mm_message_deposit(message, chunk)
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

void mm_message_drop(mailmod_message *message)
{
    struct mm_messages *messages = message->messages;

    mm_mutex_lock(messages->mutex);
    bool drops = message->state == MM_MESSAGE_WRITING &&
                 message->deposit != NULL &&
                 mm_messages_enter(messages) == MAILMOD_OK;
    mm_mutex_unlock(messages->mutex);
    if (!drops) {
        return;
    }
    mm_deposit_abandon(&message->deposit);
    mm_mutex_lock(messages->mutex);
    mm_messages_leave(messages);
    mm_mutex_unlock(messages->mutex);
}
