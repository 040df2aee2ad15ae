/* test_maillist_digest.c - the consumer of digests: when one is made, of what,
 * and when a post waits on. Thread: the test's (the loop). */
#include "arrival.h"

#include "base/limits.h"
#include "platform/clock.h"
#include "post/consumer.h"
#include "post/maillist.h"

#define LIST "news@example.org"
#define DAY_MS (INT64_C(24) * 3600 * 1000)

struct world {
    struct mm_store *store;
    struct mm_post *post;
    struct mm_config *config;
    struct mm_maillist list;
    struct mq_batch batch;
    struct mm_store_recipient recipient;
    struct mq_outcome outcome;
    struct mm_consumption work;
    unsigned answers;
};

/* A post that waits. */
struct put {
    struct mm_store_job job;
    uint64_t id;
    int64_t arrival_ms;
    size_t size; /* of its body */
};

static char body[40000];

static void on_done(struct mm_consumption *work)
{
    MM_LIST_OBJECT(work, struct world, work)->answers++;
}

static enum mailmod_error run_post(struct mm_store_job *job,
                                   struct mm_store_transaction *t)
{
    const struct put *put = MM_LIST_OBJECT(job, struct put, job);
    char head[64];
    struct mm_store_recipient row = {.message_id = put->id,
                                     .number = 5,
                                     .next_attempt_ms = put->arrival_ms,
                                     .expires_ms =
                                         put->arrival_ms + 9 * DAY_MS};
    struct mm_buf text;

    snprintf(head, sizeof head, "Subject: p%u\r\n\r\n", (unsigned)put->id);
    snprintf(row.path, sizeof row.path, LIST);
    snprintf(row.destination, sizeof row.destination, "maillist-digest:" LIST);
    mm_buf_init(&text, MM_LIMIT_CHUNK);
    (void)mm_buf_append_cstr(&text, head);
    (void)mm_buf_append_span(&text, mm_span(body, put->size));
    struct mm_store_message message = {.id = put->id,
                                       .size = mm_buf_size(&text),
                                       .arrival_ms = put->arrival_ms};
    enum mailmod_error error =
        mm_store_put_chunk(t, put->id, 0, mm_buf_span(&text));
    if (error == MAILMOD_OK) {
        error = mm_store_put_message(t, &message);
    }
    mm_buf_fini(&text);
    return error == MAILMOD_OK ? mm_store_put_recipient(t, &row) : error;
}

static void put_post(struct world *w, uint64_t id, int64_t arrival_ms,
                     size_t size)
{
    struct put put = {
        .job.run = run_post, .id = id, .arrival_ms = arrival_ms, .size = size};

    assert_int_equal(mm_store_run(w->store, &put.job), MAILMOD_OK);
}

struct keep {
    struct mm_store_job job;
    struct mm_store_record record;
};

static enum mailmod_error run_keep(struct mm_store_job *job,
                                   struct mm_store_transaction *t)
{
    return mm_store_keep_record(t,
                                &MM_LIST_OBJECT(job, struct keep, job)->record);
}

static void keep_list(struct world *w, unsigned hours, unsigned kib)
{
    struct keep keep = {.job.run = run_keep};

    w->list.digest_hours = hours;
    w->list.digest_kib = kib;
    mm_maillist_record(&w->list, &keep.record);
    assert_int_equal(mm_store_run(w->store, &keep.job), MAILMOD_OK);
}

static int begin(void **state)
{
    struct world *w = mm_alloc(sizeof *w);
    const struct mm_post_options post = {.log = NULL};

    assert_non_null(w);
    memset(body, 'x', sizeof body);
    assert_int_equal(mm_store_open_memory(&w->store, NULL), MAILMOD_OK);
    fake_open(w->store);
    w->config = rig_config((const char *const[]){NULL});
    assert_int_equal(mm_post_new(&w->post, &post), MAILMOD_OK);
    mm_post_attach(w->post, w->store, fake_workers());
    snprintf(w->list.name, sizeof w->list.name, LIST);
    keep_list(w, 24, 0);
    w->batch.recipients = &w->recipient;
    w->batch.recipient_count = 1;
    snprintf(w->batch.destination, sizeof w->batch.destination,
             "maillist-digest:" LIST);
    w->work = (struct mm_consumption){.batch = &w->batch,
                                      .config = w->config,
                                      .loop = fake_loop(),
                                      .outcomes = &w->outcome,
                                      .done = on_done};
    *state = w;
    return 0;
}

static int end(void **state)
{
    struct world *w = *state;

    assert_int_equal(mm_post_busy(w->post), 0);
    mm_post_free(&w->post);
    mm_config_unref(&w->config);
    mm_store_close(&w->store);
    fake_close();
    mm_free(w);
    return 0;
}

struct settle {
    struct mm_store_job job;
    struct world *world;
};

static enum mailmod_error run_put(struct mm_store_job *job,
                                  struct mm_store_transaction *t)
{
    struct world *w = MM_LIST_OBJECT(job, struct settle, job)->world;

    return w->work.put(&w->work, t);
}

/* The post's row is taken, and what comes of it is put; the queue's part is
 * left out. */
