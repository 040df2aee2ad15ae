/* user_accounts.c - what a user is besides name and password: quota, whether
 * disabled, further passwords.
 *
 * Promises: a change is read, made and written inside one transaction, so that
 * two that come together lose neither; a further password is kept as a verifier
 * with the main one's salt and rounds (RFC 5802 5.1), and wiped from our memory
 * before a call returns.
 * Thread: any but a loop's; deriving a verifier is slow on purpose. */
#include "api/instance.h"

#include "base/mem.h"
#include "crypto/scram.h"
#include "platform/clock.h"
#include "post/quota.h"

#include <string.h>

struct account_job {
    struct mm_store_job job;
    struct mm_store *store;
    const char *name;
    void (*change)(struct account_job *job, struct mm_store_user *user);
    uint64_t quota;
    bool is_disabled;
    struct mm_store_secret_key secret;
    uint32_t iterations; /* that the secret was made with */
    uint8_t salt[MM_SCRAM_SALT_SIZE];
    bool found_user;
};

static enum mailmod_error find_user(struct account_job *job,
                                    struct mm_store_user *user_out)
{
    enum mailmod_error error =
        mm_store_find_user(job->store, job->name, user_out);

    job->found_user = error == MAILMOD_OK;
    return error;
}

static enum mailmod_error run_change(struct mm_store_job *base,
                                     struct mm_store_transaction *transaction)
{
    struct account_job *job = MM_LIST_OBJECT(base, struct account_job, job);
    struct mm_store_user user;
    enum mailmod_error error = find_user(job, &user);

    if (error == MAILMOD_OK) {
        job->change(job, &user);
        error = mm_store_change_user(transaction, &user);
    }
    mm_secret_clear(&user, sizeof user);
    return error;
}

/* Of a user who was found the error is that of his further password. */
static enum mailmod_error fail_account(const struct account_job *job,
                                       enum mailmod_error error)
{
    const char *label = job->secret.label;

    if (label[0] == '\0' || !job->found_user) {
        return mm_fail(error, "user %s: %s", job->name, mm_error_text(error));
    }
    switch (error) {
    case MAILMOD_ERROR_LIMIT:
        return mm_fail(error, "user %s: there are %d further passwords already",
                       job->name, MM_STORE_SECRETS_MAX);
    case MAILMOD_ERROR_BUSY:
        return mm_fail(error,
                       "user %s, password %s: the main password was set in the "
                       "same moment, or the store is locked",
                       job->name, label);
    default:
        return mm_fail(error, "user %s, password %s: %s", job->name, label,
                       mm_error_text(error));
    }
}

/* Opens the store, does it, and tells what went wrong. */
static enum mailmod_error
run_account(mailmod *instance, const char *name, struct account_job *job,
            enum mailmod_error (*prepare)(struct account_job *job,
                                          const char *password),
            const char *password)
{
    if (name == NULL || name[0] == '\0') {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "that is no user name");
    }
    struct mm_admin admin;
    enum mailmod_error error = mm_admin_begin(&admin, instance, false);
    if (error != MAILMOD_OK) {
        return error;
    }
    job->store = admin.store;
    job->name = name;
    error = prepare != NULL ? prepare(job, password) : MAILMOD_OK;
    if (error == MAILMOD_OK) {
        error = mm_store_run(admin.store, &job->job);
    }
    mm_admin_end(&admin);
    if (error != MAILMOD_OK) {
        (void)fail_account(job, error);
    }
    mm_secret_clear(&job->secret, sizeof job->secret);
    return error;
}

static void change_quota(struct account_job *job, struct mm_store_user *user)
{
    user->quota = job->quota;
}

enum mailmod_error mailmod_user_set_quota(mailmod *instance, const char *name,
                                          uint64_t octets)
{
    struct account_job job = {
        .job.run = run_change,
        .change = change_quota,
        .quota = octets < MM_QUOTA_UNLIMITED ? octets : MM_QUOTA_UNLIMITED};

    return run_account(instance, name, &job, NULL, NULL);
}

static void change_disabled(struct account_job *job, struct mm_store_user *user)
{
    user->is_disabled = job->is_disabled;
}

enum mailmod_error mailmod_user_set_disabled(mailmod *instance,
                                             const char *name, int is_disabled)
{
    struct account_job job = {.job.run = run_change,
                              .change = change_disabled,
                              .is_disabled = is_disabled != 0};

    return run_account(instance, name, &job, NULL, NULL);
}

struct rename_job {
    struct mm_store_job job;
    const char *name;
    const char *new_name;
};

static enum mailmod_error run_rename(struct mm_store_job *base,
                                     struct mm_store_transaction *transaction)
{
    const struct rename_job *job =
        MM_LIST_OBJECT(base, const struct rename_job, job);
    return mm_store_rename_user(transaction, job->name, job->new_name);
}

enum mailmod_error mailmod_user_rename(mailmod *instance, const char *name,
                                       const char *new_name)
{
    struct rename_job job = {
        .job.run = run_rename, .name = name, .new_name = new_name};

    if (name == NULL || new_name == NULL ||
        !mm_user_name_is_good(mm_span_cstr(new_name))) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "that is no name for a user");
    }
    struct mm_admin admin;
    enum mailmod_error error = mm_admin_begin(&admin, instance, false);
    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_store_run(admin.store, &job.job);
    if (error == MAILMOD_OK) {
        error = mm_ensure_postmaster(admin.store, admin.config);
    } else {
        (void)mm_fail(error, "user %s: %s",
                      error == MAILMOD_ERROR_EXISTS ? new_name : name,
                      mm_error_text(error));
    }
    mm_admin_end(&admin);
    return error;
}

