/* resolve.c - from an address to those who get its mail.
 *
 * Owns, for the time of a question: addresses that stand for the one that was
 * asked about, and the targets found. Each address goes through the table of
 * steps until one takes it; a step may add targets, or more addresses.
 * Promises: an end, for depth and number are bounded (base/limits.h); exactly
 * one answer.
 *
 * Law: idle -> ask -> ANSWERED, or PENDING -> resume -> ... -> done. A verdict
 * that spoils the whole (REFUSED, FOR_NOW) drops the other targets.
 * Thread: the asker's. RFC 5321 3.9 (aliases), 4.5.1, 6.3 (loops). */
#include "post/resolve.h"

#include "base/limits.h"
#include "base/mem.h"
#include "post/auto_reply.h"
#include "post/destination.h"
#include "post/directory.h"
#include "post/forward_files.h"
#include "post/late_resolve.h"
#include "post/mailboxes.h"
#include "post/maillist.h"
#include "post/quota.h"
#include "post/redirect.h"
#include "post/srs.h"

#include <string.h>

static const struct mm_reply too_many = {
    550, "5.4.6", "the address stands for too many others"};
static const struct mm_reply circle = {
    550, "5.4.6", "the address stands for itself, and is nobody's"};

static void spoil(struct mm_resolve *resolve, enum mm_target_kind kind,
                  const struct mm_reply *reply, enum mailmod_error error)
{
    if (resolve->target_count > 0 &&
        resolve->targets[0].kind >= MM_TARGET_REFUSED) {
        return; /* the first reason stays */
    }
    resolve->first = (struct mm_target){.kind = kind,
                                        .path = resolve->address->text,
                                        .reply = reply,
                                        .error = error};
    resolve->targets = &resolve->first;
    resolve->target_count = 1;
}

/* Room for one more target in `more`, which begins as a copy of `first`. */
static bool grow(struct mm_resolve *resolve)
{
    struct mm_target *more = mm_array_grow(resolve->more, resolve->target_count,
                                           &resolve->capacity, sizeof *more);

    if (more == NULL) {
        return false;
    }
    if (resolve->more == NULL) {
        more[0] = resolve->first;
    }
    resolve->more = more;
    resolve->targets = more;
    return true;
}

/* One of several who gets no mail: the others do, and the sender is told. */
static void add_failed(struct mm_resolve *resolve,
                       const struct mm_target *target)
{
    struct mm_target failed = *target;

    failed.kind = MM_TARGET_FAILED;
    mm_resolve_add(resolve, &failed);
}

void mm_resolve_add(struct mm_resolve *resolve, const struct mm_target *target)
{
    if (target->kind == MM_TARGET_REFUSED && target->is_expanded) {
        add_failed(resolve, target);
    } else if (target->kind >= MM_TARGET_REFUSED) {
        spoil(resolve, target->kind, target->reply, target->error);
    } else if (resolve->target_count == 0) {
        resolve->first = *target;
        resolve->targets = &resolve->first;
        resolve->target_count = 1;
    } else if (resolve->targets[0].kind >= MM_TARGET_REFUSED) {
        return;
    } else if (target->kind != MM_TARGET_REPLY &&
               resolve->target_count - resolve->reply_count >=
                   MM_LIMIT_TARGETS) {
        spoil(resolve, MM_TARGET_REFUSED, &too_many, MAILMOD_OK);
    } else if (!grow(resolve)) {
        spoil(resolve, MM_TARGET_FOR_NOW, NULL, MAILMOD_ERROR_MEMORY);
    } else {
        resolve->more[resolve->target_count++] = *target;
        resolve->reply_count += target->kind == MM_TARGET_REPLY ? 1 : 0;
    }
}

struct expansion {
    struct mm_resolve_item item;
    struct mm_address address;
};

struct mm_resolve_item *mm_resolve_expand(struct mm_resolve *resolve,
                                          const struct mm_resolve_item *item,
                                          const struct mm_address *address)
{
    if (item->depth + 1 > MM_LIMIT_RESOLVE_DEPTH ||
        ++resolve->expanded_count > MM_LIMIT_TARGETS) {
        spoil(resolve, MM_TARGET_REFUSED, &too_many, MAILMOD_OK);
        return NULL;
    }
    struct expansion *expansion = mm_alloc(sizeof *expansion);
    if (expansion == NULL) {
        spoil(resolve, MM_TARGET_FOR_NOW, NULL, MAILMOD_ERROR_MEMORY);
        return NULL;
    }
    expansion->address = *address;
    expansion->item.address = &expansion->address;
    expansion->item.depth = item->depth + 1;
    expansion->item.parent = item;
    expansion->item.notify = item->notify;
    expansion->item.meets = true;
    expansion->item.visibility = item->visibility;
    mm_list_append(&resolve->waiting, &expansion->item.node);
    return &expansion->item;
}

