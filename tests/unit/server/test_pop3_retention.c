/* test_pop3_retention.c - what is deleted without DELE and what is not with it:
 * EXPIRE, LOGIN-DELAY and read-only mailboxes, in whole sessions on virtual
 * time. Thread: the test's. */
#include "rig.h"

#define PEER "198.51.100.7:4000"
#define BODY "Subject: x\r\n\r\nbody\r\n"

static void expect(struct rig_talk *s, const char *text, const char *reply)
{
    rig_expect(&s->peer, text, reply);
}

static void login(struct rig_talk *s)
{
    fake_connect(&s->peer, PORT_POP3, PEER);
    expect(s, "", "+OK");
    expect(s, "XLOG alice secret-alice\r\n", "+OK");
}

static void hang_up(struct rig_talk *s)
{
    fake_hang_up(&s->peer);
    fake_run(5);
    fake_forget_peer(&s->peer);
}

static void deliver(struct rig_talk *s, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        rig_deliver(&s->rig, s->rig.alice, BODY);
    }
}

static const char *const read_only[] = {"pop3.allows_clear_login=true",
                                        "pop3.read_only_users=bob, Alice",
                                        "pop3.expires_retrieved=true", NULL};

static int begin_read_only(void **state)
{
    *state = rig_talk_open(read_only);
    return 0;
}

static void test_read_only(void **state)
{
    struct rig_talk *s = *state;

    deliver(s, 2);
    login(s);
    expect(s, "RETR 1\r\n", "+OK");
    expect(s, "DELE 1\r\n", "-ERR [READ-ONLY]");
    expect(s, "DELI 9\r\n", "-ERR [READ-ONLY]");
    expect(s, "SLEE\r\n", "+OK Asleep.\r\n");
    expect(s, "WAKE\r\n", "+OK [ACTIVITY/NONE]");
    expect(s, "QUIT\r\n", "+OK Goodbye.\r\n");
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 2);
}

static const char *const retention[] = {"pop3.allows_clear_login=true",
                                        "pop3.expires_retrieved=true",
                                        "pop3.login_delay=90s", NULL};

static int begin_retention(void **state)
{
    *state = rig_talk_open(retention);
    return 0;
}

/* EXPIRE 0: what RETR gave goes at the end; what TOP gave, or a line that drops
 * cut, does not. */
static void test_expire_0_holds(void **state)
{
    struct rig_talk *s = *state;

    deliver(s, 3);
    login(s);
    assert_non_null(
        strstr(fake_talk(&s->peer, "CAPA\r\n"), "\r\nEXPIRE 0\r\n"));
    expect(s, "RETR 2\r\n", "+OK");
    expect(s, "TOP 1 9\r\n", "+OK");
    hang_up(s);
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 3);
    fake_run(90000);
    login(s);
    expect(s, "RETR 2\r\n", "+OK");
    expect(s, "TOP 1 9\r\n", "+OK");
    expect(s, "DELE 2\r\n", "+OK");
    expect(s, "QUIT\r\n", "+OK 1 message deleted. Goodbye.");
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 2);
}

/* What CAPA says is what happens, to each user for himself and after the right
 * password alone; a login that got no mailbox is none. */
static void test_login_delay_holds(void **state)
{
    struct rig_talk *s = *state;

    login(s);
    assert_non_null(
        strstr(fake_talk(&s->peer, "CAPA\r\n"), "\r\nLOGIN-DELAY 90\r\n"));
    expect(s, "SLEE\r\n", "+OK");
    expect(s, "WAKE\r\n", "+OK");
    expect(s, "QAUT\r\n", "+OK");
    expect(s, "XLOG alice secret-alice\r\n", "-ERR [LOGIN-DELAY]");
    expect(s, "XLOG alice wrong\r\n", "-ERR [AUTH]");
    expect(s, "XLOG bob secret-bob\r\n", "+OK");
    expect(s, "QUIT\r\n", "+OK");
    fake_run(80000);
    fake_forget_peer(&s->peer);
    fake_connect(&s->peer, PORT_POP3, PEER);
    expect(s, "", "+OK");
    expect(s, "XLOG alice secret-alice\r\n", "-ERR [LOGIN-DELAY]");
    fake_run(10000);
    expect(s, "XLOG alice secret-alice\r\n", "+OK");
}

