/* auth.c - one login attempt: PLAIN, LOGIN, SCRAM-SHA-256, CRAM-MD5, tokens,
 * USER/PASS, APOP.
 *
 * Owns: the exchange's state, and the password while its check runs; it is
 * wiped as soon as the verdict stands. Promises: no difference in verdict or in
 * work done between an unknown user and a wrong password (a decoy verifier
 * stands in); every compare is constant-time; nothing that may wait for a store
 * (mm_store_waits) is done on the loop.
 * Thread: the session's loop; `run_job` alone runs on a worker.
 * RFC 4954, 5034 (the framing is the engines'), 4616, 5802, 7677, 2195, 7628,
 * 1939 7. */
#include "server/auth.h"

#include "base/mem.h"
#include "platform/random.h"
#include "post/directory.h"
#include "wire/sasl/sasl.h"

#include <string.h>

#define CHALLENGE_MAX 2048
#define STAMP_HOST_MAX 64
#define LOGIN_USER_PROMPT "Username:"
#define LOGIN_PASSWORD_PROMPT "Password:"

static void run_job(struct mm_job *job);
static void job_done(struct mm_job *job);

void mm_auth_init(struct mm_auth *auth, struct mm_loop *loop,
                  struct mm_workers *workers, struct mm_store *store,
                  const struct mm_config *config,
                  void (*on_done)(struct mm_auth *, enum mm_auth_verdict))
{
    memset(auth, 0, sizeof *auth);
    auth->loop = loop;
    auth->workers = workers;
    auth->store = store;
    auth->config = config;
    auth->on_done = on_done;
    mm_buf_init(&auth->challenge, CHALLENGE_MAX);
    mm_buf_init(&auth->token, MM_LIMIT_SMTP_AUTH_LINE);
    mm_scram_server_init(&auth->scram);
    auth->job.loop = loop;
    auth->job.run = run_job;
    auth->job.done = job_done;
    auth->check.job = &auth->job;
}

/* The password or token that the client showed. */
static void forget_shown(struct mm_auth *auth)
{
    mm_secret_clear(auth->password, sizeof auth->password);
    mm_buf_wipe(&auth->token);
}

void mm_auth_fini(struct mm_auth *auth)
{
    forget_shown(auth);
    mm_scram_server_fini(&auth->scram);
    mm_buf_fini(&auth->challenge);
}

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

/* The verifier that the user has, or a decoy under which no password fits. The
 * decoy is made for a known user, too, so that both cost the same. OK either
 * way unless the store itself failed. */
static enum mailmod_error find_user(struct mm_auth *auth, struct credentials *c)
{
    uint8_t secret[MM_SHA256_SIZE];

    memset(c, 0, sizeof *c);
    enum mailmod_error found =
        mm_store_find_user(auth->store, auth->user_name, &c->user);
    bool is_known = found == MAILMOD_OK;
    auth->is_disabled = is_known && c->user.is_disabled;
    c->may_enter = is_known && !c->user.is_disabled;
    if (found != MAILMOD_OK && found != MAILMOD_ERROR_NOT_FOUND) {
        return found;
    }
    enum mailmod_error error = mm_store_secret(auth->store, secret);
    if (error == MAILMOD_OK) {
        error = mm_scram_verifier_decoy(&c->verifier,
                                        mm_span_cstr(auth->user_name), secret);
    }
    mm_secret_clear(secret, sizeof secret);
    if (error == MAILMOD_OK && is_known) {
        memcpy(c->verifier.salt, c->user.salt, sizeof c->verifier.salt);
        c->verifier.iterations = c->user.iterations;
        memcpy(c->verifier.stored_key, c->user.stored_key,
               sizeof c->verifier.stored_key);
        memcpy(c->verifier.server_key, c->user.server_key,
               sizeof c->verifier.server_key);
    }
    return error == MAILMOD_OK ? find_further(auth, c) : error;
}

