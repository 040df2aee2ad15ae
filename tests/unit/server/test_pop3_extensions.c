/* test_pop3_extensions.c - pop3svc's extensions in whole sessions on virtual
 * time. A test's name begins with the row of the seed's tests (pt) or of its
 * defects (pb) that it keeps: the same words, with our store behind them; PT-02
 * and PT-09 speak through real TLS and a real client library, and are in
 * tests/integration/test_pop3_extensions.py. Thread: the test's. */
#include "rig.h"

#define PEER "198.51.100.7:4000"
#define BODY "Subject: x\r\n\r\nbody\r\n"
/* The unique numbers of one mailbox end its unique-ids. */
#define UID_SIZE 21

static const char *const everything[] = {
    "pop3.allows_clear_login=true", "pop3.core=true",        "pop3.refr=true",
    "pop3.idle_timeout=10m",        "pop3.sleep_timeout=1h", NULL};

static int begin(void **state)
{
    *state = rig_talk_open(everything);
    return 0;
}

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

/* Starts anew with the same mailbox. */
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

/* Removes the first message behind the session's back. */
struct removing {
    struct mm_store_job job;
    uint64_t mailbox_id;
    uint64_t number;
};

static enum mailmod_error run_removing(struct mm_store_job *job,
                                       struct mm_store_transaction *transaction)
{
    struct removing *removing = MM_LIST_OBJECT(job, struct removing, job);

    return mm_store_remove_entries(transaction, removing->mailbox_id,
                                   &removing->number, 1);
}

static void take_away_first(struct rig_talk *s)
{
    struct mm_store_entry *entries = NULL;
    size_t count = 0;
    assert_int_equal(
        mm_store_list_entries(s->rig.store, s->rig.alice, &entries, &count),
        MAILMOD_OK);
    struct removing removing = {.job.run = run_removing,
                                .mailbox_id = s->rig.alice,
                                .number = entries[0].unique_number};
    mm_free(entries);
    assert_int_equal(mm_store_run(s->rig.store, &removing.job), MAILMOD_OK);
}

/* What UIDL tells of a message; by number of the listing. */
static void uid_of(struct rig_talk *s, unsigned number,
                   char uid_out[UID_SIZE + 1])
{
    char command[32];
    char prefix[32];
    snprintf(command, sizeof command, "UIDL %u\r\n", number);
    snprintf(prefix, sizeof prefix, "+OK %u ", number);
    const char *heard = fake_talk(&s->peer, command);
    assert_memory_equal(heard, prefix, strlen(prefix));
    memcpy(uid_out, heard + strlen(prefix), UID_SIZE);
    uid_out[UID_SIZE] = '\0';
}

/* The unique-id that the message after `uid` will have: numbers rise by one. */
static void next_uid(const char uid[UID_SIZE + 1], char uid_out[UID_SIZE + 1])
{
    unsigned long long number = strtoull(uid + 9, NULL, 16);

    snprintf(uid_out, UID_SIZE + 1, "%.9s%012llx", uid, number + 1);
}

static void expect_about(struct rig_talk *s, const char *verb, const char *uid,
                         const char *rest, const char *reply)
{
    char command[128];

    snprintf(command, sizeof command, "%s UID:%s%s\r\n", verb, uid, rest);
    expect(s, command, reply);
}

/* All eight of: mail came, a message was flagged, one was deleted outside. */
static void walk_eight(struct rig_talk *s, const char *verb, const char *words,
                       bool wakes)
{
    for (unsigned bits = 0; bits < 8; bits++) {
        bool adds = (bits & 1) != 0;
        bool flags = (bits & 2) != 0;
        bool loses = (bits & 4) != 0;
        char reply[128];
        size_t before = rig_entries(&s->rig, s->rig.alice);

        expect(s, flags ? "DELE 3\r\n" : "NOOP\r\n", "+OK");
        if (adds) {
            deliver(s, 1);
        }
        if (loses) {
            take_away_first(s);
        }
        snprintf(reply, sizeof reply, "+OK %s%s%s\r\n",
                 wakes  ? ""
                 : adds ? "[ACTIVITY/NEW] "
                        : "[ACTIVITY/NONE] ",
                 flags ? "1 message deleted. " : "", words);
        expect(s, verb, reply);
        if (wakes) {
            expect(s, "UIDL\r\n", "-ERR");
            expect(s, "NOOP\r\n", "+OK");
            expect(s, "WAKE\r\n",
                   adds ? "+OK [ACTIVITY/NEW]" : "+OK [ACTIVITY/NONE]");
        }
        size_t after = before + adds - flags - loses;
        assert_int_equal(rig_entries(&s->rig, s->rig.alice), after);
        snprintf(reply, sizeof reply, "+OK %zu ", after);
        expect(s, "STAT\r\n", reply);
    }
}

