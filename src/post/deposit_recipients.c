/* deposit_recipients.c - the envelope of a deposit: who gets it, once each.
 *
 * Owns the recipients. Promises: a mailbox gets one copy and a forward-path for
 * one destination has one row, however often it was named (RFC 5321 3.3 lets a
 * client repeat itself); each keeps its number and its wishes.
 * Thread: the depositor's. */
#include "post/deposit_internal.h"

#include "base/mem.h"
#include "platform/random.h"
#include "post/aside.h"
#include "post/destination.h"

#include <string.h>

/* What two recipients have in common when one copy serves both. */
static struct mm_span key_of(const struct mm_deposit_recipient *recipient)
{
    if (recipient->kind == MM_TARGET_MAILBOX) {
        return mm_span((const char *)&recipient->mailbox_id,
                       sizeof recipient->mailbox_id);
    }
    /* "path\0destination": they stand so in `texts`. */
    return mm_span(recipient->path,
                   strlen(recipient->path) + 1 + strlen(recipient->place));
}

static bool is_same(const struct mm_deposit_recipient *a,
                    const struct mm_deposit_recipient *b)
{
    return (a->kind == MM_TARGET_MAILBOX) == (b->kind == MM_TARGET_MAILBOX) &&
           mm_span_equal(key_of(a), key_of(b));
}

static enum mailmod_error make_map(struct mm_deposit *deposit)
{
    uint64_t seed = 0;
    enum mailmod_error error = mm_random(&seed, sizeof seed);

    if (error != MAILMOD_OK) {
        return error;
    }
    deposit->has_map = true;
    mm_map_init(&deposit->seen, SIZE_MAX / 4, seed);
    MM_LIST_EACH(node, &deposit->recipients)
    {
        struct mm_deposit_recipient *recipient =
            MM_LIST_OBJECT(node, struct mm_deposit_recipient, node);

        if (!recipient->is_double && error == MAILMOD_OK) {
            error = mm_map_put(&deposit->seen, key_of(recipient), recipient);
        }
    }
    return error;
}

/* Few are compared with each other; many find each other in a map. */
static enum mailmod_error find_double(struct mm_deposit *deposit,
                                      struct mm_deposit_recipient *recipient)
{
    if (deposit->recipient_count < MM_DEPOSIT_COMPARED_MAX) {
        MM_LIST_EACH(node, &deposit->recipients)
        {
            recipient->is_double =
                recipient->is_double ||
                is_same(
                    recipient,
                    MM_LIST_OBJECT(node, struct mm_deposit_recipient, node));
        }
        return MAILMOD_OK;
    }
    enum mailmod_error error =
        deposit->has_map ? MAILMOD_OK : make_map(deposit);
    if (error != MAILMOD_OK) {
        return error;
    }
    recipient->is_double =
        mm_map_get(&deposit->seen, key_of(recipient)) != NULL;
    return recipient->is_double
               ? MAILMOD_OK
               : mm_map_put(&deposit->seen, key_of(recipient), recipient);
}

static struct mm_deposit_recipient *copy(const struct mm_target *target,
                                         const char *words)
{
    const char *place = target->kind == MM_TARGET_MAILBOX ? target->mailbox_name
                                                          : target->destination;
    const char *original =
        target->original_recipient != NULL ? target->original_recipient : "";
    struct mm_deposit_recipient *recipient =
        mm_alloc(sizeof *recipient + strlen(target->path) + strlen(place) +
                 strlen(original) + strlen(words) + 4);
    char *at = NULL;

    if (recipient != NULL) {
        at = recipient->texts;
        recipient->kind = target->kind;
        recipient->notify = target->notify;
        recipient->mailbox_id = target->mailbox_id;
        recipient->limit = target->limit;
        recipient->path = mm_text_put(&at, target->path);
        recipient->place = mm_text_put(&at, place);
        recipient->original_recipient = mm_text_put(&at, original);
        recipient->words = mm_text_put(&at, words);
    }
    return recipient;
}

