/* test_delivery.c - attacks 56-58, 60, 61, 63, 72: what each behaviour of a
 * host means for each recipient. One host, "mx.x.net", behind the domain x.net
 * and, where a row gives one, a second one behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

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

struct row {
    const char *name;
    struct fake_host first;
    const char *a; /* rig_row of a@x.net: part of it */
    const char *b;
    const char *c;
    unsigned taken_first;
    unsigned taken_second;
    const char *bounced; /* part of the report to the sender, or NULL */
};

/* Both hosts refuse or talk as the row says; the second is whole. */
static void check_row(const struct row *row, bool has_second)
{
    struct rig rig;
    rig_open(&rig, NULL);
    make_zone();
    struct fake_host first = row->first;
    first.address = FIRST;
    fake_add_host(&first);
    struct fake_host second = {.address = SECOND, .extensions = "PIPELINING"};
    if (!has_second) {
        second = first;
        second.address = SECOND;
    }
    fake_add_host(&second);
    struct rig_message message = {.recipients = "a@x.net, b@x.net, c@x.net"};
    rig_send(&rig, &message);
    /* One attempt, however long it takes. */
    do {
        fake_run(1000);
    } while (mm_outbound_busy(rig.outbound) > 0);
    static const char *const paths[] = {"a@x.net", "b@x.net", "c@x.net"};
    const char *wanted[] = {row->a, row->b, row->c};
    for (size_t i = 0; i < 3; i++) {
        if (strstr(rig_row(&rig, paths[i]), wanted[i]) == NULL) {
            fail_msg("%s: %s: %s\n%s", row->name, paths[i],
                     rig_row(&rig, paths[i]), fake_log_text());
        }
    }
    if (fake_taken(FIRST) != row->taken_first ||
        (has_second && fake_taken(SECOND) != row->taken_second)) {
        fail_msg("%s: taken %u, %u\n%s", row->name, fake_taken(FIRST),
                 fake_taken(SECOND), fake_said(NULL));
    }
    char *report = rig_take_report(&rig, SENDER);
    if ((report != NULL) != (row->bounced != NULL) ||
        (report != NULL && strstr(report, row->bounced) == NULL)) {
        fail_msg("%s: report: %s", row->name, report != NULL ? report : "-");
    }
    mm_free(report);
    rig_close(&rig);
}

static void check_rows(const struct row *rows, size_t count, bool has_second)
{
    for (size_t i = 0; i < count; i++) {
        check_row(&rows[i], has_second);
    }
}

