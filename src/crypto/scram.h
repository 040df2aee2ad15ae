/* thread: any (an exchange belongs to one thread at a time)
 * scram.h - SCRAM-SHA-256, both sides, without I/O: RFC 5802, RFC 7677.
 *
 * Messages are the decoded ones (no base64). Channel binding is not offered
 * ("n" and "y" are accepted, "p" refused). The verifier is what the store
 * keeps of a password: salt, iteration count, StoredKey, ServerKey.
 *
 * Passwords go through SASLprep (RFC 4013) on both sides; one that the profile
 * prohibits is used as it is, and a verifier made of the unprepared password
 * (by 0.1) still answers PLAIN and LOGIN. Names are taken as they are: the
 * server's side compares them by the store's canonical form. Both must be
 * UTF-8, not empty and without control characters. */
#ifndef MM_CRYPTO_SCRAM_H
#define MM_CRYPTO_SCRAM_H

#include "base/buf.h"
#include "base/limits.h"
#include "crypto/crypto.h"

#define MM_SCRAM_SALT_SIZE 16
#define MM_SCRAM_ITERATIONS MM_LIMIT_PASSWORD_ROUNDS_MIN
#define MM_SCRAM_ITERATIONS_MAX MM_LIMIT_PASSWORD_ROUNDS

struct mm_scram_verifier {
    uint8_t salt[MM_SCRAM_SALT_SIZE];
    uint32_t iterations;
    uint8_t stored_key[MM_SHA256_SIZE];
    uint8_t server_key[MM_SHA256_SIZE];
};

/* A further secret of the same user, made with the verifier's salt and rounds:
 * SCRAM tells these before the proof comes. */
#define MM_SCRAM_FURTHER_MAX 16
struct mm_scram_further {
    uint8_t stored_key[MM_SHA256_SIZE];
    uint8_t server_key[MM_SHA256_SIZE];
};

/* Derives the verifier of a password; slow on purpose: worker threads only.
 * ARGUMENT for a password that is empty, no UTF-8 or has controls, and for
 * iterations outside 1..MM_SCRAM_ITERATIONS_MAX. */
MM_CHECK enum mailmod_error mm_scram_verifier_make(
    struct mm_scram_verifier *verifier_out, struct mm_span password,
    const uint8_t salt[MM_SCRAM_SALT_SIZE], uint32_t iterations);
/* PLAIN and LOGIN against a verifier; slow likewise, constant-time compare. */
MM_CHECK enum mailmod_error
mm_scram_verifier_check(const struct mm_scram_verifier *verifier,
                        struct mm_span password, bool *matches_out);
/* The same against further secrets, too; all are compared, whichever fits.
 * `which_out`: 0 the verifier's, 1.. the further ones, -1 none. */
MM_CHECK enum mailmod_error
mm_scram_verifier_check_any(const struct mm_scram_verifier *verifier,
                            const struct mm_scram_further *further,
                            size_t count, struct mm_span password,
                            int *which_out);
/* A verifier that no password fits, the same for the same name and secret, so
 * that an unknown user looks like a known one with so many rounds. */
MM_CHECK enum mailmod_error mm_scram_verifier_decoy(
    struct mm_scram_verifier *verifier_out, struct mm_span user_name,
    const uint8_t secret[MM_SHA256_SIZE], uint32_t iterations);

/* Law: START -> FIRST -> CHALLENGED -> OVER on either side; a call out of turn
 * is STATE, and a failed message ends the exchange (OVER). */
enum mm_scram_step {
    MM_SCRAM_START,
    MM_SCRAM_FIRST,
    MM_SCRAM_CHALLENGED,
    MM_SCRAM_OVER
};

struct mm_scram_server {
    enum mm_scram_step step;
    struct mm_buf messages; /* client-first-bare, server-first: AuthMessage */
    char nonce[160];        /* the client's, at most 128, and our 24 */
    char gs2_header[512];
    char authzid[256]; /* "": none was given */
    struct mm_scram_verifier verifier;
    struct mm_scram_further *further; /* NULL: none */
    size_t further_count;
    int which; /* that the proof was of: 0 the verifier's, 1.. the further */
};
void mm_scram_server_init(struct mm_scram_server *server);
void mm_scram_server_fini(struct mm_scram_server *server);
/* client-first-message; gives the user name (NUL-terminated, saslname decoded)
 * and keeps the rest. `random` are 18 fresh octets for the nonce. SYNTAX for
 * what is no such message or asks for channel binding; TOO_LARGE. Whether the
 * authorization identity (server->authzid, "" for none) may be had is the
 * caller's to say: it knows what names mean the same user. */
MM_CHECK enum mailmod_error
mm_scram_server_first(struct mm_scram_server *server, struct mm_span message,
                      const uint8_t random[18], char *user_name_out,
                      size_t user_name_size);
/* With the user's verifier (or a decoy): the server-first-message. */
MM_CHECK enum mailmod_error
mm_scram_server_challenge(struct mm_scram_server *server,
                          const struct mm_scram_verifier *verifier,
                          struct mm_buf *message_out);
/* Secrets that the proof may be of, besides the verifier's: copied, before
 * mm_scram_server_final. LIMIT past MM_SCRAM_FURTHER_MAX, MEMORY. */
MM_CHECK enum mailmod_error
mm_scram_server_further(struct mm_scram_server *server,
                        const struct mm_scram_further *further, size_t count);
/* client-final-message: AUTHENTICATION when the proof, the nonce or the
 * channel-binding attribute is wrong, SYNTAX when it is no such message, else
 * OK and the server-final-message. */
MM_CHECK enum mailmod_error
mm_scram_server_final(struct mm_scram_server *server, struct mm_span message,
                      struct mm_buf *message_out);

struct mm_scram_client {
    enum mm_scram_step step;
    struct mm_buf messages;
    char nonce[64];
    uint8_t server_signature[MM_SHA256_SIZE];
};
void mm_scram_client_init(struct mm_scram_client *client);
void mm_scram_client_fini(struct mm_scram_client *client);
MM_CHECK enum mailmod_error
mm_scram_client_first(struct mm_scram_client *client, const char *user_name,
                      const uint8_t random[18], struct mm_buf *message_out);
/* Slow: as many rounds as the server asks for, from MM_SCRAM_ITERATIONS to
 * MM_SCRAM_ITERATIONS_MAX; LIMIT outside. AUTHENTICATION when the nonce is not
 * ours continued. */
MM_CHECK enum mailmod_error
mm_scram_client_final(struct mm_scram_client *client, struct mm_span challenge,
                      struct mm_span password, struct mm_buf *message_out);
/* Checks the server's signature: AUTHENTICATION when it is not the right one.
 */
MM_CHECK enum mailmod_error
mm_scram_client_check(struct mm_scram_client *client, struct mm_span message);

#endif