static enum mailmod_error add(struct mm_deposit *deposit,
                              const struct mm_target *target, const char *words)
{
    struct mm_deposit_recipient *recipient = copy(target, words);
    if (recipient == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error = find_double(deposit, recipient);
    if (error != MAILMOD_OK) {
        mm_free(recipient);
        return error;
    }
    recipient->number = deposit->next_number++;
    deposit->recipient_count++;
    mm_list_append(&deposit->recipients, &recipient->node);
    return MAILMOD_OK;
}

enum mailmod_error mm_deposit_add(struct mm_deposit *deposit,
                                  const struct mm_target *target)
{
    return target->kind >= MM_TARGET_REFUSED ? MAILMOD_ERROR_ARGUMENT
                                             : add(deposit, target, "");
}

enum mailmod_error mm_deposit_add_aside(struct mm_deposit *deposit,
                                        const char *account, const char *path,
                                        const char *words)
{
    char destination[MM_STORE_DESTINATION_MAX];
    const struct mm_target target = {
        .kind = MM_TARGET_LOCAL, .path = path, .destination = destination};
    enum mailmod_error error =
        mm_destination_local(MM_ASIDE_CONSUMER, account, destination);
    return error == MAILMOD_OK ? add(deposit, &target, words) : error;
}

const char *mm_deposit_aside_words(const struct mm_deposit_recipient *recipient)
{
    return recipient->is_aside ? mm_loss_words(recipient->loss)->text
                               : recipient->words;
}

void mm_deposit_skip(struct mm_deposit *deposit)
{
    deposit->next_number++;
}

size_t mm_deposit_recipient_count(const struct mm_deposit *deposit)
{
    return deposit->recipient_count;
}

const char *mm_deposit_first_path(const struct mm_deposit *deposit)
{
    const struct mm_list *node = deposit->recipients.next;

    return node != &deposit->recipients
               ? MM_LIST_OBJECT(node, struct mm_deposit_recipient, node)->path
               : NULL;
}

bool mm_deposit_met_full(const struct mm_deposit *deposit)
{
    const struct mm_list *head = &deposit->recipients;
    bool is_full = false;

    for (const struct mm_list *node = head->next; node != head;
         node = node->next) {
        is_full =
            is_full ||
            MM_LIST_OBJECT(node, struct mm_deposit_recipient, node)->loss ==
                MM_LOSS_FULL;
    }
    return is_full;
}

void mm_deposit_each_lost(const struct mm_deposit *deposit,
                          void (*visit)(void *context, size_t number,
                                        bool is_full),
                          void *context)
{
    const struct mm_list *head = &deposit->recipients;

    for (const struct mm_list *node = head->next; node != head;
         node = node->next) {
        const struct mm_deposit_recipient *recipient =
            MM_LIST_OBJECT(node, struct mm_deposit_recipient, node);

        if (recipient->loss != MM_LOSS_NONE && !recipient->is_aside) {
            visit(context, recipient->number, recipient->loss == MM_LOSS_FULL);
        }
    }
}

void mm_deposit_free_recipients(struct mm_deposit *deposit)
{
    struct mm_list *node = NULL;

    while ((node = mm_list_take_first(&deposit->recipients)) != NULL) {
        mm_free(MM_LIST_OBJECT(node, struct mm_deposit_recipient, node));
    }
    if (deposit->has_map) {
        mm_map_fini(&deposit->seen);
    }
}

const struct mm_loss_words *mm_loss_words(enum mm_deposit_loss loss)
{
    static const struct mm_loss_words words[] = {
        [MM_LOSS_NONE] = {MAILMOD_OK, "2.1.5", "in the mailbox"},
        [MM_LOSS_GONE] = {MAILMOD_ERROR_NOT_FOUND, "5.1.1",
                          "the mailbox was removed while the message came"},
        [MM_LOSS_FULL] = {MAILMOD_ERROR_LIMIT, "5.2.2", "the mailbox is full"},
    };

    return &words[loss];
}
