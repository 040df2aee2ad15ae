/* queue.c - what is due and may be tried now: claims, limits, fairness.
 *
 * Owns struct mq_queue: the tables in memory. What is waiting stands in the
 * store alone; a restart loses the back-offs and nothing else. Promises that
 * no destination takes more than its places, that all destinations that have
 * something due are served in turn, and that one that is down costs one
 * attempt a step.
 *
 * The lock guards the tables and is never held while the store reads: what a
 * read showed is claimed first and read again (claims.c).
 * Thread: any. */
#include "base/mem.h"
#include "queue/internal.h"

#include <stdlib.h>
#include <string.h>

enum { LIST_FIRST = 256 };

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
    mm_map_init(&queue->destinations, MQ_DESTINATIONS_MAX, options->seed);
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

enum mailmod_error mq_set_options(struct mq_queue *queue,
                                  const struct mq_options *options)
{
    enum mailmod_error error = check_options(options);
    if (error == MAILMOD_OK) {
        mm_mutex_lock(queue->lock);
        set_options(queue, options);
        mm_mutex_unlock(queue->lock);
    }
    return error;
}

static void reopen_one(void *context, struct mm_span key, void *value)
{
    (void)context;
    (void)key;
    struct mq_destination *destination = value;
    destination->failures = 0;
    destination->retry_ms = 0;
}

void mq_flush(struct mq_queue *queue)
{
    mm_mutex_lock(queue->lock);
    mm_map_each(&queue->destinations, reopen_one, NULL);
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
    if (released->holds_slot) {
        mm_mutex_lock(queue->lock);
        mq_slot_give(queue, released);
        mm_mutex_unlock(queue->lock);
    }
    mm_free(released->recipients);
    mm_free(released);
    *batch = NULL;
}

struct candidate {
    char name[MM_STORE_DESTINATION_MAX];
    uint64_t served;
    size_t order; /* the store's: longest waiting first */
    bool is_open;
    bool sweeps;
    bool is_done;
};

struct candidates {
    struct candidate *items;
    size_t count;
    size_t open_count;
};