/* The name of the secret that was used: 0 is the main one. */
static void note_secret(struct mm_auth *auth, uint64_t mailbox_id, int which)
{
    struct mm_store_secret_key keys[MM_STORE_SECRETS_MAX];
    size_t count = 0;

    auth->secret[0] = '\0';
    if (which > 0 &&
        mm_store_list_secrets(auth->store, mailbox_id, keys, &count) ==
            MAILMOD_OK &&
        (size_t)which <= count) {
        memcpy(auth->secret, keys[which - 1].label, sizeof auth->secret);
    }
    mm_secret_clear(keys, sizeof keys);
}

/* The store's form of a name. What can be no name stays as it is, and is
 * nobody's. False: longer than any user's. */
static bool form_name(struct mm_span name, char name_out[MM_STORE_USER_MAX])
{
    return mm_user_name_canonical(name, name_out) == MAILMOD_OK ||
           mm_span_copy(name, name_out, MM_STORE_USER_MAX);
}

/* Takes the name that the client gave; false when no user can have it. */
static bool take_name(struct mm_auth *auth, struct mm_span name)
{
    size_t size = name.size < sizeof auth->given_name
                      ? name.size
                      : sizeof auth->given_name - 1;

    (void)mm_span_copy(mm_span(name.data, size), auth->given_name,
                       sizeof auth->given_name);
    auth->is_disabled = false;
    auth->acts_for[0] = '\0';
    auth->folder[0] = '\0';
    return form_name(name, auth->user_name);
}

/* RFC 4616, RFC 5802 5.1: an authorization identity may only repeat the user,
 * in whatever form: nobody acts for another here. After take_name. */
static bool take_authzid(struct mm_auth *auth, struct mm_span authzid)
{
    return authzid.size == 0 || form_name(authzid, auth->acts_for);
}

/* Where the domain begins that may have to go; NULL: it is whole. */
static char *local_domain(const struct mm_auth *auth, char *name)
{
    char *at = strrchr(name, '@');

    return at != NULL && mm_config_is_local_domain(auth->config, at + 1) ? at
                                                                         : NULL;
}

/* "alice@local.domain" is "alice" when no user has the long name, for a mail
 * client sends the address more often than not. */
static void shorten(const struct mm_auth *auth, char *name)
{
    char *at = local_domain(auth, name);
    struct mm_store_user user;

    if (at != NULL && mm_store_find_user(auth->store, name, &user) ==
                          MAILMOD_ERROR_NOT_FOUND) {
        *at = '\0';
    }
    mm_secret_clear(&user, sizeof user);
}

/* The part before a slash of the name as it was given, which may name a folder;
 * false: there is none. */
static bool cut_folder(const struct mm_auth *auth, struct mm_span *base_out,
                       struct mm_span *folder_out)
{
    struct mm_span given = mm_span_cstr(auth->given_name);

    return auth->takes_folder && auth->config->local.plus_folders &&
           given.size + 1 < sizeof auth->given_name && /* it is whole */
           mm_span_cut(given, '/', base_out, folder_out);
}

/* "alice/lists", or "alice@example.org/lists", is the folder lists of alice,
 * unless a user has the whole for a name. */
static void find_folder(struct mm_auth *auth)
{
    struct mm_store_user user;
    struct mm_span base;
    struct mm_span folder;

    if (!cut_folder(auth, &base, &folder)) {
        return;
    }
    bool is_whole =
        mm_store_find_user(auth->store, auth->user_name, &user) == MAILMOD_OK;
    mm_secret_clear(&user, sizeof user);
    if (!is_whole && mm_span_copy(folder, auth->folder, sizeof auth->folder) &&
        form_name(base, auth->user_name)) {
        shorten(auth, auth->user_name);
    }
}

