/* fixture.c - see fixture.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const unsigned steps_s[] = {300, 600, 1200, 1800, 3600, 7200};

static void make_queue(struct fixture *fixture)
{
    assert_int_equal(mq_new(&fixture->queue, fixture->store, &fixture->options),
                     MAILMOD_OK);
}

const struct fixture_message fixture_plain = {.reverse_path =
                                                  "sender@example.org"};

void fixture_open(struct fixture *fixture, bool is_sqlite)
{
    memset(fixture, 0, sizeof *fixture);
    fixture->is_sqlite = is_sqlite;
    fixture->now_ms = START_MS;
    fixture->options =
        (struct mq_options){.steps_s = steps_s,
                            .step_count = sizeof steps_s / sizeof steps_s[0],
                            .jitter_percent = 10,
                            .lifetime_ms = (uint64_t)DAY_MS,
                            .warn_after_ms = (uint64_t)(4 * HOUR_MS),
                            .attempts_max = 20,
                            .destination_max = 5,
                            .recipients_max = 10,
                            .seed = 1};
    if (is_sqlite) {
        strcpy(fixture->folder, "/tmp/mailmod-queue-XXXXXX");
        assert_non_null(mkdtemp(fixture->folder));
        struct mm_store_options options = {.description = fixture->folder,
                                           .mode = MM_STORE_EXCLUSIVE};
        assert_int_equal(mm_store_open(&fixture->store, &options, NULL),
                         MAILMOD_OK);
    } else {
        assert_int_equal(mm_store_open_memory(&fixture->store, NULL),
                         MAILMOD_OK);
    }
    make_queue(fixture);
}

void fixture_close(struct fixture *fixture)
{
    mq_free(&fixture->queue);
    mm_store_close(&fixture->store);
    if (fixture->is_sqlite) {
        static const char *const names[] = {"mailmod.db", "mailmod.db-wal",
                                            "mailmod.db-shm", "mailmod.lock"};
        char path[128];
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            snprintf(path, sizeof path, "%s/%s", fixture->folder, names[i]);
            remove(path);
        }
        remove(fixture->folder);
    }
}

void fixture_restart(struct fixture *fixture)
{
    mq_free(&fixture->queue);
    make_queue(fixture);
}

void fixture_set_options(struct fixture *fixture)
{
    assert_int_equal(mq_set_options(fixture->queue, &fixture->options),
                     MAILMOD_OK);
}

struct add_job {
    struct mm_store_job job;
    struct fixture *fixture;
    const char *destination;
    const struct fixture_message *message;
    unsigned count;
    uint64_t first_id;
};

static enum mailmod_error put_one(struct add_job *add,
                                  struct mm_store_transaction *t, uint64_t id)
{
    static const char body[] = "Subject: x\r\n\r\nbody\r\n";
    struct mm_store_message row;
    memset(&row, 0, sizeof row);
    row.id = id;
    row.arrival_ms = add->fixture->now_ms;
    row.size = sizeof body - 1;
    row.is_report = add->message->is_report;
    row.keeps_failed = add->message->keeps_failed;
    if (add->message->reverse_path != NULL) {
        strcpy(row.reverse_path, add->message->reverse_path);
    }
    enum mailmod_error error =
        mm_store_put_chunk(t, id, 0, mm_span(body, sizeof body - 1));
    if (error == MAILMOD_OK) {
        error = mm_store_put_message(t, &row);
    }
    unsigned count = add->message->recipient_count;
    for (unsigned i = 0; i < (count > 0 ? count : 1); i++) {
        struct mm_store_recipient recipient;
        memset(&recipient, 0, sizeof recipient);
        recipient.message_id = id;
        recipient.number = i;
        snprintf(recipient.path, sizeof recipient.path, "user%u@%s", i,
                 add->destination);
        strcpy(recipient.destination, add->destination);
        recipient.next_attempt_ms = add->fixture->now_ms;
        recipient.expires_ms =
            add->fixture->now_ms + (int64_t)add->fixture->options.lifetime_ms;
        recipient.notify = add->message->notify;
        if (error == MAILMOD_OK) {
            error = mm_store_put_recipient(t, &recipient);
        }
    }
    return error;
}

static enum mailmod_error run_add(struct mm_store_job *job,
                                  struct mm_store_transaction *t)
{
    struct add_job *add = MM_LIST_OBJECT(job, struct add_job, job);
    for (unsigned i = 0; i < add->count; i++) {
        uint64_t id = mm_store_new_message_id(add->fixture->store);
        if (i == 0) {
            add->first_id = id;
        }
        enum mailmod_error error = put_one(add, t, id);
        if (error != MAILMOD_OK) {
            return error;
        }
    }
    return MAILMOD_OK;
}

static uint64_t add_some(struct fixture *fixture, const char *destination,
                         const struct fixture_message *message, unsigned count)
{
    struct add_job add = {.job.run = run_add,
                          .fixture = fixture,
                          .destination = destination,
                          .message = message,
                          .count = count};
    assert_int_equal(mm_store_run(fixture->store, &add.job), MAILMOD_OK);
    return add.first_id;
}

uint64_t fixture_add(struct fixture *fixture, const char *destination,
                     const struct fixture_message *message)
{
    return add_some(fixture, destination, message, 1);
}

void fixture_add_many(struct fixture *fixture, const char *destination,
                      unsigned count)
{
    struct fixture_message message = {.reverse_path = "sender@example.org"};
    add_some(fixture, destination, &message, count);
}

void fixture_claim(struct fixture *fixture, struct mm_list *batches)
{
    mm_list_init(batches);
    assert_int_equal(mq_claim(fixture->queue, fixture->now_ms, batches),
                     MAILMOD_OK);
}

struct mq_batch *fixture_take(struct mm_list *batches)
{
    struct mm_list *node = mm_list_take_first(batches);
    return node == NULL ? NULL : MM_LIST_OBJECT(node, struct mq_batch, node);
}

struct mq_batch *fixture_claim_one(struct fixture *fixture)
{
    struct mm_list batches;
    fixture_claim(fixture, &batches);
    struct mq_batch *batch = fixture_take(&batches);
    assert_true(mm_list_is_empty(&batches));
    return batch;
}

static enum mailmod_error write_reports(struct mq_settlement *settlement,
                                        struct mm_store_transaction *t)
{
    struct fixture *fixture = settlement->context;
    (void)t;
    fixture->report_calls++;
    settlement->has_told = !fixture->tells_nobody;
    return fixture->report_error;
}

static void on_done(struct mq_settlement *settlement, enum mailmod_error error)
{
    struct fixture *fixture = settlement->context;
    fixture->error = error;
}

static enum mailmod_error run_nothing(struct mm_store_job *job,
                                      struct mm_store_transaction *t)
{
    (void)job;
    (void)t;
    return MAILMOD_OK;
}

/* Jobs are told in order: when this one is, those before have been. */
static void wait_for_store(struct fixture *fixture)
{
    struct mm_store_job job = {.run = run_nothing};
    assert_int_equal(mm_store_run(fixture->store, &job), MAILMOD_OK);
}

