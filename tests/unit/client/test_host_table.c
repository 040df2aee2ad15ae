/* test_host_table.c - S12, S22, D21: connections shared by mail host, and
 * attempts that wait in silence beside those that come on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

#define HOST "192.0.2.1:25"

static void send_to(struct rig *rig, const char *domain, int number)
{
    char path[64];
    snprintf(path, sizeof path, "u@%s%d.net", domain, number);
    struct rig_message message = {.recipients = path};
    rig_send(rig, &message);
}

/* `count` domains with one MX, and a message to each, put in while nothing
 * runs. */
static void open_domains(struct rig *rig, const struct fake_host *given,
                         int count)
{
    static const char *const holds[] = {"queue.holds=true", NULL};
    struct fake_host host = *given;
    host.address = HOST;
    rig_open(rig, holds);
    fake_dns_addresses("mx.big.net", "192.0.2.1");
    fake_add_host(&host);
    for (int i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "d%d.net", i);
        fake_dns_mx(name, "10 mx.big.net");
        send_to(rig, "d", i);
    }
    struct mm_config *config = test_config(NULL);
    assert_int_equal(mm_outbound_reload(rig->outbound, config, NULL),
                     MAILMOD_OK);
    mm_config_unref(&config);
}

/* Thirty domains share what their host takes, be it less than we would. */
static void test_S12_host_takes_less(void **state)
{
    (void)state;
    static const unsigned takes[] = {1, 3, 10, 30};
    for (size_t i = 0; i < sizeof takes / sizeof takes[0]; i++) {
        struct rig rig;
        struct fake_host host = {.open_max = takes[i]};
        open_domains(&rig, &host, 30);
        fake_run(20000);
        if (fake_taken(HOST) != 30 || rig_count(&rig) != 0) {
            fail_msg("%u: %u taken\n%s", takes[i], fake_taken(HOST),
                     fake_log_text());
        }
        assert_null(strstr(fake_log_text(), "deferred"));
        /* queue.host_max, or what the host showed, and its refusals. */
        if (fake_connections(HOST) > 20) {
            fail_msg("%u: %u connections\n%s", takes[i], fake_connections(HOST),
                     fake_log_text());
        }
        rig_close(&rig);
    }
}

/* A kept connection serves the next domain of its host. */
static void test_S12_reuse(void **state)
{
    (void)state;
    struct rig rig;
    struct fake_host host = {.extensions = "PIPELINING"};
    open_domains(&rig, &host, 0);
    for (int i = 0; i < 20; i++) {
        char name[32];
        snprintf(name, sizeof name, "d%d.net", i);
        fake_dns_mx(name, "10 mx.big.net");
        send_to(&rig, "d", i);
        fake_run(2000);
    }
    assert_int_equal(fake_taken(HOST), 20);
    assert_int_equal(fake_connections(HOST), 1);
    rig_close(&rig);
}

/* A handed-over connection that died meanwhile costs nothing but a dial. */
static void test_S12_dead_connection(void **state)
{
    (void)state;
    static const struct fake_rule gone = {"MAIL", "", FAKE_CLOSE, 0, 0};
    struct rig rig;
    struct fake_host host = {.extensions = ""};
    open_domains(&rig, &host, 2);
    fake_limit_session(HOST, 1, &gone);
    fake_run(10000);
    assert_int_equal(fake_taken(HOST), 2);
    assert_int_equal(rig_count(&rig), 0);
    rig_close(&rig);
}

/* D21: names that nobody answers for, and a live one behind all of them. */
static void test_S22_silence_holds_up_nobody(void **state)
{
    (void)state;
    struct rig rig;
    struct fake_host host = {.extensions = ""};
    open_domains(&rig, &host, 0);
    for (int i = 0; i < 300; i++) {
        char name[32];
        snprintf(name, sizeof name, "s%d.net", i);
        fake_dns_silence(name);
        send_to(&rig, "s", i);
    }
    fake_dns_mx("live0.net", "10 mx.big.net");
    send_to(&rig, "live", 0);
    fake_run(15000);
    assert_int_equal(fake_taken(HOST), 1);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_S12_host_takes_less),
        cmocka_unit_test(test_S12_reuse),
        cmocka_unit_test(test_S12_dead_connection),
        cmocka_unit_test(test_S22_silence_holds_up_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
