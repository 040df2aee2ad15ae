/* socks4a.c - the SOCKS4a client.
 *
 * One request, one reply of eight octets. A host goes by its name (4a: the
 * address 0.0.0.1, the name at the end), or by its IPv4 address as SOCKS4 has
 * it; there is no room for IPv6. The user is told, a password is not known.
 * "SOCKS: A protocol for TCP proxy across firewalls", "SOCKS 4A: A simple
 * extension to SOCKS 4 protocol". Thread: any. */
#include "wire/proxy/tunnel_internal.h"

#include <string.h>

#define VERSION 4
#define COMMAND_CONNECT 1
#define REPLY_SIZE 8
#define GRANTED 90

static enum mailmod_error check(const struct mm_tunnel_options *options)
{
    return mm_tunnel_is_by_name(options) ||
                   options->address.family == MM_NETADDR_V4
               ? MAILMOD_OK
               : MAILMOD_ERROR_UNREACHABLE;
}

static enum mailmod_error begin(struct mm_tunnel *tunnel)
{
    const struct mm_tunnel_options *options = &tunnel->options;
    uint16_t port = options->address.port;
    uint8_t head[8] = {
        VERSION, COMMAND_CONNECT, (uint8_t)(port >> 8), (uint8_t)port, 0, 0, 0,
        1};
    bool is_by_name = mm_tunnel_is_by_name(options);
    if (!is_by_name) {
        memcpy(head + 4, options->address.bytes, 4);
    }
    struct mm_buf *out = &tunnel->output;
    (void)mm_buf_append(out, head, sizeof head);
    (void)mm_buf_append_span(out, mm_span_cstr(options->user));
    (void)mm_buf_append_char(out, '\0');
    if (is_by_name) {
        (void)mm_buf_append(out, options->host, strlen(options->host) + 1);
    }
    return mm_buf_error(out);
}

static void take(struct mm_tunnel *tunnel, char octet)
{
    tunnel->reply[tunnel->reply_size++] = octet;
    if (tunnel->reply[0] != 0) {
        mm_tunnel_fail(tunnel, MAILMOD_ERROR_PROTOCOL,
                       "its reply is not SOCKS4");
        return;
    }
    unsigned code =
        tunnel->reply_size < 2 ? GRANTED : (unsigned char)tunnel->reply[1];
    if (code != GRANTED) {
        const struct mm_tunnel_refusal *refusal =
            mm_tunnel_find_refusal(MM_TUNNEL_SOCKS4A, code);
        mm_tunnel_fail(tunnel, refusal->error, "SOCKS4 code %u: %s", code,
                       refusal->words);
    } else if (tunnel->reply_size == REPLY_SIZE) {
        mm_tunnel_next_reply(tunnel);
        mm_tunnel_open(tunnel);
    }
}

const struct mm_tunnel_protocol mm_tunnel_socks4a = {check, begin, take};
