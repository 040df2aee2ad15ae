/* thread: any
 * netaddr.h - an IPv4 or IPv6 address with a port, as a value; no OS types.
 * An IPv4-mapped IPv6 address is always turned into the IPv4 one. */
#ifndef MM_BASE_NETADDR_H
#define MM_BASE_NETADDR_H

#include "base/buf.h"

enum mm_netaddr_family { MM_NETADDR_NONE, MM_NETADDR_V4, MM_NETADDR_V6 };

struct mm_netaddr {
    enum mm_netaddr_family family;
    uint8_t bytes[16]; /* network order; IPv4 in the first four */
    uint16_t port;     /* host order */
    uint32_t scope;    /* IPv6 link-local interface */
};

#define MM_NETADDR_TEXT_MAX 72 /* with brackets, scope, port and NUL */

struct mm_netaddr mm_netaddr_v4(const uint8_t bytes[4], uint16_t port);
struct mm_netaddr mm_netaddr_v6(const uint8_t bytes[16], uint16_t port);
/* "192.0.2.1", "2001:db8::1" (no brackets, no port). */
bool mm_netaddr_parse_ip(struct mm_span text, struct mm_netaddr *address_out);
/* "192.0.2.1:25", "[::1]:25", "*:25" (any IPv4), "[::]:25". */
bool mm_netaddr_parse(struct mm_span text, struct mm_netaddr *address_out);
void mm_netaddr_format_ip(const struct mm_netaddr *address,
                          char text_out[MM_NETADDR_TEXT_MAX]);
void mm_netaddr_format(const struct mm_netaddr *address,
                       char text_out[MM_NETADDR_TEXT_MAX]);
bool mm_netaddr_equal_ip(const struct mm_netaddr *a,
                         const struct mm_netaddr *b);
bool mm_netaddr_is_loopback(const struct mm_netaddr *address);
bool mm_netaddr_is_any(const struct mm_netaddr *address);
/* The part that limits count by: all of IPv4, the /64 of IPv6. */
struct mm_span mm_netaddr_limit_key(const struct mm_netaddr *address);
/* The part that neighbours share: the /24 of IPv4, the /48 of IPv6. */
struct mm_span mm_netaddr_network_key(const struct mm_netaddr *address);
/* The first address that has the key. */
struct mm_netaddr mm_netaddr_of_key(enum mm_netaddr_family family,
                                    struct mm_span key);

/* "192.0.2.0/24", "2001:db8::/32" or one address. */
struct mm_netrange {
    struct mm_netaddr address;
    unsigned prefix; /* bits */
};
bool mm_netrange_parse(struct mm_span text, struct mm_netrange *range_out);
bool mm_netrange_has(const struct mm_netrange *range,
                     const struct mm_netaddr *address);

#endif
