/* test_tunnel.c - the three ways through a proxy: what is said, what each
 * answer comes to, each dialogue whole, octet by octet and split at each place;
 * bounds. Attack 75. */
#include "wire/proxy/tunnel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define OCTETS(literal)                                                        \
    {                                                                          \
        literal, sizeof(literal) - 1                                           \
    }
#define GREETING "220 mx.example ESMTP\r\n"

enum target { BY_NAME, BY_V4, BY_V6 };
enum login { NO_LOGIN, WITH_LOGIN };

struct row {
    enum mm_tunnel_kind kind;
    enum target target;
    enum login login;
    struct mm_span said;   /* all that the proxy must hear */
    struct mm_span answer; /* all that it says */
    enum mailmod_error error;
    const char *failure;
};

static const struct row rows[] = {
    /* SOCKS5 */
    {MM_TUNNEL_SOCKS5, BY_NAME, NO_LOGIN,
     OCTETS("\5\1\0"
            "\5\1\0\3\12mx.example\0\31"),
     OCTETS("\5\0"
            "\5\0\0\1\0\0\0\0\0\0"),
     MAILMOD_OK, ""},
    {MM_TUNNEL_SOCKS5, BY_V4, NO_LOGIN,
     OCTETS("\5\1\0"
            "\5\1\0\1\300\0\2\7\0\31"),
     OCTETS("\5\0"
            "\5\0\0\4\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\1\4\5"),
     MAILMOD_OK, ""},
    {MM_TUNNEL_SOCKS5, BY_V6, WITH_LOGIN,
     OCTETS("\5\2\0\2"
            "\1\3joe\6se:ret"
            "\5\1\0\4\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\7\0\31"),
     OCTETS("\5\2"
            "\1\0"
            "\5\0\0\3\4here\4\5"),
     MAILMOD_OK, ""},
    {MM_TUNNEL_SOCKS5, BY_NAME, WITH_LOGIN, /* it wants none */
     OCTETS("\5\2\0\2"
            "\5\1\0\3\12mx.example\0\31"),
     OCTETS("\5\0"
            "\5\0\0\3\0\4\5"),
     MAILMOD_OK, ""},
    {MM_TUNNEL_SOCKS5, BY_NAME, NO_LOGIN, OCTETS("\5\1\0"), OCTETS("\5\377"),
     MAILMOD_ERROR_PROXY, "SOCKS5 method 255: it wants a login"},
    {MM_TUNNEL_SOCKS5, BY_NAME, WITH_LOGIN, OCTETS("\5\2\0\2"),
     OCTETS("\5\377"), MAILMOD_ERROR_PROXY,
     "SOCKS5 method 255: it takes no login by user and password"},
    {MM_TUNNEL_SOCKS5, BY_NAME, NO_LOGIN, OCTETS("\5\1\0"), OCTETS("\5\2"),
     MAILMOD_ERROR_PROTOCOL, "SOCKS5 method 2: it was not offered"},
    {MM_TUNNEL_SOCKS5, BY_NAME, WITH_LOGIN,
     OCTETS("\5\2\0\2"
            "\1\3joe\6se:ret"),
     OCTETS("\5\2"
            "\1\1"),
     MAILMOD_ERROR_PROXY, "SOCKS5 login status 1: it refused the login"},
    {MM_TUNNEL_SOCKS5, BY_NAME, WITH_LOGIN,
     OCTETS("\5\2\0\2"
            "\1\3joe\6se:ret"),
     OCTETS("\5\2"
            "\5"),
     MAILMOD_ERROR_PROTOCOL, "its reply is not SOCKS5"},
    {MM_TUNNEL_SOCKS5, BY_NAME, NO_LOGIN,
     OCTETS("\5\1\0"
            "\5\1\0\3\12mx.example\0\31"),
     OCTETS("\5\0"
            "\5\2"), /* some send no more of it */
     MAILMOD_ERROR_PROXY, "SOCKS5 code 2: its rules do not allow it"},
    {MM_TUNNEL_SOCKS5, BY_NAME, NO_LOGIN,
     OCTETS("\5\1\0"
            "\5\1\0\3\12mx.example\0\31"),
     OCTETS("\5\0"
            "\5\4"),
     MAILMOD_ERROR_UNREACHABLE, "SOCKS5 code 4: it cannot reach the host"},
    {MM_TUNNEL_SOCKS5, BY_NAME, NO_LOGIN,
     OCTETS("\5\1\0"
            "\5\1\0\3\12mx.example\0\31"),
     OCTETS("\5\0"
            "\5\5"),
     MAILMOD_ERROR_CONNECTION_REFUSED,
     "SOCKS5 code 5: the host refused the connection"},
    {MM_TUNNEL_SOCKS5, BY_NAME, NO_LOGIN,
     OCTETS("\5\1\0"
            "\5\1\0\3\12mx.example\0\31"),
     OCTETS("\5\0"
            "\5\6"),
     MAILMOD_ERROR_TIMEOUT, "SOCKS5 code 6: the time to live is over"},
    {MM_TUNNEL_SOCKS5, BY_NAME, NO_LOGIN,
     OCTETS("\5\1\0"
            "\5\1\0\3\12mx.example\0\31"),
     OCTETS("\5\0"
            "\5\311"),
     MAILMOD_ERROR_PROXY, "SOCKS5 code 201: "},
    {MM_TUNNEL_SOCKS5, BY_NAME, NO_LOGIN,
     OCTETS("\5\1\0"
            "\5\1\0\3\12mx.example\0\31"),
     OCTETS("\5\0"
            "\5\0\0\2\0"),
     MAILMOD_ERROR_PROTOCOL,
     "its SOCKS5 reply has an address of no known kind"},
    {MM_TUNNEL_SOCKS5, BY_NAME, NO_LOGIN, OCTETS("\5\1\0"), OCTETS("\4"),
     MAILMOD_ERROR_PROTOCOL, "its reply is not SOCKS5"},
    {MM_TUNNEL_SOCKS5, BY_NAME, NO_LOGIN, OCTETS("\5\1\0"), OCTETS("H"),
     MAILMOD_ERROR_PROTOCOL, "its reply is not SOCKS5"},

    /* SOCKS4a */
    {MM_TUNNEL_SOCKS4A, BY_NAME, NO_LOGIN,
     OCTETS("\4\1\0\31\0\0\0\1\0mx.example\0"), OCTETS("\0\132\0\0\0\0\0\0"),
     MAILMOD_OK, ""},
    {MM_TUNNEL_SOCKS4A, BY_V4, WITH_LOGIN, OCTETS("\4\1\0\31\300\0\2\7joe\0"),
     OCTETS("\0\132\4\5\1\2\3\4"), MAILMOD_OK, ""},
    {MM_TUNNEL_SOCKS4A, BY_V4, NO_LOGIN, OCTETS("\4\1\0\31\300\0\2\7\0"),
     OCTETS("\0\133"), MAILMOD_ERROR_PROXY,
     "SOCKS4 code 91: it refused, or could not connect"},
    {MM_TUNNEL_SOCKS4A, BY_V4, NO_LOGIN, OCTETS("\4\1\0\31\300\0\2\7\0"),
     OCTETS("\0\135"), MAILMOD_ERROR_PROXY,
     "SOCKS4 code 93: identd here names another user"},
    {MM_TUNNEL_SOCKS4A, BY_V4, NO_LOGIN, OCTETS("\4\1\0\31\300\0\2\7\0"),
     OCTETS("\4"), MAILMOD_ERROR_PROTOCOL, "its reply is not SOCKS4"},

    /* HTTP */
    {MM_TUNNEL_HTTP, BY_NAME, NO_LOGIN,
     OCTETS("CONNECT mx.example:25 HTTP/1.1\r\nHost: mx.example:25\r\n\r\n"),
     OCTETS("HTTP/1.0 200 Connection established\r\n\r\n"), MAILMOD_OK, ""},
    {MM_TUNNEL_HTTP, BY_V6, NO_LOGIN,
     OCTETS("CONNECT [2001:db8::7]:25 HTTP/1.1\r\n"
            "Host: [2001:db8::7]:25\r\n\r\n"),
     OCTETS("HTTP/1.1 299\nContent-Length: 99\nX: y\n\n"), MAILMOD_OK, ""},
    {MM_TUNNEL_HTTP, BY_V4, WITH_LOGIN,
     OCTETS("CONNECT 192.0.2.7:25 HTTP/1.1\r\nHost: 192.0.2.7:25\r\n"
            "Proxy-Authorization: Basic am9lOnNlOnJldA==\r\n\r\n"),
     OCTETS("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\n"
            "HTTP/1.1 200 OK\r\nVia: x\r\n\r\n"),
     MAILMOD_OK, ""},
    {MM_TUNNEL_HTTP, BY_NAME, NO_LOGIN,
     OCTETS("CONNECT mx.example:25 HTTP/1.1\r\nHost: mx.example:25\r\n\r\n"),
     OCTETS("HTTP/1.1 407 Proxy Authentication Required\r\n"
            "Proxy-Authenticate: Basic\r\n\r\n"),
     MAILMOD_ERROR_PROXY,
     "HTTP 407 Proxy Authentication Required (it wants a login)"},
    {MM_TUNNEL_HTTP, BY_NAME, WITH_LOGIN,
     OCTETS("CONNECT mx.example:25 HTTP/1.1\r\nHost: mx.example:25\r\n"
            "Proxy-Authorization: Basic am9lOnNlOnJldA==\r\n\r\n"),
     OCTETS("HTTP/1.1 407\r\n\r\n"), MAILMOD_ERROR_PROXY,
     "HTTP 407 Proxy Authentication Required (it refused the login)"},
    {MM_TUNNEL_HTTP, BY_NAME, NO_LOGIN,
     OCTETS("CONNECT mx.example:25 HTTP/1.1\r\nHost: mx.example:25\r\n\r\n"),
     OCTETS("HTTP/1.1 403 No\x1b[31m way\t!\r\n\r\n"), MAILMOD_ERROR_PROXY,
     "HTTP 403 No[31m way! (does it allow CONNECT to this port?)"},
    {MM_TUNNEL_HTTP, BY_NAME, NO_LOGIN,
     OCTETS("CONNECT mx.example:25 HTTP/1.1\r\nHost: mx.example:25\r\n\r\n"),
     OCTETS("HTTP/1.1 503 \r\n\r\n"), MAILMOD_ERROR_UNREACHABLE,
     "HTTP 503 Service Unavailable"},
    {MM_TUNNEL_HTTP, BY_NAME, NO_LOGIN,
     OCTETS("CONNECT mx.example:25 HTTP/1.1\r\nHost: mx.example:25\r\n\r\n"),
     OCTETS("HTTP/1.1 504 Late\r\n\r\n"), MAILMOD_ERROR_TIMEOUT,
     "HTTP 504 Late"},
    {MM_TUNNEL_HTTP, BY_NAME, NO_LOGIN,
     OCTETS("CONNECT mx.example:25 HTTP/1.1\r\nHost: mx.example:25\r\n\r\n"),
     OCTETS("HTTP/1.1 302 Found\r\n\r\n"), MAILMOD_ERROR_PROXY,
     "HTTP 302 Found"},
    {MM_TUNNEL_HTTP, BY_NAME, NO_LOGIN,
     OCTETS("CONNECT mx.example:25 HTTP/1.1\r\nHost: mx.example:25\r\n\r\n"),
     OCTETS("2"), MAILMOD_ERROR_PROTOCOL, "its reply is not HTTP"},
    {MM_TUNNEL_HTTP, BY_NAME, NO_LOGIN,
     OCTETS("CONNECT mx.example:25 HTTP/1.1\r\nHost: mx.example:25\r\n\r\n"),
     OCTETS("HTTP/2"), MAILMOD_ERROR_PROTOCOL, "its reply is not HTTP"},
    {MM_TUNNEL_HTTP, BY_NAME, NO_LOGIN,
     OCTETS("CONNECT mx.example:25 HTTP/1.1\r\nHost: mx.example:25\r\n\r\n"),
     OCTETS("HTTP/1.1 2000 OK\r\n"), MAILMOD_ERROR_PROTOCOL,
     "its reply has no HTTP status"},
    {MM_TUNNEL_HTTP, BY_NAME, NO_LOGIN,
     OCTETS("CONNECT mx.example:25 HTTP/1.1\r\nHost: mx.example:25\r\n\r\n"),
     OCTETS("HTTP/1.1 999 OK\n"), MAILMOD_ERROR_PROTOCOL,
     "its reply has no HTTP status"},
    {MM_TUNNEL_HTTP, BY_NAME, NO_LOGIN,
     OCTETS("CONNECT mx.example:25 HTTP/1.1\r\nHost: mx.example:25\r\n\r\n"),
     OCTETS("HTTP/1.x 200 OK\n"), MAILMOD_ERROR_PROTOCOL,
     "its reply has no HTTP status"},
};

