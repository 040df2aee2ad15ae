/* maillists.c - mailing lists and their members, under an operator's hands.
 *
 * Owns nothing. Promises: a change is committed when the call returns; a list
 * has an address in a domain that is local when it is made, for elsewhere
 * nobody would bring its mail.
 * Thread: any but a loop's. */
#include "api/instance.h"

#include "base/limits.h"
#include "post/directory.h"
#include "post/maillist.h"

struct change {
    struct mm_store_job job;
    struct mm_store *store;
    struct mm_store_record record;
    struct mm_maillist list;
    struct mm_maillist_member member;
};

static enum mailmod_error take_name(struct change *change, const char *name)
{
    return name != NULL && mm_maillist_name(mm_span_cstr(name),
                                            change->list.name) == MAILMOD_OK
               ? MAILMOD_OK
               : mm_fail(MAILMOD_ERROR_ARGUMENT,
                         "%s: that is no address for a list",
                         name != NULL ? name : "NULL");
}

static enum mailmod_error
take_address(const char *text, char address_out[MM_STORE_REVERSE_PATH_MAX])
{
    struct mm_address parsed;

    return text != NULL &&
                   mm_address_parse(mm_span_cstr(text), false, true, &parsed) ==
                       MAILMOD_OK &&
                   mm_span_copy(mm_span_cstr(parsed.text), address_out,
                                MM_STORE_REVERSE_PATH_MAX)
               ? MAILMOD_OK
               : mm_fail(MAILMOD_ERROR_ARGUMENT, "%s: that is no address",
                         text != NULL ? text : "NULL");
}

static enum mailmod_error take_member(struct change *change,
                                      const char *address)
{
    enum mailmod_error error = take_address(address, change->member.address);

    return error != MAILMOD_OK ||
                   mm_maillist_member_record(change->list.name, &change->member,
                                             &change->record) == MAILMOD_OK
               ? error
               : mm_fail(MAILMOD_ERROR_ARGUMENT, "%s: that is no address",
                         address);
}

static enum mailmod_error run_change(mailmod *instance, struct change *change,
                                     const char *what)
{
    enum mailmod_error error =
        mm_admin_run(instance, &change->job, &change->store);

    return error == MAILMOD_OK || change->store == NULL
               ? error
               : mm_fail(error, "%s: %s", what, mm_error_text(error));
}

static enum mailmod_error check_domain(mailmod *instance, const char *name)
{
    struct mm_admin admin;
    struct mm_address address;
    enum mailmod_error error =
        mm_address_parse(mm_span_cstr(name), false, true, &address);

    if (error == MAILMOD_OK) {
        error = mm_admin_begin(&admin, instance, false);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    bool is_local = mm_directory_is_local(admin.config, &address, NULL);
    mm_admin_end(&admin);
    return is_local ? MAILMOD_OK
                    : mm_fail(MAILMOD_ERROR_ARGUMENT,
                              "%s: the domain is not in local.domains", name);
}

/* What a call does not say of an existing list stays. */
static enum mailmod_error run_set(struct mm_store_job *job,
                                  struct mm_store_transaction *transaction)
{
    struct change *change = MM_LIST_OBJECT(job, struct change, job);
    struct mm_maillist list = change->list;
    struct mm_maillist former;
    enum mailmod_error error =
        mm_maillist_find(change->store, list.name, &former);

