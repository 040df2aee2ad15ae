/* test_blocklist.c - peers that block lists have, and lists that are silent,
 * lie or fail. RFC 5782; T-093 and its like. Thread: the test's. */
#include "rig.h"

#define PEER "198.51.100.7:4000"
#define NAME_A "7.100.51.198.a.test"
#define NAME_B "7.100.51.198.b.test"

struct session {
    struct rig rig;
    struct fake_peer peer;
};

static const char *const options[] = {
    "dnsbl.zones=a.test, b.test",  "dnsbl.timeout=3s",
    "dnsbl.exempt=203.0.113.0/24", "local.postmaster=alice",
    "dnsbl.self_test=false",       NULL};

static const char *const tag_options[] = {
    "dnsbl.zones=a.test, paid:key123abc.b.test, white.test*-1",
    "dnsbl.timeout=3s",
    "dnsbl.exempt=203.0.113.0/24",
    "local.postmaster=alice",
    "dnsbl.self_test=false",
    "dnsbl.action=tag",
    NULL};

static int begin_with(void **state, const char *const *with)
{
    struct session *s = mm_alloc(sizeof *s);

    assert_non_null(s);
    rig_open(&s->rig, with, NULL);
    *state = s;
    return 0;
}

static int begin(void **state)
{
    return begin_with(state, options);
}

static int begin_tag(void **state)
{
    return begin_with(state, tag_options);
}

static int end(void **state)
{
    struct session *s = *state;

    fake_hang_up(&s->peer);
    fake_run(10);
    rig_close(&s->rig);
    fake_dns_forget();
    fake_forget_peer(&s->peer);
    mm_free(s);
    return 0;
}

static void greet(struct session *s, unsigned port, const char *from)
{
    fake_connect(&s->peer, port, from);
    rig_expect(&s->peer, "", "220");
    rig_expect(&s->peer, "EHLO client.example\r\n", "250-");
    rig_expect(&s->peer, "MAIL FROM:<carol@example.net>\r\n", "250");
}

static void test_listed(void **state)
{
    struct session *s = *state;

    fake_dns_say(NAME_B, MAILMOD_OK, "127.0.0.4", 1);
    greet(s, PORT_SMTP, PEER);
    rig_expect(&s->peer, "RCPT TO:<alice@example.org>\r\n",
               "550 5.7.1 mail from [198.51.100.7] is refused, it is listed by "
               "b.test\r\n");
    /* RFC 5321 4.5.1: who complains must get through. */
    rig_expect(&s->peer, "RCPT TO:<Postmaster@example.org>\r\n", "250");
    rig_expect(&s->peer, "RCPT TO:<bob@example.org>\r\n", "550 5.7.1");
    assert_int_equal(fake_dns_asked(), 2);
}

/* Attack 73: what a list says of itself cannot break the reply. */
static void test_reason(void **state)
{
    static char words[10000];
    struct session *s = *state;
    const char *heard;

    memset(words, 'w', sizeof words - 1);
    memcpy(words, "see\r\n250 https://a.test/", 24);
    fake_dns_say(NAME_A, MAILMOD_OK, "127.0.0.2", 1);
    fake_dns_say_text(words);
    greet(s, PORT_SMTP, PEER);
    heard = fake_talk(&s->peer, "RCPT TO:<alice@example.org>\r\n");
    assert_non_null(strstr(heard, "a.test: see??250 https://a.test/www"));
    assert_true(strlen(heard) <= 512);
    assert_ptr_equal(strchr(heard, '\n'), heard + strlen(heard) - 1);
}

static void test_not_listed(void **state)
{
    struct session *s = *state;

    fake_dns_say(NAME_A, MAILMOD_ERROR_DNS_NO_DATA, NULL, 1);
    greet(s, PORT_SMTP, PEER);
    rig_expect(&s->peer, "RCPT TO:<alice@example.org>\r\n", "250");
}

/* A resolver that answers everything, and a list that says it is in trouble. */
static void test_answers_that_no_list_gives(void **state)
{
    struct session *s = *state;

    fake_dns_say(NAME_A, MAILMOD_OK, "203.0.113.80", 1);
    fake_dns_say(NAME_B, MAILMOD_OK, "127.255.255.254", 1);
    greet(s, PORT_SMTP, PEER);
    rig_expect(&s->peer, "RCPT TO:<alice@example.org>\r\n", "250");
}

/* Attack 73: the address of a resolver that lies, and that of a list which says
 * that it lists all. */
static void test_attack_73_more_of_those(void **state)
{
    struct session *s = *state;

    fake_dns_say(NAME_A, MAILMOD_OK, "127.0.0.1", 1);
    fake_dns_say(NAME_B, MAILMOD_OK, "192.0.2.1", 1);
    greet(s, PORT_SMTP, PEER);
    rig_expect(&s->peer, "RCPT TO:<alice@example.org>\r\n", "250");
    rig_expect(&s->peer, "DATA\r\n", "354");
}

static void test_failures(void **state)
{
    struct session *s = *state;

    fake_dns_say(NAME_A, MAILMOD_ERROR_DNS, NULL, 1);
    fake_dns_say(NAME_B, MAILMOD_ERROR_TIMEOUT, NULL, 1);
    greet(s, PORT_SMTP, PEER);
    rig_expect(&s->peer, "RCPT TO:<alice@example.org>\r\n", "250");
}

/* The first recipient waits; one listing is enough, with or without its reason
 * in time. */
