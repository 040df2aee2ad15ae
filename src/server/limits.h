/* thread: any
 * limits.h - how many sessions there are, in all, from one address and from one
 * network. */
#ifndef MM_SERVER_LIMITS_H
#define MM_SERVER_LIMITS_H

#include "base/map.h"
#include "base/netaddr.h"

/* Counts of one service. An address is an IPv4 one or an IPv6 /64, a network an
 * IPv4 /24 or an IPv6 /48. Not locked: the owner does that. */
struct mm_limits {
    struct mm_map addresses; /* key -> count */
    struct mm_map networks;  /* likewise, of sessions that were counted there */
    size_t total;
};
struct mm_limits_max {
    size_t total, address;
    size_t network; /* 0: any, and not counted */
};

/* Which maximum was reached; the narrower one, where it is several. */
enum mm_limits_entry {
    MM_LIMITS_IN,
    MM_LIMITS_FULL,
    MM_LIMITS_FULL_ADDRESS,
    MM_LIMITS_FULL_NETWORK
};

void mm_limits_init(struct mm_limits *limits, size_t addresses_max,
                    uint64_t seed);
/* The counts stay; more addresses than that are refused. */
void mm_limits_set_max(struct mm_limits *limits, size_t addresses_max);
void mm_limits_fini(struct mm_limits *limits);
/* Counts it but when a maximum is reached; FULL, too, when memory is out. */
enum mm_limits_entry mm_limits_enter(struct mm_limits *limits,
                                     const struct mm_netaddr *peer,
                                     const struct mm_limits_max *max);
/* `had_network`: it was counted with a maximum of its network. */
void mm_limits_leave(struct mm_limits *limits, const struct mm_netaddr *peer,
                     bool had_network);

#endif
