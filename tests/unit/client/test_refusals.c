/* test_refusals.c - S02 to S26 of docs/field.md: hosts that put off, limit,
 * break off and answer out of step, and what becomes of each recipient. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/mem.h"
#include "rig.h"

#define FIRST "192.0.2.1:25"
#define SECOND "192.0.2.2:25"

static void make_zone(void)
{
    fake_dns_mx("x.net", "10 mx.x.net, 20 mx2.x.net");
    fake_dns_addresses("mx.x.net", "192.0.2.1");
    fake_dns_addresses("mx2.x.net", "192.0.2.2");
}

static void open_one(struct rig *rig, const char *const *settings,
                     const char *extensions)
{
    struct fake_host host = {.address = FIRST, .extensions = extensions};
    rig_open(rig, settings);
    fake_dns_mx("x.net", "10 mx.x.net");
    fake_dns_addresses("mx.x.net", "192.0.2.1");
    fake_add_host(&host);
}

/* Six MX with two addresses each, and all say the same to RCPT. */
static void open_site(struct rig *rig, const char *reply)
{
    rig_open(rig, NULL);
    fake_dns_mx("x.net", "10 mx1.x.net, 20 mx2.x.net, 30 mx3.x.net, "
                         "40 mx4.x.net, 50 mx5.x.net, 60 mx6.x.net");
    for (int i = 1; i <= 6; i++) {
        static char names[6][16];
        static char addresses[6][32];
        char both[64];
        snprintf(names[i - 1], sizeof names[0], "mx%d.x.net", i);
        snprintf(addresses[i - 1], sizeof addresses[0], "192.0.2.%d:25", i);
        snprintf(both, sizeof both, "192.0.2.%d, 192.0.2.%d", i, 100 + i);
        fake_dns_addresses(names[i - 1], both);
        struct fake_host host = {.address = addresses[i - 1],
                                 .rules = {{"RCPT", reply, 0, 0, 0}}};
        fake_add_host(&host);
    }
}

/* S18: a site that puts off as a whole costs five connections an attempt, and
 * the other addresses of a host that spoke none. */
static void test_S18_greylisting_is_bounded(void **state)
{
    (void)state;
    struct rig rig;
    open_site(&rig, "450 4.7.1 greylisted\r\n");
    struct rig_message message = {.recipients = "a@x.net"};
    rig_send(&rig, &message);
    fake_run(MINUTE_MS);
    assert_int_equal(fake_connections(NULL), MM_LIMIT_REFUSING_HOSTS);
    assert_int_equal(fake_connections("192.0.2.1:25"), 1);
    assert_non_null(strstr(rig_row(&rig, "a@x.net"), "450 4.7.1 greylisted"));
    assert_int_equal(rig_recipient(&rig, "a@x.net").attempts, 1);
    rig_close(&rig);
}

/* The next host is down: the words of the one that spoke are kept. */
static void test_S18_words_of_who_spoke(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, NULL);
    make_zone();
    struct fake_host first = {
        .address = FIRST, .rules = {{"RCPT TO:<b", "450 busy\r\n", 0, 0, 0}}};
    fake_add_host(&first);
    struct rig_message message = {.recipients = "a@x.net, b@x.net"};
    rig_send(&rig, &message);
    fake_run(MINUTE_MS);
    assert_int_equal(fake_taken(FIRST), 1);
    assert_string_equal(rig_row(&rig, "a@x.net"), "gone");
    assert_string_equal(rig_row(&rig, "b@x.net"), "mx.x.net: 450 busy");
    rig_close(&rig);
}

/* Cut while the next host is tried: who was served is not served again. */
static void test_S18_cut_keeps_who_is_served(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, NULL);
    make_zone();
    struct fake_host first = {
        .address = FIRST, .rules = {{"RCPT TO:<b", "450 busy\r\n", 0, 0, 0}}};
    struct fake_host second = {.address = SECOND, .manner = FAKE_HANGS};
    fake_add_host(&first);
    fake_add_host(&second);
    struct rig_message message = {.recipients = "a@x.net, b@x.net"};
    rig_send(&rig, &message);
    fake_run(5000);
    assert_int_equal(fake_connections(SECOND), 1);
    mm_outbound_cut(rig.outbound);
    fake_run(1000);
    assert_string_equal(rig_row(&rig, "a@x.net"), "gone");
    assert_int_equal(rig_count(&rig), 1);
    rig_close(&rig);
}

static void send_many(struct rig *rig, int count)
{
    for (int i = 0; i < count; i++) {
        char path[32];
        snprintf(path, sizeof path, "u%d@x.net", i);
        struct rig_message message = {.recipients = path};
        rig_send(rig, &message);
    }
}

