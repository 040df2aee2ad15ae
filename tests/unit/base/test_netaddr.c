/* test_netaddr.c - addresses: RFC 4291 in, RFC 5952 out, ranges.
 * Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/netaddr.h"

#include <string.h>

static const struct {
    const char *text;
    const char *canonical; /* NULL: refused */
} ips[] = {
    {"192.0.2.1", "192.0.2.1"},
    {"0.0.0.0", "0.0.0.0"},
    {"255.255.255.255", "255.255.255.255"},
    {"::", "::"},
    {"::1", "::1"},
    {"1::", "1::"},
    {"2001:DB8::0001", "2001:db8::1"},
    {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
    {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
    {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
    {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
    {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
    {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
    {"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
    {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
    {"fe80::1%2", "fe80::1%2"},
    {"fe80::1%4294967295", "fe80::1%4294967295"},
    {"::ffff:192.0.2.1", "192.0.2.1"},
    {"::ffff:c000:201", "192.0.2.1"},
    {"0:0:0:0:0:FFFF:127.0.0.1", "127.0.0.1"},
    {"", NULL},
    {"1.2.3", NULL},
    {"1.2.3.4.5", NULL},
    {"1.2.3.", NULL},
    {"1..2.3", NULL},
    {"1.2.3.256", NULL},
    {"01.2.3.4", NULL},
    {"1.2.3.04", NULL},
    {"0x7f.0.0.1", NULL},
    {"1.2.3.4 ", NULL},
    {" 1.2.3.4", NULL},
    {"2130706433", NULL},
    {":", NULL},
    {":::", NULL},
    {"::1::", NULL},
    {"1:::2", NULL},
    {":1", NULL},
    {"1:", NULL},
    {":1:2:3:4:5:6:7", NULL},
    {"1:2:3:4:5:6:7:", NULL},
    {"1:2:3:4:5:6:7", NULL},
    {"1:2:3:4:5:6:7:8:9", NULL},
    {"1:2:3:4:5:6:7:8::", NULL},
    {"::1:2:3:4:5:6:7:8", NULL},
    {"12345::", NULL},
    {"g::", NULL},
    {"1.2.3.4::", NULL},
    {"::1.2.3.4:5", NULL},
    {"::1.2.3", NULL},
    {"1:2:3:4:5:6:7:1.2.3.4", NULL},
    {"fe80::1%", NULL},
    {"fe80::1%0", NULL},
    {"fe80::1%eth0", NULL},
    {"fe80::1%4294967296", NULL},
    {"1.2.3.4%1", NULL},
    {"::ffff:1.2.3.4%1", NULL},
    {"[::1]", NULL},
};

static void test_parse_ip(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ips / sizeof ips[0]; i++) {
        struct mm_netaddr address;
        char text[MM_NETADDR_TEXT_MAX];
        bool is_ip = mm_netaddr_parse_ip(mm_span_cstr(ips[i].text), &address);
        assert_int_equal(is_ip, ips[i].canonical != NULL);
        if (is_ip) {
            mm_netaddr_format_ip(&address, text);
            assert_string_equal(text, ips[i].canonical);
            assert_int_equal(address.port, 0);
        }
    }
}

static const struct {
    const char *text;
    const char *canonical;
} endpoints[] = {
    {"192.0.2.1:25", "192.0.2.1:25"},
    {"192.0.2.1:0", "192.0.2.1:0"},
    {"192.0.2.1:65535", "192.0.2.1:65535"},
    {"*:25", "0.0.0.0:25"},
    {"[::]:25", "[::]:25"},
    {"[fe80::1%3]:110", "[fe80::1%3]:110"},
    {"[::ffff:192.0.2.1]:25", "192.0.2.1:25"},
    {"", NULL},
    {":25", NULL},
    {"25", NULL},
    {"192.0.2.1", NULL},
    {"192.0.2.1:", NULL},
    {"192.0.2.1:65536", NULL},
    {"192.0.2.1:025", NULL},
    {"192.0.2.1:-1", NULL},
    {"192.0.2.1:25x", NULL},
    {"::1:25", NULL},
    {"[::1]", NULL},
    {"[::1]25", NULL},
    {"[::1:25", NULL},
    {"::1]:25", NULL},
    {"[192.0.2.1]:25", NULL},
    {"[]:25", NULL},
    {"[*]:25", NULL},
    {"**:25", NULL},
    {"localhost:25", NULL},
};

static void test_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof endpoints / sizeof endpoints[0]; i++) {
        struct mm_netaddr address;
        char text[MM_NETADDR_TEXT_MAX];
        bool is_one =
            mm_netaddr_parse(mm_span_cstr(endpoints[i].text), &address);
        assert_int_equal(is_one, endpoints[i].canonical != NULL);
        if (is_one) {
            mm_netaddr_format(&address, text);
            assert_string_equal(text, endpoints[i].canonical);
        }
    }
}

/* The longest text there is fits. */
static void test_longest(void **state)
{
    uint8_t bytes[16];
    char text[MM_NETADDR_TEXT_MAX];
    (void)state;
    memset(bytes, 0xfd, sizeof bytes);
    struct mm_netaddr address = mm_netaddr_v6(bytes, 65535);
    address.scope = UINT32_MAX;
    mm_netaddr_format(&address, text);
    assert_string_equal(
        text, "[fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd%4294967295]:65535");
    memset(&address, 0, sizeof address);
    mm_netaddr_format_ip(&address, text);
    assert_string_equal(text, "none");
}

static struct mm_netaddr ip(const char *text)
{
    struct mm_netaddr address;
    assert_true(mm_netaddr_parse_ip(mm_span_cstr(text), &address));
    return address;
}

static void test_kinds(void **state)
{
    static const struct {
        const char *text;
        int is_loopback;
        int is_any;
    } rows[] = {
        {"127.0.0.1", 1, 0},        {"127.255.255.254", 1, 0},
        {"128.0.0.1", 0, 0},        {"::1", 1, 0},
        {"::ffff:127.0.0.1", 1, 0}, {"::", 0, 1},
        {"0.0.0.0", 0, 1},          {"::2", 0, 0},
        {"0.0.0.1", 0, 0},          {"1::1", 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_netaddr address = ip(rows[i].text);
        assert_int_equal(mm_netaddr_is_loopback(&address), rows[i].is_loopback);
        assert_int_equal(mm_netaddr_is_any(&address), rows[i].is_any);
    }
    struct mm_netaddr none;
    memset(&none, 0, sizeof none);
    assert_false(mm_netaddr_is_any(&none));
    assert_false(mm_netaddr_is_loopback(&none));
}

static void test_equal_and_limit_key(void **state)
{
    static const struct {
        const char *a;
        const char *b;
        int is_equal;
        int same_key;
    } rows[] = {
        {"192.0.2.1", "192.0.2.1", 1, 1},
        {"192.0.2.1", "192.0.2.2", 0, 0},
        {"192.0.2.1", "::ffff:192.0.2.1", 1, 1},
        {"2001:db8::1", "2001:db8::2", 0, 1},
        {"2001:db8::1", "2001:db8:0:1::1", 0, 0},
        {"0.0.0.0", "::", 0, 0},
        {"fe80::1%1", "fe80::1%2", 0, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_netaddr a = ip(rows[i].a);
        struct mm_netaddr b = ip(rows[i].b);
        assert_int_equal(mm_netaddr_equal_ip(&a, &b), rows[i].is_equal);
        assert_int_equal(
            mm_span_equal(mm_netaddr_limit_key(&a), mm_netaddr_limit_key(&b)),
            rows[i].same_key);
    }
}

static void test_address_of_key(void **state)
{
    struct mm_netaddr v4 = ip("192.0.2.7");
    struct mm_netaddr v6 = ip("2001:db8:1:2:3::4");
    struct mm_netaddr site = ip("2001:db8:1::");
    struct mm_netaddr network = ip("192.0.2.0");
    (void)state;
    struct mm_netaddr first =
        mm_netaddr_of_key(v4.family, mm_netaddr_network_key(&v4));
    assert_true(mm_netaddr_equal_ip(&first, &network));
    first = mm_netaddr_of_key(v4.family, mm_netaddr_limit_key(&v4));
    assert_true(mm_netaddr_equal_ip(&first, &v4));
    first = mm_netaddr_of_key(v6.family, mm_netaddr_network_key(&v6));
    assert_true(mm_netaddr_equal_ip(&first, &site));
}

static const struct {
    const char *range;
    const char *address;
    int has; /* -1: no range */
} ranges[] = {
    {"192.0.2.0/24", "192.0.2.0", 1},
    {"192.0.2.0/24", "192.0.2.255", 1},
    {"192.0.2.0/24", "192.0.3.0", 0},
    {"192.0.2.77/24", "192.0.2.1", 1},
    {"192.0.2.0/25", "192.0.2.127", 1},
    {"192.0.2.0/25", "192.0.2.128", 0},
    {"192.0.2.1", "192.0.2.1", 1},
    {"192.0.2.1", "192.0.2.0", 0},
    {"192.0.2.1/32", "192.0.2.1", 1},
    {"0.0.0.0/0", "255.1.2.3", 1},
    {"0.0.0.0/0", "::1", 0},
    {"::/0", "1.2.3.4", 0},
    {"::/0", "2001::", 1},
    {"2001:db8::/32", "2001:db8:ffff::1", 1},
    {"2001:db8::/32", "2001:db9::", 0},
    {"2001:db8::/33", "2001:db8:8000::", 0},
    {"::1", "::1", 1},
    {"::1/128", "::2", 0},
    {"::ffff:192.0.2.0/120", "192.0.2.9", 1},
    {"::ffff:192.0.2.0/120", "192.0.3.9", 0},
    {"::ffff:192.0.2.1", "192.0.2.1", 1},
    {"192.0.2.0/24", "::ffff:192.0.2.9", 1},
    {"::ffff:192.0.2.0/95", "::", -1},
    {"192.0.2.0/33", "::", -1},
    {"::/129", "::", -1},
    {"192.0.2.0/", "::", -1},
    {"192.0.2.0/-1", "::", -1},
    {"192.0.2.0/024", "::", -1},
    {"192.0.2.0/24/24", "::", -1},
    {"192.0.2/24", "::", -1},
    {"", "::", -1},
    {"/24", "::", -1},
};

static void test_ranges(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        struct mm_netrange range;
        struct mm_netaddr address = ip(ranges[i].address);
        bool is_range =
            mm_netrange_parse(mm_span_cstr(ranges[i].range), &range);
        assert_int_equal(is_range, ranges[i].has >= 0);
        if (is_range) {
            assert_int_equal(mm_netrange_has(&range, &address), ranges[i].has);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_ip),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_longest),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_equal_and_limit_key),
        cmocka_unit_test(test_address_of_key),
        cmocka_unit_test(test_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
