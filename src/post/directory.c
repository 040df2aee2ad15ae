/* directory.c - from an address to a mailbox.
 *
 * Promises: the order of directory.h, and nothing else decides. Names compare
 * in lower case (RFC 5321 2.4 leaves that to the receiving system); the word
 * postmaster in any case is always somebody (RFC 5321 4.5.1).
 * Thread: any. Each look-up is a read by key that never waits for the writer.
 */
#include "post/directory.h"

#include "crypto/scram.h"
#include "platform/random.h"

#include <string.h>

#define POSTMASTER "postmaster"

bool mm_directory_is_local(const struct mm_config *config,
                           const struct mm_address *address,
                           const struct mm_netaddr *local)
{
    switch (address->domain_form) {
    case MM_DOMAIN_NONE:
        return !address->is_null; /* "Postmaster" alone */
    case MM_DOMAIN_NAME:
        return mm_config_is_local_domain(config, address->domain);
    case MM_DOMAIN_ADDRESS:
        return local != NULL && mm_netaddr_equal_ip(&address->literal, local);
    case MM_DOMAIN_GENERAL:
        break;
    }
    return false;
}

static enum mailmod_error find_name(struct mm_store *store, const char *name,
                                    struct mm_store_addressee *user_out)
{
    return mm_store_find_addressee(store, &name, 1, user_out);
}

/* "local@domain"; false: no user's name is so long. */
static bool join(const char *local, const char *domain,
                 char name_out[MM_STORE_USER_MAX])
{
    size_t local_size = strlen(local);
    size_t domain_size = strlen(domain);

    if (local_size + 1 + domain_size >= MM_STORE_USER_MAX) {
        return false;
    }
    memcpy(name_out, local, local_size);
    name_out[local_size] = '@';
    memcpy(name_out + local_size + 1, domain, domain_size + 1);
    return true;
}

/* "local@domain" first, then for postmaster who stands in for it, then "local":
 * a mailbox called postmaster may be there only because the stand-in was not
 * yet. A local part that holds an "@" could name a user of another domain, so
 * it never does. */
static enum mailmod_error find_pair(struct mm_store *store,
                                    const struct mm_config *config,
                                    const char *local, const char *domain,
                                    struct mm_store_addressee *user_out)
{
    char full[MM_STORE_USER_MAX];
    const char *names[MM_STORE_NAMES_MAX];
    size_t count = 0;

    if (local[0] == '\0' || strchr(local, '@') != NULL) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    if (domain[0] != '\0' && join(local, domain, full)) {
        names[count++] = full;
    }
    if (strcmp(local, POSTMASTER) == 0 && config->local.postmaster[0] != '\0') {
        names[count++] = config->local.postmaster;
    }
    names[count++] = local;
    return mm_store_find_addressee(store, names, count, user_out);
}

bool mm_directory_cut_plus(const struct mm_config *config, char *local)
{
    char separator = config->local.plus_separator[0];
    char *plus = separator != '\0' ? strchr(local, separator) : NULL;

    if (plus == NULL || plus == local) {
        return false;
    }
    *plus = '\0';
    return true;
}

enum mailmod_error mm_directory_find_own(struct mm_store *store,
                                         const struct mm_config *config,
                                         const struct mm_address *address,
                                         struct mm_store_addressee *user_out)
{
    const char *domain =
        address->domain_form == MM_DOMAIN_NAME ? address->domain : "";

    char local[MM_LIMIT_LOCAL_PART + 1];
    memcpy(local, address->local_part, sizeof local);
    mm_ascii_lower_cstr(local);
    enum mailmod_error error =
        find_pair(store, config, local, domain, user_out);
    if (error == MAILMOD_ERROR_NOT_FOUND &&
        mm_directory_cut_plus(config, local)) {
        error = find_pair(store, config, local, domain, user_out);
    }
    return error;
}

enum mailmod_error mm_directory_find(struct mm_store *store,
                                     const struct mm_config *config,
                                     const struct mm_address *address,
                                     struct mm_store_addressee *user_out)
{
    enum mailmod_error error =
        mm_directory_find_own(store, config, address, user_out);

    return error == MAILMOD_ERROR_NOT_FOUND &&
                   config->local.catch_all[0] != '\0'
               ? find_name(store, config->local.catch_all, user_out)
               : error;
}

struct ensure_job {
    struct mm_store_job job;
    struct mm_store_user user;
};

static enum mailmod_error run_ensure(struct mm_store_job *job,
                                     struct mm_store_transaction *transaction)
{
    return mm_store_add_user(
        transaction, &MM_LIST_OBJECT(job, struct ensure_job, job)->user);
}

/* The verifier of a password that nobody knows. */
static enum mailmod_error lock_out(struct mm_store_user *user)
{
    uint8_t random[MM_SHA256_SIZE];
    enum mailmod_error error = mm_random(random, sizeof random);

    struct mm_scram_verifier verifier;
    if (error == MAILMOD_OK) {
        error = mm_scram_verifier_decoy(&verifier, mm_span_cstr(user->name),
                                        random, MM_SCRAM_ITERATIONS);
    }
    if (error == MAILMOD_OK) {
        memcpy(user->salt, verifier.salt, sizeof user->salt);
        user->iterations = verifier.iterations;
        memcpy(user->stored_key, verifier.stored_key, sizeof user->stored_key);
        memcpy(user->server_key, verifier.server_key, sizeof user->server_key);
    }
    return error;
}

enum mailmod_error mm_directory_ensure(struct mm_store *store, const char *name,
                                       uint64_t *mailbox_id_out)
{
    struct ensure_job job = {.job.run = run_ensure};
    struct mm_store_addressee user;
    enum mailmod_error error = find_name(store, name, &user);

    if (error != MAILMOD_ERROR_NOT_FOUND) {
        *mailbox_id_out = error == MAILMOD_OK ? user.mailbox_id : 0;
        return error;
    }
    if (!mm_span_copy(mm_span_cstr(name), job.user.name,
                      sizeof job.user.name)) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    error = lock_out(&job.user);
    if (error == MAILMOD_OK) {
        error = mm_store_run(store, &job.job);
    }
    if (error == MAILMOD_OK || error == MAILMOD_ERROR_EXISTS) {
        error = find_name(store, name, &user);
        *mailbox_id_out = error == MAILMOD_OK ? user.mailbox_id : 0;
    }
    return error;
}

bool mm_directory_is_postmaster(const struct mm_address *address)
{
    return mm_cstr_equal_nocase(address->local_part, POSTMASTER);
}

bool mm_directory_owns(struct mm_store *store, const struct mm_config *config,
                       const char *name, const struct mm_address *address)
{
    struct mm_store_addressee user = {.mailbox_id = 0};

    if (address->is_null || !mm_directory_is_local(config, address, NULL)) {
        return address->is_null;
    }
    struct mm_store_addressee login;
    return find_name(store, name, &login) == MAILMOD_OK &&
           mm_directory_find(store, config, address, &user) == MAILMOD_OK &&
           user.mailbox_id == login.mailbox_id;
}
