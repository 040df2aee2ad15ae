/* thread: any (the caller's, one at a time)
 * server_internal.h - what the files of the SMTP server engine share: the
 * state, the request that is being looked at, and the verbs' two halves.
 *
 * A verb has a check, which is pure: it reads the argument into the request
 * and returns the reply that refuses it, or NULL; and an act, which changes
 * the state and raises the event. Sequencing stands in the verb table of
 * server_command.c and nowhere else. */
#ifndef MM_WIRE_SMTP_SERVER_INTERNAL_H
#define MM_WIRE_SMTP_SERVER_INTERNAL_H

#include "wire/dot.h"
#include "wire/line.h"
#include "wire/smtp/server.h"

/* The law of the machine. A conversation goes GREETING, HELLO, READY, MAIL,
 * RCPT, then DATA or CHUNK with BDAT between chunks, and back to READY; each
 * way out of a transaction is mm_smtpd_forget(), which forgets all of it.
 * DATA, CHUNK and AUTH read something else than commands, and only the end of
 * what they read leaves them. TLS reads nothing: an octet there is an attack.
 * CLOSED is final. */
enum mm_smtpd_state {
    MM_SMTPD_AT_GREETING, /* CONNECT is not answered yet */
    MM_SMTPD_AT_REFUSED,  /* greeted with 4xx or 5xx: RFC 5321 3.1 */
    MM_SMTPD_AT_HELLO,    /* no HELO yet, or none since TLS began */
    MM_SMTPD_AT_READY,
    MM_SMTPD_AT_MAIL,  /* a sender, no recipient */
    MM_SMTPD_AT_RCPT,  /* a recipient or more */
    MM_SMTPD_AT_DATA,  /* reading up to the dot */
    MM_SMTPD_AT_BDAT,  /* between two chunks */
    MM_SMTPD_AT_CHUNK, /* reading a chunk's octets */
    MM_SMTPD_AT_AUTH,  /* 334 was said */
    MM_SMTPD_AT_TLS,   /* 220 to STARTTLS was said */
    MM_SMTPD_AT_CLOSED,
    MM_SMTPD_STATE_COUNT
};

/* The biggest reply a command can cause, and a 421 after it: with less room
 * in the output nothing more is consumed. */
#define MM_SMTPD_REPLY_ROOM (MM_LIMIT_REPLY + 1024)

/* One command, taken apart by its check. */
struct mm_smtpd_request {
    struct mm_span name; /* HELO, EHLO */
    bool is_extended;
    const struct mm_smtpd_verb *own_verb;
    struct mm_span argument;        /* of it */
    char node[MM_LIMIT_DOMAIN + 1]; /* ETRN */
    bool has_subdomains;
    struct mm_address path; /* MAIL, RCPT */
    struct mm_mail_parameters mail;
    struct mm_rcpt_parameters rcpt;
    uint64_t chunk_size; /* BDAT */
    bool is_last;
    enum mm_sasl_mechanism mechanism; /* AUTH */
    bool has_initial;
    struct mm_span initial; /* still in base64 */
};

/* The body of one message, in DATA or in chunks. */
struct mm_smtpd_body {
    struct mm_dot_reader dot;
    uint64_t size;           /* octets given in BODY */
    uint64_t announced_size; /* chunks: sum of their sizes */
    bool has_8bit;
    bool is_refused;          /* the rest is thrown away */
    enum mm_reply_id refusal; /* why, unless `held` says it already */
};

struct mm_smtpd_binary; /* server_binary.c's */

struct mm_smtpd {
    struct mm_smtpd_options options;
    const struct mm_smtpd_verb *own_verbs;
    size_t own_verb_count;
    enum mm_smtpd_state state;
    enum mm_smtpd_event pending;
    enum mm_smtpd_event next_pending; /* raised once `pending` is settled */
    struct mm_smtpd_info info;
    enum mailmod_error error; /* of the answer being settled */
    struct mm_line_reader line;
    struct mm_buf input;
    struct mm_buf output;

    bool is_tls;
    bool is_authenticated;
    unsigned error_count;   /* refused commands since the last message */
    unsigned refused_count; /* recipients, likewise */
    unsigned empty_count;   /* commands in a row that do nothing */
    uint64_t progress;
    uint64_t progress_octets; /* of the body, towards the next step */

