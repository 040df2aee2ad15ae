/* test_writer.c - group commit: many jobs a commit, one job's failure its own,
 * and what happens to jobs when the store closes. */
#include "../fixture.h"

#include "platform/thread.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 8
#define EACH 200

struct submitter {
    struct mm_store *store;
    struct mm_thread *thread;
    uint64_t mailbox_id;
    size_t failures;
};

static void submit_each(void *context)
{
    struct submitter *submitter = context;
    for (int i = 0; i < EACH; i++) {
        uint64_t id = fixture_try_deliver(submitter->store, 500,
                                          &submitter->mailbox_id, 1);
        submitter->failures += id == 0;
    }
}

static void test_many_threads(void **state)
{
    struct fixture *fixture = *state;
    struct submitter submitters[THREADS];
    struct mm_store_counters before;
    struct mm_store_counters after;
    size_t failures = 0;
    uint64_t mailbox = fixture_add_user(fixture->store, "alice");
    mm_store_counters(fixture->store, &before);
    for (int i = 0; i < THREADS; i++) {
        submitters[i] = (struct submitter){fixture->store, NULL, mailbox, 0};
        assert_int_equal(mm_thread_start(&submitters[i].thread, "submitter",
                                         submit_each, &submitters[i]),
                         MAILMOD_OK);
    }
    for (int i = 0; i < THREADS; i++) {
        mm_thread_join(&submitters[i].thread);
        failures += submitters[i].failures;
    }
    /* All are joined: a failure leaves no thread on this frame. */
    assert_int_equal(failures, 0);
    mm_store_counters(fixture->store, &after);
    assert_int_equal(after.jobs - before.jobs, THREADS * EACH);
    assert_true(after.commits - before.commits <= THREADS * EACH);
    assert_int_equal(fixture_count_entries(fixture->store, mailbox),
                     THREADS * EACH);
    fixture_verify(fixture->store);
}

/* Jobs that are queued behind one that waits: one batch for sure. */
struct gate {
    struct mm_mutex *mutex;
    struct mm_condition *condition;
    bool is_entered;
    bool is_open;
};

struct step {
    struct mm_store_job job;
    struct gate *gate;
    uint64_t mailbox_id;
    uint64_t id;
    bool fails;
    enum mailmod_error error;
    atomic_bool is_done;
};

static enum mailmod_error run_gate(struct mm_store_job *job,
                                   struct mm_store_transaction *t)
{
    struct gate *gate = MM_LIST_OBJECT(job, struct step, job)->gate;
    (void)t;
    mm_mutex_lock(gate->mutex);
    gate->is_entered = true;
    mm_condition_broadcast(gate->condition);
    while (!gate->is_open) {
        mm_condition_wait(gate->condition, gate->mutex);
    }
    mm_mutex_unlock(gate->mutex);
    return MAILMOD_OK;
}

static enum mailmod_error run_step(struct mm_store_job *job,
                                   struct mm_store_transaction *t)
{
    struct step *step = MM_LIST_OBJECT(job, struct step, job);
    enum mailmod_error error = fixture_put_body(t, step->id, 3000);
    if (error == MAILMOD_OK) {
        error = fixture_put_row(t, step->id, 3000);
    }
    if (error == MAILMOD_OK) {
        error = mm_store_put_entry(t, step->mailbox_id, step->id, 3000);
    }
    return error == MAILMOD_OK && step->fails ? MAILMOD_ERROR_CANCELLED : error;
}

static void on_done(struct mm_store_job *job, enum mailmod_error error)
{
    struct step *step = MM_LIST_OBJECT(job, struct step, job);
    step->error = error;
    atomic_store(&step->is_done, true);
}

static void gate_enter(struct gate *gate, struct step *first,
                       struct mm_store *store)
{
    assert_int_equal(mm_mutex_new(&gate->mutex), MAILMOD_OK);
    assert_int_equal(mm_condition_new(&gate->condition), MAILMOD_OK);
    first->gate = gate;
    first->job.run = run_gate;
    first->job.done = on_done;
    mm_store_submit(store, &first->job);
    mm_mutex_lock(gate->mutex);
    while (!gate->is_entered) {
        mm_condition_wait(gate->condition, gate->mutex);
    }
    mm_mutex_unlock(gate->mutex);
}

