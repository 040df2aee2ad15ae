/* dialler.c - the way to an open connection: straight, or through a proxy.
 *
 * Owns the connection until it is open, and what a proxy needs: its addresses,
 * the tunnel, the time of the present step. Promises: where a proxy is given
 * nothing goes past it, whatever it says or does; each step has an end (the
 * look-up, the connection to each address of the proxy, each of its answers);
 * octets behind its last answer are the host's, and TLS refuses them; a failure
 * has words that name the proxy and never its login.
 * Thread: loop. RFC 1928, RFC 9110 9.3.6. */
#include "client/dialler.h"

#include "base/host.h"
#include "base/mem.h"
#include "client/host_addresses.h"
#include "wire/proxy/tunnel.h"

#include <stdio.h>
#include <string.h>

#define WORDS_MAX 640

struct mm_dialler_proxied {
    struct mm_dialler *dialler;
    struct mm_host_addresses addresses; /* of the proxy */
    size_t next;
    struct mm_tunnel tunnel;
    unsigned step; /* whose time runs */
    struct mm_timer timer;
};

/* ---- ends ---- */

static void drop_proxied(struct mm_dialler *dialler)
{
    struct mm_dialler_proxied *proxied = dialler->proxied;
    dialler->proxied = NULL;
    if (proxied != NULL) {
        mm_host_addresses_cancel(&proxied->addresses);
        mm_tunnel_fini(&proxied->tunnel);
        mm_timer_close(&proxied->timer);
        mm_free(proxied);
    }
}

static void give_up_conn(struct mm_dialler *dialler)
{
    struct mm_conn *conn = dialler->conn;
    dialler->conn = NULL;
    if (conn != NULL) {
        mm_conn_forget(conn);
    }
}

void mm_dialler_stop(struct mm_dialler *dialler)
{
    give_up_conn(dialler);
    drop_proxied(dialler);
}

static void fail(struct mm_dialler *dialler, enum mailmod_error error,
                 const char *words)
{
    mm_dialler_stop(dialler);
    dialler->options.on_failed(dialler->options.context, error, words);
}

/* `conn` is the owner's now, whose on_open may do anything with it. */
static void hand_over(struct mm_dialler *dialler, struct mm_conn *conn)
{
    const struct mm_conn_handler *handler = dialler->options.handler;
    void *context = dialler->options.context;
    dialler->conn = NULL;
    drop_proxied(dialler);
    mm_conn_set_handler(conn, handler, context);
    handler->on_open(context, conn);
}

/* ---- straight ---- */

static void on_open(void *context, struct mm_conn *conn)
{
    hand_over(context, conn);
}

/* None comes before on_open, and then the owner has the connection. */
static size_t on_input(void *context, struct mm_conn *conn, const char *bytes,
                       size_t size)
{
    (void)context;
    (void)conn;
    (void)bytes;
    (void)size;
    return 0;
}

static void on_closed(void *context, struct mm_conn *conn,
                      enum mailmod_error reason)
{
    struct mm_dialler *dialler = context;
    char words[WORDS_MAX];
    const char *said = mm_conn_failure(conn);
    (void)snprintf(words, sizeof words, "%s",
                   said[0] != '\0' ? said : mm_error_text(reason));
    dialler->conn = NULL; /* it is gone when this returns */
    fail(dialler, reason, words);
}

static const struct mm_conn_handler straight_handler = {
    .on_open = on_open, .on_input = on_input, .on_closed = on_closed};

static enum mailmod_error dial_straight(struct mm_dialler *dialler)
{
    const struct mm_dialler_options *options = &dialler->options;
    const struct mm_dial_options dial = {.address = options->target.address,
                                         .source = options->source,
                                         .timeout_ms = options->timeout_ms};
    enum mailmod_error error = mm_dial(options->loop, &dial, &straight_handler,
                                       dialler, &dialler->conn);
    if (error != MAILMOD_OK) {
        dialler->conn = NULL;
    }
    return error;
}

/* ---- through a proxy ---- */

/* What the tunnel says of the host keeps its error; that the proxy cannot be
 * used is an error of its own. */
