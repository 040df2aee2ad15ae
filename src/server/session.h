/* thread: loop (the session's)
 * session.h - what SMTP and POP3 sessions have in common: their place in the
 * server, identity, deadline, input that waits, and how they end. */
#ifndef MM_SERVER_SESSION_H
#define MM_SERVER_SESSION_H

#include "server/auth.h"
#include "server/server.h"
#include "server/trace.h"
#include "server/wait.h"
#include "wire/proxy/header.h"

struct mm_server_loop;
struct mm_session;

/* A question to the host. */
struct mm_question {
    struct mm_request *request; /* NULL: none */
    bool is_asked;              /* the host has it */
};

/* What the common part asks of every engine: one line each onto wire/. */
struct mm_session_engine {
    size_t (*feed)(void *engine, const char *bytes, size_t size);
    struct mm_span (*output)(const void *engine);
    void (*sent)(void *engine, size_t size);
    void (*tls_begun)(void *engine);
    /* Counts what may extend a deadline. */
    uint64_t (*progress)(const void *engine);
};

/* What is known of the peer. */
enum mm_peer_origin {
    MM_PEER_DIRECT,    /* its own connection, or told by a proxy */
    MM_PEER_POWERLESS, /* told, but no address that a client can have there */
    MM_PEER_HIDDEN     /* not told: `peer` is the proxy */
};

/* Why a conversation ends that the peer has not ended. */
enum mm_close_reason {
    MM_CLOSE_STOPPED, /* its service stops */
    MM_CLOSE_TIMEOUT,
    MM_CLOSE_EXPELLED /* the user may not be logged in any more */
};

enum mm_standing {
    MM_STANDING_BUSY, /* something is pending or owed */
    MM_STANDING_OPEN, /* the peer's turn, inside a message */
    MM_STANDING_IDLE  /* the peer's turn, between two commands */
};

/* What the configuration allows the sessions of a protocol. */
struct mm_session_limits {
    unsigned connections_max;             /* of each of its services */
    unsigned connections_per_address_max; /* likewise */
    unsigned connections_per_network_max; /* likewise; 0: any */
    const struct mm_range_list *deny_from;
    const struct mm_range_list *allow_from; /* empty: all */
    uint64_t tls_ms;                        /* a handshake */
    uint64_t write_ms;                      /* the peer takes no octets */
    uint64_t life_ms;                       /* the whole session; 0: no end */
};

/* What a protocol does for the common part. */
struct mm_session_protocol {
    const char *component; /* of its log lines */
    struct mm_session_limits (*limits)(const struct mm_config *config);
    /* One line for a connection that gets no session. */
    void (*write_refusal)(struct mm_buf *line, enum mm_reply_id reply);
    size_t size; /* of its session, which begins with the common */
    const struct mm_session_engine *engine;
    /* Builds session->engine; the connection is there. */
    enum mailmod_error (*begin)(struct mm_session *session);
    /* TLS stands; NULL: nothing is to be done. */
    void (*on_tls)(struct mm_session *session);
    /* Handles one pending event: true when there may be more to do. */
    bool (*step)(struct mm_session *session);
    enum mm_standing (*standing)(struct mm_session *session);
    /* The time that the peer has now; 0: no end. */
    uint64_t (*wait_ms)(struct mm_session *session);
    /* Ends the conversation with the right words. */
    void (*close)(struct mm_session *session, enum mm_close_reason reason);
    /* The host begins to read the body; NULL: it cannot. */
    void (*wants_body)(struct mm_session *session);
    /* The connection is gone: gives back what needs no waiting. */
    void (*detach)(struct mm_session *session);
    /* Frees the rest; no job is out any more. */
    void (*free)(struct mm_session *session);
};

