/* test_dialler.c - straight and through a proxy: what the owner hears, once;
 * the proxy's addresses one after another, a time for each step, a stop at any
 * moment, no memory at any moment. */
#include "client/dialler.h"
#include "fake_io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define OPENED                                                                 \
    {                                                                          \
        {"", "", FAKE_REPLY, 1, 0}, {"CONNECT", "", FAKE_REPLY, 0, 0},         \
            {"Host", "", FAKE_REPLY, 0, 0},                                    \
            {"", "HTTP/1.1 200 OK\r\n\r\n220 mx\r\n", FAKE_REPLY, 0, 0},       \
    }
#define SILENT                                                                 \
    {                                                                          \
        {                                                                      \
            "", "", FAKE_SILENCE, 0, 0                                         \
        }                                                                      \
    }

struct owner {
    struct mm_dialler dialler;
    struct mm_conn *conn;
    unsigned opened;
    unsigned failed;
    unsigned closed;
    enum mailmod_error error;
    char words[700];
    char heard[100];
};

static void on_open(void *context, struct mm_conn *conn)
{
    struct owner *owner = context;
    owner->conn = conn;
    owner->opened++;
}

static size_t on_input(void *context, struct mm_conn *conn, const char *bytes,
                       size_t size)
{
    struct owner *owner = context;
    size_t used = strlen(owner->heard);
    assert_ptr_equal(conn, owner->conn);
    assert_true(used + size < sizeof owner->heard);
    memcpy(owner->heard + used, bytes, size);
    return size;
}

static void on_closed(void *context, struct mm_conn *conn,
                      enum mailmod_error reason)
{
    struct owner *owner = context;
    (void)reason;
    assert_ptr_equal(conn, owner->conn);
    owner->conn = NULL;
    owner->closed++;
}

static void on_failed(void *context, enum mailmod_error error,
                      const char *words)
{
    struct owner *owner = context;
    owner->failed++;
    owner->error = error;
    assert_true(
        mm_span_copy(mm_span_cstr(words), owner->words, sizeof owner->words));
}

static const struct mm_conn_handler handler = {
    .on_open = on_open, .on_input = on_input, .on_closed = on_closed};

static struct mm_config_proxy proxy_at(const char *host)
{
    struct mm_config_proxy proxy = {.choice = MM_CONFIG_PROXY_OWN,
                                    .kind = MM_CONFIG_PROXY_HTTP,
                                    .port = 3128};
    assert_true(
        mm_span_copy(mm_span_cstr(host), proxy.host, sizeof proxy.host));
    return proxy;
}

static enum mailmod_error start(struct owner *owner,
                                const struct mm_config_proxy *proxy)
{
    struct mm_dialler_options options = {.loop = fake_loop(),
                                         .target.host = "mx.example",
                                         .timeout_ms = 30000,
                                         .proxy = proxy,
                                         .proxy_ms = 5000,
                                         .handler = &handler,
                                         .on_failed = on_failed,
                                         .context = owner};
    if (proxy == NULL) {
        assert_true(mm_netaddr_parse_ip(mm_span_cstr("192.0.2.9"),
                                        &options.target.address));
    }
    options.target.address.port = 25;
    memset(owner, 0, sizeof *owner);
    return mm_dialler_start(&owner->dialler, &options);
}

static void leave(struct owner *owner)
{
    if (owner->conn != NULL) {
        mm_conn_abort(owner->conn);
        fake_run(1000);
    }
    assert_null(owner->conn);
    assert_int_equal(owner->closed, owner->opened);
}

static void test_through(void **state)
{
    const struct fake_host host = {.address = "192.0.2.1:3128",
                                   .rules = OPENED};
    const struct mm_config_proxy proxy = proxy_at("192.0.2.1");
    struct owner owner;
    (void)state;
    fake_open(NULL);
    fake_add_host(&host);
    assert_int_equal(start(&owner, &proxy), MAILMOD_OK);
    assert_int_equal(owner.opened + owner.failed, 0); /* not inside the call */
    fake_run(1000);
    assert_int_equal(owner.opened, 1);
    assert_int_equal(owner.failed, 0);
    assert_string_equal(owner.heard, "220 mx\r\n"); /* it came behind */
    assert_string_equal(fake_said("192.0.2.1:3128"),
                        "CONNECT mx.example:25 HTTP/1.1\n"
                        "Host: mx.example:25\n\n");
    leave(&owner);
    fake_close();
}

static void test_straight(void **state)
{
    const struct fake_host host = {.address = "192.0.2.9:25"};
    struct owner owner;
    (void)state;
    fake_open(NULL);
    assert_int_equal(start(&owner, NULL), MAILMOD_OK);
    fake_run(1000);
    assert_int_equal(owner.failed, 1);
    assert_int_equal(owner.error, MAILMOD_ERROR_CONNECTION_REFUSED);
    fake_add_host(&host);
    assert_int_equal(start(&owner, NULL), MAILMOD_OK);
    fake_run(1000);
    assert_int_equal(owner.opened, 1);
    leave(&owner);
    fake_close();
}

