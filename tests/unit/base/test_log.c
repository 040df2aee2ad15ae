/* test_log.c - levels, and a renderer that no value can break out of.
 * Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"

#include <string.h>

struct seen {
    int count;
    enum mm_log_level level;
    char line[256];
};

static void on_line(void *context, enum mm_log_level level,
                    const char *component, const char *text,
                    const struct mm_log_field *fields, size_t count)
{
    struct seen *seen = context;
    struct mm_buf line;
    mm_buf_init(&line, sizeof seen->line - 1);
    mm_log_render(&line, component, text, fields, count);
    seen->count++;
    seen->level = level;
    mm_span_copy(mm_buf_span(&line), seen->line, sizeof seen->line);
    mm_buf_fini(&line);
}

static int count_call(int *calls)
{
    (*calls)++;
    return 1;
}

/* Nothing is evaluated while the level is off. */
static void test_levels(void **state)
{
    struct seen seen = {0};
    struct mm_log log = {on_line, &seen, MM_LOG_INFO};
    int calls = 0;
    (void)state;
    MM_LOG(&log, MM_LOG_DEBUG, "smtp", "hidden",
           MM_NUMBER("n", count_call(&calls)));
    assert_int_equal(seen.count, 0);
    assert_int_equal(calls, 0);
    MM_LOG(&log, MM_LOG_INFO, "smtp", "shown", MM_TEXT("peer", "192.0.2.1"),
           MM_NUMBER("n", count_call(&calls)));
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.level, MM_LOG_INFO);
    assert_string_equal(seen.line, "smtp: shown peer=192.0.2.1 n=1");
    atomic_store(&log.level, MM_LOG_WIRE);
    assert_true(mm_log_is_on(&log, MM_LOG_WIRE));
    atomic_store(&log.level, MM_LOG_ERROR);
    assert_false(mm_log_is_on(&log, MM_LOG_WARNING));
    assert_true(mm_log_is_on(&log, MM_LOG_ERROR));
}

static void test_silent(void **state)
{
    struct mm_log log = {NULL, NULL, MM_LOG_WIRE};
    (void)state;
    assert_false(mm_log_is_on(NULL, MM_LOG_ERROR));
    assert_false(mm_log_is_on(&log, MM_LOG_ERROR));
    mm_log_write(&log, MM_LOG_ERROR, "x", "y", NULL, 0);
}

static const struct {
    const char *value;
    const char *rendered;
} values[] = {
    {"plain", "plain"},
    {"a@b.example", "a@b.example"},
    {"", "\"\""},
    {"two words", "\"two words\""},
    {"a=b", "\"a=b\""},
    {"say \"hi\"", "\"say \\\"hi\\\"\""},
    {"back\\slash", "\"back\\\\slash\""},
    {"line\r\nforged: x", "\"line\\x0d\\x0aforged: x\""},
    {"\x1b[31m", "\"\\x1b[31m\""},
    {"\x7f", "\"\\x7f\""},
    {"\xc3\xa4", "\"\xc3\xa4\""},
    {"\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xe2\x82\xac\xf0\x9f\x98\x80\""},
    {"\xc2\x9b"
     "31m",
     "\"\\xc2\\x9b31m\""}, /* CSI in UTF-8 */
    {"\xff\xfe", "\"\\xff\\xfe\""},
    {"cut\xe2\x82", "\"cut\\xe2\\x82\""},
};

static void test_render_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct mm_log_field field = MM_TEXT("k", values[i].value);
        struct mm_buf line;
        mm_buf_init(&line, 200);
        mm_log_render(&line, "c", "t", &field, 1);
        assert_memory_equal(mm_buf_cstr(&line), "c: t k=", 7);
        assert_string_equal(mm_buf_cstr(&line) + 7, values[i].rendered);
        mm_buf_fini(&line);
    }
}

static void test_render_numbers(void **state)
{
    struct mm_log_field fields[] = {MM_NUMBER("a", 0), MM_NUMBER("b", -5),
                                    MM_NUMBER("c", INT64_MIN),
                                    MM_NUMBER("d", INT64_MAX)};
    struct mm_buf line;
    (void)state;
    mm_buf_init(&line, 200);
    mm_log_render(&line, "c", "two\nlines", fields, 4);
    assert_string_equal(mm_buf_cstr(&line),
                        "c: two\\x0alines a=0 b=-5 c=-9223372036854775808 "
                        "d=9223372036854775807");
    mm_buf_fini(&line);
    mm_buf_init(&line, 10);
    mm_log_render(&line, "component", "text", fields, 4);
    assert_int_equal(mm_buf_error(&line), MAILMOD_ERROR_LIMIT);
    mm_buf_fini(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_silent),
        cmocka_unit_test(test_render_values),
        cmocka_unit_test(test_render_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
