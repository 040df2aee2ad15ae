/* thread: any (the caller's, one at a time)
 * server_internal.h - what the files of the POP3 server engine share.
 *
 * server.c: the pump and the machine's state; server_verbs.c: the verb table;
 * server_login.c: the commands before a login, and CAPA; server_mailbox.c: the
 * commands after it; server_extensions.c: those of no RFC; server_answer.c:
 * what an event's answer does; server_body.c: rows and bodies; server_reply.c:
 * every text. */
#ifndef MM_WIRE_POP3_SERVER_INTERNAL_H
#define MM_WIRE_POP3_SERVER_INTERNAL_H

#include "base/limits.h"
#include "wire/dot.h"
#include "wire/line.h"
#include "wire/pop3/server.h"

/* Law of the machine. CONNECT leads to AUTHORIZATION, and only a login that
 * was answered OK leads from there (or from EXCHANGE, a SASL exchange) to
 * TRANSACTION; only QAUT leads back, and STLS from AUTHORIZATION to itself.
 * SLEE leads from TRANSACTION to ASLEEP, and WAKE back.
 * ROWS and BODY are inside a reply of several lines and end in TRANSACTION or,
 * when the reply cannot be finished, in CLOSING; UPDATE is entered by QUIT in
 * TRANSACTION alone. Every state may fall to CLOSING, whose only way out is
 * CLOSED; lines are read in AUTHORIZATION, EXCHANGE, TRANSACTION and ASLEEP
 * only. */
enum mm_pop3d_state {
    MM_POP3D_IN_CONNECT,
    MM_POP3D_IN_AUTHORIZATION,
    MM_POP3D_IN_EXCHANGE,
    MM_POP3D_IN_STLS, /* +OK is said, the handshake is not over */
    MM_POP3D_IN_TRANSACTION,
    MM_POP3D_IN_ROWS,
    MM_POP3D_IN_BODY,
    MM_POP3D_IN_ASLEEP, /* logged in, without a mailbox */
    MM_POP3D_IN_UPDATE,
    MM_POP3D_IN_CLOSING,
    MM_POP3D_IN_CLOSED,
    MM_POP3D_STATE_COUNT
};

/* RFC 2449 4: a reply's first line has at most 512 octets, CRLF included. */
#define MM_POP3D_REPLY_LINE 512
/* No command is taken while the output has less room: CAPA, the longest of the
 * engine's own replies, is below it, and so is a SASL challenge. */
#define MM_POP3D_REPLY_ROOM 4096
#define MM_POP3D_CHALLENGE_MAX 2048 /* octets before base64 */
#define MM_POP3D_DIGEST_SIZE 16     /* RFC 1939 7: MD5 */
#define MM_POP3D_UNIQUE_ID_MAX 70   /* RFC 1939 7 */
#define MM_POP3D_STAMP_MAX 128

/* TOP's cutter: which octets of the message are wanted. */
struct mm_pop3d_top {
    uint64_t lines_left; /* of the body */
    bool is_in_body;     /* the blank line has been seen */
    bool line_has_text;  /* the line now read is not blank */
    bool after_cr;
    bool is_over;
};

struct mm_pop3d {
    struct mm_pop3d_options options;
    const struct mm_pop3d_verb *own_verbs;
    size_t own_verb_count;
    char *stamp; /* NULL: no APOP; said in the greeting */
    enum mm_pop3d_state state;
    enum mm_pop3d_event pending; /* NEED_INPUT: none */
    struct mm_pop3d_info info;
    struct mm_buf input;
    struct mm_buf output;
    struct mm_line_reader reader;
    char user[MM_LIMIT_POP3_COMMAND + 1]; /* "": USER not given */
    uint8_t digest[MM_POP3D_DIGEST_SIZE];
    struct mm_buf sasl; /* the decoded response */
    enum mm_sasl_mechanism mechanism;
    struct mm_dot_writer dots;
    struct mm_pop3d_top top;
    bool is_top;          /* the body is cut by `top` */
    uint64_t told_octets; /* of the list or message now given */
    bool is_tls;
    bool is_authenticated;
    unsigned error_count; /* refusals of the session */
    uint64_t progress;
};

