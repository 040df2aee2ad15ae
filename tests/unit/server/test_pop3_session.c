/* test_pop3_session.c - a POP3 session on virtual time: the lock, sizes that
 * are true, deletion at QUIT alone, deadlines, and peers that go at the wrong
 * moment. Thread: the test's. */
#include "crypto/crypto.h"
#include "fake_world.h"
#include "platform/clock.h"
#include "rig.h"

#define PEER "198.51.100.7:4000"
#define BODY "Subject: x\r\n\r\n.dot\r\nlast\r\n"

static const char *const options[] = {"pop3.idle_timeout=10m",
                                      "pop3.write_timeout=50s",
                                      "pop3.allows_clear_login=true", NULL};

static int begin(void **state)
{
    *state = rig_talk_open(options);
    return 0;
}

static void login(struct fake_peer *peer)
{
    fake_connect(peer, PORT_POP3, PEER);
    rig_expect(peer, "", "+OK");
    rig_expect(peer, "USER alice\r\n", "+OK");
    rig_expect(peer, "PASS secret-alice\r\n", "+OK");
}

static void test_session(void **state)
{
    struct rig_talk *s = *state;

    rig_deliver(&s->rig, s->rig.alice, BODY);
    rig_deliver(&s->rig, s->rig.alice, "second\r\n");
    login(&s->peer);
    rig_expect(&s->peer, "STAT\r\n", "+OK 2 102\r\n");
    rig_expect(&s->peer, "LIST\r\n", "+OK");
    rig_expect(&s->peer, "LIST 1\r\n", "+OK 1 60\r\n");
    rig_expect(&s->peer, "DELE 1\r\n", "+OK");
    rig_expect(&s->peer, "DELE 1\r\n", "-ERR");
    rig_expect(&s->peer, "RETR 1\r\n", "-ERR");
    rig_expect(&s->peer, "STAT\r\n", "+OK 1 42\r\n");
    rig_expect(&s->peer, "RSET\r\n", "+OK");
    rig_expect(&s->peer, "STAT\r\n", "+OK 2 102\r\n");
    rig_expect(&s->peer, "DELE 2\r\n", "+OK");
    rig_expect(&s->peer, "QUIT\r\n", "+OK");
    assert_true(s->peer.is_closed);
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 1);
}

/* The stamp stands in the greeting while a user keeps a password for it. */
static void test_F12_apop_is_offered_where_it_works(void **state)
{
    struct rig_talk *s = *state;

    fake_connect(&s->peer, PORT_POP3, PEER);
    fake_run(1);
    assert_non_null(strchr(fake_heard(&s->peer), '<'));
    rig_remove_user(s->rig.store, "alice");
    rig_remove_user(s->rig.store, "bob");
    rig_add_user(s->rig.store, "dora", false);
    fake_run(60000);
    fake_connect(&s->other, PORT_POP3, PEER); /* has it looked at */
    fake_run(1);
    fake_hang_up(&s->other);
    fake_run(1);
    fake_forget_peer(&s->other);
    fake_connect(&s->other, PORT_POP3, PEER);
    fake_run(1);
    const char *greeting = fake_heard(&s->other);
    assert_true(mm_span_starts_nocase(mm_span_cstr(greeting), "+OK"));
    assert_null(strchr(greeting, '<'));
}

/* Looks, 10 ms apart, for the end of the store's slices. */
#define SLICES_WAIT 3000

/* The entries go in slices after the user: until then they are served. */
static const char *retrieve_until_gone(struct fake_peer *peer)
{
    const char *heard = fake_talk(peer, "RETR 1\r\n");

    for (int i = 0; i < SLICES_WAIT && heard[0] == '+'; i++) {
        mm_clock_sleep_ms(10);
        heard = fake_talk(peer, "RETR 1\r\n");
    }
    return heard;
}

static void test_F20_user_is_removed(void **state)
{
    struct rig_talk *s = *state;

    rig_deliver(&s->rig, s->rig.alice, BODY);
    login(&s->peer);
    rig_remove_user(s->rig.store, "alice");
    const char *heard = retrieve_until_gone(&s->peer);
    assert_true(mm_span_starts_nocase(mm_span_cstr(heard),
                                      "-ERR [SYS/PERM] this mailbox was"));
    assert_non_null(strstr(fake_log_text(), "mailbox removed during"));
    assert_null(strstr(fake_log_text(), "not readable"));
}

