/* test_idn.c - domains in A-labels: one table for every system.
 * Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "platform/idn.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void test_to_ascii(void **state)
{
    static const struct {
        const char *domain, *ascii; /* NULL: SYNTAX */
    } rows[] = {
        {"", ""},
        {"Example.ORG", "example.org"},
        {"[IPv6:2001:DB8::1]", "[ipv6:2001:db8::1]"},
        {"xn--BCHER-kva.example", "xn--bcher-kva.example"},
        {"b\u00fccher.example", "xn--bcher-kva.example"},
        {"B\u00dcCHER.Example", "xn--bcher-kva.example"},
        {"bu\u0308cher.example", "xn--bcher-kva.example"},
        {"\u4f8b\u3048.\u30c6\u30b9\u30c8", "xn--r8jz45g.xn--zckzah"},
        {"\u043f\u0440\u0438\u043c\u0435\u0440.example",
         "xn--e1afmkfd.example"},
        {"\u05d3\u05d5\u05d2\u05de\u05d4.example", "xn--6dbbec0c.example"},
        /* the ideographic full stop, full-width letters */
        {"b\u00fccher\u3002example", "xn--bcher-kva.example"},
        {"\uff25xample.\u00fc", "example.xn--tda"},
        /* what maps to no letter of a host name */
        {"b\u00fccher\uff20evil.example", NULL},
        {"b\u00fccher\uff0fevil.example", NULL},
        {"a b\u00fc.example", NULL},
        {"b\u00fccher..example", NULL},
        {"\xff.example", NULL},
    };
    char out[MM_LIMIT_DOMAIN + 1];
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        enum mailmod_error error =
            mm_idn_to_ascii(mm_span_cstr(rows[i].domain), out);
        if (rows[i].ascii == NULL) {
            assert_int_equal(error, MAILMOD_ERROR_SYNTAX);
            assert_string_equal(out, "");
        } else {
            assert_int_equal(error, MAILMOD_OK);
            assert_string_equal(out, rows[i].ascii);
        }
    }
}

/* The four letters that IDNA 2003 leads elsewhere are either right or
 * refused, never another domain. */
static void test_deviations(void **state)
{
    static const struct {
        const char *domain, *ascii;
    } rows[] = {
        {"stra\u00dfe.example", "xn--strae-oqa.example"},
        {"\u03b2\u03cc\u03bb\u03bf\u03c2.example", "xn--nxasmm1c.example"},
    };
    char out[MM_LIMIT_DOMAIN + 1];
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        enum mailmod_error error =
            mm_idn_to_ascii(mm_span_cstr(rows[i].domain), out);
        assert_true(error == MAILMOD_ERROR_SYNTAX || error == MAILMOD_OK);
        assert_string_equal(out, error == MAILMOD_OK ? rows[i].ascii : "");
    }
}

static void test_same(void **state)
{
    (void)state;
    assert_true(mm_idn_is_same("a.example", "A.Example"));
    assert_true(mm_idn_is_same("b\u00fccher.test", "xn--bcher-kva.test"));
    assert_true(mm_idn_is_same("xn--bcher-kva.test", "B\u00dcCHER.test"));
    assert_false(mm_idn_is_same("bucher.test", "b\u00fccher.test"));
    assert_false(mm_idn_is_same("", "b\u00fccher.test"));
    assert_false(mm_idn_is_same("\xff", "b\u00fccher.test"));
}

static void test_lengths(void **state)
{
    char out[MM_LIMIT_DOMAIN + 1];
    char long_name[300];
    (void)state;
    memset(long_name, 'a', sizeof long_name);
    assert_int_equal(mm_idn_to_ascii(mm_span(long_name, sizeof long_name), out),
                     MAILMOD_ERROR_TOO_LARGE);
    /* A label that is 63 octets only before it is encoded. */
    memcpy(long_name + 61, "\xc3\xbc", 2);
    assert_int_equal(mm_idn_to_ascii(mm_span(long_name, 63), out),
                     MAILMOD_ERROR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_to_ascii), cmocka_unit_test(test_deviations),
        cmocka_unit_test(test_same), cmocka_unit_test(test_lengths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
