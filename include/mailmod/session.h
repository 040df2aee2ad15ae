/* mailmod/session.h - what the sessions of the servers do, for a host that
 * watches. Included by mailmod.h.
 *
 * A watcher changes nothing and holds nothing up; who is to have a say sets
 * mailmod_request_set_callback. */
#ifndef MAILMOD_SESSION_H
#define MAILMOD_SESSION_H

#include "mailmod.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mailmod_session_event {
    size_t size; /* of this structure as the library filled it */
    enum mailmod_session_kind kind;
    /* Unique in the instance, as mailmod_request_connection; log lines have it
     * as session=. 0 for TURNED_AWAY. */
    uint64_t connection;
    const char *service; /* "smtp", "pop3s", ... */
    const char *peer; /* address and port, of a proxy's telling where one is */
    int is_tls;       /* the connection is encrypted */
    /* Who is logged in; for LOGIN_REFUSED the name that was given. "" nobody.
     */
    const char *user;
    /* COMMAND, REPLY: the line without its end, at most 511 octets; " ***"
     * stands for what is hidden, "..." for what is too long. REFUSED: all lines
     * of the reply, with " / " between them. TLS: version and cipher. CLOSED,
     * LOGIN_REFUSED, TURNED_AWAY: why. Else "". */
    const char *text;
    const char *command; /* REFUSED: the command, as in COMMAND; else "" */
    /* CLOSED: MAILMOD_OK when both sides had said all; CLOSED when the peer
     * went, TIMEOUT, STOPPED, ACCESS (the user may not log in any more), or
     * what broke the connection. Else MAILMOD_OK. */
    enum mailmod_error error;
    int64_t time_ms; /* since 1970, UTC */
    /* Events that the host wanted and that were left out before this one,
     * because it was behind. */
    uint64_t left_out;
};
/* On a thread of the instance, one event at a time; those of one connection in
 * the order in which they came true. The texts live until it returns. It may
 * call the instance, but for mailmod_drain and mailmod_free. */
typedef void (*mailmod_on_session)(void *context,
                                   const struct mailmod_session_event *event);
/* `kinds`: mailmod_session_kind bits; `services`: names, split by commas; NULL:
 * all. At any time; sessions that are open are watched from then on. No session
 * waits for the callback: past 1 MiB of events that wait, events are left out
 * and counted, commands and replies earlier than the others; the log has a
 * warning. mailmod_drain and mailmod_free wait until what waits is told. No
 * password, digest, token or challenge is ever shown, nor what is in a message.
 * NULL: nobody is told from now on; a call on its way may still come, and then
 * `context` is released. `on_release` may be NULL. ARGUMENT (unknown bits),
 * UNKNOWN_NAME (of a service), MEMORY, and nothing was changed. */
MAILMOD_API enum mailmod_error
mailmod_session_set_callback(mailmod *instance, unsigned kinds,
                             const char *services,
                             mailmod_on_session on_session, void *context,
                             mailmod_on_release on_release);

#ifdef __cplusplus
}
#endif

#endif
