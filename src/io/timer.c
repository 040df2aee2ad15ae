/* timer.c - all timers of a loop behind one libuv timer.
 *
 * An open timer is always in the loop's heap; one that is not set has the last
 * of all keys. So opening reserves the memory, and setting and cancelling only
 * move a node, which cannot fail. The libuv timer (the alarm) is set to the
 * first key; it is left alone when that moves later, and an alarm that finds
 * nothing due is set anew.
 * Promises one on_expired a setting, never from inside mm_timer_set, and that
 * on_expired may set, close and free what it likes. Thread: the loop's. */
#include "io/loop_internal.h"

#include "platform/clock.h"

#define NOT_SET UINT64_MAX

static void on_alarm(uv_timer_t *alarm);

static void arm(struct mm_loop *loop)
{
    const struct mm_heap_node *first = mm_heap_first(&loop->timers);
    if (first == NULL || first->key >= loop->alarm_at || loop->is_closing) {
        return;
    }
    uint64_t now_ms = mm_clock_monotonic_ms();
    uint64_t wait_ms = first->key > now_ms ? first->key - now_ms : 0;
    loop->alarm_at = first->key;
    /* libuv counts from the time at which its turn began. */
    uv_update_time(&loop->uv);
    (void)uv_timer_start(&loop->alarm, on_alarm, wait_ms, 0);
}

static void on_alarm(uv_timer_t *alarm)
{
    struct mm_loop *loop = alarm->data;
    uint64_t now_ms = mm_clock_monotonic_ms();
    mm_loop_note_callback(loop);
    loop->alarm_at = NOT_SET;
    struct mm_heap_node *first = mm_heap_first(&loop->timers);
    while (first != NULL && first->key <= now_ms) {
        struct mm_timer *timer = MM_LIST_OBJECT(first, struct mm_timer, node);
        (void)mm_heap_add(&loop->timers, first, NOT_SET);
        timer->on_expired(timer);
        first = mm_heap_first(&loop->timers);
    }
    arm(loop);
}

void mm_loop_timers_start(struct mm_loop *loop)
{
    (void)uv_timer_init(&loop->uv, &loop->alarm);
    loop->alarm.data = loop;
    loop->alarm_at = NOT_SET;
    (void)uv_timer_init(&loop->uv, &loop->turn_end);
}

enum mailmod_error mm_timer_open(struct mm_timer *timer, struct mm_loop *loop,
                                 void (*on_expired)(struct mm_timer *))
{
    timer->loop = loop;
    timer->on_expired = on_expired;
    timer->node.place = 0;
    return mm_heap_add(&loop->timers, &timer->node, NOT_SET);
}

void mm_timer_set(struct mm_timer *timer, uint64_t after_ms)
{
    uint64_t now_ms = mm_clock_monotonic_ms();
    /* At least one: a timer that sets itself to nothing is not due again in
     * the same turn. */
    uint64_t wait_ms = after_ms == 0 ? 1 : after_ms;
    uint64_t at =
        wait_ms < NOT_SET - 1 - now_ms ? now_ms + wait_ms : NOT_SET - 1;
    (void)mm_heap_add(&timer->loop->timers, &timer->node, at);
    arm(timer->loop);
}

void mm_timer_cancel(struct mm_timer *timer)
{
    if (timer->node.place != 0) {
        (void)mm_heap_add(&timer->loop->timers, &timer->node, NOT_SET);
    }
}

bool mm_timer_is_set(const struct mm_timer *timer)
{
    return timer->node.place != 0 && timer->node.key != NOT_SET;
}

void mm_timer_close(struct mm_timer *timer)
{
    if (timer->node.place != 0) {
        mm_heap_remove(&timer->loop->timers, &timer->node);
    }
}
