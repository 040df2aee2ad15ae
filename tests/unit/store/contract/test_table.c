/* test_table.c - each kind of store gives each operation, so that a verb that
 * comes to one of them and is forgotten in another is found here. */
#include "../fixture.h"

#include "store/ops.h"

#include <string.h>

static void test_no_operation_is_missing(void **state)
{
    struct fixture *fixture = *state;
    const char *octets = (const char *)fixture->store->ops;
    /* `step` is the last one, and may be none. */
    for (size_t at = 0; at < offsetof(struct mm_store_ops, step);
         at += sizeof(void (*)(void))) {
        static const char none[sizeof(void (*)(void))];
        if (memcmp(octets + at, none, sizeof none) == 0) {
            fail_msg("operation %zu is missing", at / sizeof none);
        }
    }
}

/* A restart keeps what a store is known by. */
static void test_secret_stays(void **state)
{
    struct fixture *fixture = *state;
    uint8_t before[32];
    uint8_t after[32];
    uint64_t id = mm_store_new_message_id(fixture->store);
    assert_int_equal(mm_store_secret(fixture->store, before), MAILMOD_OK);
    fixture_reopen(fixture);
    assert_int_equal(mm_store_secret(fixture->store, after), MAILMOD_OK);
    assert_memory_equal(before, after, sizeof before);
    assert_true(mm_store_new_message_id(fixture->store) > id);
}

/* What no store is known for is refused in words, without what may be a
 * password. */
static void test_descriptions(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store *store;
    struct mm_buf reason;
    struct mm_store_options options = {
        .description = "postgresql://mail:sesame@db.example/mail"};
    (void)fixture;
    mm_buf_init(&reason, 1000);
    assert_int_equal(mm_store_open(&store, &options, &reason),
                     MAILMOD_ERROR_ARGUMENT);
    assert_null(store);
    assert_non_null(strstr(mm_buf_cstr(&reason), "no store of this kind"));
    assert_null(strstr(mm_buf_cstr(&reason), "sesame"));
    options.description = "memory:";
    assert_int_equal(mm_store_open(&store, &options, &reason), MAILMOD_OK);
    mm_store_close(&store);
    assert_null(store);
    mm_buf_fini(&reason);
}

static void test_one_holder_a_mailbox(void **state)
{
    struct fixture *fixture = *state;
    uint64_t box = fixture_add_user(fixture->store, "alice");
    assert_int_equal(mm_store_lock_mailbox(fixture->store, box), MAILMOD_OK);
    assert_int_equal(mm_store_lock_mailbox(fixture->store, box),
                     MAILMOD_ERROR_BUSY);
    assert_int_equal(mm_store_lock_mailbox(fixture->store, box + 1),
                     MAILMOD_OK);
    mm_store_unlock_mailbox(fixture->store, box);
    assert_int_equal(mm_store_lock_mailbox(fixture->store, box), MAILMOD_OK);
    /* What was held when a process ended is free. */
    fixture_reopen(fixture);
    assert_int_equal(mm_store_lock_mailbox(fixture->store, box), MAILMOD_OK);
    mm_store_unlock_mailbox(fixture->store, box);
}

int main(void)
{
    static const struct fixture_test tests[] = {
        FIXTURE_TEST(test_no_operation_is_missing),
        FIXTURE_TEST(test_secret_stays), FIXTURE_TEST(test_descriptions),
        FIXTURE_TEST(test_one_holder_a_mailbox)};
    return fixture_run_contract(tests, sizeof tests / sizeof tests[0]);
}
