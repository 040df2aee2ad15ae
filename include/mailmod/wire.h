/* wire.h - mail's protocols as values: addresses, requests, replies, and whole
 * conversations without a socket, a clock or a thread.
 *
 * To be included beside mailmod.h, which says what holds for errors. No
 * instance has to run, and none has to be there.
 *
 * Threads: values may be read and written on any thread; a conversation is for
 * one thread at a time.
 *
 * Ownership: a structure that the host lends belongs to the host, holds its
 * texts itself and may be copied. Set its `size` before it is lent. */
#ifndef MAILMOD_WIRE_H
#define MAILMOD_WIRE_H

#include "mailmod.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How a text is read. Bits. */
enum mailmod_wire_flag {
    MAILMOD_WIRE_REVERSE = 1, /* a reverse-path: "<>" is one, and "Postmaster"
                                 without a domain is none */
    MAILMOD_WIRE_UTF8 = 2,    /* octets above 127, as UTF-8 (RFC 6531 3.3) */
    MAILMOD_WIRE_PATH = 4,    /* the angle brackets of MAIL and RCPT must be
                                 there, and no domain has an underscore */
    MAILMOD_WIRE_BARE_LF = 8  /* a line may end with LF alone */
};

/* ---- domains, mailboxes and paths ----------------------------------------

 * RFC 5321 4.1.2, 4.1.3; RFC 6531 3.3. */

enum mailmod_domain_form {
    MAILMOD_DOMAIN_NONE,    /* "Postmaster" and the null path have none */
    MAILMOD_DOMAIN_NAME,    /* labels with dots between, or one label */
    MAILMOD_DOMAIN_ADDRESS, /* [192.0.2.1], [IPv6:2001:db8::1] */
    MAILMOD_DOMAIN_GENERAL  /* [tag:content]: no host can be found by it */
};

struct mailmod_domain {
    size_t size; /* sizeof (struct mailmod_domain) */
    enum mailmod_domain_form form;
    int family;      /* of ADDRESS: 4 or 6; else 0. ::ffff:192.0.2.1 is 4. */
    char text[256];  /* as it was given */
    char lower[256]; /* in the one form that equals it: two domains are the same
                        when these are */
    unsigned char octets[16]; /* of ADDRESS, in network order */
};
/* The whole of `text` is one domain or literal. SYNTAX; ARGUMENT. Any thread;
 * likewise all that reads and writes values. */
MAILMOD_API enum mailmod_error
mailmod_domain_parse(const char *text, size_t size, unsigned flags,
                     struct mailmod_domain *domain_out);

enum mailmod_address_kind {
    MAILMOD_ADDRESS_MAILBOX,
    MAILMOD_ADDRESS_NULL,      /* the null reverse-path, "<>" */
    MAILMOD_ADDRESS_POSTMASTER /* without a domain (RFC 5321 4.5.1) */
};

struct mailmod_address {
    size_t size; /* sizeof (struct mailmod_address) */
    enum mailmod_address_kind kind;
    enum mailmod_domain_form domain_form;
    int family;         /* as in struct mailmod_domain */
    int needs_smtputf8; /* an octet above 127 is in it */
    /* In one form, without angle brackets and route: the local part with the
     * least quoting, "postmaster" and the domain in lower case. "": null. */
    char text[776];
    char local_part[264]; /* its octets, without quotes */
    char domain[256];     /* as it was given */
    char route[1024];     /* "@one.example,@two.example"; "": none */
    unsigned char octets[16];
};
/* The whole of `text` is one mailbox or path, with or without angle brackets.
 * Local parts of several words (RFC 5322 4.4) become one quoted string. A
 * source route (RFC 5321 appendix C) is kept, for whoever wants to see it; who
 * delivers mail passes it over. SYNTAX; TOO_LARGE: a part is past its limit;
 * ARGUMENT. */
MAILMOD_API enum mailmod_error
mailmod_address_parse(const char *text, size_t size, unsigned flags,
                      struct mailmod_address *address_out);
/* Of a local part's octets, which are quoted as need be, and a domain. With no
 * domain (NULL or ""): "postmaster", or with MAILMOD_WIRE_REVERSE and no local
 * part the null path. As mailmod_address_parse. */
MAILMOD_API enum mailmod_error
mailmod_address_make(const char *local_part, const char *domain, unsigned flags,
                     struct mailmod_address *address_out);
/* The path "<@one.example:user@Domain.example>" with a NUL, of `route`,
 * `local_part` and `domain`. 2048 octets are enough for any. ARGUMENT: it
 * would not read back as it is. TOO_LARGE: `size` is too small. */
MAILMOD_API enum mailmod_error
mailmod_address_write(const struct mailmod_address *address, char *path_out,
                      size_t size);

/* ---- one SMTP request ----------------------------------------------------

 * RFC 5321 4.1.1; RFC 3030 2 (BDAT), 3207 4, 4954 4, 1985 5.2. */

