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
#include "post/auto_reply.h"
#include "post/copy.h"
#include "post/destination.h"
#include "post/srs.h"

/* RFC 7208 D.3: what goes on elsewhere may need a path back of ours. */
static enum mailmod_error
give_path(const struct mm_deposit *deposit,
          const struct mm_deposit_recipient *recipient,
          struct mm_store_recipient *row)
{
    const struct mm_config *config = deposit->options.config;

    if (recipient->kind != MM_TARGET_REMOTE || !recipient->is_expanded ||
        config->local.srs_domain[0] == '\0') {
        return MAILMOD_OK;
    }
    enum mailmod_error error = mm_srs_forward(
        deposit->options.post->store, config, deposit->message.reverse_path,
        deposit->message.arrival_ms, row->reverse_path);
    row->has_reverse_path = error == MAILMOD_OK;
    return error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
}

static enum mailmod_error put_row(const struct mm_deposit *deposit,
                                  const struct mm_deposit_recipient *recipient,
                                  const char *destination,
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
        .notify = recipient->notify,
        .visibility = recipient->visibility};

    (void)mm_span_copy(mm_span_cstr(recipient->path), row.path,
                       sizeof row.path);
    (void)mm_span_copy(mm_span_cstr(destination), row.destination,
                       sizeof row.destination);
    (void)mm_span_copy(mm_span_cstr(recipient->original_recipient),
                       row.original_recipient, sizeof row.original_recipient);
    if (recipient->words[0] != '\0') {
        mm_consumer_hold(&row, recipient->words);
    }
    (void)mm_span_copy(mm_span_cstr(recipient->delivered_to), row.delivered_to,
                       sizeof row.delivered_to);
    (void)mm_span_copy(mm_span_cstr(recipient->original_to), row.original_to,
                       sizeof row.original_to);
    enum mailmod_error error = give_path(deposit, recipient, &row);
    return error == MAILMOD_OK ? mm_store_put_recipient(t, &row) : error;
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

    (void)mm_span_copy(mm_span_cstr(lost->path), row.path, sizeof row.path);
    mm_consumer_hold(&row, mm_loss_words(lost).text);
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
            recipient->mailbox_id == mailbox_id &&
            recipient->loss != MM_LOSS_LOOP &&
            recipient->loss != MM_LOSS_REMOVED) {
            recipient->loss = loss;
        }
    }
}

/* RFC 1939 7: the unique-id that it has elsewhere, where that is wanted. One
 * that begins with a blank is ours. */
static const char *wanted_uidl(const struct mm_deposit *deposit)
{
    const struct mm_deposit_fetched *fetched = deposit->fetched;

    return fetched != NULL && fetched->keeps_unique_id &&
                   mm_mailbox_is_unique_id(mm_span_cstr(fetched->row.key))
               ? fetched->row.key
               : "";
}

/* The transaction may be run again: each run marks anew. */
static enum mailmod_error put_entry(struct mm_deposit *deposit,
                                    struct mm_deposit_recipient *recipient,
                                    struct mm_store_transaction *t)
{
    bool has_folder = recipient->folder != NULL;
    const struct mm_copy copy = {
        .message = &deposit->message,
        .mailbox_id = recipient->mailbox_id,
        .limit = recipient->limit,
        .uidl = wanted_uidl(deposit),
        .delivered_to =
            has_folder ? recipient->folder : recipient->delivered_to,
        .marks = deposit->fetched != NULL ? deposit->fetched->marks : 0,
        .original_to = has_folder ? mm_deposit_given_path(recipient)
                                  : recipient->original_to};
    enum mailmod_error error = mm_copy_put(&copy, t);

    mark(deposit, recipient->mailbox_id,
         error == MAILMOD_ERROR_LIMIT       ? MM_LOSS_FULL
         : error == MAILMOD_ERROR_NOT_FOUND ? MM_LOSS_GONE
                                            : MM_LOSS_NONE);
    return error == MAILMOD_ERROR_LIMIT ? MAILMOD_ERROR_NOT_FOUND : error;
}

