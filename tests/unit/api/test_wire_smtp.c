/* test_wire_smtp.c - SMTP conversations in the host's hands: the vectors V-04
 * to V-12 and V-17 through mailmod/wire.h, own verbs, and calls out of turn.
 *
 * Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmod/wire.h"

#include <stdio.h>
#include <string.h>

static void say(mailmod_wire *wire, const char *text)
{
    assert_int_equal(mailmod_wire_feed(wire, text, strlen(text)), strlen(text));
}

static void hear(mailmod_wire *wire, const char *text)
{
    char heard[4096];
    size_t size;
    const char *output = mailmod_wire_output(wire, &size);

    assert_true(size < sizeof heard);
    memcpy(heard, output, size);
    heard[size] = '\0';
    assert_string_equal(heard, text);
    assert_int_equal(mailmod_wire_sent(wire, size + 1), MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mailmod_wire_sent(wire, size), MAILMOD_OK);
}

/* ---- the server ------------------------------------------------------- */

static struct mailmod_smtp_server_event served;

static mailmod_wire *serve(unsigned flags)
{
    const struct mailmod_smtp_server_options options = {
        .size = sizeof options, .host_name = "mail.example", .flags = flags};
    mailmod_wire *wire = NULL;
    assert_int_equal(mailmod_smtp_server_new(&options, &wire), MAILMOD_OK);
    return wire;
}

static void next(mailmod_wire *wire, enum mailmod_smtp_server_event_kind kind)
{
    served.size = sizeof served;
    assert_int_equal(mailmod_smtp_server_next(wire, &served), MAILMOD_OK);
    assert_int_equal(served.kind, kind);
}

static void answer(mailmod_wire *wire, enum mailmod_smtp_server_event_kind kind)
{
    next(wire, kind);
    assert_int_equal(mailmod_smtp_server_answer(wire, 0, NULL, NULL),
                     MAILMOD_OK);
}

static void test_server_takes_mail(void **state)
{
    mailmod_wire *wire = serve(0);
    (void)state;
    answer(wire, MAILMOD_SMTP_SERVER_CONNECT);
    hear(wire, "220 mail.example ESMTP\r\n");
    say(wire, "HELO client.example\r\nMAIL FROM:<Bob@Example.ORG> SIZE=9 "
              "RET=HDRS ENVID=a+2Bb\r\n");
    next(wire, MAILMOD_SMTP_SERVER_HELO);
    assert_string_equal(served.name, "client.example");
    assert_false(served.is_extended);
    answer(wire, MAILMOD_SMTP_SERVER_HELO);
    next(wire, MAILMOD_SMTP_SERVER_MAIL);
    assert_string_equal(served.address, "Bob@example.org");
    assert_int_equal(served.message_size, 9);
    assert_int_equal(served.dsn_return, MAILMOD_DSN_RETURN_HEADERS);
    assert_string_equal(served.envelope_id, "a+b");
    answer(wire, MAILMOD_SMTP_SERVER_MAIL);
    hear(wire, "250 mail.example\r\n250 2.1.0 Sender OK\r\n");
    say(wire, "RCPT TO:<Postmaster>\r\nRCPT TO:<no@b.example> "
              "NOTIFY=NEVER\r\nDATA\r\n");
    next(wire, MAILMOD_SMTP_SERVER_RCPT);
    assert_string_equal(served.address, "postmaster");
    assert_int_equal(mailmod_smtp_server_answer(wire, 250, "2.1.5", "yes"),
                     MAILMOD_OK);
    next(wire, MAILMOD_SMTP_SERVER_RCPT);
    assert_int_equal(served.dsn_notify, MAILMOD_DSN_NEVER);
    assert_int_equal(
        mailmod_smtp_server_answer(wire, 550, "5.1.1", "no\nreally"),
        MAILMOD_OK);
    answer(wire, MAILMOD_SMTP_SERVER_DATA);
    hear(wire, "250 2.1.5 yes\r\n550-5.1.1 no\r\n550 5.1.1 really\r\n"
               "354 Start mail input; end with <CRLF>.<CRLF>\r\n");
    say(wire, "..a\r\n.\r\nQUIT\r\n");
    size_t size = 0;
    char body[64];
    next(wire, MAILMOD_SMTP_SERVER_BODY);
    while (served.kind == MAILMOD_SMTP_SERVER_BODY) {
        memcpy(body + size, served.octets, served.count);
        size += served.count;
        answer(wire, MAILMOD_SMTP_SERVER_BODY);
        assert_int_equal(mailmod_smtp_server_next(wire, &served), MAILMOD_OK);
    }
    assert_int_equal(size, 4);
    assert_memory_equal(body, ".a\r\n", 4);
    next(wire, MAILMOD_SMTP_SERVER_END);
    assert_int_equal(served.message_size, 4);
    answer(wire, MAILMOD_SMTP_SERVER_END);
    next(wire, MAILMOD_SMTP_SERVER_QUIT);
    assert_int_equal(mailmod_wire_free(&wire), MAILMOD_OK);
    assert_null(wire);
}

