/* conn_pump.c - moves a connection's octets.
 *
 * The pump runs after any event (octets arrived, a write finished, the owner
 * called something) and in one fixed order: handshake, input to the handler,
 * output to the socket, the low-water mark, the peer's end, our own close.
 * Whatever a step leaves for later asks for another turn from the loop, never
 * for a loop here, so that one fast peer cannot hold up the others.
 * Bounds: input is read only when all of the former input was taken; output is
 * bounded by mm_conn_write. A send owns its memory until libuv is done with
 * it, and the write time-out is the send's, begun when it begins: a peer that
 * takes an octet now and then cannot extend it.
 * Thread: the loop's. */
#include "io/conn_internal.h"

/* How long a peer that still talks after our FIN may read our last words: a
 * close before that would reset the connection and destroy them. */
#define LINGER_MS 2000
/* TLS records, which may be small, that are looked at before others' turn. */
#define OFFERS_MAX 16

static uv_stream_t *stream_of(struct mm_conn *conn)
{
    return (uv_stream_t *)&conn->tcp;
}

static size_t offer(struct mm_conn *conn, struct mm_span span)
{
    const struct mm_conn_handler *handler = conn->handler;
    conn->is_offering = true;
    conn->is_resumed = false;
    size_t taken = handler->on_input(conn->context, conn, span.data, span.size);
    conn->is_offering = false;
    if (taken >= span.size) {
        return span.size;
    }
    if (conn->is_resumed) {
        mm_conn_kick(conn);
    } else {
        conn->is_paused = true;
    }
    return taken;
}

/* Octets that the handler has not seen yet; they are its own or kept. */
static bool fresh_input(struct mm_conn *conn, struct mm_span *span_out)
{
    if (conn->tls != NULL) {
        if (!mm_tls_is_established(conn->tls)) {
            return false;
        }
        enum mm_tls_step step = mm_tls_read(conn, span_out);
        conn->has_end = conn->has_end || step == MM_TLS_ENDED;
        return step == MM_TLS_DONE;
    }
    *span_out = conn->arrived;
    conn->arrived = mm_span(NULL, 0);
    return span_out->size > 0;
}

/* The handler began TLS and left octets that arrived in clear. */
static void leave_to_tls(struct mm_conn *conn, struct mm_span rest)
{
    if (!conn->is_implicit_tls) {
        mm_conn_end(conn, MAILMOD_ERROR_PROTOCOL, "TLS",
                    "octets were sent in clear ahead of the handshake");
        return;
    }
    enum mailmod_error error = mm_tls_keep(conn->tls, rest);
    mm_buf_clear(&conn->input);
    conn->is_paused = false;
    if (error != MAILMOD_OK) {
        mm_conn_end(conn, error, "read", NULL);
        return;
    }
    mm_conn_kick(conn);
}

/* Offers one span; false when the handler wants no more now. */
static bool deliver_one(struct mm_conn *conn)
{
    struct mm_span span = mm_buf_span(&conn->input);
    bool is_kept = span.size > 0;
    bool was_clear = conn->tls == NULL;
    if (!is_kept && !fresh_input(conn, &span)) {
        return false;
    }
    size_t taken = offer(conn, span);
    struct mm_span rest = mm_span_from(span, taken);
    if (conn->phase != MM_CONN_OPEN) {
        conn->is_talking = conn->is_talking || rest.size > 0;
        return false;
    }
    if (was_clear && conn->tls != NULL && rest.size > 0) {
        leave_to_tls(conn, rest);
        return false;
    }
    if (is_kept) {
        mm_buf_consume(&conn->input, taken);
    } else if (mm_buf_append_span(&conn->input, rest) != MAILMOD_OK) {
        mm_conn_end(conn, MAILMOD_ERROR_MEMORY, "read", NULL);
        return false;
    }
    return rest.size == 0;
}

static void deliver(struct mm_conn *conn)
{
    bool goes_on = true;
    unsigned offers = 0;
    while (goes_on && conn->phase == MM_CONN_OPEN && !conn->is_paused) {
        goes_on = deliver_one(conn);
        if (goes_on && ++offers == OFFERS_MAX) {
            mm_conn_kick(conn);
            break;
        }
    }
    if (mm_buf_size(&conn->input) == 0) {
        mm_buf_release(&conn->input);
    }
}

/* OpenSSL may stop reading for want of room to write; when the output went out
 * at once, no event would bring it back to what is kept. */
static void retry_kept(struct mm_conn *conn)
{
    if (conn->phase == MM_CONN_OPEN && conn->tls != NULL &&
        mm_tls_has_kept(conn->tls) && mm_buf_size(&conn->input) == 0 &&
        !conn->is_paused && !conn->has_end && !conn->is_sending) {
        mm_conn_kick(conn);
    }
}

