/* removal.c - who was taken out of the queue is told to the observer.
 *
 * Owns nothing for longer than a call. Promises that a slice of removed
 * recipients has been told before the next one is removed, so that memory is
 * bounded whatever the loop does.
 * Thread: mm_outbound_remove any; the rest on the loop. */
#include "client/outbound_internal.h"

#include "base/mem.h"
#include "platform/thread.h"

#include <string.h>

struct removal {
    struct mm_task task;
    struct mm_outbound *outbound;
    struct mm_mutex *mutex;
    struct mm_condition *condition;
    bool is_told;
};

void mm_outbound_tell_removed(const struct mm_outbound *outbound)
{
    struct mq_removed *removed;
    while ((removed = mq_take_removed(outbound->queue)) != NULL) {
        struct mm_store_recipient recipient = {
            .message_id = removed->message_id, .number = removed->number};
        struct mq_outcome outcome;
        memcpy(recipient.path, removed->path, sizeof recipient.path);
        mq_removal_outcome(&outcome);
        mm_outbound_note_outcome(outbound, removed->message_id, &recipient,
                                 &outcome, true);
        mm_free(removed);
    }
}

static void run_task(struct mm_task *task)
{
    struct removal *removal = MM_LIST_OBJECT(task, struct removal, task);
    mm_outbound_tell_removed(removal->outbound);
    mm_mutex_lock(removal->mutex);
    removal->is_told = true;
    mm_condition_signal(removal->condition);
    mm_mutex_unlock(removal->mutex);
}

static void on_slice(void *context)
{
    struct removal *removal = context;
    if (mm_loop_is_current(removal->outbound->options.loop)) {
        mm_outbound_tell_removed(removal->outbound);
        return;
    }
    removal->is_told = false;
    mm_loop_post(removal->outbound->options.loop, &removal->task);
    mm_mutex_lock(removal->mutex);
    while (!removal->is_told) {
        mm_condition_wait(removal->condition, removal->mutex);
    }
    mm_mutex_unlock(removal->mutex);
}

enum mailmod_error mm_outbound_remove(struct mm_outbound *outbound,
                                      uint64_t message_id, size_t *count_out)
{
    struct removal removal = {.task.run = run_task, .outbound = outbound};
    *count_out = 0;
    enum mailmod_error error = mm_mutex_new(&removal.mutex);
    if (error == MAILMOD_OK) {
        error = mm_condition_new(&removal.condition);
    }
    if (error == MAILMOD_OK) {
        error = mq_remove(outbound->queue, message_id, on_slice, &removal,
                          count_out);
    }
    mm_condition_free(&removal.condition);
    mm_mutex_free(&removal.mutex);
    return error;
}
