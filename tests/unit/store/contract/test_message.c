/* test_message.c - messages, their chunks and entries, on disk and in memory:
 * identifiers, sizes, who refers to what, and what is swept. */
#include "../fixture.h"

#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void test_identifiers(void **state)
{
    struct fixture *fixture = *state;
    uint64_t last = 0;
    for (int i = 0; i < 5000; i++) {
        uint64_t id = mm_store_new_message_id(fixture->store);
        char text[MM_MESSAGE_ID_TEXT_MAX];
        uint64_t parsed;
        assert_true(id > last);
        mm_message_id_format(id, text);
        assert_int_equal(strlen(text), 13);
        assert_true(mm_message_id_parse(mm_span_cstr(text), &parsed));
        assert_int_equal(parsed, id);
        last = id;
    }
}

static void test_identifier_texts(void **state)
{
    static const struct {
        const char *text;
        bool is_good;
    } rows[] = {{"0000000001", true},
                {"0000000000", false},
                {"", false},
                {"000000001", false},
                {"00000000001", false},
                {"FZZZZZZZZZ", true},
                /* of now: 13 characters, 63 bits, above what ten can say */
                {"0010000000000", true},
                {"7ZZZZZZZZZZZZ", true},
                {"8000000000000", false},
                {"0000000000001", false},
                {"000000000001", false},
                {"00000000U1", false},
                {"000000000l", false},
                {"fzzzzzzzzz", true},
                {"00000 0001", false}};
    uint64_t id;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (mm_message_id_parse(mm_span_cstr(rows[i].text), &id) !=
            rows[i].is_good) {
            fail_msg("\"%s\"", rows[i].text);
        }
    }
    assert_false(mm_message_id_parse(mm_span("000000000\0", 10), &id));
}

static void test_sizes(void **state)
{
    static const uint64_t sizes[] = {0,
                                     1,
                                     4096,
                                     MM_LIMIT_CHUNK - 1,
                                     MM_LIMIT_CHUNK,
                                     MM_LIMIT_CHUNK + 1,
                                     5 * MM_LIMIT_CHUNK + 17};
    struct fixture *fixture = *state;
    uint64_t mailbox = fixture_add_user(fixture->store, "alice");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint64_t id = fixture_deliver(fixture->store, sizes[i], &mailbox, 1);
        struct mm_store_message message;
        fixture_check_body(fixture->store, id, sizes[i]);
        assert_int_equal(mm_store_find_message(fixture->store, id, &message),
                         MAILMOD_OK);
        assert_int_equal(message.size, sizes[i]);
        assert_string_equal(message.reverse_path, "sender@example.org");
    }
    fixture_verify(fixture->store);
}

static enum mailmod_error put_full_row(struct mm_store_transaction *t,
                                       void *context)
{
    return mm_store_put_message(t, context);
}

static void test_row_is_kept(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store_message row = {.id =
                                       mm_store_new_message_id(fixture->store),
                                   .arrival_ms = 1700000000123,
                                   .is_8bit = true,
                                   .is_report = true,
                                   .keeps_failed = true,
                                   .dsn_return = 2};
    struct mm_store_message found;
    memset(row.reverse_path, 'a', sizeof row.reverse_path - 1);
    memset(row.envelope_id, 'e', sizeof row.envelope_id - 1);
    assert_int_equal(fixture_run(fixture->store, put_full_row, &row),
                     MAILMOD_OK);
    memset(&found, 0xa5, sizeof found);
    assert_int_equal(mm_store_find_message(fixture->store, row.id, &found),
                     MAILMOD_OK);
    assert_string_equal(found.reverse_path, row.reverse_path);
    assert_string_equal(found.envelope_id, row.envelope_id);
    assert_int_equal(found.arrival_ms, row.arrival_ms);
    assert_true(found.is_8bit && found.is_report && !found.is_smtputf8);
    assert_true(found.keeps_failed);
    assert_int_equal(found.dsn_return, 2);
}

/* As many chunks as a message of 1.25 GiB has, of an octet each (D06). */
enum { MANY_CHUNKS = 20000 };

