/* thread: any (the owner's)
 * map.h - a bounded hash map from a byte key to a pointer.
 *
 * The hash is keyed with a seed given at init, so that a peer that chooses
 * keys (addresses, domains) cannot choose collisions. Keys are copied. */
#ifndef MM_BASE_MAP_H
#define MM_BASE_MAP_H

#include "base/error.h"
#include "base/span.h"

struct mm_map_slot;

struct mm_map {
    struct mm_map_slot *slots;
    size_t capacity;
    size_t count;
    size_t count_max;
    size_t tombs; /* removed places that a search still passes */
    uint64_t seed;
};

void mm_map_init(struct mm_map *map, size_t count_max, uint64_t seed);
void mm_map_fini(struct mm_map *map); /* values are the caller's */
void *mm_map_get(const struct mm_map *map, struct mm_span key);
enum mailmod_error mm_map_put(struct mm_map *map, struct mm_span key,
                              void *value); /* replaces; LIMIT when full */
void *mm_map_remove(struct mm_map *map, struct mm_span key); /* the value */
/* Visits all; the visitor may remove the key it is called for. */
void mm_map_each(struct mm_map *map,
                 void (*visit)(void *context, struct mm_span key, void *value),
                 void *context);

#endif
