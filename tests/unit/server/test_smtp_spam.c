/* test_smtp_spam.c - T-117: whose bodies are remembered, who is refused or
 * marked for one, how long, and who never is. Thread: the test's. */
#include "rig.h"

#include <string.h>

#define TRAP "RCPT TO:<trap@example.org>\r\n"
#define ALICE "RCPT TO:<alice@example.org>\r\n"
#define KNOWN "550 5.7.1 This text was refused as spam\r\n"
#define HOUR 3600000

static const char *const refuse[] = {"spam.memory=refuse",
                                     "spam.time=2h",
                                     "spam.exempt=203.0.113.9",
                                     "traps.addresses=trap@example.org",
                                     "traps.time=1m",
                                     "local.postmaster=alice",
                                     "smtp.allows_clear_auth=true",
                                     NULL};
static const char *const tag[] = {"spam.memory=tag",
                                  "traps.addresses=trap@example.org", NULL};
static const char *const off[] = {"traps.addresses=trap@example.org", NULL};

/* 26 octets without white space a line; `count` of them. */
static const char *lines(char text[2000], size_t count, const char *end)
{
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        strcat(text, "abcdefghi jklmnopqr stuvwxyz");
        strcat(text, end);
    }
    return text;
}

struct mail {
    unsigned port;
    const char *from, *login, *recipients, *header, *body;
};

/* The reply to the end of data. */
static void expect(const struct mail *mail, const char *reply)
{
    struct fake_peer peer = {.conn = NULL};

    fake_connect(&peer, mail->port != 0 ? mail->port : PORT_SMTP,
                 mail->from != NULL ? mail->from : "192.0.2.8:4000");
    rig_expect(&peer, "", "220");
    rig_expect(&peer, "EHLO client.example\r\n", "250-");
    if (mail->login != NULL) {
        rig_expect(&peer, mail->login, "235");
    }
    rig_expect(&peer, "MAIL FROM:<alice@example.org>\r\n", "250");
    (void)fake_talk(&peer, mail->recipients != NULL ? mail->recipients : ALICE);
    rig_expect(&peer, "DATA\r\n", "354");
    (void)fake_talk(&peer, mail->header);
    (void)fake_talk(&peer, mail->body);
    rig_expect(&peer, ".\r\n", reply);
    fake_hang_up(&peer);
    fake_run(1);
    fake_forget_peer(&peer);
}

#define EXPECT(reply, ...) expect(&(struct mail){__VA_ARGS__}, reply)

static void spam(const char *body)
{
    EXPECT(KNOWN, .from = "192.0.2.7:4000", .recipients = ALICE TRAP,
           .header = "Subject: a\r\n\r\n", .body = body);
    fake_run(5); /* it is written */
}

static void test_refuse(void **state)
{
    char text[2000], other[2000];
    struct rig rig;

    (void)state;
    rig_open(&rig, refuse, NULL);
    EXPECT("250", .header = "\r\n", .body = lines(text, 12, "\r\n"));
    spam(text);
    assert_non_null(strstr(fake_log_text(), "spam remembered"));
    EXPECT(KNOWN, .header = "Subject: b\r\nX: y\r\n\r\n", .body = text);
    EXPECT(KNOWN, .header = "\r\n", .body = text);
    EXPECT(KNOWN, .header = "\r\n", .body = lines(other, 12, " \t\r\n\r\n"));
    EXPECT("250", .header = "\r\n", .body = lines(other, 13, "\r\n"));
    /* what has no body, and what is for others */
    EXPECT("250", .header = "Subject: b\r\n", .body = "X: y\r\n");
    EXPECT("250", .recipients = "RCPT TO:<postmaster>\r\n", .header = "\r\n",
           .body = text);
    EXPECT(KNOWN, .recipients = "RCPT TO:<postmaster>\r\n" ALICE,
           .header = "\r\n", .body = text);
    EXPECT("250", .from = "203.0.113.9:4000", .header = "\r\n", .body = text);
    EXPECT("250", .port = PORT_SUBMISSION,
           .login = "AUTH PLAIN AGFsaWNlAHNlY3JldC1hbGljZQ==\r\n",
           .header = "\r\n", .body = text);
    fake_run(HOUR);
    EXPECT(KNOWN, .header = "\r\n", .body = text);
    fake_run(HOUR); /* the mail before did not prolong it */
    EXPECT("250", .header = "\r\n", .body = text);
    assert_int_equal(rig_entries(&rig, rig.alice), 7);
    rig_close(&rig);
}