static void test_pt01_slee_wake(void **state)
{
    struct rig_talk *s = *state;

    deliver(s, 20);
    login(s);
    walk_eight(s, "SLEE\r\n", "Asleep.", true);
}

static void test_pt04_core(void **state)
{
    struct rig_talk *s = *state;

    deliver(s, 20);
    login(s);
    walk_eight(s, "CORE\r\n", "Listed anew.", false);
    walk_eight(s, "REFR\r\n", "Listed anew.", false);
}

/* Mail that came after the login and before SLEE was not listed: it is new.
 * Seen by its unique-id alone it is still in no listing. */
static void test_pt01_late_mail_is_new(void **state)
{
    struct rig_talk *s = *state;
    char uid[UID_SIZE + 1];
    char late[UID_SIZE + 1];

    deliver(s, 2);
    login(s);
    uid_of(s, 2, uid);
    next_uid(uid, late);
    deliver(s, 1);
    expect_about(s, "RETR", late, "", "+OK");
    expect(s, "SLEE\r\n", "+OK Asleep.\r\n");
    expect(s, "WAKE\r\n", "+OK [ACTIVITY/NEW]");
    expect(s, "SLEE\r\n", "+OK Asleep.\r\n");
    expect(s, "WAKE\r\n", "+OK [ACTIVITY/NONE]");
}

/* Asleep the lock is free; who finds it taken sleeps on, and a user who is
 * disabled or removed does not wake. */
static void test_asleep_the_mailbox_is_free(void **state)
{
    struct rig_talk *s = *state;

    deliver(s, 1);
    login(s);
    expect(s, "SLEE\r\n", "+OK");
    fake_connect(&s->other, PORT_POP3, PEER);
    rig_expect(&s->other, "XLOG alice secret-alice\r\n", "+OK");
    fake_say(&s->peer, "WAKE\r\n");
    fake_run(3000);
    expect(s, "", "-ERR [IN-USE]");
    expect(s, "NOOP\r\n", "+OK");
    rig_expect(&s->other, "QUIT\r\n", "+OK");
    expect(s, "WAKE\r\n", "+OK [ACTIVITY/NONE]");
    expect(s, "SLEE\r\n", "+OK");
    rig_remove_user(s->rig.store, "alice");
    expect(s, "WAKE\r\n", "-ERR [AUTH]");
    fake_run(3000);
    assert_true(s->peer.is_closed); /* as an awake one is ended */
}

/* The patience with who sleeps is another one; nothing is said at its end. */
static void test_asleep_the_time_is_longer(void **state)
{
    struct rig_talk *s = *state;

    deliver(s, 1);
    login(s);
    expect(s, "DELE 1\r\n", "+OK");
    expect(s, "SLEE\r\n", "+OK 1 message deleted. Asleep.");
    fake_run(50 * 60000);
    expect(s, "NOOP\r\n", "+OK");
    fake_run(59 * 60000);
    assert_false(s->peer.is_closed);
    fake_run(2 * 60000);
    assert_true(s->peer.is_closed);
    assert_string_equal(fake_heard(&s->peer), "");
}

/* A removal that fails leaves SLEE and QAUT where they were; QUIT ends. */
static void test_failing_removals(void **state)
{
    struct rig_talk *s = *state;
    static const char *const verbs[] = {"SLEE\r\n", "CORE\r\n", "QAUT\r\n"};

    deliver(s, 3);
    login(s);
    expect(s, "DELE 1\r\n", "+OK");
    world.is_workers_full = true;
    for (size_t i = 0; i < 3; i++) {
        expect(s, verbs[i], "-ERR [SYS/TEMP]");
    }
    world.is_workers_full = false;
    expect(s, "STAT\r\n", "+OK 2 ");
    expect(s, "RSET\r\n", "+OK");
    expect(s, "QUIT\r\n", "+OK Goodbye.\r\n");
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 3);
}

