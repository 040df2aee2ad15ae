/* test_host_replies.c - a host that answers the peer in its own words: which of
 * them the peer sees, and what they decide. Thread: the test's; it is the host,
 * too. */
#include "rig.h"

#define PEER "198.51.100.7:4000"

struct host {
    struct rig rig;
    struct fake_peer peer;
    struct mm_hooks hooks;
    struct mm_request *asked;
};

static enum mailmod_error ask(void *context, struct mm_request *request)
{
    struct host *host = context;

    host->asked = request;
    return MAILMOD_OK;
}

static struct host *open_host(unsigned moments, unsigned port)
{
    static const char *const settings[] = {"pop3.allows_clear_login=true",
                                           "smtp.allows_clear_auth=true", NULL};
    struct host *host = mm_alloc(sizeof *host);

    assert_non_null(host);
    host->hooks =
        (struct mm_hooks){.moments = moments, .ask = ask, .context = host};
    rig_open(&host->rig, settings, &host->hooks);
    rig_deliver(&host->rig, host->rig.alice, "x\r\n");
    fake_connect(&host->peer, port, PEER);
    fake_run(5);
    return host;
}

static void close_host(struct host *host)
{
    fake_hang_up(&host->peer);
    rig_close(&host->rig);
    fake_forget_peer(&host->peer);
    mm_free(host);
}

static void expect(struct host *host, const char *text, const char *reply)
{
    const char *heard = fake_talk(&host->peer, text);

    if (strncmp(heard, reply, strlen(reply)) != 0) {
        fail_msg("%s -> %s, not %s", text, heard, reply);
    }
}

/* The peer says `text`, the host writes `own` and takes it. */
static void take(struct host *host, const char *text, const char *own,
                 const char *reply)
{
    const char *heard;

    fake_say(&host->peer, text);
    fake_run(5);
    assert_non_null(host->asked);
    assert_int_equal(mm_request_write(host->asked, own, strlen(own)),
                     MAILMOD_OK);
    assert_int_equal(mm_request_settle(host->asked, MM_VERDICT_TAKEN),
                     MAILMOD_OK);
    host->asked = NULL;
    fake_run(5);
    heard = fake_heard(&host->peer);
    if (strstr(heard, reply) == NULL) {
        fail_msg("%s%s -> %s, not %s", text, own, heard, reply);
    }
}

static void test_greeting(void **state)
{
    static const char *const rows[][2] = {
        {"220 be welcome\r\n", "ESMTP be welcome\r\n"},
        {"554 5.7.1 not you\r\n", "554 5.7.1 not you\r\n"},
        {"", "220 "},
        {"354 go on", "220 "},
        {"nonsense", "220 "}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct host *host = open_host(MAILMOD_SMTP_CONNECT, PORT_SMTP);

        take(host, "", rows[i][0], rows[i][1]);
        close_host(host);
    }
}

/* Before 354: a refusal spares the peer the body, any other reply is the one to
 * its end. Nothing is stored. */
static void test_message(void **state)
{
    static const struct {
        const char *own;
        const char *now;
        const char *end; /* NULL: refused before the body */
    } rows[] = {{"550 5.1.1 gone\r\n", "550 5.1.1 gone\r\n", NULL},
                {"451 4.7.1 later", "451 4.7.1 later\r\n", NULL},
                {"250 2.6.0 mine\r\n", "354 ", "250 2.6.0 mine\r\n"},
                {"", "354 ", "250 2.6.0"}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct host *host = open_host(MAILMOD_SMTP_MESSAGE, PORT_SMTP);

        (void)fake_talk(&host->peer, "EHLO c\r\nMAIL FROM:<c@example.net>\r\n"
                                     "RCPT TO:<alice@example.org>\r\n");
        take(host, "DATA\r\n", rows[i].own, rows[i].now);
        if (rows[i].end != NULL) {
            expect(host, "x\r\n.\r\n", rows[i].end);
        }
        expect(host, "NOOP\r\n", "250");
        assert_int_equal(rig_entries(&host->rig, host->rig.alice), 1);
        close_host(host);
    }
}

static void test_closing_reply(void **state)
{
    struct host *host = open_host(MAILMOD_SMTP_MESSAGE, PORT_SMTP);

    (void)state;
    (void)fake_talk(&host->peer, "EHLO c\r\nMAIL FROM:<c@example.net>\r\n"
                                 "RCPT TO:<alice@example.org>\r\n");
    take(host, "DATA\r\n", "421 4.3.2 enough\r\n", "421 4.3.2 enough\r\n");
    assert_int_equal(mm_server_busy(host->rig.server), 0); /* RFC 5321 3.8 */
    close_host(host);
}

