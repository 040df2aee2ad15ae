/* test_memory.c - what the store in memory has beside the contract: faults by
 * number, a power that goes, and runs that are equal to the octet. */
#include "fixture.h"

#include "dump.h"

#include <stdlib.h>
#include <string.h>

static int64_t at_noon(void *context)
{
    (void)context;
    return 1800000000000;
}

static void open_stepped(struct fixture *fixture)
{
    struct mm_memory_options options = {
        .disk = fixture->disk, .is_stepped = true, .wall_ms = at_noon};
    assert_int_equal(mm_memory_open(&fixture->store, &options), MAILMOD_OK);
}

static int begin(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    assert_int_equal(mm_memory_disk_new(&fixture->disk, 4711), MAILMOD_OK);
    open_stepped(fixture);
    *state = fixture;
    return 0;
}

static int end(void **state)
{
    struct fixture *fixture = *state;
    mm_store_close(&fixture->store);
    mm_memory_disk_free(&fixture->disk);
    free(fixture);
    return 0;
}

static void restart(struct fixture *fixture)
{
    mm_store_close(&fixture->store);
    open_stepped(fixture);
}

struct mail {
    struct mm_store_job job;
    uint64_t box;
    uint64_t id;
    unsigned runs;
    bool is_done;
    enum mailmod_error error;
};

static enum mailmod_error put_mail(struct mm_store_job *job,
                                   struct mm_store_transaction *t)
{
    struct mail *mail = MM_LIST_OBJECT(job, struct mail, job);
    mail->runs++;
    enum mailmod_error error = fixture_put_body(t, mail->id, 1000);
    if (error == MAILMOD_OK) {
        error = fixture_put_row(t, mail->id, 1000);
    }
    return error == MAILMOD_OK
               ? mm_store_put_entry(t, mail->box, mail->id, 1034)
               : error;
}

static void mail_done(struct mm_store_job *job, enum mailmod_error error)
{
    struct mail *mail = MM_LIST_OBJECT(job, struct mail, job);
    mail->is_done = true;
    mail->error = error;
}

static void submit(struct fixture *fixture, struct mail *mail, uint64_t box)
{
    *mail = (struct mail){.job = {.run = put_mail, .done = mail_done},
                          .box = box,
                          .id = mm_store_new_message_id(fixture->store)};
    mm_store_submit(fixture->store, &mail->job);
}

/* Nothing runs before somebody steps; one step is one transaction. */
static void test_steps(void **state)
{
    struct fixture *fixture = *state;
    struct mail mails[3];
    uint64_t box = fixture_add_user(fixture->store, "alice");
    for (int i = 0; i < 3; i++) {
        submit(fixture, &mails[i], box);
        assert_false(mails[i].is_done);
    }
    assert_int_equal(fixture_count_entries(fixture->store, box), 0);
    assert_true(mm_memory_step(fixture->store));
    for (int i = 0; i < 3; i++) {
        assert_true(mails[i].is_done);
        assert_int_equal(mails[i].error, MAILMOD_OK);
        assert_int_equal(mails[i].runs, 1);
    }
    assert_false(mm_memory_step(fixture->store));
    assert_int_equal(fixture_count_entries(fixture->store, box), 3);
}

/* The n-th write fails: its job alone, and the others are run again. */
static void test_failing_writes(void **state)
{
    struct fixture *fixture = *state;
    uint64_t box = fixture_add_user(fixture->store, "alice");
    size_t kept = 0;
    for (uint64_t nth = 1; nth <= 9; nth++) {
        struct mail mails[3];
        size_t failed = 0;
        mm_memory_fail(fixture->disk, MM_MEMORY_FAULT_WRITE, nth,
                       MAILMOD_ERROR_STORAGE_FULL);
        for (int i = 0; i < 3; i++) {
            submit(fixture, &mails[i], box);
        }
        assert_true(mm_memory_step(fixture->store));
        for (int i = 0; i < 3; i++) {
            failed += mails[i].error != MAILMOD_OK;
        }
        /* Once: who is run again meets no fault. */
        assert_int_equal(failed, 0);
        kept += 3;
        assert_int_equal(fixture_count_entries(fixture->store, box), kept);
        fixture_verify(fixture->store);
        assert_true(mm_store_is_writable(fixture->store));
    }
}

static void test_failing_commits(void **state)
{
    struct fixture *fixture = *state;
    struct mail mails[2];
    uint64_t box = fixture_add_user(fixture->store, "alice");
    mm_memory_fail(fixture->disk, MM_MEMORY_FAULT_COMMIT, 1,
                   MAILMOD_ERROR_STORAGE);
    submit(fixture, &mails[0], box);
    submit(fixture, &mails[1], box);
    assert_true(mm_memory_step(fixture->store));
    assert_int_equal(mails[0].error, MAILMOD_ERROR_STORAGE);
    assert_int_equal(mails[1].error, MAILMOD_ERROR_STORAGE);
    assert_false(mm_store_is_writable(fixture->store));
    assert_int_equal(fixture_count_entries(fixture->store, box), 0);
    assert_false(fixture_has_chunk(fixture->store, mails[0].id, 0));
    /* It comes back by itself. */
    assert_false(mm_memory_step(fixture->store));
    assert_true(mm_store_is_writable(fixture->store));
    assert_int_not_equal(fixture_deliver(fixture->store, 10, &box, 1), 0);
    fixture_verify(fixture->store);
}

