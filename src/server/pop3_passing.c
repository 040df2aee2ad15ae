/* pop3_passing.c - a POP3 session that is passed on to another server.
 *
 * Owns the connection there, and what it said and the client has not taken yet
 * (at most MM_LIMIT_OUTPUT). Promises: the login goes the way of every login
 * (ban, host, count, delay); once it is there, octets pass both ways as they
 * are and no faster than either side takes them; whoever ends, the other is
 * ended; a client that vanishes is no QUIT there, so nothing is deleted.
 *
 * Law: nobody's -> chosen (asked there) -> passing, or refused. From passing on
 * the session's protocol is mm_pop3_passing_protocol.
 * Thread: the session's loop. RFC 1939 3 (idle time), 6. */
#include "server/pop3_session.h"

#include "server/server_internal.h"

#include <string.h>

/* For the next octets to a client that will send no more: it may have vanished,
 * and the other server holds its mailbox. */
#define END_PATIENCE_MS 5000

static struct mm_pop3_passing *passing_of(const struct mm_session *session)
{
    return session->engine;
}

/* ---- the login there ---- */

/* An AUTHENTICATION is a wrong password; the rest is no word about it. */
static enum mm_auth_verdict verdict_of(const struct mm_pop3_passing *passing)
{
    switch (passing->question.error) {
    case MAILMOD_OK:
        return MM_AUTH_OK;
    case MAILMOD_ERROR_AUTHENTICATION:
        return MM_AUTH_REFUSED;
    default:
        return MM_AUTH_TEMPORARY;
    }
}

static const struct mm_conn_handler conn_handler;

static void on_answer(struct mm_backend_question *question)
{
    struct mm_pop3_passing *passing =
        MM_LIST_OBJECT(question, struct mm_pop3_passing, question);
    struct mm_pop3_session *pop3 = mm_pop3_session(passing->session);

    passing->conn = question->conn;
    if (passing->conn != NULL) {
        mm_conn_set_handler(passing->conn, &conn_handler, passing);
    }
    mm_auth_checked(&pop3->logins.auth, verdict_of(passing));
}

bool mm_pop3_passing_check(struct mm_pop3_passing *passing,
                           struct mm_session *session, struct mm_auth *auth,
                           enum mm_auth_verdict *verdict_out)
{
    const struct mm_backend_door *door =
        &session->server->options.post->backends;
    const char *password = mm_auth_password_text(auth);
    struct mm_backend_question *question = &passing->question;

    mm_pop3_passing_fini(passing);
    passing->session = session;
    question->config = mm_session_config(session);
    if (door->context == NULL ||
        mm_config_find_backend(question->config, auth->user_name,
                               auth->given_name,
                               &question->backend) != MAILMOD_OK) {
        return false;
    }
    passing->is_chosen = true;
    if (password == NULL) {
        *verdict_out = MM_AUTH_REFUSED; /* there is none to show there */
        return true;
    }
    question->loop = session->loop;
    question->resolver = session->server_loop->resolver;
    question->user = auth->given_name;
    question->password = password;
    question->done = on_answer;
    *verdict_out = door->ask(door->context, question) == MAILMOD_OK
                       ? MM_AUTH_WAIT
                       : MM_AUTH_TEMPORARY;
    return true;
}

/* ---- octets ---- */

static size_t on_input(void *context, struct mm_conn *conn, const char *bytes,
                       size_t size)
{
    struct mm_pop3_passing *passing = context;
    struct mm_session *session = passing->session;
    size_t room = mm_buf_room(&passing->to_client);
    size_t taken = size < room ? size : room;

    (void)conn;
    if (session->conn == NULL || passing_of(session) != passing) {
        return 0; /* the client has not heard of its login yet */
    }
    if (mm_buf_append(&passing->to_client, bytes, taken) != MAILMOD_OK) {
        mm_session_abort(session);
        return size;
    }
    passing->progress += taken;
    passing->is_stalled = taken < size;
    mm_session_pump(session);
    return taken;
}

static void on_drained(void *context, struct mm_conn *conn)
{
    (void)conn;
    mm_session_pump(((struct mm_pop3_passing *)context)->session);
}

/* What it said goes out, then the client is ended too. */
static void on_closed(void *context, struct mm_conn *conn,
                      enum mailmod_error reason)
{
    struct mm_pop3_passing *passing = context;
    struct mm_session *session = passing->session;

    (void)conn;
    (void)reason;
    passing->conn = NULL;
    if (session->conn != NULL && passing_of(session) == passing) {
        mm_session_end(session);
        mm_session_pump(session);
    }
}

static const struct mm_conn_handler conn_handler = {
    .on_input = on_input, .on_drained = on_drained, .on_closed = on_closed};