/* What the verb table's argument rules make of a command line. */
struct mm_pop3d_arguments {
    const struct mm_pop3d_verb *own_verb; /* of a command of the owner's */
    struct mm_span first;
    struct mm_span second;
    bool has_first;
    bool has_second;
    uint64_t number;
    struct mm_span unique_id; /* in place of the number */
    uint64_t lines;
};

/* Every text of the engine: server_reply.c has the table. */
enum mm_pop3d_text {
    MM_POP3D_OK_PLAIN,
    MM_POP3D_OK_USER,
    MM_POP3D_OK_LOGIN,
    MM_POP3D_OK_CAPA,
    MM_POP3D_OK_MECHANISMS,
    MM_POP3D_OK_STLS,
    MM_POP3D_OK_UTF8,
    MM_POP3D_OK_LANGUAGE,
    MM_POP3D_OK_LANGUAGES,
    MM_POP3D_OK_LIST,
    MM_POP3D_OK_UIDL,
    MM_POP3D_OK_MESSAGE,
    MM_POP3D_OK_DELE,
    MM_POP3D_OK_DELI,
    MM_POP3D_OK_RSET,
    MM_POP3D_OK_SLEE,
    MM_POP3D_OK_WAKE,
    MM_POP3D_OK_CORE,
    MM_POP3D_OK_QAUT,
    MM_POP3D_OK_BYE,
    MM_POP3D_ERR_CONNECT,
    MM_POP3D_ERR_UNKNOWN,
    MM_POP3D_ERR_TOO_LONG,
    MM_POP3D_ERR_LINE_END,
    MM_POP3D_ERR_OCTETS,
    MM_POP3D_ERR_ARGUMENTS,
    MM_POP3D_ERR_NUMBER,
    MM_POP3D_ERR_UNIQUE_ID,
    MM_POP3D_ERR_ASLEEP,
    MM_POP3D_ERR_AWAKE,
    MM_POP3D_ERR_LOGIN_FIRST,
    MM_POP3D_ERR_LOGGED_IN,
    MM_POP3D_ERR_NEEDS_TLS,
    MM_POP3D_ERR_USER_FIRST,
    MM_POP3D_ERR_NO_APOP,
    MM_POP3D_ERR_MECHANISM,
    MM_POP3D_ERR_CANCELLED,
    MM_POP3D_ERR_BASE64,
    MM_POP3D_ERR_LANGUAGE,
    MM_POP3D_ERR_NO_STLS,
    MM_POP3D_ERR_IS_TLS,
    MM_POP3D_ERR_STLS_FAILED,
    MM_POP3D_ERR_EARLY_INPUT,
    MM_POP3D_ERR_LOGIN,
    MM_POP3D_ERR_MESSAGE,
    MM_POP3D_ERR_TEMPORARY,
    MM_POP3D_ERR_UPDATE,
    MM_POP3D_TEXT_COUNT
};

/* server_reply.c: each appends whole lines or, out of memory or room, nothing.
 * Room and memory are there when mm_pop3d_has_room said so. */
void mm_pop3d_write(struct mm_pop3d *pop3d, const struct mm_pop3_reply *reply,
                    enum mm_pop3d_text standard);
void mm_pop3d_say(struct mm_pop3d *pop3d, enum mm_pop3d_text id);
void mm_pop3d_write_greeting(struct mm_pop3d *pop3d,
                             const struct mm_pop3_reply *reply);
/* One line of a list, cleaned: the words joined by a blank. */
void mm_pop3d_write_line(struct mm_pop3d *pop3d, const char *word,
                         const char *rest);

/* server.c */
void mm_pop3d_set_state(struct mm_pop3d *pop3d, enum mm_pop3d_state state);
/* Makes sure of room and memory for one reply. Out of memory the conversation
 * is broken off; without room it waits. */
bool mm_pop3d_has_room(struct mm_pop3d *pop3d);
/* -ERR by the engine itself; too many in a row end the conversation. */
void mm_pop3d_refuse(struct mm_pop3d *pop3d, enum mm_pop3d_text id);
void mm_pop3d_count_error(struct mm_pop3d *pop3d);
void mm_pop3d_break_off(struct mm_pop3d *pop3d, const char *why);
/* Tells the tap what was written since the output had so many octets. */
void mm_pop3d_tell_output(const struct mm_pop3d *pop3d, size_t size);
bool mm_pop3d_has(const struct mm_pop3d *pop3d,
                  enum mm_pop3d_extension extension);
