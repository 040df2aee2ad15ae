/* places.c - which recipients of a message are here, and what of them.
 *
 * Owns nothing. Promises: the post office answers as it answers the server, but
 * for address literals, which name the host by a connection that there is not;
 * nobody of that name is FAILED as the server would have said it.
 *
 * Thread: any that may wait. RFC 5321 4.1.3, RFC 3463 3.2. */
#include "api/message/message.h"

#include "post/resolve.h"

/* Numbers of the deposit are places in the list. */
static enum mailmod_error add(mailmod_message *message,
                              const struct mm_target *target, bool is_more)
{
    return is_more ? mm_deposit_add_more(message->deposit, target)
                   : mm_deposit_add(message->deposit, target);
}

/* It gets nothing of the deposit. */
static enum mailmod_error leave_out(mailmod_message *message)
{
    mm_deposit_skip(message->deposit);
    return MAILMOD_OK;
}

/* Where the first target is decides what is told of the recipient; the others
 * of an alias have rows and reports of their own. What leads elsewhere by an
 * alias goes by the queue, whatever the mode is. */
static enum mailmod_error use_first(mailmod_message *message, size_t index,
                                    const struct mm_target *target)
{
    struct mm_message_recipient *recipient = &message->recipients.items[index];

    switch (target->kind) {
    case MM_TARGET_MAILBOX:
    case MM_TARGET_EXPANDED:
    case MM_TARGET_REPLY:
    case MM_TARGET_FAILED:
        recipient->place = MM_PLACE_HERE;
        return add(message, target, false);
    case MM_TARGET_LOCAL:
        recipient->place = MM_PLACE_QUEUED;
        return add(message, target, false);
    case MM_TARGET_REMOTE:
        recipient->place =
            target->is_expanded ? MM_PLACE_QUEUED : MM_PLACE_REMOTE;
        return target->is_expanded || message->mode == MAILMOD_SEND_QUEUE
                   ? add(message, target, false)
                   : leave_out(message);
    case MM_TARGET_REFUSED:
        recipient->place = MM_PLACE_NOBODY;
        recipient->refusal = target->reply;
        return leave_out(message);
    case MM_TARGET_FOR_NOW:
        break;
    }
    return target->error;
}

static enum mailmod_error find_place(mailmod_message *message, size_t index)
{
    const struct mm_message_recipient *recipient =
        &message->recipients.items[index];
    struct mm_address address;
    enum mailmod_error error =
        mm_address_parse(mm_span_cstr(recipient->path), false, true, &address);

    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_resolve resolve = {.post = message->messages->post,
                                 .config = message->config,
                                 .address = &address,
                                 .notify = recipient->notify,
                                 .original_recipient =
                                     recipient->original_recipient,
                                 .size = message->size};
    (void)mm_resolve_ask(&resolve); /* no loop: never PENDING */
    for (size_t i = 0; error == MAILMOD_OK && i < resolve.target_count; i++) {
        error = i == 0 ? use_first(message, index, &resolve.targets[i])
                       : add(message, &resolve.targets[i], true);
    }
    mm_resolve_cancel(&resolve);
    return error;
}

enum mailmod_error mm_message_find_places(mailmod_message *message)
{
    enum mailmod_error error = MAILMOD_OK;

    for (size_t i = 0; error == MAILMOD_OK && i < message->recipients.count;
         i++) {
        error = find_place(message, i);
    }
    return error;
}

size_t mm_message_count_at(const mailmod_message *message,
                           enum mm_message_place place)
{
    size_t count = 0;

    for (size_t i = 0; i < message->recipients.count; i++) {
        count += message->recipients.items[i].place == place ? 1 : 0;
    }
    return count;
}

/* What the server would have said. A mailbox that is full is so for good here:
 * this message is not tried again. */
static void note_refusal(mailmod_message *message, size_t index,
                         const struct mm_reply *reply)
{
    bool is_full = reply->code < 500;
    struct mm_message_words words = {.error = MAILMOD_ERROR_REFUSED,
                                     .code = is_full ? 552 : reply->code};

    (void)mm_span_copy(mm_span_cstr(is_full ? "5.2.2" : reply->enhanced),
                       words.enhanced, sizeof words.enhanced);
    (void)mm_span_copy(mm_span_cstr(is_full ? "Mailbox full" : reply->text),
                       words.text, sizeof words.text);
    mm_message_note_own(message, index, MAILMOD_FAILED, &words);
}

/* Outcomes of those who are here: in the mailbox, or nobody. */
void mm_message_note_places(mailmod_message *message, enum mailmod_error error)
{
    static const struct mm_message_words delivered = {.enhanced = "2.1.5",
                                                      .text = "in the mailbox"};
    const struct mm_message_words not_stored = {
        .error = error,
        .enhanced = "4.3.0",
        .text = "the mailbox cannot be written"};

    for (size_t i = 0; i < message->recipients.count; i++) {
        struct mm_message_recipient *recipient = &message->recipients.items[i];

        if (recipient->place == MM_PLACE_NOBODY) {
            note_refusal(message, i, recipient->refusal);
        } else if (recipient->place == MM_PLACE_HERE && error == MAILMOD_OK) {
            mm_message_note_own(message, i, MAILMOD_DELIVERED, &delivered);
        } else if (recipient->place == MM_PLACE_HERE ||
                   (recipient->place == MM_PLACE_QUEUED &&
                    error != MAILMOD_OK)) {
            mm_message_note_own(message, i, MAILMOD_DEFERRED, &not_stored);
        }
    }
    mm_message_end_if_over(message);
}
