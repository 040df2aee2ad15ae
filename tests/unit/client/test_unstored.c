/* test_unstored.c - messages that are never stored: one attempt, their own
 * relay, outcomes told once; and what the observer hears of queued ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "client/unstored.h"
#include "post/destination.h"
#include "rig.h"

#define HOST "192.0.2.1:25"
#define OTHER "192.0.2.2:25"
#define RELAY "192.0.2.9:2525"
#define LETTER "Subject: x\r\n\r\n.one\r\n"

/* A megabyte: a thread of Windows has little more, so each one is static. */
struct sending {
    struct mm_unstored direct;
    struct mm_store_recipient recipients[300];
    unsigned gone;
};

static enum mailmod_error read_text(void *context, unsigned number,
                                    struct mm_buf *out)
{
    (void)context;
    return number == 0 ? mm_buf_append(out, LETTER, strlen(LETTER))
                       : MAILMOD_ERROR_NOT_FOUND;
}

static void on_gone(struct mm_unstored *direct, struct mm_loop *loop)
{
    (void)loop;
    MM_LIST_OBJECT(direct, struct sending, direct)->gone++;
}

static void fill(struct rig *rig, struct sending *sending,
                 const char *const *recipients, const struct mm_relay *relay)
{
    struct mm_unstored *direct = &sending->direct;
    memset(sending, 0, sizeof *sending);
    direct->message.id = mm_store_new_message_id(rig->store);
    strcpy(direct->message.reverse_path, SENDER);
    direct->message.size = strlen(LETTER);
    direct->recipients = sending->recipients;
    direct->read_chunk = read_text;
    direct->on_gone = on_gone;
    if (relay != NULL) {
        direct->relay = *relay;
    }
    for (; *recipients != NULL; recipients++) {
        struct mm_store_recipient *row =
            &sending->recipients[direct->recipient_count++];
        strcpy(row->path, *recipients);
        mm_destination_name(direct->relay.host, strchr(*recipients, '@') + 1,
                            row->destination);
    }
}

static void open_world(struct rig *rig, const char *const *settings)
{
    static const struct fake_host first = {
        .address = HOST,
        .extensions = "PIPELINING",
        .rules = {{"RCPT TO:<no", "550 5.1.1 nobody\r\n", 0, 0, 0}}};
    static const struct fake_host other = {.address = OTHER};
    static const struct fake_host relay = {.address = RELAY};
    rig_open(rig, settings);
    fake_dns_mx("x.net", "10 mx.x.net");
    fake_dns_addresses("mx.x.net", "192.0.2.1");
    fake_dns_mx("y.net", "10 mx.y.net");
    fake_dns_addresses("mx.y.net", "192.0.2.2");
    fake_dns_addresses("relay.net", "192.0.2.9");
    fake_add_host(&first);
    fake_add_host(&other);
    fake_add_host(&relay);
}

/* Two domains, one refusal: every recipient once, nothing in the store. */
static void test_mail_hosts(void **state)
{
    (void)state;
    static const char *const recipients[] = {"a@x.net", "no@x.net", "b@y.net",
                                             "c@gone.net", NULL};
    struct rig rig;
    static struct sending sending;
    open_world(&rig, NULL);
    fill(&rig, &sending, recipients, NULL);
    mm_outbound_send(rig.outbound, &sending.direct);
    fake_run(5000);
    assert_int_equal(sending.gone, 1);
    assert_int_equal(fake_taken(HOST), 1);
    assert_int_equal(fake_taken(OTHER), 1);
    assert_string_equal(fake_body(), LETTER);
    assert_non_null(strstr(rig.told, "outcome a@x.net 0 2.0.0 250"));
    assert_non_null(
        strstr(rig.told, "outcome no@x.net 2 5.1.1 550 5.1.1 nobody final"));
    assert_non_null(strstr(rig.told, "outcome b@y.net 0 "));
    assert_non_null(strstr(rig.told, "outcome c@gone.net 2 5.1.2"));
    assert_int_equal(rig_count_text(rig.told, "outcome"), 4);
    assert_int_equal(rig_count_text(rig.told, "final"), 4);
    assert_int_equal(rig_count(&rig), 0);
    assert_int_equal(mm_outbound_busy(rig.outbound), 0);
    rig_close(&rig);
}

