/* thread: any (the caller's, one at a time)
 * client_internal.h - what the files of the SMTP client engine share: the
 * list of steps with its two cursors, and what each step does. */
#ifndef MM_WIRE_SMTP_CLIENT_INTERNAL_H
#define MM_WIRE_SMTP_CLIENT_INTERNAL_H

#include "wire/dot.h"
#include "wire/smtp/client.h"

/* One thing that is said to the server and answered by one reply. */
enum mm_smtpc_kind {
    MM_SMTPC_STEP_GREETING, /* nothing is said */
    MM_SMTPC_STEP_EHLO,
    MM_SMTPC_STEP_HELO,
    MM_SMTPC_STEP_STARTTLS,
    MM_SMTPC_STEP_AUTH, /* and each response to a challenge */
    MM_SMTPC_STEP_RSET,
    MM_SMTPC_STEP_MAIL,
    MM_SMTPC_STEP_RCPT,
    MM_SMTPC_STEP_DATA,
    MM_SMTPC_STEP_END,  /* the body and its dot */
    MM_SMTPC_STEP_BDAT, /* the command and what is in `chunk` */
    MM_SMTPC_STEP_XUSR,
    MM_SMTPC_STEP_ETRN,
    MM_SMTPC_STEP_COMMAND, /* an own verb */
    MM_SMTPC_STEP_QUIT,
    MM_SMTPC_STEP_COUNT
};

struct mm_smtpc_step {
    enum mm_smtpc_kind kind;
    size_t recipient; /* RCPT; BDAT: MM_SMTPC_LAST or 0 */
};
#define MM_SMTPC_LAST 1

/* A BDAT has no more octets but the last CRLF, which is what the output has
 * room for besides others. A message that fits in one goes behind its envelope
 * without a wait. */
#define MM_SMTPC_CHUNK_MAX 65536

/* The law of the machine. In TALKING steps are sent and answered in order,
 * answered <= sent <= count; the AT_ states wait for the caller's call, and
 * only that call leaves them, or a failure; but in BODY by BDAT steps go on as
 * in TALKING, and a refusal leads back there. FAILED and CLOSED are final. */
enum mm_smtpc_state {
    MM_SMTPC_AT_TALKING,
    MM_SMTPC_AT_TLS,
    MM_SMTPC_AT_AUTH,
    MM_SMTPC_AT_CHALLENGE,
    MM_SMTPC_AT_IDLE,
    MM_SMTPC_AT_BODY,
    MM_SMTPC_AT_FAILED,
    MM_SMTPC_AT_CLOSED
};

struct mm_smtpc {
    const struct mm_tap *tap;
    char *host_name;
    enum mm_smtpc_tls tls;
    unsigned mechanisms;  /* that are wanted */
    unsigned tries_twice; /* and were not refused yet */
    bool allows_clear_auth;

    enum mm_smtpc_state state;
    bool is_last_told; /* FAILED or CLOSED has been told */
    enum mailmod_error error;
    enum mm_smtpc_phase failed_phase;
    bool has_failed_reply;

    struct mm_smtpc_step *steps;
    size_t step_capacity;
    size_t count;
    size_t sent;
    size_t answered;
    unsigned list_number; /* rises with each new list */

    struct mm_buf input;
    struct mm_buf output;
    struct mm_reply_parser parser;
    bool is_reply_told; /* the parser's reply may be dropped */

    struct mm_smtpc_extensions extensions;
    bool is_tls;
    bool is_tls_refused; /* MAY: the server said no to STARTTLS */
    bool is_authenticated;
    unsigned tried_mechanisms;
    enum mm_sasl_mechanism mechanism;
    struct mm_buf challenge;
    struct mm_buf initial; /* in base64: too long for AUTH's own line */
    bool has_secret;       /* the output holds credentials */

    bool is_submission; /* XUSR is still to be said */
    const char *etrn_name;
    const char *command;
    bool keeps_hello;
    struct mm_buf hello;

    bool in_message;
    struct mm_smtpc_message message;
    bool is_mail_refused;
    size_t rcpt_answered;
    size_t rcpt_accepted;
    bool is_settled;         /* by `kept` */
    struct mm_reply_in kept; /* outlives the replies that come after it */
    bool is_body_sent;
    uint64_t told_octets; /* of the body now sent */
    bool needs_reset;     /* the server still holds a transaction */
    struct mm_dot_writer dot;
    bool may_chunk;           /* as the options say */
    bool is_chunking;         /* this message goes by BDAT */
    bool is_body_ended;       /* by the caller */
    bool is_chunking_refused; /* BDAT is not known, though it was offered */
    struct mm_buf chunk;      /* of the body, for the next BDAT */
};

