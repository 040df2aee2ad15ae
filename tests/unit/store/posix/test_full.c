/* test_full.c - a disk that is full: nothing half-kept, everything that was
 * acknowledged still there, removals at work, and mail again after them. On a
 * small tmpfs of its own where mounting is allowed; else it says that it was
 * skipped. The reserve is tested everywhere. */
#include "../fixture.h"

#include "platform/fs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define VOLUME "size=8m"
#define SIZE 20000
#define COUNT_MAX 2000
#define RESERVE (3 * 1024 * 1024)

struct put {
    uint64_t id;
    uint64_t box;
};

static enum mailmod_error put(struct mm_store_transaction *t, void *context)
{
    struct put *put = context;
    enum mailmod_error error = fixture_put_body(t, put->id, SIZE);
    if (error == MAILMOD_OK) {
        error = fixture_put_row(t, put->id, SIZE);
    }
    return error == MAILMOD_OK ? mm_store_put_entry(t, put->box, put->id, SIZE)
                               : error;
}

static size_t fill(struct mm_store *store, uint64_t box, uint64_t *ids)
{
    size_t count = 0;
    enum mailmod_error error = MAILMOD_OK;
    while (error == MAILMOD_OK && count < COUNT_MAX) {
        struct put one = {mm_store_new_message_id(store), box};
        error = fixture_run(store, put, &one);
        if (error == MAILMOD_OK) {
            ids[count++] = one.id;
        } else {
            assert_int_equal(error, MAILMOD_ERROR_STORAGE_FULL);
            assert_false(fixture_has_message(store, one.id));
            assert_false(fixture_has_chunk(store, one.id, 0));
        }
    }
    assert_int_equal(error, MAILMOD_ERROR_STORAGE_FULL);
    return count;
}

static void check_all(struct mm_store *store, uint64_t box, const uint64_t *ids,
                      size_t count)
{
    assert_int_equal(fixture_count_entries(store, box), count);
    for (size_t i = 0; i < count; i++) {
        fixture_check_body(store, ids[i], SIZE);
    }
    fixture_verify(store);
}

static void open_small(struct fixture *fixture, uint64_t free_space_min)
{
    struct mm_store_options options = {.description = fixture->folder,
                                       .mode = MM_STORE_EXCLUSIVE,
                                       .syncs = true,
                                       .free_space_min = free_space_min};
    assert_int_equal(mm_store_open(&fixture->store, &options, NULL),
                     MAILMOD_OK);
}

static void mount_volume(struct fixture *fixture)
{
    mm_store_close(&fixture->store);
    fixture_remove_folder(fixture->folder);
    strcpy(fixture->folder, "/tmp/mailmod-store-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    if (mount("tmpfs", fixture->folder, "tmpfs", 0, VOLUME) != 0) {
        print_message("SKIPPED: a small volume cannot be mounted here\n");
        skip();
    }
}

static int unmount(void **state)
{
    struct fixture *fixture = *state;
    mm_store_close(&fixture->store);
    (void)umount2(fixture->folder, MNT_DETACH);
    return fixture_end(state);
}

/* The store notices within its interval that there is room. */
static void put_at_last(struct mm_store *store, uint64_t box)
{
    enum mailmod_error error = MAILMOD_ERROR_STORAGE_FULL;
    for (int i = 0; i < 40 && error == MAILMOD_ERROR_STORAGE_FULL; i++) {
        struct put one = {mm_store_new_message_id(store), box};
        error = fixture_run(store, put, &one);
        usleep(100000);
    }
    assert_int_equal(error, MAILMOD_OK);
}

static uint64_t ids[COUNT_MAX];

/* Without a reserve the very last octet goes: nothing is lost or half there,
 * and as soon as the volume has room all goes on, without a restart. */
