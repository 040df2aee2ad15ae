/* test_queue.c - claims, back-off, fairness, outcomes: each over the store in
 * memory and over SQLite, with a clock that the test sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "fixture.h"
#include "platform/clock.h"
#include "queue/internal.h"

#include <stdio.h>
#include <string.h>

static void test_claimed_once(void **state)
{
    struct fixture *f = *state;
    uint64_t id = fixture_add(f, "a.example", &fixture_plain);
    struct mq_batch *batch = fixture_claim_one(f);
    assert_non_null(batch);
    assert_int_equal(batch->message.id, id);
    assert_string_equal(batch->destination, "a.example");
    assert_string_equal(batch->message.reverse_path, "sender@example.org");
    assert_null(fixture_claim_one(f));
    struct mq_batch *next = NULL;
    assert_int_equal(mq_claim_next(f->queue, "a.example", f->now_ms, &next),
                     MAILMOD_ERROR_NOT_FOUND);
    mq_release(f->queue, &batch);
    assert_null(batch);
    batch = fixture_claim_one(f);
    assert_non_null(batch);
    fixture_settle(f, batch, MQ_DELIVERED, false);
    assert_int_equal(fixture_count(f, 0), 0);
    assert_null(fixture_claim_one(f));
    assert_int_equal(mq_next_due(f->queue, f->now_ms), INT64_MAX);
}

/* RFC 5321 4.5.3.1.8: the rest comes in further batches. */
static void test_recipients_are_split(void **state)
{
    struct fixture *f = *state;
    struct fixture_message message = {.reverse_path = "s@example.org",
                                      .recipient_count = 25};
    fixture_add(f, "a.example", &message);
    bool seen[25] = {false};
    size_t sizes[3] = {0};
    struct mm_list batches;
    fixture_claim(f, &batches);
    for (size_t i = 0; i < 3; i++) {
        struct mq_batch *batch = fixture_take(&batches);
        assert_non_null(batch);
        sizes[i] = batch->recipient_count;
        for (size_t j = 0; j < batch->recipient_count; j++) {
            assert_false(seen[batch->recipients[j].number]);
            seen[batch->recipients[j].number] = true;
        }
        mq_release(f->queue, &batch);
    }
    assert_null(fixture_take(&batches));
    assert_int_equal(sizes[0] + sizes[1] + sizes[2], 25);
    assert_int_equal(sizes[0], 10);
}

/* T-063, attack 58: three outcomes, each its own way; BUG-02. */
static void test_each_recipient_alone(void **state)
{
    struct fixture *f = *state;
    struct fixture_message message = {.reverse_path = "s@example.org",
                                      .recipient_count = 3};
    uint64_t id = fixture_add(f, "a.example", &message);
    struct mq_batch *batch = fixture_claim_one(f);
    assert_int_equal(batch->recipient_count, 3);
    struct mq_outcome outcomes[3];
    for (size_t i = 0; i < 3; i++) {
        static const enum mq_verdict verdicts[] = {MQ_DELIVERED, MQ_DEFERRED,
                                                   MQ_FAILED};
        outcomes[i] =
            fixture_outcome(verdicts[batch->recipients[i].number], false);
    }
    fixture_settle_each(f, batch, outcomes);
    assert_int_equal(f->report_calls, 1);
    struct mm_store_recipient row;
    assert_false(fixture_row(f, id, 0, &row));
    assert_true(fixture_row(f, id, 1, &row));
    assert_int_equal(row.attempts, 1);
    assert_string_equal(row.last_reply, "mx.example.net: 450 4.2.1 later");
    assert_in_range(row.next_attempt_ms - f->now_ms, 270000, 330000);
    assert_false(fixture_row(f, id, 2, &row));
    f->now_ms += 10 * MINUTE_MS;
    batch = fixture_claim_one(f);
    assert_int_equal(batch->recipient_count, 1);
    assert_int_equal(batch->recipients[0].number, 1);
    fixture_settle(f, batch, MQ_DELIVERED, false);
    assert_int_equal(fixture_count(f, 0), 0);
}

