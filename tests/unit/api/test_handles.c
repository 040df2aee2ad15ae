/* test_handles.c - only live handles are known, each is taken out once, and
 * nothing is left of the table when the last one is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "api/handles.h"
#include "api/instance.h"
#include "base/mem.h"
#include "platform/clock.h"
#include "platform/thread.h"

#include <stdatomic.h>

static void knows_what_is_alive(void **state)
{
    int a = 0;
    int b = 0;

    (void)state;
    assert_int_equal(mm_handle_kind(&a), MM_HANDLE_NONE);
    assert_int_equal(mm_handle_add(MM_HANDLE_MESSAGE, &a), MAILMOD_OK);
    assert_int_equal(mm_handle_add(MM_HANDLE_INSTANCE, &b), MAILMOD_OK);
    assert_int_equal(mm_handle_kind(&a), MM_HANDLE_MESSAGE);
    assert_int_equal(mm_handle_kind(&b), MM_HANDLE_INSTANCE);
    assert_int_equal(mm_handle_hold(MM_HANDLE_MESSAGE, &a), MAILMOD_OK);
    assert_int_equal(mm_handle_hold(MM_HANDLE_MESSAGE, &a), MAILMOD_OK);
    mm_handle_let(&a);
    assert_int_equal(mm_handle_remove(MM_HANDLE_MESSAGE, &a, 1), MAILMOD_OK);
    assert_int_equal(mm_handle_kind(&a), MM_HANDLE_NONE);
    assert_int_equal(mm_handle_remove(MM_HANDLE_INSTANCE, &b, 0), MAILMOD_OK);
    assert_int_equal(mm_handle_kind(&b), MM_HANDLE_NONE);
}

static void refuses_all_else(void **state)
{
    int a = 0;
    void *pointer = &a;
    static const enum mm_handle_kind others[] = {
        MM_HANDLE_NONE, MM_HANDLE_INSTANCE, MM_HANDLE_REQUEST};

    (void)state;
    for (int round = 0; round < 2; round++) { /* without a table, and with */
        assert_int_equal(mm_handle_hold(MM_HANDLE_MESSAGE, NULL),
                         MAILMOD_ERROR_ARGUMENT);
        assert_int_equal(mm_handle_remove(MM_HANDLE_MESSAGE, NULL, 0),
                         MAILMOD_ERROR_ARGUMENT);
        assert_int_equal(mm_handle_hold(MM_HANDLE_MESSAGE, &pointer),
                         MAILMOD_ERROR_HANDLE);
        assert_string_not_equal(mailmod_last_error_text(), "");
        assert_int_equal(mm_handle_remove(MM_HANDLE_MESSAGE, &pointer, 0),
                         MAILMOD_ERROR_HANDLE);
        mm_handle_let(&pointer);
        mm_handle_let(NULL);
        if (round == 0) {
            assert_int_equal(mm_handle_add(MM_HANDLE_MESSAGE, &a), MAILMOD_OK);
        }
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_int_equal(mm_handle_hold(others[i], &a), MAILMOD_ERROR_HANDLE);
        assert_int_equal(mm_handle_remove(others[i], &a, 0),
                         MAILMOD_ERROR_HANDLE);
    }
    assert_int_equal(mm_handle_remove(MM_HANDLE_MESSAGE, &a, 0), MAILMOD_OK);
    assert_int_equal(mm_handle_hold(MM_HANDLE_MESSAGE, &a),
                     MAILMOD_ERROR_HANDLE);
}

struct taker {
    atomic_int taken;
    atomic_int held;
};

static void take(void *context)
{
    struct taker *taker = context;

    if (mm_handle_remove(MM_HANDLE_MESSAGE, taker, 0) == MAILMOD_OK) {
        assert_int_equal(atomic_load(&taker->held), 0);
        atomic_fetch_add(&taker->taken, 1);
    }
}

static void one_of_many_takes_it(void **state)
{
    enum { COUNT = 4 };
    struct mm_thread *threads[COUNT] = {NULL};
    struct taker taker;

    (void)state;
    atomic_init(&taker.taken, 0);
    atomic_init(&taker.held, 1);
    assert_int_equal(mm_handle_add(MM_HANDLE_MESSAGE, &taker), MAILMOD_OK);
    assert_int_equal(mm_handle_hold(MM_HANDLE_MESSAGE, &taker), MAILMOD_OK);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(mm_thread_start(&threads[i], "taker", take, &taker),
                         MAILMOD_OK);
    }
    while (mm_handle_kind(&taker) != MM_HANDLE_NONE) {
        mm_clock_sleep_ms(1); /* until one of them is at it */
    }
    assert_int_equal(atomic_load(&taker.taken), 0);
    assert_int_equal(mm_handle_hold(MM_HANDLE_MESSAGE, &taker),
                     MAILMOD_ERROR_HANDLE);
    atomic_store(&taker.held, 0);
    mm_handle_let(&taker);
    for (int i = 0; i < COUNT; i++) {
        mm_thread_join(&threads[i]);
    }
    assert_int_equal(atomic_load(&taker.taken), 1);
}

static void survives_a_lack_of_memory(void **state)
{
    int a = 0;
    unsigned long n = 0;
    enum mailmod_error error;

    (void)state;
    do {
        (void)mm_mem_set_fault(++n, 0);
        error = mm_handle_add(MM_HANDLE_REQUEST, &a);
        (void)mm_mem_set_fault(0, 0);
        assert_true(error == MAILMOD_OK || error == MAILMOD_ERROR_MEMORY);
        assert_int_equal(mm_handle_kind(&a), error == MAILMOD_OK
                                                 ? MM_HANDLE_REQUEST
                                                 : MM_HANDLE_NONE);
    } while (error != MAILMOD_OK);
    assert_true(n > 3); /* entry, table, condition, the map's own */
    assert_int_equal(mm_handle_remove(MM_HANDLE_REQUEST, &a, 0), MAILMOD_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_what_is_alive),
        cmocka_unit_test(refuses_all_else),
        cmocka_unit_test(one_of_many_takes_it),
        cmocka_unit_test(survives_a_lack_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
