/* login.c - EXTERNAL, SCRAM-SHA-256, PLAIN, LOGIN and CRAM-MD5, in this order:
 * servers offer CRAM-MD5 whose stores have no password to answer it with; and
 * with a token OAUTHBEARER, which is a standard, before XOAUTH2.
 *
 * Owns the state of one exchange. Promises that a password goes over the wire
 * only in PLAIN and LOGIN, which the engine allows under TLS or by explicit
 * setting alone; that EXTERNAL says a name and nothing else; that a server with
 * a wrong SCRAM signature, or with none, is not taken for the right one; and
 * that what it held is wiped. The slow part of SCRAM (the server chooses the
 * iteration count) runs on a worker. Thread: see the header. RFC 4954 4, RFC
 * 5034 4, RFC 4422 A, RFC 4616, RFC 2195, RFC 5802 5, RFC 7677, RFC 7628 3. */
#include "client/login.h"

#include "base/limits.h"
#include "base/mem.h"
#include "wire/sasl/sasl.h"

#include <string.h>

/* Names and passwords at their caps, and SCRAM's nonces and salts. */
enum { MESSAGE_MAX = MM_LIMIT_TOKEN + 1024 };

void mm_login_init(struct mm_login *login)
{
    memset(login, 0, sizeof *login);
    mm_scram_client_init(&login->scram);
    mm_buf_init(&login->challenge, MESSAGE_MAX);
    mm_buf_init(&login->response, MESSAGE_MAX);
}

void mm_login_fini(struct mm_login *login)
{
    mm_scram_client_fini(&login->scram);
    mm_buf_wipe(&login->challenge);
    mm_buf_wipe(&login->response);
}

static enum mailmod_error smtp_auth(void *engine,
                                    enum mm_sasl_mechanism mechanism,
                                    bool has_initial, struct mm_span initial)
{
    return mm_smtpc_auth(engine, mechanism, has_initial, initial);
}

static enum mailmod_error smtp_response(void *engine, struct mm_span data)
{
    return mm_smtpc_auth_response(engine, data);
}

static enum mailmod_error smtp_cancel(void *engine)
{
    return mm_smtpc_auth_cancel(engine);
}

struct mm_login_wire mm_login_over_smtp(struct mm_smtpc *smtpc)
{
    return (struct mm_login_wire){smtpc, smtp_auth, smtp_response, smtp_cancel};
}

static enum mailmod_error pop3_auth(void *engine,
                                    enum mm_sasl_mechanism mechanism,
                                    bool has_initial, struct mm_span initial)
{
    return mm_pop3c_auth(engine, mechanism, has_initial, initial);
}

static enum mailmod_error pop3_response(void *engine, struct mm_span data)
{
    return mm_pop3c_auth_response(engine, data);
}

static enum mailmod_error pop3_cancel(void *engine)
{
    return mm_pop3c_auth_cancel(engine);
}

struct mm_login_wire mm_login_over_pop3(struct mm_pop3c *pop3c)
{
    return (struct mm_login_wire){pop3c, pop3_auth, pop3_response, pop3_cancel};
}

static enum mailmod_error begin(struct mm_login *login,
                                enum mm_sasl_mechanism mechanism,
                                bool has_initial, struct mm_span initial)
{
    return login->wire.auth(login->wire.engine, mechanism, has_initial,
                            initial);
}

static enum mailmod_error respond(struct mm_login *login, struct mm_span data)
{
    return login->wire.response(login->wire.engine, data);
}

static enum mailmod_error cancel(struct mm_login *login)
{
    return login->wire.cancel(login->wire.engine);
}

static enum mailmod_error begin_plain(struct mm_login *login, const char *user,
                                      const char *password)
{
    enum mailmod_error error =
        mm_sasl_plain_write(&login->response, user, mm_span_cstr(password));
    if (error == MAILMOD_OK) {
        error =
            begin(login, MM_SASL_PLAIN, true, mm_buf_span(&login->response));
    }
    mm_buf_wipe(&login->response);
    return error;
}

static enum mailmod_error begin_bearer(struct mm_login *login, const char *user,
                                       const char *token)
{
    enum mailmod_error error = mm_sasl_bearer_write(
        &login->response, login->mechanism, user, mm_span_cstr(token));
    if (error == MAILMOD_OK) {
        error =
            begin(login, login->mechanism, true, mm_buf_span(&login->response));
    }
    mm_buf_wipe(&login->response);
    return error;
}

static enum mailmod_error begin_scram(struct mm_login *login, const char *user,
                                      const uint8_t nonce[18])
{
    enum mailmod_error error =
        mm_scram_client_first(&login->scram, user, nonce, &login->response);
    if (error == MAILMOD_OK) {
        error = begin(login, MM_SASL_SCRAM_SHA_256, true,
                      mm_buf_span(&login->response));
    }
    mm_buf_wipe(&login->response);
    return error;
}