static void test_pt03_top(void **state)
{
    struct rig_talk *s = *state;

    rig_deliver(&s->rig, s->rig.alice,
                "Subject: x\r\n\r\n.\r\n..two\r\n...three\r\nlast\r\n");
    rig_deliver(&s->rig, s->rig.alice, "Subject: no body\r\n\r\n");
    rig_deliver(&s->rig, s->rig.alice, "Subject: no blank line\r\n");
    login(s);
    const char *heard = fake_talk(&s->peer, "TOP 1 0\r\n");
    assert_non_null(strstr(heard, "Subject: x\r\n\r\n.\r\n"));
    heard = fake_talk(&s->peer, "TOP 1 1\r\n");
    assert_non_null(strstr(heard, "\r\n\r\n..\r\n.\r\n"));
    heard = fake_talk(&s->peer, "TOP 1 99999\r\n");
    assert_non_null(
        strstr(heard, "\r\n\r\n..\r\n...two\r\n....three\r\nlast\r\n.\r\n"));
    heard = fake_talk(&s->peer, "TOP 2 99999\r\n");
    assert_non_null(strstr(heard, "Subject: no body\r\n\r\n.\r\n"));
    heard = fake_talk(&s->peer, "TOP 3 5\r\n");
    assert_non_null(strstr(heard, "Subject: no blank line\r\n.\r\n"));
}

/* A line of one dot does not end the message. */
static void test_pb01_dots(void **state)
{
    struct rig_talk *s = *state;

    rig_deliver(&s->rig, s->rig.alice, "A: b\r\n\r\n.\r\nmore\r\n. x\r\n");
    login(s);
    const char *heard = fake_talk(&s->peer, "RETR 1\r\n");
    assert_non_null(strstr(heard, "\r\n\r\n..\r\nmore\r\n.. x\r\n.\r\n"));
}

static void test_pt05_retr_uid(void **state)
{
    struct rig_talk *s = *state;
    char uid[UID_SIZE + 1];

    deliver(s, 100);
    login(s);
    uid_of(s, 7, uid); /* the engine has no UIDL of all yet */
    expect_about(s, "RETR", uid, "", "+OK");
    expect_about(s, "TOP", uid, " 0", "+OK");
    expect_about(s, "LIST", uid, "", "+OK 7 ");
    expect_about(s, "uidl", uid, "", "+OK 7 ");
    expect_about(s, "DELE", uid, "", "+OK Marked");
    expect_about(s, "RETR", uid, "", "-ERR that message is deleted");
    expect(s, "RETR 7\r\n", "-ERR that message is deleted");
    expect(s, "RSET\r\n", "+OK");
    expect_about(s, "DELE", uid, "", "+OK");
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 100);
    expect(s, "SLEE\r\n", "+OK 1 message deleted. Asleep.");
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 99);
}

static void test_pt05_retr_uid_new(void **state)
{
    struct rig_talk *s = *state;
    char uid[UID_SIZE + 1];
    char late[UID_SIZE + 1];
    char reply[64];

    deliver(s, 100);
    login(s);
    uid_of(s, 100, uid);
    next_uid(uid, late);
    expect_about(s, "RETR", late, "", "-ERR [UID/NOT-FOUND]");
    deliver(s, 1);
    const char *stat = fake_talk(&s->peer, "STAT\r\n");
    assert_memory_equal(stat, "+OK 100 ", 8);
    unsigned long size = strtoul(stat + 8, NULL, 10) / 100;
    expect_about(s, "RETR", late, "", "+OK");
    expect_about(s, "TOP", late, " 1", "+OK");
    snprintf(reply, sizeof reply, "+OK 0 %lu\r\n", size);
    expect_about(s, "LIST", late, "", reply);
    snprintf(reply, sizeof reply, "+OK 0 %s\r\n", late);
    expect_about(s, "UIDL", late, "", reply);
    assert_null(strstr(fake_talk(&s->peer, "UIDL\r\n"), late));
    snprintf(reply, sizeof reply, "+OK 100 %lu\r\n", 100 * size);
    expect(s, "STAT\r\n", reply);
    expect(s, "RETR 101\r\n", "-ERR no such message");
    expect_about(s, "RETR", "made-up", "", "-ERR [UID/NOT-FOUND]");
    expect(s, "DELE 100\r\n", "+OK");
    expect_about(s, "DELE", late, "", "+OK");
    expect_about(s, "RETR", late, "", "-ERR that message is deleted");
    snprintf(reply, sizeof reply, "+OK 99 %lu\r\n", 99 * size);
    expect(s, "STAT\r\n", reply);
    expect(s, "QUIT\r\n", "+OK 2 messages deleted. Goodbye.\r\n");
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 99);
}