static void greet(mailmod_wire *wire)
{
    size_t size;
    answer(wire, MAILMOD_SMTP_SERVER_CONNECT);
    say(wire, "EHLO c.example\r\n");
    answer(wire, MAILMOD_SMTP_SERVER_HELO);
    (void)mailmod_wire_output(wire, &size);
    assert_int_equal(mailmod_wire_sent(wire, size), MAILMOD_OK);
}

/* PLAIN at once and in two steps, LOGIN, and what is none. */
static void test_server_logins(void **state)
{
    mailmod_wire *wire = serve(MAILMOD_SMTP_SERVER_WITH_CLEAR_LOGIN |
                               MAILMOD_SMTP_SERVER_NEEDS_LOGIN);
    (void)state;
    greet(wire);
    say(wire, "MAIL FROM:<>\r\nAUTH PLAIN AGEAYg==\r\n");
    next(wire, MAILMOD_SMTP_SERVER_LOGIN);
    hear(wire, "530 5.7.0 Authentication required\r\n");
    assert_string_equal(served.user, "a");
    assert_string_equal(served.password, "b");
    assert_string_equal(served.name, "PLAIN");
    assert_int_equal(mailmod_smtp_server_answer(wire, 535, "5.7.8", "no"),
                     MAILMOD_OK);
    say(wire, "AUTH PLAIN\r\n");
    next(wire, MAILMOD_SMTP_SERVER_NEED_INPUT);
    hear(wire, "535 5.7.8 no\r\n334 \r\n");
    say(wire, "AGNhcm9sAGRlZg==\r\n");
    next(wire, MAILMOD_SMTP_SERVER_LOGIN);
    assert_string_equal(served.user, "carol");
    assert_int_equal(mailmod_smtp_server_answer(wire, 535, NULL, "no"),
                     MAILMOD_OK);
    say(wire, "AUTH LOGIN\r\n*\r\nAUTH LOGIN\r\n");
    next(wire, MAILMOD_SMTP_SERVER_NEED_INPUT);
    say(wire, "YQ==\r\nYg==\r\n");
    next(wire, MAILMOD_SMTP_SERVER_LOGIN);
    assert_string_equal(served.user, "a");
    assert_string_equal(served.password, "b");
    hear(wire, "535 no\r\n334 VXNlcm5hbWU6\r\n501 5.7.0 Authentication "
               "cancelled\r\n334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n");
    assert_int_equal(mailmod_smtp_server_answer(wire, 0, NULL, NULL),
                     MAILMOD_OK);
    assert_string_equal(served.password, ""); /* wiped */
    say(wire, "MAIL FROM:<>\r\n");
    next(wire, MAILMOD_SMTP_SERVER_MAIL);
    assert_string_equal(served.address, "");
    assert_int_equal(mailmod_wire_free(&wire), MAILMOD_OK);
}

