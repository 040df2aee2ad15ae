/* test_report.c - delivery status notifications: a whole one octet by octet,
 * and the places where other hosts' texts could do harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "wire/msg/report.h"

#include <stdio.h>
#include <string.h>

#define TIME_MS INT64_C(1795242618123) /* Sat, 21 Nov 2026 06:30:18 UTC */
#define DAY_MS (INT64_C(24) * 3600 * 1000)

static const struct mm_report_recipient failed = {
    .recipient = "u@x.org",
    .original_recipient = "rfc822;U@x.org",
    .action = MM_REPORT_FAILED,
    .status = "5.1.1",
    .remote_host = "mx.x.org",
    .diagnostic = "550 5.1.1 no such user",
    .is_reply = true,
};

static struct mm_report report_of(const struct mm_report_recipient *recipients,
                                  size_t count)
{
    struct mm_report report = {
        .host_name = "mx.example",
        .identifier = "M1",
        .report_identifier = "R1",
        .reverse_path = "sender@y.org",
        .envelope_id = "QQ314159",
        .arrival_ms = TIME_MS - DAY_MS,
        .now_ms = TIME_MS,
        .retry_until_ms = TIME_MS + DAY_MS,
        .recipients = recipients,
        .recipient_count = count,
    };
    return report;
}

static const char *write_all(struct mm_buf *out, const struct mm_report *report)
{
    mm_buf_init(out, 65536);
    assert_int_equal(mm_report_write_begin(out, report), MAILMOD_OK);
    mm_buf_append_cstr(out, "Subject: hi\r\n");
    assert_int_equal(mm_report_write_end(out, report), MAILMOD_OK);
    return mm_buf_cstr(out);
}

static void whole_report(void **state)
{
    (void)state;
    struct mm_report report = report_of(&failed, 1);
    struct mm_buf out;
    assert_string_equal(
        write_all(&out, &report),
        "From: Mail delivery <postmaster@mx.example>\r\n"
        "To: <sender@y.org>\r\n"
        "Subject: Mail could not be delivered\r\n"
        "Date: Sat, 21 Nov 2026 06:30:18 +0000\r\n"
        "Message-ID: <R1@mx.example>\r\n"
        "Auto-Submitted: auto-replied\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status;\r\n"
        "\tboundary=\"=_R1\"\r\n"
        "\r\n"
        "--=_R1\r\n"
        "Content-Type: text/plain; charset=us-ascii\r\n"
        "\r\n"
        "This report comes from the mail system of mx.example.\r\n"
        "It is about a message that you sent, received here on\r\n"
        " Fri, 20 Nov 2026 06:30:18 +0000\r\n"
        "and known here as M1\r\n"
        "\r\n"
        "<u@x.org>\r\n"
        "   could not be delivered; no more attempts follow.\r\n"
        "   Host: mx.x.org\r\n"
        "   Answer: 550 5.1.1 no such user\r\n"
        "\r\n"
        "\r\n"
        "--=_R1\r\n"
        "Content-Type: message/delivery-status\r\n"
        "\r\n"
        "Original-Envelope-Id: QQ314159\r\n"
        "Reporting-MTA: dns; mx.example\r\n"
        "Arrival-Date: Fri, 20 Nov 2026 06:30:18 +0000\r\n"
        "\r\n"
        "Original-Recipient: rfc822;U@x.org\r\n"
        "Final-Recipient: rfc822; u@x.org\r\n"
        "Action: failed\r\n"
        "Status: 5.1.1\r\n"
        "Remote-MTA: dns; mx.x.org\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n"
        "Last-Attempt-Date: Sat, 21 Nov 2026 06:30:18 +0000\r\n"
        "\r\n"
        "--=_R1\r\n"
        "Content-Type: text/rfc822-headers\r\n"
        "\r\n"
        "Subject: hi\r\n"
        "\r\n"
        "--=_R1--\r\n");
    mm_buf_fini(&out);
}