static void find_names(struct mm_auth *auth)
{
    shorten(auth, auth->user_name);
    shorten(auth, auth->acts_for);
    find_folder(auth);
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

static void check(struct mm_auth *auth)
{
    struct credentials c;
    int which = -1;

    enum mailmod_error error = find_user(auth, &c);
    if (error == MAILMOD_OK && auth->proof == MM_AUTH_PROOF_PASSWORD) {
        error = mm_scram_verifier_check_any(
            &c.verifier, c.further, c.further_count,
            mm_span(auth->password, auth->password_size), &which);
    } else if (error == MAILMOD_OK) {
        which = check_digest(auth, &c.user) ? 0 : -1;
    }
    auth->mailbox_id = c.user.mailbox_id;
    auth->verdict = error != MAILMOD_OK         ? MM_AUTH_TEMPORARY
                    : which >= 0 && c.may_enter ? MM_AUTH_OK
                                                : MM_AUTH_REFUSED;
    if (auth->verdict == MM_AUTH_OK) {
        note_secret(auth, auth->mailbox_id, which);
    }
    mm_secret_clear(&c, sizeof c);
}

static void run_check(struct mm_auth *auth)
{
    auth->secret[0] = '\0';
    if (auth->is_vouched) {
        admit_vouched(auth);
    } else {
        check(auth);
    }
    mm_secret_clear(auth->password, sizeof auth->password);
    if (auth->checks != NULL) {
        mm_checks_leave(auth->checks);
    }
}

static enum mm_auth_verdict refuse(struct mm_auth *auth)
{
    forget_shown(auth);
    return MM_AUTH_REFUSED;
}

/* Checks take turns, the rest goes straight on. */
static enum mm_auth_verdict submit(struct mm_auth *auth, enum mm_auth_work work)
{
    auth->work = work;
    auth->verdict = MM_AUTH_TEMPORARY; /* of a check that never gets its turn */
    enum mailmod_error error =
        work == MM_AUTH_WORK_CHECK && auth->checks != NULL
            ? mm_checks_submit(auth->checks, &auth->check, auth->peer,
                               auth->is_known)
            : mm_workers_submit(auth->workers, &auth->job);
    if (error != MAILMOD_OK) {
        forget_shown(auth);
        return MM_AUTH_TEMPORARY;
    }
    auth->is_busy = true;
    return MM_AUTH_WAIT;
}

/* The user's salt, or a decoy's. */
static enum mm_auth_verdict make_challenge(struct mm_auth *auth)
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

void mm_auth_checked(struct mm_auth *auth, enum mm_auth_verdict verdict)
{
    forget_shown(auth);
    auth->on_done(auth, verdict);
}

static enum mm_auth_verdict scram_challenge(struct mm_auth *auth)
{
    return mm_store_waits(auth->store) ? submit(auth, MM_AUTH_WORK_CHALLENGE)
                                       : make_challenge(auth);
}

static void run_job(struct mm_job *job)
{
    struct mm_auth *auth = MM_LIST_OBJECT(job, struct mm_auth, job);

    switch (auth->work) {
    case MM_AUTH_WORK_NAMES:
        find_names(auth);
        auth->verdict = MM_AUTH_NAMED;
        break;
    case MM_AUTH_WORK_CHECK:
        run_check(auth);
        break;
    case MM_AUTH_WORK_CHALLENGE:
        auth->verdict = make_challenge(auth);
        break;
    case MM_AUTH_WORK_SECRET:
        note_secret(auth, auth->mailbox_id, auth->scram.which);
        auth->verdict = MM_AUTH_CHALLENGE;
        break;
    }
}

static void job_done(struct mm_job *job)
{
    struct mm_auth *auth = MM_LIST_OBJECT(job, struct mm_auth, job);

    auth->is_busy = false;
    if (auth->work == MM_AUTH_WORK_CHECK) {
        forget_shown(auth); /* of one that never got its turn */
    }
    auth->on_done(auth, auth->verdict);
}

static enum mm_auth_verdict start_check(struct mm_auth *auth)
{
    enum mm_auth_verdict verdict;

    auth->is_vouched = false;
    auth->is_elsewhere = false;
    if (auth->is_barred) {
        return refuse(auth);
    }
    auth->is_elsewhere =
        auth->on_check != NULL && auth->on_check(auth, &verdict);
    if (auth->is_elsewhere) {
        if (verdict != MM_AUTH_WAIT) {
            forget_shown(auth);
        }
        return verdict;
    }
    if (auth->on_ask != NULL && auth->on_ask(auth)) {
        return MM_AUTH_WAIT;
    }
    return submit(auth, MM_AUTH_WORK_CHECK);
}

static enum mm_auth_verdict start_scram(struct mm_auth *auth)
{
    auth->is_elsewhere = false;
    return !auth->is_barred && auth->on_ask != NULL && auth->on_ask(auth)
               ? MM_AUTH_WAIT
               : scram_challenge(auth);
}

/* The host judges, or nobody does. */
static enum mm_auth_verdict start_bearer(struct mm_auth *auth)
{
    auth->is_elsewhere = false;
    return !auth->is_barred && auth->on_ask != NULL && auth->on_ask(auth)
               ? MM_AUTH_WAIT
               : refuse(auth);
}

enum mm_auth_verdict mm_auth_go_on(struct mm_auth *auth)
{
    if (auth->acts_for[0] != '\0' &&
        strcmp(auth->acts_for, auth->user_name) != 0) {
        return refuse(auth);
    }
    switch (auth->proof) {
    case MM_AUTH_PROOF_SCRAM:
        return start_scram(auth);
    case MM_AUTH_PROOF_TOKEN:
        return start_bearer(auth);
    default:
        return start_check(auth);
    }
}

/* The names are taken, and all that the client showed. */
static enum mm_auth_verdict start(struct mm_auth *auth)
{
    struct mm_span base;
    struct mm_span folder;

    if (mm_store_waits(auth->store) &&
        (local_domain(auth, auth->user_name) != NULL ||
         local_domain(auth, auth->acts_for) != NULL ||
         cut_folder(auth, &base, &folder))) {
        return submit(auth, MM_AUTH_WORK_NAMES);
    }
    find_names(auth);
    return mm_auth_go_on(auth);
}

enum mm_auth_verdict mm_auth_decide(struct mm_auth *auth,
                                    enum mm_auth_decision decision)
{
    bool is_token = auth->proof == MM_AUTH_PROOF_TOKEN;

    if (decision == MM_AUTH_REFUSE || (is_token && decision == MM_AUTH_CHECK)) {
        return refuse(auth); /* nobody else can judge a token */
    }
    mm_buf_wipe(&auth->token);
    if (auth->proof == MM_AUTH_PROOF_SCRAM) {
        /* Both sides prove themselves: nobody can vouch here. */
        return scram_challenge(auth);
    }
    auth->is_vouched = decision == MM_AUTH_VOUCH;
    return submit(auth, MM_AUTH_WORK_CHECK);
}

const char *mm_auth_password_text(const struct mm_auth *auth)
{
    bool is_shown = auth->proof == MM_AUTH_PROOF_PASSWORD &&
                    memchr(auth->password, '\0', auth->password_size) == NULL;

    return is_shown ? auth->password : NULL;
}

const char *mm_auth_token_text(struct mm_auth *auth)
{
    return auth->proof == MM_AUTH_PROOF_TOKEN ? mm_buf_cstr(&auth->token)
                                              : NULL;
}

static enum mm_auth_verdict start_password(struct mm_auth *auth,
                                           struct mm_span password)
{
    auth->proof = MM_AUTH_PROOF_PASSWORD;
    if (!mm_span_copy(password, auth->password, sizeof auth->password)) {
        return MM_AUTH_REFUSED;
    }
    auth->password_size = password.size;
    return start(auth);
}

enum mm_auth_verdict mm_auth_password(struct mm_auth *auth, struct mm_span user,
                                      struct mm_span password)
{
    return take_name(auth, user) ? start_password(auth, password)
                                 : MM_AUTH_REFUSED;
}

enum mm_auth_verdict mm_auth_apop(struct mm_auth *auth, struct mm_span user,
                                  struct mm_span stamp, struct mm_span digest)
{
    auth->proof = MM_AUTH_PROOF_APOP;
    if (!take_name(auth, user) ||
        !mm_span_copy(stamp, auth->stamp, sizeof auth->stamp) ||
        digest.size != MM_MD5_SIZE) {
        return MM_AUTH_REFUSED;
    }
    mm_hex((const uint8_t *)digest.data, digest.size, auth->digest);
    return start(auth);
}

static enum mm_auth_verdict challenge_with(struct mm_auth *auth,
                                           const char *text)
{
    mm_buf_clear(&auth->challenge);
    return mm_buf_append_cstr(&auth->challenge, text) == MAILMOD_OK
               ? MM_AUTH_CHALLENGE
               : MM_AUTH_TEMPORARY;
}

static enum mm_auth_verdict step_plain(struct mm_auth *auth,
                                       struct mm_span data)
{
    struct mm_span authzid;
    struct mm_span authcid;
    struct mm_span password;

    if (mm_sasl_plain_parse(data, &authzid, &authcid, &password) !=
        MAILMOD_OK) {
        return MM_AUTH_SYNTAX;
    }
    return take_name(auth, authcid) && take_authzid(auth, authzid)
               ? start_password(auth, password)
               : MM_AUTH_REFUSED;
}

static enum mm_auth_verdict step_login(struct mm_auth *auth,
                                       struct mm_span data)
{
    if (auth->step == 1) {
        auth->step = 2;
        if (data.size == 0 ||
            !mm_span_copy(data, auth->given_name, sizeof auth->given_name)) {
            return MM_AUTH_SYNTAX;
        }
        return challenge_with(auth, LOGIN_PASSWORD_PROMPT);
    }
    char name[MM_STORE_USER_MAX];
    memcpy(name, auth->given_name, sizeof name);
    return mm_auth_password(auth, mm_span_cstr(name), data);
}

static enum mm_auth_verdict scram_first(struct mm_auth *auth,
                                        struct mm_span data)
{
    uint8_t random[18];
    enum mailmod_error error = mm_random(random, sizeof random);

    if (error != MAILMOD_OK) {
        return MM_AUTH_TEMPORARY;
    }
    char name[MM_STORE_USER_MAX];
    error =
        mm_scram_server_first(&auth->scram, data, random, name, sizeof name);
    if (error != MAILMOD_OK) {
        return error == MAILMOD_ERROR_MEMORY ? MM_AUTH_TEMPORARY
                                             : MM_AUTH_SYNTAX;
    }
    auth->proof = MM_AUTH_PROOF_SCRAM;
    return take_name(auth, mm_span_cstr(name)) &&
                   take_authzid(auth, mm_span_cstr(auth->scram.authzid))
               ? start(auth)
               : MM_AUTH_REFUSED;
}

static enum mm_auth_verdict scram_final(struct mm_auth *auth,
                                        struct mm_span data)
{
    mm_buf_clear(&auth->challenge);
    enum mailmod_error error =
        mm_scram_server_final(&auth->scram, data, &auth->challenge);
    if (error == MAILMOD_ERROR_MEMORY) {
        return MM_AUTH_TEMPORARY;
    }
    if (error == MAILMOD_ERROR_SYNTAX) {
        return MM_AUTH_SYNTAX;
    }
    auth->is_proven = error == MAILMOD_OK && auth->mailbox_id != 0;
    if (!auth->is_proven) {
        return MM_AUTH_REFUSED;
    }
    if (mm_store_waits(auth->store)) {
        return submit(auth, MM_AUTH_WORK_SECRET);
    }
    note_secret(auth, auth->mailbox_id, auth->scram.which);
    return MM_AUTH_CHALLENGE;
}

/* RFC 5802 5: first, final, and an empty response to the server's signature. */
static enum mm_auth_verdict step_scram(struct mm_auth *auth,
                                       struct mm_span data)
{
    switch (auth->step++) {
    case 1:
        return scram_first(auth, data);
    case 2:
        return scram_final(auth, data);
    default:
        return auth->is_proven && data.size == 0 ? MM_AUTH_OK : MM_AUTH_SYNTAX;
    }
}

enum mailmod_error mm_auth_make_stamp(const struct mm_config *config,
                                      char stamp_out[MM_AUTH_STAMP_MAX])
{
    uint8_t random[16];
    enum mailmod_error error = mm_random(random, sizeof random);

    if (error != MAILMOD_OK) {
        return error;
    }
    char *at = stamp_out;
    *at++ = '<';
    mm_hex(random, sizeof random, at);
    at += 2 * sizeof random;
    *at++ = '@';
    const char *host = config->host_name;
    for (size_t i = 0; host[i] != '\0' && i < STAMP_HOST_MAX; i++) {
        bool is_plain =
            mm_ascii_is_alnum((unsigned char)host[i]) || host[i] == '.';
        *at++ = is_plain ? host[i] : '-';
    }
    *at++ = '>';
    *at = '\0';
    return MAILMOD_OK;
}

/* RFC 2195 2: the server speaks first. */
static enum mm_auth_verdict begin_cram(struct mm_auth *auth, bool has_data)
{
    if (has_data) {
        return MM_AUTH_SYNTAX;
    }
    return mm_auth_make_stamp(auth->config, auth->stamp) == MAILMOD_OK
               ? challenge_with(auth, auth->stamp)
               : MM_AUTH_TEMPORARY;
}

/* The user, a blank, 32 hexadecimal digits; a user's name may have blanks. */
static enum mm_auth_verdict step_cram(struct mm_auth *auth, struct mm_span data)
{
    size_t digest_size = sizeof auth->digest - 1;

    if (data.size < digest_size + 2 ||
        data.data[data.size - digest_size - 1] != ' ') {
        return MM_AUTH_SYNTAX;
    }
    struct mm_span digest = mm_span_from(data, data.size - digest_size);
    for (size_t i = 0; i < digest_size; i++) {
        auth->digest[i] = (char)mm_ascii_lower((unsigned char)digest.data[i]);
    }
    auth->digest[digest_size] = '\0';
    auth->proof = MM_AUTH_PROOF_CRAM_MD5;
    return take_name(auth, mm_span(data.data, data.size - digest_size - 1))
               ? start(auth)
               : MM_AUTH_REFUSED;
}

/* RFC 7628: one message. */
static enum mm_auth_verdict step_bearer(struct mm_auth *auth,
                                        struct mm_span data)
{
    struct mm_buf user;
    struct mm_span token;

    auth->proof = MM_AUTH_PROOF_TOKEN;
    mm_buf_init(&user, MM_LIMIT_USER_NAME);
    enum mailmod_error error =
        mm_sasl_bearer_parse(auth->mechanism, data, &user, &token);
    bool is_named = error == MAILMOD_OK && take_name(auth, mm_buf_span(&user));
    mm_buf_fini(&user);
    if (error != MAILMOD_OK) {
        return error == MAILMOD_ERROR_MEMORY ? MM_AUTH_TEMPORARY
                                             : MM_AUTH_SYNTAX;
    }
    mm_buf_wipe(&auth->token);
    if (mm_buf_append_span(&auth->token, token) != MAILMOD_OK) {
        return MM_AUTH_TEMPORARY;
    }
    return is_named ? start(auth) : refuse(auth);
}

bool mm_auth_tells_refusal(struct mm_auth *auth)
{
    if (auth->proof != MM_AUTH_PROOF_TOKEN || auth->is_refusal_told) {
        return false;
    }
    auth->is_refusal_told = true;
    return challenge_with(auth, mm_sasl_bearer_error(auth->mechanism)) ==
           MM_AUTH_CHALLENGE;
}

enum mm_auth_verdict mm_auth_begin(struct mm_auth *auth,
                                   enum mm_sasl_mechanism mechanism,
                                   bool has_data, struct mm_span data)
{
    mm_scram_server_fini(&auth->scram);
    mm_scram_server_init(&auth->scram);
    auth->mechanism = mechanism;
    auth->step = 1;
    auth->is_proven = false;
    auth->is_refusal_told = false;
    auth->proof = MM_AUTH_PROOF_PASSWORD;
    auth->mailbox_id = 0;
    auth->user_name[0] = '\0';
    if (mechanism == MM_SASL_CRAM_MD5) {
        return begin_cram(auth, has_data);
    }
    if (has_data) {
        return mm_auth_continue(auth, data);
    }
    return challenge_with(auth,
                          mechanism == MM_SASL_LOGIN ? LOGIN_USER_PROMPT : "");
}

enum mm_auth_verdict mm_auth_continue(struct mm_auth *auth, struct mm_span data)
{
    switch (auth->mechanism) {
    case MM_SASL_PLAIN:
        return step_plain(auth, data);
    case MM_SASL_LOGIN:
        return step_login(auth, data);
    case MM_SASL_SCRAM_SHA_256:
        return step_scram(auth, data);
    case MM_SASL_CRAM_MD5:
        return step_cram(auth, data);
    case MM_SASL_OAUTHBEARER:
    case MM_SASL_XOAUTH2:
        return step_bearer(auth, data);
    }
    return MM_AUTH_SYNTAX;
}
