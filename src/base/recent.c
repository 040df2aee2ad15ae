/* recent.c - the bounded table of what was seen lately.
 *
 * Owns the records and a copy of each key; the map finds them, the list has
 * them in the order of their last use. Promises that a use that fails changes
 * nothing, and that no more than the cap of records are there at any time.
 * Thread: any (the owner's). */
#include "base/recent.h"

#include "base/mem.h"

#include <string.h>

/* The record and then the key stand behind it in one piece of memory. */
struct entry {
    struct mm_list node;
    size_t key_size;
    _Alignas(max_align_t) unsigned char record[];
};

void mm_recent_init(struct mm_recent *recent, size_t count_max,
                    size_t record_size, uint64_t seed)
{
    /* one more: the new one is put before the old one goes */
    mm_map_init(&recent->map, count_max + 1, seed);
    mm_list_init(&recent->order);
    recent->record_size = record_size;
}

static struct mm_span key_of(const struct mm_recent *recent,
                             const struct entry *entry)
{
    return mm_span((const char *)entry->record + recent->record_size,
                   entry->key_size);
}

static void drop(struct mm_recent *recent, struct entry *entry)
{
    (void)mm_map_remove(&recent->map, key_of(recent, entry));
    mm_list_remove(&entry->node);
    mm_free(entry);
}

void mm_recent_fini(struct mm_recent *recent)
{
    while (recent->order.next != NULL && !mm_list_is_empty(&recent->order)) {
        mm_free(MM_LIST_OBJECT(mm_list_take_first(&recent->order), struct entry,
                               node));
    }
    mm_map_fini(&recent->map);
}

void *mm_recent_get(const struct mm_recent *recent, struct mm_span key)
{
    struct entry *entry = mm_map_get(&recent->map, key);

    return entry != NULL ? entry->record : NULL;
}

static struct entry *add(struct mm_recent *recent, struct mm_span key)
{
    struct entry *entry =
        mm_alloc(sizeof *entry + recent->record_size + key.size);

    if (entry == NULL) {
        return NULL;
    }
    entry->key_size = key.size;
    memcpy(entry->record + recent->record_size, key.data, key.size);
    if (mm_map_put(&recent->map, key, entry) != MAILMOD_OK) {
        mm_free(entry);
        return NULL;
    }
    mm_list_append(&recent->order, &entry->node);
    if (recent->map.count == recent->map.count_max) {
        drop(recent,
             MM_LIST_OBJECT(mm_list_first(&recent->order), struct entry, node));
    }
    return entry;
}

void *mm_recent_use(struct mm_recent *recent, struct mm_span key)
{
    struct entry *entry = mm_map_get(&recent->map, key);

    if (entry == NULL) {
        entry = add(recent, key);
        return entry != NULL ? entry->record : NULL;
    }
    mm_list_remove(&entry->node);
    mm_list_append(&recent->order, &entry->node);
    return entry->record;
}

static void *record_of(const struct mm_recent *recent,
                       const struct mm_list *node)
{
    return node != &recent->order
               ? MM_LIST_OBJECT(node, struct entry, node)->record
               : NULL;
}

void *mm_recent_first(const struct mm_recent *recent)
{
    return record_of(recent, recent->order.next);
}

void *mm_recent_next(const struct mm_recent *recent, const void *record)
{
    const struct entry *entry =
        (const struct entry *)(const void *)((const char *)record -
                                             offsetof(struct entry, record));

    return record_of(recent, entry->node.next);
}

void mm_recent_remove(struct mm_recent *recent, struct mm_span key)
{
    struct entry *entry = mm_map_get(&recent->map, key);

    if (entry != NULL) {
        drop(recent, entry);
    }
}
