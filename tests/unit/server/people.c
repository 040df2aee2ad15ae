/* people.c - see people.h. */
#include "people.h"

#include "crypto/scram.h"

static void set(struct mm_config_builder *builder, const char *setting)
{
    char key[64];
    const char *equals = strchr(setting, '=');

    assert_non_null(equals);
    assert_true(mm_span_copy(mm_span(setting, (size_t)(equals - setting)), key,
                             sizeof key));
    if (mm_config_set(builder, key, equals + 1, NULL) != MAILMOD_OK) {
        fail_msg("setting %s", setting);
    }
}

struct mm_config *rig_config(const char *const *settings)
{
    static const char *const common[] = {"general.host_name=mx.example.org",
                                         "local.domains=example.org",
                                         "smtp.listen=127.0.0.1:25",
                                         "submission.listen=127.0.0.1:587",
                                         "submissions.listen=127.0.0.1:465",
                                         "pop3.listen=127.0.0.1:110",
                                         "pop3s.listen=127.0.0.1:995",
                                         "tls.certificate_file=cert.pem",
                                         "tls.key_file=key.pem",
                                         "logins.delay_max=0s",
                                         NULL};
    struct mm_config_builder *builder = NULL;
    struct mm_config *config = NULL;
    struct mm_buf mistakes;

    mm_buf_init(&mistakes, 65536);
    assert_int_equal(mm_config_builder_new(&builder), MAILMOD_OK);
    for (size_t i = 0; common[i] != NULL; i++) {
        set(builder, common[i]);
    }
    for (size_t i = 0; settings != NULL && settings[i] != NULL; i++) {
        set(builder, settings[i]);
    }
    if (mm_config_build(builder, &config, &mistakes) != MAILMOD_OK) {
        fail_msg("%s", mm_buf_cstr(&mistakes));
    }
    mm_config_builder_free(&builder);
    mm_buf_fini(&mistakes);
    return config;
}

struct user_job {
    struct mm_store_job job;
    struct mm_store_user user;
};

static enum mailmod_error run_add(struct mm_store_job *job,
                                  struct mm_store_transaction *transaction)
{
    return mm_store_add_user(transaction,
                             &MM_LIST_OBJECT(job, struct user_job, job)->user);
}

static enum mailmod_error run_remove(struct mm_store_job *job,
                                     struct mm_store_transaction *transaction)
{
    return mm_store_remove_user(
        transaction, MM_LIST_OBJECT(job, struct user_job, job)->user.name);
}

static void set_password(struct mm_store_user *user, const char *password)
{
    static const uint8_t salt[MM_SCRAM_SALT_SIZE] = "0123456789abcde";
    struct mm_scram_verifier verifier;

    snprintf(user->password, sizeof user->password, "%s", password);
    assert_int_equal(mm_scram_verifier_make(&verifier, mm_span_cstr(password),
                                            salt, MM_SCRAM_ITERATIONS),
                     MAILMOD_OK);
    memcpy(user->salt, verifier.salt, sizeof user->salt);
    memcpy(user->stored_key, verifier.stored_key, sizeof user->stored_key);
    memcpy(user->server_key, verifier.server_key, sizeof user->server_key);
    user->iterations = verifier.iterations;
}

uint64_t rig_add_user(struct mm_store *store, const char *name, bool keeps)
{
    struct user_job job = {.job.run = run_add};
    char password[MM_STORE_USER_MAX + 8];

    snprintf(job.user.name, sizeof job.user.name, "%s", name);
    snprintf(password, sizeof password, "secret-%s", name);
    set_password(&job.user, password);
    job.user.has_password = keeps;
    assert_int_equal(mm_store_run(store, &job.job), MAILMOD_OK);
    return job.user.mailbox_id;
}

void rig_remove_user(struct mm_store *store, const char *name)
{
    struct user_job job = {.job.run = run_remove};

    snprintf(job.user.name, sizeof job.user.name, "%s", name);
    assert_int_equal(mm_store_run(store, &job.job), MAILMOD_OK);
}

