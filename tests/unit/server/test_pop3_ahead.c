/* test_pop3_ahead.c - messages that are read ahead: whatever a client does, it
 * hears what it would hear without. Jobs are held where the loop must answer
 * alone, or must not. Thread: the test's. */
#include "rig.h"

#define PEER "198.51.100.7:4000"

enum { MESSAGES = 60 };

static const char *const options[] = {"pop3.allows_clear_login=true",
                                      "pop3.core=true", "pop3.idle_timeout=10m",
                                      NULL};

static void write_body(unsigned number, char text_out[64])
{
    snprintf(text_out, 64, "Subject: %u\r\n\r\n.body %u\r\n", number, number);
}

static int begin(void **state)
{
    struct rig_talk *s = rig_talk_open(options);
    char body[64];

    for (unsigned i = 1; i <= MESSAGES; i++) {
        write_body(i, body);
        rig_deliver(&s->rig, s->rig.alice, body);
    }
    fake_connect(&s->peer, PORT_POP3, PEER);
    rig_expect(&s->peer, "", "+OK");
    rig_expect(&s->peer, "XLOG alice secret-alice\r\n", "+OK");
    *state = s;
    return 0;
}

static size_t held(const struct rig_talk *s)
{
    return atomic_load(&s->rig.server->ahead_memory.used);
}

/* Nothing is left of what was read ahead. */
static int end(void **state)
{
    struct rig_talk *s = *state;

    fake_hang_up(&s->peer);
    fake_run(10);
    assert_int_equal(held(s), 0);
    return rig_talk_end(state);
}

/* The number in the listing gives the message that was delivered as so
 * many-th. */
static void retrieve(struct rig_talk *s, unsigned number, unsigned delivered)
{
    char command[32];
    char expected[200];

    snprintf(command, sizeof command, "RETR %u\r\n", number);
    snprintf(expected, sizeof expected,
             "Return-Path: <carol@example.net>\r\nSubject: %u\r\n\r\n"
             "..body %u\r\n.\r\n",
             delivered, delivered);
    const char *heard = fake_talk(&s->peer, command);
    assert_memory_equal(heard, "+OK", 3);
    assert_string_equal(strstr(heard, "\r\n") + 2, expected);
}

/* Answered without a job. */
static void retrieve_on_loop(struct rig_talk *s, unsigned number,
                             unsigned delivered)
{
    fake_hold_jobs(true);
    retrieve(s, number, delivered);
    fake_hold_jobs(false);
}

/* Answered by a job alone. */
static void retrieve_by_job(struct rig_talk *s, unsigned number,
                            unsigned delivered)
{
    char command[32];

    fake_hold_jobs(true);
    snprintf(command, sizeof command, "RETR %u\r\n", number);
    assert_string_equal(fake_talk(&s->peer, command), "");
    fake_hold_jobs(false);
    fake_run(10);
    char expected[64];
    snprintf(expected, sizeof expected, "..body %u\r\n.\r\n", delivered);
    assert_non_null(strstr(fake_heard(&s->peer), expected));
}

/* Removes messages behind the session's back. */
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

static void take_away(struct rig_talk *s, size_t number)
{
    struct mm_store_entry *entries = NULL;
    size_t count = 0;

    assert_int_equal(
        mm_store_list_entries(s->rig.store, s->rig.alice, &entries, &count),
        MAILMOD_OK);
    assert_true(number <= count);
    struct removing removing = {.job.run = run_removing,
                                .mailbox_id = s->rig.alice,
                                .number = entries[number - 1].unique_number};
    mm_free(entries);
    assert_int_equal(mm_store_run(s->rig.store, &removing.job), MAILMOD_OK);
}

/* One, two, four, ... with each job. */
static void test_in_order(void **state)
{
    struct rig_talk *s = *state;
    unsigned number = 1;

    for (unsigned ahead = 1; number <= MESSAGES; ahead *= 2) {
        unsigned last = number + (ahead < 16 ? ahead : 16);

        retrieve_by_job(s, number, number);
        for (number++; number <= last && number <= MESSAGES; number++) {
            assert_int_equal(held(s), MM_LIMIT_AHEAD);
            retrieve_on_loop(s, number, number);
        }
        assert_int_equal(held(s), 0);
    }
}

/* Who jumps gets nothing ahead, and none that he did not ask for. */
static void test_out_of_order(void **state)
{
    struct rig_talk *s = *state;
    static const unsigned numbers[] = {9, 7, 30, 30, 29, 60, 3, 1, 60};

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        retrieve_by_job(s, numbers[i], numbers[i]);
        assert_int_equal(held(s), 0);
    }
    /* Those between may be passed over, and none comes twice from memory. */
    for (unsigned i = 1; i <= 7; i++) {
        retrieve(s, i, i);
    }
    retrieve_on_loop(s, 9, 9);
    retrieve_by_job(s, 9, 9);
    retrieve_by_job(s, 8, 8);
    retrieve(s, 10, 10);
}

/* A client that deletes what it has goes in order all the same. */
static void test_deleting(void **state)
{
    struct rig_talk *s = *state;
    char command[32];

    for (unsigned i = 1; i <= 20; i++) {
        retrieve(s, i, i);
        snprintf(command, sizeof command, "DELE %u\r\n", i);
        rig_expect(&s->peer, command, "+OK");
        rig_expect(&s->peer, "NOOP\r\n", "+OK");
    }
    rig_expect(&s->peer, "DELE 22\r\n", "+OK");
    retrieve(s, 21, 21);
    rig_expect(&s->peer, "RETR 22\r\n", "-ERR that message is deleted");
    retrieve_on_loop(s, 23, 23);
    rig_expect(&s->peer, "QUIT\r\n", "+OK");
    assert_int_equal(rig_entries(&s->rig, s->rig.alice), MESSAGES - 21);
}

