/* locks.c - the mailboxes that are open in this process, by their number.
 *
 * Owns a map behind a mutex that is held for a few instructions. Promises: one
 * holder a mailbox; what a process held goes with it. Thread: any. */
#include "store/locks.h"

#include "platform/random.h"
#include "store/ops.h"

#define OPEN_MAX 100000

enum mailmod_error mm_store_locks_init(struct mm_store_locks *locks)
{
    uint64_t seed = 0;
    enum mailmod_error error = mm_random(&seed, sizeof seed);

    mm_map_init(&locks->open, OPEN_MAX, seed);
    return error == MAILMOD_OK ? mm_mutex_new(&locks->mutex) : error;
}

void mm_store_locks_fini(struct mm_store_locks *locks)
{
    mm_map_fini(&locks->open);
    mm_mutex_free(&locks->mutex);
}

static struct mm_span key_of(const uint64_t *mailbox_id)
{
    return mm_span((const char *)mailbox_id, sizeof *mailbox_id);
}

enum mailmod_error mm_store_locks_lock(struct mm_store *store,
                                       uint64_t mailbox_id)
{
    struct mm_store_locks *locks = &store->locks;
    enum mailmod_error error = MAILMOD_ERROR_BUSY;

    mm_mutex_lock(locks->mutex);
    if (mm_map_get(&locks->open, key_of(&mailbox_id)) == NULL) {
        error = mm_map_put(&locks->open, key_of(&mailbox_id), locks);
    }
    mm_mutex_unlock(locks->mutex);
    return error;
}

void mm_store_locks_unlock(struct mm_store *store, uint64_t mailbox_id)
{
    struct mm_store_locks *locks = &store->locks;

    mm_mutex_lock(locks->mutex);
    (void)mm_map_remove(&locks->open, key_of(&mailbox_id));
    mm_mutex_unlock(locks->mutex);
}
