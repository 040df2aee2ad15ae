/* thread: any
 * tunnel.h - the client's side of a proxy: what is said to it until it has
 * connected us with a host. SOCKS4a, SOCKS5 (RFC 1928, login RFC 1929) and
 * HTTP CONNECT (RFC 9110 9.3.6, Basic login RFC 7617), sans-IO.
 *
 * Law: WAITS -> OPEN or FAILED, which are final. From OPEN on the connection is
 * the host's: mm_tunnel_feed takes no octet behind the proxy's last reply. */
#ifndef MM_WIRE_PROXY_TUNNEL_H
#define MM_WIRE_PROXY_TUNNEL_H

#include "base/buf.h"
#include "base/netaddr.h"

enum mm_tunnel_kind { MM_TUNNEL_SOCKS5, MM_TUNNEL_SOCKS4A, MM_TUNNEL_HTTP };

/* RFC 1929 2: user and password have one octet for their length. */
#define MM_TUNNEL_SOCKS5_LOGIN_MAX 255
/* What a proxy may say before the end of its reply to CONNECT. */
#define MM_TUNNEL_HTTP_REPLY_MAX 16384
/* What is kept of a reply: all of SOCKS5's, the status line of HTTP's. */
#define MM_TUNNEL_REPLY_MAX 512
#define MM_TUNNEL_FAILURE_MAX 224

struct mm_tunnel_options {
    enum mm_tunnel_kind kind;
    const char *host; /* a name (A-labels) that the proxy looks up; "" or NULL:
                         `address` */
    struct mm_netaddr address; /* of `host` the port alone */
    const char *user; /* "" or NULL: no login; the texts outlive the tunnel */
    const char *password;
};

enum mm_tunnel_state { MM_TUNNEL_WAITS, MM_TUNNEL_OPEN, MM_TUNNEL_FAILED };

/* Lives in its owner's object; its fields are the folder's. */
struct mm_tunnel {
    struct mm_tunnel_options options;
    enum mm_tunnel_state state;
    unsigned step; /* replies that were read: each has a time of its own */
    unsigned stage;
    struct mm_buf output;
    size_t reply_size;
    char reply[MM_TUNNEL_REPLY_MAX];
    size_t reply_whole; /* HTTP: with what is not kept */
    size_t line_size;   /* HTTP: of the present line, without its end */
    enum mailmod_error error;
    char failure[MM_TUNNEL_FAILURE_MAX];
};

/* Begins; the output has the first words. ARGUMENT: what cannot be said (a user
 * with a colon over HTTP, a host that is no name); UNREACHABLE: an IPv6 address
 * over SOCKS4a; TOO_LARGE: a login that the kind has no room for. To be ended
 * with mm_tunnel_fini also then. */
MM_CHECK enum mailmod_error
mm_tunnel_init(struct mm_tunnel *tunnel,
               const struct mm_tunnel_options *options);
void mm_tunnel_fini(struct mm_tunnel *tunnel); /* wipes the login */
/* Octets of the proxy; how many were taken: none while it is owed something. */
size_t mm_tunnel_feed(struct mm_tunnel *tunnel, const char *bytes, size_t size);
/* What the proxy is owed. */
struct mm_span mm_tunnel_output(const struct mm_tunnel *tunnel);
void mm_tunnel_sent(struct mm_tunnel *tunnel, size_t size);
/* FAILED: why, for a person, without the proxy's name: "SOCKS5 code 2: its
 * rules do not allow it", "HTTP 407 Proxy Authentication Required". */
const char *mm_tunnel_failure(const struct mm_tunnel *tunnel);
/* FAILED: PROXY, or what the proxy says of the host: CONNECTION_REFUSED,
 * UNREACHABLE, TIMEOUT; PROTOCOL: it spoke something else. */
enum mailmod_error mm_tunnel_error(const struct mm_tunnel *tunnel);

#endif
