/* thread: loop
 * delivery_internal.h - the state of a delivery, and who calls whom: delivery.c
 * (the way) calls hop.c (the connection), that calls dialogue.c (what is said
 * over it), that calls dialogue_login.c (the login) and transaction.c (one
 * message), and all call attempt.c. */
#ifndef MM_CLIENT_DELIVERY_INTERNAL_H
#define MM_CLIENT_DELIVERY_INTERNAL_H

#include "client/delivery.h"
#include "client/dialler.h"
#include "client/host_table.h"
#include "client/login.h"
#include "client/outcome.h"
#include "client/route.h"

/* Law: ROUTING <-> (WAITING ->) DIALLING <-> TALKING, hop by hop; WAITING for a
 * place at the host ends in DIALLING, or in TALKING over the connection of
 * another delivery that was IDLE; TALKING <-> IDLE, message by message; LEAVING
 * when a connection is being closed, and from it on as `after` says; GONE is
 * final. */
enum mm_delivery_stage {
    MM_DELIVERY_NEW,
    MM_DELIVERY_ROUTING,
    MM_DELIVERY_WAITING,
    MM_DELIVERY_DIALLING,
    MM_DELIVERY_TALKING,
    MM_DELIVERY_IDLE,
    MM_DELIVERY_LEAVING,
    MM_DELIVERY_GONE
};

/* What follows when the connection is closed. */
enum mm_delivery_after {
    MM_AFTER_GONE,
    MM_AFTER_NEXT_HOP,
    MM_AFTER_AGAIN,      /* the same hop when the host has room */
    MM_AFTER_UNVERIFIED, /* the same hop, the certificate not looked at */
    MM_AFTER_PLAIN,      /* the same hop without TLS */
    MM_AFTER_RESTART     /* the route anew: a kept connection was dead already,
                            has carried as much as its host allows, or is not
                            the host's that may have the mail */
};

/* What protects this hop, where TLS is only "may": it never falls below what
 * could be had (RFC 7435 3). */
enum mm_delivery_tls { MM_TLS_AS_SET, MM_TLS_UNVERIFIED, MM_TLS_NONE };

enum mm_delivery_work {
    MM_WORK_NONE,
    MM_WORK_HEADER, /* reads the header block: does it need SMTPUTF8? */
    MM_WORK_LINES,  /* reads it all: has it lines that are too long? */
    MM_WORK_CHUNK,
    MM_WORK_LOGIN,
    MM_WORK_ASK,     /* the owner, about the message at this host */
    MM_WORK_ASK_TLS, /* and about its certificate, the connection being gone */
    MM_WORK_TOKEN    /* asked of who gives tokens, not of a worker */
};

/* Of an attempt: a token may be refused once, then a new one is asked for. */
enum mm_delivery_token {
    MM_TOKEN_FIRST,
    MM_TOKEN_REFUSED,
    MM_TOKEN_REFUSED_AND_CLOSED /* the host broke off before the new one */
};

enum mm_line_form { MM_LINES_UNKNOWN, MM_LINES_SHORT, MM_LINES_LONG };
enum mm_header_form { MM_HEADER_UNKNOWN, MM_HEADER_ASCII, MM_HEADER_8BIT };

/* Of one recipient. */
enum mm_recipient_progress {
    MM_PROGRESS_OPEN,     /* no final word */
    MM_PROGRESS_ACCEPTED, /* RCPT 2xx, waits for the message's reply */
    MM_PROGRESS_FULL,     /* RCPT 452: for the next transaction */
    MM_PROGRESS_PUT_OFF,  /* 4xx: for the next host */
    MM_PROGRESS_FINAL
};

struct mm_delivery {
    struct mm_delivery_options options;
    struct mm_outbound_settings *settings;
    const struct mm_config *config;
    char destination[MM_STORE_DESTINATION_MAX];
    enum mm_delivery_stage stage;
    enum mm_delivery_after after;
    bool is_decided; /* `after` holds already, whatever ends the dialogue */
    bool quits;      /* no further message */
    struct mm_task gone_task;
    /* What the way lent to the hop. A message is settled, and the connection
     * stands; the connection is gone, and the job done: what `after` says. */
    void (*on_rest)(struct mm_delivery *delivery);
    void (*on_left)(struct mm_delivery *delivery);

    /* the batch */
    struct mq_batch *batch;
    struct mq_outcome *outcomes;
    uint8_t *progress; /* enum mm_recipient_progress */
    struct mm_smtpc_recipient *envelope;
    size_t *envelope_index; /* place in the batch of each in the envelope */
    size_t envelope_count;
    enum mm_header_form header;
    enum mm_line_form lines;
    unsigned refusing_hosts; /* that put some of it off, in this attempt */