enum mailmod_smtp_verb {
    MAILMOD_VERB_OTHER, /* `word` and `argument` */
    MAILMOD_VERB_HELO,  /* `argument`: one word */
    MAILMOD_VERB_EHLO,
    MAILMOD_VERB_MAIL, /* `path`, `parameters` */
    MAILMOD_VERB_RCPT,
    MAILMOD_VERB_DATA,
    MAILMOD_VERB_BDAT, /* `chunk_size`, `is_last` */
    MAILMOD_VERB_RSET,
    MAILMOD_VERB_VRFY, /* `argument`; likewise EXPN */
    MAILMOD_VERB_EXPN,
    MAILMOD_VERB_HELP, /* `argument`, or none; likewise NOOP */
    MAILMOD_VERB_NOOP,
    MAILMOD_VERB_QUIT,
    MAILMOD_VERB_STARTTLS,
    MAILMOD_VERB_AUTH, /* `argument`: the mechanism, and what is behind it */
    MAILMOD_VERB_ETRN
};

struct mailmod_smtp_request {
    size_t size; /* sizeof (struct mailmod_smtp_request) */
    enum mailmod_smtp_verb verb;
    int is_last;
    uint64_t chunk_size;
    char word[64]; /* the verb in capitals */
    char argument[2048];
    char path[2048];       /* as it was given, with angle brackets */
    char parameters[2048]; /* "SIZE=100 BODY=8BITMIME"; "": none */
};
/* One line, with its CRLF or without. A verb that is none of these is OTHER.
 * SYNTAX; TOO_LARGE: above 2046 octets; ARGUMENT. */
MAILMOD_API enum mailmod_error
mailmod_smtp_request_parse(const char *line, size_t size, unsigned flags,
                           struct mailmod_smtp_request *request_out);
/* The line with its CRLF and a NUL. `word` counts for OTHER alone. 2049 octets
 * are enough for any. ARGUMENT: it would not read back as it is. TOO_LARGE:
 * `size` is too small. */
MAILMOD_API enum mailmod_error
mailmod_smtp_request_write(const struct mailmod_smtp_request *request,
                           char *line_out, size_t size);
/* The value of a parameter of MAIL or RCPT, as it was said, with a NUL; "" for
 * one without a value. NOT_FOUND; TOO_LARGE: `size` is too small; ARGUMENT. */
MAILMOD_API enum mailmod_error
mailmod_smtp_request_parameter(const struct mailmod_smtp_request *request,
                               const char *keyword, char *value_out,
                               size_t size);

/* ---- one SMTP reply ------------------------------------------------------

 * RFC 5321 4.2. */

enum mailmod_smtp_reply_kind {
    MAILMOD_REPLY_UNKNOWN, /* a code that is none of SMTP's, such as 666 */
    MAILMOD_REPLY_POSITIVE = 2,
    MAILMOD_REPLY_INTERMEDIATE = 3,
    MAILMOD_REPLY_TRANSIENT = 4,
    MAILMOD_REPLY_PERMANENT = 5
};
struct mailmod_smtp_reply {
    size_t size; /* sizeof (struct mailmod_smtp_reply) */
    int code;
    enum mailmod_smtp_reply_kind kind; /* when written: nothing */
    unsigned line_count;               /* likewise */
    char enhanced[12]; /* "5.1.1", that the text begins with (RFC 2034 4), or
                          ""; likewise */
    char text[16392];  /* all lines, with '\n' between them */
};
/* The first whole reply in `octets`; `used_out` is how many of them it has. 0
 * and OK: it is not whole yet. Control characters, and octets above 127 that
 * are no UTF-8, become "?"; of a line above 2048 octets, and of all above
 * 16384, the rest is cut. PROTOCOL: this is no reply; LIMIT: of more than 128
 * lines or 24576 octets; ARGUMENT, MEMORY. */
MAILMOD_API enum mailmod_error
mailmod_smtp_reply_parse(const char *octets, size_t size,
                         struct mailmod_smtp_reply *reply_out,
                         size_t *used_out);
/* All its lines with their CRLF, of `code` and `text`, in one call of
 * `on_octets`. ARGUMENT: it would not read back as it is (octets that are no
 * printable ASCII, a line above 494 octets, a code that is none of SMTP's);
 * MEMORY. */
MAILMOD_API enum mailmod_error
mailmod_smtp_reply_write(const struct mailmod_smtp_reply *reply,
                         mailmod_on_octets on_octets, void *context);

/* ---- conversations -------------------------------------------------------

 * A conversation is a value: the host gives it the octets that came, asks for
 * the next event until that is NEED_INPUT, and sends the octets that are owed.
 * It has no socket, no clock and no thread, and makes no callback but that of
 * mailmod_wire_set_monitor.
 *
 *     mailmod_wire_feed          octets of the peer, in pieces of any size
 *     mailmod_..._next           what they mean, one event at a time
 *     mailmod_wire_output, _sent what the peer is owed
 *
 * Each is for one thread at a time; several may run at once. A handle that is
 * finished, or is one of another protocol, is HANDLE in each call. What peers
 * send grows no memory past 512 KiB for a conversation. Texts of an event are
 * never NULL and live, as its octets do, until the next call with its handle.
 *
 * TLS is the host's: at the event STARTTLS or STLS it sends what is owed, makes
 * the handshake and calls mailmod_wire_tls_begun; from then on the octets that
 * it feeds and sends are those inside of TLS. */
typedef struct mailmod_wire mailmod_wire;

/* How many of the octets were taken; the rest is to be given again when events
 * are answered and the output is sent. 0 for a handle that is none. */
MAILMOD_API size_t mailmod_wire_feed(mailmod_wire *wire, const char *octets,
                                     size_t size);
