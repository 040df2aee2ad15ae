/* listeners.c - the listeners of a server, by service.
 *
 * Owns: the list of listeners. Promises: all addresses of a service are bound
 * or none; an address that cannot be had is named; once a service is closed, no
 * session of it begins, and those that there are end. Opening and closing wait
 * for the loops, so they have a lock of their own that no loop takes.
 * Thread: any but a loop's; `on_connection` on the connection's loop. */
#include "server/server_internal.h"

#include "base/mem.h"

/* A port that is free at one address and taken at the next. */
#define FREE_PORT_TRIES 16

static void on_connection(void *context, struct mm_conn *conn)
{
    struct mm_server_listener *listener = context;

    if (mm_server_is_proxy(listener->server, mm_conn_peer(conn))) {
        mm_proxied_accept(listener->server, listener->service, conn);
    } else {
        mm_session_accept(listener->server, listener->service, conn, NULL);
    }
}

static void log_listener(const struct mm_server_listener *listener,
                         const char *text)
{
    char address[MM_NETADDR_TEXT_MAX];

    mm_netaddr_format(mm_listener_address(listener->listener), address);
    MM_LOG(listener->server->options.log, MM_LOG_DEBUG, "server", text,
           MM_TEXT("service", mm_service_name(listener->service)),
           MM_TEXT("address", address));
}

static enum mailmod_error open_listener(struct mm_server *server,
                                        enum mm_service service,
                                        const struct mm_netaddr *address,
                                        struct mm_list *opened,
                                        struct mm_buf *reason_out)
{
    struct mm_server_listener *listener = mm_alloc(sizeof *listener);

    if (listener == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    listener->server = server;
    listener->service = service;
    enum mailmod_error error = mm_listener_open(
        &listener->listener, server->options.loops, server->options.loop_count,
        address, on_connection, listener, server->options.log);
    char text[MM_NETADDR_TEXT_MAX];
    if (error != MAILMOD_OK) {
        mm_netaddr_format(address, text);
        (void)mm_buf_appendf(reason_out, "%s: cannot listen on %s: %s",
                             mm_service_name(service), text,
                             mm_error_text(error));
        mm_free(listener);
        return error;
    }
    mm_list_append(opened, &listener->node);
    log_listener(listener, "listening");
    return MAILMOD_OK;
}

static void close_listener(struct mm_server_listener *listener)
{
    log_listener(listener, "listening no more");
    mm_list_remove(&listener->node);
    mm_listener_close(&listener->listener);
    mm_free(listener);
}

/* Those of one service, or of all by MM_SERVICE_COUNT. Tells whether there was
 * one. Locked, or the list is the caller's alone. */
static bool close_list(struct mm_list *list, enum mm_service service)
{
    bool had_one = false;

    MM_LIST_EACH(node, list)
    {
        struct mm_server_listener *listener =
            MM_LIST_OBJECT(node, struct mm_server_listener, node);

        if (service == MM_SERVICE_COUNT || listener->service == service) {
            close_listener(listener);
            had_one = true;
        }
    }
    return had_one;
}

/* Addresses that differ in their ports alone are one when the port is given. */
static bool is_repeated(const struct mm_address_list *list, size_t index)
{
    const struct mm_netaddr *address = &list->items[index];

    for (size_t i = 0; i < index; i++) {
        if (mm_netaddr_equal_ip(&list->items[i], address) &&
            list->items[i].scope == address->scope) {
            return true;
        }
    }
    return false;
}

static uint16_t port_of(const struct mm_list *listeners)
{
    return mm_listener_address(
               MM_LIST_OBJECT(listeners->next, struct mm_server_listener, node)
                   ->listener)
        ->port;
}

static enum mailmod_error open_list(struct mm_server *server,
                                    enum mm_service service,
                                    const struct mm_address_list *list,
                                    int port, struct mm_list *opened,
                                    struct mm_buf *reason_out)
{
    for (size_t i = 0; i < list->count; i++) {
        struct mm_netaddr address = list->items[i];

        if (port != 0 && is_repeated(list, i)) {
            continue;
        }
        if (port > 0) {
            address.port = (uint16_t)port;
        } else if (port < 0) {
            address.port = i > 0 ? port_of(opened) : 0;
        }
        enum mailmod_error error =
            open_listener(server, service, &address, opened, reason_out);
        if (error != MAILMOD_OK) {
            return error;
        }
    }
    return MAILMOD_OK;
}

static void undo(struct mm_server *server, enum mm_service service,
                 struct mm_list *opened)
{
    if (close_list(opened, service)) {
        mm_server_end_round(server, service); /* whom they let in meanwhile */
    }
}

/* Locked. */
static enum mailmod_error open_service(struct mm_server *server,
                                       enum mm_service service,
                                       const struct mm_address_list *list,
                                       int port, struct mm_buf *reason_out)
{
    unsigned tries = port < 0 && list->count > 1 ? FREE_PORT_TRIES : 1;
    struct mm_list opened;

    mm_list_init(&opened);
    enum mailmod_error error =
        open_list(server, service, list, port, &opened, reason_out);
    while (error == MAILMOD_ERROR_ADDRESS_IN_USE && --tries > 0) {
        undo(server, service, &opened);
        mm_buf_clear(reason_out);
        error = open_list(server, service, list, port, &opened, reason_out);
    }
    if (error != MAILMOD_OK) {
        undo(server, service, &opened);
    }
    while (!mm_list_is_empty(&opened)) {
        mm_list_append(&server->listeners, mm_list_take_first(&opened));
    }
    return error;
}

/* Locked. */
static struct mm_server_listener *find(struct mm_server *server,
                                       enum mm_service service)
{
    MM_LIST_EACH(node, &server->listeners)
    {
        struct mm_server_listener *listener =
            MM_LIST_OBJECT(node, struct mm_server_listener, node);

        if (listener->service == service) {
            return listener;
        }
    }
    return NULL;
}

static struct mm_settings *present_settings(struct mm_server *server)
{
    mm_mutex_lock(server->mutex);
    struct mm_settings *settings = mm_settings_ref(server->settings);
    mm_mutex_unlock(server->mutex);
    return settings;
}

/* Locked. */
static enum mailmod_error open_if_closed(struct mm_server *server,
                                         enum mm_service service,
                                         const struct mm_address_list *list,
                                         int port, struct mm_buf *reason_out)
{
    if (find(server, service) != NULL) {
        (void)mm_buf_appendf(reason_out, "%s: it is open already",
                             mm_service_name(service));
        return MAILMOD_ERROR_EXISTS;
    }
    if (list->count == 0) {
        (void)mm_buf_appendf(reason_out, "%s.listen: no address is configured",
                             mm_service_name(service));
        return MAILMOD_ERROR_CONFIG;
    }
    return open_service(server, service, list, port, reason_out);
}

enum mailmod_error mm_server_open_service(struct mm_server *server,
                                          enum mm_service service, int port,
                                          struct mm_buf *reason_out)
{
    struct mm_settings *settings = present_settings(server);