struct mm_session {
    struct mm_list node; /* in its loop's list */
    const struct mm_session_protocol *protocol;
    struct mm_server *server;
    struct mm_server_loop *server_loop;
    struct mm_loop *loop;
    struct mm_conn *conn; /* NULL once it is closed */
    struct mm_settings *settings;
    void *engine; /* the protocol's; NULL until it began */
    enum mm_service service;
    unsigned round; /* of its service: see struct mm_server */
    struct mm_netaddr peer;
    enum mm_peer_origin peer_origin;
    struct mm_proxy_start start; /* a PROXY header may not come from here */
    char peer_text[MM_NETADDR_TEXT_MAX];
    uint64_t number;     /* unique in the instance */
    char identifier[24]; /* the number, for logs */
    const char *user;    /* who is logged in, in the protocol's memory; NULL */
    bool is_newcomer;    /* the user was not looked at since the login */
    struct mm_trace trace;      /* what its engine reads and says */
    struct mm_timer timer;      /* the present wait */
    struct mm_timer life_timer; /* the whole session */
    uint64_t progress;          /* at the last setting of the timer */
    uint64_t timer_wait_ms;
    struct mm_wait wait;
    struct mm_question question; /* of the pending event */
    struct mm_timer delay_timer; /* opened with the first delay */
    void (*on_delay_over)(struct mm_session *session);
    bool had_network; /* see mm_limits_leave */
    bool has_spoken;  /* an octet came from the peer */
    bool is_stalled;  /* input was left with the connection */
    bool is_pumping;
    bool wants_pump; /* something came while pumping */
    /* Why it ends that the peer has not ended; OK: it has. */
    enum mailmod_error end_error;
    bool is_in_tls;    /* a handshake runs */
    bool is_ending;    /* close once the output is flushed */
    bool is_closing;   /* mm_conn_close was called */
    bool is_stopping;  /* its service stops: end when no work is open */
    bool has_peer_end; /* the peer will send no more */
};

/* thread: loop. A new connection of a service: counts it, makes its session,
 * or sends it away. `header` is what its proxy told; NULL: it has none. */
void mm_session_accept(struct mm_server *server, enum mm_service service,
                       struct mm_conn *conn,
                       const struct mm_proxy_header *header);
/* One line where the protocol allows it, then the end. */
void mm_session_refuse(enum mm_service service, struct mm_conn *conn,
                       enum mm_reply_id reply);
/* Has the peer what a setting gives to networks? Not when a proxy hides it. */
bool mm_session_is_from(const struct mm_session *session,
                        const struct mm_range_list *networks);
/* session.c for session_accept.c: timers and engine; what may come first; the
 * whole given back; the deadline anew when the patience changed. */
MM_CHECK enum mailmod_error mm_session_open(struct mm_session *session);
void mm_session_begin(struct mm_session *session);
void mm_session_free(struct mm_session *session);
void mm_session_set_deadline(struct mm_session *session);
/* Moves on: events, output, deadlines. Call when a job came back. */
void mm_session_pump(struct mm_session *session);
/* A wait for MM_WAIT_DELAY, which the caller begins, is over after so long;
 * then comes `on_over`, and the session goes on. False: no time can be kept. */
bool mm_session_set_delay(struct mm_session *session, uint64_t delay_ms,
                          void (*on_over)(struct mm_session *session));
/* The session goes on if it waits for this. */
void mm_session_wait_over(struct mm_session *session, enum mm_wait_for what);
/* A job came back (MM_WAIT_JOB); false when the session ends or is gone
 * meanwhile (and perhaps freed now): the caller must not touch it. */
bool mm_session_job_done(struct mm_session *session);
enum mm_ask {
    MM_ASK_NOBODY, /* the host is not asked at this moment: go on */
    MM_ASK_WAIT,
    MM_ASK_SETTLED /* question->request has the verdict */
};
bool mm_session_is_hooked(const struct mm_session *session,
                          enum mailmod_moment moment);
/* Makes question->request; the peer's facts are filled in here. */
MM_CHECK enum mailmod_error
mm_session_prepare_question(struct mm_session *session,
                            struct mm_question *question,
                            struct mm_request_facts *facts);
/* Asks the host at a moment, or tells how the question stands: to be called for
 * the pending event again and again until it is settled. A question that cannot
 * be put is settled as a rejection for now by MM_ASK_SETTLED with a NULL
 * request. `facts` NULL: nobody is asked unless the question was prepared. */
enum mm_ask mm_session_ask(struct mm_session *session,
                           struct mm_question *question,
                           enum mailmod_moment moment,
                           struct mm_request_facts *facts);
/* The verdict has been used. */
void mm_session_forget(struct mm_question *question);
/* Whether STARTTLS can be answered with a handshake. */
bool mm_session_has_tls(const struct mm_session *session);
/* STARTTLS was answered: the answer goes out, then the handshake begins. Not
 * when octets came behind the command: then the engine breaks off. */
void mm_session_begin_tls(struct mm_session *session);
/* Close when the output is out. */
void mm_session_end(struct mm_session *session);
/* Cut now, no flush. */
void mm_session_abort(struct mm_session *session);
void mm_session_stop(struct mm_session *session); /* see mm_server_stop */
/* Its user was disabled or removed: told between two commands, else cut. */
void mm_session_expel(struct mm_session *session);
/* The time that a peer has: `ms`, or less for one that has said nothing yet
 * while its service is crowded. */
uint64_t mm_session_patience(const struct mm_session *session, uint64_t ms);
bool mm_session_is_tls(const struct mm_session *session);
const struct mm_config *mm_session_config(const struct mm_session *session);

#endif