/* The peer sends no more (its socket is at its end, or broken). When all that
 * came is dealt with, the last event tells it. */
MAILMOD_API enum mailmod_error mailmod_wire_end_input(mailmod_wire *wire);
/* What the peer is owed, until the next call with this handle. NULL for one
 * that is none. */
MAILMOD_API const char *mailmod_wire_output(mailmod_wire *wire,
                                            size_t *size_out);
/* So many octets of it are on their way. ARGUMENT: more than were owed. */
MAILMOD_API enum mailmod_error mailmod_wire_sent(mailmod_wire *wire,
                                                 size_t size);
/* TLS stands: what was said in clear is forgotten (RFC 3207 4.2, RFC 2595 4).
 * STATE: it was not to begin. PROTOCOL, or BROKEN as the next event of a
 * server: octets came between. */
MAILMOD_API enum mailmod_error mailmod_wire_tls_begun(mailmod_wire *wire);
/* For how many milliseconds the RFC lets one wait for the peer now: RFC 5321
 * 4.5.3.2, RFC 1939 3; where it says nothing, five minutes. 0 for a handle that
 * is none. */
MAILMOD_API uint64_t mailmod_wire_timeout_ms(mailmod_wire *wire);
/* Told each command and each line of a reply, without its line end, inside of
 * the call that reads or says it. `is_masked`: more stood behind it, a secret.
 * The texts of messages are not told. It may not call with this handle. NULL:
 * nobody is told. */
typedef void (*mailmod_on_wire_line)(void *context, int is_sent,
                                     const char *octets, size_t size,
                                     int is_masked);
MAILMOD_API enum mailmod_error
mailmod_wire_set_monitor(mailmod_wire *wire, mailmod_on_wire_line on_line,
                         void *context);
/* Of any protocol. Nulls the handle; NULL or a pointer to NULL does nothing. */
MAILMOD_API enum mailmod_error mailmod_wire_free(mailmod_wire **wire);

/* ---- an SMTP server ------------------------------------------------------

 * RFC 5321; 1870 (SIZE), 1985 (ETRN), 2034, 2920 (PIPELINING), 3030 (CHUNKING,
 * BINARYMIME), 3207 (STARTTLS), 3461 (DSN), 4954 (AUTH PLAIN and LOGIN), 6152
 * (8BITMIME), 6531 (SMTPUTF8). Syntax, order, sizes and limits are its own. */

/* Bits. */
enum mailmod_smtp_server_flag {
    MAILMOD_SMTP_SERVER_WITH_STARTTLS = 1,
    MAILMOD_SMTP_SERVER_IN_TLS = 2,     /* TLS began before the first octet */
    MAILMOD_SMTP_SERVER_NEEDS_TLS = 4,  /* no mail in clear: 530 */
    MAILMOD_SMTP_SERVER_WITH_LOGIN = 8, /* under TLS */
    MAILMOD_SMTP_SERVER_WITH_CLEAR_LOGIN = 16, /* also in clear */
    MAILMOD_SMTP_SERVER_NEEDS_LOGIN = 32,      /* no mail before one: 530 */
    MAILMOD_SMTP_SERVER_WITH_ETRN = 64,
    MAILMOD_SMTP_SERVER_TAKES_BARE_LF = 128, /* at the end of a command; never
                                                at the end of a message */
    /* Paths without angle brackets, with odd dots or underscores, and HELO with
     * a name that is none. */
    MAILMOD_SMTP_SERVER_LENIENT = 256
};
struct mailmod_smtp_server_options {
    size_t size;               /* sizeof (struct mailmod_smtp_server_options) */
    const char *host_name;     /* in the greeting and to EHLO; copied */
    uint64_t message_size_max; /* octets; 0: no limit */
    unsigned flags;
    unsigned recipients_max; /* of a message; 0: 100 */
    /* Refused commands until the conversation ends with 421; 0: 20. */
    size_t errors_max;
};
/* Begins with the event CONNECT. ARGUMENT, MEMORY, LIMIT (handles in the
 * process). */
MAILMOD_API enum mailmod_error
mailmod_smtp_server_new(const struct mailmod_smtp_server_options *options,
                        mailmod_wire **wire_out);
/* An own verb, known from the next command on: it comes as the event COMMAND.
 * `keyword` is the line of EHLO's reply that announces it (RFC 5321 2.2.2),
 * such as "XCLIENT NAME ADDR"; NULL or "": none. ARGUMENT: it is one of SMTP's,
 * or none, or above 31 octets; the keyword is above 63; EXISTS; LIMIT: 16. */
MAILMOD_API enum mailmod_error
mailmod_smtp_server_add_verb(mailmod_wire *wire, const char *verb,
                             const char *keyword);