/* Asked for by its number, a message that somebody took away. */
static void test_pt05_expunged(void **state)
{
    struct rig_talk *s = *state;

    deliver(s, 2);
    login(s);
    take_away_first(s);
    expect(s, "LIST 1\r\n", "+OK 1 ");
    const char *heard = fake_talk(&s->peer, "RETR 1\r\n");
    assert_memory_equal(heard, "-ERR", 4);
    expect(s, "RETR 2\r\n", "+OK");
}

static void test_pt06_deli(void **state)
{
    struct rig_talk *s = *state;
    char uid[UID_SIZE + 1];

    deliver(s, 20);
    login(s);
    uid_of(s, 12, uid);
    expect(s, "DELE 1\r\n", "+OK");
    expect_about(s, "DELI", uid, "", "+OK Deleted.\r\n");
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 19);
    expect(s, "RSET\r\n", "+OK");
    expect(s, "STAT\r\n", "+OK 19 ");
    expect(s, "DELI 12\r\n", "-ERR that message is deleted");
    const char *heard = fake_talk(&s->peer, "LIST\r\n");
    assert_null(strstr(heard, "\r\n12 "));
    assert_non_null(strstr(heard, "\r\n13 "));
    hang_up(s); /* the line drops */
    login(s);
    expect(s, "STAT\r\n", "+OK 19 ");
    expect_about(s, "RETR", uid, "", "-ERR [UID/NOT-FOUND]");
    expect(s, "DELI 1\r\n", "+OK");
    expect(s, "DELE 2\r\n", "+OK");
    expect(s, "QUIT\r\n", "+OK 1 message deleted. Goodbye.");
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 17);
}

static void test_pt07_capa(void **state)
{
    struct rig_talk *s = *state;
    static const char *const tags[] = {
        "UID-PARAM", "DELI", "SLEE-WAKE", "SLEEPING", "QAUT",
        "CORE",      "REFR", "XLOG",      "USER",     "EXPIRE NEVER"};

    fake_connect(&s->peer, PORT_POP3, PEER);
    fake_run(1);
    (void)fake_heard(&s->peer);
    for (int i = 0; i < 2; i++) {
        const char *heard = fake_talk(&s->peer, "CAPA\r\n");

        for (size_t tag = 0; tag < sizeof tags / sizeof tags[0]; tag++) {
            char line[64];
            snprintf(line, sizeof line, "\r\n%s\r\n", tags[tag]);
            assert_non_null(strstr(heard, line));
        }
        assert_null(strstr(heard, "MULTI-LINE-IND"));
        assert_null(strstr(heard, "LOGIN-DELAY"));
        expect(s, i == 0 ? "XLOG alice secret-alice\r\n" : "NOOP\r\n", "+OK");
    }
}

/* Three strikes: the third wrong login is the connection's last. */
static void test_pt08_three_strikes(void **state)
{
    struct rig_talk *s = *state;

    fake_connect(&s->peer, PORT_POP3, "[2001:db8:1:2::1]:4000");
    expect(s, "", "+OK");
    expect(s, "XLOG alice wrong\r\n", "-ERR [AUTH]");
    expect(s, "XLOG nobody secret-alice\r\n", "-ERR [AUTH]");
    expect(s, "XLOG alice again\r\n", "-ERR [AUTH]");
    fake_run(5);
    assert_true(s->peer.is_closed);
}

static const char *const bans[] = {"pop3.allows_clear_login=true",
                                   "logins.failures_max=3",
                                   "logins.delay_max=0s", NULL};

static int begin_bans(void **state)
{
    *state = rig_talk_open(bans);
    return 0;
}

static void expect_login(struct rig_talk *s, const char *peer,
                         const char *password, const char *reply)
{
    char line[64];

    snprintf(line, sizeof line, "XLOG alice %s\r\n", password);
    fake_connect(&s->peer, PORT_POP3, peer);
    expect(s, "", "+OK");
    expect(s, line, reply);
    hang_up(s);
}

/* A banned network, an IPv6 /64 or an IPv4 address, hears what everybody with a
 * wrong password hears. */
