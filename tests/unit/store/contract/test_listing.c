/* test_listing.c - long listings go on from a key: each row that is there all
 * the time is seen once, in order, whatever comes and goes meanwhile. */
#include "../fixture.h"

#include <stdio.h>
#include <string.h>

enum { ROWS = 700 }; /* some pages */

static enum mailmod_error put_rows(struct mm_store_transaction *t,
                                   void *context)
{
    uint64_t id = *(uint64_t *)context;
    enum mailmod_error error = fixture_put_row(t, id, 0);
    for (unsigned i = 0; error == MAILMOD_OK && i < ROWS; i++) {
        struct mm_store_recipient row = {.message_id = id,
                                         .number = i,
                                         /* many of one time, and backwards */
                                         .next_attempt_ms = 100 - i / 300};
        strcpy(row.path, "x@b.net");
        strcpy(row.destination, "b.net");
        error = mm_store_put_recipient(t, &row);
    }
    return error;
}

struct walk {
    size_t count;
    size_t count_max;
    bool is_seen[ROWS];
    int64_t last_ms;
    unsigned last_number;
    bool is_ordered;
};

static void begin(struct walk *walk, size_t count_max)
{
    memset(walk, 0, sizeof *walk);
    walk->count_max = count_max;
    walk->is_ordered = true;
}

static bool see(struct walk *walk, const struct mm_store_recipient *row)
{
    walk->is_ordered =
        walk->is_ordered && row->number < ROWS && !walk->is_seen[row->number];
    walk->is_seen[row->number] = true;
    walk->last_number = row->number;
    return ++walk->count < walk->count_max;
}

static bool on_due(void *context, const struct mm_store_recipient *row)
{
    struct walk *walk = context;
    walk->is_ordered =
        walk->is_ordered &&
        (walk->count == 0 || row->next_attempt_ms > walk->last_ms ||
         (row->next_attempt_ms == walk->last_ms &&
          row->number > walk->last_number));
    walk->last_ms = row->next_attempt_ms;
    return see(walk, row);
}

static bool on_row(void *context, const struct mm_store_message *message,
                   const struct mm_store_recipient *row)
{
    struct walk *walk = context;
    walk->is_ordered = walk->is_ordered && message->id == row->message_id &&
                       (walk->count == 0 || row->number > walk->last_number);
    return see(walk, row);
}

static void test_queue_in_pages(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store *store = fixture->store;
    static const size_t stops[] = {1, 255, 256, 257, 512, 699, 700, 1000};
    uint64_t id = mm_store_new_message_id(store);
    static struct walk walk;
    assert_int_equal(fixture_run(store, put_rows, &id), MAILMOD_OK);
    for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
        size_t wanted = stops[i] < ROWS ? stops[i] : ROWS;
        begin(&walk, stops[i]);
        assert_int_equal(
            mm_store_list_due(store, "b.net", INT64_MAX, on_due, &walk),
            MAILMOD_OK);
        assert_int_equal(walk.count, wanted);
        assert_true(walk.is_ordered);
        begin(&walk, stops[i]);
        assert_int_equal(mm_store_each_recipient(store, 0, on_row, &walk),
                         MAILMOD_OK);
        assert_int_equal(walk.count, wanted);
        assert_true(walk.is_ordered);
        begin(&walk, stops[i]);
        assert_int_equal(mm_store_each_recipient(store, id, on_row, &walk),
                         MAILMOD_OK);
        assert_int_equal(walk.count, wanted);
    }
    begin(&walk, 1000);
    assert_int_equal(mm_store_list_due(store, "b.net", 98, on_due, &walk),
                     MAILMOD_OK);
    assert_int_equal(walk.count, 100); /* those of 98 */
    assert_int_equal(mm_store_each_recipient(store, id + 1, on_row, &walk),
                     MAILMOD_OK);
    assert_int_equal(walk.count, 100);
}

struct names {
    size_t count;
    char last[MM_STORE_USER_MAX];
    bool is_ordered;
};

static bool on_user(void *context, const struct mm_store_user *user)
{
    struct names *names = context;
    names->is_ordered =
        names->is_ordered && strcmp(user->name, names->last) > 0;
    memcpy(names->last, user->name, sizeof names->last);
    names->count++;
    return true;
}

static enum mailmod_error add_users(struct mm_store_transaction *t,
                                    void *context)
{
    enum mailmod_error error = MAILMOD_OK;
    (void)context;
    for (unsigned i = 0; error == MAILMOD_OK && i < ROWS; i++) {
        struct mm_store_user user = {.iterations = 1};
        snprintf(user.name, sizeof user.name, "user%u", i * 7919 % 10007);
        error = mm_store_add_user(t, &user);
    }
    return error;
}

static void test_users_in_pages(void **state)
{
    struct fixture *fixture = *state;
    struct names names = {.is_ordered = true};
    assert_int_equal(fixture_run(fixture->store, add_users, NULL), MAILMOD_OK);
    assert_int_equal(mm_store_each_user(fixture->store, on_user, &names),
                     MAILMOD_OK);
    assert_int_equal(names.count, ROWS);
    assert_true(names.is_ordered);
}

/* Sizes of pages and what lies beside them. */
static void test_mailbox_in_pages(void **state)
{
    struct fixture *fixture = *state;
    uint64_t box = fixture_add_user(fixture->store, "alice");
    uint64_t other = fixture_add_user(fixture->store, "bob");
    for (size_t count = 1; count <= 200; count++) {
        (void)fixture_deliver(fixture->store, 1, &box, 1);
        if (count % 10 == 0) {
            (void)fixture_deliver(fixture->store, 1, &other, 1);
        }
        if (count % 64 <= 1 || count == 200) {
            assert_int_equal(fixture_count_entries(fixture->store, box), count);
        }
    }
    assert_int_equal(fixture_remove(fixture->store, box, 64), MAILMOD_OK);
    assert_int_equal(fixture_remove(fixture->store, box, 65), MAILMOD_OK);
    struct mm_store_entry *entries;
    size_t count;
    assert_int_equal(
        mm_store_list_entries(fixture->store, box, &entries, &count),
        MAILMOD_OK);
    assert_int_equal(count, 198);
    assert_int_equal(entries[63].unique_number, 66);
    mm_free(entries);
    assert_int_equal(fixture_count_entries(fixture->store, other), 20);
    assert_int_equal(fixture_count_entries(fixture->store, 999), 0);
}

int main(void)
{
    static const struct fixture_test tests[] = {
        FIXTURE_TEST(test_queue_in_pages), FIXTURE_TEST(test_users_in_pages),
        FIXTURE_TEST(test_mailbox_in_pages)};
    return fixture_run_contract(tests, sizeof tests / sizeof tests[0]);
}
