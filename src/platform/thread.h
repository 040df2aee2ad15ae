/* thread: any
 * thread.h - threads, mutexes and conditions. Every thread of the library is
 * started here, with all signals blocked but those of faults (SIGSEGV and the
 * like), so that a SIGPIPE, SIGTERM or any other signal of the host's process
 * is never delivered to one of ours; but where the host's callbacks run, which
 * have the signals of the host (mm_signal_mask_use). None of them can be
 * cancelled. */
#ifndef MM_PLATFORM_THREAD_H
#define MM_PLATFORM_THREAD_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct mm_thread;
struct mm_mutex;
struct mm_condition;

/* `name` (at most 15 octets) is shown by the system's tools. */
MM_CHECK enum mailmod_error mm_thread_start(struct mm_thread **thread_out,
                                            const char *name,
                                            void (*run)(void *context),
                                            void *context);
/* Which signals a thread of the host's has blocked. */
struct mm_signal_mask {
    unsigned long long bits[16];
};
void mm_signal_mask_get(struct mm_signal_mask *mask_out);
/* From now on the calling thread has the same blocked: what it runs is the
 * host's, and so are the children that it starts. */
void mm_signal_mask_use(const struct mm_signal_mask *mask);
/* From here to mm_cancel_allow the calling thread of the host's is not
 * cancelled (pthread_cancel) but later: a lock or a handle that it holds would
 * never be let go. It nests. */
void mm_cancel_defer(void);
void mm_cancel_allow(void);
void mm_thread_join(struct mm_thread **thread); /* waits, frees, nulls */
bool mm_thread_is_current(const struct mm_thread *thread);

MM_CHECK enum mailmod_error mm_mutex_new(struct mm_mutex **mutex_out);
void mm_mutex_free(struct mm_mutex **mutex);
void mm_mutex_lock(struct mm_mutex *mutex);
void mm_mutex_unlock(struct mm_mutex *mutex);
/* The few mutexes of the whole process, for what no instance can own: they are
 * there from the beginning and are never freed. Which first: as listed. */
enum mm_process_mutex {
    MM_PROCESS_SRV,      /* the default instance of the SRV* calls */
    MM_PROCESS_HANDLES,  /* the table of live handles */
    MM_PROCESS_STANDARD, /* the places of the standard files */
    MM_PROCESS_MUTEX_COUNT
};
struct mm_mutex *mm_process_mutex(enum mm_process_mutex which);
/* Locks it, with the thread's cancellation put off until the unlock. */
void mm_process_lock(enum mm_process_mutex which);
void mm_process_unlock(enum mm_process_mutex which);

MM_CHECK enum mailmod_error
mm_condition_new(struct mm_condition **condition_out);
void mm_condition_free(struct mm_condition **condition);
void mm_condition_wait(struct mm_condition *condition, struct mm_mutex *mutex);
/* false after `wait_ms` without a signal; early wake-ups are possible. */
bool mm_condition_wait_for(struct mm_condition *condition,
                           struct mm_mutex *mutex, uint64_t wait_ms);
void mm_condition_signal(struct mm_condition *condition);
void mm_condition_broadcast(struct mm_condition *condition);

unsigned mm_processor_count(void); /* at least 1 */

#endif
