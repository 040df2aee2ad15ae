/* test_proxied.c - connections that proxies carry: whose address counts, and
 * what it gives. Thread: the test's. */
#include "rig.h"

#define PROXY "192.0.2.1:7000"
#define CLIENT "PROXY TCP4 198.51.100.7 192.0.2.1 4000 25\r\n"

static int begin(void **state)
{
    static const char *const settings[] = {
        "general.proxy_from=192.0.2.0/28",
        "general.proxy_timeout=3s",
        "smtp.relay_from=0.0.0.0/0, ::/0",
        "smtp.lenient_from=0.0.0.0/0, ::/0",
        "dnsbl.zones=bl.example",
        "dnsbl.self_test=false",
        "dnsbl.exempt=127.0.0.0/8, 192.0.2.0/24",
        "smtp.connections_per_address_max=1",
        "smtp.connections_max=4",
        NULL};

    *state = rig_talk_open(settings);
    return 0;
}

static void come_from(struct fake_peer *peer, unsigned port, const char *header)
{
    fake_connect(peer, port, PROXY);
    fake_run(10);
    assert_string_equal(fake_heard(peer), ""); /* no word before the header */
    fake_say(peer, header);
    fake_run(10);
}

static void test_carried_address_counts(void **state)
{
    struct rig_talk *b = *state;

    fake_dns_say("7.100.51.198.bl.example", MAILMOD_OK, "127.0.0.2", 1);
    come_from(&b->peer, PORT_SMTP, CLIENT "EHLO early\r\n");
    rig_expect(&b->peer, "", "220");
    rig_expect(&b->peer, "MAIL FROM:<a@example.net>\r\n", "250");
    rig_expect(&b->peer, "RCPT TO:<alice@example.org>\r\n", "550 5.7.1");
    assert_non_null(strstr(fake_log_text(), "198.51.100.7"));
    /* Its second connection is one too many; another client's is not. */
    come_from(&b->other, PORT_SMTP, CLIENT);
    rig_expect(&b->other, "", "421 4.7.0");
    fake_forget_peer(&b->other);
    come_from(&b->other, PORT_SMTP,
              "PROXY TCP4 198.51.100.8 192.0.2.1 4000 25\r\n");
    rig_expect(&b->other, "", "220");
}

/* LOCAL, UNKNOWN, loopback and proxies' own addresses: no relay, no faults. */
static void test_no_rights(void **state)
{
    static const char *const headers[] = {
        "PROXY UNKNOWN\r\n",
        "PROXY TCP4 127.0.0.1 127.0.0.1 4000 25\r\n",
        "PROXY TCP6 ::1 ::1 4000 25\r\n",
        "PROXY TCP6 ::ffff:127.0.0.1 ::1 4000 25\r\n",
        "PROXY TCP4 192.0.2.9 192.0.2.1 4000 25\r\n",
    };
    struct rig_talk *b = *state;

    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        come_from(&b->peer, PORT_SUBMISSION, headers[i]);
        rig_expect(&b->peer, "", "220");
        rig_expect(&b->peer, "HELO\r\n", "501");
        rig_expect(&b->peer, "EHLO c\r\n", "250");
        rig_expect(&b->peer, "MAIL FROM:<a@example.net>\r\n", "530");
        fake_hang_up(&b->peer);
        fake_run(10);
        fake_forget_peer(&b->peer);
    }
    come_from(&b->peer, PORT_SUBMISSION, CLIENT);
    rig_expect(&b->peer, "EHLO c\r\n", "220");
    rig_expect(&b->peer, "MAIL FROM:a@example.net\r\n", "250");
    rig_expect(&b->peer, "RCPT TO:<b@far.example>\r\n", "250");
}

/* A carried loopback address is exempt from no list; a proxy is on none. */
static void test_no_exemption(void **state)
{
    struct rig_talk *b = *state;

    fake_dns_say("9.2.0.192.bl.example", MAILMOD_OK, "127.0.0.2", 1);
    come_from(&b->peer, PORT_SMTP,
              "PROXY TCP4 192.0.2.9 192.0.2.1 4000 25\r\n");
    rig_expect(&b->peer, "EHLO c\r\n", "220");
    rig_expect(&b->peer, "MAIL FROM:<a@example.net>\r\n", "250");
    rig_expect(&b->peer, "RCPT TO:<alice@example.org>\r\n", "550 5.7.1");
    unsigned asked = fake_dns_asked();
    come_from(&b->other, PORT_SMTP, "PROXY UNKNOWN\r\n");
    rig_expect(&b->other, "EHLO c\r\n", "220");
    rig_expect(&b->other, "MAIL FROM:<a@example.net>\r\n", "250");
    rig_expect(&b->other, "RCPT TO:<alice@example.org>\r\n", "250");
    assert_int_equal(fake_dns_asked(), asked);
}

