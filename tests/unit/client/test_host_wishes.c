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
        cmocka_unit_test(test_asked_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