enum mailmod_smtp_server_event_kind {
    MAILMOD_SMTP_SERVER_NEED_INPUT, /* send what is owed, then wait for more */
    MAILMOD_SMTP_SERVER_CONNECT,    /* 220 is the greeting */
    MAILMOD_SMTP_SERVER_HELO,       /* `name`, `is_extended`: EHLO */
    MAILMOD_SMTP_SERVER_LOGIN, /* `user`, `password`; `name`: the mechanism. The
                                  usual answer lets the user in. */
    MAILMOD_SMTP_SERVER_MAIL,  /* `address`: the reverse-path, "": null;
                                  `message_size` (0: not told), `is_8bit`,
                                  `is_smtputf8`, `dsn_return`, `envelope_id` */
    MAILMOD_SMTP_SERVER_RCPT,  /* `address`, `dsn_notify`, `original_recipient`;
                                  "postmaster" has no domain */
    MAILMOD_SMTP_SERVER_DATA,  /* the message is about to come */
    MAILMOD_SMTP_SERVER_BODY,  /* `octets`, `count`: a piece, without the dots
                                  that were stuffed; lines end with CRLF, and
                                  binary parts are base64 by now */
    MAILMOD_SMTP_SERVER_END,   /* the message is whole; `message_size`,
                                  `has_8bit`. An answer of 2xx takes it over: it
                                  must be safe by then (RFC 5321 6.1). */
    MAILMOD_SMTP_SERVER_STARTTLS, /* the usual answer: send what is owed, make
                                     the handshake, mailmod_wire_tls_begun */
    MAILMOD_SMTP_SERVER_ETRN,     /* `name`: a domain in lower case;
                                     `has_subdomains` */
    MAILMOD_SMTP_SERVER_COMMAND,  /* `name`: an own verb, in capitals;
                                     `argument` */
    MAILMOD_SMTP_SERVER_RESET,    /* the message is over without END: forget it;
                                     the answer is not said */
    MAILMOD_SMTP_SERVER_QUIT,     /* send what is owed, and close; likewise */
    MAILMOD_SMTP_SERVER_BROKEN    /* likewise; `text`: why, for a log; what has
                                     no END is to be forgotten */
};
struct mailmod_smtp_server_event {
    size_t size; /* sizeof (struct mailmod_smtp_server_event) */
    enum mailmod_smtp_server_event_kind kind;
    int is_extended;
    const char *name;
    const char *argument;
    const char *user;
    const char *password; /* wiped with the answer */
    const char *address;  /* in the form of mailmod_address.text */
    const char *envelope_id;
    const char *original_recipient; /* "rfc822;user@example.com" */
    const char *text;
    const char *octets;
    size_t count;
    uint64_t message_size;
    enum mailmod_dsn_return dsn_return;
    unsigned dsn_notify;
    int is_8bit;
    int is_smtputf8;
    int has_8bit; /* an octet above 127 came */
    int has_subdomains;
};
/* Fills the event that waits for its answer, again until it has one. ARGUMENT,
 * HANDLE, MEMORY. */
MAILMOD_API enum mailmod_error
mailmod_smtp_server_next(mailmod_wire *wire,
                         struct mailmod_smtp_server_event *event_out);
/* Settles it. `code` 0: the usual answer, with the texts of the library. 2xx
 * accepts, 4xx and 5xx refuse, 421 closes too. `enhanced`: "5.1.1", or NULL.
 * `text`: lines with '\n' between them; NULL: the code's usual one. What is no
 * printable ASCII becomes "?". ARGUMENT, MEMORY; STATE: nothing waits. */
MAILMOD_API enum mailmod_error mailmod_smtp_server_answer(mailmod_wire *wire,
                                                          int code,
                                                          const char *enhanced,
                                                          const char *text);
/* Ends the conversation from this side, whatever it waits for; QUIT comes next.
 * `code` 0: 421 for a client that was silent for too long. ARGUMENT, MEMORY. */
MAILMOD_API enum mailmod_error mailmod_smtp_server_close(mailmod_wire *wire,
                                                         int code,
                                                         const char *enhanced,
                                                         const char *text);

/* ---- logins of this side -------------------------------------------------

 * At the event LOGIN of a client, of SMTP or POP3. Where the server refuses it,
 * LOGIN comes again with the mechanisms that are left; who has shown a wrong
 * password once should not show it again.
 *
 * STATE: the conversation does not wait for it. ARGUMENT, MEMORY. HANDLE also
 * for a conversation of another kind. */

/* With the strongest mechanism that the server offers: SCRAM-SHA-256, PLAIN,
 * LOGIN, CRAM-MD5, and for POP3 then USER and PASS. Challenges are answered in
 * _next, which for SCRAM computes for some milliseconds. A server that accepts
 * and has not shown that it knows the password is FAILED (RFC 5802 5).
 * AUTHENTICATION: it offers none of them. */
MAILMOD_API enum mailmod_error
mailmod_wire_login(mailmod_wire *wire, const char *user, const char *password);
/* The same with a bearer token: OAUTHBEARER (RFC 7628) or XOAUTH2. */
MAILMOD_API enum mailmod_error mailmod_wire_login_token(mailmod_wire *wire,
                                                        const char *user,
                                                        const char *token);
/* An exchange of the host's own: a mechanism by its name, and its first octets;
 * `initial` NULL: none. The server's octets come as the event CHALLENGE. */
MAILMOD_API enum mailmod_error mailmod_wire_auth(mailmod_wire *wire,
                                                 const char *mechanism,
                                                 const void *initial,
                                                 size_t size);
/* The answer to a CHALLENGE; base64 is the library's. */
MAILMOD_API enum mailmod_error
mailmod_wire_auth_respond(mailmod_wire *wire, const void *octets, size_t size);
/* Gives the exchange up (RFC 4954 4: "*"). */
MAILMOD_API enum mailmod_error mailmod_wire_auth_cancel(mailmod_wire *wire);

