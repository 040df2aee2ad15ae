/* auth_credentials.c - what a login is checked against.
 *
 * Owns what the store has of the user, while it looks; it is wiped then.
 * Promises: no difference in verdict or in work done between an unknown user
 * and a wrong password (a decoy verifier stands in); every compare is
 * constant-time; a password that was right is not hashed again while the cache
 * knows it, which looks at what the store has of the user now.
 * Thread: a worker, or where the store does not wait the session's loop, but
 * for mm_auth_check. RFC 5802, 7677, 2195, 1939 7. */
#include "server/auth_internal.h"

#include "base/mem.h"
#include "post/directory.h"

#include <string.h>

_Static_assert(MM_SCRAM_FURTHER_MAX >= MM_STORE_SECRETS_MAX,
               "a proof is tried against each secret");

/* What a login is checked against. Wiped after use. */
struct credentials {
    struct mm_store_user user;
    struct mm_scram_verifier verifier;
    struct mm_scram_further further[MM_STORE_SECRETS_MAX];
    size_t further_count;
    bool may_enter; /* decides at the very end */
};

/* Of an unknown user (mailbox 0) there are none; asked for all the same. */
static enum mailmod_error find_further(struct mm_auth *auth,
                                       struct credentials *c)
{
    struct mm_store_secret_key keys[MM_STORE_SECRETS_MAX];
    enum mailmod_error error = mm_store_list_secrets(
        auth->store, c->user.mailbox_id, keys, &c->further_count);

    for (size_t i = 0; error == MAILMOD_OK && i < c->further_count; i++) {
        memcpy(c->further[i].stored_key, keys[i].stored_key,
               sizeof c->further[i].stored_key);
        memcpy(c->further[i].server_key, keys[i].server_key,
               sizeof c->further[i].server_key);
    }
    mm_secret_clear(keys, sizeof keys);
    return error;
}

/* What the store has of the user, who may be nobody (mailbox 0). */
static enum mailmod_error find_known(struct mm_auth *auth,
                                     struct credentials *c)
{
    memset(c, 0, sizeof *c);
    enum mailmod_error found =
        mm_store_find_user(auth->store, auth->user_name, &c->user);
    bool is_known = found == MAILMOD_OK;
    auth->is_disabled = is_known && c->user.is_disabled;
    c->may_enter = is_known && !c->user.is_disabled;
    if (found != MAILMOD_OK && found != MAILMOD_ERROR_NOT_FOUND) {
        return found;
    }
    memcpy(c->verifier.salt, c->user.salt, sizeof c->verifier.salt);
    c->verifier.iterations = c->user.iterations;
    memcpy(c->verifier.stored_key, c->user.stored_key,
           sizeof c->verifier.stored_key);
    memcpy(c->verifier.server_key, c->user.server_key,
           sizeof c->verifier.server_key);
    return find_further(auth, c);
}

/* The verifier that the user has, or a decoy under which no password fits. The
 * decoy is made for a known user, too, so that both cost the same. OK either
 * way unless the store itself failed. */
static enum mailmod_error find_user(struct mm_auth *auth, struct credentials *c)
{
    uint8_t secret[MM_SHA256_SIZE];
    struct mm_scram_verifier decoy;
    enum mailmod_error error = find_known(auth, c);

    if (error == MAILMOD_OK) {
        error = mm_store_secret(auth->store, secret);
    }
    if (error == MAILMOD_OK) {
        error =
            mm_scram_verifier_decoy(&decoy, mm_span_cstr(auth->user_name),
                                    secret, auth->config->logins.iterations);
    }
    if (error == MAILMOD_OK && c->user.mailbox_id == 0) {
        c->verifier = decoy;
    }
    mm_secret_clear(secret, sizeof secret);
    return error;
}

/* The name of the secret that was used: 0 is the main one. */
void mm_auth_note_secret(struct mm_auth *auth, int which)
{
    struct mm_store_secret_key keys[MM_STORE_SECRETS_MAX];
    size_t count = 0;

    auth->secret[0] = '\0';
    if (which > 0 &&
        mm_store_list_secrets(auth->store, auth->mailbox_id, keys, &count) ==
            MAILMOD_OK &&
        (size_t)which <= count) {
        memcpy(auth->secret, keys[which - 1].label, sizeof auth->secret);
    }
    mm_secret_clear(keys, sizeof keys);
}

/* RFC 1939 7: MD5 over stamp and password. RFC 2195 2: keyed by the password,
 * over the stamp. */
static enum mailmod_error digest_of(const struct mm_auth *auth,
                                    struct mm_span password,
                                    uint8_t digest_out[MM_MD5_SIZE])
{
    if (auth->proof == MM_AUTH_PROOF_CRAM_MD5) {
        return mm_hmac_md5(password, mm_span_cstr(auth->stamp), digest_out);
    }
    struct mm_buf text;
    mm_buf_init(&text, sizeof auth->stamp + password.size);
    (void)mm_buf_append_cstr(&text, auth->stamp);
    (void)mm_buf_append_span(&text, password);
    enum mailmod_error error = mm_buf_error(&text);
    if (error == MAILMOD_OK) {
        error = mm_md5(mm_buf_span(&text), digest_out);
    }
    mm_buf_wipe(&text);
    return error;
}

