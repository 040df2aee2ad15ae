/* test_incoming.c - a message on its way into the store: pieces of every size
 * about the chunk's, the last line's end, abandoning in each state, and a store
 * that fails. Thread: the test's (the loop); the writer is real. */
#include "mailbox/mailbox.h"
#include "rig.h"
#include "server/incoming.h"

struct arrival {
    struct mm_store *store;
    struct mm_incoming_options options;
    struct mm_incoming *incoming;
    uint64_t alice, bob;
    atomic_size_t live;
    unsigned rooms, finished, wakes;
    enum mailmod_error error;
};

static void on_room(void *context)
{
    ((struct arrival *)context)->rooms++;
}

static void on_finished(void *context, enum mailmod_error error)
{
    struct arrival *a = context;

    a->finished++;
    a->error = error;
}

static void wake(void *context)
{
    ((struct arrival *)context)->wakes++;
}

static int begin(void **state)
{
    struct arrival *a = mm_alloc(sizeof *a);

    assert_non_null(a);
    assert_int_equal(mm_store_open_memory(&a->store, NULL), MAILMOD_OK);
    fake_open(a->store);
    a->alice = rig_add_user(a->store, "alice", false);
    a->bob = rig_add_user(a->store, "bob", false);
    a->options = (struct mm_incoming_options){.loop = fake_loop(),
                                              .store = a->store,
                                              .lifetime_ms = 1000,
                                              .on_room = on_room,
                                              .on_finished = on_finished,
                                              .context = a,
                                              .wake = wake,
                                              .wake_context = a,
                                              .live = &a->live};
    *state = a;
    return 0;
}

static int end(void **state)
{
    struct arrival *a = *state;

    mm_incoming_abandon(&a->incoming);
    fake_run(1);
    assert_int_equal(atomic_load(&a->live), 0);
    mm_store_close(&a->store);
    fake_close();
    mm_free(a);
    return 0;
}

static void start(struct arrival *a, const char *reverse_path)
{
    struct mm_address path = rig_address(reverse_path);
    struct mm_mail_parameters parameters = {.dsn_return = MM_DSN_RETURN_FULL};

    snprintf(parameters.envelope_id, sizeof parameters.envelope_id, "env-1");
    assert_int_equal(
        mm_incoming_new(&a->incoming, &a->options, &path, &parameters),
        MAILMOD_OK);
}

/* Writes all in pieces of `step`, waiting for room as a session does. */
static void write_all(struct arrival *a, struct mm_span data, size_t step)
{
    while (data.size > 0) {
        size_t size = data.size < step ? data.size : step;
        unsigned rooms = a->rooms;
        size_t used = 0;

        assert_int_equal(
            mm_incoming_write(a->incoming, mm_span(data.data, size), &used),
            MAILMOD_OK);
        data = mm_span_from(data, used);
        if (used < size) {
            fake_run(0);
            assert_int_equal(a->rooms, rooms + 1);
        }
    }
}

static void finish(struct arrival *a)
{
    unsigned finished = a->finished;

    mm_incoming_finish(a->incoming, false);
    assert_int_equal(a->finished, finished); /* not before it is on disk */
    fake_run(0);
    assert_int_equal(a->finished, finished + 1);
}

static void read_whole(struct arrival *a, uint64_t mailbox_id,
                       struct mm_buf *text, uint64_t *size_out)
{
    struct mm_mailbox_locks *locks = NULL;
    struct mm_mailbox *mailbox = NULL;
    struct mm_buf piece;
    size_t last;
    enum mailmod_error error = MAILMOD_OK;

