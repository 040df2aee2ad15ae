/* login.c - SCRAM-SHA-256, PLAIN and LOGIN, strongest first.
 *
 * Owns the state of one exchange. Promises that a password goes over the wire
 * only in PLAIN and LOGIN, which the engine allows under TLS or by explicit
 * setting alone; that a server with a wrong SCRAM signature, or with none, is
 * not taken for the right one; and that what it held is wiped. The slow part
 * of SCRAM (the server chooses the iteration count) runs on a worker.
 * Thread: see the header. RFC 4954 4, RFC 4616, RFC 5802 5, RFC 7677. */
#include "client/login.h"

#include "base/mem.h"
#include "wire/sasl/sasl.h"

#include <string.h>

/* Names and passwords at their caps, and SCRAM's nonces and salts. */
enum { MESSAGE_MAX = 4096 };

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

static enum mailmod_error begin_plain(struct mm_login *login,
                                      struct mm_smtpc *smtpc, const char *user,
                                      const char *password)
{
    enum mailmod_error error =
        mm_sasl_plain_write(&login->response, user, mm_span_cstr(password));
    if (error == MAILMOD_OK) {
        error = mm_smtpc_auth(smtpc, MM_SASL_PLAIN, true,
                              mm_buf_span(&login->response));
    }
    mm_buf_wipe(&login->response);
    return error;
}

static enum mailmod_error begin_scram(struct mm_login *login,
                                      struct mm_smtpc *smtpc, const char *user,
                                      const uint8_t nonce[18])
{
    enum mailmod_error error =
        mm_scram_client_first(&login->scram, user, nonce, &login->response);
    if (error == MAILMOD_OK) {
        error = mm_smtpc_auth(smtpc, MM_SASL_SCRAM_SHA_256, true,
                              mm_buf_span(&login->response));
    }
    mm_buf_wipe(&login->response);
    return error;
}

enum mailmod_error mm_login_begin(struct mm_login *login,
                                  struct mm_smtpc *smtpc, unsigned mechanisms,
                                  const char *user, const char *password,
                                  const uint8_t nonce[18])
{
    mm_login_fini(login);
    mm_login_init(login);
    if ((mechanisms & MM_SASL_SCRAM_SHA_256) != 0) {
        login->mechanism = MM_SASL_SCRAM_SHA_256;
        return begin_scram(login, smtpc, user, nonce);
    }
    if ((mechanisms & MM_SASL_PLAIN) != 0) {
        login->mechanism = MM_SASL_PLAIN;
        return begin_plain(login, smtpc, user, password);
    }
    if ((mechanisms & MM_SASL_LOGIN) != 0) {
        login->mechanism = MM_SASL_LOGIN;
        return mm_smtpc_auth(smtpc, MM_SASL_LOGIN, false, mm_span(NULL, 0));
    }
    return MAILMOD_ERROR_AUTHENTICATION;
}

static enum mailmod_error challenge_login(struct mm_login *login,
                                          struct mm_smtpc *smtpc,
                                          const char *user,
                                          const char *password)
{
    if (login->step > 2) {
        return mm_smtpc_auth_cancel(smtpc);
    }
    return mm_smtpc_auth_response(
        smtpc, mm_span_cstr(login->step == 1 ? user : password));
}

static enum mailmod_error challenge_scram(struct mm_login *login,
                                          struct mm_smtpc *smtpc,
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
        return mm_smtpc_auth_response(smtpc, mm_span(NULL, 0));
    }
    return mm_smtpc_auth_cancel(smtpc);
}

enum mailmod_error mm_login_challenge(struct mm_login *login,
                                      struct mm_smtpc *smtpc,
                                      struct mm_span data, const char *user,
                                      const char *password,
                                      bool *needs_worker_out)
{
    *needs_worker_out = false;
    login->step++;
    if (login->mechanism == MM_SASL_SCRAM_SHA_256) {
        return challenge_scram(login, smtpc, data, needs_worker_out);
    }
    if (login->mechanism == MM_SASL_LOGIN) {
        return challenge_login(login, smtpc, user, password);
    }
    return mm_smtpc_auth_cancel(smtpc); /* PLAIN has said all */
}

void mm_login_work(struct mm_login *login, const char *password)
{
    login->error =
        mm_scram_client_final(&login->scram, mm_buf_span(&login->challenge),
                              mm_span_cstr(password), &login->response);
}

enum mailmod_error mm_login_finish(struct mm_login *login,
                                   struct mm_smtpc *smtpc)
{
    enum mailmod_error error = login->error;
    if (error == MAILMOD_OK) {
        error = mm_smtpc_auth_response(smtpc, mm_buf_span(&login->response));
    } else if (error != MAILMOD_ERROR_MEMORY) {
        error = mm_smtpc_auth_cancel(smtpc); /* a changed nonce and the like */
    }
    mm_buf_wipe(&login->response);
    return error;
}

bool mm_login_is_proven(const struct mm_login *login)
{
    return login->mechanism != MM_SASL_SCRAM_SHA_256 || login->is_proven;
}