static void take(struct world *w, uint64_t id, int64_t arrival_ms)
{
    struct settle settle = {.job.run = run_put, .world = w};

    w->answers = 0;
    w->outcome = (struct mq_outcome){.verdict = MQ_DELIVERED};
    w->batch.message =
        (struct mm_store_message){.id = id, .arrival_ms = arrival_ms};
    w->recipient = (struct mm_store_recipient){.message_id = id, .number = 5};
    struct mm_consumer *consumer =
        mm_consumer_of(w->post, w->batch.destination);
    assert_non_null(consumer);
    consumer->take(consumer, &w->work);
    fake_run(1);
    assert_int_equal(w->answers, 1);
    assert_int_equal(mm_store_run(w->store, &settle.job), MAILMOD_OK);
    w->work.settled(&w->work);
}

struct rows {
    char text[256];  /* "ID:wait" or "send" for each, in order */
    int64_t next_ms; /* of the last one that waits */
};

static bool on_row(void *context, const struct mm_store_message *message,
                   const struct mm_store_recipient *row)
{
    struct rows *rows = context;
    size_t size = strlen(rows->text);
    bool waits = mm_span_starts_nocase(mm_span_cstr(row->destination),
                                       "maillist-digest:");

    snprintf(rows->text + size, sizeof rows->text - size, "%s%s",
             size > 0 ? " " : "", waits ? "" : "send");
    size = strlen(rows->text);
    if (waits) {
        snprintf(rows->text + size, sizeof rows->text - size, "%u",
                 (unsigned)message->id);
        rows->next_ms = row->next_attempt_ms;
    }
    return true;
}

static struct rows list(struct world *w)
{
    struct rows rows = {.text = ""};

    assert_int_equal(mm_store_each_recipient(w->store, 0, on_row, &rows),
                     MAILMOD_OK);
    return rows;
}

/* The period is over: the oldest one's row makes the digest of all. The row of
 * its own is settled by the queue. */
static void test_time(void **state)
{
    struct world *w = *state;
    int64_t now_ms = mm_clock_wall_ms();

    put_post(w, 1, now_ms - 2 * DAY_MS, 10);
    put_post(w, 2, now_ms, 10);
    put_post(w, 3, now_ms, 10);
    take(w, 2, now_ms); /* an older one makes it */
    assert_int_equal(w->outcome.verdict, MQ_DEFERRED);
    assert_string_equal(list(w).text, "1 2 3");
    take(w, 1, now_ms - 2 * DAY_MS);
    assert_int_equal(w->outcome.verdict, MQ_DELIVERED);
    assert_string_equal(list(w).text, "1 send");
}

/* Not yet: it comes up again, within the hour that the queue allows. */
static void test_waits(void **state)
{
    struct world *w = *state;
    int64_t now_ms = mm_clock_wall_ms();

    put_post(w, 1, now_ms, 10);
    take(w, 1, now_ms);
    assert_int_equal(w->outcome.verdict, MQ_DEFERRED);
    struct rows rows = list(w);
    assert_string_equal(rows.text, "1");
    assert_true(rows.next_ms > now_ms);
    assert_true(rows.next_ms < now_ms + MM_LIMIT_ASKED_WAIT_MS);
}

static void test_size(void **state)
{
    struct world *w = *state;
    int64_t now_ms = mm_clock_wall_ms();

    keep_list(w, 24, 64);
    put_post(w, 1, now_ms, 30000);
    take(w, 1, now_ms);
    assert_string_equal(list(w).text, "1");
    put_post(w, 2, now_ms, 40000);
    take(w, 1, now_ms);
    assert_string_equal(list(w).text, "1 send");
}

/* Switched off: what waits goes out. */
static void test_off(void **state)
{
    struct world *w = *state;
    int64_t now_ms = mm_clock_wall_ms();

    put_post(w, 1, now_ms, 10);
    keep_list(w, 0, 0);
    take(w, 1, now_ms);
    assert_string_equal(list(w).text, "1 send");
}

/* Posts past what one digest may have make the next one. */
static void test_many(void **state)
{
    struct world *w = *state;
    int64_t now_ms = mm_clock_wall_ms();

    for (uint64_t id = 1; id <= MM_LIMIT_DIGEST_POSTS + 1; id++) {
        put_post(w, id, now_ms, 1);
    }
    take(w, 1, now_ms);
    char expected[32];
    snprintf(expected, sizeof expected, "1 %d send", MM_LIMIT_DIGEST_POSTS + 1);
    assert_string_equal(list(w).text, expected);
}

static void test_no_memory(void **state)
{
    struct world *w = *state;
    int64_t now_ms = mm_clock_wall_ms();
    bool is_met = true;

    put_post(w, 1, now_ms - 2 * DAY_MS, 10);
    w->batch.message =
        (struct mm_store_message){.id = 1, .arrival_ms = now_ms - 2 * DAY_MS};
    w->recipient = (struct mm_store_recipient){.message_id = 1, .number = 5};
    struct mm_consumer *consumer =
        mm_consumer_of(w->post, w->batch.destination);
    for (unsigned long number = 1; is_met; number++) {
        w->answers = 0;
        w->work.settled = NULL;
        w->outcome = (struct mq_outcome){.verdict = MQ_DELIVERED};
        (void)mm_mem_set_fault(number, 0);
        consumer->take(consumer, &w->work);
        fake_run(1);
        is_met = mm_mem_set_fault(0, 0) >= number;
        assert_int_equal(w->answers, 1);
        if (w->work.settled != NULL) {
            w->work.settled(&w->work);
        }
    }
    assert_int_equal(w->outcome.verdict, MQ_DELIVERED);
    assert_string_equal(list(w).text, "1");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_time), TEST(test_waits), TEST(test_size),
        TEST(test_off),  TEST(test_many),  TEST(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
