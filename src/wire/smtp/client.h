/* thread: any (the caller's, one at a time)
 * client.h - one SMTP conversation, client side, without I/O; many messages
 * one after another. RFC 5321, 1870, 1985, 2852, 2920, 3030, 3207, 3461, 4954,
 * 6152, 6531.
 *
 * The engine keeps one list of steps with two cursors, sent and answered, so
 * that pipelining follows from the data. Use:
 *
 *     used  = mm_smtpc_feed(c, bytes, n)
 *     event = mm_smtpc_next(c, &info)        pull until NEED_INPUT
 *     out   = mm_smtpc_output(c)             mm_smtpc_sent(c, n)
 *
 * NEED_MESSAGE, NEED_BODY, STARTTLS and AUTH wait for the caller's call; the
 * other events are told once and need no answer. */
#ifndef MM_WIRE_SMTP_CLIENT_H
#define MM_WIRE_SMTP_CLIENT_H

#include "base/tap.h"
#include "wire/addr/address.h"
#include "wire/sasl/sasl.h"
#include "wire/smtp/parameters.h"
#include "wire/smtp/reply.h"

struct mm_smtpc;

enum mm_smtpc_tls {
    MM_SMTPC_TLS_OFF,
    MM_SMTPC_TLS_MAY,  /* STARTTLS when offered; a refusal goes on in clear */
    MM_SMTPC_TLS_MUST, /* nothing but EHLO and STARTTLS before TLS */
    MM_SMTPC_TLS_ON    /* the connection began with TLS (port 465) */
};

struct mm_smtpc_options {
    const struct mm_tap *tap; /* NULL: nobody listens; outlives the engine */
    const char *host_name;    /* EHLO argument: FQDN or literal; copied */
    enum mm_smtpc_tls tls;
    /* AUTH event before the first MAIL, by one of these; 0: no login. */
    unsigned mechanisms;
    unsigned tries_twice;   /* those that are told again after one refusal */
    bool allows_clear_auth; /* AUTH without TLS */
    /* XUSR where it is offered (sendmail's): what comes is from its writer, not
     * from a relay. */
    bool is_submission;
    bool keeps_hello; /* for mm_smtpc_hello */
    bool chunks; /* BDAT instead of DATA where CHUNKING is offered (RFC 3030) */
};

enum mm_smtpc_event {
    MM_SMTPC_NEED_INPUT,
    MM_SMTPC_STARTTLS,     /* 220 came: handshake, then mm_smtpc_tls_begun() */
    MM_SMTPC_AUTH,         /* info.mechanisms: mm_smtpc_auth(), or fail; the
                              caller may take his time */
    MM_SMTPC_CHALLENGE,    /* info.data: mm_smtpc_auth_response() or _cancel */
    MM_SMTPC_AUTH_DONE,    /* info.reply: 235 or the refusal of this mechanism;
                              after a refusal AUTH comes again with the rest of
                              the mechanisms, or FAILED when none is left */
    MM_SMTPC_NEED_MESSAGE, /* idle: mm_smtpc_send(), mm_smtpc_etrn() or
                              mm_smtpc_quit() */
    MM_SMTPC_MAIL_REPLY,   /* info.reply, told when refused, or with tells_mail
                            */
    MM_SMTPC_RCPT_REPLY,   /* info.recipient (index), info.reply */
    MM_SMTPC_NEED_BODY, /* mm_smtpc_body() with more, then mm_smtpc_body_end();
                           told while the output has room */
    MM_SMTPC_MESSAGE_DONE,  /* info.reply: the reply that settles the message:
                             for DATA's end, or the refusal of MAIL, all RCPTs
                             (then the last one's) or DATA, or a refusal in
                             the middle of the body. info.was_sent; info.error
                             UNSUPPORTED: BDAT, which was offered, is not known;
                             CLOSED follows, and the message is to go by DATA
                             over another connection */
    MM_SMTPC_COMMAND_REPLY, /* likewise, to mm_smtpc_command() */
    MM_SMTPC_ETRN_REPLY,    /* info.reply, to mm_smtpc_etrn(); idle again */
    MM_SMTPC_CLOSED, /* after QUIT's reply or its lack, or a body that was
                        refused before its end: close */
    MM_SMTPC_FAILED  /* the conversation is dead: info.error, info.phase,
                        info.reply when a reply caused it (greeting 5xx,
                        421 at any time, EHLO and HELO refused); QUIT is
                        in the output where it can be said */
};

