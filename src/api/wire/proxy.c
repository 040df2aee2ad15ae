/* proxy.c - proxies in the host's hands: the way through one, and the header of
 * one that stands before a server.
 *
 * Owns the tunnel and the texts that it needs until it is open. Promises: not
 * one octet behind the proxy's last reply is taken; a login is wiped.
 * Thread: any, one at a time. RFC 1928, RFC 1929, RFC 9110 9.3.6; "The PROXY
 * protocol". */
#include "api/wire/wire.h"

#include "api/handles.h"
#include "api/instance.h"
#include "api/sized.h"

#include "base/mem.h"
#include "wire/proxy/header.h"
#include "wire/proxy/tunnel.h"

#include <string.h>

#define TIMEOUT_MS (UINT64_C(5) * 60 * 1000)

struct proxy {
    struct mailmod_wire wire;
    struct mm_tunnel tunnel;
    bool is_begun;
    bool is_over; /* FAILED was told */
    char *host;
    char *user;
    char *password;
};

_Static_assert(MAILMOD_PROXY_SOCKS5 == (int)MM_TUNNEL_SOCKS5 &&
                   MAILMOD_PROXY_SOCKS4A == (int)MM_TUNNEL_SOCKS4A &&
                   MAILMOD_PROXY_HTTP == (int)MM_TUNNEL_HTTP,
               "kinds are given as they are");

static struct proxy *proxy_of(const struct mailmod_wire *wire)
{
    return (struct proxy *)(uintptr_t)wire;
}

static size_t feed(struct mailmod_wire *wire, const char *octets, size_t size)
{
    return mm_tunnel_feed(&proxy_of(wire)->tunnel, octets, size);
}

static struct mm_span output(const struct mailmod_wire *wire)
{
    return mm_tunnel_output(&proxy_of(wire)->tunnel);
}

static void sent(struct mailmod_wire *wire, size_t size)
{
    mm_tunnel_sent(&proxy_of(wire)->tunnel, size);
}

static uint64_t timeout_ms(const struct mailmod_wire *wire)
{
    (void)wire;
    return TIMEOUT_MS;
}

static void wipe(char **text)
{
    if (*text != NULL) {
        mm_secret_clear(*text, strlen(*text));
        mm_free(*text);
        *text = NULL;
    }
}

static void dispose(struct mailmod_wire *wire)
{
    struct proxy *proxy = proxy_of(wire);
    if (proxy->is_begun) {
        mm_tunnel_fini(&proxy->tunnel);
    }
    mm_free(proxy->host);
    wipe(&proxy->user);
    wipe(&proxy->password);
    mm_free(proxy);
}

static const struct mm_wire_protocol protocol = {
    feed, output, sent, NULL, timeout_ms, dispose, NULL,
};

static enum mailmod_error keep_text(const char *text, char **copy_out)
{
    *copy_out = mm_strdup(text != NULL ? text : "");
    return *copy_out != NULL
               ? MAILMOD_OK
               : mm_fail(MAILMOD_ERROR_MEMORY, "%s", "out of memory");
}

static enum mailmod_error begin(struct proxy *proxy,
                                const struct mailmod_proxy_options *given)
{
    struct mm_tunnel_options options = {
        .kind = (enum mm_tunnel_kind)given->kind, .host = ""};
    if ((unsigned)given->kind > MAILMOD_PROXY_HTTP || given->port == 0 ||
        given->port > 65535) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    enum mailmod_error error =
        mm_wire_copy_name("host", given->host, &proxy->host);
    if (error == MAILMOD_OK) {
        error = keep_text(given->user, &proxy->user);
    }
    if (error == MAILMOD_OK) {
        error = keep_text(given->password, &proxy->password);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    if (!mm_netaddr_parse_ip(mm_span_cstr(proxy->host), &options.address)) {
        options.address = (struct mm_netaddr){.family = MM_NETADDR_NONE};
        options.host = proxy->host;
    }
    options.address.port = (uint16_t)given->port;
    options.user = proxy->user;
    options.password = proxy->password;
    proxy->is_begun = true;
    return mm_tunnel_init(&proxy->tunnel, &options);
}

enum mailmod_error
mailmod_proxy_new(const struct mailmod_proxy_options *options,
                  mailmod_wire **wire_out)
{
    struct mailmod_proxy_options given;
    enum mailmod_error error = mm_wire_take_options(
        &given, sizeof given, options, MM_PROXY_OPTIONS_SIZE_1,
        "mailmod_proxy_options", wire_out);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct proxy *proxy = mm_wire_new(sizeof *proxy, &protocol);
    if (proxy == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    return mm_wire_give(&proxy->wire, begin(proxy, &given), wire_out);
}

static void tell(struct proxy *proxy, struct mailmod_proxy_event *event)
{
    struct mm_tunnel *tunnel = &proxy->tunnel;
    event->kind = MAILMOD_PROXY_NEED_INPUT;
    event->text = "";
    if (tunnel->state == MM_TUNNEL_OPEN) {
        event->kind = MAILMOD_PROXY_OPEN;
    } else if (proxy->is_over) {
        return;
    } else if (tunnel->state == MM_TUNNEL_FAILED) {
        event->kind = MAILMOD_PROXY_FAILED;
        event->error = mm_tunnel_error(tunnel);
        event->text = mm_tunnel_failure(tunnel);
    } else if (proxy->wire.is_input_ended) {
        event->kind = MAILMOD_PROXY_FAILED;
        event->error = MAILMOD_ERROR_CLOSED;
        event->text = "the proxy closed the connection";
    }
    proxy->is_over = event->kind == MAILMOD_PROXY_FAILED;
}

enum mailmod_error mailmod_proxy_next(mailmod_wire *wire,
                                      struct mailmod_proxy_event *event_out)
{
    struct mailmod_proxy_event event = {.size = sizeof event};
    enum mailmod_error error =
        mm_sized_check(event_out, MM_PROXY_EVENT_SIZE_1, "mailmod_proxy_event");
    if (error == MAILMOD_OK) {
        error = mm_wire_hold(wire, &protocol);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    tell(proxy_of(wire), &event);
    mm_sized_give(event_out, &event, sizeof event);
    return mm_wire_end(wire, MAILMOD_OK);
}

enum mailmod_error
mailmod_proxy_header_parse(const char *octets, size_t size,
                           struct mailmod_proxy_header *header_out)
{
    struct mailmod_proxy_header header = {.size = sizeof header};
    struct mm_proxy_header read = {.size = 0};
    enum mailmod_error error = mm_sized_check(
        header_out, MM_PROXY_HEADER_SIZE_1, "mailmod_proxy_header");
    if (error == MAILMOD_OK && octets == NULL) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT, "octets: NULL");
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    switch (mm_proxy_header_parse(mm_span(octets, size), &read)) {
    case MM_PROXY_MORE:
        break;
    case MM_PROXY_WHOLE:
        header.used = read.size;
        header.port = read.peer.port;
        if (read.peer.family != MM_NETADDR_NONE) {
            mm_netaddr_format_ip(&read.peer, header.address);
        }
        break;
    case MM_PROXY_BROKEN:
        return mm_fail(MAILMOD_ERROR_PROTOCOL,
                       "this is no header of the PROXY protocol");
    }
    mm_sized_give(header_out, &header, sizeof header);
    return MAILMOD_OK;
}