    mm_mutex_lock(server->listening);
    enum mailmod_error error = open_if_closed(
        server, service, &settings->config->listen[service], port, reason_out);
    mm_mutex_unlock(server->listening);
    mm_settings_unref(&settings);
    return error;
}

enum mailmod_error mm_server_close_service(struct mm_server *server,
                                           enum mm_service service)
{
    mm_mutex_lock(server->listening);
    bool was_open = close_list(&server->listeners, service);
    /* Behind the last session that its listeners began. */
    if (was_open) {
        mm_server_end_round(server, service);
    }
    mm_mutex_unlock(server->listening);
    return was_open ? MAILMOD_OK : MAILMOD_ERROR_NOT_FOUND;
}

enum mailmod_error mm_server_listen(struct mm_server *server,
                                    struct mm_buf *reason_out)
{
    struct mm_settings *settings = present_settings(server);
    enum mailmod_error error = MAILMOD_OK;

    mm_mutex_lock(server->listening);
    for (int i = 0; error == MAILMOD_OK && i < MM_SERVICE_COUNT; i++) {
        const struct mm_address_list *list = &settings->config->listen[i];

        if (list->count > 0) {
            error =
                open_service(server, (enum mm_service)i, list, 0, reason_out);
        }
    }
    if (error != MAILMOD_OK) {
        (void)close_list(&server->listeners, MM_SERVICE_COUNT);
    }
    mm_mutex_unlock(server->listening);
    mm_settings_unref(&settings);
    return error;
}

void mm_server_close_listeners(struct mm_server *server)
{
    if (server->listening == NULL) {
        return; /* it was never made */
    }
    mm_mutex_lock(server->listening);
    (void)close_list(&server->listeners, MM_SERVICE_COUNT);
    mm_mutex_unlock(server->listening);
}

unsigned mm_server_port(struct mm_server *server, enum mm_service service)
{
    unsigned port = 0;

    mm_mutex_lock(server->listening);
    struct mm_server_listener *listener = find(server, service);
    if (listener != NULL) {
        port = mm_listener_address(listener->listener)->port;
    }
    mm_mutex_unlock(server->listening);
    return port;
}

enum mailmod_error mm_server_addresses(struct mm_server *server,
                                       enum mm_service service,
                                       struct mm_buf *out)
{
    enum mailmod_error error = MAILMOD_OK;
    const char *between = "";

    mm_mutex_lock(server->listening);
    MM_LIST_EACH(node, &server->listeners)
    {
        struct mm_server_listener *listener =
            MM_LIST_OBJECT(node, struct mm_server_listener, node);
        char address[MM_NETADDR_TEXT_MAX];

        if (error == MAILMOD_OK && listener->service == service) {
            mm_netaddr_format(mm_listener_address(listener->listener), address);
            error = mm_buf_appendf(out, "%s%s", between, address);
            between = ",";
        }
    }
    mm_mutex_unlock(server->listening);
    return error;
}
