/* test_networks.c - failed logins by network: the delays, the ban and its end,
 * the bound. Thread: the test's. */
#include "people.h"
#include "server/networks.h"

#define HOUR ((uint64_t)3600 * 1000)

struct seen {
    struct mm_config *config;
    struct mm_networks networks;
};

static int begin(void **state)
{
    static const char *const settings[] = {
        "logins.failures_max=3", "logins.failures_window=10m",
        "logins.ban_time=1h", "logins.delay_max=3s", NULL};
    struct seen *s = mm_alloc(sizeof *s);

    assert_non_null(s);
    s->config = rig_config(settings);
    assert_int_equal(mm_networks_init(&s->networks, 7), MAILMOD_OK);
    *state = s;
    return 0;
}

static int end(void **state)
{
    struct seen *s = *state;

    mm_networks_fini(&s->networks);
    mm_config_unref(&s->config);
    mm_free(s);
    return 0;
}

static struct mm_netaddr at(const char *text)
{
    struct mm_netaddr address;

    assert_true(mm_netaddr_parse_ip(mm_span_cstr(text), &address));
    return address;
}

static struct mm_failed_login fails(struct seen *s, const char *peer,
                                    uint64_t now_ms)
{
    struct mm_netaddr address = at(peer);

    return mm_networks_fail(&s->networks, s->config, &address, true, now_ms);
}

static bool is_banned(struct seen *s, const char *peer, uint64_t now_ms)
{
    struct mm_netaddr address = at(peer);

    return mm_networks_is_banned(&s->networks, s->config, &address, now_ms);
}

/* T-097: so many, in the window; each answer later than the one before. */
static void test_ban(void **state)
{
    static const uint64_t delays[] = {500, 1000, 2000, 3000, 3000};
    struct seen *s = *state;

    for (unsigned i = 0; i < 5; i++) {
        struct mm_failed_login failed = fails(s, "192.0.2.1", 1000);

        assert_int_equal(failed.delay_ms, delays[i]);
        assert_int_equal(failed.begins_ban, i == 2); /* told once */
        assert_int_equal(is_banned(s, "192.0.2.1", 1000), i >= 2);
    }
    assert_false(is_banned(s, "192.0.2.2", 1000));
}

/* It lasts until the network was silent for so long, and then counts anew. */
static void test_end_of_a_ban(void **state)
{
    const uint64_t hour = 3600000;
    struct seen *s = *state;

    for (unsigned i = 0; i < 3; i++) {
        (void)fails(s, "192.0.2.1", 0);
    }
    assert_true(is_banned(s, "192.0.2.1", hour - 1));
    assert_true(is_banned(s, "192.0.2.1", 2 * hour - 2));
    assert_false(is_banned(s, "192.0.2.1", 3 * hour - 2));
    assert_int_equal(fails(s, "192.0.2.1", 3 * hour).delay_ms, 500);
    assert_false(is_banned(s, "192.0.2.1", 3 * hour));
}

static void test_window(void **state)
{
    struct seen *s = *state;

    (void)fails(s, "192.0.2.1", 1000);
    (void)fails(s, "192.0.2.1", 1000);
    assert_int_equal(fails(s, "192.0.2.1", 601000).delay_ms, 500);
    assert_false(is_banned(s, "192.0.2.1", 601000));
}

/* Attack 50. */
static void test_ipv6_by_64(void **state)
{
    struct seen *s = *state;

    (void)fails(s, "2001:db8:0:1::1", 0);
    (void)fails(s, "2001:db8:0:1::2", 0);
    (void)fails(s, "2001:db8:0:1:ffff::3", 0);
    assert_true(is_banned(s, "2001:db8:0:1:abcd::", 1));
    assert_false(is_banned(s, "2001:db8:0:2::1", 1));
}

static void test_off(void **state)
{
    static const char *const settings[] = {"logins.failures_max=0", NULL};
    struct seen *s = *state;

    (void)fails(s, "192.0.2.1", 0);
    (void)fails(s, "192.0.2.1", 0);
    (void)fails(s, "192.0.2.1", 0);
    mm_config_unref(&s->config); /* a reload lifts what there is */
    s->config = rig_config(settings);
    assert_false(is_banned(s, "192.0.2.1", 0));
    struct mm_failed_login failed = fails(s, "192.0.2.1", 0);
    assert_false(failed.begins_ban);
    assert_int_equal(failed.delay_ms, 0);
}

