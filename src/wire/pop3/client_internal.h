/* thread: any (the caller's, one at a time)
 * client_internal.h - what the files of the POP3 client engine share.
 *
 * client.c: the machine; client_hello.c: greeting, CAPA, STLS; client_login.c:
 * the logins; client_mailbox.c: the commands behind them. */
#ifndef MM_WIRE_POP3_CLIENT_INTERNAL_H
#define MM_WIRE_POP3_CLIENT_INTERNAL_H

#include "base/limits.h"
#include "wire/dot.h"
#include "wire/line.h"
#include "wire/pop3/client.h"

/* One thing that is said to the server and answered by one reply. */
enum mm_pop3c_kind {
    MM_POP3C_STEP_GREETING, /* nothing is said */
    MM_POP3C_STEP_CAPA,
    MM_POP3C_STEP_STLS,
    MM_POP3C_STEP_AUTH, /* and each response to a challenge */
    MM_POP3C_STEP_APOP,
    MM_POP3C_STEP_USER,
    MM_POP3C_STEP_PASS,
    MM_POP3C_STEP_ASK,
    MM_POP3C_STEP_QUIT
};

struct mm_pop3c_step {
    enum mm_pop3c_kind kind;
    enum mm_pop3c_verb verb; /* ASK */
    uint64_t number;
    uint64_t lines;
};

/* Steps that wait for an answer, or to be sent. */
#define MM_POP3C_STEPS 64
/* Of a message, unstuffed, that the caller has not taken yet. */
#define MM_POP3C_BODY_MAX 16384
#define MM_POP3C_UNIQUE_ID_MAX 70 /* RFC 1939 7 */
#define MM_POP3C_STAMP_MAX 255    /* a greeting is a line of 512 at most */

/* The law of the machine. In TALKING steps are sent and answered in order; the
 * multi-line states CAPABILITIES, ROWS and BODY stand inside the answer of the
 * oldest step and end in TALKING; the AT_ states wait for the caller's call,
 * and only that call leaves them, or a failure. FAILED and CLOSED are final.
 * Nothing but a login leads to `is_logged_in`, and nothing leads back. */
enum mm_pop3c_state {
    MM_POP3C_IN_TALKING,
    MM_POP3C_IN_CAPABILITIES,
    MM_POP3C_IN_ROWS,
    MM_POP3C_IN_BODY,
    MM_POP3C_AT_TLS,
    MM_POP3C_AT_LOGIN,
    MM_POP3C_AT_CHALLENGE,
    MM_POP3C_AT_FAILED,
    MM_POP3C_AT_CLOSED
};

struct mm_pop3c {
    const struct mm_tap *tap;
    enum mm_pop3c_tls tls;
    bool allows_clear_auth;

    enum mm_pop3c_state state;
    bool is_last_told; /* FAILED or CLOSED has been told */
    enum mailmod_error error;
    enum mm_pop3c_phase failed_phase;
    bool has_reply; /* FAILED or CLOSED came by it */
    struct mm_pop3c_reply reply;

    struct mm_pop3c_step steps[MM_POP3C_STEPS]; /* a ring from `first` */
    size_t first;
    size_t count;
    size_t sent;         /* of those */
    const char *command; /* of the step OWN; NULL: there is none */

    struct mm_buf input;
    struct mm_buf output;
    struct mm_line_reader line;
    uint64_t row_count; /* of the list now read */

    struct mm_dot_reader dot;
    struct mm_buf body;
    bool is_body_whole;

    struct mm_pop3c_capabilities capabilities;
    char stamp[MM_POP3C_STAMP_MAX + 1]; /* "": the greeting had none */
    bool is_tls;
    bool is_tls_refused; /* MAY: the server said no to STLS */
    bool is_logged_in;
    unsigned tries_twice; /* and were not refused yet */
    unsigned tried;
    unsigned way; /* that is being tried */
    struct mm_buf challenge;
    struct mm_buf initial;  /* in base64: too long for AUTH's own line */
    struct mm_buf password; /* PASS, until USER is answered */
    bool has_secret;        /* the output holds credentials */
};

/* What a step's reply leads to: an event, or NEED_INPUT for none. */
typedef enum mm_pop3c_event mm_pop3c_take(struct mm_pop3c *pop3c,
                                          struct mm_pop3c_info *info);

/* client.c */
void mm_pop3c_fail(struct mm_pop3c *pop3c, enum mailmod_error error,
                   bool has_reply);
/* The same with QUIT, where the server reads commands. */
void mm_pop3c_part(struct mm_pop3c *pop3c, enum mailmod_error error,
                   bool has_reply);
/* The list becomes this one step. */
void mm_pop3c_do(struct mm_pop3c *pop3c, enum mm_pop3c_kind kind);
struct mm_pop3c_step *mm_pop3c_push(struct mm_pop3c *pop3c,
                                    enum mm_pop3c_kind kind);
/* Forgets the oldest step: its answer is whole. */
void mm_pop3c_answered(struct mm_pop3c *pop3c);
/* One line of the input; false when it is not there yet, or all is over. */
bool mm_pop3c_read_line(struct mm_pop3c *pop3c, struct mm_line *line_out);
/* Ends what was appended to the output: CRLF, told to the tap. */
enum mailmod_error mm_pop3c_end_command(struct mm_pop3c *pop3c, bool is_secret);

/* client_hello.c */
mm_pop3c_take mm_pop3c_take_greeting;
mm_pop3c_take mm_pop3c_take_capa;
mm_pop3c_take mm_pop3c_read_capabilities;
mm_pop3c_take mm_pop3c_take_stls;
/* After CAPA, TLS or a refused login: STLS or LOGIN, whichever is next. */
void mm_pop3c_go_on(struct mm_pop3c *pop3c);

/* client_login.c */
mm_pop3c_take mm_pop3c_take_auth;
mm_pop3c_take mm_pop3c_take_user;
mm_pop3c_take mm_pop3c_take_login; /* APOP and PASS */
unsigned mm_pop3c_ways(const struct mm_pop3c *pop3c);
/* The text behind "+ ": RFC 5034 4. */
void mm_pop3c_take_challenge(struct mm_pop3c *pop3c, struct mm_span text);

/* client_mailbox.c */
mm_pop3c_take mm_pop3c_take_answer;
mm_pop3c_take mm_pop3c_read_row;
mm_pop3c_take mm_pop3c_read_body;
void mm_pop3c_write_ask(struct mm_pop3c *pop3c,
                        const struct mm_pop3c_step *step);

#endif
