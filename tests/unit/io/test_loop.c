/* test_loop.c - posting, stopping, timers. */
#include "helpers.h"

static struct mm_loop *works_loop; /* of the task that looks at it */

#define POSTERS 4
#define POSTS 500

struct order {
    struct mm_task task;
    int poster;
    int number;
    int *last; /* per poster */
    int *count;
};

static void run_order(struct mm_task *task)
{
    struct order *order = MM_LIST_OBJECT(task, struct order, task);
    assert_int_equal(order->last[order->poster] + 1, order->number);
    order->last[order->poster] = order->number;
    (*order->count)++;
}

struct poster {
    pthread_t thread;
    struct mm_loop *loop;
    struct order *orders;
};

static void *post_all(void *context)
{
    struct poster *poster = context;
    for (int i = 0; i < POSTS; i++) {
        mm_loop_post(poster->loop, &poster->orders[i].task);
    }
    return NULL;
}

static void test_post_order(void **state)
{
    (void)state;
    static struct order orders[POSTERS][POSTS];
    struct poster posters[POSTERS];
    int last[POSTERS] = {0};
    int count = 0;
    struct mm_loop *loop = loop_begin();
    for (int p = 0; p < POSTERS; p++) {
        for (int i = 0; i < POSTS; i++) {
            struct order order = {.poster = p, .number = i + 1};
            order.task.run = run_order;
            order.last = last;
            order.count = &count;
            orders[p][i] = order;
        }
        posters[p].loop = loop;
        posters[p].orders = orders[p];
        pthread_create(&posters[p].thread, NULL, post_all, &posters[p]);
    }
    for (int p = 0; p < POSTERS; p++) {
        pthread_join(posters[p].thread, NULL);
    }
    /* Stop runs what is posted. */
    loop_end(&loop);
    assert_int_equal(count, POSTERS * POSTS);
}

static void run_count(struct mm_task *task)
{
    struct order *order = MM_LIST_OBJECT(task, struct order, task);
    (*order->count)++;
}

static void test_post_around_the_life(void **state)
{
    (void)state;
    struct mm_loop *loop;
    int count = 0;
    struct order before = {.task.run = run_count, .count = &count};
    struct order after = before;
    assert_int_equal(mm_loop_new(&loop, NULL), MAILMOD_OK);
    mm_loop_post(loop, &before.task);
    assert_int_equal(mm_loop_start(loop), MAILMOD_OK);
    assert_int_equal(mm_loop_start(loop), MAILMOD_ERROR_STATE);
    mm_loop_stop(loop);
    assert_int_equal(count, 1);
    mm_loop_post(loop, &after.task);
    mm_loop_stop(loop);
    assert_int_equal(count, 1);
    mm_loop_free(&loop);
}

static void test_never_started(void **state)
{
    (void)state;
    struct mm_loop *loop;
    int count = 0;
    struct order before = {.task.run = run_count, .count = &count};
    assert_int_equal(mm_loop_new(&loop, NULL), MAILMOD_OK);
    mm_loop_post(loop, &before.task);
    mm_loop_stop(loop);
    assert_int_equal(count, 1);
    mm_loop_free(&loop);
}

static void run_current(void *context)
{
    assert_true(mm_loop_is_current(context));
}

static void test_is_current(void **state)
{
    (void)state;
    struct mm_loop *loop = loop_begin();
    assert_false(mm_loop_is_current(loop));
    on_loop(loop, run_current, loop);
    mm_loop_stop(loop);
    assert_false(mm_loop_is_current(loop));
    mm_loop_free(&loop);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    enum mailmod_error error = MAILMOD_ERROR_MEMORY;
    unsigned long number = 1;
    while (error != MAILMOD_OK) {
        struct mm_loop *loop;
        mm_mem_set_fault(number, 0);
        error = mm_loop_new(&loop, NULL);
        mm_mem_set_fault(0, 0);
        if (error == MAILMOD_OK) {
            mm_loop_free(&loop);
        } else {
            assert_int_equal(error, MAILMOD_ERROR_MEMORY);
            assert_null(loop);
        }
        number++;
    }
    assert_true(number > 3);
}

struct clockwork {
    struct mm_loop *loop;
    struct mm_timer timers[5];
    int fired[16];
    int count;
    uint64_t begun_ms;
    bool is_over;
};

static struct clockwork works;

static void on_fired(struct mm_timer *timer)
{
    works.fired[works.count] = (int)(timer - works.timers);
    works.count++;
    assert_false(mm_timer_is_set(timer));
}

static void on_last(struct mm_timer *timer)
{
    on_fired(timer);
    assert_true(mm_loop_now_ms(works.loop) - works.begun_ms >= 80);
    for (int i = 0; i < 5; i++) {
        mm_timer_close(&works.timers[i]);
    }
    set_flag(&works.is_over);
}

/* Each later than those before it, however long the machine takes between two
 * lines: so is their order. */
