/* test_header_field.c - header fields from names and values: folding, encoded
 * words, and what is no field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/splitmix.h"
#include "wire/msg/header_field.h"

#define TEN "0123456789"
#define SIXTY TEN TEN TEN TEN TEN TEN

static void rows(void **state)
{
    static const struct {
        const char *name, *value, *out;
    } fields[] = {
        {"X-Order", "17", "X-Order: 17\r\n"},
        {"x", "", "x:\r\n"},
        {"X", "  a  b\tc \t", "X: a  b\tc\r\n"},
        {"X", SIXTY " " TEN " " TEN, "X: " SIXTY " " TEN "\r\n " TEN "\r\n"},
        {"X", SIXTY TEN TEN " b", "X: " SIXTY TEN TEN "\r\n b\r\n"},
        {"X", SIXTY " \t  " TEN TEN, "X: " SIXTY "\r\n \t  " TEN TEN "\r\n"},
        {"Subject",
         "Gr\xc3\xbc\xc3\x9f"
         "e",
         "Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n"},
        {"Subject", "an \xc3\xa4 \xc3\xb6 z",
         "Subject: an =?utf-8?B?w6Qgw7Y=?= z\r\n"},
        {"To", "J\xc3\xb6rg <j@x.test>, b@x.test",
         "To: =?utf-8?B?SsO2cmc=?= <j@x.test>, b@x.test\r\n"},
        {"X-Mail", "j\xc3\xb6rg@x.test",
         "X-Mail: =?utf-8?B?asO2cmdAeC50ZXN0?=\r\n"},
        {"X", "=?utf-8?Q?a?=", "X: =?utf-8?Q?a?=\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        struct mm_buf out;

        mm_buf_init(&out, 1000);
        assert_int_equal(mm_header_field_write(&out,
                                               mm_span_cstr(fields[i].name),
                                               mm_span_cstr(fields[i].value)),
                         MM_HEADER_FIELD_OK);
        assert_string_equal(mm_buf_cstr(&out), fields[i].out);
        mm_buf_fini(&out);
    }
}

static void check_fault(struct mm_span name, struct mm_span value,
                        enum mm_header_field_fault fault)
{
    struct mm_buf out;

    mm_buf_init(&out, 4000);
    assert_int_equal(mm_header_field_write(&out, name, value), fault);
    mm_buf_fini(&out);
}

/* Attack 59: nothing that ends a line gets into a field. */
static void faults(void **state)
{
    static const char *const names[] = {"",
                                        "a b",
                                        "a:",
                                        "a\r\nX",
                                        "\xc3\xa4",
                                        "a\tb",
                                        SIXTY "0123456789abcdefg"};
    static const char *const values[] = {
        "a\r\nX: b", "a\nb", "a\rb",     "a\x01",        "\x7f",
        "\xff",      "\xc3", "\xc0\x8a", "\xed\xa0\x80", "\xc3\xa4\nb"};
    char word[2000];

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        check_fault(mm_span_cstr(names[i]), mm_span_cstr("x"),
                    MM_HEADER_FIELD_NAME);
    }
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        check_fault(mm_span_cstr("X"), mm_span_cstr(values[i]),
                    MM_HEADER_FIELD_VALUE);
    }
    check_fault(mm_span_cstr("X"), mm_span("a\0b", 3), MM_HEADER_FIELD_VALUE);
    check_fault(mm_span_cstr("tO"), mm_span_cstr("x, <j\xc3\xb6rg@x.test>"),
                MM_HEADER_FIELD_ADDRESS);
    memset(word, 'w', sizeof word);
    check_fault(mm_span_cstr("X"), mm_span(word, 922), MM_HEADER_FIELD_LONG);
    check_fault(mm_span_cstr("X"), mm_span(word, 921), MM_HEADER_FIELD_OK);
    for (size_t i = 50; i < sizeof word; i += 50) {
        word[i] = ' ';
    }
    check_fault(mm_span_cstr("X"), mm_span(word, 1990), MM_HEADER_FIELD_OK);
    for (size_t i = 1; i < 79; i++) {
        word[i] = ' ';
    }
    check_fault(mm_span_cstr("X"), mm_span(word, 90), MM_HEADER_FIELD_LONG);
}

static void no_room(void **state)
{
    (void)state;
    for (size_t size = 0; size < 20; size++) {
        struct mm_buf out;

        mm_buf_init(&out, size);
        assert_int_equal(mm_header_field_write(&out, mm_span_cstr("Subject"),
                                               mm_span_cstr("\xc3\xa4 abc")),
                         MM_HEADER_FIELD_ROOM);
        mm_buf_fini(&out);
    }
}

/* Unfolds, and decodes the encoded words. */
static void read_back(struct mm_span field, struct mm_buf *out)
{
    bool was_encoded = false;

    while (field.size > 0) {
        const char *end =
            field.size > 10 && memcmp(field.data, "=?utf-8?B?", 10) == 0
                ? memchr(field.data + 10, '?', field.size - 10)
                : NULL;

        if (end != NULL) {
            assert_true(end + 2 - field.data <= 75);
            assert_int_equal(
                mm_base64_decode(out, mm_span(field.data + 10,
                                              (size_t)(end - field.data) - 10)),
                MAILMOD_OK);
            field = mm_span_from(field, (size_t)(end - field.data) + 2);
            was_encoded = true;
        } else if (was_encoded && field.size > 4 &&
                   memcmp(field.data, "\r\n =?", 5) == 0) {
            field = mm_span_from(field, 3);
        } else if (was_encoded && field.size > 3 &&
                   memcmp(field.data, " =?", 3) == 0) {
            field = mm_span_from(field, 1);
        } else if (memcmp(field.data, "\r\n", 2) == 0) {
            field = mm_span_from(field, 2);
        } else {
            assert_int_equal(mm_buf_append(out, field.data, 1), MAILMOD_OK);
            field = mm_span_from(field, 1);
            was_encoded = false;
        }
    }
}

/* What is written is what was given, in lines of 78 octets where they can be,
 * and each encoded word is whole characters. */
static void random_values(void **state)
{
    static const char *const parts[] = {"a",
                                        "bcdef",
                                        " ",
                                        " ",
                                        "  ",
                                        "\xc3\xa4",
                                        "\xe2\x82\xac",
                                        "\xf0\x9f\x98\x80",
                                        "@",
                                        TEN};
    uint64_t seed = 7;

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        struct mm_buf value;
        struct mm_buf out;
        struct mm_buf back;

        mm_buf_init(&value, 1000);
        mm_buf_init(&out, 4000);
        mm_buf_init(&back, 4000);
        (void)mm_buf_append_cstr(&value, "v");
        for (unsigned n = (unsigned)(mm_splitmix_next(&seed) % 60); n > 0;
             n--) {
            (void)mm_buf_append_cstr(&value,
                                     parts[mm_splitmix_next(&seed) %
                                           (sizeof parts / sizeof parts[0])]);
        }
        (void)mm_buf_append_cstr(&value, "w");
        assert_int_equal(
            mm_header_field_write(&out, mm_span_cstr("X"), mm_buf_span(&value)),
            MM_HEADER_FIELD_OK);
        read_back(mm_span_from(mm_buf_span(&out), 3), &back);
        assert_string_equal(mm_buf_cstr(&back), mm_buf_cstr(&value));
        assert_false(mm_span_has_8bit(mm_buf_span(&out)));
        mm_buf_fini(&back);
        mm_buf_fini(&out);
        mm_buf_fini(&value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows),
        cmocka_unit_test(faults),
        cmocka_unit_test(no_room),
        cmocka_unit_test(random_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
