/* test_wait.c - what a session waits for: which waits a stop cuts short, and
 * what the end of each does to the others. Thread: the test's. */
#include "fake_world.h"
#include "server/wait.h"

static void test_what_a_stop_waits_for(void **state)
{
    static const struct {
        enum mm_wait_for what;
        const char *name;
        bool is_work;
    } rows[] = {
        {MM_WAIT_NOTHING, "nothing", false}, {MM_WAIT_JOB, "job", true},
        {MM_WAIT_STORE, "store", true},      {MM_WAIT_ROOM, "room", true},
        {MM_WAIT_HOST, "host", true},        {MM_WAIT_NAMES, "names", false},
        {MM_WAIT_LOCK, "lock", false},       {MM_WAIT_DELAY, "delay", false},
    };

    (void)state;
    assert_int_equal(sizeof rows / sizeof rows[0], MM_WAIT_COUNT);
    for (size_t i = 0; i < MM_WAIT_COUNT; i++) {
        assert_string_equal(mm_wait_name(rows[i].what), rows[i].name);
        assert_int_equal(mm_wait_is_work(rows[i].what), rows[i].is_work);
    }
}

/* Only the end of what is awaited lets a session go on. */
static void test_one_at_a_time(void **state)
{
    (void)state;
    for (int begun = 1; begun < MM_WAIT_COUNT; begun++) {
        for (int ended = 1; ended < MM_WAIT_COUNT; ended++) {
            struct mm_wait wait = {0};

            mm_wait_begin(&wait, (enum mm_wait_for)begun);
            assert_int_equal(mm_wait_end(&wait, (enum mm_wait_for)ended),
                             begun == ended);
            assert_int_equal(wait.what,
                             begun == ended ? MM_WAIT_NOTHING : begun);
        }
    }
}

/* A job is out until it comes back, whatever was forgotten meanwhile. */
static void test_jobs_come_back(void **state)
{
    struct mm_wait wait = {0};

    (void)state;
    mm_wait_begin(&wait, MM_WAIT_JOB);
    assert_int_equal(wait.jobs, 1);
    mm_wait_forget(&wait);
    assert_int_equal(wait.what, MM_WAIT_NOTHING);
    assert_int_equal(wait.jobs, 1);
    mm_wait_begin(&wait, MM_WAIT_LOCK);
    assert_false(mm_wait_end(&wait, MM_WAIT_JOB));
    assert_int_equal(wait.jobs, 0);
    assert_int_equal(wait.what, MM_WAIT_LOCK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_stop_waits_for),
        cmocka_unit_test(test_one_at_a_time),
        cmocka_unit_test(test_jobs_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
