/* deposit_kept.c - what is told of a deposit that is on disk.
 *
 * Owns nothing. Promises: one line "accepted" a message, one line and one piece
 * of news for each recipient that is settled here; those in the queue have
 * theirs when something became of them, and a quarantined message has its own
 * line alone.
 * Thread: the depositor's. */
#include "post/deposit_internal.h"
#include "post/news.h"

static void log_accepted(const struct mm_deposit *deposit)
{
    MM_LOG(deposit->options.post->log, MM_LOG_INFO, "post", "message accepted",
           MM_TEXT("session", deposit->session),
           MM_TEXT("message", deposit->identifier),
           MM_TEXT("from", deposit->message.reverse_path),
           MM_TEXT("peer", deposit->peer), MM_TEXT("user", deposit->user),
           MM_TEXT("message_id", deposit->edit.message_id),
           MM_NUMBER("size", (int64_t)deposit->message.size),
           MM_NUMBER("recipients", (int64_t)deposit->recipient_count));
}

static const char *words_for_log(enum mm_deposit_loss loss)
{
    static const char *const words[] = {
        [MM_LOSS_NONE] = "in the mailbox",
        [MM_LOSS_GONE] = "mailbox is gone",
        [MM_LOSS_FULL] = "mailbox is full",
        [MM_LOSS_LOOP] = "mail goes in a circle",
        [MM_LOSS_REFUSED] = "one of several gets no mail",
        [MM_LOSS_REMOVED] = "taken from the envelope by a judge"};

    return words[loss];
}

/* Of those in the queue the lines come when something became of them. */
static bool is_settled_here(const struct mm_deposit_recipient *recipient)
{
    return recipient->loss != MM_LOSS_REMOVED &&
           (recipient->kind == MM_TARGET_MAILBOX ||
            recipient->loss != MM_LOSS_NONE);
}

static void log_mailboxes(const struct mm_deposit *deposit)
{
    const struct mm_list *head = &deposit->recipients;

    for (const struct mm_list *node = head->next; node != head;
         node = node->next) {
        const struct mm_deposit_recipient *recipient =
            MM_LIST_OBJECT(node, struct mm_deposit_recipient, node);

        if (recipient->words[0] != '\0' || recipient->is_aside) {
            MM_LOG(deposit->options.post->log, MM_LOG_WARNING, "post",
                   "set aside", MM_TEXT("message", deposit->identifier),
                   MM_TEXT("recipient", recipient->path),
                   MM_TEXT("reason", mm_deposit_aside_words(recipient)));
        } else if (is_settled_here(recipient)) {
            MM_LOG(deposit->options.post->log,
                   recipient->loss != MM_LOSS_NONE ? MM_LOG_WARNING
                                                   : MM_LOG_INFO,
                   "post", words_for_log(recipient->loss),
                   MM_TEXT("message", deposit->identifier),
                   MM_TEXT("recipient", recipient->path),
                   MM_TEXT("mailbox", recipient->place),
                   MM_TEXT("to", recipient->original_to));
        }
    }
}

static void tell_mailboxes(const struct mm_deposit *deposit)
{
    const struct mm_list *head = &deposit->recipients;
    struct mm_news news = {.connection = deposit->connection,
                           .message_id = deposit->message.id,
                           .reverse_path = deposit->message.reverse_path,
                           .host = "",
                           .attempts = 1};

    for (const struct mm_list *node = head->next; node != head;
         node = node->next) {
        const struct mm_deposit_recipient *recipient =
            MM_LIST_OBJECT(node, struct mm_deposit_recipient, node);

        if (is_settled_here(recipient) && !recipient->is_aside) {
            const struct mm_loss_words words = mm_loss_words(recipient);

            news.kind = recipient->loss != MM_LOSS_NONE
                            ? MAILMOD_EVENT_BOUNCED
                            : MAILMOD_EVENT_DELIVERED;
            news.recipient = recipient->path;
            news.error = words.error;
            news.status = words.status;
            news.reply = words.text;
            mm_post_tell(deposit->options.post, &news);
        }
    }
}

static void log_quarantine(const struct mm_deposit *deposit)
{
    const struct mm_change *quarantine =
        mm_changes_find(&deposit->changes, MM_CHANGE_QUARANTINE);

    MM_LOG(deposit->options.post->log, MM_LOG_WARNING, "post", "in quarantine",
           MM_TEXT("message", deposit->identifier),
           MM_TEXT("by", quarantine->name),
           MM_TEXT("reason", quarantine->value));
}

void mm_deposit_tell_discarded(const struct mm_deposit *deposit)
{
    MM_LOG(deposit->options.post->log, MM_LOG_INFO, "post",
           "message taken from all recipients by a judge",
           MM_TEXT("session", deposit->session),
           MM_TEXT("message", deposit->identifier),
           MM_TEXT("from", deposit->message.reverse_path));
}

/* The message is on disk, whether anybody still waits for it or not. */
void mm_deposit_tell_kept(struct mm_deposit *deposit)
{
    deposit->has_stored = false; /* the message owns its pieces */
    log_accepted(deposit);
    if (mm_deposit_is_quarantined(deposit)) {
        log_quarantine(deposit);
        return;
    }
    log_mailboxes(deposit);
    if (!deposit->message.is_report) {
        tell_mailboxes(deposit);
    }
}
