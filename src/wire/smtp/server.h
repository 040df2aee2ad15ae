/* thread: any (the caller's, one at a time)
 * server.h - one SMTP conversation, server side, without I/O.
 *
 * RFC 5321, 1870 (SIZE), 1985 (ETRN), 2920 (PIPELINING), 3030 (CHUNKING,
 * BINARYMIME), 3207
 * (STARTTLS), 3461 (DSN), 4954 (AUTH), 6152 (8BITMIME), 6531 (SMTPUTF8), 2034.
 *
 * Use: feed bytes, ask for the next event, answer it, send the output.
 *
 *     used  = mm_smtpd_feed(s, bytes, n)    less than n: come again later
 *     event = mm_smtpd_next(s, &info)
 *     ...     mm_smtpd_answer(s, reply)     settles a pending event
 *     out   = mm_smtpd_output(s)            bytes owed; mm_smtpd_sent(s, n)
 *
 * mm_smtpd_next repeats the pending event until it is answered; between an
 * event and its answer the engine consumes nothing. What the engine can
 * decide alone (syntax, order, sizes, limits) it answers alone, without an
 * event. Everything in `info` lives until the event is answered. */
#ifndef MM_WIRE_SMTP_SERVER_H
#define MM_WIRE_SMTP_SERVER_H

#include "base/buf.h"
#include "base/tap.h"
#include "wire/addr/address.h"
#include "wire/sasl/sasl.h"
#include "wire/smtp/parameters.h"
#include "wire/smtp/reply.h"

struct mm_smtpd;

struct mm_smtpd_options {
    const struct mm_tap *tap;  /* NULL: nobody listens; outlives the engine */
    const char *host_name;     /* in greeting and EHLO; outlives the engine */
    uint64_t message_size_max; /* octets, announced with SIZE; 0: no limit */
    uint64_t line_size_max;    /* octets of a body's line; 0: no limit */
    unsigned recipients_max;   /* a message; further ones get 452 4.5.3 */
    unsigned errors_max;       /* refused commands before 421 and close */
    unsigned refused_recipients_max; /* likewise; 0: no end */
    unsigned empty_commands_max; /* NOOP, RSET, EHLO, VRFY in a row: likewise */
    /* A bare CR or LF becomes CRLF, and never ends DATA. Else the message gets
     * 550 at its end. */
    bool normalizes_bare_newline;
    unsigned leniencies;       /* mm_leniency bits, for a peer we know */
    unsigned mechanisms_clear; /* mm_sasl_mechanism bits offered in clear */
    unsigned mechanisms_tls;   /* and under TLS */
    bool has_starttls;         /* offer STARTTLS (until TLS has begun) */
    bool has_etrn;             /* offer ETRN */
    bool is_tls;               /* implicit TLS: the session began with it */
    bool requires_tls;         /* MAIL before TLS gets 530 */
    bool requires_auth;        /* MAIL before AUTH gets 530 (submission) */
};

enum mm_smtpd_event {
    MM_SMTPD_NEED_INPUT, /* nothing pending; not to be answered */
    MM_SMTPD_CONNECT,    /* first of all: answer 220 (text NULL) or 4xx/5xx */
    MM_SMTPD_HELO,       /* info.name, info.is_extended; usually 250 */
    MM_SMTPD_AUTH,       /* info.mechanism, info.data if info.has_data */
    MM_SMTPD_AUTH_DATA,  /* info.data: the client's next response, decoded */
    MM_SMTPD_MAIL,       /* info.path, info.mail */
    MM_SMTPD_RCPT,       /* info.path, info.rcpt */
    MM_SMTPD_DATA,       /* body is about to come (DATA or first BDAT) */
    MM_SMTPD_BODY,       /* info.data: unstuffed octets, binary parts being
                            base64 by now; answer with NULL */
    MM_SMTPD_END,        /* body is whole; info.size. 250 only when durable */
    MM_SMTPD_STARTTLS,   /* answer 220: flush, then the handshake, then
                            mm_smtpd_tls_begun; 454 when there is no TLS */
    MM_SMTPD_COMMAND,    /* an own verb: info.name, info.data: its argument */
    MM_SMTPD_ETRN,       /* info.name: the domain in lower-case A-labels;
                            info.has_subdomains: and those below it */
    MM_SMTPD_RESET,      /* the transaction is over without END (RSET, EHLO,
                            too large, bare newline ...): forget it; NULL */
    MM_SMTPD_QUIT,       /* 221 is in the output: flush and close; NULL */
    MM_SMTPD_BROKEN      /* 421 is in the output, or the peer talked before TLS
                            began: flush and close; info.text says why; NULL */
};

