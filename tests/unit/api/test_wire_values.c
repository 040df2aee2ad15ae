/* test_wire_values.c - addresses, requests and replies in the host's hands:
 * the vectors V-01 to V-03 and V-13 to V-17 through mailmod/wire.h.
 *
 * Thread: the test's. RFC 5321 4.1, 4.2, appendix D. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmod/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char written[32768];

static void on_octets(void *context, const char *octets, size_t size)
{
    (void)context;
    assert_true(size < sizeof written);
    memcpy(written, octets, size);
    written[size] = '\0';
}

static void keep_request(const char *line, enum mailmod_smtp_verb verb)
{
    struct mailmod_smtp_request request = {.size = sizeof request};
    char again[2049];

    assert_int_equal(
        mailmod_smtp_request_parse(line, strlen(line), 0, &request),
        MAILMOD_OK);
    assert_int_equal(request.verb, verb);
    assert_int_equal(mailmod_smtp_request_write(&request, again, sizeof again),
                     MAILMOD_OK);
    assert_string_equal(again, line);
}

/* V-01: what is said in RFC 5321 appendix D. */
static void test_requests_of_the_rfc(void **state)
{
    static const struct {
        const char *line;
        enum mailmod_smtp_verb verb;
    } lines[] = {
        {"EHLO bar.com\r\n", MAILMOD_VERB_EHLO},
        {"HELO bar.com\r\n", MAILMOD_VERB_HELO},
        {"MAIL FROM:<Smith@bar.com>\r\n", MAILMOD_VERB_MAIL},
        {"MAIL FROM:<>\r\n", MAILMOD_VERB_MAIL},
        {"RCPT TO:<Jones@foo.com>\r\n", MAILMOD_VERB_RCPT},
        {"RCPT TO:<Jones@XYZ.COM>\r\n", MAILMOD_VERB_RCPT},
        {"RCPT TO:<@foo.com:Jones@XYZ.COM>\r\n", MAILMOD_VERB_RCPT},
        {"RCPT TO:<Postmaster>\r\n", MAILMOD_VERB_RCPT},
        {"DATA\r\n", MAILMOD_VERB_DATA},
        {"RSET\r\n", MAILMOD_VERB_RSET},
        {"QUIT\r\n", MAILMOD_VERB_QUIT},
        {"VRFY Crispin\r\n", MAILMOD_VERB_VRFY},
        {"EXPN Example-People\r\n", MAILMOD_VERB_EXPN},
        {"HELP\r\n", MAILMOD_VERB_HELP},
        {"NOOP and more\r\n", MAILMOD_VERB_NOOP},
        {"STARTTLS\r\n", MAILMOD_VERB_STARTTLS},
        {"AUTH PLAIN AGEAYg==\r\n", MAILMOD_VERB_AUTH},
        {"BDAT 1000\r\n", MAILMOD_VERB_BDAT},
        {"BDAT 0 LAST\r\n", MAILMOD_VERB_BDAT},
        {"ETRN @example.com\r\n", MAILMOD_VERB_ETRN},
        {"XCLIENT NAME=a ADDR=192.0.2.1\r\n", MAILMOD_VERB_OTHER},
        {"MAIL FROM:<a@b.example> SIZE=100 BODY=8BITMIME SMTPUTF8\r\n",
         MAILMOD_VERB_MAIL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        keep_request(lines[i].line, lines[i].verb);
    }
}

static enum mailmod_error parse_request(const char *line, unsigned flags)
{
    struct mailmod_smtp_request request = {.size = sizeof request};
    return mailmod_smtp_request_parse(line, strlen(line), flags, &request);
}

static void test_requests_that_are_none(void **state)
{
    static const char *const lines[] = {
        "",
        " MAIL FROM:<a@b.example>",
        "MAIL",
        "MAIL FROM:",
        "MAIL FROM:a@b.example",
        "MAIL FROM:<a@b.example>SIZE=1",
        "MAIL FROM:<a@b.example> SIZE=",
        "MAIL FROM:<a@b.example> =1",
        "RCPT TO:<>",
        "RCPT FROM:<a@b.example>",
        "RCPT TO:<a@[free text]>",
        "DATA now",
        "EHLO",
        "EHLO two words",
        "VRFY",
        "BDAT",
        "BDAT LAST",
        "BDAT 10 FIRST",
        "NOOP \x01",
        "NOOP \xc3\xbc",
        "QUIT\r",
        "QU\nIT",
        "M\xc3\x84IL",
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_int_equal(parse_request(lines[i], 0), MAILMOD_ERROR_SYNTAX);
    }
    char line[4096];
    memset(line, 'x', sizeof line);
    struct mailmod_smtp_request request = {.size = sizeof request};
    assert_int_equal(mailmod_smtp_request_parse(line, 2047, 0, &request),
                     MAILMOD_ERROR_TOO_LARGE);
    assert_int_equal(mailmod_smtp_request_parse(line, 2046, 0, &request),
                     MAILMOD_ERROR_TOO_LARGE); /* no verb is so long */
    request.size = 8;
    assert_int_equal(mailmod_smtp_request_parse("QUIT", 4, 0, &request),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mailmod_smtp_request_parse("QUIT", 4, 0, NULL),
                     MAILMOD_ERROR_ARGUMENT);
}

/* V-17. */
static void test_line_ends(void **state)
{
    (void)state;
    assert_int_equal(parse_request("QUIT", 0), MAILMOD_OK);
    assert_int_equal(parse_request("QUIT\r\n", 0), MAILMOD_OK);
    assert_int_equal(parse_request("QUIT\n", 0), MAILMOD_ERROR_SYNTAX);
    assert_int_equal(parse_request("QUIT\n", MAILMOD_WIRE_BARE_LF), MAILMOD_OK);
    assert_int_equal(parse_request("QU\nIT\n", MAILMOD_WIRE_BARE_LF),
                     MAILMOD_ERROR_SYNTAX);
}

static void test_parameters(void **state)
{
    struct mailmod_smtp_request request = {.size = sizeof request};
    static const char line[] =
        "mail from: <A@B.example>  size=12   smtputf8 X-Own=a+3Db ";
    char value[64];
    (void)state;
    assert_int_equal(
        mailmod_smtp_request_parse(line, sizeof line - 1, 0, &request),
        MAILMOD_OK);
    assert_string_equal(request.word, "MAIL");
    assert_string_equal(request.path, "<A@B.example>");
    assert_string_equal(request.argument, "");
    assert_int_equal(
        mailmod_smtp_request_parameter(&request, "SIZE", value, sizeof value),
        MAILMOD_OK);
    assert_string_equal(value, "12");
    assert_int_equal(mailmod_smtp_request_parameter(&request, "SMTPUTF8", value,
                                                    sizeof value),
                     MAILMOD_OK);
    assert_string_equal(value, "");
    assert_int_equal(
        mailmod_smtp_request_parameter(&request, "x-own", value, sizeof value),
        MAILMOD_OK);
    assert_string_equal(value, "a+3Db");
    assert_int_equal(
        mailmod_smtp_request_parameter(&request, "X-Own", value, 5),
        MAILMOD_ERROR_TOO_LARGE);
    assert_int_equal(
        mailmod_smtp_request_parameter(&request, "RET", value, sizeof value),
        MAILMOD_ERROR_NOT_FOUND);
}

/* A value that would read back as another one is not written. */
static void test_requests_that_cannot_be_written(void **state)
{
    struct mailmod_smtp_request request = {.size = sizeof request,
                                           .verb = MAILMOD_VERB_MAIL,
                                           .path = "<a@b.example>"};
    char line[2049];
    (void)state;
    assert_int_equal(mailmod_smtp_request_write(&request, line, sizeof line),
                     MAILMOD_OK);
    assert_string_equal(line, "MAIL FROM:<a@b.example>\r\n");
    assert_int_equal(mailmod_smtp_request_write(&request, line, 10),
                     MAILMOD_ERROR_TOO_LARGE);
    strcpy(request.path, "<a@b.example> SIZE=1");
    assert_int_equal(mailmod_smtp_request_write(&request, line, sizeof line),
                     MAILMOD_ERROR_ARGUMENT);
    strcpy(request.path, "<a@b.example>\r\nQUIT");
    assert_int_equal(mailmod_smtp_request_write(&request, line, sizeof line),
                     MAILMOD_ERROR_ARGUMENT);
    request.verb = MAILMOD_VERB_OTHER;
    strcpy(request.word, "QUIT");
    assert_int_equal(mailmod_smtp_request_write(&request, line, sizeof line),
                     MAILMOD_ERROR_ARGUMENT);
    request.verb = (enum mailmod_smtp_verb)99;
    assert_int_equal(mailmod_smtp_request_write(&request, line, sizeof line),
                     MAILMOD_ERROR_ARGUMENT);
    request.verb = MAILMOD_VERB_NOOP;
    memset(request.argument, 'x', sizeof request.argument);
    assert_int_equal(mailmod_smtp_request_write(&request, line, sizeof line),
                     MAILMOD_ERROR_ARGUMENT);
}

static void keep_reply(const char *octets, int code,
                       enum mailmod_smtp_reply_kind kind, const char *text)
{
    struct mailmod_smtp_reply reply = {.size = sizeof reply};
    size_t used = 0;

    assert_int_equal(
        mailmod_smtp_reply_parse(octets, strlen(octets), &reply, &used),
        MAILMOD_OK);
    assert_int_equal(used, strlen(octets));
    assert_int_equal(reply.code, code);
    assert_int_equal(reply.kind, kind);
    assert_string_equal(reply.text, text);
    if (kind != MAILMOD_REPLY_UNKNOWN) {
        assert_int_equal(mailmod_smtp_reply_write(&reply, on_octets, NULL),
                         MAILMOD_OK);
        assert_string_equal(written, octets);
    } else {
        assert_int_equal(mailmod_smtp_reply_write(&reply, on_octets, NULL),
                         MAILMOD_ERROR_ARGUMENT);
    }
}

/* V-01 and V-02. */
static void test_replies(void **state)
{
    (void)state;
    keep_reply("220 foo.com Simple Mail Transfer Service Ready\r\n", 220,
               MAILMOD_REPLY_POSITIVE,
               "foo.com Simple Mail Transfer Service Ready");
    keep_reply("250-foo.com greets bar.com\r\n250-8BITMIME\r\n250-SIZE\r\n"
               "250 HELP\r\n",
               250, MAILMOD_REPLY_POSITIVE,
               "foo.com greets bar.com\n8BITMIME\nSIZE\nHELP");
    keep_reply("354 Start mail input; end with <CRLF>.<CRLF>\r\n", 354,
               MAILMOD_REPLY_INTERMEDIATE,
               "Start mail input; end with <CRLF>.<CRLF>");
    keep_reply("550 No such user here\r\n", 550, MAILMOD_REPLY_PERMANENT,
               "No such user here");
    keep_reply("451 4.7.1 Later\r\n", 451, MAILMOD_REPLY_TRANSIENT,
               "4.7.1 Later");
    keep_reply("666 The beast\r\n", 666, MAILMOD_REPLY_UNKNOWN, "The beast");
    struct mailmod_smtp_reply reply = {.size = sizeof reply};
    size_t used;
    static const char two[] = "550 5.1.1 no\r\n221 bye\r\n";
    assert_int_equal(
        mailmod_smtp_reply_parse(two, sizeof two - 1, &reply, &used),
        MAILMOD_OK);
    assert_int_equal(used, 14);
    assert_string_equal(reply.enhanced, "5.1.1");
    assert_int_equal(reply.line_count, 1);
    assert_int_equal(mailmod_smtp_reply_parse(two, 10, &reply, &used),
                     MAILMOD_OK);
    assert_int_equal(used, 0);
}

/* V-03 and V-09. */
static void test_replies_at_the_edge(void **state)
{
    static const char *const none[] = {"354foo\r\n", "35\r\n", "hello\r\n",
                                       "250-a\r\n251 b\r\n", "\r\n"};
    struct mailmod_smtp_reply reply = {.size = sizeof reply};
    size_t used;
    (void)state;
    assert_int_equal(mailmod_smtp_reply_parse("354\r\n", 5, &reply, &used),
                     MAILMOD_OK);
    assert_int_equal(used, 5);
    assert_int_equal(reply.code, 354);
    assert_string_equal(reply.text, "");
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_int_equal(
            mailmod_smtp_reply_parse(none[i], strlen(none[i]), &reply, &used),
            MAILMOD_ERROR_PROTOCOL);
        assert_int_equal(used, 0);
    }
    reply.code = 250;
    strcpy(reply.text, "a\r\n250 b");
    assert_int_equal(mailmod_smtp_reply_write(&reply, on_octets, NULL),
                     MAILMOD_ERROR_ARGUMENT);
    memset(reply.text, 'x', 600);
    reply.text[600] = '\0';
    assert_int_equal(mailmod_smtp_reply_write(&reply, on_octets, NULL),
                     MAILMOD_ERROR_ARGUMENT);
    reply.text[494] = '\0';
    assert_int_equal(mailmod_smtp_reply_write(&reply, on_octets, NULL),
                     MAILMOD_OK);
}