/* The steps of an attempt, in their order, with what went out. */
static void test_progress(void **state)
{
    (void)state;
    static const char *const recipients[] = {"b@y.net", NULL};
    static const char *const steps[] = {"progress 1 0\n",  "progress 2 0\n",
                                        "progress 3 0\n",  "progress 4 0\n",
                                        "progress 4 20\n", "outcome b@y.net"};
    struct rig rig;
    static struct sending sending;
    open_world(&rig, NULL);
    fill(&rig, &sending, recipients, NULL);
    mm_outbound_send(rig.outbound, &sending.direct);
    fake_run(5000);
    const char *at = rig.told;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        at = strstr(at, steps[i]);
        assert_non_null(at);
    }
    rig_close(&rig);
}

/* A relay takes all recipients, whatever the smarthost is; no MX is asked. */
static void test_relay(void **state)
{
    (void)state;
    static const char *const settings[] = {"smarthost.host=relay.invalid",
                                           NULL};
    static const char *const recipients[] = {"a@x.net", "b@y.net", NULL};
    static const struct mm_relay relay = {
        .host = "Relay.net", .port = 2525, .tls = MM_CONFIG_TLS_MAY};
    struct rig rig;
    static struct sending sending;
    open_world(&rig, settings);
    fill(&rig, &sending, recipients, &relay);
    mm_outbound_send(rig.outbound, &sending.direct);
    fake_run(5000);
    assert_int_equal(sending.gone, 1);
    assert_int_equal(fake_taken(RELAY), 1);
    assert_int_equal(fake_connections(NULL), 1);
    assert_int_equal(rig_count_text(fake_said(RELAY), "RCPT TO"), 2);
    assert_int_equal(rig_count_text(rig.told, "outcome"), 2);
    /* And without a relay of its own it goes past the smarthost. */
    fill(&rig, &sending, recipients, NULL);
    mm_outbound_send(rig.outbound, &sending.direct);
    fake_run(5000);
    assert_int_equal(fake_taken(HOST), 1);
    assert_int_equal(fake_taken(OTHER), 1);
    rig_close(&rig);
}

static void send_by(struct rig *rig, struct sending *sending,
                    const char *recipient, const struct mm_relay *relay)
{
    const char *const recipients[] = {recipient, NULL};

    fill(rig, sending, recipients, relay);
    mm_outbound_send(rig->outbound, &sending->direct);
    fake_run(1000);
    assert_int_equal(sending->gone, 1);
}

/* The next message to the same relay goes over the connection that the last
 * one left, whose texts are gone; another login, or other TLS, does not. It
 * ends when its time is over. */
static void test_relay_is_kept(void **state)
{
    (void)state;
    static const char *const settings[] = {"delivery.idle_timeout=60s", NULL};
    static struct sending sending;
    char host[] = "Relay.net";
    struct mm_relay relay = {
        .host = host, .port = 2525, .tls = MM_CONFIG_TLS_MAY};
    struct rig rig;

    open_world(&rig, settings);
    send_by(&rig, &sending, "a@x.net", &relay);
    memset(host, '-', sizeof host - 1);
    relay.host = "relay.net";
    send_by(&rig, &sending, "b@y.net", &relay);
    send_by(&rig, &sending, "c@y.net", &relay);
    assert_int_equal(fake_taken(RELAY), 3);
    assert_int_equal(fake_connections(RELAY), 1);
    assert_null(strstr(fake_said(RELAY), "QUIT"));
    relay.tls = MM_CONFIG_TLS_OFF;
    send_by(&rig, &sending, "d@x.net", &relay);
    assert_int_equal(fake_taken(RELAY), 4);
    assert_int_equal(fake_connections(RELAY), 2);
    fake_run(70000);
    assert_int_equal(fake_open_connections(), 0);
    assert_int_equal(rig_count_text(fake_said(RELAY), "QUIT"), 2);
    send_by(&rig, &sending, "e@x.net", &relay);
    assert_int_equal(fake_connections(RELAY), 3);
    /* It holds up no stop. */
    mm_outbound_stop(rig.outbound);
    fake_run(1000);
    assert_int_equal(fake_open_connections(), 0);
    assert_int_equal(mm_outbound_busy(rig.outbound), 0);
    rig_close(&rig);
}

/* The relay closed meanwhile: the message is sent by another connection. */
static void test_kept_relay_dies(void **state)
{
    (void)state;
    static const struct fake_host dying = {.address = "192.0.2.10:2525"};
    static const struct fake_rule bye = {.command = "MAIL FROM",
                                         .reply = "421 4.3.2 bye\r\n"};
    static struct sending sending;
    const struct mm_relay relay = {
        .host = "192.0.2.10", .port = 2525, .tls = MM_CONFIG_TLS_MAY};
    struct rig rig;

    open_world(&rig, NULL);
    fake_add_host(&dying);
    fake_limit_session(dying.address, 1, &bye);
    send_by(&rig, &sending, "a@x.net", &relay);
    send_by(&rig, &sending, "b@x.net", &relay);
    assert_int_equal(fake_taken(dying.address), 2);
    assert_int_equal(fake_connections(dying.address), 2);
    rig_close(&rig);
}

