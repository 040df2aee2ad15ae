/* notice.c - what one process tells another that runs the queue: there is more.
 *
 * Owns one row of the store, which counts. Promises that mail which a tool has
 * put is seen at the next claim after mq_announce; without it (a tool that was
 * killed between the two) it is seen by the look at everything that is made
 * once a minute.
 * Thread: mq_announce: any that may wait; mq_notice_changed: as
 * mq_agenda_refresh. */
#include "queue/internal.h"

#define NAME "queue"
#define KEY "put"

static enum mailmod_error count(struct mm_store_job *job,
                                struct mm_store_transaction *transaction)
{
    struct mm_store_record record;
    enum mailmod_error error =
        mm_store_record_of(transaction, MM_RECORD_NOTICE, NAME, KEY, &record);
    int64_t number = error == MAILMOD_OK ? record.number : 0;

    (void)job;
    if (error != MAILMOD_OK && error != MAILMOD_ERROR_NOT_FOUND) {
        return error;
    }
    record = (struct mm_store_record){.kind = MM_RECORD_NOTICE,
                                      .name = NAME,
                                      .key = KEY,
                                      .number = number + 1};
    return mm_store_keep_record(transaction, &record);
}

enum mailmod_error mq_announce(struct mm_store *store)
{
    struct mm_store_job job = {.run = count};

    return mm_store_run(store, &job);
}

static void read_number(void *context, const struct mm_store_record *record)
{
    *(int64_t *)context = record->number;
}

bool mq_notice_changed(struct mq_queue *queue)
{
    int64_t number = 0;

    /* What cannot be read now is read the next time. */
    if (mm_store_find_record(queue->store, MM_RECORD_NOTICE, NAME, KEY,
                             read_number, &number) != MAILMOD_OK) {
        return false;
    }
    mm_mutex_lock(queue->lock);
    bool is_changed = number != queue->notice;
    queue->notice = number;
    mm_mutex_unlock(queue->lock);
    return is_changed;
}
