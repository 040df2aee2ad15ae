/* thread: any (the caller's, one at a time)
 * server.h - one POP3 conversation, server side, without I/O.
 *
 * RFC 1939, 2449 (CAPA, response codes), 2595 (STLS), 3206 (AUTH codes), 5034
 * (SASL), 6856; the extensions of pop3svc. Same use as wire/smtp/server.h:
 * feed, next, answer, output. The mailbox list is the session's: the engine
 * asks by event. */
#ifndef MM_WIRE_POP3_SERVER_H
#define MM_WIRE_POP3_SERVER_H

#include "base/buf.h"
#include "base/tap.h"
#include "wire/sasl/sasl.h"

struct mm_pop3d;

/* Extensions that no RFC has: those of pop3svc. Each is off unless its bit is
 * set; a command of one that is off is unknown. */
enum mm_pop3d_extension {
    MM_POP3D_UID_PARAM = 1 << 0, /* "UID:..." where a number may stand */
    MM_POP3D_WITH_DELI = 1 << 1,
    MM_POP3D_WITH_SLEE = 1 << 2, /* and WAKE */
    MM_POP3D_WITH_QAUT = 1 << 3,
    MM_POP3D_WITH_XLOG = 1 << 4,
    MM_POP3D_MULTI_LINE_IND = 1 << 5, /* " _" ends a first line of several */
    MM_POP3D_WITH_CORE = 1 << 6,
    MM_POP3D_WITH_REFR = 1 << 7 /* CORE by its first name */
};

struct mm_pop3d_options {
    const struct mm_tap *tap;   /* NULL: nobody listens; outlives the engine */
    const char *host_name;      /* greeting; outlives the engine */
    const char *greeting_name;  /* who greets, in words; NULL: "POP3"; outlives
                                   the engine */
    const char *apop_stamp;     /* "<...@...>" of letters, digits, dots, hyphens
                                   inside, at most 128; NULL: no APOP; copied;
                                   said only where APOP may be used at once */
    const char *implementation; /* CAPA IMPLEMENTATION; NULL: not told; outlives
                                   the engine */
    unsigned errors_max; /* refused commands and failed logins: close; 0: no
                            end. Refusals by the session after the login do
                            not count. */
    unsigned extensions; /* enum mm_pop3d_extension bits */
    /* CAPA tells them (RFC 2449 6.5, 6.7); the session keeps them. */
    uint64_t login_delay_s; /* 0: none, not told */
    bool has_expire;        /* else NEVER */
    uint64_t expire_days;
    unsigned mechanisms_clear;
    unsigned mechanisms_tls;
    bool has_stls;
    bool is_tls;
    bool allows_clear_login; /* USER, PASS and APOP without TLS */
};

enum mm_pop3d_event {
    MM_POP3D_NEED_INPUT, /* or, with much output owed: send, then ask again */
    MM_POP3D_CONNECT,    /* first: answer OK (greeting) or an error (closes) */
    MM_POP3D_LOGIN,      /* info.user, info.password (PASS, XLOG) */
    MM_POP3D_APOP,       /* info.user, info.digest (16 octets), info.stamp */
    MM_POP3D_AUTH,       /* info.mechanism, info.data if info.has_data; what an
                            exchange before left is to be forgotten: a cancelled
                            one ("*", bad base64) ends without an event */
    MM_POP3D_AUTH_DATA,  /* info.data */
    MM_POP3D_STAT,       /* mm_pop3d_answer_stat */
    /* A message is info.number, or info.unique_id with the number 0. */
    MM_POP3D_LIST, /* a message, or neither for all */
    MM_POP3D_UIDL, /* likewise */
    MM_POP3D_RETR, /* a message; answered OK the body follows */
    MM_POP3D_TOP,  /* a message, info.lines */
    MM_POP3D_DELE, /* a message */
    MM_POP3D_DELI, /* a message: delete now; OK only when done */
    MM_POP3D_RSET,
    MM_POP3D_NEED_ROWS, /* inside LIST or UIDL: mm_pop3d_row(), more or end */
    MM_POP3D_NEED_BODY, /* inside RETR or TOP: mm_pop3d_body(), more or end;
                           told while the output has room */
    MM_POP3D_STLS,      /* answer OK: flush, handshake, mm_pop3d_tls_begun */
    MM_POP3D_UPDATE,    /* QUIT in TRANSACTION: delete now; OK only when done */
    /* Likewise, but the conversation goes on: asleep without the mailbox; with
     * it, listed anew; before a login. An error leaves all as it was. */
    MM_POP3D_SLEE,
    MM_POP3D_CORE,
    MM_POP3D_QAUT,
    MM_POP3D_COMMAND, /* an own verb: info.verb, info.argument; a reply of one
                         line */
    MM_POP3D_WAKE,    /* list anew; an error: it sleeps on */
    MM_POP3D_QUIT,    /* the last words are in the output: flush, close; NULL */
    MM_POP3D_BROKEN   /* likewise; info.text for the log; NULL */
};