bool mm_resolve_is_circle(const struct mm_resolve_item *item)
{
    for (const struct mm_resolve_item *at = item->parent; at != NULL;
         at = at->parent) {
        if (mm_cstr_equal_nocase(at->address->text, item->address->text)) {
            return true;
        }
    }
    return false;
}

void mm_resolve_fill(const struct mm_resolve *resolve,
                     const struct mm_resolve_item *item,
                     struct mm_target *target)
{
    target->path = item->address->text;
    target->notify = item->notify;
    target->original_recipient = resolve->original_recipient;
    target->is_expanded = item->depth > 0;
    target->meets = item->meets;
    target->visibility = item->visibility;
    if (item->depth > 0 &&
        strcmp(item->address->text, resolve->address->text) != 0) {
        target->original_to = resolve->address->text;
    }
}

/* Of an address that says no more than the user's name: that one in the first
 * of the local domains. */
static bool is_plain(const struct mm_config *config, const char *user,
                     const struct mm_address *address)
{
    size_t size = strlen(user);
    const char *text = address->text;

    if (strchr(user, '@') != NULL) {
        return mm_cstr_equal_nocase(user, text);
    }
    return mm_span_starts_nocase(mm_span_cstr(text), user) &&
           text[size] == '@' && config->local.domains.count > 0 &&
           mm_cstr_equal_nocase(text + size + 1,
                                config->local.domains.items[0]);
}

/* Why a user gets no mail now; NULL: there is nothing. Postmaster is always
 * somebody (RFC 5321 4.5.1). */
static const struct mm_reply *refuse_user(const struct mm_resolve *resolve,
                                          const struct mm_address *address,
                                          const struct mm_store_addressee *user,
                                          uint64_t limit)
{
    bool keeps =
        resolve->config->local.disabled_mail == MM_CONFIG_DISABLED_MAIL_KEEP ||
        mm_directory_is_postmaster(address);

    if (user->is_disabled && !keeps) {
        return mm_reply_get(MM_REPLY_MAILBOX_DISABLED);
    }
    return limit == 0 ||
                   mm_quota_has_room(resolve->post->store, user->mailbox_id,
                                     limit, resolve->size)
               ? NULL
               : mm_reply_get(MM_REPLY_MAILBOX_FULL);
}

/* A mailbox elsewhere gets its mail by the queue, and its room is not ours to
 * count. */
static void use_mailbox(const struct mm_resolve *resolve,
                        struct mm_resolve_item *item,
                        const struct mm_store_addressee *user,
                        struct mm_target *target)
{
    uint64_t limit = 0;

    memcpy(item->user, user->name, sizeof item->user);
    target->mailbox_name = item->user;
    enum mailmod_error error =
        mm_mailboxes_destination(resolve->config, user->name, item->text);

    if (error == MAILMOD_OK) {
        target->kind = MM_TARGET_LOCAL;
        target->destination = item->text;
    } else if (error != MAILMOD_ERROR_NOT_FOUND) {
        target->kind = MM_TARGET_FOR_NOW;
        target->error = error;
        return;
    } else {
        limit = mm_quota_limit(resolve->config, user,
                               resolve->is_report ||
                                   mm_directory_is_postmaster(item->address));
        target->mailbox_id = user->mailbox_id;
        target->limit = limit;
        target->delivered_to =
            item->depth == 0 &&
                    is_plain(resolve->config, user->name, item->address)
                ? NULL
                : item->address->text;
    }
    target->reply = resolve->is_for_owner
                        ? NULL
                        : refuse_user(resolve, item->address, user, limit);
    if (target->reply != NULL) {
        target->kind = MM_TARGET_REFUSED;
    } else if (!resolve->is_by_file &&
               mm_forward_files_destination(resolve->config, user->name,
                                            item->text) == MAILMOD_OK) {
        target->kind = MM_TARGET_LOCAL;
        target->destination = item->text;
        target->delivered_to = NULL;
    }
}