static void test_pt08_ban(void **state)
{
    static const struct {
        const char *peer;
        const char *neighbour; /* of the same network */
        const char *other;
    } rows[] = {
        {"[2001:db8:1:2::1]:4000", "[2001:db8:1:2:ffff::9]:4001",
         "[2001:db8:1:3::1]:4000"},
        {"198.51.100.7:4000", "198.51.100.7:4001", "198.51.100.8:4000"}};
    struct rig_talk *s = *state;

    for (size_t i = 0; i < 2; i++) {
        for (int strike = 0; strike < 3; strike++) {
            expect_login(s, rows[i].peer, "wrong", "-ERR [AUTH]");
        }
        expect_login(s, rows[i].neighbour, "secret-alice", "-ERR [AUTH]");
        expect_login(s, rows[i].other, "secret-alice", "+OK");
    }
}

static void test_pt10_qaut(void **state)
{
    struct rig_talk *s = *state;

    deliver(s, 2);
    login(s);
    expect(s, "DELE 1\r\n", "+OK");
    expect(s, "QAUT\r\n", "+OK 1 message deleted. Logged out.");
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), 1);
    expect(s, "STAT\r\n", "-ERR");
    expect(s, "QAUT\r\n", "-ERR Log in first.");
    /* The mailbox is free, and another user may come. */
    fake_connect(&s->other, PORT_POP3, PEER);
    rig_expect(&s->other, "XLOG alice secret-alice\r\n", "+OK");
    expect(s, "XLOG bob secret-bob\r\n", "+OK");
    expect(s, "STAT\r\n", "+OK 0 0");
    /* Who is logged out is not looked at any more; who is in, is. */
    expect(s, "QAUT\r\n", "+OK Logged out.\r\n");
    rig_remove_user(s->rig.store, "bob");
    fake_run(5000);
    assert_false(s->peer.is_closed);
    expect(s, "QUIT\r\n", "+OK");
}

/* Mail that comes during a session changes no number; sizes and identifiers are
 * read once. */
static void test_pt10_listed_once(void **state)
{
    struct rig_talk *s = *state;

    deliver(s, 3);
    login(s);
    char before[4096];
    snprintf(before, sizeof before, "%s", fake_talk(&s->peer, "UIDL\r\n"));
    deliver(s, 5);
    take_away_first(s);
    assert_string_equal(fake_talk(&s->peer, "UIDL\r\n"), before);
    expect(s, "STAT\r\n", "+OK 3 ");
}

/* Whatever a line holds, the session answers or refuses it, and ends by its
 * count of errors alone. */
static void test_pt10_random_lines(void **state)
{
    struct rig_talk *s = *state;
    unsigned seed = 4711;

    login(s);
    for (int i = 0; i < 1000; i++) {
        char line[64];
        size_t size = 0;
        for (; size < sizeof line - 3; size++) {
            seed = seed * 1103515245u + 12345u;
            line[size] = (char)('!' + (seed >> 16) % 94);
        }
        memcpy(line + size, "\r\n", 3);
        if (s->peer.is_closed) {
            hang_up(s);
            login(s);
        }
        const char *heard = fake_talk(&s->peer, line);
        assert_memory_equal(heard, "-ERR", 4);
    }
}

/* Octets behind STLS in one flight are no commands, now or later. */
static void test_pb02_octets_behind_stls(void **state)
{
    struct rig_talk *s = *state;

    fake_connect(&s->peer, PORT_POP3, PEER);
    expect(s, "", "+OK");
    fake_say(&s->peer, "STLS\r\nXLOG alice secret-alice\r\n");
    fake_run(10);
    assert_false(s->peer.is_tls);
    assert_true(s->peer.is_closed);
}

static void test_pb03_pb05_stls_forgets(void **state)
{
    struct rig_talk *s = *state;

    fake_connect(&s->peer, PORT_POP3, PEER);
    expect(s, "", "+OK");
    expect(s, "USER alice\r\n", "+OK");
    expect(s, "sTlS\r\n", "+OK");
    assert_true(s->peer.is_tls);
    expect(s, "PASS secret-alice\r\n", "-ERR USER first.");
    expect(s, "XLOG alice secret-alice\r\n", "+OK");
}

static void test_pb04_no_parameter(void **state)
{
    struct rig_talk *s = *state;
    static const char *const lines[] = {"USER\r\n", "XLOG\r\n",
                                        "XLOG alice\r\n", "PASS\r\n"};

    fake_connect(&s->peer, PORT_POP3, PEER);
    expect(s, "", "+OK");
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        expect(s, lines[i], "-ERR");
    }
    expect(s, "XLOG alice secret-alice\r\n", "+OK");
}

