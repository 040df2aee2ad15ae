/* test_rollback.c - a job that fails behind any of its writes leaves the store
 * as it was, alone and among others; a job may be run again, and comes to the
 * same. */
#include "../fixture.h"

#include "../dump.h"
#include "platform/thread.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX (1 << 20)

/* What a world of some of everything holds. */
struct world {
    uint64_t box;
    uint64_t queued; /* two recipients, one of them held */
    uint64_t boxed;  /* two entries, one with a detail */
    uint64_t fresh;  /* not there yet */
};

static enum mailmod_error put_recipient(struct mm_store_transaction *t,
                                        uint64_t id, unsigned number,
                                        const char *destination)
{
    struct mm_store_recipient row = {.message_id = id,
                                     .number = number,
                                     .next_attempt_ms = 50,
                                     .expires_ms = 9000};
    snprintf(row.path, sizeof row.path, "x%u@b.net", number);
    strcpy(row.destination, destination);
    return mm_store_put_recipient(t, &row);
}

static enum mailmod_error make_world(struct mm_store_transaction *t,
                                     void *context)
{
    struct world *world = context;
    struct mm_store_entry_detail detail = {.notify = 1};
    struct mm_store_recipient held = {
        .message_id = world->queued, .number = 1, .state = MM_RECIPIENT_HELD};
    struct mm_store_secret_key secret = {.label = "phone"};
    strcpy(detail.uidl, "uidl1");
    strcpy(held.path, "x@c.net");
    strcpy(held.destination, "c.net");
    enum mailmod_error errors[] = {
        fixture_put_body(t, world->queued, 100),
        fixture_put_row(t, world->queued, 100),
        put_recipient(t, world->queued, 0, "b.net"),
        mm_store_put_recipient(t, &held),
        fixture_put_body(t, world->boxed, 70000),
        fixture_put_row(t, world->boxed, 70000),
        mm_store_put_entry(t, world->box, world->boxed, 70034),
        mm_store_put_entry_with(t, world->box, world->boxed, 70034, &detail),
        mm_store_put_secret(t, world->box, &secret)};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        if (errors[i] != MAILMOD_OK) {
            return errors[i];
        }
    }
    return MAILMOD_OK;
}

/* One write of each kind, in an order that lets each one work. */
typedef enum mailmod_error (*write_step)(struct mm_store_transaction *t,
                                         const struct world *world);

static enum mailmod_error step_chunk(struct mm_store_transaction *t,
                                     const struct world *world)
{
    return fixture_put_body(t, world->fresh, 66000);
}

static enum mailmod_error step_message(struct mm_store_transaction *t,
                                       const struct world *world)
{
    return fixture_put_row(t, world->fresh, 66000);
}

static enum mailmod_error step_recipient(struct mm_store_transaction *t,
                                         const struct world *world)
{
    return put_recipient(t, world->fresh, 0, "d.net");
}

static enum mailmod_error step_entry(struct mm_store_transaction *t,
                                     const struct world *world)
{
    return mm_store_put_entry(t, world->box, world->fresh, 66034);
}

static enum mailmod_error step_update(struct mm_store_transaction *t,
                                      const struct world *world)
{
    struct mm_store_recipient row = {
        .message_id = world->queued, .next_attempt_ms = 77, .attempts = 9};
    strcpy(row.destination, "moved.net");
    strcpy(row.last_reply, "later");
    return mm_store_update_recipient(t, &row);
}

static enum mailmod_error step_release(struct mm_store_transaction *t,
                                       const struct world *world)
{
    size_t count;
    return mm_store_act(t, world->queued, MAILMOD_QUEUE_RELEASE, 11, &count);
}

static enum mailmod_error step_hold(struct mm_store_transaction *t,
                                    const struct world *world)
{
    size_t count;
    (void)world;
    return mm_store_act(t, 0, MAILMOD_QUEUE_HOLD, 11, &count);
}

static enum mailmod_error step_reroute(struct mm_store_transaction *t,
                                       const struct world *world)
{
    (void)world;
    return mm_store_reroute(t, "smart.host");
}

static enum mailmod_error step_take_recipient(struct mm_store_transaction *t,
                                              const struct world *world)
{
    return mm_store_remove_recipient(t, world->queued, 0);
}

static enum mailmod_error step_delete(struct mm_store_transaction *t,
                                      const struct world *world)
{
    size_t count;
    return mm_store_act(t, world->queued, MAILMOD_QUEUE_DELETE, 0, &count);
}

static enum mailmod_error step_keep(struct mm_store_transaction *t,
                                    const struct world *world)
{
    const uint64_t number = 2;
    return mm_store_keep_entries(t, world->box, &number, 1, 5);
}

static enum mailmod_error step_restore(struct mm_store_transaction *t,
                                       const struct world *world)
{
    return mm_store_restore_deleted(t, world->box, 2);
}