    struct mm_smtpd_request request;
    struct mm_buf secret; /* decoded credentials; wiped when answered */

    bool has_transaction; /* MAIL was accepted; recipients, body: its own */
    bool is_smtputf8;
    bool is_binary;                 /* BODY=BINARYMIME */
    struct mm_smtpd_binary *binary; /* NULL before the first such body */
    unsigned recipient_count;
    struct mm_smtpd_body body;
    unsigned small_chunk_count;
    uint64_t chunk_left;
    bool is_chunk_last;
    enum mm_smtpd_state state_before_chunk;
    uint64_t discarded; /* octets of the refused body or chunk */
    struct mm_buf held; /* the reply that is owed after the octets */
    int held_code;
};

typedef const struct mm_reply *mm_smtpd_check(const struct mm_smtpd *smtpd,
                                              struct mm_span argument,
                                              struct mm_smtpd_request *request);
typedef void mm_smtpd_act(struct mm_smtpd *smtpd);
typedef void mm_smtpd_settle(struct mm_smtpd *smtpd,
                             const struct mm_reply *reply);

/* server.c */
void mm_smtpd_set_state(struct mm_smtpd *smtpd, enum mm_smtpd_state state);
void mm_smtpd_raise(struct mm_smtpd *smtpd, enum mm_smtpd_event event);
bool mm_smtpd_is_accepted(const struct mm_reply *reply);
/* Writes a reply and counts it when it refuses; at errors_max 421 follows. */
void mm_smtpd_say(struct mm_smtpd *smtpd, const struct mm_reply *reply);
/* One that is no error of the peer's. */
void mm_smtpd_say_uncounted(struct mm_smtpd *smtpd,
                            const struct mm_reply *reply);
void mm_smtpd_say_id(struct mm_smtpd *smtpd, enum mm_reply_id id);
void mm_smtpd_count_refusal(struct mm_smtpd *smtpd, int code);
/* The same without the enhanced code (RFC 2034 4: greeting, HELO, EHLO). */
void mm_smtpd_say_bare(struct mm_smtpd *smtpd, const struct mm_reply *reply);
/* Ends the conversation from inside: 421, then BROKEN. */
void mm_smtpd_break(struct mm_smtpd *smtpd, enum mm_reply_id id,
                    const char *why);
void mm_smtpd_consume(struct mm_smtpd *smtpd, size_t size);
/* Tells the tap what was written since the output had so many octets. */
void mm_smtpd_tell_output(const struct mm_smtpd *smtpd, size_t size);
/* Forgets the transaction; true when there was one. */
bool mm_smtpd_forget(struct mm_smtpd *smtpd);
/* Forgets it and tells the session by RESET. The state becomes READY. */
void mm_smtpd_abandon(struct mm_smtpd *smtpd);

/* server_command.c */
bool mm_smtpd_step_line(struct mm_smtpd *smtpd);

/* server_hello.c */
mm_smtpd_check mm_smtpd_check_helo;
mm_smtpd_check mm_smtpd_check_ehlo;
mm_smtpd_act mm_smtpd_do_hello;
mm_smtpd_settle mm_smtpd_settle_connect;
mm_smtpd_settle mm_smtpd_settle_hello;

/* server_tls.c */
mm_smtpd_check mm_smtpd_check_starttls;
mm_smtpd_act mm_smtpd_do_starttls;
mm_smtpd_settle mm_smtpd_settle_starttls;

/* server_etrn.c */
mm_smtpd_check mm_smtpd_check_etrn;
mm_smtpd_act mm_smtpd_do_etrn;
mm_smtpd_settle mm_smtpd_settle_etrn;

/* server_auth.c */
mm_smtpd_check mm_smtpd_check_auth;
mm_smtpd_act mm_smtpd_do_auth;
mm_smtpd_settle mm_smtpd_settle_auth;
unsigned mm_smtpd_mechanisms(const struct mm_smtpd *smtpd);
void mm_smtpd_auth_line(struct mm_smtpd *smtpd, struct mm_span text,
                        const struct mm_reply *refusal);
