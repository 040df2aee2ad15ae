/* test_recent.c - the table of what was seen lately: its cap, who makes room,
 * and that a failed use changes nothing. Thread: the test's. */
#include "base/mem.h"
#include "base/recent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void *use(struct mm_recent *recent, const char *key)
{
    return mm_recent_use(recent, mm_span_cstr(key));
}

static bool has(const struct mm_recent *recent, const char *key)
{
    return mm_recent_get(recent, mm_span_cstr(key)) != NULL;
}

static void test_least_used_makes_room(void **state)
{
    struct mm_recent recent;

    (void)state;
    mm_recent_init(&recent, 2, sizeof(int), 7);
    *(int *)use(&recent, "a") = 1;
    *(int *)use(&recent, "b") = 2;
    assert_int_equal(*(int *)use(&recent, "a"), 1);
    assert_int_equal(*(int *)use(&recent, "c"), 0); /* zeroed */
    assert_true(has(&recent, "a"));
    assert_false(has(&recent, "b"));
    void *first = mm_recent_first(&recent);
    assert_ptr_equal(first, mm_recent_get(&recent, mm_span_cstr("a")));
    void *next = mm_recent_next(&recent, first);
    assert_ptr_equal(next, mm_recent_get(&recent, mm_span_cstr("c")));
    assert_null(mm_recent_next(&recent, next));
    mm_recent_remove(&recent, mm_span_cstr("a"));
    mm_recent_remove(&recent, mm_span_cstr("a"));
    assert_false(has(&recent, "a"));
    assert_int_equal(recent.map.count, 1);
    mm_recent_fini(&recent);
    assert_false(has(&recent, "c"));
}

static void test_made_up_keys_grow_nothing(void **state)
{
    struct mm_recent recent;

    (void)state;
    mm_recent_init(&recent, 100, 1, 7);
    for (unsigned i = 0; i < 10000; i++) {
        char key[16];

        snprintf(key, sizeof key, "%u", i);
        assert_non_null(use(&recent, key));
        assert_true(recent.map.count <= 100);
    }
    assert_true(has(&recent, "9999"));
    assert_true(has(&recent, "9900"));
    assert_false(has(&recent, "9899"));
    mm_recent_fini(&recent);
}

static void test_no_memory_changes_nothing(void **state)
{
    struct mm_recent recent;

    (void)state;
    mm_recent_init(&recent, 2, sizeof(int), 7);
    assert_non_null(use(&recent, "a"));
    assert_non_null(use(&recent, "b"));
    for (unsigned n = 1; n <= 2; n++) {
        mm_mem_set_fault(n, 1);
        assert_null(use(&recent, "c"));
        mm_mem_set_fault(0, 0);
        assert_true(has(&recent, "a") && has(&recent, "b"));
    }
    mm_recent_fini(&recent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_least_used_makes_room),
        cmocka_unit_test(test_made_up_keys_grow_nothing),
        cmocka_unit_test(test_no_memory_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