/* ---- an SMTP client ------------------------------------------------------

 * The extensions of the server above, LIMITS (RFC 9422) heeded; many messages,
 * one after another. Commands go in one flight where PIPELINING is offered. */

/* Bits. */
enum mailmod_smtp_client_flag {
    MAILMOD_SMTP_CLIENT_TAKES_TLS = 1,    /* STARTTLS where it is offered */
    MAILMOD_SMTP_CLIENT_NEEDS_TLS = 2,    /* nothing else is said in clear */
    MAILMOD_SMTP_CLIENT_IN_TLS = 4,       /* TLS began before the first octet */
    MAILMOD_SMTP_CLIENT_LOGIN_FIRST = 8,  /* the event LOGIN; under TLS alone */
    MAILMOD_SMTP_CLIENT_CLEAR_LOGIN = 16, /* the same, also in clear */
    MAILMOD_SMTP_CLIENT_TAKES_CHUNKING = 32 /* BDAT where it is offered */
};
struct mailmod_smtp_client_options {
    size_t size;           /* sizeof (struct mailmod_smtp_client_options) */
    const char *host_name; /* in EHLO: a domain or an address in brackets;
                              copied */
    size_t flags;
};
/* ARGUMENT, MEMORY, LIMIT (handles in the process). */
MAILMOD_API enum mailmod_error
mailmod_smtp_client_new(const struct mailmod_smtp_client_options *options,
                        mailmod_wire **wire_out);

enum mailmod_smtp_client_event_kind {
    MAILMOD_SMTP_CLIENT_NEED_INPUT, /* send what is owed, then wait for more */
    /* These wait for the host's call, and are told again until it comes. */
    MAILMOD_SMTP_CLIENT_STARTTLS,  /* send what is owed, make the handshake,
                                      mailmod_wire_tls_begun */
    MAILMOD_SMTP_CLIENT_LOGIN,     /* `mechanisms`: mailmod_wire_login or one of
                                      its kin, or _quit */
    MAILMOD_SMTP_CLIENT_CHALLENGE, /* `octets`, `count`: of mailmod_wire_auth */
    MAILMOD_SMTP_CLIENT_READY,     /* _send, _command or _quit */
    MAILMOD_SMTP_CLIENT_NEED_BODY, /* _body, _body_end; while there is room */
    /* These are told once. With `code`, `enhanced` and `text`: */
    MAILMOD_SMTP_CLIENT_LOGIN_REPLY, /* 235: in */
    MAILMOD_SMTP_CLIENT_MAIL_REPLY,
    MAILMOD_SMTP_CLIENT_RCPT_REPLY, /* `recipient`: its place in the list */
    /* The reply that settles the message: to its end, or the refusal of MAIL,
     * of the last recipient or of DATA. `was_sent`: its end went out. `error`
     * UNSUPPORTED: the server refuses BDAT, which it offered; CLOSED comes, and
     * the message may be sent over another conversation without it. */
    MAILMOD_SMTP_CLIENT_MESSAGE_DONE,
    MAILMOD_SMTP_CLIENT_COMMAND_REPLY,
    MAILMOD_SMTP_CLIENT_CLOSED, /* after QUIT: close */
    /* `error`, and the reply when one caused it (`code` 0: none): send what is
     * owed, and close. A message without MESSAGE_DONE may have been taken when
     * its end was on its way. */
    MAILMOD_SMTP_CLIENT_FAILED
};
struct mailmod_smtp_client_event {
    size_t size; /* sizeof (struct mailmod_smtp_client_event) */
    enum mailmod_smtp_client_event_kind kind;
    enum mailmod_error error;
    int code;
    int was_sent;
    const char *enhanced;   /* "5.1.1", or "" */
    const char *text;       /* lines with '\n' between them, the enhanced code
                               too, without control characters */
    const char *mechanisms; /* "SCRAM-SHA-256 PLAIN" */
    const char *octets;
    size_t count;
    size_t recipient;
};
/* Fills the next event. ARGUMENT, HANDLE, MEMORY. */
MAILMOD_API enum mailmod_error
mailmod_smtp_client_next(mailmod_wire *wire,
                         struct mailmod_smtp_client_event *event_out);

/* Bits. */
enum mailmod_smtp_client_message_flag {
    MAILMOD_SMTP_CLIENT_8BIT = 1,       /* octets above 127 in the body */
    MAILMOD_SMTP_CLIENT_SMTPUTF8 = 2,   /* or in the envelope or header */
    MAILMOD_SMTP_CLIENT_ALL_OR_NONE = 4 /* no text where one is refused */
};
struct mailmod_smtp_client_message { /* copied, with its texts */
    size_t size;              /* sizeof (struct mailmod_smtp_client_message) */
    const char *reverse_path; /* NULL, "" or "<>": the null path */
    const char *const *recipients;
    size_t recipient_count;  /* 1 to 10 000 */
    uint64_t message_size;   /* octets with CRLF at line ends; 0: not told */
    const char *envelope_id; /* for reports (RFC 3461 4.4); NULL: none */
    unsigned flags;
    unsigned dsn_notify; /* mailmod_dsn_notify bits, of all recipients */
    uint64_t dsn_return; /* enum mailmod_dsn_return */
};
/* At READY. TOO_LARGE, UNSUPPORTED: the server said before that it would not
 * take it, and nothing was said. ARGUMENT: a mailbox is none. STATE, MEMORY;
 * PROTOCOL: the server spoke unasked. */