enum mm_smtpc_phase { /* each has its own time-out: RFC 5321 4.5.3.2 */
                      MM_SMTPC_PHASE_GREETING,
                      MM_SMTPC_PHASE_HELLO,
                      MM_SMTPC_PHASE_TLS,
                      MM_SMTPC_PHASE_AUTH,
                      MM_SMTPC_PHASE_IDLE,
                      MM_SMTPC_PHASE_MAIL,
                      MM_SMTPC_PHASE_RCPT,
                      MM_SMTPC_PHASE_DATA, /* waiting for 354 */
                      MM_SMTPC_PHASE_BODY, /* sending */
                      MM_SMTPC_PHASE_END,  /* waiting for the reply to the final
                                              dot */
                      MM_SMTPC_PHASE_QUIT,
                      MM_SMTPC_PHASE_COUNT
};

struct mm_smtpc_info {
    unsigned mechanisms; /* of the wanted ones, those that can be tried now */
    struct mm_span data;
    const struct mm_reply_in *reply; /* NULL: none; lives until the next call */
    size_t recipient;
    bool was_sent; /* the final dot (or LAST chunk) went out */
    enum mailmod_error error;
    enum mm_smtpc_phase phase;
};

struct mm_smtpc_recipient {
    const char *path; /* canonical address text */
    unsigned notify;
    const char *original_recipient; /* "" none */
};

struct mm_smtpc_message {
    const char *reverse_path; /* "" is the null path */
    uint64_t size;            /* octets with CRLF line ends; 0 unknown */
    bool is_8bit;             /* body has octets above 127 */
    /* BODY=BINARYMIME: the octets go as they are, no line end is mended. */
    bool is_binary;
    bool is_smtputf8; /* an address or header needs RFC 6531 */
    enum mm_dsn_return dsn_return;
    struct mm_deliver_by by; /* said where DELIVERBY is offered */
    const char *envelope_id; /* "" none */
    const struct mm_smtpc_recipient *recipients; /* outlive the message */
    size_t recipient_count;
    /* No DATA where one of them is refused; the first refusal settles it. */
    bool requires_all;
    /* The text waits for the envelope's replies also where BDAT could follow
     * at once: the server may be gone, and whether it took what was sent to it
     * would be unknown. */
    bool waits_for_replies;
    bool tells_mail; /* MAIL_REPLY for an acceptance too */
};

/* What the server announced; 0 and false before EHLO was answered. */
struct mm_smtpc_extensions {
    bool has_esmtp, has_pipelining, has_8bitmime, has_size, has_starttls;
    bool has_smtputf8, has_dsn, has_enhanced, has_chunking, has_deliver_by;
    bool has_etrn, has_xusr, has_binarymime;
    uint64_t size_max; /* 0: none told */
    /* RFC 2852 4: the least time of a message that is to be returned; 0: any.
     */
    uint64_t deliver_by_min;
    /* RFC 9422: recipients a message, messages a session, domains of
     * recipients a session; 0: none told. */
    uint64_t rcpt_max, mail_max, rcpt_domain_max;
    unsigned mechanisms; /* mm_sasl_mechanism bits, wanted here or not */
    char auth[128]; /* all mechanisms by name, cut; "": AUTH is not offered */
};

MM_CHECK enum mailmod_error
mm_smtpc_new(struct mm_smtpc **smtpc_out,
             const struct mm_smtpc_options *options);
