/* aliases.c - aliases and forwards, under an operator's hands.
 *
 * Owns nothing. Promises: names and targets are kept in one form, whoever wrote
 * them; a change is committed when the call returns.
 * Thread: any but a loop's. */
#include "api/instance.h"

#include "base/limits.h"
#include "base/mem.h"
#include "post/aliases.h"

#include <string.h>

struct change {
    struct mm_store_job job;
    struct mm_store *store;
    struct mm_store_record record;
    bool is_all; /* to be removed */
    size_t count;
    int64_t mark;      /* of the name's rows */
    const char *cause; /* of an error; NULL: its own words */
};

static enum mm_store_record_kind kind_of(enum mailmod_alias_kind kind)
{
    return kind == MAILMOD_FORWARD ? MM_RECORD_FORWARD : MM_RECORD_ALIAS;
}

static enum mailmod_error
take_name(struct change *change, enum mailmod_alias_kind kind, const char *name)
{
    change->record.kind = kind_of(kind);
    if (kind != MAILMOD_ALIAS && kind != MAILMOD_FORWARD) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "there is no such kind");
    }
    return name != NULL &&
                   mm_alias_name_canonical(mm_span_cstr(name),
                                           change->record.name) == MAILMOD_OK
               ? MAILMOD_OK
               : mm_fail(MAILMOD_ERROR_ARGUMENT, "%s: that is no name",
                         name != NULL ? name : "NULL");
}

static enum mailmod_error take_target(struct change *change, const char *target)
{
    struct mm_span text = mm_span_cstr(target);

    if (change->record.kind == MM_RECORD_FORWARD &&
        mm_span_is(text, MM_ALIAS_KEEP)) {
        return mm_span_copy(text, change->record.key, sizeof change->record.key)
                   ? MAILMOD_OK
                   : MAILMOD_ERROR_ARGUMENT;
    }
    return target != NULL && mm_alias_target_canonical(
                                 text, change->record.key) == MAILMOD_OK
               ? MAILMOD_OK
               : mm_fail(MAILMOD_ERROR_ARGUMENT, "%s: that is no address",
                         target != NULL ? target : "NULL");
}

/* The mark is the name's: each of its rows has it. */
static bool on_counted(void *context, const struct mm_store_record *record)
{
    struct change *change = context;

    change->mark = record->number;
    return ++change->count <= MM_LIMIT_TARGETS;
}

static enum mailmod_error check_new(struct change *change,
                                    struct mm_store_transaction *transaction)
{
    struct mm_store_record found;
    struct mm_store_user user;
    const struct mm_store_record *record = &change->record;
    enum mailmod_error error = mm_store_record_of(
        transaction, record->kind, record->name, record->key, &found);

    if (error == MAILMOD_OK) {
        return MAILMOD_ERROR_EXISTS;
    }
    change->count = 0;
    change->mark = 0;
    error =
        error == MAILMOD_ERROR_NOT_FOUND
            ? mm_store_each_record(change->store, record->kind, record->name,
                                   "", true, on_counted, change)
            : error;
    if (error == MAILMOD_OK && change->count >= MM_LIMIT_TARGETS) {
        error = MAILMOD_ERROR_LIMIT;
    }
    if (error == MAILMOD_OK && record->kind == MM_RECORD_FORWARD) {
        error = mm_store_find_user(change->store, record->name, &user);
        change->cause =
            error == MAILMOD_ERROR_NOT_FOUND ? "there is no such user" : NULL;
        mm_secret_clear(&user, sizeof user);
    }
    return error;
}

static enum mailmod_error run_add(struct mm_store_job *job,
                                  struct mm_store_transaction *transaction)
{
    struct change *change = MM_LIST_OBJECT(job, struct change, job);
    enum mailmod_error error = check_new(change, transaction);

    change->record.number = change->mark;
    return error == MAILMOD_OK
               ? mm_store_keep_record(transaction, &change->record)
               : error;
}

static enum mailmod_error run_remove(struct mm_store_job *job,
                                     struct mm_store_transaction *transaction)
{
    struct change *change = MM_LIST_OBJECT(job, struct change, job);
    const struct mm_store_record *record = &change->record;

    if (!change->is_all) {
        return mm_store_drop_record(transaction, record->kind, record->name,
                                    record->key);
    }
    change->count = 0;
    enum mailmod_error error =
        mm_store_each_record(change->store, record->kind, record->name, "",
                             true, on_counted, change);
    if (error == MAILMOD_OK && change->count == 0) {
        error = MAILMOD_ERROR_NOT_FOUND;
    }
    return error == MAILMOD_OK
               ? mm_store_move_records(transaction, record->kind, record->name,
                                       NULL)
               : error;
}

static enum mailmod_error run_change(mailmod *instance, struct change *change)
{
    enum mailmod_error error =
        mm_admin_run(instance, &change->job, &change->store);

    return error == MAILMOD_OK || change->store == NULL
               ? error
               : mm_fail(error, "%s: %s", change->record.name,
                         change->cause != NULL ? change->cause
                                               : mm_error_text(error));
}