static void test_server_own_verbs(void **state)
{
    mailmod_wire *wire = serve(0);
    (void)state;
    assert_int_equal(
        mailmod_smtp_server_add_verb(wire, "xtime", "XTIME NOW LATER"),
        MAILMOD_OK);
    assert_int_equal(mailmod_smtp_server_add_verb(wire, "XTIME", NULL),
                     MAILMOD_ERROR_EXISTS);
    assert_int_equal(mailmod_smtp_server_add_verb(wire, "mail", NULL),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mailmod_smtp_server_add_verb(wire, "X Y", NULL),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mailmod_smtp_server_add_verb(wire, "XA", "A\r\nB"),
                     MAILMOD_ERROR_ARGUMENT);
    answer(wire, MAILMOD_SMTP_SERVER_CONNECT);
    say(wire, "XTIME now\r\nEHLO c.example\r\n");
    answer(wire, MAILMOD_SMTP_SERVER_COMMAND);
    answer(wire, MAILMOD_SMTP_SERVER_HELO);
    size_t size;
    const char *output = mailmod_wire_output(wire, &size);
    char heard[1024];
    assert_true(size < sizeof heard);
    memcpy(heard, output, size);
    heard[size] = '\0';
    assert_non_null(strstr(heard, "\r\n250-XTIME NOW LATER\r\n"));
    assert_int_equal(mailmod_wire_sent(wire, size), MAILMOD_OK);
    say(wire, "MAIL FROM:<a@b.example>\r\nxTime later today\r\nXNONE\r\n");
    answer(wire, MAILMOD_SMTP_SERVER_MAIL);
    next(wire, MAILMOD_SMTP_SERVER_COMMAND);
    assert_string_equal(served.name, "XTIME");
    assert_string_equal(served.argument, "later today");
    assert_int_equal(mailmod_smtp_server_answer(wire, 253, NULL, "noon"),
                     MAILMOD_OK);
    next(wire, MAILMOD_SMTP_SERVER_NEED_INPUT);
    hear(wire, "250 2.1.0 Sender OK\r\n253 noon\r\n500 5.5.1 Command "
               "not recognized\r\n");
    assert_int_equal(mailmod_wire_free(&wire), MAILMOD_OK);
}

/* V-17, and the two ends that are not QUIT. */
static void test_server_line_ends_and_ends(void **state)
{
    (void)state;
    for (unsigned flags = 0; flags <= MAILMOD_SMTP_SERVER_TAKES_BARE_LF;
         flags += MAILMOD_SMTP_SERVER_TAKES_BARE_LF) {
        mailmod_wire *wire = serve(flags);
        answer(wire, MAILMOD_SMTP_SERVER_CONNECT);
        say(wire, "EHLO c.example\n");
        next(wire, flags != 0 ? MAILMOD_SMTP_SERVER_HELO
                              : MAILMOD_SMTP_SERVER_NEED_INPUT);
        assert_int_equal(mailmod_wire_timeout_ms(wire), 300000);
        assert_int_equal(mailmod_wire_end_input(wire), MAILMOD_OK);
        next(wire, flags != 0 ? MAILMOD_SMTP_SERVER_HELO
                              : MAILMOD_SMTP_SERVER_BROKEN);
        assert_int_equal(mailmod_wire_free(&wire), MAILMOD_OK);
    }
    mailmod_wire *wire = serve(0);
    answer(wire, MAILMOD_SMTP_SERVER_CONNECT);
    assert_int_equal(mailmod_smtp_server_close(wire, 250, NULL, NULL),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mailmod_smtp_server_close(wire, 0, NULL, NULL),
                     MAILMOD_OK);
    next(wire, MAILMOD_SMTP_SERVER_QUIT);
    assert_int_equal(mailmod_wire_free(&wire), MAILMOD_OK);
}

static void test_server_out_of_turn(void **state)
{
    mailmod_wire *wire = serve(MAILMOD_SMTP_SERVER_WITH_STARTTLS);
    mailmod_wire *gone = NULL;
    struct mailmod_smtp_server_options options = {.size = sizeof options,
                                                  .host_name = "a b"};
    struct mailmod_smtp_client_event event = {.size = sizeof event};
    size_t size;
    (void)state;
    assert_int_equal(mailmod_smtp_server_new(&options, &gone),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mailmod_smtp_server_new(NULL, &gone),
                     MAILMOD_ERROR_ARGUMENT);
    assert_null(gone);
    assert_int_equal(mailmod_smtp_client_next(wire, &event),
                     MAILMOD_ERROR_HANDLE);
    assert_int_equal(mailmod_wire_login(wire, "a", "b"), MAILMOD_ERROR_HANDLE);
    assert_int_equal(mailmod_smtp_server_answer(wire, 354, NULL, NULL),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mailmod_wire_tls_begun(wire), MAILMOD_ERROR_STATE);
    greet(wire);
    assert_int_equal(mailmod_smtp_server_answer(wire, 0, NULL, NULL),
                     MAILMOD_ERROR_STATE);
    say(wire, "STARTTLS\r\n");
    answer(wire, MAILMOD_SMTP_SERVER_STARTTLS);
    hear(wire, "220 2.0.0 Ready to start TLS\r\n");
    assert_int_equal(mailmod_wire_tls_begun(wire), MAILMOD_OK);
    say(wire, "MAIL FROM:<>\r\n");
    next(wire, MAILMOD_SMTP_SERVER_NEED_INPUT);
    hear(wire, "503 5.5.1 Send EHLO or HELO first\r\n");
    mailmod_wire *copy = wire;
    assert_int_equal(mailmod_wire_free(&wire), MAILMOD_OK);
    assert_int_equal(mailmod_wire_free(&copy), MAILMOD_ERROR_HANDLE);
    assert_int_equal(mailmod_wire_free(NULL), MAILMOD_OK);
    assert_int_equal(mailmod_wire_feed(copy, "x", 1), 0);
    assert_null(mailmod_wire_output(copy, &size));
    assert_int_equal(mailmod_wire_end_input(copy), MAILMOD_ERROR_HANDLE);
    assert_int_equal(mailmod_wire_timeout_ms(copy), 0);
}

