/* thread: any
 * host_threads.h - threads that may stand still in the host's callbacks.
 *
 * A callback of the host may take as long as it likes, so it never runs on a
 * loop, the store's writer or a worker. The pool grows on demand up to its
 * maximum, and a thread without work for some seconds ends. */
#ifndef MM_API_HOST_THREADS_H
#define MM_API_HOST_THREADS_H

#include "base/error.h"
#include "base/list.h"

struct mm_host_threads;

/* Lives in its owner's object. `run` is called once for each time it was given
 * to the pool; inside it the job may be given again or freed. */
struct mm_host_job {
    struct mm_list node;
    void (*run)(struct mm_host_job *job); /* thread: host */
};

MM_CHECK enum mailmod_error mm_host_threads_new(struct mm_host_threads **out,
                                                unsigned thread_max);
/* Never waits for a job. LIMIT when all threads are busy and as many jobs wait
 * as there may be threads; MEMORY or SYSTEM when not even one thread can be
 * had; STOPPED while it is being freed. */
MM_CHECK enum mailmod_error mm_host_threads_run(struct mm_host_threads *threads,
                                                struct mm_host_job *job);
/* The same for what must be told, and was allowed when it began: as many wait
 * as there are. Never LIMIT. */
MM_CHECK enum mailmod_error
mm_host_threads_must_run(struct mm_host_threads *threads,
                         struct mm_host_job *job);
/* The calling thread is one of the pool: it must not wait for the pool. */
bool mm_host_threads_is_current(struct mm_host_threads *threads);
/* Runs what waits, then joins: takes as long as the host's callbacks do. Not on
 * one of its own threads. After it nothing runs and nothing is taken. */
void mm_host_threads_end(struct mm_host_threads *threads);
/* Ends it if need be. */
void mm_host_threads_free(struct mm_host_threads **threads);

#endif
