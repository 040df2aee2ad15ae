/* dns_way.c - name servers by way of the proxy.
 *
 * Owns a reference on the configuration that names the proxy, and the dials in
 * work. Promises: a server is dialled as everything else that goes out is, so
 * that where a proxy is set no question goes past it; what the proxy refuses is
 * in the log in its words, for a question has only an error.
 * Thread: the loop that asks; references: any. RFC 7766. */
#include "client/dns_way.h"

#include "base/mem.h"
#include "client/dialler.h"

#include <stdatomic.h>

struct way {
    atomic_uint references;
    struct mm_config *config;
    const struct mm_log *log;
};

struct dial {
    struct mm_dialler dialler;
    struct mm_netaddr server;
    const struct mm_log *log;
    const struct mm_conn_handler *handler;
    void (*on_failed)(void *owner, enum mailmod_error error);
    void *owner;
};

static void *way_ref(void *context)
{
    struct way *way = context;
    atomic_fetch_add(&way->references, 1);
    return way;
}

static void way_unref(void **context)
{
    struct way *way = *context;
    *context = NULL;
    if (way != NULL && atomic_fetch_sub(&way->references, 1) == 1) {
        mm_config_unref(&way->config);
        mm_free(way);
    }
}

/* Either may stop the dial. */
static void on_open(void *context, struct mm_conn *conn)
{
    const struct dial *dial = context;
    const struct mm_conn_handler *handler = dial->handler;
    void *owner = dial->owner;
    mm_conn_set_handler(conn, handler, owner);
    handler->on_open(owner, conn);
}

static void on_failed(void *context, enum mailmod_error error,
                      const char *words)
{
    const struct dial *dial = context;
    char server[MM_NETADDR_TEXT_MAX];
    mm_netaddr_format(&dial->server, server);
    MM_LOG(dial->log, MM_LOG_WARNING, "dns",
           "a name server cannot be reached through the proxy",
           MM_TEXT("server", server), MM_TEXT("reply", words));
    dial->on_failed(dial->owner, error);
}

static const struct mm_conn_handler dial_handler = {.on_open = on_open};

static void stop_dial(void **dial_in)
{
    struct dial *dial = *dial_in;
    *dial_in = NULL;
    if (dial != NULL) {
        mm_dialler_stop(&dial->dialler);
        mm_free(dial);
    }
}

static enum mailmod_error
start_dial(void *context, struct mm_loop *loop, const struct mm_netaddr *server,
           const struct mm_conn_handler *handler,
           void (*on_failed_out)(void *owner, enum mailmod_error error),
           void *owner, void **dial_out)
{
    const struct way *way = context;
    struct dial *dial = mm_alloc(sizeof *dial);
    *dial_out = NULL;
    if (dial == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    dial->server = *server;
    dial->log = way->log;
    dial->handler = handler;
    dial->on_failed = on_failed_out;
    dial->owner = owner;
    /* The configuration has the proxy by its address: nobody could look its
     * name up. */
    struct mm_dialler_options options = {
        .loop = loop,
        .target = {.host = "", .address = *server},
        .timeout_ms = way->config->proxy.timeout_ms,
        .proxy_ms = way->config->proxy.timeout_ms,
        .handler = &dial_handler,
        .on_failed = on_failed,
        .context = dial};
    options.proxy = mm_config_proxy_for(way->config, NULL, &options.target);
    enum mailmod_error error = mm_dialler_start(&dial->dialler, &options);
    if (error != MAILMOD_OK) {
        mm_free(dial);
        return error;
    }
    *dial_out = dial;
    return MAILMOD_OK;
}

enum mailmod_error mm_dns_way_new(struct mm_resolver_way *way_out,
                                  struct mm_config *config,
                                  const struct mm_log *log)
{
    struct way *way = mm_alloc(sizeof *way);
    if (way == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    atomic_init(&way->references, 1);
    way->config = mm_config_ref(config);
    way->log = log;
    *way_out = (struct mm_resolver_way){.start = start_dial,
                                        .stop = stop_dial,
                                        .ref = way_ref,
                                        .unref = way_unref,
                                        .context = way};
    return MAILMOD_OK;
}