static const struct row reply_rows[] = {
    {"all taken", {.extensions = ""}, "gone", "gone", "gone", 1, 0, NULL},
    {"pipelined",
     {.extensions = "PIPELINING|SIZE 1000000|8BITMIME|DSN"},
     "gone",
     "gone",
     "gone",
     1,
     0,
     NULL},
    {"helo only",
     {.rules = {{"EHLO", "502 5.5.1 no\r\n", 0, 0, 0}}},
     "gone",
     "gone",
     "gone",
     1,
     0,
     NULL},
    {"three outcomes",
     {.extensions = "PIPELINING",
      .rules = {{"RCPT TO:<b", "450 4.2.1 busy\r\n", 0, 0, 0},
                {"RCPT TO:<c", "550 5.1.1 nobody\r\n", 0, 0, 0}}},
     "gone",
     "gone",
     "gone",
     1,
     1,
     "5.1.1"},
    {"three outcomes, one by one",
     {.rules = {{"RCPT TO:<b", "450 4.2.1 busy\r\n", 0, 0, 0},
                {"RCPT TO:<c", "550 5.1.1 nobody\r\n", 0, 0, 0}}},
     "gone",
     "gone",
     "gone",
     1,
     1,
     "550 5.1.1 nobody"},
    {"no recipient",
     {.extensions = "PIPELINING",
      .rules = {{"RCPT TO:<a", "450 4.2.1 busy a\r\n", 0, 0, 0},
                {"RCPT TO:<b", "450 4.2.1 busy b\r\n", 0, 0, 0},
                {"RCPT TO:<c", "450 4.2.1 busy c\r\n", 0, 0, 0}}},
     "gone",
     "gone",
     "gone",
     0,
     1,
     NULL},
    {"mail 4xx",
     {.rules = {{"MAIL", "451 4.3.0 later\r\n", 0, 0, 0}}},
     "gone",
     "gone",
     "gone",
     0,
     1,
     NULL},
    {"mail 5xx",
     {.rules = {{"MAIL", "550 5.7.1 not you\r\n", 0, 0, 0}}},
     "gone",
     "gone",
     "gone",
     0,
     0,
     "550 5.7.1 not you"},
    {"data 4xx",
     {.rules = {{"DATA", "451 4.3.0 later\r\n", 0, 0, 0}}},
     "gone",
     "gone",
     "gone",
     0,
     1,
     NULL},
    {"data 5xx",
     {.rules = {{"DATA", "554 5.6.0 no\r\n", 0, 0, 0}}},
     "gone",
     "gone",
     "gone",
     0,
     0,
     "554 5.6.0 no"},
    {"dot 4xx",
     {.rules = {{".", "452 4.3.1 full\r\n", 0, 0, 0}}},
     "gone",
     "gone",
     "gone",
     0,
     1,
     NULL},
    {"dot 5xx",
     {.rules = {{".", "550 5.7.1 spam\r\n", 0, 0, 0}}},
     "gone",
     "gone",
     "gone",
     0,
     0,
     "550 5.7.1 spam"},
    {"no enhanced code",
     {.rules = {{"RCPT TO:<c", "550 nobody\r\n", 0, 0, 0}}},
     "gone",
     "gone",
     "gone",
     1,
     0,
     "5.0.0"},
    {"code of another class",
     {.rules = {{"RCPT TO:<c", "550 2.1.5 odd\r\n", 0, 0, 0}}},
     "gone",
     "gone",
     "gone",
     1,
     0,
     "5.0.0"},
    /* RFC 5321 4.5.3.1.10: 452 after others were taken: again at once */
    {"452 too many",
     {.rules = {{"RCPT TO:<b", "452 4.5.3 too many\r\n", 0, 1, 0},
                {"RCPT TO:<c", "452 4.5.3 too many\r\n", 0, 2, 0}}},
     "gone",
     "gone",
     "gone",
     3,
     0,
     NULL},
    {"452 alone",
     {.rules = {{"RCPT", "452 4.5.3 too many\r\n", 0, 0, 0}}},
     "gone",
     "gone",
     "gone",
     0,
     1,
     NULL},
    {"late answer to the dot",
     {.rules = {{".", "250 taken\r\n", 0, 0, 9 * MINUTE_MS}}},
     "gone",
     "gone",
     "gone",
     1,
     0,
     NULL},
    {"unsure: closes after the dot",
     {.rules = {{".", "", FAKE_CLOSE, 0, 0}}},
     "it may have been taken",
     "it may have been taken",
     "it may have been taken",
     0,
     0,
     NULL},
    {"unsure: silent after the dot",
     {.rules = {{".", "", FAKE_SILENCE, 0, 0}}},
     "it may have been taken",
     "it may have been taken",
     "it may have been taken",
     0,
     0,
     NULL},
    {"421 to the dot",
     {.rules = {{".", "421 4.3.2 going\r\n", FAKE_REPLY_AND_CLOSE, 0, 0}}},
     "gone",
     "gone",
     "gone",
     0,
     1,
     NULL},
};

/* Attacks 57, 58, 60: replies inside the transaction. S18: what the first host
 * puts off, by whatever command, the second one takes; what the first has taken
 * or refused, and what it may have taken, the second never sees. */
static void test_replies(void **state)
{
    (void)state;
    check_rows(reply_rows, sizeof reply_rows / sizeof reply_rows[0], true);
}

