/* test_brakes.c - what a session feels of the brakes: bans by failed logins,
 * their delays, who may connect, early talkers, limits of mail, POP before
 * SMTP. Attacks 37 and 50. Thread: the test's. */
#include "rig.h"

#define STRANGER "198.51.100.7:4000"
#define GOOD "AUTH PLAIN AGFsaWNlAHNlY3JldC1hbGljZQ==\r\n"
#define WRONG "AUTH PLAIN AGFsaWNlAHdyb25n\r\n"

static int begin(void **state)
{
    *state = mm_alloc(sizeof(struct rig_talk));
    assert_non_null(*state);
    return 0;
}

static void open_with(struct rig_talk *b, const char *const *settings)
{
    rig_open(&b->rig, settings, NULL);
}

static void leave(struct fake_peer *peer)
{
    fake_hang_up(peer);
    fake_run(1);
    fake_forget_peer(peer);
}

static void submit_from(struct fake_peer *peer, const char *from)
{
    fake_connect(peer, PORT_SUBMISSION, from);
    rig_expect(peer, "", "220");
    rig_expect(peer, "EHLO client.example\r\n", "250-");
}

static void fail_by_smtp(struct rig_talk *b, const char *from)
{
    submit_from(&b->peer, from);
    rig_expect(&b->peer, WRONG, "535 5.7.8");
    leave(&b->peer);
}

static void fail_by_pop3(struct rig_talk *b, const char *from)
{
    fake_connect(&b->peer, PORT_POP3, from);
    rig_expect(&b->peer, "", "+OK");
    rig_expect(&b->peer, "USER nobody\r\n", "+OK");
    rig_expect(&b->peer, "PASS wrong\r\n", "-ERR [AUTH]");
    leave(&b->peer);
}

static const char *const banning[] = {
    "logins.failures_max=3", "smtp.allows_clear_auth=true",
    "pop3.allows_clear_login=true", "logins.exempt=203.0.113.0/24", NULL};

/* Attack 50, F22: one count for both protocols; the right password gets the
 * words of a wrong one; another address is not hurt. */
static void test_ban(void **state)
{
    struct rig_talk *b = *state;

    open_with(b, banning);
    fail_by_smtp(b, STRANGER);
    fail_by_pop3(b, STRANGER);
    submit_from(&b->other, STRANGER); /* a session that is there already */
    fail_by_pop3(b, STRANGER);
    assert_non_null(strstr(fake_log_text(), "network banned"));
    rig_expect(&b->other, GOOD, "535 5.7.8 Authentication credentials invalid");
    submit_from(&b->peer, STRANGER);
    rig_expect(&b->peer, GOOD, "535 5.7.8 Authentication credentials invalid");
    assert_non_null(
        strstr(fake_log_text(), "login refused: its network is banned"));
    leave(&b->peer);
    submit_from(&b->peer, "198.51.100.8:4000");
    rig_expect(&b->peer, GOOD, "235");
    leave(&b->peer);
    fake_run(3600000); /* silence */
    submit_from(&b->peer, STRANGER);
    rig_expect(&b->peer, GOOD, "235");
}

/* SCRAM goes its usual way and ends as with a wrong password. */
static void test_ban_of_scram(void **state)
{
    struct rig_talk *b = *state;

    open_with(b, banning);
    fail_by_smtp(b, STRANGER);
    fail_by_smtp(b, STRANGER);
    fail_by_smtp(b, STRANGER);
    submit_from(&b->peer, STRANGER);
    rig_expect(&b->peer, "AUTH SCRAM-SHA-256 biwsbj1hbGljZSxyPW5vbmNl\r\n",
               "334 ");
}

static void test_exempt(void **state)
{
    struct rig_talk *b = *state;

    open_with(b, banning);
    for (unsigned i = 0; i < 5; i++) {
        fail_by_smtp(b, "203.0.113.9:4000");
        fail_by_smtp(b, "127.0.0.1:4000");
    }
    submit_from(&b->peer, "203.0.113.9:4000");
    rig_expect(&b->peer, GOOD, "235");
    submit_from(&b->other, "127.0.0.1:4000");
    rig_expect(&b->other, GOOD, "235");
}

