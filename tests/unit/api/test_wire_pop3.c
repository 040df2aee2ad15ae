/* test_wire_pop3.c - POP3 conversations and proxies in the host's hands: the
 * server and the client talk to each other, own verbs, calls out of turn.
 *
 * Thread: the test's. RFC 1939, 2449, 5034, 1928. */
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
    assert_int_equal(mailmod_wire_sent(wire, size), MAILMOD_OK);
}

static struct mailmod_pop3_server_event served;

static mailmod_wire *serve(size_t flags)
{
    const struct mailmod_pop3_server_options options = {
        .size = sizeof options, .host_name = "pop.example", .flags = flags};
    mailmod_wire *wire = NULL;
    assert_int_equal(mailmod_pop3_server_new(&options, &wire), MAILMOD_OK);
    return wire;
}

static void next(mailmod_wire *wire, enum mailmod_pop3_server_event_kind kind)
{
    served.size = sizeof served;
    assert_int_equal(mailmod_pop3_server_next(wire, &served), MAILMOD_OK);
    assert_int_equal(served.kind, kind);
}

static void answer(mailmod_wire *wire, enum mailmod_pop3_server_event_kind kind)
{
    next(wire, kind);
    assert_int_equal(mailmod_pop3_server_answer(wire, 1, NULL, NULL),
                     MAILMOD_OK);
}

static void log_in(mailmod_wire *wire)
{
    size_t size;
    answer(wire, MAILMOD_POP3_SERVER_CONNECT);
    say(wire, "USER alice\r\nPASS won der\r\n");
    next(wire, MAILMOD_POP3_SERVER_LOGIN);
    assert_string_equal(served.user, "alice");
    assert_string_equal(served.password, "won der");
    answer(wire, MAILMOD_POP3_SERVER_LOGIN);
    (void)mailmod_wire_output(wire, &size);
    assert_int_equal(mailmod_wire_sent(wire, size), MAILMOD_OK);
}

static void test_server_gives_mail(void **state)
{
    static const char text[] = "Subject: a\r\n\r\n.b\r\nc";
    mailmod_wire *wire = serve(MAILMOD_POP3_SERVER_WITH_CLEAR_LOGIN);
    (void)state;
    log_in(wire);
    say(wire, "STAT\r\nLIST\r\nUIDL 1\r\nRETR 1\r\nTOP 1 1\r\nDELE 1\r\n"
              "RETR 2\r\nQUIT\r\n");
    next(wire, MAILMOD_POP3_SERVER_STAT);
    assert_int_equal(mailmod_pop3_server_answer(wire, 1, NULL, NULL),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mailmod_pop3_server_answer_row(wire, 1, 1, NULL),
                     MAILMOD_ERROR_STATE);
    assert_int_equal(mailmod_pop3_server_answer_stat(wire, 1, 18), MAILMOD_OK);
    next(wire, MAILMOD_POP3_SERVER_LIST);
    assert_false(served.is_of_one);
    answer(wire, MAILMOD_POP3_SERVER_LIST);
    next(wire, MAILMOD_POP3_SERVER_NEED_ROWS);
    assert_int_equal(mailmod_pop3_server_body_end(wire), MAILMOD_ERROR_STATE);
    assert_true(mailmod_pop3_server_row(wire, 1, 18, NULL));
    assert_int_equal(mailmod_pop3_server_rows_end(wire), MAILMOD_OK);
    next(wire, MAILMOD_POP3_SERVER_UIDL);
    assert_true(served.is_of_one);
    assert_int_equal(mailmod_pop3_server_answer_row(wire, 1, 0, "a b"),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mailmod_pop3_server_answer_row(wire, 1, 0, "id"),
                     MAILMOD_OK);
    for (unsigned i = 0; i < 2; i++) {
        answer(wire,
               i == 0 ? MAILMOD_POP3_SERVER_RETR : MAILMOD_POP3_SERVER_TOP);
        next(wire, MAILMOD_POP3_SERVER_NEED_BODY);
        assert_int_equal(mailmod_pop3_server_body(wire, text, sizeof text - 1),
                         sizeof text - 1);
        assert_int_equal(mailmod_pop3_server_body_end(wire), MAILMOD_OK);
    }
    answer(wire, MAILMOD_POP3_SERVER_DELE);
    next(wire, MAILMOD_POP3_SERVER_RETR);
    assert_int_equal(served.number, 2);
    assert_int_equal(mailmod_pop3_server_answer(wire, 0, NULL, "no"),
                     MAILMOD_OK);
    answer(wire, MAILMOD_POP3_SERVER_UPDATE);
    next(wire, MAILMOD_POP3_SERVER_QUIT);
    hear(wire, "+OK 1 18\r\n+OK Sizes follow.\r\n1 18\r\n.\r\n+OK 1 id\r\n"
               "+OK Message follows.\r\nSubject: a\r\n\r\n..b\r\nc\r\n.\r\n"
               "+OK Message follows.\r\nSubject: a\r\n\r\n..b\r\n.\r\n"
               "+OK Marked for deletion.\r\n-ERR no\r\n+OK Goodbye.\r\n");
    assert_int_equal(mailmod_wire_free(&wire), MAILMOD_OK);
}