/* What a step's reply leads to: an event, or NEED_INPUT for none. */
typedef enum mm_smtpc_event mm_smtpc_take(struct mm_smtpc *smtpc,
                                          const struct mm_reply_in *reply,
                                          struct mm_smtpc_info *info);

/* client.c */
void mm_smtpc_fail(struct mm_smtpc *smtpc, enum mailmod_error error,
                   bool has_reply);
/* The same with QUIT, where the server reads commands: RFC 5321 4.1.1.10. */
void mm_smtpc_part(struct mm_smtpc *smtpc, enum mailmod_error error,
                   bool has_reply);
void mm_smtpc_clear_steps(struct mm_smtpc *smtpc);
bool mm_smtpc_push(struct mm_smtpc *smtpc, enum mm_smtpc_kind kind,
                   size_t recipient);
/* The list becomes this one step. */
void mm_smtpc_do(struct mm_smtpc *smtpc, enum mm_smtpc_kind kind);

/* client_steps.c */
extern const enum mm_smtpc_phase mm_smtpc_phases[MM_SMTPC_STEP_COUNT];
void mm_smtpc_write_steps(struct mm_smtpc *smtpc);
/* Tells the tap the command that ends the output. */
void mm_smtpc_tell(const struct mm_smtpc *smtpc, bool is_secret);

/* client_hello.c */
mm_smtpc_take mm_smtpc_take_greeting;
mm_smtpc_take mm_smtpc_take_ehlo;
mm_smtpc_take mm_smtpc_take_helo;
mm_smtpc_take mm_smtpc_take_starttls;
mm_smtpc_take mm_smtpc_take_xusr;
/* After a hello or a login: STARTTLS, AUTH or idle, whichever is next. */
void mm_smtpc_go_on(struct mm_smtpc *smtpc);

/* client_auth.c */
mm_smtpc_take mm_smtpc_take_auth;
unsigned mm_smtpc_mechanisms(const struct mm_smtpc *smtpc);
void mm_smtpc_wipe(struct mm_buf *buf);

/* client_message.c */
mm_smtpc_take mm_smtpc_take_rset;
mm_smtpc_take mm_smtpc_take_etrn;
/* Outside of a message: RSET where it is due, and this step. */
MM_CHECK enum mailmod_error mm_smtpc_ask(struct mm_smtpc *smtpc,
                                         enum mm_smtpc_kind kind);

/* client_own.c */
mm_smtpc_take mm_smtpc_take_command;
mm_smtpc_take mm_smtpc_take_mail;
mm_smtpc_take mm_smtpc_take_rcpt;
mm_smtpc_take mm_smtpc_take_data;
mm_smtpc_take mm_smtpc_take_end;

/* client_chunks.c */
mm_smtpc_take mm_smtpc_take_bdat;
/* Shall the message go by BDAT, and without a wait for its envelope? */
void mm_smtpc_choose_chunks(struct mm_smtpc *smtpc, bool *is_early_out);
size_t mm_smtpc_chunk_body(struct mm_smtpc *smtpc, const char *bytes,
                           size_t size);
enum mailmod_error mm_smtpc_chunk_end(struct mm_smtpc *smtpc);
/* The command and its octets, into the output. */
void mm_smtpc_write_chunk(struct mm_smtpc *smtpc, bool is_last);
/* The caller may give more of the body. */
bool mm_smtpc_has_chunk_room(const struct mm_smtpc *smtpc);

/* client_message.c */
/* The reply that settles the message; others may come behind it. */
void mm_smtpc_keep(struct mm_smtpc *smtpc);
/* What was not sent yet will not be; what was is still answered. */
void mm_smtpc_drop_unsent(struct mm_smtpc *smtpc);
/* Neither success nor refusal: the two sides do not mean the same step. */
bool mm_smtpc_is_out_of_step(struct mm_smtpc *smtpc,
                             const struct mm_reply_in *reply);
/* Refused in the middle of the body: MESSAGE_DONE, then CLOSED. */
enum mm_smtpc_event mm_smtpc_break_body(struct mm_smtpc *smtpc,
                                        struct mm_smtpc_info *info);
/* All is answered: MESSAGE_DONE. */
enum mm_smtpc_event mm_smtpc_finish(struct mm_smtpc *smtpc,
                                    struct mm_smtpc_info *info);

#endif