/* 9 lines have 234 octets, 10 have 260. */
static void test_short(void **state)
{
    char text[2000];
    struct rig rig;

    (void)state;
    rig_open(&rig, refuse, NULL);
    EXPECT("250", .recipients = ALICE TRAP, .header = "\r\n",
           .body = lines(text, 9, "\r\n"));
    EXPECT("250", .from = "192.0.2.9:4000", .header = "\r\n", .body = text);
    spam(lines(text, 10, "\r\n"));
    EXPECT(KNOWN, .from = "192.0.2.9:4000", .header = "\r\n", .body = text);
    rig_close(&rig);
}

static void test_tag(void **state)
{
    char text[2000];
    struct mm_buf newest;
    struct rig rig;

    (void)state;
    mm_buf_init(&newest, 100000);
    rig_open(&rig, tag, NULL);
    EXPECT("250", .header = "X-Blocklist: known spam\r\nS: a\r\n\r\n",
           .body = lines(text, 12, "\r\n"));
    assert_null(strstr(rig_newest(&rig, rig.alice, &newest), "X-Blocklist"));
    EXPECT("250", .from = "192.0.2.7:4000", .recipients = ALICE TRAP,
           .header = "S: a\r\n\r\n", .body = text);
    fake_run(5);
    EXPECT("250", .header = "S: b\r\n\r\n", .body = text);
    assert_non_null(strstr(rig_newest(&rig, rig.alice, &newest),
                           "\r\nX-Blocklist: known spam\r\n"));
    EXPECT("250", .header = "S: b\r\n\r\n", .body = "else\r\n");
    assert_null(strstr(rig_newest(&rig, rig.alice, &newest), "X-Blocklist"));
    rig_close(&rig);
    mm_buf_fini(&newest);
}

static bool on_sighting(void *context, const struct mm_store_sighting *sighting)
{
    (void)sighting;
    ++*(size_t *)context;
    return true;
}

static size_t remembered(struct rig *rig)
{
    size_t count = 0;

    assert_int_equal(mm_store_each_sighting(rig->store, MM_SIGHTING_SPAM,
                                            on_sighting, &count),
                     MAILMOD_OK);
    return count;
}

static void test_off(void **state)
{
    char text[2000];
    struct rig rig;

    (void)state;
    rig_open(&rig, off, NULL);
    for (int i = 0; i < 2; i++) {
        EXPECT("250", .recipients = ALICE TRAP, .header = "\r\n",
               .body = lines(text, 12, "\r\n"));
        fake_run(61 * 1000);
        fake_run(24 * HOUR); /* the trap lets the peer in again */
    }
    assert_int_equal(remembered(&rig), 0);
    rig_close(&rig);
}

static enum mailmod_error ask(void *context, struct mm_request *request)
{
    (void)context;
    assert_int_equal(mm_request_set_reply(request, 550, "spam"), MAILMOD_OK);
    return mm_request_settle(request, MM_VERDICT_REJECT);
}

/* Who refuses before the body leaves nothing to remember. */
static void test_no_body(void **state)
{
    struct mm_hooks hooks = {.moments = MAILMOD_SMTP_MESSAGE, .ask = ask};
    struct fake_peer peer = {.conn = NULL};
    struct rig rig;

    (void)state;
    rig_open(&rig, refuse, &hooks);
    fake_connect(&peer, PORT_SMTP, "192.0.2.8:4000");
    rig_expect(&peer, "", "220");
    rig_expect(&peer, "EHLO client.example\r\n", "250-");
    rig_expect(&peer, "MAIL FROM:<c@example.net>\r\n", "250");
    rig_expect(&peer, ALICE, "250");
    rig_expect(&peer, "DATA\r\n", "550 5.7.1 spam");
    fake_hang_up(&peer);
    fake_run(5);
    fake_forget_peer(&peer);
    assert_int_equal(remembered(&rig), 0);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuse),  cmocka_unit_test(test_short),
        cmocka_unit_test(test_tag),     cmocka_unit_test(test_off),
        cmocka_unit_test(test_no_body),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