void fixture_settle_each(struct fixture *fixture, struct mq_batch *batch,
                         const struct mq_outcome *outcomes)
{
    struct mq_outcome *copies =
        mm_alloc_array(batch->recipient_count, sizeof *copies);
    struct mq_settlement settlement;
    memset(&settlement, 0, sizeof settlement);
    memcpy(copies, outcomes, batch->recipient_count * sizeof *copies);
    assert_true(batch->recipient_count <= 16);
    settlement.queue = fixture->queue;
    settlement.batch = batch;
    settlement.outcomes = copies;
    settlement.reports = fixture->reports;
    settlement.write_reports = write_reports;
    settlement.done = on_done;
    settlement.context = fixture;
    settlement.keeps_sent = fixture->keeps_sent;
    settlement.keeps_dead = fixture->keeps_dead;
    settlement.now_ms = fixture->now_ms;
    fixture->report_calls = 0;
    fixture->error = MAILMOD_ERROR_CANCELLED;
    mq_settle(&settlement);
    wait_for_store(fixture);
    if (fixture->report_error != MAILMOD_OK) {
        /* Refused: tried again, the same decisions come out. */
        assert_int_equal(fixture->error, fixture->report_error);
        fixture->report_error = MAILMOD_OK;
        mq_settle(&settlement);
        wait_for_store(fixture);
    }
    assert_int_equal(fixture->error, MAILMOD_OK);
    memcpy(fixture->ends, copies, batch->recipient_count * sizeof *copies);
    mq_release(fixture->queue, &batch);
    mm_free(copies);
}