/* T-069: what was read before the settlement is not taken after it. */
static void test_settled_is_not_claimed_again(void **state)
{
    struct fixture *f = *state;
    fixture_add_many(f, "a.example", 3);
    struct mm_list batches;
    fixture_claim(f, &batches);
    for (unsigned i = 0; i < 3; i++) {
        fixture_settle(f, fixture_take(&batches), MQ_DELIVERED, false);
        struct mq_batch *next = NULL;
        assert_int_equal(mq_claim_next(f->queue, "a.example", f->now_ms, &next),
                         MAILMOD_ERROR_NOT_FOUND);
    }
    assert_int_equal(fixture_count(f, 0), 0);
}

static void test_limits(void **state)
{
    struct fixture *f = *state;
    fixture_add_many(f, "a.example", 12);
    fixture_add_many(f, "b.example", 2);
    unsigned of_a = 0;
    unsigned of_b = 0;
    struct mm_list batches;
    fixture_claim(f, &batches);
    for (struct mq_batch *batch = fixture_take(&batches); batch != NULL;
         batch = fixture_take(&batches)) {
        if (batch->destination[0] == 'a') {
            of_a++;
        } else {
            of_b++;
        }
        mq_release(f->queue, &batch);
    }
    assert_int_equal(of_a, 5); /* destination_max */
    assert_int_equal(of_b, 2);
    f->options.attempts_max = 3;
    fixture_set_options(f);
    fixture_claim(f, &batches);
    for (of_a = 0; of_a < 3; of_a++) {
        struct mq_batch *batch = fixture_take(&batches);
        assert_non_null(batch);
        mq_release(f->queue, &batch);
    }
    assert_null(fixture_take(&batches));
}

/* T-067, BUG-15: with one place only, a destination with much mail lets the
 * others pass in turn. */
static void test_turns(void **state)
{
    struct fixture *f = *state;
    f->options.attempts_max = 1;
    fixture_set_options(f);
    fixture_add_many(f, "a.example", 100);
    f->now_ms += 1000;
    fixture_add_many(f, "b.example", 3);
    f->now_ms += 1000;
    fixture_add_many(f, "c.example", 3);
    char order[10] = "";
    for (size_t i = 0; i < 9; i++) {
        struct mq_batch *batch = fixture_claim_one(f);
        assert_non_null(batch);
        order[i] = batch->destination[0];
        fixture_settle(f, batch, MQ_DELIVERED, false);
    }
    assert_string_equal(order, "abcabcabc");
}

/* A kept connection may go on while nobody waits, and not for ever when
 * somebody does. */
static void test_streak_ends(void **state)
{
    struct fixture *f = *state;
    f->options.attempts_max = 1;
    fixture_set_options(f);
    fixture_add_many(f, "a.example", MQ_STREAK_MAX + 20);
    fixture_add_many(f, "b.example", 1);
    struct mq_batch *batch = fixture_claim_one(f);
    unsigned count = 0;
    for (enum mailmod_error error = MAILMOD_OK; error == MAILMOD_OK; count++) {
        assert_string_equal(batch->destination, "a.example");
        fixture_settle(f, batch, MQ_DELIVERED, false);
        error = mq_claim_next(f->queue, "a.example", f->now_ms, &batch);
    }
    assert_int_equal(count, MQ_STREAK_MAX + 1);
    batch = fixture_claim_one(f);
    assert_string_equal(batch->destination, "b.example");
    mq_release(f->queue, &batch);
}

/* Attack 66, T-061: a greylisting host is tried again at the first step. */
static void test_next_due(void **state)
{
    struct fixture *f = *state;
    fixture_add(f, "a.example", &fixture_plain);
    assert_int_equal(mq_next_due(f->queue, f->now_ms), f->now_ms);
    fixture_settle(f, fixture_claim_one(f), MQ_DEFERRED, false);
    int64_t due_ms = mq_next_due(f->queue, f->now_ms);
    assert_in_range(due_ms - f->now_ms, 270000, 330000);
    f->now_ms = due_ms - 1;
    assert_null(fixture_claim_one(f));
    f->now_ms = due_ms;
    struct mq_batch *batch = fixture_claim_one(f);
    assert_non_null(batch);
    assert_int_equal(batch->recipients[0].attempts, 1);
    fixture_settle(f, batch, MQ_DELIVERED, false);
}