static void test_login(void **state)
{
    static const struct {
        const char *own;
        const char *reply;
        bool comes_in;
    } rows[] = {
        {"", "+OK Logged in.\r\n", true},
        {"+OK hello there\r\n", "+OK hello there\r\n", true},
        {"+OK\r\n", "+OK Logged in.\r\n", true},
        {"-ERR we are closed\r\nmore", "-ERR [AUTH] we are closed\r\n", false},
        {"-err [SYS/PERM] gone", "-ERR [AUTH] gone\r\n", false},
        {"-ERR", "-ERR [AUTH] ", false},
        {"nonsense", "+OK Logged in.\r\n", true}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct host *host = open_host(MAILMOD_POP3_LOGIN, PORT_POP3);

        expect(host, "USER newcomer\r\n", "+OK");
        take(host, "PASS any\r\n", rows[i].own, rows[i].reply);
        expect(host, "STAT\r\n", rows[i].comes_in ? "+OK 0 0" : "-ERR");
        close_host(host);
    }
}

/* The words of one login are not those of the next. */
static void test_login_words_go_with_it(void **state)
{
    struct host *host = open_host(MAILMOD_POP3_LOGIN, PORT_POP3);

    (void)state;
    expect(host, "USER alice\r\n", "+OK");
    take(host, "PASS any\r\n", "-ERR try the other door\r\n",
         "-ERR [AUTH] try the other door\r\n");
    expect(host, "USER alice\r\n", "+OK");
    take(host, "PASS any\r\n", "", "+OK Logged in.\r\n");
    close_host(host);
}

static void test_deletion(void **state)
{
    static const char *const rows[][2] = {
        {"", "+OK Marked for deletion.\r\n"},
        {"+OK thrown away\r\n", "+OK thrown away\r\n"},
        {"-ERR keep it\r\n", "-ERR [SYS/PERM] keep it\r\n"}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct host *host = open_host(MAILMOD_POP3_DELETE, PORT_POP3);

        expect(host, "USER alice\r\n", "+OK");
        expect(host, "PASS secret-alice\r\n", "+OK");
        take(host, "DELE 1\r\n", rows[i][0], rows[i][1]);
        expect(host, "QUIT\r\n", "+OK");
        assert_int_equal(rig_entries(&host->rig, host->rig.alice), 1);
        close_host(host);
    }
}

/* A line longer than RFC 2449 4 allows is not cut to say something else. */
static void test_long_status(void **state)
{
    struct host *host = open_host(MAILMOD_POP3_LOGIN, PORT_POP3);
    char own[700];

    (void)state;
    memset(own, 'a', sizeof own);
    memcpy(own, "-ERR ", 5);
    own[sizeof own - 1] = '\0';
    expect(host, "USER alice\r\n", "+OK");
    take(host, "PASS any\r\n", own, "-ERR [AUTH] refused\r\n");
    close_host(host);
}

static void say_and_settle(struct host *host, const char *text,
                           enum mm_verdict verdict, int code, const char *words)
{
    fake_say(&host->peer, text);
    fake_run(5);
    assert_non_null(host->asked);
    if (code != 0) {
        assert_int_equal(mm_request_set_reply(host->asked, code, words),
                         MAILMOD_OK);
    }
    assert_int_equal(mm_request_settle(host->asked, verdict), MAILMOD_OK);
    host->asked = NULL;
    fake_run(5);
}

/* The connection's number and what else the host may know. */
static void assert_facts(const struct host *host, enum mailmod_moment moment,
                         const char *path, const char *recipient)
{
    const struct mm_request_facts *facts = mm_request_facts(host->asked);

    assert_int_equal(facts->moment, moment);
    assert_int_not_equal(facts->connection, 0);
    assert_string_equal(facts->reverse_path, path);
    if (recipient == NULL) {
        assert_null(mm_request_recipient(host->asked, 0));
    } else {
        assert_string_equal(mm_request_recipient(host->asked, 0), recipient);
        assert_null(mm_request_recipient(host->asked, 1));
    }
}

/* A refusal at MAIL is said at RCPT, and never to postmaster's; MAIL waits for
 * nobody, RCPT does. */
static void test_sender(void **state)
{
    struct host *host = open_host(MAILMOD_SMTP_MAIL, PORT_SMTP);

    (void)state;
    (void)fake_talk(&host->peer, "EHLO c\r\n");
    expect(host, "MAIL FROM:<c@example.net>\r\n", "250");
    assert_facts(host, MAILMOD_SMTP_MAIL, "c@example.net", NULL);
    expect(host, "RCPT TO:<postmaster@example.org>\r\n",
           "550 5.1.1 No such user"); /* of this rig: nobody waits */
    fake_say(&host->peer, "RCPT TO:<alice@example.org>\r\n");
    fake_run(5);
    assert_string_equal(fake_heard(&host->peer), "");
    say_and_settle(host, "", MM_VERDICT_REJECT, 554, "not from you");
    assert_string_equal(fake_heard(&host->peer), "554 5.7.1 not from you\r\n");
    expect(host, "RCPT TO:<alice@example.org>\r\n", "554 5.7.1 not from you");
    assert_null(host->asked); /* once a message */
    expect(host, "RSET\r\n", "250");
    say_and_settle(host, "MAIL FROM:<>\r\n", MM_VERDICT_ACCEPT, 0, NULL);
    assert_non_null(strstr(fake_heard(&host->peer), "250 2.1.0"));
    expect(host, "RCPT TO:<alice@example.org>\r\n", "250 2.1.5");
    close_host(host);
}