/* A name that a line of a log and of a list can hold. */
static bool take_label(struct account_job *job, const char *label)
{
    struct mm_span text = mm_span_cstr(label);

    return text.size > 0 && mm_span_is_printable_utf8(text) &&
           mm_span_copy(text, job->secret.label, sizeof job->secret.label);
}

static enum mailmod_error refuse_label(void)
{
    return mm_fail(MAILMOD_ERROR_ARGUMENT,
                   "the name of a password has 1 to 63 octets of UTF-8 that "
                   "can be seen");
}

static enum mailmod_error make_secret(struct account_job *job,
                                      const char *password)
{
    struct mm_store_user user;
    struct mm_scram_verifier verifier;
    enum mailmod_error error = find_user(job, &user);

    if (error == MAILMOD_OK) {
        error = mm_scram_verifier_make(&verifier, mm_span_cstr(password),
                                       user.salt, user.iterations);
    }
    if (error == MAILMOD_OK) {
        memcpy(job->salt, user.salt, sizeof job->salt);
        job->iterations = user.iterations;
        job->secret.created_ms = mm_clock_wall_ms();
        memcpy(job->secret.stored_key, verifier.stored_key,
               sizeof job->secret.stored_key);
        memcpy(job->secret.server_key, verifier.server_key,
               sizeof job->secret.server_key);
        mm_secret_clear(&verifier, sizeof verifier);
    }
    mm_secret_clear(&user, sizeof user);
    return error;
}

/* BUSY: the main password was set meanwhile, and with it a new salt. */
static enum mailmod_error run_put(struct mm_store_job *base,
                                  struct mm_store_transaction *transaction)
{
    struct account_job *job = MM_LIST_OBJECT(base, struct account_job, job);
    struct mm_store_user user;
    enum mailmod_error error = find_user(job, &user);

    if (error == MAILMOD_OK &&
        (user.iterations != job->iterations ||
         memcmp(user.salt, job->salt, sizeof job->salt) != 0)) {
        error = MAILMOD_ERROR_BUSY;
    }
    if (error == MAILMOD_OK) {
        error = mm_store_put_secret(transaction, user.mailbox_id, &job->secret);
    }
    mm_secret_clear(&user, sizeof user);
    return error;
}

enum mailmod_error mailmod_user_secret_add(mailmod *instance, const char *name,
                                           const char *label,
                                           const char *password)
{
    struct account_job job = {.job.run = run_put};
    enum mailmod_error error = mm_user_check(name, password, 0);

    if (error != MAILMOD_OK) {
        return error;
    }
    return take_label(&job, label)
               ? run_account(instance, name, &job, make_secret, password)
               : refuse_label();
}

static enum mailmod_error run_remove(struct mm_store_job *base,
                                     struct mm_store_transaction *transaction)
{
    struct account_job *job = MM_LIST_OBJECT(base, struct account_job, job);
    struct mm_store_user user;
    enum mailmod_error error = find_user(job, &user);

    if (error == MAILMOD_OK) {
        error = mm_store_remove_secret(transaction, user.mailbox_id,
                                       job->secret.label);
    }
    mm_secret_clear(&user, sizeof user);
    return error;
}

enum mailmod_error mailmod_user_secret_remove(mailmod *instance,
                                              const char *name,
                                              const char *label)
{
    struct account_job job = {.job.run = run_remove};

    return take_label(&job, label)
               ? run_account(instance, name, &job, NULL, NULL)
               : refuse_label();
}

static enum mailmod_error list_secrets(struct mm_store *store, const char *name,
                                       mailmod_on_secret on_secret,
                                       void *context)
{
    struct mm_store_user user;
    struct mm_store_secret_key keys[MM_STORE_SECRETS_MAX];
    size_t count = 0;
    enum mailmod_error error = mm_store_find_user(store, name, &user);

    if (error == MAILMOD_OK) {
        error = mm_store_list_secrets(store, user.mailbox_id, keys, &count);
    }
    for (size_t i = 0; error == MAILMOD_OK && i < count; i++) {
        on_secret(context, keys[i].label, keys[i].created_ms);
    }
    mm_secret_clear(keys, sizeof keys);
    mm_secret_clear(&user, sizeof user);
    return error;
}

enum mailmod_error mailmod_user_secret_list(mailmod *instance, const char *name,
                                            mailmod_on_secret on_secret,
                                            void *context)
{
    if (name == NULL || on_secret == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "an argument is NULL");
    }
    struct mm_admin admin;
    enum mailmod_error error = mm_admin_begin(&admin, instance, false);
    if (error != MAILMOD_OK) {
        return error;
    }
    error = list_secrets(admin.store, name, on_secret, context);
    mm_admin_end(&admin);
    return error == MAILMOD_OK
               ? MAILMOD_OK
               : mm_fail(error, "user %s: %s", name, mm_error_text(error));
}