struct mm_pop3d_info {
    struct mm_span user;
    struct mm_span password; /* wiped when the event is answered */
    struct mm_span digest;
    struct mm_span stamp;
    enum mm_sasl_mechanism mechanism;
    bool has_data;
    struct mm_span data;
    uint64_t number;          /* message-number, from 1 */
    struct mm_span unique_id; /* well-formed; empty: none was given */
    uint64_t lines;
    const char *text;
    const char *verb; /* COMMAND */
    struct mm_span argument;
};

/* `code` is a response code without brackets (RFC 2449 8, RFC 3206), such as
 * "IN-USE", "AUTH", "SYS/TEMP", or NULL. */
struct mm_pop3_reply {
    bool is_ok;
    const char *code;
    const char *text; /* NULL: the command's standard text */
};

/* A verb of the owner's own (RFC 2449 3: an extension). */
struct mm_pop3d_verb {
    const char *name;
    const char *capability; /* a line of CAPA's reply; "": none */
};

MM_CHECK enum mailmod_error
mm_pop3d_new(struct mm_pop3d **pop3d_out,
             const struct mm_pop3d_options *options);
void mm_pop3d_free(struct mm_pop3d **pop3d);
/* They outlive the engine; from the next command on. */
void mm_pop3d_set_verbs(struct mm_pop3d *pop3d,
                        const struct mm_pop3d_verb *verbs, size_t count);
/* A word that is none of the engine's own verbs. */
bool mm_pop3d_may_add_verb(struct mm_span name);
size_t mm_pop3d_feed(struct mm_pop3d *pop3d, const char *bytes, size_t size);
enum mm_pop3d_event mm_pop3d_next(struct mm_pop3d *pop3d,
                                  struct mm_pop3d_info *info_out);
/* Settles any event; NULL is +OK with the standard text. A login answered OK
 * enters TRANSACTION; UPDATE answered either way leads to QUIT. STATE when
 * nothing is pending; ARGUMENT for an OK that must carry figures; MEMORY, and
 * then BROKEN comes next. */
MM_CHECK enum mailmod_error mm_pop3d_answer(struct mm_pop3d *pop3d,
                                            const struct mm_pop3_reply *reply);
MM_CHECK enum mailmod_error mm_pop3d_challenge(struct mm_pop3d *pop3d,
                                               struct mm_span data);
/* STAT: "+OK count octets". LIST and UIDL of one message: mm_pop3d_answer_row,
 * with the number 0 for one that is not in the listing.
 * LIST of all: answer OK, then NEED_ROWS comes until mm_pop3d_rows_end. */
MM_CHECK enum mailmod_error
mm_pop3d_answer_stat(struct mm_pop3d *pop3d, uint64_t count, uint64_t octets);
MM_CHECK enum mailmod_error
mm_pop3d_answer_row(struct mm_pop3d *pop3d, uint64_t number,
                    uint64_t size, /* LIST */
                    const char *unique_id /* UIDL */);
/* false: the output is full, offer the same row again at the next NEED_ROWS */
bool mm_pop3d_row(struct mm_pop3d *pop3d, uint64_t number, uint64_t size,
                  const char *unique_id);
void mm_pop3d_rows_end(struct mm_pop3d *pop3d);
/* RETR, TOP: answer OK with mm_pop3d_answer, then NEED_BODY. Octets as stored;
 * the engine stuffs dots, adds a missing final CRLF, and cuts after TOP's
 * lines, telling it by taking all and mm_pop3d_wants_body() false. */
size_t mm_pop3d_body(struct mm_pop3d *pop3d, const char *bytes, size_t size);
bool mm_pop3d_wants_body(const struct mm_pop3d *pop3d);
void mm_pop3d_body_end(struct mm_pop3d *pop3d);
/* The message cannot be read to its end: the connection must be cut without
 * a terminator, so that the client does not take half for whole. */
void mm_pop3d_body_abort(struct mm_pop3d *pop3d);

/* Ends the conversation from our side, whatever state; QUIT comes next. NULL
 * says nothing (RFC 1939 3: so ends an idle session); nor is anything said
 * inside a list, a message or a handshake. Nothing is deleted. */
MM_CHECK enum mailmod_error mm_pop3d_close(struct mm_pop3d *pop3d,
                                           const struct mm_pop3_reply *reply);
/* After an answer: what the client has sent behind it. Who takes it goes on
 * without the engine. */
struct mm_span mm_pop3d_rest(const struct mm_pop3d *pop3d);
void mm_pop3d_tls_begun(struct mm_pop3d *pop3d);
struct mm_span mm_pop3d_output(const struct mm_pop3d *pop3d);
void mm_pop3d_sent(struct mm_pop3d *pop3d, size_t size);
bool mm_pop3d_is_authenticated(const struct mm_pop3d *pop3d);
bool mm_pop3d_is_asleep(const struct mm_pop3d *pop3d);
uint64_t mm_pop3d_progress(const struct mm_pop3d *pop3d); /* whole commands */
const char *mm_pop3d_state_name(const struct mm_pop3d *pop3d);

#endif
