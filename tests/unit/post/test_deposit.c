/* test_deposit.c - the life of a deposit: abandoning in each state, a store
 * that fails, the ways without a loop. Thread: the test's (the loop); the
 * writer is real. */
#include "arrival.h"

static uint64_t identifier(struct arrival *a)
{
    uint64_t id = 0;

    assert_true(mm_message_id_parse(
        mm_span_cstr(mm_deposit_identifier(a->deposit)), &id));
    return id;
}

/* Abandoned before, between and while the writer has a piece: nothing of it
 * stays, and nobody is called. */
static void test_abandon(void **state)
{
    struct arrival *a = *state;

    memset(arrival_big, 'c', sizeof arrival_big);
    for (int stage = 0; stage < 4; stage++) {
        size_t used = 0;
        uint64_t id;

        arrival_start(a, "");
        id = identifier(a);
        if (stage == 1) {
            arrival_write_all(a, mm_span(arrival_big, 100),
                              100); /* nothing stored yet */
        } else if (stage == 2) {
            arrival_write_all(a, mm_span(arrival_big, sizeof arrival_big),
                              sizeof arrival_big);
            fake_run(0); /* pieces on disk, the writer idle */
            assert_true(arrival_has_chunk(a, id, 1));
        } else if (stage == 3) {
            fake_hold_store(a->store);
            assert_int_equal(
                mm_deposit_write(a->deposit,
                                 mm_span(arrival_big, sizeof arrival_big),
                                 &used),
                MAILMOD_OK);
            assert_true(used < sizeof arrival_big); /* a piece is in hand */
        }
        mm_deposit_abandon(&a->deposit);
        assert_null(a->deposit);
        if (stage == 3) {
            assert_int_equal(mm_post_busy(a->post), 1);
            a->rooms = 0;
            fake_release_store();
        }
        fake_run(0);
        assert_int_equal(mm_post_busy(a->post), 0);
        assert_false(arrival_has_chunk(a, id, 0));
        assert_false(arrival_has_chunk(a, id, 1));
        assert_true(stage != 3 || a->rooms == 0);
        assert_int_equal(a->finished, 0);
    }
}

/* The peer goes while the last transaction runs: the message is kept, for it
 * may have been taken for accepted. */
static void test_abandon_while_finishing(void **state)
{
    struct arrival *a = *state;
    static struct arrival_rows rows;

    arrival_start(a, "");
    arrival_add_remote(a, "dave@example.net", "example.net");
    arrival_write_all(a, mm_span(arrival_big, sizeof arrival_big),
                      sizeof arrival_big);
    fake_run(0);
    fake_hold_store(a->store);
    mm_deposit_finish(a->deposit, false);
    mm_deposit_abandon(&a->deposit);
    fake_release_store();
    fake_run(0);
    assert_int_equal(a->finished, 0);
    assert_int_equal(a->wakes, 1); /* it is in the queue all the same */
    arrival_list(a, &rows);
    assert_int_equal(rows.count, 1);
    assert_true(arrival_has_chunk(a, rows.message.id, 0));
    assert_true(arrival_has_chunk(a, rows.message.id, 1));
}

/* Finished while a piece is still with the writer. */
static void test_finish_behind_a_piece(void **state)
{
    struct arrival *a = *state;
    size_t used = 0;

    arrival_start(a, "");
    arrival_add_mailbox(a, a->alice);
    fake_hold_store(a->store);
    assert_int_equal(
        mm_deposit_write(a->deposit, mm_span(arrival_big, 130000), &used),
        MAILMOD_OK);
    assert_int_equal(used, 130000);
    mm_deposit_finish(a->deposit, false);
    fake_release_store();
    fake_run(0);
    assert_int_equal(a->finished, 1);
    assert_int_equal(a->error, MAILMOD_OK);
    assert_int_equal(arrival_entries(a, a->alice), 1);
}

/* A piece whose number is taken already makes its job fail, as any failure of
 * the store would. */
static enum mailmod_error run_block(struct mm_store_job *job,
                                    struct mm_store_transaction *transaction);

struct block {
    struct mm_store_job job;
    uint64_t id;
    unsigned number;
};

static enum mailmod_error run_block(struct mm_store_job *job,
                                    struct mm_store_transaction *transaction)
{
    struct block *block = MM_LIST_OBJECT(job, struct block, job);

    return mm_store_put_chunk(transaction, block->id, block->number,
                              mm_span_cstr("in the way"));
}

static void block_piece(struct arrival *a, unsigned number)
{
    struct block block = {
        .job.run = run_block, .id = identifier(a), .number = number};

    assert_int_equal(mm_store_run(a->store, &block.job), MAILMOD_OK);
}

static void test_store_fails(void **state)
{
    struct arrival *a = *state;

    /* The first piece comes at the end; there is no fourth. */
    for (unsigned number = 0; number < 4; number++) {
        enum mailmod_error error = MAILMOD_OK;
        struct mm_span rest = mm_span(arrival_big, 130000);

        arrival_start(a, "");
        arrival_add_mailbox(a, a->alice);
        block_piece(a, number);
        while (error == MAILMOD_OK && rest.size > 0) {
            size_t used = 0;

            error = mm_deposit_write(a->deposit, rest, &used);
            rest = mm_span_from(rest, used);
            fake_run(0);
        }
        mm_deposit_finish(a->deposit, false);
        fake_run(0);
        assert_int_equal(arrival_entries(a, a->alice), number == 3 ? 1 : 0);
        assert_int_equal(a->finished, number + 1);
        assert_true((a->error == MAILMOD_OK) == (number == 3));
        mm_deposit_abandon(&a->deposit);
        fake_run(0);
    }
}

