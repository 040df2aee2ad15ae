/* test_health.c - a store that cannot be written for a while: what is answered
 * meanwhile, and that it comes back by itself (D02, D16). */
#include "../fixture.h"

#include "platform/clock.h"
#include "store/sqlite/internal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum mailmod_error try_deliver(struct fixture *fixture, uint64_t box)
{
    return fixture_try_deliver(fixture->store, 100, &box, 1) != 0
               ? MAILMOD_OK
               : MAILMOD_ERROR_STORAGE;
}

static void await_writable(struct mm_store *store)
{
    uint64_t begin_ms = mm_clock_monotonic_ms();
    while (!mm_store_is_writable(store)) {
        assert_true(mm_clock_monotonic_ms() - begin_ms < 20000);
        mm_clock_sleep_ms(20);
    }
}

static void move_file(const struct fixture *fixture, const char *from,
                      const char *to)
{
    char from_path[128];
    char to_path[128];
    fixture_path(fixture, from, from_path);
    fixture_path(fixture, to, to_path);
    assert_int_equal(rename(from_path, to_path), 0);
}

/* Each file of the store, renamed and put back. */
static void test_D02_a_file_is_renamed(void **state)
{
    static const char *const names[] = {"mailmod.db", "mailmod.db-wal",
                                        "mailmod.db-shm", "mailmod.lock"};
    struct fixture *fixture = *state;
    uint64_t box = fixture_add_user(fixture->store, "alice");
    size_t count = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(try_deliver(fixture, box), MAILMOD_OK);
        count++;
        assert_true(mm_store_is_writable(fixture->store));
        move_file(fixture, names[i], "good.db");
        assert_int_equal(try_deliver(fixture, box), MAILMOD_ERROR_STORAGE);
        assert_false(mm_store_is_writable(fixture->store));
        assert_int_equal(try_deliver(fixture, box), MAILMOD_ERROR_STORAGE);
        move_file(fixture, "good.db", names[i]);
        await_writable(fixture->store);
        /* The one that was committed unseen may be there; nobody heard OK. */
        size_t now = fixture_count_entries(fixture->store, box);
        assert_true(now == count || now == count + 1);
        count = now;
    }
    fixture_verify(fixture->store);
}

/* On the writer, whose the folder's state is. */
static enum mailmod_error look(struct mm_store_transaction *transaction,
                               void *context)
{
    const struct fixture *fixture = ((void **)context)[0];
    bool *is_settled = ((void **)context)[1];
    (void)transaction;
    *is_settled = mm_sqlite_of_const(fixture->store)->folder_seen.is_settled;
    return MAILMOD_OK;
}

static bool is_settled(struct fixture *fixture)
{
    bool is_settled = false;
    void *context[] = {fixture, &is_settled};
    assert_int_equal(fixture_run(fixture->store, look, context), MAILMOD_OK);
    return is_settled;
}

/* One look at the folder is enough by then, and sees it all the same. */
static void test_D02_a_file_is_renamed_later(void **state)
{
    struct fixture *fixture = *state;
    uint64_t box = fixture_add_user(fixture->store, "alice");
    uint64_t begin_ms = mm_clock_monotonic_ms();
    while (!is_settled(fixture)) {
        assert_true(mm_clock_monotonic_ms() - begin_ms < 20000);
        mm_clock_sleep_ms(50);
    }
    assert_int_equal(try_deliver(fixture, box), MAILMOD_OK);
    move_file(fixture, "mailmod.lock", "good.lock");
    assert_int_equal(try_deliver(fixture, box), MAILMOD_ERROR_STORAGE);
    move_file(fixture, "good.lock", "mailmod.lock");
    await_writable(fixture->store);
    assert_false(is_settled(fixture)); /* looked at anew */
    assert_int_equal(try_deliver(fixture, box), MAILMOD_OK);
}

/* What the look rests on. */
static void test_D02_folders_and_links(void **state)
{
    struct fixture *fixture = *state;
    struct mm_fs_folder_state seen;
    char path[128];
    char link[128];
    fixture_path(fixture, "mailmod.lock", path);
    fixture_path(fixture, "link", link);
    assert_int_equal(symlink(path, link), 0);
    assert_true(mm_fs_is_link(link));
    assert_false(mm_fs_is_link(path));
    assert_false(mm_fs_is_link(fixture->folder));
    assert_int_equal(mm_fs_folder_state(fixture->folder, &seen), MAILMOD_OK);
    assert_false(seen.is_settled); /* it was made just now */
    assert_int_equal(mm_fs_folder_state("/", &seen), MAILMOD_OK);
    assert_true(seen.is_settled);
    assert_int_not_equal(mm_fs_folder_state("/nowhere", &seen), MAILMOD_OK);
}

static void test_D02_the_folder_is_renamed(void **state)
{
    struct fixture *fixture = *state;
    uint64_t box = fixture_add_user(fixture->store, "alice");
    char away[80];
    snprintf(away, sizeof away, "%s-away", fixture->folder);
    assert_int_equal(rename(fixture->folder, away), 0);
    assert_int_equal(try_deliver(fixture, box), MAILMOD_ERROR_STORAGE);
    assert_false(mm_store_is_writable(fixture->store));
    assert_int_equal(rename(away, fixture->folder), 0);
    await_writable(fixture->store);
    assert_int_equal(try_deliver(fixture, box), MAILMOD_OK);
}

/* The lock's file is gone, the lock is not. */
static void test_D02_no_second_owner(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store *second = NULL;
    char path[128];
    fixture_path(fixture, "mailmod.lock", path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(
        fixture_open_as(fixture, MM_STORE_EXCLUSIVE, &second, NULL),
        MAILMOD_ERROR_BUSY);
    assert_null(second);
}

static enum mailmod_error nothing(struct mm_store_transaction *t, void *context)
{
    (void)t;
    (void)context;
    return MAILMOD_OK;
}

static void test_D16_a_foreign_lock(void **state)
{
    struct fixture *fixture = *state;
    sqlite3 *foreign;
    char path[128];
    fixture_path(fixture, "mailmod.db", path);
    assert_int_equal(sqlite3_open(path, &foreign), SQLITE_OK);
    assert_int_equal(sqlite3_exec(foreign, "BEGIN IMMEDIATE", NULL, NULL, NULL),
                     SQLITE_OK);
    uint64_t begin_ms = mm_clock_monotonic_ms();
    assert_int_equal(fixture_run(fixture->store, nothing, NULL),
                     MAILMOD_ERROR_BUSY);
    uint64_t wait_ms = mm_clock_monotonic_ms() - begin_ms;
    /* Not as long as a tool, which waits for 30 s. */
    assert_true(wait_ms >= 4000 && wait_ms < 25000);
    assert_false(mm_store_is_writable(fixture->store));
    /* Who comes then is not kept as long. */
    begin_ms = mm_clock_monotonic_ms();
    assert_int_equal(fixture_run(fixture->store, nothing, NULL),
                     MAILMOD_ERROR_BUSY);
    assert_true(mm_clock_monotonic_ms() - begin_ms < 4000);
    assert_int_equal(sqlite3_exec(foreign, "COMMIT", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(foreign), SQLITE_OK);
    await_writable(fixture->store);
    assert_int_equal(fixture_run(fixture->store, nothing, NULL), MAILMOD_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DISK(test_D02_a_file_is_renamed),
        ON_DISK(test_D02_a_file_is_renamed_later),
        ON_DISK(test_D02_folders_and_links),
        ON_DISK(test_D02_the_folder_is_renamed),
        ON_DISK(test_D02_no_second_owner),
        ON_DISK(test_D16_a_foreign_lock)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
