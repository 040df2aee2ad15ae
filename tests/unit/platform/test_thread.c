/* test_thread.c - threads, mutexes, conditions, on any system.
 * Thread: several. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "platform/clock.h"
#include "platform/thread.h"

enum { THREAD_COUNT = 4, ROUND_COUNT = 20000 };

struct shared {
    struct mm_mutex *mutex;
    struct mm_condition *condition;
    struct mm_thread *thread;
    unsigned counter;
    int phase;
    bool is_current;
};

static void init_shared(struct shared *shared)
{
    *shared = (struct shared){0};
    assert_int_equal(mm_mutex_new(&shared->mutex), MAILMOD_OK);
    assert_int_equal(mm_condition_new(&shared->condition), MAILMOD_OK);
}

static void fini_shared(struct shared *shared)
{
    mm_mutex_free(&shared->mutex);
    mm_condition_free(&shared->condition);
    assert_null(shared->mutex);
    assert_null(shared->condition);
    mm_mutex_free(&shared->mutex);
    mm_condition_free(&shared->condition);
}

static void count_up(void *context)
{
    struct shared *shared = context;
    for (int i = 0; i < ROUND_COUNT; i++) {
        mm_mutex_lock(shared->mutex);
        shared->counter++;
        mm_mutex_unlock(shared->mutex);
    }
}

static void count_with_threads(struct shared *shared)
{
    struct mm_thread *threads[THREAD_COUNT];
    for (int i = 0; i < THREAD_COUNT; i++) {
        assert_int_equal(
            mm_thread_start(&threads[i], "counter", count_up, shared),
            MAILMOD_OK);
    }
    for (int i = 0; i < THREAD_COUNT; i++) {
        mm_thread_join(&threads[i]);
        assert_null(threads[i]);
        mm_thread_join(&threads[i]);
    }
    assert_int_equal(shared->counter, THREAD_COUNT * ROUND_COUNT);
}

static void test_mutex(void **state)
{
    struct shared shared;
    (void)state;
    init_shared(&shared);
    count_with_threads(&shared);
    fini_shared(&shared);
}

/* There without being made, each its own, and usable with conditions. */
static void test_process_mutex(void **state)
{
    struct shared shared = {0};
    (void)state;
    for (int i = 0; i < MM_PROCESS_MUTEX_COUNT; i++) {
        shared.counter = 0;
        shared.mutex = mm_process_mutex((enum mm_process_mutex)i);
        assert_ptr_equal(shared.mutex,
                         mm_process_mutex((enum mm_process_mutex)i));
        count_with_threads(&shared);
    }
    mm_mutex_lock(mm_process_mutex(MM_PROCESS_SRV));
    mm_mutex_lock(mm_process_mutex(MM_PROCESS_HANDLES));
    assert_int_equal(mm_condition_new(&shared.condition), MAILMOD_OK);
    assert_false(mm_condition_wait_for(
        shared.condition, mm_process_mutex(MM_PROCESS_HANDLES), 5));
    mm_condition_free(&shared.condition);
    mm_mutex_unlock(mm_process_mutex(MM_PROCESS_HANDLES));
    mm_mutex_unlock(mm_process_mutex(MM_PROCESS_SRV));
}

static void wait_for_phase(void *context)
{
    struct shared *shared = context;
    mm_mutex_lock(shared->mutex);
    while (shared->phase == 0) {
        mm_condition_wait(shared->condition, shared->mutex);
    }
    shared->counter++;
    shared->is_current = mm_thread_is_current(shared->thread);
    mm_condition_signal(shared->condition);
    mm_mutex_unlock(shared->mutex);
}

static void test_signal(void **state)
{
    struct shared shared;
    (void)state;
    init_shared(&shared);
    assert_int_equal(mm_thread_start(&shared.thread, "a name that is too long",
                                     wait_for_phase, &shared),
                     MAILMOD_OK);
    mm_mutex_lock(shared.mutex);
    shared.phase = 1;
    mm_condition_signal(shared.condition);
    while (shared.counter == 0) {
        mm_condition_wait_for(shared.condition, shared.mutex, 10000);
    }
    mm_mutex_unlock(shared.mutex);
    assert_false(mm_thread_is_current(shared.thread));
    mm_thread_join(&shared.thread);
    assert_true(shared.is_current);
    assert_false(mm_thread_is_current(NULL));
    fini_shared(&shared);
}

static void test_broadcast(void **state)
{
    struct mm_thread *threads[THREAD_COUNT];
    struct shared shared;
    (void)state;
    init_shared(&shared);
    for (int i = 0; i < THREAD_COUNT; i++) {
        assert_int_equal(
            mm_thread_start(&threads[i], "waiter", wait_for_phase, &shared),
            MAILMOD_OK);
    }
    mm_mutex_lock(shared.mutex);
    shared.phase = 1;
    mm_condition_broadcast(shared.condition);
    mm_mutex_unlock(shared.mutex);
    for (int i = 0; i < THREAD_COUNT; i++) {
        mm_thread_join(&threads[i]);
    }
    assert_int_equal(shared.counter, THREAD_COUNT);
    fini_shared(&shared);
}

/* Nobody signals: the wait ends, not before its time. */
static void test_timeout(void **state)
{
    struct shared shared;
    uint64_t start_ms = mm_clock_monotonic_ms();
    (void)state;
    init_shared(&shared);
    mm_mutex_lock(shared.mutex);
    while (mm_condition_wait_for(shared.condition, shared.mutex, 30)) {
        start_ms = mm_clock_monotonic_ms(); /* an early wake-up */
    }
    assert_true(mm_clock_monotonic_ms() - start_ms >= 29);
    assert_false(mm_condition_wait_for(shared.condition, shared.mutex, 0));
    mm_mutex_unlock(shared.mutex);
    fini_shared(&shared);
}

static void wake(void *context)
{
    struct shared *shared = context;
    mm_mutex_lock(shared->mutex);
    shared->phase = 1;
    mm_condition_signal(shared->condition);
    mm_mutex_unlock(shared->mutex);
}

/* A wait without bound in effect is no error and no immediate end. */
static void test_long_wait(void **state)
{
    struct shared shared;
    (void)state;
    init_shared(&shared);
    mm_mutex_lock(shared.mutex);
    assert_int_equal(mm_thread_start(&shared.thread, "waker", wake, &shared),
                     MAILMOD_OK);
    while (shared.phase == 0) {
        assert_true(
            mm_condition_wait_for(shared.condition, shared.mutex, UINT64_MAX));
    }
    mm_mutex_unlock(shared.mutex);
    mm_thread_join(&shared.thread);
    fini_shared(&shared);
}

static void test_out_of_memory(void **state)
{
    struct mm_thread *thread = NULL;
    struct mm_mutex *mutex = NULL;
    struct mm_condition *condition = NULL;
    (void)state;
    mm_mem_set_fault(1, 1);
    enum mailmod_error errors[] = {
        mm_thread_start(&thread, "x", count_up, NULL), mm_mutex_new(&mutex),
        mm_condition_new(&condition)};
    mm_mem_set_fault(0, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(errors[i], MAILMOD_ERROR_MEMORY);
    }
    assert_null(thread);
    assert_null(mutex);
    assert_null(condition);
}

static void test_processor_count(void **state)
{
    (void)state;
    assert_in_range(mm_processor_count(), 1, 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mutex),
        cmocka_unit_test(test_process_mutex),
        cmocka_unit_test(test_signal),
        cmocka_unit_test(test_broadcast),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_long_wait),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_processor_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
