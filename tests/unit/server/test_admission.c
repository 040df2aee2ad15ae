/* test_admission.c - users who are logged in while they are disabled or removed
 * by a tool. Thread: the test's. */
#include "rig.h"
#include "store/memory/memory.h"

#define PEER "198.51.100.7:4000"
#define LOOK_MS 1000 /* in which admission.c has seen a change */

static int begin(void **state)
{
    static const char *const settings[] = {"pop3.allows_clear_login=true",
                                           "smtp.allows_clear_auth=true", NULL};

    *state = rig_talk_open(settings);
    return 0;
}

/* Over a network: a worker looks. */
static int begin_late(void **state)
{
    (void)begin(state);
    mm_memory_answer_late(((struct rig_talk *)*state)->rig.store);
    return 0;
}

static void login_pop3(struct fake_peer *peer, const char *user)
{
    char line[64];

    fake_connect(peer, PORT_POP3, PEER);
    rig_expect(peer, "", "+OK");
    snprintf(line, sizeof line, "USER %s\r\n", user);
    rig_expect(peer, line, "+OK");
    snprintf(line, sizeof line, "PASS secret-%s\r\n", user);
    rig_expect(peer, line, "+OK");
}

static void login_smtp(struct fake_peer *peer)
{
    fake_connect(peer, PORT_SUBMISSION, PEER);
    rig_expect(peer, "EHLO c\r\n", "220");
    /* NUL alice NUL secret-alice */
    rig_expect(peer, "AUTH PLAIN AGFsaWNlAHNlY3JldC1hbGljZQ==\r\n", "235");
}

static void expect_end(struct fake_peer *peer, const char *last)
{
    fake_run(2 * LOOK_MS);
    assert_true(peer->is_closed);
    assert_true(mm_span_starts_nocase(mm_span_cstr(fake_heard(peer)), last));
}

static void test_pop3(void **state)
{
    struct rig_talk *s = *state;

    login_pop3(&s->peer, "alice");
    login_pop3(&s->other, "bob");
    fake_run(5 * LOOK_MS);
    assert_false(s->peer.is_closed);
    rig_change_user(s->rig.store, "alice", true, 0);
    expect_end(&s->peer, "-ERR [SYS/PERM] this user may not");
    assert_false(s->other.is_closed);
    rig_expect(&s->other, "NOOP\r\n", "+OK");
    assert_non_null(strstr(fake_log_text(), "no such user any more"));
}

/* What was marked stays: the session did not end by QUIT. */
static void test_marked_messages_stay(void **state)
{
    struct rig_talk *s = *state;

    rig_deliver(&s->rig, s->rig.alice, "x\r\n");
    login_pop3(&s->peer, "alice");
    rig_expect(&s->peer, "DELE 1\r\n", "+OK");
    rig_change_user(s->rig.store, "alice", true, 0);
    expect_end(&s->peer, "-ERR");
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 1);
}

static void test_removed_user(void **state)
{
    struct rig_talk *s = *state;

    login_smtp(&s->peer);
    rig_remove_user(s->rig.store, "alice");
    expect_end(&s->peer, "421 4.7.0 ");
}

/* In the middle of a message: cut, and nothing is kept. */
static void test_message_on_its_way(void **state)
{
    struct rig_talk *s = *state;

    login_smtp(&s->peer);
    rig_expect(&s->peer, "MAIL FROM:<alice@example.org>\r\n", "250");
    rig_expect(&s->peer, "RCPT TO:<x@example.com>\r\n", "250");
    rig_expect(&s->peer, "DATA\r\n", "354");
    rig_change_user(s->rig.store, "alice", true, 0);
    fake_run(2 * LOOK_MS);
    assert_true(s->peer.is_closed);
    assert_int_equal(rig_recipients(&s->rig), 0);
}

/* A change of a user who may still log in ends nothing. */
static void test_other_changes(void **state)
{
    struct rig_talk *s = *state;

    login_pop3(&s->peer, "alice");
    login_smtp(&s->other);
    for (int i = 0; i < 3; i++) {
        rig_change_user(s->rig.store, "alice", false, 1000000 + (uint64_t)i);
        rig_change_user(s->rig.store, "bob", i % 2 == 0, 0);
        fake_run(2 * LOOK_MS);
    }
    rig_expect(&s->peer, "NOOP\r\n", "+OK");
    rig_expect(&s->other, "NOOP\r\n", "250");
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, begin, rig_talk_end),                \
    {                                                                          \
#name " (late)", name, begin_late, rig_talk_end, NULL                  \
    }
    const struct CMUnitTest tests[] = {
        TEST(test_pop3),          TEST(test_marked_messages_stay),
        TEST(test_removed_user),  TEST(test_message_on_its_way),
        TEST(test_other_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
