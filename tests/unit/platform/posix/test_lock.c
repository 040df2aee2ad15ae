/* test_lock.c - the lock on a file: one holder, in this process or another,
 * and none left behind by a crash. Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "platform/fs.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[64];

static int set_up(void **state)
{
    (void)state;
    strcpy(path, "/tmp/mailmod-lock-XXXXXX");
    int file = mkstemp(path);
    close(file);
    return file < 0 ? -1 : unlink(path);
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

static void test_same_process(void **state)
{
    struct mm_file_lock *first = NULL;
    struct mm_file_lock *second = NULL;
    (void)state;
    assert_int_equal(mm_file_lock_open(&first, path), MAILMOD_OK);
    assert_int_equal(mm_file_lock_open(&second, path), MAILMOD_ERROR_BUSY);
    assert_null(second);
    /* Another descriptor of the file, opened and closed, takes nothing. */
    int other = open(path, O_RDWR);
    assert_true(other >= 0);
    close(other);
    assert_int_equal(mm_file_lock_open(&second, path), MAILMOD_ERROR_BUSY);
    mm_file_lock_close(&first);
    assert_null(first);
    mm_file_lock_close(&first);
    assert_int_equal(mm_file_lock_open(&second, path), MAILMOD_OK);
    mm_file_lock_close(&second);
}

/* A child that takes the lock, tells how it went, and waits to be killed. */
static pid_t start_child(int *status_end)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct mm_file_lock *lock = NULL;
        char status = 'o';
        if (mm_file_lock_open(&lock, path) == MAILMOD_ERROR_BUSY) {
            status = 'b';
        } else if (lock == NULL) {
            status = '?';
        }
        if (write(ends[1], &status, 1) != 1) {
            _exit(1);
        }
        for (;;) {
            pause();
        }
    }
    close(ends[1]);
    *status_end = ends[0];
    return child;
}

static char run_child(pid_t *child)
{
    int status_end;
    char status = '-';
    *child = start_child(&status_end);
    assert_int_equal(read(status_end, &status, 1), 1);
    close(status_end);
    return status;
}

static void kill_child(pid_t child)
{
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void test_other_process(void **state)
{
    struct mm_file_lock *lock = NULL;
    pid_t child;
    (void)state;
    assert_int_equal(run_child(&child), 'o');
    assert_int_equal(mm_file_lock_open(&lock, path), MAILMOD_ERROR_BUSY);
    kill_child(child);
    assert_int_equal(mm_file_lock_open(&lock, path), MAILMOD_OK);
    assert_int_equal(run_child(&child), 'b');
    kill_child(child);
    mm_file_lock_close(&lock);
}

static void test_refused(void **state)
{
    struct mm_file_lock *lock = NULL;
    (void)state;
    assert_int_equal(mm_file_lock_open(&lock, "/tmp/mailmod-none/x/y"),
                     MAILMOD_ERROR_NOT_FOUND);
    mm_mem_set_fault(1, 1);
    enum mailmod_error error = mm_file_lock_open(&lock, path);
    mm_mem_set_fault(0, 0);
    assert_int_equal(error, MAILMOD_ERROR_MEMORY);
    assert_null(lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_process),
        cmocka_unit_test(test_other_process),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