/* S03: what a kept connection may carry is no fault of the next message. */
static void test_S03_session_limits(void **state)
{
    (void)state;
    static const struct fake_rule limits[] = {
        {"MAIL", "452 4.4.5 too many messages in this session\r\n", 0, 0, 0},
        {"MAIL", "421 4.7.0 too many\r\n", FAKE_REPLY_AND_CLOSE, 0, 0},
        {"MAIL", "451 4.3.0 enough\r\n", 0, 0, 0},
        {"RCPT", "452 4.4.5 enough\r\n", 0, 0, 0},
        {"RCPT", "421 enough\r\n", FAKE_REPLY_AND_CLOSE, 0, 0},
        {"DATA", "421 enough\r\n", FAKE_REPLY_AND_CLOSE, 0, 0},
        {".", "421 4.4.5 enough\r\n", FAKE_REPLY_AND_CLOSE, 0, 0}};
    static const char *const settings[] = {"queue.destination_max=1", NULL};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct rig rig;
        open_one(&rig, settings, i % 2 == 0 ? "PIPELINING" : "");
        fake_limit_session(FIRST, 4, &limits[i]);
        send_many(&rig, 10);
        fake_run(MINUTE_MS);
        if (fake_taken(FIRST) != 10 || rig_count(&rig) != 0 ||
            fake_connections(FIRST) != 3) {
            fail_msg("%zu: %u taken, %u connections\n%s", i, fake_taken(FIRST),
                     fake_connections(FIRST), fake_log_text());
        }
        rig_close(&rig);
    }
}

/* S16: too many recipients, said in the way of old. */
static void test_S16_too_many_recipients(void **state)
{
    (void)state;
    static const char *const replies[] = {
        "552 5.5.3 too many recipients\r\n", "552 too many recipients\r\n",
        "550 5.5.3 too many recipients\r\n", "452 4.5.3 too many\r\n"};
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
        struct rig rig;
        rig_open(&rig, NULL);
        fake_dns_addresses("x.net", "192.0.2.1");
        struct fake_host host = {
            .address = FIRST,
            .rules = {{"RCPT TO:<b", replies[i], 0, 1, 0},
                      {"RCPT TO:<c", replies[i], 0, 2, 0}}};
        fake_add_host(&host);
        struct rig_message message = {.recipients =
                                          "a@x.net, b@x.net, c@x.net"};
        rig_send(&rig, &message);
        fake_run(MINUTE_MS);
        assert_int_equal(fake_taken(FIRST), 3);
        assert_int_equal(rig_count(&rig), 0);
        rig_close(&rig);
    }
}

/* A full mailbox stays what it is. */
static void test_S16_full_mailbox(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, NULL);
    fake_dns_addresses("x.net", "192.0.2.1");
    struct fake_host host = {
        .address = FIRST,
        .rules = {{"RCPT TO:<b", "552 5.2.2 mailbox full\r\n", 0, 0, 0}}};
    fake_add_host(&host);
    struct rig_message message = {.recipients = "a@x.net, b@x.net"};
    rig_send(&rig, &message);
    fake_run(MINUTE_MS);
    char *report = rig_take_report(&rig, SENDER);
    assert_non_null(report);
    assert_non_null(strstr(report, "Status: 5.2.2"));
    mm_free(report);
    rig_close(&rig);
}

