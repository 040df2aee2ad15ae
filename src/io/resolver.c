/* resolver.c - names to MX hosts, addresses and texts, on c-ares.
 *
 * Owns one c-ares channel, one poll handle for each of its sockets and the
 * open queries. c-ares may call back inside a call into it; so its callback
 * only copies and checks the answer, and the owner hears of it from the loop.
 * For the same reason nothing here cancels inside c-ares: a cancelled query
 * stays until its answer or time-out comes and is dropped then; the channel is
 * destroyed only in mm_resolver_free and when the loop stops, and both are
 * never inside a callback of c-ares.
 * The host's own files are not asked: "localhost" (RFC 6761 6.3) and literal
 * addresses are answered here, all else by name servers alone, with no search
 * list and no aliases. Thread: the loop's. */
#define CARES_NO_DEPRECATED
#include "io/loop_internal.h"
#include "io/resolver_internal.h"

#include "base/mem.h"
#include "platform/idn.h"

#include <ares.h>

#include <string.h>

#define DNS_PORT 53
#define CLASS_IN 1
#define SERVERS_MAX 16
/* A page of ours never asks for so many at a time. */
#define QUERIES_MAX 100000

struct mm_query {
    struct mm_list node;          /* in the resolver's list */
    struct mm_resolver *resolver; /* NULL once that is gone */
    struct mm_task task;
    enum mm_dns_type type;
    mm_on_mx on_mx;
    mm_on_addresses on_addresses;
    mm_on_text on_text;
    void *context;
    struct mm_dns_result result;
    bool is_answered; /* the task is with the loop */
    bool is_cancelled;
    bool is_telling; /* inside the owner's callback */
};

struct poll {
    struct mm_list node;
    struct mm_resolver *resolver;
    ares_socket_t socket;
    uv_poll_t handle;
};

struct mm_resolver {
    struct mm_resident resident;
    struct mm_loop *loop;
    ares_channel channel; /* NULL once the loop stopped */
    struct mm_timer timer;
    struct mm_list polls;
    struct mm_list queries;
    size_t query_count;
};

/* A guard has to be the process's: the one static that is written to. */
static uv_once_t library_once = UV_ONCE_INIT;

static void init_library(void)
{
    /* Never undone: another user of c-ares in this process may still need
     * it, and its count is not safe between threads. */
    (void)ares_library_init(ARES_LIB_INIT_ALL);
}

static void query_free(struct mm_query *query)
{
    if (query->resolver != NULL) {
        query->resolver->query_count--;
    }
    mm_list_remove(&query->node);
    mm_list_remove(&query->task.node);
    mm_dns_result_fini(&query->result);
    mm_free(query);
}

static void tell_outcome(struct mm_query *query)
{
    const struct mm_dns_result *result = &query->result;
    switch (query->type) {
    case MM_DNS_MX:
        query->on_mx(query->context, result->error, result->hosts,
                     result->count);
        break;
    case MM_DNS_TXT:
        query->on_text(query->context, result->error,
                       mm_buf_span(&result->text));
        break;
    default:
        query->on_addresses(query->context, result->error, result->addresses,
                            result->count);
        break;
    }
}

static void on_told(struct mm_task *task)
{
    struct mm_query *query = MM_LIST_OBJECT(task, struct mm_query, task);
    /* Out of the resolver's list: the owner may free the resolver now. */
    mm_list_remove(&query->node);
    if (query->resolver != NULL) {
        query->resolver->query_count--;
        query->resolver = NULL;
    }
    if (!query->is_cancelled) {
        query->is_telling = true;
        tell_outcome(query);
    }
    query_free(query);
}

static void finish(struct mm_query *query)
{
    query->is_answered = true;
    query->task.run = on_told;
    mm_loop_soon(query->resolver->loop, &query->task);
}