struct vector {
    const char *text;
    unsigned flags;
    enum mailmod_address_kind kind;
    const char *canonical;
    const char *path;
};

/* V-14, V-15: through the value and back as a path. */
static void test_addresses(void **state)
{
    enum { REVERSE = MAILMOD_WIRE_REVERSE, UTF8 = MAILMOD_WIRE_UTF8 };
    static const struct vector vectors[] = {
        {"user@example.com", 0, 0, "user@example.com", "<user@example.com>"},
        {"<first.last@Example.COM>", 0, 0, "first.last@example.com",
         "<first.last@Example.COM>"},
        {"\"with blanks\"@example.com", 0, 0, "\"with blanks\"@example.com",
         "<\"with blanks\"@example.com>"},
        {"\".dots..\"@example.com", 0, 0, "\".dots..\"@example.com",
         "<\".dots..\"@example.com>"},
        {"\"a\\\"@\\\\b\"@example.com", 0, 0, "\"a\\\"@\\\\b\"@example.com",
         "<\"a\\\"@\\\\b\"@example.com>"},
        {"\"plain\"@example.com", 0, 0, "plain@example.com",
         "<plain@example.com>"},
        {"a@[192.0.2.1]", 0, 0, "a@[192.0.2.1]", "<a@[192.0.2.1]>"},
        {"a@[IPv6:2001:DB8::1]", 0, 0, "a@[IPv6:2001:db8::1]",
         "<a@[IPv6:2001:DB8::1]>"},
        {"a@[IPv6:::ffff:192.0.2.1]", 0, 0, "a@[192.0.2.1]",
         "<a@[IPv6:::ffff:192.0.2.1]>"},
        {"a@[x-tag:some@thing>]", 0, 0, "a@[x-tag:some@thing>]",
         "<a@[x-tag:some@thing>]>"},
        {"a@localhost", 0, 0, "a@localhost", "<a@localhost>"},
        {"<@One.example,@two.example:a@b.example>", 0, 0, "a@b.example",
         "<@One.example,@two.example:a@b.example>"},
        {"<>", REVERSE, MAILMOD_ADDRESS_NULL, "", "<>"},
        {"", REVERSE, MAILMOD_ADDRESS_NULL, "", "<>"},
        {"Postmaster", 0, MAILMOD_ADDRESS_POSTMASTER, "postmaster",
         "<postmaster>"},
        {"PostMaster@example.com", 0, 0, "postmaster@example.com",
         "<postmaster@example.com>"},
        {"atom.\"quoted word\"@example.com", 0, 0,
         "\"atom.quoted word\"@example.com",
         "<\"atom.quoted word\"@example.com>"},
        {"\"a b\".\"c d\"@example.com", 0, 0, "\"a b.c d\"@example.com",
         "<\"a b.c d\"@example.com>"},
        {"j\xc3\xbcrgen@b\xc3\xbc"
         "cher.example",
         UTF8, 0,
         "j\xc3\xbcrgen@b\xc3\xbc"
         "cher.example",
         "<j\xc3\xbcrgen@b\xc3\xbc"
         "cher.example>"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        const struct vector *v = &vectors[i];
        struct mailmod_address address = {.size = sizeof address};
        struct mailmod_address made = {.size = sizeof made};
        char path[2048];

        assert_int_equal(
            mailmod_address_parse(v->text, strlen(v->text), v->flags, &address),
            MAILMOD_OK);
        assert_int_equal(address.kind, v->kind);
        assert_string_equal(address.text, v->canonical);
        assert_int_equal(mailmod_address_write(&address, path, sizeof path),
                         MAILMOD_OK);
        assert_string_equal(path, v->path);
        assert_int_equal(mailmod_address_make(address.local_part,
                                              address.domain, v->flags, &made),
                         MAILMOD_OK);
        assert_string_equal(made.text, address.text);
        assert_int_equal(mailmod_address_write(&address, path, strlen(path)),
                         MAILMOD_ERROR_TOO_LARGE);
    }
}

/* V-16, and more that is none. */
static void test_addresses_that_are_none(void **state)
{
    enum { REVERSE = MAILMOD_WIRE_REVERSE, PATH = MAILMOD_WIRE_PATH };
    static const struct vector none[] = {
        {"a@[free text]", 0, 0, NULL, NULL},
        {"a@[]", 0, 0, NULL, NULL},
        {"a@[IPv6:192.0.2.1]", 0, 0, NULL, NULL},
        {"a@b..example", 0, 0, NULL, NULL},
        {"a@-b.example", 0, 0, NULL, NULL},
        {"a..b@c.example", 0, 0, NULL, NULL},
        {"@b.example", 0, 0, NULL, NULL},
        {"a@", 0, 0, NULL, NULL},
        {"a", 0, 0, NULL, NULL},
        {"", 0, 0, NULL, NULL},
        {"<>", 0, 0, NULL, NULL},
        {"Postmaster", REVERSE, 0, NULL, NULL},
        {"a@b.example", PATH, 0, NULL, NULL},
        {"<a@b_c.example>", PATH, 0, NULL, NULL},
        {"<a@b.example> SIZE=1", PATH, 0, NULL, NULL},
        {"<a@b.example", 0, 0, NULL, NULL},
        {"<@one.example a@b.example>", 0, 0, NULL, NULL},
        {"a@b.example\r\nQUIT", 0, 0, NULL, NULL},
        {"j\xc3\xbcrgen@b.example", 0, 0, NULL, NULL},
        {"j\xc3@b.example", MAILMOD_WIRE_UTF8, 0, NULL, NULL},
    };
    struct mailmod_address address = {.size = sizeof address};
    (void)state;
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_int_equal(mailmod_address_parse(none[i].text,
                                               strlen(none[i].text),
                                               none[i].flags, &address),
                         MAILMOD_ERROR_SYNTAX);
        assert_string_equal(mailmod_last_error_text(), "this is no mailbox");
    }
    char long_one[600];
    memset(long_one, 'x', sizeof long_one);
    memcpy(long_one + 300, "@b.example", 10);
    assert_int_equal(mailmod_address_parse(long_one, 310, 0, &address),
                     MAILMOD_ERROR_TOO_LARGE);
    assert_int_equal(mailmod_address_parse("a\0@b", 4, 0, &address),
                     MAILMOD_ERROR_SYNTAX);
    assert_int_equal(mailmod_address_parse(NULL, 4, 0, &address),
                     MAILMOD_ERROR_SYNTAX);
    assert_int_equal(mailmod_address_make("a\nb", "c.example", 0, &address),
                     MAILMOD_ERROR_SYNTAX);
    assert_int_equal(mailmod_address_make("a", "b> SIZE=1", 0, &address),
                     MAILMOD_ERROR_SYNTAX);
    assert_int_equal(mailmod_address_make("a", NULL, 0, &address),
                     MAILMOD_ERROR_SYNTAX);
}

