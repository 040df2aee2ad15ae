/* remove.c - an operator takes recipients out of the queue.
 *
 * Owns what was removed and not told yet. Promises: every recipient that is
 * removed here is told once, after the removal is on disk, as FAILED: at once
 * when it is in no attempt; else when its attempt is over, unless that has an
 * outcome of its own that is final (settle.c). No more than a slice of rows is
 * kept in memory beside those in attempts. What another process removes is not
 * seen here, but by a settlement that misses the row.
 *
 * Law: listed -> removed on disk -> (the claim keeps it ->) to be told. The
 * store answers its jobs in their order, so a settlement that ran before the
 * removal has been answered before it.
 * Thread: any that may wait for the store; `slice_done` on the writer. */
#include "base/mem.h"
#include "queue/internal.h"

#include <string.h>

/* Rows of one transaction: some 90 KB. */
#define SLICE_MAX 256

struct slice {
    struct mm_store_job job;
    struct mq_queue *queue;
    uint64_t last_message_id; /* mail that came later stays */
    struct mm_list rows;      /* struct mq_removed */
    size_t listed;
    size_t removed;
    enum mailmod_error error;
    struct mm_mutex *mutex;
    struct mm_condition *condition;
    bool is_done;
};

void mq_removal_outcome(struct mq_outcome *outcome_out)
{
    *outcome_out =
        (struct mq_outcome){.verdict = MQ_FAILED,
                            .error = MAILMOD_ERROR_CANCELLED,
                            .is_removal = true,
                            .status = "5.0.0",
                            .reply = "taken out of the queue by an operator"};
}

static struct mq_removed *take_row(struct mm_list *list)
{
    struct mm_list *node = mm_list_take_first(list);
    return node != NULL ? MM_LIST_OBJECT(node, struct mq_removed, node) : NULL;
}

struct mq_removed *mq_take_removed(struct mq_queue *queue)
{
    mm_mutex_lock(queue->lock);
    struct mq_removed *removed = take_row(&queue->removed);
    mm_mutex_unlock(queue->lock);
    return removed;
}

static bool list_row(void *context, const struct mm_store_message *message,
                     const struct mm_store_recipient *recipient)
{
    struct slice *slice = context;
    if (slice->listed == SLICE_MAX || message->id > slice->last_message_id) {
        return false;
    }
    struct mq_removed *row = mm_alloc(sizeof *row);
    if (row == NULL) {
        slice->error = MAILMOD_ERROR_MEMORY;
        return false;
    }
    row->message_id = message->id;
    row->number = recipient->number;
    row->attempts = recipient->attempts;
    row->is_report = message->is_report;
    memcpy(row->path, recipient->path, sizeof row->path);
    memcpy(row->reverse_path, message->reverse_path, sizeof row->reverse_path);
    mm_list_init(&row->node);
    mm_list_append(&slice->rows, &row->node);
    slice->listed++;
    return true;
}

/* What was settled meanwhile has its outcome. */
static enum mailmod_error run_slice(struct mm_store_job *job,
                                    struct mm_store_transaction *transaction)
{
    struct slice *slice = MM_LIST_OBJECT(job, struct slice, job);
    MM_LIST_EACH(node, &slice->rows)
    {
        struct mq_removed *row = MM_LIST_OBJECT(node, struct mq_removed, node);
        enum mailmod_error error = mm_store_remove_recipient(
            transaction, row->message_id, row->number);
        row->is_removed = error == MAILMOD_OK;
        if (error != MAILMOD_OK && error != MAILMOD_ERROR_NOT_FOUND) {
            return error;
        }
    }
    return MAILMOD_OK;
}

static void slice_done(struct mm_store_job *job, enum mailmod_error error)
{
    struct slice *slice = MM_LIST_OBJECT(job, struct slice, job);
    struct mq_queue *queue = slice->queue;
    struct mq_removed *row;
    while ((row = take_row(&slice->rows)) != NULL) {
        if (error != MAILMOD_OK || !row->is_removed) {
            mm_free(row);
            continue;
        }
        slice->removed++;
        mm_mutex_lock(queue->lock);
        if (!mq_claim_keeps(queue, row)) {
            mm_list_append(&queue->removed, &row->node);
        }
        mm_mutex_unlock(queue->lock);
    }
    mm_mutex_lock(slice->mutex);
    slice->error = error;
    slice->is_done = true;
    mm_condition_signal(slice->condition);
    mm_mutex_unlock(slice->mutex);
}

static void remove_listed(struct slice *slice)
{
    slice->is_done = false;
    mm_list_init(&slice->job.node);
    slice->job.run = run_slice;
    slice->job.done = slice_done;
    mm_store_submit(slice->queue->store, &slice->job);
    mm_mutex_lock(slice->mutex);
    while (!slice->is_done) {
        mm_condition_wait(slice->condition, slice->mutex);
    }
    mm_mutex_unlock(slice->mutex);
}

/* `listed` is 0 when nothing is left. */
static enum mailmod_error do_slice(struct slice *slice, uint64_t message_id)
{
    slice->listed = 0;
    enum mailmod_error error = mm_store_each_recipient(
        slice->queue->store, message_id, list_row, slice);
    if (error == MAILMOD_OK) {
        error = slice->error;
    }
    if (error == MAILMOD_OK && slice->listed > 0) {
        remove_listed(slice);
        error = slice->error;
    }
    struct mq_removed *row;
    while ((row = take_row(&slice->rows)) != NULL) {
        mm_free(row);
    }
    return error;
}

static enum mailmod_error do_slices(struct slice *slice, uint64_t message_id,
                                    void (*on_slice)(void *context),
                                    void *context)
{
    enum mailmod_error error = MAILMOD_OK;
    do {
        error = do_slice(slice, message_id);
        if (slice->listed > 0) {
            on_slice(context);
        }
    } while (error == MAILMOD_OK && slice->listed > 0);
    return error;
}

/* Nothing is claimed while all is removed. */
static void pause_claims(struct mq_queue *queue, bool pauses)
{
    mm_mutex_lock(queue->lock);
    queue->removals += pauses ? 1 : -1;
    mm_mutex_unlock(queue->lock);
}

enum mailmod_error mq_remove(struct mq_queue *queue, uint64_t message_id,
                             void (*on_slice)(void *context), void *context,
                             size_t *count_out)
{
    struct slice slice = {.queue = queue, .last_message_id = message_id};
    if (message_id == 0) {
        slice.last_message_id = mm_store_new_message_id(queue->store);
    }
    mm_list_init(&slice.rows);
    enum mailmod_error error = mm_mutex_new(&slice.mutex);
    if (error == MAILMOD_OK) {
        error = mm_condition_new(&slice.condition);
    }
    if (error == MAILMOD_OK) {
        pause_claims(queue, true);
        error = do_slices(&slice, message_id, on_slice, context);
        pause_claims(queue, false);
    }
    mm_condition_free(&slice.condition);
    mm_mutex_free(&slice.mutex);
    *count_out = slice.removed;
    return error;
}
