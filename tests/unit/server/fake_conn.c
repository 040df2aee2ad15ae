/* fake_conn.c - listeners, connections and the peers at their other end, on
 * virtual time. A connection is freed when on_closed has returned, so that a
 * session that touches it later is found by the sanitizer. Thread: the test's.
 */
#include "fake_world.h"

enum mailmod_error
mm_certificates_new(struct mm_certificates **certificates_out,
                    const struct mm_certificate_files *files, size_t count,
                    const char *pass_phrase, struct mm_buf *reason_out)
{
    (void)pass_phrase;
    *certificates_out = NULL;
    for (size_t i = 0; i < count; i++) {
        if (mm_span_is(files[i].certificate, "missing.pem")) {
            if (reason_out != NULL) {
                (void)mm_buf_append_cstr(reason_out,
                                         "missing.pem: no such file");
            }
            return MAILMOD_ERROR_CONFIG;
        }
    }
    world.certificates.count = count;
    world.certificates.references++;
    *certificates_out = &world.certificates;
    return MAILMOD_OK;
}

void mm_certificates_unref(struct mm_certificates **certificates)
{
    if (*certificates != NULL) {
        (*certificates)->references--;
    }
    *certificates = NULL;
}

enum mailmod_error
mm_tls_server_new(struct mm_tls **tls_out,
                  const struct mm_tls_server_options *options,
                  struct mm_buf *reason_out)
{
    struct mm_tls *tls =
        options->oldest == MM_TLS_OLDEST_1_0 ? &world.lenient_tls : &world.tls;
    (void)reason_out;
    assert_ptr_equal(options->certificates, &world.certificates);
    tls->references++;
    *tls_out = tls;
    return MAILMOD_OK;
}

void mm_tls_unref(struct mm_tls **tls)
{
    if (*tls != NULL) {
        (*tls)->references--;
    }
    *tls = NULL;
}

enum mailmod_error mm_listener_open(struct mm_listener **listener_out,
                                    struct mm_loop *const *loops,
                                    size_t loop_count,
                                    const struct mm_netaddr *address,
                                    mm_on_connection on_connection,
                                    void *context, const struct mm_log *log)
{
    struct mm_listener *listener = mm_alloc(sizeof *listener);

    (void)loops;
    (void)loop_count;
    (void)log;
    assert_non_null(listener);
    listener->address = *address;
    if (address->port == 0) {
        listener->address.port = world.next_port++;
    }
    MM_LIST_EACH(node, &world.listeners)
    {
        const struct mm_netaddr *other =
            &MM_LIST_OBJECT(node, struct mm_listener, node)->address;

        if (other->port == listener->address.port &&
            mm_netaddr_equal_ip(other, address)) {
            mm_free(listener);
            return MAILMOD_ERROR_ADDRESS_IN_USE;
        }
    }
    listener->on_connection = on_connection;
    listener->context = context;
    mm_list_append(&world.listeners, &listener->node);
    *listener_out = listener;
    return MAILMOD_OK;
}

const struct mm_netaddr *mm_listener_address(const struct mm_listener *listener)
{
    return &listener->address;
}

void mm_listener_close(struct mm_listener **listener)
{
    mm_list_remove(&(*listener)->node);
    mm_free(*listener);
    *listener = NULL;
}

unsigned fake_listener_count(void)
{
    unsigned count = 0;

    MM_LIST_EACH(node, &world.listeners)
    {
        count++;
    }
    return count;
}

static void free_conn(struct mm_conn *conn)
{
    conn->peer->conn = NULL;
    conn->peer->is_closed = true;
    conn->peer->reason = conn->reason;
    mm_list_remove(&conn->node);
    mm_buf_fini(&conn->in);
    mm_buf_fini(&conn->out);
    mm_free(conn);
}

/* The loop stops: everybody hears it. */
void fake_close_conns(void)
{
    MM_LIST_EACH(node, &world.conns)
    {
        struct mm_conn *conn = MM_LIST_OBJECT(node, struct mm_conn, node);

        conn->reason = MAILMOD_ERROR_STOPPED;
        conn->handler->on_closed(conn->context, conn, conn->reason);
        free_conn(conn);
    }
}

static void end_at(struct mm_conn *conn, uint64_t at_ms,
                   enum mailmod_error reason)
{
    if (conn->end_at_ms == 0 || at_ms < conn->end_at_ms) {
        conn->end_at_ms = at_ms;
        conn->reason = reason;
    }
}

void mm_conn_set_handler(struct mm_conn *conn,
                         const struct mm_conn_handler *handler, void *context)
{
    conn->handler = handler;
    conn->context = context;
}

enum mailmod_error mm_conn_write(struct mm_conn *conn, const char *bytes,
                                 size_t size)
{
    enum mailmod_error error;

    if (conn->is_left) {
        return MAILMOD_ERROR_STATE;
    }
    if (mm_buf_size(&conn->out) == 0) {
        conn->stuck_since_ms = world.now_ms;
    }
    error = mm_buf_append(&conn->out, bytes, size);
    if (error != MAILMOD_OK || mm_buf_size(&conn->out) > MM_LIMIT_OUTPUT / 4) {
        conn->was_full = true;
    }
    return error;
}

