/* test_rule.c - rules of lists and sightings, on disk and in memory. */
#include "../fixture.h"

#include <stdio.h>
#include <string.h>

#define ROWS 600 /* more than two pages of a listing */

static struct mm_store_rule rule_of(uint64_t mailbox_id, enum mm_rule_list list,
                                    const char *text)
{
    struct mm_store_rule rule = {
        .mailbox_id = mailbox_id, .list = list, .added_ms = 7};

    snprintf(rule.text, sizeof rule.text, "%s", text);
    return rule;
}

static enum mailmod_error put(struct mm_store_transaction *t, void *context)
{
    return mm_store_add_rule(t, context);
}

static enum mailmod_error drop(struct mm_store_transaction *t, void *context)
{
    return mm_store_remove_rule(t, context);
}

static enum mailmod_error put_many(struct mm_store_transaction *t,
                                   void *context)
{
    enum mailmod_error error = MAILMOD_OK;

    for (int i = 0; i < ROWS && error == MAILMOD_OK; i++) {
        char text[32];
        snprintf(text, sizeof text, "rule-%04d", i);
        struct mm_store_rule rule =
            rule_of(*(uint64_t *)context, MM_RULE_BLACK, text);
        error = mm_store_add_rule(t, &rule);
    }
    return error;
}

struct rules {
    unsigned count;
    struct mm_store_rule last;
};

static bool on_rule(void *context, const struct mm_store_rule *rule)
{
    struct rules *rules = context;

    rules->count++;
    rules->last = *rule;
    return true;
}

static struct rules all_rules(struct mm_store *store)
{
    struct rules rules = {.count = 0};

    assert_int_equal(mm_store_each_rule(store, on_rule, &rules), MAILMOD_OK);
    return rules;
}

static uint64_t changes(struct mm_store *store)
{
    uint64_t count;

    assert_int_equal(mm_store_rule_changes(store, &count), MAILMOD_OK);
    return count;
}

static enum mailmod_error remove_user(struct mm_store_transaction *t,
                                      void *context)
{
    return mm_store_remove_user(t, context);
}

static void test_rules(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store *store = fixture->store;
    char name[] = "alice";
    uint64_t alice = fixture_add_user(store, name);
    struct mm_store_rule own = rule_of(alice, MM_RULE_WHITE, "@example.com");
    struct mm_store_rule common = rule_of(0, MM_RULE_GREY, "192.0.2.0/24");
    uint64_t before = changes(store);

    assert_int_equal(fixture_run(store, put, &own), MAILMOD_OK);
    assert_int_equal(fixture_run(store, put, &common), MAILMOD_OK);
    assert_int_equal(fixture_run(store, put, &common), MAILMOD_ERROR_EXISTS);
    assert_true(changes(store) > before);
    struct rules rules = all_rules(store);
    assert_int_equal(rules.count, 2);
    assert_int_equal(rules.last.mailbox_id, alice);
    assert_int_equal(rules.last.list, MM_RULE_WHITE);
    assert_string_equal(rules.last.text, "@example.com");
    assert_int_equal(rules.last.added_ms, 7);

    before = changes(store);
    assert_int_equal(fixture_run(store, drop, &common), MAILMOD_OK);
    assert_int_equal(fixture_run(store, drop, &common),
                     MAILMOD_ERROR_NOT_FOUND);
    assert_true(changes(store) > before);
    assert_int_equal(fixture_run(store, put_many, &alice), MAILMOD_OK);
    assert_int_equal(all_rules(store).count, ROWS + 1);
    fixture_reopen(fixture);
    store = fixture->store;
    assert_int_equal(all_rules(store).count, ROWS + 1);

    before = changes(store); /* they go with their user */
    assert_int_equal(fixture_run(store, remove_user, name), MAILMOD_OK);
    assert_int_equal(all_rules(store).count, 0);
    assert_true(changes(store) > before);
    fixture_verify(store);
}

static enum mailmod_error put_sightings(struct mm_store_transaction *t,
                                        void *context)
{
    enum mailmod_error error = MAILMOD_OK;

    (void)context;
    for (int i = 0; i < ROWS && error == MAILMOD_OK; i++) {
        struct mm_store_sighting sighting = {.kind = MM_SIGHTING_TRIPLET,
                                             .first_ms = 1,
                                             .last_ms = 2,
                                             .until_ms = 1000 + i,
                                             .count = 3};
        snprintf(sighting.key, sizeof sighting.key, "key-%04d", i);
        error = mm_store_note_sighting(t, &sighting);
    }
    return error;
}