/* Attack 10: RETR gives the octets that LIST told, dots stuffed once. */
static void test_sizes_are_true(void **state)
{
    static const size_t sizes[] = {2, 100, 65500, 65534, 65536, 131068, 300001};
    struct rig_talk *s = *state;
    static char body[300002];

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        memset(body, 'x', sizes[i]);
        for (size_t at = 76; at + 4 < sizes[i]; at += 78) {
            memcpy(body + at, "\r\n.", 3);
        }
        memcpy(body + sizes[i] - 2, "\r\n", 3);
        rig_deliver(&s->rig, s->rig.alice, body);
    }
    login(&s->peer);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char command[32];
        size_t told = sizes[i] + strlen("Return-Path: <carol@example.net>\r\n");
        size_t stuffed = 0;
        const char *heard;
        const char *start;

        snprintf(command, sizeof command, "LIST %zu\r\n", i + 1);
        heard = fake_talk(&s->peer, command);
        assert_int_equal(strtoul(heard + strlen("+OK 1 "), NULL, 10), told);
        snprintf(command, sizeof command, "RETR %zu\r\n", i + 1);
        heard = fake_talk(&s->peer, command);
        assert_memory_equal(heard, "+OK", 3);
        start = strstr(heard, "\r\n") + 2;
        for (const char *at = start; (at = strstr(at, "\r\n..")) != NULL;
             at += 4) {
            stuffed++;
        }
        assert_int_equal(strlen(start), told + stuffed + strlen(".\r\n"));
        assert_string_equal(start + told + stuffed, ".\r\n");
    }
}

static void test_top_and_uidl(void **state)
{
    struct rig_talk *s = *state;
    const char *heard;
    char first[100];

    rig_deliver(&s->rig, s->rig.alice, BODY);
    rig_deliver(&s->rig, s->rig.alice, BODY);
    login(&s->peer);
    heard = fake_talk(&s->peer, "TOP 1 1\r\n");
    assert_non_null(strstr(heard, "\r\n..dot\r\n.\r\n"));
    assert_null(strstr(heard, "last"));
    rig_expect(&s->peer, "UIDL 1\r\n", "+OK 1 ");
    snprintf(first, sizeof first, "%s", fake_talk(&s->peer, "UIDL 1\r\n"));
    heard = fake_talk(&s->peer, "UIDL\r\n");
    assert_non_null(strstr(heard, first + strlen("+OK ")));
    rig_expect(&s->peer, "DELE 1\r\n", "+OK");
    heard = fake_talk(&s->peer, "UIDL\r\n");
    assert_null(strstr(heard, first + strlen("+OK ")));
}

/* RFC 1939 4: one session a mailbox, and the lock goes with the session. */
static void test_lock(void **state)
{
    struct rig_talk *s = *state;

    login(&s->peer);
    fake_connect(&s->other, PORT_POP3, PEER);
    rig_expect(&s->other, "USER alice\r\n", "+OK");
    fake_say(&s->other, "PASS secret-alice\r\n");
    fake_run(2500);
    rig_expect(&s->other, "", "-ERR [IN-USE]");
    /* Another mailbox is another lock. */
    rig_expect(&s->other, "USER bob\r\n", "+OK");
    rig_expect(&s->other, "PASS secret-bob\r\n", "+OK");
    fake_hang_up(&s->other);
    fake_run(5);
    fake_forget_peer(&s->other);
    fake_hang_up(&s->peer);
    fake_run(5);
    login(&s->other);
}

/* A former session that is about to end is waited for. */
static void test_lock_is_waited_for(void **state)
{
    struct rig_talk *s = *state;

    login(&s->peer);
    fake_connect(&s->other, PORT_POP3, PEER);
    rig_expect(&s->other, "USER alice\r\n", "+OK");
    fake_say(&s->other, "PASS secret-alice\r\n");
    fake_run(500);
    fake_hang_up(&s->peer);
    fake_run(100);
    rig_expect(&s->other, "", "+OK");
    /* Who hangs up while it waits leaves nothing behind. */
    fake_forget_peer(&s->peer);
    fake_connect(&s->peer, PORT_POP3, PEER);
    rig_expect(&s->peer, "USER alice\r\n", "+OK");
    fake_say(&s->peer, "PASS secret-alice\r\n");
    fake_run(500);
    fake_hang_up(&s->peer);
    fake_run(500);
}