static void test_server_verbs_and_ends(void **state)
{
    mailmod_wire *wire = serve(MAILMOD_POP3_SERVER_WITH_CLEAR_LOGIN);
    (void)state;
    assert_int_equal(mailmod_pop3_server_add_verb(wire, "xtime", "XTIME NOW"),
                     MAILMOD_OK);
    assert_int_equal(mailmod_pop3_server_add_verb(wire, "XTIME", NULL),
                     MAILMOD_ERROR_EXISTS);
    assert_int_equal(mailmod_pop3_server_add_verb(wire, "wake", NULL),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mailmod_pop3_server_add_verb(wire, NULL, NULL),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mailmod_pop3_server_add_verb(wire, "XA", "A\nB"),
                     MAILMOD_ERROR_ARGUMENT);
    log_in(wire);
    say(wire, "CAPA\r\nXtime not yet\r\nXTIME\r\nXNONE\r\n");
    next(wire, MAILMOD_POP3_SERVER_COMMAND);
    assert_string_equal(served.name, "XTIME");
    assert_string_equal(served.argument, "not yet");
    size_t size;
    const char *output = mailmod_wire_output(wire, &size);
    char heard[2048];
    assert_true(size < sizeof heard);
    memcpy(heard, output, size);
    heard[size] = '\0';
    assert_non_null(strstr(heard, "\r\nXTIME NOW\r\n"));
    assert_int_equal(mailmod_wire_sent(wire, size), MAILMOD_OK);
    assert_int_equal(mailmod_pop3_server_answer(wire, 1, NULL, "noon"),
                     MAILMOD_OK);
    next(wire, MAILMOD_POP3_SERVER_COMMAND);
    assert_string_equal(served.argument, "");
    assert_int_equal(mailmod_pop3_server_answer(wire, 0, "SYS/TEMP", "later"),
                     MAILMOD_OK);
    next(wire, MAILMOD_POP3_SERVER_NEED_INPUT);
    hear(wire,
         "+OK noon\r\n-ERR [SYS/TEMP] later\r\n-ERR Unknown command.\r\n");
    assert_int_equal(mailmod_pop3_server_answer(wire, 1, NULL, NULL),
                     MAILMOD_ERROR_STATE);
    assert_int_equal(mailmod_wire_tls_begun(wire), MAILMOD_ERROR_STATE);
    assert_int_equal(mailmod_wire_end_input(wire), MAILMOD_OK);
    next(wire, MAILMOD_POP3_SERVER_BROKEN);
    next(wire, MAILMOD_POP3_SERVER_NEED_INPUT);
    assert_int_equal(mailmod_wire_free(&wire), MAILMOD_OK);
    wire = serve(0);
    answer(wire, MAILMOD_POP3_SERVER_CONNECT);
    say(wire, "USER alice\r\n");
    next(wire, MAILMOD_POP3_SERVER_NEED_INPUT);
    assert_int_equal(mailmod_pop3_server_close(wire, NULL, NULL), MAILMOD_OK);
    next(wire, MAILMOD_POP3_SERVER_QUIT);
    assert_int_equal(mailmod_wire_free(&wire), MAILMOD_OK);
}

