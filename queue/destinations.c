/* destinations.c - the table of destinations: places, back-off, fairness.
 *
 * Owns the struct mq_destination values in queue->destinations. A destination
 * is entered when it is first served and stays, for its place in the order of
 * service and its back-off, until the table is full; then those that neither
 * run nor wait nor have anybody waiting are dropped, and failing that some
 * whose back-off ends soonest: forgotten, it costs one early attempt. What
 * waits for a destination that has no place is found by the next look at all
 * (agenda.c).
 *
 * Law of the back-off: it begins and grows only with a failure that comes when
 * it is over; the failures of attempts that ran side by side count as one. Any
 * answer from the destination ends it.
 * Thread: any, with the queue's lock held. */
#include "base/mem.h"
#include "queue/internal.h"

#include <string.h>

static struct mm_span key_of(const char *name)
{
    return mm_span_cstr(name);
}

struct mq_destination *mq_destination_find(struct mq_queue *queue,
                                           const char *name)
{
    return mm_map_get(&queue->destinations, key_of(name));
}

/* Taken out of all orders, and freed. */
static void forget(struct mq_queue *queue, struct mq_destination *destination)
{
    int64_t hidden_ms = destination->retry_ms > queue->now_ms + MQ_HIDDEN_MS
                            ? destination->retry_ms
                            : queue->now_ms + MQ_HIDDEN_MS;
    if (destination->due_ms != INT64_MAX && hidden_ms < queue->hidden_ms) {
        queue->hidden_ms = hidden_ms;
    }
    mm_heap_remove(&queue->later, &destination->time);
    mm_heap_remove(&queue->ready, &destination->turn);
    mm_list_remove(&destination->sweeping);
    mm_free(destination);
}

struct eviction {
    struct mq_queue *queue;
    int64_t until_ms; /* back-offs that end by then go as well */
    int64_t earliest_ms, latest_ms;
};

static void evict_one(void *context, struct mm_span key, void *value)
{
    struct eviction *eviction = context;
    struct mq_destination *destination = value;
    /* Who waits for it could only be found again by a look at all. */
    if (destination->active > 0 ||
        (destination->retry_ms == 0 && destination->due_ms != INT64_MAX)) {
        return;
    }
    if (destination->retry_ms > eviction->until_ms) {
        if (destination->retry_ms < eviction->earliest_ms) {
            eviction->earliest_ms = destination->retry_ms;
        }
        if (destination->retry_ms > eviction->latest_ms) {
            eviction->latest_ms = destination->retry_ms;
        }
        return;
    }
    mm_map_remove(&eviction->queue->destinations, key);
    forget(eviction->queue, destination);
}

/* First those without a back-off; then an eighth of the span of times at a
 * time, the soonest to end first: they cost an early attempt each, and the
 * others none. */
static void make_room(struct mq_queue *queue)
{
    int64_t until_ms = 0;
    for (int pass = 0; pass < 9; pass++) {
        struct eviction eviction = {queue, until_ms, INT64_MAX, 0};
        mm_map_each(&queue->destinations, evict_one, &eviction);
        if (queue->destinations.count < MQ_DESTINATIONS_MAX ||
            eviction.latest_ms == 0) {
            return;
        }
        until_ms = eviction.earliest_ms +
                   (eviction.latest_ms - eviction.earliest_ms) / 8;
    }
}

/* A search that was in vain is not made again for each that comes. */
static bool find_room(struct mq_queue *queue)
{
    if (queue->now_ms < queue->full_until_ms) {
        return false;
    }
    make_room(queue);
    bool has_room = queue->destinations.count < MQ_DESTINATIONS_MAX;
    queue->full_until_ms = has_room ? 0 : queue->now_ms + MQ_FULL_MS;
    return has_room;
}

static struct mq_destination *new_destination(struct mq_queue *queue,
                                              const char *name)
{
    size_t size = strlen(name) + 1;
    struct mq_destination *destination = mm_alloc(sizeof *destination + size);
    if (destination == NULL) {
        return NULL;
    }
    memcpy(destination->name, name, size);
    mm_list_init(&destination->sweeping);
    destination->due_ms = INT64_MAX;
    if (mm_heap_add(&queue->later, &destination->time, INT64_MAX) !=
        MAILMOD_OK) {
        mm_free(destination);
        return NULL;
    }
    if (mm_map_put(&queue->destinations, key_of(name), destination) !=
        MAILMOD_OK) {
        mm_heap_remove(&queue->later, &destination->time);
        mm_free(destination);
        return NULL;
    }
    return destination;
}