size_t mm_conn_write_room(const struct mm_conn *conn)
{
    return mm_buf_room(&conn->out);
}

void mm_conn_resume(struct mm_conn *conn)
{
    conn->is_stalled = false;
}

void mm_conn_close(struct mm_conn *conn)
{
    conn->is_left = true;
    if (mm_buf_size(&conn->out) == 0) {
        end_at(conn, world.now_ms + FAKE_LATENCY_MS, MAILMOD_OK);
    }
}

void mm_conn_abort(struct mm_conn *conn)
{
    conn->is_left = true;
    mm_buf_clear(&conn->out);
    end_at(conn, world.now_ms, MAILMOD_OK);
}

static void nobody_hears(void *context, struct mm_conn *conn,
                         enum mailmod_error reason)
{
    (void)context;
    (void)conn;
    (void)reason;
}

void mm_conn_forget(struct mm_conn *conn)
{
    static const struct mm_conn_handler nobody = {.on_closed = nobody_hears};

    conn->handler = &nobody;
    mm_conn_abort(conn);
}

void mm_conn_set_write_timeout(struct mm_conn *conn, uint64_t timeout_ms)
{
    conn->write_timeout_ms = timeout_ms;
}

enum mailmod_error mm_conn_start_tls_server(struct mm_conn *conn,
                                            struct mm_tls *tls,
                                            uint64_t timeout_ms)
{
    if (tls == NULL) {
        return MAILMOD_ERROR_ARGUMENT; /* implicit TLS without a certificate */
    }
    conn->peer->has_lenient_tls = tls == &world.lenient_tls;
    if (conn->peer->fails_tls) {
        end_at(conn, world.now_ms + timeout_ms, MAILMOD_ERROR_TIMEOUT);
    } else {
        conn->tls_at_ms = world.now_ms + FAKE_LATENCY_MS;
    }
    return MAILMOD_OK;
}

enum mailmod_error mm_conn_start_implicit_tls(struct mm_conn *conn,
                                              struct mm_tls *tls,
                                              uint64_t timeout_ms)
{
    return mm_conn_start_tls_server(conn, tls, timeout_ms);
}

void mm_conn_ask_certificate(struct mm_conn *conn)
{
    conn->peer->is_asked_for_certificate = true;
}

bool mm_conn_has_certificate(const struct mm_conn *conn)
{
    return conn->is_tls && conn->peer->is_asked_for_certificate &&
           conn->peer->certificate != NULL;
}

enum mailmod_error
mm_conn_peer_certificate(const struct mm_conn *conn,
                         struct mm_peer_certificate *certificate_out)
{
    if (!mm_conn_has_certificate(conn)) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    mm_buf_init(&certificate_out->pem, 64);
    (void)mm_span_copy(mm_span_cstr("00ff"), certificate_out->fingerprint,
                       sizeof certificate_out->fingerprint);
    (void)mm_span_copy(mm_span_cstr(conn->peer->certificate),
                       certificate_out->name, sizeof certificate_out->name);
    return mm_buf_append_cstr(&certificate_out->pem, "PEM");
}

bool mm_conn_is_tls(const struct mm_conn *conn)
{
    return conn->is_tls;
}

const char *mm_conn_tls_text(const struct mm_conn *conn)
{
    return conn->is_tls ? "TLSv1.3 FAKE" : "";
}

const char *mm_conn_failure(const struct mm_conn *conn)
{
    (void)conn;
    return "";
}

const struct mm_netaddr *mm_conn_peer(const struct mm_conn *conn)
{
    return &conn->peer_address;
}

const struct mm_netaddr *mm_conn_local(const struct mm_conn *conn)
{
    return &conn->local;
}

struct mm_loop *mm_conn_loop(const struct mm_conn *conn)
{
    (void)conn;
    return &world.loop;
}

intptr_t mm_conn_socket(const struct mm_conn *conn)
{
    (void)conn;
    return -1;
}

void fake_connect(struct fake_peer *peer, unsigned port, const char *from)
{
    struct mm_conn *conn = mm_alloc(sizeof *conn);
    struct mm_listener *found = NULL;

    assert_non_null(conn);
    MM_LIST_EACH(node, &world.listeners)
    {
        struct mm_listener *listener =
            MM_LIST_OBJECT(node, struct mm_listener, node);

        if (listener->address.port == port) {
            found = listener;
        }
    }
    assert_non_null(found);
    mm_buf_init(&peer->heard, FAKE_TEXT_MAX);
    peer->conn = conn;
    peer->is_closed = false;
    conn->peer = peer;
    conn->local = found->address;
    conn->write_timeout_ms = 300000;
    assert_true(mm_netaddr_parse(mm_span_cstr(from), &conn->peer_address));
    mm_buf_init(&conn->in, FAKE_TEXT_MAX);
    mm_buf_init(&conn->out, MM_LIMIT_OUTPUT);
    mm_list_append(&world.conns, &conn->node);
    found->on_connection(found->context, conn);
    assert_non_null(conn->handler);
}