static void test_deleted_at_once(void **state)
{
    struct rig_talk *s = *state;

    for (unsigned i = 1; i <= 3; i++) {
        retrieve(s, i, i);
    }
    rig_expect(&s->peer, "DELI 4\r\n", "+OK");
    rig_expect(&s->peer, "RETR 4\r\n", "-ERR");
    retrieve_on_loop(s, 5, 5);
}

static void test_top(void **state)
{
    struct rig_talk *s = *state;

    rig_expect(&s->peer, "TOP 1 0\r\n", "+OK");
    fake_hold_jobs(true);
    const char *heard = fake_talk(&s->peer, "TOP 2 0\r\n");
    assert_non_null(strstr(heard, "Subject: 2\r\n\r\n.\r\n"));
    fake_hold_jobs(false);
    retrieve(s, 3, 3);
    retrieve_on_loop(s, 4, 4);
}

/* Numbers of a new listing are other messages. */
static void test_new_listing(void **state)
{
    struct rig_talk *s = *state;

    for (unsigned i = 1; i <= 3; i++) {
        retrieve(s, i, i);
    }
    assert_int_equal(held(s), MM_LIMIT_AHEAD);
    rig_expect(&s->peer, "DELE 1\r\n", "+OK");
    rig_expect(&s->peer, "CORE\r\n", "+OK");
    assert_int_equal(held(s), 0);
    for (unsigned i = 1; i < MESSAGES; i++) {
        retrieve(s, i, i + 1);
    }
}

/* What was removed when it was to be read ahead, and what was removed since: it
 * is not served for long. */
static void test_removed_by_others(void **state)
{
    struct rig_talk *s = *state;

    take_away(s, 2);
    retrieve(s, 1, 1);
    rig_expect(&s->peer, "RETR 2\r\n", "-ERR the message is no longer there");
    for (unsigned i = 3; i <= 9; i++) {
        retrieve(s, i, i);
    }
    assert_int_equal(held(s), MM_LIMIT_AHEAD);
    take_away(s, 9); /* the tenth of the listing */
    fake_run(MM_LIMIT_AHEAD_MS);
    rig_expect(&s->peer, "RETR 10\r\n", "-ERR the message is no longer there");
    retrieve(s, 11, 11);
}

static void test_idle_client(void **state)
{
    struct rig_talk *s = *state;

    for (unsigned i = 1; i <= 3; i++) {
        retrieve(s, i, i);
    }
    assert_int_equal(held(s), MM_LIMIT_AHEAD);
    fake_run(2 * MM_LIMIT_AHEAD_MS);
    assert_int_equal(held(s), 0);
    retrieve_by_job(s, 4, 4);
}

/* When all that sessions may hold is taken, each message is read by itself. */
static void test_all_is_taken(void **state)
{
    struct rig_talk *s = *state;

    atomic_store(&s->rig.server->ahead_memory.used, MM_LIMIT_AHEAD_ALL);
    for (unsigned i = 1; i <= 5; i++) {
        retrieve_by_job(s, i, i);
    }
    assert_int_equal(held(s), MM_LIMIT_AHEAD_ALL);
    atomic_store(&s->rig.server->ahead_memory.used, 0);
    retrieve_by_job(s, 6, 6);
    retrieve_on_loop(s, 7, 7);
}

static void test_goes_during_a_job(void **state)
{
    struct rig_talk *s = *state;

    retrieve(s, 1, 1);
    retrieve(s, 2, 2);
    fake_hold_jobs(true);
    assert_string_equal(fake_talk(&s->peer, "RETR 3\r\n"), "");
    fake_hang_up(&s->peer);
    fake_run(10);
    fake_hold_jobs(false);
    fake_run(10);
    assert_int_equal(held(s), 0);
}

/* Large ones are read by themselves, and small ones before and after them do
 * not hold more than they may. */
static void test_sizes(void **state)
{
    static const size_t sizes[] = {10000, 60000, 10000, 200000, 65500, 65535,
                                   30000, 30000, 30000, 30000,  10,    70000};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    static char body[200001];
    struct rig_talk *s = *state;
    char command[32];

    for (unsigned i = 0; i < COUNT; i++) {
        memset(body, (int)('a' + i), sizes[i]);
        memcpy(body + sizes[i] - 2, "\r\n", 3);
        rig_deliver(&s->rig, s->rig.bob, body);
    }
    fake_connect(&s->other, PORT_POP3, PEER);
    rig_expect(&s->other, "", "+OK");
    rig_expect(&s->other, "XLOG bob secret-bob\r\n", "+OK");
    for (unsigned i = 0; i < 2 * COUNT; i++) {
        snprintf(command, sizeof command, "RETR %u\r\n", i % COUNT + 1);
        const char *heard = fake_talk(&s->other, command);
        const char *start = strstr(heard, ">\r\n") + 3;

        assert_int_equal(strspn(start, (char[]){(char)('a' + i % COUNT), 0}),
                         sizes[i % COUNT] - 2);
        assert_string_equal(start + sizes[i % COUNT] - 2, "\r\n.\r\n");
    }
    fake_hang_up(&s->other);
    fake_run(10);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_in_order),
        TEST(test_out_of_order),
        TEST(test_deleting),
        TEST(test_deleted_at_once),
        TEST(test_top),
        TEST(test_new_listing),
        TEST(test_removed_by_others),
        TEST(test_idle_client),
        TEST(test_all_is_taken),
        TEST(test_goes_during_a_job),
        TEST(test_sizes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