static void fail_proxied(struct mm_dialler *dialler, enum mailmod_error error,
                         const char *what)
{
    const struct mm_config_proxy *proxy = dialler->options.proxy;
    bool is_v6 = strchr(proxy->host, ':') != NULL;
    char words[WORDS_MAX];
    if (snprintf(words, sizeof words, "the proxy %s%s%s:%u: %s",
                 is_v6 ? "[" : "", proxy->host, is_v6 ? "]" : "", proxy->port,
                 what) < 0) {
        words[0] = '\0';
    }
    fail(dialler, error, words);
}

static void on_step_expired(struct mm_timer *timer)
{
    const struct mm_dialler_proxied *proxied =
        MM_LIST_OBJECT(timer, struct mm_dialler_proxied, timer);
    fail_proxied(proxied->dialler, MAILMOD_ERROR_PROXY,
                 "it did not answer in time");
}

static void begin_step(struct mm_dialler_proxied *proxied)
{
    proxied->step = proxied->tunnel.step;
    mm_timer_set(&proxied->timer, proxied->dialler->options.proxy_ms);
}

static enum mailmod_error say(struct mm_dialler_proxied *proxied,
                              struct mm_conn *conn)
{
    struct mm_span output = mm_tunnel_output(&proxied->tunnel);
    if (output.size == 0) {
        return MAILMOD_OK;
    }
    enum mailmod_error error = mm_conn_write(conn, output.data, output.size);
    mm_tunnel_sent(&proxied->tunnel, output.size);
    return error;
}

static void on_proxy_open(void *context, struct mm_conn *conn)
{
    struct mm_dialler *dialler = context;
    struct mm_dialler_proxied *proxied = dialler->proxied;
    begin_step(proxied);
    enum mailmod_error error = say(proxied, conn);
    if (error != MAILMOD_OK) {
        fail_proxied(dialler, error, mm_error_text(error));
    }
}

/* What the tunnel takes; the owner may free the dialler at its end. */
static size_t on_proxy_input(void *context, struct mm_conn *conn,
                             const char *bytes, size_t size)
{
    struct mm_dialler *dialler = context;
    struct mm_dialler_proxied *proxied = dialler->proxied;
    struct mm_tunnel *tunnel = &proxied->tunnel;
    size_t used = 0;
    while (used < size && tunnel->state == MM_TUNNEL_WAITS) {
        used += mm_tunnel_feed(tunnel, bytes + used, size - used);
        enum mailmod_error error = say(proxied, conn);
        if (error != MAILMOD_OK) {
            fail_proxied(dialler, error, mm_error_text(error));
            return size;
        }
        if (proxied->step != tunnel->step) {
            begin_step(proxied);
        }
    }
    if (tunnel->state == MM_TUNNEL_FAILED) {
        fail_proxied(dialler, mm_tunnel_error(tunnel),
                     mm_tunnel_failure(tunnel));
        return size;
    }
    if (tunnel->state == MM_TUNNEL_OPEN) {
        hand_over(dialler, conn);
        if (used < size) {
            mm_conn_resume(conn); /* offers the rest to the owner */
        }
    }
    return used;
}

static void dial_proxy(struct mm_dialler *dialler);

static void on_proxy_closed(void *context, struct mm_conn *conn,
                            enum mailmod_error reason)
{
    struct mm_dialler *dialler = context;
    struct mm_dialler_proxied *proxied = dialler->proxied;
    char words[WORDS_MAX];
    const char *said = mm_conn_failure(conn);
    bool was_open = mm_timer_is_set(&proxied->timer);
    (void)snprintf(words, sizeof words, "%s",
                   said[0] != '\0' ? said : mm_error_text(reason));
    dialler->conn = NULL;
    if (!was_open && proxied->next < proxied->addresses.count) {
        dial_proxy(dialler);
        return;
    }
    fail_proxied(dialler, MAILMOD_ERROR_PROXY, words);
}

static const struct mm_conn_handler proxy_handler = {.on_open = on_proxy_open,
                                                     .on_input = on_proxy_input,
                                                     .on_closed =
                                                         on_proxy_closed};

