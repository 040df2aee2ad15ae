/* thread: any
 * sasl.h - the encodings of SASL mechanisms (base/mechanism.h): PLAIN
 * (RFC 4616), LOGIN (never standardised; prompts are not looked at), bearer
 * tokens (OAUTHBEARER, RFC 7628; XOAUTH2, Google's form before it). SCRAM's
 * messages live beside its crypto in crypto/scram.h. */
#ifndef MM_WIRE_SASL_SASL_H
#define MM_WIRE_SASL_SASL_H

#include "base/mechanism.h"

/* authzid NUL authcid NUL password; SYNTAX for a wrong count of NULs, empty
 * authcid or password, too long, or not UTF-8. */
MM_CHECK enum mailmod_error mm_sasl_plain_parse(struct mm_span message,
                                                struct mm_span *authzid_out,
                                                struct mm_span *authcid_out,
                                                struct mm_span *password_out);
/* A bearer token (RFC 6750 2.1): nothing in it ends what it is said in. */
bool mm_sasl_is_token(struct mm_span text);
/* The user and the token of a client's one message. `user_out` is replaced; cap
 * at least MM_LIMIT_USER_NAME. SYNTAX also without a user: whose token it is,
 * the client must say. */
MM_CHECK enum mailmod_error
mm_sasl_bearer_parse(enum mm_sasl_mechanism mechanism, struct mm_span message,
                     struct mm_buf *user_out, struct mm_span *token_out);
/* What the client is told of a token that was refused (RFC 7628 3.2.2); it
 * answers, and then the login has failed. */
const char *mm_sasl_bearer_error(enum mm_sasl_mechanism mechanism);
/* The client's one message: RFC 7628 3.1, and Google's form. */
enum mailmod_error mm_sasl_bearer_write(struct mm_buf *out,
                                        enum mm_sasl_mechanism mechanism,
                                        const char *user, struct mm_span token);
/* Its answer to what the server tells of a token that was refused. */
struct mm_span mm_sasl_bearer_reply(enum mm_sasl_mechanism mechanism);
enum mailmod_error mm_sasl_plain_write(struct mm_buf *out, const char *user,
                                       struct mm_span password);

#endif
