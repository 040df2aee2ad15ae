/* config_users.c - the users that the configuration names, into the store.
 *
 * Promises: whoever is missing is added, a password that is another one in the
 * store is set, and nobody is removed, since mail would go with a user. A user
 * without a password gets mail and cannot log in.
 * Thread: any but a loop's; deriving a verifier is slow on purpose. */
#include "api/instance.h"

#include "base/mem.h"
#include "crypto/scram.h"
#include "post/directory.h"

#include <string.h>

/* NOT_FOUND when there is no such user. */
static enum mailmod_error look(struct mm_store *store, const char *name,
                               const char *password, bool *is_same_out)
{
    struct mm_store_user user;
    enum mailmod_error error = mm_store_find_user(store, name, &user);
    if (error == MAILMOD_OK) {
        struct mm_scram_verifier verifier = {.iterations = user.iterations};
        memcpy(verifier.salt, user.salt, sizeof verifier.salt);
        memcpy(verifier.stored_key, user.stored_key,
               sizeof verifier.stored_key);
        memcpy(verifier.server_key, user.server_key,
               sizeof verifier.server_key);
        error = mm_scram_verifier_check(&verifier, mm_span_cstr(password),
                                        is_same_out);
        mm_secret_clear(&verifier, sizeof verifier);
    }
    mm_secret_clear(&user, sizeof user);
    return error;
}

static enum mailmod_error check(struct mm_store *store,
                                const struct mm_config *config,
                                const char *name, const char *password,
                                unsigned flags)
{
    (void)store;
    (void)config;
    return password[0] == '\0' ? MAILMOD_OK
                               : mm_user_check(name, password, flags);
}

static enum mailmod_error put(struct mm_store *store,
                              const struct mm_config *config, const char *name,
                              const char *password, unsigned flags)
{
    if (password[0] == '\0') {
        uint64_t mailbox_id;
        return mm_directory_ensure(store, name, &mailbox_id);
    }
    bool is_same = false;
    enum mailmod_error error = look(store, name, password, &is_same);
    if (error == MAILMOD_ERROR_NOT_FOUND) {
        return mm_user_put(store, config, name, password, flags, false);
    }
    return error == MAILMOD_OK && !is_same
               ? mm_user_put(store, config, name, password, flags, true)
               : error;
}

static enum mailmod_error
each(struct mm_store *store, const struct mm_config *config,
     enum mailmod_error (*visit)(struct mm_store *store,
                                 const struct mm_config *config,
                                 const char *name, const char *password,
                                 unsigned flags))
{
    unsigned flags =
        config->local.keeps_apop_passwords ? MAILMOD_USER_KEEP_PASSWORD : 0;
    struct mm_span rest = mm_span_cstr(config->local.users);
    struct mm_span name_span;
    struct mm_span password_span;
    enum mailmod_error error = MAILMOD_OK;
    while (error == MAILMOD_OK &&
           mm_config_next_user(&rest, &name_span, &password_span)) {
        char name[MM_STORE_USER_MAX];
        char password[MM_LIMIT_PASSWORD + 1];
        if (!mm_span_copy(name_span, name, sizeof name) ||
            !mm_span_copy(password_span, password, sizeof password)) {
            return mm_fail(MAILMOD_ERROR_CONFIG,
                           "local.users: a name is too long");
        }
        error = visit(store, config, name, password, flags);
        mm_secret_clear(password, sizeof password);
        if (error != MAILMOD_OK) {
            (void)mm_fail(error, "local.users: %s: %s", name,
                          mm_error_text(error));
        }
    }
    return error;
}

/* None is put before all are known to be right. */
enum mailmod_error mm_put_config_users(struct mm_store *store,
                                       const struct mm_config *config)
{
    enum mailmod_error error = each(store, config, check);

    return error == MAILMOD_OK ? each(store, config, put) : error;
}