static enum mailmod_error step_keep_other(struct mm_store_transaction *t,
                                          const struct world *world)
{
    const uint64_t number = 1;
    return mm_store_keep_entries(t, world->box, &number, 1, 5);
}

static enum mailmod_error step_sweep(struct mm_store_transaction *t,
                                     const struct world *world)
{
    size_t count;
    (void)world;
    return mm_store_sweep_deleted(t, 9, 9, &count);
}

static enum mailmod_error step_take_entries(struct mm_store_transaction *t,
                                            const struct world *world)
{
    const uint64_t numbers[] = {1, 2};
    return mm_store_remove_entries(t, world->box, numbers, 2);
}

static enum mailmod_error step_user(struct mm_store_transaction *t,
                                    const struct world *world)
{
    struct mm_store_user user = {.iterations = 5};
    (void)world;
    strcpy(user.name, "bob");
    return mm_store_add_user(t, &user);
}

static enum mailmod_error step_secret(struct mm_store_transaction *t,
                                      const struct world *world)
{
    struct mm_store_secret_key secret = {.label = "tablet"};
    return mm_store_put_secret(t, world->box, &secret);
}

static enum mailmod_error step_drop_secret(struct mm_store_transaction *t,
                                           const struct world *world)
{
    return mm_store_remove_secret(t, world->box, "phone");
}

static enum mailmod_error step_change_user(struct mm_store_transaction *t,
                                           const struct world *world)
{
    struct mm_store_user user = {.iterations = 6};
    (void)world;
    strcpy(user.name, "alice");
    strcpy(user.password, "new");
    user.has_password = true;
    return mm_store_change_user(t, &user);
}

static enum mailmod_error step_remove_user(struct mm_store_transaction *t,
                                           const struct world *world)
{
    (void)world;
    return mm_store_remove_user(t, "alice");
}

static const write_step steps[] = {
    step_chunk,          step_message,     step_recipient,    step_entry,
    step_update,         step_release,     step_hold,         step_reroute,
    step_keep,           step_restore,     step_keep_other,   step_sweep,
    step_take_recipient, step_delete,      step_take_entries, step_user,
    step_secret,         step_drop_secret, step_change_user,  step_remove_user};
enum { STEPS = sizeof steps / sizeof steps[0] };

struct work {
    struct mm_store_job job;
    const struct world *world;
    size_t count; /* of steps */
    bool fails;
    unsigned runs;
    enum mailmod_error error;
    atomic_bool is_done;
};

static enum mailmod_error run_steps(struct mm_store_transaction *t,
                                    const struct work *work)
{
    for (size_t i = 0; i < work->count; i++) {
        enum mailmod_error error = steps[i](t, work->world);
        if (error != MAILMOD_OK) {
            return error;
        }
    }
    return work->fails ? MAILMOD_ERROR_CANCELLED : MAILMOD_OK;
}

static enum mailmod_error run_work(struct mm_store_job *job,
                                   struct mm_store_transaction *t)
{
    struct work *work = MM_LIST_OBJECT(job, struct work, job);
    work->runs++;
    return run_steps(t, work);
}

static void work_done(struct mm_store_job *job, enum mailmod_error error)
{
    struct work *work = MM_LIST_OBJECT(job, struct work, job);
    work->error = error;
    atomic_store(&work->is_done, true);
}

static void add_line(struct mm_buf *out, const char *what, uint64_t number)
{
    assert_int_equal(
        mm_buf_appendf(out, "%s %llu\n", what, (unsigned long long)number),
        MAILMOD_OK);
}

/* All that can be seen of the store. */
static void describe(struct mm_store *store, const struct world *world,
                     struct mm_buf *out)
{
    struct mm_store_secret_key secrets[MM_STORE_SECRETS_MAX];
    struct mm_store_entry_detail detail;
    uint64_t flushes = 0;
    uint64_t changes = 0;
    uint64_t entries = 0;
    uint64_t octets = 0;
    size_t count = 0;
    mm_buf_clear(out);
    dump_store(store, out);
    assert_int_equal(mm_store_flush_count(store, &flushes), MAILMOD_OK);
    add_line(out, "flushes", flushes);
    assert_int_equal(mm_store_user_changes(store, &changes), MAILMOD_OK);
    add_line(out, "changes", changes);
    if (mm_store_mailbox_use(store, world->box, &entries, &octets) ==
        MAILMOD_OK) {
        add_line(out, "entries", entries);
        add_line(out, "octets", octets);
    }
    assert_int_equal(mm_store_list_secrets(store, world->box, secrets, &count),
                     MAILMOD_OK);
    for (size_t i = 0; i < count; i++) {
        add_line(out, secrets[i].label, i);
    }
    if (mm_store_find_entry(store, world->box, 2, &detail) == MAILMOD_OK) {
        add_line(out, detail.uidl, detail.notify);
    }
    struct mm_store_deleted kept[4];
    assert_int_equal(
        mm_store_list_deleted(store, world->box, 0, kept, 4, &count),
        MAILMOD_OK);
    add_line(out, "kept", count);
    add_line(out, "fresh", fixture_has_message(store, world->fresh));
    add_line(out, "its chunk", fixture_has_chunk(store, world->fresh, 1));
}

