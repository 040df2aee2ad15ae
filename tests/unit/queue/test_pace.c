/* test_pace.c - destinations that have had their share, and mail that was put
 * off without a try. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"

/* What has had its share waits, on an idle connection too, and nobody else. */
static void test_paced(void **state)
{
    struct fixture *f = *state;
    fixture_add_many(f, "a.example", 2);
    fixture_add_many(f, "b.example", 1);
    struct mm_list batches;
    struct mq_batch *batch = NULL;
    mq_pace(f->queue, "a.example", f->now_ms + 60000);
    fixture_claim(f, &batches);
    batch = fixture_take(&batches);
    assert_string_equal(batch->destination, "b.example");
    mq_pace(f->queue, "b.example", f->now_ms + 90000);
    fixture_settle(f, batch, MQ_DELIVERED, false);
    assert_null(fixture_take(&batches));
    assert_int_equal(mq_claim_next(f->queue, "a.example", f->now_ms, &batch),
                     MAILMOD_ERROR_NOT_FOUND);
    mq_flush(f->queue);
    fixture_claim(f, &batches);
    assert_null(fixture_take(&batches));
    assert_int_equal(mq_next_due(f->queue, f->now_ms), f->now_ms + 60000);
    f->now_ms += 60000;
    fixture_claim(f, &batches);
    for (unsigned i = 0; i < 2; i++) {
        fixture_settle(f, fixture_take(&batches), MQ_DELIVERED, false);
    }
    fixture_add_many(f, "b.example", 1);
    fixture_claim(f, &batches);
    assert_null(fixture_take(&batches));
    fixture_set_options(f);
    fixture_claim(f, &batches);
    batch = fixture_take(&batches);
    assert_non_null(batch);
    mq_release(f->queue, &batch);
}

/* Put off without a try: no attempt is counted, and it is due as was said. */
static void test_untried(void **state)
{
    struct fixture *f = *state;
    fixture_add_many(f, "a.example", 1);
    struct mq_outcome outcome = {.verdict = MQ_DEFERRED,
                                 .is_untried = true,
                                 .wait_ms = 60000,
                                 .status = "4.4.5"};
    for (unsigned i = 0; i < 3; i++) {
        struct mq_batch *batch = fixture_claim_one(f);
        assert_non_null(batch);
        assert_int_equal(batch->recipients[0].attempts, 0);
        fixture_settle_each(f, batch, &outcome);
        f->now_ms += 59000;
        struct mm_list batches;
        fixture_claim(f, &batches);
        assert_null(fixture_take(&batches));
        f->now_ms += 1000;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_paced),
        BOTH(test_untried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
