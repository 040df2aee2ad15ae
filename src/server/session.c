/* session.c - the common half of every session: a connection paired with an
 * engine.
 *
 * Owns: the pairing, the deadline of the present wait, the session's place in
 * the counts and in its loop's list. Promises: an engine is pumped until it
 * needs the peer, the store or a worker; octets that trickle extend no
 * deadline, for only the engine's progress sets it anew; a peer that sends many
 * commands at once has them answered in turns, between which others have
 * theirs; a peer that shut its
 * writing side gets all its answers; a session that has work elsewhere outlives
 * its connection until the work came back.
 *
 * Law of the object: connected -> (connection gone) -> detached -> freed, and
 * freed only when no job is out.
 * Thread: the session's loop. RFC 5321 4.5.3.2, RFC 1939 3. */
#include "server/session.h"

#include "base/mem.h"
#include "server/server_internal.h"

/* A peer's turn: octets of commands that are answered before the other sessions
 * of the loop have theirs. */
#define TURN_OCTETS 2048
/* What a silent peer gets while most places of its service are taken. */
#define CROWDED_PATIENCE_MS 10000

void mm_session_free(struct mm_session *session)
{
    session->protocol->free(session);
    mm_timer_close(&session->timer);
    mm_timer_close(&session->life_timer);
    if (session->on_delay_over != NULL) {
        mm_timer_close(&session->delay_timer);
    }
    mm_settings_unref(&session->settings);
    mm_list_remove(&session->node);
    mm_server_leave(session);
    mm_free(session);
}

const struct mm_config *mm_session_config(const struct mm_session *session)
{
    return session->settings->config;
}

bool mm_session_is_from(const struct mm_session *session,
                        const struct mm_range_list *networks)
{
    return session->peer_origin == MM_PEER_DIRECT &&
           mm_range_list_has(networks, &session->peer);
}

bool mm_session_is_tls(const struct mm_session *session)
{
    return session->conn != NULL && mm_conn_is_tls(session->conn);
}

uint64_t mm_session_patience(const struct mm_session *session, uint64_t ms)
{
    bool is_crowded =
        atomic_load(&session->server->is_crowded[session->service]) &&
        session->protocol->engine->progress(session->engine) == 0;

    return is_crowded && ms > CROWDED_PATIENCE_MS ? CROWDED_PATIENCE_MS : ms;
}

static struct mm_span output_of(const struct mm_session *session)
{
    return session->protocol->engine->output(session->engine);
}

static void flush_output(struct mm_session *session)
{
    while (session->conn != NULL) {
        struct mm_span output = output_of(session);
        size_t room = mm_conn_write_room(session->conn);
        size_t size = output.size < room ? output.size : room;

        if (size == 0) {
            return;
        }
        if (mm_conn_write(session->conn, output.data, size) != MAILMOD_OK) {
            mm_session_abort(session);
            return;
        }
        session->protocol->engine->sent(session->engine, size);
    }
}

/* Only progress, or another kind of wait, sets the timer anew. */
void mm_session_set_deadline(struct mm_session *session)
{
    bool is_peers_turn = session->wait.what == MM_WAIT_NOTHING;
    uint64_t wait_ms = is_peers_turn ? session->protocol->wait_ms(session) : 0;
    uint64_t progress = session->protocol->engine->progress(session->engine);

    if (wait_ms == 0 || session->is_in_tls) {
        mm_timer_cancel(&session->timer);
    } else if (!mm_timer_is_set(&session->timer) ||
               progress != session->progress ||
               wait_ms != session->timer_wait_ms) {
        mm_timer_set(&session->timer, wait_ms);
    }
    session->progress = progress;
    session->timer_wait_ms = wait_ms;
}

static void run_steps(struct mm_session *session)
{
    do {
        session->wants_pump = false;
        flush_output(session);
        while (session->conn != NULL && !session->is_in_tls &&
               !session->is_ending && session->wait.what == MM_WAIT_NOTHING &&
               session->protocol->step(session)) {
            flush_output(session);
        }
        flush_output(session);
    } while (session->wants_pump);
}

static void close_when_flushed(struct mm_session *session)
{
    if (session->is_ending && !session->is_closing &&
        output_of(session).size == 0) {
        session->is_closing = true;
        mm_timer_cancel(&session->timer);
        mm_conn_close(session->conn);
    }
}

