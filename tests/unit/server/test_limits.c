/* test_limits.c - counts of sessions: both maxima, the /64 of IPv6, and that
 * what entered leaves nothing behind. Thread: the test's. */
#include "fake_world.h"
#include "server/limits.h"

static struct mm_netaddr at(const char *text)
{
    struct mm_netaddr address;

    assert_true(mm_netaddr_parse_ip(mm_span_cstr(text), &address));
    return address;
}

static void test_maxima(void **state)
{
    struct mm_limits limits;
    struct mm_netaddr a = at("192.0.2.1");
    struct mm_netaddr b = at("192.0.2.2");

    (void)state;
    mm_limits_init(&limits, 4, 7);
    assert_true(mm_limits_enter(&limits, &a, 3, 2));
    assert_true(mm_limits_enter(&limits, &a, 3, 2));
    assert_false(mm_limits_enter(&limits, &a, 3, 2)); /* of this address */
    assert_true(mm_limits_enter(&limits, &b, 3, 2));
    assert_false(mm_limits_enter(&limits, &b, 3, 2)); /* in all */
    assert_true(mm_limits_is_full_for(&limits, &a, 2));
    assert_false(mm_limits_is_full_for(&limits, &b, 2));
    assert_int_equal(limits.total, 3);
    mm_limits_leave(&limits, &a);
    assert_true(mm_limits_enter(&limits, &b, 3, 2));
    mm_limits_leave(&limits, &a);
    mm_limits_leave(&limits, &b);
    mm_limits_leave(&limits, &b);
    assert_int_equal(limits.total, 0);
    assert_int_equal(limits.addresses.count, 0);
    mm_limits_fini(&limits);
}

static void test_ipv6_counts_by_64(void **state)
{
    struct mm_limits limits;
    struct mm_netaddr a = at("2001:db8:0:1::1");
    struct mm_netaddr b = at("2001:db8:0:1:ffff::2");
    struct mm_netaddr c = at("2001:db8:0:2::1");

    (void)state;
    mm_limits_init(&limits, 10, 7);
    assert_true(mm_limits_enter(&limits, &a, 10, 1));
    assert_false(mm_limits_enter(&limits, &b, 10, 1));
    assert_true(mm_limits_enter(&limits, &c, 10, 1));
    mm_limits_leave(&limits, &b); /* the same /64 */
    assert_true(mm_limits_enter(&limits, &a, 10, 1));
    mm_limits_fini(&limits);
}

static void test_mapped_is_ipv4(void **state)
{
    struct mm_limits limits;
    struct mm_netaddr a = at("192.0.2.1");
    struct mm_netaddr b = at("::ffff:192.0.2.1");

    (void)state;
    mm_limits_init(&limits, 10, 7);
    assert_true(mm_limits_enter(&limits, &a, 10, 1));
    assert_false(mm_limits_enter(&limits, &b, 10, 1));
    mm_limits_fini(&limits);
}

static void test_churn_of_addresses(void **state)
{
    struct mm_limits limits;

    (void)state;
    mm_limits_init(&limits, 8, 7);
    for (unsigned i = 0; i < 100000; i++) {
        uint8_t bytes[4] = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8),
                            (uint8_t)i};
        struct mm_netaddr peer = mm_netaddr_v4(bytes, 1);

        assert_true(mm_limits_enter(&limits, &peer, 8, 1));
        mm_limits_leave(&limits, &peer);
    }
    assert_int_equal(limits.addresses.count, 0);
    assert_true(limits.addresses.capacity <= 64);
    mm_limits_fini(&limits);
}

static void test_no_memory_counts_nothing(void **state)
{
    struct mm_limits limits;
    struct mm_netaddr a = at("192.0.2.1");

    (void)state;
    mm_limits_init(&limits, 8, 7);
    mm_mem_set_fault(1, 1);
    assert_false(mm_limits_enter(&limits, &a, 8, 8));
    mm_mem_set_fault(0, 0);
    assert_int_equal(limits.total, 0);
    assert_true(mm_limits_enter(&limits, &a, 8, 8));
    assert_int_equal(limits.total, 1);
    mm_limits_fini(&limits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maxima),
        cmocka_unit_test(test_ipv6_counts_by_64),
        cmocka_unit_test(test_mapped_is_ipv4),
        cmocka_unit_test(test_churn_of_addresses),
        cmocka_unit_test(test_no_memory_counts_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
