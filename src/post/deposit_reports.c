/* deposit_reports.c - what the sender of a deposit is told of recipients here.
 *
 * Owns the question for the sender and his answer. A recipient with a mailbox
 * who asked for it is told of as "delivered" (RFC 3461 5.2.3); one whose
 * mailbox went or filled between RCPT and the end of the text as "failed"
 * (RFC 5321 6.1), as is one of several for whom an address stands who gets no
 * mail; an address that stands for several is "expanded" (RFC 3461 5.2.7);
 * unless he is the last and the message is refused whole. Promises: the reports
 * are in the transaction that they tell of; the sender is looked up before it,
 * on the depositor's thread. That a mailbox is gone or full shows in the
 * transaction alone: it is taken back then, the sender asked for, and run
 * again. Thread: the depositor's; mm_deposit_put_reports on the writer. RFC
 * 3461 4.1 (NOTIFY); RFC 5321 4.5.5 (never about a report). */
#include "post/deposit_internal.h"

#include "base/mem.h"

static bool may_report(const struct mm_deposit *deposit)
{
    return !deposit->message.is_report &&
           deposit->message.reverse_path[0] != '\0' &&
           deposit->joined == NULL && !mm_deposit_is_quarantined(deposit);
}

static bool is_told(const struct mm_deposit_recipient *recipient,
                    enum mm_report_action action)
{
    unsigned notify = recipient->notify;

    if ((notify & MM_DSN_NOTIFY_NEVER) != 0 ||
        recipient->loss == MM_LOSS_REMOVED) {
        return false;
    }
    if (action == MM_REPORT_FAILED) {
        return recipient->loss != MM_LOSS_NONE &&
               (notify == 0 || (notify & MM_DSN_NOTIFY_FAILURE) != 0);
    }
    return recipient->loss == MM_LOSS_NONE &&
           recipient->kind == (action == MM_REPORT_EXPANDED
                                   ? MM_TARGET_EXPANDED
                                   : MM_TARGET_MAILBOX) &&
           (notify & MM_DSN_NOTIFY_SUCCESS) != 0;
}

static size_t count_told(const struct mm_deposit *deposit,
                         enum mm_report_action action)
{
    const struct mm_list *head = &deposit->recipients;
    size_t count = 0;

    for (const struct mm_list *node = head->next; node != head;
         node = node->next) {
        count +=
            is_told(MM_LIST_OBJECT(node, struct mm_deposit_recipient, node),
                    action)
                ? 1
                : 0;
    }
    return count;
}

bool mm_deposit_wants_sender(const struct mm_deposit *deposit)
{
    return may_report(deposit) && deposit->sender == NULL &&
           (count_told(deposit, MM_REPORT_DELIVERED) > 0 ||
            count_told(deposit, MM_REPORT_EXPANDED) > 0 ||
            count_told(deposit, MM_REPORT_FAILED) > 0);
}

enum mm_answer mm_deposit_ask_sender(struct mm_deposit *deposit,
                                     void (*done)(struct mm_resolve *resolve))
{
    struct mm_report_sender *sender = mm_alloc(sizeof *sender);

    deposit->sender = sender;
    if (sender == NULL) {
        deposit->error = MAILMOD_ERROR_MEMORY;
        return MM_ANSWERED;
    }
    sender->resolve.post = deposit->options.post;
    sender->resolve.config = deposit->options.config;
    sender->resolve.loop = deposit->options.loop;
    sender->resolve.done = done;
    sender->resolve.context = deposit;
    return mm_report_sender_ask(sender, deposit->message.reverse_path);
}

void mm_deposit_note_sender(struct mm_deposit *deposit)
{
    if (deposit->sender != NULL && deposit->error == MAILMOD_OK) {
        enum mailmod_error error = mm_report_sender_state(deposit->sender);

        deposit->error = error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
    }
}

void mm_deposit_forget_sender(struct mm_deposit *deposit)
{
    if (deposit->sender != NULL) {
        mm_report_sender_cancel(deposit->sender);
        mm_free(deposit->sender);
        deposit->sender = NULL;
    }
}

static void fill(const struct mm_config *config,
                 const struct mm_deposit_recipient *recipient,
                 enum mm_report_action action, struct mm_report_recipient *out)
{
    const struct mm_loss_words words = mm_loss_words(recipient);
    bool is_lost = recipient->loss != MM_LOSS_NONE;

    *out = (struct mm_report_recipient){
        .recipient = recipient->path,
        .original_recipient = recipient->original_recipient,
        .action = action,
        .status = action == MM_REPORT_EXPANDED ? "2.0.0" : words.status,
        .remote_host = "",
        .diagnostic = is_lost ? words.text : ""};
    mm_post_report_hide(config, recipient->original_to, recipient->visibility,
                        out);
}

static enum mailmod_error put_kind(const struct mm_deposit *deposit,
                                   enum mm_report_action action,
                                   struct mm_store_transaction *t)
{
    struct mm_post_report report = {.post = deposit->options.post,
                                    .config = deposit->options.config,
                                    .original = &deposit->message,
                                    .first = mm_buf_span(&deposit->fields),
                                    .last = mm_buf_span(&deposit->filling),
                                    .last_number = deposit->piece_number,
                                    .recipient_count =
                                        count_told(deposit, action),
                                    .now_ms = deposit->message.arrival_ms};

    if (report.recipient_count == 0) {
        return MAILMOD_OK;
    }
    struct mm_report_recipient *recipients =
        mm_alloc_array(report.recipient_count, sizeof *recipients);
    if (recipients == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    size_t count = 0;
    const struct mm_list *head = &deposit->recipients;
    for (const struct mm_list *node = head->next; node != head;
         node = node->next) {
        const struct mm_deposit_recipient *recipient =
            MM_LIST_OBJECT(node, struct mm_deposit_recipient, node);

        if (is_told(recipient, action)) {
            fill(deposit->options.config, recipient, action,
                 &recipients[count++]);
        }
    }
    report.recipients = recipients;
    bool is_told;
    enum mailmod_error error =
        mm_post_report_put(&report, deposit->sender, t, &is_told);
    mm_free(recipients);
    return error;
}

enum mailmod_error mm_deposit_put_reports(struct mm_deposit *deposit,
                                          struct mm_store_transaction *t)
{
    if (!may_report(deposit)) {
        return MAILMOD_OK;
    }
    if (mm_deposit_wants_sender(deposit)) {
        return MAILMOD_ERROR_STATE; /* a mailbox has just proved to be gone */
    }
    enum mailmod_error error = put_kind(deposit, MM_REPORT_FAILED, t);
    if (error == MAILMOD_OK) {
        error = put_kind(deposit, MM_REPORT_EXPANDED, t);
    }
    return error == MAILMOD_OK ? put_kind(deposit, MM_REPORT_DELIVERED, t)
                               : error;
}