MAILMOD_API enum mailmod_error
mailmod_smtp_client_send(mailmod_wire *wire,
                         const struct mailmod_smtp_client_message *message);
/* Header and body in pieces of any size. Bare CR and LF become CRLF, dots are
 * stuffed. How many octets were taken: less when there is no room, or when it
 * is not the time. */
MAILMOD_API size_t mailmod_smtp_client_body(mailmod_wire *wire,
                                            const char *octets, size_t size);
/* STATE, MEMORY. */
MAILMOD_API enum mailmod_error mailmod_smtp_client_body_end(mailmod_wire *wire);
/* At READY: an own verb with its argument, one line without its end, which is
 * answered by one reply. ARGUMENT, STATE, MEMORY. */
MAILMOD_API enum mailmod_error mailmod_smtp_client_command(mailmod_wire *wire,
                                                           const char *line);
/* What stands behind an extension's keyword in the reply to EHLO, with a NUL.
 * NOT_FOUND: it is not offered; TOO_LARGE, ARGUMENT. */
MAILMOD_API enum mailmod_error
mailmod_smtp_client_extension(mailmod_wire *wire, const char *keyword,
                              char *value_out, size_t size);
/* In the midst of a message there is no way to say it: CLOSED comes at once. */
MAILMOD_API enum mailmod_error mailmod_smtp_client_quit(mailmod_wire *wire);

/* ---- a POP3 server -------------------------------------------------------

 * RFC 1939; 2449 (CAPA), 2595 (STLS), 3206, 5034 (AUTH PLAIN and LOGIN), 6856
 * (UTF8). Syntax and order it answers alone; which messages there are, and
 * which are marked as deleted, is the host's. */

/* Bits. */
enum mailmod_pop3_server_flag {
    MAILMOD_POP3_SERVER_WITH_STLS = 1,
    MAILMOD_POP3_SERVER_IN_TLS = 2, /* TLS began before the first octet */
    MAILMOD_POP3_SERVER_WITH_CLEAR_LOGIN = 4
};
struct mailmod_pop3_server_options {
    size_t size;           /* sizeof (struct mailmod_pop3_server_options) */
    const char *host_name; /* in the greeting; copied */
    size_t flags;
};
/* Begins with the event CONNECT. ARGUMENT, MEMORY, LIMIT (handles in the
 * process). */
MAILMOD_API enum mailmod_error
mailmod_pop3_server_new(const struct mailmod_pop3_server_options *options,
                        mailmod_wire **wire_out);
/* An own verb, before the login and behind it, whose reply is one line: the
 * event COMMAND. `capability`: the line of CAPA's reply that announces it; NULL
 * or "": none. As mailmod_smtp_server_add_verb; letters and digits alone. */
MAILMOD_API enum mailmod_error
mailmod_pop3_server_add_verb(mailmod_wire *wire, const char *verb,
                             const char *capability);

enum mailmod_pop3_server_event_kind {
    MAILMOD_POP3_SERVER_NEED_INPUT, /* send what is owed, then wait for more */
    MAILMOD_POP3_SERVER_CONNECT,
    MAILMOD_POP3_SERVER_LOGIN, /* `user`, `password`. OK: the mailbox is open */
    MAILMOD_POP3_SERVER_STAT,  /* mailmod_pop3_server_answer_stat */
    MAILMOD_POP3_SERVER_LIST,  /* `is_of_one`, `number`: _answer_row, or an
                                  error; else OK, NEED_ROWS follows */
    MAILMOD_POP3_SERVER_UIDL,  /* likewise */
    MAILMOD_POP3_SERVER_RETR,  /* `number`; answer OK: NEED_BODY follows */
    MAILMOD_POP3_SERVER_TOP,   /* likewise; `lines`: the library counts them */
    MAILMOD_POP3_SERVER_DELE,  /* `number` */
    MAILMOD_POP3_SERVER_RSET,
    MAILMOD_POP3_SERVER_STLS,    /* OK: send what is owed, make the handshake,
                                    mailmod_wire_tls_begun */
    MAILMOD_POP3_SERVER_UPDATE,  /* QUIT: delete now; OK when it is done */
    MAILMOD_POP3_SERVER_COMMAND, /* `name`: an own verb; `argument` */
    /* These two wait for calls of their own. */
    MAILMOD_POP3_SERVER_NEED_ROWS, /* _row until it says 0, or _rows_end */
    MAILMOD_POP3_SERVER_NEED_BODY, /* _body, _body_end or _body_abort */
    /* Send what is owed, and close. */
    MAILMOD_POP3_SERVER_QUIT,
    MAILMOD_POP3_SERVER_BROKEN /* `text`: why; nothing is to be deleted */
};
struct mailmod_pop3_server_event {
    size_t size; /* sizeof (struct mailmod_pop3_server_event) */
    enum mailmod_pop3_server_event_kind kind;
    int is_of_one;   /* LIST and UIDL: of one message, not of all */
    uint64_t number; /* of a message, from 1 */
    uint64_t lines;
    const char *user;
    const char *password; /* wiped with the answer */
    const char *name;
    const char *argument;
    const char *text;
};
/* As mailmod_smtp_server_next. */
MAILMOD_API enum mailmod_error
mailmod_pop3_server_next(mailmod_wire *wire,
                         struct mailmod_pop3_server_event *event_out);
