/* test_unicode.c - normal forms, folding and SASLprep, by vectors.
 *
 * The vectors are from UAX 15 (figures 3 to 6), RFC 4013 3 and Unicode's
 * special cases; what the whole tables hold is tools/unicode/tables' to say.
 * Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/unicode.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void check_form(enum mm_unicode_form form, const char *text,
                       const char *expected)
{
    struct mm_buf out;
    mm_buf_init(&out, 4096);
    assert_int_equal(mm_unicode_append(&out, form, mm_span_cstr(text)),
                     MAILMOD_OK);
    assert_string_equal(mm_buf_cstr(&out), expected);
    mm_buf_fini(&out);
}

static void test_forms(void **state)
{
    static const struct {
        const char *text, *nfc, *nfkc, *folded;
    } rows[] = {
        {"", "", "", ""},
        {"Anna.B-1", "Anna.B-1", "Anna.B-1", "anna.b-1"},
        {"\u00c9LAN", "\u00c9LAN", "\u00c9LAN", "\u00e9lan"},
        {"E\u0301lan", "\u00c9lan", "\u00c9lan", "\u00e9lan"},
        {"Stra\u00dfe", "Stra\u00dfe", "Stra\u00dfe", "strasse"},
        {"STRASSE", "STRASSE", "STRASSE", "strasse"},
        {"\u03a3\u0399\u03a3\u03a5\u03a6\u039f\u03a3",
         "\u03a3\u0399\u03a3\u03a5\u03a6\u039f\u03a3",
         "\u03a3\u0399\u03a3\u03a5\u03a6\u039f\u03a3",
         "\u03c3\u03b9\u03c3\u03c5\u03c6\u03bf\u03c3"},
        {"\u03c3\u03b9\u03c3\u03c5\u03c6\u03bf\u03c2",
         "\u03c3\u03b9\u03c3\u03c5\u03c6\u03bf\u03c2",
         "\u03c3\u03b9\u03c3\u03c5\u03c6\u03bf\u03c2",
         "\u03c3\u03b9\u03c3\u03c5\u03c6\u03bf\u03c3"},
        {"\u0418\u0306\u041e", "\u0419\u041e", "\u0419\u041e", "\u0439\u043e"},
        /* singletons: angstrom, ohm */
        {"\u212b\u2126", "\u00c5\u03a9", "\u00c5\u03a9", "\u00e5\u03c9"},
        /* marks in any order, UAX 15 figure 5 */
        {"\u1e0b\u0323", "\u1e0d\u0307", "\u1e0d\u0307", "\u1e0d\u0307"},
        {"q\u0307\u0323", "q\u0323\u0307", "q\u0323\u0307", "q\u0323\u0307"},
        /* two marks of one class keep their order and block */
        {"a\u0305\u0301", "a\u0305\u0301", "a\u0305\u0301", "a\u0305\u0301"},
        /* compatible alone: ligature, full width, superscript, circled */
        {"\ufb01", "\ufb01", "fi", "fi"},
        {"\uff21", "\uff21", "A", "\uff41"},
        {"2\u2075", "2\u2075", "25", "2\u2075"},
        {"\u2460", "\u2460", "1", "\u2460"},
        /* Hangul: jamo to syllables and back */
        {"\u1112\u1161\u11ab", "\ud55c", "\ud55c", "\ud55c"},
        {"\ud55c\uae00", "\ud55c\uae00", "\ud55c\uae00", "\ud55c\uae00"},
        /* excluded from composition */
        {"\u0958", "\u0915\u093c", "\u0915\u093c", "\u0915\u093c"},
        /* folds that grow; beyond the first plane */
        {"\u0130\u0149", "\u0130\u0149", "\u0130\u02bcn", "i\u0307\u02bcn"},
        {"\U00010400", "\U00010400", "\U00010400", "\U00010428"},
        {"\U0001d400", "\U0001d400", "A", "\U0001d400"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        check_form(MM_UNICODE_NFC, rows[i].text, rows[i].nfc);
        check_form(MM_UNICODE_NFKC, rows[i].text, rows[i].nfkc);
        check_form(MM_UNICODE_FOLDED, rows[i].text, rows[i].folded);
        check_form(MM_UNICODE_FOLDED, rows[i].folded, rows[i].folded);
    }
}

