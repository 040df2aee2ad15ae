/* proxied.c - connections whose client a proxy tells.
 *
 * Owns each such connection until its header is whole; then it is a session's,
 * with the carried client as its peer. Promises: nothing is said and no TLS is
 * begun before the header is there; it has general.proxy_timeout and
 * MM_PROXY_HEADER_MAX octets; a header that is none ends the connection without
 * a word; not more of them wait than the service may have sessions.
 * Thread: the connection's loop. */
#include "server/proxied.h"

#include "base/mem.h"
#include "server/server_internal.h"
#include "wire/proxy/header.h"

#include <string.h>

struct mm_proxied {
    struct mm_list node; /* in its loop's list */
    struct mm_server *server;
    struct mm_conn *conn;
    enum mm_service service;
    unsigned round; /* of its service: see struct mm_server */
    struct mm_timer timer;
    size_t size;
    char octets[MM_PROXY_HEADER_MAX];
};

static void leave(struct mm_proxied *proxied)
{
    mm_server_leave_proxied(proxied->server, proxied->service);
    mm_timer_close(&proxied->timer);
    mm_list_remove(&proxied->node);
    mm_free(proxied);
}

/* on_closed follows. */
static void refuse(struct mm_proxied *proxied, const char *why)
{
    char proxy[MM_NETADDR_TEXT_MAX];
    mm_netaddr_format(mm_conn_peer(proxied->conn), proxy);
    MM_LOG(proxied->server->options.log, MM_LOG_WARNING,
           mm_service_name(proxied->service), "connection of a proxy refused",
           MM_TEXT("proxy", proxy), MM_TEXT("reason", why));
    mm_observe_turned_away(proxied->server, proxied->service, proxy, why,
                           mm_loop_wall_ms(mm_conn_loop(proxied->conn)));
    mm_timer_cancel(&proxied->timer);
    mm_conn_abort(proxied->conn);
}

/* What is behind the header stays with the connection for the session. */
static void begin_session(struct mm_proxied *proxied,
                          const struct mm_proxy_header *header)
{
    struct mm_server *server = proxied->server;
    struct mm_conn *conn = proxied->conn;
    enum mm_service service = proxied->service;
    leave(proxied);
    mm_conn_resume(conn);
    mm_session_accept(server, service, conn, header);
}

static size_t on_input(void *context, struct mm_conn *conn, const char *bytes,
                       size_t size)
{
    struct mm_proxied *proxied = context;
    (void)conn;
    size_t before = proxied->size;
    size_t room = sizeof proxied->octets - before;
    size_t taken = size < room ? size : room;
    memcpy(proxied->octets + before, bytes, taken);
    proxied->size += taken;
    struct mm_proxy_header header;
    switch (mm_proxy_header_parse(mm_span(proxied->octets, proxied->size),
                                  &header)) {
    case MM_PROXY_MORE:
        return size;
    case MM_PROXY_WHOLE:
        begin_session(proxied, &header);
        return header.size - before;
    case MM_PROXY_BROKEN:
        break;
    }
    refuse(proxied, "its header is missing or broken");
    return size;
}

static void on_closed(void *context, struct mm_conn *conn,
                      enum mailmod_error reason)
{
    (void)conn;
    (void)reason;
    leave(context);
}

static const struct mm_conn_handler handler = {
    .on_input = on_input,
    .on_closed = on_closed,
};

static void on_timer(struct mm_timer *timer)
{
    refuse(MM_LIST_OBJECT(timer, struct mm_proxied, timer),
           "no header came in time");
}

static void turn_away(struct mm_server *server, enum mm_service service,
                      struct mm_conn *conn)
{
    char proxy[MM_NETADDR_TEXT_MAX];
    mm_netaddr_format(mm_conn_peer(conn), proxy);
    mm_observe_turned_away(server, service, proxy,
                           "too many wait for a proxy's header",
                           mm_loop_wall_ms(mm_conn_loop(conn)));
    mm_session_refuse(service, conn, MM_REPLY_TOO_MANY_CONNECTIONS);
}

void mm_proxied_accept(struct mm_server *server, enum mm_service service,
                       struct mm_conn *conn)
{
    uint64_t timeout_ms;
    unsigned round;
    if (!mm_server_enter_proxied(server, service, &round, &timeout_ms)) {
        turn_away(server, service, conn);
        return;
    }
    struct mm_proxied *proxied = mm_alloc(sizeof *proxied);
    if (proxied == NULL || mm_timer_open(&proxied->timer, mm_conn_loop(conn),
                                         on_timer) != MAILMOD_OK) {
        mm_server_leave_proxied(server, service);
        mm_free(proxied);
        turn_away(server, service, conn);
        return;
    }
    proxied->round = round;
    proxied->server = server;
    proxied->service = service;
    proxied->conn = conn;
    mm_list_append(&mm_server_loop(server, mm_conn_loop(conn))->proxied,
                   &proxied->node);
    mm_timer_set(&proxied->timer, timeout_ms);
    mm_conn_set_handler(conn, &handler, proxied);
}

void mm_proxied_stop(struct mm_server_loop *server_loop, const unsigned *rounds)
{
    MM_LIST_EACH(node, &server_loop->proxied)
    {
        struct mm_proxied *proxied =
            MM_LIST_OBJECT(node, struct mm_proxied, node);
        if (proxied->round != rounds[proxied->service]) {
            mm_conn_abort(proxied->conn);
        }
    }
}
