/* users.c - users of an instance: add, change, remove, list.
 *
 * Promises: a password is kept as a SCRAM-SHA-256 verifier (RFC 7677), and
 * recoverable only where the caller asked for it in so many words (APOP needs
 * that, RFC 1939 7); it is wiped from our memory before a call returns.
 * Thread: any but a loop's; deriving a verifier is slow on purpose. */
#include "api/instance.h"

#include "base/mem.h"
#include "base/unicode.h"
#include "crypto/scram.h"
#include "platform/random.h"
#include "post/directory.h"
#include "post/quota.h"

#include <string.h>

#define POSTMASTER "postmaster"

/* Whether every door would take it. */
static enum mailmod_error check_password(const char *password)
{
    _Static_assert(MM_LIMIT_PASSWORD == 512, "the text below tells it");
    struct mm_span text = mm_span_cstr(password);
    if (text.size == 0 || text.size > MM_LIMIT_PASSWORD ||
        !mm_span_is_utf8(text)) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       "a password has 1 to 512 octets of UTF-8");
    }
    struct mm_buf prepared;
    mm_buf_init(&prepared, MM_UNICODE_RESULT_MAX);
    enum mailmod_error error = mm_saslprep(&prepared, text);
    mm_buf_wipe(&prepared);
    switch (error) {
    case MAILMOD_OK:
        return MAILMOD_OK;
    case MAILMOD_ERROR_MEMORY:
        return mm_fail(error, "out of memory");
    default:
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       "a password has no control characters, no private ones "
                       "and not letters of both directions (RFC 4013)");
    }
}

static enum mailmod_error set_verifier(struct mm_store_user *user,
                                       struct mm_span password,
                                       unsigned iterations)
{
    uint8_t salt[MM_SCRAM_SALT_SIZE];
    enum mailmod_error error = mm_random(salt, sizeof salt);

    struct mm_scram_verifier verifier;
    if (error == MAILMOD_OK) {
        error = mm_scram_verifier_make(&verifier, password, salt, iterations);
    }
    if (error == MAILMOD_OK) {
        memcpy(user->salt, verifier.salt, sizeof user->salt);
        user->iterations = verifier.iterations;
        memcpy(user->stored_key, verifier.stored_key, sizeof user->stored_key);
        memcpy(user->server_key, verifier.server_key, sizeof user->server_key);
    }
    mm_secret_clear(&verifier, sizeof verifier);
    return error;
}

static enum mailmod_error run_user_job(struct mm_store_job *job,
                                       struct mm_store_transaction *transaction)
{
    struct mm_user_job *user_job = MM_LIST_OBJECT(job, struct mm_user_job, job);

    return user_job->replaces
               ? mm_store_change_user(transaction, &user_job->user)
               : mm_store_add_user(transaction, &user_job->user);
}

static enum mailmod_error
run_remove_job(struct mm_store_job *job,
               struct mm_store_transaction *transaction)
{
    return mm_store_remove_user(
        transaction, MM_LIST_OBJECT(job, struct mm_user_job, job)->user.name);
}

static enum mailmod_error store_user(struct mm_store *store,
                                     const struct mm_config *config,
                                     struct mm_user_job *job,
                                     const char *password, unsigned flags)
{
    enum mailmod_error error = set_verifier(&job->user, mm_span_cstr(password),
                                            config->logins.iterations);

    job->user.has_password = (flags & MAILMOD_USER_KEEP_PASSWORD) != 0;
    memset(job->user.password, 0, sizeof job->user.password);
    if (job->user.has_password) {
        memcpy(job->user.password, password, strlen(password));
    }
    job->job.run = run_user_job;
    return error == MAILMOD_OK ? mm_store_run(store, &job->job) : error;
}

enum mailmod_error mm_user_check(const char *name, const char *password,
                                 unsigned flags)
{
    if (name == NULL || !mm_user_name_is_good(mm_span_cstr(name))) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       "a user name is letters (none that look like others), "
                       "digits and what a local part has without quotes, with "
                       "a domain after @ or none");
    }
    enum mailmod_error error = check_password(password);
    if (error == MAILMOD_OK && (flags & ~MAILMOD_USER_KEEP_PASSWORD) != 0) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT, "unknown flags");
    }
    return error;
}

enum mailmod_error mm_user_put(struct mm_store *store,
                               const struct mm_config *config, const char *name,
                               const char *password, unsigned flags,
                               bool replaces)
{
    struct mm_user_job job = {.replaces = replaces};
    enum mailmod_error error =
        mm_user_name_canonical(mm_span_cstr(name), job.user.name);
    if (error == MAILMOD_OK && replaces) {
        error = mm_store_find_user(store, job.user.name, &job.user);
    }
    if (error == MAILMOD_OK) {
        error = store_user(store, config, &job, password, flags);
    }
    mm_secret_clear(&job, sizeof job);
    return error;
}