void mm_resolve_add_user(struct mm_resolve *resolve,
                         struct mm_resolve_item *item,
                         const struct mm_store_addressee *user)
{
    struct mm_target target = {.kind = MM_TARGET_MAILBOX};

    mm_resolve_fill(resolve, item, &target);
    use_mailbox(resolve, item, user, &target);
    mm_resolve_add(resolve, &target);
}

/* Users of ours: directory.h. */
static enum mm_step_verdict find_mailbox(struct mm_resolve *resolve,
                                         struct mm_resolve_item *item)
{
    struct mm_target target = {.kind = MM_TARGET_FOR_NOW};

    if (!mm_directory_is_local(resolve->config, item->address,
                               item->depth == 0 ? resolve->local : NULL)) {
        return MM_STEP_PASS;
    }
    resolve->is_local = resolve->is_local || item->depth == 0;
    struct mm_store_addressee user;
    target.error = mm_directory_find(resolve->post->store, resolve->config,
                                     item->address, &user);
    if (target.error == MAILMOD_OK) {
        if (!mm_redirect_forward(resolve, item, &user)) {
            mm_resolve_add_user(resolve, item, &user);
        }
        mm_auto_reply_mark(resolve, item, user.name, user.mailbox_id);
        return MM_STEP_TAKEN;
    }
    mm_resolve_fill(resolve, item, &target);
    if (target.error == MAILMOD_ERROR_NOT_FOUND) {
        target.kind = MM_TARGET_REFUSED;
        target.reply = mm_resolve_is_circle(item)
                           ? &circle
                           : mm_reply_get(MM_REPLY_NO_SUCH_USER);
    }
    mm_resolve_add(resolve, &target);
    return MM_STEP_TAKEN;
}

/* Everybody else. */
static enum mm_step_verdict send_on(struct mm_resolve *resolve,
                                    struct mm_resolve_item *item)
{
    struct mm_target target = {.kind = MM_TARGET_REMOTE};

    mm_resolve_fill(resolve, item, &target);
    mm_destination_of(resolve->config, item->address->domain, item->text);
    target.destination = item->text;
    if (item->parent != NULL) {
        target.delivered_to = item->parent->address->text;
    }
    mm_resolve_add(resolve, &target);
    return MM_STEP_TAKEN;
}

static const struct mm_resolve_step steps[] = {
    {.run = mm_srs_step},       {.run = mm_maillist_step},
    {.run = mm_redirect_alias}, {.run = find_mailbox},
    {.run = send_on},
};

const struct mm_resolve_step *mm_resolve_steps(size_t *count_out)
{
    *count_out = sizeof steps / sizeof steps[0];
    return steps;
}

static bool next_item(struct mm_resolve *resolve)
{
    struct mm_list *node = mm_list_take_first(&resolve->waiting);

    resolve->item = node != NULL
                        ? MM_LIST_OBJECT(node, struct mm_resolve_item, node)
                        : NULL;
    resolve->step = 0;
    if (node != NULL) {
        mm_list_append(&resolve->looked, node);
    }
    return node != NULL;
}

/* Nobody of those for whom it stands gets mail: then the address gets none, but
 * for postmaster, who always finds somebody (RFC 5321 4.5.1). */
static void refuse_whole(struct mm_resolve *resolve)
{
    const struct mm_reply *reply = mm_reply_get(MM_REPLY_NO_SUCH_USER);

    for (size_t i = 0; i < resolve->target_count; i++) {
        const struct mm_target *target = &resolve->targets[i];

        if (target->kind < MM_TARGET_EXPANDED ||
            target->kind >= MM_TARGET_REFUSED) {
            return;
        }
        if (target->kind == MM_TARGET_FAILED) {
            reply = target->reply;
        }
    }
    if (mm_directory_is_postmaster(resolve->address) &&
        !resolve->root.is_final && resolve->is_local) {
        resolve->target_count = 0;
        resolve->root.is_final = true;
        (void)find_mailbox(resolve, &resolve->root);
        return;
    }
    spoil(resolve, MM_TARGET_REFUSED, reply, MAILMOD_OK);
}

/* Until nothing is left to look at, or a step waits. */
static enum mm_answer go_on(struct mm_resolve *resolve)
{
    const struct mm_post *post = resolve->post;

