/* message_queue.c - messages of the host's in the store: queue and mailboxes.
 *
 * Owns nothing. Promises: message, recipients of the queue and entries of
 * mailboxes are one deposit (post/deposit), or nothing; where nobody is left
 * nothing is stored.
 *
 * Thread: any but the instance's loops (the calls wait for the writer). */
#include "api/message.h"

#include "platform/clock.h"
#include "post/destination.h"

/* The octets that are not in the deposit yet. */
static enum mailmod_error put_text(mailmod_message *message)
{
    enum mailmod_error error = MAILMOD_OK;

    if (message->mode == MAILMOD_SEND_QUEUE) {
        return mm_message_deposit(message, mm_buf_span(&message->text.chunk));
    }
    for (unsigned i = 0; i < message->chunk_number && error == MAILMOD_OK;
         i++) {
        error = mm_message_deposit(message, message->chunks[i]);
    }
    return error;
}

static enum mailmod_error add_remote(mailmod_message *message, const char *path)
{
    struct mm_address address;
    char destination[MM_STORE_DESTINATION_MAX];
    enum mailmod_error error =
        mm_address_parse(mm_span_cstr(path), false, true, &address);

    if (error != MAILMOD_OK) {
        return error;
    }
    mm_destination_of(message->config, address.domain, destination);
    const struct mm_target target = {
        .kind = MM_TARGET_REMOTE, .path = path, .destination = destination};
    return mm_deposit_add(message->deposit, &target);
}

/* Those who get nothing here keep their number. */
static enum mailmod_error add_recipient(mailmod_message *message, size_t index)
{
    const struct mm_message_recipient *recipient =
        &message->recipients.items[index];
    const struct mm_target target = {.kind = MM_TARGET_MAILBOX,
                                     .path = recipient->path,
                                     .mailbox_id = recipient->mailbox_id,
                                     .mailbox_name = recipient->mailbox_name};

    if (recipient->place == MM_PLACE_HERE) {
        return mm_deposit_add(message->deposit, &target);
    }
    if (recipient->place == MM_PLACE_REMOTE &&
        message->mode == MAILMOD_SEND_QUEUE) {
        return add_remote(message, recipient->path);
    }
    mm_deposit_skip(message->deposit);
    return MAILMOD_OK;
}

static void note_lost(void *context, size_t number)
{
    ((mailmod_message *)context)->recipients.items[number].place =
        MM_PLACE_NOBODY;
}

enum mailmod_error mm_message_store(mailmod_message *message)
{
    enum mailmod_error error = put_text(message);

    for (size_t i = 0; error == MAILMOD_OK && i < message->recipients.count;
         i++) {
        error = add_recipient(message, i);
    }
    if (error == MAILMOD_OK) {
        mm_deposit_arrived(message->deposit, mm_clock_wall_ms());
        mm_deposit_finish(message->deposit, message->text.is_8bit);
        error = message->deposited;
        mm_deposit_each_lost(message->deposit, note_lost, message);
    }
    if (error == MAILMOD_OK || error == MAILMOD_ERROR_NOT_FOUND ||
        message->mode != MAILMOD_SEND_QUEUE) {
        mm_deposit_abandon(&message->deposit);
    }
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
        /* First known, then stored: the queue may be quicker than we. */
        error = mm_message_depart(message);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_message_store(message);
    if (error == MAILMOD_ERROR_NOT_FOUND) {
        error = MAILMOD_OK; /* nobody is left; the outcomes say so */
    }
    if (error != MAILMOD_OK) {
        come_back(message);
        return error;
    }
    mm_mutex_lock(messages->mutex);
    mm_message_note_places(message, MAILMOD_OK);
    mm_mutex_unlock(messages->mutex);
    return MAILMOD_OK;
}