/* Attack 67: growing waits, one warning at its time, the end after 24 h. */
static void test_whole_life(void **state)
{
    struct fixture *f = *state;
    uint64_t id = fixture_add(f, "a.example", &fixture_plain);
    int64_t last_ms = f->now_ms;
    int64_t warned_ms = 0;
    unsigned attempts = 0;
    unsigned warnings = 0;
    for (;;) {
        int64_t due_ms = mq_next_due(f->queue, f->now_ms);
        assert_true(due_ms != INT64_MAX);
        f->now_ms = due_ms;
        struct mq_batch *batch = fixture_claim_one(f);
        assert_non_null(batch);
        fixture_settle(f, batch, MQ_DEFERRED, true);
        attempts++;
        if (f->reports[0] == MQ_REPORT_DELAYED) {
            warnings++;
            warned_ms = f->now_ms;
        }
        if (fixture_count(f, id) == 0) {
            break;
        }
        assert_true(f->now_ms - last_ms <= 7200000 * 11 / 10);
        last_ms = f->now_ms;
    }
    assert_int_equal(f->reports[0], MQ_REPORT_FAILED);
    assert_int_equal(warnings, 1);
    assert_in_range(warned_ms - START_MS, 4 * HOUR_MS, 6 * HOUR_MS + HOUR_MS);
    assert_in_range(f->now_ms - START_MS, DAY_MS, DAY_MS + 3 * HOUR_MS);
    assert_in_range(attempts, 14, 20);
}

/* Attack 65: ten thousand messages to a dead host cost one attempt a step, and
 * another destination is not held up; at the end all of them expire. */
static void test_dead_destination(void **state)
{
    struct fixture *f = *state;
    unsigned count = 1000;
    fixture_add_many(f, "dead.example", count);
    unsigned attempts = 0;
    unsigned expired = 0;
    size_t rounds = 0;
    bool has_met_other = false;
    while (expired < count && rounds++ < 2000) {
        struct mm_list batches;
        fixture_claim(f, &batches);
        bool has_any = !mm_list_is_empty(&batches);
        for (struct mq_batch *batch = fixture_take(&batches); batch != NULL;
             batch = fixture_take(&batches)) {
            bool is_dead = batch->destination[0] == 'd';
            attempts += is_dead && !batch->is_overdue;
            has_met_other = has_met_other || !is_dead;
            fixture_settle(f, batch, is_dead ? MQ_DEFERRED : MQ_DELIVERED,
                           is_dead);
            expired += is_dead && f->reports[0] == MQ_REPORT_FAILED;
        }
        if (f->now_ms - START_MS > 12 * HOUR_MS && !has_met_other) {
            fixture_add(f, "alive.example", &fixture_plain);
            continue; /* it goes out at the very next call */
        }
        if (!has_any) {
            int64_t due_ms = mq_next_due(f->queue, f->now_ms);
            assert_true(due_ms > f->now_ms);
            f->now_ms = due_ms;
        }
    }
    assert_int_equal(fixture_count(f, 0), 0);
    assert_int_equal(expired, count);
    assert_true(has_met_other);
    /* Five at once when nothing is known, then one a step. */
    assert_in_range(attempts, 14, 30);
    assert_in_range(f->now_ms - START_MS, DAY_MS, DAY_MS + 3 * HOUR_MS);
}

/* The failures of attempts side by side are one failure of the destination. */
static void test_parallel_failures_count_once(void **state)
{
    struct fixture *f = *state;
    fixture_add_many(f, "a.example", 5);
    struct mm_list batches;
    fixture_claim(f, &batches);
    for (struct mq_batch *batch = fixture_take(&batches); batch != NULL;
         batch = fixture_take(&batches)) {
        fixture_settle(f, batch, MQ_DEFERRED, true);
    }
    int64_t due_ms = mq_next_due(f->queue, f->now_ms);
    assert_in_range(due_ms - f->now_ms, 270000, 330000);
    f->now_ms = due_ms;
    struct mq_batch *batch = fixture_claim_one(f); /* one probes */
    assert_non_null(batch);
    fixture_settle(f, batch, MQ_DELIVERED, false);
    fixture_claim(f, &batches); /* it is back: all at once */
    unsigned count = 0;
    for (batch = fixture_take(&batches); batch != NULL;
         batch = fixture_take(&batches)) {
        count++;
        fixture_settle(f, batch, MQ_DELIVERED, false);
    }
    assert_int_equal(count, 4);
}

