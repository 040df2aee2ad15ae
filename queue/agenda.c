/* agenda.c - which destination is served when, and who comes first.
 *
 * Owns the two orders over the table of destinations: by time (`later`, all of
 * them) and by turn (`ready`, those whose time has come). Promises that a look
 * costs by what was told since the last one and by what is handed out, not by
 * what waits: the rows stay in the store, and of each destination only the
 * earliest time is kept. That time is never too late: what a commit changed is
 * told by the store (mm_store_take_news), what an attempt gives back is told
 * when its claim ends, and a time is put off only by a read of all that waits
 * there which nothing was told during. It may be too early: then a read
 * finds nobody and says who comes next.
 *
 * The store is asked for all destinations at the start, when its news were not
 * whole, after a flush, when another process has put mail (notice.c), and every
 * MQ_SCAN_MS.
 * Law of a destination: later (by time) -> ready (by turn) -> served, and later
 * again.
 * Thread: any, with the queue's lock held, but for mq_agenda_refresh. */
#include "queue/internal.h"

#include "base/mem.h"

#include <string.h>

enum { PAGE = 64 };

/* Who was never served comes first, in the order of coming. */
#define SERVED_BASE (UINT64_C(1) << 62)

static uint64_t key_of(int64_t time_ms)
{
    return time_ms > 0 ? (uint64_t)time_ms : 0;
}

/* When it can be served; INT64_MAX: nobody waits, or an attempt must end. */
static int64_t time_of(const struct mq_queue *queue,
                       const struct mq_destination *destination)
{
    int64_t time_ms = destination->due_ms;
    if (time_ms == INT64_MAX ||
        destination->active >= mq_destination_max(queue, destination)) {
        return INT64_MAX;
    }
    if (destination->retry_ms > time_ms) {
        time_ms = destination->retry_ms;
    }
    if (destination->paced_ms > time_ms) {
        time_ms = destination->paced_ms;
    }
    /* Of a clock that was set back since: its time has come. */
    return mq_is_due(time_ms, queue->now_ms, queue->longest_wait_ms)
               ? queue->now_ms
               : time_ms;
}

/* Memory for its place in `later` is there since it was made; without any for
 * `ready` it stays in the order of time, and is taken up at the next look. */
void mq_agenda_place(struct mq_queue *queue, struct mq_destination *destination)
{
    mm_heap_remove(&queue->ready, &destination->turn);
    (void)mm_heap_add(&queue->later, &destination->time,
                      key_of(time_of(queue, destination)));
}

static void place_one(void *context, struct mm_span key, void *value)
{
    (void)key;
    mq_agenda_place(context, value);
}

void mq_agenda_place_all(struct mq_queue *queue, int64_t now_ms)
{
    queue->now_ms = now_ms;
    mm_map_each(&queue->destinations, place_one, queue);
}

static void take_time(struct mq_queue *queue, int64_t now_ms)
{
    if (now_ms < queue->now_ms - MQ_CLOCK_SLACK_MS) {
        queue->scanned_ms = now_ms;
        queue->hidden_ms = queue->hidden_ms == INT64_MAX ? INT64_MAX : now_ms;
        mq_agenda_place_all(queue, now_ms);
    }
    queue->now_ms = now_ms;
}

/* What comes new is overdue after its warning or its lifetime, not before. */
static void note_overdue(const struct mq_queue *queue,
                         struct mq_destination *destination)
{
    uint64_t wait_ms = queue->options.lifetime_ms;
    if (queue->options.warn_after_ms != 0 &&
        queue->options.warn_after_ms < wait_ms) {
        wait_ms = queue->options.warn_after_ms;
    }
    if (destination->overdue_ms > queue->now_ms + (int64_t)wait_ms) {
        destination->overdue_ms = queue->now_ms + (int64_t)wait_ms;
    }
}

void mq_agenda_tell(struct mq_queue *queue, const char *name, int64_t due_ms)
{
    struct mq_destination *destination = mq_destination_get(queue, name);
    if (destination == NULL) {
        int64_t look_ms = queue->now_ms + MQ_HIDDEN_MS;
        look_ms = due_ms > look_ms ? due_ms : look_ms;
        queue->hidden_ms =
            look_ms < queue->hidden_ms ? look_ms : queue->hidden_ms;
        return;
    }
    destination->version++;
    note_overdue(queue, destination);
    if (due_ms < destination->due_ms) {
        destination->due_ms = due_ms;
        mq_agenda_place(queue, destination);
    }
}

void mq_agenda_learn(struct mq_queue *queue, const char *name, unsigned version,
                     int64_t due_ms)
{
    struct mq_destination *destination = mq_destination_find(queue, name);
    if (destination != NULL && destination->version == version) {
        destination->due_ms = due_ms;
        mq_agenda_place(queue, destination);
    }
}