static void test_recipient(void **state)
{
    struct host *host =
        open_host(MAILMOD_SMTP_RCPT | MAILMOD_SMTP_MESSAGE, PORT_SMTP);

    (void)state;
    (void)fake_talk(&host->peer, "EHLO c\r\nMAIL FROM:<c@example.net>\r\n");
    expect(host, "RCPT TO:<x@elsewhere.test>\r\n", "550 5.7.1"); /* a relay */
    assert_null(host->asked);
    fake_say(&host->peer, "RCPT TO:<alice@example.org>\r\n");
    fake_run(5);
    assert_facts(host, MAILMOD_SMTP_RCPT, "c@example.net", "alice@example.org");
    say_and_settle(host, "", MM_VERDICT_REJECT_FOR_NOW, 0, NULL);
    assert_string_equal(fake_heard(&host->peer),
                        "451 4.7.1 not now, try again later\r\n");
    take(host, "RCPT TO:<alice@example.org>\r\n", "550 5.1.1 moved\r\n",
         "550 5.1.1 moved\r\n");
    take(host, "RCPT TO:<alice@example.org>\r\n", "250 2.1.5 fine\r\n",
         "250 2.1.5");
    say_and_settle(host, "RCPT TO:<nobody@example.org>\r\n", MM_VERDICT_ACCEPT,
                   0, NULL);
    assert_non_null(strstr(fake_heard(&host->peer), "550 5.1.1"));
    fake_say(&host->peer, "DATA\r\n");
    fake_run(5);
    assert_facts(host, MAILMOD_SMTP_MESSAGE, "c@example.net",
                 "alice@example.org");
    say_and_settle(host, "", MM_VERDICT_ACCEPT, 0, NULL);
    assert_non_null(strstr(fake_heard(&host->peer), "354"));
    expect(host, "x\r\n.\r\n", "250 2.6.0");
    close_host(host);
}

/* The peer goes while the host thinks: nothing is left. */
static void test_a_peer_that_left(void **state)
{
    static const char *const texts[] = {"", "RCPT TO:<alice@example.org>\r\n"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct host *host = open_host(
            i == 0 ? MAILMOD_SMTP_MAIL : MAILMOD_SMTP_RCPT, PORT_SMTP);

        (void)fake_talk(&host->peer, "EHLO c\r\nMAIL FROM:<c@example.net>\r\n");
        fake_say(&host->peer, texts[i]);
        fake_run(5);
        assert_non_null(host->asked);
        fake_hang_up(&host->peer);
        fake_run(5);
        assert_int_equal(mm_request_settle(host->asked, MM_VERDICT_REJECT),
                         MAILMOD_OK);
        fake_run(5);
        close_host(host);
    }
}

static void test_smtp_login(void **state)
{
    static const struct {
        enum mm_verdict verdict;
        int code;
        const char *own;
        const char *reply;
    } rows[] = {
        {MM_VERDICT_ACCEPT, 0, NULL, "235 2.7.0"},
        {MM_VERDICT_TAKEN, 0, "", "235 2.7.0"},
        {MM_VERDICT_TAKEN, 0, "235 2.7.0 be welcome\r\n",
         "235 2.7.0 be welcome\r\n"},
        {MM_VERDICT_TAKEN, 0, "535 5.7.8 gone\r\n", "535 5.7.8 gone\r\n"},
        {MM_VERDICT_REJECT, 0, NULL, "535 5.7.8 refused\r\n"},
        {MM_VERDICT_REJECT, 550, "no", "550 5.7.1 no\r\n"},
        {MM_VERDICT_REJECT_FOR_NOW, 0, NULL, "454 4.7.0 "}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct host *host = open_host(MAILMOD_SMTP_AUTH, PORT_SUBMISSION);

        (void)fake_talk(&host->peer, "EHLO c\r\n");
        fake_say(&host->peer, "AUTH PLAIN AGFsaWNlAHNlY3JldC1hbGljZQ==\r\n");
        fake_run(5);
        assert_non_null(host->asked);
        assert_string_equal(mm_request_facts(host->asked)->user, "alice");
        assert_string_equal(mm_request_facts(host->asked)->password,
                            "secret-alice");
        if (rows[i].verdict == MM_VERDICT_TAKEN) {
            take(host, "", rows[i].own, rows[i].reply);
        } else {
            say_and_settle(host, "", rows[i].verdict, rows[i].code,
                           rows[i].own);
            fake_run(1000);
            assert_non_null(strstr(fake_heard(&host->peer), rows[i].reply));
        }
        close_host(host);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greeting),
        cmocka_unit_test(test_message),
        cmocka_unit_test(test_closing_reply),
        cmocka_unit_test(test_login),
        cmocka_unit_test(test_login_words_go_with_it),
        cmocka_unit_test(test_deletion),
        cmocka_unit_test(test_long_status),
        cmocka_unit_test(test_sender),
        cmocka_unit_test(test_recipient),
        cmocka_unit_test(test_a_peer_that_left),
        cmocka_unit_test(test_smtp_login),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
