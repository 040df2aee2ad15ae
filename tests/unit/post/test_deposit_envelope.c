/* test_deposit_envelope.c - who gets a message: doubles, numbers, mailboxes
 * that vanish, the lines of the log. Thread: the test's (the loop). */
#include "arrival.h"

static bool count_row(void *context, const struct mm_store_message *message,
                      const struct mm_store_recipient *recipient)
{
    (void)message;
    (void)recipient;
    ((struct arrival_rows *)context)->count++;
    return true;
}

static void test_envelope(void **state)
{
    struct arrival *a = *state;
    static struct arrival_rows rows;

    arrival_start(a, "carol@example.net");
    arrival_add_mailbox(a, a->alice);
    arrival_add_mailbox(a, a->alice);
    arrival_add_mailbox(a, a->bob);
    mm_deposit_skip(a->deposit);
    arrival_add_remote(a, "Dave@example.net", "example.net");
    arrival_add_remote(a, "Dave@example.net", "example.net"); /* F21 */
    arrival_add_remote(a, "dave@example.net", "example.net"); /* RFC 5321 2.4 */
    assert_int_equal(mm_deposit_recipient_count(a->deposit), 6);
    assert_string_equal(mm_deposit_first_path(a->deposit), "alice@example.org");
    arrival_write_all(a, mm_span_cstr("x: y\r\n"), 10);
    mm_deposit_finish(a->deposit, true);
    fake_run(0);
    assert_int_equal(a->error, MAILMOD_OK);
    assert_int_equal(a->wakes, 1);
    assert_int_equal(arrival_entries(a, a->alice), 1); /* twice is one copy */
    assert_int_equal(arrival_entries(a, a->bob), 1);
    arrival_list(a, &rows);
    assert_int_equal(rows.count, 2);
    assert_int_equal(rows.items[0].number, 4);
    assert_int_equal(rows.items[1].number, 6);
    assert_string_equal(rows.items[0].path, "Dave@example.net");
    assert_string_equal(rows.items[0].destination, "example.net");
    assert_string_equal(rows.items[0].original_recipient,
                        "rfc822;dave@example.com");
    assert_int_equal(rows.items[0].notify, MM_DSN_NOTIFY_FAILURE);
    assert_int_equal(rows.items[0].expires_ms - rows.message.arrival_ms,
                     12 * 3600 * 1000);
    assert_string_equal(rows.message.reverse_path, "carol@example.net");
    assert_string_equal(rows.message.envelope_id, "env-1");
    assert_int_equal(rows.message.dsn_return, MM_DSN_RETURN_FULL);
    assert_true(rows.message.is_8bit);
    assert_int_equal(rows.message.size, 6);
}

/* Doubles are found among many, too: by a map. */
static void test_many_recipients(void **state)
{
    struct arrival *a = *state;
    static struct arrival_rows rows;

    arrival_start(a, "carol@example.net");
    for (unsigned i = 0; i < 400; i++) {
        char path[64];

        snprintf(path, sizeof path, "u%u@example.net", i % 5);
        arrival_add_remote(a, path,
                           i % 2 == 0 ? "example.net" : "relay.example");
        arrival_add_mailbox(a, i % 3 == 0 ? a->alice : a->bob);
    }
    arrival_finish(a);
    assert_int_equal(a->error, MAILMOD_OK);
    assert_int_equal(arrival_entries(a, a->alice), 1);
    assert_int_equal(arrival_entries(a, a->bob), 1);
    mm_deposit_abandon(&a->deposit);
    rows.count = 0;
    assert_int_equal(mm_store_each_recipient(a->store, 0, count_row, &rows),
                     MAILMOD_OK);
    assert_int_equal(rows.count, 10);
}

static void add_copy(struct arrival *a, const char *path, const char *given,
                     bool meets)
{
    const struct mm_target target = {.kind = MM_TARGET_MAILBOX,
                                     .path = path,
                                     .mailbox_id = a->alice,
                                     .mailbox_name = "alice",
                                     .delivered_to = path,
                                     .original_to = given,
                                     .is_expanded = given != NULL,
                                     .meets = meets};

    assert_int_equal(mm_deposit_add(a->deposit, &target), MAILMOD_OK);
}

/* A copy for each address that was written; one where ways meet by an alias:
 * compared one by one, and found in the map. */
