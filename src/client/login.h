/* thread: loop, mm_login_work: worker
 * login.h - our side of AUTH towards a smarthost: RFC 4954. */
#ifndef MM_CLIENT_LOGIN_H
#define MM_CLIENT_LOGIN_H

#include "crypto/scram.h"
#include "wire/smtp/client.h"

struct mm_login {
    enum mm_sasl_mechanism mechanism;
    unsigned step; /* challenges answered */
    bool is_proven;
    struct mm_scram_client scram;
    struct mm_buf challenge; /* for the worker */
    struct mm_buf response;
    enum mailmod_error error;
};

void mm_login_init(struct mm_login *login);
void mm_login_fini(struct mm_login *login); /* wipes */
/* Begins with the strongest of `mechanisms` that we know; AUTHENTICATION when
 * there is none. `nonce`: fresh octets. */
MM_CHECK enum mailmod_error
mm_login_begin(struct mm_login *login, struct mm_smtpc *smtpc,
               unsigned mechanisms, const char *user, const char *password,
               const uint8_t nonce[18]);
/* Answers a challenge; `needs_worker_out`: the answer takes long to compute,
 * run mm_login_work on a worker, then mm_login_finish on the loop. */
MM_CHECK enum mailmod_error
mm_login_challenge(struct mm_login *login, struct mm_smtpc *smtpc,
                   struct mm_span data, const char *user, const char *password,
                   bool *needs_worker_out);
void mm_login_work(struct mm_login *login, const char *password);
MM_CHECK enum mailmod_error mm_login_finish(struct mm_login *login,
                                            struct mm_smtpc *smtpc);
/* What a 235 is worth: with SCRAM the server must have shown that it knows the
 * password too (RFC 5802 5). */
bool mm_login_is_proven(const struct mm_login *login);

#endif