void mm_smtpc_free(struct mm_smtpc **smtpc);
/* Another listens from now on, or nobody: the conversation has a new user. */
void mm_smtpc_set_tap(struct mm_smtpc *smtpc, const struct mm_tap *tap);
size_t mm_smtpc_feed(struct mm_smtpc *smtpc, const char *bytes, size_t size);
enum mm_smtpc_event mm_smtpc_next(struct mm_smtpc *smtpc,
                                  struct mm_smtpc_info *info_out);
struct mm_span mm_smtpc_output(const struct mm_smtpc *smtpc);
void mm_smtpc_sent(struct mm_smtpc *smtpc, size_t size);

/* PROTOCOL when octets came after the 220 that told STARTTLS (injection). */
MM_CHECK enum mailmod_error mm_smtpc_tls_begun(struct mm_smtpc *smtpc);
/* The handshake failed although TLS was only MAY: the connection is lost all
 * the same; the caller may dial again with OFF. */
MM_CHECK enum mailmod_error mm_smtpc_auth(struct mm_smtpc *smtpc,
                                          enum mm_sasl_mechanism mechanism,
                                          bool has_initial,
                                          struct mm_span initial);
MM_CHECK enum mailmod_error mm_smtpc_auth_response(struct mm_smtpc *smtpc,
                                                   struct mm_span data);
MM_CHECK enum mailmod_error mm_smtpc_auth_cancel(struct mm_smtpc *smtpc);

/* Begins a message. What the server's extensions forbid is refused here with
 * nothing sent: TOO_LARGE (SIZE limit, RFC 1870 6.1), UNKNOWN_NAME (SMTPUTF8
 * needed and not offered), UNSUPPORTED (binary, without BINARYMIME and
 * CHUNKING). is_8bit without 8BITMIME is sent without BODY=; its
 * body is the caller's to make 7-bit. ARGUMENT for CR, LF or
 * NUL in any field, and for a time that no BY can say. */
MM_CHECK enum mailmod_error
mm_smtpc_send(struct mm_smtpc *smtpc, const struct mm_smtpc_message *message);
/* Body octets in any pieces: turns bare CR and LF into CRLF, stuffs dots for
 * DATA. Takes what has room; the output is bounded. */
size_t mm_smtpc_body(struct mm_smtpc *smtpc, const char *bytes, size_t size);
/* No more body: adds a missing CRLF, and the final dot or LAST. */
MM_CHECK enum mailmod_error mm_smtpc_body_end(struct mm_smtpc *smtpc);
/* Idle: asks for the mail that waits there (RFC 1985): "example.org",
 * "@example.org" with those below, or "#queue". The name outlives the answer.
 * UNSUPPORTED: it is not offered; ARGUMENT, STATE, MEMORY. */
/* An own verb and its argument: a line that outlives its reply. ARGUMENT for
 * control characters, or a line that is too long. */
MM_CHECK enum mailmod_error mm_smtpc_command(struct mm_smtpc *smtpc,
                                             const char *line);
MM_CHECK enum mailmod_error mm_smtpc_etrn(struct mm_smtpc *smtpc,
                                          const char *name);
void mm_smtpc_quit(struct mm_smtpc *smtpc);

/* The lines of the reply to EHLO, the first one too, with '\n' between. */
struct mm_span mm_smtpc_hello(const struct mm_smtpc *smtpc);

/* NEED_MESSAGE is, or would be, the next event. */
bool mm_smtpc_is_idle(const struct mm_smtpc *smtpc);
enum mm_smtpc_phase mm_smtpc_phase(const struct mm_smtpc *smtpc);
/* The message now sent goes by BDAT. */
bool mm_smtpc_is_chunking(const struct mm_smtpc *smtpc);
const struct mm_smtpc_extensions *
mm_smtpc_extensions(const struct mm_smtpc *smtpc);

#endif
