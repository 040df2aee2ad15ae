/* test_mem.c - the heap's door: zeroed, checked, failing on demand.
 * Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"

#include <string.h>

static void test_zeroed(void **state)
{
    static const unsigned char zeros[64];
    (void)state;
    unsigned char *memory = mm_alloc(64);
    assert_non_null(memory);
    assert_memory_equal(memory, zeros, 64);
    memset(memory, 7, 64);
    memory = mm_realloc(memory, 4096);
    assert_non_null(memory);
    assert_int_equal(memory[63], 7);
    mm_free(memory);
    memory = mm_alloc_array(8, 8);
    assert_memory_equal(memory, zeros, 64);
    mm_free(memory);
    mm_free(NULL);
}

static void test_array_grows(void **state)
{
    int *items = NULL;
    size_t capacity = 0;
    (void)state;
    for (int i = 0; i < 1000; i++) {
        int *grown = mm_array_grow(items, (size_t)i, &capacity, sizeof *items);
        assert_non_null(grown);
        assert_true(capacity > (size_t)i);
        items = grown;
        items[i] = i;
    }
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(items[i], i);
    }
    size_t before = capacity;
    mm_mem_set_fault(1, 1);
    /* What there is room for needs no memory. */
    assert_ptr_equal(mm_array_grow(items, 999, &capacity, sizeof *items),
                     items);
    assert_null(mm_array_grow(items, capacity, &capacity, sizeof *items));
    mm_mem_set_fault(0, 0);
    assert_int_equal(capacity, before);
    size_t huge = SIZE_MAX / 8;
    assert_null(mm_array_grow(items, huge, &huge, sizeof *items));
    assert_int_equal(huge, SIZE_MAX / 8);
    mm_free(items);
}

static void test_sizes_of_nothing(void **state)
{
    (void)state;
    void *nothing[] = {mm_alloc(0), mm_alloc_array(0, 9), mm_alloc_array(9, 0),
                       mm_realloc(NULL, 0)};
    for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++) {
        assert_non_null(nothing[i]);
        mm_free(nothing[i]);
    }
}

static void test_overflow(void **state)
{
    (void)state;
    assert_null(mm_alloc_array(SIZE_MAX / 2, 3));
    assert_null(mm_alloc_array(SIZE_MAX, SIZE_MAX));
    assert_null(mm_memdup0("x", SIZE_MAX));
}

static void test_copies(void **state)
{
    (void)state;
    char *copy = mm_strdup("mail");
    assert_string_equal(copy, "mail");
    mm_free(copy);
    assert_null(mm_strdup(NULL));
    copy = mm_memdup0("a\0b", 3);
    assert_memory_equal(copy, "a\0b", 4);
    mm_free(copy);
    copy = mm_memdup0(NULL, 0);
    assert_string_equal(copy, "");
    mm_free(copy);
}

static void test_secret_clear(void **state)
{
    char secret[] = "pencil";
    (void)state;
    mm_secret_clear(secret, 4);
    assert_memory_equal(secret, "\0\0\0\0il", 7);
    mm_secret_clear(secret, 0);
}

static void test_one_fault(void **state)
{
    (void)state;
    mm_mem_set_fault(2, 0);
    void *first = mm_alloc(1);
    void *second = mm_realloc(NULL, 1);
    void *third = mm_strdup("x");
    assert_int_equal(mm_mem_set_fault(0, 0), 3);
    assert_non_null(first);
    assert_null(second);
    assert_non_null(third);
    mm_free(first);
    mm_free(third);
    assert_int_equal(mm_mem_set_fault(0, 0), 0);
}

static void test_sticky_fault(void **state)
{
    (void)state;
    mm_mem_set_fault(2, 1);
    void *first = mm_alloc(1);
    void *second = mm_alloc(1);
    void *third = mm_alloc(1);
    mm_mem_set_fault(0, 0);
    void *fourth = mm_alloc(1);
    assert_non_null(first);
    assert_null(second);
    assert_null(third);
    assert_non_null(fourth);
    mm_free(first);
    mm_free(fourth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zeroed),
        cmocka_unit_test(test_array_grows),
        cmocka_unit_test(test_sizes_of_nothing),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_secret_clear),
        cmocka_unit_test(test_one_fault),
        cmocka_unit_test(test_sticky_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