static void test_room(void **state)
{
    struct fixture *fixture = *state;
    uint64_t box = fixture_add_user(fixture->store, "alice");
    mm_memory_set_room(fixture->disk, 3000);
    assert_int_not_equal(fixture_try_deliver(fixture->store, 2000, &box, 1), 0);
    assert_int_equal(fixture_try_deliver(fixture->store, 1001, &box, 1), 0);
    assert_int_not_equal(fixture_try_deliver(fixture->store, 1000, &box, 1), 0);
    assert_int_equal(fixture_remove(fixture->store, box, 1), MAILMOD_OK);
    /* The reserve is kept free of new mail. */
    mm_store_set_free_space_min(fixture->store, 1500);
    assert_int_equal(fixture_try_deliver(fixture->store, 501, &box, 1), 0);
    assert_int_not_equal(fixture_try_deliver(fixture->store, 500, &box, 1), 0);
}

/* The power goes at each commit in turn, before it or behind it: what was
 * answered with OK is there, what was not is whole or not there. */
static void test_power(void **state)
{
    struct fixture *fixture = *state;
    uint64_t box = fixture_add_user(fixture->store, "alice");
    size_t kept = 0;
    for (uint64_t nth = 1; nth <= 12; nth++) {
        struct mail mails[8];
        bool is_behind = nth % 2 == 0;
        mm_memory_fail(fixture->disk,
                       is_behind ? MM_MEMORY_FAULT_POWER_AFTER
                                 : MM_MEMORY_FAULT_POWER,
                       (nth + 1) / 2, MAILMOD_ERROR_STORAGE);
        for (size_t i = 0; i < 8; i++) {
            submit(fixture, &mails[i], box);
            assert_true(mm_memory_step(fixture->store));
        }
        size_t answered = 0;
        for (size_t i = 0; i < 8; i++) {
            answered += mails[i].error == MAILMOD_OK;
        }
        assert_int_equal(answered, (nth + 1) / 2 - 1);
        restart(fixture);
        kept += answered + is_behind;
        assert_int_equal(fixture_count_entries(fixture->store, box), kept);
        for (size_t i = 0; i < 8; i++) {
            assert_int_equal(fixture_has_message(fixture->store, mails[i].id),
                             i < answered + is_behind);
        }
        fixture_verify(fixture->store);
    }
}

static enum mailmod_error put_half(struct mm_store_transaction *t,
                                   void *context)
{
    return fixture_put_body(t, *(uint64_t *)context, 70000);
}

/* What never became a message goes at the restart. */
static void test_restart_sweeps(void **state)
{
    struct fixture *fixture = *state;
    uint64_t id = mm_store_new_message_id(fixture->store);
    assert_int_equal(fixture_run(fixture->store, put_half, &id), MAILMOD_OK);
    assert_true(fixture_has_chunk(fixture->store, id, 1));
    restart(fixture);
    assert_false(fixture_has_chunk(fixture->store, id, 0));
    assert_false(fixture_has_chunk(fixture->store, id, 1));
    /* A disk has one store. */
    struct mm_store *other;
    struct mm_memory_options options = {.disk = fixture->disk};
    assert_int_equal(mm_memory_open(&other, &options), MAILMOD_ERROR_BUSY);
}

static void play(struct mm_buf *out)
{
    struct fixture fixture = {.store = NULL};
    uint8_t secret[32];
    assert_int_equal(mm_memory_disk_new(&fixture.disk, 99), MAILMOD_OK);
    open_stepped(&fixture);
    uint64_t box = fixture_add_user(fixture.store, "alice");
    for (int i = 0; i < 50; i++) {
        (void)fixture_deliver(fixture.store, 100, &box, 1);
    }
    assert_int_equal(mm_store_secret(fixture.store, secret), MAILMOD_OK);
    assert_int_equal(mm_buf_append(out, (const char *)secret, sizeof secret),
                     MAILMOD_OK);
    dump_store(fixture.store, out);
    mm_store_close(&fixture.store);
    mm_memory_disk_free(&fixture.disk);
}

static void test_two_runs_are_equal(void **state)
{
    struct mm_buf first;
    struct mm_buf second;
    (void)state;
    mm_buf_init(&first, 1 << 20);
    mm_buf_init(&second, 1 << 20);
    play(&first);
    play(&second);
    assert_int_equal(mm_buf_size(&first), mm_buf_size(&second));
    assert_memory_equal(mm_buf_cstr(&first), mm_buf_cstr(&second),
                        mm_buf_size(&first));
    mm_buf_fini(&second);
    mm_buf_fini(&first);
}

/* Each allocation fails once: an error, and nothing is half there. */
static void test_want_of_memory(void **state)
{
    struct fixture *fixture = *state;
    uint64_t box = fixture_add_user(fixture->store, "alice");
    unsigned long number = 0;
    unsigned long made = 1;
    size_t kept = 0;
    while (made >= number) {
        struct mail mail;
        submit(fixture, &mail, box);
        (void)mm_mem_set_fault(++number, 0);
        assert_true(mm_memory_step(fixture->store));
        made = mm_mem_set_fault(0, 0);
        assert_true(mail.error == MAILMOD_OK ||
                    mail.error == MAILMOD_ERROR_MEMORY);
        kept += mail.error == MAILMOD_OK;
        assert_int_equal(fixture_count_entries(fixture->store, box), kept);
        fixture_verify(fixture->store);
    }
    assert_true(number > 5);
}

#define STEPPED(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STEPPED(test_steps),
        STEPPED(test_failing_writes),
        STEPPED(test_failing_commits),
        STEPPED(test_room),
        STEPPED(test_power),
        STEPPED(test_restart_sweeps),
        cmocka_unit_test(test_two_runs_are_equal),
        STEPPED(test_want_of_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
