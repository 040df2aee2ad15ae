/* test_kept.c - what left the queue and is kept: in and out again with its
 * message, listed, swept by its time; on disk and in memory. */
#include "../fixture.h"

#include <string.h>

#define ROWS 300 /* more than a page of a listing and some sweeps */

struct act {
    uint64_t id;
    unsigned number;
    enum mailmod_kept_kind kind;
    int64_t at_ms;
    size_t count;
};

static enum mailmod_error put(struct mm_store_transaction *t, void *context)
{
    const struct act *act = context;
    struct mm_store_recipient recipient = {.message_id = act->id,
                                           .number = act->number,
                                           .next_attempt_ms = 7,
                                           .expires_ms = 9,
                                           .attempts = 3,
                                           .was_warned = true,
                                           .notify = 5,
                                           .has_reverse_path = true};
    enum mailmod_error error = MAILMOD_OK;

    if (act->number == 0) {
        error = fixture_put_body(t, act->id, 100);
        error = error == MAILMOD_OK ? fixture_put_row(t, act->id, 100) : error;
    }
    strcpy(recipient.path, "bob@a.net");
    strcpy(recipient.destination, "a.net");
    strcpy(recipient.original_recipient, "rfc822;x@example.org");
    strcpy(recipient.reverse_path, "own@example.org");
    strcpy(recipient.delivered_to, "by@example.org");
    strcpy(recipient.original_to, "meant@example.org");
    recipient.visibility = MM_VISIBILITY_SHOWN;
    return error == MAILMOD_OK ? mm_store_put_recipient(t, &recipient) : error;
}

static enum mailmod_error keep(struct mm_store_transaction *t, void *context)
{
    const struct act *act = context;
    struct mm_store_kept kept = {.kind = act->kind,
                                 .kept_ms = act->at_ms,
                                 .recipient = {.message_id = act->id,
                                               .number = act->number,
                                               .attempts = 4}};

    strcpy(kept.recipient.last_reply, "mx: 550 5.1.1 no");
    return mm_store_keep_recipient(t, &kept);
}

static enum mailmod_error requeue(struct mm_store_transaction *t, void *context)
{
    const struct act *act = context;

    return mm_store_requeue_kept(t, act->id, act->number, act->at_ms,
                                 act->at_ms + 1000);
}

static enum mailmod_error drop(struct mm_store_transaction *t, void *context)
{
    const struct act *act = context;

    return mm_store_drop_kept(t, act->id, act->number);
}

static enum mailmod_error sweep(struct mm_store_transaction *t, void *context)
{
    struct act *act = context;

    return mm_store_sweep_kept(t, act->kind, act->at_ms, 10, &act->count);
}

/* Kept, and then the job fails. */
static enum mailmod_error keep_and_fail(struct mm_store_transaction *t,
                                        void *context)
{
    enum mailmod_error error = keep(t, context);

    return error == MAILMOD_OK ? MAILMOD_ERROR_CANCELLED : error;
}

struct seen {
    size_t count;
    size_t count_max;
    struct mm_store_kept last;
};

static bool on_kept(void *context, const struct mm_store_message *message,
                    const struct mm_store_kept *kept)
{
    struct seen *seen = context;

    assert_int_equal(message->id, kept->recipient.message_id);
    assert_string_equal(message->reverse_path, "sender@example.org");
    seen->count++;
    seen->last = *kept;
    return seen->count < seen->count_max;
}

static struct seen kept_of(struct mm_store *store, enum mailmod_kept_kind kind,
                           uint64_t id)
{
    struct seen seen = {.count_max = SIZE_MAX};

    assert_int_equal(mm_store_each_kept(store, kind, id, on_kept, &seen),
                     MAILMOD_OK);
    return seen;
}

static bool on_queued(void *context, const struct mm_store_message *message,
                      const struct mm_store_recipient *recipient)
{
    (void)message;
    *(struct mm_store_recipient *)context = *recipient;
    return true;
}

