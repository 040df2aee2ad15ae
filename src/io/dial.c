/* dial.c - outgoing connections.
 *
 * Promises that whatever the network answers, at once or later, comes as
 * on_open or on_closed from the loop; the call itself fails only for want of
 * memory, for a bad argument or on a loop that stops. Names and proxies are
 * other layers' work. Thread: the loop's. */
#include "io/conn_internal.h"

#include "platform/net.h"

#include <stdio.h>

void mm_conn_open_now(struct mm_conn *conn)
{
    if (conn->phase != MM_CONN_CONNECTING) {
        return;
    }
    mm_conn_opened(conn);
    conn->is_pumping = true;
    if (conn->handler->on_open != NULL) {
        conn->handler->on_open(conn->context, conn);
    }
    conn->is_pumping = false;
    mm_conn_pump(conn);
}

static void on_connected(uv_connect_t *request, int status)
{
    struct mm_conn *conn = request->handle->data;
    mm_loop_note_callback(conn->loop);
    if (conn->phase == MM_CONN_GONE) {
        return;
    }
    if (status != 0) {
        mm_conn_end_uv(conn, status, "connect");
        return;
    }
    mm_conn_open_now(conn);
}

/* Such a connect is done or refused at once; the owner hears of it later. */
static int connect_locally(struct mm_conn *conn, const char *path)
{
    mm_socket descriptor;
    enum mailmod_error error = mm_net_open_local(path, &descriptor);
    if (error != MAILMOD_OK) {
        mm_conn_end(conn, error, "connect", mm_error_text(error));
        return 0;
    }
    int status = uv_tcp_open(&conn->tcp, (uv_os_sock_t)descriptor);
    if (status != 0) {
        mm_net_close(descriptor);
        return status;
    }
    conn->opens_soon = true;
    mm_conn_kick(conn);
    return 0;
}

/* Said in its own words: what the system says of it could be the host's. */
static void refuse_source(struct mm_conn *conn, int status,
                          const struct mm_netaddr *source)
{
    char text[128];
    char address[MM_NETADDR_TEXT_MAX];
    char words[256];
    mm_netaddr_format_ip(source, address);
    (void)uv_strerror_r(status, text, sizeof text);
    if (snprintf(words, sizeof words, "the source address %s %s%s", address,
                 status == UV_EADDRNOTAVAIL ? "is not on this machine"
                                            : "cannot be used: ",
                 status == UV_EADDRNOTAVAIL ? "" : text) < 0) {
        words[0] = '\0';
    }
    mm_conn_end(conn, mm_error_from_uv(status), "connect", words);
}

static int connect_conn(struct mm_conn *conn,
                        const struct mm_dial_options *options)
{
    struct sockaddr_storage storage;
    if (options->local_path != NULL) {
        return connect_locally(conn, options->local_path);
    }
    if (options->source.family != MM_NETADDR_NONE) {
        (void)mm_net_to_sockaddr(&options->source, &storage);
        int status =
            uv_tcp_bind(&conn->tcp, (const struct sockaddr *)&storage, 0);
        if (status != 0) {
            refuse_source(conn, status, &options->source);
            return 0;
        }
    }
    (void)mm_net_to_sockaddr(&options->address, &storage);
    return uv_tcp_connect(&conn->request.connect, &conn->tcp,
                          (const struct sockaddr *)&storage, on_connected);
}

enum mailmod_error mm_dial(struct mm_loop *loop,
                           const struct mm_dial_options *options,
                           const struct mm_conn_handler *handler, void *context,
                           struct mm_conn **conn_out)
{
    *conn_out = NULL;
    const struct mm_netaddr *source = &options->source;
    bool has_target = options->local_path != NULL ||
                      (options->address.family != MM_NETADDR_NONE &&
                       options->address.port != 0);
    if (!has_target || handler == NULL ||
        (source->family != MM_NETADDR_NONE &&
         source->family != options->address.family)) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    struct mm_conn *conn;
    enum mailmod_error error = mm_conn_new(&conn, loop);
    if (error != MAILMOD_OK) {
        return error;
    }
    conn->handler = handler;
    conn->context = context;
    conn->peer = options->address;
    mm_timer_set(&conn->setup_timer, options->timeout_ms);
    int status = connect_conn(conn, options);
    if (status != 0) {
        mm_conn_end_uv(conn, status, "connect");
    }
    *conn_out = conn;
    return MAILMOD_OK;
}