static bool check_digest(const struct mm_auth *auth,
                         const struct mm_store_user *user)
{
    const char *password = user->has_password ? user->password : "-";
    uint8_t digest[MM_MD5_SIZE];
    char expected[2 * MM_MD5_SIZE + 1] = "";
    bool is_made =
        digest_of(auth, mm_span_cstr(password), digest) == MAILMOD_OK;

    if (is_made) {
        mm_hex(digest, sizeof digest, expected);
    }
    return mm_constant_time_equal(
               mm_span(expected, sizeof expected - 1),
               mm_span(auth->digest, sizeof auth->digest - 1)) &&
           is_made && user->has_password;
}

/* A host vouches for a user; a disabled one stays out all the same. */
static void admit_vouched(struct mm_auth *auth)
{
    struct mm_store_user user;
    enum mailmod_error error =
        mm_directory_ensure(auth->store, auth->user_name, &auth->mailbox_id);

    if (error == MAILMOD_OK) {
        error = mm_store_find_user(auth->store, auth->user_name, &user);
        auth->is_disabled = error == MAILMOD_OK && user.is_disabled;
        mm_secret_clear(&user, sizeof user);
    }
    auth->verdict = error != MAILMOD_OK ? MM_AUTH_TEMPORARY
                    : auth->is_disabled ? MM_AUTH_REFUSED
                                        : MM_AUTH_OK;
}

static struct mm_login_facts facts_of(const struct mm_auth *auth,
                                      const struct credentials *c)
{
    return (struct mm_login_facts){
        .user = auth->user_name,
        .mailbox_id = c->user.mailbox_id,
        .verifier = &c->verifier,
        .further = c->further,
        .further_count = c->further_count,
        .password = mm_span(auth->password, auth->password_size)};
}

/* Which secret the cache knows the password to be; -1: none. One of a user who
 * may not enter is hashed, as a wrong one is. */
static int recall(const struct mm_auth *auth, const struct credentials *c)
{
    const struct mm_login_facts facts = facts_of(auth, c);
    int which = auth->cache != NULL
                    ? mm_login_cache_find(auth->cache, &facts, auth->begun_ms)
                    : -1;

    return c->may_enter ? which : -1;
}

bool mm_auth_recall(struct mm_auth *auth)
{
    struct credentials c;
    int which = -1;

    if (auth->cache == NULL || auth->proof != MM_AUTH_PROOF_PASSWORD) {
        return false;
    }
    if (find_known(auth, &c) == MAILMOD_OK) {
        which = recall(auth, &c);
    }
    if (which >= 0) {
        auth->mailbox_id = c.user.mailbox_id;
        mm_auth_note_secret(auth, which);
    }
    mm_secret_clear(&c, sizeof c);
    return which >= 0;
}

/* The whole hash, of a password that the cache does not know. */
static enum mailmod_error check_password(struct mm_auth *auth,
                                         const struct credentials *c,
                                         int *which_out)
{
    const struct mm_login_facts facts = facts_of(auth, c);
    enum mailmod_error error = mm_scram_verifier_check_any(
        &c->verifier, c->further, c->further_count, facts.password, which_out);

    if (error == MAILMOD_OK && *which_out >= 0 && c->may_enter &&
        auth->cache != NULL) {
        mm_login_cache_put(auth->cache, &facts, *which_out, auth->begun_ms);
    }
    return error;
}

static void check_shown(struct mm_auth *auth)
{
    struct credentials c;
    int which = -1;

    enum mailmod_error error = find_user(auth, &c);
    if (error == MAILMOD_OK && auth->proof == MM_AUTH_PROOF_PASSWORD) {
        which = recall(auth, &c);
        error = which < 0 ? check_password(auth, &c, &which) : error;
    } else if (error == MAILMOD_OK) {
        which = check_digest(auth, &c.user) ? 0 : -1;
    }
    auth->mailbox_id = c.user.mailbox_id;
    auth->verdict = error != MAILMOD_OK         ? MM_AUTH_TEMPORARY
                    : which >= 0 && c.may_enter ? MM_AUTH_OK
                                                : MM_AUTH_REFUSED;
    if (auth->verdict == MM_AUTH_OK) {
        mm_auth_note_secret(auth, which);
    }
    mm_secret_clear(&c, sizeof c);
}

void mm_auth_check(struct mm_auth *auth)
{
    auth->secret[0] = '\0';
    if (auth->is_vouched) {
        admit_vouched(auth);
    } else {
        check_shown(auth);
    }
}

/* The user's salt, or a decoy's. */
enum mm_auth_verdict mm_auth_make_challenge(struct mm_auth *auth)
{
    struct credentials c;
    enum mailmod_error error = find_user(auth, &c);

    if (error == MAILMOD_OK) {
        /* 0: no proof lets in */
        auth->mailbox_id =
            c.may_enter && !auth->is_barred ? c.user.mailbox_id : 0;
        mm_buf_clear(&auth->challenge);
        error = mm_scram_server_challenge(&auth->scram, &c.verifier,
                                          &auth->challenge);
    }
    if (error == MAILMOD_OK) {
        error =
            mm_scram_server_further(&auth->scram, c.further, c.further_count);
    }
    mm_secret_clear(&c, sizeof c);
    return error == MAILMOD_OK ? MM_AUTH_CHALLENGE : MM_AUTH_TEMPORARY;
}
