/* test_host_wishes.c - what hosts ask of those who deliver to them: limits of a
 * session (RFC 9422), and the time after which to come again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

/* RFC 9422: recipients a message, messages a connection, as announced; what is
 * not known, or no number, is passed over. */
static void test_limits_are_kept(void **state)
{
    (void)state;
    static const struct {
        const char *limits;
        unsigned taken, connections;
        size_t most; /* recipients of one message */
    } rows[] = {
        {"LIMITS RCPTMAX=2 MAILMAX=2", 3, 2, 2},
        {"LIMITS MAILMAX=1 FUTURE RCPTDOMAINMAX=7 rcptmax=4", 2, 2, 4},
        {"LIMITS RCPTMAX=0 MAILMAX=x", 1, 1, 5},
        {"LIMITS", 1, 1, 5},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static const char *const settings[] = {NULL};
        char extensions[100];
        struct rig rig;
        struct fake_host host = {.address = "192.0.2.1:25",
                                 .extensions = extensions};
        snprintf(extensions, sizeof extensions, "PIPELINING|%s",
                 rows[i].limits);
        rig_open(&rig, settings);
        fake_dns_addresses("x.net", "192.0.2.1");
        fake_add_host(&host);
        struct rig_message message = {
            .recipients = "a@x.net, b@x.net, c@x.net, d@x.net, e@x.net"};
        rig_send(&rig, &message);
        fake_run(60 * 1000);
        size_t count = 0;
        size_t most = 0;
        for (const char *said = fake_said(NULL); *said != '\0';
             said = strchr(said, '\n') + 1) {
            count = strncmp(said, "RCPT", 4) == 0 ? count + 1 : 0;
            most = count > most ? count : most;
        }
        if (fake_taken(host.address) != rows[i].taken ||
            fake_connections(host.address) != rows[i].connections ||
            most != rows[i].most) {
            fail_msg("%s: %u, %u, %zu\n%s", rows[i].limits,
                     fake_taken(host.address), fake_connections(host.address),
                     most, fake_said(NULL));
        }
        assert_string_equal(rig_row(&rig, "e@x.net"), "gone");
        rig_close(&rig);
    }
}

/* RFC 9422, RCPTDOMAINMAX: domains of recipients a session, whatever their
 * letters' case, over several messages, too. */
static void test_domains_are_kept(void **state)
{
    (void)state;
    static const struct {
        const char *limits;
        unsigned taken, connections;
        const char *recipients[2]; /* of two messages, one after the other */
    } rows[] = {
        {"LIMITS RCPTDOMAINMAX=2",
         2,
         2,
         {"a@x.net, b@y.net, c@X.NET, d@z.net, e@z.net", NULL}},
        {"LIMITS RCPTDOMAINMAX=1", 3, 3, {"a@x.net, b@y.net, c@z.net", NULL}},
        {"LIMITS RCPTDOMAINMAX=2", 2, 1, {"a@x.net, b@y.net", "c@y.net"}},
        {"LIMITS RCPTDOMAINMAX=2", 2, 2, {"a@x.net, b@y.net", "c@z.net"}},
        {"LIMITS RCPTDOMAINMAX=0", 1, 1, {"a@x.net, b@y.net", NULL}},
        {"LIMITS RCPTDOMAINMAX=999999", 1, 1, {"a@x.net, b@y.net", NULL}},
    };
    static const char *const settings[] = {"smarthost.host=192.0.2.1",
                                           "smarthost.port=25",
                                           "smarthost.tls=off", NULL};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char extensions[100];
        struct rig rig;
        struct fake_host host = {.address = "192.0.2.1:25",
                                 .extensions = extensions};
        snprintf(extensions, sizeof extensions, "PIPELINING|%s",
                 rows[i].limits);
        rig_open(&rig, settings);
        fake_add_host(&host);
        for (size_t m = 0; m < 2 && rows[i].recipients[m] != NULL; m++) {
            struct rig_message message = {.recipients = rows[i].recipients[m]};
            rig_send(&rig, &message);
            fake_run(2000);
        }
        fake_run(60 * 1000);
        if (fake_taken(host.address) != rows[i].taken ||
            fake_connections(host.address) != rows[i].connections ||
            rig_count(&rig) != 0) {
            fail_msg("row %zu: %u, %u\n%s", i, fake_taken(host.address),
                     fake_connections(host.address), fake_said(NULL));
        }
        rig_close(&rig);
    }
}