static void test_delays_grow(void **state)
{
    static const char *const settings[] = {"logins.delay_max=2s",
                                           "smtp.login_failures_max=9",
                                           "smtp.allows_clear_auth=true", NULL};
    static const uint64_t delays[] = {500, 1000, 2000, 2000};
    struct rig_talk *b = *state;

    open_with(b, settings);
    submit_from(&b->peer, STRANGER);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t from_ms = fake_now_ms();

        fake_say(&b->peer, WRONG);
        fake_run(delays[i] - 10);
        assert_string_equal(fake_heard(&b->peer), "");
        fake_run(20);
        assert_int_equal(strncmp(fake_heard(&b->peer), "535", 3), 0);
        assert_true(fake_now_ms() - from_ms < delays[i] + 100);
    }
    fake_say(&b->peer, WRONG);
    fake_run(100);
    fake_hang_up(&b->peer); /* in the middle of a delay */
}

/* T-090: deny comes first; CIDR and a-b; a service each protocol. */
static void test_who_may_connect(void **state)
{
    static const char *const settings[] = {
        "smtp.allow_from=192.0.2.0/24, 2001:db8::/32",
        "smtp.deny_from=192.0.2.10-192.0.2.19",
        "pop3.deny_from=198.51.100.0/24", NULL};
    static const struct {
        unsigned port;
        const char *from, *says;
    } rows[] = {
        {PORT_SMTP, "192.0.2.9:4000", "220 "},
        {PORT_SMTP, "192.0.2.10:4000", "421 4.7.1"},
        {PORT_SMTP, "192.0.2.19:4000", "421 4.7.1"},
        {PORT_SUBMISSION, "192.0.2.15:4000", "421 4.7.1"},
        {PORT_SMTP, "192.0.2.20:4000", "220 "},
        {PORT_SMTP, STRANGER, "421 4.7.1"},
        {PORT_SMTP, "[2001:db8::1]:4000", "220 "},
        {PORT_SMTP, "[2001:db9::1]:4000", "421 4.7.1"},
        {PORT_POP3, STRANGER, "-ERR [SYS/TEMP]"},
        {PORT_POP3, "192.0.2.10:4000", "+OK"},
    };
    struct rig_talk *b = *state;

    open_with(b, settings);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fake_connect(&b->peer, rows[i].port, rows[i].from);
        rig_expect(&b->peer, "", rows[i].says);
        leave(&b->peer);
    }
    assert_non_null(strstr(fake_log_text(), "its network may not connect"));
}

static void test_connections_of_a_network(void **state)
{
    static const char *const settings[] = {"smtp.connections_per_network_max=1",
                                           NULL};
    struct rig_talk *b = *state;

    open_with(b, settings);
    fake_connect(&b->peer, PORT_SMTP, "192.0.2.1:4000");
    rig_expect(&b->peer, "", "220");
    fake_connect(&b->other, PORT_SMTP, "192.0.2.2:4000");
    rig_expect(&b->other, "", "421 4.7.0 Too many connections from your net");
    leave(&b->other);
    leave(&b->peer);
    fake_connect(&b->other, PORT_SMTP, "192.0.2.2:4000");
    rig_expect(&b->other, "", "220");
}

static void test_early_talkers(void **state)
{
    static const char *const settings[] = {"smtp.greeting_delay=2s", NULL};
    struct rig_talk *b = *state;

    open_with(b, settings);
    fake_connect(&b->peer, PORT_SMTP, STRANGER);
    fake_say(&b->peer, "EHLO spam.example\r\n");
    fake_connect(&b->other, PORT_SMTP, STRANGER);
    fake_run(1900);
    assert_string_equal(fake_heard(&b->peer), "");
    assert_string_equal(fake_heard(&b->other), "");
    fake_run(200);
    rig_expect(&b->peer, "", "554 You spoke before the greeting\r\n503");
    rig_expect(&b->other, "", "220");
    rig_expect(&b->other, "EHLO client.example\r\n", "250-");
    leave(&b->peer);
    fake_connect(&b->peer, PORT_SUBMISSION,
                 STRANGER); /* users are not tested */
    rig_expect(&b->peer, "", "220");
}

static void mail(struct fake_peer *peer, const char *reply)
{
    rig_expect(peer, "MAIL FROM:<carol@example.net>\r\n", reply);
}