/* The read buffer goes back to the loop: what is left in it is kept. */
static void keep_arrived(struct mm_conn *conn)
{
    struct mm_span rest = conn->arrived;
    conn->arrived = mm_span(NULL, 0);
    if (rest.size == 0 || conn->phase == MM_CONN_GONE) {
        return;
    }
    if (conn->phase == MM_CONN_CLOSING) {
        conn->is_talking = true;
        return;
    }
    enum mailmod_error error = conn->tls != NULL
                                   ? mm_tls_keep(conn->tls, rest)
                                   : mm_buf_append_span(&conn->input, rest);
    if (error != MAILMOD_OK) {
        mm_conn_end(conn, error, "read", NULL);
    }
}

static void on_lend(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    const struct mm_loop *loop = ((const struct mm_conn *)handle->data)->loop;
    bool is_short = loop->memory != NULL && mm_budget_is_short(loop->memory);
    (void)suggested;
    *buf = uv_buf_init(loop->lent,
                       is_short ? MM_LIMIT_TEXT_OWN : MM_LOOP_LENT_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct mm_conn *conn = stream->data;
    mm_loop_note_callback(conn->loop);
    if (conn->phase == MM_CONN_GONE || count == 0) {
        return;
    }
    if (count < 0) {
        (void)uv_read_stop(stream);
        conn->is_reading = false;
        if (count != UV_EOF) {
            mm_conn_end_uv(conn, (int)count, "read");
            return;
        }
        conn->has_raw_end = true;
        conn->has_end = conn->has_end || conn->tls == NULL;
    } else {
        conn->arrived = mm_span(buf->base, (size_t)count);
    }
    mm_conn_pump(conn);
    keep_arrived(conn);
    retry_kept(conn);
    mm_conn_watch(conn);
}

static bool has_kept(const struct mm_conn *conn)
{
    return mm_buf_size(&conn->input) > 0 ||
           (conn->tls != NULL && mm_tls_has_kept(conn->tls));
}

static bool wants_octets(const struct mm_conn *conn)
{
    if (conn->has_raw_end) {
        return false;
    }
    if (conn->phase == MM_CONN_CLOSING) {
        return true; /* and drops them: a reset must be noticed */
    }
    if (conn->phase != MM_CONN_OPEN) {
        return false;
    }
    bool shakes = conn->tls != NULL && !mm_tls_is_established(conn->tls);
    return shakes || (!conn->is_paused && !has_kept(conn));
}

void mm_conn_watch(struct mm_conn *conn)
{
    bool wants = wants_octets(conn);
    if (wants == conn->is_reading || conn->phase == MM_CONN_GONE) {
        return;
    }
    conn->is_reading = wants;
    if (!wants) {
        (void)uv_read_stop(stream_of(conn));
        return;
    }
    int status = uv_read_start(stream_of(conn), on_lend, on_read);
    if (status != 0) {
        mm_conn_end_uv(conn, status, "read");
    }
}

/* The peer takes no more octets. What it said before that may be the reason:
 * it is read to its end before the connection ends. */
static void stop_writing(struct mm_conn *conn, int status)
{
    if (conn->phase != MM_CONN_OPEN || conn->has_raw_end || conn->is_paused) {
        mm_conn_end_uv(conn, status, "write");
        return;
    }
    char text[128];
    (void)uv_strerror_r(status, text, sizeof text);
    mm_conn_explain(conn, "write", text);
    conn->is_deaf = true;
    conn->reason = mm_error_from_uv(status);
    mm_buf_release(&conn->output);
    mm_timer_set(&conn->write_timer, LINGER_MS);
}

static void on_written(uv_write_t *request, int status)
{
    struct mm_conn *conn = request->handle->data;
    mm_loop_note_callback(conn->loop);
    conn->is_sending = false;
    mm_buf_release(&conn->sending);
    if (conn->phase == MM_CONN_GONE) {
        return;
    }
    if (status != 0) {
        stop_writing(conn, status);
        mm_conn_watch(conn);
        return;
    }
    mm_timer_cancel(&conn->write_timer);
    mm_conn_pump(conn);
}

/* Hands the rest of the output over to a write request. */
static void send_later(struct mm_conn *conn)
{
    size_t size_max = conn->output.size_max;
    conn->sending = conn->output;
    mm_buf_init(&conn->output, size_max);
    struct mm_span span = mm_buf_span(&conn->sending);
    uv_buf_t buf = uv_buf_init((char *)span.data, (unsigned)span.size);
    int status =
        uv_write(&conn->request.write, stream_of(conn), &buf, 1, on_written);
    if (status != 0) {
        mm_conn_end_uv(conn, status, "write");
        return;
    }
    conn->is_sending = true;
    mm_timer_set(&conn->write_timer, conn->write_timeout_ms);
}

static void flush(struct mm_conn *conn)
{
    if (conn->phase != MM_CONN_OPEN && conn->phase != MM_CONN_CLOSING) {
        return;
    }
    if (conn->is_deaf) {
        mm_buf_release(&conn->output);
        return;
    }
    if (conn->tls != NULL) {
        mm_tls_write_pending(conn);
    }
    struct mm_span span = mm_buf_span(&conn->output);
    if (conn->is_sending || span.size == 0 || conn->phase == MM_CONN_GONE) {
        return;
    }
    uv_buf_t buf = uv_buf_init((char *)span.data, (unsigned)span.size);
    int sent = uv_try_write(stream_of(conn), &buf, 1);
    if (sent < 0 && sent != UV_EAGAIN) {
        stop_writing(conn, sent);
        return;
    }
    if (sent > 0) {
        mm_buf_consume(&conn->output, (size_t)sent);
    }
    if (mm_buf_size(&conn->output) > 0) {
        send_later(conn);
    } else {
        mm_buf_release(&conn->output);
    }
}

static void tell_drained(struct mm_conn *conn)
{
    if (conn->phase != MM_CONN_OPEN || !conn->is_above ||
        mm_conn_owed(conn) > MM_CONN_OUTPUT_LOW) {
        return;
    }
    conn->is_above = false;
    if (conn->handler->on_drained != NULL) {
        conn->handler->on_drained(conn->context, conn);
        flush(conn);
    }
    if (conn->is_above && mm_conn_owed(conn) <= MM_CONN_OUTPUT_LOW) {
        mm_conn_kick(conn);
    }
}

/* FIN without close_notify: whether the data was whole is for the protocol's
 * own terminators to say (RFC 8446 6.1), so a handler that wants to hear of the
 * end hears of this one, too, and may still answer what came before it. */
static void notice_cut(struct mm_conn *conn)
{
    if (conn->tls == NULL || !conn->has_raw_end || conn->has_end ||
        mm_tls_has_kept(conn->tls) || mm_buf_size(&conn->input) > 0) {
        return;
    }
    if (!mm_tls_is_established(conn->tls)) {
        mm_conn_end(conn, MAILMOD_ERROR_TLS, "TLS handshake",
                    "the peer closed the connection");
        return;
    }
    const char *how = "the peer closed the connection without notice";
    if (conn->handler->on_end == NULL) {
        mm_conn_end(conn, MAILMOD_ERROR_CLOSED, "TLS", how);
        return;
    }
    mm_conn_explain(conn, "TLS", how);
    conn->has_end = true;
}

static void tell_end(struct mm_conn *conn)
{
    if (conn->phase != MM_CONN_OPEN || conn->is_paused) {
        return;
    }
    notice_cut(conn);
    if (conn->phase != MM_CONN_OPEN || !conn->has_end || conn->is_end_told ||
        mm_buf_size(&conn->input) > 0) {
        return;
    }
    conn->is_end_told = true;
    if (conn->handler->on_end != NULL) {
        conn->handler->on_end(conn->context, conn);
        flush(conn);
        return;
    }
    mm_conn_explain(conn, "read", "the peer closed the connection");
    mm_conn_begin_close(conn, MAILMOD_ERROR_CLOSED);
}

static void on_shut(uv_shutdown_t *request, int status)
{
    struct mm_conn *conn = request->handle->data;
    mm_loop_note_callback(conn->loop);
    (void)status; /* the peer may be gone: nothing more is owed */
    if (conn->phase == MM_CONN_GONE) {
        return;
    }
    conn->is_lingering = conn->is_talking && !conn->has_raw_end;
    if (conn->is_lingering) {
        mm_timer_set(&conn->write_timer, LINGER_MS);
    } else {
        mm_conn_end(conn, conn->reason, NULL, NULL);
    }
}

static void advance_close(struct mm_conn *conn)
{
    if (conn->phase != MM_CONN_CLOSING) {
        return;
    }
    if (conn->is_lingering && conn->has_raw_end) {
        mm_conn_end(conn, conn->reason, NULL, NULL);
        return;
    }
    if (conn->is_shut || mm_conn_owed(conn) > 0) {
        return;
    }
    if (conn->tls != NULL) {
        mm_tls_notify_close(conn);
        flush(conn);
        if (conn->phase == MM_CONN_GONE || mm_conn_owed(conn) > 0) {
            return;
        }
    }
    conn->is_shut = true;
    if (uv_shutdown(&conn->request.shutdown, stream_of(conn), on_shut) != 0) {
        mm_conn_end(conn, conn->reason, NULL, NULL);
    }
}

static void shake_hands(struct mm_conn *conn)
{
    if (conn->phase != MM_CONN_OPEN || conn->tls == NULL ||
        mm_tls_is_established(conn->tls) ||
        mm_tls_shake_hands(conn) != MM_TLS_DONE) {
        return;
    }
    mm_timer_cancel(&conn->setup_timer);
    if (conn->handler->on_tls != NULL) {
        conn->handler->on_tls(conn->context, conn);
    }
}

void mm_conn_pump(struct mm_conn *conn)
{
    if (conn->phase == MM_CONN_GONE || conn->phase == MM_CONN_CONNECTING) {
        return;
    }
    conn->is_pumping = true;
    shake_hands(conn);
    deliver(conn);
    flush(conn);
    tell_drained(conn);
    tell_end(conn);
    advance_close(conn);
    conn->is_pumping = false;
    retry_kept(conn);
    mm_conn_watch(conn);
}
