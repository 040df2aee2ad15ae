/* test_header_rules.c - the table of header fields: what passes, what never
 * goes out, what is set over it, where a header ends, and no memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "wire/msg/header_rules.h"

static const char *const recipients[] = {"a@x.test", "b@x.test"};
static const struct mm_header_facts facts = {.host_name = "h.test",
                                             .identifier = "1",
                                             .reverse_path = "me@x.test",
                                             .now_ms = 0,
                                             .recipients = recipients,
                                             .recipient_count = 2};
#define DATE "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n"
#define FROM "From: <me@x.test>\r\n"
#define ID "Message-ID: <1@h.test>\r\n"

static void write_is(const struct mm_header_set *set, const char *header,
                     const char *wanted)
{
    struct mm_buf out;

    mm_buf_init(&out, MM_HEADER_SECTION_MAX);
    assert_int_equal(
        mm_header_set_write(set, mm_span_cstr(header), &facts, &out),
        MAILMOD_OK);
    assert_string_equal(mm_buf_cstr(&out), wanted);
    mm_buf_fini(&out);
}

/* Nothing is set. */
static void rows(void **state)
{
    static const struct {
        const char *header, *out;
    } headers[] = {
        {"", DATE FROM ID "\r\n"},
        {DATE FROM ID, DATE FROM ID "\r\n"},
        {"date: x\r\nDATE: y\r\n", "date: x\r\n" FROM ID "\r\n"},
        {"Subject: a\r\n b\r\nSubject: c\r\n d\r\nX: e\r\nX: f\r\n",
         "Subject: a\r\n b\r\nX: e\r\nX: f\r\n" DATE FROM ID "\r\n"},
        {"Bcc: s@x.test\r\n\t, t@x.test\r\nRESENT-BCC: u@x.test\r\n"
         "Return-Path: <>\r\nOriginal-Recipient: x\r\nResent-Reply-To: y\r\n",
         DATE FROM ID "\r\n"},
        {"MIME-Version: 1.0\r\nContent-Type: a\r\ncontent-type: b\r\n"
         "Resent-To: a\r\nResent-To: b\r\nReceived: a\r\nReceived: b\r\n",
         "MIME-Version: 1.0\r\nContent-Type: a\r\ncontent-type: b\r\n"
         "Resent-To: a\r\nResent-To: b\r\nReceived: a\r\nReceived: b\r\n" DATE
             FROM ID "\r\n"},
        /* No folding, no order, no octet of what passes is changed. */
        {"X \t: \xff\x01\r\n", "X \t: \xff\x01\r\n" DATE FROM ID "\r\n"},
        {"From a@b Thu Jan 1\r\nX: y\r\n",
         "X-Mailbox-Line: From a@b Thu Jan 1\r\nX: y\r\n" DATE FROM ID "\r\n"},
    };
    const struct mm_header_set none = {.entries = NULL};

    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        write_is(&none, headers[i].header, headers[i].out);
    }
}

static void set_rows(void **state)
{
    struct mm_header_set set = {.entries = NULL};

    (void)state;
    assert_int_equal(mm_header_set_text(&set, "Subject", "mine"), 0);
    assert_int_equal(mm_header_set_text(&set, "Subject", "mine too"), 0);
    assert_int_equal(mm_header_set_text(&set, "X-Own", "o"), 0);
    write_is(&set, "", "Subject: mine too\r\nX-Own: o\r\n" DATE FROM ID "\r\n");
    /* The text's own win; an override stands in the place of the first. */
    write_is(&set, "x-own: a\r\nSubject: b\r\nX-OWN: c\r\n",
             "x-own: a\r\nSubject: b\r\nX-OWN: c\r\n" DATE FROM ID "\r\n");
    assert_int_equal(
        mm_header_set_option(&set, "x-own", MM_HEADER_OVERRIDES, true), 0);
    write_is(&set, "x-own: a\r\n b\r\nSubject: b\r\nX-OWN: c\r\n",
             "X-Own: o\r\nSubject: b\r\n" DATE FROM ID "\r\n");
    /* Neither the text's nor what was set. */
    assert_int_equal(
        mm_header_set_option(&set, "subject", MM_HEADER_PROHIBITS, true), 0);
    assert_int_equal(
        mm_header_set_option(&set, "Message-Id", MM_HEADER_PROHIBITS, true), 0);
    write_is(&set, "Subject: b\r\nMessage-ID: <x>\r\n",
             "X-Own: o\r\n" DATE FROM "\r\n");
    assert_int_equal(
        mm_header_set_option(&set, "subject", MM_HEADER_PROHIBITS, false), 0);
    write_is(&set, "", "Subject: mine too\r\nX-Own: o\r\n" DATE FROM "\r\n");
    assert_int_equal(mm_header_set_text(&set, "Date", "then"), 0);
    assert_int_equal(mm_header_set_add_mailbox(&set, "From", "I", "i@x.test"),
                     0);
    write_is(&set, "X-Own: y\r\nSubject: z\r\n",
             "X-Own: o\r\nSubject: z\r\nDate: then\r\nFrom: I <i@x.test>\r\n"
             "\r\n");
    mm_header_set_fini(&set);
}