static const char *const days[] = {"pop3.allows_clear_login=true",
                                   "pop3.expire_days=7", NULL};

static int begin_days(void **state)
{
    *state = rig_talk_open(days);
    return 0;
}

/* EXPIRE n: young mail stays, whatever the client read; old mail goes with
 * QUIT, and no number moves before (attack 93). */
static void test_expire_days_holds(void **state)
{
    struct rig_talk *s = *state;

    deliver(s, 2);
    login(s);
    assert_non_null(
        strstr(fake_talk(&s->peer, "CAPA\r\n"), "\r\nEXPIRE 7\r\n"));
    expect(s, "RETR 1\r\n", "+OK");
    expect(s, "QUIT\r\n", "+OK Goodbye.\r\n");
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 2);
    fake_run(7 * UINT64_C(86400000));
    fake_forget_peer(&s->peer);
    login(s);
    expect(s, "STAT\r\n", "+OK 2 ");
    expect(s, "RETR 2\r\n", "+OK");
    hang_up(s);
    login(s);
    expect(s, "QUIT\r\n", "+OK 2 messages deleted. Goodbye.\r\n");
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 0);
}

static const char *const kept[] = {"pop3.allows_clear_login=true",
                                   "pop3.keep_deleted_days=7", NULL};

static int begin_kept(void **state)
{
    *state = rig_talk_open(kept);
    return 0;
}

static size_t count_kept(struct rig_talk *s)
{
    struct mm_store_deleted found[200];
    size_t count;

    assert_int_equal(mm_store_list_deleted(s->rig.store, s->rig.alice, 0, found,
                                           200, &count),
                     MAILMOD_OK);
    return count;
}

static void mark_100(struct rig_talk *s)
{
    for (int i = 1; i <= 100; i++) {
        char command[32];

        snprintf(command, sizeof command, "DELE %d\r\n", i);
        expect(s, command, "+OK");
    }
}

/* What QUIT and DELI took is gone for clients and stays in the store, but not
 * what a line that drops only marked; after the days it goes, slice by slice.
 */
static void test_deleted_mail_is_kept(void **state)
{
    struct rig_talk *s = *state;

    deliver(s, 120);
    login(s);
    mark_100(s);
    expect(s, "DELI 101\r\n", "+OK");
    assert_int_equal(count_kept(s), 1);
    hang_up(s);
    login(s);
    expect(s, "STAT\r\n", "+OK 119 ");
    mark_100(s);
    expect(s, "QUIT\r\n", "+OK 100 messages deleted.");
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 19);
    assert_int_equal(count_kept(s), 101);
    fake_forget_peer(&s->peer);
    fake_run(6 * UINT64_C(86400000));
    assert_int_equal(count_kept(s), 101);
    fake_run(UINT64_C(86400000) + 120000);
    assert_int_equal(count_kept(s), 0);
    login(s);
    expect(s, "STAT\r\n", "+OK 19 ");
}

/* No room: deleted mail goes before its time. */
static void test_no_room_for_deleted_mail(void **state)
{
    struct rig_talk *s = *state;

    deliver(s, 2);
    login(s);
    expect(s, "DELE 1\r\n", "+OK");
    expect(s, "QUIT\r\n", "+OK");
    fake_run(300000);
    assert_int_equal(count_kept(s), 1);
    mm_store_set_free_space_min(s->rig.store, UINT64_MAX);
    fake_run(300000);
    assert_int_equal(count_kept(s), 0);
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 1);
    mm_store_set_free_space_min(s->rig.store, 0);
}

#define TEST(name, first)                                                      \
    cmocka_unit_test_setup_teardown(name, first, rig_talk_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_read_only, begin_read_only),
        TEST(test_expire_0_holds, begin_retention),
        TEST(test_login_delay_holds, begin_retention),
        TEST(test_expire_days_holds, begin_days),
        TEST(test_deleted_mail_is_kept, begin_kept),
        TEST(test_no_room_for_deleted_mail, begin_kept),
    };

    return cmocka_run_group_tests_name("server/pop3_retention", tests, NULL,
                                       NULL);
}
