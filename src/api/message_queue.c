/* message_queue.c - messages of the host's in the store: queue and mailboxes.
 *
 * Owns nothing. Promises: message, recipients of the queue and entries of
 * mailboxes are one durable transaction, or nothing; a mailbox gets one copy
 * however many recipients it is of; where nobody is left nothing is stored.
 *
 * Thread: any but the instance's loops (the calls wait for the writer); `run_*`
 * on the writer, while the caller waits. */
#include "api/message.h"

#include "mailbox/mailbox.h"
#include "platform/clock.h"
#include "post/destination.h"

struct store_call {
    struct mm_store_job job;
    mailmod_message *message;
    size_t kept; /* recipients who get it */
};

/* The chunks that are not in the store yet. */
static enum mailmod_error put_chunks(mailmod_message *message,
                                     struct mm_store_transaction *transaction)
{
    struct mm_span last = mm_buf_span(&message->text.chunk);
    unsigned number = message->chunk_number;
    enum mailmod_error error = MAILMOD_OK;

    if (message->mode == MAILMOD_SEND_QUEUE) {
        return last.size > 0
                   ? mm_store_put_chunk(transaction, message->id, number, last)
                   : MAILMOD_OK;
    }
    for (unsigned i = 0; i < number && error == MAILMOD_OK; i++) {
        error =
            mm_store_put_chunk(transaction, message->id, i, message->chunks[i]);
    }
    return error;
}

static enum mailmod_error put_message(mailmod_message *message,
                                      struct mm_store_transaction *transaction,
                                      int64_t now_ms)
{
    struct mm_store_message row = {.id = message->id,
                                   .arrival_ms = now_ms,
                                   .size = message->text.size,
                                   .is_8bit = message->text.is_8bit,
                                   .is_smtputf8 = message->is_smtputf8};

    (void)mm_span_copy(mm_span_cstr(message->reverse_path), row.reverse_path,
                       sizeof row.reverse_path);
    return mm_store_put_message(transaction, &row);
}

static enum mailmod_error
put_recipient(const mailmod_message *message, size_t index,
              struct mm_store_transaction *transaction, int64_t now_ms)
{
    const char *path = message->recipients.items[index].path;
    struct mm_store_recipient row = {
        .message_id = message->id,
        .number = (unsigned)index,
        .state = MM_RECIPIENT_WAITING,
        .next_attempt_ms = now_ms,
        .expires_ms = now_ms + (int64_t)message->config->queue.lifetime_ms};
    struct mm_address address;
    enum mailmod_error error =
        mm_address_parse(mm_span_cstr(path), false, true, &address);

    if (error != MAILMOD_OK) {
        return error;
    }
    (void)mm_span_copy(mm_span_cstr(path), row.path, sizeof row.path);
    mm_destination_of(message->config, address.domain, row.destination);
    return mm_store_put_recipient(transaction, &row);
}

/* The user may have been removed since the look-up. */
static enum mailmod_error put_entry(mailmod_message *message, size_t index,
                                    struct mm_store_transaction *transaction)
{
    struct mm_message_recipient *recipient = &message->recipients.items[index];
    uint64_t size =
        message->text.size + mm_mailbox_return_path_size(message->reverse_path);

    if (recipient->first != index) { /* one copy a mailbox */
        recipient->place = message->recipients.items[recipient->first].place;
        return recipient->place == MM_PLACE_HERE ? MAILMOD_OK
                                                 : MAILMOD_ERROR_NOT_FOUND;
    }
    enum mailmod_error error = mm_store_put_entry(
        transaction, recipient->mailbox_id, message->id, size);
    if (error == MAILMOD_ERROR_NOT_FOUND) {
        recipient->place = MM_PLACE_NOBODY;
    }
    return error;
}

static enum mailmod_error put_one(struct store_call *call, size_t index,
                                  struct mm_store_transaction *transaction,
                                  int64_t now_ms)
{
    mailmod_message *message = call->message;
    enum mailmod_error error = MAILMOD_ERROR_NOT_FOUND;

    switch (message->recipients.items[index].place) {
    case MM_PLACE_NOBODY:
        break;
    case MM_PLACE_HERE:
        error = put_entry(message, index, transaction);
        break;
    case MM_PLACE_REMOTE:
        if (message->mode == MAILMOD_SEND_QUEUE) {
            error = put_recipient(message, index, transaction, now_ms);
        }
        break;
    }
    call->kept += error == MAILMOD_OK ? 1 : 0;
    return error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
}

static enum mailmod_error run_store(struct mm_store_job *job,
                                    struct mm_store_transaction *transaction)
{
    struct store_call *call = MM_LIST_OBJECT(job, struct store_call, job);
    mailmod_message *message = call->message;
    int64_t now_ms = mm_clock_wall_ms();
    enum mailmod_error error = put_chunks(message, transaction);

    call->kept = 0;
    if (error == MAILMOD_OK) {
        error = put_message(message, transaction, now_ms);
    }
    for (size_t i = 0; error == MAILMOD_OK && i < message->recipients.count;
         i++) {
        error = put_one(call, i, transaction, now_ms);
    }
    /* Rolled back: a message of nobody would stay for ever. */
    return error == MAILMOD_OK && call->kept == 0 ? MAILMOD_ERROR_NOT_FOUND
                                                  : error;
}

enum mailmod_error mm_message_store(mailmod_message *message)
{
    struct store_call call = {.job.run = run_store, .message = message};

    return mm_store_run(message->messages->store, &call.job);
}

/* It did not get away: as if it had not been tried, but for the error that
 * stays. */
static void come_back(mailmod_message *message)
{
    mm_mutex_lock(message->messages->mutex);
    mm_message_forget(message);
    message->state = MM_MESSAGE_WRITING;
    mm_mutex_unlock(message->messages->mutex);
}

enum mailmod_error mm_message_send_queued(mailmod_message *message)
{
    struct mm_messages *messages = message->messages;
    enum mailmod_error error = mm_message_find_places(message);
    bool is_outgoing = mm_message_count_at(message, MM_PLACE_REMOTE) > 0;

    if (error == MAILMOD_OK) {
        /* First known, then stored: the queue may be quicker than we. */
        error = mm_message_depart(message);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_message_store(message);
    if (error == MAILMOD_ERROR_NOT_FOUND) {
        mm_message_drop_stored(message);
        error = MAILMOD_OK;
    }
    if (error != MAILMOD_OK) {
        come_back(message);
        return error;
    }
    mm_mutex_lock(messages->mutex);
    mm_message_note_places(message, MAILMOD_OK);
    mm_mutex_unlock(messages->mutex);
    if (is_outgoing) {
        mm_outbound_wake(messages->outbound);
    }
    return MAILMOD_OK;
}