static void mailboxes(void **state)
{
    static const struct {
        const char *phrase, *mailbox, *out;
    } boxes[] = {
        {NULL, "a@x.test", "To: <a@x.test>\r\n"},
        {"Ann", "a@x.test", "To: Ann <a@x.test>\r\n"},
        {"Ann  B. C", "a@x.test", "To: Ann \"B.\" C <a@x.test>\r\n"},
        {"a\"b\\", "a@x.test", "To: \"a\\\"b\\\\\" <a@x.test>\r\n"},
        {"J\xc3\xb6rg, x", "a@x.test",
         "To: =?utf-8?B?SsO2cmcs?= x <a@x.test>\r\n"},
        {NULL, "\"a b\"@x.test", "To: <\"a b\"@x.test>\r\n"},
    };
    static const char *const bad[] = {
        "",        "a",          "a b@x",          "a@x>, <b@x", "a@x\r\nX: y",
        "\"a@x.t", "\"a\"b\"@x", "\"a\\\"@x.test", NULL};

    (void)state;
    for (size_t i = 0; i < sizeof boxes / sizeof boxes[0]; i++) {
        struct mm_header_set set = {.entries = NULL};
        char wanted[400];

        assert_int_equal(mm_header_set_add_mailbox(&set, "To", boxes[i].phrase,
                                                   boxes[i].mailbox),
                         MM_HEADER_SET_OK);
        snprintf(wanted, sizeof wanted, "%s" DATE FROM ID "\r\n", boxes[i].out);
        write_is(&set, "", wanted);
        mm_header_set_fini(&set);
    }
    struct mm_header_set set = {.entries = NULL};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(mm_header_set_add_mailbox(&set, "To", "x", bad[i]),
                         MM_HEADER_SET_VALUE);
    }
    assert_int_equal(mm_header_set_add_mailbox(&set, "To", "a\r\nb", "a@x.t"),
                     MM_HEADER_SET_VALUE);
    assert_int_equal(
        mm_header_set_add_mailbox(&set, "To", "x", "\xc3\xb6@x.test"),
        MM_HEADER_SET_ADDRESS);
    assert_int_equal(set.count, 0);
    assert_int_equal(mm_header_set_name_recipients(&set, "Cc"), 0);
    write_is(&set, "", "Cc: <a@x.test>, <b@x.test>\r\n" DATE FROM ID "\r\n");
    mm_header_set_fini(&set);
}

