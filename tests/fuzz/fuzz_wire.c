/* fuzz_wire.c - any octets through mailmod/wire.h, as a host gives them.
 *
 * V-13: a request, reply, mailbox or domain that was read is written, where it
 * can be, to what reads back to the same value. Conversations are fed in
 * pieces, and called in any order: no call crashes, and the events end. */
#include "tests/fuzz/fuzz.h"

#include "mailmod/wire.h"

#include <stdlib.h>
#include <string.h>

static void check_request(const char *text, size_t size, unsigned flags)
{
    struct mailmod_smtp_request first = {.size = sizeof first};
    struct mailmod_smtp_request second = {.size = sizeof second};
    char line[2049];
    if (mailmod_smtp_request_parse(text, size, flags, &first) != MAILMOD_OK ||
        mailmod_smtp_request_write(&first, line, sizeof line) != MAILMOD_OK) {
        return;
    }
    FUZZ_CHECK(mailmod_smtp_request_parse(line, strlen(line), MAILMOD_WIRE_UTF8,
                                          &second) == MAILMOD_OK);
    FUZZ_CHECK(first.verb == second.verb);
    FUZZ_CHECK(strcmp(first.argument, second.argument) == 0);
    FUZZ_CHECK(strcmp(first.path, second.path) == 0);
    FUZZ_CHECK(strcmp(first.parameters, second.parameters) == 0);
}

struct octets {
    char data[32768];
    size_t size;
};

static void keep(void *context, const char *octets, size_t size)
{
    struct octets *kept = context;
    FUZZ_CHECK(size <= sizeof kept->data);
    memcpy(kept->data, octets, size);
    kept->size = size;
}

static void check_reply(const char *text, size_t size)
{
    static struct mailmod_smtp_reply first;
    static struct mailmod_smtp_reply second;
    static struct octets kept;
    size_t used;
    first.size = sizeof first;
    second.size = sizeof second;
    if (mailmod_smtp_reply_parse(text, size, &first, &used) != MAILMOD_OK ||
        used == 0 ||
        mailmod_smtp_reply_write(&first, keep, &kept) != MAILMOD_OK) {
        return;
    }
    FUZZ_CHECK(mailmod_smtp_reply_parse(kept.data, kept.size, &second, &used) ==
               MAILMOD_OK);
    FUZZ_CHECK(used == kept.size && first.code == second.code);
    FUZZ_CHECK(strcmp(first.text, second.text) == 0);
}

static void check_address(const char *text, size_t size, unsigned flags)
{
    struct mailmod_address first = {.size = sizeof first};
    struct mailmod_address second = {.size = sizeof second};
    struct mailmod_domain domain = {.size = sizeof domain};
    struct mailmod_proxy_header header = {.size = sizeof header};
    char path[2048];
    (void)mailmod_domain_parse(text, size, flags, &domain);
    (void)mailmod_proxy_header_parse(text, size, &header);
    FUZZ_CHECK(header.used <= size);
    if (mailmod_address_parse(text, size, flags, &first) != MAILMOD_OK) {
        return;
    }
    FUZZ_CHECK(mailmod_address_write(&first, path, sizeof path) == MAILMOD_OK);
    FUZZ_CHECK(mailmod_address_parse(path, strlen(path),
                                     flags | MAILMOD_WIRE_UTF8,
                                     &second) == MAILMOD_OK);
    FUZZ_CHECK(strcmp(first.text, second.text) == 0);
    FUZZ_CHECK(strcmp(first.route, second.route) == 0);
}

static mailmod_wire *begin(unsigned which)
{
    const struct mailmod_smtp_server_options smtp = {
        .size = sizeof smtp, .host_name = "a.example", .flags = 511 & ~34};
    const struct mailmod_smtp_client_options smtp_client = {
        .size = sizeof smtp_client, .host_name = "b.example", .flags = 49};
    const struct mailmod_pop3_server_options pop3 = {
        .size = sizeof pop3, .host_name = "a.example", .flags = 5};
    const struct mailmod_pop3_client_options pop3_client = {
        .size = sizeof pop3_client, .flags = 9};
    mailmod_wire *wire = NULL;
    enum mailmod_error error =
        which == 0   ? mailmod_smtp_server_new(&smtp, &wire)
        : which == 1 ? mailmod_smtp_client_new(&smtp_client, &wire)
        : which == 2 ? mailmod_pop3_server_new(&pop3, &wire)
                     : mailmod_pop3_client_new(&pop3_client, &wire);
    FUZZ_CHECK(error == MAILMOD_OK);
    return wire;
}