void mm_pop3_passing_begin(struct mm_pop3_passing *passing, struct mm_span said,
                           struct mm_span heard)
{
    struct mm_session *session = passing->session;

    mm_buf_init(&passing->to_client, MM_LIMIT_OUTPUT);
    passing->progress = session->protocol->engine->progress(session->engine);
    if (passing->conn == NULL ||
        mm_buf_append_span(&passing->to_client, said) != MAILMOD_OK ||
        (heard.size > 0 &&
         mm_conn_write(passing->conn, heard.data, heard.size) != MAILMOD_OK)) {
        mm_session_abort(session);
        return;
    }
    session->protocol = &mm_pop3_passing_protocol;
    session->engine = passing;
    mm_conn_set_write_timeout(passing->conn,
                              mm_session_config(session)->pop3.write_ms);
    mm_conn_resume(passing->conn);
}

void mm_pop3_passing_detach(struct mm_pop3_passing *passing)
{
    if (passing->question.call != NULL) {
        passing->session->server->options.post->backends.cut(
            &passing->question);
    }
    if (passing->conn != NULL) {
        mm_conn_forget(passing->conn);
        passing->conn = NULL;
    }
}

void mm_pop3_passing_fini(struct mm_pop3_passing *passing)
{
    if (passing->conn != NULL) {
        mm_conn_forget(passing->conn);
    }
    mm_buf_fini(&passing->to_client);
    *passing = (struct mm_pop3_passing){.conn = NULL};
}

/* ---- the protocol of a session that is passed on ---- */

/* What the connection there takes; its owner hears of it again by on_drained.
 */
static size_t feed(void *engine, const char *bytes, size_t size)
{
    struct mm_pop3_passing *passing = engine;

    if (passing->conn == NULL) {
        return size; /* the end is on its way */
    }
    size_t room = mm_conn_write_room(passing->conn);
    size_t taken = size < room ? size : room;
    if (taken > 0 && mm_conn_write(passing->conn, bytes, taken) != MAILMOD_OK) {
        mm_session_abort(passing->session);
        return size;
    }
    passing->progress += taken;
    return taken;
}

static struct mm_span output(const void *engine)
{
    return mm_buf_span(&((const struct mm_pop3_passing *)engine)->to_client);
}

static void sent(void *engine, size_t size)
{
    struct mm_pop3_passing *passing = engine;

    mm_buf_consume(&passing->to_client, size);
    if (mm_buf_size(&passing->to_client) == 0) {
        mm_buf_release(&passing->to_client);
    }
}

static uint64_t progress(const void *engine)
{
    return ((const struct mm_pop3_passing *)engine)->progress;
}

static const struct mm_session_engine engine_verbs = {
    .feed = feed, .output = output, .sent = sent, .progress = progress};

/* Nothing is read here but octets: the client took some, so there is room for
 * more of the other server's. */
static bool step(struct mm_session *session)
{
    struct mm_pop3_passing *passing = passing_of(session);

    if (passing->is_stalled && passing->conn != NULL &&
        mm_buf_room(&passing->to_client) >= MM_LIMIT_OUTPUT / 2) {
        passing->is_stalled = false;
        mm_conn_resume(passing->conn);
    }
    return false;
}

/* Where the commands are is not known, so a stop ends it at once; a client that
 * has sent all gets its answers. */
static enum mm_standing standing(struct mm_session *session)
{
    return session->has_peer_end && passing_of(session)->conn != NULL
               ? MM_STANDING_BUSY
               : MM_STANDING_IDLE;
}

static uint64_t wait_ms(struct mm_session *session)
{
    uint64_t idle_ms = mm_session_config(session)->pop3.idle_ms;

    return session->has_peer_end && idle_ms > END_PATIENCE_MS ? END_PATIENCE_MS
                                                              : idle_ms;
}

/* Whatever were said here could be taken for the other server's words. */
static void close_passing(struct mm_session *session,
                          enum mm_close_reason reason)
{
    (void)session;
    (void)reason;
}

static struct mm_session_limits limits(const struct mm_config *config)
{
    return mm_pop3_session_protocol.limits(config);
}

static void detach(struct mm_session *session)
{
    mm_pop3_session_protocol.detach(session);
}

static void free_passing(struct mm_session *session)
{
    mm_pop3_session_protocol.free(session);
}

const struct mm_session_protocol mm_pop3_passing_protocol = {
    .component = "pop3",
    .limits = limits,
    .engine = &engine_verbs,
    .step = step,
    .standing = standing,
    .wait_ms = wait_ms,
    .close = close_passing,
    .detach = detach,
    .free = free_passing,
};