static void test_bound(void **state)
{
    struct seen *s = *state;

    for (unsigned i = 0; i < MM_LIMIT_KNOWN_NETWORKS + 1000; i++) {
        uint8_t bytes[16] = {0x20, 1, (uint8_t)(i >> 16), (uint8_t)(i >> 8),
                             (uint8_t)i};
        struct mm_netaddr peer = mm_netaddr_v6(bytes, 0);

        (void)mm_networks_fail(&s->networks, s->config, &peer, true, i);
    }
    assert_int_equal(s->networks.table.map.count, MM_LIMIT_KNOWN_NETWORKS);
}

static void test_logins(void **state)
{
    struct seen *s = *state;
    struct mm_netaddr a = at("192.0.2.1");
    struct mm_netaddr b = at("192.0.2.2");

    mm_networks_enter(&s->networks, &a, true, 0);
    mm_networks_enter(&s->networks, &b, false, 0);
    assert_true(mm_networks_entered(&s->networks, &a, true, 1000, 999));
    assert_false(mm_networks_entered(&s->networks, &a, true, 1000, 1000));
    assert_true(mm_networks_entered(&s->networks, &b, false, 1000, 0));
    assert_false(mm_networks_entered(&s->networks, &b, true, 1000, 0));
}

/* What the store is told, and tells. */
static void test_bans_of_the_store(void **state)
{
    struct seen *s = *state;
    struct mm_netaddr peer = at("192.0.2.7");
    struct mm_ban ban;

    assert_false(
        mm_networks_take_ban(&s->networks, s->config, &peer, 0, 100, &ban));
    for (int i = 0; i < 3; i++) {
        (void)fails(s, "192.0.2.7", 0);
    }
    assert_true(
        mm_networks_take_ban(&s->networks, s->config, &peer, 0, 100, &ban));
    assert_int_equal(ban.began_ms, 100);
    assert_int_equal(ban.until_ms, HOUR);
    assert_int_equal(ban.failures, 3);
    assert_false(ban.is_operators);
    /* Each try lasts longer; the store hears of it now and then. */
    assert_true(is_banned(s, "192.0.2.7", HOUR / 8));
    assert_false(mm_networks_take_ban(&s->networks, s->config, &peer, HOUR / 8,
                                      200, &ban));
    assert_true(is_banned(s, "192.0.2.7", HOUR / 2));
    assert_true(mm_networks_take_ban(&s->networks, s->config, &peer, HOUR / 2,
                                     200, &ban));
    assert_int_equal(ban.began_ms, 100);
    assert_int_equal(ban.until_ms, HOUR / 2 + HOUR);
    /* A lifting from before it began is another ban's. */
    mm_networks_lift(&s->networks, &peer, 99);
    assert_true(is_banned(s, "192.0.2.7", HOUR / 2));
    mm_networks_lift(&s->networks, &peer, 100);
    assert_false(is_banned(s, "192.0.2.7", HOUR / 2));
    (void)fails(s, "192.0.2.7", HOUR / 2); /* failures begin anew */
    assert_false(is_banned(s, "192.0.2.7", HOUR / 2));
    /* An operator's is never shortened, also by a try. */
    ban = (struct mm_ban){
        .began_ms = 300, .until_ms = 9 * HOUR, .is_operators = true};
    mm_networks_set_ban(&s->networks, &peer, &ban);
    assert_true(is_banned(s, "192.0.2.7", HOUR));
    assert_false(
        mm_networks_take_ban(&s->networks, s->config, &peer, HOUR, 400, &ban));
    assert_true(is_banned(s, "192.0.2.7", 9 * HOUR - 1));
    ban = (struct mm_ban){.began_ms = 500, .until_ms = HOUR};
    mm_networks_set_ban(&s->networks, &peer, &ban); /* a shorter one */
    assert_true(is_banned(s, "192.0.2.7", 9 * HOUR - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ban, begin, end),
        cmocka_unit_test_setup_teardown(test_end_of_a_ban, begin, end),
        cmocka_unit_test_setup_teardown(test_window, begin, end),
        cmocka_unit_test_setup_teardown(test_ipv6_by_64, begin, end),
        cmocka_unit_test_setup_teardown(test_off, begin, end),
        cmocka_unit_test_setup_teardown(test_bound, begin, end),
        cmocka_unit_test_setup_teardown(test_logins, begin, end),
        cmocka_unit_test_setup_teardown(test_bans_of_the_store, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