static struct mm_tunnel_options options_of(const struct row *row)
{
    static const uint8_t v4[] = {192, 0, 2, 7};
    static const uint8_t v6[16] = {0x20, 1, 0x0d, 0xb8, [15] = 7};
    struct mm_tunnel_options options = {.kind = row->kind};
    options.address =
        row->target == BY_V6 ? mm_netaddr_v6(v6, 25) : mm_netaddr_v4(v4, 25);
    options.host = row->target == BY_NAME ? "mx.example" : NULL;
    options.user = row->login == WITH_LOGIN ? "joe" : NULL;
    options.password = row->login == WITH_LOGIN ? "se:ret" : "";
    return options;
}

struct talk {
    struct mm_tunnel tunnel;
    char said[512];
    size_t said_size;
    size_t taken;
};

static void collect(struct talk *talk)
{
    struct mm_span out = mm_tunnel_output(&talk->tunnel);
    assert_true(talk->said_size + out.size <= sizeof talk->said);
    memcpy(talk->said + talk->said_size, out.data, out.size);
    talk->said_size += out.size;
    mm_tunnel_sent(&talk->tunnel, out.size);
}

static void hear(struct talk *talk, struct mm_span piece)
{
    while (piece.size > 0) {
        size_t taken = mm_tunnel_feed(&talk->tunnel, piece.data, piece.size);
        assert_true(taken <= piece.size);
        talk->taken += taken;
        collect(talk);
        if (taken < piece.size && talk->tunnel.state != MM_TUNNEL_WAITS) {
            return;
        }
        piece = mm_span_from(piece, taken);
    }
}

