/* refusal.c - the codes of proxies' replies, in words.
 *
 * The one table of the three kinds. What a code says of the host behind the
 * proxy has that error; all others are the proxy's own affair.
 * RFC 1928 6; "SOCKS: A protocol for TCP proxy across firewalls" (SOCKS4);
 * RFC 9110 15. Thread: any. */
#include "wire/proxy/tunnel_internal.h"

#define PROXY MAILMOD_ERROR_PROXY

static const struct mm_tunnel_refusal refusals[] = {
    {MM_TUNNEL_SOCKS4A, 91, PROXY, "it refused, or could not connect"},
    {MM_TUNNEL_SOCKS4A, 92, PROXY, "it found no identd here"},
    {MM_TUNNEL_SOCKS4A, 93, PROXY, "identd here names another user"},

    {MM_TUNNEL_SOCKS5, 1, PROXY, "it failed"},
    {MM_TUNNEL_SOCKS5, 2, PROXY, "its rules do not allow it"},
    {MM_TUNNEL_SOCKS5, 3, MAILMOD_ERROR_UNREACHABLE,
     "it cannot reach the network"},
    {MM_TUNNEL_SOCKS5, 4, MAILMOD_ERROR_UNREACHABLE,
     "it cannot reach the host"},
    {MM_TUNNEL_SOCKS5, 5, MAILMOD_ERROR_CONNECTION_REFUSED,
     "the host refused the connection"},
    {MM_TUNNEL_SOCKS5, 6, MAILMOD_ERROR_TIMEOUT, "the time to live is over"},
    {MM_TUNNEL_SOCKS5, 7, PROXY, "it does not know the command"},
    {MM_TUNNEL_SOCKS5, 8, PROXY, "it does not know the kind of address"},

    {MM_TUNNEL_HTTP, 400, PROXY, "Bad Request"},
    {MM_TUNNEL_HTTP, 401, PROXY, "Unauthorized"},
    {MM_TUNNEL_HTTP, 403, PROXY, "Forbidden"},
    {MM_TUNNEL_HTTP, 404, PROXY, "Not Found"},
    {MM_TUNNEL_HTTP, 405, PROXY, "Method Not Allowed"},
    {MM_TUNNEL_HTTP, 407, PROXY, "Proxy Authentication Required"},
    {MM_TUNNEL_HTTP, 429, PROXY, "Too Many Requests"},
    {MM_TUNNEL_HTTP, 500, PROXY, "Internal Server Error"},
    {MM_TUNNEL_HTTP, 501, PROXY, "Not Implemented"},
    {MM_TUNNEL_HTTP, 502, MAILMOD_ERROR_UNREACHABLE, "Bad Gateway"},
    {MM_TUNNEL_HTTP, 503, MAILMOD_ERROR_UNREACHABLE, "Service Unavailable"},
    {MM_TUNNEL_HTTP, 504, MAILMOD_ERROR_TIMEOUT, "Gateway Timeout"},
};

const struct mm_tunnel_refusal *mm_tunnel_find_refusal(enum mm_tunnel_kind kind,
                                                       unsigned code)
{
    static const struct mm_tunnel_refusal unknown = {.error = PROXY,
                                                     .words = ""};
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        if (refusals[i].kind == kind && refusals[i].code == code) {
            return &refusals[i];
        }
    }
    return &unknown;
}
