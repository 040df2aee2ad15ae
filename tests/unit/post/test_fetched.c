/* test_fetched.c - deposits of fetched mail: unique-ids that are kept, what is
 * set aside and brought back (attack 101), and what comes whole or stays. */
#include "arrival.h"

#include "mailbox/provider.h"
#include "post/aside.h"
#include "post/mailboxes.h"

static void start_fetched(struct arrival *a, const char *key, bool keeps,
                          bool sets_aside)
{
    struct mm_store_seen seen = {.size = 10, .seen_ms = FAKE_WALL_MS};
    const struct mm_deposit_origin origin = {.account = "work",
                                             .seen = &seen,
                                             .keeps_unique_id = keeps,
                                             .sets_aside = sets_aside};
    (void)snprintf(seen.key, sizeof seen.key, "%s", key);
    arrival_start(a, "");
    assert_int_equal(mm_deposit_set_origin(a->deposit, &origin), MAILMOD_OK);
}

static void finish_fetched(struct arrival *a)
{
    arrival_write_all(a, mm_span_cstr("Subject: x\r\n\r\nHi\r\n"), 7);
    arrival_finish(a);
    mm_deposit_abandon(&a->deposit);
    fake_run(0);
}

/* RFC 1939 7: "own": one of the mailbox's. */
static void check_unique_ids(struct arrival *a, const char *const *wanted,
                             size_t count)
{
    struct mm_mailbox *box = NULL;
    assert_int_equal(
        mm_mailboxes_open(a->post, a->config, "alice", a->alice, &box),
        MAILMOD_OK);
    assert_int_equal(box->count, count);
    for (size_t i = 0; i < count; i++) {
        char text[MM_UNIQUE_ID_MAX];
        box->verbs->unique_id(box, i, text);
        if (strcmp(wanted[i], "own") == 0) {
            assert_int_equal(strlen(text), 21);
            assert_int_equal(text[8], '.');
        } else {
            assert_string_equal(text, wanted[i]);
        }
    }
    mm_mailbox_close(&box);
}

static void test_unique_ids_are_kept(void **state)
{
    struct arrival *a = *state;
    static const struct {
        const char *key;
        bool keeps;
    } rows[] = {{"UID7-1", true},  {"UID7-1", true}, {"UID7-2", false},
                {" 0123.1", true}, {"_", true},      {"UID7-3", true}};
    static const char *const wanted[] = {"UID7-1", "own", "own",
                                         "own",    "own", "UID7-3"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        start_fetched(a, rows[i].key, rows[i].keeps, false);
        arrival_add_mailbox(a, a->alice);
        finish_fetched(a);
        assert_int_equal(a->error, MAILMOD_OK);
    }
    check_unique_ids(a, wanted, sizeof wanted / sizeof wanted[0]);
}

/* A server that says what our next unique-id will be does not get it. */
static void test_unique_id_that_is_ours(void **state)
{
    struct arrival *a = *state;
    uint32_t tag = 0;
    char key[30];
    assert_int_equal(mm_store_mailbox_tag(a->store, a->alice, &tag),
                     MAILMOD_OK);
    (void)snprintf(key, sizeof key, "%08x.%012x", (unsigned)tag, 2u);
    start_fetched(a, key, true, false);
    arrival_add_mailbox(a, a->alice);
    finish_fetched(a);
    start_fetched(a, "x", false, false);
    arrival_add_mailbox(a, a->alice);
    finish_fetched(a);
    struct mm_mailbox *box = NULL;
    char texts[2][MM_UNIQUE_ID_MAX];
    assert_int_equal(
        mm_mailboxes_open(a->post, a->config, "alice", a->alice, &box),
        MAILMOD_OK);
    box->verbs->unique_id(box, 0, texts[0]);
    box->verbs->unique_id(box, 1, texts[1]);
    assert_string_not_equal(texts[0], texts[1]);
    assert_string_equal(texts[1], key);
    mm_mailbox_close(&box);
}

static void check_held(struct arrival *a, size_t count, const char *words)
{
    struct arrival_rows rows;
    arrival_list(a, &rows);
    assert_int_equal(rows.count, count);
    assert_true(rows.message.keeps_failed);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(rows.items[i].state, MM_RECIPIENT_HELD);
        assert_string_equal(rows.items[i].destination, "aside:work");
        assert_non_null(strstr(rows.items[i].last_reply, words));
        assert_true(rows.items[i].expires_ms >
                    FAKE_WALL_MS + INT64_C(3600) * 24 * 1000 * 36500);
    }
}

