/* cache.c - what lists said of addresses, for some minutes.
 *
 * Owns a fixed number of places; a key has one, so a stranger can push out an
 * answer and never take memory. Peers that come in crowds come again at once,
 * and each would cost a question a list; so a short time is enough.
 * Thread: the lists' (dnsbl.h). */
#include "base/mem.h"
#include "base/siphash.h"
#include "dnsbl/dnsbl_internal.h"

#include <string.h>

#define PLACES 4096

struct key {
    uint8_t octets[16];
    uint8_t family;
    uint8_t zone;
};
struct place {
    struct key key;
    uint8_t verdict;
    uint64_t until_ms; /* 0: empty */
};
struct dnsbl_cache {
    uint64_t cache_ms;
    uint64_t seed[2];
    struct place places[PLACES];
};

struct dnsbl_cache *dnsbl_cache_new(const struct dnsbl_options *options)
{
    struct dnsbl_cache *cache =
        options->cache_ms > 0 ? mm_alloc(sizeof *cache) : NULL;
    if (cache != NULL) {
        cache->cache_ms = options->cache_ms;
        memcpy(cache->seed, options->seed, sizeof cache->seed);
    }
    return cache;
}

static struct key key_of(const struct mm_netaddr *peer, size_t zone)
{
    struct key key;
    memset(&key, 0, sizeof key);
    memcpy(key.octets, peer->bytes, peer->family == MM_NETADDR_V4 ? 4 : 16);
    key.family = peer->family == MM_NETADDR_V4 ? 4 : 6;
    key.zone = (uint8_t)zone;
    return key;
}

static size_t place_of(const struct dnsbl_cache *cache, const struct key *key)
{
    return mm_siphash(mm_span((const char *)key, sizeof *key), cache->seed[0],
                      cache->seed[1]) %
           PLACES;
}

void dnsbl_cache_put(struct dnsbl_cache *cache, const struct mm_netaddr *peer,
                     size_t zone, enum dnsbl_verdict verdict, uint64_t now_ms)
{
    if (cache == NULL || verdict == DNSBL_UNKNOWN) {
        return;
    }
    struct key key = key_of(peer, zone);
    struct place *place = &cache->places[place_of(cache, &key)];
    place->key = key;
    place->verdict = (uint8_t)verdict;
    place->until_ms = now_ms + cache->cache_ms;
}

enum dnsbl_verdict dnsbl_cache_find(const struct dnsbl_cache *cache,
                                    const struct mm_netaddr *peer, size_t zone,
                                    uint64_t now_ms)
{
    if (cache == NULL) {
        return DNSBL_UNKNOWN;
    }
    struct key key = key_of(peer, zone);
    const struct place *place = &cache->places[place_of(cache, &key)];
    return now_ms < place->until_ms &&
                   memcmp(&place->key, &key, sizeof key) == 0
               ? (enum dnsbl_verdict)place->verdict
               : DNSBL_UNKNOWN;
}