static enum mailmod_error put_many_chunks(struct mm_store_transaction *t,
                                          void *context)
{
    const uint64_t *pair = context;
    enum mailmod_error error = MAILMOD_OK;
    for (unsigned i = 0; error == MAILMOD_OK && i < MANY_CHUNKS; i++) {
        char octet = (char)('a' + i % 26);
        error = mm_store_put_chunk(t, pair[1], i, mm_span(&octet, 1));
    }
    if (error == MAILMOD_OK) {
        error = fixture_put_row(t, pair[1], MANY_CHUNKS);
    }
    return error == MAILMOD_OK
               ? mm_store_put_entry(t, pair[0], pair[1], MANY_CHUNKS)
               : error;
}

static void test_D06_more_than_a_gigabyte_of_chunks(void **state)
{
    struct fixture *fixture = *state;
    uint64_t pair[2] = {fixture_add_user(fixture->store, "alice"),
                        mm_store_new_message_id(fixture->store)};
    struct mm_buf chunk;
    assert_int_equal(fixture_run(fixture->store, put_many_chunks, pair),
                     MAILMOD_OK);
    mm_buf_init(&chunk, MM_LIMIT_CHUNK);
    for (unsigned i = 0; i < MANY_CHUNKS; i += MANY_CHUNKS / 10 - 1) {
        assert_int_equal(
            mm_store_read_chunk(fixture->store, pair[1], i, &chunk),
            MAILMOD_OK);
        assert_int_equal(mm_buf_size(&chunk), 1);
        assert_int_equal(mm_buf_span(&chunk).data[0], 'a' + i % 26);
    }
    mm_buf_fini(&chunk);
    fixture_verify(fixture->store);
}

/* A look before anything is written (D07). */
static void test_D07_room_for(void **state)
{
    struct fixture *fixture = *state;
    assert_true(mm_store_has_room_for(fixture->store, 1000));
    mm_store_set_free_space_min(fixture->store, UINT64_MAX - 1);
    assert_false(mm_store_has_room_for(fixture->store, UINT64_C(1) << 62));
    mm_store_set_free_space_min(fixture->store, 1);
    assert_true(mm_store_has_room_for(fixture->store, 1000));
}

static void test_last_reference_takes_message(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store *store = fixture->store;
    uint64_t boxes[3] = {fixture_add_user(store, "a"),
                         fixture_add_user(store, "b"),
                         fixture_add_user(store, "c")};
    uint64_t size = 2 * MM_LIMIT_CHUNK + 5;
    uint64_t id = fixture_deliver(store, size, boxes, 3);
    uint64_t other = fixture_deliver(store, 10, boxes, 1);
    assert_int_equal(fixture_remove(store, boxes[0], 1), MAILMOD_OK);
    assert_int_equal(fixture_remove(store, boxes[2], 1), MAILMOD_OK);
    /* Gone already: neither an error nor a second release. */
    assert_int_equal(fixture_remove(store, boxes[2], 1), MAILMOD_OK);
    fixture_check_body(store, id, size);
    assert_int_equal(fixture_remove(store, boxes[1], 1), MAILMOD_OK);
    assert_false(fixture_has_message(store, id));
    assert_false(fixture_has_chunk(store, id, 0));
    assert_false(fixture_has_chunk(store, id, 2));
    fixture_check_body(store, other, 10);
    fixture_verify(store);
}

static void test_numbers_are_never_reused(void **state)
{
    struct fixture *fixture = *state;
    uint64_t mailbox = fixture_add_user(fixture->store, "alice");
    struct mm_store_entry *entries;
    size_t count;
    for (uint64_t number = 1; number <= 5; number++) {
        uint64_t id = fixture_deliver(fixture->store, 100, &mailbox, 1);
        assert_int_equal(
            mm_store_list_entries(fixture->store, mailbox, &entries, &count),
            MAILMOD_OK);
        assert_int_equal(count, 1);
        assert_int_equal(entries[0].unique_number, number);
        assert_int_equal(entries[0].message_id, id);
        assert_int_equal(entries[0].size, 134);
        mm_free(entries);
        assert_int_equal(fixture_remove(fixture->store, mailbox, number),
                         MAILMOD_OK);
    }
}

static void test_tags(void **state)
{
    struct fixture *fixture = *state;
    uint32_t a;
    uint32_t b;
    uint64_t first = fixture_add_user(fixture->store, "a");
    uint64_t second = fixture_add_user(fixture->store, "b");
    assert_int_not_equal(first, second);
    assert_int_equal(mm_store_mailbox_tag(fixture->store, first, &a),
                     MAILMOD_OK);
    assert_int_equal(mm_store_mailbox_tag(fixture->store, second, &b),
                     MAILMOD_OK);
    assert_int_not_equal(a, b);
    assert_int_equal(mm_store_mailbox_tag(fixture->store, 999, &a),
                     MAILMOD_ERROR_NOT_FOUND);
}