enum mailmod_error mailmod_alias_add(mailmod *instance,
                                     enum mailmod_alias_kind kind,
                                     const char *name, const char *target)
{
    struct change change = {.job.run = run_add};
    enum mailmod_error error = take_name(&change, kind, name);

    if (error == MAILMOD_OK) {
        error = take_target(&change, target);
    }
    return error == MAILMOD_OK ? run_change(instance, &change) : error;
}

enum mailmod_error mailmod_alias_remove(mailmod *instance,
                                        enum mailmod_alias_kind kind,
                                        const char *name, const char *target)
{
    struct change change = {.job.run = run_remove, .is_all = target == NULL};
    enum mailmod_error error = take_name(&change, kind, name);

    if (error == MAILMOD_OK && target != NULL) {
        error = take_target(&change, target);
    }
    return error == MAILMOD_OK ? run_change(instance, &change) : error;
}

/* ---- marks ---- */

struct marking {
    struct change change;
    int64_t mark;
    char keys[MM_LIMIT_TARGETS][MM_STORE_REVERSE_PATH_MAX];
    size_t key_count;
};

static bool on_key(void *context, const struct mm_store_record *record)
{
    struct marking *marking = context;

    memcpy(marking->keys[marking->key_count++], record->key,
           sizeof marking->keys[0]);
    return marking->key_count < MM_LIMIT_TARGETS;
}

static enum mailmod_error run_mark(struct mm_store_job *job,
                                   struct mm_store_transaction *transaction)
{
    struct marking *marking = MM_LIST_OBJECT(job, struct marking, change.job);
    struct mm_store_record record = marking->change.record;

    marking->key_count = 0;
    enum mailmod_error error =
        mm_store_each_record(marking->change.store, record.kind, record.name,
                             "", true, on_key, marking);
    if (error == MAILMOD_OK && marking->key_count == 0) {
        error = MAILMOD_ERROR_NOT_FOUND;
    }
    record.number = marking->mark;
    for (size_t i = 0; error == MAILMOD_OK && i < marking->key_count; i++) {
        memcpy(record.key, marking->keys[i], sizeof record.key);
        error = mm_store_keep_record(transaction, &record);
    }
    return error;
}

enum mailmod_error
mailmod_alias_set_visibility(mailmod *instance, enum mailmod_alias_kind kind,
                             const char *name,
                             enum mailmod_alias_visibility visibility)
{
    struct marking *marking = mm_alloc(sizeof *marking);

    if (marking == NULL) {
        return mm_fail(MAILMOD_ERROR_MEMORY, "%s",
                       mm_error_text(MAILMOD_ERROR_MEMORY));
    }
    marking->change.job.run = run_mark;
    marking->mark = visibility == MAILMOD_ALIAS_HIDDEN  ? MM_VISIBILITY_HIDDEN
                    : visibility == MAILMOD_ALIAS_SHOWN ? MM_VISIBILITY_SHOWN
                                                        : MM_VISIBILITY_UNSET;
    enum mailmod_error error = take_name(&marking->change, kind, name);
    if (error == MAILMOD_OK && visibility != MAILMOD_ALIAS_AS_SET &&
        visibility != MAILMOD_ALIAS_HIDDEN &&
        visibility != MAILMOD_ALIAS_SHOWN) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT, "there is no such mark");
    }
    if (error == MAILMOD_OK) {
        error = run_change(instance, &marking->change);
    }
    mm_free(marking);
    return error;
}

struct listing {
    mailmod_on_alias on_alias;
    void *context;
    enum mailmod_alias_kind kind;
};

static enum mailmod_alias_visibility
mark_of(const struct mm_store_record *record)
{
    switch (mm_alias_mark_of(record)) {
    case MM_VISIBILITY_HIDDEN:
        return MAILMOD_ALIAS_HIDDEN;
    case MM_VISIBILITY_SHOWN:
        return MAILMOD_ALIAS_SHOWN;
    default:
        return MAILMOD_ALIAS_AS_SET;
    }
}

static bool on_record(void *context, const struct mm_store_record *record)
{
    const struct listing *listing = context;
    const struct mailmod_alias alias = {.size = sizeof alias,
                                        .kind = listing->kind,
                                        .name = record->name,
                                        .target = record->key,
                                        .visibility = mark_of(record)};

    listing->on_alias(listing->context, &alias);
    return true;
}

enum mailmod_error mailmod_alias_list(mailmod *instance,
                                      enum mailmod_alias_kind kind,
                                      const char *name,
                                      mailmod_on_alias on_alias, void *context)
{
    struct listing listing = {on_alias, context, kind};
    struct change change = {.is_all = true};
    struct mm_admin admin;
    enum mailmod_error error =
        on_alias != NULL
            ? take_name(&change, kind, name != NULL ? name : "all")
            : mm_fail(MAILMOD_ERROR_ARGUMENT, "the callback is NULL");

    if (error == MAILMOD_OK) {
        error = mm_admin_begin(&admin, instance, false);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_store_each_record(admin.store, change.record.kind,
                                 name != NULL ? change.record.name : "", "",
                                 name != NULL, on_record, &listing);
    mm_admin_end(&admin);
    return error == MAILMOD_OK ? MAILMOD_OK
                               : mm_fail(error, "%s", mm_error_text(error));
}