/* ---- the client ------------------------------------------------------- */

static struct mailmod_smtp_client_event told;

static mailmod_wire *connect_with(size_t flags)
{
    const struct mailmod_smtp_client_options options = {
        .size = sizeof options, .host_name = "client.example", .flags = flags};
    mailmod_wire *wire = NULL;
    assert_int_equal(mailmod_smtp_client_new(&options, &wire), MAILMOD_OK);
    return wire;
}

static void see(mailmod_wire *wire, enum mailmod_smtp_client_event_kind kind)
{
    told.size = sizeof told;
    assert_int_equal(mailmod_smtp_client_next(wire, &told), MAILMOD_OK);
    assert_int_equal(told.kind, kind);
}

/* To the reply to EHLO, with these further lines of it. */
static void begin(mailmod_wire *wire, const char *lines)
{
    see(wire, MAILMOD_SMTP_CLIENT_NEED_INPUT);
    say(wire, "220 server.example\r\n");
    see(wire, MAILMOD_SMTP_CLIENT_NEED_INPUT);
    hear(wire, "EHLO client.example\r\n");
    say(wire, "250-server.example\r\n");
    say(wire, lines);
}

static void send_mail(mailmod_wire *wire, unsigned flags)
{
    static const char *const recipients[] = {"<bob@example.org>"};
    const struct mailmod_smtp_client_message message = {
        .size = sizeof message,
        .reverse_path = "a@client.example",
        .recipients = recipients,
        .recipient_count = 1,
        .flags = flags,
    };
    see(wire, MAILMOD_SMTP_CLIENT_READY);
    assert_int_equal(mailmod_smtp_client_send(wire, &message), MAILMOD_OK);
}

/* V-04, V-08 and V-10. */
static void test_client_sends(void **state)
{
    (void)state;
    for (unsigned is_8bit = 0; is_8bit < 2; is_8bit++) {
        mailmod_wire *wire = connect_with(0);
        begin(wire, is_8bit ? "250 8BITMIME\r\n" : "250 HELP\r\n");
        send_mail(wire, MAILMOD_SMTP_CLIENT_8BIT);
        hear(wire, is_8bit ? "MAIL FROM:<a@client.example> BODY=8BITMIME\r\n"
                           : "MAIL FROM:<a@client.example>\r\n");
        say(wire, "250 ok\r\n");
        see(wire, MAILMOD_SMTP_CLIENT_MAIL_REPLY);
        see(wire, MAILMOD_SMTP_CLIENT_NEED_INPUT);
        hear(wire, "RCPT TO:<bob@example.org>\r\n");
        say(wire, "251 2.1.5 will forward\r\n");
        see(wire, MAILMOD_SMTP_CLIENT_RCPT_REPLY);
        assert_int_equal(told.code, 251);
        assert_int_equal(told.recipient, 0);
        assert_string_equal(told.enhanced, "2.1.5");
        see(wire, MAILMOD_SMTP_CLIENT_NEED_INPUT);
        hear(wire, "DATA\r\n");
        say(wire, "354\r\n");
        see(wire, MAILMOD_SMTP_CLIENT_NEED_BODY);
        if (is_8bit) {
            static const char text[] = ".a\n.b=\n.c";
            for (size_t i = 0; i < sizeof text - 1; i++) {
                assert_int_equal(mailmod_smtp_client_body(wire, text + i, 1),
                                 1);
            }
        }
        assert_int_equal(mailmod_smtp_client_body_end(wire), MAILMOD_OK);
        hear(wire, is_8bit ? "..a\r\n..b=\r\n..c\r\n.\r\n" : ".\r\n");
        assert_int_equal(mailmod_wire_timeout_ms(wire), 600000);
        say(wire, "250 2.0.0 taken\r\n");
        see(wire, MAILMOD_SMTP_CLIENT_MESSAGE_DONE);
        assert_true(told.was_sent);
        assert_string_equal(told.text, "2.0.0 taken");
        see(wire, MAILMOD_SMTP_CLIENT_READY);
        assert_int_equal(mailmod_smtp_client_quit(wire), MAILMOD_OK);
        hear(wire, "QUIT\r\n");
        say(wire, "221 bye\r\n");
        see(wire, MAILMOD_SMTP_CLIENT_CLOSED);
        see(wire, MAILMOD_SMTP_CLIENT_NEED_INPUT);
        assert_int_equal(mailmod_wire_free(&wire), MAILMOD_OK);
    }
}