/* Mail that comes meanwhile is not in the listing, and is not lost. */
static void test_snapshot(void **state)
{
    struct rig_talk *s = *state;

    rig_deliver(&s->rig, s->rig.alice, BODY);
    login(&s->peer);
    rig_deliver(&s->rig, s->rig.alice, BODY);
    rig_expect(&s->peer, "STAT\r\n", "+OK 1 ");
    rig_expect(&s->peer, "RETR 2\r\n", "-ERR");
    rig_expect(&s->peer, "DELE 1\r\n", "+OK");
    rig_expect(&s->peer, "QUIT\r\n", "+OK");
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 1);
}

static void test_drop_deletes_nothing(void **state)
{
    struct rig_talk *s = *state;

    rig_deliver(&s->rig, s->rig.alice, BODY);
    login(&s->peer);
    rig_expect(&s->peer, "DELE 1\r\n", "+OK");
    fake_hang_up(&s->peer);
    fake_run(5);
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 1);
}

/* RFC 1939 3: an idle session ends without a word and without deleting; octets
 * that trickle are no command. */
static void test_idle(void **state)
{
    struct rig_talk *s = *state;
    uint64_t start;

    rig_deliver(&s->rig, s->rig.alice, BODY);
    login(&s->peer);
    rig_expect(&s->peer, "DELE 1\r\n", "+OK");
    start = fake_now_ms();
    while (!s->peer.is_closed && fake_now_ms() - start < 3600000) {
        fake_say(&s->peer, "N");
        fake_run(1000);
    }
    assert_in_range(fake_now_ms() - start, 598000, 602000);
    assert_string_equal(fake_heard(&s->peer), "");
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 1);
}

static void test_commands_keep_it_alive(void **state)
{
    struct rig_talk *s = *state;

    login(&s->peer);
    for (unsigned i = 0; i < 10; i++) {
        fake_run(590000);
        rig_expect(&s->peer, "NOOP\r\n", "+OK");
    }
}

/* Many commands at once are answered in turns: who sends one is not behind
 * them. */
static void test_many_commands_take_turns(void **state)
{
    struct rig_talk *s = *state;

    fake_connect(&s->peer, PORT_POP3, PEER);
    rig_expect(&s->peer, "", "+OK");
    fake_connect(&s->other, PORT_POP3, PEER);
    rig_expect(&s->other, "", "+OK");
    for (unsigned i = 0; i < 5000; i++) {
        fake_say(&s->peer, "CAPA\r\n");
    }
    fake_say(&s->other, "CAPA\r\n");
    while (mm_buf_size(&s->other.heard) == s->other.mark) {
        assert_true(fake_run_conns());
    }
    size_t left = mm_buf_size(&s->peer.conn->in);
    assert_in_range(left, 4000 * 6, 5000 * 6 - 1);
    assert_string_not_equal(fake_heard(&s->peer), "");
    fake_run(0);
    assert_int_equal(mm_buf_size(&s->peer.conn->in), 0);
    rig_expect(&s->other, "QUIT\r\n", "+OK");
}

/* A reader that takes nothing of a long message is cut by the write's time,
 * and its mailbox is free again. */
static void test_reader_stalls(void **state)
{
    struct rig_talk *s = *state;
    static char body[400000];

    memset(body, 'x', sizeof body - 3);
    for (size_t at = 76; at < sizeof body - 3; at += 78) {
        memcpy(body + at, "\r\n", 2);
    }
    memcpy(body + sizeof body - 3, "\r\n", 3);
    rig_deliver(&s->rig, s->rig.alice, body);
    login(&s->peer);
    s->peer.reads_nothing = true;
    fake_say(&s->peer, "RETR 1\r\n");
    fake_run(49000);
    assert_false(s->peer.is_closed);
    fake_run(2000);
    assert_true(s->peer.is_closed);
    assert_int_equal(s->peer.reason, MAILMOD_ERROR_TIMEOUT);
    login(&s->other);
}