/* The next of its addresses. */
static enum mailmod_error dial_next(struct mm_dialler *dialler)
{
    struct mm_dialler_proxied *proxied = dialler->proxied;
    const struct mm_dialler_options *options = &dialler->options;
    struct mm_dial_options dial = {
        .address = proxied->addresses.items[proxied->next++],
        .timeout_ms = options->proxy_ms};
    dial.address.port = (uint16_t)options->proxy->port;
    enum mailmod_error error =
        mm_dial(options->loop, &dial, &proxy_handler, dialler, &dialler->conn);
    if (error != MAILMOD_OK) {
        dialler->conn = NULL;
    }
    return error;
}

static void dial_proxy(struct mm_dialler *dialler)
{
    enum mailmod_error error = dial_next(dialler);
    if (error != MAILMOD_OK) {
        fail_proxied(dialler, error, mm_error_text(error));
    }
}

static void on_addresses(struct mm_host_addresses *addresses)
{
    struct mm_dialler_proxied *proxied =
        MM_LIST_OBJECT(addresses, struct mm_dialler_proxied, addresses);
    if (addresses->count == 0) {
        fail_proxied(proxied->dialler, MAILMOD_ERROR_PROXY,
                     "no address of it is known");
    } else {
        dial_proxy(proxied->dialler);
    }
}

static enum mailmod_error find_proxy(struct mm_dialler *dialler)
{
    struct mm_dialler_proxied *proxied = dialler->proxied;
    const char *name = dialler->options.proxy->host;
    struct mm_netaddr address;
    proxied->addresses.on_answer = on_addresses;
    if (mm_netaddr_parse_ip(mm_span_cstr(name), &address)) {
        mm_host_addresses_set(&proxied->addresses, &address);
        return dial_next(dialler);
    }
    const struct mm_host_question question = {.resolver =
                                                  dialler->options.resolver,
                                              .host = name,
                                              .wants_v6 = true,
                                              .wants_v4 = true,
                                              .is_chosen = true};
    return mm_host_addresses_ask(&proxied->addresses, &question)
               ? MAILMOD_OK
               : MAILMOD_ERROR_PROXY;
}

static enum mailmod_error open_tunnel(struct mm_dialler *dialler)
{
    static const enum mm_tunnel_kind kinds[] = {
        [MM_CONFIG_PROXY_SOCKS5] = MM_TUNNEL_SOCKS5,
        [MM_CONFIG_PROXY_SOCKS4A] = MM_TUNNEL_SOCKS4A,
        [MM_CONFIG_PROXY_HTTP] = MM_TUNNEL_HTTP};
    const struct mm_dialler_options *options = &dialler->options;
    const struct mm_config_proxy *proxy = options->proxy;
    const struct mm_endpoint *target = &options->target;
    bool is_by_name = target->address.family == MM_NETADDR_NONE;
    const struct mm_tunnel_options tunnel = {.kind = kinds[proxy->kind],
                                             .host = is_by_name ? target->host
                                                                : NULL,
                                             .address = target->address,
                                             .user = proxy->user,
                                             .password = proxy->password};
    return mm_tunnel_init(&dialler->proxied->tunnel, &tunnel);
}

static enum mailmod_error dial_through(struct mm_dialler *dialler)
{
    struct mm_dialler_proxied *proxied = mm_alloc(sizeof *proxied);
    if (proxied == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error =
        mm_timer_open(&proxied->timer, dialler->options.loop, on_step_expired);
    if (error != MAILMOD_OK) {
        mm_free(proxied);
        return error;
    }
    dialler->proxied = proxied;
    proxied->dialler = dialler;
    error = open_tunnel(dialler);
    if (error == MAILMOD_OK) {
        error = find_proxy(dialler);
    }
    if (error != MAILMOD_OK) {
        drop_proxied(dialler);
    }
    return error;
}

enum mailmod_error mm_dialler_start(struct mm_dialler *dialler,
                                    const struct mm_dialler_options *options)
{
    dialler->options = *options;
    return options->proxy != NULL ? dial_through(dialler)
                                  : dial_straight(dialler);
}
