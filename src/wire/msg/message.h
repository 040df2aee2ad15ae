/* thread: any
 * message.h - what the mail system itself writes into messages, and the little
 * that it reads of them. RFC 5321 4.4, RFC 5322 3.6, RFC 3848, RFC 3464. */
#ifndef MM_WIRE_MSG_MESSAGE_H
#define MM_WIRE_MSG_MESSAGE_H

#include "base/buf.h"
#include "base/netaddr.h"

/* RFC 3848 and RFC 6531 4.3: the with-word from what the session did. */
struct mm_received {
    const char *protocol;     /* NULL: SMTP, in the words of RFC 3848 */
    struct mm_span helo_name; /* as the peer said it; never trusted: anything
                                 but a domain or literal is a comment */
    struct mm_netaddr peer;
    const char *host_name;  /* by */
    const char *identifier; /* id */
    const char *recipient;  /* for: canonical address, or NULL when several */
    bool is_extended, is_tls, is_authenticated, is_smtputf8;
    int64_t time_ms;
};
enum mailmod_error mm_received_write(struct mm_buf *out,
                                     const struct mm_received *received);

/* RFC 3461 4 xtext. Decoding is strict and gives printable ASCII alone, as
 * 4.2 and 4.4 want it: "+0D+0A" is SYNTAX, and nothing is appended then. */
enum mailmod_error mm_xtext_encode(struct mm_buf *out, struct mm_span text);
MM_CHECK enum mailmod_error mm_xtext_decode(struct mm_buf *out,
                                            struct mm_span text);
/* RFC 6533 3, for addresses of the type "utf-8". Encoding takes UTF-8 and gives
 * ASCII that may stand in a parameter and in a report; decoding also takes
 * UTF-8 as it is, and gives printable UTF-8. What was appended before SYNTAX
 * stays. */
enum mailmod_error mm_utf8_xtext_encode(struct mm_buf *out,
                                        struct mm_span text);
MM_CHECK enum mailmod_error mm_utf8_xtext_decode(struct mm_buf *out,
                                                 struct mm_span text);

#endif