/* A row a forward-path, which is looked up when it is released (aside.h). */
static enum mailmod_error
put_in_quarantine(const struct mm_deposit *deposit,
                  const struct mm_deposit_recipient *first,
                  struct mm_store_transaction *t)
{
    const struct mm_change *quarantine =
        mm_changes_find(&deposit->changes, MM_CHANGE_QUARANTINE);
    const char *path = first->looked_up[0] != '\0'
                           ? first->looked_up
                           : mm_deposit_given_path(first);
    struct mm_store_recipient row = {.message_id = deposit->message.id,
                                     .number = first->number,
                                     .next_attempt_ms =
                                         deposit->message.arrival_ms,
                                     .notify = first->notify};
    enum mailmod_error error = mm_destination_local(
        MM_QUARANTINE_CONSUMER, quarantine->name, row.destination);

    (void)mm_span_copy(mm_span_cstr(path), row.path, sizeof row.path);
    (void)mm_span_copy(mm_span_cstr(first->original_recipient),
                       row.original_recipient, sizeof row.original_recipient);
    mm_consumer_hold(&row, quarantine->value);
    return error == MAILMOD_OK ? mm_store_put_recipient(t, &row) : error;
}

static enum mailmod_error put_all_in_quarantine(struct mm_deposit *deposit,
                                                struct mm_store_transaction *t)
{
    enum mailmod_error error = MAILMOD_OK;

    MM_LIST_EACH(node, &deposit->recipients)
    {
        const struct mm_deposit_recipient *first =
            MM_LIST_OBJECT(node, struct mm_deposit_recipient, node);

        if (error == MAILMOD_OK && first->number == first->origin &&
            first->loss != MM_LOSS_REMOVED && !first->is_double) {
            error = put_in_quarantine(deposit, first, t);
        }
    }
    return error;
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

        if (recipient->is_double || !mm_deposit_gets_mail(recipient) ||
            recipient->loss == MM_LOSS_LOOP) {
            continue;
        }
        error = recipient->kind == MM_TARGET_MAILBOX
                    ? put_entry(deposit, recipient, t)
                    : put_row(deposit, recipient,
                              recipient->folder != NULL ? recipient->folder
                                                        : recipient->place,
                              t);
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

/* The copy that an automatic reply goes with was lost. */
static bool is_copy_lost(const struct mm_deposit *deposit,
                         const struct mm_deposit_recipient *reply)
{
    const struct mm_list *head = &deposit->recipients;

    for (const struct mm_list *node = head->next; node != head;
         node = node->next) {
        const struct mm_deposit_recipient *copy =
            MM_LIST_OBJECT(node, const struct mm_deposit_recipient, node);

        if ((copy->loss == MM_LOSS_LOOP && copy->origin == reply->origin) ||
            (copy->loss != MM_LOSS_NONE && copy->kind == MM_TARGET_MAILBOX &&
             copy->mailbox_id == reply->mailbox_id)) {
            return true;
        }
    }
    return false;
}

/* RFC 3834 2: never to the null path. What else forbids a reply is found by the
 * consumer (auto_replies.c), which has the whole header. */
static enum mailmod_error put_replies(const struct mm_deposit *deposit,
                                      struct mm_store_transaction *t)
{
    const struct mm_list *head = &deposit->recipients;
    enum mailmod_error error = MAILMOD_OK;
    bool may_reply =
        deposit->message.reverse_path[0] != '\0' && !deposit->message.is_report;

    for (const struct mm_list *node = head->next;
         may_reply && error == MAILMOD_OK && node != head; node = node->next) {
        const struct mm_deposit_recipient *reply =
            MM_LIST_OBJECT(node, const struct mm_deposit_recipient, node);
        char destination[MM_STORE_DESTINATION_MAX];

        if (reply->kind == MM_TARGET_REPLY && !is_copy_lost(deposit, reply)) {
            error = mm_destination_local(MM_AUTO_REPLY_CONSUMER, reply->place,
                                         destination);
            error = error == MAILMOD_OK
                        ? put_row(deposit, reply, destination, t)
                        : error;
        }
    }
    return error;
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
    if (error == MAILMOD_OK && mm_deposit_is_quarantined(deposit)) {
        error = put_all_in_quarantine(deposit, t);
    } else if (error == MAILMOD_OK) {
        error = put_recipients(deposit, t);
        error = error == MAILMOD_OK ? put_replies(deposit, t) : error;
    }
    if (error == MAILMOD_OK && deposit->fetched != NULL) {
        error = mm_store_put_seen(t, deposit->fetched->account,
                                  &deposit->fetched->row);
    }
    return error == MAILMOD_OK ? mm_deposit_put_reports(deposit, t) : error;
}