/* Nothing of the peer's is lost when the session stops now: what it waits for
 * is no work, and no message is on its way in or out. */
static bool may_stop(struct mm_session *session)
{
    return session->wait.what != MM_WAIT_NOTHING
               ? !mm_wait_is_work(session->wait.what)
               : session->protocol->standing(session) == MM_STANDING_IDLE;
}

static void end_if_due(struct mm_session *session)
{
    if (session->is_ending) {
        return;
    }
    if (session->is_stopping && session->is_in_tls) {
        mm_session_abort(session); /* nothing can be said in a handshake */
    } else if (session->is_stopping && may_stop(session)) {
        session->end_error = MAILMOD_ERROR_STOPPED;
        session->protocol->close(session, MM_CLOSE_STOPPED);
        mm_session_end(session);
        flush_output(session);
    } else if (session->has_peer_end && session->wait.what == MM_WAIT_NOTHING &&
               session->protocol->standing(session) != MM_STANDING_BUSY) {
        /* RFC 9293 3.6: a peer that has sent all may still read. */
        mm_session_end(session);
    }
}

static void pump_once(struct mm_session *session)
{
    if (session->is_pumping) {
        session->wants_pump = true;
        return;
    }
    session->is_pumping = true;
    run_steps(session);
    session->is_pumping = false;
    if (session->conn == NULL) {
        return;
    }
    end_if_due(session);
    if (session->conn != NULL && !session->is_closing) {
        mm_session_set_deadline(session);
        close_when_flushed(session);
    }
}

void mm_session_pump(struct mm_session *session)
{
    pump_once(session);
    if (session->conn != NULL && session->is_stalled && !session->is_ending &&
        !session->is_in_tls && !session->is_pumping) {
        session->is_stalled = false;
        mm_conn_resume(session->conn);
    }
}

void mm_session_end(struct mm_session *session)
{
    session->is_ending = true;
}

void mm_session_abort(struct mm_session *session)
{
    if (session->conn != NULL && !session->is_closing) {
        session->is_ending = true;
        session->is_closing = true;
        mm_timer_cancel(&session->timer);
        mm_conn_abort(session->conn);
    }
}

void mm_session_stop(struct mm_session *session)
{
    session->is_stopping = true;
    if (session->conn != NULL && !session->is_closing) {
        mm_session_pump(session);
    }
}

void mm_session_expel(struct mm_session *session)
{
    if (session->conn == NULL || session->is_ending) {
        return;
    }
    MM_LOG(session->server->options.log, MM_LOG_WARNING,
           session->protocol->component, "session ended: no such user any more",
           MM_TEXT("session", session->identifier),
           MM_TEXT("user", session->user), MM_TEXT("peer", session->peer_text));
    if (session->is_in_tls || !may_stop(session)) {
        mm_session_abort(session);
        return;
    }
    session->end_error = MAILMOD_ERROR_ACCESS;
    session->protocol->close(session, MM_CLOSE_EXPELLED);
    mm_session_end(session);
    mm_session_pump(session);
}

void mm_session_wait_over(struct mm_session *session, enum mm_wait_for what)
{
    if (mm_wait_end(&session->wait, what)) {
        mm_session_pump(session);
    }
}

static void on_delay_timer(struct mm_timer *timer)
{
    struct mm_session *session =
        MM_LIST_OBJECT(timer, struct mm_session, delay_timer);

    if (mm_wait_end(&session->wait, MM_WAIT_DELAY)) {
        session->on_delay_over(session);
        mm_session_pump(session);
    }
}

bool mm_session_set_delay(struct mm_session *session, uint64_t delay_ms,
                          void (*on_over)(struct mm_session *session))
{
    if (session->on_delay_over == NULL &&
        mm_timer_open(&session->delay_timer, session->loop, on_delay_timer) !=
            MAILMOD_OK) {
        return false;
    }
    session->on_delay_over = on_over;
    mm_timer_set(&session->delay_timer, delay_ms);
    return true;
}

