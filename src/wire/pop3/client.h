/* thread: any (the caller's, one at a time)
 * client.h - one POP3 conversation, client side, without I/O.
 *
 * RFC 1939, 2449 (CAPA, PIPELINING, response codes), 2595 (STLS), 3206, 5034
 * (SASL). The engine keeps one list of steps with two cursors, sent and
 * answered, so that pipelining follows from the data. Use:
 *
 *     used  = mm_pop3c_feed(c, bytes, n)
 *     event = mm_pop3c_next(c, &info)        pull until NEED_INPUT
 *     out   = mm_pop3c_output(c)             mm_pop3c_sent(c, n)
 *
 * STLS, LOGIN, CHALLENGE, READY and BODY wait for the caller's call; the other
 * events are told once and need no answer. */
#ifndef MM_WIRE_POP3_CLIENT_H
#define MM_WIRE_POP3_CLIENT_H

#include "base/buf.h"
#include "base/tap.h"
#include "wire/sasl/sasl.h"

struct mm_pop3c;

enum mm_pop3c_tls {
    MM_POP3C_TLS_OFF,
    MM_POP3C_TLS_MAY,  /* STLS when offered; a refusal goes on in clear */
    MM_POP3C_TLS_MUST, /* nothing but CAPA and STLS before TLS */
    MM_POP3C_TLS_ON    /* the connection began with TLS (port 995) */
};

struct mm_pop3c_options {
    const struct mm_tap *tap; /* NULL: nobody listens; outlives the engine */
    enum mm_pop3c_tls tls;
    bool allows_clear_auth; /* a login of any kind without TLS */
    unsigned tries_twice;   /* ways that are told again after one refusal */
};

/* Ways to log in that are no SASL mechanism; in one mask with those. */
#define MM_POP3C_WAY_APOP (1u << 16) /* RFC 1939 7 */
#define MM_POP3C_WAY_USER (1u << 17) /* USER and PASS */

enum mm_pop3c_event {
    MM_POP3C_NEED_INPUT,
    MM_POP3C_STLS,       /* +OK came: handshake, then mm_pop3c_tls_begun() */
    MM_POP3C_LOGIN,      /* info.ways, info.data (APOP's stamp): one of the four
                            login calls, or quit */
    MM_POP3C_CHALLENGE,  /* info.data: mm_pop3c_auth_response() or _cancel */
    MM_POP3C_LOGIN_DONE, /* info.reply; after a refusal LOGIN comes again with
                            the rest of the ways, or FAILED when none is left */
    MM_POP3C_READY,  /* all is answered: mm_pop3c_ask() or mm_pop3c_quit() */
    MM_POP3C_ANSWER, /* info.verb, .number, .reply; accepted STAT: .count and
                        .size, LIST of one: .size, UIDL of one: .data;
                        accepted LIST and UIDL of all: ROW to END, RETR and
                        TOP: BODY to END */
    MM_POP3C_ROW,    /* info.verb, .number, and .size or .data: the unique
                        id, empty when it is none (RFC 1939 7) */
    MM_POP3C_BODY,   /* info.data, unstuffed: mm_pop3c_body_taken(); the same is
                        told until all of it is taken */
    MM_POP3C_END,    /* info.verb, .number: the list or the message is whole */
    MM_POP3C_CLOSED, /* after QUIT's reply (info.reply: the deletions are made,
                        or not, RFC 1939 6), or without one: close */
    MM_POP3C_FAILED  /* the conversation is dead: info.error, info.phase, and
                        info.reply when a reply caused it; QUIT is in the output
                        where it can be said */
};

enum mm_pop3c_phase {
    MM_POP3C_PHASE_GREETING,
    MM_POP3C_PHASE_CAPA,
    MM_POP3C_PHASE_TLS,
    MM_POP3C_PHASE_LOGIN,
    MM_POP3C_PHASE_IDLE,
    MM_POP3C_PHASE_COMMAND, /* waiting for a reply */
    MM_POP3C_PHASE_BODY,    /* in a list or a message */
    MM_POP3C_PHASE_QUIT,
    MM_POP3C_PHASE_COUNT
};

