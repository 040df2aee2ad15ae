/* test_deleted.c - deleted mail that is kept: out of the mailbox from the
 * commit on, whole until its time is over, and back as new mail. */
#include "../fixture.h"

#include "platform/clock.h"

#include <string.h>

#define MANY 300

struct keeping {
    uint64_t box;
    uint64_t numbers[MANY];
    size_t count;
    int64_t now_ms;
    size_t swept;
    enum mailmod_error error;
};

static enum mailmod_error keep(struct mm_store_transaction *t, void *context)
{
    struct keeping *k = context;
    enum mailmod_error error =
        mm_store_keep_entries(t, k->box, k->numbers, k->count, k->now_ms);
    return error == MAILMOD_OK ? k->error : error;
}

static enum mailmod_error restore(struct mm_store_transaction *t, void *context)
{
    struct keeping *k = context;
    return mm_store_restore_deleted(t, k->box, k->numbers[0]);
}

/* What was deleted before now_ms, `count` at most. */
static enum mailmod_error sweep(struct mm_store_transaction *t, void *context)
{
    struct keeping *k = context;
    return mm_store_sweep_deleted(t, k->now_ms, k->count, &k->swept);
}

static enum mailmod_error remove_user(struct mm_store_transaction *t,
                                      void *context)
{
    return mm_store_remove_user(t, context);
}

static size_t list(struct mm_store *store, uint64_t box,
                   struct mm_store_deleted kept[MANY])
{
    size_t count;
    assert_int_equal(mm_store_list_deleted(store, box, 0, kept, MANY, &count),
                     MAILMOD_OK);
    return count;
}

static void await_kept(struct mm_store *store, uint64_t box, size_t wanted)
{
    static struct mm_store_deleted kept[MANY];
    uint64_t begin_ms = mm_clock_monotonic_ms();
    while (list(store, box, kept) != wanted) {
        assert_true(mm_clock_monotonic_ms() - begin_ms < 30000);
        mm_clock_sleep_ms(5);
    }
}

static void expect_use(struct mm_store *store, uint64_t box, uint64_t entries,
                       uint64_t octets)
{
    uint64_t got_entries = 0;
    uint64_t got_octets = 0;
    assert_int_equal(
        mm_store_mailbox_use(store, box, &got_entries, &got_octets),
        MAILMOD_OK);
    assert_int_equal(got_entries, entries);
    assert_int_equal(got_octets, octets);
}

struct detailed {
    uint64_t box;
    uint64_t id;
    struct mm_store_entry_detail detail;
};

static enum mailmod_error put_detailed(struct mm_store_transaction *t,
                                       void *context)
{
    struct detailed *d = context;
    enum mailmod_error error = fixture_put_body(t, d->id, 70000);
    if (error == MAILMOD_OK) {
        error = fixture_put_row(t, d->id, 70000);
    }
    return error == MAILMOD_OK
               ? mm_store_put_entry_with(t, d->box, d->id, 70099, &d->detail)
               : error;
}

/* Out of the mailbox and its counts, listed as deleted, whole; back under a new
 * number with what the entry kept, but for its unique-id text. */
