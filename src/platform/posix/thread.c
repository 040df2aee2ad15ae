/* thread.c - threads, mutexes and conditions on pthreads.
 *
 * Owns the heap object behind each. Promises that a new thread never runs a
 * handler of the host: signals are blocked before it exists, since a mask set
 * inside the thread would leave a gap (the mask is inherited). Signals of
 * faults stay open: to block them when they arise is undefined, and the
 * host's crash reporter wants them. Waits count on CLOCK_MONOTONIC, so that
 * a step of the wall clock neither hurries nor stalls them.
 * Thread: any. */
#define _GNU_SOURCE /* pthread_setname_np, sched_getaffinity */
#include "platform/thread.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { NAME_SIZE = 16 /* Linux: 15 octets and a NUL */ };

struct mm_thread {
    pthread_t handle; /* the starter's: pthread_create fills it, for join */
    pthread_t self;   /* the thread's own, valid once it is started */
    atomic_bool is_started;
    char name[NAME_SIZE];
    void (*run)(void *context);
    void *context;
};

struct mm_mutex {
    pthread_mutex_t mutex;
};

struct mm_condition {
    pthread_cond_t condition;
};

static enum mailmod_error error_of(int number)
{
    /* EAGAIN is the limit on threads: there may be memory enough. */
    return number == ENOMEM ? MAILMOD_ERROR_MEMORY : MAILMOD_ERROR_SYSTEM;
}

static void *run_thread(void *context)
{
    struct mm_thread *thread = context;
    int former;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &former);
    thread->self = pthread_self();
    atomic_store(&thread->is_started, true);
    pthread_setname_np(thread->self, thread->name);
    thread->run(thread->context);
    return NULL;
}

static void fill_blocked(sigset_t *set)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL,
                                 SIGTRAP, SIGSYS, SIGABRT};
    sigfillset(set);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        sigdelset(set, faults[i]);
    }
}

enum mailmod_error mm_thread_start(struct mm_thread **thread_out,
                                   const char *name, void (*run)(void *context),
                                   void *context)
{
    struct mm_thread *thread = mm_alloc(sizeof *thread);
    if (thread == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    thread->run = run;
    thread->context = context;
    atomic_init(&thread->is_started, false);
    snprintf(thread->name, sizeof thread->name, "%s", name);

    sigset_t blocked;
    fill_blocked(&blocked);
    sigset_t before;
    int result = pthread_sigmask(SIG_BLOCK, &blocked, &before);
    if (result == 0) {
        result = pthread_create(&thread->handle, NULL, run_thread, thread);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (result != 0) {
        mm_free(thread);
        return error_of(result);
    }
    *thread_out = thread;
    return MAILMOD_OK;
}

_Static_assert(sizeof(sigset_t) <= sizeof(struct mm_signal_mask),
               "the room for a mask is too small");

void mm_signal_mask_get(struct mm_signal_mask *mask_out)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &set);
    memset(mask_out, 0, sizeof *mask_out);
    memcpy(mask_out, &set, sizeof set);
}

void mm_signal_mask_use(const struct mm_signal_mask *mask)
{
    sigset_t set;
    memcpy(&set, mask, sizeof set);
    (void)pthread_sigmask(SIG_SETMASK, &set, NULL);
}

/* How often it is put off, and how it stood before. */
static _Thread_local unsigned cancel_depth;
static _Thread_local int cancel_state;

