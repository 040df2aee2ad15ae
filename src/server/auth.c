/* auth.c - one login attempt: PLAIN, LOGIN, SCRAM-SHA-256, CRAM-MD5, tokens,
 * USER/PASS, APOP.
 *
 * Owns: the exchange's state, and the password while its check runs; it is
 * wiped as soon as the verdict stands. Promises: nothing that may wait for a
 * store (mm_store_waits) is done on the loop. Whom the names mean is
 * auth_names.c's, what they are checked against auth_credentials.c's.
 * Thread: the session's loop; `run_job` alone runs on a worker.
 * RFC 4954, 5034 (the framing is the engines'), 4616, 5802, 7677, 2195, 7628,
 * 1939 7. */
#include "server/auth_internal.h"

#include "base/mem.h"
#include "config/config.h"
#include "platform/random.h"
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

static void run_check(struct mm_auth *auth)
{
    mm_auth_check(auth);
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

void mm_auth_checked(struct mm_auth *auth, enum mm_auth_verdict verdict)
{
    forget_shown(auth);
    auth->on_done(auth, verdict);
}

static enum mm_auth_verdict scram_challenge(struct mm_auth *auth)
{
    return mm_store_waits(auth->store) ? submit(auth, MM_AUTH_WORK_CHALLENGE)
                                       : mm_auth_make_challenge(auth);
}

static void run_job(struct mm_job *job)
{
    struct mm_auth *auth = MM_LIST_OBJECT(job, struct mm_auth, job);

    switch (auth->work) {
    case MM_AUTH_WORK_NAMES:
        mm_auth_find_names(auth);
        auth->verdict = MM_AUTH_NAMED;
        break;
    case MM_AUTH_WORK_CHECK:
        run_check(auth);
        break;
    case MM_AUTH_WORK_CHALLENGE:
        auth->verdict = mm_auth_make_challenge(auth);
        break;
    case MM_AUTH_WORK_SECRET:
        mm_auth_note_secret(auth, auth->scram.which);
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

/* The host and who else is to be asked have been. */
static enum mm_auth_verdict check(struct mm_auth *auth)
{
    auth->begun_ms = mm_loop_now_ms(auth->loop);
    if (!auth->is_vouched && !mm_store_waits(auth->store) &&
        mm_auth_recall(auth)) {
        forget_shown(auth);
        return MM_AUTH_OK;
    }
    return submit(auth, MM_AUTH_WORK_CHECK);
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
    return check(auth);
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
    case MM_AUTH_PROOF_CERTIFICATE:
        return start_bearer(auth);
    default:
        return start_check(auth);
    }
}

/* The names are taken, and all that the client showed. */
static enum mm_auth_verdict start(struct mm_auth *auth)
{
    if (mm_store_waits(auth->store) && mm_auth_names_need_store(auth)) {
        return submit(auth, MM_AUTH_WORK_NAMES);
    }
    mm_auth_find_names(auth);
    return mm_auth_go_on(auth);
}

enum mm_auth_verdict mm_auth_decide(struct mm_auth *auth,
                                    enum mm_auth_decision decision)
{
    bool is_hosts = auth->proof == MM_AUTH_PROOF_TOKEN ||
                    auth->proof == MM_AUTH_PROOF_CERTIFICATE;

    if (decision == MM_AUTH_REFUSE || (is_hosts && decision == MM_AUTH_CHECK)) {
        return refuse(auth); /* nobody else can judge it */
    }
    mm_buf_wipe(&auth->token);
    if (auth->proof == MM_AUTH_PROOF_SCRAM) {
        /* Both sides prove themselves: nobody can vouch here. */
        return scram_challenge(auth);
    }
    auth->is_vouched = decision == MM_AUTH_VOUCH;
    return check(auth);
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
    return mm_auth_take_name(auth, user) ? start_password(auth, password)
                                         : MM_AUTH_REFUSED;
}

enum mm_auth_verdict mm_auth_apop(struct mm_auth *auth, struct mm_span user,
                                  struct mm_span stamp, struct mm_span digest)
{
    auth->proof = MM_AUTH_PROOF_APOP;
    if (!mm_auth_take_name(auth, user) ||
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
    return mm_auth_take_name(auth, authcid) &&
                   mm_auth_take_authzid(auth, authzid)
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
    return mm_auth_take_name(auth, mm_span_cstr(name)) &&
                   mm_auth_take_authzid(auth, mm_span_cstr(auth->scram.authzid))
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
    mm_auth_note_secret(auth, auth->scram.which);
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
    return mm_auth_take_name(auth,
                             mm_span(data.data, data.size - digest_size - 1))
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
    bool is_named =
        error == MAILMOD_OK && mm_auth_take_name(auth, mm_buf_span(&user));
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

/* RFC 4422 A: the name to act as, or none: then whom the certificate names. */
static enum mm_auth_verdict step_external(struct mm_auth *auth,
                                          struct mm_span data)
{
    auth->proof = MM_AUTH_PROOF_CERTIFICATE;
    if (memchr(data.data != NULL ? data.data : "", '\0', data.size) != NULL) {
        return MM_AUTH_SYNTAX;
    }
    struct mm_span name =
        data.size > 0 ? data : mm_span_cstr(auth->certificate_name);
    return name.size > 0 && mm_auth_take_name(auth, name) ? start(auth)
                                                          : refuse(auth);
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
    case MM_SASL_EXTERNAL:
        return step_external(auth, data);
    }
    return MM_AUTH_SYNTAX;
}
