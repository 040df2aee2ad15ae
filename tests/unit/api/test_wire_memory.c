/* test_wire_memory.c - conversations of a host for whom memory runs out at
 * every place once: a client and a server of each protocol talk to each other.
 *
 * Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmod/wire.h"

#include "base/mem.h"

#include <string.h>

enum { STEPS_MAX = 200 };

static void carry(mailmod_wire *from, mailmod_wire *to)
{
    size_t size;
    const char *output = mailmod_wire_output(from, &size);
    (void)mailmod_wire_sent(from, mailmod_wire_feed(to, output, size));
}

/* Whether it may go on; likewise below. */
static bool serve_smtp(mailmod_wire *wire)
{
    struct mailmod_smtp_server_event event = {.size = sizeof event};
    for (unsigned i = 0; i < STEPS_MAX; i++) {
        if (mailmod_smtp_server_next(wire, &event) != MAILMOD_OK) {
            return false;
        }
        if (event.kind == MAILMOD_SMTP_SERVER_NEED_INPUT ||
            event.kind == MAILMOD_SMTP_SERVER_QUIT ||
            event.kind == MAILMOD_SMTP_SERVER_BROKEN) {
            return event.kind != MAILMOD_SMTP_SERVER_BROKEN;
        }
        (void)mailmod_smtp_server_answer(wire, 0, NULL, NULL);
    }
    return false;
}

static bool step_smtp(mailmod_wire *wire, unsigned *said)
{
    static const char *const recipients[] = {"a@b.example", "c@d.example"};
    const struct mailmod_smtp_client_message message = {
        .size = sizeof message, .recipients = recipients, .recipient_count = 2};
    struct mailmod_smtp_client_event event = {.size = sizeof event};
    for (unsigned i = 0; i < STEPS_MAX; i++) {
        if (mailmod_smtp_client_next(wire, &event) != MAILMOD_OK) {
            return false;
        }
        switch (event.kind) {
        case MAILMOD_SMTP_CLIENT_NEED_INPUT:
            return true;
        case MAILMOD_SMTP_CLIENT_LOGIN:
            (void)mailmod_wire_login(wire, "user", "password");
            break;
        case MAILMOD_SMTP_CLIENT_READY:
            ++*said;
            *said == 1   ? (void)mailmod_smtp_client_send(wire, &message)
            : *said == 2 ? (void)mailmod_smtp_client_command(wire, "XTIME")
                         : (void)mailmod_smtp_client_quit(wire);
            break;
        case MAILMOD_SMTP_CLIENT_NEED_BODY:
            (void)mailmod_smtp_client_body(wire, ".a\n", 3);
            (void)mailmod_smtp_client_body_end(wire);
            break;
        case MAILMOD_SMTP_CLIENT_CLOSED:
        case MAILMOD_SMTP_CLIENT_FAILED:
            return false;
        default:
            break;
        }
    }
    return false;
}

/* How many things were said: 3 when all went well. */
static unsigned talk_smtp(void)
{
    const struct mailmod_smtp_server_options offered = {
        .size = sizeof offered,
        .host_name = "a.example",
        .flags = MAILMOD_SMTP_SERVER_WITH_CLEAR_LOGIN};
    const struct mailmod_smtp_client_options wanted = {
        .size = sizeof wanted,
        .host_name = "b.example",
        .flags = MAILMOD_SMTP_CLIENT_CLEAR_LOGIN |
                 MAILMOD_SMTP_CLIENT_TAKES_CHUNKING};
    mailmod_wire *server = NULL;
    mailmod_wire *client = NULL;
    unsigned said = 0;
    if (mailmod_smtp_server_new(&offered, &server) == MAILMOD_OK &&
        mailmod_smtp_client_new(&wanted, &client) == MAILMOD_OK) {
        (void)mailmod_smtp_server_add_verb(server, "XTIME", "XTIME");
        for (unsigned i = 0; i < STEPS_MAX && serve_smtp(server); i++) {
            carry(server, client);
            if (!step_smtp(client, &said)) {
                break;
            }
            carry(client, server);
        }
    }
    assert_int_equal(mailmod_wire_free(&server), MAILMOD_OK);
    assert_int_equal(mailmod_wire_free(&client), MAILMOD_OK);
    return said;
}