/* V-05, V-11 and V-12: exchanges of the host's own. */
static void test_client_own_exchange(void **state)
{
    static const char *const prompts[] = {"334 \r\n", "334 Go ahead\r\n"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        mailmod_wire *wire = connect_with(MAILMOD_SMTP_CLIENT_CLEAR_LOGIN);
        begin(wire, "250 AUTH PLAIN LOGIN X-OTHER\r\n");
        see(wire, MAILMOD_SMTP_CLIENT_LOGIN);
        assert_string_equal(told.mechanisms, "PLAIN LOGIN");
        assert_int_equal(mailmod_wire_auth(wire, "SCRAM-SHA-256", NULL, 0),
                         MAILMOD_ERROR_ARGUMENT);
        assert_int_equal(mailmod_wire_auth(wire, "PLAIN", NULL, 0), MAILMOD_OK);
        hear(wire, "AUTH PLAIN\r\n");
        say(wire, prompts[i]);
        see(wire, MAILMOD_SMTP_CLIENT_CHALLENGE);
        assert_int_equal(told.count, 0);
        assert_int_equal(mailmod_wire_auth_respond(wire, "\0a\0b", 4),
                         MAILMOD_OK);
        hear(wire, "AGEAYg==\r\n");
        say(wire, "235 in\r\n");
        see(wire, MAILMOD_SMTP_CLIENT_LOGIN_REPLY);
        assert_int_equal(told.code, 235);
        see(wire, MAILMOD_SMTP_CLIENT_READY);
        assert_int_equal(mailmod_wire_free(&wire), MAILMOD_OK);
    }
    mailmod_wire *wire = connect_with(MAILMOD_SMTP_CLIENT_CLEAR_LOGIN);
    begin(wire, "250 AUTH LOGIN\r\n");
    see(wire, MAILMOD_SMTP_CLIENT_LOGIN);
    assert_int_equal(mailmod_wire_login(wire, "user", "pass"), MAILMOD_OK);
    hear(wire, "AUTH LOGIN\r\n");
    say(wire, "334 VXNlciBOYW1lAA==\r\n");
    see(wire, MAILMOD_SMTP_CLIENT_NEED_INPUT);
    hear(wire, "dXNlcg==\r\n");
    say(wire, "334 UGFzc3dvcmQA\r\n");
    see(wire, MAILMOD_SMTP_CLIENT_NEED_INPUT);
    hear(wire, "cGFzcw==\r\n");
    say(wire, "535 5.7.8 no\r\n");
    see(wire, MAILMOD_SMTP_CLIENT_LOGIN_REPLY);
    see(wire, MAILMOD_SMTP_CLIENT_FAILED);
    assert_int_equal(told.error, MAILMOD_ERROR_AUTHENTICATION);
    assert_int_equal(mailmod_wire_free(&wire), MAILMOD_OK);
}