/* The store's list, whole up to `count_max`. */
static enum mailmod_error list_up_to(struct mq_queue *queue, int64_t due_ms,
                                     size_t count_max,
                                     struct mm_store_destination **list_out,
                                     size_t *count_out)
{
    struct mm_store_destination *list = mm_alloc_array(count_max, sizeof *list);
    if (list == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error = mm_store_list_destinations(
        queue->store, due_ms, list, count_max, count_out);
    if (error != MAILMOD_OK) {
        mm_free(list);
        return error;
    }
    *list_out = list;
    return MAILMOD_OK;
}

static void judge(struct mq_queue *queue, struct candidate *candidate,
                  int64_t now_ms)
{
    struct mq_destination *destination =
        mq_destination_find(queue, candidate->name);
    candidate->is_open = true;
    if (destination != NULL) {
        candidate->served = destination->served;
        candidate->is_open = mq_destination_is_open(queue, destination, now_ms);
        candidate->sweeps = destination->sweeps && !candidate->is_open;
        destination->streak = 0;
    }
}

static int compare_candidates(const void *left, const void *right)
{
    const struct candidate *a = left;
    const struct candidate *b = right;
    if (a->served != b->served) {
        return a->served < b->served ? -1 : 1;
    }
    return a->order < b->order ? -1 : a->order > b->order;
}

static enum mailmod_error judge_all(struct mq_queue *queue, int64_t now_ms,
                                    const struct mm_store_destination *list,
                                    size_t count,
                                    struct candidates *candidates_out)
{
    struct candidate *items = mm_alloc_array(count + 1, sizeof *items);
    if (items == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    candidates_out->items = items;
    candidates_out->count = count;
    candidates_out->open_count = 0;
    mm_mutex_lock(queue->lock);
    for (size_t i = 0; i < count; i++) {
        memcpy(items[i].name, list[i].name, sizeof items[i].name);
        items[i].order = i;
        judge(queue, &items[i], now_ms);
        candidates_out->open_count += items[i].is_open;
    }
    mm_mutex_unlock(queue->lock);
    qsort(items, count, sizeof *items, compare_candidates);
    return MAILMOD_OK;
}

/* Destinations that are backed off stand in the store's list too, mostly in
 * front: the list is lengthened until it holds enough that are not. */
static enum mailmod_error list_candidates(struct mq_queue *queue,
                                          int64_t now_ms,
                                          struct candidates *candidates_out)
{
    mm_mutex_lock(queue->lock);
    int64_t due_ms = queue->clock_went_back ? INT64_MAX : now_ms;
    size_t wanted = queue->options.attempts_max - queue->attempts;
    if (queue->attempts >= queue->options.attempts_max) {
        wanted = 1;
    }
    if (queue->clock_went_back) {
        wanted = SIZE_MAX; /* those of the far future stand last */
    }
    mm_mutex_unlock(queue->lock);
    for (size_t max = LIST_FIRST;; max *= 4) {
        struct mm_store_destination *list = NULL;
        size_t count = 0;
        enum mailmod_error error =
            list_up_to(queue, due_ms, max, &list, &count);
        if (error != MAILMOD_OK) {
            return error;
        }
        error = judge_all(queue, now_ms, list, count, candidates_out);
        mm_free(list);
        if (error != MAILMOD_OK || count < max ||
            candidates_out->open_count >= wanted ||
            max >= MQ_DESTINATIONS_MAX) {
            return error;
        }
        mm_free(candidates_out->items);
    }
}

static enum mailmod_error claim_one(struct mq_queue *queue, const char *name,
                                    int64_t now_ms, struct mq_batch **batch_out)
{
    mm_mutex_lock(queue->lock);
    struct mq_destination *destination = mq_destination_get(queue, name);
    bool is_taken =
        destination != NULL && mq_slot_take(queue, destination, now_ms);
    bool is_full = queue->attempts >= queue->options.attempts_max;
    mm_mutex_unlock(queue->lock);
    if (!is_taken) {
        return is_full ? MAILMOD_ERROR_LIMIT : MAILMOD_ERROR_NOT_FOUND;
    }
    enum mailmod_error error = mq_fetch(queue, name, now_ms, false, batch_out);
    if (error != MAILMOD_OK) {
        mm_mutex_lock(queue->lock);
        mq_slot_return(queue, name);
        mm_mutex_unlock(queue->lock);
        return error;
    }
    (*batch_out)->holds_slot = true;
    return MAILMOD_OK;
}

/* One batch a destination and round, until nothing moves or all places are
 * taken; `is_starved_out` then says that somebody went away without. */
static enum mailmod_error
claim_rounds(struct mq_queue *queue, struct candidates *candidates,
             int64_t now_ms, struct mm_list *batches_out, bool *is_starved_out)
{
    *is_starved_out = false;
    for (bool has_moved = true; has_moved;) {
        has_moved = false;
        for (size_t i = 0; i < candidates->count; i++) {
            struct candidate *candidate = &candidates->items[i];
            if (!candidate->is_open || candidate->is_done) {
                continue;
            }
            struct mq_batch *batch = NULL;
            enum mailmod_error error =
                claim_one(queue, candidate->name, now_ms, &batch);
            if (error == MAILMOD_ERROR_LIMIT) {
                *is_starved_out = true;
                return MAILMOD_OK;
            }
            if (error == MAILMOD_OK) {
                mm_list_append(batches_out, &batch->node);
                has_moved = true;
            } else if (error == MAILMOD_ERROR_NOT_FOUND) {
                candidate->is_done = true;
            } else {
                return error;
            }
        }
    }
    return MAILMOD_OK;
}

/* What is past its lifetime behind a destination that is down: the failed
 * attempt stands for all of it. The mark stays while there may be more. */
static enum mailmod_error sweep(struct mq_queue *queue, const char *name,
                                int64_t now_ms, size_t *room,
                                struct mm_list *batches_out)
{
    while (*room > 0) {
        struct mq_batch *batch = NULL;
        enum mailmod_error error = mq_fetch(queue, name, now_ms, true, &batch);
        if (error == MAILMOD_ERROR_NOT_FOUND) {
            mm_mutex_lock(queue->lock);
            struct mq_destination *destination =
                mq_destination_find(queue, name);
            if (destination != NULL) {
                destination->sweeps = false;
            }
            mm_mutex_unlock(queue->lock);
            return MAILMOD_OK;
        }
        if (error != MAILMOD_OK) {
            return error;
        }
        mm_list_append(batches_out, &batch->node);
        (*room)--;
    }
    return MAILMOD_OK;
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
    struct candidates candidates = {0};
    enum mailmod_error error = list_candidates(queue, now_ms, &candidates);
    if (error != MAILMOD_OK) {
        return error;
    }
    bool is_starved = false;
    error = claim_rounds(queue, &candidates, now_ms, batches_out, &is_starved);
    size_t room = MQ_OVERDUE_BATCHES_MAX;
    for (size_t i = 0; i < candidates.count && error == MAILMOD_OK; i++) {
        if (candidates.items[i].sweeps) {
            error = sweep(queue, candidates.items[i].name, now_ms, &room,
                          batches_out);
        }
    }
    mm_mutex_lock(queue->lock);
    queue->is_starved = is_starved;
    mm_mutex_unlock(queue->lock);
    mm_free(candidates.items);
    return error;
}

enum mailmod_error mq_claim_next(struct mq_queue *queue,
                                 const char *destination, int64_t now_ms,
                                 struct mq_batch **batch_out)
{
    if (!may_claim(queue)) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    mm_mutex_lock(queue->lock);
    struct mq_destination *known = mq_destination_get(queue, destination);
    bool may =
        known != NULL && (!queue->is_starved || known->streak < MQ_STREAK_MAX);
    if (may) {
        known->streak++;
    }
    mm_mutex_unlock(queue->lock);
    if (!may) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    enum mailmod_error error = claim_one(queue, destination, now_ms, batch_out);
    return error == MAILMOD_ERROR_LIMIT ? MAILMOD_ERROR_NOT_FOUND : error;
}

/* A destination with all its places taken is no reason to come: the end of an
 * attempt is. */
static int64_t due_of(struct mq_queue *queue,
                      const struct mm_store_destination *listed, int64_t now_ms)
{
    int64_t due_ms = listed->next_attempt_ms;
    if (due_ms > now_ms && mq_is_due(due_ms, now_ms, queue->longest_wait_ms)) {
        queue->clock_went_back = true;
        due_ms = now_ms;
    }
    const struct mq_destination *destination =
        mq_destination_find(queue, listed->name);
    if (destination == NULL) {
        return due_ms;
    }
    if (destination->active > 0 && due_ms <= now_ms) {
        return INT64_MAX;
    }
    if (destination->sweeps ||
        mq_destination_is_open(queue, destination, now_ms) ||
        destination->retry_ms <= due_ms) {
        return due_ms;
    }
    return destination->retry_ms;
}

int64_t mq_next_due(struct mq_queue *queue, int64_t now_ms)
{
    int64_t next_ms = INT64_MAX;
    if (!may_claim(queue)) {
        return now_ms + MQ_STORE_AWAY_MS;
    }
    for (size_t max = LIST_FIRST;; max *= 4) {
        struct mm_store_destination *list = NULL;
        size_t count = 0;
        if (list_up_to(queue, INT64_MAX, max, &list, &count) != MAILMOD_OK) {
            return now_ms; /* a failed read is tried again */
        }
        mm_mutex_lock(queue->lock);
        queue->clock_went_back = false;
        for (size_t i = 0; i < count; i++) {
            int64_t due_ms = due_of(queue, &list[i], now_ms);
            next_ms = due_ms < next_ms ? due_ms : next_ms;
        }
        mm_mutex_unlock(queue->lock);
        int64_t last_ms = count > 0 ? list[count - 1].next_attempt_ms : 0;
        mm_free(list);
        /* They come by rising time: later ones can be no earlier. */
        if (count < max || next_ms <= last_ms || max >= MQ_DESTINATIONS_MAX) {
            return next_ms;
        }
    }
}
