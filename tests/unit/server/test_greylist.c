/* test_greylist.c - greylisting: who comes again, who passes, what a restart
 * keeps, and the bound. Thread: the test's. */
#include "rig.h"

#define MINUTE 60000
#define PEER "192.0.2.7"

struct grey {
    struct mm_store *store;
    struct mm_config *config;
    struct mm_greylist greylist;
};

static const char *const settings[] = {
    "greylisting.mode=all", "greylisting.delay=5m", "greylisting.window=4h",
    "greylisting.memory=35d", NULL};

static int begin(void **state)
{
    struct grey *g = mm_alloc(sizeof *g);

    assert_non_null(g);
    assert_int_equal(mm_store_open_memory(&g->store, NULL), MAILMOD_OK);
    fake_open(g->store);
    g->config = rig_config(settings);
    g->greylist.store = g->store;
    g->greylist.log = fake_log();
    *state = g;
    return 0;
}

static int end(void **state)
{
    struct grey *g = *state;

    mm_config_unref(&g->config);
    mm_store_close(&g->store);
    fake_close();
    mm_free(g);
    return 0;
}

static enum mailmod_error run_nothing(struct mm_store_job *job,
                                      struct mm_store_transaction *transaction)
{
    (void)job;
    (void)transaction;
    return MAILMOD_OK;
}

static bool lets_in(struct grey *g, const char *peer, const char *sender,
                    const char *recipient, int64_t now_ms)
{
    struct mm_netaddr address;
    struct mm_store_job nothing = {.run = run_nothing};

    assert_true(mm_netaddr_parse_ip(mm_span_cstr(peer), &address));
    bool is_in = mm_greylist_lets_in(&g->greylist, g->config, &address, sender,
                                     recipient, now_ms);
    /* behind what was submitted */
    assert_int_equal(mm_store_run(g->store, &nothing), MAILMOD_OK);
    return is_in;
}

static void test_comes_again(void **state)
{
    struct grey *g = *state;

    assert_false(lets_in(g, PEER, "a@b.example", "x@example.org", 0));
    assert_false(lets_in(g, PEER, "a@b.example", "x@example.org", MINUTE));
    assert_false(lets_in(g, PEER, "c@b.example", "x@example.org", 6 * MINUTE));
    assert_false(lets_in(g, PEER, "a@b.example", "y@example.org", 6 * MINUTE));
    assert_false(
        lets_in(g, "192.0.3.7", "a@b.example", "x@example.org", 6 * MINUTE));
    /* a neighbour, and another case of letters */
    assert_true(
        lets_in(g, "192.0.2.99", "A@b.example", "X@example.org", 5 * MINUTE));
    /* the network is known now: anybody, to anybody */
    assert_true(lets_in(g, PEER, "c@d.example", "z@example.org", 5 * MINUTE));
    assert_non_null(strstr(fake_log_text(), "network came again"));
}

static void test_times(void **state)
{
    const int64_t day = INT64_C(24) * 60 * MINUTE;
    struct grey *g = *state;

    /* too late: a first attempt once more */
    assert_false(lets_in(g, PEER, "a@b.example", "x@example.org", 0));
    assert_false(
        lets_in(g, PEER, "a@b.example", "x@example.org", 241 * MINUTE));
    assert_true(lets_in(g, PEER, "a@b.example", "x@example.org", 250 * MINUTE));
    /* five weeks from the last mail on */
    assert_true(lets_in(g, PEER, "q@b.example", "x@example.org", 30 * day));
    assert_true(lets_in(g, PEER, "q@b.example", "x@example.org", 60 * day));
    assert_false(lets_in(g, PEER, "q@b.example", "x@example.org", 96 * day));
}

static void test_ipv6_by_64(void **state)
{
    struct grey *g = *state;

    assert_false(lets_in(g, "2001:db8:0:1::1", "a@b.example", "x@e.org", 0));
    assert_true(lets_in(g, "2001:db8:0:1:ffff::2", "a@b.example", "x@e.org",
                        5 * MINUTE));
    assert_false(
        lets_in(g, "2001:db8:0:2::1", "b@b.example", "x@e.org", 5 * MINUTE));
}

static bool count_one(void *context, const struct mm_store_sighting *sighting)
{
    (void)sighting;
    ++*(unsigned *)context;
    return true;
}

/* What is over goes with what comes. */
static void test_sweep(void **state)
{
    struct grey *g = *state;
    unsigned count = 0;

    for (int i = 0; i < 200; i++) {
        char sender[32];

        snprintf(sender, sizeof sender, "a%d@b.example", i);
        assert_false(
            lets_in(g, PEER, sender, "x@e.org", i < 100 ? 0 : 300 * MINUTE));
    }
    assert_int_equal(mm_store_each_sighting(g->store, MM_SIGHTING_TRIPLET,
                                            count_one, &count),
                     MAILMOD_OK);
    assert_true(count >= 100 && count < 200);
}

static void rcpt(struct fake_peer *peer, const char *recipient,
                 const char *reply)
{
    char text[200];

    snprintf(text, sizeof text, "RCPT TO:<%s>\r\n", recipient);
    rig_expect(peer, text, reply);
}

static void hello(struct fake_peer *peer, unsigned port, const char *from)
{
    fake_connect(peer, port, from);
    rig_expect(peer, "", "220");
    rig_expect(peer, "EHLO client.example\r\n", "250-");
    if (port == PORT_SUBMISSION) {
        rig_expect(peer, "AUTH PLAIN AGFsaWNlAHNlY3JldC1hbGljZQ==\r\n", "235");
    }
    rig_expect(peer,
               port == PORT_SUBMISSION ? "MAIL FROM:<alice@example.org>\r\n"
                                       : "MAIL FROM:<carol@example.net>\r\n",
               "250");
}

