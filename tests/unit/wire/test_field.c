/* test_field.c - one field's values out of a header, cut at every place, and
 * the addresses in a value (RFC 5322 2.2.3, 3.4; T-160 multidrop, attack 100).
 */
#include "wire/msg/field.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void check_values(const char *text, size_t first, size_t second,
                         const char *values, unsigned count)
{
    struct mm_field_reader reader;
    struct mm_span whole = mm_span_cstr(text);
    mm_field_reader_init(&reader, "Delivered-To", 64);
    assert_int_equal(mm_field_reader_add(&reader, mm_span(text, first)),
                     MAILMOD_OK);
    assert_int_equal(
        mm_field_reader_add(&reader, mm_span(text + first, second - first)),
        MAILMOD_OK);
    assert_int_equal(mm_field_reader_add(&reader, mm_span_from(whole, second)),
                     MAILMOD_OK);
    assert_int_equal(mm_field_reader_end(&reader), MAILMOD_OK);
    const char *found =
        mm_buf_size(&reader.values) > 0 ? mm_buf_cstr(&reader.values) : "";
    if (strcmp(found, values) != 0 || reader.count != count) {
        fail_msg("%s at %zu, %zu: %u \"%s\"", text, first, second, reader.count,
                 found);
    }
    mm_field_reader_fini(&reader);
}

static void test_values(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *values;
        unsigned count;
    } rows[] = {
        {"", "", 0},
        {"Subject: a\r\n\r\nDelivered-To: b\r\n", "", 0},
        {"Delivered-To: a@b\r\n\r\n", " a@b \n", 1},
        {"DELIVERED-to : a@b\r\nX: y\r\ndelivered-to:c\r\n\r\n", " a@b \nc \n",
         2},
        {"Delivered-To: a@b,\r\n\tc@d\r\nX: y\r\n z\r\n\r\n", " a@b, \tc@d \n",
         1},
        {"From joe Mon\r\nDelivered-To: a\r\n\r\n", " a \n", 1},
        {"no header\r\nDelivered-To: a\r\n\r\n", "", 0},
        {" no header\r\nDelivered-To: a\r\n\r\n", "", 0},
        {"\r\nDelivered-To: a\r\n\r\n", "", 0},
        {"Delivered-To: a", " a\n", 1},
        {"Delivered-To", "", 0},
        {"X-Delivered-To: a\r\nDelivered-To-X: b\r\n\r\n", "", 0},
        /* One without room is left out whole; the next has it. */
        {"Delivered-To: 1234567890123456789012345678901234567890123456789012345"
         "67890123456789\r\n more\r\nDelivered-To: a\r\n\r\n",
         " a \n", 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t size = strlen(rows[i].text);
        for (size_t first = 0; first <= size; first++) {
            check_values(rows[i].text, first, size, rows[i].values,
                         rows[i].count);
            check_values(rows[i].text, first,
                         first + 1 < size ? first + 1 : size, rows[i].values,
                         rows[i].count);
        }
    }
}

static void test_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        const char *addresses; /* joined by '|' */
    } rows[] = {
        {"", ""},
        {" , ;", ""},
        {"a@b", "a@b"},
        {" <a@b> ", "a@b"},
        {"Joe <a@b>, c@d (Jim, too), \"x, y\" <e@f>", "a@b|c@d|e@f"},
        {"\"quoted, local\"@b, c@d", "\"quoted, local\"@b|c@d"},
        {"\"a\\\"b, \" <x@y>", "x@y"},
        {"friends: a@b, Jim <c@d>;, e@f", "a@b|c@d|e@f"},
        {"a@[IPv6:2001:db8::1], c@d", "a@[IPv6:2001:db8::1]|c@d"},
        {"(comment (in one), here) a@b", "a@b"},
        {"undisclosed recipients:;", ""},
        {"<>", ""},
        {"Joe <a@b", "a@b"},
        {"\"open, quote", "\"open, quote"},
        {"(open, comment", ""},
        {"\\", "\\"},
        {"\"\\", "\"\\"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_span rest = mm_span_cstr(rows[i].value);
        struct mm_span address;
        char found[200] = "";
        while (mm_field_next_address(&rest, &address)) {
            size_t size = strlen(found);
            snprintf(found + size, sizeof found - size, "%s%.*s",
                     size > 0 ? "|" : "", (int)address.size, address.data);
        }
        if (strcmp(found, rows[i].addresses) != 0) {
            fail_msg("%s: %s", rows[i].value, found);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
