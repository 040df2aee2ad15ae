/* limits.c - counts of sessions, in all, for each address and each network.
 *
 * Owns: one map entry for each address that has a session now, and one for each
 * network while those are counted; the cap of the maps is the maximum of
 * sessions, so that they cannot grow past it. The count itself is the map's
 * value (a pointer-sized integer), so an entry costs no object.
 * Thread: the owner's; server.c holds its lock round every call. */
#include "server/limits.h"

void mm_limits_init(struct mm_limits *limits, size_t addresses_max,
                    uint64_t seed)
{
    mm_map_init(&limits->addresses, addresses_max, seed);
    mm_map_init(&limits->networks, addresses_max, seed);
    limits->total = 0;
}

void mm_limits_set_max(struct mm_limits *limits, size_t addresses_max)
{
    limits->addresses.count_max = addresses_max;
    limits->networks.count_max = addresses_max;
}

void mm_limits_fini(struct mm_limits *limits)
{
    mm_map_fini(&limits->addresses);
    mm_map_fini(&limits->networks);
}

static size_t count_of(const struct mm_map *map, struct mm_span key)
{
    return (uintptr_t)mm_map_get(map, key);
}

static bool count_up(struct mm_map *map, struct mm_span key)
{
    return mm_map_put(map, key, (void *)(uintptr_t)(count_of(map, key) + 1)) ==
           MAILMOD_OK;
}

static void count_down(struct mm_map *map, struct mm_span key)
{
    uintptr_t count = count_of(map, key);

    if (count <= 1) {
        mm_map_remove(map, key);
    } else {
        /* Replacing a value takes no memory: it cannot fail. */
        (void)mm_map_put(map, key, (void *)(count - 1));
    }
}

enum mm_limits_entry mm_limits_enter(struct mm_limits *limits,
                                     const struct mm_netaddr *peer,
                                     const struct mm_limits_max *max)
{
    struct mm_span address = mm_netaddr_limit_key(peer);
    struct mm_span network = mm_netaddr_network_key(peer);

    if (count_of(&limits->addresses, address) >= max->address) {
        return MM_LIMITS_FULL_ADDRESS;
    }
    if (max->network > 0 &&
        count_of(&limits->networks, network) >= max->network) {
        return MM_LIMITS_FULL_NETWORK;
    }
    if (limits->total >= max->total) {
        return MM_LIMITS_FULL;
    }
    if (!count_up(&limits->addresses, address)) {
        return MM_LIMITS_FULL;
    }
    if (max->network > 0 && !count_up(&limits->networks, network)) {
        count_down(&limits->addresses, address);
        return MM_LIMITS_FULL;
    }
    limits->total++;
    return MM_LIMITS_IN;
}

void mm_limits_leave(struct mm_limits *limits, const struct mm_netaddr *peer,
                     bool had_network)
{
    limits->total--;
    count_down(&limits->addresses, mm_netaddr_limit_key(peer));
    if (had_network) {
        count_down(&limits->networks, mm_netaddr_network_key(peer));
    }
}