    if (error == MAILMOD_OK) {
        list.digest_hours = former.digest_hours;
        list.digest_kib = former.digest_kib;
    } else if (error != MAILMOD_ERROR_NOT_FOUND) {
        return error;
    }
    mm_maillist_record(&list, &change->record);
    return mm_store_keep_record(transaction, &change->record);
}

enum mailmod_error mailmod_maillist_set(mailmod *instance, const char *name,
                                        const char *owner,
                                        enum mailmod_maillist_rule rule,
                                        unsigned flags)
{
    struct change change = {.job.run = run_set};
    enum mailmod_error error = take_name(&change, name);

    if (error == MAILMOD_OK &&
        (rule < MAILMOD_MAILLIST_OPEN || rule > MAILMOD_MAILLIST_MODERATED)) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT, "there is no such rule");
    }
    if (error == MAILMOD_OK && owner != NULL && owner[0] != '\0') {
        error = take_address(owner, change.list.owner);
    }
    if (error == MAILMOD_OK) {
        error = check_domain(instance, change.list.name);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    change.list.rule = (enum mm_maillist_rule)rule;
    change.list.rewrites_from = (flags & MAILMOD_MAILLIST_REWRITES_FROM) != 0;
    change.list.is_closed = (flags & MAILMOD_MAILLIST_CLOSED) != 0;
    return run_change(instance, &change, change.list.name);
}

static enum mailmod_error run_digest(struct mm_store_job *job,
                                     struct mm_store_transaction *transaction)
{
    struct change *change = MM_LIST_OBJECT(job, struct change, job);
    struct mm_maillist list;
    enum mailmod_error error =
        mm_maillist_find(change->store, change->list.name, &list);

    if (error == MAILMOD_OK) {
        list.digest_hours = change->list.digest_hours;
        list.digest_kib = change->list.digest_kib;
        mm_maillist_record(&list, &change->record);
        error = mm_store_keep_record(transaction, &change->record);
    }
    return error;
}

enum mailmod_error mailmod_maillist_set_digest(mailmod *instance,
                                               const char *name, unsigned hours,
                                               unsigned kib)
{
    struct change change = {.job.run = run_digest};
    enum mailmod_error error = take_name(&change, name);

    if (error == MAILMOD_OK && (hours > MM_MAILLIST_DIGEST_HOURS_MAX ||
                                kib > MM_LIMIT_DIGEST / 1024)) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT,
                        "a digest goes out every %d hours at most seldom, and "
                        "has %d KiB at most",
                        MM_MAILLIST_DIGEST_HOURS_MAX, MM_LIMIT_DIGEST / 1024);
    }
    change.list.digest_hours = hours;
    change.list.digest_kib = kib;
    return error == MAILMOD_OK ? run_change(instance, &change, change.list.name)
                               : error;
}

static enum mailmod_error run_remove(struct mm_store_job *job,
                                     struct mm_store_transaction *transaction)
{
    struct change *change = MM_LIST_OBJECT(job, struct change, job);
    enum mailmod_error error =
        mm_store_drop_record(transaction, change->record.kind,
                             change->record.name, change->record.key);

    return error == MAILMOD_OK
               ? mm_store_move_records(transaction, MM_RECORD_MEMBER,
                                       change->record.name, NULL)
               : error;
}

enum mailmod_error mailmod_maillist_remove(mailmod *instance, const char *name)
{
    struct change change = {.job.run = run_remove};
    enum mailmod_error error = take_name(&change, name);

    if (error != MAILMOD_OK) {
        return error;
    }
    mm_maillist_record(&change.list, &change.record);
    return run_change(instance, &change, change.list.name);
}

struct listing {
    mailmod_on_maillist on_list;
    mailmod_on_member on_member;
    void *context;
};

static bool tell_list(void *context, const struct mm_store_record *record)
{
    const struct listing *listing = context;
    struct mm_maillist list;

    mm_maillist_of(record, &list);
    const struct mailmod_maillist told = {
        .size = sizeof told,
        .name = list.name,
        .owner = list.owner,
        .rule = (enum mailmod_maillist_rule)list.rule,
        .flags = (list.rewrites_from ? (unsigned)MAILMOD_MAILLIST_REWRITES_FROM
                                     : 0u) |
                 (list.is_closed ? (unsigned)MAILMOD_MAILLIST_CLOSED : 0u),
        .digest_hours = list.digest_hours,
        .digest_kib = list.digest_kib};
    listing->on_list(listing->context, &told);
    return true;
}

