/* test_worker.c - the pool: order, bound, done on the loop, the end. */
#include "helpers.h"

#define JOBS 200

struct work {
    struct mm_job job;
    struct mm_loop *expected;
    int *ran;
    int *done;
    bool *gate;
    bool *begun;
    bool *all_done;
};

static void run_work(struct mm_job *job)
{
    struct work *work = MM_LIST_OBJECT(job, struct work, job);
    if (work->begun != NULL) {
        set_flag(work->begun);
    }
    if (work->gate != NULL) {
        wait_flag(work->gate);
    }
    pthread_mutex_lock(&test_lock);
    (*work->ran)++;
    pthread_mutex_unlock(&test_lock);
}

static void work_done(struct mm_job *job)
{
    struct work *work = MM_LIST_OBJECT(job, struct work, job);
    if (work->expected != NULL) {
        assert_true(mm_loop_is_current(work->expected));
    }
    pthread_mutex_lock(&test_lock);
    int done = ++*work->done;
    pthread_mutex_unlock(&test_lock);
    if (done == JOBS && work->all_done != NULL) {
        set_flag(work->all_done);
    }
}

static void init_work(struct work *work, struct mm_loop *loop, int *ran,
                      int *done)
{
    memset(work, 0, sizeof *work);
    work->job.loop = loop;
    work->job.run = run_work;
    work->job.done = work_done;
    work->expected = loop;
    work->ran = ran;
    work->done = done;
}

static void test_done_on_loop(void **state)
{
    (void)state;
    static struct work works[JOBS];
    int ran = 0;
    int done = 0;
    bool all_done = false;
    struct mm_loop *loop = loop_begin();
    struct mm_workers *workers;
    assert_int_equal(mm_workers_new(&workers, 3, JOBS), MAILMOD_OK);
    for (int i = 0; i < JOBS; i++) {
        init_work(&works[i], loop, &ran, &done);
        works[i].all_done = &all_done;
        assert_int_equal(mm_workers_submit(workers, &works[i].job), MAILMOD_OK);
    }
    wait_flag(&all_done);
    mm_workers_free(&workers);
    assert_null(workers);
    loop_end(&loop);
    assert_int_equal(ran, JOBS);
    assert_int_equal(done, JOBS);
}

static void test_bound_and_end(void **state)
{
    (void)state;
    struct work works[5];
    int ran = 0;
    int done = 0;
    bool gate = false;
    bool begun = false;
    struct mm_workers *workers;
    assert_int_equal(mm_workers_new(&workers, 1, 3), MAILMOD_OK);
    for (int i = 0; i < 5; i++) {
        init_work(&works[i], NULL, &ran, &done);
    }
    works[0].gate = &gate;
    works[0].begun = &begun;
    assert_int_equal(mm_workers_submit(workers, &works[0].job), MAILMOD_OK);
    wait_flag(&begun);
    for (int i = 1; i < 4; i++) {
        assert_int_equal(mm_workers_submit(workers, &works[i].job), MAILMOD_OK);
    }
    assert_int_equal(mm_workers_submit(workers, &works[4].job),
                     MAILMOD_ERROR_LIMIT);
    set_flag(&gate);
    mm_workers_free(&workers); /* runs what is queued */
    assert_int_equal(ran, 4);
    assert_int_equal(done, 4);
}

static void test_arguments_and_memory(void **state)
{
    (void)state;
    struct mm_workers *workers;
    assert_int_equal(mm_workers_new(&workers, 0, 1), MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mm_workers_new(&workers, 1, 0), MAILMOD_ERROR_ARGUMENT);
    enum mailmod_error error = MAILMOD_ERROR_MEMORY;
    for (unsigned long number = 1; error != MAILMOD_OK; number++) {
        mm_mem_set_fault(number, 0);
        error = mm_workers_new(&workers, 2, 4);
        mm_mem_set_fault(0, 0);
        assert_true(error == MAILMOD_OK || error == MAILMOD_ERROR_MEMORY);
    }
    mm_workers_free(&workers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_done_on_loop),
        cmocka_unit_test(test_bound_and_end),
        cmocka_unit_test(test_arguments_and_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