static void refused(void **state)
{
    struct mm_header_set set = {.entries = NULL};
    char name[20];

    (void)state;
    assert_int_equal(mm_header_set_text(&set, "a b", "x"), MM_HEADER_SET_NAME);
    assert_int_equal(mm_header_set_text(&set, "", "x"), MM_HEADER_SET_NAME);
    assert_int_equal(mm_header_set_text(&set, "content-x", "x"),
                     MM_HEADER_SET_KEPT);
    assert_int_equal(mm_header_set_text(&set, "Received", "x"),
                     MM_HEADER_SET_KEPT);
    assert_int_equal(mm_header_set_text(&set, "bcc", "x"), MM_HEADER_SET_NEVER);
    assert_int_equal(mm_header_set_text(&set, "X", "a\nY: b"),
                     MM_HEADER_SET_VALUE);
    assert_int_equal(
        mm_header_set_option(&set, "From", MM_HEADER_PROHIBITS, true),
        MM_HEADER_SET_REQUIRED);
    assert_int_equal(mm_header_set_name_recipients(&set, "Subject"),
                     MM_HEADER_SET_KIND);
    assert_int_equal(mm_header_set_name_recipients(&set, "Bcc"),
                     MM_HEADER_SET_NEVER);
    assert_int_equal(mm_header_set_add_mailbox(&set, "X", "", "a@x.test"),
                     MM_HEADER_SET_KIND);
    assert_int_equal(mm_header_set_add_mailbox(&set, "Sender", "", "a@x.test"),
                     MM_HEADER_SET_OK);
    assert_int_equal(mm_header_set_add_mailbox(&set, "sender", "", "b@x.test"),
                     MM_HEADER_SET_TWICE);
    for (int i = 1; i < MM_HEADER_SET_MAX; i++) {
        snprintf(name, sizeof name, "X-%d", i);
        assert_int_equal(mm_header_set_text(&set, name, "x"), MM_HEADER_SET_OK);
    }
    assert_int_equal(mm_header_set_text(&set, "X-0", "x"), MM_HEADER_SET_FULL);
    mm_header_set_fini(&set);
}

/* Where the header ends and the body begins, however it comes. */
static void scans(void **state)
{
    static const struct {
        const char *text;
        size_t size, body_at;
    } texts[] = {
        {"", 0, 0},
        {"\r\nbody\r\n", 0, 2},
        {"A: b\r\n\r\nbody\r\n", 6, 8},
        {"A: b\r\n c\r\n\td: e\r\n\r\n\r\n", 17, 19},
        {"A: b\r\nno field\r\n", 6, 6},
        {" A: b\r\n\r\n", 0, 0},
        {"no field\r\n", 0, 0},
        {"A: b\r\n", 6, 6},
        {": b\r\n", 0, 0},
        {"From x\r\nA: b\r\n\r\n", 14, 16},
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        size_t whole = strlen(texts[i].text);

        for (size_t step = 1; step <= whole + 1; step++) {
            struct mm_header_scan scan = {.at = 0};
            bool is_over = false;

            for (size_t size = 0; size < whole && !is_over; size += step) {
                is_over =
                    mm_header_scan(&scan, mm_span(texts[i].text, size), false);
            }
            is_over =
                is_over ||
                mm_header_scan(&scan, mm_span(texts[i].text, whole), true);
            assert_true(is_over);
            assert_int_equal(scan.size, texts[i].size);
            assert_int_equal(scan.body_at, texts[i].body_at);
        }
    }
}

static bool try_all(void)
{
    struct mm_header_set set = {.entries = NULL};
    struct mm_buf out;

    mm_buf_init(&out, MM_HEADER_SECTION_MAX);
    bool is_good =
        mm_header_set_text(&set, "X", "y") == MM_HEADER_SET_OK &&
        mm_header_set_add_mailbox(&set, "To", "a", "b@x.test") ==
            MM_HEADER_SET_OK &&
        mm_header_set_add_mailbox(&set, "To", "a", "b@x.test") ==
            MM_HEADER_SET_OK &&
        mm_header_set_name_recipients(&set, "Cc") == MM_HEADER_SET_OK &&
        mm_header_set_write(&set, mm_span_cstr("A: b\r\n"), &facts, &out) ==
            MAILMOD_OK &&
        mm_buf_size(&out) > 100;
    mm_buf_fini(&out);
    mm_header_set_fini(&set);
    return is_good;
}

static void no_memory(void **state)
{
    (void)state;
    (void)mm_mem_set_fault(0, 0);
    assert_true(try_all());
    unsigned long count = mm_mem_set_fault(0, 0);
    assert_true(count > 10);
    for (unsigned long n = 1; n <= count; n++) {
        (void)mm_mem_set_fault(n, 0);
        assert_false(try_all());
    }
    (void)mm_mem_set_fault(0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows),      cmocka_unit_test(set_rows),
        cmocka_unit_test(mailboxes), cmocka_unit_test(refused),
        cmocka_unit_test(scans),     cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