enum mailmod_error mm_login_begin(struct mm_login *login,
                                  struct mm_login_wire wire,
                                  unsigned mechanisms, const char *user,
                                  const char *password, const uint8_t nonce[18])
{
    mm_login_fini(login);
    mm_login_init(login);
    login->wire = wire;
    if ((mechanisms & MM_SASL_EXTERNAL) != 0) {
        login->mechanism = MM_SASL_EXTERNAL;
        return begin(login, MM_SASL_EXTERNAL, true, mm_span_cstr(user));
    }
    if ((mechanisms & MM_SASL_SCRAM_SHA_256) != 0) {
        login->mechanism = MM_SASL_SCRAM_SHA_256;
        return begin_scram(login, user, nonce);
    }
    if ((mechanisms & MM_SASL_PLAIN) != 0) {
        login->mechanism = MM_SASL_PLAIN;
        return begin_plain(login, user, password);
    }
    if ((mechanisms & MM_SASL_LOGIN) != 0) {
        login->mechanism = MM_SASL_LOGIN;
        return begin(login, MM_SASL_LOGIN, false, mm_span(NULL, 0));
    }
    if ((mechanisms & MM_SASL_CRAM_MD5) != 0) {
        login->mechanism = MM_SASL_CRAM_MD5;
        return begin(login, MM_SASL_CRAM_MD5, false, mm_span(NULL, 0));
    }
    if ((mechanisms & MM_SASL_BEARER) != 0) {
        login->mechanism = (mechanisms & MM_SASL_OAUTHBEARER) != 0
                               ? MM_SASL_OAUTHBEARER
                               : MM_SASL_XOAUTH2;
        return begin_bearer(login, user, password);
    }
    return MAILMOD_ERROR_AUTHENTICATION;
}

static enum mailmod_error
challenge_login(struct mm_login *login, const char *user, const char *password)
{
    if (login->step > 2) {
        return cancel(login);
    }
    return respond(login, mm_span_cstr(login->step == 1 ? user : password));
}

/* RFC 2195 2:  user SP digest, the digest keyed with the password. */
static enum mailmod_error challenge_cram(struct mm_login *login,
                                         struct mm_span data, const char *user,
                                         const char *password)
{
    uint8_t digest[MM_MD5_SIZE];
    char text[2 * MM_MD5_SIZE + 1];
    if (login->step > 1 || data.size == 0) {
        return cancel(login);
    }
    enum mailmod_error error =
        mm_hmac_md5(mm_span_cstr(password), data, digest);
    if (error != MAILMOD_OK) {
        return error;
    }
    mm_hex(digest, sizeof digest, text);
    (void)mm_buf_appendf(&login->response, "%s %s", user, text);
    error = mm_buf_error(&login->response);
    if (error == MAILMOD_OK) {
        error = respond(login, mm_buf_span(&login->response));
    }
    mm_buf_wipe(&login->response);
    return error;
}

static enum mailmod_error challenge_scram(struct mm_login *login,
                                          struct mm_span data,
                                          bool *needs_worker_out)
{
    if (login->step == 1) {
        *needs_worker_out = true;
        return mm_buf_append_span(&login->challenge, data);
    }
    if (login->step == 2 &&
        mm_scram_client_check(&login->scram, data) == MAILMOD_OK) {
        login->is_proven = true;
        return respond(login, mm_span(NULL, 0));
    }
    return cancel(login);
}

enum mailmod_error mm_login_challenge(struct mm_login *login,
                                      struct mm_span data, const char *user,
                                      const char *password,
                                      bool *needs_worker_out)
{
    *needs_worker_out = false;
    login->step++;
    if (login->mechanism == MM_SASL_SCRAM_SHA_256) {
        return challenge_scram(login, data, needs_worker_out);
    }
    if (login->mechanism == MM_SASL_CRAM_MD5) {
        return challenge_cram(login, data, user, password);
    }
    if (login->mechanism == MM_SASL_LOGIN) {
        return challenge_login(login, user, password);
    }
    if ((login->mechanism & MM_SASL_BEARER) != 0 && login->step == 1) {
        return respond(login, mm_sasl_bearer_reply(login->mechanism));
    }
    return cancel(login); /* PLAIN has said all */
}

void mm_login_work(struct mm_login *login, const char *password)
{
    login->error =
        mm_scram_client_final(&login->scram, mm_buf_span(&login->challenge),
                              mm_span_cstr(password), &login->response);
}

enum mailmod_error mm_login_finish(struct mm_login *login)
{
    enum mailmod_error error = login->error;
    if (error == MAILMOD_OK) {
        error = respond(login, mm_buf_span(&login->response));
    } else if (error != MAILMOD_ERROR_MEMORY) {
        error = cancel(login); /* a changed nonce and the like */
    }
    mm_buf_wipe(&login->response);
    return error;
}

bool mm_login_is_proven(const struct mm_login *login)
{
    return login->mechanism != MM_SASL_SCRAM_SHA_256 || login->is_proven;
}
