/* deposit_put.c - the one transaction that a message is accepted by.
 *
 * Owns nothing. Promises: first piece, message, rows of the queue and entries
 * of mailboxes together or not at all; a message of which nobody is left is not
 * kept (NOT_FOUND). It may be run again after a failure.
 * Thread: the store's writer. RFC 5321 4.4 (Return-Path counts in the size that
 * a mailbox tells: it is made when the message is served); RFC 1939 7. */
#include "post/deposit_internal.h"

#include "mailbox/store_mailbox.h"
#include "post/aside.h"
#include "post/destination.h"
#include "post/quota.h"

/* A hundred years. */
#define ASIDE_MS (INT64_C(36525) * 24 * 3600 * 1000)

/* It waits for an operator, however long. */
static void hold(const char *words, struct mm_store_recipient *row)
{
    row->state = MM_RECIPIENT_HELD;
    row->expires_ms = row->next_attempt_ms + ASIDE_MS;
    mm_deposit_copy_text(words, row->last_reply, sizeof row->last_reply);
}

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
    if (recipient->words[0] != '\0') {
        hold(recipient->words, &row);
    }
    return mm_store_put_recipient(t, &row);
}

/* Instead of its place in a mailbox that is gone or full. */
static enum mailmod_error put_aside(const struct mm_deposit *deposit,
                                    const struct mm_deposit_recipient *lost,
                                    struct mm_store_transaction *t)
{
    const struct mm_store_message *message = &deposit->message;
    struct mm_store_recipient row = {.message_id = message->id,
                                     .number = lost->number,
                                     .next_attempt_ms = message->arrival_ms};
    enum mailmod_error error = mm_destination_local(
        MM_ASIDE_CONSUMER, deposit->fetched->account, row.destination);

    mm_deposit_copy_text(lost->path, row.path, sizeof row.path);
    hold(mm_loss_words(lost->loss)->text, &row);
    return error == MAILMOD_OK ? mm_store_put_recipient(t, &row) : error;
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

/* RFC 1939 7: with the unique-id that it has elsewhere where that is wanted,
 * and nothing else in the mailbox has it. One that begins with a blank is ours.
 */
static enum mailmod_error enter(const struct mm_deposit *deposit,
                                uint64_t mailbox_id, uint64_t size,
                                struct mm_store_transaction *t)
{
    const struct mm_deposit_fetched *fetched = deposit->fetched;
    struct mm_store_entry_detail detail = {.notify = 0};
    enum mailmod_error error = MAILMOD_ERROR_EXISTS;

    if (fetched != NULL && fetched->keeps_unique_id &&
        mm_mailbox_is_unique_id(mm_span_cstr(fetched->row.key))) {
        mm_deposit_copy_text(fetched->row.key, detail.uidl, sizeof detail.uidl);
        error = mm_store_put_entry_with(t, mailbox_id, deposit->message.id,
                                        size, &detail);
    }
    return error == MAILMOD_ERROR_EXISTS
               ? mm_store_put_entry(t, mailbox_id, deposit->message.id, size)
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
    enum mailmod_error error =
        mm_quota_check(t, recipient->mailbox_id, recipient->limit, size);

    if (error == MAILMOD_OK) {
        error = enter(deposit, recipient->mailbox_id, size, t);
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
        recipient->is_aside = error == MAILMOD_ERROR_NOT_FOUND &&
                              deposit->fetched != NULL &&
                              deposit->fetched->sets_aside;
        if (recipient->is_aside) {
            error = put_aside(deposit, recipient, t);
        }
        if (error != MAILMOD_OK &&
            (error != MAILMOD_ERROR_NOT_FOUND || deposit->fetched != NULL)) {
            return error; /* what is fetched comes whole, or stays there */
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
