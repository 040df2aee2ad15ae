/* map.c - the bounded hash map: open addressing, linear probes.
 *
 * Owns the slots and a copy of each key; values are the caller's. A removed
 * entry leaves a tomb where a probe must go on; tombs count as used, so that
 * a probe always ends: at most three quarters of the slots are used. Removal
 * never moves an entry, which is what lets a visitor of mm_map_each remove
 * the key that it is called for. Promises that a put that fails changes
 * nothing, and that a replacing put never fails.
 * Thread: any (the owner's). */
#include "base/map.h"
#include "base/mem.h"
#include "base/siphash.h"
#include "base/splitmix.h"

#include <string.h>

enum { CAPACITY_FIRST = 16 };

/* Law: EMPTY -> FULL by put; FULL -> TOMB by remove; TOMB -> FULL by put;
 * TOMB -> EMPTY when no probe can need it any more, or by a rehash. */
enum slot_state { SLOT_EMPTY, SLOT_FULL, SLOT_TOMB };

struct mm_map_slot {
    enum slot_state state;
    uint64_t hash;
    char *key;
    size_t key_size;
    void *value;
};

static uint64_t hash_key(const struct mm_map *map, struct mm_span key)
{
    /* The second half of the key comes from the seed: 64 secret bits are all
     * there are, spread over 128. */
    uint64_t state = map->seed;
    return mm_siphash(key, map->seed, mm_splitmix_next(&state));
}

void mm_map_init(struct mm_map *map, size_t count_max, uint64_t seed)
{
    memset(map, 0, sizeof *map);
    map->count_max = count_max;
    map->seed = seed;
}

void mm_map_fini(struct mm_map *map)
{
    for (size_t i = 0; i < map->capacity; i++) {
        mm_free(map->slots[i].key);
    }
    mm_free(map->slots);
    mm_map_init(map, map->count_max, map->seed);
}

static bool slot_has(const struct mm_map_slot *slot, uint64_t hash,
                     struct mm_span key)
{
    return slot->state == SLOT_FULL && slot->hash == hash &&
           mm_span_equal(mm_span(slot->key, slot->key_size), key);
}

static struct mm_map_slot *find(const struct mm_map *map, struct mm_span key,
                                uint64_t hash)
{
    if (map->capacity == 0) {
        return NULL;
    }
    size_t mask = map->capacity - 1;
    for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask) {
        struct mm_map_slot *slot = &map->slots[i];
        if (slot->state == SLOT_EMPTY) {
            return NULL;
        }
        if (slot_has(slot, hash, key)) {
            return slot;
        }
    }
}

/* The first slot on the key's way that is not full. */
static struct mm_map_slot *find_free(struct mm_map_slot *slots, size_t capacity,
                                     uint64_t hash)
{
    size_t mask = capacity - 1;
    size_t i = (size_t)hash & mask;
    while (slots[i].state == SLOT_FULL) {
        i = (i + 1) & mask;
    }
    return &slots[i];
}

static enum mailmod_error rehash(struct mm_map *map, size_t capacity)
{
    struct mm_map_slot *slots = mm_alloc_array(capacity, sizeof *slots);
    if (slots == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->slots[i].state == SLOT_FULL) {
            *find_free(slots, capacity, map->slots[i].hash) = map->slots[i];
        }
    }
    mm_free(map->slots);
    map->slots = slots;
    map->capacity = capacity;
    map->tombs = 0;
    return MAILMOD_OK;
}

static enum mailmod_error make_room(struct mm_map *map)
{
    size_t limit = map->capacity / 4 * 3;
    if (map->count + map->tombs < limit) {
        return MAILMOD_OK;
    }
    size_t capacity = map->capacity;
    if (capacity == 0) {
        capacity = CAPACITY_FIRST;
    } else if (map->count >= capacity / 2) {
        if (capacity > SIZE_MAX / 2) {
            return MAILMOD_ERROR_LIMIT;
        }
        capacity *= 2;
    }
    return rehash(map, capacity);
}

void *mm_map_get(const struct mm_map *map, struct mm_span key)
{
    if (map->count == 0) {
        return NULL;
    }
    struct mm_map_slot *slot = find(map, key, hash_key(map, key));
    return slot == NULL ? NULL : slot->value;
}

enum mailmod_error mm_map_put(struct mm_map *map, struct mm_span key,
                              void *value)
{
    uint64_t hash = hash_key(map, key);
    struct mm_map_slot *slot = find(map, key, hash);
    if (slot != NULL) {
        slot->value = value;
        return MAILMOD_OK;
    }
    if (map->count >= map->count_max) {
        return MAILMOD_ERROR_LIMIT;
    }
    enum mailmod_error error = make_room(map);
    if (error != MAILMOD_OK) {
        return error;
    }
    char *copy = mm_memdup0(key.data, key.size);
    if (copy == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    slot = find_free(map->slots, map->capacity, hash);
    if (slot->state == SLOT_TOMB) {
        map->tombs--;
    }
    slot->state = SLOT_FULL;
    slot->hash = hash;
    slot->key = copy;
    slot->key_size = key.size;
    slot->value = value;
    map->count++;
    return MAILMOD_OK;
}

/* A tomb before an empty slot stops no probe: it and those before it go. */
static void sweep_tombs(struct mm_map *map, size_t at)
{
    size_t mask = map->capacity - 1;
    if (map->slots[(at + 1) & mask].state != SLOT_EMPTY) {
        return;
    }
    while (map->slots[at].state == SLOT_TOMB) {
        map->slots[at].state = SLOT_EMPTY;
        map->tombs--;
        at = (at - 1) & mask;
    }
}

void *mm_map_remove(struct mm_map *map, struct mm_span key)
{
    struct mm_map_slot *slot = find(map, key, hash_key(map, key));
    if (slot == NULL) {
        return NULL;
    }
    void *value = slot->value;
    mm_free(slot->key);
    memset(slot, 0, sizeof *slot);
    slot->state = SLOT_TOMB;
    map->count--;
    map->tombs++;
    sweep_tombs(map, (size_t)(slot - map->slots));
    return value;
}

void mm_map_each(struct mm_map *map,
                 void (*visit)(void *context, struct mm_span key, void *value),
                 void *context)
{
    for (size_t i = 0; i < map->capacity; i++) {
        struct mm_map_slot *slot = &map->slots[i];
        if (slot->state == SLOT_FULL) {
            visit(context, mm_span(slot->key, slot->key_size), slot->value);
        }
    }
}