static enum mailmod_error put_user(mailmod *instance, const char *name,
                                   const char *password, unsigned flags,
                                   bool replaces)
{
    enum mailmod_error error = mm_user_check(name, password, flags);

    struct mm_admin admin;
    if (error == MAILMOD_OK) {
        error = mm_admin_begin(&admin, instance, !replaces);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    error =
        mm_user_put(admin.store, admin.config, name, password, flags, replaces);
    mm_admin_end(&admin);
    if (error != MAILMOD_OK) {
        (void)mm_fail(error, "user %s: %s", name, mm_error_text(error));
    }
    return error;
}

enum mailmod_error mailmod_user_add(mailmod *instance, const char *name,
                                    const char *password, unsigned flags)
{
    return put_user(instance, name, password, flags, false);
}

enum mailmod_error mailmod_user_set_password(mailmod *instance,
                                             const char *name,
                                             const char *password,
                                             unsigned flags)
{
    return put_user(instance, name, password, flags, true);
}

enum mailmod_error mailmod_user_remove(mailmod *instance, const char *name)
{
    struct mm_user_job job = {.job.run = run_remove_job};

    enum mailmod_error error =
        name == NULL || name[0] == '\0'
            ? MAILMOD_ERROR_ARGUMENT
            : mm_user_name_canonical(mm_span_cstr(name), job.user.name);
    if (error == MAILMOD_ERROR_MEMORY) {
        return mm_fail(error, "out of memory");
    }
    if (error != MAILMOD_OK) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "that is no user name");
    }
    struct mm_admin admin;
    error = mm_admin_begin(&admin, instance, false);
    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_store_run(admin.store, &job.job);
    if (error == MAILMOD_OK) {
        error = mm_ensure_postmaster(admin.store, admin.config);
    } else {
        (void)mm_fail(error, "user %s: %s", name, mm_error_text(error));
    }
    mm_admin_end(&admin);
    return error;
}

struct user_visit {
    struct mm_store *store;
    mailmod_on_user on_user;
    void *context;
    enum mailmod_error error;
};

static bool visit_user(void *context, const struct mm_store_user *user)
{
    struct user_visit *visit = context;
    struct mm_store_secret_key keys[MM_STORE_SECRETS_MAX];
    size_t secrets = 0;
    struct mailmod_user shown = {
        .size = sizeof shown,
        .name = user->name,
        .flags = (user->has_password ? MAILMOD_USER_KEEP_PASSWORD : 0) |
                 (user->is_disabled ? MAILMOD_USER_DISABLED : 0),
        .quota = user->quota < MM_QUOTA_UNLIMITED ? user->quota
                                                  : MAILMOD_QUOTA_UNLIMITED};

    visit->error = mm_store_mailbox_use(visit->store, user->mailbox_id,
                                        &shown.messages, &shown.octets);
    if (visit->error == MAILMOD_OK) {
        visit->error = mm_store_list_secrets(visit->store, user->mailbox_id,
                                             keys, &secrets);
    }
    mm_secret_clear(keys, sizeof keys);
    if (visit->error == MAILMOD_OK) {
        shown.secrets = (unsigned)secrets;
        visit->on_user(visit->context, &shown);
    }
    return visit->error == MAILMOD_OK;
}

enum mailmod_error mailmod_user_list(mailmod *instance, mailmod_on_user on_user,
                                     void *context)
{
    struct user_visit visit = {.on_user = on_user, .context = context};

    if (on_user == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "the callback is NULL");
    }
    struct mm_admin admin;
    enum mailmod_error error = mm_admin_begin(&admin, instance, false);
    if (error != MAILMOD_OK) {
        return error;
    }
    visit.store = admin.store;
    error = mm_store_each_user(admin.store, visit_user, &visit);
    error = error == MAILMOD_OK ? visit.error : error;
    mm_admin_end(&admin);
    return error == MAILMOD_OK
               ? MAILMOD_OK
               : mm_fail(error, "the users: %s", mm_error_text(error));
}

enum mailmod_error mm_find_set_user(struct mm_store *store, const char *setting)
{
    char name[MM_STORE_USER_MAX];
    if (setting[0] == '\0' ||
        !mm_span_copy(mm_span_cstr(setting), name, sizeof name)) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    mm_ascii_lower_cstr(name);
    struct mm_store_user user;
    enum mailmod_error error = mm_store_find_user(store, name, &user);
    mm_secret_clear(&user, sizeof user);
    return error;
}

enum mailmod_error mm_ensure_postmaster(struct mm_store *store,
                                        const struct mm_config *config)
{
    enum mailmod_error error =
        mm_find_set_user(store, config->local.postmaster);
    uint64_t mailbox_id;
    if (error == MAILMOD_ERROR_NOT_FOUND) {
        error = mm_directory_ensure(store, POSTMASTER, &mailbox_id);
    }
    return error == MAILMOD_OK
               ? MAILMOD_OK
               : mm_fail(error, "postmaster: %s", mm_error_text(error));
}