static void test_flush_forgets_backoff(void **state)
{
    struct fixture *f = *state;
    uint64_t id = fixture_add(f, "a.example", &fixture_plain);
    fixture_settle(f, fixture_claim_one(f), MQ_DEFERRED, true);
    fixture_act(f, id, MAILMOD_QUEUE_FLUSH);
    assert_null(fixture_claim_one(f));
    mq_flush(f->queue);
    struct mq_batch *batch = fixture_claim_one(f);
    assert_non_null(batch);
    fixture_settle(f, batch, MQ_DELIVERED, false);
}

/* The rows tell the time of the next attempt also after a restart. */
static void test_restart(void **state)
{
    struct fixture *f = *state;
    fixture_add(f, "a.example", &fixture_plain);
    fixture_settle(f, fixture_claim_one(f), MQ_DEFERRED, true);
    fixture_restart(f);
    assert_null(fixture_claim_one(f));
    assert_in_range(mq_next_due(f->queue, f->now_ms) - f->now_ms, 270000,
                    330000);
}

static void test_clock_back_a_day(void **state)
{
    struct fixture *f = *state;
    uint64_t id = fixture_add(f, "a.example", &fixture_plain);
    fixture_settle(f, fixture_claim_one(f), MQ_DEFERRED, true);
    f->now_ms -= DAY_MS;
    /* The due time and the back-off lie further off than any wait. */
    assert_int_equal(mq_next_due(f->queue, f->now_ms), f->now_ms);
    struct mq_batch *batch = fixture_claim_one(f);
    assert_non_null(batch);
    fixture_settle(f, batch, MQ_DEFERRED, true);
    struct mm_store_recipient row;
    assert_true(fixture_row(f, id, 0, &row));
    assert_in_range(row.next_attempt_ms - f->now_ms, 1, 2 * HOUR_MS);
    assert_null(fixture_claim_one(f)); /* no storm */
    assert_true(mq_next_due(f->queue, f->now_ms) > f->now_ms);
}

static void test_clock_ahead_a_year(void **state)
{
    struct fixture *f = *state;
    fixture_add_many(f, "a.example", 100);
    f->now_ms += 365 * DAY_MS;
    /* Everything is due and past its lifetime; it is tried all the same, not
     * more at once than ever, and what is taken is delivered. */
    unsigned delivered = 0;
    for (;;) {
        struct mm_list batches;
        fixture_claim(f, &batches);
        unsigned at_once = 0;
        for (struct mq_batch *batch = fixture_take(&batches); batch != NULL;
             batch = fixture_take(&batches)) {
            assert_false(batch->is_overdue);
            at_once++;
            fixture_settle(f, batch, MQ_DELIVERED, false);
            assert_int_equal(f->reports[0], MQ_REPORT_NONE);
        }
        assert_true(at_once <= f->options.destination_max);
        if (at_once == 0) {
            break;
        }
        delivered += at_once;
    }
    assert_int_equal(delivered, 100);
}

static void test_removed_while_sent(void **state)
{
    struct fixture *f = *state;
    static const enum mq_verdict verdicts[] = {MQ_DELIVERED, MQ_DEFERRED,
                                               MQ_FAILED};
    for (size_t i = 0; i < 3; i++) {
        uint64_t id = fixture_add(f, "a.example", &fixture_plain);
        struct mq_batch *batch = fixture_claim_one(f);
        fixture_act(f, id, MAILMOD_QUEUE_DELETE);
        fixture_settle(f, batch, verdicts[i], false);
        assert_int_equal(fixture_count(f, 0), 0);
    }
}