/* S04: what is said in the middle of the body is the verdict. */
static void test_S04_refused_in_the_body(void **state)
{
    (void)state;
    static const struct {
        const char *reply;
        enum fake_deed deed;
        unsigned taken_second;
        const char *report;
    } rows[] = {
        {"552 5.3.4 too large\r\n", FAKE_REPLY_AND_CLOSE, 0, "552 5.3.4 too"},
        {"552 5.3.4 too large\r\n", FAKE_REPLY, 0, "552 5.3.4 too"},
        {"451 4.3.0 not now\r\n", FAKE_REPLY_AND_CLOSE, 1, NULL},
        {"421 4.3.2 going\r\n", FAKE_REPLY_AND_CLOSE, 1, NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig rig;
        rig_open(&rig, NULL);
        make_zone();
        struct fake_host first = {
            .address = FIRST,
            .rules = {{"*", rows[i].reply, rows[i].deed, 1, 0}}};
        struct fake_host second = {.address = SECOND};
        fake_add_host(&first);
        fake_add_host(&second);
        struct rig_message message = {.recipients = "a@x.net"};
        rig_send(&rig, &message);
        fake_run(MINUTE_MS);
        assert_int_equal(fake_taken(SECOND), rows[i].taken_second);
        assert_string_equal(rig_row(&rig, "a@x.net"), "gone");
        char *report = rig_take_report(&rig, SENDER);
        assert_int_equal(report != NULL, rows[i].report != NULL);
        if (report != NULL) {
            assert_non_null(strstr(report, rows[i].report));
        }
        mm_free(report);
        rig_close(&rig);
    }
}

/* S02: SMTPUTF8 is said for what needs it in this transaction. */
static void test_S02_need_of_the_transaction(void **state)
{
    (void)state;
    struct rig rig;
    open_one(&rig, NULL, "PIPELINING");
    struct rig_message ascii = {.recipients = "a@x.net, \xc3\xa9@x.net",
                                .is_smtputf8 = true};
    rig_send(&rig, &ascii);
    fake_run(MINUTE_MS);
    assert_non_null(strstr(fake_said(NULL), "RCPT TO:<a@x.net>"));
    assert_null(strstr(fake_said(NULL), "RCPT TO:<\xc3\xa9"));
    assert_null(strstr(fake_said(NULL), "SMTPUTF8"));
    assert_int_equal(fake_taken(FIRST), 1);
    char *report = rig_take_report(&rig, SENDER);
    assert_non_null(report);
    assert_non_null(strstr(report, "Final-Recipient: utf-8; \\x{E9}@x.net"));
    assert_null(strstr(report, "rfc822; a@x.net"));
    mm_free(report);
    rig_close(&rig);
    open_one(&rig, NULL, "SMTPUTF8|8BITMIME");
    rig_send(&rig, &ascii);
    fake_run(MINUTE_MS);
    assert_non_null(strstr(fake_said(NULL), "SMTPUTF8\nRCPT TO:<a@x.net>"));
    assert_int_equal(fake_taken(FIRST), 1);
    fake_forget();
    struct rig_message plain = {.recipients = "b@x.net", .is_smtputf8 = true};
    rig_send(&rig, &plain);
    fake_run(MINUTE_MS);
    assert_int_equal(fake_taken(FIRST), 1);
    assert_null(strstr(fake_said(NULL), "SMTPUTF8"));
    rig_close(&rig);
}

/* S20: who is refused says QUIT; who was told 421 need not. */
static void test_S20_quit(void **state)
{
    (void)state;
    static const struct {
        struct fake_rule rule;
        const char *said;
    } rows[] = {
        {{"", "554 no\r\n", 0, 0, 0}, "QUIT\n"},
        {{"EHLO", "550 no\r\n", 0, 0, 0}, "EHLO here.example.org\nQUIT\n"},
        {{"DATA", "250 what?\r\n", 0, 0, 0}, "DATA\nQUIT\n"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig rig;
        rig_open(&rig, NULL);
        fake_dns_addresses("x.net", "192.0.2.1");
        struct fake_host host = {.address = FIRST, .rules = {rows[i].rule}};
        fake_add_host(&host);
        struct rig_message message = {.recipients = "a@x.net"};
        rig_send(&rig, &message);
        fake_run(MINUTE_MS);
        assert_non_null(strstr(fake_said(FIRST), rows[i].said));
        rig_close(&rig);
    }
}

/* S26: the notice of delay quotes a host that makes no sense. */
static void test_S26_notice_names_the_reply(void **state)
{
    (void)state;
    static const char *const settings[] = {"queue.warn_after=1h", NULL};
    struct rig rig;
    rig_open(&rig, settings);
    fake_dns_addresses("x.net", "192.0.2.1");
    struct fake_host host = {.address = FIRST,
                             .rules = {{"DATA", "250 what?\r\n", 0, 0, 0}}};
    fake_add_host(&host);
    struct rig_message message = {.recipients = "a@x.net"};
    rig_send(&rig, &message);
    fake_run(3 * HOUR_MS);
    char *report = rig_take_report(&rig, SENDER);
    assert_non_null(report);
    assert_non_null(strstr(report, "Action: delayed"));
    assert_non_null(strstr(report, "the host answers DATA with 250 what?"));
    mm_free(report);
    rig_close(&rig);
}

/* S08: a name without a dot is no domain name. */
static void test_S08_ehlo_literal(void **state)
{
    (void)state;
    static const char *const names[] = {"general.host_name=laptop", NULL};
    struct rig rig;
    open_one(&rig, names, "");
    struct rig_message message = {.recipients = "a@x.net"};
    rig_send(&rig, &message);
    fake_run(MINUTE_MS);
    assert_non_null(strstr(fake_said(NULL), "EHLO [192.0.2.99]\n"));
    assert_int_equal(fake_taken(FIRST), 1);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_S18_greylisting_is_bounded),
        cmocka_unit_test(test_S18_words_of_who_spoke),
        cmocka_unit_test(test_S18_cut_keeps_who_is_served),
        cmocka_unit_test(test_S03_session_limits),
        cmocka_unit_test(test_S16_too_many_recipients),
        cmocka_unit_test(test_S16_full_mailbox),
        cmocka_unit_test(test_S04_refused_in_the_body),
        cmocka_unit_test(test_S02_need_of_the_transaction),
        cmocka_unit_test(test_S20_quit),
        cmocka_unit_test(test_S26_notice_names_the_reply),
        cmocka_unit_test(test_S08_ehlo_literal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
