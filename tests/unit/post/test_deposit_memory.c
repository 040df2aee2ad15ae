/* test_deposit_memory.c - messages whose memory is short: they come in small
 * pieces and are whole, a header that must stay is put off, and all that was
 * taken comes back. Thread: the test's (the loop). */
#include "arrival.h"

#include "base/limits.h"

#define HEADER "Subject: large\r\n\r\n"

/* Leaves `left` octets of the memory of all. */
static size_t take_all_but(struct arrival *a, size_t left)
{
    size_t size = MM_LIMIT_TEXTS - left;

    assert_true(mm_budget_take(&a->post->texts, size, 0));
    return size;
}

static size_t taken(struct arrival *a)
{
    return atomic_load(&a->post->texts.used);
}

static void receive(struct arrival *a, size_t size, size_t step)
{
    struct mm_buf text;
    uint64_t served = 0;
    size_t head = strlen("Return-Path: <>\r\n");

    memset(arrival_big, 'd', sizeof arrival_big);
    memcpy(arrival_big, HEADER, strlen(HEADER));
    memcpy(arrival_big + size - 2, "\r\n", 2);
    arrival_start(a, "");
    arrival_add_mailbox(a, a->alice);
    arrival_write_all(a, mm_span(arrival_big, size), step);
    arrival_finish(a);
    assert_int_equal(a->error, MAILMOD_OK);
    mm_deposit_abandon(&a->deposit);
    mm_buf_init(&text, 1 << 20);
    arrival_read_whole(a, a->alice, &text, &served);
    assert_int_equal(served, head + size);
    assert_int_equal(mm_buf_size(&text), served);
    assert_memory_equal(mm_buf_span(&text).data + head, arrival_big, size);
    mm_buf_fini(&text);
}

/* Whole in any pieces, with memory for none, for one piece, for all. */
static void test_whole(void **state)
{
    struct arrival *a = *state;
    static const size_t lefts[] = {0, MM_LIMIT_CHUNK + MM_LIMIT_TEXTS / 4,
                                   MM_LIMIT_TEXTS};
    static const size_t sizes[] = {40,    5500,  5544,  5600,   6144,
                                   12300, 57344, 65536, 131072, 199998};
    static const size_t steps[] = {199998, 1448, 6144};

    for (size_t i = 0; i < 3 * 10 * 3; i++) {
        size_t size = take_all_but(a, lefts[i % 3]);

        receive(a, sizes[i / 3 % 10], steps[i / 30]);
        assert_int_equal(taken(a), size);
        mm_budget_give(&a->post->texts, size);
    }
}

/* What one message holds while it waits is counted in pieces. */
static void test_small_pieces(void **state)
{
    struct arrival *a = *state;
    size_t size = take_all_but(a, 0);
    struct mm_buf piece;
    size_t used = 0;

    memset(arrival_big, 'd', sizeof arrival_big);
    memcpy(arrival_big, HEADER, strlen(HEADER));
    mm_buf_init(&piece, MM_LIMIT_CHUNK);
    arrival_start(a, "");
    uint64_t id = mm_deposit_id(a->deposit);
    fake_hold_store(a->store);
    assert_int_equal(mm_deposit_write(a->deposit,
                                      mm_span(arrival_big, sizeof arrival_big),
                                      &used),
                     MAILMOD_OK);
    /* A piece is with the writer, and none fills beside it. */
    assert_in_range(used, MM_LIMIT_TEXT_OWN / 2,
                    MM_LIMIT_TEXT_OWN + strlen(HEADER));
    fake_release_store();
    fake_run(0);
    assert_int_equal(a->rooms, 1);
    assert_int_equal(mm_store_read_chunk(a->store, id, 1, &piece), MAILMOD_OK);
    assert_in_range(mm_buf_size(&piece), MM_LIMIT_TEXT_OWN / 2,
                    MM_LIMIT_TEXT_OWN);
    mm_buf_fini(&piece);
    mm_deposit_abandon(&a->deposit);
    fake_run(0);
    mm_budget_give(&a->post->texts, size);
    assert_int_equal(taken(a), 0);
}

/* A header may use what bodies leave; without any it is put off where a judge
 * might want to change it, and taken in pieces elsewhere. */
static void test_large_header(void **state)
{
    struct arrival *a = *state;
    static char header[20000];
    size_t used = 0;

    for (size_t i = 0; i < sizeof header; i += 50) {
        memset(header + i, 'x', 50);
        memcpy(header + i, "X-A: ", 5);
        memcpy(header + i + 48, "\r\n", 2);
    }
    for (unsigned i = 0; i < 4; i++) {
        bool has_memory = i % 2 == 0;
        size_t size = take_all_but(a, has_memory ? MM_LIMIT_CHUNK : 0);

        a->options.may_change = i >= 2;
        arrival_start(a, "");
        arrival_add_mailbox(a, a->alice);
        enum mailmod_error error = MAILMOD_OK;
        for (size_t at = 0; error == MAILMOD_OK && at < sizeof header;) {
            error = mm_deposit_write(
                a->deposit, mm_span(header + at, sizeof header - at), &used);
            at += used;
            fake_run(0);
        }
        assert_int_equal(error, i == 3 ? MAILMOD_ERROR_MEMORY : MAILMOD_OK);
        assert_int_equal(taken(a), has_memory ? MM_LIMIT_TEXTS : size);
        mm_deposit_abandon(&a->deposit);
        fake_run(0);
        assert_int_equal(taken(a), size);
        mm_budget_give(&a->post->texts, size);
    }
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, arrival_begin, arrival_end)
    const struct CMUnitTest tests[] = {
        TEST(test_whole),
        TEST(test_small_pieces),
        TEST(test_large_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