static void actions(void **state)
{
    (void)state;
    static const struct {
        enum mm_report_action action;
        const char *field;
        const char *subject;
        bool has_retry;
    } rows[] = {
        {MM_REPORT_FAILED, "Action: failed\r\n", "Mail could not be", false},
        {MM_REPORT_DELAYED, "Action: delayed\r\n", "Mail is delayed", true},
        {MM_REPORT_DELIVERED, "Action: delivered\r\n", "Mail was delivered",
         false},
        {MM_REPORT_EXPANDED, "Action: expanded\r\n",
         "Mail was passed on to several", false},
        {MM_REPORT_RELAYED, "Action: relayed\r\n", "Mail was passed", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_report_recipient recipients[2] = {failed, failed};
        struct mm_buf out;
        recipients[0].action = MM_REPORT_RELAYED;
        recipients[1].action = rows[i].action;
        struct mm_report report = report_of(recipients, 2);
        const char *text = write_all(&out, &report);
        assert_non_null(strstr(text, rows[i].field));
        assert_non_null(strstr(text, rows[i].subject));
        assert_int_equal(strstr(text, "Will-Retry-Until: Sun, 22 Nov") != NULL,
                         rows[i].has_retry);
        mm_buf_fini(&out);
    }
}

static void empty_fields_are_left_out(void **state)
{
    (void)state;
    struct mm_report_recipient recipient = {
        .recipient = "u@x.org",
        .original_recipient = "",
        .action = MM_REPORT_DELAYED,
        .status = "4.4.7",
        .remote_host = "",
        .diagnostic = NULL,
    };
    struct mm_report report = report_of(&recipient, 1);
    struct mm_buf out;
    report.envelope_id = "";
    report.includes_body = true;
    const char *text = write_all(&out, &report);
    assert_null(strstr(text, "Original-"));
    assert_null(strstr(text, "Remote-MTA"));
    assert_null(strstr(text, "Diagnostic"));
    assert_null(strstr(text, "Host:"));
    assert_non_null(strstr(text, "Content-Type: message/rfc822\r\n"));
    mm_buf_fini(&out);
}

/* Every line is CRLF, at most 998 octets and printable. */
static void check_lines(const char *text, bool allow_8bit)
{
    struct mm_span rest = mm_span_cstr(text);
    struct mm_span line;
    while (mm_span_cut(rest, '\n', &line, &rest)) {
        assert_true(line.size >= 1 && line.size <= 999);
        assert_int_equal(line.data[line.size - 1], '\r');
        for (size_t i = 0; i + 1 < line.size; i++) {
            unsigned char c = (unsigned char)line.data[i];
            assert_true(mm_ascii_is_printable(c) || c == '\t' ||
                        (allow_8bit && c >= 0x80));
        }
    }
    assert_int_equal(rest.size, 0);
}

static void foreign_texts_do_no_harm(void **state)
{
    (void)state;
    static char lengthy[5000];
    memset(lengthy, 'x', sizeof lengthy - 1);
    const char *const texts[] = {
        "550 a\r\n\r\n--=_R1--\r\nX: y",
        "550 a\nAction: delivered",
        "550 a\rb\x1b[31m\x07",
        "550 caf\xe9 \xc3\xa9",
        "   ",
        "550 one two three four five six seven eight nine ten eleven twelve "
        "thirteen fourteen fifteen sixteen seventeen eighteen nineteen",
        lengthy,
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct mm_report_recipient recipient = failed;
        struct mm_buf out;
        recipient.diagnostic = texts[i];
        recipient.remote_host = texts[i];
        recipient.original_recipient = texts[i];
        recipient.recipient = texts[i][0] == 'x' ? "u@x.org" : texts[i];
        struct mm_report report = report_of(&recipient, 1);
        report.envelope_id = texts[i];
        report.identifier = texts[i];
        const char *text = write_all(&out, &report);
        check_lines(text, false);
        assert_null(strstr(text, "\r\nAction: delivered"));
        assert_null(strstr(text, "\nX: y"));
        const char *end = strstr(text, "\r\n--=_R1--");
        assert_non_null(end);
        assert_string_equal(end, "\r\n--=_R1--\r\n");
        mm_buf_fini(&out);
    }
}

static void fields_are_folded(void **state)
{
    (void)state;
    struct mm_report_recipient recipient = failed;
    struct mm_buf out;
    recipient.diagnostic =
        "550-5.7.1 the first line of an answer that has several\n"
        "550 5.7.1 and the second of them, which is the last one";
    struct mm_report report = report_of(&recipient, 1);
    assert_non_null(
        strstr(write_all(&out, &report),
               "Diagnostic-Code: smtp; 550-5.7.1 the first line of an answer"
               " that has several\r\n"
               " 550 5.7.1 and the second of them, which is the last one\r\n"));
    mm_buf_fini(&out);
}

static void internationalized(void **state)
{
    (void)state;
    struct mm_report_recipient recipient = failed;
    struct mm_buf out;
    recipient.recipient = "\xc3\xa9\xf0\x9f\x98\x80+a@x.org";
    struct mm_report report = report_of(&recipient, 1);
    report.is_original_smtputf8 = true;
    report.reverse_path = "\xc3\xa9@y.org";
    assert_true(mm_report_is_smtputf8(&report));
    const char *text = write_all(&out, &report);
    check_lines(text, true);
    assert_non_null(strstr(text, "To: <\xc3\xa9@y.org>\r\n"));
    assert_non_null(
        strstr(text, "Content-Type: message/global-delivery-status\r\n"));
    assert_non_null(strstr(text, "Content-Type: message/global-headers\r\n"));
    assert_non_null(strstr(text, "Final-Recipient: utf-8;"
                                 " \\x{E9}\\x{1F600}\\x{2B}a@x.org\r\n"));
    assert_non_null(strstr(text, "<\xc3\xa9\xf0\x9f\x98\x80+a@x.org>\r\n"));
    mm_buf_fini(&out);
}

/* S01: the sender is ASCII, what failed is not: the report can go anywhere. */
static void test_S01_ascii_sender(void **state)
{
    (void)state;
    struct mm_report_recipient recipient = failed;
    struct mm_buf out;
    recipient.recipient = "\xc3\xa9@x.org";
    recipient.original_recipient = "utf-8;\xc3\xa9@x.org";
    struct mm_report report = report_of(&recipient, 1);
    report.is_original_smtputf8 = true;
    assert_false(mm_report_is_smtputf8(&report));
    const char *text = write_all(&out, &report);
    const char *end = strstr(text, "\r\n\r\n");
    struct mm_span header = mm_span(text, (size_t)(end - text));
    assert_false(mm_span_has_8bit(header));
    assert_non_null(strstr(text, "Content-Transfer-Encoding: 8bit\r\n"));
    assert_non_null(strstr(text, "Content-Type: message/delivery-status\r\n"));
    assert_non_null(strstr(text, "Content-Type: message/global-headers\r\n"));
    assert_non_null(strstr(text, "Final-Recipient: utf-8; \\x{E9}@x.org\r\n"));
    assert_non_null(
        strstr(text, "Original-Recipient: utf-8; \\x{E9}@x.org\r\n"));
    assert_non_null(strstr(text, "<\xc3\xa9@x.org>\r\n"));
    mm_buf_fini(&out);
}

/* An 8-bit original of old is labelled, as itself and in the whole. */
static void test_S21_labels(void **state)
{
    (void)state;
    struct mm_report report = report_of(&failed, 1);
    struct mm_buf out;
    report.is_original_8bit = true;
    const char *text = write_all(&out, &report);
    assert_non_null(strstr(text, "\tboundary=\"=_R1\"\r\n"
                                 "Content-Transfer-Encoding: 8bit\r\n"));
    assert_non_null(strstr(text, "Content-Type: text/rfc822-headers\r\n"
                                 "Content-Transfer-Encoding: 8bit\r\n\r\n"));
    mm_buf_fini(&out);
}

/* S11: only what a host said by SMTP has the type "smtp". */
static void test_S11_own_words(void **state)
{
    (void)state;
    struct mm_report_recipient recipient = failed;
    struct mm_buf out;
    recipient.is_reply = false;
    recipient.diagnostic = "the domain does not exist";
    struct mm_report report = report_of(&recipient, 1);
    const char *text = write_all(&out, &report);
    assert_non_null(strstr(
        text, "Diagnostic-Code: x-mailmod; the domain does not exist\r\n"));
    assert_null(strstr(text, "smtp;"));
    mm_buf_fini(&out);
}

static void refusals(void **state)
{
    (void)state;
    struct mm_buf out;
    mm_buf_init(&out, 65536);
    for (int which = 0; which < 6; which++) {
        struct mm_report report = report_of(&failed, 1);
        switch (which) {
        case 0:
            report.reverse_path = ""; /* no report of a report */
            break;
        case 1:
            report.recipient_count = 0;
            break;
        case 2:
            report.host_name = "mx\r\nX: y";
            break;
        case 3:
            report.report_identifier = "R\"1";
            break;
        case 4:
            report.report_identifier = "";
            break;
        default:
            report.reverse_path = NULL;
            break;
        }
        assert_int_equal(mm_report_write_begin(&out, &report),
                         MAILMOD_ERROR_ARGUMENT);
        assert_int_equal(mm_report_write_end(&out, &report),
                         MAILMOD_ERROR_ARGUMENT);
        assert_int_equal(mm_buf_size(&out), 0);
    }
    mm_buf_fini(&out);
}

static void room_and_memory(void **state)
{
    (void)state;
    struct mm_report report = report_of(&failed, 1);
    struct mm_buf out;
    mm_buf_init(&out, 500);
    assert_int_equal(mm_report_write_begin(&out, &report), MAILMOD_ERROR_LIMIT);
    mm_buf_fini(&out);
    for (unsigned long number = 1; number < 4; number++) {
        mm_buf_init(&out, 65536);
        mm_mem_set_fault(number, 1);
        enum mailmod_error error = mm_report_write_begin(&out, &report);
        mm_mem_set_fault(0, 0);
        assert_int_equal(error, MAILMOD_ERROR_MEMORY);
        mm_buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_report),
        cmocka_unit_test(actions),
        cmocka_unit_test(empty_fields_are_left_out),
        cmocka_unit_test(foreign_texts_do_no_harm),
        cmocka_unit_test(fields_are_folded),
        cmocka_unit_test(internationalized),
        cmocka_unit_test(test_S01_ascii_sender),
        cmocka_unit_test(test_S21_labels),
        cmocka_unit_test(test_S11_own_words),
        cmocka_unit_test(refusals),
        cmocka_unit_test(room_and_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