/* One is refused: no text, and nobody is served; the connection goes on. */
static void test_all_or_nothing(void **state)
{
    (void)state;
    static const char *const both[] = {"a@x.net", "no@x.net", NULL};
    static struct sending sending;
    const struct mm_relay relay = {
        .host = "192.0.2.1", .port = 25, .tls = MM_CONFIG_TLS_MAY};
    struct rig rig;

    open_world(&rig, NULL);
    fill(&rig, &sending, both, &relay);
    sending.direct.requires_all = true;
    mm_outbound_send(rig.outbound, &sending.direct);
    fake_run(1000);
    assert_int_equal(sending.gone, 1);
    assert_int_equal(fake_taken(HOST), 0);
    assert_null(strstr(fake_said(HOST), "DATA"));
    assert_non_null(strstr(rig.told, "CANCELLED"));
    send_by(&rig, &sending, "a@x.net", &relay);
    assert_int_equal(fake_taken(HOST), 1);
    assert_int_equal(fake_connections(HOST), 1);
    rig_close(&rig);
}

/* Batches of queue.recipients_max go over one connection; a host that is down
 * is tried once for all of them. */
static void test_batches(void **state)
{
    (void)state;
    static const char *const settings[] = {"queue.recipients_max=100", NULL};
    static char paths[300][32];
    static const char *recipients[301];
    struct rig rig;
    static struct sending sending;
    for (unsigned i = 0; i < 250; i++) {
        snprintf(paths[i], sizeof paths[i], "r%u@y.net", i);
        recipients[i] = paths[i];
    }
    recipients[250] = NULL;
    open_world(&rig, settings);
    fill(&rig, &sending, recipients, NULL);
    mm_outbound_send(rig.outbound, &sending.direct);
    fake_run(5000);
    assert_int_equal(sending.gone, 1);
    assert_int_equal(fake_taken(OTHER), 3);
    assert_int_equal(fake_connections(OTHER), 1);
    assert_int_equal(rig_count_text(rig.told, "outcome"), 250);
    fake_remove_hosts();
    fill(&rig, &sending, recipients, NULL);
    mm_outbound_send(rig.outbound, &sending.direct);
    fake_run(5000);
    assert_int_equal(sending.gone, 1);
    assert_int_equal(rig_count_text(rig.told, "outcome"), 500);
    assert_int_equal(rig_count_text(fake_log_text(), "host failed"), 1);
    rig_close(&rig);
}

/* More messages than places: they wait, and all go. */
static void test_places(void **state)
{
    (void)state;
    static const char *const settings[] = {"queue.destination_max=2",
                                           "queue.attempts_max=2", NULL};
    static const char *const recipients[] = {"a@x.net", "b@y.net", NULL};
    static struct sending sendings[10];
    struct rig rig;
    open_world(&rig, settings);
    for (unsigned i = 0; i < 10; i++) {
        fill(&rig, &sendings[i], recipients, NULL);
        mm_outbound_send(rig.outbound, &sendings[i].direct);
    }
    fake_run(2);
    assert_true(fake_open_connections() <= 2);
    fake_run(MINUTE_MS);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(sendings[i].gone, 1);
    }
    assert_int_equal(fake_taken(HOST) + fake_taken(OTHER), 20);
    rig_close(&rig);
}

/* Stop: what was handed in is sent, what comes later is told at once; cut: all
 * is told. */
static void test_stop_and_cut(void **state)
{
    (void)state;
    static const char *const settings[] = {"queue.destination_max=1",
                                           "queue.attempts_max=1", NULL};
    static const char *const recipients[] = {"a@x.net", "b@y.net", NULL};
    struct rig rig;
    static struct sending sending;
    static struct sending late;
    open_world(&rig, settings);
    fill(&rig, &sending, recipients, NULL);
    mm_outbound_send(rig.outbound, &sending.direct);
    fake_run(2);
    mm_outbound_stop(rig.outbound);
    fill(&rig, &late, recipients, NULL);
    mm_outbound_send(rig.outbound, &late.direct);
    fake_run(0);
    assert_int_equal(late.gone, 1);
    assert_int_equal(rig_count_text(rig.told, " 1 4.3.2 the instance is "
                                              "stopping final"),
                     2);
    fake_run(5000);
    assert_int_equal(sending.gone, 1);
    assert_int_equal(fake_taken(HOST), 1);
    assert_int_equal(fake_taken(OTHER), 1);
    assert_int_equal(rig_count_text(rig.told, "outcome"), 4);
    rig_close(&rig);

    open_world(&rig, settings);
    fill(&rig, &sending, recipients, NULL);
    mm_outbound_send(rig.outbound, &sending.direct);
    fake_run(2);
    mm_outbound_cut(rig.outbound);
    fake_run(5000);
    assert_int_equal(sending.gone, 1);
    assert_int_equal(rig_count_text(rig.told, "outcome"), 2);
    assert_int_equal(rig_count_text(rig.told, " 1 4.3.2 "), 2);
    rig_close(&rig);
}