static void set_others(void)
{
    works.begun_ms = mm_loop_now_ms(works.loop);
    mm_timer_set(&works.timers[3], 1);  /* cancelled */
    mm_timer_set(&works.timers[2], 10); /* moved behind 1 */
    mm_timer_set(&works.timers[1], 30);
    mm_timer_set(&works.timers[2], 60);
    mm_timer_set(&works.timers[4], 80);
    mm_timer_cancel(&works.timers[3]);
    assert_true(mm_timer_is_set(&works.timers[2]));
    assert_false(mm_timer_is_set(&works.timers[3]));
}

static void on_again(struct mm_timer *timer)
{
    on_fired(timer);
    if (works.count < 3) {
        mm_timer_set(timer, 0);
    } else {
        set_others();
    }
}

static void start_timers(void *context)
{
    struct mm_loop *loop = context;
    memset(&works, 0, sizeof works);
    works.loop = loop;
    void (*const callbacks[5])(struct mm_timer *) = {
        on_again, on_fired, on_fired, on_fired, on_last};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(mm_timer_open(&works.timers[i], loop, callbacks[i]),
                         MAILMOD_OK);
        assert_false(mm_timer_is_set(&works.timers[i]));
    }
    mm_timer_set(&works.timers[0], 0);
}

static void test_timers(void **state)
{
    (void)state;
    static const int expected[] = {0, 0, 0, 1, 2, 4};
    struct mm_loop *loop = loop_begin();
    on_loop(loop, start_timers, loop);
    wait_flag(&works.is_over);
    loop_end(&loop);
    assert_int_equal(works.count, 6);
    assert_memory_equal(works.fired, expected, sizeof expected);
}

static void set_far(void *context)
{
    memset(&works, 0, sizeof works);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(mm_timer_open(&works.timers[i], context, on_fired),
                         MAILMOD_OK);
        mm_timer_set(&works.timers[i], i == 0 ? UINT64_MAX : 3600000);
    }
}

static void test_timers_left_at_stop(void **state)
{
    (void)state;
    struct mm_loop *loop = loop_begin();
    on_loop(loop, set_far, loop);
    mm_loop_stop(loop);
    assert_int_equal(works.count, 0);
    for (int i = 0; i < 5; i++) {
        mm_timer_close(&works.timers[i]); /* after the stop, before free */
    }
    mm_loop_free(&loop);
}

static void run_stop_turning(struct mm_task *task)
{
    struct order *order = MM_LIST_OBJECT(task, struct order, task);
    /* One turn at a time, and none within another. */
    assert_int_equal(mm_loop_turn(works_loop, 0), MAILMOD_ERROR_BUSY);
    (*order->count)++;
}

static void test_turned(void **state)
{
    (void)state;
    struct mm_loop *loop;
    int count = 0;
    int descriptor = 0;
    int64_t wait_ms = 0;
    struct order order = {.task.run = run_stop_turning, .count = &count};
    struct order last = {.task.run = run_count, .count = &count};
    assert_int_equal(mm_loop_new(&loop, NULL), MAILMOD_OK);
    works_loop = loop;
    assert_int_equal(mm_loop_turn(loop, 0), MAILMOD_ERROR_STATE);
    assert_int_equal(mm_loop_start_turned(loop), MAILMOD_OK);
    assert_int_equal(mm_loop_start_turned(loop), MAILMOD_ERROR_STATE);
    assert_int_equal(mm_loop_start(loop), MAILMOD_ERROR_STATE);
    mm_loop_post(loop, &order.task);
    assert_int_equal(count, 0);
    assert_int_equal(mm_loop_turn(loop, 10000), MAILMOD_OK);
    assert_int_equal(count, 1);
    /* Nothing is due, for ever; then a timer. */
    assert_int_equal(mm_loop_next(loop, &descriptor, &wait_ms), MAILMOD_OK);
    assert_int_equal(wait_ms, -1);
    set_far(loop);
    assert_int_equal(mm_loop_next(loop, &descriptor, &wait_ms), MAILMOD_OK);
    assert_in_range(wait_ms, 1, 3600000);
    /* A stop runs what is posted, on this thread. */
    mm_loop_post(loop, &last.task);
    mm_loop_stop(loop);
    assert_int_equal(count, 2);
    assert_int_equal(mm_loop_turn(loop, 0), MAILMOD_ERROR_STATE);
    for (int i = 0; i < 5; i++) {
        mm_timer_close(&works.timers[i]);
    }
    mm_loop_free(&loop);
}

static void test_own_thread_is_not_turned(void **state)
{
    (void)state;
    struct mm_loop *loop = loop_begin();
    assert_int_equal(mm_loop_turn(loop, 0), MAILMOD_ERROR_STATE);
    loop_end(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_post_order),
        cmocka_unit_test(test_post_around_the_life),
        cmocka_unit_test(test_never_started),
        cmocka_unit_test(test_is_current),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_timers),
        cmocka_unit_test(test_timers_left_at_stop),
        cmocka_unit_test(test_turned),
        cmocka_unit_test(test_own_thread_is_not_turned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
