/* test_buf.c - the byte buffer: order kept, cap kept, failures harmless.
 * Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"

#include <string.h>

static void test_empty(void **state)
{
    struct mm_buf buf;
    (void)state;
    mm_buf_init(&buf, 10);
    assert_int_equal(mm_buf_size(&buf), 0);
    assert_int_equal(mm_buf_room(&buf), 10);
    assert_int_equal(mm_buf_span(&buf).size, 0);
    assert_null(buf.data);
    assert_string_equal(mm_buf_cstr(&buf), "");
    assert_int_equal(mm_buf_append(&buf, NULL, 0), MAILMOD_OK);
    mm_buf_consume(&buf, 5);
    mm_buf_fini(&buf);
    mm_buf_fini(&buf);
}

static void test_append_forms(void **state)
{
    struct mm_buf buf;
    (void)state;
    mm_buf_init(&buf, 1000);
    mm_buf_append(&buf, "ab", 2);
    mm_buf_append_span(&buf, mm_span_cstr("cd"));
    mm_buf_append_cstr(&buf, "ef");
    mm_buf_append_char(&buf, '-');
    mm_buf_append_u64(&buf, 0);
    mm_buf_append_char(&buf, '-');
    mm_buf_append_u64(&buf, UINT64_MAX);
    assert_int_equal(mm_buf_appendf(&buf, "-%s%03d", "x", 7), MAILMOD_OK);
    assert_int_equal(mm_buf_appendf(&buf, "%s", ""), MAILMOD_OK);
    assert_int_equal(mm_buf_error(&buf), MAILMOD_OK);
    assert_string_equal(mm_buf_cstr(&buf),
                        "abcdef-0-18446744073709551615-x007");
    mm_buf_fini(&buf);
}

/* Full to the last octet, with the NUL beyond it; one more changes nothing
 * and is remembered until the buffer is cleared. */
static void test_cap(void **state)
{
    static const size_t caps[] = {0, 1, 2, 127, 128, 129, 1000};
    (void)state;
    for (size_t i = 0; i < sizeof caps / sizeof caps[0]; i++) {
        struct mm_buf buf;
        mm_buf_init(&buf, caps[i]);
        for (size_t n = 0; n < caps[i]; n++) {
            assert_int_equal(mm_buf_append_char(&buf, 'x'), MAILMOD_OK);
        }
        assert_int_equal(mm_buf_room(&buf), 0);
        assert_int_equal(strlen(mm_buf_cstr(&buf)), caps[i]);
        assert_int_equal(mm_buf_append_char(&buf, 'y'), MAILMOD_ERROR_LIMIT);
        assert_int_equal(mm_buf_appendf(&buf, "%d", 1), MAILMOD_ERROR_LIMIT);
        assert_null(mm_buf_reserve(&buf, 1));
        assert_int_equal(mm_buf_size(&buf), caps[i]);
        assert_int_equal(mm_buf_error(&buf), MAILMOD_ERROR_LIMIT);
        mm_buf_consume(&buf, 1);
        if (caps[i] > 0) {
            assert_int_equal(mm_buf_append_char(&buf, 'z'), MAILMOD_OK);
        }
        assert_int_equal(mm_buf_error(&buf), MAILMOD_ERROR_LIMIT);
        mm_buf_clear(&buf);
        assert_int_equal(mm_buf_error(&buf), MAILMOD_OK);
        mm_buf_fini(&buf);
    }
}

static void test_huge_cap(void **state)
{
    struct mm_buf buf;
    (void)state;
    mm_buf_init(&buf, SIZE_MAX);
    assert_int_equal(mm_buf_append_cstr(&buf, "x"), MAILMOD_OK);
    assert_int_equal(mm_buf_append(&buf, "x", SIZE_MAX - 4),
                     MAILMOD_ERROR_LIMIT);
    assert_string_equal(mm_buf_cstr(&buf), "x");
    mm_buf_fini(&buf);
}

