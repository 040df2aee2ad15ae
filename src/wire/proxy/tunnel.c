/* tunnel.c - the way through a proxy, whatever it speaks.
 *
 * Owns the octets to send, which may hold a password and are wiped, and the
 * beginning of the reply that is read. Promises: an octet behind the proxy's
 * last reply is never taken, for it is the host's; no reply is longer than the
 * kind allows; a reply is judged at its first octet that decides; a failure has
 * an error and words. Once failed or open it says nothing more.
 * RFC 1928, RFC 1929, RFC 9110 9.3.6. Thread: any. */
#include "wire/proxy/tunnel_internal.h"

#include "base/host.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A CONNECT with a name and a login as long as they may be. */
#define OUTPUT_MAX 4096

static const struct mm_tunnel_protocol *const protocols[] = {
    [MM_TUNNEL_SOCKS5] = &mm_tunnel_socks5,
    [MM_TUNNEL_SOCKS4A] = &mm_tunnel_socks4a,
    [MM_TUNNEL_HTTP] = &mm_tunnel_http};

bool mm_tunnel_is_by_name(const struct mm_tunnel_options *options)
{
    return options->host != NULL && options->host[0] != '\0';
}

bool mm_tunnel_has_login(const struct mm_tunnel_options *options)
{
    return options->user != NULL && options->user[0] != '\0';
}

void mm_tunnel_next_reply(struct mm_tunnel *tunnel)
{
    tunnel->reply_size = 0;
    tunnel->reply_whole = 0;
    tunnel->line_size = 0;
    tunnel->step++;
}

void mm_tunnel_open(struct mm_tunnel *tunnel)
{
    tunnel->state = MM_TUNNEL_OPEN;
    mm_buf_wipe(&tunnel->output);
}

void mm_tunnel_fail(struct mm_tunnel *tunnel, enum mailmod_error error,
                    const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(tunnel->failure, sizeof tunnel->failure, format, arguments) <
        0) {
        tunnel->failure[0] = '\0';
    }
    va_end(arguments);
    tunnel->error = error;
    tunnel->state = MM_TUNNEL_FAILED;
    mm_buf_wipe(&tunnel->output);
}

/* No control character and no blank gets into a request by a name. */
static bool has_target(const struct mm_tunnel_options *options)
{
    bool is_known = mm_tunnel_is_by_name(options)
                        ? mm_host_is_name(mm_span_cstr(options->host), false)
                        : options->address.family != MM_NETADDR_NONE;
    return is_known && options->address.port != 0;
}

enum mailmod_error mm_tunnel_init(struct mm_tunnel *tunnel,
                                  const struct mm_tunnel_options *options)
{
    memset(tunnel, 0, sizeof *tunnel);
    mm_buf_init(&tunnel->output, OUTPUT_MAX);
    tunnel->options = *options;
    if (!has_target(options)) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    const struct mm_tunnel_protocol *protocol = protocols[options->kind];
    enum mailmod_error error = protocol->check(options);
    if (error == MAILMOD_OK &&
        mm_buf_reserve(&tunnel->output, OUTPUT_MAX) == NULL) {
        /* One block: growing would leave a copy of the login behind. */
        error = MAILMOD_ERROR_MEMORY;
    }
    return error == MAILMOD_OK ? protocol->begin(tunnel) : error;
}

void mm_tunnel_fini(struct mm_tunnel *tunnel)
{
    mm_buf_wipe(&tunnel->output);
    mm_buf_fini(&tunnel->output);
}

size_t mm_tunnel_feed(struct mm_tunnel *tunnel, const char *bytes, size_t size)
{
    const struct mm_tunnel_protocol *protocol = protocols[tunnel->options.kind];
    size_t used = 0;
    while (used < size && tunnel->state == MM_TUNNEL_WAITS &&
           mm_buf_size(&tunnel->output) == 0) {
        protocol->take(tunnel, bytes[used++]);
    }
    return used;
}

struct mm_span mm_tunnel_output(const struct mm_tunnel *tunnel)
{
    return mm_buf_span(&tunnel->output);
}

void mm_tunnel_sent(struct mm_tunnel *tunnel, size_t size)
{
    mm_buf_consume(&tunnel->output, size);
}

const char *mm_tunnel_failure(const struct mm_tunnel *tunnel)
{
    return tunnel->failure;
}

enum mailmod_error mm_tunnel_error(const struct mm_tunnel *tunnel)
{
    return tunnel->error;
}