static void test_a_changed_address(void **state)
{
    struct mailmod_address address = {.size = sizeof address};
    char path[2048];
    (void)state;
    assert_int_equal(mailmod_address_parse("a@b.example", 11, 0, &address),
                     MAILMOD_OK);
    strcpy(address.route, "@relay.example");
    assert_int_equal(mailmod_address_write(&address, path, sizeof path),
                     MAILMOD_OK);
    assert_string_equal(path, "<@relay.example:a@b.example>");
    strcpy(address.route, "relay.example");
    assert_int_equal(mailmod_address_write(&address, path, sizeof path),
                     MAILMOD_ERROR_ARGUMENT);
    address.route[0] = '\0';
    strcpy(address.local_part, "c d");
    assert_int_equal(mailmod_address_write(&address, path, sizeof path),
                     MAILMOD_OK);
    assert_string_equal(path, "<\"c d\"@b.example>");
    address.kind = MAILMOD_ADDRESS_NULL;
    assert_int_equal(mailmod_address_write(&address, path, sizeof path),
                     MAILMOD_ERROR_ARGUMENT);
    memset(address.domain, 'x', sizeof address.domain);
    assert_int_equal(mailmod_address_write(&address, path, sizeof path),
                     MAILMOD_ERROR_ARGUMENT);
}