/* The operator's own limit of messages over one connection: a setting for all,
 * and a route's word. */
static void test_own_limit(void **state)
{
    (void)state;
    static const struct {
        const char *setting;
        unsigned connections;
    } rows[] = {
        {"delivery.messages_per_connection_max=2", 3},
        {"delivery.routes=name=a to=x.net messages_per_connection=1", 5},
        {"delivery.routes=name=a to=y.net messages_per_connection=1", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *settings[] = {rows[i].setting, NULL};
        struct rig rig;
        struct fake_host host = {.address = "192.0.2.1:25"};
        rig_open(&rig, settings);
        fake_dns_addresses("x.net", "192.0.2.1");
        fake_add_host(&host);
        for (int m = 0; m < 5; m++) {
            struct rig_message message = {.recipients = "a@x.net"};
            rig_send(&rig, &message);
            fake_run(1000);
        }
        assert_int_equal(fake_taken(host.address), 5);
        assert_int_equal(fake_connections(host.address), rows[i].connections);
        assert_int_equal(rig_count(&rig), 0);
        rig_close(&rig);
    }
}

static void send_from(struct rig *rig, const char *sender,
                      const char *recipient)
{
    struct rig_message message = {.reverse_path = sender,
                                  .recipients = recipient};
    rig_send(rig, &message);
}

struct pace_row {
    const char *settings[4];
    unsigned at_once;    /* of six to x.net and two to y.net */
    unsigned after_once; /* when the window is over */
    unsigned after_twice;
};

static void check_pace(const struct pace_row *row)
{
    struct rig rig;
    struct fake_host host = {.address = "192.0.2.1:25"};
    rig_open(&rig, row->settings);
    fake_dns_addresses("x.net", "192.0.2.1");
    fake_dns_addresses("y.net", "192.0.2.1");
    fake_add_host(&host);
    for (int m = 0; m < 6; m++) {
        send_from(&rig, m < 3 ? "u@a.test" : "u@b.test", "r@x.net");
    }
    send_from(&rig, "u@b.test", "r@y.net");
    send_from(&rig, "u@b.test", "r@y.net");
    fake_run(20 * 1000);
    unsigned at_once = fake_taken(host.address);
    fake_run(60 * 1000);
    unsigned after_once = fake_taken(host.address);
    fake_run(60 * 1000);
    unsigned after_twice = fake_taken(host.address);
    if (at_once != row->at_once || after_once != row->after_once ||
        after_twice != row->after_twice) {
        fail_msg("%s: %u, %u, %u\n%s", row->settings[0], at_once, after_once,
                 after_twice, fake_log_text());
    }
    fake_run(10 * 60 * 1000);
    assert_int_equal(fake_taken(host.address), 8);
    assert_int_equal(rig_count(&rig), 0);
    rig_close(&rig);
}

/* So many messages a window and no more, to each domain, or to all relays of a
 * row together; what is over waits and is lost nowhere, and holds up nobody's
 * mail by another way. */
static void test_pace(void **state)
{
    (void)state;
    static const struct pace_row rows[] = {
        {{"queue.messages_max=2", "queue.window=1m", NULL}, 4, 6, 8},
        {{"delivery.routes=name=a to=x.net messages=1 window=1m", NULL},
         3,
         4,
         5},
        {{"delivery.routes=name=a to=* relay=192.0.2.1:25 tls=off messages=3",
          NULL},
         3,
         6,
         8},
        {{"delivery.routes=name=a from=@a.test messages=1 window=1m", NULL},
         6,
         7,
         8},
        {{"queue.messages_max=9", NULL}, 8, 8, 8},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check_pace(&rows[i]);
    }
}

/* What has waited for its turn till its time was over goes back, once the next
 * window has begun with somebody else's. */
static void test_pace_expires(void **state)
{
    (void)state;
    static const char *const settings[] = {
        "queue.messages_max=1", "queue.window=1h", "queue.lifetime=30m",
        "queue.warn_after=0", NULL};
    struct rig rig;
    struct fake_host host = {.address = "192.0.2.1:25"};
    rig_open(&rig, settings);
    fake_dns_addresses("x.net", "192.0.2.1");
    fake_add_host(&host);
    send_from(&rig, "u@a.test", "one@x.net");
    send_from(&rig, "u@a.test", "two@x.net");
    send_from(&rig, "u@a.test", "three@x.net");
    fake_run(50 * 60 * 1000);
    assert_int_equal(fake_taken(host.address), 1);
    fake_run(20 * 60 * 1000);
    assert_int_equal(fake_taken(host.address), 2);
    if (strstr(fake_log_text(), "expired") == NULL ||
        strstr(fake_log_text(), "nothing could be sent to the destination") ==
            NULL) {
        fail_msg("%s", fake_log_text());
    }
    rig_close(&rig);
}

/* Connections at a time by a route's own limit, beside another's. */
static void test_own_connections(void **state)
{
    (void)state;
    static const char *const settings[] = {
        "delivery.routes=name=a to=x.net connections=1", NULL};
    struct rig rig;
    struct fake_host host = {.address = "192.0.2.1:25", .open_max = 1};
    rig_open(&rig, settings);
    fake_dns_addresses("x.net", "192.0.2.1");
    fake_add_host(&host);
    for (int m = 0; m < 5; m++) {
        send_from(&rig, "u@a.test", "r@x.net");
    }
    fake_run(20 * 1000);
    assert_int_equal(fake_taken(host.address), 5);
    /* The host refused none: there was never a second one. */
    assert_null(strstr(fake_log_text(), "host failed"));
    rig_close(&rig);
}

/* Greylisting says when: not before, and not an hour later than it is sane. */
static void test_asked_waits(void **state)
{
    (void)state;
    static const struct {
        const char *reply;
        unsigned after_30, after_70; /* connections after so many minutes */
    } rows[] = {
        {"451 4.7.1 Greylisted, try again in 40 minutes\r\n", 1, 2},
        {"451 4.7.1 Greylisted, try again in 40 hours\r\n", 1, 2},
        {"451 4.7.1 Greylisted, try again in 10 seconds\r\n", 4, 8},
        {"451 4.7.1 Greylisted, try again later\r\n", 4, 8},
    };
    static const char *const settings[] = {"queue.steps=10m", "queue.jitter=0",
                                           NULL};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig rig;
        struct fake_host host = {.address = "192.0.2.1:25",
                                 .rules = {{"RCPT", rows[i].reply, 0, 0, 0}}};
        rig_open(&rig, settings);
        fake_dns_addresses("x.net", "192.0.2.1");
        fake_add_host(&host);
        struct rig_message message = {.recipients = "a@x.net"};
        rig_send(&rig, &message);
        fake_run(31 * 60 * 1000);
        unsigned first = fake_connections(host.address);
        fake_run(40 * 60 * 1000);
        unsigned second = fake_connections(host.address);
        if (first != rows[i].after_30 || second != rows[i].after_70) {
            fail_msg("%s: %u, then %u", rows[i].reply, first, second);
        }
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits_are_kept),
        cmocka_unit_test(test_domains_are_kept),
        cmocka_unit_test(test_own_limit),
        cmocka_unit_test(test_pace),
        cmocka_unit_test(test_pace_expires),
        cmocka_unit_test(test_own_connections),
        cmocka_unit_test(test_asked_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
