/* test_fetch_plan.c - what is done with each message of a mailbox elsewhere:
 * unique ids that are kept, renumbered, doubled, used again, or not there. */
#include "client/fetch_plan.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define DAY (INT64_C(24) * 3600 * 1000)
#define NOW (100 * DAY)

static void hash_of(const char *text, uint8_t hash_out[MM_SHA256_SIZE])
{
    assert_int_equal(mm_sha256(mm_span_cstr(text), hash_out), MAILMOD_OK);
}

static void add_row(struct mm_fetch_plan *plan, const char *key, uint64_t size,
                    const char *text)
{
    struct mm_store_seen seen = {.size = size, .seen_ms = NOW - 10 * DAY};
    strcpy(seen.key, key);
    hash_of(text, seen.hash);
    assert_int_equal(mm_fetch_plan_add_row(plan, &seen), MAILMOD_OK);
}

static void add(struct mm_fetch_plan *plan, uint64_t number, uint64_t size)
{
    assert_int_equal(mm_fetch_plan_add(plan, number, size), MAILMOD_OK);
}

static void name(struct mm_fetch_plan *plan, uint64_t number, const char *key)
{
    mm_fetch_plan_name(plan, number, mm_span_cstr(key));
}

/* The item has been read, and this is its text. */
static bool recognize(struct mm_fetch_plan *plan, uint64_t number,
                      const char *text)
{
    struct mm_fetch_item *item = mm_fetch_plan_find(plan, number);
    hash_of(text, item->hash);
    return mm_fetch_plan_recognize(plan, item);
}

struct changes {
    size_t count;
    size_t dropped;
    struct mm_store_seen last;
};

static struct changes end(struct mm_fetch_plan *plan, bool is_updated)
{
    const struct mm_fetch_end how = {true, is_updated, NOW};
    struct changes changes = {.count = 0};
    size_t at = 0;
    bool is_dropped;
    mm_fetch_plan_end(plan, &how);
    while (mm_fetch_plan_next_change(plan, &at, &changes.last, &is_dropped)) {
        changes.count++;
        changes.dropped += is_dropped;
    }
    return changes;
}

static void test_seen_by_unique_id_and_size(void **state)
{
    struct mm_fetch_plan plan;
    (void)state;
    mm_fetch_plan_init(&plan, 1);
    add_row(&plan, "a", 10, "A");
    add_row(&plan, "b", 20, "B");
    add(&plan, 3, 30);
    add(&plan, 1, 10);
    add(&plan, 2, 21); /* "b" is another message now */
    add(&plan, 2, 99); /* listed twice: the first counts */
    mm_fetch_plan_sort(&plan);
    assert_int_equal(plan.count, 3);
    name(&plan, 1, "a");
    name(&plan, 2, "b");
    name(&plan, 3, "c");
    name(&plan, 4, "never listed");
    assert_int_equal(mm_fetch_plan_settle(&plan), MAILMOD_OK);
    assert_int_equal(plan.items[0].state, MM_FETCH_SEEN);
    assert_int_equal(plan.items[1].state, MM_FETCH_FRESH);
    assert_int_equal(plan.items[2].state, MM_FETCH_FRESH);
    assert_int_equal(plan.fresh, 2);
    /* The row of "b" is written by the message that took its place. */
    mm_fetch_plan_took(&plan, &plan.items[1], NOW);
    assert_int_equal(end(&plan, true).count, 0);
    mm_fetch_plan_fini(&plan);
}

static void test_renumbered_and_identical(void **state)
{
    struct mm_fetch_plan plan;
    (void)state;
    mm_fetch_plan_init(&plan, 1);
    add_row(&plan, "a", 10, "A");
    add_row(&plan, "b", 10, "A"); /* two identical mails */
    add_row(&plan, "c", 10, "C"); /* listed still */
    for (uint64_t i = 1; i <= 5; i++) {
        add(&plan, i, 10);
    }
    mm_fetch_plan_sort(&plan);
    name(&plan, 1, "x");
    name(&plan, 2, "y");
    name(&plan, 3, "z");
    name(&plan, 4, "c");
    name(&plan, 5, "d");
    assert_int_equal(mm_fetch_plan_settle(&plan), MAILMOD_OK);
    assert_true(recognize(&plan, 1, "A"));
    assert_true(recognize(&plan, 2, "A"));
    assert_false(recognize(&plan, 3, "A")); /* a third one is a mail */
    assert_false(recognize(&plan, 5, "C")); /* so is a second "C" */
    mm_fetch_plan_took(&plan, &plan.items[2], NOW);
    mm_fetch_plan_took(&plan, &plan.items[4], NOW);
    struct changes changes = end(&plan, true);
    assert_int_equal(changes.count, 4); /* two rows under other keys */
    assert_int_equal(changes.dropped, 2);
    assert_string_equal(changes.last.key, "y");
    assert_int_equal(changes.last.seen_ms, NOW - 10 * DAY);
    mm_fetch_plan_fini(&plan);
}

