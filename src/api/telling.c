/* telling.c - what a host is told, on a host thread, in order.
 *
 * Owns what waits and who hears it. Promises: a thing goes to the callback that
 * there was when it was put; one call at a time; none is lost for want of a
 * thread, for whoever comes next (another thing, the end) tries again.
 *
 * Law of has_job: set while a thread tells, or is on its way to.
 * Thread: any; `run` on a host thread. */
#include "api/telling.h"

#include "base/mem.h"

struct mm_listener {
    unsigned references; /* the lock */
    mm_callback callback;
    struct mm_context context;
};

static void run(struct mm_host_job *job);

enum mailmod_error mm_telling_init(struct mm_telling *telling,
                                   void (*tell)(mm_callback callback,
                                                void *context,
                                                struct mm_told *told))
{
    telling->tell = tell;
    telling->job.run = run;
    mm_list_init(&telling->waiting);
    atomic_init(&telling->kinds, 0);
    atomic_init(&telling->octets, 0);
    enum mailmod_error error = mm_mutex_new(&telling->mutex);
    return error == MAILMOD_OK ? mm_condition_new(&telling->has_told) : error;
}

/* Without the lock: the host hears that its context is released. */
static void let_go(struct mm_telling *telling, struct mm_listener *listener)
{
    if (listener == NULL) {
        return;
    }
    mm_mutex_lock(telling->mutex);
    bool is_last = --listener->references == 0;
    mm_mutex_unlock(telling->mutex);
    if (is_last) {
        mm_context_release(&listener->context);
        mm_free(listener);
    }
}

void mm_telling_fini(struct mm_telling *telling)
{
    let_go(telling, telling->listener);
    mm_condition_free(&telling->has_told);
    mm_mutex_free(&telling->mutex);
}

enum mailmod_error mm_telling_listen(struct mm_telling *telling, unsigned kinds,
                                     mm_callback callback,
                                     struct mm_context context)
{
    struct mm_listener *listener = mm_alloc(sizeof *listener);

    if (listener == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    listener->references = 1;
    listener->callback = callback;
    listener->context = context;
    mm_mutex_lock(telling->mutex);
    struct mm_listener *former = telling->listener;
    telling->listener = listener;
    atomic_store(&telling->kinds, callback != NULL ? kinds : 0);
    mm_mutex_unlock(telling->mutex);
    let_go(telling, former);
    return MAILMOD_OK;
}

/* Locked. */
static void schedule(struct mm_telling *telling)
{
    if (!telling->has_job && telling->threads != NULL &&
        !mm_list_is_empty(&telling->waiting)) {
        telling->has_job =
            mm_host_threads_run(telling->threads, &telling->job) == MAILMOD_OK;
    }
}

void mm_telling_put(struct mm_telling *telling, unsigned kind,
                    struct mm_told *told)
{
    mm_mutex_lock(telling->mutex);
    bool is_wanted = (atomic_load(&telling->kinds) & kind) != 0;
    if (is_wanted) {
        told->listener = telling->listener;
        told->listener->references++;
        mm_list_append(&telling->waiting, &told->node);
        atomic_fetch_add(&telling->octets, told->octets);
        schedule(telling);
    }
    mm_mutex_unlock(telling->mutex);
    if (!is_wanted) {
        mm_free(told);
    }
}

/* Locked; not while the host is told. */
static void tell_all(struct mm_telling *telling)
{
    struct mm_list *node;

    while ((node = mm_list_take_first(&telling->waiting)) != NULL) {
        struct mm_told *told = MM_LIST_OBJECT(node, struct mm_told, node);

        mm_mutex_unlock(telling->mutex);
        telling->tell(told->listener->callback, told->listener->context.value,
                      told);
        let_go(telling, told->listener);
        atomic_fetch_sub(&telling->octets, told->octets);
        mm_free(told);
        mm_mutex_lock(telling->mutex);
    }
    telling->has_job = false;
    mm_condition_broadcast(telling->has_told);
}

static void run(struct mm_host_job *job)
{
    struct mm_telling *telling = MM_LIST_OBJECT(job, struct mm_telling, job);

    mm_mutex_lock(telling->mutex);
    tell_all(telling);
    mm_mutex_unlock(telling->mutex);
}

void mm_telling_begin(struct mm_telling *telling,
                      struct mm_host_threads *threads)
{
    mm_mutex_lock(telling->mutex);
    telling->threads = threads;
    mm_mutex_unlock(telling->mutex);
}

void mm_telling_end(struct mm_telling *telling)
{
    mm_mutex_lock(telling->mutex);
    while (telling->has_job || !mm_list_is_empty(&telling->waiting)) {
        schedule(telling);
        if (telling->has_job) {
            mm_condition_wait(telling->has_told, telling->mutex);
        } else {
            telling->has_job = true; /* no thread is to be had */
            tell_all(telling);
        }
    }
    telling->threads = NULL;
    mm_mutex_unlock(telling->mutex);
}
