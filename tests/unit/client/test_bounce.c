/* test_bounce.c - attacks 54, 62, T-064, T-065: which report is written, where
 * it goes and what stands in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "rig.h"
#include "wire/smtp/server.h"

#define HOST "192.0.2.1:25"
#define BOB "bob@example.org"

static void open_with(struct rig *rig, const struct fake_host *given)
{
    struct fake_host host = *given;
    host.address = HOST;
    rig_open(rig, NULL);
    fake_dns_mx("x.net", "10 mx.x.net");
    fake_dns_addresses("mx.x.net", "192.0.2.1");
    fake_add_host(&host);
}

static const struct fake_host refusing = {
    .extensions = "PIPELINING",
    .rules = {{"RCPT TO:<a", "550 5.1.1 no such user\r\n", 0, 0, 0},
              {"RCPT TO:<b", "550 5.7.1 not you\r\n", 0, 0, 0}}};

static void run_attempt(struct rig *rig)
{
    do {
        fake_run(1000);
    } while (mm_outbound_busy(rig->outbound) > 0);
}

static char *must_report(struct rig *rig, const char *path)
{
    char *report = rig_take_report(rig, path);
    if (report == NULL) {
        fail_msg("no report: %s", fake_log_text());
    }
    return report;
}

static void has(const char *report, const char *part)
{
    if (strstr(report, part) == NULL) {
        fail_msg("\"%s\" is missing in:\n%s", part, report);
    }
}

static void has_not(const char *report, const char *part)
{
    if (strstr(report, part) != NULL) {
        fail_msg("\"%s\" stands in:\n%s", part, report);
    }
}

/* Two of three fail: one report for both. */
static void test_to_the_queue(void **state)
{
    (void)state;
    struct rig rig;
    open_with(&rig, &refusing);
    struct rig_message message = {.recipients = "a@x.net, b@x.net, c@x.net",
                                  .envelope_id = "env-7"};
    rig_send(&rig, &message);
    run_attempt(&rig);
    assert_int_equal(rig_count(&rig), 1);
    struct mm_store_recipient row = rig_recipient(&rig, SENDER);
    assert_string_equal(row.destination, "sender.example");
    char *report = must_report(&rig, SENDER);
    has(report, "To: <" SENDER ">");
    has(report, "Reporting-MTA: dns; here.example.org");
    has(report, "Original-Envelope-Id: env-7");
    has(report, "Final-Recipient: rfc822; a@x.net");
    has(report, "Final-Recipient: rfc822; b@x.net");
    has_not(report, "c@x.net");
    has(report, "Status: 5.1.1");
    has(report, "Status: 5.7.1");
    has(report, "Remote-MTA: dns; mx.x.net");
    has(report, "Subject: hello\r\n");
    has_not(report, "body\r\n"); /* the header alone */
    assert_int_equal(rig_count_text(report, "Action: failed"), 2);
    mm_free(report);
    assert_int_equal(rig_count(&rig), 0);
    rig_close(&rig);
}

static void test_to_a_mailbox(void **state)
{
    (void)state;
    struct rig rig;
    open_with(&rig, &refusing);
    struct rig_message message = {.reverse_path = BOB, .recipients = "a@x.net"};
    rig_send(&rig, &message);
    run_attempt(&rig);
    assert_int_equal(rig_count(&rig), 0);
    char *report = must_report(&rig, BOB);
    has(report, "Status: 5.1.1");
    mm_free(report);
    assert_null(rig_take_report(&rig, BOB));
    rig_close(&rig);
}

/* Attack 62. */
static void test_no_report(void **state)
{
    (void)state;
    static const struct rig_message messages[] = {
        {.reverse_path = "", .recipients = "a@x.net"},
        {.reverse_path = "", .recipients = "a@x.net", .notify = 4},
        {.recipients = "a@x.net", .is_report = true},
        {.recipients = "a@x.net", .notify = MM_DSN_NOTIFY_NEVER},
        {.recipients = "a@x.net", .notify = MM_DSN_NOTIFY_SUCCESS},
        {.recipients = "c@x.net"},
        /* local, and nobody there */
        {.reverse_path = "nobody@example.org", .recipients = "a@x.net"},
    };
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        struct rig rig;
        open_with(&rig, &refusing);
        rig_send(&rig, &messages[i]);
        run_attempt(&rig);
        if (rig_count(&rig) != 0 || rig_take_report(&rig, BOB) != NULL) {
            fail_msg("message %zu: %s", i, fake_log_text());
        }
        rig_close(&rig);
    }
}