static void leave(struct fake_peer *peer)
{
    fake_hang_up(peer);
    fake_run(1);
    fake_forget_peer(peer);
}

/* T-113 over SMTP: 451 4.7.1 for whom there is, 550 for whom there is not;
 * nobody who submits, is exempt, white, or writes to postmaster. */
static void test_sessions(void **state)
{
    static const char *const over[] = {
        "greylisting.mode=all",   "greylisting.exempt=203.0.113.0/24",
        "greylisting.delay=5m",   "smtp.allows_clear_auth=true",
        "local.postmaster=alice", NULL};
    struct rig rig;
    struct fake_peer peer = {.conn = NULL};

    (void)state;
    rig_open(&rig, over, NULL);
    hello(&peer, PORT_SMTP, "192.0.2.7:4000");
    rcpt(&peer, "alice@example.org", "451 4.7.1 Greylisted");
    rcpt(&peer, "nobody@example.org", "550 5.1.1");
    rcpt(&peer, "postmaster@example.org", "250");
    leave(&peer);
    fake_run(6 * MINUTE);
    hello(&peer, PORT_SMTP, "192.0.2.8:4000");
    rcpt(&peer, "alice@example.org", "250");
    rcpt(&peer, "bob@example.org", "250");
    leave(&peer);
    hello(&peer, PORT_SMTP, "203.0.113.8:4000");
    rcpt(&peer, "alice@example.org", "250");
    leave(&peer);
    hello(&peer, PORT_SUBMISSION, "198.51.100.8:4000");
    rcpt(&peer, "bob@example.org", "250");
    leave(&peer);
    rig_close(&rig);
}

/* The answer comes while the DNS is asked; it is asked once a sender. */
static void comes(const char *from, const char *sender, const char *reply)
{
    struct fake_peer peer = {.conn = NULL};
    char text[300];

    fake_connect(&peer, PORT_SMTP, from);
    rig_expect(&peer, "", "220");
    rig_expect(&peer, "EHLO mx.example.com\r\n", "250-");
    snprintf(text, sizeof text, "MAIL FROM:<%s>\r\n", sender);
    rig_expect(&peer, text, "250");
    for (int i = 0; i < 2; i++) {
        fake_say(&peer, i == 0 ? "RCPT TO:<alice@example.org>\r\n"
                               : "RCPT TO:<bob@example.org>\r\n");
        fake_run(1000);
        rig_expect(&peer, "", reply);
    }
    leave(&peer);
}

static void test_senders_mail_host(void **state)
{
    static const char *const over[] = {"greylisting.mode=all",
                                       "greylisting.exempts_mx=true",
                                       "greylisting.delay=5m", NULL};
    struct rig rig;
    unsigned asked = fake_dns_asked();

    (void)state;
    rig_open(&rig, over, NULL);
    fake_dns_say("b.example", MAILMOD_OK, NULL, 5);
    fake_dns_say_text("mx1.b.example mx2.b.example");
    fake_dns_say("mx1.b.example", MAILMOD_OK, "192.0.2.6", 5);
    fake_dns_say("mx2.b.example", MAILMOD_OK, "192.0.2.7", 5);
    fake_dns_say("many.example", MAILMOD_OK, NULL, 5);
    fake_dns_say_text("a b c d e mx2.b.example");
    fake_dns_say("own.example", MAILMOD_OK, "198.51.100.7", 5);
    fake_dns_say("away.example", MAILMOD_ERROR_TIMEOUT, NULL, 5);
    comes("192.0.2.7:4000", "a@b.example", "250");
    assert_int_equal(fake_dns_asked() - asked, 3); /* once a sender */
    comes("203.0.113.7:4000", "a@b.example", "451 4.7.1");
    comes("192.0.2.7:4000", "a@many.example", "451 4.7.1"); /* the sixth */
    comes("198.51.100.7:4000", "a@own.example", "250");     /* without MX */
    comes("192.0.2.7:4000", "a@away.example", "451 4.7.1");
    comes("192.0.2.7:4000", "a@nobody.example", "451 4.7.1");
    asked = fake_dns_asked();
    comes("192.0.2.7:4000", "", "451 4.7.1");
    comes("192.0.2.7:4000", "a@[192.0.2.7]", "451 4.7.1");
    assert_int_equal(fake_dns_asked(), asked);
    /* Who goes away while he is looked up leaves nothing behind. */
    struct fake_peer peer = {.conn = NULL};
    fake_connect(&peer, PORT_SMTP, "192.0.2.9:4000");
    rig_expect(&peer, "", "220");
    rig_expect(&peer, "EHLO mx.example.com\r\n", "250-");
    rig_expect(&peer, "MAIL FROM:<a@b.example>\r\n", "250");
    fake_say(&peer, "RCPT TO:<alice@example.org>\r\n");
    fake_run(6);
    leave(&peer);
    rig_close(&rig);
    fake_dns_forget();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_comes_again, begin, end),
        cmocka_unit_test_setup_teardown(test_times, begin, end),
        cmocka_unit_test_setup_teardown(test_ipv6_by_64, begin, end),
        cmocka_unit_test_setup_teardown(test_sweep, begin, end),
        cmocka_unit_test(test_sessions),
        cmocka_unit_test(test_senders_mail_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