static struct mq_destination *by_time(struct mm_heap_node *node)
{
    return MM_LIST_OBJECT(node, struct mq_destination, time);
}

/* Those whose time has come get in line. */
static void line_up(struct mq_queue *queue, int64_t now_ms)
{
    struct mm_heap_node *node = mm_heap_first(&queue->later);
    while (node != NULL && node->key <= key_of(now_ms)) {
        struct mq_destination *destination = by_time(node);
        uint64_t turn = destination->served != 0
                            ? SERVED_BASE + destination->served
                            : ++queue->sequence;
        if (mm_heap_add(&queue->ready, &destination->turn, turn) !=
            MAILMOD_OK) {
            return;
        }
        (void)mm_heap_add(&queue->later, &destination->time, key_of(INT64_MAX));
        node = mm_heap_first(&queue->later);
    }
}

struct mq_destination *mq_agenda_first(struct mq_queue *queue, int64_t now_ms)
{
    take_time(queue, now_ms);
    line_up(queue, now_ms);
    struct mm_heap_node *node = mm_heap_first(&queue->ready);
    return node != NULL ? MM_LIST_OBJECT(node, struct mq_destination, turn)
                        : NULL;
}

int64_t mq_agenda_next_ms(const struct mq_queue *queue)
{
    const struct mm_heap_node *node = mm_heap_first(&queue->later);
    int64_t next_ms = queue->hidden_ms;
    if (queue->ready.count > 0) {
        return queue->now_ms;
    }
    if (node != NULL && (int64_t)node->key < next_ms) {
        next_ms = (int64_t)node->key;
    }
    return next_ms;
}

static bool take_news(struct mq_queue *queue)
{
    struct mm_store_destination news[PAGE];
    bool is_whole = true;
    size_t count = 0;
    do {
        bool is_this_whole = true;
        count = mm_store_take_news(queue->store, news, PAGE, &is_this_whole);
        is_whole = is_whole && is_this_whole;
        mm_mutex_lock(queue->lock);
        for (size_t i = 0; i < count; i++) {
            mq_agenda_tell(queue, news[i].name, news[i].next_attempt_ms);
        }
        mm_mutex_unlock(queue->lock);
    } while (count == PAGE);
    return is_whole;
}

static void note_listed(struct mq_queue *queue,
                        const struct mm_store_destination *listed, size_t count)
{
    mm_mutex_lock(queue->lock);
    for (size_t i = 0; i < count; i++) {
        mq_agenda_tell(queue, listed[i].name, listed[i].next_attempt_ms);
        struct mq_destination *destination =
            mq_destination_find(queue, listed[i].name);
        if (destination != NULL) {
            destination->overdue_ms = 0;
        }
    }
    mm_mutex_unlock(queue->lock);
}

static enum mailmod_error scan(struct mq_queue *queue)
{
    struct mm_store_destination *page = mm_alloc_array(PAGE, sizeof *page);
    char after[MM_STORE_DESTINATION_MAX] = "";
    size_t count = PAGE;
    enum mailmod_error error = page != NULL ? MAILMOD_OK : MAILMOD_ERROR_MEMORY;
    while (error == MAILMOD_OK && count == PAGE) {
        error =
            mm_store_list_destinations(queue->store, after, page, PAGE, &count);
        if (error == MAILMOD_OK && count > 0) {
            note_listed(queue, page, count);
            memcpy(after, page[count - 1].name, sizeof after);
        }
    }
    mm_free(page);
    return error;
}

/* Locked. */
static bool is_scan_due(const struct mq_queue *queue, int64_t now_ms)
{
    uint64_t wait_ms =
        MQ_SCAN_MS * (1 + queue->destinations.count / MQ_SCAN_COUNT);
    return queue->wants_scan || now_ms >= queue->hidden_ms ||
           now_ms - queue->scanned_ms >= (int64_t)wait_ms;
}

enum mailmod_error mq_agenda_refresh(struct mq_queue *queue, int64_t now_ms)
{
    mm_mutex_lock(queue->lock);
    take_time(queue, now_ms);
    mm_mutex_unlock(queue->lock);
    bool is_whole = take_news(queue);
    is_whole = !mq_notice_changed(queue) && is_whole;
    mm_mutex_lock(queue->lock);
    bool is_due = !is_whole || is_scan_due(queue, now_ms);
    if (is_due) {
        queue->wants_scan = false;
        queue->hidden_ms = INT64_MAX;
        queue->scanned_ms = now_ms;
    }
    mm_mutex_unlock(queue->lock);
    enum mailmod_error error = is_due ? scan(queue) : MAILMOD_OK;
    if (error != MAILMOD_OK) {
        mm_mutex_lock(queue->lock);
        queue->wants_scan = true;
        mm_mutex_unlock(queue->lock);
    }
    return error;
}