/* The answer with the host's greeting behind it, in pieces: the first of
 * `first` octets, the others of `size`. */
static void run(const struct row *row, size_t first, size_t size)
{
    char text[512];
    struct mm_span greeting = mm_span_cstr(GREETING);
    struct talk talk = {.said_size = 0};
    const struct mm_tunnel_options options = options_of(row);
    assert_true(row->answer.size + greeting.size <= sizeof text);
    memcpy(text, row->answer.data, row->answer.size);
    memcpy(text + row->answer.size, greeting.data, greeting.size);
    struct mm_span rest = mm_span(text, row->answer.size + greeting.size);

    assert_int_equal(mm_tunnel_init(&talk.tunnel, &options), MAILMOD_OK);
    collect(&talk);
    while (rest.size > 0) {
        size_t piece = first > 0 ? first : size;
        first = 0;
        piece = piece < rest.size ? piece : rest.size;
        hear(&talk, mm_span(rest.data, piece));
        rest = mm_span_from(rest, piece);
    }
    assert_memory_equal(talk.said, row->said.data, row->said.size);
    assert_int_equal(talk.said_size, row->said.size);
    assert_int_equal(talk.taken, row->answer.size); /* not one more */
    assert_int_equal(talk.tunnel.state, row->error == MAILMOD_OK
                                            ? MM_TUNNEL_OPEN
                                            : MM_TUNNEL_FAILED);
    assert_string_equal(mm_tunnel_failure(&talk.tunnel), row->failure);
    assert_int_equal(mm_tunnel_error(&talk.tunnel), row->error);
    assert_int_equal(mm_tunnel_output(&talk.tunnel).size, 0);
    mm_tunnel_fini(&talk.tunnel);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        run(&rows[i], 0, 512);
        run(&rows[i], 0, 1);
        for (size_t at = 1; at < rows[i].answer.size + 5; at++) {
            run(&rows[i], at, 512);
        }
    }
}

