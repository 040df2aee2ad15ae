/* test_milter_text.c - a message in the steps of a filter, cut everywhere. */
#include "wire/milter/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *message;
    const char *items; /* "F name|value", "N", then the body */
} rows[] = {
    {"", "N\n"},
    {"\r\n", "N\n"},
    {"\r\nbody\r\n", "N\nbody\r\n"},
    {"A: b\r\n", "F A| b\nN\n"},
    {"A: b", "F A| b\nN\n"},
    {"A: b\r\nC:d\r\n e\r\n\tf\r\n\r\nx\r\n\r\ny",
     "F A| b\nF C|d\n e\n\tf\nN\nx\r\n\r\ny"},
    {"A : b\n\nx\n", "F A| b\nN\nx\n"},
    {"A:\r\n\r\n", "F A|\nN\n"},
    {"no field\r\nx\r\n", "N\nno field\r\nx\r\n"},
    {"A: b\r\nno field\r\nB: c\r\n", "F A| b\nN\nno field\r\nB: c\r\n"},
    {"A: b\r\n: c\r\nd", "F A| b\nN\n: c\r\nd"},
    {" folded\r\nA: b\r\n", "N\n folded\r\nA: b\r\n"},
};

static void run(const char *message, size_t piece, struct mm_buf *out)
{
    struct mm_milter_text text;
    size_t size = strlen(message);
    size_t at = 0;
    bool is_over = false;

    mm_milter_text_init(&text);
    while (!is_over) {
        size_t now = size - at < piece ? size - at : piece;
        struct mm_span data = mm_span(message + at, now);
        enum mm_milter_item item;

        at += now;
        is_over = now == 0;
        do {
            const char *name;
            struct mm_span value;
            enum mailmod_error error;

            item = mm_milter_text_next(&text, &data, is_over, &name, &value,
                                       &error);
            assert_int_equal(error, MAILMOD_OK);
            if (item == MM_MILTER_ITEM_FIELD) {
                (void)mm_buf_appendf(out, "F %s|", name);
            } else if (item == MM_MILTER_ITEM_FIELDS_END) {
                (void)mm_buf_append_cstr(out, "N");
            }
            (void)mm_buf_append_span(out, value);
            if (item != MM_MILTER_ITEM_BODY && item != MM_MILTER_ITEM_NONE) {
                (void)mm_buf_append_char(out, '\n');
            }
        } while (item != MM_MILTER_ITEM_NONE);
        assert_int_equal(data.size, 0);
    }
    mm_milter_text_fini(&text);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t piece = 1; piece < 40; piece++) {
            struct mm_buf out;

            mm_buf_init(&out, 1024);
            run(rows[i].message, piece, &out);
            assert_string_equal(mm_buf_cstr(&out), rows[i].items);
            mm_buf_fini(&out);
        }
    }
}

/* A field without an end costs no more than its bound. */
static void test_a_large_field(void **state)
{
    enum { SIZE = 4 * MM_MILTER_FIELD_MAX };
    char *message = malloc(SIZE + 1);
    struct mm_milter_text text;
    const char *name;
    struct mm_span value;
    enum mailmod_error error;

    (void)state;
    memset(message, 'v', SIZE);
    memcpy(message, "Name:", 5);
    struct mm_span data = mm_span(message, SIZE);
    mm_milter_text_init(&text);
    assert_int_equal(
        mm_milter_text_next(&text, &data, false, &name, &value, &error),
        MM_MILTER_ITEM_NONE);
    assert_int_equal(
        mm_milter_text_next(&text, &data, true, &name, &value, &error),
        MM_MILTER_ITEM_FIELD);
    assert_string_equal(name, "Name");
    assert_int_equal(value.size, MM_MILTER_FIELD_MAX - 5);
    mm_milter_text_fini(&text);
    free(message);
}

/* No packet holds more. */
static void test_a_large_body(void **state)
{
    enum { SIZE = MM_MILTER_DATA_MAX + 10 };
    char *message = calloc(1, SIZE);
    struct mm_milter_text text;
    const char *name;
    struct mm_span value;
    enum mailmod_error error;

    (void)state;
    message[0] = '\n';
    struct mm_span data = mm_span(message, SIZE);
    mm_milter_text_init(&text);
    assert_int_equal(
        mm_milter_text_next(&text, &data, false, &name, &value, &error),
        MM_MILTER_ITEM_FIELDS_END);
    assert_int_equal(
        mm_milter_text_next(&text, &data, false, &name, &value, &error),
        MM_MILTER_ITEM_BODY);
    assert_int_equal(value.size, MM_MILTER_DATA_MAX);
    assert_int_equal(
        mm_milter_text_next(&text, &data, false, &name, &value, &error),
        MM_MILTER_ITEM_BODY);
    assert_int_equal(value.size, 9);
    mm_milter_text_fini(&text);
    free(message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_a_large_field),
        cmocka_unit_test(test_a_large_body),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
