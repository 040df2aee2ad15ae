/* conn.c - a connection: its life, and what its owner may call.
 *
 * Owns the libuv handle and all buffers of one TCP connection. A connection
 * is one object with an optional TLS session, not a stack of sockets. What
 * the owner calls only changes state and asks for a turn of the pump
 * (conn_pump.c), which the loop gives soon after; so no callback ever comes
 * from inside a call into the connection, and the memory stays until
 * on_closed, which comes from libuv's close callback, exactly once.
 * Memory of an idle connection: this struct, and the SSL object under TLS.
 * Thread: the loop's. */
#include "io/conn_internal.h"

#include "base/mem.h"
#include "platform/net.h"
#include "platform/standard.h"

#define WRITE_TIMEOUT_MS 300000
#define FAILURE_MAX 512

static void on_kick(struct mm_task *task)
{
    struct mm_conn *conn = MM_LIST_OBJECT(task, struct mm_conn, kick);
    conn->is_kicked = false;
    if (conn->opens_soon) {
        conn->opens_soon = false;
        mm_conn_open_now(conn);
    } else {
        mm_conn_pump(conn);
    }
}

void mm_conn_kick(struct mm_conn *conn)
{
    if (!conn->is_kicked && conn->phase != MM_CONN_GONE) {
        conn->is_kicked = true;
        mm_loop_soon(conn->loop, &conn->kick);
    }
}

static void on_setup_expired(struct mm_timer *timer)
{
    struct mm_conn *conn = MM_LIST_OBJECT(timer, struct mm_conn, setup_timer);
    mm_conn_end(conn, MAILMOD_ERROR_TIMEOUT,
                conn->tls == NULL ? "connect" : "TLS handshake",
                "the time is over");
}

static void on_write_expired(struct mm_timer *timer)
{
    struct mm_conn *conn = MM_LIST_OBJECT(timer, struct mm_conn, write_timer);
    if (conn->is_lingering || conn->is_deaf) {
        mm_conn_end(conn, conn->reason, NULL, NULL);
        return;
    }
    enum mailmod_error reason =
        conn->reason != MAILMOD_OK ? conn->reason : MAILMOD_ERROR_TIMEOUT;
    mm_conn_end(conn, reason, "write", "the peer takes no octets");
}

static void on_stop(struct mm_resident *resident)
{
    struct mm_conn *conn = MM_LIST_OBJECT(resident, struct mm_conn, resident);
    mm_conn_end(conn, MAILMOD_ERROR_STOPPED, "loop", "stopped");
}

static void init_parts(struct mm_conn *conn, struct mm_loop *loop)
{
    conn->loop = loop;
    conn->phase = MM_CONN_CONNECTING;
    conn->write_timeout_ms = WRITE_TIMEOUT_MS;
    conn->resident.on_stop = on_stop;
    conn->kick.run = on_kick;
    mm_list_init(&conn->kick.node);
    mm_buf_init(&conn->input, MM_LOOP_LENT_SIZE);
    mm_buf_init(&conn->output, MM_LIMIT_OUTPUT + MM_CONN_OUTPUT_SLACK);
    mm_buf_init(&conn->sending, MM_LIMIT_OUTPUT + MM_CONN_OUTPUT_SLACK);
    mm_buf_init(&conn->failure, FAILURE_MAX);
}

