/* test_proxy_header.c - the PROXY protocol's header: what is one, what is none,
 * and each cut at every octet. */
#include "wire/proxy/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define PROXY_TEXT(literal) literal, sizeof(literal) - 1

struct row {
    const char *octets;
    size_t size;
    const char *peer; /* "": not told; NULL: broken */
};

static const struct row rows[] = {
    {PROXY_TEXT("PROXY TCP4 192.0.2.7 198.51.100.1 4000 25\r\n"),
     "192.0.2.7:4000"},
    {PROXY_TEXT("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n"),
     "255.255.255.255:65535"},
    {PROXY_TEXT("PROXY TCP6 2001:db8::7 2001:db8::1 4000 25\r\n"),
     "[2001:db8::7]:4000"},
    {PROXY_TEXT("PROXY TCP6 ::ffff:192.0.2.7 2001:db8::1 4000 25\r\n"),
     "192.0.2.7:4000"},
    {PROXY_TEXT("PROXY UNKNOWN\r\n"), ""},
    {PROXY_TEXT("PROXY UNKNOWN ffff:f...f:ffff what ever 1 2\r\n"), ""},
    {PROXY_TEXT("PROXY UNKNOWNS\r\n"), NULL},
    {PROXY_TEXT("PROXY \r\n"), NULL},
    {PROXY_TEXT("PROXY TCP4\r\n"), NULL},
    {PROXY_TEXT("PROXY TCP4 192.0.2.7 198.51.100.1 4000 25\n"), NULL},
    {PROXY_TEXT("PROXY TCP4 192.0.2.7 198.51.100.1 4000 25 \r\n"), NULL},
    {PROXY_TEXT("PROXY TCP4  192.0.2.7 198.51.100.1 4000 25\r\n"), NULL},
    {PROXY_TEXT("PROXY TCP4 192.0.2.7 198.51.100.1 65536 25\r\n"), NULL},
    {PROXY_TEXT("PROXY TCP4 192.0.2.7 198.51.100.1 04000 25\r\n"), NULL},
    {PROXY_TEXT("PROXY TCP4 192.0.2.7 198.51.100.1 -1 25\r\n"), NULL},
    {PROXY_TEXT("PROXY TCP4 192.0.2.7 198.51.100.1 4000 99999\r\n"), NULL},
    {PROXY_TEXT("PROXY TCP4 192.0.2.256 198.51.100.1 4000 25\r\n"), NULL},
    {PROXY_TEXT("PROXY TCP4 2001:db8::7 2001:db8::1 4000 25\r\n"), NULL},
    {PROXY_TEXT("PROXY TCP6 192.0.2.7 198.51.100.1 4000 25\r\n"), NULL},
    {PROXY_TEXT("PROXY TCP4 192.0.2.7\0 198.51.100.1 4000 25\r\n"), NULL},
    {PROXY_TEXT("PROXY UDP4 192.0.2.7 198.51.100.1 4000 25\r\n"), NULL},
    {PROXY_TEXT("proxy TCP4 192.0.2.7 198.51.100.1 4000 25\r\n"), NULL},
    {PROXY_TEXT("EHLO client.example\r\n"), NULL},
    {PROXY_TEXT("\x16\x03\x01\x02\x00\x01"), NULL},
    {PROXY_TEXT("\r\n\r\n\r\n"), NULL},
    /* version 2 */
    {PROXY_TEXT(SIGNATURE
                "\x21\x11\0\x0c\xc0\0\2\7\xc6\x33\x64\1\x0f\xa0\0\x19"),
     "192.0.2.7:4000"},
    {PROXY_TEXT(SIGNATURE
                "\x21\x11\0\x10\xc0\0\2\7\xc6\x33\x64\1\x0f\xa0\0\x19\4\0\1x"),
     "192.0.2.7:4000"}, /* a TLV */
    {PROXY_TEXT(SIGNATURE
                "\x21\x21\0\x24\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7"
                "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x0f\xa0\0\x19"),
     "[2001:db8::7]:4000"},
    {PROXY_TEXT(SIGNATURE "\x20\0\0\0"), ""},        /* LOCAL */
    {PROXY_TEXT(SIGNATURE "\x20\x11\0\x02xx"), ""},  /* whatever follows */
    {PROXY_TEXT(SIGNATURE "\x21\0\0\4\4\0\1x"), ""}, /* UNSPEC */
    {PROXY_TEXT(SIGNATURE "\x21\x11\0\x0b\xc0\0\2\7\xc6\x33\x64\1\x0f\xa0\0"),
     NULL},
    {PROXY_TEXT(SIGNATURE
                "\x21\x21\0\x0c\xc0\0\2\7\xc6\x33\x64\1\x0f\xa0\0\x19"),
     NULL},
    {PROXY_TEXT(SIGNATURE
                "\x21\x12\0\x0c\xc0\0\2\7\xc6\x33\x64\1\x0f\xa0\0\x19"),
     NULL}, /* UDP */
    {PROXY_TEXT(SIGNATURE "\x21\x41\0\0"), NULL},
    {PROXY_TEXT(SIGNATURE "\x11\x11\0\x0c"), NULL}, /* version 1 in binary */
    {PROXY_TEXT(SIGNATURE "\x22\x11\0\x0c"), NULL}, /* no such command */
    {PROXY_TEXT(SIGNATURE "\x21\x11\xff\xff"), NULL},
    {PROXY_TEXT(SIGNATURE "\x21\0\x02\x09"), NULL}, /* 537 octets in all */
};

