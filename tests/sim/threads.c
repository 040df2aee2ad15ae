/* threads.c - platform/thread.h, clock.h and random.h on virtual time.
 *
 * There is one thread. Who waits for a condition runs what is due until it is
 * signalled; a mutex that is taken twice would never be given on a real system
 * either, and ends the run. A thread of the library's own would break the
 * order, so none can be started: instances here have a stepped store, no host
 * callbacks and loops that the simulator turns. Thread: the run's. */
#include "sim.h"

#include "base/mem.h"
#include "platform/clock.h"
#include "platform/random.h"
#include "platform/thread.h"

#include <string.h>

struct mm_thread {
    int unused;
};
struct mm_mutex {
    bool is_locked;
};
struct mm_condition {
    uint64_t signals;
};

uint64_t mm_clock_monotonic_ms(void)
{
    return sim_now_ms();
}

int64_t mm_clock_wall_ms(void)
{
    return sim_wall_ms();
}

void mm_clock_sleep_ms(uint64_t wait_ms)
{
    sim_run_until(sim_now_ms() + wait_ms);
}

enum mailmod_error mm_random(void *bytes_out, size_t size)
{
    uint8_t *bytes = bytes_out;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)sim_below(256);
    }
    return MAILMOD_OK;
}

enum mailmod_error mm_thread_start(struct mm_thread **thread_out,
                                   const char *name, void (*run)(void *context),
                                   void *context)
{
    (void)run;
    (void)context;
    *thread_out = NULL;
    sim_fail("a thread is started: %s", name);
    return MAILMOD_ERROR_SYSTEM;
}

void mm_thread_join(struct mm_thread **thread)
{
    *thread = NULL;
}

bool mm_thread_is_current(const struct mm_thread *thread)
{
    return thread != NULL;
}

void mm_signal_mask_get(struct mm_signal_mask *mask_out)
{
    memset(mask_out, 0, sizeof *mask_out);
}

void mm_signal_mask_use(const struct mm_signal_mask *mask)
{
    (void)mask;
}

void mm_cancel_defer(void)
{
}

void mm_cancel_allow(void)
{
}

enum mailmod_error mm_mutex_new(struct mm_mutex **mutex_out)
{
    *mutex_out = mm_alloc(sizeof **mutex_out);
    return *mutex_out != NULL ? MAILMOD_OK : MAILMOD_ERROR_MEMORY;
}

void mm_mutex_free(struct mm_mutex **mutex)
{
    mm_free(*mutex);
    *mutex = NULL;
}

void mm_mutex_lock(struct mm_mutex *mutex)
{
    if (mutex->is_locked) {
        sim_broken("a mutex is locked by who has it, or behind its back");
    }
    mutex->is_locked = true;
}

void mm_mutex_unlock(struct mm_mutex *mutex)
{
    if (!mutex->is_locked) {
        sim_broken("a mutex is unlocked that nobody has");
    }
    mutex->is_locked = false;
}

struct mm_mutex *mm_process_mutex(enum mm_process_mutex which)
{
    static struct mm_mutex mutexes[MM_PROCESS_MUTEX_COUNT];
    return &mutexes[which];
}

void mm_process_lock(enum mm_process_mutex which)
{
    mm_mutex_lock(mm_process_mutex(which));
}

void mm_process_unlock(enum mm_process_mutex which)
{
    mm_mutex_unlock(mm_process_mutex(which));
}

enum mailmod_error mm_condition_new(struct mm_condition **condition_out)
{
    *condition_out = mm_alloc(sizeof **condition_out);
    return *condition_out != NULL ? MAILMOD_OK : MAILMOD_ERROR_MEMORY;
}

void mm_condition_free(struct mm_condition **condition)
{
    mm_free(*condition);
    *condition = NULL;
}

void mm_condition_wait(struct mm_condition *condition, struct mm_mutex *mutex)
{
    uint64_t signals = condition->signals;
    mm_mutex_unlock(mutex);
    while (condition->signals == signals) {
        if (!sim_step()) {
            sim_broken("a wait for a condition that nobody will signal");
        }
    }
    mm_mutex_lock(mutex);
}

bool mm_condition_wait_for(struct mm_condition *condition,
                           struct mm_mutex *mutex, uint64_t wait_ms)
{
    uint64_t signals = condition->signals;
    uint64_t end_ms = sim_now_ms() + wait_ms;
    mm_mutex_unlock(mutex);
    while (condition->signals == signals && sim_now_ms() < end_ms) {
        sim_run_until(sim_now_ms() + 1);
    }
    mm_mutex_lock(mutex);
    return condition->signals != signals;
}

void mm_condition_signal(struct mm_condition *condition)
{
    condition->signals++;
}

void mm_condition_broadcast(struct mm_condition *condition)
{
    condition->signals++;
}

unsigned mm_processor_count(void)
{
    return 2;
}
