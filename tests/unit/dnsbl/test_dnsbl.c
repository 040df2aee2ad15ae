/* test_dnsbl.c - query names and verdicts as tables.
 *
 * The names are RFC 5782's own examples (2.1, 2.4), and those at the limits of
 * a domain name; the verdicts are every kind of answer a list, a resolver or
 * nobody gives. */
#include "dnsbl/dnsbl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct mm_netaddr ip(const char *text)
{
    struct mm_netaddr address;
    assert_true(mm_netaddr_parse_ip(mm_span_cstr(text), &address));
    return address;
}

static void test_names(void **state)
{
    static const struct {
        const char *address;
        const char *zone;
        const char *name;
    } rows[] = {
        {"192.0.2.99", "bad.example.com", "99.2.0.192.bad.example.com"},
        {"127.0.0.2", "bl.test", "2.0.0.127.bl.test"},
        {"255.255.255.255", "z", "255.255.255.255.z"},
        {"::ffff:192.0.2.99", "bl.test", "99.2.0.192.bl.test"},
        {"2001:db8:1:2:3:4:567:89ab", "ugly.example.com",
         "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2."
         "ugly.example.com"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_netaddr address = ip(rows[i].address);
        char name[DNSBL_NAME_MAX];
        assert_int_equal(dnsbl_query_name(&address, rows[i].zone, name),
                         MAILMOD_OK);
        assert_string_equal(name, rows[i].name);
    }
}

static void test_long_zone(void **state)
{
    struct mm_netaddr address = ip("::1");
    char zone[DNSBL_NAME_MAX];
    char name[DNSBL_NAME_MAX];
    (void)state;
    memset(zone, 'a', sizeof zone);
    zone[190] = '\0';
    assert_int_equal(dnsbl_query_name(&address, zone, name), MAILMOD_OK);
    assert_int_equal(strlen(name), 254);
    zone[190] = 'a';
    zone[191] = '\0';
    assert_int_equal(dnsbl_query_name(&address, zone, name),
                     MAILMOD_ERROR_LIMIT);
    assert_int_equal(dnsbl_query_name(&address, "", name),
                     MAILMOD_ERROR_ARGUMENT);
}

static void test_verdicts(void **state)
{
    static const struct {
        enum mailmod_error error;
        const char *answer;
        enum dnsbl_verdict verdict;
    } rows[] = {
        {MAILMOD_OK, "127.0.0.2", DNSBL_LISTED},
        {MAILMOD_OK, "127.0.1.1", DNSBL_LISTED},
        {MAILMOD_OK, "127.0.0.1", DNSBL_UNKNOWN},
        {MAILMOD_OK, "127.255.255.254", DNSBL_UNKNOWN},
        {MAILMOD_OK, "192.0.2.1", DNSBL_UNKNOWN},
        {MAILMOD_OK, "::1", DNSBL_UNKNOWN},
        {MAILMOD_ERROR_DNS_NO_NAME, NULL, DNSBL_NOT_LISTED},
        {MAILMOD_ERROR_DNS_NO_DATA, NULL, DNSBL_NOT_LISTED},
        {MAILMOD_ERROR_DNS, NULL, DNSBL_UNKNOWN},
        {MAILMOD_ERROR_TIMEOUT, NULL, DNSBL_UNKNOWN},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_netaddr address = {0};
        size_t count = 0;
        if (rows[i].answer != NULL) {
            address = ip(rows[i].answer);
            count = 1;
        }
        assert_int_equal(dnsbl_judge(NULL, rows[i].error, &address, count),
                         rows[i].verdict);
    }
}

/* One listing among other answers is enough. */
static void test_several(void **state)
{
    struct mm_netaddr answers[2] = {ip("192.0.2.1"), ip("127.0.0.4")};
    (void)state;
    assert_int_equal(dnsbl_judge(NULL, MAILMOD_OK, answers, 2), DNSBL_LISTED);
    assert_int_equal(dnsbl_judge(NULL, MAILMOD_OK, answers, 0), DNSBL_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_long_zone),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_several),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