bool mm_session_job_done(struct mm_session *session)
{
    (void)mm_wait_end(&session->wait, MM_WAIT_JOB);
    if (session->conn == NULL && session->wait.jobs == 0) {
        mm_session_free(session);
        return false;
    }
    /* One that is ending has said its last words already. */
    return session->conn != NULL && !session->is_ending;
}

/* Nobody may tell us an address whom general.proxy_from does not name. */
static bool refuse_header(struct mm_session *session, struct mm_span piece)
{
    if (!mm_proxy_start_is_header(&session->start, piece)) {
        return false;
    }
    MM_LOG(session->server->options.log, MM_LOG_WARNING,
           session->protocol->component,
           "refused: a PROXY header, but not from general.proxy_from",
           MM_TEXT("session", session->identifier),
           MM_TEXT("peer", session->peer_text));
    mm_session_abort(session);
    return true;
}

/* A body is taken as it comes: its end is near, or the store is. */
static bool is_in_body(struct mm_session *session)
{
    return session->protocol->standing(session) == MM_STANDING_OPEN;
}

static size_t on_input(void *context, struct mm_conn *conn, const char *bytes,
                       size_t size)
{
    struct mm_session *session = context;
    size_t total = 0;
    size_t used = 1;

    session->has_spoken = true;
    if (refuse_header(session, mm_span(bytes, size))) {
        return size;
    }
    while (total < size && used > 0 && session->conn != NULL &&
           !session->is_ending && !session->is_in_tls &&
           (total < TURN_OCTETS || is_in_body(session))) {
        size_t rest = size - total;
        size_t part =
            rest > TURN_OCTETS && !is_in_body(session) ? TURN_OCTETS : rest;

        used = session->protocol->engine->feed(session->engine, bytes + total,
                                               part);
        total += used;
        pump_once(session);
    }
    if (session->is_ending) {
        return size; /* what comes after the end is dropped */
    }
    session->is_stalled = total < size;
    if (session->is_stalled && used > 0 && session->conn != NULL &&
        !session->is_in_tls) {
        session->is_stalled = false;
        mm_conn_resume(conn); /* its next turn comes behind the others' */
    }
    return total;
}

static void on_drained(void *context, struct mm_conn *conn)
{
    (void)conn;
    mm_session_pump(context);
}

static void on_tls(void *context, struct mm_conn *conn)
{
    struct mm_session *session = context;

    session->is_in_tls = false;
    MM_LOG(session->server->options.log, MM_LOG_DEBUG,
           session->protocol->component, "TLS begun",
           MM_TEXT("session", session->identifier),
           MM_TEXT("tls", mm_conn_tls_text(conn)));
    mm_observe(session, MAILMOD_SESSION_TLS, NULL, mm_conn_tls_text(conn),
               MAILMOD_OK);
    if (!mm_service_has_implicit_tls(session->service)) {
        session->protocol->engine->tls_begun(session->engine);
    }
    if (session->protocol->on_tls != NULL) {
        session->protocol->on_tls(session);
    }
    mm_session_pump(session);
}

static void on_end(void *context, struct mm_conn *conn)
{
    struct mm_session *session = context;

    (void)conn;
    session->has_peer_end = true;
    mm_session_pump(session);
}

static const char *end_words(const struct mm_session *session,
                             const struct mm_conn *conn)
{
    const char *failure = mm_conn_failure(conn);

    if (failure != NULL && failure[0] != '\0') {
        return failure;
    }
    return session->end_error == MAILMOD_OK ? ""
                                            : mm_error_text(session->end_error);
}

static void on_closed(void *context, struct mm_conn *conn,
                      enum mailmod_error reason)
{
    struct mm_session *session = context;

    MM_LOG(session->server->options.log, MM_LOG_DEBUG,
           session->protocol->component, "session closed",
           MM_TEXT("session", session->identifier),
           MM_TEXT("error", reason == MAILMOD_OK ? "" : mm_error_name(reason)),
           MM_TEXT("failure", mm_conn_failure(conn)));
    if (session->end_error == MAILMOD_OK) {
        session->end_error = reason;
    }
    mm_observe(session, MAILMOD_SESSION_CLOSED, NULL, end_words(session, conn),
               session->end_error);
    session->conn = NULL;
    mm_timer_cancel(&session->timer);
    mm_timer_cancel(&session->life_timer);
    if (session->on_delay_over != NULL) {
        mm_timer_cancel(&session->delay_timer);
    }
    mm_session_forget(&session->question);
    mm_wait_forget(&session->wait);
    session->protocol->detach(session);
    if (session->wait.jobs == 0) {
        mm_session_free(session);
    }
}

