/* writer.c - the jobs of the store in memory: one transaction for all that
 * wait.
 *
 * As on a disk: all jobs run, then they are kept together. When one fails,
 * everything is taken back, and each runs once more and takes back its own
 * effects alone. A transaction holds the disk's mutex, so others see it whole
 * or not at all. Thread: the writer's own, or who steps. */
#include "base/mem.h"
#include "store/memory/internal.h"

#define BATCH_MAX 512
#define MEND_MS 1000 /* a store that could not be written is tried again */

struct outcome {
    struct mm_store_job *job;
    enum mailmod_error error;
};

struct batch {
    struct outcome outcomes[BATCH_MAX];
    size_t count;
};

bool mm_memory_fault_is_due(struct mm_memory_disk *disk,
                            enum mm_memory_fault which,
                            enum mailmod_error *error_out)
{
    if (disk->faults[which].in == 0 || --disk->faults[which].in > 0) {
        return false;
    }
    *error_out = disk->faults[which].error;
    return true;
}

struct mm_memory *mm_memory_write(struct mm_store_transaction *base,
                                  enum mailmod_error *error_out)
{
    struct mm_memory *store =
        MM_LIST_OBJECT(base, struct mm_memory_transaction, base)->store;
    *error_out = MAILMOD_OK;
    return mm_memory_fault_is_due(store->disk, MM_MEMORY_FAULT_WRITE, error_out)
               ? NULL
               : store;
}

/* A job may read: the mutex is the writer's own then. A stepped store has one
 * thread for all. */
static bool is_inside(const struct mm_memory *store)
{
    return store->is_stepped ||
           (store->thread != NULL && mm_thread_is_current(store->thread));
}

struct mm_memory_disk *mm_memory_read(struct mm_store *base)
{
    struct mm_memory *store = mm_memory_of(base);
    if (!is_inside(store)) {
        mm_mutex_lock(store->disk->mutex);
    }
    return store->disk;
}

void mm_memory_read_end(struct mm_store *base)
{
    struct mm_memory *store = mm_memory_of(base);
    if (!is_inside(store)) {
        mm_mutex_unlock(store->disk->mutex);
    }
}

static enum mailmod_error run_job(struct mm_memory *store,
                                  struct mm_store_job *job)
{
    struct mm_memory_transaction t = {.base.store = &store->base,
                                      .store = store};
    return job->run(job, &t.base);
}

/* Up to the first one that fails. */
static enum mailmod_error run_all(struct mm_memory *store, struct batch *batch)
{
    enum mailmod_error error = MAILMOD_OK;
    for (size_t i = 0; error == MAILMOD_OK && i < batch->count; i++) {
        error = run_job(store, batch->outcomes[i].job);
        batch->outcomes[i].error = error;
    }
    return error;
}

/* The moment after which all of it is there whatever happens. */
static enum mailmod_error commit(struct mm_memory *store, size_t job_count,
                                 const struct mm_journal_mark *begin)
{
    struct mm_memory_disk *disk = store->disk;
    enum mailmod_error error = MAILMOD_ERROR_STORAGE;
    bool is_kept = false;
    if (store->has_power) {
        store->has_power =
            !mm_memory_fault_is_due(disk, MM_MEMORY_FAULT_POWER, &error);
        is_kept = store->has_power &&
                  !mm_memory_fault_is_due(disk, MM_MEMORY_FAULT_COMMIT, &error);
    }
    if (!is_kept) {
        mm_journal_take_back(store, begin);
        return error;
    }
    mm_journal_keep(store);
    if (mm_memory_fault_is_due(disk, MM_MEMORY_FAULT_POWER_AFTER, &error)) {
        store->has_power = false;
        return error;
    }
    mm_store_news_publish(&store->base.news);
    atomic_fetch_add(&store->commit_count, 1);
    atomic_fetch_add(&store->job_count, job_count);
    return MAILMOD_OK;
}

/* Each takes back its own effects alone. */
static void run_apart(struct mm_memory *store, struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct outcome *outcome = &batch->outcomes[i];
        struct mm_journal_mark mark = mm_journal_mark(store);
        outcome->error = run_job(store, outcome->job);
        if (outcome->error != MAILMOD_OK) {
            mm_journal_take_back(store, &mark);
        }
    }
}

static void run_batch(struct mm_memory *store, struct batch *batch)
{
    mm_mutex_lock(store->disk->mutex);
    struct mm_journal_mark begin = mm_journal_mark(store);
    if (store->reruns) {
        (void)run_all(store, batch);
        mm_journal_take_back(store, &begin);
    }
    if (run_all(store, batch) != MAILMOD_OK) {
        mm_journal_take_back(store, &begin);
        run_apart(store, batch);
    }
    enum mailmod_error error = commit(store, batch->count, &begin);
    for (size_t i = 0; error != MAILMOD_OK && i < batch->count; i++) {
        batch->outcomes[i].error = error;
    }
    atomic_store(&store->is_writable, error == MAILMOD_OK);
    mm_mutex_unlock(store->disk->mutex);
}

static void collect(struct mm_memory *store, struct batch *batch)
{
    batch->count = 0;
    while (batch->count < BATCH_MAX) {
        struct mm_list *node = mm_list_take_first(&store->jobs);
        if (node == NULL) {
            break;
        }
        batch->outcomes[batch->count++].job =
            MM_LIST_OBJECT(node, struct mm_store_job, node);
    }
}

static void answer(const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        batch->outcomes[i].job->done(batch->outcomes[i].job,
                                     batch->outcomes[i].error);
    }
}

bool mm_memory_step(struct mm_store *base)
{
    struct mm_memory *store = mm_memory_of(base);
    struct batch batch;
    if (!store->is_stepped) {
        return false;
    }
    collect(store, &batch);
    if (batch.count > 0 || !atomic_load(&store->is_writable)) {
        run_batch(store, &batch);
    }
    answer(&batch);
    return batch.count > 0;
}

/* False when there is nothing and the store closes; none and true: it is time
 * to try whether a commit works again. */
static bool wait(struct mm_memory *store, struct batch *batch)
{
    bool has_waited = false;
    mm_mutex_lock(store->mutex);
    while (mm_list_is_empty(&store->jobs) && !store->is_closing &&
           !has_waited) {
        if (atomic_load(&store->is_writable)) {
            mm_condition_wait(store->condition, store->mutex);
        } else {
            has_waited =
                !mm_condition_wait_for(store->condition, store->mutex, MEND_MS);
        }
    }
    collect(store, batch);
    bool goes_on = batch->count > 0 || !store->is_closing;
    mm_mutex_unlock(store->mutex);
    return goes_on;
}

void mm_memory_run_writer(void *context)
{
    struct mm_memory *store = context;
    struct batch batch;
    while (wait(store, &batch)) {
        run_batch(store, &batch);
        answer(&batch);
    }
}

void mm_memory_submit(struct mm_store *base, struct mm_store_job *job)
{
    struct mm_memory *store = mm_memory_of(base);
    mm_mutex_lock(store->mutex);
    bool is_closing = store->is_closing;
    if (!is_closing) {
        mm_list_append(&store->jobs, &job->node);
        mm_condition_signal(store->condition);
    }
    mm_mutex_unlock(store->mutex);
    if (is_closing) {
        job->done(job, MAILMOD_ERROR_STOPPED);
    }
}
