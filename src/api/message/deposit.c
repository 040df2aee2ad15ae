/* deposit.c - messages of the host's in the store: by the post office.
 *
 * Owns a message's deposit while it is written, whichever way it goes.
 * Promises: a large text is no large memory; message, recipients of the queue
 * and entries of mailboxes are one durable transaction, or nothing; a message
 * that is given up leaves nothing in the store.
 *
 * Thread: any but the instance's loops (the calls wait for the writer). */
#include "api/message/message.h"

#include "base/limits.h"
#include "platform/clock.h"

static void on_finished(void *context, enum mailmod_error error)
{
    mailmod_message *message = context;

    message->deposit_error = error;
}

/* RFC 6409 8: what a submission service may do to a header. */
static unsigned edits_of(const struct mm_config *config)
{
    return MM_HEADER_DROPS_RETURN_PATH |
           (config->sending.adds_headers
                ? MM_HEADER_DROPS_BCC | MM_HEADER_ADDS_DATE |
                      MM_HEADER_ADDS_FROM | MM_HEADER_ADDS_MESSAGE_ID
                : 0u);
}

enum mailmod_error mm_message_begin_deposit(mailmod_message *message)
{
    struct mm_deposit_options options = {.post = message->messages->post,
                                         .config = message->config,
                                         .edits = edits_of(message->config),
                                         .on_finished = on_finished,
                                         .context = message};
    struct mm_envelope envelope = {.id = message->id,
                                   .reverse_path = message->reverse_path,
                                   .arrival_ms = message->arrival_ms,
                                   .is_smtputf8 = message->is_smtputf8,
                                   .dsn_return = (int)message->dsn_return,
                                   .envelope_id = message->envelope_id,
                                   .peer = "host"};

    return mm_deposit_new(&message->deposit, &options, &envelope);
}

enum mailmod_error mm_message_deposit_write(struct mm_deposit *deposit,
                                            struct mm_span data)
{
    size_t used = 0; /* all of it, on a thread that may block */

    return mm_deposit_write(deposit, data, &used);
}

/* Piece by piece; NOT_FOUND is its end. */
static enum mailmod_error copy_pieces(const struct mm_deposit *from,
                                      struct mm_deposit *to)
{
    enum mailmod_error error = MAILMOD_OK;
    struct mm_buf piece;

    mm_buf_init(&piece, MM_LIMIT_CHUNK);
    for (unsigned number = 0; error == MAILMOD_OK; number++) {
        mm_buf_clear(&piece);
        error = mm_deposit_read(from, number, &piece);
        if (error == MAILMOD_OK) {
            error = mm_message_deposit_write(to, mm_buf_span(&piece));
        }
    }
    mm_buf_fini(&piece);
    return error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
}

enum mailmod_error mm_message_copy_text(const mailmod_message *message,
                                        struct mm_deposit **copy_out)
{
    const struct mm_deposit_options options = {.post = message->messages->post,
                                               .config = message->config};
    const struct mm_envelope nobody = {.id = 0};

    enum mailmod_error error = mm_deposit_new(copy_out, &options, &nobody);
    if (error == MAILMOD_OK) {
        error = copy_pieces(message->deposit, *copy_out);
    }
    if (error == MAILMOD_OK) {
        error = mm_deposit_end_text(*copy_out, message->text.is_8bit);
    }
    if (error != MAILMOD_OK) {
        mm_deposit_abandon(copy_out);
    }
    return error;
}

/* A mailbox that was there, with room, when it was looked up. */
static void note_lost(void *context, size_t number, bool is_full)
{
    struct mm_message_recipients *recipients = context;

    if (number < recipients->count) {
        recipients->items[number].place = MM_PLACE_NOBODY;
        recipients->items[number].refusal = mm_reply_get(
            is_full ? MM_REPLY_MAILBOX_FULL : MM_REPLY_NO_SUCH_USER);
    }
}

/* Waits. NOT_FOUND: nobody was left to get it, and nothing was kept. */
enum mailmod_error mm_message_finish_deposit(mailmod_message *message)
{
    mm_deposit_finish(message->deposit, message->text.is_8bit);
    enum mailmod_error error = message->deposit_error;
    if (error == MAILMOD_OK || error == MAILMOD_ERROR_NOT_FOUND) {
        mm_deposit_each_lost(message->deposit, note_lost, &message->recipients);
    }
    mm_deposit_abandon(&message->deposit);
    return error;
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

    if (error == MAILMOD_OK) {
        mm_deposit_arrived(message->deposit, mm_clock_wall_ms());
        error = mm_deposit_end_text(message->deposit, message->text.is_8bit);
    }
    if (error == MAILMOD_OK) {
        message->size = mm_deposit_size(message->deposit);
        /* First known, then stored: the queue may be quicker than we. */
        error = mm_message_depart(message);
    }
    if (error != MAILMOD_OK) {
        mm_deposit_abandon(&message->deposit);
        return error;
    }
    error = mm_message_finish_deposit(message);
    if (error != MAILMOD_OK && error != MAILMOD_ERROR_NOT_FOUND) {
        come_back(message);
        return error;
    }
    mm_mutex_lock(messages->mutex);
    mm_message_note_places(message, MAILMOD_OK);
    mm_mutex_unlock(messages->mutex);
    return MAILMOD_OK;
}

void mm_message_drop(mailmod_message *message)
{
    struct mm_messages *messages = message->messages;

    mm_mutex_lock(messages->mutex);
    struct mm_deposit *deposit = message->deposit;
    if (deposit != NULL) {
        message->deposit = NULL;
        messages->working++; /* mm_messages_close waits, the store is there */
        mm_mutex_unlock(messages->mutex);
        mm_deposit_abandon(&deposit);
        mm_mutex_lock(messages->mutex);
        mm_messages_leave(messages);
    }
    mm_mutex_unlock(messages->mutex);
}