/* ---- the two together -------------------------------------------------- */

static struct mailmod_pop3_client_event told;

static void carry(mailmod_wire *from, mailmod_wire *to)
{
    size_t size;
    const char *output = mailmod_wire_output(from, &size);
    assert_int_equal(
        mailmod_wire_sent(from, mailmod_wire_feed(to, output, size)),
        MAILMOD_OK);
}

/* What the server's host does with each of its events. */
static void serve_one(mailmod_wire *server)
{
    served.size = sizeof served;
    assert_int_equal(mailmod_pop3_server_next(server, &served), MAILMOD_OK);
    switch (served.kind) {
    case MAILMOD_POP3_SERVER_NEED_INPUT:
        break;
    case MAILMOD_POP3_SERVER_NEED_ROWS:
        assert_true(mailmod_pop3_server_row(server, 1, 0, "first"));
        assert_true(mailmod_pop3_server_row(server, 2, 0, "second"));
        assert_int_equal(mailmod_pop3_server_rows_end(server), MAILMOD_OK);
        break;
    case MAILMOD_POP3_SERVER_NEED_BODY:
        assert_int_equal(mailmod_pop3_server_body(server, ".x\n", 3), 3);
        assert_int_equal(mailmod_pop3_server_body_end(server), MAILMOD_OK);
        break;
    case MAILMOD_POP3_SERVER_STAT:
        assert_int_equal(mailmod_pop3_server_answer_stat(server, 2, 34),
                         MAILMOD_OK);
        break;
    default:
        assert_int_equal(mailmod_pop3_server_answer(server, 1, NULL, NULL),
                         MAILMOD_OK);
        break;
    }
}

static void see(mailmod_wire *client, mailmod_wire *server,
                enum mailmod_pop3_client_event_kind kind)
{
    told.size = sizeof told;
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(mailmod_pop3_client_next(client, &told), MAILMOD_OK);
        if (told.kind != MAILMOD_POP3_CLIENT_NEED_INPUT) {
            break;
        }
        carry(client, server);
        serve_one(server);
        carry(server, client);
    }
    assert_int_equal(told.kind, kind);
}

static mailmod_wire *connect_with(size_t flags)
{
    const struct mailmod_pop3_client_options options = {.size = sizeof options,
                                                        .flags = flags};
    mailmod_wire *wire = NULL;
    assert_int_equal(mailmod_pop3_client_new(&options, &wire), MAILMOD_OK);
    return wire;
}

