/* test_promises.c - what is committed as a promise and done in slices: it holds
 * from the commit on, is gone on with by the next opening, and is done whole;
 * bodies that changed on the disk; what the tables keep beside. */
#include "../fixture.h"

#include "platform/clock.h"

#include <stdio.h>
#include <string.h>

struct removal {
    uint64_t box;
    uint64_t numbers[1000];
    size_t count;
};

static enum mailmod_error remove_them(struct mm_store_transaction *t,
                                      void *context)
{
    struct removal *removal = context;
    return mm_store_remove_entries(t, removal->box, removal->numbers,
                                   removal->count);
}

static void await_count(struct mm_store *store, uint64_t box, uint64_t wanted)
{
    uint64_t begin_ms = mm_clock_monotonic_ms();
    uint64_t entries = 0;
    uint64_t octets = 0;
    do {
        assert_true(mm_clock_monotonic_ms() - begin_ms < 30000);
        mm_clock_sleep_ms(5);
        if (mm_store_mailbox_use(store, box, &entries, &octets) ==
            MAILMOD_ERROR_NOT_FOUND) {
            entries = 0;
        }
    } while (entries != wanted);
}

/* Not listed from the commit on, whether the rows are gone or not; every second
 * one stays. */
static void test_D18_many_removed(void **state)
{
    struct fixture *fixture = *state;
    uint64_t box = fixture_add_user(fixture->store, "alice");
    struct removal removal = {.box = box};
    for (int i = 0; i < 400; i++) {
        (void)fixture_deliver(fixture->store, 50, &box, 1);
    }
    for (uint64_t number = 399; number >= 1 && number <= 399; number -= 2) {
        removal.numbers[removal.count++] = number; /* in no order */
    }
    assert_int_equal(fixture_run(fixture->store, remove_them, &removal),
                     MAILMOD_OK);
    assert_int_equal(fixture_count_entries(fixture->store, box), 200);
    struct mm_store_entry *entries;
    size_t count;
    assert_int_equal(
        mm_store_list_entries(fixture->store, box, &entries, &count),
        MAILMOD_OK);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(entries[i].unique_number, 2 * (i + 1));
    }
    mm_free(entries);
    await_count(fixture->store, box, 200);
    fixture_verify(fixture->store);
}

/* Removes many numbers that nothing had yet, and puts a message. */
static enum mailmod_error remove_then_put(struct mm_store_transaction *t,
                                          void *context)
{
    struct removal *removal = context;
    uint64_t id = removal->numbers[0];
    removal->numbers[0] = 1;
    enum mailmod_error error = remove_them(t, removal);
    if (error == MAILMOD_OK) {
        error = fixture_put_body(t, id, 50);
    }
    if (error == MAILMOD_OK) {
        error = fixture_put_row(t, id, 50);
    }
    return error == MAILMOD_OK ? mm_store_put_entry(t, removal->box, id, 84)
                               : error;
}

/* What comes after a removal is not taken by it, whatever numbers it names. */
static void test_numbers_to_come_stay(void **state)
{
    struct fixture *fixture = *state;
    struct removal removal = {.box = fixture_add_user(fixture->store, "alice"),
                              .count = 1000};
    (void)fixture_deliver(fixture->store, 50, &removal.box, 1);
    for (uint64_t i = 0; i < 1000; i++) {
        removal.numbers[i] = i + 1;
    }
    removal.numbers[0] = mm_store_new_message_id(fixture->store);
    assert_int_equal(fixture_run(fixture->store, remove_then_put, &removal),
                     MAILMOD_OK);
    assert_int_equal(fixture_count_entries(fixture->store, removal.box), 1);
    await_count(fixture->store, removal.box, 1);
    fixture_verify(fixture->store);
}

static enum mailmod_error remove_user(struct mm_store_transaction *t,
                                      void *context)
{
    return mm_store_remove_user(t, context);
}