static enum mailmod_error put_one(struct mm_store_transaction *t, void *context)
{
    return mm_store_note_sighting(t, context);
}

static enum mailmod_error drop_one(struct mm_store_transaction *t,
                                   void *context)
{
    return mm_store_remove_sighting(t, MM_SIGHTING_TRAPPED, context);
}

struct sweep {
    int64_t now_ms;
    size_t keep_max;
    size_t count_max;
    size_t count;
};

static enum mailmod_error run_sweep(struct mm_store_transaction *t,
                                    void *context)
{
    struct sweep *sweep = context;

    return mm_store_sweep_sightings(t, sweep->now_ms, sweep->keep_max,
                                    sweep->count_max, &sweep->count);
}

static bool on_sighting(void *context, const struct mm_store_sighting *sighting)
{
    (void)sighting;
    ++*(unsigned *)context;
    return true;
}

static unsigned count(struct mm_store *store, enum mm_sighting_kind kind)
{
    unsigned found = 0;

    assert_int_equal(mm_store_each_sighting(store, kind, on_sighting, &found),
                     MAILMOD_OK);
    return found;
}

static void test_sightings(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store *store = fixture->store;
    struct mm_store_sighting found;
    struct mm_store_sighting one = {.kind = MM_SIGHTING_TRAPPED,
                                    .key = "key-0001",
                                    .until_ms = 5000,
                                    .count = 1};

    assert_int_equal(fixture_run(store, put_sightings, NULL), MAILMOD_OK);
    assert_int_equal(fixture_run(store, put_one, &one), MAILMOD_OK);
    one.count = 2;
    assert_int_equal(fixture_run(store, put_one, &one), MAILMOD_OK);
    assert_int_equal(
        mm_store_find_sighting(store, MM_SIGHTING_TRAPPED, "key-0001", &found),
        MAILMOD_OK);
    assert_int_equal(found.count, 2);
    assert_int_equal(found.until_ms, 5000);
    assert_int_equal(
        mm_store_find_sighting(store, MM_SIGHTING_NETWORK, "key-0001", &found),
        MAILMOD_ERROR_NOT_FOUND);
    fixture_reopen(fixture);
    store = fixture->store;
    assert_int_equal(count(store, MM_SIGHTING_TRIPLET), ROWS);
    assert_int_equal(count(store, MM_SIGHTING_TRAPPED), 1);

    /* A bounded slice of what is over; then those above what is kept, the
     * first to end first. */
    struct sweep sweep = {
        .now_ms = 1099, .keep_max = 100000, .count_max = 30, .count = 0};
    assert_int_equal(fixture_run(store, run_sweep, &sweep), MAILMOD_OK);
    assert_int_equal(sweep.count, 30);
    sweep = (struct sweep){1099, 100000, 1000, 0};
    assert_int_equal(fixture_run(store, run_sweep, &sweep), MAILMOD_OK);
    assert_int_equal(sweep.count, 70);
    sweep = (struct sweep){1099, 11, 1000, 0};
    assert_int_equal(fixture_run(store, run_sweep, &sweep), MAILMOD_OK);
    assert_int_equal(count(store, MM_SIGHTING_TRIPLET), 10);
    assert_int_equal(count(store, MM_SIGHTING_TRAPPED), 1);
    assert_int_equal(
        mm_store_find_sighting(store, MM_SIGHTING_TRIPLET, "key-0599", &found),
        MAILMOD_OK);

    char key[] = "key-0001";
    assert_int_equal(fixture_run(store, drop_one, key), MAILMOD_OK);
    assert_int_equal(fixture_run(store, drop_one, key),
                     MAILMOD_ERROR_NOT_FOUND);
    fixture_verify(store);
}

int main(void)
{
    static const struct fixture_test tests[] = {FIXTURE_TEST(test_rules),
                                                FIXTURE_TEST(test_sightings)};

    return fixture_run_contract(tests, sizeof tests / sizeof tests[0]);
}