    assert_int_equal(mm_mailbox_locks_new(&locks), MAILMOD_OK);
    assert_int_equal(mm_mailbox_open(&mailbox, a->store, locks, mailbox_id),
                     MAILMOD_OK);
    assert_true(mm_mailbox_count(mailbox) > 0);
    last = mm_mailbox_count(mailbox) - 1;
    *size_out = mm_mailbox_entry(mailbox, last)->size;
    mm_buf_init(&piece, 2 * MM_LIMIT_CHUNK);
    for (unsigned i = 0; error == MAILMOD_OK; i++) {
        error = mm_mailbox_read(mailbox, last, i, &piece);
        if (error == MAILMOD_OK) {
            assert_int_equal(mm_buf_append_span(text, mm_buf_span(&piece)),
                             MAILMOD_OK);
        }
    }
    assert_int_equal(error, MAILMOD_ERROR_NOT_FOUND);
    mm_buf_fini(&piece);
    mm_mailbox_close(&mailbox);
    mm_mailbox_locks_free(&locks);
}

/* Every size about one and two chunks comes back whole, and the entry's size is
 * what is served. */
static void test_sizes(void **state)
{
    struct arrival *a = *state;
    static const size_t bases[] = {0, 65536, 131072};
    static const size_t steps[] = {1000000, 65536, 4097};
    static char body[140000];

    for (size_t i = 0; i < sizeof body; i++) {
        body[i] = (char)('a' + i % 23);
    }
    for (size_t i = 0; i < 3 * 21 * 3; i++) {
        size_t step = steps[i % 3];
        size_t size = bases[i / 3 % 3] + i / 9;
        struct mm_buf text;
        uint64_t served = 0;

        start(a, "<carol@example.net>");
        assert_int_equal(
            mm_incoming_stamp(a->incoming, mm_span_cstr("R: x\r\n")),
            MAILMOD_OK);
        assert_int_equal(mm_incoming_add_local(a->incoming, a->alice),
                         MAILMOD_OK);
        size = size > 10 ? size - 10 : size;
        body[size] = '\r';
        body[size + 1] = '\n';
        write_all(a, mm_span(body, size + 2), step);
        finish(a);
        assert_int_equal(a->error, MAILMOD_OK);
        mm_incoming_abandon(&a->incoming);
        mm_buf_init(&text, 1 << 20);
        read_whole(a, a->alice, &text, &served);
        assert_int_equal(mm_buf_size(&text), served);
        assert_int_equal(served, 34 + 6 + size + 2);
        assert_memory_equal(mm_buf_span(&text).data,
                            "Return-Path: <carol@example.net>\r\nR: x\r\n", 40);
        assert_memory_equal(mm_buf_span(&text).data + 40, body, size + 2);
        body[size] = (char)('a' + size % 23);
        body[size + 1] = (char)('a' + (size + 1) % 23);
        mm_buf_fini(&text);
    }
}

/* A last line without its end gets one, wherever the pieces were cut. */
static void test_last_line(void **state)
{
    struct arrival *a = *state;
    static const struct {
        const char *body;
        const char *stored;
    } rows[] = {{"", "\r\n"},       {"x", "x\r\n"},
                {"x\r\n", "x\r\n"}, {"x\r\n\r\n", "x\r\n\r\n"},
                {"\r\n", "\r\n"},   {"x\r\ny", "x\r\ny\r\n"}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t step = 1; step < 4; step++) {
            struct mm_buf text;
            uint64_t served = 0;

            start(a, "<>");
            assert_int_equal(mm_incoming_add_local(a->incoming, a->alice),
                             MAILMOD_OK);
            write_all(a, mm_span_cstr(rows[i].body), step);
            finish(a);
            assert_int_equal(mm_incoming_size(a->incoming),
                             strlen(rows[i].stored));
            mm_incoming_abandon(&a->incoming);
            mm_buf_init(&text, 1000);
            read_whole(a, a->alice, &text, &served);
            assert_int_equal(mm_buf_size(&text), served);
            assert_string_equal(mm_buf_cstr(&text) +
                                    strlen("Return-Path: <>\r\n"),
                                rows[i].stored);
            mm_buf_fini(&text);
        }
    }
}