static const struct mm_conn_handler conn_handler = {
    .on_input = on_input,
    .on_drained = on_drained,
    .on_tls = on_tls,
    .on_end = on_end,
    .on_closed = on_closed,
};

static void time_out(struct mm_session *session)
{
    if (session->conn == NULL || session->is_ending) {
        return;
    }
    MM_LOG(session->server->options.log, MM_LOG_INFO,
           session->protocol->component, "session timed out",
           MM_TEXT("session", session->identifier),
           MM_TEXT("user", session->user), MM_TEXT("peer", session->peer_text));
    session->end_error = MAILMOD_ERROR_TIMEOUT;
    session->protocol->close(session, MM_CLOSE_TIMEOUT);
    mm_session_end(session);
    mm_session_pump(session);
}

static void on_timer(struct mm_timer *timer)
{
    time_out(MM_LIST_OBJECT(timer, struct mm_session, timer));
}

static void on_life_timer(struct mm_timer *timer)
{
    time_out(MM_LIST_OBJECT(timer, struct mm_session, life_timer));
}

bool mm_session_has_tls(const struct mm_session *session)
{
    return session->settings->tls[session->service] != NULL;
}

static struct mm_tls *tls_of(const struct mm_session *session)
{
    const struct mm_settings *settings = session->settings;
    const struct mm_range_list *lenient =
        mm_config_lenient_from(settings->config, session->service);
    return mm_session_is_from(session, lenient)
               ? settings->lenient_tls[session->service]
               : settings->tls[session->service];
}

static void start_tls(struct mm_session *session)
{
    uint64_t timeout_ms =
        session->protocol->limits(session->settings->config).tls_ms;

    struct mm_tls *tls = tls_of(session);

    session->is_in_tls = true;
    mm_timer_cancel(&session->timer);
    /* Clients that have none are not held up; those of POP3 and of servers
     * (port 25) are not asked, for some take that badly. */
    if (mm_service_row(session->service)->is_submission &&
        mm_session_is_hooked(session, MAILMOD_LOGIN_CERTIFICATE)) {
        mm_conn_ask_certificate(session->conn);
    }
    enum mailmod_error error =
        mm_service_has_implicit_tls(session->service)
            ? mm_conn_start_implicit_tls(session->conn, tls, timeout_ms)
            : mm_conn_start_tls_server(session->conn, tls, timeout_ms);
    if (error != MAILMOD_OK) {
        mm_session_abort(session);
    }
}

void mm_session_begin_tls(struct mm_session *session)
{
    flush_output(session);
    if (session->conn == NULL || session->is_closing) {
        return;
    }
    /* The answer must be in the connection's hands before the handshake. */
    if (output_of(session).size > 0) {
        mm_session_abort(session);
    } else if (session->protocol->standing(session) != MM_STANDING_BUSY) {
        start_tls(session);
    }
}

enum mailmod_error mm_session_open(struct mm_session *session)
{
    struct mm_session_limits limits =
        session->protocol->limits(session->settings->config);
    enum mailmod_error error =
        mm_timer_open(&session->timer, session->loop, on_timer);
    if (error == MAILMOD_OK) {
        error =
            mm_timer_open(&session->life_timer, session->loop, on_life_timer);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    mm_conn_set_write_timeout(session->conn, limits.write_ms);
    if (limits.life_ms > 0) {
        mm_timer_set(&session->life_timer, limits.life_ms);
    }
    mm_trace_init(&session->trace, session->server->options.log,
                  session->protocol->component, session->identifier,
                  session->peer_text);
    session->trace.listener = &mm_observer_trace;
    return session->protocol->begin(session);
}

void mm_session_begin(struct mm_session *session)
{
    mm_conn_set_handler(session->conn, &conn_handler, session);
    if (mm_service_has_implicit_tls(session->service)) {
        start_tls(session);
    } else {
        mm_session_pump(session);
    }
}
