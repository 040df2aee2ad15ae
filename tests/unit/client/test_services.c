/* test_services.c - the order of a service's hosts, and whose a host is. */
#include "client/services.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* By priority, and among equals by weight; what is not offered is left out. */
static void test_order(void **state)
{
    (void)state;
    static const struct mm_srv_record records[] = {{0, 9, 587, ""},
                                                   {1, 30, 587, "heavy.test"},
                                                   {1, 10, 587, "light.test"},
                                                   {1, 0, 587, "none.test"},
                                                   {1, 50, 0, "portless.test"},
                                                   {7, 65535, 25, "last.test"}};
    unsigned heavy = 0;
    unsigned none = 0;
    uint64_t random = 1;
    for (unsigned i = 0; i < 4000; i++) {
        struct mm_srv_record out[MM_LIMIT_MX_HOSTS];
        assert_int_equal(mm_services_order(records, 6, out, &random), 4);
        assert_string_equal(out[3].host, "last.test");
        assert_int_equal(out[3].port, 25);
        heavy += out[0].host[0] == 'h';
        none += out[0].host[0] == 'n';
        for (size_t j = 0; j < 3; j++) {
            assert_string_not_equal(out[j].host, out[(j + 1) % 3].host);
        }
    }
    assert_in_range(heavy, 2700, 3100); /* 30 of 41 */
    assert_in_range(none, 40, 180);     /* 1 of 41 */
}

static void test_bounds(void **state)
{
    (void)state;
    static struct mm_srv_record many[100];
    struct mm_srv_record out[MM_LIMIT_MX_HOSTS];
    uint64_t random = 3;
    assert_int_equal(mm_services_order(NULL, 0, out, &random), 0);
    for (size_t i = 0; i < 100; i++) {
        many[i] = (struct mm_srv_record){1, 65535, 587, "a.test"};
    }
    assert_int_equal(mm_services_order(many, 100, out, &random),
                     MM_LIMIT_MX_HOSTS);
}

static void test_owner(void **state)
{
    (void)state;
    assert_true(mm_service_is_of("example.org", "Example.ORG"));
    assert_true(mm_service_is_of("smtp.a.Example.org", "example.org"));
    assert_false(mm_service_is_of("badexample.org", "example.org"));
    assert_false(mm_service_is_of("example.org", "smtp.example.org"));
    assert_false(mm_service_is_of("example.org.evil.test", "example.org"));
    assert_false(mm_service_is_of("", "example.org"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