static void test_peer_goes_while_in_work(void **state)
{
    static const char *const texts[] = {"PASS secret-alice\r\n", "RETR 1\r\n",
                                        "TOP 1 0\r\n"};
    struct rig_talk *s = *state;

    rig_deliver(&s->rig, s->rig.alice, BODY);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (i == 0) {
            fake_connect(&s->peer, PORT_POP3, PEER);
            rig_expect(&s->peer, "USER alice\r\n", "+OK");
        } else {
            login(&s->peer);
        }
        fake_hold_jobs(true);
        fake_say(&s->peer, texts[i]);
        fake_run(5);
        fake_hang_up(&s->peer);
        fake_run(5);
        assert_true(s->peer.is_closed);
        assert_int_equal(mm_server_busy(s->rig.server), 1);
        fake_hold_jobs(false);
        fake_run(5);
        assert_int_equal(mm_server_busy(s->rig.server), 0);
        fake_forget_peer(&s->peer);
        login(&s->other); /* the lock went, too */
        fake_hang_up(&s->other);
        fake_run(5);
        fake_forget_peer(&s->other);
    }
}

/* Gone after QUIT was read and before the deletion is on disk: it is done. */
static void test_peer_goes_during_update(void **state)
{
    struct rig_talk *s = *state;

    rig_deliver(&s->rig, s->rig.alice, BODY);
    login(&s->peer);
    rig_expect(&s->peer, "DELE 1\r\n", "+OK");
    fake_hold_store(s->rig.store);
    fake_say(&s->peer, "QUIT\r\n");
    fake_run(5);
    assert_string_equal(fake_heard(&s->peer), "");
    fake_hang_up(&s->peer);
    fake_run(5);
    assert_int_equal(mm_server_busy(s->rig.server), 1);
    fake_release_store();
    fake_run(5);
    assert_int_equal(mm_server_busy(s->rig.server), 0);
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 0);
}

/* A user, removed while the session is open: errors, never another's mail. */
static void test_user_goes(void **state)
{
    struct rig_talk *s = *state;

    rig_deliver(&s->rig, s->rig.alice, BODY);
    rig_deliver(&s->rig, s->rig.bob, BODY);
    login(&s->peer);
    rig_remove_user(s->rig.store, "alice");
    assert_int_equal(retrieve_until_gone(&s->peer)[0], '-');
    rig_expect(&s->peer, "DELE 1\r\n", "+OK");
    rig_expect(&s->peer, "QUIT\r\n", "+OK");
    assert_int_equal(rig_entries(&s->rig, s->rig.bob), 1);
}

static void test_workers_are_full(void **state)
{
    struct rig_talk *s = *state;

    rig_deliver(&s->rig, s->rig.alice, BODY);
    login(&s->peer);
    fake_set_workers_full(true);
    rig_expect(&s->peer, "RETR 1\r\n", "-ERR [SYS/TEMP]");
    fake_set_workers_full(false);
    rig_expect(&s->peer, "RETR 1\r\n", "+OK");
    fake_connect(&s->other, PORT_POP3, PEER);
    rig_expect(&s->other, "USER bob\r\n", "+OK");
    fake_set_workers_full(true);
    rig_expect(&s->other, "PASS secret-bob\r\n", "-ERR [SYS/TEMP]");
    fake_set_workers_full(false);
}

static void test_logins(void **state)
{
    struct rig_talk *s = *state;
    char stamp[200];
    char line[300];
    uint8_t digest[MM_MD5_SIZE];
    char hex[2 * MM_MD5_SIZE + 1];
    const char *heard;

    fake_connect(&s->peer, PORT_POP3, PEER);
    heard = fake_talk(&s->peer, "");
    assert_non_null(strchr(heard, '<'));
    snprintf(stamp, sizeof stamp, "%s", strchr(heard, '<'));
    stamp[strcspn(stamp, "\r")] = '\0';
    snprintf(line, sizeof line, "%ssecret-alice", stamp);
    assert_int_equal(mm_md5(mm_span_cstr(line), digest), MAILMOD_OK);
    mm_hex(digest, sizeof digest, hex);
    rig_expect(&s->peer, "APOP alice 00000000000000000000000000000000\r\n",
               "-ERR [AUTH]");
    snprintf(line, sizeof line, "APOP alice %s\r\n", hex);
    rig_expect(&s->peer, line, "+OK");
    rig_expect(&s->peer, "QUIT\r\n", "+OK");
    fake_forget_peer(&s->peer);
    fake_connect(&s->peer, PORT_POP3S, PEER);
    rig_expect(&s->peer, "", "+OK");
    assert_true(s->peer.is_tls);
    rig_expect(&s->peer, "AUTH PLAIN AGFsaWNlAHNlY3JldC1hbGljZQ==\r\n", "+OK");
    rig_expect(&s->peer, "STAT\r\n", "+OK 0 0");
}

