/* test_smtp_names.c - T-116: checks of HELO name, sender's domain and the
 * peer's own name: off, warn, refuse; a DNS that says nothing refuses nobody.
 * Thread: the test's. */
#include "rig.h"

#define PEER "192.0.2.7:4000"
#define REVERSE "7.2.0.192.in-addr.arpa"

struct named {
    struct rig rig;
    struct fake_peer peer;
};

static int begin(void **state)
{
    *state = mm_alloc(sizeof(struct named));
    assert_non_null(*state);
    return 0;
}

static int end(void **state)
{
    struct named *n = *state;

    rig_close(&n->rig);
    fake_dns_forget();
    mm_free(n);
    return 0;
}

static void expect(struct named *n, const char *sender, const char *reply)
{
    char text[300];

    fake_connect(&n->peer, PORT_SMTP, PEER);
    rig_expect(&n->peer, "", "220");
    rig_expect(&n->peer, "EHLO mx.example.com\r\n", "250-");
    snprintf(text, sizeof text, "MAIL FROM:<%s>\r\n", sender);
    rig_expect(&n->peer, text, "250");
    fake_say(&n->peer, "RCPT TO:<alice@example.org>\r\n");
    fake_run(1000);
    rig_expect(&n->peer, "", reply);
    fake_hang_up(&n->peer);
    fake_run(1);
    fake_forget_peer(&n->peer);
}

static void test_refuse(void **state)
{
    static const char *const settings[] = {
        "checks.helo=refuse", "checks.sender_domain=refuse",
        "checks.reverse_dns=refuse", "local.postmaster=alice", NULL};
    struct named *n = *state;

    rig_open(&n->rig, settings, NULL);
    expect(n, "joe@example.com", "550 5.7.1 Your HELO name");
    fake_dns_say("mx.example.com", MAILMOD_OK, "192.0.2.7", 5);
    expect(n, "joe@example.com", "550 5.1.8");
    expect(n, "", "550 5.7.25"); /* the null path has no domain */
    fake_dns_say("example.com", MAILMOD_OK, "192.0.2.9", 5);
    expect(n, "joe@example.com", "550 5.7.25");
    fake_dns_say(REVERSE, MAILMOD_OK, "192.0.2.9", 5);
    expect(n, "joe@example.com", "250");
}

/* It is told, and nobody is refused. */
static unsigned count(const char *words)
{
    unsigned times = 0;

    for (const char *at = fake_log_text(); (at = strstr(at, words)) != NULL;
         at++) {
        times++;
    }
    return times;
}

/* Once each, though the answers come one after another. */
static void test_warn(void **state)
{
    static const char *const settings[] = {"checks.helo=warn",
                                           "checks.sender_domain=warn",
                                           "checks.reverse_dns=warn", NULL};
    struct named *n = *state;

    rig_open(&n->rig, settings, NULL);
    expect(n, "joe@example.com", "250");
    assert_int_equal(count("a name leads nowhere"), 3);
    assert_int_equal(count("has no mail host"), 1);
    assert_int_equal(count("no name in the DNS"), 1);
}

static void test_silent_dns(void **state)
{
    static const char *const settings[] = {"checks.helo=refuse",
                                           "checks.sender_domain=refuse",
                                           "checks.reverse_dns=refuse", NULL};
    struct named *n = *state;

    rig_open(&n->rig, settings, NULL);
    fake_dns_say("mx.example.com", MAILMOD_ERROR_TIMEOUT, "192.0.2.7", 5);
    fake_dns_say("example.com", MAILMOD_ERROR_DNS, "192.0.2.9", 5);
    fake_dns_say(REVERSE, MAILMOD_ERROR_TIMEOUT, "192.0.2.9", 5);
    expect(n, "joe@example.com", "250");
}

static void test_exempt(void **state)
{
    static const char *const settings[] = {"checks.reverse_dns=refuse",
                                           "checks.exempt=192.0.2.0/24", NULL};
    struct named *n = *state;

    rig_open(&n->rig, settings, NULL);
    expect(n, "joe@example.com", "250");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_refuse, begin, end),
        cmocka_unit_test_setup_teardown(test_warn, begin, end),
        cmocka_unit_test_setup_teardown(test_silent_dns, begin, end),
        cmocka_unit_test_setup_teardown(test_exempt, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
