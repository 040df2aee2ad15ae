/* test_backup.c - a copy beside a store that goes on, and the way back (O01);
 * what cannot be a copy is refused, and nothing is written over. */
#include "../fixture.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/thread.h"

struct busy {
    struct mm_store *store;
    uint64_t box;
    atomic_bool ends;
};

static void deliver_on(void *context)
{
    struct busy *busy = context;
    while (!atomic_load(&busy->ends)) {
        (void)fixture_try_deliver(busy->store, 3000, &busy->box, 1);
    }
}

struct told {
    uint64_t done;
    uint64_t all;
};

static void on_progress(void *context, uint64_t done, uint64_t all)
{
    struct told *told = context;
    assert_true(done >= told->done && done <= all);
    *told = (struct told){done, all};
}

static void test_O01_backup_and_restore(void **state)
{
    struct fixture *fixture = *state;
    struct busy busy = {fixture->store, 0, false};
    struct mm_thread *thread = NULL;
    struct told told = {0, 0};
    char copy[128];
    uint64_t box = fixture_add_user(fixture->store, "alice");
    uint64_t id = fixture_deliver(fixture->store, 200000, &box, 1);
    busy.box = fixture_add_user(fixture->store, "bob");
    fixture_path(fixture, "good.db", copy);
    assert_int_equal(mm_thread_start(&thread, "busy", deliver_on, &busy),
                     MAILMOD_OK);
    assert_int_equal(
        mm_store_backup(fixture->store, copy, on_progress, &told, NULL),
        MAILMOD_OK);
    atomic_store(&busy.ends, true);
    mm_thread_join(&thread);
    assert_true(told.all > 0 && told.done == told.all);
    struct stat status;
    assert_int_equal(stat(copy, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    /* Never over something. */
    assert_int_equal(mm_store_backup(fixture->store, copy, NULL, NULL, NULL),
                     MAILMOD_ERROR_EXISTS);
    assert_int_equal(mm_store_restore(fixture->folder, copy, NULL, NULL, NULL),
                     MAILMOD_ERROR_BUSY);
    mm_store_close(&fixture->store);
    assert_int_equal(mm_store_restore(fixture->folder, copy, NULL, NULL, NULL),
                     MAILMOD_ERROR_EXISTS);
    char path[128];
    fixture_path(fixture, "mailmod.db", path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mm_store_restore(fixture->folder, copy, NULL, NULL, NULL),
                     MAILMOD_OK);
    assert_int_equal(
        fixture_open_as(fixture, MM_STORE_EXCLUSIVE, &fixture->store, NULL),
        MAILMOD_OK);
    fixture_check_body(fixture->store, id, 200000);
    fixture_verify(fixture->store);
}

/* One octet of a body: the copy is refused and nothing is left of the trial. */
static void test_O01_a_changed_copy(void **state)
{
    struct fixture *fixture = *state;
    struct mm_buf reason;
    char copy[128];
    char path[128];
    uint64_t box = fixture_add_user(fixture->store, "alice");
    (void)fixture_deliver(fixture->store, 60000, &box, 1);
    fixture_path(fixture, "good.db", copy);
    assert_int_equal(mm_store_backup(fixture->store, copy, NULL, NULL, NULL),
                     MAILMOD_OK);
    mm_store_close(&fixture->store);
    FILE *file = fopen(copy, "r+b");
    assert_non_null(file);
    /* The middle of the file is the middle of the one body. */
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long middle = ftell(file) - 30000;
    assert_int_equal(fseek(file, middle, SEEK_SET), 0);
    int octet = fgetc(file);
    assert_int_equal(fseek(file, middle, SEEK_SET), 0);
    assert_int_equal(fputc(octet ^ 1, file), octet ^ 1);
    assert_int_equal(fclose(file), 0);
    fixture_path(fixture, "mailmod.db", path);
    assert_int_equal(unlink(path), 0);
    mm_buf_init(&reason, 100000);
    assert_int_equal(
        mm_store_restore(fixture->folder, copy, NULL, NULL, &reason),
        MAILMOD_ERROR_STORAGE_DAMAGED);
    assert_non_null(strstr(mm_buf_cstr(&reason), "good.db"));
    mm_buf_fini(&reason);
    assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {ON_DISK(test_O01_backup_and_restore),
                                       ON_DISK(test_O01_a_changed_copy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
