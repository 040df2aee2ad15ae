/* test_quota.c - mail for mailboxes that are full or disabled: at RCPT, by
 * SIZE, and at the end of the text. Thread: the test's. */
#include "post/quota.h"
#include "rig.h"

#define PEER "192.0.2.1:4000"
#define MAIL "MAIL FROM:<carol@example.net>"

struct session {
    struct rig rig;
    struct fake_peer peer;
    char text[9000]; /* lines of a message, ended */
};

static int begin_with(void **state, const char *const *settings)
{
    struct session *s = mm_alloc(sizeof *s);
    size_t at = 0;

    assert_non_null(s);
    rig_open(&s->rig, settings, NULL);
    while (at + 80 < sizeof s->text - 8) {
        memset(s->text + at, 'x', 78);
        memcpy(s->text + at + 78, "\r\n", 2);
        at += 80;
    }
    memcpy(s->text + at, ".\r\n", 4);
    fake_connect(&s->peer, PORT_SMTP, PEER);
    rig_expect(&s->peer, "EHLO c\r\n", "220");
    *state = s;
    return 0;
}

static int begin(void **state)
{
    static const char *const settings[] = {"local.quota=16K", NULL};

    return begin_with(state, settings);
}

static int begin_keeping(void **state)
{
    static const char *const settings[] = {"local.disabled_mail=keep", NULL};

    return begin_with(state, settings);
}

static int end(void **state)
{
    struct session *s = *state;

    fake_hang_up(&s->peer);
    fake_run(1000);
    fake_forget_peer(&s->peer);
    rig_close(&s->rig);
    mm_free(s);
    return 0;
}

static void say(struct session *s, const char *command, const char *reply)
{
    char line[128];

    snprintf(line, sizeof line, "%s\r\n", command);
    rig_expect(&s->peer, line, reply);
}

/* About 9 000 octets for them. */
static void converse(struct session *s, const char *first, const char *second,
                     const char *reply)
{
    say(s, MAIL, "250");
    say(s, first, "250");
    if (second != NULL) {
        say(s, second, "250");
    }
    say(s, "DATA", "354");
    rig_expect(&s->peer, s->text, reply);
}

/* D17: an outsider fills one mailbox, and not the disk. */
static void test_D17_quota(void **state)
{
    struct session *s = *state;

    converse(s, "RCPT TO:<alice@example.org>", NULL, "250");
    /* The true size at the end: all or nothing of it. */
    converse(s, "RCPT TO:<alice@example.org>", NULL, "452 4.2.2 ");
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 1);
    assert_non_null(strstr(fake_log_text(), "mailbox is full"));
    /* By SIZE before it. */
    say(s, MAIL " SIZE=9000", "250");
    say(s, "RCPT TO:<alice@example.org>", "452 4.2.2 ");
    say(s, "RCPT TO:<bob@example.org>", "250");
    say(s, "RSET", "250");
    say(s, MAIL " SIZE=100", "250");
    say(s, "RCPT TO:<alice@example.org>", "250");
    say(s, "RSET", "250");
    /* Full: whatever the size is. */
    rig_change_user(s->rig.store, "alice", false, 5000);
    say(s, MAIL, "250");
    say(s, "RCPT TO:<alice@example.org>", "452 4.2.2 ");
    say(s, "RCPT TO:<alice+box@example.org>", "452 4.2.2 ");
}

static void test_user_has_another(void **state)
{
    struct session *s = *state;

    rig_change_user(s->rig.store, "alice", false, MM_QUOTA_UNLIMITED);
    rig_change_user(s->rig.store, "bob", false, 4096);
    for (int i = 0; i < 4; i++) {
        converse(s, "RCPT TO:<alice@example.org>", NULL, "250");
    }
    converse(s, "RCPT TO:<bob@example.org>", NULL, "452 4.2.2 ");
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 4);
    assert_int_equal(rig_entries(&s->rig, s->rig.bob), 0);
}

