/* test_signals.c - no signal of the host's process reaches a thread of ours,
 * and the host's own mask is as it was. Thread: several. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "platform/thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

struct seen {
    sigset_t mask;
    int write_errno;
    int pipe_end;
};

static void look(void *context)
{
    struct seen *seen = context;
    pthread_sigmask(SIG_SETMASK, NULL, &seen->mask);
}

static void test_mask(void **state)
{
    static const int blocked[] = {SIGPIPE, SIGTERM, SIGINT,  SIGHUP,
                                  SIGUSR1, SIGCHLD, SIGALRM, SIGQUIT};
    static const int open_ones[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    struct mm_thread *thread;
    struct seen seen;
    sigset_t before;
    sigset_t after;
    (void)state;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(mm_thread_start(&thread, "looker", look, &seen),
                     MAILMOD_OK);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    mm_thread_join(&thread);
    for (size_t i = 0; i < sizeof blocked / sizeof blocked[0]; i++) {
        assert_true(sigismember(&seen.mask, blocked[i]));
    }
    for (size_t i = 0; i < sizeof open_ones / sizeof open_ones[0]; i++) {
        assert_false(sigismember(&seen.mask, open_ones[i]));
    }
    for (int number = 1; number < 32; number++) {
        assert_int_equal(sigismember(&before, number),
                         sigismember(&after, number));
    }
}

static void write_twice(void *context)
{
    struct seen *seen = context;
    for (int i = 0; i < 2; i++) {
        if (write(seen->pipe_end, "x", 1) < 0) {
            seen->write_errno = errno;
        }
    }
}

/* SIGPIPE's default would end the process, and this test with it. */
static void test_broken_pipe(void **state)
{
    struct mm_thread *thread;
    struct seen seen = {.write_errno = 0};
    int ends[2];
    (void)state;
    signal(SIGPIPE, SIG_DFL);
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    seen.pipe_end = ends[1];
    assert_int_equal(mm_thread_start(&thread, "writer", write_twice, &seen),
                     MAILMOD_OK);
    mm_thread_join(&thread);
    assert_int_equal(seen.write_errno, EPIPE);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mask),
        cmocka_unit_test(test_broken_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