static void send_one(struct fake_peer *peer)
{
    mail(peer, "250");
    rig_expect(peer, "RCPT TO:<alice@example.org>\r\n", "250");
    rig_expect(peer, "DATA\r\n", "354");
    rig_expect(peer, "Subject: x\r\n\r\n0123456789\r\n.\r\n", "250");
}

static void hello(struct fake_peer *peer, const char *from)
{
    fake_connect(peer, PORT_SMTP, from);
    rig_expect(peer, "", "220");
    rig_expect(peer, "EHLO client.example\r\n", "250-");
}

/* T-096: each with its own reply, and the window's end. */
static void test_rates(void **state)
{
    static const char *const settings[] = {"rates.window=1h",
                                           "rates.address_messages_max=2",
                                           "rates.sender_recipients_max=5",
                                           "rates.network_octets_max=70",
                                           "rates.exempt=203.0.113.0/24",
                                           NULL};
    struct rig_talk *b = *state;

    open_with(b, settings);
    hello(&b->peer, "192.0.2.1:4000");
    send_one(&b->peer);
    send_one(&b->peer);
    mail(&b->peer, "421 4.7.0 Too many messages from your address");
    assert_true(b->peer.is_closed);
    leave(&b->peer);
    hello(&b->peer, "192.0.2.2:4000"); /* its neighbour */
    send_one(&b->peer);
    mail(&b->peer, "421 4.7.0 Too much mail from your network");
    leave(&b->peer);
    hello(&b->peer, "198.51.100.7:4000");
    mail(&b->peer, "250");
    rig_expect(&b->peer, "RCPT TO:<alice@example.org>\r\n", "250");
    rig_expect(&b->peer, "RCPT TO:<bob@example.org>\r\n", "250");
    rig_expect(&b->peer, "RCPT TO:<bob@example.org>\r\n",
               "450 4.7.1 Too many recipients of this sender");
    leave(&b->peer);
    hello(&b->peer, "203.0.113.1:4000");
    for (unsigned i = 0; i < 4; i++) {
        send_one(&b->peer);
    }
    leave(&b->peer);
    fake_run(3600000);
    hello(&b->peer, "192.0.2.1:4000");
    send_one(&b->peer);
}

static void test_pop_before_smtp(void **state)
{
    static const char *const settings[] = {
        "smtp.pop_before_smtp=35m", "pop3.allows_clear_login=true", NULL};
    struct rig_talk *b = *state;

    open_with(b, settings);
    submit_from(&b->other, STRANGER);
    mail(&b->other, "530 5.7.0");
    leave(&b->other);
    fake_connect(&b->peer, PORT_POP3, STRANGER);
    rig_expect(&b->peer, "", "+OK");
    rig_expect(&b->peer, "USER alice\r\n", "+OK");
    rig_expect(&b->peer, "PASS secret-alice\r\n", "+OK");
    submit_from(&b->other, STRANGER);
    mail(&b->other, "250");
    rig_expect(&b->other, "RCPT TO:<dave@example.com>\r\n", "250");
    leave(&b->other);
    submit_from(&b->other, "198.51.100.8:4000");
    mail(&b->other, "530 5.7.0");
    leave(&b->other);
    hello(&b->other, STRANGER); /* port 25 relays for nobody */
    mail(&b->other, "250");
    rig_expect(&b->other, "RCPT TO:<dave@example.com>\r\n", "550 5.7.1");
    leave(&b->other);
    fake_run(35 * 60000);
    submit_from(&b->other, STRANGER);
    mail(&b->other, "530 5.7.0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ban, begin, rig_talk_end),
        cmocka_unit_test_setup_teardown(test_ban_of_scram, begin, rig_talk_end),
        cmocka_unit_test_setup_teardown(test_exempt, begin, rig_talk_end),
        cmocka_unit_test_setup_teardown(test_delays_grow, begin, rig_talk_end),
        cmocka_unit_test_setup_teardown(test_who_may_connect, begin,
                                        rig_talk_end),
        cmocka_unit_test_setup_teardown(test_connections_of_a_network, begin,
                                        rig_talk_end),
        cmocka_unit_test_setup_teardown(test_early_talkers, begin,
                                        rig_talk_end),
        cmocka_unit_test_setup_teardown(test_rates, begin, rig_talk_end),
        cmocka_unit_test_setup_teardown(test_pop_before_smtp, begin,
                                        rig_talk_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