    /* the way */
    struct mm_route *route;
    struct mm_route_hop hop;
    struct mq_outcome failure; /* of the last hop */
    bool has_failure;
    enum mm_delivery_tls tls; /* of this hop */
    bool is_reused;           /* this message came over a kept connection */
    bool has_answer;          /* the peer answered something in this message */
    bool is_session_over;     /* the host wants another connection */

    /* the connection */
    struct mm_place place;
    uint64_t moved_ms;         /* when the attempt came on last */
    struct mm_dialler dialler; /* DIALLING: `conn` comes of it */
    struct mm_conn *conn;
    struct mm_smtpc *engine;
    struct mm_tap tap; /* the engine's */
    struct mm_timer timer;
    enum mm_smtpc_phase timed_phase;
    bool is_timed;
    bool in_handshake;
    bool is_pumping;
    struct mm_login login;
    enum mm_delivery_token token;
    struct mm_token_question question;
    unsigned bearers;      /* mechanisms to show its answer by */
    uint64_t number;       /* of this connection, for logs and news */
    unsigned transactions; /* over this connection */
    /* RFC 9422: hashes of the domains that its recipients had, while the host
     * tells a limit of them. */
    uint64_t domains[MM_LIMIT_SESSION_DOMAINS];
    unsigned domain_count;
    char tls_text[24];  /* as mq_outcome has it */
    bool has_no_chunks; /* the attempt met a host that cannot do BDAT */

    /* the worker and the body */
    struct mm_job job;
    enum mm_delivery_work work;
    uint64_t work_message_id;
    struct mm_buf chunk;
    enum mailmod_error chunk_error;
    unsigned chunk_number;
    uint64_t octets_sent;
    struct mm_delivery_question asked; /* of the owner, the last time */
    enum mm_delivery_answer answer;    /* his */
    bool is_missing_asked;             /* about this message at this host */
    bool is_time_asked;
    bool is_forbidden; /* to send it there */
    bool encodes;      /* the message goes through the encoder */
    struct mm_encoder *encoder;
};

/* hop.c */
void mm_hop_init(struct mm_delivery *delivery);
/* To the hop's address; on an error there is no connection, and the place is
 * given back. */
MM_CHECK enum mailmod_error mm_hop_dial(struct mm_delivery *delivery);
/* The connection of `from` carries on for `to`. */
void mm_hop_take_over(struct mm_delivery *to, struct mm_delivery *from);
/* All that can be said now; then the connection may be at rest. */
void mm_hop_pump(struct mm_delivery *delivery);

/* dialogue.c */
/* True: the message is settled, the connection is idle now. */
bool mm_dialogue_pump(struct mm_delivery *delivery);
enum mailmod_error mm_dialogue_open(struct mm_delivery *delivery);
/* The delivery hears an engine that it took over. */
void mm_dialogue_listen(struct mm_delivery *delivery);
void mm_dialogue_work_done(struct mm_delivery *delivery,
                           enum mm_delivery_work work);
/* The connection was lost, or a time is over: what it means depends on how far
 * the message had come. */
void mm_dialogue_lost(struct mm_delivery *delivery, enum mailmod_error error,
                      const char *status, const char *text);

/* Nobody waits for the host any more: what it may have taken is told so. */
void mm_dialogue_cut(struct mm_delivery *delivery);

/* Ends the conversation for a reason of ours; the mail is not at fault. */
void mm_dialogue_break_off(struct mm_delivery *delivery,
                           enum mailmod_error error, const char *status,
                           const char *text, bool is_down);

/* dialogue_login.c */
/* The engine's events; true: go on with the next one. */
bool mm_dialogue_on_auth(struct mm_delivery *delivery,
                         const struct mm_smtpc_info *info);
bool mm_dialogue_on_challenge(struct mm_delivery *delivery,
                              const struct mm_smtpc_info *info);
bool mm_dialogue_on_auth_done(struct mm_delivery *delivery,
                              const struct mm_smtpc_info *info);
/* No login was even begun: why. */
void mm_dialogue_fail_without_login(struct mm_delivery *delivery);
/* The question for a token is answered. */
void mm_dialogue_token_given(struct mm_delivery *delivery);
void mm_dialogue_no_token(struct mm_delivery *delivery,
                          enum mailmod_error error, const char *text);

/* transaction.c */
/* A host's reply becomes the outcome of recipient `i`. */
void mm_transaction_take_reply(struct mm_delivery *delivery, size_t i,
                               const struct mm_reply_in *reply);
