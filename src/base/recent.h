/* thread: any (the owner's)
 * recent.h - a bounded table of what was seen lately: a byte key to a record
 * of one size. When it is full, the record that was used least lately makes
 * room, so that a peer that makes up keys can grow nothing. */
#ifndef MM_BASE_RECENT_H
#define MM_BASE_RECENT_H

#include "base/list.h"
#include "base/map.h"

struct mm_recent {
    struct mm_map map;
    struct mm_list order; /* the one that was used least lately first */
    size_t record_size;
};

void mm_recent_init(struct mm_recent *recent, size_t count_max,
                    size_t record_size, uint64_t seed);
void mm_recent_fini(struct mm_recent *recent); /* harmless on a zeroed one */
/* The record, or NULL. It lives until a record is made or removed. */
void *mm_recent_get(const struct mm_recent *recent, struct mm_span key);
/* The record, zeroed where there was none; it is the one that was used last
 * now. NULL: out of memory, and nothing has changed. */
void *mm_recent_use(struct mm_recent *recent, struct mm_span key);
/* All records, the one that was used least lately first; NULL: the end. */
void *mm_recent_first(const struct mm_recent *recent);
void *mm_recent_next(const struct mm_recent *recent, const void *record);
void mm_recent_remove(struct mm_recent *recent, struct mm_span key);

#endif