static void count_slice(void *context)
{
    ++*(unsigned *)context;
}

/* Takes out what there is; tells how many and in how many slices. */
static size_t take_out(struct fixture *f, uint64_t id, unsigned *slices_out)
{
    size_t count = 0;
    *slices_out = 0;
    assert_int_equal(mq_remove(f->queue, id, count_slice, slices_out, &count),
                     MAILMOD_OK);
    return count;
}

static size_t drop_told(struct fixture *f)
{
    size_t count = 0;
    struct mq_removed *removed;
    while ((removed = mq_take_removed(f->queue)) != NULL) {
        mm_free(removed);
        count++;
    }
    return count;
}

static void test_take_out_one(void **state)
{
    struct fixture *f = *state;
    struct fixture_message two = {.reverse_path = "s@x", .recipient_count = 2};
    uint64_t id = fixture_add(f, "a.example", &two);
    uint64_t other = fixture_add(f, "a.example", &fixture_plain);
    unsigned slices;
    assert_int_equal(take_out(f, id, &slices), 2);
    assert_int_equal(slices, 1);
    assert_int_equal(fixture_count(f, id), 0);
    assert_int_equal(fixture_count(f, other), 1);
    for (unsigned i = 0; i < 2; i++) {
        struct mq_removed *removed = mq_take_removed(f->queue);
        assert_non_null(removed);
        assert_true(removed->message_id == id);
        assert_int_equal(removed->number, i);
        assert_non_null(strchr(removed->path, '@'));
        mm_free(removed);
    }
    assert_null(mq_take_removed(f->queue));
    assert_int_equal(take_out(f, id, &slices), 0);
    assert_int_equal(slices, 0);
    struct mq_outcome outcome;
    mq_removal_outcome(&outcome);
    assert_int_equal(outcome.verdict, MQ_FAILED);
    assert_string_equal(outcome.status, "5.0.0");
}

static void test_take_out_all(void **state)
{
    struct fixture *f = *state;
    unsigned slices;
    fixture_add_many(f, "a.example", 600);
    assert_int_equal(take_out(f, 0, &slices), 600);
    assert_int_equal(slices, 3);
    assert_int_equal(fixture_count(f, 0), 0);
    assert_int_equal(drop_told(f), 600);
    fixture_add(f, "a.example", &fixture_plain); /* claims go on */
    fixture_settle(f, fixture_claim_one(f), MQ_DELIVERED, false);
}

/* One end each: by the attempt when that is final, else by the removal. */
static void test_take_out_while_sent(void **state)
{
    struct fixture *f = *state;
    unsigned slices;
    uint64_t id = fixture_add(f, "a.example", &fixture_plain);
    struct mq_batch *batch = fixture_claim_one(f);
    assert_int_equal(take_out(f, id, &slices), 1);
    assert_null(mq_take_removed(f->queue)); /* not before the attempt's end */
    fixture_settle(f, batch, MQ_DELIVERED, false);
    assert_int_equal(f->ends[0].verdict, MQ_DELIVERED);
    assert_null(mq_take_removed(f->queue));

    id = fixture_add(f, "a.example", &fixture_plain);
    batch = fixture_claim_one(f);
    assert_int_equal(take_out(f, id, &slices), 1);
    fixture_settle(f, batch, MQ_DEFERRED, false);
    assert_int_equal(f->ends[0].verdict, MQ_FAILED);
    assert_string_equal(f->ends[0].status, "5.0.0");
    assert_null(mq_take_removed(f->queue));

    id = fixture_add(f, "a.example", &fixture_plain); /* by a tool beside us */
    batch = fixture_claim_one(f);
    fixture_act(f, id, MAILMOD_QUEUE_DELETE);
    fixture_settle(f, batch, MQ_DEFERRED, false);
    assert_string_equal(f->ends[0].status, "5.0.0");

    id = fixture_add(f, "a.example", &fixture_plain);
    batch = fixture_claim_one(f);
    assert_int_equal(take_out(f, id, &slices), 1);
    mq_release(f->queue, &batch); /* untried */
    assert_int_equal(drop_told(f), 1);
    assert_int_equal(fixture_count(f, 0), 0);

    id = fixture_add(f, "a.example",
                     &fixture_plain); /* never told: freed all the same */
    batch = fixture_claim_one(f);
    assert_int_equal(take_out(f, id, &slices), 1);
    batch->recipient_count = 0;
    mq_release(f->queue, &batch);
}

