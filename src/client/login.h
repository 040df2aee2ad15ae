/* thread: loop, mm_login_work: worker
 * login.h - our side of a SASL exchange: RFC 4954, RFC 5034. */
#ifndef MM_CLIENT_LOGIN_H
#define MM_CLIENT_LOGIN_H

#include "crypto/scram.h"
#include "wire/pop3/client.h"
#include "wire/smtp/client.h"

/* Over which protocol it is said: an engine and its three calls. */
struct mm_login_wire {
    void *engine;
    enum mailmod_error (*auth)(void *engine, enum mm_sasl_mechanism mechanism,
                               bool has_initial, struct mm_span initial);
    enum mailmod_error (*response)(void *engine, struct mm_span data);
    enum mailmod_error (*cancel)(void *engine);
};
struct mm_login_wire mm_login_over_smtp(struct mm_smtpc *smtpc);
struct mm_login_wire mm_login_over_pop3(struct mm_pop3c *pop3c);

struct mm_login {
    struct mm_login_wire wire;
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
 * there is none. With MM_SASL_BEARER bits alone the `password` is a token.
 * `nonce`: fresh octets. */
MM_CHECK enum mailmod_error
mm_login_begin(struct mm_login *login, struct mm_login_wire wire,
               unsigned mechanisms, const char *user, const char *password,
               const uint8_t nonce[18]);
/* Answers a challenge; `needs_worker_out`: the answer takes long to compute,
 * run mm_login_work on a worker, then mm_login_finish on the loop. */
MM_CHECK enum mailmod_error mm_login_challenge(struct mm_login *login,
                                               struct mm_span data,
                                               const char *user,
                                               const char *password,
                                               bool *needs_worker_out);
void mm_login_work(struct mm_login *login, const char *password);
MM_CHECK enum mailmod_error mm_login_finish(struct mm_login *login);
/* What a 235 is worth: with SCRAM the server must have shown that it knows the
 * password too (RFC 5802 5). */
bool mm_login_is_proven(const struct mm_login *login);

#endif