/* Each cut at each octet: it waits, it is neither open nor failed. */
static void test_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t size = 0; size < rows[i].answer.size; size++) {
            struct talk talk = {.said_size = 0};
            const struct mm_tunnel_options options = options_of(&rows[i]);
            assert_int_equal(mm_tunnel_init(&talk.tunnel, &options),
                             MAILMOD_OK);
            hear(&talk, mm_span(rows[i].answer.data, size));
            assert_int_equal(talk.tunnel.state, MM_TUNNEL_WAITS);
            mm_tunnel_fini(&talk.tunnel);
        }
    }
}

/* A step for each reply, and none for what comes between. */
static void test_steps(void **state)
{
    static const struct {
        size_t row;
        unsigned steps;
    } counts[] = {{0, 2}, {2, 3}, {17, 1}, {22, 1}, {24, 1}};
    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        const struct row *row = &rows[counts[i].row];
        struct talk talk = {.said_size = 0};
        const struct mm_tunnel_options options = options_of(row);
        assert_int_equal(mm_tunnel_init(&talk.tunnel, &options), MAILMOD_OK);
        hear(&talk, row->answer);
        assert_int_equal(row->error, MAILMOD_OK);
        assert_int_equal(talk.tunnel.step, counts[i].steps);
        mm_tunnel_fini(&talk.tunnel);
    }
}