static void test_held_while_sent(void **state)
{
    struct fixture *f = *state;
    uint64_t id = fixture_add(f, "a.example", &fixture_plain);
    struct mq_batch *batch = fixture_claim_one(f);
    fixture_act(f, id, MAILMOD_QUEUE_HOLD);
    fixture_settle(f, batch, MQ_DEFERRED, false);
    struct mm_store_recipient row;
    assert_true(fixture_row(f, id, 0, &row));
    assert_int_equal(row.state, MM_RECIPIENT_HELD);
    f->now_ms += HOUR_MS;
    assert_null(fixture_claim_one(f));
    assert_int_equal(mq_next_due(f->queue, f->now_ms), INT64_MAX);
    fixture_act(f, id, MAILMOD_QUEUE_RELEASE);
    batch = fixture_claim_one(f);
    assert_non_null(batch);
    fixture_act(f, id, MAILMOD_QUEUE_HOLD);
    fixture_settle(f, batch, MQ_DELIVERED, false); /* it was sent: gone */
    assert_int_equal(fixture_count(f, 0), 0);
}

static void test_reports(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *reverse_path;
        bool is_report;
        unsigned notify;
        bool relayed_dsn;
        enum mq_verdict verdict;
        int64_t after_ms;
        enum mq_report report;
    } rows[] = {
        {"s@x", false, 0, false, MQ_FAILED, 0, MQ_REPORT_FAILED},
        {"s@x", false, 0, false, MQ_DELIVERED, 0, MQ_REPORT_NONE},
        {"s@x", false, 0, false, MQ_DEFERRED, 0, MQ_REPORT_NONE},
        {"s@x", false, 0, false, MQ_DEFERRED, 5 * HOUR_MS, MQ_REPORT_DELAYED},
        {"s@x", false, 0, false, MQ_DEFERRED, DAY_MS, MQ_REPORT_FAILED},
        /* attack 62: never for the null path or a report */
        {"", false, 0, false, MQ_FAILED, 0, MQ_REPORT_NONE},
        {"", false, MM_DSN_NOTIFY_FAILURE, false, MQ_FAILED, 0, MQ_REPORT_NONE},
        {"s@x", true, MM_DSN_NOTIFY_FAILURE, false, MQ_FAILED, 0,
         MQ_REPORT_NONE},
        {"s@x", true, 0, false, MQ_DEFERRED, DAY_MS, MQ_REPORT_NONE},
        /* T-065: NOTIFY */
        {"s@x", false, MM_DSN_NOTIFY_NEVER, false, MQ_FAILED, 0,
         MQ_REPORT_NONE},
        {"s@x", false, MM_DSN_NOTIFY_NEVER, false, MQ_DEFERRED, DAY_MS,
         MQ_REPORT_NONE},
        {"s@x", false, MM_DSN_NOTIFY_SUCCESS, false, MQ_FAILED, 0,
         MQ_REPORT_NONE},
        {"s@x", false, MM_DSN_NOTIFY_SUCCESS, false, MQ_DELIVERED, 0,
         MQ_REPORT_DELIVERED},
        {"s@x", false, MM_DSN_NOTIFY_SUCCESS, true, MQ_DELIVERED, 0,
         MQ_REPORT_NONE},
        {"s@x", false, MM_DSN_NOTIFY_FAILURE, false, MQ_DEFERRED, 5 * HOUR_MS,
         MQ_REPORT_NONE},
        {"s@x", false, MM_DSN_NOTIFY_DELAY, false, MQ_DEFERRED, 5 * HOUR_MS,
         MQ_REPORT_DELAYED},
        {"s@x", false, MM_DSN_NOTIFY_DELAY, false, MQ_FAILED, 0,
         MQ_REPORT_NONE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fixture_message message = {.reverse_path = rows[i].reverse_path,
                                          .is_report = rows[i].is_report,
                                          .notify = rows[i].notify};
        uint64_t id = fixture_add(f, "a.example", &message);
        f->now_ms += rows[i].after_ms;
        struct mq_batch *batch = fixture_claim_one(f);
        assert_non_null(batch);
        struct mq_outcome outcome = fixture_outcome(rows[i].verdict, false);
        outcome.relayed_dsn = rows[i].relayed_dsn;
        fixture_settle_each(f, batch, &outcome);
        if (f->reports[0] != rows[i].report) {
            fail_msg("row %zu: report %d", i, (int)f->reports[0]);
        }
        assert_int_equal(f->report_calls, rows[i].report != MQ_REPORT_NONE);
        fixture_act(f, id, MAILMOD_QUEUE_DELETE);
        assert_int_equal(fixture_count(f, 0), 0);
    }
}