static void test_login_failures(void **state)
{
    struct rig_talk *s = *state;

    fake_connect(&s->peer, PORT_POP3, PEER);
    (void)fake_talk(&s->peer, "");
    for (unsigned i = 0; i < 3; i++) {
        assert_false(s->peer.is_closed);
        rig_expect(&s->peer, i == 1 ? "USER nobody\r\n" : "USER alice\r\n",
                   "+OK");
        rig_expect(&s->peer, "PASS wrong\r\n", "-ERR [AUTH]");
    }
    assert_true(s->peer.is_closed);
    assert_null(strstr(fake_log_text(), "wrong "));
}

static void test_stls(void **state)
{
    struct rig_talk *s = *state;

    fake_connect(&s->peer, PORT_POP3, PEER);
    rig_expect(&s->peer, "", "+OK");
    rig_expect(&s->peer, "USER alice\r\n", "+OK");
    rig_expect(&s->peer, "STLS\r\n", "+OK");
    assert_true(s->peer.is_tls);
    rig_expect(&s->peer, "PASS secret-alice\r\n",
               "-ERR"); /* USER is forgotten */
    fake_connect(&s->other, PORT_POP3, PEER);
    fake_say(&s->other, "STLS\r\nUSER alice\r\nPASS secret-alice\r\n");
    fake_run(10);
    assert_true(s->other.is_closed);
    assert_false(s->other.is_tls);
}

static void test_no_memory(void **state)
{
    struct rig_talk *s = *state;
    unsigned served = 0;

    rig_deliver(&s->rig, s->rig.alice, BODY);
    for (unsigned long n = 1; n < 120; n++) {
        struct fake_peer peer = {0};

        fake_connect(&peer, PORT_POP3, PEER);
        fake_run(1);
        fake_say(&peer, "USER alice\r\nPASS secret-alice\r\nLIST\r\nUIDL\r\n"
                        "RETR 1\r\n");
        if (mm_buf_reserve(&peer.heard, 8192) != NULL &&
            mm_buf_reserve(&peer.conn->out, 8192) != NULL) {
            mm_mem_set_fault(n, 0);
            fake_run(1);
            mm_mem_set_fault(0, 0);
        }
        fake_run(1);
        if (strstr(fake_heard(&peer), "\r\n..dot\r\nlast\r\n.\r\n") != NULL) {
            served++;
        }
        fake_hang_up(&peer);
        fake_run(10);
        assert_true(peer.is_closed);
        fake_forget_peer(&peer);
        assert_int_equal(mm_server_busy(s->rig.server), 0);
    }
    assert_true(served > 30);
    login(&s->peer); /* no lock was left */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, rig_talk_end)
    const struct CMUnitTest tests[] = {
        TEST(test_session),
        TEST(test_F12_apop_is_offered_where_it_works),
        TEST(test_F20_user_is_removed),
        TEST(test_sizes_are_true),
        TEST(test_top_and_uidl),
        TEST(test_lock),
        TEST(test_lock_is_waited_for),
        TEST(test_snapshot),
        TEST(test_drop_deletes_nothing),
        TEST(test_idle),
        TEST(test_commands_keep_it_alive),
        TEST(test_many_commands_take_turns),
        TEST(test_reader_stalls),
        TEST(test_peer_goes_while_in_work),
        TEST(test_peer_goes_during_update),
        TEST(test_user_goes),
        TEST(test_workers_are_full),
        TEST(test_logins),
        TEST(test_login_failures),
        TEST(test_stls),
        TEST(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
