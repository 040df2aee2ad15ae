/* test_span.c - views of bytes, and ASCII that knows no locale.
 * Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/span.h"

#include <string.h>

#define BYTES(text) mm_span((text), sizeof(text) - 1)

static void test_make(void **state)
{
    (void)state;
    struct mm_span span = mm_span_cstr("abc");
    assert_int_equal(span.size, 3);
    assert_int_equal(mm_span_cstr(NULL).size, 0);
    assert_true(mm_span_is(mm_span_from(span, 1), "bc"));
    assert_int_equal(mm_span_from(span, 3).size, 0);
    assert_int_equal(mm_span_from(span, 99).size, 0);
    assert_int_equal(mm_span_from(mm_span(NULL, 0), 1).size, 0);
}

static const struct {
    const char *a;
    const char *b;
    int same;
    int same_nocase;
} pairs[] = {
    {"", "", 1, 1},
    {"a", "a", 1, 1},
    {"a", "A", 0, 1},
    {"a", "b", 0, 0},
    {"a", "ab", 0, 0},
    {"@", "`", 0, 0},
    {"[", "{", 0, 0},
    {"MAIL", "mail", 0, 1},
    {"\xc3\x84", "\xc3\xa4", 0, 0},
    {"Zz09", "zZ09", 0, 1},
    {"i", "\xc4\xb1", 0, 0},
};

static void test_compare(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct mm_span a = mm_span_cstr(pairs[i].a);
        struct mm_span b = mm_span_cstr(pairs[i].b);
        assert_int_equal(mm_span_equal(a, b), pairs[i].same);
        assert_int_equal(mm_span_equal_nocase(a, b), pairs[i].same_nocase);
        assert_int_equal(mm_span_is(a, pairs[i].b), pairs[i].same);
        assert_int_equal(mm_span_is_nocase(a, pairs[i].b),
                         pairs[i].same_nocase);
        assert_int_equal(mm_cstr_equal_nocase(pairs[i].a, pairs[i].b),
                         pairs[i].same_nocase);
    }
    assert_true(mm_span_equal(mm_span(NULL, 0), mm_span_cstr("")));
    assert_true(mm_span_starts_nocase(mm_span_cstr("Mail From:"), "MAIL "));
    assert_true(mm_span_starts_nocase(mm_span_cstr("x"), ""));
    assert_false(mm_span_starts_nocase(mm_span_cstr("mai"), "mail"));
    assert_false(mm_span_starts_nocase(mm_span_cstr("mbil"), "mail"));
    assert_true(mm_span_has_nocase(mm_span_cstr("some Mail here"), "mAIL"));
    assert_true(mm_span_has_nocase(mm_span_cstr("mail"), "mail"));
    assert_true(mm_span_has_nocase(mm_span_cstr("mamail"), "mail"));
    assert_true(mm_span_has_nocase(mm_span_cstr(""), ""));
    assert_false(mm_span_has_nocase(mm_span_cstr("mai"), "mail"));
    assert_false(mm_span_has_nocase(mm_span("mail", 3), "mail"));
    assert_false(mm_span_has_nocase(mm_span_cstr(""), "m"));
}

static void test_trim(void **state)
{
    static const struct {
        const char *text;
        const char *trimmed;
    } rows[] = {
        {"", ""},   {" ", ""},         {" \t ", ""},
        {"a", "a"}, {" a b\t", "a b"}, {"\ra\n", "\ra\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(mm_span_is(mm_span_trim(mm_span_cstr(rows[i].text)),
                               rows[i].trimmed));
    }
}

static void test_skip_comments(void **state)
{
    static const struct {
        const char *text;
        const char *rest;
    } rows[] = {
        {"", ""},
        {" \t\r\n a ", "a "},
        {"(Joe) joe", "joe"},
        {" (a (b) c)\t(d) e (f)", "e (f)"},
        {"(a \\) b) c", "c"},
        {"(a \\( b) c", "c"},
        {") a", ") a"},
        {"\\(a)", "\\(a)"},
        {"(no end", ""},
        {"(no end\\", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_span text = mm_span_cstr(rows[i].text);
        mm_span_skip_comments(&text);
        assert_true(mm_span_is(text, rows[i].rest));
    }
}

static void test_cut(void **state)
{
    static const struct {
        const char *text;
        int is_cut;
        const char *head;
        const char *tail;
    } rows[] = {
        {"", 0, "", ""},          {"a", 0, "a", ""},  {",", 1, "", ""},
        {"a,b", 1, "a", "b"},     {"a,", 1, "a", ""}, {",b", 1, "", "b"},
        {"a,b,c", 1, "a", "b,c"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_span head;
        struct mm_span tail;
        assert_int_equal(
            mm_span_cut(mm_span_cstr(rows[i].text), ',', &head, &tail),
            rows[i].is_cut);
        assert_true(mm_span_is(head, rows[i].head));
        assert_true(mm_span_is(tail, rows[i].tail));
    }
    /* The outputs may be the input. */
    struct mm_span text = mm_span_cstr("a,b");
    struct mm_span head;
    assert_true(mm_span_cut(text, ',', &head, &text));
    assert_true(mm_span_is(head, "a"));
    assert_true(mm_span_is(text, "b"));
}

