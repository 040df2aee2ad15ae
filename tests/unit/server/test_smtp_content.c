/* test_smtp_content.c - T-100: rules about content in SMTP sessions: who is
 * judged, what becomes of the mail, and how the file is read anew. Thread: the
 * test's. */
#include "rig.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ALICE "RCPT TO:<alice@example.org>\r\n"
#define LOGIN "AUTH PLAIN AGFsaWNlAHNlY3JldC1hbGljZQ==\r\n"

static char folder[64];
static char rules_path[96];
static char rules_setting[128];
static const char *settings[] = {rules_setting,
                                 "content.text_max=4K",
                                 "content.exempt=203.0.113.9",
                                 "content.exempts_logins=true",
                                 "smtp.allows_clear_auth=true",
                                 NULL};

static void write_rules(const char *text)
{
    FILE *file = fopen(rules_path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static void open_rig(struct rig *rig, const char *text)
{
    strcpy(folder, "/tmp/mailmod-content-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(rules_path, sizeof rules_path, "%s/rules", folder);
    write_rules(text);
    (void)snprintf(rules_setting, sizeof rules_setting, "content.rules_file=%s",
                   rules_path);
    rig_open(rig, settings, NULL);
}

static void close_rig(struct rig *rig)
{
    rig_close(rig);
    assert_int_equal(remove(rules_path), 0);
    assert_int_equal(rmdir(folder), 0);
}

struct mail {
    unsigned port;
    const char *from, *login, *recipients, *text;
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
    (void)fake_talk(&peer, mail->text);
    rig_expect(&peer, ".\r\n", reply);
    fake_hang_up(&peer);
    fake_run(1);
    fake_forget_peer(&peer);
}

#define EXPECT(reply, ...) expect(&(struct mail){__VA_ARGS__}, reply)

/* The first that ends decides; those who are exempt are not asked about. */
static void test_verdicts(void **state)
{
    struct rig rig;

    (void)state;
    open_rig(&rig, "accept if $header:Subject ~ friend\n"
                   "defer \"come later\" if $text ~ later\r\n"
                   "refuse \"no such mail\" if $text ~ bad && $sender ~ alice\n"
                   "discard if $header:Subject ~ nothing\n");
    EXPECT("250", .text = "Subject: a\r\n\r\ngood\r\n");
    EXPECT("550 5.7.1 no such mail\r\n", .text = "Subject: a\r\n\r\nbad\r\n");
    EXPECT("550 5.7.1 no such mail\r\n",
           .text = "Content-Transfer-Encoding: base64\r\n\r\nYmFk\r\n");
    EXPECT("451 4.7.1 come later\r\n", .text = "\r\nlater, bad\r\n");
    EXPECT("250", .text = "Subject: my friend\r\n\r\nbad\r\n");
    EXPECT("250", .from = "203.0.113.9:4000", .text = "\r\nbad\r\n");
    EXPECT("250", .port = PORT_SUBMISSION, .login = LOGIN,
           .text = "\r\nbad\r\n");
    assert_int_equal(rig_entries(&rig, rig.alice), 4);
    EXPECT("250", .text = "Subject: nothing\r\n\r\ngood\r\n");
    assert_int_equal(rig_entries(&rig, rig.alice), 4);
    assert_non_null(strstr(fake_log_text(), "a rule about content"));
    close_rig(&rig);
}

/* A message larger than what is kept of it; its size is known whole. */
static void test_bounds(void **state)
{
    static char text[9100];
    struct rig rig;

    (void)state;
    open_rig(&rig, "refuse \"large\" if $size > 9000\n"
                   "refuse \"early\" if $text ~ needle\n"
                   "refuse \"many\" if $recipients > 1\n");
    strcpy(text, "Subject: a\r\n\r\n");
    while (strlen(text) < 8000) {
        strcat(text, "a line of the text, as long as others\r\n");
    }
    EXPECT("250", .text = text);
    memcpy(text + 4000, "needle", 6);
    EXPECT("550 5.7.1 early", .text = text);
    memcpy(text + 4000, "haysta", 6);
    memcpy(text + 5000, "needle", 6);
    EXPECT("250", .text = text);
    EXPECT("550 5.7.1 many", .text = "\r\nx\r\n",
           .recipients = ALICE "RCPT TO:<bob@example.org>\r\n");
    memset(text + strlen(text), 'x', sizeof text - 2 - strlen(text));
    memcpy(text + 9000 - 2, "\r\n", 3);
    EXPECT("250", .text = text);
    memcpy(text + 9000 - 2, "x\r\n", 4);
    EXPECT("550 5.7.1 large", .text = text);
    close_rig(&rig);
}

/* A mistake leaves its line out, a file that is away the former rules in. */
static void test_read_anew(void **state)
{
    struct rig rig;

    (void)state;
    open_rig(&rig, "# rules\nrefuse \"first\" if $text ~ bad\n"
                   "reject everything\n");
    assert_non_null(strstr(fake_log_text(), "rule left out"));
    assert_non_null(strstr(fake_log_text(), ":3"));
    EXPECT("550 5.7.1 first", .text = "\r\nbad\r\n");
    write_rules("refuse \"second\" if $text ~ bad\n");
    fake_run(4000);
    EXPECT("550 5.7.1", .text = "\r\nbad\r\n"); /* this one looks */
    EXPECT("550 5.7.1 second", .text = "\r\nbad\r\n");
    assert_int_equal(remove(rules_path), 0);
    fake_run(4000);
    EXPECT("550 5.7.1", .text = "\r\nbad\r\n");
    EXPECT("550 5.7.1 second", .text = "\r\nbad\r\n");
    assert_non_null(strstr(fake_log_text(), "the former ones stay"));
    write_rules("");
    fake_run(4000);
    EXPECT("550", .text = "\r\nbad\r\n");
    EXPECT("250", .text = "\r\nbad\r\n");
    close_rig(&rig);
}

/* Patterns that would keep a worker for long are left out together. */
static void test_cost(void **state)
{
    static char text[20000];
    struct rig rig;

    (void)state;
    for (int i = 0; i < 40; i++) {
        strcat(text, "refuse \"cost\" if $text =~ /(ab|b){250}/\n");
    }
    strcat(text, "refuse \"last\" if 1\n");
    open_rig(&rig, text);
    assert_non_null(strstr(fake_log_text(), "is one too many"));
    EXPECT("550 5.7.1 last", .text = "\r\nbad\r\n");
    close_rig(&rig);
}

/* The peer goes while a worker has its message. */
static void test_peer_goes(void **state)
{
    struct rig rig;
    struct fake_peer peer = {.conn = NULL};

    (void)state;
    open_rig(&rig, "accept\n");
    fake_connect(&peer, PORT_SMTP, "192.0.2.8:4000");
    rig_expect(&peer, "", "220");
    rig_expect(&peer, "HELO client.example\r\n", "250");
    rig_expect(&peer, "MAIL FROM:<alice@example.org>\r\n", "250");
    rig_expect(&peer, ALICE, "250");
    rig_expect(&peer, "DATA\r\n", "354");
    fake_hold_jobs(true);
    fake_say(&peer, "\r\nbody\r\n.\r\n");
    fake_run(10);
    fake_hang_up(&peer);
    fake_run(10);
    fake_hold_jobs(false);
    fake_run(10);
    assert_int_equal(rig_entries(&rig, rig.alice), 0);
    fake_forget_peer(&peer);
    close_rig(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts), cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_read_anew), cmocka_unit_test(test_cost),
        cmocka_unit_test(test_peer_goes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