static void test_client_and_server(void **state)
{
    mailmod_wire *server = serve(MAILMOD_POP3_SERVER_WITH_CLEAR_LOGIN);
    mailmod_wire *client = connect_with(MAILMOD_POP3_CLIENT_CLEAR_LOGIN);
    (void)state;
    assert_int_equal(mailmod_pop3_server_add_verb(server, "XTIME", NULL),
                     MAILMOD_OK);
    assert_int_equal(
        mailmod_pop3_client_ask(client, MAILMOD_POP3_VERB_STAT, 0, 0),
        MAILMOD_ERROR_STATE);
    see(client, server, MAILMOD_POP3_CLIENT_LOGIN);
    assert_string_equal(told.mechanisms, "PLAIN LOGIN");
    assert_int_equal(mailmod_wire_login(client, "alice", "wonder"), MAILMOD_OK);
    see(client, server, MAILMOD_POP3_CLIENT_LOGIN_REPLY);
    assert_true(told.is_ok);
    see(client, server, MAILMOD_POP3_CLIENT_READY);
    assert_int_equal(
        mailmod_pop3_client_ask(client, MAILMOD_POP3_VERB_OWN, 0, 0),
        MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(
        mailmod_pop3_client_ask(client, MAILMOD_POP3_VERB_RETR, 0, 0),
        MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(
        mailmod_pop3_client_ask(client, MAILMOD_POP3_VERB_STAT, 0, 0),
        MAILMOD_OK);
    assert_int_equal(
        mailmod_pop3_client_ask(client, MAILMOD_POP3_VERB_UIDL, 0, 0),
        MAILMOD_OK);
    assert_int_equal(
        mailmod_pop3_client_ask(client, MAILMOD_POP3_VERB_RETR, 2, 0),
        MAILMOD_OK);
    assert_int_equal(mailmod_pop3_client_command(client, "XTIME a\r\nQUIT"),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mailmod_pop3_client_command(client, "XTIME now"),
                     MAILMOD_OK);
    assert_int_equal(mailmod_pop3_client_command(client, "XTIME now"),
                     MAILMOD_ERROR_LIMIT);
    see(client, server, MAILMOD_POP3_CLIENT_REPLY);
    assert_int_equal(told.message_count, 2);
    assert_int_equal(told.message_size, 34);
    see(client, server, MAILMOD_POP3_CLIENT_REPLY);
    see(client, server, MAILMOD_POP3_CLIENT_ROW);
    assert_string_equal(told.unique_id, "first");
    see(client, server, MAILMOD_POP3_CLIENT_ROW);
    assert_int_equal(told.number, 2);
    see(client, server, MAILMOD_POP3_CLIENT_END);
    see(client, server, MAILMOD_POP3_CLIENT_REPLY);
    assert_int_equal(told.verb, MAILMOD_POP3_VERB_RETR);
    see(client, server, MAILMOD_POP3_CLIENT_BODY);
    assert_int_equal(told.count, 4);
    assert_memory_equal(told.octets, ".x\r\n", 4);
    see(client, server, MAILMOD_POP3_CLIENT_END);
    see(client, server, MAILMOD_POP3_CLIENT_REPLY);
    assert_int_equal(told.verb, MAILMOD_POP3_VERB_OWN);
    assert_string_equal(told.text, "Done.");
    see(client, server, MAILMOD_POP3_CLIENT_READY);
    assert_int_equal(mailmod_pop3_client_quit(client), MAILMOD_OK);
    see(client, server, MAILMOD_POP3_CLIENT_CLOSED);
    assert_true(told.is_ok);
    assert_int_equal(mailmod_wire_free(&client), MAILMOD_OK);
    assert_int_equal(mailmod_wire_free(&server), MAILMOD_OK);
}

/* USER and PASS where the server has no mechanism; and one that goes away. */
static void test_client_old_server(void **state)
{
    mailmod_wire *wire = connect_with(MAILMOD_POP3_CLIENT_CLEAR_LOGIN);
    (void)state;
    say(wire, "+OK ready\r\n");
    assert_int_equal(mailmod_pop3_client_next(wire, &told), MAILMOD_OK);
    hear(wire, "CAPA\r\n");
    say(wire, "-ERR what\r\n");
    told.size = sizeof told;
    assert_int_equal(mailmod_pop3_client_next(wire, &told), MAILMOD_OK);
    assert_int_equal(told.kind, MAILMOD_POP3_CLIENT_LOGIN);
    assert_int_equal(mailmod_wire_login(wire, "alice", "won der"), MAILMOD_OK);
    hear(wire, "USER alice\r\n");
    say(wire, "+OK\r\n");
    assert_int_equal(mailmod_pop3_client_next(wire, &told), MAILMOD_OK);
    hear(wire, "PASS won der\r\n");
    assert_int_equal(mailmod_wire_end_input(wire), MAILMOD_OK);
    assert_int_equal(mailmod_pop3_client_next(wire, &told), MAILMOD_OK);
    assert_int_equal(told.kind, MAILMOD_POP3_CLIENT_FAILED);
    assert_int_equal(told.error, MAILMOD_ERROR_CLOSED);
    assert_int_equal(mailmod_pop3_client_next(wire, &told), MAILMOD_OK);
    assert_int_equal(told.kind, MAILMOD_POP3_CLIENT_NEED_INPUT);
    assert_int_equal(mailmod_wire_free(&wire), MAILMOD_OK);
}

/* ---- proxies ------------------------------------------------------------ */

static void test_proxy(void **state)
{
    struct mailmod_proxy_options options = {.size = sizeof options,
                                            .kind = MAILMOD_PROXY_HTTP,
                                            .host = "mail.example",
                                            .port = 25};
    struct mailmod_proxy_event event = {.size = sizeof event};
    mailmod_wire *wire = NULL;
    (void)state;
    assert_int_equal(mailmod_proxy_new(&options, &wire), MAILMOD_OK);
    hear(wire, "CONNECT mail.example:25 HTTP/1.1\r\nHost: mail.example:25\r\n"
               "\r\n");
    assert_int_equal(
        mailmod_wire_feed(wire, "HTTP/1.1 200 OK\r\n\r\n220 a", 24), 19);
    assert_int_equal(mailmod_proxy_next(wire, &event), MAILMOD_OK);
    assert_int_equal(event.kind, MAILMOD_PROXY_OPEN);
    assert_int_equal(mailmod_wire_free(&wire), MAILMOD_OK);
    options.kind = MAILMOD_PROXY_SOCKS5;
    options.host = "2001:db8::1";
    assert_int_equal(mailmod_proxy_new(&options, &wire), MAILMOD_OK);
    size_t size;
    assert_memory_equal(mailmod_wire_output(wire, &size), "\5\1\0", 3);
    assert_int_equal(mailmod_wire_sent(wire, size), MAILMOD_OK);
    assert_int_equal(mailmod_wire_feed(wire, "\5\xff", 2), 2);
    assert_int_equal(mailmod_proxy_next(wire, &event), MAILMOD_OK);
    assert_int_equal(event.kind, MAILMOD_PROXY_FAILED);
    assert_int_equal(event.error, MAILMOD_ERROR_PROXY);
    assert_true(strlen(event.text) > 0);
    assert_int_equal(mailmod_wire_tls_begun(wire), MAILMOD_ERROR_STATE);
    assert_int_equal(mailmod_wire_free(&wire), MAILMOD_OK);
    options.kind = MAILMOD_PROXY_SOCKS4A;
    assert_int_equal(mailmod_proxy_new(&options, &wire),
                     MAILMOD_ERROR_UNREACHABLE);
    options.host = "a b";
    assert_int_equal(mailmod_proxy_new(&options, &wire),
                     MAILMOD_ERROR_ARGUMENT);
    options.host = "mail.example";
    options.port = 65536;
    assert_int_equal(mailmod_proxy_new(&options, &wire),
                     MAILMOD_ERROR_ARGUMENT);
    assert_null(wire);
    options.port = 25;
    assert_int_equal(mailmod_proxy_new(&options, &wire), MAILMOD_OK);
    assert_int_equal(mailmod_wire_end_input(wire), MAILMOD_OK);
    assert_int_equal(mailmod_proxy_next(wire, &event), MAILMOD_OK);
    assert_int_equal(event.error, MAILMOD_ERROR_CLOSED);
    assert_int_equal(mailmod_wire_free(&wire), MAILMOD_OK);
}

static void test_proxy_header(void **state)
{
    static const char line[] = "PROXY TCP4 192.0.2.1 192.0.2.2 4711 25\r\nEHLO";
    struct mailmod_proxy_header header = {.size = sizeof header};
    (void)state;
    assert_int_equal(mailmod_proxy_header_parse(line, 20, &header), MAILMOD_OK);
    assert_int_equal(header.used, 0);
    assert_int_equal(mailmod_proxy_header_parse(line, sizeof line - 1, &header),
                     MAILMOD_OK);
    assert_int_equal(header.used, sizeof line - 5);
    assert_string_equal(header.address, "192.0.2.1");
    assert_int_equal(header.port, 4711);
    assert_int_equal(mailmod_proxy_header_parse("EHLO a\r\n", 8, &header),
                     MAILMOD_ERROR_PROTOCOL);
    assert_int_equal(mailmod_proxy_header_parse(NULL, 8, &header),
                     MAILMOD_ERROR_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_gives_mail),
        cmocka_unit_test(test_server_verbs_and_ends),
        cmocka_unit_test(test_client_and_server),
        cmocka_unit_test(test_client_old_server),
        cmocka_unit_test(test_proxy),
        cmocka_unit_test(test_proxy_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
