/* worker.c - the fixed pool of threads that may block.
 *
 * Owns its threads and a bounded queue of jobs; the jobs' memory is their
 * owners'. Promises that jobs begin in order of submission, that `done` is
 * posted to the job's loop once `run` is over (or called here when the job
 * has no loop), and that mm_workers_free runs all that is queued before it
 * joins. libuv's own pool is never used: it is the process's, not ours.
 * Thread: submit from any; run on a worker's. */
#include "io/io.h"

#include "base/mem.h"
#include "platform/thread.h"

/* More than this is a mistake in the configuration, not a pool. */
#define WORKERS_MAX 1024

struct mm_workers {
    struct mm_thread **threads;
    unsigned count;
    struct mm_mutex *lock; /* guards what follows */
    struct mm_condition *has_work;
    struct mm_list queue;
    size_t queued;
    size_t queue_max;
    bool is_ending;
};

static void finish(struct mm_task *task)
{
    struct mm_job *job = MM_LIST_OBJECT(task, struct mm_job, task);
    job->done(job);
}

/* Waits for a job; NULL when the pool ends and the queue is empty. */
static struct mm_job *next_job(struct mm_workers *workers)
{
    struct mm_job *job = NULL;
    mm_mutex_lock(workers->lock);
    while (workers->queued == 0 && !workers->is_ending) {
        mm_condition_wait(workers->has_work, workers->lock);
    }
    struct mm_list *node = mm_list_take_first(&workers->queue);
    if (node != NULL) {
        workers->queued--;
        job = MM_LIST_OBJECT(node, struct mm_job, node);
    }
    mm_mutex_unlock(workers->lock);
    return job;
}

static void work(void *context)
{
    struct mm_workers *workers = context;
    struct mm_job *job = next_job(workers);
    while (job != NULL) {
        struct mm_loop *loop = job->loop;
        job->run(job);
        if (loop != NULL) {
            job->task.run = finish;
            mm_loop_post(loop, &job->task);
        } else {
            job->done(job);
        }
        job = next_job(workers);
    }
    mm_tls_thread_end();
}

static enum mailmod_error start_threads(struct mm_workers *workers,
                                        unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        enum mailmod_error error = mm_thread_start(
            &workers->threads[i], "mailmod-worker", work, workers);
        if (error != MAILMOD_OK) {
            return error;
        }
        workers->count++;
    }
    return MAILMOD_OK;
}

enum mailmod_error mm_workers_new(struct mm_workers **workers_out,
                                  unsigned count, size_t queue_max)
{
    *workers_out = NULL;
    if (count == 0 || count > WORKERS_MAX || queue_max == 0) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    struct mm_workers *workers = mm_alloc(sizeof *workers);
    if (workers == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    mm_list_init(&workers->queue);
    workers->queue_max = queue_max;
    enum mailmod_error error = MAILMOD_ERROR_MEMORY;
    workers->threads = mm_alloc_array(count, sizeof(struct mm_thread *));
    if (workers->threads != NULL) {
        error = mm_mutex_new(&workers->lock);
    }
    if (error == MAILMOD_OK) {
        error = mm_condition_new(&workers->has_work);
    }
    if (error == MAILMOD_OK) {
        error = start_threads(workers, count);
    }
    if (error != MAILMOD_OK) {
        mm_workers_free(&workers);
        return error;
    }
    *workers_out = workers;
    return MAILMOD_OK;
}

enum mailmod_error mm_workers_submit(struct mm_workers *workers,
                                     struct mm_job *job)
{
    enum mailmod_error error = MAILMOD_OK;
    mm_mutex_lock(workers->lock);
    if (workers->is_ending) {
        error = MAILMOD_ERROR_STOPPED;
    } else if (workers->queued >= workers->queue_max) {
        error = MAILMOD_ERROR_LIMIT;
    } else {
        mm_list_init(&job->node);
        mm_list_append(&workers->queue, &job->node);
        workers->queued++;
        mm_condition_signal(workers->has_work);
    }
    mm_mutex_unlock(workers->lock);
    return error;
}

void mm_workers_free(struct mm_workers **workers_in)
{
    struct mm_workers *workers = *workers_in;
    if (workers == NULL) {
        return;
    }
    if (workers->has_work != NULL) {
        mm_mutex_lock(workers->lock);
        workers->is_ending = true;
        mm_condition_broadcast(workers->has_work);
        mm_mutex_unlock(workers->lock);
    }
    for (unsigned i = 0; i < workers->count; i++) {
        mm_thread_join(&workers->threads[i]);
    }
    mm_condition_free(&workers->has_work);
    mm_mutex_free(&workers->lock);
    mm_free(workers->threads);
    mm_free(workers);
    *workers_in = NULL;
}