static void gate_open(struct gate *gate)
{
    mm_mutex_lock(gate->mutex);
    gate->is_open = true;
    mm_condition_broadcast(gate->condition);
    mm_mutex_unlock(gate->mutex);
}

static void gate_fini(struct gate *gate)
{
    mm_condition_free(&gate->condition);
    mm_mutex_free(&gate->mutex);
}

static enum mailmod_error do_nothing(struct mm_store_transaction *t,
                                     void *context)
{
    (void)t;
    (void)context;
    return MAILMOD_OK;
}

#define STEPS 50

static void submit_steps(struct mm_store *store, struct step *steps,
                         uint64_t mailbox)
{
    for (int i = 0; i < STEPS; i++) {
        steps[i].mailbox_id = mailbox;
        steps[i].id = mm_store_new_message_id(store);
        steps[i].fails = i % 7 == 3;
        steps[i].job.run = run_step;
        steps[i].job.done = on_done;
        mm_store_submit(store, &steps[i].job);
    }
}

/* One that fails takes back its own, and the others' numbers have no gap. */
static void test_failure_in_a_batch(void **state)
{
    struct fixture *fixture = *state;
    struct gate gate = {0};
    struct step first = {0};
    struct step steps[STEPS] = {0};
    struct mm_store_counters before;
    struct mm_store_counters after;
    uint64_t mailbox = fixture_add_user(fixture->store, "alice");
    struct mm_store_entry *entries;
    size_t count;
    size_t expected = 0;
    gate_enter(&gate, &first, fixture->store);
    mm_store_counters(fixture->store, &before);
    submit_steps(fixture->store, steps, mailbox);
    gate_open(&gate);
    assert_int_equal(fixture_run(fixture->store, do_nothing, NULL), MAILMOD_OK);
    mm_store_counters(fixture->store, &after);
    /* The gate's, the fifty together, and at most one for the last. */
    assert_true(after.commits - before.commits >= 2);
    assert_true(after.commits - before.commits <= 3);
    assert_int_equal(
        mm_store_list_entries(fixture->store, mailbox, &entries, &count),
        MAILMOD_OK);
    for (int i = 0; i < STEPS; i++) {
        assert_true(atomic_load(&steps[i].is_done));
        assert_int_equal(steps[i].error,
                         steps[i].fails ? MAILMOD_ERROR_CANCELLED : MAILMOD_OK);
        assert_int_equal(fixture_has_message(fixture->store, steps[i].id),
                         !steps[i].fails);
        assert_int_equal(fixture_has_chunk(fixture->store, steps[i].id, 0),
                         !steps[i].fails);
        if (!steps[i].fails) {
            assert_int_equal(entries[expected].message_id, steps[i].id);
            assert_int_equal(entries[expected].unique_number, expected + 1);
            expected++;
        }
    }
    assert_int_equal(count, expected);
    mm_free(entries);
    gate_fini(&gate);
    fixture_verify(fixture->store);
}

/* Alone it has the transaction for itself; the next one finds it clean. */
static void test_failure_alone(void **state)
{
    struct fixture *fixture = *state;
    uint64_t mailbox = fixture_add_user(fixture->store, "alice");
    struct step step = {0};
    step.mailbox_id = mailbox;
    step.id = mm_store_new_message_id(fixture->store);
    step.fails = true;
    step.job.run = run_step;
    assert_int_equal(mm_store_run(fixture->store, &step.job),
                     MAILMOD_ERROR_CANCELLED);
    assert_false(fixture_has_message(fixture->store, step.id));
    assert_false(fixture_has_chunk(fixture->store, step.id, 0));
    uint64_t id = fixture_deliver(fixture->store, 10, &mailbox, 1);
    assert_true(fixture_has_message(fixture->store, id));
    assert_int_equal(fixture_count_entries(fixture->store, mailbox), 1);
}