static enum mailmod_error run_change(struct mm_store_job *job,
                                     struct mm_store_transaction *transaction)
{
    return mm_store_change_user(
        transaction, &MM_LIST_OBJECT(job, struct user_job, job)->user);
}

void rig_change_user(struct mm_store *store, const char *name, bool is_disabled,
                     uint64_t quota)
{
    struct user_job job = {.job.run = run_change};

    assert_int_equal(mm_store_find_user(store, name, &job.user), MAILMOD_OK);
    job.user.is_disabled = is_disabled;
    job.user.quota = quota;
    assert_int_equal(mm_store_run(store, &job.job), MAILMOD_OK);
}

void rig_set_password(struct mm_store *store, const char *name,
                      const char *password)
{
    struct user_job job = {.job.run = run_change};

    assert_int_equal(mm_store_find_user(store, name, &job.user), MAILMOD_OK);
    set_password(&job.user, password);
    assert_int_equal(mm_store_run(store, &job.job), MAILMOD_OK);
}

struct rename_job {
    struct mm_store_job job;
    const char *name;
    const char *new_name;
};

static enum mailmod_error run_rename(struct mm_store_job *job,
                                     struct mm_store_transaction *transaction)
{
    struct rename_job *rename = MM_LIST_OBJECT(job, struct rename_job, job);

    return mm_store_rename_user(transaction, rename->name, rename->new_name);
}

void rig_rename_user(struct mm_store *store, const char *name,
                     const char *new_name)
{
    struct rename_job job = {
        .job.run = run_rename, .name = name, .new_name = new_name};

    assert_int_equal(mm_store_run(store, &job.job), MAILMOD_OK);
}

struct secret_job {
    struct mm_store_job job;
    uint64_t mailbox_id;
    struct mm_store_secret_key key;
};

static enum mailmod_error run_put_secret(struct mm_store_job *job,
                                         struct mm_store_transaction *t)
{
    struct secret_job *secret = MM_LIST_OBJECT(job, struct secret_job, job);

    return mm_store_put_secret(t, secret->mailbox_id, &secret->key);
}

static enum mailmod_error run_remove_secret(struct mm_store_job *job,
                                            struct mm_store_transaction *t)
{
    struct secret_job *secret = MM_LIST_OBJECT(job, struct secret_job, job);

    return mm_store_remove_secret(t, secret->mailbox_id, secret->key.label);
}

static void run_secret(struct mm_store *store, const char *name,
                       struct secret_job *job, const char *label,
                       const char *password)
{
    struct mm_store_user user;
    struct mm_scram_verifier verifier;

    assert_int_equal(mm_store_find_user(store, name, &user), MAILMOD_OK);
    assert_int_equal(mm_scram_verifier_make(&verifier, mm_span_cstr(password),
                                            user.salt, user.iterations),
                     MAILMOD_OK);
    job->mailbox_id = user.mailbox_id;
    snprintf(job->key.label, sizeof job->key.label, "%s", label);
    memcpy(job->key.stored_key, verifier.stored_key,
           sizeof job->key.stored_key);
    memcpy(job->key.server_key, verifier.server_key,
           sizeof job->key.server_key);
    assert_int_equal(mm_store_run(store, &job->job), MAILMOD_OK);
}

void rig_put_secret(struct mm_store *store, const char *name, const char *label,
                    const char *password)
{
    struct secret_job job = {.job.run = run_put_secret};

    run_secret(store, name, &job, label, password);
}

void rig_remove_secret(struct mm_store *store, const char *name,
                       const char *label)
{
    struct secret_job job = {.job.run = run_remove_secret};

    run_secret(store, name, &job, label, "any");
}

struct mm_address rig_address(const char *text)
{
    struct mm_address address;
    struct mm_span rest;

    if (mm_path_parse(mm_span_cstr(text), true, true, &address, &rest) !=
            MAILMOD_OK &&
        mm_path_parse(mm_span_cstr(text), false, true, &address, &rest) !=
            MAILMOD_OK) {
        fail_msg("no path: %s", text);
    }
    return address;
}