static void test_doubled_unique_ids_are_none(void **state)
{
    struct mm_fetch_plan plan;
    uint8_t header[MM_SHA256_SIZE];
    (void)state;
    mm_fetch_plan_init(&plan, 1);
    add(&plan, 1, 10);
    add(&plan, 2, 10);
    add(&plan, 3, 10);
    mm_fetch_plan_sort(&plan);
    name(&plan, 1, "same");
    name(&plan, 2, "same");
    name(&plan, 3, "other");
    assert_int_equal(mm_fetch_plan_settle(&plan), MAILMOD_OK);
    assert_int_equal(plan.items[0].state, MM_FETCH_LOOK);
    assert_int_equal(plan.items[1].state, MM_FETCH_LOOK);
    assert_int_equal(plan.items[2].state, MM_FETCH_FRESH);
    /* The same header twice is two messages. */
    hash_of("header", header);
    assert_int_equal(mm_fetch_plan_look(&plan, &plan.items[0], header),
                     MAILMOD_OK);
    assert_int_equal(mm_fetch_plan_look(&plan, &plan.items[1], header),
                     MAILMOD_OK);
    assert_string_not_equal(plan.items[0].key, plan.items[1].key);
    assert_true(plan.items[0].key[0] == ' '); /* as no unique id begins */
    mm_fetch_plan_fini(&plan);
}

static void test_what_is_deleted(void **state)
{
    struct mm_fetch_plan plan;
    struct mm_config_fetch account = {.policy = MM_CONFIG_FETCH_DELETE};
    (void)state;
    for (int is_updated = 0; is_updated < 2; is_updated++) {
        mm_fetch_plan_init(&plan, 1);
        add_row(&plan, "a", 10, "A");
        add(&plan, 1, 10);
        mm_fetch_plan_sort(&plan);
        name(&plan, 1, "a");
        assert_int_equal(mm_fetch_plan_settle(&plan), MAILMOD_OK);
        struct mm_fetch_item *item = &plan.items[0];
        assert_true(mm_fetch_item_is_due(item, &account, NOW));
        account.policy = MM_CONFIG_FETCH_KEEP;
        assert_false(mm_fetch_item_is_due(item, &account, NOW));
        account.policy = MM_CONFIG_FETCH_DELETE_AFTER;
        account.delete_after_ms = 10 * DAY;
        assert_true(mm_fetch_item_is_due(item, &account, NOW));
        assert_false(mm_fetch_item_is_due(item, &account, NOW - 1));
        account.policy = MM_CONFIG_FETCH_DELETE;
        item->is_deleted = true;
        assert_false(mm_fetch_item_is_due(item, &account, NOW));
        /* Only QUIT's +OK makes it so. */
        struct changes changes = end(&plan, is_updated == 1);
        assert_int_equal(changes.count, is_updated);
        assert_int_equal(changes.last.is_deleted, is_updated == 1);
        mm_fetch_plan_fini(&plan);
    }
}

/* A deleted message under its own unique id again: it is read, and known by its
 * octets; other octets are another message. */
static void test_deleted_and_there_again(void **state)
{
    struct mm_fetch_plan plan;
    (void)state;
    for (int is_same = 0; is_same < 2; is_same++) {
        struct mm_store_seen seen = {
            .key = "a", .size = 10, .is_deleted = true, .gone_ms = 5};
        hash_of("A", seen.hash);
        mm_fetch_plan_init(&plan, 1);
        assert_int_equal(mm_fetch_plan_add_row(&plan, &seen), MAILMOD_OK);
        add(&plan, 1, 10);
        add(&plan, 2, 10);
        mm_fetch_plan_sort(&plan);
        name(&plan, 1, "a");
        name(&plan, 2, "b");
        assert_int_equal(mm_fetch_plan_settle(&plan), MAILMOD_OK);
        assert_int_equal(plan.items[0].state, MM_FETCH_FRESH);
        assert_false(recognize(&plan, 2, "A")); /* a second one is a mail */
        assert_int_equal(recognize(&plan, 1, is_same ? "A" : "B"), is_same);
        mm_fetch_plan_fini(&plan);
    }
}

static void test_rows_are_forgotten_in_time(void **state)
{
    struct mm_fetch_plan plan;
    (void)state;
    mm_fetch_plan_init(&plan, 1);
    add_row(&plan, " header.1", 10, "H");
    add_row(&plan, "gone", 10, "A");
    add_row(&plan, "long gone", 10, "B");
    plan.rows[2].seen.gone_ms = NOW - 31 * DAY;
    mm_fetch_plan_sort(&plan);
    assert_int_equal(mm_fetch_plan_settle(&plan), MAILMOD_OK);
    struct changes changes = end(&plan, true);
    assert_int_equal(changes.count, 3);
    assert_int_equal(changes.dropped, 2); /* "gone" is remembered */
    mm_fetch_plan_fini(&plan);
}

static void test_a_list_is_bounded(void **state)
{
    struct mm_fetch_plan plan;
    (void)state;
    mm_fetch_plan_init(&plan, 1);
    for (uint64_t i = 0; i < MM_LIMIT_FETCH_MESSAGES; i++) {
        add(&plan, i + 1, UINT64_MAX);
    }
    assert_int_equal(mm_fetch_plan_add(&plan, 1, 1), MAILMOD_ERROR_LIMIT);
    mm_fetch_plan_sort(&plan);
    assert_true(plan.octets == UINT64_MAX);
    mm_fetch_plan_fini(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seen_by_unique_id_and_size),
        cmocka_unit_test(test_renumbered_and_identical),
        cmocka_unit_test(test_doubled_unique_ids_are_none),
        cmocka_unit_test(test_what_is_deleted),
        cmocka_unit_test(test_deleted_and_there_again),
        cmocka_unit_test(test_rows_are_forgotten_in_time),
        cmocka_unit_test(test_a_list_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
