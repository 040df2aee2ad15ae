/* test_record.c - what hangs on a name, on disk and in memory. */
#include "../fixture.h"

#include <stdio.h>
#include <string.h>

#define ROWS 600 /* more than two pages of a listing */

static struct mm_store_record record_of(const char *name, const char *key,
                                        int64_t number, const char *value)
{
    struct mm_store_record record = {.kind = MM_RECORD_ALIAS,
                                     .number = number,
                                     .value = mm_span_cstr(value)};
    snprintf(record.name, sizeof record.name, "%s", name);
    snprintf(record.key, sizeof record.key, "%s", key);
    return record;
}

static enum mailmod_error put_rows(struct mm_store_transaction *t,
                                   void *context)
{
    enum mailmod_error error = MAILMOD_OK;
    for (int i = 0; i < ROWS && error == MAILMOD_OK; i++) {
        char key[20];
        snprintf(key, sizeof key, "key-%04d", i);
        struct mm_store_record record = record_of(context, key, i, "text");
        error = mm_store_keep_record(t, &record);
    }
    return error;
}

static enum mailmod_error change(struct mm_store_transaction *t, void *context)
{
    struct mm_store_record record = record_of(context, "key-0003", 33, "");
    struct mm_store_record found;
    assert_int_equal(
        mm_store_record_of(t, MM_RECORD_ALIAS, context, "key-0003", &found),
        MAILMOD_OK);
    assert_int_equal(found.number, 3);
    assert_int_equal(mm_store_keep_record(t, &record), MAILMOD_OK);
    assert_int_equal(
        mm_store_record_of(t, MM_RECORD_ALIAS, context, "key-0003", &found),
        MAILMOD_OK);
    assert_int_equal(found.number, 33); /* its own change is seen */
    assert_int_equal(
        mm_store_record_of(t, MM_RECORD_FORWARD, context, "key-0003", &found),
        MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(
        mm_store_drop_record(t, MM_RECORD_ALIAS, context, "key-0004"),
        MAILMOD_OK);
    return mm_store_drop_record(t, MM_RECORD_ALIAS, context, "key-0005");
}

static enum mailmod_error move(struct mm_store_transaction *t, void *context)
{
    enum mailmod_error error =
        mm_store_move_records(t, MM_RECORD_ALIAS, context, "c");
    return error == MAILMOD_OK
               ? mm_store_move_records(t, MM_RECORD_FORWARD, "c", NULL)
               : error;
}

static enum mailmod_error drop_all(struct mm_store_transaction *t,
                                   void *context)
{
    return mm_store_move_records(t, MM_RECORD_ALIAS, context, NULL);
}

static enum mailmod_error drop_nothing(struct mm_store_transaction *t,
                                       void *context)
{
    return mm_store_drop_record(t, MM_RECORD_ALIAS, context, "nothing");
}

static enum mailmod_error put_large(struct mm_store_transaction *t,
                                    void *context)
{
    struct mm_store_record record = record_of(context, "", 0, "");
    char text[MM_STORE_RECORD_VALUE_MAX + 1] = "";
    record.value = mm_span(text, sizeof text);
    return mm_store_keep_record(t, &record);
}

struct rows {
    unsigned count;
    unsigned max;
    struct mm_store_record last;
    int64_t third;
    size_t octets;
};

static bool on_record(void *context, const struct mm_store_record *record)
{
    struct rows *rows = context;
    int order = strcmp(rows->last.name, record->name);
    assert_true(order < 0 ||
                (order == 0 && strcmp(rows->last.key, record->key) < 0));
    if (strcmp(record->key, "key-0003") == 0) {
        rows->third = record->number;
    }
    rows->octets += record->value.size;
    rows->last = *record;
    return ++rows->count != rows->max;
}

static struct rows count(struct mm_store *store, const char *name,
                         const char *after, bool is_one, unsigned max)
{
    struct rows rows = {.max = max};
    assert_int_equal(mm_store_each_record(store, MM_RECORD_ALIAS, name, after,
                                          is_one, on_record, &rows),
                     MAILMOD_OK);
    return rows;
}

static void on_found(void *context, const struct mm_store_record *record)
{
    struct rows *rows = context;
    rows->count++;
    rows->last = *record;
    rows->octets = record->value.size;
}

static void find_one(struct mm_store *store)
{
    struct rows rows = {.count = 0};
    assert_int_equal(mm_store_find_record(store, MM_RECORD_ALIAS, "a",
                                          "key-0007", on_found, &rows),
                     MAILMOD_OK);
    assert_int_equal(rows.count, 1);
    assert_int_equal(rows.last.number, 7);
    assert_int_equal(rows.octets, 4);
    assert_string_equal(rows.last.key, "key-0007");
    assert_int_equal(mm_store_find_record(store, MM_RECORD_ALIAS, "a", "key-",
                                          on_found, &rows),
                     MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(rows.count, 1);
}

static void test_rows(void **state)
{
    struct fixture *fixture = *state;
    char a[] = "a";
    char b[] = "b";
    assert_int_equal(fixture_run(fixture->store, put_rows, a), MAILMOD_OK);
    assert_int_equal(fixture_run(fixture->store, put_rows, b), MAILMOD_OK);
    assert_int_equal(count(fixture->store, "a", "", true, 0).count, ROWS);
    assert_int_equal(count(fixture->store, "", "", false, 0).count, 2 * ROWS);
    assert_int_equal(count(fixture->store, "a", "key-0599", true, 0).count, 0);
    assert_int_equal(count(fixture->store, "a", "key-0597", false, 5).count, 5);
    find_one(fixture->store);
    struct rows rows = count(fixture->store, "a", "key-0299", true, 300);
    assert_int_equal(rows.count, 300);
    assert_int_equal(rows.octets, 300 * 4);

    assert_int_equal(fixture_run(fixture->store, change, b), MAILMOD_OK);
    rows = count(fixture->store, "b", "", true, 0);
    assert_int_equal(rows.count, ROWS - 2);
    assert_int_equal(rows.third, 33);
    assert_int_equal(rows.octets, (ROWS - 3) * 4);
    assert_int_equal(fixture_run(fixture->store, drop_nothing, b),
                     MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(fixture_run(fixture->store, put_large, b),
                     MAILMOD_ERROR_TOO_LARGE);
    char c[] = "c";
    assert_int_equal(fixture_run(fixture->store, move, b), MAILMOD_OK);
    assert_int_equal(count(fixture->store, "b", "", true, 0).count, 0);
    assert_int_equal(count(fixture->store, "c", "", true, 0).count, ROWS - 2);
    assert_int_equal(count(fixture->store, "c", "", true, 0).octets,
                     (ROWS - 3) * 4);
    assert_int_equal(fixture_run(fixture->store, drop_all, c), MAILMOD_OK);
    assert_int_equal(count(fixture->store, "", "", false, 0).count, ROWS);
    fixture_verify(fixture->store);
}

int main(void)
{
    static const struct fixture_test tests[] = {FIXTURE_TEST(test_rows)};
    return fixture_run_contract(tests, sizeof tests / sizeof tests[0]);
}
