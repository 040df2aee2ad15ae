/* thread: any
 * limits.h - how many sessions there are, in all and from one address. */
#ifndef MM_SERVER_LIMITS_H
#define MM_SERVER_LIMITS_H

#include "base/map.h"
#include "base/netaddr.h"

/* Counts of one service. IPv6 counts by /64. Not locked: the owner does that.
 */
struct mm_limits {
    struct mm_map addresses; /* key -> count */
    size_t total;
};

void mm_limits_init(struct mm_limits *limits, size_t addresses_max,
                    uint64_t seed);
/* The counts stay; more addresses than that are refused. */
void mm_limits_set_max(struct mm_limits *limits, size_t addresses_max);
void mm_limits_fini(struct mm_limits *limits);
/* False when either maximum is reached (or memory is out): nothing counted. */
bool mm_limits_enter(struct mm_limits *limits, const struct mm_netaddr *peer,
                     size_t total_max, size_t address_max);
/* Does the address have its maximum? It then was refused for its own sake. */
bool mm_limits_is_full_for(const struct mm_limits *limits,
                           const struct mm_netaddr *peer, size_t address_max);
void mm_limits_leave(struct mm_limits *limits, const struct mm_netaddr *peer);

#endif