static const struct row next_host_rows[] = {
    {"refuses", {.manner = FAKE_REFUSES}, "gone", "gone", "gone", 0, 1, NULL},
    {"hangs", {.manner = FAKE_HANGS}, "gone", "gone", "gone", 0, 1, NULL},
    {"greets 421",
     {.rules = {{"", "421 4.3.2 no\r\n", FAKE_REPLY_AND_CLOSE, 0, 0}}},
     "gone",
     "gone",
     "gone",
     0,
     1,
     NULL},
    {"greets 554",
     {.rules = {{"", "554 5.3.2 no\r\n", FAKE_REPLY_AND_CLOSE, 0, 0}}},
     "gone",
     "gone",
     "gone",
     0,
     1,
     NULL},
    {"greets 451",
     {.rules = {{"", "451 4.3.2 no\r\n", 0, 0, 0}}},
     "gone",
     "gone",
     "gone",
     0,
     1,
     NULL},
    {"greets nothing",
     {.rules = {{"", "", FAKE_SILENCE, 0, 0}}},
     "gone",
     "gone",
     "gone",
     0,
     1,
     NULL},
    {"greets and closes",
     {.rules = {{"", "", FAKE_CLOSE, 0, 0}}},
     "gone",
     "gone",
     "gone",
     0,
     1,
     NULL},
    {"greets nonsense",
     {.rules = {{"", "SSH-2.0-OpenSSH\r\n", 0, 0, 0}}},
     "gone",
     "gone",
     "gone",
     0,
     1,
     NULL},
    {"refuses EHLO and HELO",
     {.rules = {{"EHLO", "550 5.7.1 no\r\n", 0, 0, 0},
                {"HELO", "550 5.7.1 no\r\n", 0, 0, 0}}},
     "gone",
     "gone",
     "gone",
     0,
     1,
     NULL},
    {"closes at EHLO",
     {.rules = {{"EHLO", "", FAKE_CLOSE, 0, 0}}},
     "gone",
     "gone",
     "gone",
     0,
     1,
     NULL},
    {"421 at MAIL",
     {.rules = {{"MAIL", "421 4.7.0 no\r\n", FAKE_REPLY_AND_CLOSE, 0, 0}}},
     "gone",
     "gone",
     "gone",
     0,
     1,
     NULL},
    {"closes at MAIL",
     {.rules = {{"MAIL", "", FAKE_CLOSE, 0, 0}}},
     "gone",
     "gone",
     "gone",
     0,
     1,
     NULL},
    {"closes at RCPT",
     {.rules = {{"RCPT TO:<b", "", FAKE_CLOSE, 0, 0}}},
     "gone",
     "gone",
     "gone",
     0,
     1,
     NULL},
    {"silent at RCPT",
     {.rules = {{"RCPT TO:<b", "", FAKE_SILENCE, 0, 0}}},
     "gone",
     "gone",
     "gone",
     0,
     1,
     NULL},
    {"closes at DATA",
     {.rules = {{"DATA", "", FAKE_CLOSE, 0, 0}}},
     "gone",
     "gone",
     "gone",
     0,
     1,
     NULL},
    /* who has a final word keeps it */
    {"bounces c, then closes",
     {.rules = {{"RCPT TO:<c", "550 5.1.1 nobody\r\n", 0, 0, 0},
                {"DATA", "", FAKE_CLOSE, 0, 0}}},
     "gone",
     "gone",
     "gone",
     0,
     1,
     "550 5.1.1 nobody"},
    {"defers c, then closes",
     {.rules = {{"RCPT TO:<c", "450 4.2.1 busy\r\n", 0, 0, 0},
                {"DATA", "", FAKE_CLOSE, 0, 0}}},
     "gone",
     "gone",
     "gone",
     0,
     1,
     NULL},
};

/* Attacks 56, 57, 72: what sends us to the next host. */
static void test_next_host(void **state)
{
    (void)state;
    check_rows(next_host_rows, sizeof next_host_rows / sizeof next_host_rows[0],
               true);
}

