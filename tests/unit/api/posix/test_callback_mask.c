/* test_callback_mask.c - what a callback's children start with: the signals
 * that the host's thread had blocked, and no others (E03). */
#include "api/host_threads.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

struct mask_job {
    struct mm_host_job job;
    sigset_t mask;
    int status;
};

static void run(struct mm_host_job *job)
{
    struct mask_job *mask_job = (struct mask_job *)(void *)job;

    (void)sigemptyset(&mask_job->mask);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &mask_job->mask);
    mask_job->status = system("kill -TERM $$; exit 7");
}

static void test_E03_children_of_callbacks(void **state)
{
    static const int open[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGALRM};
    struct mask_job job = {.job = {.run = run}};
    struct mm_host_threads *threads;
    sigset_t blocked;

    (void)state;
    (void)sigemptyset(&blocked);
    (void)sigaddset(&blocked, SIGUSR1);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &blocked, NULL), 0);
    assert_int_equal(mm_host_threads_new(&threads, 2), MAILMOD_OK);
    assert_int_equal(mm_host_threads_run(threads, &job.job), MAILMOD_OK);
    mm_host_threads_end(threads);
    mm_host_threads_free(&threads);
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++) {
        assert_false(sigismember(&job.mask, open[i]));
    }
    assert_true(sigismember(&job.mask, SIGUSR1));
    assert_true(WIFSIGNALED(job.status) && WTERMSIG(job.status) == SIGTERM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_E03_children_of_callbacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
