/* thread: loop
 * route.h - the way to a destination, one hop after another.
 *
 * A destination is a domain, an address literal, or a relay. The hosts
 * are found once (MX, RFC 5321 5.1), their addresses when they are reached.
 * mm_route_next asks for the next hop; the answer comes by on_hop, perhaps
 * from inside the call: exactly one of `hop` and `dead_end` is given. After a
 * dead end nothing more comes. The route may be freed inside on_hop. */
#ifndef MM_CLIENT_ROUTE_H
#define MM_CLIENT_ROUTE_H

#include "client/relay.h"
#include "config/proxy.h"
#include "io/io.h"
#include "queue/queue.h"

struct mm_route;

struct mm_route_hop {
    char host[256];            /* as reports name it */
    char tls_name[256];        /* that its certificate must have */
    struct mm_netaddr address; /* with the port; family NONE: the proxy looks
                                  the host up */
    const struct mm_config_proxy *proxy; /* NULL: straight; the snapshot's */
};
struct mm_endpoint mm_route_hop_endpoint(const struct mm_route_hop *hop);

typedef void (*mm_on_hop)(void *context, const struct mm_route_hop *hop,
                          const struct mq_outcome *dead_end);

struct mm_route_options {
    struct mm_resolver *resolver;
    const struct mm_config *config; /* outlives the route */
    struct mm_relay relay;          /* not set: the destination's own hosts */
    const char *destination;        /* copied */
    const char *first_host; /* tried before the others when it is one of the
                               hosts; copied; NULL or "": none */
    uint64_t seed;          /* of the order of equal preferences */
    mm_on_hop on_hop;
    void *context;
};

MM_CHECK enum mailmod_error
mm_route_new(struct mm_route **route_out,
             const struct mm_route_options *options);
void mm_route_next(struct mm_route *route);
/* Something is left to try, as far as is known. */
bool mm_route_has_next(const struct mm_route *route);
/* The host of the last hop has spoken: its other addresses are the same host,
 * and passed over while there is another one. */
void mm_route_leave_host(struct mm_route *route);
void mm_route_free(struct mm_route **route);

#endif
