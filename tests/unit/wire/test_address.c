/* test_address.c - paths, mailboxes, domains and literals: a table of what is
 * taken, in which canonical text, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/addr/address.h"

#include <stdio.h>
#include <string.h>

#define BYTES(text) (text), sizeof(text) - 1

#define X10 "xxxxxxxxxx"
#define X60 X10 X10 X10 X10 X10 X10
#define X63 X60 "xxx"
#define X64 X60 "xxxx"
#define X252 X63 X63 X63 X63
#define X256 X64 X64 X64 X64
#define X255_DOMAIN X63 "." X63 "." X63 "." X63

enum { FORWARD = 0, REVERSE = 1, UTF8 = 2 };

struct path_case {
    const char *name;
    const char *input;
    size_t size;
    int flags;
    enum mailmod_error error;
    const char *text;
    const char *local_part;
    const char *domain;
    enum mm_domain_form form;
};

#define GOOD(name, input, text, local, domain, form)                           \
    {                                                                          \
        name, BYTES(input), FORWARD, MAILMOD_OK, text, local, domain, form     \
    }
#define BAD(name, input)                                                       \
    {                                                                          \
        name, BYTES(input), FORWARD, MAILMOD_ERROR_SYNTAX, "", "", "",         \
            MM_DOMAIN_NONE                                                     \
    }
#define BIG(name, input)                                                       \
    {                                                                          \
        name, BYTES(input), FORWARD, MAILMOD_ERROR_TOO_LARGE, "", "", "",      \
            MM_DOMAIN_NONE                                                     \
    }

static const struct path_case path_cases[] = {
    GOOD("usual", "<user@example.com>", "user@example.com", "user",
         "example.com", MM_DOMAIN_NAME),
    GOOD("dots", "<first.last@a.b.example>", "first.last@a.b.example",
         "first.last", "a.b.example", MM_DOMAIN_NAME),
    GOOD("case", "<User@EXAMPLE.Com>", "User@example.com", "User",
         "example.com", MM_DOMAIN_NAME),
    GOOD("quoted blanks", "<\"a b\"@x.org>", "\"a b\"@x.org", "a b", "x.org",
         MM_DOMAIN_NAME),
    GOOD("quoted dots", "<\"a..b.\"@x.org>", "\"a..b.\"@x.org", "a..b.",
         "x.org", MM_DOMAIN_NAME),
    GOOD("needless quotes", "<\"a.b\"@x.org>", "a.b@x.org", "a.b", "x.org",
         MM_DOMAIN_NAME),
    GOOD("needless pairs", "<\"\\a\\.\\b\"@x.org>", "a.b@x.org", "a.b", "x.org",
         MM_DOMAIN_NAME),
    GOOD("pairs", "<\"a\\\"b\\\\c\"@x.org>", "\"a\\\"b\\\\c\"@x.org", "a\"b\\c",
         "x.org", MM_DOMAIN_NAME),
    GOOD("brackets in quotes", "<\"a>b<@,:;\"@x.org>", "\"a>b<@,:;\"@x.org",
         "a>b<@,:;", "x.org", MM_DOMAIN_NAME),
    GOOD("empty quotes", "<\"\"@x.org>", "\"\"@x.org", "", "x.org",
         MM_DOMAIN_NAME),
    GOOD("IPv4 literal", "<u@[192.0.2.1]>", "u@[192.0.2.1]", "u", "[192.0.2.1]",
         MM_DOMAIN_ADDRESS),
    GOOD("IPv6 literal", "<u@[IPv6:2001:DB8:0:0::1]>", "u@[IPv6:2001:db8::1]",
         "u", "[IPv6:2001:db8::1]", MM_DOMAIN_ADDRESS),
    GOOD("IPv6 tag in any case", "<u@[ipV6:2001:0db8::0001]>",
         "u@[IPv6:2001:db8::1]", "u", "[IPv6:2001:db8::1]", MM_DOMAIN_ADDRESS),
    GOOD("IPv6 any", "<u@[IPv6:::]>", "u@[IPv6:::]", "u", "[IPv6:::]",
         MM_DOMAIN_ADDRESS),
    GOOD("mapped IPv4", "<u@[IPv6:::ffff:192.0.2.1]>", "u@[192.0.2.1]", "u",
         "[192.0.2.1]", MM_DOMAIN_ADDRESS),
    GOOD("IPv6 that ends in IPv4", "<u@[IPv6:64:ff9b::192.0.2.1]>",
         "u@[IPv6:64:ff9b::c000:201]", "u", "[IPv6:64:ff9b::c000:201]",
         MM_DOMAIN_ADDRESS),
    GOOD("general literal", "<u@[X-Tag:some!Content]>",
         "u@[x-tag:some!Content]", "u", "[x-tag:some!Content]",
         MM_DOMAIN_GENERAL),
    GOOD("bracket in a general literal", "<u@[t:a>b]>", "u@[t:a>b]", "u",
         "[t:a>b]", MM_DOMAIN_GENERAL),
    GOOD("one label", "<u@localhost>", "u@localhost", "u", "localhost",
         MM_DOMAIN_NAME),
    GOOD("digits and hyphens", "<u@4-2.1a.x--y>", "u@4-2.1a.x--y", "u",
         "4-2.1a.x--y", MM_DOMAIN_NAME),
    GOOD("route of one hop", "<@a.org:u@x.org>", "u@x.org", "u", "x.org",
         MM_DOMAIN_NAME),
    GOOD("route of two hops", "<@a.org,@b.org:u@x.org>", "u@x.org", "u",
         "x.org", MM_DOMAIN_NAME),
    GOOD("postmaster alone", "<Postmaster>", "postmaster", "postmaster", "",
         MM_DOMAIN_NONE),
    GOOD("postmaster at a domain", "<POSTmaster@X.org>", "postmaster@x.org",
         "postmaster", "x.org", MM_DOMAIN_NAME),
    GOOD("atom and quoted word", "<first.\"last name\"@x.org>",
         "\"first.last name\"@x.org", "first.last name", "x.org",
         MM_DOMAIN_NAME),
    GOOD("several quoted words", "<\"a b\".\"c d\".e@x.org>",
         "\"a b.c d.e\"@x.org", "a b.c d.e", "x.org", MM_DOMAIN_NAME),
    GOOD("percent form", "<a%b.org@x.org>", "a%b.org@x.org", "a%b.org", "x.org",
         MM_DOMAIN_NAME),
    GOOD("bang form", "<host!user@x.org>", "host!user@x.org", "host!user",
         "x.org", MM_DOMAIN_NAME),
    GOOD("every atext", "<!#$%&'*+-/=?^_`{|}~@x.org>",
         "!#$%&'*+-/=?^_`{|}~@x.org", "!#$%&'*+-/=?^_`{|}~", "x.org",
         MM_DOMAIN_NAME),
    GOOD("option form", "<-oQ@x.org>", "-oQ@x.org", "-oQ", "x.org",
         MM_DOMAIN_NAME),
    GOOD("path form", "<\"../../x\"@x.org>", "\"../../x\"@x.org", "../../x",
         "x.org", MM_DOMAIN_NAME),
    GOOD("shell form", "<\";id $(id) ${run}|cmd\"@x.org>",
         "\";id $(id) ${run}|cmd\"@x.org", ";id $(id) ${run}|cmd", "x.org",
         MM_DOMAIN_NAME),
    GOOD("64 octets", "<" X64 "@x.org>", X64 "@x.org", X64, "x.org",
         MM_DOMAIN_NAME),
    GOOD("71 octets", "<bounce+" X64 "@x.org>", "bounce+" X64 "@x.org",
         "bounce+" X64, "x.org", MM_DOMAIN_NAME),
    GOOD("256 octets", "<" X256 "@x.org>", X256 "@x.org", X256, "x.org",
         MM_DOMAIN_NAME),
    GOOD("longest path", "<" X256 "@" X255_DOMAIN ">", X256 "@" X255_DOMAIN,
         X256, X255_DOMAIN, MM_DOMAIN_NAME),
    BIG("longest path and quotes", "<\" " X252 "xx\"@" X255_DOMAIN ">"),
    BIG("257 octets", "<" X256 "x@x.org>"),
    BIG("257 octets quoted", "<\"" X256 "\\ \"@x.org>"),
    BIG("257 with the dot between words", "<" X252 "xxx.\"x\"@x.org>"),
    BIG("256 octets of domain", "<u@" X63 "." X63 "." X63 "." X63 ".>"),
    BAD("label of 64", "<u@" X64 ".org>"),
    BAD("nothing", ""),
    BAD("no bracket", "u@x.org>"),
    BAD("no closing bracket", "<u@x.org"),
    BAD("null path forward", "<>"),
    BAD("no local part", "<@x.org>"),
    BAD("no domain", "<u@>"),
    BAD("no at", "<user>"),
    BAD("two ats", "<a@b@x.org>"),
    BAD("only dot", "<.@x.org>"),
    BAD("leading dot", "<.a@x.org>"),
    BAD("trailing dot", "<a.@x.org>"),
    BAD("two dots", "<a..b@x.org>"),
    BAD("blank", "<a b@x.org>"),
    BAD("blank in front", "< a@x.org>"),
    BAD("blank behind", "<a@x.org >"),
    BAD("parenthesis", "<a(b)@x.org>"),
    BAD("backslash outside quotes", "<a\\b@x.org>"),
    BAD("quote without end", "<\"a@x.org>"),
    BAD("quote that ends in a pair", "<\"a\\\"@x.org>"),
    BAD("quote, then atom", "<\"a\"b@x.org>"),
    BAD("atom, then quote", "<a\"b\"@x.org>"),
    BAD("backslash at the end", "<\"a\\"),
    BAD("NUL", "<a\0b@x.org>"),
    BAD("NUL in quotes", "<\"a\0b\"@x.org>"),
    BAD("pair of NUL", "<\"a\\\0b\"@x.org>"),
    BAD("CR in quotes", "<\"a\rb\"@x.org>"),
    BAD("LF in quotes", "<\"a\nb\"@x.org>"),
    BAD("pair of CR", "<\"a\\\rb\"@x.org>"),
    BAD("tab in quotes", "<\"a\tb\"@x.org>"),
    BAD("DEL in quotes", "<\"a\x7f\"@x.org>"),
    BAD("NUL in the domain", "<a@x\0.org>"),
    BAD("domain with a dot behind", "<a@x.org.>"),
    BAD("domain with a dot before", "<a@.x.org>"),
    BAD("domain with two dots", "<a@x..org>"),
    BAD("domain with a hyphen before", "<a@-x.org>"),
    BAD("domain with a hyphen behind", "<a@x-.org>"),
    BAD("underscore", "<a@x_y.org>"),
    BAD("free text literal", "<a@[some text]>"),
    BAD("free text without blank", "<a@[text]>"),
    BAD("empty literal", "<a@[]>"),
    BAD("open literal", "<a@[192.0.2.1>"),
    BAD("text behind a literal", "<a@[192.0.2.1]x>"),
    BAD("number too large", "<a@[192.0.2.256]>"),
    BAD("leading zero", "<a@[192.0.2.01]>"),
    BAD("three numbers", "<a@[192.0.2]>"),
    BAD("IPv6 tag with IPv4", "<a@[IPv6:192.0.2.1]>"),
    BAD("IPv6 too short", "<a@[IPv6:1:2:3]>"),
    BAD("IPv6 two gaps", "<a@[IPv6:1::2::3]>"),
    BAD("IPv6 with a zone", "<a@[IPv6:fe80::1%1]>"),
    BAD("IPv6 empty", "<a@[IPv6:]>"),
    BAD("general without content", "<a@[tag:]>"),
    BAD("general without tag", "<a@[:x]>"),
    BAD("general with a hyphen", "<a@[tag-:x]>"),
    BAD("route without colon", "<@a.org u@x.org>"),
    BAD("route with an empty hop", "<@:u@x.org>"),
    BAD("route with a comma behind", "<@a.org,:u@x.org>"),
    BAD("route with a literal", "<@[1.2.3.4]:u@x.org>"),
    BAD("route and postmaster", "<@a.org:postmaster>"),
    BAD("UTF-8 without leave", "<\xc3\xa9@x.org>"),
    BAD("UTF-8 domain without leave", "<a@\xc3\xa9.org>"),
    {"null path", BYTES("<>"), REVERSE, MAILMOD_OK, "", "", "", MM_DOMAIN_NONE},
    {"reverse", BYTES("<u@x.org>"), REVERSE, MAILMOD_OK, "u@x.org", "u",
     "x.org", MM_DOMAIN_NAME},
    {"postmaster alone, reverse", BYTES("<postmaster>"), REVERSE,
     MAILMOD_ERROR_SYNTAX, "", "", "", MM_DOMAIN_NONE},
    {"UTF-8", BYTES("<\xc3\xa9.b@D\xc3\xa9j.org>"), UTF8, MAILMOD_OK,
     "\xc3\xa9.b@d\xc3\xa9j.org", "\xc3\xa9.b", "d\xc3\xa9j.org",
     MM_DOMAIN_NAME},
    {"UTF-8 in quotes", BYTES("<\"\xc3\xa9 b\"@x.org>"), UTF8, MAILMOD_OK,
     "\"\xc3\xa9 b\"@x.org", "\xc3\xa9 b", "x.org", MM_DOMAIN_NAME},
    {"broken UTF-8", BYTES("<\xc3@x.org>"), UTF8, MAILMOD_ERROR_SYNTAX, "", "",
     "", MM_DOMAIN_NONE},
    {"overlong", BYTES("<\xc0\xaf@x.org>"), UTF8, MAILMOD_ERROR_SYNTAX, "", "",
     "", MM_DOMAIN_NONE},
    {"surrogate", BYTES("<\xed\xa0\x80@x.org>"), UTF8, MAILMOD_ERROR_SYNTAX, "",
     "", "", MM_DOMAIN_NONE},
    {"broken across the parts", BYTES("<\"\xc3\"\xa9@x.org>"), UTF8,
     MAILMOD_ERROR_SYNTAX, "", "", "", MM_DOMAIN_NONE},
    {"pair of 8-bit", BYTES("<\"\\\xc3\xa9\"@x.org>"), UTF8,
     MAILMOD_ERROR_SYNTAX, "", "", "", MM_DOMAIN_NONE},
    {"broken UTF-8 in the domain", BYTES("<a@\xc3.org>"), UTF8,
     MAILMOD_ERROR_SYNTAX, "", "", "", MM_DOMAIN_NONE},
};

static void check_value(const struct path_case *c, const struct mm_address *got)
{
    if (strcmp(got->text, c->text) != 0) {
        fail_msg("%s: %s", c->name, got->text);
    }
    assert_string_equal(got->local_part, c->local_part);
    assert_string_equal(got->domain, c->domain);
    assert_int_equal(got->domain_form, c->form);
    assert_int_equal(got->is_null,
                     c->error == MAILMOD_OK && c->text[0] == '\0');
    assert_int_equal(got->needs_smtputf8,
                     mm_span_has_8bit(mm_span_cstr(c->text)));
    assert_int_equal(got->literal.family != MM_NETADDR_NONE,
                     c->form == MM_DOMAIN_ADDRESS);
}

static void paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof path_cases / sizeof path_cases[0]; i++) {
        const struct path_case *c = &path_cases[i];
        bool is_reverse = (c->flags & REVERSE) != 0;
        bool allow_utf8 = (c->flags & UTF8) != 0;
        char input[2048];
        struct mm_address address;
        struct mm_span rest;
        memcpy(input, c->input, c->size);
        memcpy(input + c->size, " SIZE=1\xff", 8);
        /* With and without parameters behind. */
        for (int with_rest = 0; with_rest < 2; with_rest++) {
            size_t size = c->size + (with_rest != 0 ? 8 : 0);
            enum mailmod_error error = mm_path_parse(
                mm_span(input, size), is_reverse, allow_utf8, &address, &rest);
            if (error != c->error) {
                fail_msg("%s: error %d", c->name, (int)error);
            }
            check_value(c, &address);
            if (error == MAILMOD_OK) {
                assert_int_equal(rest.size, with_rest != 0 ? 8 : 0);
            }
        }
    }
}