/* What each call answered; judged on the test's own thread. */
struct refusals {
    uint64_t mailbox_id;
    enum mailmod_error errors[5];
};

static enum mailmod_error put_bad(struct mm_store_transaction *t, void *context)
{
    static char large[MM_LIMIT_CHUNK + 1];
    struct refusals *refusals = context;
    enum mailmod_error *errors = refusals->errors;
    struct mm_store_recipient recipient = {.message_id = 77};
    errors[0] = mm_store_put_chunk(t, 5, 0, mm_span(large, sizeof large));
    errors[1] = mm_store_put_chunk(t, 5, 1u << 31, mm_span(large, 1));
    errors[2] = mm_store_put_recipient(t, &recipient);
    errors[3] = mm_store_put_entry(t, refusals->mailbox_id, 77, 1);
    errors[4] = mm_store_put_entry(t, refusals->mailbox_id + 1, 77, 1);
    return MAILMOD_ERROR_CANCELLED;
}

static void test_refusals(void **state)
{
    struct fixture *fixture = *state;
    struct refusals refusals = {fixture_add_user(fixture->store, "alice"), {0}};
    assert_int_equal(fixture_run(fixture->store, put_bad, &refusals),
                     MAILMOD_ERROR_CANCELLED);
    assert_int_equal(refusals.errors[0], MAILMOD_ERROR_TOO_LARGE);
    assert_int_equal(refusals.errors[1], MAILMOD_ERROR_TOO_LARGE);
    /* No such message: nothing may refer to it. */
    assert_int_equal(refusals.errors[2], MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(refusals.errors[3], MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(refusals.errors[4], MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(fixture_count_entries(fixture->store, refusals.mailbox_id),
                     0);
    fixture_verify(fixture->store);
}

struct part {
    uint64_t id;
    unsigned number;
};

static enum mailmod_error put_part(struct mm_store_transaction *t,
                                   void *context)
{
    struct part *part = context;
    return mm_store_put_chunk(t, part->id, part->number, mm_span("octets", 6));
}

static enum mailmod_error put_row(struct mm_store_transaction *t, void *context)
{
    return fixture_put_row(t, *(uint64_t *)context, 6);
}

static enum mailmod_error drop(struct mm_store_transaction *t, void *context)
{
    return mm_store_drop_chunks(t, *(uint64_t *)context);
}

static void put_parts(struct mm_store *store, uint64_t id, unsigned number)
{
    struct part part = {id, number};
    assert_int_equal(fixture_run(store, put_part, &part), MAILMOD_OK);
}

static void test_hole_is_damage(void **state)
{
    struct fixture *fixture = *state;
    uint64_t id = mm_store_new_message_id(fixture->store);
    struct mm_buf chunk;
    put_parts(fixture->store, id, 0);
    put_parts(fixture->store, id, 2);
    mm_buf_init(&chunk, MM_LIMIT_CHUNK);
    assert_int_equal(mm_store_read_chunk(fixture->store, id, 0, &chunk),
                     MAILMOD_OK);
    assert_int_equal(mm_store_read_chunk(fixture->store, id, 1, &chunk),
                     MAILMOD_ERROR_STORAGE_DAMAGED);
    assert_int_equal(mm_store_read_chunk(fixture->store, id, 3, &chunk),
                     MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(mm_store_read_chunk(fixture->store, id, 1u << 31, &chunk),
                     MAILMOD_ERROR_NOT_FOUND);
    mm_buf_fini(&chunk);
    assert_int_equal(fixture_run(fixture->store, drop, &id), MAILMOD_OK);
    assert_false(fixture_has_chunk(fixture->store, id, 0));
    assert_false(fixture_has_chunk(fixture->store, id, 2));
}

static enum mailmod_error put_entry_of(struct mm_store_transaction *t,
                                       void *context)
{
    uint64_t *pair = context;
    return mm_store_put_entry(t, pair[0], pair[1], 40);
}

/* Chunks, row and entry in three jobs; unfinished ones beside it. */
static void test_sweep(void **state)
{
    struct fixture *fixture = *state;
    uint64_t mailbox = fixture_add_user(fixture->store, "alice");
    uint64_t unfinished = mm_store_new_message_id(fixture->store);
    uint64_t finished = mm_store_new_message_id(fixture->store);
    uint64_t orphan = mm_store_new_message_id(fixture->store);
    uint64_t pair[2] = {mailbox, finished};
    put_parts(fixture->store, unfinished, 0);
    put_parts(fixture->store, unfinished, 1);
    put_parts(fixture->store, finished, 0);
    put_parts(fixture->store, orphan, 0);
    assert_int_equal(fixture_run(fixture->store, put_row, &finished),
                     MAILMOD_OK);
    assert_int_equal(fixture_run(fixture->store, put_row, &orphan), MAILMOD_OK);
    assert_int_equal(fixture_run(fixture->store, put_entry_of, pair),
                     MAILMOD_OK);
    fixture_reopen(fixture);
    assert_false(fixture_has_chunk(fixture->store, unfinished, 0));
    assert_false(fixture_has_chunk(fixture->store, unfinished, 1));
    /* A message that nobody ever had is no message. */
    assert_false(fixture_has_message(fixture->store, orphan));
    assert_false(fixture_has_chunk(fixture->store, orphan, 0));
    assert_true(fixture_has_message(fixture->store, finished));
    assert_true(fixture_has_chunk(fixture->store, finished, 0));
    fixture_verify(fixture->store);
}

/* The messages are gone; their identifiers are not given out again. */
static void test_identifiers_survive(void **state)
{
    struct fixture *fixture = *state;
    uint64_t mailbox = fixture_add_user(fixture->store, "alice");
    uint64_t last = 0;
    for (int i = 0; i < 3; i++) {
        uint64_t id = fixture_deliver(fixture->store, 10, &mailbox, 1);
        assert_true(id > last);
        assert_int_equal(
            fixture_remove(fixture->store, mailbox, (uint64_t)i + 1),
            MAILMOD_OK);
        /* So many that they run ahead of the clock. */
        for (int j = 0; j < 100000; j++) {
            last = mm_store_new_message_id(fixture->store);
        }
        fixture_reopen(fixture);
    }
    assert_true(mm_store_new_message_id(fixture->store) > last);
}

static enum mailmod_error put_many(struct mm_store_transaction *t,
                                   void *context)
{
    uint64_t *pair = context;
    enum mailmod_error error = fixture_put_row(t, pair[1], 0);
    for (int i = 0; error == MAILMOD_OK && i < 100000; i++) {
        error = mm_store_put_entry(t, pair[0], pair[1], (uint64_t)i);
    }
    return error;
}

static void test_hundred_thousand(void **state)
{
    struct fixture *fixture = *state;
    uint64_t pair[2] = {fixture_add_user(fixture->store, "alice"),
                        mm_store_new_message_id(fixture->store)};
    struct mm_store_entry *entries;
    size_t count;
    assert_int_equal(fixture_run(fixture->store, put_many, pair), MAILMOD_OK);
    clock_t start = clock();
    assert_int_equal(
        mm_store_list_entries(fixture->store, pair[0], &entries, &count),
        MAILMOD_OK);
    print_message("100000 entries listed in %.1f ms\n",
                  (double)(clock() - start) * 1e3 / CLOCKS_PER_SEC);
    assert_int_equal(count, 100000);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(entries[i].unique_number, i + 1);
        assert_int_equal(entries[i].size, i);
    }
    mm_free(entries);
}

int main(void)
{
    static const struct fixture_test tests[] = {
        FIXTURE_TEST(test_identifiers),
        FIXTURE_TEST(test_sizes),
        FIXTURE_TEST(test_row_is_kept),
        FIXTURE_TEST(test_D06_more_than_a_gigabyte_of_chunks),
        FIXTURE_TEST(test_D07_room_for),
        FIXTURE_TEST(test_last_reference_takes_message),
        FIXTURE_TEST(test_numbers_are_never_reused),
        FIXTURE_TEST(test_tags),
        FIXTURE_TEST(test_refusals),
        FIXTURE_TEST(test_hole_is_damage),
        FIXTURE_TEST(test_sweep),
        FIXTURE_TEST(test_identifiers_survive),
        FIXTURE_TEST(test_hundred_thousand),
        FIXTURE_TEST(test_identifier_texts)};
    return fixture_run_contract(tests, sizeof tests / sizeof tests[0]);
}