static void test_kept_and_restored(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store *store = fixture->store;
    struct detailed put = {.box = fixture_add_user(store, "alice"),
                           .id = mm_store_new_message_id(store),
                           .detail = {.has_reverse_path = true}};
    struct keeping k = {
        .box = put.box, .numbers = {1, 9}, .count = 2, .now_ms = 5000};
    struct mm_store_deleted kept[MANY];
    struct mm_store_entry_detail got;
    strcpy(put.detail.uidl, "uidl1");
    strcpy(put.detail.reverse_path, "s@b.net");
    strcpy(put.detail.delivered_to, "alice+x@b.net");
    assert_int_equal(fixture_run(store, put_detailed, &put), MAILMOD_OK);
    assert_int_equal(fixture_run(store, keep, &k), MAILMOD_OK);
    assert_int_equal(fixture_count_entries(store, put.box), 0);
    expect_use(store, put.box, 0, 0);
    assert_int_equal(list(store, put.box, kept), 1);
    assert_int_equal(kept[0].entry.unique_number, 1);
    assert_int_equal(kept[0].entry.message_id, put.id);
    assert_int_equal(kept[0].entry.size, 70099);
    assert_int_equal(kept[0].deleted_ms, 5000);
    fixture_check_body(store, put.id, 70000);
    fixture_verify(store);
    fixture_reopen(fixture);
    store = fixture->store;
    assert_int_equal(list(store, put.box, kept), 1);
    assert_int_equal(fixture_run(store, restore, &k), MAILMOD_OK);
    assert_int_equal(fixture_run(store, restore, &k), MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(list(store, put.box, kept), 0);
    expect_use(store, put.box, 1, 70099);
    assert_int_equal(mm_store_find_entry(store, put.box, 1, &got),
                     MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(mm_store_find_entry(store, put.box, 2, &got), MAILMOD_OK);
    put.detail.uidl[0] = '\0';
    assert_string_equal(got.uidl, "");
    assert_string_equal(got.reverse_path, "s@b.net");
    assert_string_equal(got.delivered_to, "alice+x@b.net");
    fixture_check_body(store, put.id, 70000);
    fixture_verify(store);
}

/* A job that fails keeps nothing, and a time must be told. */
static void test_all_or_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct keeping k = {.box = fixture_add_user(fixture->store, "alice"),
                        .numbers = {1, 2},
                        .count = 2,
                        .now_ms = 1,
                        .error = MAILMOD_ERROR_CANCELLED};
    struct mm_store_deleted kept[MANY];
    (void)fixture_deliver(fixture->store, 50, &k.box, 1);
    (void)fixture_deliver(fixture->store, 50, &k.box, 1);
    assert_int_equal(fixture_run(fixture->store, keep, &k),
                     MAILMOD_ERROR_CANCELLED);
    assert_int_equal(fixture_count_entries(fixture->store, k.box), 2);
    assert_int_equal(list(fixture->store, k.box, kept), 0);
    k.error = MAILMOD_OK;
    k.now_ms = 0;
    assert_int_equal(fixture_run(fixture->store, keep, &k),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(fixture_count_entries(fixture->store, k.box), 2);
    fixture_verify(fixture->store);
}

/* Of many only the promise is committed: none is listed from then on, all are
 * deleted mail in the end. */
static void test_many_kept(void **state)
{
    struct fixture *fixture = *state;
    struct keeping k = {.box = fixture_add_user(fixture->store, "alice"),
                        .count = MANY / 2,
                        .now_ms = 77};
    struct mm_store_deleted kept[MANY];
    for (int i = 0; i < MANY; i++) {
        (void)fixture_deliver(fixture->store, 50, &k.box, 1);
    }
    for (size_t i = 0; i < k.count; i++) {
        k.numbers[i] = 2 * i + 1;
    }
    assert_int_equal(fixture_run(fixture->store, keep, &k), MAILMOD_OK);
    assert_int_equal(fixture_count_entries(fixture->store, k.box), MANY / 2);
    fixture_reopen(fixture);
    assert_int_equal(fixture_count_entries(fixture->store, k.box), MANY / 2);
    await_kept(fixture->store, k.box, MANY / 2);
    (void)list(fixture->store, k.box, kept);
    assert_int_equal(kept[1].entry.unique_number, 3);
    assert_int_equal(kept[1].deleted_ms, 77);
    fixture_verify(fixture->store);
}

/* Deleted mail goes with the mailbox, a lot of it, too. */
static void test_user_removed(void **state)
{
    struct fixture *fixture = *state;
    struct keeping k = {.box = fixture_add_user(fixture->store, "alice"),
                        .count = 60,
                        .now_ms = 77};
    char name[] = "alice";
    uint64_t id = 0;
    for (size_t i = 0; i < k.count; i++) {
        id = fixture_deliver(fixture->store, 50, &k.box, 1);
        k.numbers[i] = i + 1;
    }
    assert_int_equal(fixture_run(fixture->store, keep, &k), MAILMOD_OK);
    await_kept(fixture->store, k.box, k.count);
    assert_true(fixture_has_message(fixture->store, id));
    assert_int_equal(fixture_run(fixture->store, remove_user, name),
                     MAILMOD_OK);
    await_kept(fixture->store, k.box, 0);
    while (fixture_has_message(fixture->store, id)) {
        mm_clock_sleep_ms(5);
    }
    fixture_verify(fixture->store);
}

/* The oldest goes first, and so many at a time; what another mailbox has
 * stays. */
static void test_swept(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store *store = fixture->store;
    uint64_t boxes[] = {fixture_add_user(store, "alice"),
                        fixture_add_user(store, "bob")};
    struct keeping k = {.box = boxes[0], .count = 1};
    struct mm_store_deleted kept[MANY];
    uint64_t shared = fixture_deliver(store, 50, boxes, 2);
    uint64_t ids[3];
    for (int i = 0; i < 3; i++) {
        ids[i] = fixture_deliver(store, 50, boxes, 1);
    }
    static const int64_t times[] = {400, 100, 300, 200}; /* of 1 to 4 */
    for (uint64_t i = 0; i < 4; i++) {
        k.numbers[0] = i + 1;
        k.now_ms = times[i];
        assert_int_equal(fixture_run(store, keep, &k), MAILMOD_OK);
    }
    k.now_ms = 100;
    k.count = 10;
    assert_int_equal(fixture_run(store, sweep, &k), MAILMOD_OK);
    assert_int_equal(k.swept, 0);
    k.now_ms = 301;
    k.count = 2;
    assert_int_equal(fixture_run(store, sweep, &k), MAILMOD_OK);
    assert_int_equal(k.swept, 2); /* of 100 and 200 */
    assert_false(fixture_has_message(store, ids[0]));
    assert_true(fixture_has_message(store, ids[1]));
    assert_false(fixture_has_message(store, ids[2]));
    k.now_ms = 1000;
    k.count = 10;
    assert_int_equal(fixture_run(store, sweep, &k), MAILMOD_OK);
    assert_int_equal(k.swept, 2);
    assert_int_equal(list(store, boxes[0], kept), 0);
    assert_false(fixture_has_message(store, ids[1]));
    assert_true(fixture_has_message(store, shared));
    assert_int_equal(fixture_count_entries(store, boxes[1]), 1);
    fixture_verify(store);
}

int main(void)
{
    static const struct fixture_test tests[] = {
        FIXTURE_TEST(test_kept_and_restored), FIXTURE_TEST(test_all_or_nothing),
        FIXTURE_TEST(test_many_kept), FIXTURE_TEST(test_user_removed),
        FIXTURE_TEST(test_swept)};
    return fixture_run_contract(tests, sizeof tests / sizeof tests[0]);
}