static void test_saslprep(void **state)
{
    static const struct {
        const char *text, *expected; /* NULL: refused */
    } rows[] = {
        /* RFC 4013 3, the five examples */
        {"I\u00adX", "IX"},
        {"user", "user"},
        {"USER", "USER"},
        {"\u00aa", "a"},
        {"\u2168", "IX"},
        {"\a", NULL},
        {"\u06271", NULL},
        /* and the rest of the profile */
        {"pass word", "pass word"},
        {"a\u00a0b", "a b"},
        {"\u00e9", "\u00e9"},
        {"e\u0301", "\u00e9"},
        {"\u200d", NULL}, /* nothing is left */
        {"\u202e\u0627", NULL},
        {"\ue000", NULL},
        {"\u0627\u0628", "\u0627\u0628"},
        {"\u0627a\u0628", NULL},
        {"\u06271\u0628", "\u06271\u0628"},
        {"\U0001f600", "\U0001f600"}, /* younger than Unicode 3.2 */
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct mm_buf out;
        mm_buf_init(&out, 4096);
        enum mailmod_error error =
            mm_saslprep(&out, mm_span_cstr(rows[i].text));
        assert_int_equal(error, rows[i].expected != NULL
                                    ? MAILMOD_OK
                                    : MAILMOD_ERROR_ARGUMENT);
        if (rows[i].expected != NULL) {
            assert_string_equal(mm_buf_cstr(&out), rows[i].expected);
        }
        mm_buf_fini(&out);
    }
}

static void test_seen(void **state)
{
    (void)state;
    assert_true(mm_unicode_is_seen(mm_span_cstr("\u00e9lan-1")));
    static const char *const unseen[] = {"a b",      "a\u00a0", "\xc2\x85",
                                         "\u2028",   "\u202e",  "\ue000",
                                         "a\u200bc", "\xff"};
    for (size_t i = 0; i < COUNT(unseen); i++) {
        assert_false(mm_unicode_is_seen(mm_span_cstr(unseen[i])));
    }
}

static void test_bounds(void **state)
{
    struct mm_buf out;
    char big[MM_UNICODE_TEXT_MAX + 2];
    (void)state;
    mm_buf_init(&out, 65536);
    memset(big, 'a', sizeof big);
    assert_int_equal(
        mm_unicode_append(&out, MM_UNICODE_NFC, mm_span(big, sizeof big)),
        MAILMOD_ERROR_TOO_LARGE);
    assert_int_equal(
        mm_unicode_append(&out, MM_UNICODE_NFC, mm_span_cstr("\xc3")),
        MAILMOD_ERROR_SYNTAX);
    assert_int_equal(mm_saslprep(&out, mm_span_cstr("\xed\xa0\x80")),
                     MAILMOD_ERROR_SYNTAX);
    /* the longest expansion there is, as often as fits */
    size_t used = 0;
    while (used + 3 <= MM_UNICODE_TEXT_MAX) {
        memcpy(big + used, "\xef\xb7\xba", 3); /* U+FDFA: 18 points */
        used += 3;
    }
    assert_int_equal(
        mm_unicode_append(&out, MM_UNICODE_NFKC, mm_span(big, used)),
        MAILMOD_OK);
    assert_int_equal(mm_buf_size(&out), used / 3 * 33);
    mm_buf_fini(&out);
}

static void test_memory(void **state)
{
    (void)state;
    for (unsigned long number = 1;; number++) {
        struct mm_buf out;
        mm_buf_init(&out, 4096);
        mm_mem_set_fault(number, 0);
        enum mailmod_error error = mm_unicode_append(
            &out, MM_UNICODE_FOLDED, mm_span_cstr("E\u0301lan"));
        unsigned long made = mm_mem_set_fault(0, 0);
        mm_buf_fini(&out);
        if (error == MAILMOD_OK) {
            assert_true(made < number);
            break;
        }
        assert_int_equal(error, MAILMOD_ERROR_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),  cmocka_unit_test(test_saslprep),
        cmocka_unit_test(test_seen),   cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