struct mm_smtpd_info {
    struct mm_span name; /* HELO argument; COMMAND: the verb */
    bool is_extended;    /* EHLO */
    bool has_subdomains; /* ETRN */
    enum mm_sasl_mechanism mechanism;
    bool has_data;
    struct mm_span data; /* BODY, AUTH, AUTH_DATA, COMMAND */
    const struct mm_address *path;
    const struct mm_mail_parameters *mail;
    const struct mm_rcpt_parameters *rcpt;
    uint64_t size;    /* END: octets given in BODY */
    bool has_8bit;    /* END: an octet above 127 came */
    const char *text; /* BROKEN: for the log */
};

/* A verb of the owner's own (RFC 5321 2.2.2: an extension). Its argument is
 * printable ASCII. */
struct mm_smtpd_verb {
    const char *name;
    const char *keyword; /* a line of EHLO's reply; "": none */
};

MM_CHECK enum mailmod_error
mm_smtpd_new(struct mm_smtpd **smtpd_out,
             const struct mm_smtpd_options *options);
void mm_smtpd_free(struct mm_smtpd **smtpd);

/* They outlive the engine; from the next command on. */
void mm_smtpd_set_verbs(struct mm_smtpd *smtpd,
                        const struct mm_smtpd_verb *verbs, size_t count);
/* A word that is none of the engine's own verbs. */
bool mm_smtpd_may_add_verb(struct mm_span name);

size_t mm_smtpd_feed(struct mm_smtpd *smtpd, const char *bytes, size_t size);
enum mm_smtpd_event mm_smtpd_next(struct mm_smtpd *smtpd,
                                  struct mm_smtpd_info *info_out);
/* Settles the pending event. 2xx/3xx accepts, 4xx/5xx refuses; 421 also ends
 * the conversation (QUIT follows). A NULL reply is the event's normal answer
 * (MM_REPLY_OK and its kin). For AUTH and AUTH_DATA 235 logs in. STATE when
 * nothing is pending; MEMORY. */
MM_CHECK enum mailmod_error mm_smtpd_answer(struct mm_smtpd *smtpd,
                                            const struct mm_reply *reply);
/* AUTH, AUTH_DATA: 334 with these octets in base64 (may be empty). */
MM_CHECK enum mailmod_error mm_smtpd_challenge(struct mm_smtpd *smtpd,
                                               struct mm_span data);
/* Ends the conversation from our side (time-out, shutdown), whatever state:
 * the reply is put into the output, QUIT becomes the pending event. */
MM_CHECK enum mailmod_error mm_smtpd_close(struct mm_smtpd *smtpd,
                                           const struct mm_reply *reply);
/* Instead of options.mechanisms_tls: what came to be known in the handshake. */
void mm_smtpd_set_mechanisms_tls(struct mm_smtpd *smtpd, unsigned mechanisms);
/* TLS stands: forgets HELO, AUTH and the transaction (RFC 3207 4.2). */
void mm_smtpd_tls_begun(struct mm_smtpd *smtpd);

struct mm_span mm_smtpd_output(const struct mm_smtpd *smtpd);
void mm_smtpd_sent(struct mm_smtpd *smtpd, size_t size);

/* Which wait the session is in, for its time-outs (RFC 5321 4.5.3.2). */
enum mm_smtpd_wait {
    MM_SMTPD_WAIT_COMMAND,
    MM_SMTPD_WAIT_DATA, /* inside DATA or BDAT octets */
    MM_SMTPD_WAIT_AUTH
};
enum mm_smtpd_wait mm_smtpd_wait(const struct mm_smtpd *smtpd);
/* Rises with each whole command line, chunk header and body progress of at
 * least 4096 octets: what may extend a deadline. Trickled octets do not. */
uint64_t mm_smtpd_progress(const struct mm_smtpd *smtpd);
/* "ready", "mail", "rcpt", "data" ...: for logs and model tests. */
const char *mm_smtpd_state_name(const struct mm_smtpd *smtpd);

#endif