    while (resolve->item != NULL || next_item(resolve)) {
        enum mm_step_verdict verdict = MM_STEP_PASS;

        if (resolve->step < post->step_count) {
            verdict = post->steps[resolve->step].run(resolve, resolve->item);
        } else {
            /* Nobody takes it; the last row of steps[] takes all. */
            spoil(resolve, MM_TARGET_REFUSED,
                  mm_reply_get(MM_REPLY_NO_SUCH_USER), MAILMOD_OK);
            verdict = MM_STEP_TAKEN;
        }
        if (verdict == MM_STEP_PENDING) {
            resolve->is_pending = true;
            return MM_PENDING;
        }
        resolve->step++;
        if (verdict == MM_STEP_TAKEN) {
            resolve->item = NULL;
        }
    }
    mm_auto_reply_add_marked(resolve);
    refuse_whole(resolve);
    return MM_ANSWERED;
}

/* On a loop nobody waits for a store. */
static enum mm_answer ask_late(struct mm_resolve *resolve)
{
    enum mailmod_error error;
    enum mm_answer answer = mm_late_resolve_ask(resolve, &error);

    if (answer == MM_ANSWERED) {
        spoil(resolve, MM_TARGET_FOR_NOW, NULL, error);
    }
    return answer;
}

enum mm_answer mm_resolve_ask(struct mm_resolve *resolve)
{
    resolve->targets = NULL;
    resolve->target_count = 0;
    resolve->is_local = false;
    if (resolve->loop != NULL && mm_store_waits(resolve->post->store)) {
        return ask_late(resolve);
    }
    mm_list_init(&resolve->waiting);
    mm_list_init(&resolve->looked);
    resolve->root.address = resolve->address;
    resolve->root.depth = 0;
    resolve->root.notify = resolve->notify;
    resolve->root.is_final = resolve->is_by_file;
    resolve->root.has_auto_reply = false;
    resolve->root.visibility = resolve->visibility;
    resolve->expanded_count = 0;
    resolve->reply_count = 0;
    mm_list_append(&resolve->waiting, &resolve->root.node);
    resolve->item = NULL;
    return go_on(resolve);
}

void mm_resolve_resume(struct mm_resolve *resolve, enum mm_step_verdict verdict)
{
    resolve->is_pending = false;
    resolve->step++;
    if (verdict == MM_STEP_TAKEN) {
        resolve->item = NULL;
    }
    if (go_on(resolve) == MM_ANSWERED) {
        resolve->done(resolve);
    }
}

static bool leads_to(const struct mm_resolve *resolve, const char *user)
{
    for (size_t i = 0; i < resolve->target_count; i++) {
        const struct mm_target *target = &resolve->targets[i];

        if (target->kind < MM_TARGET_EXPANDED && target->mailbox_name != NULL &&
            strcmp(target->mailbox_name, user) == 0) {
            return true;
        }
    }
    return false;
}

bool mm_resolve_owns(struct mm_post *post, const struct mm_config *config,
                     const char *name, const struct mm_address *address)
{
    char user[MM_STORE_USER_MAX];

    if (mm_directory_owns(post->store, config, name, address)) {
        return true;
    }
    if (!mm_aliases_are_there(post) ||
        mm_user_name_canonical(mm_span_cstr(name), user) != MAILMOD_OK) {
        return false;
    }
    struct mm_resolve resolve = {.post = post,
                                 .config = config,
                                 .address = address,
                                 .is_for_owner = true};
    (void)mm_resolve_ask(&resolve); /* no loop: never PENDING */
    bool owns = leads_to(&resolve, user);
    mm_resolve_cancel(&resolve);
    return owns;
}

static void free_items(struct mm_list *items)
{
    struct mm_list *node = NULL;

    while (items->next != NULL && (node = mm_list_take_first(items)) != NULL) {
        struct mm_resolve_item *item =
            MM_LIST_OBJECT(node, struct mm_resolve_item, node);

        if (item->depth > 0) {
            mm_free(MM_LIST_OBJECT(item, struct expansion, item));
        }
    }
}

void mm_resolve_cancel(struct mm_resolve *resolve)
{
    mm_late_resolve_cancel(&resolve->late);
    if (resolve->is_pending) {
        const struct mm_resolve_step *step =
            &resolve->post->steps[resolve->step];

        resolve->is_pending = false;
        step->cancel(resolve);
    }
    free_items(&resolve->waiting);
    free_items(&resolve->looked);
    mm_free(resolve->more);
    resolve->more = NULL;
    resolve->capacity = 0;
    resolve->item = NULL;
    resolve->targets = NULL;
    resolve->target_count = 0;
}
