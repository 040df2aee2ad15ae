/* test_outbound.c - the pump: kept connections, limits, stop and cut, reload,
 * clocks. Attacks 65, 66, 70, 83, 85, 86; T-051, T-067. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "post/destination.h"
#include "rig.h"

#define HOST "192.0.2.1:25"
#define OTHER "192.0.2.2:25"

static void open_with(struct rig *rig, const char *const *settings,
                      const struct fake_host *given)
{
    struct fake_host host = *given;
    struct fake_host other = {.address = OTHER};
    host.address = HOST;
    rig_open(rig, settings);
    fake_dns_mx("x.net", "10 mx.x.net");
    fake_dns_addresses("mx.x.net", "192.0.2.1");
    fake_dns_mx("y.net", "10 mx.y.net");
    fake_dns_addresses("mx.y.net", "192.0.2.2");
    fake_add_host(&host);
    fake_add_host(&other);
}

static const struct fake_host whole = {.extensions = "PIPELINING"};

static void send_to(struct rig *rig, const char *recipient)
{
    struct rig_message message = {.recipients = recipient};
    rig_send(rig, &message);
}

/* T-051: what waits goes over one connection; MAIL after MAIL, no RSET. */
static void test_reuse(void **state)
{
    (void)state;
    static const char *const settings[] = {"queue.destination_max=1", NULL};
    struct rig rig;
    open_with(&rig, settings, &whole);
    for (unsigned i = 0; i < 10; i++) {
        send_to(&rig, "a@x.net");
    }
    fake_run(5000);
    assert_int_equal(rig_count(&rig), 0);
    assert_int_equal(fake_taken(HOST), 10);
    assert_int_equal(fake_connections(HOST), 1);
    assert_null(strstr(fake_said(NULL), "RSET"));
    /* Idle for idle_timeout, then QUIT. */
    assert_int_equal(fake_open_connections(), 1);
    send_to(&rig, "b@x.net");
    fake_run(5000);
    assert_int_equal(fake_connections(HOST), 1);
    assert_int_equal(fake_taken(HOST), 11);
    fake_run(11000);
    assert_int_equal(fake_open_connections(), 0);
    assert_int_equal(rig_count_text(fake_said(NULL), "QUIT"), 1);
    rig_close(&rig);
}

/* A kept connection that goes to another destination (of the same loop) is
 * heard there. */
static void test_reuse_is_heard(void **state)
{
    (void)state;
    static const char *const settings[] = {"queue.destination_max=1", NULL};
    struct rig rig;
    open_with(&rig, settings, &whole);
    fake_dns_mx("z.net", "10 mx.x.net");
    fake_log_from(MM_LOG_WIRE);
    send_to(&rig, "a@x.net");
    fake_run(2000);
    send_to(&rig, "b@z.net");
    fake_run(2000);
    assert_int_equal(rig_count_text(fake_log_text(), "RCPT TO:<a@x.net>"), 1);
    assert_int_equal(rig_count_text(fake_log_text(), "RCPT TO:<b@z.net>"), 1);
    rig_close(&rig);
}

/* One message that fails does not touch the next on the same connection. */
static void test_reuse_after_failure(void **state)
{
    (void)state;
    static const char *const settings[] = {"queue.destination_max=1", NULL};
    static const struct fake_host picky = {
        .rules = {{"RCPT TO:<a", "550 5.1.1 no\r\n", 0, 0, 0},
                  {"RCPT TO:<b", "450 4.2.1 no\r\n", 0, 0, 0}}};
    struct rig rig;
    open_with(&rig, settings, &picky);
    send_to(&rig, "a@x.net");
    send_to(&rig, "b@x.net");
    send_to(&rig, "c@x.net");
    fake_run(5000);
    assert_int_equal(fake_taken(HOST), 1);
    assert_int_equal(fake_connections(HOST), 1);
    assert_string_equal(rig_row(&rig, "b@x.net"), "mx.x.net: 450 4.2.1 no");
    rig_close(&rig);
}

