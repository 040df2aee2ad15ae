/* thread: any
 * locks.h - which mailboxes are open (RFC 1939 4), for a store that one process
 * has to itself: what its lock_mailbox and unlock_mailbox do. */
#ifndef MM_STORE_LOCKS_H
#define MM_STORE_LOCKS_H

#include "base/map.h"
#include "platform/thread.h"

struct mm_store;

struct mm_store_locks {
    struct mm_mutex *mutex;
    struct mm_map open; /* mailbox id -> anything */
};

MM_CHECK enum mailmod_error mm_store_locks_init(struct mm_store_locks *locks);
void mm_store_locks_fini(struct mm_store_locks *locks);
/* As ops.h has them. */
MM_CHECK enum mailmod_error mm_store_locks_lock(struct mm_store *store,
                                                uint64_t mailbox_id);
void mm_store_locks_unlock(struct mm_store *store, uint64_t mailbox_id);

#endif
