/* deposit_put.c - the one transaction that a message is accepted by.
 *
 * Owns nothing. Promises: first piece, message, rows of the queue and entries
 * of mailboxes together or not at all; a message of which nobody is left is not
 * kept (NOT_FOUND). It may be run again after a failure.
 * Thread: the store's writer. RFC 5321 4.4 (Return-Path counts in the size that
 * a mailbox tells: it is made when the message is served). */
#include "post/deposit_internal.h"

#include "mailbox/store_mailbox.h"

static enum mailmod_error put_row(const struct mm_deposit *deposit,
                                  const struct mm_deposit_recipient *recipient,
                                  struct mm_store_transaction *t)
{
    const struct mm_store_message *message = &deposit->message;
    struct mm_store_recipient row = {
        .message_id = message->id,
        .number = recipient->number,
        .state = MM_RECIPIENT_WAITING,
        .next_attempt_ms = message->arrival_ms,
        .expires_ms = message->arrival_ms +
                      (int64_t)deposit->options.config->queue.lifetime_ms,
        .notify = recipient->notify};

    mm_deposit_copy_text(recipient->path, row.path, sizeof row.path);
    mm_deposit_copy_text(recipient->place, row.destination,
                         sizeof row.destination);
    mm_deposit_copy_text(recipient->original_recipient, row.original_recipient,
                         sizeof row.original_recipient);
    return mm_store_put_recipient(t, &row);
}

static void mark(struct mm_deposit *deposit, uint64_t mailbox_id,
                 enum mm_deposit_loss loss)
{
    MM_LIST_EACH(node, &deposit->recipients)
    {
        struct mm_deposit_recipient *recipient =
            MM_LIST_OBJECT(node, struct mm_deposit_recipient, node);

        if (recipient->kind == MM_TARGET_MAILBOX &&
            recipient->mailbox_id == mailbox_id) {
            recipient->loss = loss;
        }
    }
}

/* NOT_FOUND: the user was removed since the look-up. LIMIT: there is no room
 * for it, by its true size and with all that came meanwhile. */
static enum mailmod_error
check_limit(const struct mm_deposit_recipient *recipient, uint64_t size,
            struct mm_store_transaction *t)
{
    uint64_t octets = 0;

    if (recipient->limit == 0) {
        return MAILMOD_OK;
    }
    enum mailmod_error error =
        mm_store_octets_of(t, recipient->mailbox_id, &octets);
    return error == MAILMOD_OK && (octets > recipient->limit ||
                                   size > recipient->limit - octets)
               ? MAILMOD_ERROR_LIMIT
               : error;
}

/* The transaction may be run again: each run marks anew. */
static enum mailmod_error put_entry(struct mm_deposit *deposit,
                                    struct mm_deposit_recipient *recipient,
                                    struct mm_store_transaction *t)
{
    const struct mm_store_message *message = &deposit->message;
    uint64_t size =
        message->size + mm_mailbox_return_path_size(message->reverse_path);
    enum mailmod_error error = check_limit(recipient, size, t);

    if (error == MAILMOD_OK) {
        error = mm_store_put_entry(t, recipient->mailbox_id, message->id, size);
    }
    mark(deposit, recipient->mailbox_id,
         error == MAILMOD_ERROR_LIMIT       ? MM_LOSS_FULL
         : error == MAILMOD_ERROR_NOT_FOUND ? MM_LOSS_GONE
                                            : MM_LOSS_NONE);
    return error == MAILMOD_ERROR_LIMIT ? MAILMOD_ERROR_NOT_FOUND : error;
}

static enum mailmod_error put_recipients(struct mm_deposit *deposit,
                                         struct mm_store_transaction *t)
{
    size_t kept = 0;

    MM_LIST_EACH(node, &deposit->recipients)
    {
        struct mm_deposit_recipient *recipient =
            MM_LIST_OBJECT(node, struct mm_deposit_recipient, node);
        enum mailmod_error error = MAILMOD_OK;

        if (recipient->is_double) {
            continue;
        }
        error = recipient->kind == MM_TARGET_MAILBOX
                    ? put_entry(deposit, recipient, t)
                    : put_row(deposit, recipient, t);
        if (error != MAILMOD_OK && error != MAILMOD_ERROR_NOT_FOUND) {
            return error;
        }
        kept += error == MAILMOD_OK ? 1 : 0;
    }
    return kept > 0 ? MAILMOD_OK : MAILMOD_ERROR_NOT_FOUND;
}

static enum mailmod_error put_first(const struct mm_deposit *deposit,
                                    struct mm_store_transaction *t)
{
    return mm_store_put_chunk(t, deposit->message.id, 0,
                              mm_buf_span(&deposit->fields));
}

static enum mailmod_error put_last(const struct mm_deposit *deposit,
                                   struct mm_store_transaction *t)
{
    return mm_buf_size(&deposit->filling) == 0
               ? MAILMOD_OK
               : mm_store_put_chunk(t, deposit->message.id,
                                    deposit->piece_number,
                                    mm_buf_span(&deposit->filling));
}

/* Pieces that came in earlier jobs stand in the store's list of what is not
 * finished: the message row comes before the first piece then, so that the
 * store looks there. A message of one piece never touches that list. */
enum mailmod_error mm_deposit_put_all(struct mm_deposit *deposit,
                                      struct mm_store_transaction *t)
{
    enum mailmod_error error = deposit->error;

    if (error == MAILMOD_OK && !deposit->has_stored) {
        error = put_first(deposit, t);
    }
    if (error == MAILMOD_OK) {
        error = mm_store_put_message(t, &deposit->message);
    }
    if (error == MAILMOD_OK && deposit->has_stored) {
        error = put_first(deposit, t);
    }
    if (error == MAILMOD_OK) {
        error = put_last(deposit, t);
    }
    if (error == MAILMOD_OK) {
        error = put_recipients(deposit, t);
    }
    if (error == MAILMOD_OK && deposit->fetched != NULL) {
        error = mm_store_put_seen(t, deposit->fetched->account,
                                  &deposit->fetched->row);
    }
    return error == MAILMOD_OK ? mm_deposit_put_reports(deposit, t) : error;
}
