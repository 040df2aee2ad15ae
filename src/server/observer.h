/* thread: loop (the session's)
 * observer.h - what sessions do, told to whoever watches the server. */
#ifndef MM_SERVER_OBSERVER_H
#define MM_SERVER_OBSERVER_H

#include "base/error.h"
#include "config/services.h"
#include "mailmod/terms.h"
#include "server/trace.h"

#include <stdatomic.h>

struct mm_server;
struct mm_session;

/* Texts live until the call returns; NULL where there is none. */
struct mm_session_news {
    enum mailmod_session_kind kind;
    enum mm_service service;
    uint64_t connection; /* 0: it has no session */
    const char *peer;
    bool is_tls;
    const char *user;
    const char *text;
    const char *command;
    enum mailmod_error error;
    int64_t time_ms; /* since 1970, UTC */
};

struct mm_observer {
    const atomic_uint *kinds; /* bits that are wanted; NULL: nobody watches */
    /* thread: loop. Copies, and never waits. */
    void (*tell)(void *context, const struct mm_session_news *news);
    void *context;
};

/* The lines of a trace that is a session's. */
extern const struct mm_trace_listener mm_observer_trace;
/* `user` NULL: who is logged in. */
void mm_observe(const struct mm_session *session,
                enum mailmod_session_kind kind, const char *user,
                const char *text, enum mailmod_error error);
/* A connection that gets no session. */
void mm_observe_turned_away(const struct mm_server *server,
                            enum mm_service service, const char *peer,
                            const char *why, int64_t now_ms);

#endif