/* With room left in front, without, and past the cap. */
static void test_prepend(void **state)
{
    static const size_t fronts[] = {0, 3, 4, 100};
    (void)state;
    for (size_t i = 0; i < sizeof fronts / sizeof fronts[0]; i++) {
        struct mm_buf buf;
        mm_buf_init(&buf, 300);
        assert_int_equal(mm_buf_leave_front(&buf, fronts[i], 10), MAILMOD_OK);
        assert_int_equal(mm_buf_size(&buf), 0);
        mm_buf_append_cstr(&buf, "body");
        const char *body = buf.data + buf.start;
        assert_int_equal(mm_buf_prepend(&buf, mm_span_cstr("head")),
                         MAILMOD_OK);
        assert_string_equal(mm_buf_cstr(&buf), "headbody");
        assert_true(fronts[i] < 4 || buf.data + buf.start + 4 == body);
        assert_int_equal(mm_buf_prepend(&buf, mm_span(NULL, 0)), MAILMOD_OK);
        char more[200];
        memset(more, 'm', sizeof more);
        assert_int_equal(mm_buf_prepend(&buf, mm_span(more, sizeof more)),
                         MAILMOD_OK);
        assert_int_equal(mm_buf_size(&buf), 208);
        assert_memory_equal(mm_buf_span(&buf).data + 200, "headbody", 8);
        assert_int_equal(mm_buf_prepend(&buf, mm_span(more, sizeof more)),
                         MAILMOD_ERROR_LIMIT);
        assert_int_equal(mm_buf_size(&buf), 208);
        mm_buf_fini(&buf);
    }
    struct mm_buf small;
    mm_buf_init(&small, 10);
    assert_int_equal(mm_buf_prepend(&small, mm_span_cstr("alone")), MAILMOD_OK);
    assert_string_equal(mm_buf_cstr(&small), "alone");
    assert_int_equal(mm_buf_leave_front(&small, 6, 5), MAILMOD_ERROR_LIMIT);
    mm_buf_fini(&small);
}

static void test_reserve(void **state)
{
    struct mm_buf buf;
    (void)state;
    mm_buf_init(&buf, 300);
    char *at = mm_buf_reserve(&buf, 300);
    memset(at, 'a', 300);
    mm_buf_added(&buf, 200);
    assert_int_equal(mm_buf_size(&buf), 200);
    assert_non_null(mm_buf_reserve(&buf, 0));
    mm_buf_consume(&buf, 150);
    at = mm_buf_reserve(&buf, 250);
    memset(at, 'b', 250);
    mm_buf_added(&buf, 250);
    struct mm_span span = mm_buf_span(&buf);
    assert_int_equal(span.size, 300);
    assert_int_equal(span.data[49], 'a');
    assert_int_equal(span.data[50], 'b');
    mm_buf_fini(&buf);
}

/* As a queue: what goes in comes out, in order, through every compaction,
 * and the memory stays within the cap and one octet. */
static void test_queue(void **state)
{
    struct mm_buf buf;
    unsigned in = 0;
    unsigned out = 0;
    uint32_t random = 12345;
    (void)state;
    mm_buf_init(&buf, 500);
    for (int round = 0; round < 20000; round++) {
        random = random * 1103515245u + 12345u;
        size_t count = random >> 16 & 63;
        for (size_t i = 0; i < count && mm_buf_room(&buf) > 0; i++) {
            assert_int_equal(mm_buf_append_char(&buf, (char)(in & 127)),
                             MAILMOD_OK);
            in++;
        }
        struct mm_span span = mm_buf_span(&buf);
        count = random >> 22 & 63;
        count = count < span.size ? count : span.size;
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(span.data[i], out & 127);
            out++;
        }
        mm_buf_consume(&buf, count);
        assert_true(buf.capacity <= 501);
    }
    assert_int_equal(mm_buf_error(&buf), MAILMOD_OK);
    mm_buf_fini(&buf);
}

static void test_out_of_memory(void **state)
{
    struct mm_buf buf;
    (void)state;
    mm_buf_init(&buf, 100000);
    mm_mem_set_fault(1, 1);
    assert_int_equal(mm_buf_append_cstr(&buf, "x"), MAILMOD_ERROR_MEMORY);
    assert_null(mm_buf_reserve(&buf, 10));
    assert_null(mm_buf_cstr(&buf));
    assert_int_equal(mm_buf_appendf(&buf, "%d", 5), MAILMOD_ERROR_MEMORY);
    mm_mem_set_fault(0, 0);
    assert_int_equal(mm_buf_error(&buf), MAILMOD_ERROR_MEMORY);
    mm_buf_clear(&buf);
    assert_int_equal(mm_buf_append_cstr(&buf, "kept"), MAILMOD_OK);
    mm_mem_set_fault(1, 1);
    assert_null(mm_buf_reserve(&buf, 50000));
    mm_mem_set_fault(0, 0);
    assert_string_equal(mm_buf_cstr(&buf), "kept");
    mm_buf_release(&buf);
    assert_null(buf.data);
    assert_int_equal(mm_buf_room(&buf), 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),   cmocka_unit_test(test_append_forms),
        cmocka_unit_test(test_cap),     cmocka_unit_test(test_huge_cap),
        cmocka_unit_test(test_prepend), cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_queue),   cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