enum mm_pop3c_verb {
    MM_POP3C_STAT,
    MM_POP3C_LIST, /* number 0: of all */
    MM_POP3C_UIDL, /* likewise */
    MM_POP3C_RETR,
    MM_POP3C_TOP,
    MM_POP3C_DELE,
    MM_POP3C_NOOP,
    MM_POP3C_RSET,
    MM_POP3C_OWN /* mm_pop3c_command */
};

/* What is said, less control characters and octets above 126. */
struct mm_pop3c_reply {
    bool is_ok;
    struct mm_span code; /* RFC 2449 8, without brackets: "IN-USE"; or empty */
    struct mm_span text;
};

struct mm_pop3c_info {
    /* mm_sasl_mechanism bits and MM_POP3C_WAY_: LOGIN, those there are;
     * LOGIN_DONE, the one that was tried. */
    unsigned ways;
    struct mm_span data;
    enum mm_pop3c_verb verb;
    uint64_t number;
    uint64_t count;
    uint64_t size;
    const struct mm_pop3c_reply *reply; /* NULL: none; until the next call */
    enum mailmod_error error;
    enum mm_pop3c_phase phase;
};

/* What CAPA told; all false where it was refused. */
struct mm_pop3c_capabilities {
    bool is_known; /* CAPA was answered */
    bool has_pipelining, has_stls, has_top, has_uidl, has_user;
    unsigned mechanisms;
};

MM_CHECK enum mailmod_error
mm_pop3c_new(struct mm_pop3c **pop3c_out,
             const struct mm_pop3c_options *options);
void mm_pop3c_free(struct mm_pop3c **pop3c);
/* Takes what has room; less is back-pressure. */
size_t mm_pop3c_feed(struct mm_pop3c *pop3c, const char *bytes, size_t size);
enum mm_pop3c_event mm_pop3c_next(struct mm_pop3c *pop3c,
                                  struct mm_pop3c_info *info_out);
struct mm_span mm_pop3c_output(const struct mm_pop3c *pop3c);
void mm_pop3c_sent(struct mm_pop3c *pop3c, size_t size);

/* PROTOCOL when octets came after the +OK that told STLS (injection). */
MM_CHECK enum mailmod_error mm_pop3c_tls_begun(struct mm_pop3c *pop3c);

/* The login calls. STATE out of turn; ARGUMENT for a way that info.ways does
 * not have, and for CR, LF, NUL, or no text in what is said. */
MM_CHECK enum mailmod_error mm_pop3c_auth(struct mm_pop3c *pop3c,
                                          enum mm_sasl_mechanism mechanism,
                                          bool has_initial,
                                          struct mm_span initial);
MM_CHECK enum mailmod_error mm_pop3c_auth_response(struct mm_pop3c *pop3c,
                                                   struct mm_span data);
MM_CHECK enum mailmod_error mm_pop3c_auth_cancel(struct mm_pop3c *pop3c);
/* `digest`: 32 hexadecimal digits, MD5 of the stamp and the password. */
MM_CHECK enum mailmod_error mm_pop3c_apop(struct mm_pop3c *pop3c,
                                          const char *user, const char *digest);
MM_CHECK enum mailmod_error
mm_pop3c_user(struct mm_pop3c *pop3c, const char *user, const char *password);

/* Any time after the login, also before the former is answered. `lines`: TOP's.
 * LIMIT when too many wait for an answer: ask when some are answered. */
MM_CHECK enum mailmod_error mm_pop3c_ask(struct mm_pop3c *pop3c,
                                         enum mm_pop3c_verb verb,
                                         uint64_t number, uint64_t lines);
/* An own verb and its argument, answered by one line: a text that outlives its
 * answer, one at a time. */
MM_CHECK enum mailmod_error mm_pop3c_command(struct mm_pop3c *pop3c,
                                             const char *line);
/* One is not answered yet. */
bool mm_pop3c_is_commanding(const struct mm_pop3c *pop3c);
/* So many octets of the BODY that was told are done with. */
void mm_pop3c_body_taken(struct mm_pop3c *pop3c, size_t size);
/* After what was asked; in a login or a handshake it closes without QUIT. */
void mm_pop3c_quit(struct mm_pop3c *pop3c);

enum mm_pop3c_phase mm_pop3c_phase(const struct mm_pop3c *pop3c);
const struct mm_pop3c_capabilities *
mm_pop3c_capabilities(const struct mm_pop3c *pop3c);

#endif
