/* test_later.c - one answer, and one who ends the question, in every order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "api/later.h"

static void test_callback_answers(void **state)
{
    struct mm_later later;
    bool was_waiting = true;

    (void)state;
    mm_later_init(&later);
    assert_false(mm_later_is_answered(&later));
    assert_true(mm_later_answer(&later, NULL));
    assert_true(mm_later_is_answered(&later));
    assert_false(mm_later_answer(&later, &was_waiting));
    assert_false(was_waiting);
}

static void test_answer_comes_later(void **state)
{
    struct mm_later later;
    bool was_waiting = false;

    (void)state;
    mm_later_init(&later);
    assert_true(mm_later_wait(&later));
    assert_false(mm_later_is_answered(&later));
    assert_true(mm_later_answer(&later, &was_waiting));
    assert_true(was_waiting);
    assert_false(mm_later_answer(&later, &was_waiting));
    assert_false(was_waiting);
}

static void test_answer_comes_before_later_is_said(void **state)
{
    struct mm_later later;
    bool was_waiting = true;

    (void)state;
    mm_later_init(&later);
    assert_true(mm_later_answer(&later, &was_waiting));
    assert_false(was_waiting); /* the callback's return ends it */
    assert_false(mm_later_wait(&later));
    assert_true(mm_later_is_answered(&later));
    assert_false(mm_later_answer(&later, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_callback_answers),
        cmocka_unit_test(test_answer_comes_later),
        cmocka_unit_test(test_answer_comes_before_later_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
