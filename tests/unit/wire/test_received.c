/* test_received.c - trace fields, with peers who would like to forge them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/msg/message.h"

#include <stdio.h>
#include <string.h>

#define DATE "Sat, 21 Nov 2026 06:30:18 +0000\r\n"
#define TIME_MS INT64_C(1795242618123)

static struct mm_received usual(void)
{
    static const uint8_t ip[4] = {192, 0, 2, 1};
    struct mm_received received = {
        .helo_name = mm_span_cstr("client.example"),
        .peer = mm_netaddr_v4(ip, 4711),
        .host_name = "mx.example",
        .identifier = "A1B2",
        .is_extended = true,
        .time_ms = TIME_MS,
    };
    return received;
}

static void check(const struct mm_received *received, const char *expected)
{
    struct mm_buf out;
    mm_buf_init(&out, 4096);
    assert_int_equal(mm_received_write(&out, received), MAILMOD_OK);
    assert_string_equal(mm_buf_cstr(&out), expected);
    mm_buf_fini(&out);
}

static void forms(void **state)
{
    (void)state;
    static const uint8_t ip[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    struct mm_received r = usual();
    check(&r, "Received: from client.example ([192.0.2.1])\r\n"
              "\tby mx.example with ESMTP id A1B2;\r\n\t" DATE);
    r.recipient = "u@x.org";
    check(&r, "Received: from client.example ([192.0.2.1])\r\n"
              "\tby mx.example with ESMTP id A1B2\r\n"
              "\tfor <u@x.org>;\r\n\t" DATE);
    r.peer = mm_netaddr_v6(ip, 1);
    r.recipient = NULL;
    r.helo_name = mm_span_cstr("[ipv6:2001:DB8::2]");
    check(&r, "Received: from [IPv6:2001:db8::2] ([IPv6:2001:db8::1])\r\n"
              "\tby mx.example with ESMTP id A1B2;\r\n\t" DATE);
    r.peer.family = MM_NETADDR_NONE;
    check(&r, "Received: from [IPv6:2001:db8::2]\r\n"
              "\tby mx.example with ESMTP id A1B2;\r\n\t" DATE);
    r.helo_name = mm_span_cstr("");
    r.is_extended = false;
    check(&r, "Received: by mx.example with SMTP id A1B2;\r\n\t" DATE);
}

/* F17: no name is lost, and each stands where the grammar has room for it. */
static void test_F17_odd_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *from;
        const char *comment;
    } rows[] = {
        {"localhost.", "localhost", ""},
        {"Host.Example.", "host.example", ""},
        {"-bad-", "[192.0.2.1]", "\r\n\t(helo -bad-)"},
        {"my_host", "[192.0.2.1]", "\r\n\t(helo my_host)"},
        {"a..b", "[192.0.2.1]", "\r\n\t(helo a..b)"},
        {".", "[192.0.2.1]", "\r\n\t(helo .)"},
        {"192.0.2.7", "192.0.2.7", ""},
        {"x)y(z\\;", "[192.0.2.1]", "\r\n\t(helo x?y?z?\?)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_received r = usual();
        char expected[256];
        r.helo_name = mm_span_cstr(rows[i].name);
        snprintf(expected, sizeof expected,
                 "Received: from %s ([192.0.2.1])\r\n"
                 "\tby mx.example with ESMTP id A1B2%s;\r\n\t" DATE,
                 rows[i].from, rows[i].comment);
        check(&r, expected);
    }
}

