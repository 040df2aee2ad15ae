/* redirect.c - aliases and forwards, as steps of a question.
 *
 * Owns nothing past a call. Promises: an address that is met again among those
 * that it stands for is looked up as a mailbox, so that "a: a, b" keeps a copy
 * and a circle ends; an address of many is "expanded" for who asked for a
 * report of success, and its targets ask for none (RFC 3461 5.2.7.3); one for
 * one hands all wishes on.
 * Thread: the asker's. RFC 5321 3.9.1. */
#include "post/redirect.h"

#include "base/limits.h"
#include "post/auto_reply.h"

#include <string.h>

/* FOR_NOW with this error. */
static void put_off(struct mm_resolve *resolve,
                    const struct mm_resolve_item *item,
                    enum mailmod_error error)
{
    struct mm_target target = {.kind = MM_TARGET_FOR_NOW, .error = error};

    mm_resolve_fill(resolve, item, &target);
    mm_resolve_add(resolve, &target);
}

/* "local@domain" in the form of names of aliases; with `local` NULL "@domain".
 */
static enum mailmod_error make_name(const char *local, const char *domain,
                                    char name_out[MM_STORE_REVERSE_PATH_MAX])
{
    struct mm_buf text;

    mm_buf_init(&text, MM_LIMIT_PATH);
    (void)mm_buf_append_cstr(&text, local != NULL ? local : "");
    if (domain != NULL) {
        (void)mm_buf_append_char(&text, '@');
        (void)mm_buf_append_cstr(&text, domain);
    }
    enum mailmod_error error = mm_buf_error(&text);
    if (error == MAILMOD_OK) {
        error = mm_alias_name_canonical(mm_buf_span(&text), name_out);
    }
    mm_buf_fini(&text);
    return error == MAILMOD_ERROR_MEMORY ? error
           : error != MAILMOD_OK         ? MAILMOD_ERROR_NOT_FOUND
                                         : MAILMOD_OK;
}

/* OK with an empty list: it is no alias. */
static enum mailmod_error find(struct mm_post *post, const char *local,
                               const char *domain, struct mm_alias_list *list)
{
    char name[MM_STORE_REVERSE_PATH_MAX];
    enum mailmod_error error = make_name(local, domain, name);

    if (error == MAILMOD_ERROR_NOT_FOUND) {
        return MAILMOD_OK; /* it can be no alias's name */
    }
    return error == MAILMOD_OK ? mm_aliases_find(post, name, list) : error;
}

/* A user of that very domain goes before an alias of all. */
static bool is_hidden(const struct mm_post *post, const char *local,
                      const char *domain)
{
    char name[MM_STORE_REVERSE_PATH_MAX];
    const char *const names[] = {name};
    struct mm_store_addressee user;

    return make_name(local, domain, name) == MAILMOD_OK &&
           mm_store_find_addressee(post->store, names, 1, &user) == MAILMOD_OK;
}

static enum mailmod_error find_pair(struct mm_post *post, const char *local,
                                    const char *domain,
                                    struct mm_alias_list *list)
{
    enum mailmod_error error = find(post, local, domain, list);

    if (error == MAILMOD_OK && list->count == 0) {
        error = find(post, local, NULL, list);
        if (list->count > 0 && is_hidden(post, local, domain)) {
            mm_alias_list_free(list);
        }
    }
    return error;
}

static enum mailmod_error
find_all(struct mm_resolve *resolve, const struct mm_resolve_item *item,
         const char *domain, struct mm_alias_list *list, bool *is_catch_all_out)
{
    struct mm_store_addressee user;
    char local[MM_LIMIT_LOCAL_PART + 1];
    struct mm_post *post = resolve->post;

    memcpy(local, item->address->local_part, sizeof local);
    if (strchr(local, '@') != NULL) {
        return MAILMOD_OK; /* it would name another domain's */
    }
    enum mailmod_error error = find_pair(post, local, domain, list);
    if (error == MAILMOD_OK && list->count == 0 &&
        mm_directory_cut_plus(resolve->config, local)) {
        error = find_pair(post, local, domain, list);
    }
    if (error == MAILMOD_OK && list->count == 0 &&
        !mm_directory_is_postmaster(item->address)) {
        error = find(post, NULL, domain, list);
        *is_catch_all_out = true;
        if (list->count > 0 &&
            mm_directory_find_own(post->store, resolve->config, item->address,
                                  &user) != MAILMOD_ERROR_NOT_FOUND) {
            mm_alias_list_free(list);
        }
    }
    return error;
}

/* It stands for several: said once, for the address that was asked for. */
static void note_expanded(struct mm_resolve *resolve,
                          struct mm_resolve_item *item)
{
    if ((item->notify & MM_DSN_NOTIFY_SUCCESS) == 0) {
        return;
    }
    struct mm_target target = {.kind = MM_TARGET_EXPANDED};
    mm_resolve_fill(resolve, item, &target);
    target.path = resolve->address->text;
    target.original_to = NULL;
    mm_resolve_add(resolve, &target);
    item->notify &= ~(unsigned)MM_DSN_NOTIFY_SUCCESS;
    if (item->notify == 0) {
        item->notify = MM_DSN_NOTIFY_NEVER;
    }
}

