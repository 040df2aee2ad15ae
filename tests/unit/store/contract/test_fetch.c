/* test_fetch.c - what was fetched from elsewhere, on disk and in memory. */
#include "../fixture.h"

#include <stdio.h>
#include <string.h>

#define ROWS 600 /* more than two pages of a listing */

static enum mailmod_error put_rows(struct mm_store_transaction *t,
                                   void *context)
{
    enum mailmod_error error = MAILMOD_OK;
    for (int i = 0; i < ROWS && error == MAILMOD_OK; i++) {
        struct mm_store_seen seen = {.size = (uint64_t)i, .seen_ms = 7};
        snprintf(seen.key, sizeof seen.key, "uid-%04d", i);
        memset(seen.hash, i & 255, sizeof seen.hash);
        error = mm_store_put_seen(t, context, &seen);
    }
    return error;
}

static enum mailmod_error change_row(struct mm_store_transaction *t,
                                     void *context)
{
    struct mm_store_seen seen = {
        .key = "uid-0003", .gone_ms = 9, .is_deleted = true};
    enum mailmod_error error = mm_store_put_seen(t, context, &seen);
    return error == MAILMOD_OK ? mm_store_drop_seen(t, context, "uid-0004")
                               : error;
}

static enum mailmod_error put_account(struct mm_store_transaction *t,
                                      void *context)
{
    return mm_store_put_fetch(t, context);
}

static enum mailmod_error wish(struct mm_store_transaction *t, void *context)
{
    return mm_store_wish_fetch(t, context, MM_STORE_FETCH_CHECK);
}

static enum mailmod_error forget(struct mm_store_transaction *t, void *context)
{
    return mm_store_forget_fetch(t, context);
}

struct rows {
    unsigned count;
    char last[MM_STORE_SEEN_KEY_MAX];
    struct mm_store_seen third;
};

static bool on_seen(void *context, const struct mm_store_seen *seen)
{
    struct rows *rows = context;
    assert_true(strcmp(rows->last, seen->key) < 0);
    memcpy(rows->last, seen->key, sizeof rows->last);
    if (strcmp(seen->key, "uid-0003") == 0) {
        rows->third = *seen;
    }
    rows->count++;
    return true;
}

static struct rows count(struct mm_store *store, const char *account)
{
    struct rows rows = {.count = 0};
    assert_int_equal(mm_store_each_seen(store, account, on_seen, &rows),
                     MAILMOD_OK);
    return rows;
}

static void test_seen_rows(void **state)
{
    struct fixture *fixture = *state;
    char a[] = "a";
    char b[] = "b";
    assert_int_equal(fixture_run(fixture->store, put_rows, a), MAILMOD_OK);
    assert_int_equal(fixture_run(fixture->store, put_rows, b), MAILMOD_OK);
    struct rows rows = count(fixture->store, a);
    assert_int_equal(rows.count, ROWS);
    assert_int_equal(rows.third.size, 3);
    assert_int_equal(rows.third.hash[31], 3);
    assert_int_equal(rows.third.seen_ms, 7);
    assert_int_equal(rows.third.gone_ms, 0);

    assert_int_equal(fixture_run(fixture->store, change_row, a), MAILMOD_OK);
    rows = count(fixture->store, a);
    assert_int_equal(rows.count, ROWS - 1);
    assert_int_equal(rows.third.gone_ms, 9);
    assert_true(rows.third.is_deleted);
    assert_int_equal(rows.third.hash[31], 0);

    assert_int_equal(fixture_run(fixture->store, forget, a), MAILMOD_OK);
    assert_int_equal(count(fixture->store, a).count, 0);
    assert_int_equal(count(fixture->store, b).count, ROWS);
    fixture_verify(fixture->store);
}

static bool on_fetch(void *context, const struct mm_store_fetch *fetch)
{
    struct mm_store_fetch *found = context;
    *found = *fetch;
    return true;
}

/* An operator's wish outlives what a session writes. */
static void test_accounts(void **state)
{
    struct fixture *fixture = *state;
    char name[] = "a";
    struct mm_store_fetch found = {.listed = 0};
    struct mm_store_fetch put = {.name = "a",
                                 .source = "joe@pop.example",
                                 .begun_ms = 1,
                                 .ended_ms = 2,
                                 .listed = 3,
                                 .octets = 4,
                                 .fresh = 5,
                                 .fetched = 6,
                                 .left = 7,
                                 .deleted = 8,
                                 .failures = 9,
                                 .result = "it failed"};
    assert_int_equal(fixture_run(fixture->store, wish, name), MAILMOD_OK);
    assert_int_equal(fixture_run(fixture->store, put_account, &put),
                     MAILMOD_OK);
    assert_int_equal(mm_store_each_fetch(fixture->store, on_fetch, &found),
                     MAILMOD_OK);
    put.wish = MM_STORE_FETCH_CHECK;
    assert_string_equal(found.name, put.name);
    assert_string_equal(found.source, put.source);
    assert_string_equal(found.result, put.result);
    assert_memory_equal(&found.begun_ms, &put.begun_ms,
                        offsetof(struct mm_store_fetch, result) -
                            offsetof(struct mm_store_fetch, begun_ms));
    assert_int_equal(found.wish, put.wish);
    assert_int_equal(fixture_run(fixture->store, forget, name), MAILMOD_OK);
    found.name[0] = '\0';
    assert_int_equal(mm_store_each_fetch(fixture->store, on_fetch, &found),
                     MAILMOD_OK);
    assert_string_equal(found.name, "");
}

int main(void)
{
    static const struct fixture_test tests[] = {FIXTURE_TEST(test_seen_rows),
                                                FIXTURE_TEST(test_accounts)};
    return fixture_run_contract(tests, sizeof tests / sizeof tests[0]);
}
