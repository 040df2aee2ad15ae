/* test_agenda.c - which destination is due when, and what a look for it costs:
 * over the store in memory and over SQLite, with a clock that the test sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"
#include "queue/internal.h"

#include <stdio.h>

/* D19: a look with nothing new reads nothing; what is told is found at once. */
static void test_D19_no_work_without_news(void **state)
{
    struct fixture *f = *state;
    assert_true(mq_has_work(f->queue, f->now_ms)); /* never asked yet */
    for (unsigned i = 0; i < 50; i++) {
        char name[32];
        snprintf(name, sizeof name, "d%u.example", i);
        fixture_add(f, name, &fixture_plain);
    }
    unsigned deferred = 0;
    while (deferred < 50) {
        struct mm_list batches;
        fixture_claim(f, &batches);
        struct mq_batch *batch = NULL;
        while ((batch = fixture_take(&batches)) != NULL) {
            fixture_settle(f, batch, MQ_DEFERRED, deferred % 2 == 0);
            deferred++;
        }
    }
    assert_null(fixture_claim_one(f));
    assert_false(mq_has_work(f->queue, f->now_ms));
    fixture_add(f, "new.example", &fixture_plain);
    assert_true(mq_has_work(f->queue, f->now_ms));
    struct mq_batch *batch = fixture_claim_one(f);
    assert_string_equal(batch->destination, "new.example");
    assert_int_equal(batch->attempts, 1);
    assert_false(mq_has_work(f->queue, f->now_ms));
    mq_release(f->queue, &batch); /* untried: it waits again */
    assert_true(mq_has_work(f->queue, f->now_ms));
    fixture_settle(f, fixture_claim_one(f), MQ_DELIVERED, false);
    int64_t due_ms = mq_next_due(f->queue, f->now_ms);
    assert_in_range(due_ms - f->now_ms, 270000, 330000);
    f->now_ms = due_ms;
    assert_true(mq_has_work(f->queue, f->now_ms));
}

/* D19: what nobody told is found by the next look at all. */
static void test_D19_what_another_process_wrote(void **state)
{
    struct fixture *f = *state;
    assert_null(fixture_claim_one(f));
    fixture_add(f, "a.example", &fixture_plain);
    struct mm_store_destination news[4];
    bool is_whole = false;
    assert_int_equal(mm_store_take_news(f->store, news, 4, &is_whole), 1);
    assert_null(fixture_claim_one(f));
    assert_false(mq_has_work(f->queue, f->now_ms));
    f->now_ms += MQ_SCAN_MS;
    assert_in_range(mq_next_due(f->queue, f->now_ms), 1, f->now_ms);
    struct mq_batch *batch = fixture_claim_one(f);
    assert_non_null(batch);
    fixture_settle(f, batch, MQ_DELIVERED, false);
    fixture_add(f, "b.example", &fixture_plain);
    assert_int_equal(mm_store_take_news(f->store, news, 4, &is_whole), 1);
    mq_flush(f->queue); /* so does an operator's wish */
    batch = fixture_claim_one(f);
    assert_non_null(batch);
    fixture_settle(f, batch, MQ_DELIVERED, false);
    for (int i = 0; i < 2; i++) { /* and a tool that says so */
        fixture_add(f, "c.example", &fixture_plain);
        assert_int_equal(mm_store_take_news(f->store, news, 4, &is_whole), 1);
        assert_null(fixture_claim_one(f));
        assert_int_equal(mq_announce(f->store), MAILMOD_OK);
        batch = fixture_claim_one(f);
        assert_non_null(batch);
        fixture_settle(f, batch, MQ_DELIVERED, false);
    }
}

/* D19: news that came while a read went on are not put off by what it found. */
static void test_D19_news_during_a_read(void **state)
{
    struct fixture *f = *state;
    struct mq_queue *queue = f->queue;
    fixture_add(f, "a.example", &fixture_plain);
    mm_mutex_lock(queue->lock);
    mq_agenda_tell(queue, "a.example", f->now_ms);
    unsigned version = mq_destination_find(queue, "a.example")->version;
    mq_agenda_tell(queue, "a.example", f->now_ms);
    mq_agenda_learn(queue, "a.example", version, INT64_MAX);
    assert_non_null(mq_agenda_first(queue, f->now_ms));
    mq_agenda_learn(queue, "a.example", version + 1, INT64_MAX);
    assert_null(mq_agenda_first(queue, f->now_ms));
    mm_mutex_unlock(queue->lock);
}

/* D19: more destinations than the table holds: those without a place are found
 * when the others have gone. */
static void test_D19_more_than_the_table(void **state)
{
    struct fixture *f = *state;
    struct mq_queue *queue = f->queue;
    assert_null(fixture_claim_one(f));
    mm_mutex_lock(queue->lock);
    for (unsigned i = 0; i < MQ_DESTINATIONS_MAX; i++) {
        char name[32];
        snprintf(name, sizeof name, "d%u.test", i);
        mq_agenda_tell(queue, name, f->now_ms + HOUR_MS);
    }
    mm_mutex_unlock(queue->lock);
    fixture_add(f, "a.example", &fixture_plain);
    assert_null(fixture_claim_one(f));
    assert_int_equal(mq_next_due(queue, f->now_ms), f->now_ms + MQ_HIDDEN_MS);
    f->now_ms += HOUR_MS; /* the others turn out to be nobody */
    struct mm_list batches;
    fixture_claim(f, &batches);
    assert_null(fixture_take(&batches));
    f->now_ms += MQ_HIDDEN_MS;
    struct mq_batch *batch = fixture_claim_one(f);
    assert_non_null(batch);
    assert_string_equal(batch->destination, "a.example");
    mq_release(queue, &batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_D19_no_work_without_news),
        BOTH(test_D19_what_another_process_wrote),
        BOTH(test_D19_news_during_a_read),
        cmocka_unit_test_setup_teardown(test_D19_more_than_the_table,
                                        fixture_open_memory, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
