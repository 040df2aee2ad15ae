/* test_clock.c - the clocks go forward, and agree with the calendar.
 * Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "platform/clock.h"

#include <time.h>

static void test_monotonic(void **state)
{
    uint64_t before_ms = mm_clock_monotonic_ms();
    (void)state;
    for (int i = 0; i < 10000; i++) {
        uint64_t now_ms = mm_clock_monotonic_ms();
        assert_true(now_ms >= before_ms);
        before_ms = now_ms;
    }
}

static void test_wall(void **state)
{
    int64_t before = (int64_t)time(NULL);
    int64_t now_ms = mm_clock_wall_ms();
    int64_t after = (int64_t)time(NULL);
    (void)state;
    /* time() may lag by a tick of the coarse clock. */
    assert_true(now_ms / 1000 >= before);
    assert_true(now_ms / 1000 <= after + 1);
}

static void test_sleep(void **state)
{
    static const uint64_t waits_ms[] = {0, 1, 20, 1005};
    (void)state;
    for (size_t i = 0; i < sizeof waits_ms / sizeof waits_ms[0]; i++) {
        uint64_t start_ms = mm_clock_monotonic_ms();
        mm_clock_sleep_ms(waits_ms[i]);
        uint64_t slept_ms = mm_clock_monotonic_ms() - start_ms;
        assert_true(slept_ms + 1 >= waits_ms[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_monotonic),
        cmocka_unit_test(test_wall),
        cmocka_unit_test(test_sleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