static bool serve_pop3(mailmod_wire *wire)
{
    struct mailmod_pop3_server_event event = {.size = sizeof event};
    for (unsigned i = 0; i < STEPS_MAX; i++) {
        if (mailmod_pop3_server_next(wire, &event) != MAILMOD_OK) {
            return false;
        }
        switch (event.kind) {
        case MAILMOD_POP3_SERVER_NEED_INPUT:
        case MAILMOD_POP3_SERVER_QUIT:
            return true;
        case MAILMOD_POP3_SERVER_BROKEN:
            return false;
        case MAILMOD_POP3_SERVER_NEED_ROWS:
            (void)mailmod_pop3_server_row(wire, 1, 0, "id");
            (void)mailmod_pop3_server_rows_end(wire);
            break;
        case MAILMOD_POP3_SERVER_NEED_BODY:
            (void)mailmod_pop3_server_body(wire, ".a\n", 3);
            (void)mailmod_pop3_server_body_end(wire);
            break;
        default:
            (void)mailmod_pop3_server_answer(wire, 1, NULL, NULL);
            break;
        }
    }
    return false;
}

static bool step_pop3(mailmod_wire *wire, unsigned *said)
{
    struct mailmod_pop3_client_event event = {.size = sizeof event};
    for (unsigned i = 0; i < STEPS_MAX; i++) {
        if (mailmod_pop3_client_next(wire, &event) != MAILMOD_OK) {
            return false;
        }
        switch (event.kind) {
        case MAILMOD_POP3_CLIENT_NEED_INPUT:
            return true;
        case MAILMOD_POP3_CLIENT_LOGIN:
            (void)mailmod_wire_login(wire, "user", "password");
            break;
        case MAILMOD_POP3_CLIENT_READY:
            ++*said;
            if (*said == 3) {
                (void)mailmod_pop3_client_quit(wire);
            } else {
                (void)mailmod_pop3_client_ask(wire,
                                              *said == 1
                                                  ? MAILMOD_POP3_VERB_UIDL
                                                  : MAILMOD_POP3_VERB_RETR,
                                              *said - 1, 0);
            }
            break;
        case MAILMOD_POP3_CLIENT_CLOSED:
        case MAILMOD_POP3_CLIENT_FAILED:
            return false;
        default:
            break;
        }
    }
    return false;
}

static unsigned talk_pop3(void)
{
    const struct mailmod_pop3_server_options offered = {
        .size = sizeof offered,
        .host_name = "a.example",
        .flags = MAILMOD_POP3_SERVER_WITH_CLEAR_LOGIN};
    const struct mailmod_pop3_client_options wanted = {
        .size = sizeof wanted, .flags = MAILMOD_POP3_CLIENT_CLEAR_LOGIN};
    mailmod_wire *server = NULL;
    mailmod_wire *client = NULL;
    unsigned said = 0;
    if (mailmod_pop3_server_new(&offered, &server) == MAILMOD_OK &&
        mailmod_pop3_client_new(&wanted, &client) == MAILMOD_OK) {
        for (unsigned i = 0; i < STEPS_MAX && serve_pop3(server); i++) {
            carry(server, client);
            if (!step_pop3(client, &said)) {
                break;
            }
            carry(client, server);
        }
    }
    assert_int_equal(mailmod_wire_free(&server), MAILMOD_OK);
    assert_int_equal(mailmod_wire_free(&client), MAILMOD_OK);
    return said;
}

static void fail_everywhere(unsigned (*talk)(void))
{
    assert_int_equal(talk(), 3);
    (void)mm_mem_set_fault(0, 0);
    assert_int_equal(talk(), 3);
    unsigned long count = mm_mem_set_fault(0, 0);
    assert_true(count > 10 && count < 10000);
    for (unsigned long at = 1; at <= count; at++) {
        for (int is_sticky = 0; is_sticky < 2; is_sticky++) {
            (void)mm_mem_set_fault(at, is_sticky);
            (void)talk();
            (void)mm_mem_set_fault(0, 0);
        }
    }
    assert_int_equal(talk(), 3);
}

static void test_smtp(void **state)
{
    (void)state;
    fail_everywhere(talk_smtp);
}

static void test_pop3(void **state)
{
    (void)state;
    fail_everywhere(talk_pop3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smtp),
        cmocka_unit_test(test_pop3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
