/* test_registry.c - only live handles are known, and each is freed once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "api/registry.h"
#include "platform/clock.h"
#include "platform/thread.h"

#include <stdatomic.h>

static void knows_what_is_alive(void **state)
{
    struct mm_registry *registry = NULL;
    int a = 0;
    int b = 0;

    (void)state;
    assert_int_equal(mm_registry_new(&registry), MAILMOD_OK);
    assert_int_equal(mm_registry_add(registry, MM_HANDLE_MESSAGE, &a),
                     MAILMOD_OK);
    assert_int_equal(mm_registry_add(registry, MM_HANDLE_REQUEST, &a),
                     MAILMOD_ERROR_EXISTS);
    assert_int_equal(mm_registry_hold(registry, &a), MM_HANDLE_MESSAGE);
    assert_int_equal(mm_registry_hold(registry, &b), MM_HANDLE_NONE);
    assert_int_equal(mm_registry_hold(registry, NULL), MM_HANDLE_NONE);
    assert_int_equal(mm_registry_remove(registry, MM_HANDLE_REQUEST, &a, 1),
                     MAILMOD_ERROR_HANDLE);
    assert_int_equal(mm_registry_remove(registry, MM_HANDLE_MESSAGE, &a, 1),
                     MAILMOD_OK);
    assert_int_equal(mm_registry_hold(registry, &a), MM_HANDLE_NONE);
    assert_int_equal(mm_registry_remove(registry, MM_HANDLE_MESSAGE, &a, 0),
                     MAILMOD_ERROR_HANDLE);
    mm_registry_let(registry, &a);
    mm_registry_free(&registry);
}

struct taker {
    struct mm_registry *registry;
    const void *handle;
    atomic_int taken;
    atomic_int held;
};

static void take(void *context)
{
    struct taker *taker = context;

    if (mm_registry_remove(taker->registry, MM_HANDLE_MESSAGE, taker->handle,
                           0) == MAILMOD_OK) {
        assert_int_equal(atomic_load(&taker->held), 0);
        atomic_fetch_add(&taker->taken, 1);
    }
}

static void one_of_many_takes_it(void **state)
{
    enum { COUNT = 4 };
    struct mm_thread *threads[COUNT] = {NULL};
    struct taker taker = {.handle = &taker};

    (void)state;
    atomic_init(&taker.held, 1);
    assert_int_equal(mm_registry_new(&taker.registry), MAILMOD_OK);
    assert_int_equal(mm_registry_add(taker.registry, MM_HANDLE_MESSAGE, &taker),
                     MAILMOD_OK);
    assert_int_equal(mm_registry_hold(taker.registry, &taker),
                     MM_HANDLE_MESSAGE);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(mm_thread_start(&threads[i], "taker", take, &taker),
                         MAILMOD_OK);
    }
    mm_clock_sleep_ms(20);
    assert_int_equal(atomic_load(&taker.taken), 0);
    atomic_store(&taker.held, 0);
    mm_registry_let(taker.registry, &taker);
    for (int i = 0; i < COUNT; i++) {
        mm_thread_join(&threads[i]);
    }
    assert_int_equal(atomic_load(&taker.taken), 1);
    mm_registry_free(&taker.registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_what_is_alive),
        cmocka_unit_test(one_of_many_takes_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