enum mailmod_error mm_conn_new(struct mm_conn **conn_out, struct mm_loop *loop)
{
    *conn_out = NULL;
    struct mm_conn *conn = mm_alloc(sizeof *conn);
    if (conn == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    init_parts(conn, loop);
    enum mailmod_error error =
        mm_timer_open(&conn->setup_timer, loop, on_setup_expired);
    if (error == MAILMOD_OK) {
        error = mm_timer_open(&conn->write_timer, loop, on_write_expired);
    }
    if (error == MAILMOD_OK) {
        error = mm_loop_admit(loop, &conn->resident);
    }
    if (error == MAILMOD_OK) {
        int status = uv_tcp_init(&loop->uv, &conn->tcp);
        if (status != 0) {
            mm_list_remove(&conn->resident.node);
            error = mm_error_from_uv(status);
        }
    }
    if (error != MAILMOD_OK) {
        mm_timer_close(&conn->setup_timer);
        mm_timer_close(&conn->write_timer);
        mm_free(conn);
        return error;
    }
    conn->tcp.data = conn;
    *conn_out = conn;
    return MAILMOD_OK;
}

static void free_conn(struct mm_conn *conn)
{
    mm_list_remove(&conn->resident.node);
    mm_list_remove(&conn->kick.node);
    mm_timer_close(&conn->setup_timer);
    mm_timer_close(&conn->write_timer);
    mm_tls_session_free(&conn->tls);
    mm_buf_fini(&conn->input);
    mm_buf_fini(&conn->output);
    mm_buf_fini(&conn->sending);
    mm_buf_fini(&conn->failure);
    mm_free(conn);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct mm_conn *conn = handle->data;
    mm_loop_note_callback(conn->loop);
    const struct mm_conn_handler *handler = conn->handler;
    if (handler != NULL && handler->on_closed != NULL) {
        handler->on_closed(conn->context, conn, conn->reason);
    }
    free_conn(conn);
}

void mm_conn_explain(struct mm_conn *conn, const char *what, const char *detail)
{
    if (what == NULL || mm_buf_size(&conn->failure) > 0) {
        return;
    }
    (void)mm_buf_append_cstr(&conn->failure, what);
    if (detail != NULL) {
        (void)mm_buf_append_cstr(&conn->failure, ": ");
        struct mm_span text = mm_span_cstr(detail);
        size_t room = mm_buf_room(&conn->failure);
        text.size = text.size < room ? text.size : room;
        (void)mm_buf_append_span(&conn->failure, text);
    }
}

void mm_conn_end(struct mm_conn *conn, enum mailmod_error reason,
                 const char *what, const char *detail)
{
    if (conn->phase == MM_CONN_GONE) {
        return;
    }
    mm_conn_explain(conn, what, detail);
    bool was_open = conn->phase != MM_CONN_CONNECTING;
    conn->phase = MM_CONN_GONE;
    conn->reason = reason;
    mm_timer_cancel(&conn->setup_timer);
    mm_timer_cancel(&conn->write_timer);
    intptr_t descriptor = mm_conn_socket(conn);
    if (was_open && !conn->is_shut) {
        mm_net_end(descriptor);
    }
    uv_close((uv_handle_t *)&conn->tcp, on_handle_closed);
    /* libuv leaves it open where a standard file has its place, which a host
     * may have closed while we accepted. */
    mm_standard_close(descriptor);
}

void mm_conn_end_uv(struct mm_conn *conn, int status, const char *what)
{
    char text[128];
    (void)uv_strerror_r(status, text, sizeof text);
    /* Once all was sent and FIN is out, a reset takes nothing from our own
     * close. */
    bool is_harmless = conn->phase == MM_CONN_CLOSING && conn->is_shut &&
                       mm_conn_owed(conn) == 0;
    if (is_harmless) {
        mm_conn_end(conn, conn->reason, NULL, NULL);
        return;
    }
    mm_conn_end(conn, mm_error_from_uv(status), what, text);
}

void mm_conn_begin_close(struct mm_conn *conn, enum mailmod_error reason)
{
    if (conn->phase == MM_CONN_CONNECTING) {
        mm_conn_end(conn, reason, NULL, NULL);
        return;
    }
    if (conn->phase != MM_CONN_OPEN) {
        return;
    }
    conn->phase = MM_CONN_CLOSING;
    conn->reason = reason;
    /* Inside on_input the pump sees what the handler leaves. */
    conn->is_talking = (!conn->is_offering && mm_buf_size(&conn->input) > 0) ||
                       (conn->tls != NULL && mm_tls_has_kept(conn->tls));
    mm_timer_cancel(&conn->setup_timer);
    if (!mm_timer_is_set(&conn->write_timer)) {
        mm_timer_set(&conn->write_timer, conn->write_timeout_ms);
    }
    mm_conn_kick(conn);
}

static struct mm_netaddr name_of(const struct mm_conn *conn,
                                 int (*get)(const uv_tcp_t *, struct sockaddr *,
                                            int *))
{
    struct sockaddr_storage storage = {0};
    int length = sizeof storage;
    struct mm_netaddr none = {MM_NETADDR_NONE, {0}, 0, 0};
    if (get(&conn->tcp, (struct sockaddr *)&storage, &length) != 0) {
        return none;
    }
    return mm_net_from_sockaddr(&storage);
}

void mm_conn_opened(struct mm_conn *conn)
{
    conn->phase = MM_CONN_OPEN;
    conn->peer = name_of(conn, uv_tcp_getpeername);
    conn->local = name_of(conn, uv_tcp_getsockname);
    /* Replies are written whole; waiting for more only adds delay. */
    (void)uv_tcp_nodelay(&conn->tcp, 1);
    mm_timer_cancel(&conn->setup_timer);
}

void mm_conn_set_handler(struct mm_conn *conn,
                         const struct mm_conn_handler *handler, void *context)
{
    conn->handler = handler;
    conn->context = context;
    mm_conn_kick(conn);
}

size_t mm_conn_owed(const struct mm_conn *conn)
{
    size_t owed = mm_buf_size(&conn->output) + mm_buf_size(&conn->sending);
    /* What waited for a handshake that we gave up is owed no more. */
    bool is_void = conn->phase == MM_CONN_CLOSING && !mm_conn_is_tls(conn);
    if (conn->tls == NULL || is_void) {
        return owed;
    }
    return owed + mm_tls_pending(conn->tls);
}

size_t mm_conn_write_room(const struct mm_conn *conn)
{
    if (conn->is_deaf) {
        return 0;
    }
    size_t owed = mm_conn_owed(conn);
    return owed < MM_LIMIT_OUTPUT ? MM_LIMIT_OUTPUT - owed : 0;
}

enum mailmod_error mm_conn_write(struct mm_conn *conn, const char *bytes,
                                 size_t size)
{
    if (conn->phase != MM_CONN_OPEN) {
        return MAILMOD_ERROR_STATE;
    }
    if (size > mm_conn_write_room(conn)) {
        conn->is_above = true;
        return MAILMOD_ERROR_LIMIT;
    }
    enum mailmod_error error = conn->tls == NULL
                                   ? mm_buf_append(&conn->output, bytes, size)
                                   : mm_tls_write(conn, bytes, size);
    if (error != MAILMOD_OK) {
        return error;
    }
    if (mm_conn_owed(conn) > MM_CONN_OUTPUT_LOW) {
        conn->is_above = true;
    }
    if (!conn->is_pumping) {
        mm_conn_kick(conn);
    }
    return MAILMOD_OK;
}

void mm_conn_resume(struct mm_conn *conn)
{
    conn->is_paused = false;
    conn->is_resumed = true;
    mm_conn_kick(conn);
}

void mm_conn_close(struct mm_conn *conn)
{
    mm_conn_begin_close(conn, MAILMOD_OK);
}

void mm_conn_abort(struct mm_conn *conn)
{
    mm_conn_end(conn, MAILMOD_OK, NULL, NULL);
}

static void nobody_open(void *context, struct mm_conn *conn)
{
    (void)context;
    (void)conn;
}

static size_t nobody_input(void *context, struct mm_conn *conn,
                           const char *bytes, size_t size)
{
    (void)context;
    (void)conn;
    (void)bytes;
    return size;
}

static void nobody_closed(void *context, struct mm_conn *conn,
                          enum mailmod_error reason)
{
    (void)context;
    (void)conn;
    (void)reason;
}

void mm_conn_forget(struct mm_conn *conn)
{
    static const struct mm_conn_handler nobody = {.on_open = nobody_open,
                                                  .on_input = nobody_input,
                                                  .on_closed = nobody_closed};
    conn->handler = &nobody;
    conn->context = NULL;
    mm_conn_abort(conn);
}

void mm_conn_set_write_timeout(struct mm_conn *conn, uint64_t timeout_ms)
{
    conn->write_timeout_ms = timeout_ms;
}

static enum mailmod_error start_tls(struct mm_conn *conn, struct mm_tls *tls,
                                    const char *name, bool verifies,
                                    uint64_t timeout_ms)
{
    if (conn->phase != MM_CONN_OPEN || conn->tls != NULL) {
        return MAILMOD_ERROR_STATE;
    }
    /* RFC 3207 4.2 and 5, RFC 2595 4: what came in clear after the command
     * or its answer was never protected. Inside on_input the pump looks at
     * what the handler leaves instead. */
    if (!conn->is_offering && mm_buf_size(&conn->input) > 0) {
        return MAILMOD_ERROR_PROTOCOL;
    }
    enum mailmod_error error = mm_tls_session_new(conn, tls, name, verifies);
    if (error != MAILMOD_OK) {
        return error;
    }
    mm_timer_set(&conn->setup_timer, timeout_ms);
    mm_conn_kick(conn);
    return MAILMOD_OK;
}

enum mailmod_error mm_conn_start_tls_server(struct mm_conn *conn,
                                            struct mm_tls *tls,
                                            uint64_t timeout_ms)
{
    return start_tls(conn, tls, NULL, false, timeout_ms);
}

enum mailmod_error mm_conn_start_implicit_tls(struct mm_conn *conn,
                                              struct mm_tls *tls,
                                              uint64_t timeout_ms)
{
    enum mailmod_error error = start_tls(conn, tls, NULL, false, timeout_ms);
    conn->is_implicit_tls = error == MAILMOD_OK;
    return error;
}

enum mailmod_error mm_conn_start_tls_client(struct mm_conn *conn,
                                            struct mm_tls *tls,
                                            const char *name, bool verifies,
                                            uint64_t timeout_ms)
{
    return start_tls(conn, tls, name, verifies, timeout_ms);
}

void mm_conn_ask_certificate(struct mm_conn *conn)
{
    conn->asks_certificate = true;
}

enum mailmod_error
mm_conn_peer_certificate(const struct mm_conn *conn,
                         struct mm_peer_certificate *certificate_out)
{
    return mm_conn_is_tls(conn)
               ? mm_tls_session_certificate(conn->tls, certificate_out)
               : MAILMOD_ERROR_NOT_FOUND;
}

bool mm_conn_has_certificate(const struct mm_conn *conn)
{
    return mm_conn_is_tls(conn) && mm_tls_session_has_certificate(conn->tls);
}

bool mm_conn_is_tls(const struct mm_conn *conn)
{
    return conn->tls != NULL && mm_tls_is_established(conn->tls);
}

const char *mm_conn_tls_text(const struct mm_conn *conn)
{
    return mm_conn_is_tls(conn) ? mm_tls_session_text(conn->tls) : "";
}

const char *mm_conn_failure(const struct mm_conn *conn)
{
    /* The NUL goes into room that the buffer keeps for it. */
    struct mm_buf *failure = (struct mm_buf *)&conn->failure;
    const char *text = mm_buf_size(failure) > 0 ? mm_buf_cstr(failure) : NULL;
    return text != NULL ? text : "";
}

const struct mm_netaddr *mm_conn_peer(const struct mm_conn *conn)
{
    return &conn->peer;
}

const struct mm_netaddr *mm_conn_local(const struct mm_conn *conn)
{
    return &conn->local;
}

struct mm_loop *mm_conn_loop(const struct mm_conn *conn)
{
    return conn->loop;
}

intptr_t mm_conn_socket(const struct mm_conn *conn)
{
    uv_os_fd_t fd;
    if (uv_fileno((const uv_handle_t *)&conn->tcp, &fd) != 0) {
        return -1;
    }
    return (intptr_t)fd;
}