/* No host is of any use: the words of the last one, and never a bounce. */
static void test_no_host_left(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"refuse",
         {.manner = FAKE_REFUSES},
         "mx2.x.net: connecting: ",
         "connecting",
         "connecting",
         0,
         0,
         NULL},
        {"hang",
         {.manner = FAKE_HANGS},
         "connecting",
         "connecting",
         "connecting",
         0,
         0,
         NULL},
        {"greet 554",
         {.rules = {{"", "554 5.3.2 no\r\n", FAKE_REPLY_AND_CLOSE, 0, 0}}},
         "mx2.x.net: 554 5.3.2 no",
         "554",
         "554",
         0,
         0,
         NULL},
        {"close at once",
         {.rules = {{"", "", FAKE_CLOSE, 0, 0}}},
         "mx2.x.net: ",
         "mx2.x.net: ",
         "mx2.x.net: ",
         0,
         0,
         NULL},
    };
    check_rows(rows, sizeof rows / sizeof rows[0], false);
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

/* Attack 61: known before a word of the message is said. */
static void test_too_large(void **state)
{
    (void)state;
    struct rig rig;
    open_one(&rig, NULL, "SIZE 1000");
    char body[2000];
    memset(body, 'x', sizeof body);
    memcpy(body, "Subject: x\r\n\r\n", 14);
    struct rig_message message = {
        .recipients = "a@x.net", .body = body, .body_size = sizeof body};
    rig_send(&rig, &message);
    fake_run(MINUTE_MS);
    assert_null(strstr(fake_said(NULL), "MAIL"));
    assert_string_equal(rig_row(&rig, "a@x.net"), "gone");
    char *report = rig_take_report(&rig, SENDER);
    assert_non_null(report);
    assert_non_null(strstr(report, "Status: 5.3.4"));
    mm_free(report);
    rig_close(&rig);
}

/* Attack 63: UTF-8 needs the extension; 8-bit goes as it is where that is set.
 */
static void test_8bit_and_utf8(void **state)
{
    (void)state;
    struct rig rig;
    static const char *const settings[] = {"delivery.eight_bit=as_is", NULL};
    open_one(&rig, settings, "PIPELINING");
    struct rig_message utf8 = {.recipients = "a@x.net",
                               .body = "Subject: \xc3\xa9\r\n\r\nx\r\n",
                               .is_smtputf8 = true};
    rig_send(&rig, &utf8);
    fake_run(MINUTE_MS);
    assert_null(strstr(fake_said(NULL), "MAIL"));
    char *report = rig_take_report(&rig, SENDER);
    assert_non_null(report);
    assert_non_null(strstr(report, "Status: 5.6.7"));
    mm_free(report);
    struct rig_message eight = {.recipients = "b@x.net",
                                .body = "Subject: x\r\n\r\n\xe9t\xe9\r\n",
                                .is_8bit = true};
    rig_send(&rig, &eight);
    fake_run(MINUTE_MS);
    assert_string_equal(rig_row(&rig, "b@x.net"), "gone");
    assert_null(strstr(fake_said(NULL), "BODY="));
    assert_string_equal(fake_body(), "Subject: x\r\n\r\n\xe9t\xe9\r\n");
    rig_close(&rig);
}

static const char eight_body[] =
    "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
    "charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa9t\r\n";

/* To a host without 8BITMIME, over a kept connection, and to one with it. */
static void test_S21_made_7bit(void **state)
{
    static const char coded[] =
        "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
        "charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"
        "\r\n=C3=A9t\r\n";
    static const char *const extensions[] = {"PIPELINING", "8BITMIME"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct rig rig;
        open_one(&rig, NULL, extensions[i]);
        struct rig_message message = {
            .recipients = "a@x.net", .body = eight_body, .is_8bit = true};
        rig_send(&rig, &message);
        message.recipients = "b@x.net";
        rig_send(&rig, &message);
        fake_run(MINUTE_MS);
        assert_string_equal(rig_row(&rig, "a@x.net"), "gone");
        assert_string_equal(rig_row(&rig, "b@x.net"), "gone");
        const char *wanted = i == 0 ? coded : eight_body;
        assert_int_equal(rig_count_text(fake_body(), wanted), 2);
        assert_int_equal(strlen(fake_body()), 2 * strlen(wanted));
        const char *said = fake_said(NULL);
        assert_int_equal(strstr(said, "BODY=8BITMIME") != NULL, i == 1);
        rig_close(&rig);
    }
}

