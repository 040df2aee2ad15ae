/* test_faults.c - each allocation of the library and of SQLite fails once in
 * turn: an error comes back, nothing is half there, nothing leaks a lock, and
 * the store goes on afterwards. */
#include "fixture.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* SQLite's own allocator, with one failure to order. */
static sqlite3_mem_methods usual;
static atomic_long countdown; /* 0: never */
static atomic_bool has_failed;

static bool fails(void)
{
    if (atomic_load(&countdown) > 0 && atomic_fetch_sub(&countdown, 1) == 1) {
        atomic_store(&has_failed, true);
        return true;
    }
    return false;
}

static void *faulty_malloc(int size)
{
    return fails() ? NULL : usual.xMalloc(size);
}

static void *faulty_realloc(void *memory, int size)
{
    return fails() ? NULL : usual.xRealloc(memory, size);
}

static int set_up_allocator(void **state)
{
    sqlite3_mem_methods faulty;
    (void)state;
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &usual);
    if (usual.xMalloc == NULL) {
        return -1;
    }
    faulty = usual;
    faulty.xMalloc = faulty_malloc;
    faulty.xRealloc = faulty_realloc;
    return sqlite3_config(SQLITE_CONFIG_MALLOC, &faulty) == SQLITE_OK ? 0 : -1;
}

static void order(long number)
{
    atomic_store(&has_failed, false);
    atomic_store(&countdown, number);
}

static bool was_met(void)
{
    atomic_store(&countdown, 0);
    return atomic_load(&has_failed);
}

struct put {
    uint64_t id;
    uint64_t box;
};

static enum mailmod_error put(struct mm_store_transaction *t, void *context)
{
    struct put *put = context;
    struct mm_store_recipient recipient = {.message_id = put->id};
    enum mailmod_error error = fixture_put_body(t, put->id, 70000);
    strcpy(recipient.path, "x@b.net");
    strcpy(recipient.destination, "b.net");
    if (error == MAILMOD_OK) {
        error = fixture_put_row(t, put->id, 70000);
    }
    if (error == MAILMOD_OK) {
        error = mm_store_put_recipient(t, &recipient);
    }
    return error == MAILMOD_OK ? mm_store_put_entry(t, put->box, put->id, 70034)
                               : error;
}

/* On a fresh opening each time, so that the statements are prepared too. */
static void test_write(void **state)
{
    struct fixture *fixture = *state;
    uint64_t box = fixture_add_user(fixture->store, "alice");
    long number = 0;
    size_t count = 0;
    bool is_met = true;
    while (is_met) {
        fixture_reopen(fixture);
        struct put one = {mm_store_new_message_id(fixture->store), box};
        order(++number);
        enum mailmod_error error = fixture_run(fixture->store, put, &one);
        is_met = was_met();
        assert_true(error == MAILMOD_OK || error == MAILMOD_ERROR_MEMORY);
        assert_true(is_met || error == MAILMOD_OK);
        count += error == MAILMOD_OK;
        assert_int_equal(fixture_count_entries(fixture->store, box), count);
        assert_int_equal(fixture_has_message(fixture->store, one.id),
                         error == MAILMOD_OK);
        assert_int_equal(fixture_has_chunk(fixture->store, one.id, 0),
                         error == MAILMOD_OK);
        /* The next one finds the store in order. */
        (void)fixture_deliver(fixture->store, 10, &box, 1);
        count++;
    }
    print_message("%ld allocations of SQLite's\n", number - 1);
    assert_true(number > 5);
    fixture_verify(fixture->store);
}

static size_t read_all(struct mm_store *store, uint64_t box, uint64_t id,
                       enum mailmod_error *error_out)
{
    struct mm_store_entry *entries = NULL;
    struct mm_store_message message;
    struct mm_store_user user;
    struct mm_buf chunk;
    size_t count = 0;
    uint32_t tag;
    enum mailmod_error error =
        mm_store_list_entries(store, box, &entries, &count);
    mm_free(entries);
    mm_buf_init(&chunk, 65536);
    if (error == MAILMOD_OK) {
        error = mm_store_find_message(store, id, &message);
        if (error == MAILMOD_OK) {
            assert_string_equal(message.reverse_path, "sender@example.org");
        }
    }
    if (error == MAILMOD_OK) {
        error = mm_store_find_user(store, "alice", &user);
    }
    if (error == MAILMOD_OK) {
        error = mm_store_mailbox_tag(store, box, &tag);
    }
    if (error == MAILMOD_OK) {
        error = mm_store_read_chunk(store, id, 1, &chunk);
        if (error == MAILMOD_OK) {
            assert_int_equal(mm_buf_size(&chunk), 70000 - 65536);
        }
    }
    mm_buf_fini(&chunk);
    *error_out = error;
    return count;
}

static void test_read(void **state)
{
    struct fixture *fixture = *state;
    uint64_t box = fixture_add_user(fixture->store, "alice");
    uint64_t id = fixture_deliver(fixture->store, 70000, &box, 1);
    enum mailmod_error error = MAILMOD_OK;
    for (int which = 0; which < 2; which++) {
        long number = 0;
        bool is_met = true;
        while (is_met) {
            fixture_reopen(fixture);
            number++;
            if (which == 0) {
                order(number);
            } else {
                (void)mm_mem_set_fault((unsigned long)number, 0);
            }
            (void)read_all(fixture->store, box, id, &error);
            is_met = which == 0
                         ? was_met()
                         : mm_mem_set_fault(0, 0) >= (unsigned long)number;
            assert_true(error == MAILMOD_OK || error == MAILMOD_ERROR_MEMORY);
        }
        assert_int_equal(error, MAILMOD_OK);
        assert_true(number > 1);
    }
}

/* Opening, with the making of a new store. SQLite makes thousands of small
 * allocations for the statements that make its tables, much the same for each:
 * after the first ones not every one of them fails. */
enum { EACH_MAX = 100, STRIDE = 31 };

static void test_open(void **state)
{
    struct fixture *fixture = *state;
    for (int which = 0; which < 2; which++) {
        long number = 0;
        bool is_met = true;
        while (is_met) {
            struct mm_store *store = NULL;
            mm_store_close(&fixture->store);
            fixture_remove_folder(fixture->folder);
            number += number < EACH_MAX ? 1 : STRIDE;
            if (which == 0) {
                order(number);
            } else {
                (void)mm_mem_set_fault((unsigned long)number, 0);
            }
            enum mailmod_error error =
                fixture_open_as(fixture, MM_STORE_EXCLUSIVE, &store, NULL);
            is_met = which == 0
                         ? was_met()
                         : mm_mem_set_fault(0, 0) >= (unsigned long)number;
            if (error != MAILMOD_OK && error != MAILMOD_ERROR_MEMORY) {
                fail_msg("allocation %ld: %s", number, mm_error_name(error));
            }
            assert_int_equal(store != NULL, error == MAILMOD_OK);
            mm_store_close(&store);
            /* Nothing is left behind that would be taken for a store. */
            assert_int_equal(fixture_open_as(fixture, MM_STORE_EXCLUSIVE,
                                             &fixture->store, NULL),
                             MAILMOD_OK);
        }
        print_message("%ld allocations\n", number - 1);
    }
    fixture_verify(fixture->store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {ON_DISK(test_write), ON_DISK(test_read),
                                       ON_DISK(test_open)};
    return cmocka_run_group_tests(tests, set_up_allocator, NULL);
}