struct mq_outcome fixture_outcome(enum mq_verdict verdict, bool is_down)
{
    struct mq_outcome outcome;
    memset(&outcome, 0, sizeof outcome);
    outcome.verdict = verdict;
    outcome.is_destination_down = is_down;
    strcpy(outcome.host, "mx.example.net");
    strcpy(outcome.reply, "450 4.2.1 later");
    strcpy(outcome.status, "4.2.1");
    return outcome;
}

void fixture_settle(struct fixture *fixture, struct mq_batch *batch,
                    enum mq_verdict verdict, bool is_down)
{
    struct mq_outcome outcomes[16];
    for (size_t i = 0; i < 16; i++) {
        outcomes[i] = fixture_outcome(verdict, is_down);
    }
    fixture_settle_each(fixture, batch, outcomes);
}

static bool on_kept(void *context, const struct mm_store_message *message,
                    const struct mm_store_kept *kept)
{
    (void)message;
    assert_string_not_equal(kept->recipient.last_reply, "");
    assert_int_equal(kept->recipient.attempts, 1);
    ++*(size_t *)context;
    return true;
}

size_t fixture_count_kept(struct fixture *fixture, enum mailmod_kept_kind kind)
{
    size_t count = 0;
    assert_int_equal(
        mm_store_each_kept(fixture->store, kind, 0, on_kept, &count),
        MAILMOD_OK);
    return count;
}

struct find {
    size_t count;
    unsigned number;
    struct mm_store_recipient *row_out;
    bool is_found;
};

static bool on_row(void *context, const struct mm_store_message *message,
                   const struct mm_store_recipient *row)
{
    struct find *find = context;
    (void)message;
    find->count++;
    if (find->row_out != NULL && row->number == find->number) {
        *find->row_out = *row;
        find->is_found = true;
    }
    return true;
}

size_t fixture_count(struct fixture *fixture, uint64_t id)
{
    struct find find = {0};
    assert_int_equal(mm_store_each_recipient(fixture->store, id, on_row, &find),
                     MAILMOD_OK);
    return find.count;
}

bool fixture_row(struct fixture *fixture, uint64_t id, unsigned number,
                 struct mm_store_recipient *row_out)
{
    struct find find = {.number = number, .row_out = row_out};
    assert_int_equal(mm_store_each_recipient(fixture->store, id, on_row, &find),
                     MAILMOD_OK);
    return find.is_found;
}

struct act_job {
    struct mm_store_job job;
    uint64_t id;
    enum mailmod_queue_action action;
    int64_t now_ms;
};

static enum mailmod_error run_act(struct mm_store_job *job,
                                  struct mm_store_transaction *t)
{
    struct act_job *act = MM_LIST_OBJECT(job, struct act_job, job);
    size_t count = 0;
    return mm_store_act(t, act->id, act->action, act->now_ms, &count);
}

void fixture_act(struct fixture *fixture, uint64_t id,
                 enum mailmod_queue_action action)
{
    struct act_job act = {.job.run = run_act,
                          .id = id,
                          .action = action,
                          .now_ms = fixture->now_ms};
    assert_int_equal(mm_store_run(fixture->store, &act.job), MAILMOD_OK);
}

int fixture_open_memory(void **state)
{
    static struct fixture fixture;
    fixture_open(&fixture, false);
    *state = &fixture;
    return 0;
}

int fixture_open_sqlite(void **state)
{
    static struct fixture fixture;
    fixture_open(&fixture, true);
    *state = &fixture;
    return 0;
}

int fixture_teardown(void **state)
{
    fixture_close(*state);
    return 0;
}