/* False: nobody of the message is queued. */
static bool queued(struct mm_store *store, uint64_t id,
                   struct mm_store_recipient *row_out)
{
    memset(row_out, 0, sizeof *row_out);
    assert_int_equal(mm_store_each_recipient(store, id, on_queued, row_out),
                     MAILMOD_OK);
    return row_out->message_id != 0;
}

static struct act put_message(struct mm_store *store)
{
    struct act act = {.id = mm_store_new_message_id(store),
                      .kind = MAILMOD_KEPT_DEAD,
                      .at_ms = 5000};

    assert_int_equal(fixture_run(store, put, &act), MAILMOD_OK);
    return act;
}

static void check_texts(const struct mm_store_recipient *row)
{
    assert_string_equal(row->path, "bob@a.net");
    assert_string_equal(row->destination, "a.net");
    assert_string_equal(row->original_recipient, "rfc822;x@example.org");
    assert_true(row->has_reverse_path);
    assert_string_equal(row->reverse_path, "own@example.org");
    assert_string_equal(row->delivered_to, "by@example.org");
    assert_string_equal(row->original_to, "meant@example.org");
    assert_int_equal(row->visibility, MM_VISIBILITY_SHOWN);
    assert_int_equal(row->notify, 5);
}

static void test_out_of_the_queue_and_back(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store *store = fixture->store;
    struct act act = put_message(store);
    struct mm_store_recipient row;
    struct mm_store_destination found[2];
    uint64_t flushes;
    uint64_t flushes_before;
    size_t count;

    assert_int_equal(fixture_run(store, keep, &act), MAILMOD_OK);
    assert_int_equal(fixture_run(store, keep, &act), MAILMOD_ERROR_NOT_FOUND);
    assert_false(queued(store, act.id, &row));
    assert_int_equal(mm_store_list_destinations(store, "", found, 2, &count),
                     MAILMOD_OK);
    assert_int_equal(count, 0);
    fixture_reopen(fixture); /* nothing sweeps its message */
    store = fixture->store;
    fixture_check_body(store, act.id, 100);
    fixture_verify(store);
    struct seen seen = kept_of(store, MAILMOD_KEPT_DEAD, 0);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.last.kind, MAILMOD_KEPT_DEAD);
    assert_int_equal(seen.last.kept_ms, 5000);
    assert_int_equal(seen.last.recipient.attempts, 4);
    assert_string_equal(seen.last.recipient.last_reply, "mx: 550 5.1.1 no");
    check_texts(&seen.last.recipient);
    assert_int_equal(kept_of(store, MAILMOD_KEPT_SENT, 0).count, 0);

    assert_int_equal(mm_store_flush_count(store, &flushes_before), MAILMOD_OK);
    assert_int_equal(fixture_run(store, requeue, &act), MAILMOD_OK);
    assert_int_equal(fixture_run(store, requeue, &act),
                     MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(mm_store_flush_count(store, &flushes), MAILMOD_OK);
    assert_true(flushes > flushes_before);
    assert_true(queued(store, act.id, &row));
    assert_int_equal(row.state, MM_RECIPIENT_WAITING);
    assert_int_equal(row.next_attempt_ms, 5000);
    assert_int_equal(row.expires_ms, 6000);
    assert_int_equal(row.attempts, 0);
    assert_false(row.was_warned);
    assert_string_equal(row.last_reply, "");
    check_texts(&row);
    fixture_check_body(store, act.id, 100);
    fixture_verify(store);
}

static enum mailmod_error release_all(struct mm_store_transaction *t,
                                      void *context)
{
    struct act *act = context;

    return mm_store_act(t, 0, MAILMOD_QUEUE_RELEASE, 1, &act->count);
}

/* No act on the queue meets what is kept. */
static void test_queue_does_not_meet_it(void **state)
{
    struct mm_store *store = ((struct fixture *)*state)->store;
    struct act act = put_message(store);
    struct mm_store_recipient row;

    assert_int_equal(fixture_run(store, keep, &act), MAILMOD_OK);
    act.count = 9;
    assert_int_equal(fixture_run(store, release_all, &act), MAILMOD_OK);
    assert_int_equal(act.count, 0);
    assert_false(queued(store, act.id, &row));
    assert_int_equal(kept_of(store, MAILMOD_KEPT_DEAD, act.id).count, 1);
}

