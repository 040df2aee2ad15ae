/* session.c - the common half of every session: a connection paired with an
 * engine.
 *
 * Owns: the pairing, the deadline of the present wait, the session's place in
 * the counts and in its loop's list. Promises: an engine is pumped until it
 * needs the peer, the store or a worker; octets that trickle extend no
 * deadline, for only the engine's progress sets it anew; a peer that shut its
 * writing side gets all its answers; a session that has work elsewhere outlives
 * its connection until the work came back.
 *
 * Law of the object: connected -> (connection gone) -> detached -> freed, and
 * freed only with in_work at 0.
 * Thread: the session's loop. RFC 5321 4.5.3.2, RFC 1939 3. */
#include "server/session.h"

#include "base/mem.h"
#include "server/server_internal.h"
#include "wire/smtp/reply.h"

#include <string.h>

/* What a silent peer gets while most places of its service are taken, and how
 * often those that are silent already are looked at. */
#define CROWDED_PATIENCE_MS 10000
#define HURRY_EVERY_MS 1000

/* A refused connection gets this long to take its one line. */
#define REFUSAL_WRITE_MS 5000

static void free_session(struct mm_session *session)
{
    session->protocol->free(session);
    mm_timer_close(&session->timer);
    mm_timer_close(&session->life_timer);
    mm_settings_unref(&session->settings);
    mm_list_remove(&session->node);
    mm_server_leave(session->server, session->service, &session->peer);
    mm_free(session);
}