/* A kept connection that the host has left is no failure of the message. */
static void test_kept_connection_dies(void **state)
{
    (void)state;
    struct rig rig;
    static const struct fake_host shy = {
        .rules = {{"MAIL FROM:<" SENDER ">", "250 ok\r\n", 0, 1, 0},
                  {"MAIL", "421 4.7.0 one is enough\r\n", FAKE_REPLY_AND_CLOSE,
                   1, 0}}};
    open_with(&rig, NULL, &shy);
    send_to(&rig, "a@x.net");
    fake_run(2000);
    assert_int_equal(fake_taken(HOST), 1);
    send_to(&rig, "b@x.net"); /* 421 on the kept one, a new one takes it */
    fake_run(2000);
    assert_int_equal(fake_taken(HOST), 2);
    assert_int_equal(fake_connections(HOST), 2);
    fake_drop_connections();
    send_to(&rig, "c@x.net");
    fake_run(2000);
    assert_int_equal(fake_taken(HOST), 3);
    assert_int_equal(rig_count(&rig), 0);
    rig_close(&rig);
}

/* T-067: places to one destination and in all. */
static void test_limits(void **state)
{
    (void)state;
    static const char *const settings[] = {"queue.destination_max=3",
                                           "queue.attempts_max=5",
                                           "delivery.idle_timeout=0s", NULL};
    static const struct fake_host slow = {
        .rules = {{"", "220 at last\r\n", 0, 0, MINUTE_MS}}};
    struct rig rig;
    open_with(&rig, settings, &slow);
    for (unsigned i = 0; i < 20; i++) {
        send_to(&rig, "a@x.net");
    }
    fake_run(30000);
    assert_int_equal(fake_open_connections(), 3);
    for (unsigned i = 0; i < 20; i++) {
        send_to(&rig, "a@y.net");
    }
    fake_run(10000);
    assert_int_equal(fake_taken(OTHER), 20); /* nobody waits for the slow */
    assert_true(fake_open_connections() <= 5);
    fake_run(HOUR_MS);
    assert_int_equal(fake_taken(HOST), 20);
    assert_int_equal(rig_count(&rig), 0);
    rig_close(&rig);
}

/* Attack 65, BUG-15. */
static void test_dead_destination(void **state)
{
    (void)state;
    static const struct fake_host dead = {.manner = FAKE_HANGS};
    struct rig rig;
    open_with(&rig, NULL, &dead);
    for (unsigned i = 0; i < 300; i++) {
        send_to(&rig, "a@x.net");
    }
    send_to(&rig, "a@y.net");
    fake_run(1000);
    assert_int_equal(fake_taken(OTHER), 1);
    fake_run((uint64_t)23 * HOUR_MS);
    /* Five at first, then one a step: 5, 10, 20, 40, 60, 120 minutes ... */
    assert_in_range(fake_connections(HOST), 14, 22);
    assert_int_equal(rig_count(&rig), 600); /* 300 delay notices */
    rig_close(&rig);
}

/* Attack 66. */
static void test_greylisting(void **state)
{
    (void)state;
    static const struct fake_host grey = {
        .rules = {{"RCPT", "450 4.7.1 greylisted\r\n", 0, 1, 0}}};
    struct rig rig;
    open_with(&rig, NULL, &grey);
    send_to(&rig, "a@x.net");
    fake_run(5 * MINUTE_MS - 2000);
    assert_int_equal(fake_taken(HOST), 0);
    fake_run(4000);
    assert_int_equal(fake_taken(HOST), 1);
    assert_int_equal(rig_count(&rig), 0);
    rig_close(&rig);
}

static void test_stop_lets_end(void **state)
{
    (void)state;
    static const char *const settings[] = {"queue.destination_max=1", NULL};
    static const struct fake_host slow = {
        .rules = {{".", "250 taken\r\n", 0, 0, MINUTE_MS}}};
    struct rig rig;
    open_with(&rig, settings, &slow);
    send_to(&rig, "a@x.net");
    send_to(&rig, "b@x.net");
    fake_run(5000);
    mm_outbound_stop(rig.outbound);
    mm_outbound_stop(rig.outbound);
    fake_run(10000);
    assert_true(mm_outbound_busy(rig.outbound) > 0);
    fake_run(2 * MINUTE_MS);
    assert_int_equal(mm_outbound_busy(rig.outbound), 0);
    assert_int_equal(fake_taken(HOST), 1); /* and no second one began */
    assert_int_equal(rig_count(&rig), 1);
    assert_int_equal(rig_recipient(&rig, "b@x.net").attempts, 0);
    send_to(&rig, "c@x.net");
    fake_run(HOUR_MS);
    assert_int_equal(rig_count(&rig), 2);
    rig_close(&rig);
}

