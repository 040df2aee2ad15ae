/* test_schedule.c - the waits alone: growth, jitter, bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue/internal.h"

static const unsigned steps_s[] = {300, 600, 3600};

static struct mq_options options_with(unsigned jitter_percent)
{
    return (struct mq_options){
        .steps_s = steps_s, .step_count = 3, .jitter_percent = jitter_percent};
}

static void test_steps(void **state)
{
    (void)state;
    static const struct {
        unsigned attempts;
        uint64_t wait_ms;
    } rows[] = {{0, 300000},  {1, 300000},  {2, 600000},
                {3, 3600000}, {4, 3600000}, {4000000000U, 3600000}};
    struct mq_options options = options_with(0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(mq_wait_ms(&options, rows[i].attempts, 12345),
                         rows[i].wait_ms);
    }
}

static void test_jitter(void **state)
{
    (void)state;
    struct mq_options options = options_with(20);
    uint64_t random = 7;
    uint64_t lowest = UINT64_MAX;
    uint64_t highest = 0;
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t wait_ms = mq_wait_ms(&options, 2, mm_splitmix_next(&random));
        lowest = wait_ms < lowest ? wait_ms : lowest;
        highest = wait_ms > highest ? wait_ms : highest;
    }
    assert_in_range(lowest, 480000, 482000);
    assert_in_range(highest, 718000, 720000);
    assert_int_equal(mq_wait_ms(&options, 2, 0), 480000);
    assert_int_equal(mq_wait_ms(&options, 2, 240000), 720000);
    assert_int_equal(mq_longest_wait_ms(&options), 4320000);
}

static void test_bounds(void **state)
{
    (void)state;
    static const unsigned none_s[] = {0};
    struct mq_options options = {
        .steps_s = none_s, .step_count = 1, .jitter_percent = 100};
    assert_int_equal(mq_wait_ms(&options, 1, UINT64_MAX), 1000);
    options = options_with(4000); /* as 90 */
    assert_int_equal(mq_wait_ms(&options, 1, 0), 30000);
}

static void test_due(void **state)
{
    (void)state;
    enum { LONGEST = 3600000 };
    static const struct {
        int64_t due_ms;
        bool is_due;
    } rows[] = {{0, true},
                {1000000000, true},
                {1000000001, false},
                {1000000000 + LONGEST + MQ_CLOCK_SLACK_MS, false},
                {1000000000 + LONGEST + MQ_CLOCK_SLACK_MS + 1, true},
                {INT64_MAX, true}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(mq_is_due(rows[i].due_ms, 1000000000, LONGEST),
                         rows[i].is_due);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps), cmocka_unit_test(test_jitter),
        cmocka_unit_test(test_bounds), cmocka_unit_test(test_due)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