const struct mm_config *mm_session_config(const struct mm_session *session)
{
    return session->settings->config;
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
static void set_deadline(struct mm_session *session)
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
        session->protocol->close(session, false);
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
        set_deadline(session);
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

void mm_session_wait_over(struct mm_session *session, enum mm_wait_for what)
{
    if (mm_wait_end(&session->wait, what)) {
        mm_session_pump(session);
    }
}

bool mm_session_job_done(struct mm_session *session)
{
    (void)mm_wait_end(&session->wait, MM_WAIT_JOB);
    if (session->conn == NULL && session->wait.jobs == 0) {
        free_session(session);
        return false;
    }
    /* One that is ending has said its last words already. */
    return session->conn != NULL && !session->is_ending;
}

static void on_settled(void *context)
{
    mm_session_wait_over(context, MM_WAIT_HOST);
}

static void on_wants_body(void *context)
{
    struct mm_session *session = context;

    if (session->protocol->wants_body != NULL) {
        session->protocol->wants_body(session);
        mm_session_wait_over(session, MM_WAIT_HOST);
    }
}

static const struct mm_request_handler request_handler = {
    .on_settled = on_settled,
    .on_wants_body = on_wants_body,
    .on_room = on_settled,
};

bool mm_session_is_hooked(const struct mm_session *session,
                          enum mm_moment moment)
{
    return (atomic_load(&session->server->moments) & moment) != 0;
}

enum mailmod_error mm_session_prepare_request(struct mm_session *session,
                                              struct mm_request_facts *facts)
{
    facts->peer = session->peer;
    facts->socket = mm_conn_socket(session->conn);
    facts->is_tls = mm_session_is_tls(session);
    facts->written_max = MM_LIMIT_REPLY;
    if (facts->moment == MM_MOMENT_POP3_RETRIEVE) {
        facts->written_max =
            (size_t)mm_session_config(session)->smtp.message_size_max;
    }
    session->is_asked = false;
    return mm_request_new(&session->request, session->loop, facts,
                          &request_handler, session);
}

enum mm_ask mm_session_ask(struct mm_session *session, enum mm_moment moment,
                           struct mm_request_facts *facts)
{
    /* A question that was begun is put, whatever the moments are by now. */
    if (session->request == NULL) {
        if (facts == NULL || !mm_session_is_hooked(session, moment)) {
            return MM_ASK_NOBODY;
        }
        facts->moment = moment;
        if (mm_session_prepare_request(session, facts) != MAILMOD_OK) {
            return MM_ASK_SETTLED;
        }
    }
    if (!session->is_asked) {
        session->is_asked = true;
        if (mm_request_ask(session->request, &session->server->options.hooks) !=
            MAILMOD_OK) {
            mm_request_leave(&session->request);
        }
    }
    if (session->request == NULL) {
        return MM_ASK_SETTLED;
    }
    return mm_request_is_settled(session->request) ? MM_ASK_SETTLED
                                                   : MM_ASK_WAIT;
}

void mm_session_forget_request(struct mm_session *session)
{
    mm_request_leave(&session->request);
    session->is_asked = false;
}

static size_t on_input(void *context, struct mm_conn *conn, const char *bytes,
                       size_t size)
{
    struct mm_session *session = context;
    size_t total = 0;

    (void)conn;
    while (total < size && session->conn != NULL && !session->is_ending &&
           !session->is_in_tls) {
        size_t used = session->protocol->engine->feed(
            session->engine, bytes + total, size - total);

        total += used;
        pump_once(session);
        if (used == 0) {
            break;
        }
    }
    if (session->is_ending) {
        return size; /* what comes after the end is dropped */
    }
    session->is_stalled = total < size;
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
    if (!mm_service_has_implicit_tls(session->service)) {
        session->protocol->engine->tls_begun(session->engine);
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

static void on_closed(void *context, struct mm_conn *conn,
                      enum mailmod_error reason)
{
    struct mm_session *session = context;

    MM_LOG(session->server->options.log, MM_LOG_DEBUG,
           session->protocol->component, "session closed",
           MM_TEXT("session", session->identifier),
           MM_TEXT("error", reason == MAILMOD_OK ? "" : mm_error_name(reason)),
           MM_TEXT("failure", mm_conn_failure(conn)));
    session->conn = NULL;
    mm_timer_cancel(&session->timer);
    mm_timer_cancel(&session->life_timer);
    mm_session_forget_request(session);
    mm_wait_forget(&session->wait);
    session->protocol->detach(session);
    if (session->wait.jobs == 0) {
        free_session(session);
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
           MM_TEXT("peer", session->peer_text));
    session->protocol->close(session, true);
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

static void start_tls(struct mm_session *session)
{
    const struct mm_config *config = session->settings->config;
    uint64_t timeout_ms = mm_service_is_pop3(session->service)
                              ? config->pop3.tls_ms
                              : config->smtp.tls_ms;

    session->is_in_tls = true;
    mm_timer_cancel(&session->timer);
    if (mm_conn_start_tls_server(session->conn,
                                 session->settings->tls[session->service],
                                 timeout_ms) != MAILMOD_OK) {
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

/* A refused connection reads nothing and belongs to nobody. */
static size_t drop_input(void *context, struct mm_conn *conn, const char *bytes,
                         size_t size)
{
    (void)context;
    (void)conn;
    (void)bytes;
    return size;
}

static void forget_conn(void *context, struct mm_conn *conn,
                        enum mailmod_error reason)
{
    (void)context;
    (void)conn;
    (void)reason;
}

static const struct mm_conn_handler refusal_handler = {
    .on_input = drop_input,
    .on_closed = forget_conn,
};

/* A connection over the limit: one line where the protocol allows it (not
 * before an implicit handshake), then the end. */
static void refuse(enum mm_service service, struct mm_conn *conn,
                   enum mm_reply_id reply)
{
    struct mm_buf line;

    mm_buf_init(&line, MM_LIMIT_REPLY_LINE);
    mm_conn_set_handler(conn, &refusal_handler, NULL);
    mm_conn_set_write_timeout(conn, REFUSAL_WRITE_MS);
    if (mm_service_has_implicit_tls(service)) {
        mm_conn_abort(conn);
    } else {
        if (mm_service_is_pop3(service)) {
            (void)mm_buf_append_cstr(
                &line, "-ERR [SYS/TEMP] too many connections\r\n");
        } else {
            (void)mm_reply_write(&line, mm_reply_get(reply), true);
        }
        if (mm_conn_write(conn, mm_buf_span(&line).data, mm_buf_size(&line)) ==
            MAILMOD_OK) {
            mm_conn_close(conn);
        } else {
            mm_conn_abort(conn);
        }
    }
    mm_buf_fini(&line);
}

static enum mailmod_error open_session(struct mm_session *session)
{
    const struct mm_config *config = session->settings->config;
    bool is_pop3 = mm_service_is_pop3(session->service);
    enum mailmod_error error =
        mm_timer_open(&session->timer, session->loop, on_timer);
    if (error == MAILMOD_OK) {
        error =
            mm_timer_open(&session->life_timer, session->loop, on_life_timer);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    mm_conn_set_write_timeout(session->conn, is_pop3 ? config->pop3.write_ms
                                                     : config->smtp.write_ms);
    if (!is_pop3) {
        mm_timer_set(&session->life_timer, config->smtp.session_ms);
    }
    mm_trace_init(&session->trace, session->server->options.log,
                  session->protocol->component, session->identifier,
                  session->peer_text);
    return session->protocol->begin(session);
}

static struct mm_session *new_session(struct mm_server *server,
                                      enum mm_service service,
                                      struct mm_conn *conn)
{
    const struct mm_session_protocol *protocol =
        mm_service_is_pop3(service) ? &mm_pop3_session_protocol
                                    : &mm_smtp_session_protocol;
    struct mm_session *session = mm_alloc(protocol->size);

    if (session == NULL) {
        return NULL;
    }
    session->protocol = protocol;
    session->server = server;
    session->service = service;
    session->conn = conn;
    session->loop = mm_conn_loop(conn);
    session->peer = *mm_conn_peer(conn);
    mm_netaddr_format(&session->peer, session->peer_text);
    mm_list_init(&session->node);
    if (!mm_server_enter(session)) {
        mm_free(session);
        return NULL;
    }
    return session;
}

/* Silent sessions that came before the crowd get its deadline, too. */
static void hurry_silent(struct mm_session *newcomer)
{
    struct mm_server_loop *server_loop = newcomer->server_loop;
    uint64_t now_ms = mm_loop_now_ms(newcomer->loop);

    if (!atomic_load(&newcomer->server->is_crowded[newcomer->service]) ||
        now_ms - server_loop->hurried_ms < HURRY_EVERY_MS) {
        return;
    }
    server_loop->hurried_ms = now_ms;
    MM_LIST_EACH(node, &server_loop->sessions)
    {
        struct mm_session *session =
            MM_LIST_OBJECT(node, struct mm_session, node);

        if (session != newcomer && session->conn != NULL &&
            !session->is_ending) {
            set_deadline(session);
        }
    }
}

void mm_session_accept(struct mm_server *server, enum mm_service service,
                       struct mm_conn *conn)
{
    struct mm_session *session = new_session(server, service, conn);

    if (session == NULL) {
        const struct mm_netaddr *peer = mm_conn_peer(conn);
        bool is_of_peer = mm_server_is_full_for(server, service, peer);
        char peer_text[MM_NETADDR_TEXT_MAX];

        mm_netaddr_format(peer, peer_text);
        MM_LOG(server->options.log, MM_LOG_WARNING, mm_service_name(service),
               is_of_peer ? "connection refused: too many of its address"
                          : "connection refused: too many in all",
               MM_TEXT("peer", peer_text));
        refuse(service, conn,
               is_of_peer ? MM_REPLY_TOO_MANY_OF_ADDRESS
                          : MM_REPLY_TOO_MANY_CONNECTIONS);
        return;
    }
    session->server_loop = mm_server_loop(server, session->loop);
    mm_list_append(&session->server_loop->sessions, &session->node);
    hurry_silent(session);
    if (open_session(session) != MAILMOD_OK) {
        free_session(session);
        refuse(service, conn, MM_REPLY_TOO_MANY_CONNECTIONS);
        return;
    }
    mm_conn_set_handler(conn, &conn_handler, session);
    MM_LOG(server->options.log, MM_LOG_DEBUG, session->protocol->component,
           "session opened", MM_TEXT("session", session->identifier),
           MM_TEXT("service", mm_service_name(service)),
           MM_TEXT("peer", session->peer_text));
    if (mm_service_has_implicit_tls(service)) {
        start_tls(session);
        return;
    }
    mm_session_pump(session);
}