/* A line that no strict host takes, over two chunks. */
static void test_S29_long_lines(void **state)
{
    enum { SIZE = 100000 };
    static const char start[] = "Subject: x\r\n\r\n";
    static const char *const settings[] = {"delivery.long_lines=encode", NULL};
    char *body = mm_alloc(SIZE + 1);
    (void)state;
    assert_non_null(body);
    for (int line = 0; line < 2; line++) {
        for (int sets = 0; sets < 2; sets++) {
            struct rig rig;
            open_one(&rig, sets ? settings : NULL, "8BITMIME");
            memset(body, 'a', SIZE);
            memcpy(body, start, sizeof start - 1);
            for (int i = 50; line == 0 && i + 1 < SIZE; i += 998) {
                memcpy(body + i, "\r\n", 2);
            }
            memcpy(body + SIZE - 2, "\r\n", 2);
            struct rig_message message = {
                .recipients = "a@x.net", .body = body, .body_size = SIZE};
            rig_send(&rig, &message);
            fake_run(MINUTE_MS);
            assert_string_equal(rig_row(&rig, "a@x.net"), "gone");
            bool is_coded = strstr(fake_body(), "quoted-printable") != NULL;
            assert_int_equal(is_coded, line == 1 && sets == 1);
            assert_true(is_coded || strcmp(fake_body(), body) == 0);
            rig_close(&rig);
        }
    }
    mm_free(body);
}

static void test_S21_report(void **state)
{
    static const char *const settings[] = {"delivery.eight_bit=report", NULL};
    struct rig rig;
    (void)state;
    open_one(&rig, settings, "PIPELINING");
    struct rig_message message = {
        .recipients = "a@x.net", .body = eight_body, .is_8bit = true};
    rig_send(&rig, &message);
    fake_run(MINUTE_MS);
    assert_null(strstr(fake_said(NULL), "MAIL"));
    char *report = rig_take_report(&rig, SENDER);
    assert_non_null(report);
    assert_non_null(strstr(report, "Status: 5.6.3"));
    mm_free(report);
    rig_close(&rig);
}

/* Attack 5: dots doubled, bare newlines mended, a missing end added. */
static void test_body_octets(void **state)
{
    (void)state;
    struct rig rig;
    open_one(&rig, NULL, "PIPELINING");
    struct rig_message message = {.recipients = "a@x.net",
                                  .body = "Subject: x\r\n\r\n.\r\n..\r\n"
                                          "a\nb\r.c\r\n.\n.end"};
    rig_send(&rig, &message);
    fake_run(MINUTE_MS);
    assert_string_equal(rig_row(&rig, "a@x.net"), "gone");
    assert_string_equal(fake_body(), "Subject: x\r\n\r\n.\r\n..\r\n"
                                     "a\r\nb\r\n.c\r\n.\r\n.end\r\n");
    rig_close(&rig);
}

/* Many chunks through a bounded output, octet for octet. */
static void test_large_body(void **state)
{
    (void)state;
    struct rig rig;
    open_one(&rig, NULL, "");
    size_t size = 1000000;
    char *body = mm_alloc(size + 1);
    assert_non_null(body);
    for (size_t i = 0; i < size; i++) {
        body[i] = i % 50 == 48   ? '\r'
                  : i % 50 == 49 ? '\n'
                                 : (char)('!' + (i * 31 + i / 1000) % 90);
    }
    struct rig_message message = {
        .recipients = "a@x.net", .body = body, .body_size = size};
    rig_send(&rig, &message);
    fake_run(MINUTE_MS);
    assert_string_equal(rig_row(&rig, "a@x.net"), "gone");
    assert_string_equal(fake_body(), body);
    mm_free(body);
    rig_close(&rig);
}