static void test_D18_user_removed(void **state)
{
    struct fixture *fixture = *state;
    char name[] = "alice";
    uint64_t box = fixture_add_user(fixture->store, name);
    uint64_t id = 0;
    for (int i = 0; i < 200; i++) {
        id = fixture_deliver(fixture->store, 50, &box, 1);
    }
    assert_int_equal(fixture_run(fixture->store, remove_user, name),
                     MAILMOD_OK);
    assert_int_equal(fixture_count_entries(fixture->store, box), 0);
    /* Nothing more goes in, though its rows may still be there. */
    assert_int_equal(fixture_try_deliver(fixture->store, 10, &box, 1), 0);
    await_count(fixture->store, box, 0);
    while (fixture_has_message(fixture->store, id)) {
        mm_clock_sleep_ms(5);
    }
    /* The same name gets another mailbox. */
    assert_int_not_equal(fixture_add_user(fixture->store, name), box);
    fixture_verify(fixture->store);
}

static void test_large_body_removed(void **state)
{
    struct fixture *fixture = *state;
    uint64_t box = fixture_add_user(fixture->store, "alice");
    uint64_t id = fixture_deliver(fixture->store, 5000000, &box, 1);
    assert_int_equal(fixture_remove(fixture->store, box, 1), MAILMOD_OK);
    assert_false(fixture_has_message(fixture->store, id));
    for (unsigned number = 0; number < 77; number++) {
        while (fixture_has_chunk(fixture->store, id, number)) {
            mm_clock_sleep_ms(5);
        }
    }
    fixture_verify(fixture->store);
}

struct details {
    uint64_t box;
    uint64_t id;
    struct mm_store_entry_detail detail;
};

static enum mailmod_error put_detail(struct mm_store_transaction *t,
                                     void *context)
{
    struct details *details = context;
    return mm_store_put_entry_with(t, details->box, details->id, 99,
                                   &details->detail);
}

/* The depositor who may not have the text goes on without it. */
static enum mailmod_error put_twice(struct mm_store_transaction *t,
                                    void *context)
{
    struct details *details = context;
    enum mailmod_error error = put_detail(t, context);
    return error == MAILMOD_ERROR_EXISTS
               ? mm_store_put_entry(t, details->box, details->id, 99)
               : MAILMOD_ERROR_STATE;
}

