/* resolver_channel.c - one channel of c-ares on a loop.
 *
 * Owns the channel, one poll handle for each of its sockets and its timer.
 * c-ares may call back inside a call into it, and so does this. A question is
 * put once to each server: c-ares would double the wait with every round, and
 * the operator was told a wait and a count; so rounds are the resolver's.
 * Where the owner has a way of its own to the servers, a stream carries the
 * questions instead, and c-ares only writes them.
 * The host's own files are not asked here, with no search list and no aliases.
 * Thread: the loop's. RFC 1035, RFC 6840 5.7 (AD in a question). */
#define CARES_NO_DEPRECATED
#include "io/loop_internal.h"
#include "io/resolver_internal.h"

#include "base/mem.h"
#include "platform/random.h"

#include <ares.h>

#include <string.h>

#define DNS_PORT 53
#define CLASS_IN 1
#define WAIT_MS 3000 /* as dns.timeout begins */
#define HEADER_SIZE 12
#define AUTHENTIC_DATA 0x20 /* in the fourth octet: RFC 4035 3.2.3 */

struct poll {
    struct mm_list node;
    struct mm_dns_channel *channel;
    ares_socket_t socket;
    uv_poll_t handle;
};

/* A guard has to be the process's: the one static that is written to. */
static uv_once_t library_once = UV_ONCE_INIT;