/* Attack 57: cut before the end was sent, so the next host may try. */
static void test_cut_in_the_body(void **state)
{
    (void)state;
    struct rig rig;
    struct fake_host first = {.address = FIRST,
                              .rules = {{"*", "", FAKE_CLOSE, 0, 0}}};
    struct fake_host second = {.address = SECOND};
    size_t size = 500000;
    char *body = mm_alloc(size + 1);
    assert_non_null(body);
    for (size_t i = 0; i < size; i += 50) {
        memset(body + i, 'x', 48);
        memcpy(body + i + 48, "\r\n", 2);
    }
    rig_open(&rig, NULL);
    make_zone();
    fake_add_host(&first);
    fake_add_host(&second);
    struct rig_message message = {
        .recipients = "a@x.net", .body = body, .body_size = size};
    rig_send(&rig, &message);
    fake_run(MINUTE_MS);
    assert_string_equal(rig_row(&rig, "a@x.net"), "gone");
    assert_int_equal(fake_taken(FIRST), 0);
    assert_int_equal(fake_taken(SECOND), 1);
    assert_string_equal(fake_body(), body);
    mm_free(body);
    rig_close(&rig);
}

/* A message that is shorter in the store than it says is never ended. */
static void test_damaged_body(void **state)
{
    (void)state;
    struct rig rig;
    open_one(&rig, NULL, "");
    struct rig_message message = {.recipients = "a@x.net", .size_lie = 5000};
    rig_send(&rig, &message);
    fake_run(MINUTE_MS);
    assert_int_equal(fake_taken(FIRST), 0);
    assert_non_null(strstr(rig_row(&rig, "a@x.net"), "cannot be read whole"));
    rig_close(&rig);
}

/* RFC 3461: passed on where it is offered. */
static void test_dsn_parameters(void **state)
{
    (void)state;
    struct rig rig;
    open_one(&rig, NULL, "DSN");
    struct rig_message message = {.recipients = "a@x.net",
                                  .notify = 2 | 4,
                                  .dsn_return = 1,
                                  .envelope_id = "QQ314159"};
    rig_send(&rig, &message);
    fake_run(MINUTE_MS);
    assert_non_null(strstr(fake_said(NULL), "RET=FULL"));
    assert_non_null(strstr(fake_said(NULL), "ENVID=QQ314159"));
    assert_non_null(strstr(fake_said(NULL), "NOTIFY=SUCCESS,FAILURE"));
    assert_null(rig_take_report(&rig, SENDER));
    rig_close(&rig);
}

/* Attack 72: a dead family costs one connect. */
static void test_addresses(void **state)
{
    (void)state;
    struct rig rig;
    struct fake_host v4 = {.address = FIRST};
    struct fake_host v6 = {.address = "[2001:db8::1]:25", .manner = FAKE_HANGS};
    rig_open(&rig, NULL);
    fake_dns_addresses("x.net", "192.0.2.1, 2001:db8::1");
    fake_add_host(&v4);
    fake_add_host(&v6);
    struct rig_message message = {.recipients = "a@x.net"};
    rig_send(&rig, &message);
    fake_run(9000); /* S22: of a host that was never seen to answer 10 s */
    assert_int_equal(fake_taken(FIRST), 0);
    fake_run(2000);
    assert_int_equal(fake_taken(FIRST), 1);
    assert_int_equal(fake_connections("[2001:db8::1]:25"), 1);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_next_host),
        cmocka_unit_test(test_no_host_left),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_8bit_and_utf8),
        cmocka_unit_test(test_S21_made_7bit),
        cmocka_unit_test(test_S21_report),
        cmocka_unit_test(test_S29_long_lines),
        cmocka_unit_test(test_body_octets),
        cmocka_unit_test(test_large_body),
        cmocka_unit_test(test_cut_in_the_body),
        cmocka_unit_test(test_damaged_body),
        cmocka_unit_test(test_dsn_parameters),
        cmocka_unit_test(test_addresses),
    };
    int failures = cmocka_run_group_tests_name("one loop", tests, NULL, NULL);
    rig_set_loops(4);
    return failures +
           cmocka_run_group_tests_name("four loops", tests, NULL, NULL);
}