static void test_entry_keeps_its_own(void **state)
{
    struct fixture *fixture = *state;
    struct details put = {.box = fixture_add_user(fixture->store, "alice"),
                          .detail = {.notify = 6, .has_reverse_path = true}};
    struct mm_store_entry_detail got;
    put.id = fixture_deliver(fixture->store, 10, &put.box, 1);
    strcpy(put.detail.uidl, "old-uidl!~");
    strcpy(put.detail.original_recipient, "rfc822;a@b.net");
    strcpy(put.detail.delivered_to, "alice+x@b.net");
    assert_int_equal(fixture_run(fixture->store, put_detail, &put), MAILMOD_OK);
    assert_int_equal(mm_store_find_entry(fixture->store, put.box, 2, &got),
                     MAILMOD_OK);
    assert_memory_equal(&got, &put.detail, sizeof got);
    /* A unique-id is unique (RFC 1939 7); the mailbox is as it was. */
    assert_int_equal(fixture_run(fixture->store, put_detail, &put),
                     MAILMOD_ERROR_EXISTS);
    assert_int_equal(fixture_count_entries(fixture->store, put.box), 2);
    assert_int_equal(mm_store_find_entry(fixture->store, put.box, 1, &got),
                     MAILMOD_OK);
    assert_string_equal(got.uidl, "");
    assert_int_equal(mm_store_find_entry(fixture->store, put.box, 3, &got),
                     MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(fixture_run(fixture->store, put_twice, &put), MAILMOD_OK);
    assert_int_equal(fixture_count_entries(fixture->store, put.box), 3);
    assert_int_equal(mm_store_find_entry(fixture->store, put.box, 3, &got),
                     MAILMOD_OK);
    fixture_verify(fixture->store);
}

struct secrets {
    uint64_t box;
    struct mm_store_secret_key key;
};

static enum mailmod_error put_secret(struct mm_store_transaction *t,
                                     void *context)
{
    struct secrets *secrets = context;
    return mm_store_put_secret(t, secrets->box, &secrets->key);
}

static enum mailmod_error drop_secret(struct mm_store_transaction *t,
                                      void *context)
{
    struct secrets *secrets = context;
    return mm_store_remove_secret(t, secrets->box, secrets->key.label);
}

static enum mailmod_error change_salt(struct mm_store_transaction *t,
                                      void *context)
{
    struct mm_store_user user;
    (void)context;
    memset(&user, 0, sizeof user);
    strcpy(user.name, "alice");
    user.salt[0] = 9;
    user.quota = 1000;
    user.is_disabled = true;
    return mm_store_change_user(t, &user);
}

static void test_several_secrets(void **state)
{
    struct fixture *fixture = *state;
    struct secrets one = {.box = fixture_add_user(fixture->store, "alice"),
                          .key = {.created_ms = 5}};
    struct mm_store_secret_key got[MM_STORE_SECRETS_MAX];
    struct mm_store_user user;
    size_t count;
    for (int i = 0; i < MM_STORE_SECRETS_MAX; i++) {
        snprintf(one.key.label, sizeof one.key.label, "phone %02d", i);
        one.key.stored_key[31] = (uint8_t)i;
        assert_int_equal(fixture_run(fixture->store, put_secret, &one),
                         MAILMOD_OK);
    }
    strcpy(one.key.label, "one too many");
    assert_int_equal(fixture_run(fixture->store, put_secret, &one),
                     MAILMOD_ERROR_LIMIT);
    assert_int_equal(fixture_run(fixture->store, drop_secret, &one),
                     MAILMOD_ERROR_NOT_FOUND);
    strcpy(one.key.label, "phone 03");
    assert_int_equal(fixture_run(fixture->store, drop_secret, &one),
                     MAILMOD_OK);
    assert_int_equal(
        mm_store_list_secrets(fixture->store, one.box, got, &count),
        MAILMOD_OK);
    assert_int_equal(count, MM_STORE_SECRETS_MAX - 1);
    assert_string_equal(got[3].label, "phone 04");
    assert_int_equal(got[3].stored_key[31], 4);
    /* Another salt: their proofs could not be made any more. */
    assert_int_equal(fixture_run(fixture->store, change_salt, NULL),
                     MAILMOD_OK);
    assert_int_equal(
        mm_store_list_secrets(fixture->store, one.box, got, &count),
        MAILMOD_OK);
    assert_int_equal(count, 0);
    assert_int_equal(mm_store_find_user(fixture->store, "alice", &user),
                     MAILMOD_OK);
    assert_true(user.is_disabled);
    assert_int_equal(user.quota, 1000);
}

/* An octet of a body changes behind the store's back. */
static void test_D05_changed_body(void **state)
{
    struct fixture *fixture = *state;
    uint64_t box = fixture_add_user(fixture->store, "alice");
    uint64_t id = fixture_deliver(fixture->store, 70000, &box, 1);
    struct mm_buf text;
    fixture->kind->damage(fixture, id, 1);
    mm_buf_init(&text, 1 << 20);
    assert_int_equal(mm_store_read_chunk(fixture->store, id, 0, &text),
                     MAILMOD_OK);
    assert_int_equal(mm_store_read_chunk(fixture->store, id, 1, &text),
                     MAILMOD_ERROR_STORAGE_DAMAGED);
    assert_int_equal(mm_buf_size(&text), 0);
    assert_int_equal(mm_store_verify(fixture->store, &text),
                     MAILMOD_ERROR_STORAGE_DAMAGED);
    assert_non_null(strstr(mm_buf_cstr(&text), "was changed"));
    mm_buf_fini(&text);
    /* The rest of the store goes on. */
    assert_int_not_equal(fixture_deliver(fixture->store, 10, &box, 1), 0);
}

int main(void)
{
    static const struct fixture_test tests[] = {
        FIXTURE_TEST(test_D18_many_removed),
        FIXTURE_TEST(test_numbers_to_come_stay),
        FIXTURE_TEST(test_D18_user_removed),
        FIXTURE_TEST(test_large_body_removed),
        FIXTURE_TEST(test_entry_keeps_its_own),
        FIXTURE_TEST(test_several_secrets),
        FIXTURE_TEST(test_D05_changed_body)};
    return fixture_run_contract(tests, sizeof tests / sizeof tests[0]);
}