/* +OK or -ERR. `code`: a response code (RFC 2449 8, RFC 3206) such as "IN-USE"
 * or "AUTH"; NULL: none. `text` NULL: the usual one. STATE: nothing waits;
 * ARGUMENT: an OK that must have figures; MEMORY. */
MAILMOD_API enum mailmod_error mailmod_pop3_server_answer(mailmod_wire *wire,
                                                          int is_ok,
                                                          const char *code,
                                                          const char *text);
/* STATE: it is not STAT that waits. MEMORY. */
MAILMOD_API enum mailmod_error
mailmod_pop3_server_answer_stat(mailmod_wire *wire, uint64_t count,
                                uint64_t octets);
/* Of one message: `octets` counts for LIST, `unique_id` (1 to 70 octets, 33 to
 * 126, not "_") for UIDL. STATE, ARGUMENT, MEMORY. */
MAILMOD_API enum mailmod_error
mailmod_pop3_server_answer_row(mailmod_wire *wire, uint64_t number,
                               uint64_t octets, const char *unique_id);
/* One row of all: of UIDL when `unique_id` is not NULL. 0: there is no room;
 * send, and give it again at the next NEED_ROWS. */
MAILMOD_API int mailmod_pop3_server_row(mailmod_wire *wire, uint64_t number,
                                        uint64_t octets, const char *unique_id);
/* STATE, likewise below. */
MAILMOD_API enum mailmod_error mailmod_pop3_server_rows_end(mailmod_wire *wire);
/* A piece of the message as it is; dots are stuffed, a missing line end is
 * made. How many octets were taken. */
MAILMOD_API size_t mailmod_pop3_server_body(mailmod_wire *wire,
                                            const char *octets, size_t size);
MAILMOD_API enum mailmod_error mailmod_pop3_server_body_end(mailmod_wire *wire);
/* It cannot be read to its end: BROKEN comes, and the client sees that. */
MAILMOD_API enum mailmod_error
mailmod_pop3_server_body_abort(mailmod_wire *wire);
/* Ends the conversation from this side; QUIT comes next, nothing is to be
 * deleted. `text` NULL: without a word (RFC 1939 3: a client that was silent
 * for too long). MEMORY. */
MAILMOD_API enum mailmod_error mailmod_pop3_server_close(mailmod_wire *wire,
                                                         const char *code,
                                                         const char *text);

/* ---- a POP3 client -------------------------------------------------------

 * What is asked goes out in one flight where PIPELINING is offered. */

/* Bits. */
enum mailmod_pop3_client_flag {
    MAILMOD_POP3_CLIENT_TAKES_TLS = 1,  /* STLS where it is offered */
    MAILMOD_POP3_CLIENT_NEEDS_TLS = 2,  /* nothing else is said in clear */
    MAILMOD_POP3_CLIENT_IN_TLS = 4,     /* TLS began before the first octet */
    MAILMOD_POP3_CLIENT_CLEAR_LOGIN = 8 /* a login without TLS is allowed */
};
struct mailmod_pop3_client_options {
    size_t size; /* sizeof (struct mailmod_pop3_client_options) */
    size_t flags;
};
/* ARGUMENT, MEMORY, LIMIT (handles in the process). */
MAILMOD_API enum mailmod_error
mailmod_pop3_client_new(const struct mailmod_pop3_client_options *options,
                        mailmod_wire **wire_out);

enum mailmod_pop3_verb {
    MAILMOD_POP3_VERB_STAT,
    MAILMOD_POP3_VERB_LIST, /* number 0: of all; likewise UIDL */
    MAILMOD_POP3_VERB_UIDL,
    MAILMOD_POP3_VERB_RETR,
    MAILMOD_POP3_VERB_TOP,
    MAILMOD_POP3_VERB_DELE,
    MAILMOD_POP3_VERB_NOOP,
    MAILMOD_POP3_VERB_RSET,
    MAILMOD_POP3_VERB_OWN /* of mailmod_pop3_client_command */
};
enum mailmod_pop3_client_event_kind {
    MAILMOD_POP3_CLIENT_NEED_INPUT, /* send what is owed, then wait for more */
    /* These wait for the host's call, and are told again until it comes. */
    MAILMOD_POP3_CLIENT_STLS,      /* send what is owed, make the handshake,
                                      mailmod_wire_tls_begun */
    MAILMOD_POP3_CLIENT_LOGIN,     /* mailmod_wire_login or one of its kin, or
                                      _quit; `mechanisms` of SASL */
    MAILMOD_POP3_CLIENT_CHALLENGE, /* `octets`, `count`: of mailmod_wire_auth */
    MAILMOD_POP3_CLIENT_READY, /* all is answered: _ask, _command or _quit */
    /* These are told once. With `is_ok`, `code` and `text`: */
    MAILMOD_POP3_CLIENT_LOGIN_REPLY,
    /* `verb`, `number`. Of STAT: `message_count`, `message_size`; of one
     * message's LIST: `message_size`, UIDL: `unique_id`. Of all: ROW to END. Of
     * RETR and TOP: BODY to END. */
    MAILMOD_POP3_CLIENT_REPLY,
    MAILMOD_POP3_CLIENT_ROW,    /* `verb`, `number`, and `message_size` or
                                   `unique_id` ("": it is none that RFC 1939 7
                                   allows) */
    MAILMOD_POP3_CLIENT_BODY,   /* `octets`, `count`: a piece of the message,
                                   without the dots that were stuffed */
    MAILMOD_POP3_CLIENT_END,    /* the list or the message is whole */
    MAILMOD_POP3_CLIENT_CLOSED, /* after QUIT: close. Not `is_ok`: the deletions
                                   may not have been made */
    MAILMOD_POP3_CLIENT_FAILED  /* `error`: send what is owed, and close */
};
struct mailmod_pop3_client_event {
    size_t size; /* sizeof (struct mailmod_pop3_client_event) */
    enum mailmod_pop3_client_event_kind kind;
    enum mailmod_error error;
    enum mailmod_pop3_verb verb;
    int is_ok;
    uint64_t number;
    uint64_t message_count;
    uint64_t message_size;
    const char *code; /* "IN-USE" (RFC 2449 8), or "" */
    const char *text; /* without control characters */
    const char *unique_id;
    const char *mechanisms;
    const char *octets;
    size_t count;
};
/* Fills the next event; a BODY that was told is done with. ARGUMENT, HANDLE,
 * MEMORY. */
