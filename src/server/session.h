/* thread: loop (the session's)
 * session.h - what SMTP and POP3 sessions have in common: their place in the
 * server, identity, deadline, input that waits, and how they end. */
#ifndef MM_SERVER_SESSION_H
#define MM_SERVER_SESSION_H

#include "server/auth.h"
#include "server/server.h"

struct mm_server_loop;
struct mm_session;

/* What a protocol does for the common part. */
struct mm_session_protocol {
    const char *component;            /* of its log lines */
    struct mm_session *(*open)(void); /* memory of the right size; NULL */
    /* Builds the engine; the connection is there. */
    enum mailmod_error (*begin)(struct mm_session *session);
    size_t (*feed)(struct mm_session *session, const char *bytes, size_t size);
    /* Handles one pending event: true when there may be more to do. */
    bool (*step)(struct mm_session *session);
    struct mm_span (*output)(struct mm_session *session);
    void (*sent)(struct mm_session *session, size_t size);
    void (*tls_begun)(struct mm_session *session);
    /* The engine's count of what may extend the deadline, and the time that
     * its present wait has; 0: none, it waits for us. */
    uint64_t (*progress)(struct mm_session *session);
    uint64_t (*wait_ms)(struct mm_session *session);
    /* Ends the conversation with the right words. */
    void (*close)(struct mm_session *session, bool is_timeout);
    /* All that came is answered: nothing goes on without the peer's octets. */
    bool (*wants_input)(struct mm_session *session);
    /* Between two commands with nothing open. */
    bool (*is_idle)(struct mm_session *session);
    /* The host begins to read the body (SMTP); NULL: it cannot. */
    void (*wants_body)(struct mm_session *session);
    /* The connection is gone: gives back what needs no waiting. */
    void (*detach)(struct mm_session *session);
    /* Frees the rest; nothing is in work any more. */
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
    enum mm_service service;
    unsigned round; /* of its service: see struct mm_server */
    struct mm_netaddr peer;
    char peer_text[MM_NETADDR_TEXT_MAX];
    char identifier[24];
    struct mm_timer timer;      /* the present wait */
    struct mm_timer life_timer; /* the whole session; SMTP */
    uint64_t progress;          /* at the last setting of the timer */
    uint64_t timer_wait_ms;
    unsigned in_work; /* jobs that will come back */
    unsigned login_failures;
    struct mm_request *request; /* a question to the host; NULL: none */
    bool is_asked;              /* the host has it */
    bool is_stalled;            /* input was left with the connection */
    bool is_pumping;
    bool wants_pump;   /* something came while pumping */
    bool is_in_tls;    /* a handshake runs */
    bool is_ending;    /* close once the output is flushed */
    bool is_closing;   /* mm_conn_close was called */
    bool is_stopping;  /* its service stops: end at the next idle moment */
    bool has_peer_end; /* the peer will send no more */
};

/* thread: loop. A new connection of a service: counts it, makes its session,
 * or sends it away. */
void mm_session_accept(struct mm_server *server, enum mm_service service,
                       struct mm_conn *conn);
/* Moves on: events, output, deadlines. Call when a job came back. */
void mm_session_pump(struct mm_session *session);
/* A job that was counted in `in_work` came back; false when the session ends or
 * is gone meanwhile (and perhaps freed now): the caller must not touch it. */
bool mm_session_job_done(struct mm_session *session);
enum mm_ask {
    MM_ASK_NOBODY, /* the host is not asked at this moment: go on */
    MM_ASK_WAIT,
    MM_ASK_SETTLED /* session->request has the verdict */
};
bool mm_session_is_hooked(const struct mm_session *session,
                          enum mm_moment moment);
/* Makes session->request; the peer's facts are filled in here. */
MM_CHECK enum mailmod_error
mm_session_prepare_request(struct mm_session *session,
                           struct mm_request_facts *facts);
/* Asks the host at a moment, or tells how the question stands: to be called for
 * the pending event again and again until it is settled. A question that cannot
 * be put is settled as a rejection for now by MM_ASK_SETTLED with a NULL
 * request. `facts` NULL: nobody is asked unless the request was prepared. */
enum mm_ask mm_session_ask(struct mm_session *session, enum mm_moment moment,
                           struct mm_request_facts *facts);
/* The verdict has been used. */
void mm_session_forget_request(struct mm_session *session);
/* Flush, then the handshake with the service's context. */
void mm_session_start_tls(struct mm_session *session);
/* Close when the output is out. */
void mm_session_end(struct mm_session *session);
/* Cut now, no flush. */
void mm_session_abort(struct mm_session *session);
void mm_session_stop(struct mm_session *session); /* see mm_server_stop */
bool mm_session_is_tls(const struct mm_session *session);
const struct mm_config *mm_session_config(const struct mm_session *session);

#endif
