/* thread: any
 * host.h - a host as people write it in a setting or a call: a name, an
 * address, or an address in brackets. The one reader for checks, routes and the
 * API. */
#ifndef MM_BASE_HOST_H
#define MM_BASE_HOST_H

#include "base/netaddr.h"

#define MM_HOST_TEXT_MAX 256

struct mm_host {
    bool is_address;
    struct mm_netaddr address; /* without a port */
    /* The name in lower case without a final dot, or the bare address. */
    char text[MM_HOST_TEXT_MAX];
};

/* Where a connection is to go: `host` its name or "", the address with the port
 * where that is known (else family NONE, and the port). */
struct mm_endpoint {
    const char *host;
    struct mm_netaddr address;
};

/* Labels of 1 to 63 octets, letters, digits, hyphens inside, underscores (which
 * names of real hosts have); with the flag 8-bit octets too (U-labels). No
 * final dot. */
bool mm_host_is_name(struct mm_span text, bool allows_8bit);
/* The domain itself, or a name below it. */
bool mm_host_is_within(struct mm_span name, struct mm_span domain);
/* "mail.example.net", "mail.example.net.", "192.0.2.1", "2001:db8::1",
 * "[192.0.2.1]", "[2001:db8::1]", "[IPv6:2001:db8::1]" (RFC 5321 4.1.3). */
bool mm_host_parse(struct mm_span text, struct mm_host *host_out);
/* The same, or with a port from 1 on behind it: "mail.example.net:25",
 * "[2001:db8::1]:25". An IPv6 address without brackets has none. `port_out` 0:
 * none was given. */
bool mm_host_parse_port(struct mm_span text, struct mm_host *host_out,
                        unsigned *port_out);

#endif