/* A last line that ends exactly where a piece is full. */
static void test_last_line_at_a_full_piece(void **state)
{
    struct arrival *a = *state;
    static char body[65540];

    memset(body, 'b', sizeof body);
    for (size_t size = 65530; size <= 65540; size++) {
        struct mm_buf text;
        uint64_t served = 0;

        start(a, "<>");
        assert_int_equal(mm_incoming_add_local(a->incoming, a->alice),
                         MAILMOD_OK);
        write_all(a, mm_span(body, size), sizeof body);
        finish(a);
        assert_int_equal(a->error, MAILMOD_OK);
        mm_incoming_abandon(&a->incoming);
        mm_buf_init(&text, 1 << 20);
        read_whole(a, a->alice, &text, &served);
        assert_int_equal(served, 17 + size + 2);
        assert_int_equal(mm_buf_size(&text), served);
        assert_memory_equal(mm_buf_span(&text).data + 17 + size, "\r\n", 2);
        mm_buf_fini(&text);
    }
}

static size_t entries(struct arrival *a, uint64_t mailbox_id)
{
    struct mm_store_entry *list = NULL;
    size_t count = 0;

    assert_int_equal(mm_store_list_entries(a->store, mailbox_id, &list, &count),
                     MAILMOD_OK);
    mm_free(list);
    return count;
}

struct rows {
    struct mm_store_recipient items[8];
    struct mm_store_message message;
    size_t count;
};

static bool on_row(void *context, const struct mm_store_message *message,
                   const struct mm_store_recipient *recipient)
{
    struct rows *rows = context;

    rows->message = *message;
    rows->items[rows->count++] = *recipient;
    return rows->count < 8;
}

static void list(struct arrival *a, struct rows *rows)
{
    rows->count = 0;
    assert_int_equal(mm_store_each_recipient(a->store, 0, on_row, rows),
                     MAILMOD_OK);
}

static void test_envelope(void **state)
{
    struct arrival *a = *state;
    struct mm_address elsewhere = rig_address("<Dave@example.net>");
    struct mm_rcpt_parameters parameters = {.notify = MM_DSN_NOTIFY_FAILURE};
    static struct rows rows;

    snprintf(parameters.original_recipient,
             sizeof parameters.original_recipient, "rfc822;dave@example.com");
    start(a, "<carol@example.net>");
    assert_int_equal(mm_incoming_add_local(a->incoming, a->alice), MAILMOD_OK);
    assert_int_equal(mm_incoming_add_local(a->incoming, a->alice), MAILMOD_OK);
    assert_int_equal(mm_incoming_add_local(a->incoming, a->bob), MAILMOD_OK);
    assert_false(mm_incoming_is_outgoing(a->incoming));
    assert_int_equal(mm_incoming_add_remote(a->incoming, &elsewhere,
                                            "example.net", &parameters),
                     MAILMOD_OK);
    assert_true(mm_incoming_is_outgoing(a->incoming));
    assert_int_equal(mm_incoming_recipient_count(a->incoming), 4);
    write_all(a, mm_span_cstr("x\r\n"), 10);
    mm_incoming_finish(a->incoming, true);
    fake_run(0);
    assert_int_equal(a->error, MAILMOD_OK);
    assert_int_equal(a->wakes, 1);
    assert_int_equal(entries(a, a->alice), 1); /* twice is one copy */
    assert_int_equal(entries(a, a->bob), 1);
    list(a, &rows);
    assert_int_equal(rows.count, 1);
    assert_string_equal(rows.items[0].path, "Dave@example.net");
    assert_string_equal(rows.items[0].destination, "example.net");
    assert_string_equal(rows.items[0].original_recipient,
                        "rfc822;dave@example.com");
    assert_int_equal(rows.items[0].notify, MM_DSN_NOTIFY_FAILURE);
    assert_int_equal(rows.items[0].expires_ms - rows.message.arrival_ms, 1000);
    assert_string_equal(rows.message.reverse_path, "carol@example.net");
    assert_string_equal(rows.message.envelope_id, "env-1");
    assert_int_equal(rows.message.dsn_return, MM_DSN_RETURN_FULL);
    assert_true(rows.message.is_8bit);
    assert_int_equal(rows.message.size, 3);
}