/* The n-th allocation fails, for all n: each recipient is told once. */
static void test_memory(void **state)
{
    (void)state;
    static const char *const recipients[] = {"a@x.net", "b@y.net", NULL};
    bool has_failed = true;
    for (unsigned long number = 1; has_failed; number++) {
        struct rig rig;
        static struct sending sending;
        assert_true(number < 10000);
        open_world(&rig, NULL);
        fill(&rig, &sending, recipients, NULL);
        fake_fail_allocation(number);
        mm_outbound_send(rig.outbound, &sending.direct);
        fake_run(20000);
        has_failed = fake_has_failed_allocation();
        fake_fail_allocation(0);
        assert_int_equal(sending.gone, 1);
        assert_int_equal(rig_count_text(rig.told, "outcome"), 2);
        assert_int_equal(rig_count_text(rig.told, "outcome a@x.net"), 1);
        rig_close(&rig);
    }
}

/* A queued message is told of too: deferred first, final at the end. */
static void test_queued(void **state)
{
    (void)state;
    static const struct fake_host picky = {
        .address = "192.0.2.3:25",
        .rules = {{"RCPT", "450 4.2.1 later\r\n", 0, 1, 0}}};
    struct rig_message message = {.recipients = "q@z.net"};
    struct rig rig;
    open_world(&rig, NULL);
    fake_dns_mx("z.net", "10 mx.z.net");
    fake_dns_addresses("mx.z.net", "192.0.2.3");
    fake_add_host(&picky);
    rig_send(&rig, &message);
    fake_run(5000);
    assert_non_null(
        strstr(rig.told, "outcome q@z.net 1 4.2.1 450 4.2.1 later\n"));
    fake_run(HOUR_MS);
    assert_int_equal(rig_count(&rig), 0);
    assert_non_null(strstr(rig.told, "outcome q@z.net 0 "));
    assert_int_equal(rig_count_text(rig.told, " final"), 1);
    rig_close(&rig);
}

/* S14: the cause is what happened, not what its code might mean. */
static void test_S14_true_causes(void **state)
{
    (void)state;
    static const struct {
        struct fake_host host;
        enum mm_config_tls_policy tls;
        bool has_login;
        const char *cause;
    } rows[] = {
        {{.rules = {{"RCPT", "250 ok\r\n", 0, 0, 0}}}, 0, false, "OK"},
        {{.rules = {{"RCPT", "550 5.1.1 no\r\n", 0, 0, 0}}},
         0,
         false,
         "REFUSED"},
        {{.rules = {{".", "451 4.4.1 not now\r\n", 0, 0, 0}}},
         0,
         false,
         "REFUSED"},
        {{.rules = {{"", "554 5.7.1 go away\r\n", 0, 0, 0}}},
         0,
         false,
         "REFUSED"},
        {{.manner = FAKE_REFUSES}, 0, false, "CONNECTION_REFUSED"},
        {{.manner = FAKE_HANGS}, 0, false, "TIMEOUT"},
        {{.rules = {{"", "", FAKE_SILENCE, 0, 0}}}, 0, false, "TIMEOUT"},
        {{.rules = {{"MAIL", "", FAKE_SILENCE, 0, 0}}}, 0, false, "TIMEOUT"},
        {{.rules = {{".", "", FAKE_SILENCE, 0, 0}}}, 0, false, "UNSURE"},
        {{.rules = {{".", "", FAKE_CLOSE, 0, 0}}}, 0, false, "UNSURE"},
        {{.rules = {{"DATA", "", FAKE_CLOSE, 0, 0}}}, 0, false, "CLOSED"},
        {{.rules = {{"DATA", "250 what\r\n", 0, 0, 0}}}, 0, false, "PROTOCOL"},
        {{.extensions = "STARTTLS"},
         MM_CONFIG_TLS_MUST,
         false,
         "TLS_CERTIFICATE"},
        {{.extensions = "STARTTLS", .fails_tls = true},
         MM_CONFIG_TLS_MUST,
         false,
         "TLS"},
        {{.extensions = ""}, MM_CONFIG_TLS_MUST, false, "TLS_UNAVAILABLE"},
        {{.extensions = "AUTH PLAIN",
          .rules = {{"AUTH", "535 5.7.8 no\r\n", 0, 0, 0}}},
         MM_CONFIG_TLS_OFF,
         true,
         "AUTHENTICATION"},
        {{.extensions = "AUTH XOAUTH2"},
         MM_CONFIG_TLS_OFF,
         true,
         "UNSUPPORTED"},
        {{.extensions = ""}, MM_CONFIG_TLS_OFF, true, "UNSUPPORTED"},
    };
    static const char *const recipients[] = {"a@x.net", NULL};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake_host host = rows[i].host;
        struct mm_relay relay = {.host = "192.0.2.77",
                                 .port = 2525,
                                 .user = rows[i].has_login ? "u" : NULL,
                                 .password = "p",
                                 .tls = rows[i].tls,
                                 .verifies = !rows[i].host.fails_tls};
        struct rig rig;
        static struct sending sending;
        char cause[64];
        host.address = "192.0.2.77:2525";
        open_world(&rig, NULL);
        fake_add_host(&host);
        fill(&rig, &sending, recipients, &relay);
        mm_outbound_send(rig.outbound, &sending.direct);
        fake_run(HOUR_MS);
        snprintf(cause, sizeof cause, "cause a@x.net %s\n", rows[i].cause);
        if (strstr(rig.told, cause) == NULL) {
            fail_msg("%zu: not %s:\n%s", i, cause, rig.told);
        }
        rig_close(&rig);
    }
}

