/* locks.c - the mailboxes that are open, by their number.
 *
 * Owns a map behind a mutex that is held for a few instructions. Promises: one
 * holder a mailbox. Thread: any. */
#include "mailbox/locks.h"

#include "base/map.h"
#include "base/mem.h"
#include "platform/random.h"
#include "platform/thread.h"

#define OPEN_MAX 100000

struct mm_mailbox_locks {
    struct mm_mutex *mutex;
    struct mm_map open; /* mailbox id -> anything */
};

enum mailmod_error mm_mailbox_locks_new(struct mm_mailbox_locks **locks_out)
{
    struct mm_mailbox_locks *locks = mm_alloc(sizeof *locks);
    uint64_t seed = 0;

    *locks_out = NULL;
    if (locks == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error = mm_random(&seed, sizeof seed);
    mm_map_init(&locks->open, OPEN_MAX, seed);
    if (error == MAILMOD_OK) {
        error = mm_mutex_new(&locks->mutex);
    }
    if (error != MAILMOD_OK) {
        mm_mailbox_locks_free(&locks);
        return error;
    }
    *locks_out = locks;
    return MAILMOD_OK;
}

void mm_mailbox_locks_free(struct mm_mailbox_locks **locks_in)
{
    struct mm_mailbox_locks *locks = *locks_in;

    *locks_in = NULL;
    if (locks != NULL) {
        mm_map_fini(&locks->open);
        mm_mutex_free(&locks->mutex);
        mm_free(locks);
    }
}

static struct mm_span key_of(const uint64_t *mailbox_id)
{
    return mm_span((const char *)mailbox_id, sizeof *mailbox_id);
}

enum mailmod_error mm_mailbox_lock(struct mm_mailbox_locks *locks,
                                   uint64_t mailbox_id)
{
    enum mailmod_error error = MAILMOD_ERROR_BUSY;

    mm_mutex_lock(locks->mutex);
    if (mm_map_get(&locks->open, key_of(&mailbox_id)) == NULL) {
        error = mm_map_put(&locks->open, key_of(&mailbox_id), locks);
    }
    mm_mutex_unlock(locks->mutex);
    return error;
}

void mm_mailbox_unlock(struct mm_mailbox_locks *locks, uint64_t mailbox_id)
{
    mm_mutex_lock(locks->mutex);
    (void)mm_map_remove(&locks->open, key_of(&mailbox_id));
    mm_mutex_unlock(locks->mutex);
}