static void test_to_u64(void **state)
{
    static const struct {
        const char *text;
        int is_number;
        uint64_t value;
    } rows[] = {
        {"0", 1, 0},
        {"007", 1, 7},
        {"18446744073709551615", 1, UINT64_MAX},
        {"18446744073709551616", 0, 0},
        {"28446744073709551615", 0, 0},
        {"99999999999999999999999", 0, 0},
        {"", 0, 0},
        {"-1", 0, 0},
        {"+1", 0, 0},
        {" 1", 0, 0},
        {"1 ", 0, 0},
        {"1a", 0, 0},
        {"0x1", 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t value = 42;
        assert_int_equal(mm_span_to_u64(mm_span_cstr(rows[i].text), &value),
                         rows[i].is_number);
        assert_true(value == (rows[i].is_number ? rows[i].value : 42));
    }
}

static void test_utf8(void **state)
{
    static const struct {
        const char *text;
        int is_utf8;
    } rows[] = {
        {"", 1},
        {"plain", 1},
        {"\x7f", 1},
        {"\xc2\x80", 1},
        {"\xdf\xbf", 1},
        {"\xe0\xa0\x80", 1},
        {"\xed\x9f\xbf", 1},
        {"\xee\x80\x80", 1},
        {"\xef\xbf\xbf", 1},
        {"\xf0\x90\x80\x80", 1},
        {"\xf4\x8f\xbf\xbf", 1},
        {"a\xc3\xa4z", 1},
        {"\x80", 0}, /* a tail alone */
        {"\xc2", 0}, /* cut */
        {"\xc2z", 0},
        {"\xc0\x80", 0},     /* overlong NUL */
        {"\xc1\xbf", 0},     /* overlong */
        {"\xe0\x9f\xbf", 0}, /* overlong */
        {"\xed\xa0\x80", 0}, /* surrogate */
        {"\xed\xbf\xbf", 0}, /* surrogate */
        {"\xe2\x82", 0},     /* cut */
        {"\xe2\x82z", 0},
        {"\xf0\x8f\xbf\xbf", 0}, /* overlong */
        {"\xf0\x90\x80", 0},     /* cut */
        {"\xf4\x90\x80\x80", 0}, /* past U+10FFFF */
        {"\xf5\x80\x80\x80", 0},
        {"\xff", 0},
        {"ok\xfe", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(mm_span_is_utf8(mm_span_cstr(rows[i].text)),
                         rows[i].is_utf8);
    }
    assert_true(mm_span_has_8bit(mm_span_cstr("ab\x80")));
    assert_false(mm_span_has_8bit(mm_span_cstr("ab\x7f")));
    assert_false(mm_span_has_8bit(mm_span(NULL, 0)));
    char text[40];
    memset(text, '~', sizeof text);
    for (size_t size = 0; size <= sizeof text; size++) {
        assert_false(mm_span_has_8bit(mm_span(text, size)));
        for (size_t at = 0; at < size; at++) {
            text[at] = (char)0x80;
            assert_true(mm_span_has_8bit(mm_span(text, size)));
            text[at] = '~';
        }
    }
}

static void test_copy(void **state)
{
    char text[4];
    (void)state;
    assert_true(mm_span_copy(mm_span_cstr("abc"), text, sizeof text));
    assert_string_equal(text, "abc");
    assert_false(mm_span_copy(mm_span_cstr("abcd"), text, sizeof text));
    assert_string_equal(text, "");
    assert_false(mm_span_copy(BYTES("a\0b"), text, sizeof text));
    assert_true(mm_span_copy(mm_span(NULL, 0), text, sizeof text));
    assert_string_equal(text, "");
    assert_false(mm_span_copy(mm_span_cstr(""), text, 0));
}

static void test_ascii(void **state)
{
    (void)state;
    for (int c = -1; c <= 256; c++) {
        int is_upper = c >= 0 && c < 128 && c != 0 &&
                       strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ", c) != NULL;
        int is_lower = c >= 0 && c < 128 && c != 0 &&
                       strchr("abcdefghijklmnopqrstuvwxyz", c) != NULL;
        int is_digit = c > 0 && c < 128 && strchr("0123456789", c) != NULL;
        assert_int_equal(mm_ascii_is_alpha(c), is_upper || is_lower);
        assert_int_equal(mm_ascii_is_digit(c), is_digit);
        assert_int_equal(mm_ascii_is_alnum(c),
                         is_upper || is_lower || is_digit);
        assert_int_equal(mm_ascii_lower(c), is_upper ? c + 32 : c);
        assert_int_equal(mm_ascii_upper(c), is_lower ? c - 32 : c);
        assert_int_equal(mm_ascii_is_printable(c), c >= ' ' && c <= '~');
        assert_int_equal(mm_ascii_hex_value(c),
                         is_digit               ? c - '0'
                         : c >= 'a' && c <= 'f' ? c - 'a' + 10
                         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                : -1);
    }
    char text[] = "ExAmple.\xc3\x84";
    mm_ascii_lower_cstr(text);
    assert_string_equal(text, "example.\xc3\x84");
}

/* F03: memcpy and memcmp may not be given NULL, not even for no octets. */
static void test_F03_empty_spans_have_a_pointer(void **state)
{
    (void)state;
    struct mm_buf buf;
    struct mm_span none = {NULL, 0};
    struct mm_span head;
    struct mm_span tail;
    mm_buf_init(&buf, 10);
    assert_non_null(mm_span(NULL, 0).data);
    assert_non_null(mm_span_cstr(NULL).data);
    assert_non_null(mm_buf_span(&buf).data);
    assert_non_null(mm_span_from(none, 0).data);
    assert_non_null(mm_span_from(none, 1).data);
    (void)mm_span_cut(none, ' ', &head, &tail);
    assert_non_null(tail.data);
}

static void test_F16_numbers_beyond_any(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_good;
        uint64_t value;
    } rows[] = {
        {"0", true, 0},
        {"18446744073709551614", true, UINT64_MAX - 1},
        {"18446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", true, UINT64_MAX},
        {"99999999999999999999999999", true, UINT64_MAX},
        {"", false, 0},
        {"9999999999999999999x", false, 0},
        {"-1", false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t value = 0;
        assert_int_equal(
            mm_span_to_u64_capped(mm_span_cstr(rows[i].text), &value),
            rows[i].is_good);
        if (rows[i].is_good) {
            assert_true(value == rows[i].value);
        }
    }
}

static void test_F19_printable_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_printable;
    } rows[] = {
        {"", true},
        {"az 09~", true},
        {"\xc2\xa0", true},
        {"\xc3\xa9\xe4\xb8\xad\xf0\x9f\x93\xa7", true},
        {"\xe2\x80\x8d", true}, /* the joiner of letters */
        {"\xc3", false},
        {"\t", false},
        {"\x7f", false},
        {"\xc2\x80", false},
        {"\xc2\x9f", false},
        {"\xd8\x9c", false},         /* Arabic letter mark */
        {"\xe2\x80\x8e", false},     /* U+200E */
        {"\xe2\x80\xa8", false},     /* U+2028 */
        {"\xe2\x80\xa9", false},     /* U+2029 */
        {"\xe2\x80\xaa", false},     /* U+202A */
        {"a\xe2\x80\xae", false},    /* U+202E */
        {"\xe2\x81\xa6", false},     /* U+2066 */
        {"\xe2\x81\xa9", false},     /* U+2069 */
        {"\xef\xbb\xbf", false},     /* U+FEFF */
        {"\xef\xbf\xbe", false},     /* U+FFFE */
        {"\xf4\x8f\xbf\xbf", false}, /* U+10FFFF */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (mm_span_is_printable_utf8(mm_span_cstr(rows[i].text)) !=
            rows[i].is_printable) {
            fail_msg("row %zu", i);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_make),
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_skip_comments),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_to_u64),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_ascii),
        cmocka_unit_test(test_F03_empty_spans_have_a_pointer),
        cmocka_unit_test(test_F16_numbers_beyond_any),
        cmocka_unit_test(test_F19_printable_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