/* Deferred attempts, then the end: each once, with its number. */
static void test_news_of_the_queue(void **state)
{
    (void)state;
    static const char *const settings[] = {"queue.lifetime=3h",
                                           "queue.steps=1h", NULL};
    static const struct fake_host picky = {
        .address = "192.0.2.3:25",
        .rules = {{"RCPT TO:<no", "550 5.1.1 no\r\n", 0, 0, 0},
                  {"RCPT TO:<q", "450 4.2.1 later\r\n", 0, 0, 0}}};
    struct rig_message message = {.recipients = "yes@z.net, no@z.net, q@z.net"};
    struct rig rig;
    open_world(&rig, settings);
    fake_dns_mx("z.net", "10 mx.z.net");
    fake_dns_addresses("mx.z.net", "192.0.2.3");
    fake_add_host(&picky);
    rig.is_behind = true;
    rig_send(&rig, &message);
    fake_run(10000);
    assert_null(strstr(rig.told, "news")); /* no attempt is begun */
    rig.is_behind = false;
    fake_run(10000);
    assert_non_null(strstr(rig.told, "news 1 " SENDER " yes@z.net 1 OK 250"));
    assert_non_null(
        strstr(rig.told, "news 2 " SENDER " no@z.net 1 REFUSED 550 5.1.1 no"));
    assert_non_null(
        strstr(rig.told, "news 4 " SENDER " q@z.net 1 REFUSED 450 4.2.1"));
    fake_run(4 * HOUR_MS);
    assert_non_null(strstr(rig.told, "news 8 " SENDER " q@z.net "));
    assert_int_equal(rig_count_text(rig.told, "news 8 "), 1);
    assert_int_equal(rig_count_text(rig.told, "yes@z.net 1 OK"), 1);
    assert_int_equal(rig_count_text(rig.told, "news 2 "), 1);
    rig_close(&rig);
}

static void test_news_of_unstored_mail(void **state)
{
    (void)state;
    static const char *const recipients[] = {"a@x.net", "no@x.net", NULL};
    struct rig rig;
    static struct sending sending;
    open_world(&rig, NULL);
    fill(&rig, &sending, recipients, NULL);
    mm_outbound_send(rig.outbound, &sending.direct);
    fake_run(5000);
    assert_int_equal(rig_count_text(rig.told, "news 1 "), 1);
    assert_int_equal(rig_count_text(rig.told, "news 2 "), 1);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mail_hosts),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_relay),
        cmocka_unit_test(test_relay_is_kept),
        cmocka_unit_test(test_kept_relay_dies),
        cmocka_unit_test(test_all_or_nothing),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_stop_and_cut),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_queued),
        cmocka_unit_test(test_S14_true_causes),
        cmocka_unit_test(test_news_of_the_queue),
        cmocka_unit_test(test_news_of_unstored_mail),
    };
    int failures = cmocka_run_group_tests_name("one loop", tests, NULL, NULL);
    rig_set_loops(4);
    return failures +
           cmocka_run_group_tests_name("four loops", tests, NULL, NULL);
}