/* In every phase: nothing hangs, nothing leaks, the message stays queued. */
static void test_cut_anywhere(void **state)
{
    (void)state;
    static const char *const stops[] = {"",     "EHLO", "MAIL", "RCPT",
                                        "DATA", ".",    "QUIT"};
    for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
        struct fake_host host = {.rules = {{stops[i], "", FAKE_SILENCE, 0, 0}}};
        struct rig rig;
        open_with(&rig, NULL, &host);
        send_to(&rig, "a@x.net");
        fake_run(5000);
        bool is_sent = strcmp(stops[i], "QUIT") == 0;
        assert_int_equal(mm_outbound_busy(rig.outbound) > 0, !is_sent);
        mm_outbound_cut(rig.outbound);
        fake_run(100);
        assert_int_equal(mm_outbound_busy(rig.outbound), 0);
        assert_int_equal(fake_open_connections(), 0);
        assert_int_equal(rig_count(&rig), is_sent ? 0 : 1);
        if (!is_sent) {
            /* The host has all of it: that is remembered. */
            bool is_unsure = strcmp(stops[i], ".") == 0;
            struct mm_store_recipient row = rig_recipient(&rig, "a@x.net");
            assert_int_equal(row.attempts, is_unsure);
            assert_int_equal(row.unsure_host[0] != '\0', is_unsure);
        }
        rig_close(&rig);
    }
}

/* Cut at each of the first moments of an attempt. */
static void test_cut_at_each_moment(void **state)
{
    (void)state;
    for (uint64_t at_ms = 0; at_ms < 40; at_ms++) {
        struct rig rig;
        open_with(&rig, NULL, &whole);
        send_to(&rig, "a@x.net");
        fake_run(at_ms);
        mm_outbound_cut(rig.outbound);
        fake_run(1000);
        assert_int_equal(mm_outbound_busy(rig.outbound), 0);
        assert_int_equal(fake_open_connections(), 0);
        rig_close(&rig);
    }
}

static void test_deleted_while_sent(void **state)
{
    (void)state;
    static const char *const stops[] = {"", "RCPT", "DATA", "."};
    for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
        struct fake_host host = {
            .rules = {{stops[i], "250 ok\r\n", 0, 0, 5000}}};
        struct rig rig;
        if (strcmp(stops[i], "") == 0) {
            host.rules[0].reply = "220 ok\r\n";
        } else if (strcmp(stops[i], "DATA") == 0) {
            host.rules[0].reply = "354 ok\r\n";
        }
        open_with(&rig, NULL, &host);
        struct rig_message message = {.recipients = "a@x.net"};
        uint64_t id = rig_send(&rig, &message);
        fake_run(2000);
        rig_act(&rig, id, MAILMOD_QUEUE_DELETE);
        fake_run(MINUTE_MS);
        assert_int_equal(rig_count(&rig), 0);
        assert_int_equal(mm_outbound_busy(rig.outbound), 0);
        /* Sent whole when it was read already, else not at all. */
        assert_int_equal(fake_taken(HOST), strcmp(stops[i], ".") == 0);
        rig_close(&rig);
    }
}

/* The queue takes them out: each is told once as final. */
static void test_taken_out(void **state)
{
    (void)state;
    static const char *const stops[] = {"RCPT", "."};
    static const char removed[] =
        "outcome a@x.net 2 5.0.0 taken out of the queue by an operator final";
    for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
        struct fake_host host = {
            .rules = {{stops[i], "250 ok\r\n", 0, 0, 5000}}};
        struct rig rig;
        open_with(&rig, NULL, &host);
        struct rig_message message = {.recipients = "a@x.net"};
        uint64_t id = rig_send(&rig, &message);
        size_t count;
        fake_run(2000);
        assert_int_equal(mm_outbound_remove(rig.outbound, id, &count),
                         MAILMOD_OK);
        assert_int_equal(count, 1);
        assert_int_equal(rig_count_text(rig.told, " final"), 0);
        fake_run(MINUTE_MS);
        assert_int_equal(rig_count_text(rig.told, " final"), 1);
        assert_int_equal(rig_count_text(rig.told, removed),
                         fake_taken(HOST) == 0);
        rig_close(&rig);
    }
    static const struct fake_host dead = {.manner = FAKE_REFUSES};
    struct rig rig;
    open_with(&rig, NULL, &dead);
    struct rig_message message = {.recipients = "a@x.net, b@x.net"};
    rig_send(&rig, &message);
    fake_run(5000);
    size_t count;
    assert_int_equal(mm_outbound_remove(rig.outbound, 0, &count), MAILMOD_OK);
    assert_int_equal(count, 2);
    assert_int_equal(rig_count(&rig), 0);
    assert_int_equal(rig_count_text(rig.told, " final"), 2);
    assert_int_equal(rig_count_text(rig.told, removed), 1);
    rig_close(&rig);
}

