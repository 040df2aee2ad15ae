/* host_threads.c - threads that may stand still in the host's callbacks.
 *
 * Owns its threads and a bounded queue of jobs; the jobs' memory is their
 * owners'. Promises: jobs begin in the order in which they came; a job waits
 * only when as many as there may be threads stand in the host; giving a job
 * never waits; all that was taken runs before mm_host_threads_end returns.
 *
 * A thread that ends for want of work cannot join itself: it leaves its handle
 * to the next one that ends, or to mm_host_threads_end, so that at most one
 * ended thread waits to be joined.
 * Thread: any; `run` on a thread of the pool. */
#include "api/host_threads.h"

#include "base/mem.h"
#include "platform/thread.h"

/* Long enough for the next mail of a busy hour, short enough that a burst's
 * stacks are not kept. */
enum { IDLE_MS = 5000 };

struct host_thread {
    struct mm_list node;
    struct mm_host_threads *pool;
    struct mm_thread *thread;
};

struct mm_host_threads {
    struct mm_signal_mask mask; /* of the thread that started us; fixed */
    struct mm_mutex *lock;      /* guards what follows */
    struct mm_condition *has_work;
    struct mm_condition *has_ended;
    struct mm_list threads; /* running */
    unsigned thread_count;
    unsigned thread_max;
    unsigned idle_count;
    struct mm_list queue;
    unsigned queued;
    bool is_ending;
    struct mm_thread *ended; /* to be joined by the next */
};

/* Waits for a job; NULL: nothing to do for long, or the pool ends. Locked. */
static struct mm_host_job *next_job(struct mm_host_threads *pool)
{
    bool is_late = false;

    while (pool->queued == 0 && !pool->is_ending && !is_late) {
        pool->idle_count++;
        is_late = !mm_condition_wait_for(pool->has_work, pool->lock, IDLE_MS);
        pool->idle_count--;
    }
    if (pool->queued == 0) {
        return NULL;
    }
    pool->queued--;
    return MM_LIST_OBJECT(mm_list_take_first(&pool->queue), struct mm_host_job,
                          node);
}

static void run_jobs(void *context)
{
    struct host_thread *thread = context;
    struct mm_host_threads *pool = thread->pool;

    /* Children of a callback start with the signals that the host's have. */
    mm_signal_mask_use(&pool->mask);
    mm_mutex_lock(pool->lock);
    struct mm_host_job *job;
    while ((job = next_job(pool)) != NULL) {
        mm_mutex_unlock(pool->lock);
        mm_list_init(&job->node);
        job->run(job);
        mm_mutex_lock(pool->lock);
    }
    struct mm_thread *before = pool->ended;
    pool->ended = thread->thread;
    mm_list_remove(&thread->node);
    pool->thread_count--;
    mm_free(thread);
    if (pool->is_ending) {
        mm_condition_signal(pool->has_ended);
    }
    mm_mutex_unlock(pool->lock);
    mm_thread_join(&before);
}

/* Locked, so that the new thread finds its handle written. */
static enum mailmod_error add_thread(struct mm_host_threads *pool)
{
    struct host_thread *thread = mm_alloc(sizeof *thread);

    if (thread == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    thread->pool = pool;
    enum mailmod_error error =
        mm_thread_start(&thread->thread, "mailmod-host", run_jobs, thread);
    if (error != MAILMOD_OK) {
        mm_free(thread);
        return error;
    }
    mm_list_append(&pool->threads, &thread->node);
    pool->thread_count++;
    return MAILMOD_OK;
}

/* A job always has a thread to wait for: a free one, a new one, or one that
 * will come back from the host. Locked. */
static enum mailmod_error provide_thread(struct mm_host_threads *pool)
{
    if (pool->idle_count > pool->queued) {
        return MAILMOD_OK;
    }
    if (pool->thread_count < pool->thread_max) {
        enum mailmod_error error = add_thread(pool);
        if (error == MAILMOD_OK || pool->thread_count == 0) {
            return error;
        }
    }
    return pool->queued < pool->thread_max ? MAILMOD_OK : MAILMOD_ERROR_LIMIT;
}

static enum mailmod_error give(struct mm_host_threads *pool,
                               struct mm_host_job *job, bool must)
{
    enum mailmod_error error = MAILMOD_ERROR_STOPPED;

    mm_mutex_lock(pool->lock);
    /* While it ends, what its own jobs still ask for is run too. */
    if (!pool->is_ending || pool->thread_count > 0) {
        error = provide_thread(pool);
        error = must && pool->thread_count > 0 ? MAILMOD_OK : error;
    }
    if (error == MAILMOD_OK) {
        mm_list_append(&pool->queue, &job->node);
        pool->queued++;
        mm_condition_signal(pool->has_work);
    }
    mm_mutex_unlock(pool->lock);
    return error;
}

enum mailmod_error mm_host_threads_run(struct mm_host_threads *pool,
                                       struct mm_host_job *job)
{
    return give(pool, job, false);
}

enum mailmod_error mm_host_threads_must_run(struct mm_host_threads *pool,
                                            struct mm_host_job *job)
{
    return give(pool, job, true);
}

bool mm_host_threads_is_current(struct mm_host_threads *pool)
{
    bool is_current = false;

    mm_mutex_lock(pool->lock);
    MM_LIST_EACH(node, &pool->threads)
    {
        is_current |= mm_thread_is_current(
            MM_LIST_OBJECT(node, struct host_thread, node)->thread);
    }
    mm_mutex_unlock(pool->lock);
    return is_current;
}

enum mailmod_error mm_host_threads_new(struct mm_host_threads **out,
                                       unsigned thread_max)
{
    struct mm_host_threads *pool = mm_alloc(sizeof *pool);

    *out = NULL;
    if (pool == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    mm_signal_mask_get(&pool->mask);
    pool->thread_max = thread_max > 0 ? thread_max : 1;
    mm_list_init(&pool->threads);
    mm_list_init(&pool->queue);
    enum mailmod_error error = mm_mutex_new(&pool->lock);
    if (error == MAILMOD_OK) {
        error = mm_condition_new(&pool->has_work);
    }
    if (error == MAILMOD_OK) {
        error = mm_condition_new(&pool->has_ended);
    }
    *out = pool;
    if (error != MAILMOD_OK) {
        mm_host_threads_free(out);
    }
    return error;
}

void mm_host_threads_end(struct mm_host_threads *pool)
{
    mm_mutex_lock(pool->lock);
    pool->is_ending = true;
    mm_condition_broadcast(pool->has_work);
    while (pool->thread_count > 0) {
        mm_condition_wait(pool->has_ended, pool->lock);
    }
    mm_mutex_unlock(pool->lock);
    mm_thread_join(&pool->ended);
}

void mm_host_threads_free(struct mm_host_threads **threads)
{
    struct mm_host_threads *pool = *threads;

    if (pool == NULL) {
        return;
    }
    if (pool->has_ended != NULL) {
        mm_host_threads_end(pool);
    }
    mm_condition_free(&pool->has_ended);
    mm_condition_free(&pool->has_work);
    mm_mutex_free(&pool->lock);
    mm_free(pool);
    *threads = NULL;
}