static void test_no_memory(void **state)
{
    struct arrival *a = *state;
    enum mailmod_error error = MAILMOD_ERROR_MEMORY;

    for (unsigned long n = 1; error != MAILMOD_OK; n++) {
        size_t used = 0;

        assert_true(n < 50);
        mm_mem_set_fault(n, 0);
        error = arrival_try_start(a, "dave@example.net");
        if (error == MAILMOD_OK) {
            error = arrival_try_mailbox(a, a->alice);
        }
        if (error == MAILMOD_OK) {
            error = arrival_try_remote(a, "dave@example.net", "d");
        }
        if (error == MAILMOD_OK) {
            error =
                mm_deposit_write(a->deposit, mm_span(arrival_big, 10), &used);
        }
        mm_mem_set_fault(0, 0);
        assert_true(error == MAILMOD_OK || error == MAILMOD_ERROR_MEMORY);
        if (error == MAILMOD_OK) {
            arrival_finish(a);
            assert_int_equal(a->error, MAILMOD_OK);
        }
        mm_deposit_abandon(&a->deposit);
        assert_int_equal(mm_post_busy(a->post), 0);
    }
}

/* A thread that may block: the same calls wait. */
static void test_without_a_loop(void **state)
{
    struct arrival *a = *state;
    struct mm_buf text;
    uint64_t served = 0;
    size_t used = 0;

    memset(arrival_big, 'c', sizeof arrival_big);
    a->options.loop = NULL;
    arrival_start(a, "");
    arrival_add_mailbox(a, a->alice);
    assert_int_equal(mm_deposit_write(a->deposit,
                                      mm_span(arrival_big, sizeof arrival_big),
                                      &used),
                     MAILMOD_OK);
    assert_int_equal(used, sizeof arrival_big);
    mm_deposit_finish(a->deposit, false);
    assert_int_equal(a->finished, 1);
    assert_int_equal(a->error, MAILMOD_OK);
    mm_deposit_abandon(&a->deposit);
    mm_buf_init(&text, 1 << 20);
    arrival_read_whole(a, a->alice, &text, &served);
    assert_int_equal(mm_buf_size(&text), served);
    assert_int_equal(served, 17 + 2 + sizeof arrival_big + 2);
    mm_buf_fini(&text);
}

/* What it stored is dropped before the abandon returns. */
static void test_abandon_without_a_loop(void **state)
{
    struct arrival *a = *state;
    size_t used = 0;

    a->options.loop = NULL;
    arrival_start(a, "");
    assert_int_equal(mm_deposit_write(a->deposit,
                                      mm_span(arrival_big, sizeof arrival_big),
                                      &used),
                     MAILMOD_OK);
    uint64_t id = mm_deposit_id(a->deposit);
    assert_true(arrival_has_chunk(a, id, 1));
    mm_deposit_abandon(&a->deposit);
    assert_false(arrival_has_chunk(a, id, 1));
    assert_int_equal(mm_post_busy(a->post), 0);
}

struct joined {
    struct mm_store_job job;
    struct arrival *arrival;
    bool fails;
};

static enum mailmod_error run_joined(struct mm_store_job *job,
                                     struct mm_store_transaction *transaction)
{
    struct joined *joined = MM_LIST_OBJECT(job, struct joined, job);
    struct arrival *a = joined->arrival;
    size_t used = 0;

    arrival_start(a, "");
    mm_deposit_join(a->deposit, transaction);
    arrival_add_mailbox(a, a->alice);
    assert_int_equal(mm_deposit_write(a->deposit,
                                      mm_span(arrival_big, sizeof arrival_big),
                                      &used),
                     MAILMOD_OK);
    assert_int_equal(used, sizeof arrival_big);
    assert_int_equal(mm_deposit_put(a->deposit, false), MAILMOD_OK);
    mm_deposit_abandon(&a->deposit);
    return joined->fails ? MAILMOD_ERROR_CANCELLED : MAILMOD_OK;
}

/* Part of another's transaction, and gone with it. */
static void test_join(void **state)
{
    struct arrival *a = *state;
    struct joined joined = {.job.run = run_joined, .arrival = a, .fails = true};
    struct mm_buf text;
    uint64_t served = 0;

    memset(arrival_big, 'c', sizeof arrival_big);
    assert_int_equal(mm_store_run(a->store, &joined.job),
                     MAILMOD_ERROR_CANCELLED);
    assert_int_equal(arrival_entries(a, a->alice), 0);
    joined.fails = false;
    assert_int_equal(mm_store_run(a->store, &joined.job), MAILMOD_OK);
    assert_int_equal(arrival_entries(a, a->alice), 1);
    mm_buf_init(&text, 1 << 20);
    arrival_read_whole(a, a->alice, &text, &served);
    assert_int_equal(mm_buf_size(&text), served);
    mm_buf_fini(&text);
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, arrival_begin, arrival_end)
    const struct CMUnitTest tests[] = {
        TEST(test_abandon),
        TEST(test_abandon_while_finishing),
        TEST(test_finish_behind_a_piece),
        TEST(test_store_fails),
        TEST(test_no_memory),
        TEST(test_without_a_loop),
        TEST(test_abandon_without_a_loop),
        TEST(test_join),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