static void test_full(void **state)
{
    struct fixture *fixture = *state;
    mount_volume(fixture);
    open_small(fixture, 0);
    uint64_t box = fixture_add_user(fixture->store, "alice");
    size_t count = fill(fixture->store, box, ids);
    assert_true(count > 20);
    check_all(fixture->store, box, ids, count);
    /* Again and again: each refusal leaves the store as it was. */
    for (int i = 0; i < 20; i++) {
        assert_int_equal(fill(fixture->store, box, ids + count), 0);
    }
    enum mailmod_error error = fixture_remove(fixture->store, box, 1);
    assert_true(error == MAILMOD_OK || error == MAILMOD_ERROR_STORAGE_FULL);
    size_t gone = error == MAILMOD_OK;
    check_all(fixture->store, box, ids + gone, count - gone);
    assert_int_equal(
        mount("tmpfs", fixture->folder, "tmpfs", MS_REMOUNT, "size=32m"), 0);
    put_at_last(fixture->store, box);
    fixture_reopen(fixture);
    assert_int_equal(fixture_count_entries(fixture->store, box),
                     count - gone + 1);
    fixture_verify(fixture->store);
}

/* Attack 80: what cannot be opened for want of room says so, and is whole
 * later. */
static void test_start_on_a_full_disk(void **state)
{
    struct fixture *fixture = *state;
    mount_volume(fixture);
    open_small(fixture, 0);
    uint64_t box = fixture_add_user(fixture->store, "alice");
    size_t count = fill(fixture->store, box, ids);
    mm_store_close(&fixture->store);
    enum mailmod_error error =
        fixture_open_as(fixture, MM_STORE_EXCLUSIVE, &fixture->store, NULL);
    assert_true(error == MAILMOD_OK || error == MAILMOD_ERROR_STORAGE_FULL);
    mm_store_close(&fixture->store);
    assert_int_equal(
        mount("tmpfs", fixture->folder, "tmpfs", MS_REMOUNT, "size=32m"), 0);
    open_small(fixture, 0);
    check_all(fixture->store, box, ids, count);
}

/* With a reserve: the store restarts, removals work and make room. */
static void test_reserve(void **state)
{
    struct fixture *fixture = *state;
    mount_volume(fixture);
    open_small(fixture, RESERVE);
    uint64_t box = fixture_add_user(fixture->store, "alice");
    size_t count = fill(fixture->store, box, ids);
    uint64_t left = mm_fs_free_space(fixture->folder);
    print_message("%zu messages fit; %llu octets are left\n", count,
                  (unsigned long long)left);
    assert_true(count > 20);
    assert_true(left > RESERVE / 2);
    check_all(fixture->store, box, ids, count);
    mm_store_close(&fixture->store);
    open_small(fixture, RESERVE);
    check_all(fixture->store, box, ids, count);
    for (uint64_t number = 1; number <= count; number++) {
        if (number % 4 != 0) {
            assert_int_equal(fixture_remove(fixture->store, box, number),
                             MAILMOD_OK);
        }
    }
    fixture_verify(fixture->store);
    put_at_last(fixture->store, box);
}

/* More is wanted free than there is: no new mail, all else works. */
static void test_reserve_everywhere(void **state)
{
    struct fixture *fixture = *state;
    uint64_t box = fixture_add_user(fixture->store, "alice");
    struct put one = {mm_store_new_message_id(fixture->store), box};
    (void)fixture_deliver(fixture->store, 10, &box, 1);
    mm_store_close(&fixture->store);
    open_small(fixture, UINT64_MAX - 1);
    assert_int_equal(fixture_run(fixture->store, put, &one),
                     MAILMOD_ERROR_STORAGE_FULL);
    assert_int_equal(fixture_remove(fixture->store, box, 1), MAILMOD_OK);
    assert_int_equal(fixture_count_entries(fixture->store, box), 0);
    (void)fixture_add_user(fixture->store, "bob");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_full, fixture_disk, unmount),
        cmocka_unit_test_setup_teardown(test_start_on_a_full_disk, fixture_disk,
                                        unmount),
        cmocka_unit_test_setup_teardown(test_reserve, fixture_disk, unmount),
        ON_DISK(test_reserve_everywhere)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