/* A failed job whose error looks like the disk's does not stop the store. */
static enum mailmod_error fail_with(struct mm_store_transaction *t,
                                    void *context)
{
    (void)t;
    return *(enum mailmod_error *)context;
}

static void test_job_errors_are_its_own(void **state)
{
    static const enum mailmod_error errors[] = {
        MAILMOD_ERROR_STORAGE, MAILMOD_ERROR_STORAGE_DAMAGED,
        MAILMOD_ERROR_MEMORY, MAILMOD_ERROR_STORAGE_FULL};
    struct fixture *fixture = *state;
    uint64_t mailbox = fixture_add_user(fixture->store, "alice");
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        enum mailmod_error error = errors[i];
        assert_int_equal(fixture_run(fixture->store, fail_with, &error), error);
        (void)fixture_deliver(fixture->store, 10, &mailbox, 1);
    }
}

/* What was submitted before the close is run and answered. */
static void test_close_runs_the_rest(void **state)
{
    struct fixture *fixture = *state;
    struct gate gate = {0};
    struct step first = {0};
    struct step steps[STEPS] = {0};
    uint64_t mailbox = fixture_add_user(fixture->store, "alice");
    gate_enter(&gate, &first, fixture->store);
    submit_steps(fixture->store, steps, mailbox);
    gate_open(&gate);
    mm_store_close(&fixture->store);
    for (int i = 0; i < STEPS; i++) {
        assert_true(atomic_load(&steps[i].is_done));
    }
    gate_fini(&gate);
    assert_int_equal(fixture->kind->open(fixture), MAILMOD_OK);
    for (int i = 0; i < STEPS; i++) {
        assert_int_equal(fixture_has_message(fixture->store, steps[i].id),
                         !steps[i].fails);
    }
}

/* Readers run beside the writer and see whole jobs only. */
static void read_on(void *context)
{
    struct submitter *reader = context;
    for (int i = 0; i < 300; i++) {
        struct mm_store_entry *entries = NULL;
        size_t count = 0;
        if (mm_store_list_entries(reader->store, reader->mailbox_id, &entries,
                                  &count) != MAILMOD_OK) {
            reader->failures++;
        }
        for (size_t j = 0; j < count; j++) {
            struct mm_store_message message;
            reader->failures +=
                entries[j].unique_number != j + 1 ||
                (j % 16 == 0 &&
                 mm_store_find_message(reader->store, entries[j].message_id,
                                       &message) != MAILMOD_OK);
        }
        mm_free(entries);
    }
}

static void test_readers_beside(void **state)
{
    struct fixture *fixture = *state;
    uint64_t mailbox = fixture_add_user(fixture->store, "alice");
    struct submitter workers[20]; /* more than there are connections */
    size_t count = sizeof workers / sizeof workers[0];
    size_t failures = 0;
    for (size_t i = 0; i < count; i++) {
        workers[i] = (struct submitter){fixture->store, NULL, mailbox, 0};
        assert_int_equal(mm_thread_start(&workers[i].thread, "worker",
                                         i < 2 ? submit_each : read_on,
                                         &workers[i]),
                         MAILMOD_OK);
    }
    for (size_t i = 0; i < count; i++) {
        mm_thread_join(&workers[i].thread);
        failures += workers[i].failures;
    }
    assert_int_equal(failures, 0);
}

int main(void)
{
    static const struct fixture_test tests[] = {
        FIXTURE_TEST(test_many_threads),
        FIXTURE_TEST(test_failure_in_a_batch),
        FIXTURE_TEST(test_failure_alone),
        FIXTURE_TEST(test_job_errors_are_its_own),
        FIXTURE_TEST(test_close_runs_the_rest),
        FIXTURE_TEST(test_readers_beside)};
    return fixture_run_contract(tests, sizeof tests / sizeof tests[0]);
}