void mm_smtpd_wipe_secrets(struct mm_smtpd *smtpd);

/* server_mail.c */
mm_smtpd_check mm_smtpd_check_mail;
mm_smtpd_act mm_smtpd_do_mail;
mm_smtpd_settle mm_smtpd_settle_mail;

/* server_rcpt.c */
mm_smtpd_check mm_smtpd_check_rcpt;
mm_smtpd_act mm_smtpd_do_rcpt;
mm_smtpd_settle mm_smtpd_settle_rcpt;
mm_smtpd_settle mm_smtpd_refuse_rcpt;

/* server_data.c */
mm_smtpd_check mm_smtpd_check_data;
mm_smtpd_act mm_smtpd_do_data;
mm_smtpd_settle mm_smtpd_settle_data;
bool mm_smtpd_step_data(struct mm_smtpd *smtpd);

/* server_bdat.c */
mm_smtpd_check mm_smtpd_check_bdat;
mm_smtpd_act mm_smtpd_do_bdat;
/* Refuses a chunk after its octets; `argument` is BDAT's. */
void mm_smtpd_refuse_bdat(struct mm_smtpd *smtpd, struct mm_span argument,
                          const struct mm_reply *reply);
void mm_smtpd_settle_chunk(struct mm_smtpd *smtpd,
                           const struct mm_reply *reply);
bool mm_smtpd_step_chunk(struct mm_smtpd *smtpd);

/* server_binary.c */
/* A body of binary parts begins; false: the conversation is broken. */
bool mm_smtpd_binary_begin(struct mm_smtpd *smtpd);
/* Octets that are taken. */
size_t mm_smtpd_binary_write(struct mm_smtpd *smtpd, struct mm_span octets);
void mm_smtpd_binary_finish(struct mm_smtpd *smtpd); /* once; then nothing */
/* Gives the next of what was converted; false: there is none. */
bool mm_smtpd_binary_give(struct mm_smtpd *smtpd);
void mm_smtpd_binary_free(struct mm_smtpd *smtpd);

/* server_body.c */
void mm_smtpd_body_begin(struct mm_smtpd *smtpd, bool has_dots);
void mm_smtpd_body_octets(struct mm_smtpd *smtpd, struct mm_span run);
void mm_smtpd_body_refuse(struct mm_smtpd *smtpd, enum mm_reply_id id);
void mm_smtpd_body_check(struct mm_smtpd *smtpd);
void mm_smtpd_body_end(struct mm_smtpd *smtpd);
void mm_smtpd_body_progress(struct mm_smtpd *smtpd, size_t size);
/* Counts octets that are thrown away; past discard_max it breaks. */
uint64_t mm_smtpd_discard_max(const struct mm_smtpd *smtpd);
void mm_smtpd_discard(struct mm_smtpd *smtpd, uint64_t size);
void mm_smtpd_hold(struct mm_smtpd *smtpd, const struct mm_reply *reply);
void mm_smtpd_say_held(struct mm_smtpd *smtpd);
mm_smtpd_settle mm_smtpd_settle_body;
mm_smtpd_settle mm_smtpd_settle_end;

/* server_misc.c */
mm_smtpd_check mm_smtpd_check_noop;
mm_smtpd_check mm_smtpd_check_nothing;
mm_smtpd_check mm_smtpd_check_vrfy;
mm_smtpd_check mm_smtpd_check_not_implemented;
mm_smtpd_act mm_smtpd_do_rset;
mm_smtpd_act mm_smtpd_do_noop;
mm_smtpd_act mm_smtpd_do_vrfy;
mm_smtpd_act mm_smtpd_do_help;
mm_smtpd_act mm_smtpd_do_quit;
mm_smtpd_settle mm_smtpd_settle_reset;

/* server_own.c */
mm_smtpd_check mm_smtpd_check_own;
mm_smtpd_act mm_smtpd_do_own;
mm_smtpd_settle mm_smtpd_settle_own;
const struct mm_smtpd_verb *mm_smtpd_find_own(const struct mm_smtpd *smtpd,
                                              struct mm_span name);
void mm_smtpd_list_own(const struct mm_smtpd *smtpd, struct mm_buf *text);

#endif