/* RFC 2449 4: 255 octets a command. Attack 89 has the whole of it. */
static void test_pb06_long_lines(void **state)
{
    struct rig_talk *s = *state;
    char line[300];

    login(s);
    memset(line, 'x', sizeof line);
    memcpy(line, "LIST ", 5);
    memcpy(line + 254, "\r\n", 3);
    expect(s, line, "-ERR Line too long.");
    memset(line, 'x', sizeof line);
    memcpy(line, "LIST ", 5);
    memcpy(line + 253, "\r\n", 3);
    expect(s, line, "-ERR Not a number");
}

static const char *const tls_only[] = {"pop3.allows_clear_login=false", NULL};

static int begin_tls_only(void **state)
{
    *state = rig_talk_open(tls_only);
    return 0;
}

/* One check for each verb that logs in, and none of them is counted as a wrong
 * password. */
static void test_pb08_tls_for_every_login(void **state)
{
    struct rig_talk *s = *state;
    static const char *const lines[] = {
        "USER alice\r\n", "PASS secret-alice\r\n",
        "APOP alice 00000000000000000000000000000000\r\n",
        "AUTH PLAIN AGFsaWNlAHNlY3JldC1hbGljZQ==\r\n",
        "XLOG alice secret-alice\r\n"};

    fake_connect(&s->peer, PORT_POP3, PEER);
    expect(s, "", "+OK");
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        expect(s, lines[i], "-ERR A login needs TLS first.");
    }
    assert_null(strstr(fake_talk(&s->peer, "CAPA\r\n"), "XLOG"));
    expect(s, "STLS\r\n", "+OK");
    expect(s, "XLOG alice secret-alice\r\n", "+OK");
}

/* Words are of the commands that there are. */
static void test_pb09_words(void **state)
{
    struct rig_talk *s = *state;

    deliver(s, 1);
    login(s);
    expect(s, "DELE 1\r\n", "+OK Marked for deletion.\r\n");
}

/* State, then TLS, then the credentials: who is logged in is told so, however
 * many logins have failed. */
static void test_pb10_order(void **state)
{
    struct rig_talk *s = *state;

    fake_connect(&s->peer, PORT_POP3, PEER);
    expect(s, "", "+OK");
    expect(s, "XLOG alice wrong\r\n", "-ERR [AUTH]");
    expect(s, "XLOG alice secret-alice\r\n", "+OK");
    expect(s, "XLOG alice wrong\r\n", "-ERR Not after the login.");
    expect(s, "PASS wrong\r\n", "-ERR Not after the login.");
    expect(s, "SLEE\r\n", "+OK");
    expect(s, "XLOG alice wrong\r\n", "-ERR Asleep");
    expect(s, "WAKE\r\n", "+OK");
}

#define TEST(name, first)                                                      \
    cmocka_unit_test_setup_teardown(name, first, rig_talk_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pt01_slee_wake, begin),
        TEST(test_pt01_late_mail_is_new, begin),
        TEST(test_asleep_the_mailbox_is_free, begin),
        TEST(test_asleep_the_time_is_longer, begin),
        TEST(test_failing_removals, begin),
        TEST(test_pt03_top, begin),
        TEST(test_pt04_core, begin),
        TEST(test_pt05_retr_uid, begin),
        TEST(test_pt05_retr_uid_new, begin),
        TEST(test_pt05_expunged, begin),
        TEST(test_pt06_deli, begin),
        TEST(test_pt07_capa, begin),
        TEST(test_pt08_three_strikes, begin),
        TEST(test_pt08_ban, begin_bans),
        TEST(test_pt10_qaut, begin),
        TEST(test_pt10_listed_once, begin),
        TEST(test_pt10_random_lines, begin),
        TEST(test_pb01_dots, begin),
        TEST(test_pb02_octets_behind_stls, begin),
        TEST(test_pb03_pb05_stls_forgets, begin),
        TEST(test_pb04_no_parameter, begin),
        TEST(test_pb06_long_lines, begin),
        TEST(test_pb08_tls_for_every_login, begin_tls_only),
        TEST(test_pb09_words, begin),
        TEST(test_pb10_order, begin),
    };

    return cmocka_run_group_tests_name("server/pop3_extensions", tests, NULL,
                                       NULL);
}