void mm_pop3d_raise(struct mm_pop3d *pop3d, enum mm_pop3d_event event);
/* Overwrites a password or its encoding wherever the engine has it. */
void mm_pop3d_wipe_secrets(struct mm_pop3d *pop3d);

/* server_verbs.c */
void mm_pop3d_take_command(struct mm_pop3d *pop3d, const struct mm_line *line);

/* server_login.c, server_mailbox.c and server_extensions.c: the pairs of the
 * verb table. A check changes nothing: MM_POP3D_OK_PLAIN lets the command pass,
 * anything else is its refusal. */
typedef enum mm_pop3d_text
mm_pop3d_check(const struct mm_pop3d *pop3d,
               const struct mm_pop3d_arguments *arguments);
typedef void mm_pop3d_do(struct mm_pop3d *pop3d,
                         const struct mm_pop3d_arguments *arguments);
mm_pop3d_check mm_pop3d_check_user;
mm_pop3d_do mm_pop3d_do_user;
mm_pop3d_check mm_pop3d_check_pass;
mm_pop3d_do mm_pop3d_do_pass;
mm_pop3d_check mm_pop3d_check_apop;
mm_pop3d_do mm_pop3d_do_apop;
mm_pop3d_check mm_pop3d_check_auth;
mm_pop3d_do mm_pop3d_do_auth;
mm_pop3d_check mm_pop3d_check_stls;
mm_pop3d_do mm_pop3d_do_stls;
mm_pop3d_do mm_pop3d_do_utf8;
mm_pop3d_check mm_pop3d_check_lang;
mm_pop3d_do mm_pop3d_do_lang;
mm_pop3d_do mm_pop3d_do_capa;
mm_pop3d_do mm_pop3d_do_stat;
mm_pop3d_do mm_pop3d_do_list;
mm_pop3d_do mm_pop3d_do_uidl;
mm_pop3d_do mm_pop3d_do_retr;
mm_pop3d_do mm_pop3d_do_top;
mm_pop3d_do mm_pop3d_do_dele;
mm_pop3d_do mm_pop3d_do_rset;
mm_pop3d_do mm_pop3d_do_noop;
mm_pop3d_do mm_pop3d_do_quit;
mm_pop3d_check mm_pop3d_check_xlog;
mm_pop3d_do mm_pop3d_do_xlog;
mm_pop3d_do mm_pop3d_do_deli;
mm_pop3d_do mm_pop3d_do_slee;
mm_pop3d_do mm_pop3d_do_wake;
mm_pop3d_do mm_pop3d_do_core;
mm_pop3d_do mm_pop3d_do_qaut;
/* May a password be shown now? OK_PLAIN, or the refusal. */
enum mm_pop3d_text mm_pop3d_check_password(const struct mm_pop3d *pop3d);
/* Their lines of CAPA. */
void mm_pop3d_write_extensions(struct mm_pop3d *pop3d);
/* server_mailbox.c: an event about one message, or about none. */
void mm_pop3d_raise_about(struct mm_pop3d *pop3d, enum mm_pop3d_event event,
                          const struct mm_pop3d_arguments *arguments);
/* LIST and UIDL: of one message, and not of all. */
bool mm_pop3d_is_about_one(const struct mm_pop3d_info *info);

/* server_own.c */
mm_pop3d_do mm_pop3d_do_own;
const struct mm_pop3d_verb *mm_pop3d_find_own(const struct mm_pop3d *pop3d,
                                              struct mm_span name);
/* Their lines of CAPA. */
void mm_pop3d_write_own(struct mm_pop3d *pop3d);

void mm_pop3d_take_response(struct mm_pop3d *pop3d, const struct mm_line *line);
/* server_body.c */
enum mm_pop3d_event mm_pop3d_flow(const struct mm_pop3d *pop3d);
bool mm_pop3d_is_unique_id(struct mm_span text);
/* "number size" or, with an identifier, "number unique-id". */
void mm_pop3d_write_figures(struct mm_pop3d *pop3d, const char *status,
                            uint64_t number, uint64_t size,
                            const char *unique_id);

#endif
