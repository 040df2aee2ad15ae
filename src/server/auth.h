/* thread: loop (the session's)
 * auth.h - one login attempt, the same for SMTP and POP3.
 *
 * Drives a SASL mechanism, USER/PASS or APOP to a verdict. What is slow (a
 * password against its verifier, on purpose) runs on a worker; on_done tells
 * the verdict later. A password that was right lately is not hashed again. An
 * unknown user and a disabled one take the same steps as a known one and get
 * the same verdict as a wrong password. */
#ifndef MM_SERVER_AUTH_H
#define MM_SERVER_AUTH_H

#include "crypto/scram.h"
#include "io/io.h"
#include "server/checks.h"
#include "server/login_cache.h"
#include "store/store.h"
#include "wire/sasl/sasl.h"

enum mm_auth_verdict {
    MM_AUTH_WAIT,      /* on_done comes */
    MM_AUTH_NAMED,     /* of on_done alone: mm_auth_go_on */
    MM_AUTH_CHALLENGE, /* send auth->challenge, then mm_auth_continue */
    MM_AUTH_OK,        /* auth->user_name, auth->mailbox_id */
    MM_AUTH_REFUSED,
    MM_AUTH_SYNTAX,   /* the client's message has not the mechanism's form */
    MM_AUTH_TEMPORARY /* our fault: store or memory */
};

/* What a job does. The first, third and fourth read a few rows by key and are
 * done on the loop, but for a store that waits. */
enum mm_auth_work {
    MM_AUTH_WORK_NAMES,     /* whom the names mean */
    MM_AUTH_WORK_CHECK,     /* the password or digest */
    MM_AUTH_WORK_CHALLENGE, /* SCRAM: the user's salt */
    MM_AUTH_WORK_SECRET     /* SCRAM: which secret it was */
};

/* By what the client shows who it is. */
enum mm_auth_proof {
    MM_AUTH_PROOF_PASSWORD,
    MM_AUTH_PROOF_APOP,
    MM_AUTH_PROOF_CRAM_MD5,
    MM_AUTH_PROOF_SCRAM,
    MM_AUTH_PROOF_TOKEN, /* which the host alone can judge, as the next */
    MM_AUTH_PROOF_CERTIFICATE
};

/* "<...@...>" and NUL; what the POP3 engine takes for a stamp. */
#define MM_AUTH_STAMP_MAX 129

struct mm_auth {
    struct mm_loop *loop;
    struct mm_workers *workers;
    struct mm_store *store;
    const struct mm_config *config;
    void (*on_done)(struct mm_auth *auth, enum mm_auth_verdict verdict);
    /* Where password checks take turns, and who asks; NULL: straight on. */
    struct mm_checks *checks;
    const struct mm_netaddr *peer;
    /* Passwords that were right lately; NULL: each is hashed. */
    struct mm_login_cache *cache;
    /* Whom the client's certificate names; "": nobody. */
    char certificate_name[256];
    bool is_known;  /* somebody came in from there lately */
    bool is_barred; /* whatever it says is refused, and nobody is asked */
    /* The name (and the password, where the mechanism shows it) is known and
     * nothing is checked yet: true when somebody else decides first and
     * mm_auth_decide comes. NULL: nobody. */
    bool (*on_ask)(struct mm_auth *auth);
    /* True: the check is somebody else's, who has such users and is shown the
     * password; with the verdict WAIT mm_auth_checked comes. NULL: never. */
    bool (*on_check)(struct mm_auth *auth, enum mm_auth_verdict *verdict_out);

    enum mm_sasl_mechanism mechanism;
    unsigned step;
    struct mm_buf challenge;
    struct mm_scram_server scram;
    bool is_proven; /* SCRAM: the client's proof was right */
    char given_name[MM_STORE_USER_MAX]; /* as the client gave it, for logs */
    char user_name[MM_STORE_USER_MAX];
    /* The name may be user/folder; "": in no folder. */
    bool takes_folder;
    char folder[MM_STORE_USER_MAX];
    char acts_for[MM_STORE_USER_MAX]; /* the same user, or refused; "" */
    uint64_t mailbox_id;
    bool is_disabled; /* there is such a user, who may not log in: for logs */
    char secret[MM_STORE_LABEL_MAX]; /* the further one that was used; "" */

    /* The job's: touched by the worker while `is_busy`. */
    struct mm_job job;
    struct mm_check check;
    bool is_busy;
    uint64_t begun_ms; /* when the check was asked for, by the loop's clock */
    enum mm_auth_work work;
    enum mm_auth_proof proof;
    char password[MM_LIMIT_PASSWORD + 1];
    size_t password_size;
    struct mm_buf token;  /* a bearer's, until the host was asked */
    bool is_refusal_told; /* of a token: the client acknowledges it */
    char stamp[MM_AUTH_STAMP_MAX];
    char digest[2 * MM_MD5_SIZE + 1]; /* hexadecimal, lower case */
    bool is_vouched;
    bool is_elsewhere; /* the user is a mailbox provider's */
    enum mm_auth_verdict verdict;
};

void mm_auth_init(struct mm_auth *auth, struct mm_loop *loop,
                  struct mm_workers *workers, struct mm_store *store,
                  const struct mm_config *config,
                  void (*on_done)(struct mm_auth *, enum mm_auth_verdict));
void mm_auth_fini(struct mm_auth *auth); /* not while is_busy */

enum mm_auth_verdict mm_auth_begin(struct mm_auth *auth,
                                   enum mm_sasl_mechanism mechanism,
                                   bool has_data, struct mm_span data);
enum mm_auth_verdict mm_auth_continue(struct mm_auth *auth,
                                      struct mm_span data);
/* After MM_AUTH_NAMED, on a session that still wants to know. */
enum mm_auth_verdict mm_auth_go_on(struct mm_auth *auth);
/* USER and PASS. */
enum mm_auth_verdict mm_auth_password(struct mm_auth *auth, struct mm_span user,
                                      struct mm_span password);
enum mm_auth_decision { MM_AUTH_CHECK, MM_AUTH_VOUCH, MM_AUTH_REFUSE };
/* What came of on_ask: check as usual, the host vouches for the user (whose
 * mailbox is made if need be), or refuse. */
enum mm_auth_verdict mm_auth_decide(struct mm_auth *auth,
                                    enum mm_auth_decision decision);
/* The verdict of a check that on_check began; leads to on_done. thread: loop */
void mm_auth_checked(struct mm_auth *auth, enum mm_auth_verdict verdict);
/* NULL where the mechanism does not show it, and for a password with a NUL in
 * it. Only inside on_ask and on_check. */
const char *mm_auth_password_text(const struct mm_auth *auth);
const char *mm_auth_token_text(struct mm_auth *auth);
/* The login was refused: true when the client must hear so by a challenge
 * first, which is made here, and answer that (RFC 7628 3.2.3). */
bool mm_auth_tells_refusal(struct mm_auth *auth);
/* Letters, digits, dots and hyphens alone, never the same twice (RFC 1939 7,
 * RFC 2195 2): other octets of the host's name become hyphens. */
MM_CHECK enum mailmod_error
mm_auth_make_stamp(const struct mm_config *config,
                   char stamp_out[MM_AUTH_STAMP_MAX]);
/* RFC 1939 7: MD5 over the stamp and the password. */
enum mm_auth_verdict mm_auth_apop(struct mm_auth *auth, struct mm_span user,
                                  struct mm_span stamp, struct mm_span digest);

#endif
