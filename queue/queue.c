/* queue.c - what is due and may be tried now: claims, limits, fairness.
 *
 * Owns struct mq_queue: the tables in memory. What is waiting stands in the
 * store alone, and agenda.c knows which destination has something due; a
 * restart loses the back-offs and nothing else. Promises that
 * no destination takes more than its places, that all destinations that have
 * something due are served in turn, and that one that is down costs one
 * attempt a step.
 *
 * The lock guards the tables and is never held while the store reads: what a
 * read showed is claimed first and read again (claims.c).
 * Thread: any. */
#include "base/mem.h"
#include "queue/internal.h"

#include <string.h>

static enum mailmod_error check_options(const struct mq_options *options)
{
    if (options->steps_s == NULL || options->step_count == 0 ||
        options->step_count > MQ_STEPS_MAX || options->attempts_max == 0 ||
        options->destination_max == 0 || options->recipients_max == 0) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    return MAILMOD_OK;
}

static void set_options(struct mq_queue *queue,
                        const struct mq_options *options)
{
    memmove(queue->steps, options->steps_s,
            options->step_count * sizeof *queue->steps);
    queue->options = *options;
    queue->options.steps_s = queue->steps;
    queue->longest_wait_ms = mq_longest_wait_ms(&queue->options);
}

enum mailmod_error mq_new(struct mq_queue **queue_out, struct mm_store *store,
                          const struct mq_options *options)
{
    enum mailmod_error error = check_options(options);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mq_queue *queue = mm_alloc(sizeof *queue);
    if (queue == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    error = mm_mutex_new(&queue->lock);
    if (error != MAILMOD_OK) {
        mm_free(queue);
        return error;
    }
    queue->store = store;
    queue->random = options->seed;
    set_options(queue, options);
    mm_list_init(&queue->removed);
    mm_list_init(&queue->sweeping);
    mm_heap_init(&queue->later, MQ_DESTINATIONS_MAX);
    mm_heap_init(&queue->ready, MQ_DESTINATIONS_MAX);
    mm_map_init(&queue->destinations, MQ_DESTINATIONS_MAX, options->seed);
    queue->hidden_ms = INT64_MAX;
    queue->wants_scan = true;
    mm_map_init(&queue->claims, MQ_CLAIMS_MAX, options->seed);
    *queue_out = queue;
    return MAILMOD_OK;
}

static void free_news(void *context, struct mm_span key, void *value)
{
    (void)key;
    if (value != context) {
        mm_free(value);
    }
}

void mq_free(struct mq_queue **queue)
{
    if (*queue == NULL) {
        return;
    }
    struct mq_removed *removed;
    while ((removed = mq_take_removed(*queue)) != NULL) {
        mm_free(removed);
    }
    mm_map_each(&(*queue)->claims, free_news, *queue);
    mq_destinations_free(*queue);
    mm_map_fini(&(*queue)->claims);
    mm_mutex_free(&(*queue)->lock);
    mm_free(*queue);
    *queue = NULL;
}

/* Warnings and lifetimes may be due sooner now, and a share may be larger. */
static void forget_times(void *context, struct mm_span key, void *value)
{
    (void)context;
    (void)key;
    struct mq_destination *destination = value;
    destination->overdue_ms = 0;
    destination->paced_ms = 0;
}

enum mailmod_error mq_set_options(struct mq_queue *queue,
                                  const struct mq_options *options)
{
    enum mailmod_error error = check_options(options);
    if (error == MAILMOD_OK) {
        mm_mutex_lock(queue->lock);
        set_options(queue, options);
        mm_map_each(&queue->destinations, forget_times, NULL);
        mq_agenda_place_all(queue, queue->now_ms);
        mm_mutex_unlock(queue->lock);
    }
    return error;
}

static void reopen_one(void *context, struct mm_span key, void *value)
{
    (void)key;
    struct mq_destination *destination = value;
    destination->failures = 0;
    destination->retry_ms = 0;
    destination->overdue_ms = 0;
    mq_agenda_place(context, destination);
}

void mq_flush(struct mq_queue *queue)
{
    mm_mutex_lock(queue->lock);
    mm_map_each(&queue->destinations, reopen_one, queue);
    queue->wants_scan = true;
    queue->flushes++;
    mm_mutex_unlock(queue->lock);
}

void mq_release(struct mq_queue *queue, struct mq_batch **batch)
{
    struct mq_batch *released = *batch;
    if (released == NULL) {
        return;
    }
    for (size_t i = 0; i < released->recipient_count; i++) {
        mq_unclaim(queue, released->recipients[i].message_id,
                   released->recipients[i].number);
    }
    mm_mutex_lock(queue->lock);
    if (released->holds_slot) {
        mq_slot_give(queue, released);
    }
    if ((!released->is_settled || released->flushes != queue->flushes) &&
        released->recipient_count > 0) {
        mq_agenda_tell(queue, released->destination, 0);
    }
    mm_mutex_unlock(queue->lock);
    mm_free(released->recipients);
    mm_free(released);
    *batch = NULL;
}

/* What a place was taken for; given back when nobody is there. */
static enum mailmod_error fetch_one(struct mq_queue *queue, const char *name,
                                    int64_t now_ms, struct mq_batch **batch_out)
{
    struct mq_found found = {.batch = NULL};
    enum mailmod_error error = mq_fetch(queue, name, now_ms, false, &found);
    mm_mutex_lock(queue->lock);
    if (error == MAILMOD_OK) {
        const struct mq_destination *destination =
            mq_destination_find(queue, name);
        found.batch->holds_slot = true;
        found.batch->attempts = destination != NULL ? destination->active : 1;
        *batch_out = found.batch;
    } else {
        mq_slot_return(queue, name);
    }
    if (error == MAILMOD_ERROR_NOT_FOUND) {
        mq_agenda_learn(queue, name, found.version, found.next_ms);
    }
    mm_mutex_unlock(queue->lock);
    return error;
}

/* The next in turn, with a place; false: nobody is due, or no place is left. */
static bool take_turn(struct mq_queue *queue, int64_t now_ms,
                      char name_out[MM_STORE_DESTINATION_MAX])
{
    mm_mutex_lock(queue->lock);
    struct mq_destination *destination = mq_agenda_first(queue, now_ms);
    bool is_taken =
        destination != NULL && mq_slot_take(queue, destination, now_ms);
    if (is_taken) {
        memcpy(name_out, destination->name, strlen(destination->name) + 1);
    }
    mm_mutex_unlock(queue->lock);
    return is_taken;
}

/* By turn, one batch each, until nobody is due or all places are taken. */
static enum mailmod_error claim_turns(struct mq_queue *queue, int64_t now_ms,
                                      struct mm_list *batches_out)
{
    char name[MM_STORE_DESTINATION_MAX];
    while (take_turn(queue, now_ms, name)) {
        struct mq_batch *batch = NULL;
        enum mailmod_error error = fetch_one(queue, name, now_ms, &batch);
        if (error == MAILMOD_OK) {
            mm_list_append(batches_out, &batch->node);
        } else if (error != MAILMOD_ERROR_NOT_FOUND) {
            return error;
        }
    }
    return MAILMOD_OK;
}

/* What is past its lifetime behind a destination that is down: the failed
 * attempt stands for all of it. It stays in the list while there may be more.
 */
static enum mailmod_error sweep(struct mq_queue *queue, const char *name,
                                int64_t now_ms, size_t *room,
                                struct mm_list *batches_out)
{
    while (*room > 0) {
        struct mq_found found = {.batch = NULL};
        enum mailmod_error error = mq_fetch(queue, name, now_ms, true, &found);
        if (error == MAILMOD_ERROR_NOT_FOUND) {
            mm_mutex_lock(queue->lock);
            struct mq_destination *destination =
                mq_destination_find(queue, name);
            if (destination != NULL) {
                mm_list_remove(&destination->sweeping);
            }
            if (destination != NULL && destination->version == found.version) {
                destination->overdue_ms = found.overdue_ms;
            }
            mq_agenda_learn(queue, name, found.version, found.next_ms);
            mm_mutex_unlock(queue->lock);
            return MAILMOD_OK;
        }
        if (error != MAILMOD_OK) {
            return error;
        }
        mm_list_append(batches_out, &found.batch->node);
        (*room)--;
    }
    return MAILMOD_OK;
}

/* The first that is down and may have somebody overdue; those that are not, or
 * have not, leave the list. */
static bool next_sweep(struct mq_queue *queue, int64_t now_ms,
                       char name_out[MM_STORE_DESTINATION_MAX])
{
    bool is_found = false;
    mm_mutex_lock(queue->lock);
    MM_LIST_EACH(node, &queue->sweeping)
    {
        struct mq_destination *destination =
            MM_LIST_OBJECT(node, struct mq_destination, sweeping);
        if (!mq_destination_is_open(queue, destination, now_ms) &&
            destination->overdue_ms <= now_ms) {
            memcpy(name_out, destination->name, strlen(destination->name) + 1);
            is_found = true;
            break;
        }
        mm_list_remove(node);
    }
    mm_mutex_unlock(queue->lock);
    return is_found;
}

static enum mailmod_error sweep_all(struct mq_queue *queue, int64_t now_ms,
                                    struct mm_list *batches_out)
{
    char name[MM_STORE_DESTINATION_MAX];
    size_t room = MQ_OVERDUE_BATCHES_MAX;
    enum mailmod_error error = MAILMOD_OK;
    while (error == MAILMOD_OK && room > 0 && next_sweep(queue, now_ms, name)) {
        error = sweep(queue, name, now_ms, &room, batches_out);
    }
    mm_mutex_lock(queue->lock);
    queue->sweeps_more = room == 0;
    mm_mutex_unlock(queue->lock);
    return error;
}

/* What is delivered while the store cannot be written could not be settled, and
 * what an operator held or deleted a moment ago may still look due. */
static bool may_claim(struct mq_queue *queue)
{
    mm_mutex_lock(queue->lock);
    bool is_removing = queue->removals > 0;
    mm_mutex_unlock(queue->lock);
    return !is_removing && mm_store_is_writable(queue->store) &&
           !mm_store_is_settling(queue->store);
}

enum mailmod_error mq_claim(struct mq_queue *queue, int64_t now_ms,
                            struct mm_list *batches_out)
{
    if (!may_claim(queue)) {
        return MAILMOD_OK;
    }
    enum mailmod_error error = mq_agenda_refresh(queue, now_ms);
    if (error != MAILMOD_OK) {
        return error;
    }
    mm_mutex_lock(queue->lock);
    queue->round++;
    mm_mutex_unlock(queue->lock);
    error = claim_turns(queue, now_ms, batches_out);
    return error == MAILMOD_OK ? sweep_all(queue, now_ms, batches_out) : error;
}

/* Others are due, and have no place. */
static bool do_others_wait(struct mq_queue *queue,
                           const struct mq_destination *destination,
                           int64_t now_ms)
{
    (void)mq_agenda_first(queue, now_ms);
    return queue->ready.count > (destination->turn.place != 0 ? 1 : 0);
}

/* A place for it out of turn, on the connection that it has. */
static bool take_next(struct mq_queue *queue, const char *name, int64_t now_ms)
{
    mm_mutex_lock(queue->lock);
    struct mq_destination *destination = mq_destination_get(queue, name);
    bool may = destination != NULL;
    if (may && destination->round != queue->round) {
        destination->round = queue->round;
        destination->streak = 0;
    }
    may = may &&
          (destination->streak < MQ_STREAK_MAX ||
           !do_others_wait(queue, destination, now_ms)) &&
          mq_slot_take(queue, destination, now_ms);
    if (may) {
        destination->streak++;
    }
    mm_mutex_unlock(queue->lock);
    return may;
}

enum mailmod_error mq_claim_next(struct mq_queue *queue,
                                 const char *destination, int64_t now_ms,
                                 struct mq_batch **batch_out)
{
    if (!may_claim(queue) || !take_next(queue, destination, now_ms)) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    return fetch_one(queue, destination, now_ms, batch_out);
}

int64_t mq_next_due(struct mq_queue *queue, int64_t now_ms)
{
    if (!may_claim(queue)) {
        return now_ms + MQ_STORE_AWAY_MS;
    }
    if (mq_agenda_refresh(queue, now_ms) != MAILMOD_OK) {
        return now_ms; /* a failed read is tried again */
    }
    mm_mutex_lock(queue->lock);
    (void)mq_agenda_first(queue, now_ms);
    int64_t next_ms = mq_agenda_next_ms(queue);
    if (next_ms <= now_ms && queue->attempts >= queue->options.attempts_max) {
        next_ms = INT64_MAX; /* the end of an attempt is the time */
    }
    if (queue->sweeps_more) {
        next_ms = now_ms;
    }
    mm_mutex_unlock(queue->lock);
    return next_ms;
}

bool mq_has_work(struct mq_queue *queue, int64_t now_ms)
{
    if (mm_store_has_news(queue->store)) {
        return true;
    }
    mm_mutex_lock(queue->lock);
    (void)mq_agenda_first(queue, now_ms);
    bool has_place = queue->attempts < queue->options.attempts_max;
    bool has_work = queue->wants_scan || !mm_list_is_empty(&queue->sweeping) ||
                    (has_place && mq_agenda_next_ms(queue) <= now_ms);
    mm_mutex_unlock(queue->lock);
    return has_work;
}
