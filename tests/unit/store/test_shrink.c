/* test_shrink.c - a store that has emptied gives its room back. */
#include "fixture.h"

#include "platform/clock.h"

#include <stdio.h>

static long file_size(const struct fixture *fixture)
{
    char path[128];
    fixture_path(fixture, "mailmod.db", path);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    (void)fclose(file);
    return size;
}

static void wait_for_small_file(const struct fixture *fixture)
{
    uint64_t begin_ms = mm_clock_monotonic_ms();
    while (file_size(fixture) == 0 || file_size(fixture) > 2500000) {
        assert_true(mm_clock_monotonic_ms() - begin_ms < 120000);
        mm_clock_sleep_ms(20);
    }
}

static void test_D22_emptied_store_shrinks(void **state)
{
    struct fixture *fixture = *state;
    uint64_t box = fixture_add_user(fixture->store, "alice");
    for (uint64_t number = 1; number <= 6; number++) {
        (void)fixture_deliver(fixture->store, 4000000, &box, 1);
    }
    for (uint64_t number = 1; number <= 6; number++) {
        assert_int_equal(fixture_remove(fixture->store, box, number),
                         MAILMOD_OK);
    }
    wait_for_small_file(fixture);
    fixture_verify(fixture->store);
}

/* An owner that writes nothing meanwhile gives back what a tool freed. */
static void test_D22_emptied_by_a_tool(void **state)
{
    struct fixture *fixture = *state;
    struct mm_store *tool = NULL;
    uint64_t box = fixture_add_user(fixture->store, "alice");
    for (uint64_t number = 1; number <= 6; number++) {
        (void)fixture_deliver(fixture->store, 4000000, &box, 1);
    }
    /* Its own writing makes the owner look; that is over then. */
    mm_clock_sleep_ms(1500);
    assert_int_equal(fixture_open_as(fixture, MM_STORE_SHARED, &tool, NULL),
                     MAILMOD_OK);
    for (uint64_t number = 1; number <= 6; number++) {
        assert_int_equal(fixture_remove(tool, box, number), MAILMOD_OK);
    }
    mm_store_close(&tool);
    wait_for_small_file(fixture);
    fixture_verify(fixture->store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {ON_DISK(test_D22_emptied_store_shrinks),
                                       ON_DISK(test_D22_emptied_by_a_tool)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