/* Endless fields, and an endless status line. */
static void test_bounds(void **state)
{
    static const char *const starts[] = {"HTTP/1.1 200 OK\r\nX: ",
                                         "HTTP/1.1 200 "};
    struct row row = {.kind = MM_TUNNEL_HTTP};
    const struct mm_tunnel_options options = options_of(&row);
    (void)state;
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        struct mm_tunnel tunnel;
        size_t taken = strlen(starts[i]);
        assert_int_equal(mm_tunnel_init(&tunnel, &options), MAILMOD_OK);
        assert_int_equal(mm_tunnel_feed(&tunnel, "x", 1), 0); /* not yet */
        mm_tunnel_sent(&tunnel, mm_tunnel_output(&tunnel).size);
        assert_int_equal(mm_tunnel_feed(&tunnel, starts[i], taken), taken);
        while (mm_tunnel_feed(&tunnel, "x", 1) == 1) {
            taken++;
        }
        assert_int_equal(taken, MM_TUNNEL_HTTP_REPLY_MAX + 1);
        assert_string_equal(mm_tunnel_failure(&tunnel),
                            "its HTTP reply has no end");
        mm_tunnel_fini(&tunnel);
    }
}

static enum mailmod_error try_name(enum mm_tunnel_kind kind, const char *host)
{
    struct mm_tunnel tunnel;
    struct mm_tunnel_options options = {.kind = kind, .host = host};
    options.address.port = 25;
    enum mailmod_error error = mm_tunnel_init(&tunnel, &options);
    if (error == MAILMOD_OK) {
        assert_true(mm_tunnel_output(&tunnel).size > 0);
    }
    mm_tunnel_fini(&tunnel);
    return error;
}

/* Attack 59: what would end a line or a field; names of 253 octets and more. */
static void test_hosts(void **state)
{
    static const char *const bad[] = {
        "mx.example\r\nX: y", "mx example",      "mx.example\n", "mx\tx", "-",
        "mx..example",        "\xc3\xa4.example"};
    char name[300];
    (void)state;
    for (size_t i = 0; i + 1 < sizeof name; i++) {
        name[i] = i % 64 == 63 ? '.' : 'a';
    }
    for (int k = MM_TUNNEL_SOCKS5; k <= MM_TUNNEL_HTTP; k++) {
        enum mm_tunnel_kind kind = (enum mm_tunnel_kind)k;
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            assert_int_equal(try_name(kind, bad[i]), MAILMOD_ERROR_ARGUMENT);
        }
        name[253] = '\0';
        assert_int_equal(try_name(kind, name), MAILMOD_OK);
        name[253] = 'a';
        name[256] = '\0';
        assert_int_equal(try_name(kind, name), MAILMOD_ERROR_ARGUMENT);
        name[256] = 'a';
        name[sizeof name - 1] = '\0';
        assert_int_equal(try_name(kind, name), MAILMOD_ERROR_ARGUMENT);
    }
}

static void try_login(enum mm_tunnel_kind kind, const char *user,
                      const char *password, enum mailmod_error expected)
{
    struct mm_tunnel tunnel;
    struct mm_tunnel_options options = {
        .kind = kind, .host = "mx.example", .user = user, .password = password};
    options.address.port = 25;
    assert_int_equal(mm_tunnel_init(&tunnel, &options), expected);
    mm_tunnel_fini(&tunnel);
}

static void test_logins(void **state)
{
    char text[520];
    (void)state;
    memset(text, 'x', sizeof text);
    text[255] = '\0';
    try_login(MM_TUNNEL_SOCKS5, text, text, MAILMOD_OK);
    try_login(MM_TUNNEL_HTTP, text, text, MAILMOD_OK);
    text[255] = 'x';
    text[256] = '\0';
    try_login(MM_TUNNEL_SOCKS5, "joe", text, MAILMOD_ERROR_TOO_LARGE);
    try_login(MM_TUNNEL_SOCKS5, text, "x", MAILMOD_ERROR_TOO_LARGE);
    try_login(MM_TUNNEL_HTTP, "joe", text, MAILMOD_OK);
    try_login(MM_TUNNEL_HTTP, "j:oe", "x", MAILMOD_ERROR_ARGUMENT);
    try_login(MM_TUNNEL_HTTP, "joe\r", "x", MAILMOD_ERROR_ARGUMENT);
    try_login(MM_TUNNEL_HTTP, "joe", "x\n", MAILMOD_ERROR_ARGUMENT);
}

/* SOCKS4a has no place for it. */
static void test_v6_over_socks4a(void **state)
{
    struct row row = {.kind = MM_TUNNEL_SOCKS4A, .target = BY_V6};
    const struct mm_tunnel_options options = options_of(&row);
    struct mm_tunnel tunnel;
    (void)state;
    assert_int_equal(mm_tunnel_init(&tunnel, &options),
                     MAILMOD_ERROR_UNREACHABLE);
    mm_tunnel_fini(&tunnel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_logins),
        cmocka_unit_test(test_v6_over_socks4a),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