/* One call of those that a host may make, in its turn or out of it. */
static void call(mailmod_wire *wire, unsigned which)
{
    static const char *const recipients[] = {"a@b.example", "c@d.example"};
    const struct mailmod_smtp_client_message message = {
        .size = sizeof message, .recipients = recipients, .recipient_count = 2};
    switch (which % 16) {
    case 0:
        (void)mailmod_wire_tls_begun(wire);
        break;
    case 1:
        (void)mailmod_wire_login(wire, "user", "password");
        break;
    case 2:
        (void)mailmod_smtp_client_send(wire, &message);
        break;
    case 3:
        (void)mailmod_smtp_client_body(wire, ".\r\n.x", 5);
        (void)mailmod_smtp_client_body_end(wire);
        break;
    case 4:
        (void)mailmod_smtp_client_command(wire, "XTIME now");
        (void)mailmod_pop3_client_command(wire, "XTIME now");
        break;
    case 5:
        (void)mailmod_pop3_client_ask(wire, MAILMOD_POP3_VERB_RETR, 1, 0);
        break;
    case 6:
        (void)mailmod_pop3_server_row(wire, 1, 2, NULL);
        (void)mailmod_pop3_server_rows_end(wire);
        break;
    case 7:
        (void)mailmod_pop3_server_body(wire, "a\n.b", 4);
        (void)mailmod_pop3_server_body_end(wire);
        break;
    case 8:
        (void)mailmod_pop3_server_answer_stat(wire, 1, 2);
        (void)mailmod_pop3_server_answer_row(wire, 1, 2, "id");
        break;
    case 9:
        (void)mailmod_smtp_client_quit(wire);
        (void)mailmod_pop3_client_quit(wire);
        break;
    case 10:
        (void)mailmod_wire_auth(wire, "PLAIN", NULL, 0);
        (void)mailmod_wire_auth_respond(wire, "x", 1);
        break;
    case 11:
        (void)mailmod_smtp_server_answer(wire, 550, "5.1.1", "no");
        (void)mailmod_pop3_server_answer(wire, 0, "AUTH", NULL);
        break;
    default:
        (void)mailmod_smtp_server_answer(wire, 0, NULL, NULL);
        (void)mailmod_pop3_server_answer(wire, 1, NULL, NULL);
        break;
    }
}

static void pull(mailmod_wire *wire)
{
    struct mailmod_smtp_server_event a = {.size = sizeof a};
    struct mailmod_smtp_client_event b = {.size = sizeof b};
    struct mailmod_pop3_server_event c = {.size = sizeof c};
    struct mailmod_pop3_client_event d = {.size = sizeof d};
    size_t owed;
    (void)mailmod_smtp_server_next(wire, &a);
    (void)mailmod_smtp_client_next(wire, &b);
    (void)mailmod_pop3_server_next(wire, &c);
    (void)mailmod_pop3_client_next(wire, &d);
    (void)mailmod_wire_output(wire, &owed);
    FUZZ_CHECK(mailmod_wire_sent(wire, owed) == MAILMOD_OK);
}

/* The input is calls, and lines between them. */
static void converse(unsigned which, const char *text, size_t size)
{
    mailmod_wire *wire = begin(which);
    while (size > 0) {
        const char *end = memchr(text, '\n', size);
        size_t count = end != NULL ? (size_t)(end - text) + 1 : size;
        pull(wire);
        call(wire, (unsigned char)text[0]);
        (void)mailmod_wire_feed(wire, text + 1, count - 1);
        pull(wire);
        text += count;
        size -= count;
    }
    FUZZ_CHECK(mailmod_wire_end_input(wire) == MAILMOD_OK);
    pull(wire);
    FUZZ_CHECK(mailmod_wire_free(&wire) == MAILMOD_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    const char *text = (const char *)data + 2;
    unsigned flags = data[1];
    switch (data[0] % 7) {
    case 0:
        check_request(text, size - 2, flags);
        break;
    case 1:
        check_reply(text, size - 2);
        break;
    case 2:
        check_address(text, size - 2, flags);
        break;
    default:
        converse(data[0] % 7 - 3U, text, size - 2);
        break;
    }
    return 0;
}
