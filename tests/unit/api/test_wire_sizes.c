/* test_wire_sizes.c - hosts that were compiled with the first version of the
 * structures of mailmod/wire.h, with a smaller one, and with a newer one.
 *
 * Behind what they give and lend lie octets of their own, which the library
 * must neither read nor write. The sizes are those of tests/host/old.h.
 * docs/abi.md. Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../host/old.h"

#include <stdlib.h>
#include <string.h>

enum { BEHIND = 64, MARK = 0xee };

static mailmod_wire *smtp_server(void)
{
    const struct mailmod_smtp_server_options options = {
        .size = sizeof options, .host_name = "a.example"};
    mailmod_wire *wire = NULL;
    assert_int_equal(mailmod_smtp_server_new(&options, &wire), MAILMOD_OK);
    return wire;
}

static mailmod_wire *smtp_client(void)
{
    const struct mailmod_smtp_client_options options = {
        .size = sizeof options, .host_name = "a.example"};
    mailmod_wire *wire = NULL;
    assert_int_equal(mailmod_smtp_client_new(&options, &wire), MAILMOD_OK);
    return wire;
}

static mailmod_wire *pop3_server(void)
{
    const struct mailmod_pop3_server_options options = {
        .size = sizeof options, .host_name = "a.example"};
    mailmod_wire *wire = NULL;
    assert_int_equal(mailmod_pop3_server_new(&options, &wire), MAILMOD_OK);
    return wire;
}

static mailmod_wire *pop3_client(void)
{
    const struct mailmod_pop3_client_options options = {.size = sizeof options};
    mailmod_wire *wire = NULL;
    assert_int_equal(mailmod_pop3_client_new(&options, &wire), MAILMOD_OK);
    return wire;
}

static mailmod_wire *proxy(void)
{
    const struct mailmod_proxy_options options = {
        .size = sizeof options, .host = "a.example", .port = 25};
    mailmod_wire *wire = NULL;
    assert_int_equal(mailmod_proxy_new(&options, &wire), MAILMOD_OK);
    return wire;
}

/* A structure that is lent to one call. */
#define LEND_NEXT(name, begin, next)                                           \
    static enum mailmod_error name(void *lent)                                 \
    {                                                                          \
        mailmod_wire *wire = begin();                                          \
        enum mailmod_error error = next(wire, lent);                           \
        assert_int_equal(mailmod_wire_free(&wire), MAILMOD_OK);                \
        return error;                                                          \
    }
LEND_NEXT(lend_smtp_server_event, smtp_server, mailmod_smtp_server_next)
LEND_NEXT(lend_smtp_client_event, smtp_client, mailmod_smtp_client_next)
LEND_NEXT(lend_pop3_server_event, pop3_server, mailmod_pop3_server_next)
LEND_NEXT(lend_pop3_client_event, pop3_client, mailmod_pop3_client_next)
LEND_NEXT(lend_proxy_event, proxy, mailmod_proxy_next)
#undef LEND_NEXT

static enum mailmod_error lend_domain(void *lent)
{
    return mailmod_domain_parse("a.example", 9, 0, lent);
}

static enum mailmod_error lend_address(void *lent)
{
    return mailmod_address_parse("a@b.example", 11, 0, lent);
}

static enum mailmod_error lend_request(void *lent)
{
    return mailmod_smtp_request_parse("QUIT", 4, 0, lent);
}

static enum mailmod_error lend_reply(void *lent)
{
    size_t used;
    return mailmod_smtp_reply_parse("250 ok\r\n", 8, lent, &used);
}

static enum mailmod_error lend_header(void *lent)
{
    return mailmod_proxy_header_parse("PROXY UNKNOWN\r\n", 15, lent);
}

static const struct {
    const char *name;
    enum mailmod_error (*lend)(void *lent);
    size_t size_1;
} lent_ones[] = {
    {"domain", lend_domain, sizeof(struct old_domain)},
    {"address", lend_address, sizeof(struct old_address)},
    {"smtp request", lend_request, sizeof(struct old_smtp_request)},
    {"smtp reply", lend_reply, sizeof(struct old_smtp_reply)},
    {"smtp server event", lend_smtp_server_event,
     sizeof(struct old_smtp_server_event)},
    {"smtp client event", lend_smtp_client_event,
     sizeof(struct old_smtp_client_event)},
    {"pop3 server event", lend_pop3_server_event,
     sizeof(struct old_pop3_server_event)},
    {"pop3 client event", lend_pop3_client_event,
     sizeof(struct old_pop3_client_event)},
    {"proxy event", lend_proxy_event, sizeof(struct old_proxy_event)},
    {"proxy header", lend_header, sizeof(struct old_proxy_header)},
};