/* The mailbox goes while the message comes: held, and the other one has it. */
static void test_set_aside_in_the_transaction(void **state)
{
    struct arrival *a = *state;
    start_fetched(a, "u", false, true);
    arrival_add_mailbox(a, a->alice);
    arrival_add_mailbox(a, a->bob);
    rig_remove_user(a->store, "alice");
    finish_fetched(a);
    assert_int_equal(a->error, MAILMOD_OK);
    assert_int_equal(arrival_entries(a, a->bob), 1);
    check_held(a, 1, "removed");
    assert_non_null(strstr(fake_log_text(), "set aside"));
}

/* Without it the message stays at its server, for all. */
static void test_comes_whole_or_stays(void **state)
{
    struct arrival *a = *state;
    start_fetched(a, "u", false, false);
    arrival_add_mailbox(a, a->alice);
    arrival_add_mailbox(a, a->bob);
    rig_remove_user(a->store, "alice");
    finish_fetched(a);
    assert_int_equal(a->error, MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(arrival_entries(a, a->bob), 0);
}

/* ---- the way back ---- */

struct release {
    struct mm_store_job job;
    struct mm_consumption work;
    struct mq_outcome outcomes[3];
    struct mq_batch batch;
    unsigned done;
};

static enum mailmod_error run_put(struct mm_store_job *job,
                                  struct mm_store_transaction *t)
{
    struct release *release = MM_LIST_OBJECT(job, struct release, job);
    return release->work.put(&release->work, t);
}

static void count_done(struct mm_consumption *work)
{
    MM_LIST_OBJECT(work, struct release, work)->done++;
}

static void release_all(struct arrival *a, struct arrival_rows *rows,
                        struct release *release)
{
    struct mm_consumer *consumer = mm_consumer_of(a->post, "aside:work");
    *release = (struct release){.job.run = run_put};
    release->batch.message = rows->message;
    release->batch.recipients = rows->items;
    release->batch.recipient_count = rows->count;
    release->work = (struct mm_consumption){.batch = &release->batch,
                                            .config = a->config,
                                            .loop = fake_loop(),
                                            .outcomes = release->outcomes,
                                            .done = count_done};
    assert_non_null(consumer);
    consumer->take(consumer, &release->work);
    assert_int_equal(release->done, 1);
    assert_int_equal(mm_store_run(a->store, &release->job), MAILMOD_OK);
    release->work.settled(&release->work);
}

static void test_brought_back(void **state)
{
    struct arrival *a = *state;
    struct arrival_rows rows;
    struct release release;
    start_fetched(a, "u", false, true);
    assert_int_equal(mm_deposit_add_aside(a->deposit, "work",
                                          "alice@example.org", "why not"),
                     MAILMOD_OK);
    assert_int_equal(mm_deposit_add_aside(a->deposit, "work",
                                          "nobody@example.org", "why not"),
                     MAILMOD_OK);
    assert_int_equal(mm_deposit_add_aside(a->deposit, "work",
                                          "dave@elsewhere.net", "why not"),
                     MAILMOD_OK);
    finish_fetched(a);
    assert_int_equal(a->error, MAILMOD_OK);
    check_held(a, 3, "why not");
    arrival_list(a, &rows);
    release_all(a, &rows, &release);
    assert_int_equal(release.outcomes[0].verdict, MQ_DELIVERED);
    assert_int_equal(release.outcomes[1].verdict, MQ_FAILED);
    assert_string_equal(release.outcomes[1].status, "5.1.1");
    assert_int_equal(release.outcomes[2].verdict, MQ_DELIVERED);
    assert_int_equal(arrival_entries(a, a->alice), 1);
    /* The one for elsewhere has a row that is due. */
    arrival_list(a, &rows);
    assert_int_equal(rows.count, 4);
    assert_string_equal(rows.items[3].destination, "elsewhere.net");
    assert_string_equal(rows.items[3].path, "dave@elsewhere.net");
    assert_int_equal(rows.items[3].state, MM_RECIPIENT_WAITING);
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, arrival_begin, arrival_end)
    const struct CMUnitTest tests[] = {
        TEST(test_unique_ids_are_kept),
        TEST(test_unique_id_that_is_ours),
        TEST(test_set_aside_in_the_transaction),
        TEST(test_comes_whole_or_stays),
        TEST(test_brought_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