/* The others get it at once, and the sender is told of the one who did not. */
static void test_one_of_two_is_full(void **state)
{
    struct session *s = *state;

    rig_change_user(s->rig.store, "bob", false, 4096);
    converse(s, "RCPT TO:<alice@example.org>", "RCPT TO:<bob@example.org>",
             "250");
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 1);
    assert_int_equal(rig_entries(&s->rig, s->rig.bob), 0);
    assert_int_equal(rig_recipients(&s->rig), 1); /* the report */
    assert_non_null(strstr(fake_log_text(), "report queued"));
}

/* Two messages that were both let in: one has the room. */
static void test_both_were_let_in(void **state)
{
    struct session *s = *state;
    struct fake_peer other = {0};

    say(s, MAIL, "250");
    say(s, "RCPT TO:<alice@example.org>", "250");
    say(s, "DATA", "354");
    fake_connect(&other, PORT_SMTP, "192.0.2.2:4000");
    rig_expect(&other, "EHLO c\r\n", "220");
    rig_expect(&other, MAIL "\r\n", "250");
    rig_expect(&other, "RCPT TO:<alice@example.org>\r\n", "250");
    rig_expect(&other, "DATA\r\n", "354");
    rig_expect(&other, s->text, "250");
    rig_expect(&s->peer, s->text, "452 4.2.2 ");
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 1);
    fake_hang_up(&other);
    fake_run(1000);
    fake_forget_peer(&other);
}

/* RFC 5321 4.5.1: postmaster hears of it. */
static void test_postmaster_has_a_reserve(void **state)
{
    struct session *s = *state;

    rig_change_user(s->rig.store, "alice", false, 4096);
    say(s, MAIL " SIZE=9000", "250");
    say(s, "RCPT TO:<alice@example.org>", "452");
    (void)rig_add_user(s->rig.store, "postmaster", false);
    rig_change_user(s->rig.store, "postmaster", false, 4096);
    say(s, "RCPT TO:<postmaster@example.org>", "250");
    say(s, "DATA", "354");
    rig_expect(&s->peer, s->text, "250");
    /* Which has an end, too: 1 MiB. */
    say(s, MAIL " SIZE=1100000", "250");
    say(s, "RCPT TO:<postmaster@example.org>", "452 4.2.2 ");
}

static void test_disabled(void **state)
{
    struct session *s = *state;

    rig_change_user(s->rig.store, "alice", true, 0);
    (void)rig_add_user(s->rig.store, "postmaster", false);
    rig_change_user(s->rig.store, "postmaster", true, 0);
    say(s, MAIL, "250");
    say(s, "RCPT TO:<alice@example.org>", "550 5.2.1 ");
    say(s, "RCPT TO:<ALICE+x@example.org>", "550 5.2.1 ");
    say(s, "RCPT TO:<nobody@example.org>", "550 5.1.1 ");
    say(s, "RCPT TO:<Postmaster@example.org>", "250");
    rig_change_user(s->rig.store, "alice", false, 0);
    say(s, "RCPT TO:<alice@example.org>", "250");
}

static void test_disabled_keeps_mail(void **state)
{
    struct session *s = *state;

    rig_change_user(s->rig.store, "alice", true, 0);
    converse(s, "RCPT TO:<alice@example.org>", NULL, "250");
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 1);
}

static void test_limits(void **state)
{
    struct session *s = *state;
    static const uint64_t MIB = 1024 * 1024;
    const struct {
        uint64_t quota, plain, reserved;
    } rows[] = {
        {0, 16384, 16384 + MIB}, /* the setting's */
        {1000, 1000, 1000 + MIB},   {100 * MIB, 100 * MIB, 110 * MIB},
        {MM_QUOTA_UNLIMITED, 0, 0}, {UINT64_MAX, 0, 0},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_store_addressee user = {.quota = rows[i].quota};

        assert_int_equal(mm_quota_limit(s->rig.config, &user, false),
                         rows[i].plain);
        assert_int_equal(mm_quota_limit(s->rig.config, &user, true),
                         rows[i].reserved);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_D17_quota),
        TEST(test_user_has_another),
        TEST(test_one_of_two_is_full),
        TEST(test_both_were_let_in),
        TEST(test_postmaster_has_a_reserve),
        TEST(test_disabled),
        cmocka_unit_test_setup_teardown(test_disabled_keeps_mail, begin_keeping,
                                        end),
        TEST(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