/* Where what this host put off goes to. */
enum mm_delivery_after mm_transaction_after(struct mm_delivery *delivery);
void mm_transaction_judge_header(struct mm_delivery *delivery);
/* The owner has answered about the message. */
void mm_transaction_take_answer(struct mm_delivery *delivery);
/* The engine's events; true: go on with the next one. */
bool mm_transaction_on_need_message(struct mm_delivery *delivery);
bool mm_transaction_on_mail_reply(struct mm_delivery *delivery,
                                  const struct mm_smtpc_info *info);
bool mm_transaction_on_rcpt_reply(struct mm_delivery *delivery,
                                  const struct mm_smtpc_info *info);
bool mm_transaction_on_etrn_reply(struct mm_delivery *delivery,
                                  const struct mm_smtpc_info *info);
bool mm_transaction_on_message_done(struct mm_delivery *delivery,
                                    const struct mm_smtpc_info *info);

/* body.c */
/* The body from its first octet on; `encodes`: made 7-bit on its way. */
enum mailmod_error mm_body_begin(struct mm_delivery *delivery, bool encodes);
/* Octets in front of what is stored. */
size_t mm_body_fields_size(const struct mm_delivery *delivery);
/* thread: worker. Reads the whole message for lines that are too long. */
void mm_body_measure(struct mm_delivery *delivery);
bool mm_body_on_need(struct mm_delivery *delivery);
void mm_body_fini(struct mm_delivery *delivery);

/* hop.c */
void mm_hop_read_chunk(struct mm_delivery *delivery);

/* attempt.c */
/* Another message, or another host: the owner is asked anew. */
void mm_delivery_forget_answers(struct mm_delivery *delivery);
bool mm_delivery_take_batch(struct mm_delivery *delivery,
                            struct mq_batch *batch);
void mm_delivery_drop_batch(struct mm_delivery *delivery);
/* As if nothing had been said; but not who is served. */
void mm_delivery_hand_back_untried(struct mm_delivery *delivery);
/* No other host would help. Cut, so that half a body gets no end. */
void mm_delivery_break_batch(struct mm_delivery *delivery,
                             enum mailmod_error error, const char *status,
                             const char *text);

/* Closes; `is_polite`: what is owed goes out first. */
void mm_delivery_leave(struct mm_delivery *delivery,
                       enum mm_delivery_after after, bool is_polite);
void mm_delivery_fail_host(struct mm_delivery *delivery,
                           enum mailmod_error error, const char *status,
                           const char *text, bool is_down);
/* Gives all recipients of whom no host spoke this outcome; all are final. */
void mm_delivery_conclude(struct mm_delivery *delivery,
                          const struct mq_outcome *outcome);
/* The batch goes back to the host with its outcomes. */
void mm_delivery_hand_back(struct mm_delivery *delivery);
enum mailmod_error mm_delivery_start_work(struct mm_delivery *delivery,
                                          enum mm_delivery_work work);
/* Asks for a token; `question.done` follows, unless it is dropped. */
enum mailmod_error mm_delivery_ask_token(struct mm_delivery *delivery);
void mm_delivery_drop_token(struct mm_delivery *delivery);
/* Recipients at this step. */
size_t mm_delivery_count(const struct mm_delivery *delivery,
                         enum mm_recipient_progress progress);
/* Who may have the batch's mail since an earlier attempt; "" nobody. */
const char *mm_delivery_unsure_host(const struct mm_delivery *delivery);
/* BDAT where it is offered; not for some hours to a host that failed at it. */
bool mm_delivery_may_chunk(const struct mm_delivery *delivery);
void mm_delivery_pause_chunks(struct mm_delivery *delivery);
/* A user and a password are to be sent. */
bool mm_delivery_wants_login(const struct mm_delivery *delivery);
enum mm_config_tls_policy
mm_delivery_tls_policy(const struct mm_delivery *delivery);
enum mailmod_error mm_delivery_start_tls(struct mm_delivery *delivery);
bool mm_delivery_is_verified(const struct mm_delivery *delivery);
/* Where to go when TLS could not be had, for this reason. */
enum mm_delivery_after
mm_delivery_weaken_tls(const struct mm_delivery *delivery,
                       enum mailmod_error reason);
/* Tells who listens what the host said of the batch. */
void mm_delivery_tell_reply(const struct mm_delivery *delivery,
                            enum mm_delivery_reply part, size_t recipient,
                            const struct mm_reply_in *reply);
/* Tells how far the attempt has come. */
void mm_delivery_note(struct mm_delivery *delivery,
                      enum mailmod_progress progress);

#endif
