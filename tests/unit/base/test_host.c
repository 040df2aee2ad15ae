/* test_host.c - S06: every spelling of a host, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/host.h"

static void test_S06_spellings(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *wanted; /* NULL: refused */
        bool is_address;
    } rows[] = {{"mail.example.net", "mail.example.net", false},
                {"Mail.Example.NET.", "mail.example.net", false},
                {"localhost", "localhost", false},
                {"my_host.lan", "my_host.lan", false},
                {"b\xc3\xbc"
                 "cher.example",
                 "b\xc3\xbc"
                 "cher.example",
                 false},
                {"127.0.0.1", "127.0.0.1", true},
                {"[127.0.0.1]", "127.0.0.1", true},
                {"::1", "::1", true},
                {"[::1]", "::1", true},
                {"[IPv6:::1]", "::1", true},
                {"[ipv6:2001:DB8:0::1]", "2001:db8::1", true},
                {"", NULL, false},
                {".", NULL, false},
                {"a..b", NULL, false},
                {"-a.b", NULL, false},
                {"[mail.example.net]", NULL, false},
                {"[127.0.0.1", NULL, false},
                {"[]", NULL, false},
                {"a b", NULL, false},
                {"127.0.0.1:25", NULL, false},
                {"\xff.example", NULL, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_host host;
        bool is_good = mm_host_parse(mm_span_cstr(rows[i].text), &host);
        if (is_good != (rows[i].wanted != NULL)) {
            fail_msg("\"%s\" is %s", rows[i].text, is_good ? "taken" : "not");
        }
        if (is_good) {
            assert_string_equal(host.text, rows[i].wanted);
            assert_int_equal(host.is_address, rows[i].is_address);
        }
    }
}

static void test_port_behind_it(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *wanted; /* NULL: refused */
        unsigned port;
    } rows[] = {{"mail.example.net", "mail.example.net", 0},
                {"mail.example.net:25", "mail.example.net", 25},
                {"192.0.2.1:65535", "192.0.2.1", 65535},
                {"[2001:db8::1]:995", "2001:db8::1", 995},
                {"[2001:db8::1]", "2001:db8::1", 0},
                {"2001:db8::1", "2001:db8::1", 0},
                {"2001:db8::1:25", "2001:db8::1:25", 0},
                {"mx25", "mx25", 0},
                {"25", "25", 0},
                {"mail.example.net:0", NULL, 0},
                {"mail.example.net:65536", NULL, 0},
                {"mail.example.net:99999999999999999999", NULL, 0},
                {"mail.example.net:", NULL, 0},
                {"mail.example.net:x25", NULL, 0},
                {"mail.example.net:25:25", NULL, 0},
                {"[2001:db8::1:25", NULL, 0},
                {"a:b]:25", NULL, 0},
                {":25", NULL, 0},
                {"", NULL, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_host host;
        unsigned port;
        bool is_good =
            mm_host_parse_port(mm_span_cstr(rows[i].text), &host, &port);
        if (is_good != (rows[i].wanted != NULL)) {
            fail_msg("\"%s\" is %s", rows[i].text, is_good ? "taken" : "not");
        }
        if (is_good) {
            assert_string_equal(host.text, rows[i].wanted);
            assert_int_equal(port, rows[i].port);
        }
    }
}

static void test_within(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *domain;
        bool is_within;
    } rows[] = {{"example.com", "Example.COM", true},
                {"mx.a.example.com", "example.com", true},
                {"notexample.com", "example.com", false},
                {"com", "example.com", false},
                {"", "example.com", false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(mm_host_is_within(mm_span_cstr(rows[i].name),
                                           mm_span_cstr(rows[i].domain)),
                         rows[i].is_within);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_S06_spellings),
        cmocka_unit_test(test_port_behind_it),
        cmocka_unit_test(test_within),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
