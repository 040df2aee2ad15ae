/* test_kept.c - who leaves the queue and is kept: sent mail, dead letters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"

/* What is kept when it is over, and what is not. */
static void test_what_is_kept(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *reverse_path;
        bool is_report;
        unsigned notify;
        enum mq_verdict verdict;
        int64_t after_ms;
        bool tells_nobody;
        size_t sent;
        size_t dead;
    } rows[] = {
        {"s@x", false, 0, MQ_DELIVERED, 0, false, 1, 0},
        {"", false, 0, MQ_DELIVERED, 0, false, 1, 0},
        {"s@x", false, 0, MQ_FAILED, 0, false, 0, 0},
        {"s@x", false, 0, MQ_FAILED, 0, true, 0, 1},
        {"s@x", false, 0, MQ_DEFERRED, DAY_MS, true, 0, 1},
        {"s@x", false, 0, MQ_DEFERRED, 0, true, 0, 0},
        {"", false, 0, MQ_FAILED, 0, false, 0, 1},
        {"", false, MM_DSN_NOTIFY_NEVER, MQ_FAILED, 0, false, 0, 1},
        {"s@x", true, 0, MQ_FAILED, 0, false, 0, 1},
        {"", false, 0, MQ_DEFERRED, DAY_MS, false, 0, 1},
        {"s@x", false, MM_DSN_NOTIFY_NEVER, MQ_FAILED, 0, true, 0, 0},
    };
    for (size_t i = 0; i < 2 * (sizeof rows / sizeof rows[0]); i++) {
        size_t at = i / 2;
        bool keeps = i % 2 == 0;
        struct fixture_message message = {.reverse_path = rows[at].reverse_path,
                                          .is_report = rows[at].is_report,
                                          .notify = rows[at].notify};
        uint64_t id = fixture_add(f, "a.example", &message);
        f->keeps_sent = keeps;
        f->keeps_dead = keeps;
        f->tells_nobody = rows[at].tells_nobody;
        f->now_ms += rows[at].after_ms;
        size_t sent = fixture_count_kept(f, MAILMOD_KEPT_SENT);
        size_t dead = fixture_count_kept(f, MAILMOD_KEPT_DEAD);
        fixture_settle(f, fixture_claim_one(f), rows[at].verdict, false);
        sent = fixture_count_kept(f, MAILMOD_KEPT_SENT) - sent;
        dead = fixture_count_kept(f, MAILMOD_KEPT_DEAD) - dead;
        if (sent != (keeps ? rows[at].sent : 0) ||
            dead != (keeps ? rows[at].dead : 0) ||
            f->ends[0].is_dead_letter != (dead > 0)) {
            fail_msg("row %zu: %zu sent, %zu dead", at, sent, dead);
        }
        fixture_act(f, id, MAILMOD_QUEUE_DELETE);
        assert_int_equal(fixture_count(f, 0), 0);
    }
}

/* The store refuses once: it is kept once. */
static void test_refused_settlement_keeps_once(void **state)
{
    struct fixture *f = *state;
    f->keeps_sent = true;
    f->keeps_dead = true;
    f->tells_nobody = true;
    f->report_error = MAILMOD_ERROR_STORAGE_FULL;
    (void)fixture_add(f, "a.example", &fixture_plain);
    fixture_settle(f, fixture_claim_one(f), MQ_FAILED, false);
    assert_int_equal(fixture_count_kept(f, MAILMOD_KEPT_DEAD), 1);
    assert_int_equal(fixture_count(f, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_what_is_kept),
        BOTH(test_refused_settlement_keeps_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
