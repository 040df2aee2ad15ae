/* thread: any
 * apop.h - whether APOP can work here: whether a user keeps the password that
 * it needs. */
#ifndef MM_SERVER_APOP_H
#define MM_SERVER_APOP_H

#include "io/io.h"
#include "store/store.h"

#include <stdatomic.h>

/* Zeroed, then mm_apop_init. */
struct mm_apop {
    struct mm_store *store;
    struct mm_workers *workers;
    atomic_bool is_usable;
    atomic_flag is_busy; /* a look is on its way */
    atomic_llong looked_ms;
    struct mm_job job;
};

/* Looks at once; before the loops run. */
void mm_apop_init(struct mm_apop *apop, struct mm_store *store,
                  struct mm_workers *workers);
/* What the last look found; an old one is renewed on a worker, so that a user
 * that is added meanwhile counts soon. `now_ms` is a loop's. */
bool mm_apop_is_usable(struct mm_apop *apop, uint64_t now_ms);

#endif
