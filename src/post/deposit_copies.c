/* deposit_copies.c - a copy of all mail that comes in or goes out.
 *
 * Owns the question who gets the copy, one at a time, before the last
 * transaction. Promises: the copy is in the transaction of the message; it asks
 * for no report; a report of ours has none; an address that nobody has is an
 * error in the log and no reason to refuse mail, one that cannot be looked up
 * now is.
 * Thread: the depositor's. */
#include "post/deposit_internal.h"

#include "base/mem.h"

struct mm_deposit_copy {
    struct mm_resolve resolve;
    struct mm_address address;
};

enum { COPY_INCOMING = 1u, COPY_OUTGOING = 2u };

/* What the message is, by those who get it. */
static unsigned kinds_of(const struct mm_deposit *deposit)
{
    const struct mm_list *head = &deposit->recipients;
    unsigned kinds = 0;

    for (const struct mm_list *node = head->next; node != head;
         node = node->next) {
        const struct mm_deposit_recipient *recipient =
            MM_LIST_OBJECT(node, struct mm_deposit_recipient, node);

        if (mm_deposit_gets_mail(recipient)) {
            kinds |= recipient->kind == MM_TARGET_REMOTE ? COPY_OUTGOING
                                                         : COPY_INCOMING;
        }
    }
    return kinds;
}

/* "": no copy of this kind is wanted, or was asked for already. */
static const char *next_address(struct mm_deposit *deposit)
{
    const struct mm_config *config = deposit->options.config;
    unsigned left = kinds_of(deposit) & ~deposit->copied;

    if ((left & COPY_INCOMING) != 0 &&
        config->local.copy_incoming_to[0] != '\0') {
        deposit->copied |= COPY_INCOMING;
        return config->local.copy_incoming_to;
    }
    if ((left & COPY_OUTGOING) != 0 &&
        config->local.copy_outgoing_to[0] != '\0') {
        deposit->copied |= COPY_OUTGOING;
        return config->local.copy_outgoing_to;
    }
    return "";
}

static void log_nobody(const struct mm_deposit *deposit, const char *to)
{
    MM_LOG(deposit->options.post->log, MM_LOG_ERROR, "post",
           "copy of all mail: nobody gets it", MM_TEXT("to", to),
           MM_TEXT("message", deposit->identifier));
}

bool mm_deposit_ask_copy(struct mm_deposit *deposit,
                         void (*done)(struct mm_resolve *resolve),
                         enum mm_answer *answer_out)
{
    const struct mm_config *config = deposit->options.config;

    if ((config->local.copy_incoming_to[0] == '\0' &&
         config->local.copy_outgoing_to[0] == '\0') ||
        deposit->message.is_report || deposit->error != MAILMOD_OK ||
        mm_deposit_is_quarantined(deposit)) {
        return false;
    }
    const char *to = next_address(deposit);
    if (to[0] == '\0') {
        return false;
    }
    struct mm_deposit_copy *copy = mm_alloc(sizeof *copy);
    deposit->copy = copy;
    *answer_out = MM_ANSWERED;
    if (copy == NULL) {
        deposit->error = MAILMOD_ERROR_MEMORY;
        return true;
    }
    if (mm_address_parse_in(to, config->host_name, &copy->address) !=
        MAILMOD_OK) {
        log_nobody(deposit, to);
        return true;
    }
    copy->resolve.post = deposit->options.post;
    copy->resolve.config = deposit->options.config;
    copy->resolve.address = &copy->address;
    copy->resolve.notify = MM_DSN_NOTIFY_NEVER;
    copy->resolve.loop = deposit->options.loop;
    copy->resolve.done = done;
    copy->resolve.context = deposit;
    *answer_out = mm_resolve_ask(&copy->resolve);
    return true;
}

/* One copy for those who get the message anyway. */
static enum mailmod_error add(struct mm_deposit *deposit,
                              const struct mm_target *found)
{
    struct mm_target target = *found;

    if (target.kind >= MM_TARGET_EXPANDED) {
        return MAILMOD_OK;
    }
    target.is_expanded = true;
    target.meets = true;
    return mm_deposit_add_more(deposit, &target);
}

void mm_deposit_note_copy(struct mm_deposit *deposit)
{
    const struct mm_deposit_copy *copy = deposit->copy;

    for (size_t i = 0; copy != NULL && deposit->error == MAILMOD_OK &&
                       i < copy->resolve.target_count;
         i++) {
        const struct mm_target *target = &copy->resolve.targets[i];

        if (target->kind == MM_TARGET_FOR_NOW) {
            deposit->error = target->error;
        } else if (target->kind == MM_TARGET_REFUSED) {
            log_nobody(deposit, copy->address.text);
        } else {
            deposit->error = add(deposit, target);
        }
    }
    mm_deposit_forget_copy(deposit);
}

void mm_deposit_forget_copy(struct mm_deposit *deposit)
{
    if (deposit->copy != NULL) {
        mm_resolve_cancel(&deposit->copy->resolve);
        mm_free(deposit->copy);
        deposit->copy = NULL;
    }
}