MAILMOD_API enum mailmod_error
mailmod_pop3_client_next(mailmod_wire *wire,
                         struct mailmod_pop3_client_event *event_out);
/* Any time behind the login, also before the former is answered. `lines`:
 * TOP's. LIMIT: 62 wait for an answer. ARGUMENT: the number is missing, or too
 * many. STATE. */
MAILMOD_API enum mailmod_error
mailmod_pop3_client_ask(mailmod_wire *wire, enum mailmod_pop3_verb verb,
                        uint64_t number, uint64_t lines);
/* An own verb with its argument, one line without its end, which is answered by
 * one line. ARGUMENT, STATE; LIMIT: the former is not answered yet. */
MAILMOD_API enum mailmod_error mailmod_pop3_client_command(mailmod_wire *wire,
                                                           const char *line);
/* After what was asked. In the midst of a login or a handshake CLOSED comes at
 * once. */
MAILMOD_API enum mailmod_error mailmod_pop3_client_quit(mailmod_wire *wire);

/* ---- proxies ------------------------------------------------------------- */

enum mailmod_proxy_kind {
    MAILMOD_PROXY_SOCKS5, /* RFC 1928, login RFC 1929 */
    MAILMOD_PROXY_SOCKS4A,
    MAILMOD_PROXY_HTTP /* CONNECT: RFC 9110 9.3.6, login RFC 7617 */
};
struct mailmod_proxy_options { /* copied, with its texts */
    size_t size;               /* sizeof (struct mailmod_proxy_options) */
    enum mailmod_proxy_kind kind;
    unsigned port;    /* of the host */
    const char *host; /* an address, or a name (A-labels) that the proxy looks
                         up */
    const char *user; /* NULL or "": no login */
    const char *password;
};
/* A conversation with a proxy until it has connected us with a host. ARGUMENT:
 * it cannot be said; TOO_LARGE: the login has no room; UNREACHABLE: an IPv6
 * address by SOCKS4a; MEMORY, LIMIT. */
MAILMOD_API enum mailmod_error
mailmod_proxy_new(const struct mailmod_proxy_options *options,
                  mailmod_wire **wire_out);
enum mailmod_proxy_event_kind {
    MAILMOD_PROXY_NEED_INPUT, /* send what is owed, then wait for more */
    MAILMOD_PROXY_OPEN,       /* the connection is the host's; octets that
                                 mailmod_wire_feed did not take are its */
    MAILMOD_PROXY_FAILED      /* `error`, `text`: close */
};
struct mailmod_proxy_event {
    size_t size; /* sizeof (struct mailmod_proxy_event) */
    enum mailmod_proxy_event_kind kind;
    enum mailmod_error error; /* PROXY, or what it says of the host:
                                 CONNECTION_REFUSED, UNREACHABLE, TIMEOUT;
                                 PROTOCOL: it spoke something else; CLOSED */
    const char *text;         /* "SOCKS5 code 2: its rules do not allow it" */
};
MAILMOD_API enum mailmod_error
mailmod_proxy_next(mailmod_wire *wire, struct mailmod_proxy_event *event_out);

struct mailmod_proxy_header {
    size_t size;      /* sizeof (struct mailmod_proxy_header) */
    size_t used;      /* octets of the header; the client's follow */
    size_t port;      /* of the client */
    char address[72]; /* of the client; "": the proxy's own connection, or one
                         that is no TCP */
};
/* The header of a proxy before a server, versions 1 and 2 of "The PROXY
 * protocol", at the beginning of `octets`. OK with `used` 0: it is not whole
 * yet; 536 octets are enough for any. PROTOCOL: there is none. ARGUMENT. */
MAILMOD_API enum mailmod_error
mailmod_proxy_header_parse(const char *octets, size_t size,
                           struct mailmod_proxy_header *header_out);

#ifdef __cplusplus
}
#endif

#endif
