/* thread: any (the session's)
 * fetch_plan.h - what to do with each message of a mailbox elsewhere.
 *
 * Made from what the server lists (LIST, UIDL) and what was seen of it before.
 * Pure. Its law: a unique id that was seen with the
 * same size is the same message; one that is none, or stands there twice, says
 * nothing, and the header's hash stands for it; and a message whose octets were
 * seen under a unique id that is no longer listed is that one, renumbered. */
#ifndef MM_CLIENT_FETCH_PLAN_H
#define MM_CLIENT_FETCH_PLAN_H

#include "base/map.h"
#include "config/config.h"
#include "crypto/crypto.h"
#include "store/store.h"

enum mm_fetch_state {
    MM_FETCH_FRESH, /* not seen: to be fetched */
    MM_FETCH_LOOK,  /* without a unique id: its header must be looked at */
    MM_FETCH_SEEN,
    MM_FETCH_LEFT /* stays there: too large, refused here */
};

struct mm_fetch_item {
    uint64_t number;
    uint64_t size;                   /* as the server told it; 0: it did not */
    char key[MM_STORE_SEEN_KEY_MAX]; /* "" while it is LOOK */
    enum mm_fetch_state state;
    bool is_deleted; /* the server said yes to DELE */
    bool is_moved;   /* it has a row that is not on disk under its key */
    int64_t seen_ms; /* SEEN */
    uint8_t hash[MM_SHA256_SIZE]; /* of its octets, once they were read */
};

struct mm_fetch_row {
    struct mm_store_seen seen;
    bool is_listed;
    bool is_changed; /* to be written at the end */
    bool is_dropped; /* another row has taken its place */
};

struct mm_fetch_plan {
    struct mm_fetch_item *items; /* by rising number */
    size_t count;
    size_t capacity;
    struct mm_fetch_row *rows; /* by rising key */
    size_t row_count;
    size_t row_capacity;
    struct mm_fetch_row **by_hash;
    struct mm_map headers; /* how often each header was met */
    uint64_t octets;       /* of all that is listed */
    uint64_t fresh;
    int64_t end_ms; /* of mm_fetch_plan_end */
};

void mm_fetch_plan_init(struct mm_fetch_plan *plan, uint64_t seed);
void mm_fetch_plan_fini(struct mm_fetch_plan *plan);
/* In the order of mm_store_each_seen. MEMORY, LIMIT. */
MM_CHECK enum mailmod_error
mm_fetch_plan_add_row(struct mm_fetch_plan *plan,
                      const struct mm_store_seen *seen);
/* A row of LIST. MEMORY, LIMIT. */
MM_CHECK enum mailmod_error mm_fetch_plan_add(struct mm_fetch_plan *plan,
                                              uint64_t number, uint64_t size);
/* LIST is whole. */
void mm_fetch_plan_sort(struct mm_fetch_plan *plan);
/* NULL when it is not listed. */
struct mm_fetch_item *mm_fetch_plan_find(struct mm_fetch_plan *plan,
                                         uint64_t number);
/* A row of UIDL, after the sort; empty: it has none. */
void mm_fetch_plan_name(struct mm_fetch_plan *plan, uint64_t number,
                        struct mm_span unique_id);
/* All rows of UIDL are there, or there is no UIDL: each item gets its state.
 * MEMORY. */
MM_CHECK enum mailmod_error mm_fetch_plan_settle(struct mm_fetch_plan *plan);
/* A LOOK item by the hash of its header: becomes FRESH or SEEN. MEMORY. */
MM_CHECK enum mailmod_error
mm_fetch_plan_look(struct mm_fetch_plan *plan, struct mm_fetch_item *item,
                   const uint8_t header[MM_SHA256_SIZE]);
/* item->hash is known. True: the whole message of a FRESH item was seen under a
 * unique id that is gone, or was deleted under its own and is there all the
 * same: the item is SEEN. */
bool mm_fetch_plan_recognize(struct mm_fetch_plan *plan,
                             struct mm_fetch_item *item);
/* It was taken over: SEEN, with its row on disk. */
void mm_fetch_plan_took(struct mm_fetch_plan *plan, struct mm_fetch_item *item,
                        int64_t now_ms);
/* It was seen, and the policy wants it away. */
bool mm_fetch_item_is_due(const struct mm_fetch_item *item,
                          const struct mm_config_fetch *account,
                          int64_t now_ms);
/* How the session ended: the list was whole, the server made the deletions. */
struct mm_fetch_end {
    bool is_whole;
    bool is_updated;
    int64_t now_ms;
};
/* Rows that the server no longer lists are remembered for a while. */
void mm_fetch_plan_end(struct mm_fetch_plan *plan,
                       const struct mm_fetch_end *end);
/* After the end: the next change to the rows on disk, from `at` on, which
 * begins as 0; false when there is none. `is_dropped_out`: the row goes. */
bool mm_fetch_plan_next_change(const struct mm_fetch_plan *plan, size_t *at,
                               struct mm_store_seen *seen_out,
                               bool *is_dropped_out);

#endif