static enum mailmod_error error_of_status(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return MAILMOD_OK;
    case ARES_ENOTFOUND:
        return MAILMOD_ERROR_DNS_NO_NAME;
    case ARES_ENODATA:
        return MAILMOD_ERROR_DNS_NO_DATA;
    case ARES_ETIMEOUT:
        return MAILMOD_ERROR_TIMEOUT;
    case ARES_EDESTRUCTION:
    case ARES_ECANCELLED:
        return MAILMOD_ERROR_CANCELLED;
    case ARES_ENOMEM:
        return MAILMOD_ERROR_MEMORY;
    default:
        return MAILMOD_ERROR_DNS;
    }
}

static void on_answer(void *context, int status, int timeouts,
                      unsigned char *answer, int size)
{
    struct mm_query *query = context;
    (void)timeouts;
    query->result.error = error_of_status(status);
    if (status == ARES_SUCCESS && !query->is_cancelled) {
        mm_dns_read_answer(&query->result, query->type, answer,
                           size > 0 ? (size_t)size : 0);
    }
    finish(query);
}

static void rearm(struct mm_resolver *resolver)
{
    struct timeval wait;
    if (ares_timeout(resolver->channel, NULL, &wait) == NULL) {
        mm_timer_cancel(&resolver->timer);
        return;
    }
    uint64_t wait_ms =
        (uint64_t)wait.tv_sec * 1000 + ((uint64_t)wait.tv_usec + 999) / 1000;
    mm_timer_set(&resolver->timer, wait_ms);
}

static void on_timer(struct mm_timer *timer)
{
    struct mm_resolver *resolver =
        MM_LIST_OBJECT(timer, struct mm_resolver, timer);
    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    rearm(resolver);
}

static void on_poll_closed(uv_handle_t *handle)
{
    mm_free(handle->data);
}

static void poll_close(struct poll *poll)
{
    mm_list_remove(&poll->node);
    poll->resolver = NULL;
    (void)uv_poll_stop(&poll->handle);
    uv_close((uv_handle_t *)&poll->handle, on_poll_closed);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    const struct poll *poll = handle->data;
    struct mm_resolver *resolver = poll->resolver;
    if (resolver == NULL) {
        return;
    }
    /* c-ares may close the socket inside, and with it free the poll. A
     * failed poll is shown as both, so that c-ares meets the error. */
    ares_socket_t socket = poll->socket;
    bool reads = status != 0 || (events & UV_READABLE) != 0;
    bool writes = status != 0 || (events & UV_WRITABLE) != 0;
    ares_process_fd(resolver->channel, reads ? socket : ARES_SOCKET_BAD,
                    writes ? socket : ARES_SOCKET_BAD);
    rearm(resolver);
}

static struct poll *poll_find(struct mm_resolver *resolver,
                              ares_socket_t socket)
{
    MM_LIST_EACH(node, &resolver->polls)
    {
        struct poll *poll = MM_LIST_OBJECT(node, struct poll, node);
        if (poll->socket == socket) {
            return poll;
        }
    }
    return NULL;
}

/* NULL leaves the socket unwatched: its query then ends by its time-out. */
static struct poll *poll_open(struct mm_resolver *resolver,
                              ares_socket_t socket)
{
    struct poll *poll = mm_alloc(sizeof *poll);
    if (poll == NULL) {
        return NULL;
    }
    /* Not uv_poll_init: on Windows that wants a descriptor of the C runtime. */
    if (uv_poll_init_socket(&resolver->loop->uv, &poll->handle, socket) != 0) {
        mm_free(poll);
        return NULL;
    }
    poll->handle.data = poll;
    poll->resolver = resolver;
    poll->socket = socket;
    mm_list_init(&poll->node);
    mm_list_append(&resolver->polls, &poll->node);
    return poll;
}