static void expand_all(struct mm_resolve *resolve, struct mm_resolve_item *item,
                       const char *domain, const struct mm_alias_list *list,
                       bool is_catch_all)
{
    for (size_t i = 0; i < list->count; i++) {
        struct mm_address address;
        const char *target = list->items[i];
        bool is_final = target[0] == '\\';

        target += is_final ? 1 : 0;
        /* A name is one in the domain of the address that it is for. */
        if (target[0] != '\0' &&
            mm_address_parse_in(target, domain, &address) == MAILMOD_OK) {
            struct mm_resolve_item *other =
                mm_resolve_expand(resolve, item, &address);

            if (other == NULL) {
                return; /* spoilt */
            }
            other->is_final = is_final;
            other->meets = item->meets || !is_catch_all;
        }
    }
}

/* The item is one that stands for others, by this mark: hidden once is hidden,
 * and shown are those alone who are shown all the way. */
static void mark(const struct mm_resolve *resolve, struct mm_resolve_item *item,
                 enum mm_store_visibility visibility)
{
    bool is_first = item->depth == 0 && item->visibility == MM_VISIBILITY_UNSET;

    if (visibility == MM_VISIBILITY_UNSET &&
        resolve->config->local.hides_targets) {
        visibility = MM_VISIBILITY_HIDDEN;
    }
    if (item->visibility != MM_VISIBILITY_HIDDEN &&
        (is_first || visibility != MM_VISIBILITY_SHOWN)) {
        item->visibility = visibility;
    }
}

/* The domain in which names without one are looked for. */
static const char *domain_of(const struct mm_resolve *resolve,
                             const struct mm_resolve_item *item)
{
    return item->address->domain_form == MM_DOMAIN_NAME
               ? item->address->domain
               : resolve->config->host_name;
}

/* An automatic reply may hang on the alias: of one domain, or of all. */
static void reply_for_alias(struct mm_resolve *resolve,
                            struct mm_resolve_item *item, const char *domain)
{
    const char *const domains[] = {domain, NULL};
    char local[MM_LIMIT_LOCAL_PART + 1];
    char name[MM_STORE_REVERSE_PATH_MAX];

    memcpy(local, item->address->local_part, sizeof local);
    (void)mm_directory_cut_plus(resolve->config, local);
    for (size_t i = 0; i < 2 && !item->has_auto_reply; i++) {
        if (make_name(local, domains[i], name) == MAILMOD_OK) {
            mm_auto_reply_mark(resolve, item, name, 0);
        }
    }
}

enum mm_step_verdict mm_redirect_alias(struct mm_resolve *resolve,
                                       struct mm_resolve_item *item)
{
    struct mm_alias_list list = {.count = 0};

    if (item->is_final || !mm_aliases_are_there(resolve->post) ||
        !mm_directory_is_local(resolve->config, item->address,
                               item->depth == 0 ? resolve->local : NULL) ||
        mm_resolve_is_circle(item)) {
        return MM_STEP_PASS;
    }
    const char *domain = domain_of(resolve, item);
    bool is_catch_all = false;
    enum mailmod_error error =
        find_all(resolve, item, domain, &list, &is_catch_all);
    bool is_alias = error == MAILMOD_OK && list.count > 0;
    if (is_alias) {
        resolve->is_local = true;
        if (list.count > 1) {
            note_expanded(resolve, item);
        }
        mark(resolve, item, list.visibility);
        expand_all(resolve, item, domain, &list, is_catch_all);
        reply_for_alias(resolve, item, domain);
    } else if (error != MAILMOD_OK) {
        put_off(resolve, item, error);
    }
    mm_alias_list_free(&list);
    return is_alias || error != MAILMOD_OK ? MM_STEP_TAKEN : MM_STEP_PASS;
}

static bool keeps_copy(const struct mm_alias_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], MM_ALIAS_KEEP) == 0) {
            return true;
        }
    }
    return false;
}

/* Its mail is refused. */
static bool is_out(const struct mm_resolve *resolve,
                   const struct mm_store_addressee *user)
{
    return user->is_disabled && resolve->config->local.disabled_mail ==
                                    MM_CONFIG_DISABLED_MAIL_REFUSE;
}

bool mm_redirect_forward(struct mm_resolve *resolve,
                         struct mm_resolve_item *item,
                         const struct mm_store_addressee *user)
{
    struct mm_alias_list list = {.count = 0};

    if (item->is_final || resolve->is_for_owner || is_out(resolve, user) ||
        !mm_aliases_have_forwards(resolve->post) ||
        mm_resolve_is_circle(item)) {
        return false;
    }
    enum mailmod_error error =
        mm_aliases_find_forwards(resolve->post, user->name, &list);
    bool is_forwarded = error == MAILMOD_OK && list.count > 0;
    if (is_forwarded) {
        if (list.count > 1) {
            note_expanded(resolve, item);
        }
        if (keeps_copy(&list)) {
            mm_resolve_add_user(resolve, item, user);
        }
        mark(resolve, item, list.visibility);
        expand_all(resolve, item, domain_of(resolve, item), &list, false);
    } else if (error != MAILMOD_OK) {
        put_off(resolve, item, error);
    }
    mm_alias_list_free(&list);
    return is_forwarded || error != MAILMOD_OK;
}