/* Attack 101: nobody could be told, so it is held; released, it is tried. */
static void test_failed_is_set_aside(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum mq_verdict verdict;
        int64_t after_ms;
    } rows[] = {{MQ_FAILED, 0}, {MQ_DEFERRED, DAY_MS}};
    const struct fixture_message message = {.keeps_failed = true};
    struct mm_store_recipient row;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t id = fixture_add(f, "a.example", &message);
        f->now_ms += rows[i].after_ms;
        fixture_settle(f, fixture_claim_one(f), rows[i].verdict, false);
        assert_int_equal(f->report_calls, 0);
        assert_true(fixture_row(f, id, 0, &row));
        assert_int_equal(row.state, MM_RECIPIENT_HELD);
        assert_true(row.last_reply[0] != '\0');
        assert_null(fixture_claim_one(f));
        fixture_act(f, id, MAILMOD_QUEUE_RELEASE);
        fixture_settle(f, fixture_claim_one(f), MQ_DELIVERED, false);
        assert_false(fixture_row(f, id, 0, &row));
    }
}

/* The store refuses once: nothing is lost, counted twice or sent again. */
static void test_refused_settlement(void **state)
{
    struct fixture *f = *state;
    uint64_t id = fixture_add(f, "a.example", &fixture_plain);
    f->now_ms += 5 * HOUR_MS;
    f->report_error = MAILMOD_ERROR_STORAGE_FULL;
    fixture_settle(f, fixture_claim_one(f), MQ_DEFERRED, true);
    assert_true(f->report_calls >= 2); /* a run may be repeated */
    struct mm_store_recipient row;
    assert_true(fixture_row(f, id, 0, &row));
    assert_int_equal(row.attempts, 1);
    assert_true(row.was_warned);
    assert_int_equal(mq_next_due(f->queue, f->now_ms), row.next_attempt_ms);
}

static void test_options_are_checked(void **state)
{
    struct fixture *f = *state;
    struct mq_options options = f->options;
    struct mq_queue *queue = NULL;
    options.step_count = 0;
    assert_int_equal(mq_new(&queue, f->store, &options),
                     MAILMOD_ERROR_ARGUMENT);
    options = f->options;
    options.attempts_max = 0;
    assert_int_equal(mq_set_options(f->queue, &options),
                     MAILMOD_ERROR_ARGUMENT);
    assert_null(queue);
}

static enum mailmod_error nothing(struct mm_store_job *job,
                                  struct mm_store_transaction *t)
{
    (void)job;
    (void)t;
    return MAILMOD_OK;
}

