/* test_limits.c - counts of sessions: the maxima, the /64 of IPv6, and that
 * what entered leaves nothing behind. Thread: the test's. */
#include "fake_world.h"
#include "server/limits.h"

static struct mm_netaddr at(const char *text)
{
    struct mm_netaddr address;

    assert_true(mm_netaddr_parse_ip(mm_span_cstr(text), &address));
    return address;
}

static enum mm_limits_entry enter(struct mm_limits *limits,
                                  const struct mm_netaddr *peer, size_t total,
                                  size_t address, size_t network)
{
    const struct mm_limits_max max = {total, address, network};

    return mm_limits_enter(limits, peer, &max);
}

static bool enters(struct mm_limits *limits, const struct mm_netaddr *peer,
                   size_t total, size_t address)
{
    return enter(limits, peer, total, address, 0) == MM_LIMITS_IN;
}

static void test_maxima(void **state)
{
    struct mm_limits limits;
    struct mm_netaddr a = at("192.0.2.1");
    struct mm_netaddr b = at("192.0.2.2");

    (void)state;
    mm_limits_init(&limits, 4, 7);
    assert_true(enters(&limits, &a, 3, 2));
    assert_true(enters(&limits, &a, 3, 2));
    assert_false(enters(&limits, &a, 3, 2)); /* of this address */
    assert_true(enters(&limits, &b, 3, 2));
    assert_false(enters(&limits, &b, 3, 2)); /* in all */
    assert_int_equal(limits.total, 3);
    mm_limits_leave(&limits, &a, false);
    assert_true(enters(&limits, &b, 3, 2));
    mm_limits_leave(&limits, &a, false);
    mm_limits_leave(&limits, &b, false);
    mm_limits_leave(&limits, &b, false);
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
    assert_true(enters(&limits, &a, 10, 1));
    assert_false(enters(&limits, &b, 10, 1));
    assert_true(enters(&limits, &c, 10, 1));
    mm_limits_leave(&limits, &b, false); /* the same /64 */
    assert_true(enters(&limits, &a, 10, 1));
    mm_limits_fini(&limits);
}

static void test_mapped_is_ipv4(void **state)
{
    struct mm_limits limits;
    struct mm_netaddr a = at("192.0.2.1");
    struct mm_netaddr b = at("::ffff:192.0.2.1");

    (void)state;
    mm_limits_init(&limits, 10, 7);
    assert_true(enters(&limits, &a, 10, 1));
    assert_false(enters(&limits, &b, 10, 1));
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

        assert_true(enters(&limits, &peer, 8, 1));
        mm_limits_leave(&limits, &peer, false);
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
    for (unsigned n = 1; n <= 4; n++) { /* two maps, each its slots and a key */
        mm_limits_init(&limits, 8, 7);
        mm_mem_set_fault(n, 1);
        assert_int_equal(enter(&limits, &a, 8, 8, 8), MM_LIMITS_FULL);
        mm_mem_set_fault(0, 0);
        assert_int_equal(limits.addresses.count + limits.total, 0);
        mm_limits_fini(&limits);
    }
    mm_limits_init(&limits, 8, 7);
    assert_int_equal(limits.total, 0);
    assert_true(enters(&limits, &a, 8, 8));
    assert_int_equal(limits.total, 1);
    mm_limits_fini(&limits);
}

/* T-096: each limit says which it was; who was counted without a maximum of
 * its network is not counted off it. */
static void test_networks(void **state)
{
    struct mm_limits limits;
    struct mm_netaddr a = at("192.0.2.1");
    struct mm_netaddr b = at("192.0.2.200");
    struct mm_netaddr c = at("192.0.3.1");
    struct mm_netaddr d = at("2001:db8:0:1::1");
    struct mm_netaddr e = at("2001:db8:0:ffff::1");

    (void)state;
    mm_limits_init(&limits, 10, 7);
    assert_int_equal(enter(&limits, &a, 9, 1, 0), MM_LIMITS_IN);
    assert_int_equal(enter(&limits, &a, 9, 1, 2), MM_LIMITS_FULL_ADDRESS);
    assert_int_equal(enter(&limits, &b, 9, 9, 2), MM_LIMITS_IN);
    assert_int_equal(enter(&limits, &b, 9, 9, 2), MM_LIMITS_IN);
    assert_int_equal(enter(&limits, &b, 9, 9, 2), MM_LIMITS_FULL_NETWORK);
    assert_int_equal(enter(&limits, &c, 9, 9, 2), MM_LIMITS_IN);
    assert_int_equal(enter(&limits, &d, 9, 9, 1), MM_LIMITS_IN);
    assert_int_equal(enter(&limits, &e, 9, 9, 1), MM_LIMITS_FULL_NETWORK);
    assert_int_equal(enter(&limits, &c, 5, 9, 2), MM_LIMITS_FULL);
    mm_limits_leave(&limits, &a, false);
    assert_int_equal(enter(&limits, &a, 9, 9, 2), MM_LIMITS_FULL_NETWORK);
    mm_limits_leave(&limits, &b, true);
    mm_limits_leave(&limits, &b, true);
    mm_limits_leave(&limits, &c, true);
    mm_limits_leave(&limits, &d, true);
    assert_int_equal(limits.total + limits.networks.count, 0);
    mm_limits_fini(&limits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maxima),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_ipv6_counts_by_64),
        cmocka_unit_test(test_mapped_is_ipv4),
        cmocka_unit_test(test_churn_of_addresses),
        cmocka_unit_test(test_no_memory_counts_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
