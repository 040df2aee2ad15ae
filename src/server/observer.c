/* observer.c - what sessions do, told to whoever watches the server.
 *
 * Owns nothing. Promises: what nobody wants costs one look at a number; what is
 * told was masked by base/tap, and is bounded; a session never waits for who
 * watches.
 * Thread: the session's loop. */
#include "server/observer.h"

#include "server/server_internal.h"

static bool is_wanted(const struct mm_server *server,
                      enum mailmod_session_kind kind)
{
    const struct mm_observer *observer = &server->options.observer;

    return observer->kinds != NULL &&
           (atomic_load(observer->kinds) & (unsigned)kind) != 0;
}

static void tell(const struct mm_session *session,
                 const struct mm_session_news *told)
{
    const struct mm_observer *observer = &session->server->options.observer;
    struct mm_session_news news = *told;

    news.service = session->service;
    news.connection = session->number;
    news.peer = session->peer_text;
    news.is_tls = mm_session_is_tls(session);
    news.user = told->user != NULL ? told->user : session->user;
    news.time_ms = mm_loop_wall_ms(session->loop);
    observer->tell(observer->context, &news);
}

void mm_observe(const struct mm_session *session,
                enum mailmod_session_kind kind, const char *user,
                const char *text, enum mailmod_error error)
{
    if (is_wanted(session->server, kind)) {
        tell(session,
             &(struct mm_session_news){
                 .kind = kind, .user = user, .text = text, .error = error});
    }
}

static void on_line(struct mm_trace *trace, enum mm_tap_way way,
                    struct mm_span line, bool is_masked)
{
    const struct mm_session *session =
        MM_LIST_OBJECT(trace, struct mm_session, trace);
    enum mailmod_session_kind kind = way == MM_TAP_RECEIVED
                                         ? MAILMOD_SESSION_COMMAND
                                         : MAILMOD_SESSION_REPLY;
    char text[MM_TAP_SHOWN_MAX];

    if (is_wanted(session->server, kind)) {
        mm_tap_show(line, is_masked, text);
        mm_observe(session, kind, NULL, text, MAILMOD_OK);
    }
}

static void on_refusal(struct mm_trace *trace)
{
    const struct mm_session *session =
        MM_LIST_OBJECT(trace, struct mm_session, trace);

    if (is_wanted(session->server, MAILMOD_SESSION_REFUSED)) {
        tell(session, &(struct mm_session_news){.kind = MAILMOD_SESSION_REFUSED,
                                                .text = trace->reply,
                                                .command = trace->command});
    }
}

const struct mm_trace_listener mm_observer_trace = {on_line, on_refusal};

void mm_observe_turned_away(const struct mm_server *server,
                            enum mm_service service, const char *peer,
                            const char *why, int64_t now_ms)
{
    const struct mm_observer *observer = &server->options.observer;

    if (is_wanted(server, MAILMOD_SESSION_TURNED_AWAY)) {
        observer->tell(
            observer->context,
            &(struct mm_session_news){.kind = MAILMOD_SESSION_TURNED_AWAY,
                                      .service = service,
                                      .peer = peer,
                                      .text = why,
                                      .time_ms = now_ms});
    }
}