/* Every prefix of every case is read within its own octets (for ASan). */
static void paths_cut_short(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof path_cases / sizeof path_cases[0]; i++) {
        const struct path_case *c = &path_cases[i];
        for (size_t size = 0; size < c->size; size++) {
            struct mm_buf exact;
            struct mm_address address;
            struct mm_span rest;
            mm_buf_init(&exact, 2048);
            char *copy = mm_buf_reserve(&exact, 2048);
            memcpy(copy + 2048 - size, c->input, size);
            assert_int_not_equal(
                mm_path_parse(mm_span(copy + 2048 - size, size),
                              (c->flags & REVERSE) != 0, (c->flags & UTF8) != 0,
                              &address, &rest),
                MAILMOD_OK);
            mm_buf_fini(&exact);
        }
    }
}

static void canonical_texts_read_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof path_cases / sizeof path_cases[0]; i++) {
        const struct path_case *c = &path_cases[i];
        if (c->error != MAILMOD_OK) {
            continue;
        }
        struct mm_address first;
        struct mm_address again;
        struct mm_span rest;
        bool is_reverse = (c->flags & REVERSE) != 0;
        assert_int_equal(mm_path_parse(mm_span(c->input, c->size), is_reverse,
                                       true, &first, &rest),
                         MAILMOD_OK);
        assert_int_equal(mm_address_parse(mm_span_cstr(first.text), is_reverse,
                                          true, &again),
                         MAILMOD_OK);
        assert_string_equal(first.local_part, again.local_part);
        assert_string_equal(first.domain, again.domain);
        assert_string_equal(first.text, again.text);
    }
}