/* The last one takes the message along, wherever it is. */
static void test_message_goes_with_the_last(void **state)
{
    struct mm_store *store = ((struct fixture *)*state)->store;
    struct act first = put_message(store);
    struct act second = first;

    second.number = 1;
    assert_int_equal(fixture_run(store, put, &second), MAILMOD_OK);
    assert_int_equal(fixture_run(store, keep, &first), MAILMOD_OK);
    second.kind = MAILMOD_KEPT_SENT;
    assert_int_equal(fixture_run(store, keep, &second), MAILMOD_OK);
    assert_int_equal(fixture_run(store, drop, &first), MAILMOD_OK);
    assert_int_equal(fixture_run(store, drop, &first), MAILMOD_ERROR_NOT_FOUND);
    assert_true(fixture_has_message(store, first.id));
    assert_int_equal(kept_of(store, MAILMOD_KEPT_SENT, first.id).count, 1);
    assert_int_equal(fixture_run(store, drop, &second), MAILMOD_OK);
    assert_false(fixture_has_message(store, first.id));
    assert_false(fixture_has_chunk(store, first.id, 0));
    fixture_verify(store);
}

static void test_failed_job_keeps_nothing(void **state)
{
    struct mm_store *store = ((struct fixture *)*state)->store;
    struct act act = put_message(store);
    struct mm_store_recipient row;

    assert_int_equal(fixture_run(store, keep_and_fail, &act),
                     MAILMOD_ERROR_CANCELLED);
    assert_true(queued(store, act.id, &row));
    assert_int_equal(kept_of(store, MAILMOD_KEPT_DEAD, 0).count, 0);
    fixture_verify(store);
}

static enum mailmod_error keep_many(struct mm_store_transaction *t,
                                    void *context)
{
    struct act act = *(struct act *)context;
    enum mailmod_error error = MAILMOD_OK;

    for (unsigned i = 0; i < ROWS && error == MAILMOD_OK; i++) {
        act.number = i;
        act.at_ms = 1000 + i;
        error = put(t, &act);
        error = error == MAILMOD_OK ? keep(t, &act) : error;
    }
    return error;
}

static void test_sweep_and_pages(void **state)
{
    struct mm_store *store = ((struct fixture *)*state)->store;
    struct act many = {.id = mm_store_new_message_id(store),
                       .kind = MAILMOD_KEPT_SENT};
    struct act other = put_message(store);
    struct seen some = {.count_max = 3};

    other.at_ms = 1;
    assert_int_equal(fixture_run(store, keep, &other), MAILMOD_OK);
    assert_int_equal(fixture_run(store, keep_many, &many), MAILMOD_OK);
    assert_int_equal(kept_of(store, MAILMOD_KEPT_SENT, 0).count, ROWS);
    assert_int_equal(
        mm_store_each_kept(store, MAILMOD_KEPT_SENT, 0, on_kept, &some),
        MAILMOD_OK);
    assert_int_equal(some.count, 3);
    many.at_ms = 1025;
    for (size_t left = 25; left > 0; left -= many.count) {
        assert_int_equal(fixture_run(store, sweep, &many), MAILMOD_OK);
        assert_int_equal(many.count, left < 10 ? left : 10);
    }
    assert_int_equal(fixture_run(store, sweep, &many), MAILMOD_OK);
    assert_int_equal(many.count, 0);
    assert_int_equal(kept_of(store, MAILMOD_KEPT_SENT, 0).count, ROWS - 25);
    assert_int_equal(kept_of(store, MAILMOD_KEPT_DEAD, 0).count, 1);
    fixture_verify(store);
}

int main(void)
{
    static const struct fixture_test tests[] = {
        FIXTURE_TEST(test_out_of_the_queue_and_back),
        FIXTURE_TEST(test_queue_does_not_meet_it),
        FIXTURE_TEST(test_message_goes_with_the_last),
        FIXTURE_TEST(test_failed_job_keeps_nothing),
        FIXTURE_TEST(test_sweep_and_pages),
    };
    return fixture_run_contract(tests, sizeof tests / sizeof tests[0]);
}
