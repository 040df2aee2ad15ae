/* test_pop3_folders.c - logins to user/folder, and what SMTP delivers there, in
 * whole sessions on virtual time. Thread: the test's. */
#include "rig.h"

#define PEER "198.51.100.7:4000"
#define BODY "Subject: x\r\n\r\nbody\r\n"

static void expect(struct rig_talk *s, const char *text, const char *reply)
{
    rig_expect(&s->peer, text, reply);
}

static int begin(void **state)
{
    static const char *const settings[] = {"pop3.allows_clear_login=true",
                                           NULL};

    *state = rig_talk_open(settings);
    return 0;
}

static const char *const folders[] = {"pop3.allows_clear_login=true",
                                      "local.plus_folders=true", NULL};

static int begin_folders(void **state)
{
    *state = rig_talk_open(folders);
    return 0;
}

/* One message to each, by SMTP. */
static void send_to(struct rig_talk *s, const char *const *recipients,
                    size_t count)
{
    fake_connect(&s->other, PORT_SMTP, PEER);
    rig_expect(&s->other, "", "220");
    rig_expect(&s->other, "EHLO c\r\n", "250");
    for (size_t i = 0; i < count; i++) {
        char line[128];

        rig_expect(&s->other, "MAIL FROM:<c@example.net>\r\n", "250");
        snprintf(line, sizeof line, "RCPT TO:<%s>\r\n", recipients[i]);
        rig_expect(&s->other, line, "250");
        rig_expect(&s->other, "DATA\r\n", "354");
        rig_expect(&s->other, BODY ".\r\n", "250");
    }
    fake_hang_up(&s->other);
    fake_run(5);
    fake_forget_peer(&s->other);
}

static void expect_count(struct rig_talk *s, const char *name, size_t count)
{
    char line[128];
    char reply[32];

    snprintf(line, sizeof line, "XLOG %s secret-alice\r\n", name);
    snprintf(reply, sizeof reply, "+OK %zu ", count);
    expect(s, line, "+OK");
    expect(s, "STAT\r\n", reply);
}

/* T-144: a message is in one folder or in none; what is removed in one stays in
 * the others, and all of it is one mailbox to quota and lock. */
static void test_folders(void **state)
{
    static const char *const recipients[] = {
        "alice@example.org", "alice+lists@example.org",
        "Alice+Lists@example.org", "alice+@example.org",
        "alice+a/b@example.org"};
    struct rig_talk *s = *state;

    send_to(s, recipients, 5);
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 5);
    fake_connect(&s->peer, PORT_POP3, PEER);
    expect(s, "", "+OK");
    expect_count(s, "alice", 2);
    expect(s, "QAUT\r\n", "+OK");
    expect_count(s, "alice/a/b", 1);
    expect(s, "QAUT\r\n", "+OK");
    expect_count(s, "alice/nothing", 0);
    expect(s, "QAUT\r\n", "+OK");
    expect_count(s, "Alice@example.org/LISTS", 2);
    expect(s, "SLEE\r\n", "+OK");
    send_to(s, recipients, 1);
    expect(s, "WAKE\r\n", "+OK [ACTIVITY/NONE]"); /* not in this folder */
    send_to(s, recipients + 1, 1);
    expect(s, "DELE 1\r\n", "+OK");
    expect(s, "SLEE\r\n", "+OK 1 message deleted.");
    expect(s, "WAKE\r\n", "+OK [ACTIVITY/NEW]");
    expect(s, "STAT\r\n", "+OK 2 ");
    expect(s, "QAUT\r\n", "+OK");
    expect_count(s, "alice", 3);
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 6);
    /* A user of that very name comes first; the password is the user's. */
    expect(s, "QAUT\r\n", "+OK");
    expect(s, "XLOG bob/lists secret-alice\r\n", "-ERR [AUTH]");
    expect(s, "XLOG nobody/lists secret-alice\r\n", "-ERR [AUTH]");
}

/* Without the setting there is one mailbox, and no such user. */
static void test_no_folders(void **state)
{
    static const char *const recipients[] = {"alice@example.org",
                                             "alice+lists@example.org"};
    struct rig_talk *s = *state;

    send_to(s, recipients, 2);
    fake_connect(&s->peer, PORT_POP3, PEER);
    expect(s, "", "+OK");
    expect(s, "XLOG alice/lists secret-alice\r\n", "-ERR [AUTH]");
    expect_count(s, "alice", 2);
}

#define TEST(name, first)                                                      \
    cmocka_unit_test_setup_teardown(name, first, rig_talk_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_folders, begin_folders),
        TEST(test_no_folders, begin),
    };

    return cmocka_run_group_tests_name("server/pop3_folders", tests, NULL,
                                       NULL);
}