/* V-06: the server drops instead of a 221. */
static void test_client_refused_login(void **state)
{
    mailmod_wire *wire = connect_with(MAILMOD_SMTP_CLIENT_CLEAR_LOGIN);
    (void)state;
    begin(wire, "250 AUTH PLAIN\r\n");
    see(wire, MAILMOD_SMTP_CLIENT_LOGIN);
    assert_int_equal(mailmod_wire_login(wire, "", "b"), MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mailmod_wire_login_token(wire, "a", "b"),
                     MAILMOD_ERROR_AUTHENTICATION);
    assert_int_equal(mailmod_wire_login(wire, "a", "b"), MAILMOD_OK);
    assert_int_equal(mailmod_wire_login(wire, "a", "b"), MAILMOD_ERROR_STATE);
    hear(wire, "AUTH PLAIN AGEAYg==\r\n");
    say(wire, "501 no\r\n");
    see(wire, MAILMOD_SMTP_CLIENT_LOGIN_REPLY);
    assert_int_equal(told.code, 501);
    see(wire, MAILMOD_SMTP_CLIENT_FAILED);
    hear(wire, "QUIT\r\n");
    assert_int_equal(mailmod_wire_end_input(wire), MAILMOD_OK);
    see(wire, MAILMOD_SMTP_CLIENT_NEED_INPUT);
    assert_int_equal(mailmod_wire_free(&wire), MAILMOD_OK);

    wire = connect_with(0);
    begin(wire, "250 HELP\r\n");
    see(wire, MAILMOD_SMTP_CLIENT_READY);
    assert_int_equal(mailmod_smtp_client_quit(wire), MAILMOD_OK);
    assert_int_equal(mailmod_wire_end_input(wire), MAILMOD_OK);
    see(wire, MAILMOD_SMTP_CLIENT_CLOSED);
    see(wire, MAILMOD_SMTP_CLIENT_NEED_INPUT);
    assert_int_equal(mailmod_wire_free(&wire), MAILMOD_OK);
}

/* V-07: 504 to AUTH, 530 to MAIL, 550 to MAIL. */
static void test_client_refused_mail(void **state)
{
    static const char *const refusals[] = {"530 5.7.0 log in\r\n",
                                           "550 5.7.1 not you\r\n"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        mailmod_wire *wire = connect_with(0);
        begin(wire, "250 HELP\r\n");
        send_mail(wire, 0);
        hear(wire, "MAIL FROM:<a@client.example>\r\n");
        say(wire, refusals[i]);
        see(wire, MAILMOD_SMTP_CLIENT_MAIL_REPLY);
        assert_int_equal(told.code, i == 0 ? 530 : 550);
        see(wire, MAILMOD_SMTP_CLIENT_MESSAGE_DONE);
        assert_int_equal(told.code, i == 0 ? 530 : 550);
        assert_false(told.was_sent);
        see(wire, MAILMOD_SMTP_CLIENT_READY);
        hear(wire, "");
        assert_int_equal(mailmod_wire_end_input(wire), MAILMOD_OK);
        see(wire, MAILMOD_SMTP_CLIENT_FAILED);
        assert_int_equal(told.error, MAILMOD_ERROR_CLOSED);
        assert_int_equal(mailmod_smtp_client_command(wire, "XTIME"),
                         MAILMOD_ERROR_STATE);
        assert_int_equal(mailmod_wire_free(&wire), MAILMOD_OK);
    }
    mailmod_wire *wire = connect_with(MAILMOD_SMTP_CLIENT_CLEAR_LOGIN);
    begin(wire, "250 AUTH PLAIN\r\n");
    see(wire, MAILMOD_SMTP_CLIENT_LOGIN);
    assert_int_equal(mailmod_wire_login(wire, "a", "b"), MAILMOD_OK);
    hear(wire, "AUTH PLAIN AGEAYg==\r\n");
    say(wire, "504 unknown\r\n");
    see(wire, MAILMOD_SMTP_CLIENT_LOGIN_REPLY);
    assert_int_equal(told.code, 504);
    see(wire, MAILMOD_SMTP_CLIENT_FAILED);
    hear(wire, "QUIT\r\n");
    assert_int_equal(mailmod_wire_free(&wire), MAILMOD_OK);
}

static void count_lines(void *context, int is_sent, const char *octets,
                        size_t size, int is_masked)
{
    char *text = context;
    size_t used = strlen(text);
    snprintf(text + used, 1024 - used, "%s%.*s%s\n", is_sent ? ">" : "<",
             (int)size, octets, is_masked ? " ..." : "");
}