static void test_domains(void **state)
{
    struct mailmod_domain domain = {.size = sizeof domain};
    static const char *const none[] = {"", ".", "a.", "-a", "a b", "[", "[x]"};
    (void)state;
    assert_int_equal(mailmod_domain_parse("Mail.Example", 12, 0, &domain),
                     MAILMOD_OK);
    assert_int_equal(domain.form, MAILMOD_DOMAIN_NAME);
    assert_string_equal(domain.text, "Mail.Example");
    assert_string_equal(domain.lower, "mail.example");
    assert_int_equal(domain.family, 0);
    assert_int_equal(
        mailmod_domain_parse("[IPv6:::FFFF:192.0.2.1]", 23, 0, &domain),
        MAILMOD_OK);
    assert_int_equal(domain.form, MAILMOD_DOMAIN_ADDRESS);
    assert_int_equal(domain.family, 4);
    assert_memory_equal(domain.octets, "\xc0\x00\x02\x01", 4);
    assert_string_equal(domain.lower, "[192.0.2.1]");
    assert_int_equal(mailmod_domain_parse("[IPv6:2001:db8::1]", 18, 0, &domain),
                     MAILMOD_OK);
    assert_int_equal(domain.family, 6);
    assert_int_equal(mailmod_domain_parse("[Tag:X]", 7, 0, &domain),
                     MAILMOD_OK);
    assert_int_equal(domain.form, MAILMOD_DOMAIN_GENERAL);
    assert_string_equal(domain.lower, "[tag:X]");
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_int_equal(
            mailmod_domain_parse(none[i], strlen(none[i]), 0, &domain),
            MAILMOD_ERROR_SYNTAX);
    }
    assert_int_equal(mailmod_domain_parse("a_b", 3, MAILMOD_WIRE_PATH, &domain),
                     MAILMOD_ERROR_SYNTAX);
    assert_int_equal(mailmod_domain_parse("a_b", 3, 0, &domain), MAILMOD_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_of_the_rfc),
        cmocka_unit_test(test_requests_that_are_none),
        cmocka_unit_test(test_line_ends),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_requests_that_cannot_be_written),
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_replies_at_the_edge),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_addresses_that_are_none),
        cmocka_unit_test(test_a_changed_address),
        cmocka_unit_test(test_domains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