static void on_socket_state(void *context, ares_socket_t socket, int reads,
                            int writes)
{
    struct mm_resolver *resolver = context;
    struct poll *poll = poll_find(resolver, socket);
    if (!reads && !writes) {
        if (poll != NULL) {
            poll_close(poll);
        }
        return;
    }
    if (poll == NULL) {
        poll = poll_open(resolver, socket);
    }
    if (poll != NULL) {
        int events = (reads ? UV_READABLE : 0) | (writes ? UV_WRITABLE : 0);
        (void)uv_poll_start(&poll->handle, events, on_poll);
    }
}

/* "192.0.2.1", "192.0.2.1:53", "2001:db8::1", "[2001:db8::1]:53". */
static bool parse_server(struct mm_span text, struct mm_netaddr *server_out)
{
    if (mm_netaddr_parse_ip(text, server_out)) {
        server_out->port = DNS_PORT;
        return true;
    }
    if (text.size > 2 && text.data[0] == '[' &&
        text.data[text.size - 1] == ']') {
        struct mm_span inner = mm_span(text.data + 1, text.size - 2);
        bool is_good = mm_netaddr_parse_ip(inner, server_out) &&
                       server_out->family == MM_NETADDR_V6;
        server_out->port = DNS_PORT;
        return is_good;
    }
    return mm_netaddr_parse(text, server_out) &&
           !mm_netaddr_is_any(server_out) && server_out->port != 0;
}

static void fill_server(struct ares_addr_port_node *node,
                        const struct mm_netaddr *server)
{
    bool is_v4 = server->family == MM_NETADDR_V4;
    node->family = is_v4 ? AF_INET : AF_INET6;
    memcpy(&node->addr, server->bytes, is_v4 ? 4 : 16);
    node->udp_port = server->port;
    node->tcp_port = server->port;
}

static enum mailmod_error set_servers(ares_channel channel, const char *text)
{
    struct mm_span rest = mm_span_trim(mm_span_cstr(text));
    size_t count = 0;
    if (rest.size == 0) {
        return MAILMOD_OK; /* the system's */
    }
    struct ares_addr_port_node nodes[SERVERS_MAX];
    memset(nodes, 0, sizeof nodes);
    bool has_more = true;
    while (has_more) {
        struct mm_span item;
        has_more = mm_span_cut(rest, ',', &item, &rest);
        if (count == SERVERS_MAX) {
            return MAILMOD_ERROR_LIMIT;
        }
        struct mm_netaddr server;
        if (!parse_server(mm_span_trim(item), &server)) {
            return MAILMOD_ERROR_SYNTAX;
        }
        fill_server(&nodes[count], &server);
        if (count > 0) {
            nodes[count - 1].next = &nodes[count];
        }
        count++;
    }
    return ares_set_servers_ports(channel, nodes) == ARES_SUCCESS
               ? MAILMOD_OK
               : MAILMOD_ERROR_MEMORY;
}

static enum mailmod_error
open_channel(struct mm_resolver *resolver,
             const struct mm_resolver_options *options)
{
    char lookups[] = "b"; /* name servers; no hosts file */
    struct ares_options ares = {0};
    ares.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
    ares.timeout = options->timeout_ms == 0 || options->timeout_ms > 600000
                       ? 5000
                       : (int)options->timeout_ms;
    ares.tries =
        options->tries == 0 || options->tries > 10 ? 3 : (int)options->tries;
    ares.lookups = lookups;
    ares.sock_state_cb = on_socket_state;
    ares.sock_state_cb_data = resolver;
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
               ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB | ARES_OPT_DOMAINS;
    int status = ares_init_options(&resolver->channel, &ares, mask);
    if (status != ARES_SUCCESS) {
        resolver->channel = NULL;
        return status == ARES_ENOMEM ? MAILMOD_ERROR_MEMORY
                                     : MAILMOD_ERROR_SYSTEM;
    }
    return set_servers(resolver->channel, options->servers);
}

