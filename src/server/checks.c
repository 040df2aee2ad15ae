/* checks.c - password checks take turns.
 *
 * Owns the networks that have a check waiting, in two rings: those where
 * somebody came in lately, and strangers. Promises: no more than running_max
 * run; the rings take turns, and inside a ring the networks, so that a flood
 * from one network, or from many that nobody knows, delays a known one by one
 * check; what waits is bounded by the sessions, each of which has one check.
 * Thread: any; one mutex, which is never held while a job runs. */
#include "server/checks.h"

#include "base/limits.h"
#include "base/mem.h"
#include "platform/thread.h"

#include <string.h>

struct network {
    struct mm_list node;    /* in its ring */
    struct mm_list waiting; /* checks, the oldest first */
    size_t key_size;
    char key[16];
};

enum mailmod_error mm_checks_init(struct mm_checks *checks, uint64_t seed)
{
    checks->running_max = 1;
    mm_map_init(&checks->networks, MM_LIMIT_WAITING_NETWORKS, seed);
    mm_list_init(&checks->known);
    mm_list_init(&checks->strange);
    return mm_mutex_new(&checks->mutex);
}

void mm_checks_set_max(struct mm_checks *checks, unsigned running_max)
{
    mm_mutex_lock(checks->mutex);
    checks->running_max = running_max;
    mm_mutex_unlock(checks->mutex);
}

void mm_checks_fini(struct mm_checks *checks)
{
    mm_map_fini(&checks->networks);
    mm_mutex_free(&checks->mutex);
}

/* Locked. */
static enum mailmod_error enqueue(struct mm_checks *checks,
                                  struct mm_check *check,
                                  const struct mm_netaddr *peer, bool is_known)
{
    struct mm_span key = mm_netaddr_limit_key(peer);
    struct network *network = mm_map_get(&checks->networks, key);

    if (network == NULL) {
        network = mm_alloc(sizeof *network);
        if (network == NULL) {
            return MAILMOD_ERROR_MEMORY;
        }
        mm_list_init(&network->waiting);
        memcpy(network->key, key.data, key.size);
        network->key_size = key.size;
        enum mailmod_error error = mm_map_put(&checks->networks, key, network);
        if (error != MAILMOD_OK) {
            mm_free(network);
            return error;
        }
        mm_list_append(is_known ? &checks->known : &checks->strange,
                       &network->node);
    }
    mm_list_append(&network->waiting, &check->node);
    return MAILMOD_OK;
}

/* Locked. The ring whose turn it is; NULL when nobody waits. */
static struct mm_list *next_ring(struct mm_checks *checks)
{
    struct mm_list *first =
        checks->is_strangers_turn ? &checks->strange : &checks->known;
    struct mm_list *second =
        checks->is_strangers_turn ? &checks->known : &checks->strange;

    checks->is_strangers_turn = !checks->is_strangers_turn;
    return !mm_list_is_empty(first)    ? first
           : !mm_list_is_empty(second) ? second
                                       : NULL;
}

/* Locked. The check whose turn it is; its network goes behind the others. */
static struct mm_check *dequeue(struct mm_checks *checks)
{
    struct mm_list *ring = next_ring(checks);

    if (ring == NULL) {
        return NULL;
    }
    struct network *network =
        MM_LIST_OBJECT(mm_list_take_first(ring), struct network, node);
    struct mm_check *check = MM_LIST_OBJECT(
        mm_list_take_first(&network->waiting), struct mm_check, node);
    if (mm_list_is_empty(&network->waiting)) {
        (void)mm_map_remove(&checks->networks,
                            mm_span(network->key, network->key_size));
        mm_free(network);
    } else {
        mm_list_append(ring, &network->node);
    }
    return check;
}

enum mailmod_error mm_checks_submit(struct mm_checks *checks,
                                    struct mm_check *check,
                                    const struct mm_netaddr *peer,
                                    bool is_known)
{
    enum mailmod_error error = MAILMOD_OK;

    mm_mutex_lock(checks->mutex);
    bool has_room = checks->running < checks->running_max;
    if (has_room) {
        checks->running++;
    } else {
        error = enqueue(checks, check, peer, is_known);
    }
    mm_mutex_unlock(checks->mutex);
    if (!has_room) {
        return error;
    }
    error = mm_workers_submit(checks->workers, check->job);
    if (error != MAILMOD_OK) {
        mm_checks_leave(checks);
    }
    return error;
}

static void finish(struct mm_task *task)
{
    struct mm_job *job = MM_LIST_OBJECT(task, struct mm_job, task);

    job->done(job);
}

/* Locked. The next one that may begin; NULL: none waits, or enough run. */
static struct mm_check *begin_next(struct mm_checks *checks)
{
    struct mm_check *check =
        checks->running < checks->running_max ? dequeue(checks) : NULL;

    checks->running += check != NULL;
    return check;
}

void mm_checks_leave(struct mm_checks *checks)
{
    mm_mutex_lock(checks->mutex);
    checks->running--;
    struct mm_check *check = begin_next(checks);
    mm_mutex_unlock(checks->mutex);
    while (check != NULL) {
        struct mm_job *job = check->job;

        if (mm_workers_submit(checks->workers, job) == MAILMOD_OK) {
            return;
        }
        job->task.run = finish;
        mm_loop_post(job->loop, &job->task);
        mm_mutex_lock(checks->mutex);
        checks->running--;
        check = begin_next(checks);
        mm_mutex_unlock(checks->mutex);
    }
}
