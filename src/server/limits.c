/* limits.c - counts of sessions, in all and for each address.
 *
 * Owns: one map entry for each address that has a session now; the map's cap
 * is the maximum of sessions, so that it cannot grow past it. The count itself
 * is the map's value (a pointer-sized integer), so an entry costs no object.
 * Thread: the owner's; server.c holds its lock round every call. */
#include "server/limits.h"

void mm_limits_init(struct mm_limits *limits, size_t addresses_max,
                    uint64_t seed)
{
    mm_map_init(&limits->addresses, addresses_max, seed);
    limits->total = 0;
}

void mm_limits_set_max(struct mm_limits *limits, size_t addresses_max)
{
    limits->addresses.count_max = addresses_max;
}

void mm_limits_fini(struct mm_limits *limits)
{
    mm_map_fini(&limits->addresses);
}

bool mm_limits_enter(struct mm_limits *limits, const struct mm_netaddr *peer,
                     size_t total_max, size_t address_max)
{
    struct mm_span key = mm_netaddr_limit_key(peer);
    uintptr_t count = (uintptr_t)mm_map_get(&limits->addresses, key);

    if (limits->total >= total_max || count >= address_max) {
        return false;
    }
    if (mm_map_put(&limits->addresses, key, (void *)(count + 1)) !=
        MAILMOD_OK) {
        return false;
    }
    limits->total++;
    return true;
}

bool mm_limits_is_full_for(const struct mm_limits *limits,
                           const struct mm_netaddr *peer, size_t address_max)
{
    struct mm_span key = mm_netaddr_limit_key(peer);

    return (uintptr_t)mm_map_get(&limits->addresses, key) >= address_max;
}

void mm_limits_leave(struct mm_limits *limits, const struct mm_netaddr *peer)
{
    struct mm_span key = mm_netaddr_limit_key(peer);
    uintptr_t count = (uintptr_t)mm_map_get(&limits->addresses, key);

    limits->total--;
    if (count <= 1) {
        mm_map_remove(&limits->addresses, key);
    } else {
        /* Replacing a value takes no memory: it cannot fail. */
        (void)mm_map_put(&limits->addresses, key, (void *)(count - 1));
    }
}