static void begin(struct fixture *fixture, struct world *world)
{
    world->box = fixture_add_user(fixture->store, "alice");
    world->queued = mm_store_new_message_id(fixture->store);
    world->boxed = mm_store_new_message_id(fixture->store);
    world->fresh = mm_store_new_message_id(fixture->store);
    assert_int_equal(fixture_run(fixture->store, make_world, world),
                     MAILMOD_OK);
}

static void test_each_write_taken_back(void **state)
{
    struct fixture *fixture = *state;
    struct world world;
    struct mm_buf before;
    struct mm_buf after;
    mm_buf_init(&before, TEXT_MAX);
    mm_buf_init(&after, TEXT_MAX);
    begin(fixture, &world);
    describe(fixture->store, &world, &before);
    for (size_t count = 0; count <= STEPS; count++) {
        struct work work = {.job.run = run_work,
                            .world = &world,
                            .count = count,
                            .fails = true};
        assert_int_equal(mm_store_run(fixture->store, &work.job),
                         MAILMOD_ERROR_CANCELLED);
        describe(fixture->store, &world, &after);
        assert_string_equal(mm_buf_cstr(&after), mm_buf_cstr(&before));
        fixture_verify(fixture->store);
    }
    fixture_reopen(fixture);
    describe(fixture->store, &world, &after);
    assert_string_equal(mm_buf_cstr(&after), mm_buf_cstr(&before));
    mm_buf_fini(&after);
    mm_buf_fini(&before);
}

/* Holds the writer until all the others wait behind it: one transaction. */
struct gate {
    struct mm_store_job job;
    atomic_bool is_entered;
    atomic_bool is_open;
    atomic_bool is_done;
};

static enum mailmod_error run_gate(struct mm_store_job *job,
                                   struct mm_store_transaction *t)
{
    struct gate *gate = MM_LIST_OBJECT(job, struct gate, job);
    (void)t;
    atomic_store(&gate->is_entered, true);
    while (!atomic_load(&gate->is_open)) {
        fixture_pause();
    }
    return MAILMOD_OK;
}

static void gate_done(struct mm_store_job *job, enum mailmod_error error)
{
    (void)error;
    atomic_store(&MM_LIST_OBJECT(job, struct gate, job)->is_done, true);
}

static void await(atomic_bool *flag)
{
    while (!atomic_load(flag)) {
        fixture_pause();
    }
}

/* Among others that fail behind each of their writes one is whole, and what it
 * did is there once though it may have run twice. */
static void test_each_write_among_others(void **state)
{
    struct fixture *fixture = *state;
    static struct work works[STEPS + 2];
    struct gate gate = {.job = {.run = run_gate, .done = gate_done}};
    struct world world;
    struct mm_buf text;
    mm_buf_init(&text, TEXT_MAX);
    begin(fixture, &world);
    mm_store_submit(fixture->store, &gate.job);
    await(&gate.is_entered);
    for (size_t i = 0; i < STEPS + 2; i++) {
        memset(&works[i], 0, sizeof works[i]);
        works[i].job.run = run_work;
        works[i].job.done = work_done;
        works[i].world = &world;
        works[i].count = i < STEPS ? i : 8;
        works[i].fails = i != STEPS;
        mm_store_submit(fixture->store, &works[i].job);
    }
    atomic_store(&gate.is_open, true);
    for (size_t i = 0; i < STEPS + 2; i++) {
        await(&works[i].is_done);
        assert_true(works[i].runs >= 1);
        /* The last one meets what the whole one has put. */
        assert_int_equal(works[i].error, i < STEPS    ? MAILMOD_ERROR_CANCELLED
                                         : i == STEPS ? MAILMOD_OK
                                                      : MAILMOD_ERROR_EXISTS);
    }
    await(&gate.is_done);
    describe(fixture->store, &world, &text);
    const char *seen = mm_buf_cstr(&text);
    assert_non_null(
        strstr(seen, "flushes 1\nchanges 0\nentries 3\noctets 206102\n"));
    assert_non_null(strstr(seen, "fresh 1\nits chunk 1\n"));
    assert_non_null(strstr(seen, "<x0@b.net> smart.host 1 9 0 0"));
    fixture_verify(fixture->store);
    mm_buf_fini(&text);
}

int main(void)
{
    static const struct fixture_test tests[] = {
        FIXTURE_TEST(test_each_write_taken_back),
        FIXTURE_TEST(test_each_write_among_others)};
    return fixture_run_contract(tests, sizeof tests / sizeof tests[0]);
}