static void check_row(const struct row *row)
{
    char octets[MM_PROXY_HEADER_MAX + 8];
    struct mm_proxy_header header;
    enum mm_proxy_result result = MM_PROXY_MORE;
    size_t size = 0;

    /* Octet by octet, and nothing behind the header counts. */
    while (result == MM_PROXY_MORE && size < row->size) {
        size++;
        result = mm_proxy_header_parse(mm_span(row->octets, size), &header);
        assert_true(result == MM_PROXY_WHOLE || header.size == 0);
    }
    memcpy(octets, row->octets, row->size);
    memcpy(octets + row->size, "EHLO x\r\n", 8);
    struct mm_proxy_header again;
    assert_int_equal(
        mm_proxy_header_parse(mm_span(octets, row->size + 8), &again), result);
    if (row->peer == NULL) {
        assert_int_equal(result, MM_PROXY_BROKEN);
        return;
    }
    char peer[MM_NETADDR_TEXT_MAX] = "";
    assert_int_equal(result, MM_PROXY_WHOLE);
    assert_int_equal(header.size, row->size);
    assert_int_equal(again.size, row->size);
    if (header.peer.family != MM_NETADDR_NONE) {
        mm_netaddr_format(&header.peer, peer);
    }
    assert_string_equal(peer, row->peer);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check_row(&rows[i]);
    }
}

/* Attack 42: endless headers. */
static void test_bounds(void **state)
{
    char octets[MM_PROXY_HEADER_MAX];
    struct mm_proxy_header header;

    (void)state;
    memset(octets, 'x', sizeof octets);
    memcpy(octets, "PROXY UNKNOWN ", 14);
    assert_int_equal(mm_proxy_header_parse(mm_span(octets, 106), &header),
                     MM_PROXY_MORE);
    assert_int_equal(mm_proxy_header_parse(mm_span(octets, 107), &header),
                     MM_PROXY_BROKEN);
    memcpy(octets + 105, "\r\n", 2);
    assert_int_equal(mm_proxy_header_parse(mm_span(octets, 107), &header),
                     MM_PROXY_WHOLE);
    memcpy(octets, SIGNATURE "\x21\0\x02\x08", 16);
    assert_int_equal(mm_proxy_header_parse(mm_span(octets, 535), &header),
                     MM_PROXY_MORE);
    assert_int_equal(mm_proxy_header_parse(mm_span(octets, 536), &header),
                     MM_PROXY_WHOLE);
    assert_int_equal(header.size, MM_PROXY_HEADER_MAX);
}

/* What a client sends first, in pieces of each size. */
static void test_start(void **state)
{
    static const struct {
        const char *octets;
        size_t size;
        size_t after; /* octets until it is told; 0: never */
    } starts[] = {
        {PROXY_TEXT("PROXY TCP4 192.0.2.7 198.51.100.1 4000 25\r\n"), 6},
        {PROXY_TEXT(SIGNATURE "\x21\x11\0\x0c"), 12},
        {PROXY_TEXT("PROXIMA\r\nPROXY UNKNOWN\r\n"), 0},
        {PROXY_TEXT("EHLO PROXY \r\n"), 0},
        {PROXY_TEXT("\r\n\r\n\0\r\nQUIT\r\n"), 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        for (size_t piece = 1; piece <= starts[i].size; piece++) {
            struct mm_proxy_start start = {0};
            size_t at = 0;
            bool is_header = false;
            while (!is_header && at < starts[i].size) {
                size_t rest = starts[i].size - at;
                size_t size = piece < rest ? piece : rest;
                is_header = mm_proxy_start_is_header(
                    &start, mm_span(starts[i].octets + at, size));
                at += size;
            }
            assert_int_equal(is_header, starts[i].after > 0);
            assert_true(!is_header || at >= starts[i].after);
            assert_true(!is_header || at < starts[i].after + piece);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