/* Required from a proxy, refused from others (attack 42). */
static void test_required_and_refused(void **state)
{
    struct rig_talk *b = *state;

    come_from(&b->peer, PORT_SMTP, "EHLO client.example\r\n");
    assert_true(b->peer.is_closed);
    assert_string_equal(fake_heard(&b->peer), "");
    fake_forget_peer(&b->peer);
    static const unsigned ports[] = {PORT_SMTP, PORT_POP3};
    for (size_t i = 0; i < 2; i++) {
        fake_connect(&b->peer, ports[i], "203.0.113.5:4000");
        fake_run(10);
        (void)fake_heard(&b->peer);
        fake_say(&b->peer, "PRO");
        fake_run(10);
        fake_say(&b->peer, "XY TCP4 198.51.100.7 192.0.2.1 4000 25\r\n");
        fake_run(10);
        assert_true(b->peer.is_closed);
        assert_string_equal(fake_heard(&b->peer), "");
        fake_forget_peer(&b->peer);
    }
    assert_non_null(strstr(fake_log_text(), "not from general.proxy_from"));
    assert_null(strstr(fake_log_text(), "198.51.100.7"));
}

static void test_own_time(void **state)
{
    struct rig_talk *b = *state;

    fake_connect(&b->peer, PORT_SUBMISSIONS, PROXY);
    fake_run(2000);
    fake_say(&b->peer, "PROXY ");
    fake_run(900);
    assert_false(b->peer.is_closed);
    fake_run(200);
    assert_true(b->peer.is_closed);
    assert_non_null(strstr(fake_log_text(), "no header came in time"));
    assert_int_equal(mm_server_busy(b->rig.server), 0);
}

static void test_crowd_without_headers(void **state)
{
    struct fake_peer silent[5] = {0};
    struct rig_talk *b = *state;

    for (size_t i = 0; i < 5; i++) {
        fake_connect(&silent[i], PORT_SMTP, PROXY);
    }
    fake_run(10);
    assert_false(silent[3].is_closed);
    assert_non_null(strstr(fake_heard(&silent[4]), "421 4.3.2"));
    assert_int_equal(mm_server_busy(b->rig.server), 4);
    for (size_t i = 0; i < 5; i++) {
        fake_hang_up(&silent[i]);
    }
    fake_run(10);
    assert_int_equal(mm_server_busy(b->rig.server), 0);
    for (size_t i = 0; i < 5; i++) {
        fake_forget_peer(&silent[i]);
    }
}

static void test_stop_while_waiting(void **state)
{
    struct rig_talk *b = *state;

    fake_connect(&b->peer, PORT_SMTP, PROXY);
    fake_connect(&b->other, PORT_POP3, PROXY);
    fake_run(10);
    assert_int_equal(mm_server_close_service(b->rig.server, MM_SERVICE_SMTP),
                     MAILMOD_OK);
    fake_run(10);
    assert_true(b->peer.is_closed);
    assert_false(b->other.is_closed);
    mm_server_stop(b->rig.server);
    fake_run(10);
    assert_true(b->other.is_closed);
    assert_int_equal(mm_server_busy(b->rig.server), 0);
}

static void test_pop3_and_implicit_tls(void **state)
{
    struct rig_talk *b = *state;

    come_from(&b->peer, PORT_POP3, CLIENT);
    rig_expect(&b->peer, "", "+OK");
    come_from(&b->other, PORT_POP3S, CLIENT);
    fake_run(50);
    assert_true(b->other.is_tls);
    rig_expect(&b->other, "", "+OK");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_carried_address_counts, begin,
                                        rig_talk_end),
        cmocka_unit_test_setup_teardown(test_no_rights, begin, rig_talk_end),
        cmocka_unit_test_setup_teardown(test_no_exemption, begin, rig_talk_end),
        cmocka_unit_test_setup_teardown(test_required_and_refused, begin,
                                        rig_talk_end),
        cmocka_unit_test_setup_teardown(test_own_time, begin, rig_talk_end),
        cmocka_unit_test_setup_teardown(test_crowd_without_headers, begin,
                                        rig_talk_end),
        cmocka_unit_test_setup_teardown(test_stop_while_waiting, begin,
                                        rig_talk_end),
        cmocka_unit_test_setup_teardown(test_pop3_and_implicit_tls, begin,
                                        rig_talk_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
