/* test_host_threads.c - slow jobs hold up only themselves; nothing is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "api/host_threads.h"
#include "base/mem.h"
#include "platform/clock.h"
#include "platform/thread.h"

#include <stdatomic.h>

struct slow_job {
    struct mm_host_job job;
    struct gate *gate;
};

struct gate {
    struct mm_mutex *lock;
    struct mm_condition *changed;
    bool is_open;
    unsigned inside;
    unsigned done;
};

static void open_gate(struct gate *gate)
{
    *gate = (struct gate){0};
    assert_int_equal(mm_mutex_new(&gate->lock), MAILMOD_OK);
    assert_int_equal(mm_condition_new(&gate->changed), MAILMOD_OK);
}

static void free_gate(struct gate *gate)
{
    mm_condition_free(&gate->changed);
    mm_mutex_free(&gate->lock);
}

static void pass(struct mm_host_job *job)
{
    struct gate *gate = ((struct slow_job *)job)->gate;

    mm_mutex_lock(gate->lock);
    gate->inside++;
    mm_condition_broadcast(gate->changed);
    while (!gate->is_open) {
        mm_condition_wait(gate->changed, gate->lock);
    }
    gate->done++;
    mm_mutex_unlock(gate->lock);
}

static void wait_inside(struct gate *gate, unsigned count)
{
    mm_mutex_lock(gate->lock);
    while (gate->inside < count) {
        mm_condition_wait(gate->changed, gate->lock);
    }
    mm_mutex_unlock(gate->lock);
}

static void release(struct gate *gate)
{
    mm_mutex_lock(gate->lock);
    gate->is_open = true;
    mm_condition_broadcast(gate->changed);
    mm_mutex_unlock(gate->lock);
}

static void grows_to_its_maximum(void **state)
{
    enum { MAX = 8 };
    struct mm_host_threads *threads = NULL;
    struct slow_job jobs[2 * MAX + 1];
    struct gate gate;

    (void)state;
    memset(jobs, 0, sizeof jobs);
    open_gate(&gate);
    assert_int_equal(mm_host_threads_new(&threads, MAX), MAILMOD_OK);
    for (int i = 0; i < 2 * MAX + 1; i++) {
        jobs[i].job.run = pass;
        jobs[i].gate = &gate;
    }
    /* All stand in the host at once: none waits for another. */
    for (int i = 0; i < MAX; i++) {
        assert_int_equal(mm_host_threads_run(threads, &jobs[i].job),
                         MAILMOD_OK);
    }
    wait_inside(&gate, MAX);
    for (int i = MAX; i < 2 * MAX; i++) {
        assert_int_equal(mm_host_threads_run(threads, &jobs[i].job),
                         MAILMOD_OK);
    }
    assert_int_equal(mm_host_threads_run(threads, &jobs[2 * MAX].job),
                     MAILMOD_ERROR_LIMIT);
    release(&gate);
    mm_host_threads_free(&threads);
    assert_int_equal(gate.done, 2 * MAX);
    free_gate(&gate);
}

struct chain_job {
    struct mm_host_job job;
    struct mm_host_threads *threads;
    atomic_int left;
    bool is_current;
};

static void run_chain(struct mm_host_job *job)
{
    struct chain_job *chain = (struct chain_job *)job;

    chain->is_current = mm_host_threads_is_current(chain->threads);
    if (atomic_fetch_sub(&chain->left, 1) > 1) {
        assert_int_equal(mm_host_threads_run(chain->threads, job), MAILMOD_OK);
    }
}

static void a_job_may_come_again(void **state)
{
    struct chain_job chain = {.job = {.run = run_chain}};

    (void)state;
    atomic_init(&chain.left, 1000);
    assert_int_equal(mm_host_threads_new(&chain.threads, 2), MAILMOD_OK);
    assert_false(mm_host_threads_is_current(chain.threads));
    assert_int_equal(mm_host_threads_run(chain.threads, &chain.job),
                     MAILMOD_OK);
    mm_host_threads_free(&chain.threads);
    assert_int_equal(atomic_load(&chain.left), 0);
    assert_true(chain.is_current);
}

static void nothing_is_taken_after_the_end(void **state)
{
    struct chain_job chain = {.job = {.run = run_chain}};

    (void)state;
    atomic_init(&chain.left, 3);
    assert_int_equal(mm_host_threads_new(&chain.threads, 2), MAILMOD_OK);
    assert_int_equal(mm_host_threads_run(chain.threads, &chain.job),
                     MAILMOD_OK);
    mm_host_threads_end(chain.threads);
    assert_int_equal(atomic_load(&chain.left), 0);
    assert_int_equal(mm_host_threads_run(chain.threads, &chain.job),
                     MAILMOD_ERROR_STOPPED);
    assert_false(mm_host_threads_is_current(chain.threads));
    mm_host_threads_end(chain.threads);
    mm_host_threads_free(&chain.threads);
}

static void without_memory_it_says_so(void **state)
{
    struct mm_host_threads *threads = NULL;

    (void)state;
    for (unsigned long n = 1;; n++) {
        enum mailmod_error error;

        (void)mm_mem_set_fault(n, 0);
        error = mm_host_threads_new(&threads, 2);
        (void)mm_mem_set_fault(0, 0);
        if (error == MAILMOD_OK) {
            break;
        }
        assert_int_equal(error, MAILMOD_ERROR_MEMORY);
        assert_null(threads);
    }
    mm_host_threads_free(&threads);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_to_its_maximum),
        cmocka_unit_test(a_job_may_come_again),
        cmocka_unit_test(nothing_is_taken_after_the_end),
        cmocka_unit_test(without_memory_it_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