/* A report that fails itself is the end of it. */
static void test_report_fails(void **state)
{
    (void)state;
    struct rig rig;
    open_with(&rig, &refusing);
    struct rig_message message = {.reverse_path = "b@x.net",
                                  .recipients = "a@x.net"};
    rig_send(&rig, &message);
    run_attempt(&rig);
    fake_run(5000);
    assert_int_equal(rig_count(&rig), 0);
    assert_int_equal(rig_count_text(fake_said(NULL), "RCPT TO:<b@x.net>"), 1);
    has(fake_said(NULL), "MAIL FROM:<>");
    rig_close(&rig);
}

static void test_whole_message_back(void **state)
{
    (void)state;
    static const struct {
        int dsn_return;
        size_t size;
        bool is_whole;
    } rows[] = {{MM_DSN_RETURN_FULL, 200000, true},
                {MM_DSN_RETURN_HEADERS, 200000, false},
                {MM_DSN_RETURN_UNSET, 200000, false},
                {MM_DSN_RETURN_FULL, 2000000, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static const char head[] = "Subject: long\r\nX-Last: header\r\n\r\n";
        struct rig rig;
        char *body = mm_alloc(rows[i].size + 1);
        assert_non_null(body);
        open_with(&rig, &refusing);
        for (size_t at = 0; at < rows[i].size; at++) {
            body[at] = at % 64 == 62 ? '\r' : at % 64 == 63 ? '\n' : 'z';
        }
        memcpy(body, head, sizeof head - 1);
        memcpy(body + rows[i].size - 10, "THE-END.\r\n", 10);
        struct rig_message message = {.recipients = "a@x.net",
                                      .body = body,
                                      .body_size = rows[i].size,
                                      .dsn_return = rows[i].dsn_return};
        rig_send(&rig, &message);
        run_attempt(&rig);
        char *report = must_report(&rig, SENDER);
        has(report, "X-Last: header\r\n");
        assert_int_equal(strstr(report, "THE-END.") != NULL, rows[i].is_whole);
        has(report,
            rows[i].is_whole ? "message/rfc822\r\n" : "text/rfc822-headers");
        mm_free(report);
        mm_free(body);
        rig_close(&rig);
    }
}

/* Attacks 54: what a host says cannot forge a line of the report. */
static void test_hostile_words(void **state)
{
    (void)state;
    static const struct fake_host hostile = {
        .rules = {{"RCPT",
                   "550-5.1.1 no\x1b[31m\rBcc: evil@x.net\r\n"
                   "550-5.1.1 \xff\xfe --boundary\r\n"
                   "550 5.1.1 \tStatus: 2.0.0\r\n",
                   0, 0, 0}}};
    struct rig rig;
    open_with(&rig, &hostile);
    struct rig_message message = {.recipients = "a@x.net"};
    rig_send(&rig, &message);
    run_attempt(&rig);
    char *report = must_report(&rig, SENDER);
    has(report, "Status: 5.1.1\r\n");
    has_not(report, "\nBcc:");
    has_not(report, "\nStatus: 2.0.0");
    has_not(report, "\n--boundary\r");
    has_not(report, "\x1b");
    for (const char *at = report; *at != '\0'; at++) {
        assert_in_range((unsigned char)*at, 9, 126);
        assert_true(*at != '\n' || (at > report && at[-1] == '\r'));
    }
    mm_free(report);
    rig_close(&rig);
}

/* T-065: a notice once, at the first failure after its time; the end at the
 * lifetime's. Attack 67. */
static void test_delay_and_expiry(void **state)
{
    (void)state;
    static const struct fake_host busy = {
        .rules = {{"RCPT", "450 4.2.1 come back\r\n", 0, 0, 0}}};
    struct rig rig;
    open_with(&rig, &busy);
    struct rig_message message = {.reverse_path = BOB, .recipients = "a@x.net"};
    rig_send(&rig, &message);
    fake_run((uint64_t)4 * HOUR_MS - MINUTE_MS);
    assert_null(rig_take_report(&rig, BOB));
    fake_run((uint64_t)2 * HOUR_MS + MINUTE_MS);
    char *report = must_report(&rig, BOB);
    has(report, "Action: delayed");
    has(report, "Status: 4.2.1");
    has(report, "Will-Retry-Until: ");
    mm_free(report);
    fake_run((uint64_t)16 * HOUR_MS);
    assert_null(rig_take_report(&rig, BOB));
    assert_int_equal(rig_count(&rig), 1);
    fake_run((uint64_t)3 * HOUR_MS);
    report = must_report(&rig, BOB);
    has(report, "Action: failed");
    has(report, "Status: 4.4.7");
    has(report, "450 4.2.1 come back");
    mm_free(report);
    assert_int_equal(rig_count(&rig), 0);
    /* O16: the log has the report's status, and the host's own reply. */
    const char *line = strstr(fake_log_text(), "delivery: expired ");
    assert_non_null(line);
    assert_non_null(strstr(line, " dsn=4.4.7 "));
    assert_non_null(strstr(line, "reply=\"450 4.2.1 come back\""));
    rig_close(&rig);
}

/* The clock is set back between the message and its delivery. */
static void test_O19_delay_is_never_negative(void **state)
{
    (void)state;
    static const struct fake_host host = {
        .rules = {{.command = "MAIL",
                   .reply = "250 2.1.0 well\r\n",
                   .delay_ms = 20000}}};
    struct rig rig;
    open_with(&rig, &host);
    struct rig_message message = {.reverse_path = BOB, .recipients = "a@x.net"};
    rig_send(&rig, &message);
    fake_run(10000);
    fake_shift_wall(-3600 * 1000);
    fake_run(20000);
    assert_non_null(strstr(fake_log_text(), "delivery: delivered "));
    assert_non_null(strstr(fake_log_text(), " delay_ms=0 "));
    rig_close(&rig);
}

/* RFC 3461 5.2.2: asked for, and the next host gives none. */
static void test_success(void **state)
{
    (void)state;
    static const struct {
        const char *extensions;
        bool has_report;
    } rows[] = {{"PIPELINING", true}, {"PIPELINING|DSN", false}};
    for (size_t i = 0; i < 2; i++) {
        struct rig rig;
        struct fake_host host = {.extensions = rows[i].extensions};
        open_with(&rig, &host);
        struct rig_message message = {.reverse_path = BOB,
                                      .recipients = "a@x.net",
                                      .notify = MM_DSN_NOTIFY_SUCCESS};
        rig_send(&rig, &message);
        run_attempt(&rig);
        assert_int_equal(rig_count(&rig), 0);
        char *report = rig_take_report(&rig, BOB);
        assert_int_equal(report != NULL, rows[i].has_report);
        if (report != NULL) {
            has(report, "Action: relayed");
            has(report, "Status: 2.0.0");
        }
        mm_free(report);
        rig_close(&rig);
    }
}

/* S01: the report about a UTF-8 recipient goes to hosts without SMTPUTF8. */
static void test_S01_report_is_ascii(void **state)
{
    (void)state;
    struct rig rig;
    struct fake_host host = {.extensions = "8BITMIME"};
    open_with(&rig, &host);
    struct rig_message message = {.recipients = "\xc3\xa9@x.net",
                                  .is_smtputf8 = true};
    rig_send(&rig, &message);
    run_attempt(&rig);
    struct mm_store_recipient row = rig_recipient(&rig, SENDER);
    struct mm_store_message stored;
    assert_int_equal(mm_store_find_message(rig.store, row.message_id, &stored),
                     MAILMOD_OK);
    assert_false(stored.is_smtputf8);
    assert_true(stored.is_8bit);
    char *report = must_report(&rig, SENDER);
    has(report, "Final-Recipient: utf-8; \\x{E9}@x.net");
    has(report, "Diagnostic-Code: x-mailmod;"); /* S11 */
    mm_free(report);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_S01_report_is_ascii),
        cmocka_unit_test(test_to_the_queue),
        cmocka_unit_test(test_to_a_mailbox),
        cmocka_unit_test(test_no_report),
        cmocka_unit_test(test_report_fails),
        cmocka_unit_test(test_whole_message_back),
        cmocka_unit_test(test_hostile_words),
        cmocka_unit_test(test_delay_and_expiry),
        cmocka_unit_test(test_O19_delay_is_never_negative),
        cmocka_unit_test(test_success),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