void fake_say_octets(struct fake_peer *peer, const char *octets, size_t size)
{
    if (peer->conn != NULL) {
        assert_int_equal(mm_buf_append(&peer->conn->in, octets, size),
                         MAILMOD_OK);
    }
}

void fake_say(struct fake_peer *peer, const char *text)
{
    fake_say_octets(peer, text, strlen(text));
}

const char *fake_heard(struct fake_peer *peer)
{
    const char *text = mm_buf_cstr(&peer->heard);
    size_t mark = peer->mark;

    peer->mark = mm_buf_size(&peer->heard);
    return text != NULL ? text + mark : "";
}

const char *fake_talk(struct fake_peer *peer, const char *text)
{
    fake_say(peer, text);
    fake_run(10);
    return fake_heard(peer);
}

void fake_hang_up(struct fake_peer *peer)
{
    if (peer->conn != NULL) {
        end_at(peer->conn, world.now_ms, MAILMOD_ERROR_CLOSED);
    }
}

void fake_forget_peer(struct fake_peer *peer)
{
    mm_buf_fini(&peer->heard);
    memset(peer, 0, sizeof *peer);
}

static bool offer_input(struct mm_conn *conn)
{
    struct mm_span input = mm_buf_span(&conn->in);
    size_t used;

    if (input.size == 0 || conn->is_left || conn->is_stalled ||
        conn->tls_at_ms != 0) {
        return false;
    }
    /* Before the call, for it may resume. */
    conn->is_stalled = true;
    used = conn->handler->on_input(conn->context, conn, input.data, input.size);
    assert_true(used <= input.size);
    mm_buf_consume(&conn->in, used);
    if (used == input.size) {
        conn->is_stalled = false;
    }
    return true;
}

static bool move_output(struct mm_conn *conn)
{
    struct mm_span output = mm_buf_span(&conn->out);

    if (output.size == 0 || conn->peer->reads_nothing) {
        return false;
    }
    assert_int_equal(mm_buf_append_span(&conn->peer->heard, output),
                     MAILMOD_OK);
    mm_buf_clear(&conn->out);
    if (conn->is_left) {
        end_at(conn, world.now_ms + FAKE_LATENCY_MS, MAILMOD_OK);
    } else if (conn->was_full) {
        conn->was_full = false;
        conn->handler->on_drained(conn->context, conn);
    }
    return true;
}

static uint64_t stuck_until(const struct mm_conn *conn)
{
    return mm_buf_size(&conn->out) > 0
               ? conn->stuck_since_ms + conn->write_timeout_ms
               : UINT64_MAX;
}

static bool run_conn(struct mm_conn *conn)
{
    if (conn->end_at_ms != 0 && conn->end_at_ms <= world.now_ms) {
        conn->handler->on_closed(conn->context, conn, conn->reason);
        free_conn(conn);
        return true;
    }
    if (conn->tls_at_ms != 0 && conn->tls_at_ms <= world.now_ms) {
        conn->tls_at_ms = 0;
        if (mm_buf_size(&conn->in) > 0) { /* RFC 3207 6 */
            end_at(conn, world.now_ms, MAILMOD_ERROR_PROTOCOL);
            return true;
        }
        conn->is_tls = true;
        conn->peer->is_tls = true;
        conn->handler->on_tls(conn->context, conn);
        return true;
    }
    if (move_output(conn) || offer_input(conn)) {
        return true;
    }
    if (stuck_until(conn) <= world.now_ms && conn->end_at_ms == 0) {
        end_at(conn, world.now_ms, MAILMOD_ERROR_TIMEOUT);
        return true;
    }
    return false;
}

bool fake_run_conns(void)
{
    bool has_any = false;

    MM_LIST_EACH(node, &world.conns)
    {
        has_any =
            run_conn(MM_LIST_OBJECT(node, struct mm_conn, node)) || has_any;
    }
    return has_any;
}

uint64_t fake_next_conn_ms(void)
{
    uint64_t next = UINT64_MAX;

    MM_LIST_EACH(node, &world.conns)
    {
        const struct mm_conn *conn = MM_LIST_OBJECT(node, struct mm_conn, node);
        uint64_t stuck = stuck_until(conn);

        next = conn->end_at_ms != 0 && conn->end_at_ms < next ? conn->end_at_ms
                                                              : next;
        next = conn->tls_at_ms != 0 && conn->tls_at_ms < next ? conn->tls_at_ms
                                                              : next;
        next = stuck < next ? stuck : next;
    }
    return next;
}

/* Nobody is there: what is dialled from a session is for integration. */
enum mailmod_error mm_dial(struct mm_loop *loop,
                           const struct mm_dial_options *options,
                           const struct mm_conn_handler *handler, void *context,
                           struct mm_conn **conn_out)
{
    (void)loop;
    (void)options;
    (void)handler;
    (void)context;
    *conn_out = NULL;
    return MAILMOD_ERROR_UNREACHABLE;
}