static void test_holds_and_flush(void **state)
{
    (void)state;
    static const struct fake_host dead = {.manner = FAKE_REFUSES};
    struct rig rig;
    open_with(&rig, NULL, &dead);
    struct rig_message message = {.recipients = "a@x.net"};
    uint64_t id = rig_send(&rig, &message);
    fake_run(5000);
    assert_int_equal(fake_connections(HOST), 1);
    rig_act(&rig, id, MAILMOD_QUEUE_FLUSH);
    mm_outbound_flush(rig.outbound);
    fake_run(5000);
    assert_int_equal(fake_connections(HOST), 2);
    rig_act(&rig, id, MAILMOD_QUEUE_HOLD);
    fake_run(HOUR_MS);
    assert_int_equal(fake_connections(HOST), 2);
    rig_close(&rig);
}

/* A tool beside us: what it flushes is tried at once, its other changes forget
 * no back-off. */
static void test_flush_by_a_tool(void **state)
{
    (void)state;
    static const struct fake_host dead = {.manner = FAKE_REFUSES};
    struct rig rig;
    open_with(&rig, NULL, &dead);
    struct rig_message message = {.recipients = "a@x.net"};
    uint64_t id = rig_send(&rig, &message);
    fake_run(5000);
    assert_int_equal(fake_connections(HOST), 1);
    struct rig_message other = {.recipients = "b@x.net"};
    uint64_t held = rig_send(&rig, &other);
    rig_act(&rig, held, MAILMOD_QUEUE_HOLD);
    fake_run(20000);
    assert_int_equal(fake_connections(HOST), 1);
    rig_act(&rig, id, MAILMOD_QUEUE_FLUSH);
    fake_run(6000);
    assert_int_equal(fake_connections(HOST), 2);
    fake_run(20000);
    assert_int_equal(fake_connections(HOST), 2);
    rig_act(&rig, held, MAILMOD_QUEUE_RELEASE);
    fake_run(6000);
    assert_int_equal(fake_connections(HOST), 3);
    rig_close(&rig);
}

/* Attack 70 and a change of the way: what waits takes the new one. */
static void test_reload(void **state)
{
    (void)state;
    static const char *const relay[] = {"smarthost.host=Relay.example.net",
                                        "smarthost.port=587",
                                        "smarthost.tls=off", NULL};
    static const char *const broken[] = {
        "smarthost.host=relay.example.net", "smarthost.tls=must",
        "smarthost.authority_file=/nowhere/ca.pem", NULL};
    static const struct fake_host dead = {.manner = FAKE_REFUSES};
    struct fake_host host = {.address = "192.0.2.9:587"};
    struct rig rig;
    open_with(&rig, NULL, &dead);
    fake_dns_addresses("relay.example.net", "192.0.2.9");
    fake_add_host(&host);
    send_to(&rig, "a@x.net");
    fake_run(5000);
    assert_int_equal(fake_connections(HOST), 1);
    struct mm_config *config = test_config(broken);
    struct mm_buf reason;
    mm_buf_init(&reason, 1000);
    assert_int_equal(rig_reload(&rig, config, &reason), MAILMOD_ERROR_CONFIG);
    assert_string_equal(mm_buf_cstr(&reason), "/nowhere/ca.pem");
    mm_buf_fini(&reason);
    mm_config_unref(&config);
    config = test_config(relay);
    assert_int_equal(rig_reload(&rig, config, NULL), MAILMOD_OK);
    fake_run(1000);
    assert_string_equal(rig_recipient(&rig, "a@x.net").destination,
                        "relay.example.net");
    fake_run(6 * MINUTE_MS);
    assert_int_equal(fake_taken("192.0.2.9:587"), 1);
    assert_int_equal(rig_count(&rig), 0);
    /* O18: no attempt has the old destination and the new host. */
    assert_null(strstr(fake_log_text(), "destination=x.net host=relay"));
    assert_int_equal(rig_reload(&rig, rig.config, NULL), MAILMOD_OK);
    mm_config_unref(&config);
    send_to(&rig, "a@y.net");
    fake_run(5000);
    assert_int_equal(fake_taken(OTHER), 1);
    rig_close(&rig);
}