static void init_library(void)
{
    /* Never undone: another user of c-ares in this process may still need
     * it, and its count is not safe between threads. */
    (void)ares_library_init(ARES_LIB_INIT_ALL);
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
    case ARES_ESERVFAIL:
        return MAILMOD_ERROR_DNS_SERVFAIL;
    case ARES_EREFUSED:
        return MAILMOD_ERROR_DNS_REFUSED;
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

void mm_dns_question_done(struct mm_dns_question *question,
                          enum mailmod_error error, const uint8_t *answer,
                          size_t size)
{
    question->channel->users--;
    question->on_answer(question->context, error, answer, size);
}

static void on_answer(void *context, int status, int timeouts,
                      unsigned char *answer, int size)
{
    (void)timeouts;
    mm_dns_question_done(context, error_of_status(status), answer,
                         size > 0 ? (size_t)size : 0);
}

static void rearm(struct mm_dns_channel *channel)
{
    struct timeval wait;
    if (ares_timeout(channel->ares, NULL, &wait) == NULL) {
        mm_timer_cancel(&channel->timer);
        return;
    }
    uint64_t wait_ms =
        (uint64_t)wait.tv_sec * 1000 + ((uint64_t)wait.tv_usec + 999) / 1000;
    mm_timer_set(&channel->timer, wait_ms);
}

static void on_timer(struct mm_timer *timer)
{
    struct mm_dns_channel *channel =
        MM_LIST_OBJECT(timer, struct mm_dns_channel, timer);
    ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    rearm(channel);
}

static void on_poll_closed(uv_handle_t *handle)
{
    mm_free(handle->data);
}

static void poll_close(struct poll *poll)
{
    mm_list_remove(&poll->node);
    poll->channel = NULL;
    (void)uv_poll_stop(&poll->handle);
    uv_close((uv_handle_t *)&poll->handle, on_poll_closed);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    const struct poll *poll = handle->data;
    struct mm_dns_channel *channel = poll->channel;
    if (channel == NULL) {
        return;
    }
    mm_loop_note_callback(channel->loop);
    /* c-ares may close the socket inside, and with it free the poll. A
     * failed poll is shown as both, so that c-ares meets the error. */
    ares_socket_t socket = poll->socket;
    bool reads = status != 0 || (events & UV_READABLE) != 0;
    bool writes = status != 0 || (events & UV_WRITABLE) != 0;
    ares_process_fd(channel->ares, reads ? socket : ARES_SOCKET_BAD,
                    writes ? socket : ARES_SOCKET_BAD);
    rearm(channel);
}

static struct poll *poll_find(struct mm_dns_channel *channel,
                              ares_socket_t socket)
{
    MM_LIST_EACH(node, &channel->polls)
    {
        struct poll *poll = MM_LIST_OBJECT(node, struct poll, node);
        if (poll->socket == socket) {
            return poll;
        }
    }
    return NULL;
}

/* NULL leaves the socket unwatched: its query then ends by its time-out. */
static struct poll *poll_open(struct mm_dns_channel *channel,
                              ares_socket_t socket)
{
    struct poll *poll = mm_alloc(sizeof *poll);
    if (poll == NULL) {
        return NULL;
    }
    /* Not uv_poll_init: on Windows that wants a descriptor of the C runtime. */
    if (uv_poll_init_socket(&channel->loop->uv, &poll->handle, socket) != 0) {
        mm_free(poll);
        return NULL;
    }
    poll->handle.data = poll;
    poll->channel = channel;
    poll->socket = socket;
    mm_list_init(&poll->node);
    mm_list_append(&channel->polls, &poll->node);
    return poll;
}

static void on_socket_state(void *context, ares_socket_t socket, int reads,
                            int writes)
{
    struct mm_dns_channel *channel = context;
    struct poll *poll = poll_find(channel, socket);
    if (!reads && !writes) {
        if (poll != NULL) {
            poll_close(poll);
        }
        return;
    }
    if (poll == NULL) {
        poll = poll_open(channel, socket);
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

enum mailmod_error
mm_dns_parse_servers(const char *text,
                     struct mm_netaddr servers_out[MM_DNS_SERVERS_MAX],
                     size_t *count_out)
{
    struct mm_span rest = mm_span_trim(mm_span_cstr(text));
    bool has_more = rest.size > 0;
    *count_out = 0;
    while (has_more) {
        struct mm_span item;
        has_more = mm_span_cut(rest, ',', &item, &rest);
        if (*count_out == MM_DNS_SERVERS_MAX) {
            return MAILMOD_ERROR_LIMIT;
        }
        if (!parse_server(mm_span_trim(item), &servers_out[*count_out])) {
            return MAILMOD_ERROR_SYNTAX;
        }
        (*count_out)++;
    }
    return MAILMOD_OK;
}

static enum mailmod_error set_servers(ares_channel ares, const char *text)
{
    struct mm_netaddr servers[MM_DNS_SERVERS_MAX];
    struct ares_addr_port_node nodes[MM_DNS_SERVERS_MAX];
    size_t count;
    enum mailmod_error error = mm_dns_parse_servers(text, servers, &count);
    if (error != MAILMOD_OK || count == 0) {
        return error; /* none: the system's */
    }
    memset(nodes, 0, sizeof nodes);
    for (size_t i = 0; i < count; i++) {
        fill_server(&nodes[i], &servers[i]);
        nodes[i].next = i + 1 < count ? &nodes[i + 1] : NULL;
    }
    return ares_set_servers_ports(ares, nodes) == ARES_SUCCESS
               ? MAILMOD_OK
               : MAILMOD_ERROR_MEMORY;
}

static enum mailmod_error make_ares(struct mm_dns_channel *channel,
                                    const struct mm_resolver_options *options,
                                    int more_flags)
{
    char lookups[] = "b"; /* name servers; no hosts file */
    struct ares_options ares = {0};
    ares.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | more_flags;
    ares.timeout = options->timeout_ms == 0 || options->timeout_ms > 600000
                       ? WAIT_MS
                       : (int)options->timeout_ms;
    ares.tries = 1;
    ares.lookups = lookups;
    ares.sock_state_cb = on_socket_state;
    ares.sock_state_cb_data = channel;
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
               ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB | ARES_OPT_DOMAINS;
    char *file = NULL;
    if (options->servers_file != NULL) {
        file = mm_strdup(options->servers_file);
        if (file == NULL) {
            return MAILMOD_ERROR_MEMORY;
        }
        ares.resolvconf_path = file;
        mask |= ARES_OPT_RESOLVCONF;
    }
    ares_channel made = NULL;
    int status = ares_init_options(&made, &ares, mask);
    mm_free(file);
    if (status != ARES_SUCCESS) {
        return status == ARES_ENOMEM ? MAILMOD_ERROR_MEMORY
                                     : MAILMOD_ERROR_SYSTEM;
    }
    channel->ares = made;
    return set_servers(made, options->servers);
}

static size_t count_servers(ares_channel ares)
{
    struct ares_addr_port_node *servers = NULL;
    size_t count = 0;
    if (ares_get_servers_ports(ares, &servers) != ARES_SUCCESS) {
        return 0;
    }
    for (struct ares_addr_port_node *at = servers; at != NULL; at = at->next) {
        count++;
    }
    ares_free_data(servers);
    return count;
}

/* Among several servers c-ares takes SERVFAIL and REFUSED for "ask the next
 * one" and then only knows that all failed. Where there is one, it is made to
 * give the answer as it is, so that its reason can be told. */
static enum mailmod_error open_ares(struct mm_dns_channel *channel,
                                    const struct mm_resolver_options *options)
{
    enum mailmod_error error = make_ares(channel, options, 0);
    if (error != MAILMOD_OK || count_servers(channel->ares) != 1) {
        return error;
    }
    ares_destroy(channel->ares);
    channel->ares = NULL;
    return make_ares(channel, options, ARES_FLAG_NOCHECKRESP);
}

enum mailmod_error
mm_dns_channel_open(struct mm_dns_channel **channel_out, struct mm_loop *loop,
                    const struct mm_resolver_options *options)
{
    *channel_out = NULL;
    uv_once(&library_once, init_library);
    struct mm_dns_channel *channel = mm_alloc(sizeof *channel);
    if (channel == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    channel->loop = loop;
    mm_list_init(&channel->node);
    mm_list_init(&channel->polls);
    enum mailmod_error error = mm_timer_open(&channel->timer, loop, on_timer);
    if (error == MAILMOD_OK) {
        error = options->way != NULL
                    ? mm_dns_stream_open(&channel->stream, loop, options)
                    : open_ares(channel, options);
    }
    if (error != MAILMOD_OK) {
        mm_dns_channel_close(&channel);
        return error;
    }
    *channel_out = channel;
    return MAILMOD_OK;
}

void mm_dns_channel_close(struct mm_dns_channel **channel_in)
{
    struct mm_dns_channel *channel = *channel_in;
    *channel_in = NULL;
    if (channel->ares != NULL) {
        ares_destroy(channel->ares);
    }
    if (channel->stream != NULL) {
        mm_dns_stream_close(&channel->stream);
    }
    struct mm_list *node = mm_list_first(&channel->polls);
    while (node != NULL) {
        poll_close(MM_LIST_OBJECT(node, struct poll, node));
        node = mm_list_first(&channel->polls);
    }
    mm_timer_close(&channel->timer);
    mm_list_remove(&channel->node);
    mm_free(channel);
}

static enum mailmod_error send_by(struct mm_dns_channel *channel,
                                  struct mm_dns_question *question,
                                  const unsigned char *octets, int size)
{
    channel->users++;
    if (channel->stream == NULL) {
        ares_send(channel->ares, octets, size, on_answer, question);
        return MAILMOD_OK;
    }
    enum mailmod_error error =
        mm_dns_stream_ask(channel->stream, question, octets, (size_t)size);
    channel->users -= error != MAILMOD_OK;
    return error;
}

/* The octets are ours. RFC 6840 5.7: AD in the question asks for AD in the
 * answer, which a server otherwise leaves out; ares_query cannot say it. */
static enum mailmod_error ask_by_octets(struct mm_dns_channel *channel,
                                        struct mm_dns_question *question)
{
    unsigned short id;
    unsigned char *octets = NULL;
    int size = 0;
    enum mailmod_error error = mm_random(&id, sizeof id);
    if (error != MAILMOD_OK) {
        return error;
    }
    int status =
        ares_create_query(question->name, CLASS_IN, (int)question->type, id, 1,
                          &octets, &size, 0);
    if (status != ARES_SUCCESS || size < HEADER_SIZE) {
        ares_free_string(octets);
        return status == ARES_ENOMEM ? MAILMOD_ERROR_MEMORY
                                     : MAILMOD_ERROR_SYNTAX;
    }
    if (question->is_whole) {
        octets[3] |= AUTHENTIC_DATA;
    }
    error = send_by(channel, question, octets, size);
    ares_free_string(octets);
    return error;
}

enum mailmod_error mm_dns_channel_ask(struct mm_dns_channel *channel,
                                      struct mm_dns_question *question)
{
    enum mailmod_error error = MAILMOD_OK;
    question->channel = channel;
    if (question->is_whole || channel->stream != NULL) {
        error = ask_by_octets(channel, question);
    } else {
        channel->users++;
        ares_query(channel->ares, question->name, CLASS_IN, (int)question->type,
                   on_answer, question);
    }
    if (channel->ares != NULL) {
        rearm(channel);
    }
    return error;
}
