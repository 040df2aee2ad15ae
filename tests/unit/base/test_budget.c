/* test_budget.c - octets that are shared: the last ones, the reserve, what
 * comes back. Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/budget.h"

static void test_taken_and_given_back(void **state)
{
    struct mm_budget budget;

    (void)state;
    mm_budget_init(&budget, 100);
    assert_false(mm_budget_is_short(&budget));
    assert_false(mm_budget_take(&budget, 101, 0));
    assert_true(mm_budget_take(&budget, 50, 50));
    assert_false(mm_budget_is_short(&budget));
    assert_false(mm_budget_take(&budget, 26, 25)); /* for others */
    assert_true(mm_budget_take(&budget, 25, 25));
    assert_true(mm_budget_is_short(&budget));
    assert_true(mm_budget_take(&budget, 25, 0));
    assert_false(mm_budget_take(&budget, 1, 0));
    assert_false(mm_budget_take(&budget, SIZE_MAX, 0));
    assert_false(mm_budget_take(&budget, 0, SIZE_MAX));
    mm_budget_give(&budget, 100);
    assert_true(mm_budget_take(&budget, 100, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken_and_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