/* A new way at each of the first moments of eight attempts, wherever they are:
 * claimed, in the box of a loop, on the line. */
static void test_reload_at_each_moment(void **state)
{
    (void)state;
    static const char *const relay[] = {"smarthost.host=relay.example.net",
                                        "smarthost.port=587", NULL};
    struct fake_host host = {.address = "192.0.2.9:587"};
    for (uint64_t at_ms = 0; at_ms < 20; at_ms++) {
        struct rig rig;
        open_with(&rig, NULL, &whole);
        fake_dns_addresses("relay.example.net", "192.0.2.9");
        fake_add_host(&host);
        struct mm_config *config = test_config(relay);
        for (unsigned i = 0; i < 8; i++) {
            send_to(&rig, i % 2 == 0 ? "a@x.net" : "a@y.net");
        }
        fake_run(at_ms);
        assert_int_equal(rig_reload(&rig, config, NULL), MAILMOD_OK);
        mm_config_unref(&config);
        fake_run(MINUTE_MS);
        assert_int_equal(rig_count(&rig), 0);
        assert_int_equal(fake_taken(HOST) + fake_taken(OTHER) +
                             fake_taken("192.0.2.9:587"),
                         8);
        assert_int_equal(rig_count_text(rig.told, " final"), 8);
        assert_null(strstr(fake_log_text(), "destination=x.net host=relay"));
        assert_null(
            strstr(fake_log_text(), "destination=relay.example.net host=mx."));
        rig_close(&rig);
    }
}

static void test_queue_holds(void **state)
{
    (void)state;
    static const char *const settings[] = {"queue.holds=true", NULL};
    struct rig rig;
    open_with(&rig, settings, &whole);
    send_to(&rig, "a@x.net");
    fake_run(HOUR_MS);
    assert_int_equal(fake_connections(HOST), 0);
    struct mm_config *config = test_config(NULL);
    assert_int_equal(rig_reload(&rig, config, NULL), MAILMOD_OK);
    mm_config_unref(&config);
    fake_run(5000);
    assert_int_equal(fake_taken(HOST), 1);
    rig_close(&rig);
}

static void test_destination_names(void **state)
{
    (void)state;
    static const char *const relay[] = {"smarthost.host=Relay.Example.Net",
                                        NULL};
    char text[MM_STORE_DESTINATION_MAX];
    struct mm_config *config = test_config(NULL);
    mm_destination_of(config, "X.Net", text);
    assert_string_equal(text, "x.net");
    mm_destination_of(config, "[IPv6:2001:db8::1]", text);
    assert_string_equal(text, "[ipv6:2001:db8::1]");
    mm_config_unref(&config);
    config = test_config(relay);
    mm_destination_of(config, "x.net", text);
    assert_string_equal(text, "relay.example.net");
    mm_config_unref(&config);
}

/* Attack 83: set back a day while mail waits, and ahead a year. */
static void test_clocks(void **state)
{
    (void)state;
    static const struct fake_host busy = {
        .rules = {{"RCPT", "450 4.2.1 no\r\n", 0, 3, 0}}};
    static const int64_t shifts[] = {-(int64_t)24 * HOUR_MS,
                                     (int64_t)365 * 24 * HOUR_MS};
    for (size_t i = 0; i < 2; i++) {
        struct rig rig;
        open_with(&rig, NULL, &busy);
        send_to(&rig, "a@x.net");
        fake_run(MINUTE_MS);
        assert_int_equal(rig_recipient(&rig, "a@x.net").attempts, 1);
        fake_shift_wall(shifts[i]);
        fake_run(MINUTE_MS);
        assert_true(fake_connections(HOST) <= 2); /* no storm */
        fake_run((uint64_t)2 * HOUR_MS);
        if (shifts[i] < 0) {
            assert_int_equal(rig_count(&rig), 0); /* delivered */
            assert_int_equal(fake_taken(HOST), 1);
        } else {
            /* A year is over: tried once more, then told to the sender. */
            assert_string_equal(rig_row(&rig, "a@x.net"), "gone");
            char *report = rig_take_report(&rig, SENDER);
            assert_non_null(report);
            mm_free(report);
        }
        rig_close(&rig);
    }
}

