/* auto_replies.c - automatic replies, under an operator's hands.
 *
 * Owns nothing. Promises: a change is committed when the call returns, with who
 * had the former reply forgotten in the same transaction; what cannot become a
 * message is refused here, and not when somebody writes.
 * Thread: any but a loop's. */
#include "api/instance.h"
#include "api/sized.h"

#include "base/mem.h"
#include "post/aliases.h"
#include "post/auto_reply.h"

struct change {
    struct mm_store_job job;
    struct mm_store *store;
    struct mm_store_record record;
};

static bool on_any(void *context, const struct mm_store_record *record)
{
    bool *is_there = context;

    (void)record;
    *is_there = true;
    return false;
}

/* A user or an alias. */
static enum mailmod_error check_name(const struct change *change)
{
    const char *name = change->record.name;
    struct mm_store_user user;
    bool is_alias = false;
    enum mailmod_error error = mm_store_find_user(change->store, name, &user);

    mm_secret_clear(&user, sizeof user);
    if (error != MAILMOD_ERROR_NOT_FOUND) {
        return error;
    }
    error = mm_store_each_record(change->store, MM_RECORD_ALIAS, name, "", true,
                                 on_any, &is_alias);
    return error == MAILMOD_OK && !is_alias ? MAILMOD_ERROR_NOT_FOUND : error;
}

static enum mailmod_error forget(const struct change *change,
                                 struct mm_store_transaction *transaction)
{
    return mm_store_move_records(transaction, MM_RECORD_REPLIED,
                                 change->record.name, NULL);
}

static enum mailmod_error run_set(struct mm_store_job *job,
                                  struct mm_store_transaction *transaction)
{
    const struct change *change = MM_LIST_OBJECT(job, struct change, job);
    enum mailmod_error error = check_name(change);

    if (error == MAILMOD_OK) {
        error = mm_store_keep_record(transaction, &change->record);
    }
    return error == MAILMOD_OK ? forget(change, transaction) : error;
}

static enum mailmod_error run_remove(struct mm_store_job *job,
                                     struct mm_store_transaction *transaction)
{
    const struct change *change = MM_LIST_OBJECT(job, struct change, job);
    enum mailmod_error error =
        mm_store_drop_record(transaction, MM_RECORD_AUTO_REPLY,
                             change->record.name, MM_AUTO_REPLY_KEY);

    return error == MAILMOD_OK ? forget(change, transaction) : error;
}

static enum mailmod_error run_change(mailmod *instance, struct change *change,
                                     const char *missing)
{
    enum mailmod_error error =
        mm_admin_run(instance, &change->job, &change->store);

    return error == MAILMOD_OK || change->store == NULL
               ? error
               : mm_fail(error, "%s: %s", change->record.name,
                         error == MAILMOD_ERROR_NOT_FOUND
                             ? missing
                             : mm_error_text(error));
}

/* Words that say what is wrong; NULL: nothing. */
static const char *fault_of(const struct mailmod_auto_reply *given)
{
    struct mm_span subject = mm_span_cstr(given->subject);
    struct mm_span text = mm_span_cstr(given->text);

    if (given->name == NULL) {
        return "there is no name";
    }
    if (subject.size >= MM_AUTO_REPLY_SUBJECT_MAX ||
        !mm_span_is_printable_utf8(subject)) {
        return "the subject must be one line of UTF-8, at most 255 octets";
    }
    if (text.size == 0 || text.size > MM_AUTO_REPLY_TEXT_MAX ||
        !mm_span_is_utf8(text)) {
        return "the text must be UTF-8, 1 octet to 32 KiB";
    }
    if (given->from_ms < 0 || given->until_ms < 0 ||
        (given->until_ms != 0 && given->until_ms <= given->from_ms)) {
        return "its time must end after it begins";
    }
    return given->days < 0 || given->days > MM_AUTO_REPLY_DAYS_MAX
               ? "the days must be 1 to 365"
               : NULL;
}

static enum mailmod_error take(struct change *change,
                               const struct mailmod_auto_reply *given,
                               struct mm_buf *value)
{
    struct mm_auto_reply reply = {
        .from_ms = given->from_ms,
        .until_ms = given->until_ms,
        .days = given->days != 0 ? (unsigned)given->days : MM_AUTO_REPLY_DAYS,
        .text = mm_span_cstr(given->text)};