static void test_client_own_verb_and_monitor(void **state)
{
    mailmod_wire *wire = connect_with(0);
    char value[32];
    char lines[1024] = "";
    (void)state;
    assert_int_equal(mailmod_wire_set_monitor(wire, count_lines, lines),
                     MAILMOD_OK);
    begin(wire, "250-XTIME NOW LATER\r\n250 HELP\r\n");
    see(wire, MAILMOD_SMTP_CLIENT_READY);
    assert_int_equal(
        mailmod_smtp_client_extension(wire, "xtime", value, sizeof value),
        MAILMOD_OK);
    assert_string_equal(value, "NOW LATER");
    assert_int_equal(mailmod_smtp_client_extension(wire, "xtime", value, 3),
                     MAILMOD_ERROR_TOO_LARGE);
    assert_int_equal(
        mailmod_smtp_client_extension(wire, "server.example", value, 32),
        MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(mailmod_smtp_client_command(wire, "XTIME a\r\nQUIT"),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mailmod_smtp_client_command(wire, NULL),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mailmod_smtp_client_command(wire, "XTIME now"),
                     MAILMOD_OK);
    hear(wire, "XTIME now\r\n");
    say(wire, "253-noon\r\n253 sharp\r\n");
    see(wire, MAILMOD_SMTP_CLIENT_COMMAND_REPLY);
    assert_string_equal(told.text, "noon\nsharp");
    see(wire, MAILMOD_SMTP_CLIENT_READY);
    assert_string_equal(lines, "<220 server.example\n>EHLO client.example\n"
                               "<250-server.example\n<250-XTIME NOW LATER\n"
                               "<250 HELP\n>XTIME now\n<253-noon\n"
                               "<253 sharp\n");
    assert_int_equal(mailmod_wire_free(&wire), MAILMOD_OK);
}

static void test_client_messages_that_are_none(void **state)
{
    const char *recipients[] = {"bob@example.org", "x@y> SIZE=1"};
    struct mailmod_smtp_client_message message = {
        .size = sizeof message, .recipients = recipients, .recipient_count = 1};
    mailmod_wire *wire = connect_with(0);
    (void)state;
    assert_int_equal(mailmod_smtp_client_send(wire, &message),
                     MAILMOD_ERROR_STATE);
    begin(wire, "250 SIZE 1000\r\n");
    see(wire, MAILMOD_SMTP_CLIENT_READY);
    message.recipient_count = 2;
    assert_int_equal(mailmod_smtp_client_send(wire, &message),
                     MAILMOD_ERROR_ARGUMENT);
    message.recipient_count = 0;
    assert_int_equal(mailmod_smtp_client_send(wire, &message),
                     MAILMOD_ERROR_ARGUMENT);
    message.recipient_count = 1;
    message.message_size = 1001;
    assert_int_equal(mailmod_smtp_client_send(wire, &message),
                     MAILMOD_ERROR_TOO_LARGE);
    message.message_size = 0;
    message.flags = MAILMOD_SMTP_CLIENT_SMTPUTF8;
    assert_int_equal(mailmod_smtp_client_send(wire, &message),
                     MAILMOD_ERROR_UNSUPPORTED);
    message.flags = 0;
    message.envelope_id = "a\nb";
    assert_int_equal(mailmod_smtp_client_send(wire, &message),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mailmod_smtp_client_body(wire, "x", 1), 0);
    assert_int_equal(mailmod_smtp_client_body_end(wire), MAILMOD_ERROR_STATE);
    see(wire, MAILMOD_SMTP_CLIENT_READY);
    hear(wire, "");
    assert_int_equal(mailmod_wire_free(&wire), MAILMOD_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_takes_mail),
        cmocka_unit_test(test_server_logins),
        cmocka_unit_test(test_server_own_verbs),
        cmocka_unit_test(test_server_line_ends_and_ends),
        cmocka_unit_test(test_server_out_of_turn),
        cmocka_unit_test(test_client_sends),
        cmocka_unit_test(test_client_own_exchange),
        cmocka_unit_test(test_client_refused_login),
        cmocka_unit_test(test_client_refused_mail),
        cmocka_unit_test(test_client_own_verb_and_monitor),
        cmocka_unit_test(test_client_messages_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