/* A store whose file is gone: what was sent now could not be settled. */
static void test_D03_no_claim_without_a_store(void **state)
{
    struct fixture *f = *state;
    fixture_add_many(f, "a.example", 2);
    char path[128];
    char away[128];
    snprintf(path, sizeof path, "%s/mailmod.db", f->folder);
    snprintf(away, sizeof away, "%s/good.db", f->folder);
    if (rename(path, away) != 0) {
        skip(); /* Windows does not let go of a file that is open */
    }
    struct mm_store_job job = {.run = nothing};
    assert_int_equal(mm_store_run(f->store, &job), MAILMOD_ERROR_STORAGE);
    assert_null(fixture_claim_one(f));
    assert_int_equal(mq_next_due(f->queue, f->now_ms), f->now_ms + 1000);
    assert_int_equal(rename(away, path), 0);
    while (!mm_store_is_writable(f->store)) {
        mm_clock_sleep_ms(20);
    }
    struct mm_list batches;
    fixture_claim(f, &batches);
    fixture_settle(f, fixture_take(&batches), MQ_DELIVERED, false);
    fixture_settle(f, fixture_take(&batches), MQ_DELIVERED, false);
    assert_int_equal(fixture_count(f, 0), 0);
}

static void down(struct mq_queue *queue, unsigned number, int64_t now_ms)
{
    char name[32];
    int64_t retry_ms = 0;
    snprintf(name, sizeof name, "d%u.test", number);
    mq_destination_down(queue, name, now_ms, &retry_ms);
    assert_true(retry_ms > now_ms);
}

/* D20: a full table forgets those whose wait ends soonest, and few of them. */
static void test_D20_full_table(void **state)
{
    struct fixture *f = *state;
    struct mq_queue *queue = f->queue;
    mm_mutex_lock(queue->lock);
    for (unsigned i = 0; i < MQ_DESTINATIONS_MAX; i++) {
        down(queue, i, f->now_ms + i);
    }
    assert_int_equal(queue->destinations.count, MQ_DESTINATIONS_MAX);
    down(queue, MQ_DESTINATIONS_MAX, f->now_ms + MQ_DESTINATIONS_MAX);
    assert_true(queue->destinations.count > MQ_DESTINATIONS_MAX / 2);
    assert_true(queue->destinations.count <= MQ_DESTINATIONS_MAX);
    char last[32];
    snprintf(last, sizeof last, "d%d.test", MQ_DESTINATIONS_MAX - 1);
    assert_non_null(mq_destination_find(queue, last));
    mm_mutex_unlock(queue->lock);
}

/* S22: an attempt that waits in silence gives its place to another. */
static void test_S22_parked(void **state)
{
    struct fixture *f = *state;
    f->queue->options.attempts_max = 1;
    fixture_add(f, "a.example", &fixture_plain);
    fixture_add(f, "b.example", &fixture_plain);
    struct mq_batch *first = fixture_claim_one(f);
    assert_non_null(first);
    assert_null(fixture_claim_one(f));
    assert_true(mq_park(f->queue, first));
    assert_false(mq_park(f->queue, first));
    struct mq_batch *second = fixture_claim_one(f);
    assert_non_null(second);
    assert_string_not_equal(first->destination, second->destination);
    mq_release(f->queue, &first);
    assert_int_equal(f->queue->attempts, 1);
    assert_int_equal(f->queue->parked, 0);
    mq_release(f->queue, &second);
    assert_int_equal(f->queue->attempts, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_claimed_once),
        BOTH(test_recipients_are_split),
        BOTH(test_each_recipient_alone),
        BOTH(test_settled_is_not_claimed_again),
        BOTH(test_limits),
        BOTH(test_turns),
        BOTH(test_streak_ends),
        BOTH(test_next_due),
        BOTH(test_whole_life),
        BOTH(test_dead_destination),
        BOTH(test_parallel_failures_count_once),
        BOTH(test_flush_forgets_backoff),
        BOTH(test_S22_parked),
        cmocka_unit_test_setup_teardown(test_D20_full_table,
                                        fixture_open_memory, fixture_teardown),
        BOTH(test_restart),
        BOTH(test_clock_back_a_day),
        BOTH(test_clock_ahead_a_year),
        BOTH(test_removed_while_sent),
        BOTH(test_take_out_one),
        BOTH(test_take_out_all),
        BOTH(test_take_out_while_sent),
        BOTH(test_held_while_sent),
        BOTH(test_reports),
        BOTH(test_failed_is_set_aside),
        BOTH(test_refused_settlement),
        BOTH(test_options_are_checked),
        cmocka_unit_test_setup_teardown(test_D03_no_claim_without_a_store,
                                        fixture_open_sqlite, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