static void test_F24_copies(void **state)
{
    struct arrival *a = *state;

    for (unsigned many = 0; many < 2; many++) {
        size_t before = arrival_entries(a, a->alice);

        arrival_start(a, "carol@example.net");
        for (unsigned i = 0; many == 1 && i < 20; i++) {
            char path[64];

            snprintf(path, sizeof path, "u%u@example.net", i);
            arrival_add_remote(a, path, "example.net");
        }
        add_copy(a, "alice@example.org", NULL, false);
        add_copy(a, "alice+x@example.org", NULL, false);
        add_copy(a, "alice@example.org", NULL, false);
        add_copy(a, "alice@example.org", "a.b@example.org", false);
        add_copy(a, "alice@example.org", "c.d@example.org", false);
        add_copy(a, "alice@example.org", "team@example.org", true);
        arrival_finish(a);
        assert_int_equal(a->error, MAILMOD_OK);
        assert_int_equal(arrival_entries(a, a->alice), before + 4);
        mm_deposit_abandon(&a->deposit);

        arrival_start(a, "carol@example.net");
        for (unsigned i = 0; many == 1 && i < 20; i++) {
            char path[64];

            snprintf(path, sizeof path, "u%u@example.net", i);
            arrival_add_remote(a, path, "example.net");
        }
        add_copy(a, "alice@example.org", "team@example.org", true);
        add_copy(a, "alice@example.org", NULL, false);
        add_copy(a, "alice+x@example.org", NULL, false);
        arrival_finish(a);
        assert_int_equal(arrival_entries(a, a->alice), before + 5);
        mm_deposit_abandon(&a->deposit);
    }
}

/* A local message wakes nobody. */
static void test_local_does_not_wake(void **state)
{
    struct arrival *a = *state;

    arrival_start(a, "");
    arrival_add_mailbox(a, a->alice);
    arrival_finish(a);
    assert_int_equal(a->wakes, 0);
}

/* A user who went since RCPT loses the copy, the other one does not. */
static void test_user_goes_meanwhile(void **state)
{
    struct arrival *a = *state;

    arrival_start(a, "");
    arrival_add_mailbox(a, a->alice);
    arrival_add_mailbox(a, a->bob);
    rig_remove_user(a->store, "alice");
    arrival_finish(a);
    assert_int_equal(a->error, MAILMOD_OK);
    assert_int_equal(arrival_entries(a, a->bob), 1);
}

static void note_number(void *context, size_t number, bool is_full)
{
    assert_false(is_full);
    *(size_t *)context = *(size_t *)context * 10 + number + 1;
}

/* F11: nobody is left; the message is refused and leaves nothing. */
static void test_F11_everybody_goes_meanwhile(void **state)
{
    struct arrival *a = *state;
    size_t lost = 0;

    arrival_start(a, "");
    arrival_add_mailbox(a, a->alice);
    arrival_add_mailbox(a, a->alice);
    arrival_write_all(a, mm_span(arrival_big, sizeof arrival_big),
                      sizeof arrival_big);
    rig_remove_user(a->store, "alice");
    arrival_finish(a);
    assert_int_equal(a->error, MAILMOD_ERROR_NOT_FOUND);
    mm_deposit_each_lost(a->deposit, note_number, &lost);
    assert_int_equal(lost, 12);
    uint64_t id = mm_deposit_id(a->deposit);
    mm_deposit_abandon(&a->deposit);
    fake_run(0);
    assert_false(arrival_has_chunk(a, id, 0));
    assert_false(arrival_has_chunk(a, id, 1));
}

/* O05: one line a message, one a mailbox. */
static void test_O05_lines(void **state)
{
    struct arrival *a = *state;

    arrival_start(a, "carol@example.net");
    arrival_add_mailbox(a, a->alice);
    arrival_write_all(a, mm_span_cstr("Message-ID: <1@x>\r\n\r\nHi\r\n"), 7);
    arrival_finish(a);
    assert_non_null(strstr(fake_log_text(),
                           "from=carol@example.net peer=192.0.2.1 user=carol "
                           "message_id=<1@x> size=25 recipients=1"));
    assert_non_null(
        strstr(fake_log_text(), "recipient=alice@example.org mailbox=alice"));
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, arrival_begin, arrival_end)
    const struct CMUnitTest tests[] = {
        TEST(test_envelope),
        TEST(test_many_recipients),
        TEST(test_F24_copies),
        TEST(test_local_does_not_wake),
        TEST(test_user_goes_meanwhile),
        TEST(test_F11_everybody_goes_meanwhile),
        TEST(test_O05_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