/* No worker free: it is asked again, nothing is lost or hangs. */
static void test_full_workers(void **state)
{
    (void)state;
    struct rig rig;
    open_with(&rig, NULL, &whole);
    fake_set_workers_full(true);
    send_to(&rig, "a@x.net");
    fake_run(MINUTE_MS);
    assert_int_equal(fake_taken(HOST), 0);
    fake_set_workers_full(false);
    fake_run(5000);
    assert_int_equal(fake_taken(HOST), 1);
    assert_int_equal(rig_count(&rig), 0);
    rig_close(&rig);
}

/* One line a fact, with the stable keys. */
static void test_log(void **state)
{
    (void)state;
    struct rig rig;
    open_with(&rig, NULL, &whole);
    send_to(&rig, "a@x.net");
    fake_run(5000);
    static const char *const keys[] = {
        "delivery: delivered session=", " message=",      " recipient=a@x.net",
        " destination=x.net",           " host=mx.x.net", " dsn=2.0.0",
        " reply=\"250 taken\"",         " delay_ms=",     " attempts=1\n"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strstr(fake_log_text(), keys[i]) == NULL) {
            fail_msg("%s: %s", keys[i], fake_log_text());
        }
    }
    assert_int_equal(rig_count_text(fake_log_text(), "delivered"), 1);
    rig_close(&rig);
}

/* S06: what the check of the configuration takes is where mail goes. */
static void test_S06_relay_by_address(void **state)
{
    (void)state;
    static const struct {
        const char *setting;
        const char *destination;
    } rows[] = {{"smarthost.host=192.0.2.9", "192.0.2.9"},
                {"smarthost.host=[192.0.2.9]", "192.0.2.9"},
                {"smarthost.host=2001:db8::9", "[2001:db8::9]"},
                {"smarthost.host=[2001:DB8::9]", "[2001:db8::9]"},
                {"smarthost.host=[IPv6:2001:db8::9]", "[2001:db8::9]"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *settings[] = {rows[i].setting, "smarthost.tls=off", NULL};
        struct fake_host v4 = {.address = "192.0.2.9:587"};
        struct fake_host v6 = {.address = "[2001:db8::9]:587"};
        struct rig rig;
        rig_open(&rig, settings);
        fake_add_host(&v4);
        fake_add_host(&v6);
        char text[MM_STORE_DESTINATION_MAX];
        mm_destination_of(rig.config, "x.net", text);
        assert_string_equal(text, rows[i].destination);
        struct rig_message message = {.recipients = "a@x.net"};
        rig_send(&rig, &message);
        fake_run(MINUTE_MS);
        assert_int_equal(fake_taken(v4.address) + fake_taken(v6.address), 1);
        assert_int_equal(fake_dns_questions(), 0);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reuse),
        cmocka_unit_test(test_reuse_is_heard),
        cmocka_unit_test(test_reuse_after_failure),
        cmocka_unit_test(test_kept_connection_dies),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_dead_destination),
        cmocka_unit_test(test_greylisting),
        cmocka_unit_test(test_stop_lets_end),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_cut_at_each_moment),
        cmocka_unit_test(test_deleted_while_sent),
        cmocka_unit_test(test_taken_out),
        cmocka_unit_test(test_holds_and_flush),
        cmocka_unit_test(test_flush_by_a_tool),
        cmocka_unit_test(test_S06_relay_by_address),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_reload_at_each_moment),
        cmocka_unit_test(test_queue_holds),
        cmocka_unit_test(test_destination_names),
        cmocka_unit_test(test_clocks),
        cmocka_unit_test(test_full_workers),
        cmocka_unit_test(test_log),
    };
    int failures = cmocka_run_group_tests_name("one loop", tests, NULL, NULL);
    rig_set_loops(4);
    return failures +
           cmocka_run_group_tests_name("four loops", tests, NULL, NULL);
}