static bool tell_member(void *context, const struct mm_store_record *record)
{
    const struct listing *listing = context;
    struct mm_maillist_member member;

    mm_maillist_member_of(record, &member);
    const struct mailmod_member told = {
        .size = sizeof told,
        .address = member.address,
        .flags =
            (member.is_moderator ? (unsigned)MAILMOD_MEMBER_MODERATOR : 0u) |
            (member.is_suspended ? (unsigned)MAILMOD_MEMBER_SUSPENDED : 0u) |
            (member.is_digest ? (unsigned)MAILMOD_MEMBER_DIGEST : 0u),
        .bounces = member.bounces};
    listing->on_member(listing->context, &told);
    return true;
}

enum mailmod_error mailmod_maillist_list(mailmod *instance,
                                         mailmod_on_maillist on_list,
                                         void *context)
{
    struct listing listing = {.on_list = on_list, .context = context};
    struct mm_admin admin;
    enum mailmod_error error =
        on_list != NULL
            ? mm_admin_begin(&admin, instance, false)
            : mm_fail(MAILMOD_ERROR_ARGUMENT, "the callback is NULL");

    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_store_each_record(admin.store, MM_RECORD_MAILLIST, "", "", false,
                                 tell_list, &listing);
    mm_admin_end(&admin);
    return error == MAILMOD_OK ? MAILMOD_OK
                               : mm_fail(error, "%s", mm_error_text(error));
}

static enum mailmod_error run_member(struct mm_store_job *job,
                                     struct mm_store_transaction *transaction)
{
    struct change *change = MM_LIST_OBJECT(job, struct change, job);
    struct mm_maillist list;
    enum mailmod_error error =
        mm_maillist_find(change->store, change->list.name, &list);

    return error == MAILMOD_OK
               ? mm_store_keep_record(transaction, &change->record)
               : error;
}

enum mailmod_error mailmod_member_set(mailmod *instance, const char *list,
                                      const char *address, unsigned flags)
{
    struct change change = {
        .job.run = run_member,
        .member.is_moderator = (flags & MAILMOD_MEMBER_MODERATOR) != 0,
        .member.is_digest = (flags & MAILMOD_MEMBER_DIGEST) != 0,
        .member.is_suspended = (flags & MAILMOD_MEMBER_SUSPENDED) != 0};
    enum mailmod_error error = take_name(&change, list);

    if (error == MAILMOD_OK) {
        error = take_member(&change, address);
    }
    return error == MAILMOD_OK ? run_change(instance, &change, change.list.name)
                               : error;
}

static enum mailmod_error run_drop(struct mm_store_job *job,
                                   struct mm_store_transaction *transaction)
{
    const struct change *change = MM_LIST_OBJECT(job, struct change, job);

    return mm_store_drop_record(transaction, change->record.kind,
                                change->record.name, change->record.key);
}

enum mailmod_error mailmod_member_remove(mailmod *instance, const char *list,
                                         const char *address)
{
    struct change change = {.job.run = run_drop};
    enum mailmod_error error = take_name(&change, list);

    if (error == MAILMOD_OK) {
        error = take_member(&change, address);
    }
    return error == MAILMOD_OK ? run_change(instance, &change, address) : error;
}

enum mailmod_error mailmod_member_list(mailmod *instance, const char *list,
                                       mailmod_on_member on_member,
                                       void *context)
{
    struct listing listing = {.on_member = on_member, .context = context};
    struct change change = {.store = NULL};
    struct mm_admin admin;
    enum mailmod_error error =
        on_member != NULL
            ? take_name(&change, list)
            : mm_fail(MAILMOD_ERROR_ARGUMENT, "the callback is NULL");

    if (error == MAILMOD_OK) {
        error = mm_admin_begin(&admin, instance, false);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_maillist found;
    error = mm_maillist_find(admin.store, change.list.name, &found);
    if (error == MAILMOD_OK) {
        error = mm_store_each_record(admin.store, MM_RECORD_MEMBER,
                                     change.list.name, "", true, tell_member,
                                     &listing);
    }
    mm_admin_end(&admin);
    return error == MAILMOD_OK ? MAILMOD_OK
                               : mm_fail(error, "%s: %s", change.list.name,
                                         mm_error_text(error));
}