struct mq_destination *mq_destination_get(struct mq_queue *queue,
                                          const char *name)
{
    struct mq_destination *destination = mq_destination_find(queue, name);
    if (destination != NULL) {
        return destination;
    }
    if (queue->destinations.count >= MQ_DESTINATIONS_MAX && !find_room(queue)) {
        return NULL;
    }
    return new_destination(queue, name);
}

static void free_one(void *context, struct mm_span key, void *value)
{
    (void)context;
    (void)key;
    mm_free(value);
}

void mq_destinations_free(struct mq_queue *queue)
{
    mm_heap_fini(&queue->later);
    mm_heap_fini(&queue->ready);
    mm_map_each(&queue->destinations, free_one, NULL);
    mm_map_fini(&queue->destinations);
}

bool mq_destination_is_open(const struct mq_queue *queue,
                            const struct mq_destination *destination,
                            int64_t now_ms)
{
    return mq_is_due(destination->retry_ms, now_ms, queue->longest_wait_ms) &&
           mq_is_due(destination->paced_ms, now_ms, queue->longest_wait_ms);
}

/* After a failure one attempt alone probes the destination; the others wait
 * for what it finds. */
unsigned mq_destination_max(const struct mq_queue *queue,
                            const struct mq_destination *destination)
{
    return destination->failures > 0 ? 1 : queue->options.destination_max;
}

bool mq_slot_take(struct mq_queue *queue, struct mq_destination *destination,
                  int64_t now_ms)
{
    if (queue->attempts >= queue->options.attempts_max ||
        destination->active >= mq_destination_max(queue, destination) ||
        !mq_destination_is_open(queue, destination, now_ms)) {
        return false;
    }
    queue->attempts++;
    destination->active++;
    destination->served = ++queue->sequence;
    mq_agenda_place(queue, destination);
    return true;
}

static void leave_destination(struct mq_queue *queue, const char *name)
{
    struct mq_destination *destination = mq_destination_find(queue, name);
    if (destination != NULL && destination->active > 0) {
        destination->active--;
        mq_agenda_place(queue, destination);
    }
}

void mq_slot_return(struct mq_queue *queue, const char *name)
{
    leave_destination(queue, name);
    if (queue->attempts > 0) {
        queue->attempts--;
    }
}

void mq_slot_give(struct mq_queue *queue, const struct mq_batch *batch)
{
    if (!batch->is_parked) {
        mq_slot_return(queue, batch->destination);
        return;
    }
    leave_destination(queue, batch->destination);
    if (queue->parked > 0) {
        queue->parked--;
    }
}

bool mq_park(struct mq_queue *queue, struct mq_batch *batch)
{
    mm_mutex_lock(queue->lock);
    unsigned max = 4 * queue->options.attempts_max;
    max = max < MQ_PARKED_MAX ? max : MQ_PARKED_MAX;
    bool may = batch->holds_slot && !batch->is_parked && queue->parked < max &&
               queue->attempts > 0;
    if (may) {
        batch->is_parked = true;
        queue->parked++;
        queue->attempts--;
    }
    mm_mutex_unlock(queue->lock);
    return may;
}

void mq_pace(struct mq_queue *queue, const char *destination, int64_t until_ms)
{
    mm_mutex_lock(queue->lock);
    struct mq_destination *paced = mq_destination_get(queue, destination);
    if (paced != NULL) {
        paced->paced_ms = until_ms;
        mm_list_remove(&paced->sweeping);
        mm_list_append(&queue->sweeping, &paced->sweeping);
        mq_agenda_place(queue, paced);
    }
    mm_mutex_unlock(queue->lock);
}

void mq_destination_down(struct mq_queue *queue, const char *name,
                         int64_t now_ms, int64_t *retry_ms_out)
{
    uint64_t random = mm_splitmix_next(&queue->random);
    struct mq_destination *destination = mq_destination_get(queue, name);
    if (destination == NULL) {
        *retry_ms_out =
            now_ms + (int64_t)mq_wait_ms(&queue->options, 1, random);
        return;
    }
    if (mq_is_due(destination->retry_ms, now_ms, queue->longest_wait_ms)) {
        destination->failures++;
        destination->retry_ms =
            now_ms +
            (int64_t)mq_wait_ms(&queue->options, destination->failures, random);
        mm_list_remove(&destination->sweeping);
        mm_list_append(&queue->sweeping, &destination->sweeping);
        mq_agenda_place(queue, destination);
    }
    *retry_ms_out = destination->retry_ms;
}

void mq_destination_up(struct mq_queue *queue, const char *name)
{
    struct mq_destination *destination = mq_destination_find(queue, name);
    if (destination != NULL) {
        destination->failures = 0;
        destination->retry_ms = 0;
        mm_list_remove(&destination->sweeping);
        mq_agenda_place(queue, destination);
    }
}