static void bare_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *input;
        bool is_reverse;
        const char *text; /* NULL: refused */
    } rows[] = {
        {"u@x.org", false, "u@x.org"},
        {"<u@x.org>", false, "u@x.org"},
        {"", true, ""},
        {"<>", true, ""},
        {"", false, NULL},
        {"<>", false, NULL},
        {"postmaster", false, "postmaster"},
        {"postmaster", true, NULL},
        {"u@x.org ", false, NULL},
        {" u@x.org", false, NULL},
        {"u@x.org>", false, NULL},
        {"<u@x.org", false, NULL},
        {"<u@x.org> SIZE=1", false, NULL},
        {"u@x.org,v@x.org", false, NULL},
        {"Name <u@x.org>", false, NULL},
        {"u@x.org\r\nRCPT TO:<v@x.org>", false, NULL},
        {"@a.org:u@x.org", false, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_address address;
        enum mailmod_error error = mm_address_parse(
            mm_span_cstr(rows[i].input), rows[i].is_reverse, false, &address);
        if ((error == MAILMOD_OK) != (rows[i].text != NULL)) {
            fail_msg("%s: error %d", rows[i].input, (int)error);
        }
        assert_string_equal(address.text,
                            rows[i].text != NULL ? rows[i].text : "");
        assert_int_equal(address.is_null,
                         rows[i].text != NULL && rows[i].text[0] == '\0');
    }
}