static void test_slow(void **state)
{
    struct session *s = *state;

    fake_dns_say(NAME_A, MAILMOD_OK, "127.0.0.2", 2000);
    fake_dns_say(NAME_B, MAILMOD_ERROR_DNS_NO_NAME, NULL, 60000);
    greet(s, PORT_SMTP, PEER);
    rig_expect(&s->peer, "RCPT TO:<alice@example.org>\r\n", "");
    assert_string_equal(fake_heard(&s->peer), "");
    fake_run(3000);
    rig_expect(&s->peer, "", "550 5.7.1");
}

static void test_silent(void **state)
{
    struct session *s = *state;

    fake_dns_say(NAME_A, MAILMOD_OK, "127.0.0.2", 60000);
    greet(s, PORT_SMTP, PEER);
    fake_say(&s->peer, "RCPT TO:<alice@example.org>\r\n"
                       "RCPT TO:<bob@example.org>\r\n");
    fake_run(1000);
    assert_string_equal(fake_heard(&s->peer), "");
    fake_run(2000);
    rig_expect(&s->peer, "", "250 2.1.5");
    rig_expect(&s->peer, "DATA\r\n", "354");
}

/* A peer that goes while it waits leaves no question behind. */
static void test_peer_goes(void **state)
{
    struct session *s = *state;

    fake_dns_say(NAME_A, MAILMOD_OK, "127.0.0.2", 60000);
    greet(s, PORT_SMTP, PEER);
    fake_say(&s->peer, "RCPT TO:<alice@example.org>\r\n");
    fake_run(100);
    fake_hang_up(&s->peer);
    fake_run(100);
}

static void test_who_is_not_asked_about(void **state)
{
    struct session *s = *state;

    greet(s, PORT_SMTP, "203.0.113.9:4000");
    rig_expect(&s->peer, "RCPT TO:<alice@example.org>\r\n", "250");
    assert_int_equal(fake_dns_asked(), 0);
    fake_hang_up(&s->peer);
    fake_run(10);
    fake_forget_peer(&s->peer);
    fake_connect(&s->peer, PORT_SUBMISSION, PEER);
    rig_expect(&s->peer, "", "220");
    assert_int_equal(fake_dns_asked(), 0);
}

static void test_ipv6(void **state)
{
    struct session *s = *state;

    fake_dns_say("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0."
                 "0.2.a.test",
                 MAILMOD_OK, "127.0.0.2", 1);
    greet(s, PORT_SMTP, "[2001:db8::1]:4000");
    rig_expect(&s->peer, "RCPT TO:<alice@example.org>\r\n", "550 5.7.1");
}

#define FORGED "x-blocklist : forged,\r\n again\r\n"

/* The rest of a message; its fields behind our Received begin so. */
static void finish(struct session *s, const char *wanted)
{
    struct mm_buf text;

    mm_buf_init(&text, 65536);
    rig_expect(&s->peer, "RCPT TO:<alice@example.org>\r\n", "250");
    rig_expect(&s->peer, "DATA\r\n", "354");
    fake_say(&s->peer, "A: b\r\n" FORGED "\r\nX-Blocklist: text\r\n.\r\n");
    fake_run(10);
    rig_expect(&s->peer, "", "250 2.6.0");
    const char *stored = rig_newest(&s->rig, s->rig.alice, &text);
    const char *received = strstr(stored, "Received: ");
    assert_non_null(received);
    const char *rest = strchr(received, '\n') + 1;
    while (*rest == '\t' || *rest == ' ') {
        rest = strchr(rest, '\n') + 1;
    }
    assert_string_equal(rest, wanted);
    mm_buf_fini(&text);
}

/* Each list is heard; who is listed is let in, and its label alone is told,
 * for each message of the session. */
static void test_F30_tag(void **state)
{
    static const char wanted[] = "X-Blocklist: a.test,\r\n paid\r\n"
                                 "A: b\r\n\r\nX-Blocklist: text\r\n";
    struct session *s = *state;

    fake_dns_say(NAME_A, MAILMOD_OK, "127.0.0.2", 1);
    fake_dns_say("7.100.51.198.key123abc.b.test", MAILMOD_OK, "127.0.0.4", 20);
    fake_dns_say("7.100.51.198.white.test", MAILMOD_ERROR_DNS_NO_NAME, NULL, 1);
    greet(s, PORT_SMTP, PEER);
    fake_run(30);
    finish(s, wanted);
    rig_expect(&s->peer, "MAIL FROM:<carol@example.net>\r\n", "250");
    finish(s, wanted);
}

/* Below the threshold there is no field, and none that others wrote. */
static void test_tag_of_nobody(void **state)
{
    struct session *s = *state;

    fake_dns_say(NAME_A, MAILMOD_OK, "127.0.0.2", 1);
    fake_dns_say("7.100.51.198.white.test", MAILMOD_OK, "127.0.0.2", 1);
    greet(s, PORT_SMTP, PEER);
    fake_run(30);
    finish(s, "A: b\r\n\r\nX-Blocklist: text\r\n");
}

/* The field of a front of our own stays. */
static void test_tag_of_an_exempt_peer(void **state)
{
    struct session *s = *state;

    greet(s, PORT_SMTP, "203.0.113.9:4000");
    finish(s, "A: b\r\n" FORGED "\r\nX-Blocklist: text\r\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
#define TEST_TAG(name) cmocka_unit_test_setup_teardown(name, begin_tag, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_listed),
        TEST(test_reason),
        TEST(test_not_listed),
        TEST(test_answers_that_no_list_gives),
        TEST(test_attack_73_more_of_those),
        TEST(test_failures),
        TEST(test_slow),
        TEST(test_silent),
        TEST(test_peer_goes),
        TEST(test_who_is_not_asked_about),
        TEST(test_ipv6),
        TEST_TAG(test_F30_tag),
        TEST_TAG(test_tag_of_nobody),
        TEST_TAG(test_tag_of_an_exempt_peer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
