/* test_checks.c - password checks take turns: so many at a time, networks in
 * turn, known ones not behind strangers, and workers without room. Thread: the
 * test's. */
#include "fake_world.h"
#include "server/checks.h"

struct job {
    struct mm_job job;
    struct mm_check check;
    struct mm_checks *checks;
    unsigned place; /* in the order in which they ran; 0: not */
    bool is_done;
};

struct queue {
    struct mm_checks checks;
    struct job jobs[64];
    size_t count;
    unsigned ran;
};

static struct queue *present;

static void run(struct mm_job *job)
{
    struct job *own = MM_LIST_OBJECT(job, struct job, job);

    own->place = ++present->ran;
    mm_checks_leave(own->checks);
}

static void done(struct mm_job *job)
{
    MM_LIST_OBJECT(job, struct job, job)->is_done = true;
}

static struct job *submit(struct queue *q, const char *peer, bool is_known)
{
    struct job *job = &q->jobs[q->count++];
    struct mm_netaddr address;

    assert_true(mm_netaddr_parse_ip(mm_span_cstr(peer), &address));
    job->job = (struct mm_job){.loop = fake_loop(), .run = run, .done = done};
    job->check.job = &job->job;
    job->checks = &q->checks;
    assert_int_equal(
        mm_checks_submit(&q->checks, &job->check, &address, is_known),
        MAILMOD_OK);
    return job;
}

static int begin(void **state)
{
    fake_open(NULL);
    present = mm_alloc(sizeof *present);
    assert_non_null(present);
    assert_int_equal(mm_checks_init(&present->checks, 7), MAILMOD_OK);
    present->checks.workers = fake_workers();
    *state = present;
    return 0;
}

static int end(void **state)
{
    struct queue *q = *state;

    assert_int_equal(q->checks.running, 0);
    assert_int_equal(q->checks.networks.count, 0);
    mm_checks_fini(&q->checks);
    mm_free(q);
    fake_close();
    return 0;
}

static void test_networks_take_turns(void **state)
{
    struct queue *q = *state;
    struct job *many[5];

    for (unsigned i = 0; i < 5; i++) {
        many[i] = submit(q, "192.0.2.1", false);
    }
    struct job *one = submit(q, "192.0.2.2", false);
    assert_int_equal(q->checks.running, 1);
    fake_run(1);
    assert_int_equal(many[0]->place, 1);
    assert_int_equal(many[1]->place, 2); /* its turn came before the other's */
    assert_int_equal(one->place, 3);
    assert_int_equal(many[4]->place, 6);
    assert_true(many[4]->is_done);
}

static void test_known_networks_wait_for_no_strangers(void **state)
{
    struct queue *q = *state;

    for (unsigned i = 0; i < 40; i++) {
        char peer[32];

        snprintf(peer, sizeof peer, "198.51.100.%u", i);
        (void)submit(q, peer, false);
    }
    struct job *known = submit(q, "192.0.2.1", true);
    struct job *second = submit(q, "192.0.2.2", true);
    fake_run(1);
    assert_true(known->place <= 3);
    assert_true(second->place <= 5); /* strangers have every other turn */
}

static void test_so_many_at_a_time(void **state)
{
    struct queue *q = *state;

    mm_checks_set_max(&q->checks, 3);
    for (unsigned i = 0; i < 5; i++) {
        (void)submit(q, "192.0.2.1", false);
    }
    assert_int_equal(q->checks.running, 3);
    fake_run(1);
    assert_int_equal(q->ran, 5);
}

/* Those that wait are done without having run; nobody is forgotten. */
static void test_workers_without_room(void **state)
{
    struct queue *q = *state;
    struct mm_netaddr peer;

    for (unsigned i = 0; i < 3; i++) {
        (void)submit(q, "192.0.2.1", false);
    }
    fake_set_workers_full(true);
    fake_run(1);
    assert_int_equal(q->ran, 1);
    assert_true(q->jobs[0].is_done && q->jobs[1].is_done && q->jobs[2].is_done);
    assert_true(mm_netaddr_parse_ip(mm_span_cstr("192.0.2.1"), &peer));
    assert_int_equal(
        mm_checks_submit(&q->checks, &q->jobs[0].check, &peer, false),
        MAILMOD_ERROR_LIMIT);
    fake_set_workers_full(false);
}

static void test_no_memory(void **state)
{
    struct queue *q = *state;
    struct mm_check check = {.job = NULL};
    struct mm_netaddr peer;

    (void)submit(q, "192.0.2.1", false);
    assert_true(mm_netaddr_parse_ip(mm_span_cstr("192.0.2.9"), &peer));
    for (unsigned n = 1; n <= 3; n++) { /* the network, the slots, the key */
        mm_mem_set_fault(n, 1);
        assert_int_equal(mm_checks_submit(&q->checks, &check, &peer, false),
                         MAILMOD_ERROR_MEMORY);
        mm_mem_set_fault(0, 0);
    }
    fake_run(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_networks_take_turns, begin, end),
        cmocka_unit_test_setup_teardown(
            test_known_networks_wait_for_no_strangers, begin, end),
        cmocka_unit_test_setup_teardown(test_so_many_at_a_time, begin, end),
        cmocka_unit_test_setup_teardown(test_workers_without_room, begin, end),
        cmocka_unit_test_setup_teardown(test_no_memory, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
