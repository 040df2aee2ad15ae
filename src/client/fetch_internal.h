/* thread: loop
 * fetch_internal.h - the state of a visit, and who calls whom: fetch_session.c
 * (the way there, and the end) calls fetch_dialogue.c (what is said), that
 * calls fetch_message.c (one message on its way into the store), and that
 * fetch_envelope.c (who gets it). */
#ifndef MM_CLIENT_FETCH_INTERNAL_H
#define MM_CLIENT_FETCH_INTERNAL_H

#include "client/dialler.h"
#include "client/fetch_plan.h"
#include "client/fetch_session.h"
#include "client/host_addresses.h"
#include "client/login.h"
#include "post/call.h"
#include "post/deposit.h"
#include "post/news.h"
#include "post/resolve.h"
#include "wire/msg/field.h"

/* Law: LOADING -> RESOLVING -> DIALLING (again for each address) -> TALKING ->
 * LEAVING -> WRITING -> GONE; any of them may fall to LEAVING where there is a
 * connection, and to WRITING where there is none. */
enum mm_fetch_stage {
    MM_FETCH_LOADING,
    MM_FETCH_RESOLVING,
    MM_FETCH_DIALLING,
    MM_FETCH_TALKING,
    MM_FETCH_LEAVING,
    MM_FETCH_WRITING,
    MM_FETCH_GONE
};

enum mm_fetch_work {
    MM_FETCH_NO_WORK,
    MM_FETCH_LOAD,
    MM_FETCH_LOGIN,
    MM_FETCH_TOKEN /* the host gives one */
};

/* The message that is being read. */
struct mm_fetch_incoming {
    struct mm_fetch_item *item; /* NULL: none */
    bool is_top;                /* its header alone */
    struct mm_deposit *deposit; /* NULL with is_top */
    struct mm_sha256_stream hash;
    struct mm_sha256_stream header; /* up to the empty line */
    unsigned header_state;          /* how much of CRLF CRLF was seen */
    uint64_t octets;
    bool has_8bit;
    bool waits; /* for room in the deposit, or for its end */
};

/* Who gets it: fetch_envelope.c. */
struct mm_fetch_envelope {
    struct mm_field_reader drop; /* account.multidrop; without a name unused */
    struct mm_field_reader delivered;
    struct mm_field_reader received;
    struct mm_span values; /* of `drop`, that were not looked at */
    struct mm_span value;  /* the rest of the present one */
    unsigned here;         /* addresses of ours in it */
    bool is_refused;       /* it stays at its server */
    char refusal[MM_STORE_FETCH_RESULT_MAX];
    struct mm_resolve resolve;
    struct mm_address address;
    struct mm_address other;
};

struct mm_fetch_session {
    struct mm_fetch_session_options options;
    struct mm_config_fetch account;
    struct mm_fetch_plan plan;
    struct mm_store_fetch result;
    enum mm_fetch_stage stage;
    bool is_failed;
    enum mailmod_error error; /* why it failed */
    bool is_stopping;
    bool is_cut;
    struct mm_task gone_task;

    /* the store and the worker */
    struct mm_call call;
    bool is_begun;      /* the first job was the one before the visit */
    bool is_other;      /* the rows are of another mailbox */
    size_t change;      /* of the plan, that is written next */
    size_t next_change; /* once that is committed */
    bool has_more;
    struct mm_job job;
    enum mm_fetch_work work;
    enum mailmod_error load_error;

    /* the way */
    struct mm_host_addresses addresses;
    size_t address;
    char host[MM_HOST_TEXT_MAX]; /* in A-labels */
    struct mm_dialler dialler;   /* DIALLING: `conn` comes of it */
    struct mm_conn *conn;
    struct mm_pop3c *engine;
    struct mm_tap tap;
    struct mm_timer timer;
    uint64_t end_ms; /* of the visit at the latest; monotonic */
    bool in_handshake;
    bool is_pumping;
    struct mm_login login;
    struct mm_token_question question;
    unsigned bearers; /* mechanisms to log in by with the token */

    /* the dialogue */
    bool has_asked;  /* for the lists */
    bool is_settled; /* they are there */
    bool is_quitting;
    bool is_updated;           /* QUIT was answered with +OK */
    size_t next;               /* item */
    unsigned in_flight;        /* messages and headers that were asked for */
    unsigned asked;            /* questions without an answer */
    struct mm_resolve resolve; /* who gets it */
    struct mm_address to;
    bool is_resolving;
    bool has_targets;
    const struct mm_reply *refusal; /* of `to`; what comes is set aside */
    struct mm_fetch_incoming incoming;
    struct mm_fetch_envelope envelope;
};

/* fetch_session.c */
/* What is waited for a reply of its server. */
uint64_t mm_fetch_timeout_ms(const struct mm_fetch_session *session);
/* It failed, for this reason; the first one counts. Nothing is done yet. */
void mm_fetch_fail(struct mm_fetch_session *session, enum mailmod_error error,
                   const char *format, ...) MM_PRINTF(3, 4);
/* How far the visit is, to who waits for it, and `news` (NULL: none) to the
 * host; those fields are filled that are the visit's. */
void mm_fetch_tell(struct mm_fetch_session *session, struct mm_news *news);
/* Ends the conversation; `is_polite`: what is owed goes out first. */
void mm_fetch_leave(struct mm_fetch_session *session, bool is_polite);
enum mailmod_error mm_fetch_start_tls(struct mm_fetch_session *session);
enum mailmod_error mm_fetch_start_work(struct mm_fetch_session *session,
                                       enum mm_fetch_work work);
/* Goes on after a wait for something of our own. */
void mm_fetch_go_on(struct mm_fetch_session *session);

/* fetch_dialogue.c */
MM_CHECK enum mailmod_error
mm_fetch_dialogue_open(struct mm_fetch_session *session);
void mm_fetch_pump(struct mm_fetch_session *session);
/* The worker has the answer to a challenge. */
void mm_fetch_login_done(struct mm_fetch_session *session);
/* Asks for more, or says QUIT when there is no more to do. */
void mm_fetch_advance(struct mm_fetch_session *session);

/* It is known what the item is: asks for it, or for its deletion. */
void mm_fetch_decided(struct mm_fetch_session *session,
                      struct mm_fetch_item *item);

/* fetch_message.c */
/* Its first octets come. False: the visit has failed. */
bool mm_fetch_message_begin(struct mm_fetch_session *session,
                            struct mm_fetch_item *item, bool is_top);
/* How many were taken; less than all: `waits`, or the visit has failed. */
size_t mm_fetch_message_octets(struct mm_fetch_session *session,
                               struct mm_span octets);
/* It is whole. */
void mm_fetch_message_end(struct mm_fetch_session *session);
void mm_fetch_message_drop(struct mm_fetch_session *session);
/* Its recipients are known: into the store with it. */
void mm_fetch_message_deposit(struct mm_fetch_session *session);
/* It stays there, and is not read again at once. */
void mm_fetch_message_leave(struct mm_fetch_session *session, const char *why);

/* fetch_envelope.c */
void mm_fetch_envelope_open(struct mm_fetch_session *session);
MM_CHECK enum mailmod_error
mm_fetch_envelope_add(struct mm_fetch_session *session, struct mm_span octets);
/* The message is whole: finds who gets it, and then deposits or leaves it, or
 * the visit has failed; perhaps later. */
void mm_fetch_envelope_use(struct mm_fetch_session *session);
void mm_fetch_envelope_drop(struct mm_fetch_session *session);

#endif