/* A local message wakes nobody. */
static void test_local_does_not_wake(void **state)
{
    struct arrival *a = *state;

    start(a, "<>");
    assert_int_equal(mm_incoming_add_local(a->incoming, a->alice), MAILMOD_OK);
    finish(a);
    assert_int_equal(a->wakes, 0);
}

/* A user who went since RCPT loses the copy, the other one does not. */
static void test_user_goes_meanwhile(void **state)
{
    struct arrival *a = *state;

    start(a, "<>");
    assert_int_equal(mm_incoming_add_local(a->incoming, a->alice), MAILMOD_OK);
    assert_int_equal(mm_incoming_add_local(a->incoming, a->bob), MAILMOD_OK);
    rig_remove_user(a->store, "alice");
    finish(a);
    assert_int_equal(a->error, MAILMOD_OK);
    assert_int_equal(entries(a, a->bob), 1);
}

static bool has_chunk(struct arrival *a, uint64_t id)
{
    struct mm_buf chunk;
    enum mailmod_error error;

    mm_buf_init(&chunk, MM_LIMIT_CHUNK);
    error = mm_store_read_chunk(a->store, id, 0, &chunk);
    mm_buf_fini(&chunk);
    assert_true(error == MAILMOD_OK || error == MAILMOD_ERROR_NOT_FOUND);
    return error == MAILMOD_OK;
}

static uint64_t identifier(struct arrival *a)
{
    uint64_t id = 0;

    assert_true(mm_message_id_parse(
        mm_span_cstr(mm_incoming_identifier(a->incoming)), &id));
    return id;
}

static char big[200000];

/* Abandoned before, between and while the writer has a piece: nothing of it
 * stays, and nobody is called. */
static void test_abandon(void **state)
{
    struct arrival *a = *state;

    memset(big, 'c', sizeof big);
    for (int stage = 0; stage < 4; stage++) {
        size_t used = 0;
        uint64_t id;

        start(a, "<>");
        id = identifier(a);
        if (stage == 1) {
            write_all(a, mm_span(big, 100), 100); /* nothing stored yet */
        } else if (stage == 2) {
            write_all(a, mm_span(big, sizeof big), sizeof big);
            fake_run(0); /* pieces on disk, the writer idle */
            assert_true(has_chunk(a, id));
        } else if (stage == 3) {
            fake_hold_store(a->store);
            assert_int_equal(
                mm_incoming_write(a->incoming, mm_span(big, sizeof big), &used),
                MAILMOD_OK);
            assert_true(used < sizeof big); /* a piece is in hand */
        }
        mm_incoming_abandon(&a->incoming);
        assert_null(a->incoming);
        if (stage == 3) {
            assert_int_equal(atomic_load(&a->live), 1);
            a->rooms = 0;
            fake_release_store();
        }
        fake_run(0);
        assert_int_equal(atomic_load(&a->live), 0);
        assert_false(has_chunk(a, id));
        assert_true(stage != 3 || a->rooms == 0);
        assert_int_equal(a->finished, 0);
    }
}

/* The peer goes while the last transaction runs: the message is kept, for it
 * may have been taken for accepted. */