    (void)mm_span_copy(mm_span_cstr(given->subject), reply.subject,
                       sizeof reply.subject);
    enum mailmod_error error =
        mm_auto_reply_record(given->name, &reply, value, &change->record);
    return error == MAILMOD_OK || error == MAILMOD_ERROR_MEMORY
               ? error
               : mm_fail(MAILMOD_ERROR_ARGUMENT, "%s: that is no name",
                         given->name);
}

enum mailmod_error
mailmod_auto_reply_set(mailmod *instance,
                       const struct mailmod_auto_reply *reply)
{
    struct change change = {.job.run = run_set};
    struct mailmod_auto_reply known;
    struct mm_buf value;
    enum mailmod_error error = mm_sized_take(&known, sizeof known, reply,
                                             MM_AUTO_REPLY_SIZE_1, "reply");

    if (error != MAILMOD_OK) {
        return error;
    }
    const char *fault = fault_of(&known);
    if (fault != NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "%s", fault);
    }
    mm_buf_init(&value, MM_STORE_RECORD_VALUE_MAX);
    error = take(&change, &known, &value);
    if (error == MAILMOD_OK) {
        error = run_change(instance, &change, "there is no such user or alias");
    }
    mm_buf_fini(&value);
    return error;
}

static enum mailmod_error take_name(struct change *change, const char *name)
{
    return name != NULL &&
                   mm_alias_name_canonical(mm_span_cstr(name),
                                           change->record.name) == MAILMOD_OK
               ? MAILMOD_OK
               : mm_fail(MAILMOD_ERROR_ARGUMENT, "%s: that is no name",
                         name != NULL ? name : "NULL");
}

enum mailmod_error mailmod_auto_reply_remove(mailmod *instance,
                                             const char *name)
{
    struct change change = {.job.run = run_remove};
    enum mailmod_error error = take_name(&change, name);

    return error == MAILMOD_OK
               ? run_change(instance, &change, "there is no reply")
               : error;
}

struct listing {
    mailmod_on_auto_reply on_reply;
    void *context;
    enum mailmod_error error;
};

static bool on_record(void *context, const struct mm_store_record *record)
{
    struct listing *listing = context;
    struct mm_auto_reply reply;
    struct mm_buf text;

    mm_buf_init(&text, MM_STORE_RECORD_VALUE_MAX);
    listing->error = mm_auto_reply_of(record, &reply)
                         ? mm_buf_append_span(&text, reply.text)
                         : MAILMOD_ERROR_STORAGE_DAMAGED;
    if (listing->error == MAILMOD_OK) {
        const struct mailmod_auto_reply told = {.size = sizeof told,
                                                .name = record->name,
                                                .subject = reply.subject,
                                                .text = mm_buf_cstr(&text),
                                                .from_ms = reply.from_ms,
                                                .until_ms = reply.until_ms,
                                                .days = reply.days};

        listing->on_reply(listing->context, &told);
    }
    mm_buf_fini(&text);
    return listing->error == MAILMOD_OK;
}

enum mailmod_error mailmod_auto_reply_list(mailmod *instance, const char *name,
                                           mailmod_on_auto_reply on_reply,
                                           void *context)
{
    struct listing listing = {on_reply, context, MAILMOD_OK};
    struct change change = {.record.number = 0};
    struct mm_admin admin;
    enum mailmod_error error =
        on_reply != NULL
            ? take_name(&change, name != NULL ? name : "all")
            : mm_fail(MAILMOD_ERROR_ARGUMENT, "the callback is NULL");

    if (error == MAILMOD_OK) {
        error = mm_admin_begin(&admin, instance, false);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_store_each_record(admin.store, MM_RECORD_AUTO_REPLY,
                                 name != NULL ? change.record.name : "", "",
                                 name != NULL, on_record, &listing);
    mm_admin_end(&admin);
    error = error == MAILMOD_OK ? listing.error : error;
    return error == MAILMOD_OK ? MAILMOD_OK
                               : mm_fail(error, "%s", mm_error_text(error));
}