static void close_channel(struct mm_resolver *resolver)
{
    if (resolver->channel != NULL) {
        /* Every open query is answered with EDESTRUCTION in here. */
        ares_destroy(resolver->channel);
        resolver->channel = NULL;
    }
    struct mm_list *node = mm_list_first(&resolver->polls);
    while (node != NULL) {
        poll_close(MM_LIST_OBJECT(node, struct poll, node));
        node = mm_list_first(&resolver->polls);
    }
    mm_timer_close(&resolver->timer);
}

static void on_stop(struct mm_resident *resident)
{
    close_channel(MM_LIST_OBJECT(resident, struct mm_resolver, resident));
}

enum mailmod_error mm_resolver_new(struct mm_resolver **resolver_out,
                                   struct mm_loop *loop,
                                   const struct mm_resolver_options *options)
{
    *resolver_out = NULL;
    uv_once(&library_once, init_library);
    struct mm_resolver *resolver = mm_alloc(sizeof *resolver);
    if (resolver == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    resolver->loop = loop;
    resolver->resident.on_stop = on_stop;
    mm_list_init(&resolver->resident.node);
    mm_list_init(&resolver->polls);
    mm_list_init(&resolver->queries);
    enum mailmod_error error = mm_timer_open(&resolver->timer, loop, on_timer);
    if (error == MAILMOD_OK) {
        error = open_channel(resolver, options);
    }
    if (error == MAILMOD_OK) {
        error = mm_loop_admit(loop, &resolver->resident);
    }
    if (error != MAILMOD_OK) {
        mm_resolver_free(&resolver);
        return error;
    }
    *resolver_out = resolver;
    return MAILMOD_OK;
}

void mm_resolver_free(struct mm_resolver **resolver_in)
{
    struct mm_resolver *resolver = *resolver_in;
    if (resolver == NULL) {
        return;
    }
    close_channel(resolver);
    struct mm_list *node = mm_list_first(&resolver->queries);
    while (node != NULL) {
        query_free(MM_LIST_OBJECT(node, struct mm_query, node));
        node = mm_list_first(&resolver->queries);
    }
    mm_list_remove(&resolver->resident.node);
    mm_free(resolver);
    *resolver_in = NULL;
}

static enum mailmod_error query_new(struct mm_query **query_out,
                                    struct mm_resolver *resolver,
                                    enum mm_dns_type type, void *context)
{
    *query_out = NULL;
    if (resolver->channel == NULL) {
        return MAILMOD_ERROR_STOPPED;
    }
    if (resolver->query_count >= QUERIES_MAX) {
        return MAILMOD_ERROR_LIMIT;
    }
    struct mm_query *query = mm_alloc(sizeof *query);
    if (query == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    query->resolver = resolver;
    query->type = type;
    query->context = context;
    mm_dns_result_init(&query->result);
    mm_list_init(&query->task.node);
    mm_list_init(&query->node);
    mm_list_append(&resolver->queries, &query->node);
    resolver->query_count++;
    *query_out = query;
    return MAILMOD_OK;
}

static void ask(struct mm_query *query, const char *name)
{
    struct mm_resolver *resolver = query->resolver;
    ares_query(resolver->channel, name, CLASS_IN, (int)query->type, on_answer,
               query);
    rearm(resolver);
}

/* The name as the DNS has it: in A-labels, and one that can be asked for. */
static bool read_name(const char *text, char name_out[256])
{
    char ascii[MM_LIMIT_DOMAIN + 1];
    return mm_idn_to_ascii(mm_span_cstr(text), ascii) == MAILMOD_OK &&
           mm_dns_is_name(mm_span_cstr(ascii), name_out);
}

enum mailmod_error mm_resolve_mx(struct mm_resolver *resolver,
                                 const char *domain, mm_on_mx on_mx,
                                 void *context, struct mm_query **query_out)
{
    *query_out = NULL;
    char name[256];
    if (!read_name(domain, name)) {
        return MAILMOD_ERROR_SYNTAX;
    }
    enum mailmod_error error =
        query_new(query_out, resolver, MM_DNS_MX, context);
    if (error == MAILMOD_OK) {
        (*query_out)->on_mx = on_mx;
        ask(*query_out, name);
    }
    return error;
}

enum mailmod_error mm_resolve_text(struct mm_resolver *resolver,
                                   const char *name_in, mm_on_text on_text,
                                   void *context, struct mm_query **query_out)
{
    *query_out = NULL;
    char name[256];
    if (!read_name(name_in, name)) {
        return MAILMOD_ERROR_SYNTAX;
    }
    enum mailmod_error error =
        query_new(query_out, resolver, MM_DNS_TXT, context);
    if (error == MAILMOD_OK) {
        (*query_out)->on_text = on_text;
        ask(*query_out, name);
    }
    return error;
}

static bool is_localhost(const char *name)
{
    static const char suffix[] = ".localhost";
    size_t length = strlen(name);
    size_t tail = sizeof suffix - 1;
    return strcmp(name, suffix + 1) == 0 ||
           (length > tail && strcmp(name + length - tail, suffix) == 0);
}

/* What needs no server: literal addresses and the local host. */
static bool is_known(const char *host, enum mm_netaddr_family family,
                     struct mm_netaddr *address_out)
{
    static const uint8_t local_v4[4] = {127, 0, 0, 1};
    static const uint8_t local_v6[16] = {[15] = 1};
    if (mm_netaddr_parse_ip(mm_span_cstr(host), address_out)) {
        return true;
    }
    char name[256];
    if (!read_name(host, name) || !is_localhost(name)) {
        return false;
    }
    *address_out = family == MM_NETADDR_V4 ? mm_netaddr_v4(local_v4, 0)
                                           : mm_netaddr_v6(local_v6, 0);
    return true;
}

static enum mailmod_error answer_known(struct mm_query *query,
                                       enum mm_netaddr_family family,
                                       const struct mm_netaddr *address)
{
    struct mm_dns_result *result = &query->result;
    result->error = MAILMOD_ERROR_DNS_NO_DATA;
    if (address->family == family) {
        result->addresses = mm_alloc(sizeof *address);
        if (result->addresses == NULL) {
            return MAILMOD_ERROR_MEMORY;
        }
        result->addresses[0] = *address;
        result->count = 1;
        result->error = MAILMOD_OK;
    }
    finish(query);
    return MAILMOD_OK;
}

enum mailmod_error mm_resolve_addresses(struct mm_resolver *resolver,
                                        const char *host,
                                        enum mm_netaddr_family family,
                                        mm_on_addresses on_addresses,
                                        void *context,
                                        struct mm_query **query_out)
{
    *query_out = NULL;
    if (family == MM_NETADDR_NONE) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    struct mm_netaddr address;
    bool has_answer = is_known(host, family, &address);
    char name[256];
    if (!has_answer && !read_name(host, name)) {
        return MAILMOD_ERROR_SYNTAX;
    }
    enum mm_dns_type type = family == MM_NETADDR_V4 ? MM_DNS_A : MM_DNS_AAAA;
    struct mm_query *query;
    enum mailmod_error error = query_new(&query, resolver, type, context);
    if (error != MAILMOD_OK) {
        return error;
    }
    query->on_addresses = on_addresses;
    if (has_answer) {
        error = answer_known(query, family, &address);
    } else {
        ask(query, name);
    }
    if (error != MAILMOD_OK) {
        query_free(query);
        return error;
    }
    *query_out = query;
    return MAILMOD_OK;
}

void mm_query_cancel(struct mm_query **query_in)
{
    struct mm_query *query = *query_in;
    *query_in = NULL;
    if (query == NULL || query->is_telling) {
        return;
    }
    query->is_cancelled = true;
    if (query->is_answered) {
        query_free(query);
    }
}
