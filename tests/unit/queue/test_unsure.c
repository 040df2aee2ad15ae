/* test_unsure.c - deliveries of which nobody knows what came: who may have the
 * mail is remembered, and how long it waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"

#include <string.h>

static struct mm_store_recipient row_of(struct fixture *f, uint64_t id,
                                        unsigned number)
{
    struct mm_store_recipient row;
    assert_true(fixture_row(f, id, number, &row));
    return row;
}

static struct mq_outcome said_by(const char *host, enum mailmod_error error)
{
    struct mq_outcome outcome = fixture_outcome(MQ_DEFERRED, false);
    outcome.error = error;
    outcome.is_reply = error == MAILMOD_ERROR_REFUSED;
    strcpy(outcome.host, host);
    return outcome;
}

/* Who may have it is remembered, over a restart and what others say, until he
 * has spoken; the wait is longer than that of the schedule. */
static void test_unsure(void **state)
{
    struct fixture *f = *state;
    f->options.unsure_wait_ms = (uint64_t)HOUR_MS;
    fixture_set_options(f);
    struct fixture_message message = fixture_plain;
    message.recipient_count = 2;
    uint64_t id = fixture_add(f, "a.example", &message);
    struct mq_outcome both[2] = {said_by("b.example", MAILMOD_ERROR_UNSURE),
                                 said_by("b.example", MAILMOD_ERROR_REFUSED)};
    fixture_settle_each(f, fixture_claim_one(f), both);
    assert_string_equal(row_of(f, id, 0).unsure_host, "b.example");
    assert_string_equal(row_of(f, id, 1).unsure_host, "");
    assert_in_range(row_of(f, id, 0).next_attempt_ms - f->now_ms,
                    HOUR_MS * 9 / 10, HOUR_MS * 11 / 10);
    assert_in_range(row_of(f, id, 1).next_attempt_ms - f->now_ms, 270000,
                    330000);
    f->now_ms += 2 * HOUR_MS;
    fixture_restart(f);
    /* They do not go together: the other one goes wherever is best. */
    struct mm_list batches;
    fixture_claim(f, &batches);
    struct mq_batch *batch = fixture_take(&batches);
    struct mq_batch *other = fixture_take(&batches);
    assert_non_null(other);
    assert_int_equal(batch->recipient_count, 1);
    assert_int_equal(other->recipient_count, 1);
    if (batch->recipients[0].number != 0) {
        struct mq_batch *swapped = batch;
        batch = other;
        other = swapped;
    }
    assert_string_equal(batch->recipients[0].unsure_host, "b.example");
    fixture_settle(f, other, MQ_DELIVERED, false);
    static const struct {
        const char *host;
        enum mailmod_error error;
        bool is_down;
        const char *unsure_host;
    } rows[] = {
        {"a.example", MAILMOD_ERROR_REFUSED, false, "b.example"},
        {"b.example", MAILMOD_ERROR_TIMEOUT, false, "b.example"},
        {"b.example", MAILMOD_ERROR_REFUSED, true, "b.example"},
        {"c.example", MAILMOD_ERROR_UNSURE, false, "c.example"},
        {"C.example", MAILMOD_ERROR_REFUSED, false, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mq_outcome outcome = said_by(rows[i].host, rows[i].error);
        outcome.is_destination_down = rows[i].is_down;
        fixture_settle_each(f, batch, &outcome);
        assert_string_equal(row_of(f, id, 0).unsure_host, rows[i].unsure_host);
        f->now_ms += 2 * HOUR_MS;
        batch = fixture_claim_one(f);
        assert_non_null(batch);
    }
    fixture_settle(f, batch, MQ_DELIVERED, false);
    assert_int_equal(fixture_count(f, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_unsure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