static void words(void **state)
{
    (void)state;
    static const struct {
        bool extended, tls, authenticated, smtputf8;
        const char *word;
    } rows[] = {
        {false, false, false, false, " SMTP "},
        {true, false, false, false, " ESMTP "},
        {true, true, false, false, " ESMTPS "},
        {true, false, true, false, " ESMTPA "},
        {true, true, true, false, " ESMTPSA "},
        {false, true, false, false, " ESMTPS "},
        {true, false, false, true, " UTF8SMTP "},
        {true, true, false, true, " UTF8SMTPS "},
        {true, false, true, true, " UTF8SMTPA "},
        {true, true, true, true, " UTF8SMTPSA "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_received r = usual();
        struct mm_buf out;
        r.is_extended = rows[i].extended;
        r.is_tls = rows[i].tls;
        r.is_authenticated = rows[i].authenticated;
        r.is_smtputf8 = rows[i].smtputf8;
        mm_buf_init(&out, 1024);
        assert_int_equal(mm_received_write(&out, &r), MAILMOD_OK);
        assert_non_null(strstr(mm_buf_cstr(&out), rows[i].word));
        mm_buf_fini(&out);
    }
}

static void peers_names_are_not_trusted(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *comment;
    } rows[] = {
        {"", ""},
        {"a b", "\r\n\t(helo a?b)"},
        {"x.org) by evil (", "\r\n\t(helo x.org??by?evil?\?)"},
        {"x.org\r\nX-Evil: 1", "\r\n\t(helo x.org??X-Evil:?1)"},
        {"x.org;", "\r\n\t(helo x.org?)"},
        {"_x.org", "\r\n\t(helo _x.org)"},
        {"[text]", "\r\n\t(helo [text])"},
        {"\xc3\xa9.org", "\r\n\t(helo ?\?.org)"},
        {"\xff.org", "\r\n\t(helo ?.org)"},
        {"(comment)", "\r\n\t(helo ?comment?)"},
        {"a\\", "\r\n\t(helo a?)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_received r = usual();
        char expected[256];
        r.helo_name = mm_span_cstr(rows[i].name);
        snprintf(expected, sizeof expected,
                 "Received: from [192.0.2.1] ([192.0.2.1])\r\n"
                 "\tby mx.example with ESMTP id A1B2%s;\r\n\t" DATE,
                 rows[i].comment);
        check(&r, expected);
    }
    struct mm_received r = usual();
    r.helo_name = mm_span("x.org\0y", 7);
    check(&r, "Received: from [192.0.2.1] ([192.0.2.1])\r\n"
              "\tby mx.example with ESMTP id A1B2\r\n"
              "\t(helo x.org?y);\r\n\t" DATE);
}

static void utf8_only_where_it_may_be(void **state)
{
    (void)state;
    struct mm_received r = usual();
    r.recipient = "\xc3\xa9@x.org";
    check(&r, "Received: from client.example ([192.0.2.1])\r\n"
              "\tby mx.example with ESMTP id A1B2;\r\n\t" DATE);
    r.is_smtputf8 = true;
    r.helo_name = mm_span_cstr("\xc3\xa9.org");
    check(&r, "Received: from \xc3\xa9.org ([192.0.2.1])\r\n"
              "\tby mx.example with UTF8SMTP id A1B2\r\n"
              "\tfor <\xc3\xa9@x.org>;\r\n\t" DATE);
}

static void our_names_are_checked(void **state)
{
    (void)state;
    struct mm_buf out;
    struct mm_received r = usual();
    mm_buf_init(&out, 1024);
    r.host_name = "mx\r\nX: y";
    assert_int_equal(mm_received_write(&out, &r), MAILMOD_ERROR_ARGUMENT);
    r = usual();
    r.identifier = "";
    assert_int_equal(mm_received_write(&out, &r), MAILMOD_ERROR_ARGUMENT);
    r = usual();
    r.identifier = NULL;
    assert_int_equal(mm_received_write(&out, &r), MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mm_buf_size(&out), 0);
    mm_buf_fini(&out);
    mm_buf_init(&out, 40);
    r = usual();
    assert_int_equal(mm_received_write(&out, &r), MAILMOD_ERROR_LIMIT);
    mm_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(test_F17_odd_names),
        cmocka_unit_test(words),
        cmocka_unit_test(peers_names_are_not_trusted),
        cmocka_unit_test(utf8_only_where_it_may_be),
        cmocka_unit_test(our_names_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