static void test_abandon_while_finishing(void **state)
{
    struct arrival *a = *state;
    struct mm_address elsewhere = rig_address("<dave@example.net>");
    struct mm_rcpt_parameters parameters = {0};
    static struct rows rows;

    start(a, "<>");
    assert_int_equal(mm_incoming_add_remote(a->incoming, &elsewhere,
                                            "example.net", &parameters),
                     MAILMOD_OK);
    write_all(a, mm_span(big, sizeof big), sizeof big);
    fake_run(0);
    fake_hold_store(a->store);
    mm_incoming_finish(a->incoming, false);
    mm_incoming_abandon(&a->incoming);
    fake_release_store();
    fake_run(0);
    assert_int_equal(a->finished, 0);
    assert_int_equal(a->wakes, 1); /* it is in the queue all the same */
    list(a, &rows);
    assert_int_equal(rows.count, 1);
    assert_true(has_chunk(a, rows.message.id));
}

/* Finished while a piece is still with the writer. */
static void test_finish_behind_a_piece(void **state)
{
    struct arrival *a = *state;
    size_t used = 0;

    start(a, "<>");
    assert_int_equal(mm_incoming_add_local(a->incoming, a->alice), MAILMOD_OK);
    fake_hold_store(a->store);
    assert_int_equal(mm_incoming_write(a->incoming, mm_span(big, 70000), &used),
                     MAILMOD_OK);
    assert_int_equal(used, 70000);
    mm_incoming_finish(a->incoming, false);
    fake_release_store();
    fake_run(0);
    assert_int_equal(a->finished, 1);
    assert_int_equal(a->error, MAILMOD_OK);
    assert_int_equal(entries(a, a->alice), 1);
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

    for (unsigned number = 0; number < 3; number++) {
        enum mailmod_error error = MAILMOD_OK;
        struct mm_span rest = mm_span(big, 70000);

        start(a, "<>");
        assert_int_equal(mm_incoming_add_local(a->incoming, a->alice),
                         MAILMOD_OK);
        block_piece(a, number);
        while (error == MAILMOD_OK && rest.size > 0) {
            size_t used = 0;

            error = mm_incoming_write(a->incoming, rest, &used);
            rest = mm_span_from(rest, used);
            fake_run(0);
        }
        mm_incoming_finish(a->incoming, false);
        fake_run(0);
        assert_int_equal(entries(a, a->alice), number == 2 ? 1 : 0);
        assert_int_equal(a->finished, number + 1);
        assert_true((a->error == MAILMOD_OK) == (number == 2));
        mm_incoming_abandon(&a->incoming);
        fake_run(0);
    }
}

static void test_no_memory(void **state)
{
    struct arrival *a = *state;
    struct mm_address path = rig_address("<dave@example.net>");
    struct mm_mail_parameters mail = {0};
    struct mm_rcpt_parameters rcpt = {0};
    enum mailmod_error error = MAILMOD_ERROR_MEMORY;

    for (unsigned long n = 1; error != MAILMOD_OK; n++) {
        size_t used = 0;

        assert_true(n < 50);
        mm_mem_set_fault(n, 0);
        error = mm_incoming_new(&a->incoming, &a->options, &path, &mail);
        if (error == MAILMOD_OK) {
            error = mm_incoming_add_local(a->incoming, a->alice);
        }
        if (error == MAILMOD_OK) {
            error = mm_incoming_add_remote(a->incoming, &path, "d", &rcpt);
        }
        if (error == MAILMOD_OK) {
            error = mm_incoming_write(a->incoming, mm_span(big, 10), &used);
        }
        mm_mem_set_fault(0, 0);
        assert_true(error == MAILMOD_OK || error == MAILMOD_ERROR_MEMORY);
        if (error == MAILMOD_OK) {
            finish(a);
            assert_int_equal(a->error, MAILMOD_OK);
        }
        mm_incoming_abandon(&a->incoming);
        assert_int_equal(atomic_load(&a->live), 0);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_sizes),
        TEST(test_last_line),
        TEST(test_last_line_at_a_full_piece),
        TEST(test_envelope),
        TEST(test_local_does_not_wake),
        TEST(test_user_goes_meanwhile),
        TEST(test_abandon),
        TEST(test_abandon_while_finishing),
        TEST(test_finish_behind_a_piece),
        TEST(test_store_fails),
        TEST(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