void mm_cancel_defer(void)
{
    if (cancel_depth++ == 0) {
        (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    }
}

void mm_cancel_allow(void)
{
    int former;
    if (cancel_depth > 0 && --cancel_depth == 0) {
        (void)pthread_setcancelstate(cancel_state, &former);
    }
}

void mm_thread_join(struct mm_thread **thread)
{
    if (*thread == NULL) {
        return;
    }
    int result = pthread_join((*thread)->handle, NULL);
    assert(result == 0);
    (void)result;
    mm_free(*thread);
    *thread = NULL;
}

bool mm_thread_is_current(const struct mm_thread *thread)
{
    /* A thread that has not started is not the one that asks. */
    return thread != NULL && atomic_load(&thread->is_started) &&
           pthread_equal(thread->self, pthread_self());
}

enum mailmod_error mm_mutex_new(struct mm_mutex **mutex_out)
{
    struct mm_mutex *mutex = mm_alloc(sizeof *mutex);
    if (mutex == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    int result = pthread_mutex_init(&mutex->mutex, NULL);
    if (result != 0) {
        mm_free(mutex);
        return error_of(result);
    }
    *mutex_out = mutex;
    return MAILMOD_OK;
}

void mm_mutex_free(struct mm_mutex **mutex)
{
    if (*mutex == NULL) {
        return;
    }
    pthread_mutex_destroy(&(*mutex)->mutex);
    mm_free(*mutex);
    *mutex = NULL;
}

void mm_mutex_lock(struct mm_mutex *mutex)
{
    int result = pthread_mutex_lock(&mutex->mutex);
    assert(result == 0);
    (void)result;
}

void mm_mutex_unlock(struct mm_mutex *mutex)
{
    int result = pthread_mutex_unlock(&mutex->mutex);
    assert(result == 0);
    (void)result;
}

struct mm_mutex *mm_process_mutex(enum mm_process_mutex which)
{
    static struct mm_mutex mutexes[MM_PROCESS_MUTEX_COUNT] = {
        [MM_PROCESS_SRV] = {PTHREAD_MUTEX_INITIALIZER},
        [MM_PROCESS_HANDLES] = {PTHREAD_MUTEX_INITIALIZER},
        [MM_PROCESS_STANDARD] = {PTHREAD_MUTEX_INITIALIZER},
    };

    return &mutexes[which];
}

void mm_process_lock(enum mm_process_mutex which)
{
    mm_cancel_defer();
    mm_mutex_lock(mm_process_mutex(which));
}

void mm_process_unlock(enum mm_process_mutex which)
{
    mm_mutex_unlock(mm_process_mutex(which));
    mm_cancel_allow();
}

static int init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    int result = pthread_condattr_init(&attributes);
    if (result != 0) {
        return result;
    }
    result = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (result == 0) {
        result = pthread_cond_init(condition, &attributes);
    }
    pthread_condattr_destroy(&attributes);
    return result;
}

enum mailmod_error mm_condition_new(struct mm_condition **condition_out)
{
    struct mm_condition *condition = mm_alloc(sizeof *condition);
    if (condition == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    int result = init_condition(&condition->condition);
    if (result != 0) {
        mm_free(condition);
        return error_of(result);
    }
    *condition_out = condition;
    return MAILMOD_OK;
}

void mm_condition_free(struct mm_condition **condition)
{
    if (*condition == NULL) {
        return;
    }
    pthread_cond_destroy(&(*condition)->condition);
    mm_free(*condition);
    *condition = NULL;
}

void mm_condition_wait(struct mm_condition *condition, struct mm_mutex *mutex)
{
    pthread_cond_wait(&condition->condition, &mutex->mutex);
}

bool mm_condition_wait_for(struct mm_condition *condition,
                           struct mm_mutex *mutex, uint64_t wait_ms)
{
    /* A year; more would only risk the range of time_t. */
    const uint64_t wait_max_ms = UINT64_C(31536000000);
    if (wait_ms > wait_max_ms) {
        wait_ms = wait_max_ms;
    }
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(wait_ms / 1000);
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    return pthread_cond_timedwait(&condition->condition, &mutex->mutex,
                                  &until) != ETIMEDOUT;
}

void mm_condition_signal(struct mm_condition *condition)
{
    pthread_cond_signal(&condition->condition);
}

void mm_condition_broadcast(struct mm_condition *condition)
{
    pthread_cond_broadcast(&condition->condition);
}

unsigned mm_processor_count(void)
{
    /* What this process may use: in a container that is often fewer than
     * the machine has. */
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) {
        return (unsigned)CPU_COUNT(&set);
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}
