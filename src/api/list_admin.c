/* list_admin.c - rules of the lists of peers and senders, under an operator's
 * hands.
 *
 * Owns nothing. Promises: what is no rule is refused here in words, so that the
 * store holds rules alone; a change is committed when the call returns.
 * Thread: any but a loop's. */
#include "api/instance.h"

#include "base/mem.h"
#include "platform/clock.h"
#include "server/rule.h"

#include <string.h>

_Static_assert((int)MAILMOD_LIST_WHITE == (int)MM_RULE_WHITE &&
                   (int)MAILMOD_LIST_BLACK == (int)MM_RULE_BLACK &&
                   (int)MAILMOD_LIST_GREY == (int)MM_RULE_GREY,
               "the store's lists are the host's");

struct change {
    struct mm_store_job job;
    struct mm_store *store;
    struct mm_store_rule rule;
    const char *user;
    bool is_removal;
};

static enum mailmod_error run_change(struct mm_store_job *job,
                                     struct mm_store_transaction *transaction)
{
    struct change *change = MM_LIST_OBJECT(job, struct change, job);

    return change->is_removal ? mm_store_remove_rule(transaction, &change->rule)
                              : mm_store_add_rule(transaction, &change->rule);
}

/* The text as it is kept, when it is a rule of its list's owner. */
static enum mailmod_error take_text(struct change *change, const char *text)
{
    struct mm_span trimmed = mm_span_trim(mm_span_cstr(text));
    struct mm_rule *rule = NULL;
    struct mm_buf words;

    mm_buf_init(&words, 256);
    enum mailmod_error error = mm_rule_parse(&rule, trimmed, &words);
    if (error == MAILMOD_OK && rule == NULL) {
        (void)mm_buf_append_cstr(&words, "is empty, or a comment");
        error = MAILMOD_ERROR_SYNTAX;
    }
    if (error == MAILMOD_OK && change->user != NULL &&
        mm_rule_zones(rule) != NULL) {
        (void)mm_buf_append_cstr(&words, "names zones, which common lists may");
        error = MAILMOD_ERROR_SYNTAX;
    }
    mm_rule_free(&rule);
    if (error == MAILMOD_ERROR_SYNTAX) {
        error =
            mm_fail(MAILMOD_ERROR_ARGUMENT, "the rule %s", mm_buf_cstr(&words));
    } else if (error == MAILMOD_OK && !mm_span_copy(trimmed, change->rule.text,
                                                    sizeof change->rule.text)) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT, "the rule is too long");
    }
    mm_buf_fini(&words);
    return error;
}

static enum mailmod_error take_user(struct change *change)
{
    struct mm_store_user user;

    if (change->user == NULL) {
        return MAILMOD_OK;
    }
    enum mailmod_error error =
        mm_store_find_user(change->store, change->user, &user);
    change->rule.mailbox_id = user.mailbox_id;
    mm_secret_clear(&user, sizeof user);
    return error == MAILMOD_OK ? error
                               : mm_fail(error, "user %s: %s", change->user,
                                         mm_error_text(error));
}

static enum mailmod_error run(mailmod *instance, struct change *change,
                              enum mailmod_list list, const char *text)
{
    if (list < MAILMOD_LIST_WHITE || list > MAILMOD_LIST_GREY || text == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "there is no such list or rule");
    }
    change->rule.list = (enum mm_rule_list)list;
    change->rule.added_ms = mm_clock_wall_ms();
    change->job.run = run_change;
    enum mailmod_error error = take_text(change, text);
    struct mm_admin admin;
    if (error == MAILMOD_OK) {
        error = mm_admin_begin(&admin, instance, false);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    change->store = admin.store;
    error = take_user(change);
    if (error == MAILMOD_OK) {
        error = mm_store_run(admin.store, &change->job);
        error = error == MAILMOD_OK
                    ? error
                    : mm_fail(error, "rule %s: %s", change->rule.text,
                              mm_error_text(error));
    }
    mm_admin_end(&admin);
    return error;
}

enum mailmod_error mailmod_list_add(mailmod *instance, enum mailmod_list list,
                                    const char *user, const char *text)
{
    struct change change = {.user = user};

    return run(instance, &change, list, text);
}

enum mailmod_error mailmod_list_remove(mailmod *instance,
                                       enum mailmod_list list, const char *user,
                                       const char *text)
{
    struct change change = {.user = user, .is_removal = true};

    return run(instance, &change, list, text);
}

struct listing {
    struct mm_store *store;
    mailmod_on_list_rule on_rule;
    void *context;
    enum mailmod_error error;
    uint64_t mailbox_id; /* of `name` */
    char name[MM_STORE_USER_MAX];
};

static bool on_user(void *context, const struct mm_store_user *user)
{
    struct listing *listing = context;

    if (user->mailbox_id == listing->mailbox_id) {
        memcpy(listing->name, user->name, sizeof listing->name);
    }
    return user->mailbox_id != listing->mailbox_id;
}

/* Rules come by mailbox: each name is looked for once. */
static bool on_rule(void *context, const struct mm_store_rule *rule)
{
    struct listing *listing = context;

    if (rule->mailbox_id != listing->mailbox_id) {
        listing->mailbox_id = rule->mailbox_id;
        listing->name[0] = '\0';
        listing->error = mm_store_each_user(listing->store, on_user, listing);
    }
    if (listing->error != MAILMOD_OK) {
        return false;
    }
    const struct mailmod_list_rule told = {
        .size = sizeof told,
        .list = (enum mailmod_list)rule->list,
        .user = rule->mailbox_id != 0 ? listing->name : NULL,
        .text = rule->text,
        .added_ms = rule->added_ms};
    listing->on_rule(listing->context, &told);
    return true;
}

enum mailmod_error mailmod_list_each(mailmod *instance,
                                     mailmod_on_list_rule on_list_rule,
                                     void *context)
{
    struct listing listing = {.on_rule = on_list_rule, .context = context};
    struct mm_admin admin;
    enum mailmod_error error =
        on_list_rule != NULL
            ? mm_admin_begin(&admin, instance, false)
            : mm_fail(MAILMOD_ERROR_ARGUMENT, "the callback is NULL");

    if (error != MAILMOD_OK) {
        return error;
    }
    listing.store = admin.store;
    error = mm_store_each_rule(admin.store, on_rule, &listing);
    error = error == MAILMOD_OK ? listing.error : error;
    mm_admin_end(&admin);
    return error == MAILMOD_OK ? MAILMOD_OK
                               : mm_fail(error, "%s", mm_error_text(error));
}
