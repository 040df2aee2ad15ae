/* thread: any, one at a time for each context
 * auth-client.h - how a program for libESMTP says who it is.
 *
 * Part of libmailmod-esmtp (docs/esmtp.md), for programs that are written for
 * libESMTP: names, values and prototypes are that library's, so that they
 * compile unchanged. A context holds a callback that gives name and password,
 * and says which kinds of mechanism may be used. smtp_auth_set_context
 * (libesmtp.h) gives it to a session, which only reads it while
 * smtp_start_session runs.
 *
 * Unless said otherwise a function returns 0 when it fails, else something
 * else; one that makes an object returns NULL when it fails. */
#ifndef _auth_client_h
#define _auth_client_h

#ifdef __cplusplus
extern "C" {
#endif

typedef struct auth_context *auth_context_t;

/* What a request asks for. Bits. */
#define AUTH_USER 0x0001
#define AUTH_REALM 0x0002
#define AUTH_PASS 0x0004
#define AUTH_CLEARTEXT 0x0008 /* it may go over the wire as it is */

struct auth_client_request {
    const char *name;   /* "user" or "passphrase" */
    unsigned flags;     /* the bits above */
    const char *prompt; /* words for a person who is asked */
    unsigned size;      /* octets of the answer at most; 0: no limit */
};
typedef const struct auth_client_request *auth_client_request_t;

/* Fills result[0] to result[fields - 1] with texts that live until the session
 * is over or the next question, and returns not 0. 0: no login. */
typedef int (*auth_interact_t)(auth_client_request_t request, char **result,
                               int fields, void *arg);
/* Types of libESMTP's mechanisms from outside, which are not loaded here. */
typedef const char *(*auth_response_t)(void *ctx, const char *challenge,
                                       int *len, auth_interact_t interact,
                                       void *arg);
typedef int (*auth_recode_t)(void *ctx, char **dstbuf, int *dstlen,
                             const char *srcbuf, int srclen);

/* Kinds of mechanisms. Bits. */
#define AUTH_PLUGIN_ANONYMOUS 0x01
#define AUTH_PLUGIN_PLAIN 0x02    /* shows the server the password */
#define AUTH_PLUGIN_EXTERNAL 0x04 /* by the client's certificate */

/* Nothing needs to be begun or ended; both may be called any number of times.
 */
void auth_client_init(void);
void auth_client_exit(void);

auth_context_t auth_create_context(void);
/* Not while a session with it runs. Always 1, but for NULL. */
int auth_destroy_context(auth_context_t context);
/* Allows the kinds of `set`, then forbids those of `clear`. Without the bit
 * AUTH_PLUGIN_PLAIN neither PLAIN nor LOGIN is used: a new context has none. */
int auth_set_mechanism_flags(auth_context_t context, unsigned set,
                             unsigned clear);
/* Above 0: nothing is sent but under TLS with a verified certificate. */
int auth_set_mechanism_ssf(auth_context_t context, int min_ssf);
int auth_set_interact_cb(auth_context_t context, auth_interact_t interact,
                         void *arg);
/* Not 0: somebody can be asked. */
int auth_client_enabled(auth_context_t context);

/* The rest is for a program that talks to a server itself. */

/* "PLAIN", "LOGIN" or "EXTERNAL", in any case of letters, when the context
 * allows it. CRAM-MD5 and SCRAM are for sessions only. */
int auth_set_mechanism(auth_context_t context, const char *name);
/* NULL without one. */
const char *auth_mechanism_name(auth_context_t context);
/* The answer to a challenge, before base64, with its length in `len`; with
 * `challenge` NULL the mechanism begins anew, and the answer is what goes with
 * the command, or NULL for nothing. It lives until the next call. NULL: no
 * answer, the exchange is to be cancelled. */
const char *auth_response(auth_context_t context, const char *challenge,
                          int *len);
/* 0: no mechanism here encrypts what follows it. -1 without a mechanism. */
int auth_get_ssf(auth_context_t context);
/* What follows a login, to the server and from it: it stays as it is. */
void auth_encode(char **dstbuf, int *dstlen, const char *srcbuf, int srclen,
                 void *arg);
void auth_decode(char **dstbuf, int *dstlen, const char *srcbuf, int srclen,
                 void *arg);
/* The identity of EXTERNAL, which is copied, and allows EXTERNAL; NULL: none,
 * and forbids it. */
int auth_set_external_id(auth_context_t context, const char *identity);

#ifdef __cplusplus
}
#endif

#endif