/* The proxy's name: its addresses, until one takes the connection. */
static void test_named_proxy(void **state)
{
    const struct fake_host host = {.address = "192.0.2.2:3128",
                                   .rules = OPENED};
    const struct mm_config_proxy proxy = proxy_at("proxy.example");
    const struct mm_config_proxy nobody = proxy_at("no.example");
    struct owner owner;
    (void)state;
    fake_open(NULL);
    fake_add_host(&host);
    fake_dns_addresses("proxy.example", "192.0.2.1, 192.0.2.2");
    assert_int_equal(start(&owner, &proxy), MAILMOD_OK);
    fake_run(1000);
    assert_int_equal(owner.opened, 1);
    leave(&owner);
    fake_remove_hosts();
    assert_int_equal(start(&owner, &proxy), MAILMOD_OK);
    fake_run(1000);
    assert_int_equal(owner.failed, 1);
    assert_int_equal(owner.error, MAILMOD_ERROR_PROXY);
    assert_non_null(strstr(owner.words, "the proxy proxy.example:3128: "));
    assert_int_equal(start(&owner, &nobody), MAILMOD_OK);
    fake_run(1000);
    assert_string_equal(owner.words, "the proxy no.example:3128: no address of "
                                     "it is known");
    fake_close();
}

/* Octets now and then do not make a step longer. */
static void test_steps_end(void **state)
{
    static const struct fake_host hosts[] = {
        {.address = "192.0.2.1:3128", .rules = SILENT},
        {.address = "192.0.2.1:3128",
         .rules = {{"", "", FAKE_REPLY, 1, 0},
                   {"CONNECT", "HTTP/1.1 2", FAKE_REPLY, 0, 3000},
                   {"Host", "00 OK", FAKE_REPLY, 0, 4500},
                   {"", "\r\n\r\n", FAKE_REPLY, 0, 9000}}},
        {.address = "192.0.2.1:3128", .manner = FAKE_HANGS}};
    const struct mm_config_proxy proxy = proxy_at("192.0.2.1");
    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        struct owner owner;
        fake_open(NULL);
        fake_add_host(&hosts[i]);
        assert_int_equal(start(&owner, &proxy), MAILMOD_OK);
        fake_run(4900);
        assert_int_equal(owner.failed, 0);
        fake_run(1000);
        assert_int_equal(owner.failed, 1);
        assert_int_equal(owner.error, MAILMOD_ERROR_PROXY);
        fake_run(20000);
        assert_int_equal(owner.failed + owner.opened, 1);
        assert_int_equal(fake_open_connections(), 0);
        fake_close();
    }
}

/* After a stop nothing is heard, whenever it comes. */
static void test_stop(void **state)
{
    const struct fake_host host = {.address = "192.0.2.2:3128",
                                   .rules = OPENED};
    const struct mm_config_proxy proxy = proxy_at("proxy.example");
    (void)state;
    for (uint64_t after_ms = 0; after_ms < 60; after_ms++) {
        struct owner owner;
        fake_open(NULL);
        fake_add_host(&host);
        fake_dns_addresses("proxy.example", "192.0.2.1, 192.0.2.2");
        assert_int_equal(start(&owner, &proxy), MAILMOD_OK);
        fake_run(after_ms);
        unsigned opened = owner.opened;
        mm_dialler_stop(&owner.dialler);
        fake_run(30000);
        assert_int_equal(owner.opened, opened);
        assert_int_equal(owner.failed, 0);
        leave(&owner);
        assert_int_equal(fake_open_connections(), 0);
        fake_close();
    }
}

/* Faults are met inside fake_run alone: the dial begins there. */
struct beginner {
    struct mm_task task;
    struct owner owner;
    struct mm_config_proxy proxy;
    enum mailmod_error error;
};

static void begin(struct mm_task *task)
{
    struct beginner *beginner = MM_LIST_OBJECT(task, struct beginner, task);
    beginner->error = start(&beginner->owner, &beginner->proxy);
}

static bool run_without_memory(unsigned long number)
{
    const struct fake_host host = {.address = "192.0.2.2:3128",
                                   .rules = OPENED};
    struct beginner beginner = {.task.run = begin,
                                .proxy = proxy_at("proxy.example")};
    struct owner *owner = &beginner.owner;
    mm_list_init(&beginner.task.node);
    fake_open(NULL);
    fake_add_host(&host);
    fake_dns_addresses("proxy.example", "192.0.2.1, 192.0.2.2");
    fake_fail_allocation(number);
    mm_loop_post(fake_loop(), &beginner.task);
    fake_run(30000);
    bool is_met = fake_has_failed_allocation();
    fake_fail_allocation(0);
    unsigned ends = beginner.error == MAILMOD_OK ? 1 : 0;
    assert_int_equal(owner->opened + owner->failed, ends);
    leave(owner);
    assert_int_equal(fake_open_connections(), 0);
    fake_close();
    return is_met;
}

static void test_memory(void **state)
{
    unsigned long number = 1;
    (void)state;
    while (run_without_memory(number)) {
        number++;
    }
    assert_true(number > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_through),     cmocka_unit_test(test_straight),
        cmocka_unit_test(test_named_proxy), cmocka_unit_test(test_steps_end),
        cmocka_unit_test(test_stop),        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