static void check_lent(enum mailmod_error (*lend)(void *lent), size_t size,
                       enum mailmod_error wanted, size_t size_now)
{
    size_t whole = (size > size_now ? size : size_now) + BEHIND;
    unsigned char *lent = malloc(whole);
    size_t after;

    assert_non_null(lent);
    memset(lent, MARK, whole);
    memcpy(lent, &size, sizeof size);
    assert_int_equal(lend(lent), wanted);
    memcpy(&after, lent, sizeof after);
    assert_int_equal(after, size);
    for (size_t i = size; i < whole; i++) {
        assert_int_equal(lent[i], MARK);
    }
    for (size_t i = size_now; wanted == MAILMOD_OK && i < size; i++) {
        assert_int_equal(lent[i], 0); /* what the library does not know */
    }
    free(lent);
}

static void test_lent(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lent_ones / sizeof lent_ones[0]; i++) {
        size_t size = lent_ones[i].size_1;
        print_message("%s\n", lent_ones[i].name);
        check_lent(lent_ones[i].lend, size, MAILMOD_OK, size);
        check_lent(lent_ones[i].lend, size + 32, MAILMOD_OK, size);
        check_lent(lent_ones[i].lend, size - 1, MAILMOD_ERROR_ARGUMENT, size);
        check_lent(lent_ones[i].lend, sizeof size, MAILMOD_ERROR_ARGUMENT,
                   size);
    }
}

/* ---- the host gives ---------------------------------------------------- */

/* A copy of `known` that says another size, with octets of no meaning behind
 * the end of the first version. */
static enum mailmod_error give(const void *known, size_t known_size,
                               size_t size,
                               enum mailmod_error (*call)(const void *given))
{
    unsigned char *given = malloc(known_size + BEHIND);
    assert_non_null(given);
    memset(given, MARK, known_size + BEHIND);
    memcpy(given, known, known_size);
    memcpy(given, &size, sizeof size);
    enum mailmod_error error = call(given);
    free(given);
    return error;
}

#define GIVE_NEW(name, new_one)                                                \
    static enum mailmod_error name(const void *given)                          \
    {                                                                          \
        mailmod_wire *wire = NULL;                                             \
        enum mailmod_error error = new_one(given, &wire);                      \
        assert_int_equal(wire != NULL, error == MAILMOD_OK);                   \
        assert_int_equal(mailmod_wire_free(&wire), MAILMOD_OK);                \
        return error;                                                          \
    }
GIVE_NEW(give_smtp_server, mailmod_smtp_server_new)
GIVE_NEW(give_smtp_client, mailmod_smtp_client_new)
GIVE_NEW(give_pop3_server, mailmod_pop3_server_new)
GIVE_NEW(give_pop3_client, mailmod_pop3_client_new)
GIVE_NEW(give_proxy, mailmod_proxy_new)
#undef GIVE_NEW

static enum mailmod_error give_address(const void *given)
{
    char path[2048];
    return mailmod_address_write(given, path, sizeof path);
}

static void test_given(void **state)
{
    const struct mailmod_smtp_server_options server = {.host_name = "a"};
    const struct mailmod_smtp_client_options client = {.host_name = "a"};
    const struct mailmod_pop3_server_options pop3 = {.host_name = "a"};
    const struct mailmod_pop3_client_options pop3_client_options = {.flags = 0};
    const struct mailmod_proxy_options proxy_options = {.host = "a",
                                                        .port = 25};
    const struct mailmod_address address = {.local_part = "a", .domain = "b"};
    const struct {
        const void *known;
        size_t size_1;
        enum mailmod_error (*call)(const void *given);
    } given_ones[] = {
        {&server, sizeof(struct old_smtp_server_options), give_smtp_server},
        {&client, sizeof(struct old_smtp_client_options), give_smtp_client},
        {&pop3, sizeof(struct old_pop3_server_options), give_pop3_server},
        {&pop3_client_options, sizeof(struct old_pop3_client_options),
         give_pop3_client},
        {&proxy_options, sizeof(struct old_proxy_options), give_proxy},
        {&address, sizeof(struct old_address), give_address},
    };
    (void)state;
    for (size_t i = 0; i < sizeof given_ones / sizeof given_ones[0]; i++) {
        size_t size = given_ones[i].size_1;
        assert_int_equal(
            give(given_ones[i].known, size, size, given_ones[i].call),
            MAILMOD_OK);
        assert_int_equal(
            give(given_ones[i].known, size, size + 32, given_ones[i].call),
            MAILMOD_OK);
        assert_int_equal(
            give(given_ones[i].known, size, size - 1, given_ones[i].call),
            MAILMOD_ERROR_ARGUMENT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lent),
        cmocka_unit_test(test_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