static void addresses_in_a_domain(void **state)
{
    static const struct {
        const char *input;
        const char *text; /* NULL: none */
    } rows[] = {
        {"u", "u@x.org"},
        {"u@y.org", "u@y.org"},
        {"<u@y.org>", "u@y.org"},
        {"\"a b\"", "\"a b\"@x.org"},
        {"\xc3\xbc", "\xc3\xbc@x.org"},
        {"postmaster", "postmaster@x.org"},
        {"", NULL},
        {"a b", NULL},
        {"<u>", NULL},
        {"u@", NULL},
    };
    char large[2 * MM_LIMIT_PATH + 1] = "";
    struct mm_address address;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum mailmod_error error =
            mm_address_parse_in(rows[i].input, "x.org", &address);
        if ((error == MAILMOD_OK) != (rows[i].text != NULL)) {
            fail_msg("%s: error %d", rows[i].input, (int)error);
        }
        assert_string_equal(address.text,
                            rows[i].text != NULL ? rows[i].text : "");
    }
    memset(large, 'u', sizeof large - 1);
    assert_int_equal(mm_address_parse_in(large, "x.org", &address),
                     MAILMOD_ERROR_TOO_LARGE);
    assert_string_equal(address.text, "");
}

/* F25: each leniency lets its own fault through and no other. */
static void test_F25_lenient_paths(void **state)
{
    (void)state;
    static const struct {
        const char *input;
        unsigned leniency;
        const char *text; /* NULL: refused with all leniencies */
    } rows[] = {
        {"u@x.org SIZE=1", MM_LENIENT_NO_BRACKETS, "u@x.org"},
        {"\"a b\"@x.org", MM_LENIENT_NO_BRACKETS, "\"a b\"@x.org"},
        {"<u.@x.org>", MM_LENIENT_DOTS, "\"u.\"@x.org"},
        {"<.u@x.org>", MM_LENIENT_DOTS, "\".u\"@x.org"},
        {"<a..b@x.org>", MM_LENIENT_DOTS, "\"a..b\"@x.org"},
        {"<u@x_y.org>", MM_LENIENT_UNDERSCORES, "u@x_y.org"},
        {"<u@_x.org>", MM_LENIENT_UNDERSCORES, "u@_x.org"},
        {"u@", 0, NULL},
        {"@x.org", 0, NULL},
        {"<@x.org>", 0, NULL},
        {"<u@x..org>", 0, NULL},
        {"<u@x.org", 0, NULL},
        {"<a b@x.org>", 0, NULL},
        {"<u\n@x.org>", 0, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_address address;
        struct mm_address again;
        struct mm_span rest;
        struct mm_span input = mm_span_cstr(rows[i].input);
        enum mailmod_error error = mm_path_parse_lenient(
            input, true, false, MM_LENIENT_ALL, &address, &rest);
        if ((error == MAILMOD_OK) != (rows[i].text != NULL)) {
            fail_msg("%s: error %d", rows[i].input, (int)error);
        }
        if (error != MAILMOD_OK) {
            continue;
        }
        assert_string_equal(address.text, rows[i].text);
        assert_int_equal(mm_path_parse_lenient(input, true, false,
                                               rows[i].leniency, &again, &rest),
                         MAILMOD_OK);
        assert_int_not_equal(
            mm_path_parse_lenient(input, true, false,
                                  MM_LENIENT_ALL & ~rows[i].leniency, &again,
                                  &rest),
            MAILMOD_OK);
        /* What was taken reads back, as the queue and reports do it. */
        assert_int_equal(
            mm_address_parse(mm_span_cstr(address.text), true, false, &again),
            MAILMOD_OK);
        assert_string_equal(again.text, address.text);
    }
}

static void domains(void **state)
{
    (void)state;
    char domain[MM_LIMIT_DOMAIN + 1];
    assert_true(mm_domain_parse(mm_span_cstr("A.B-c.9"), false, domain));
    assert_string_equal(domain, "a.b-c.9");
    assert_false(mm_domain_parse(mm_span_cstr(""), false, domain));
    assert_false(mm_domain_parse(mm_span_cstr("a."), false, domain));
    assert_false(mm_domain_parse(mm_span_cstr("a b"), false, domain));
    assert_false(mm_domain_parse(mm_span(BYTES("a\0b")), true, domain));
    assert_false(mm_domain_parse(mm_span_cstr("\xc3\xa9"), false, domain));
    assert_true(mm_domain_parse(mm_span_cstr("\xc3\xa9"), true, domain));
    assert_true(mm_domain_parse(mm_span_cstr(X63 "." X63 "." X63 "." X60 "xxx"),
                                false, domain));
    assert_int_equal(strlen(domain), 255);
    assert_false(mm_domain_parse(
        mm_span_cstr(X63 "." X63 "." X63 "." X60 "x.xx"), false, domain));
    assert_string_equal(domain, "");
}

static void literals(void **state)
{
    (void)state;
    static const uint8_t v4[4] = {192, 0, 2, 1};
    static const uint8_t v6[16] = {0xfe, 0x80, [15] = 1};
    char text[MM_NETADDR_TEXT_MAX];
    struct mm_netaddr address = mm_netaddr_v4(v4, 25);
    mm_domain_literal(&address, text);
    assert_string_equal(text, "[192.0.2.1]");
    address = mm_netaddr_v6(v6, 25);
    address.scope = 3;
    mm_domain_literal(&address, text);
    assert_string_equal(text, "[IPv6:fe80::1]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),
        cmocka_unit_test(paths_cut_short),
        cmocka_unit_test(canonical_texts_read_back),
        cmocka_unit_test(bare_addresses),
        cmocka_unit_test(addresses_in_a_domain),
        cmocka_unit_test(test_F25_lenient_paths),
        cmocka_unit_test(domains),
        cmocka_unit_test(literals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
