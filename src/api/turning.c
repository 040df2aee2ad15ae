/* turning.c - mailmod_loop_set_turned, mailmod_run_once, mailmod_run_next: the
 * loop of an instance on the host's own thread.
 *
 * Owns nothing: the instance has the loop. Promises that no call of the library
 * waits for a loop that nobody turns, and that the loop stays until the last
 * call has left it. Thread: any. */
#include "api/turning.h"

#include "api/handles.h"
#include "api/instance.h"
#include "platform/clock.h"

#define END_STEP_MS 1

void mm_turning_wait(struct mm_turning *turning, struct mm_condition *condition,
                     struct mm_mutex *mutex)
{
    if (!turning->is_wanted) {
        mm_condition_wait(condition, mutex);
        return;
    }
    /* With the mutex held: whoever ends the wait comes behind this. */
    atomic_fetch_add(&turning->users, 1);
    mm_loop_wait(turning->loop, condition, mutex);
    atomic_fetch_sub(&turning->users, 1);
}

void mm_turning_wait_for(struct mm_turning *turning,
                         struct mm_condition *condition, struct mm_mutex *mutex,
                         uint64_t wait_ms)
{
    if (turning == NULL || !turning->is_wanted) {
        (void)mm_condition_wait_for(condition, mutex, wait_ms);
    } else {
        mm_turning_wait(turning, condition, mutex);
    }
}

void mm_turning_pause(struct mm_turning *turning, uint64_t wait_ms)
{
    if (turning->loop == NULL ||
        mm_loop_turn(turning->loop, wait_ms) != MAILMOD_OK) {
        mm_clock_sleep_ms(wait_ms);
    }
}

void mm_turning_end(struct mm_turning *turning)
{
    while (atomic_load(&turning->users) > 0) {
        mm_clock_sleep_ms(END_STEP_MS);
    }
    turning->loop = NULL;
}

enum mailmod_error mailmod_loop_set_turned(mailmod *instance, int is_turned)
{
    enum mailmod_error error = mm_instance_lock(instance);
    if (error != MAILMOD_OK) {
        return error;
    }
    if (instance->state != MM_INSTANCE_NEW) {
        error = mm_fail(MAILMOD_ERROR_STATE,
                        "this is set before the instance starts");
    } else {
        instance->turning.is_wanted = is_turned != 0;
    }
    mm_instance_unlock(instance);
    return error;
}

/* With its loop, until leave. */
static enum mailmod_error enter(mailmod *instance, struct mm_loop **loop_out)
{
    enum mailmod_error error = mm_instance_lock(instance);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_turning *turning = &instance->turning;
    if (turning->loop == NULL) {
        error = turning->is_wanted
                    ? mm_fail(MAILMOD_ERROR_STATE, "the instance does not run")
                    : mm_fail(MAILMOD_ERROR_STATE,
                              "the instance turns its loops itself: "
                              "mailmod_loop_set_turned comes before the start");
    } else {
        atomic_fetch_add(&turning->users, 1);
        *loop_out = turning->loop;
    }
    mm_instance_unlock(instance);
    return error;
}

static enum mailmod_error leave(mailmod *instance, enum mailmod_error error)
{
    atomic_fetch_sub(&instance->turning.users, 1);
    if (error == MAILMOD_ERROR_BUSY) {
        return mm_fail(error, "another thread turns the loop");
    }
    return error == MAILMOD_ERROR_STATE
               ? mm_fail(error, "the instance has stopped")
               : error;
}

enum mailmod_error mailmod_run_once(mailmod *instance, uint64_t timeout_ms)
{
    struct mm_loop *loop = NULL;
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_INSTANCE, instance);
    if (error != MAILMOD_OK) {
        return error;
    }
    error = enter(instance, &loop);
    if (error == MAILMOD_OK) {
        error = leave(instance, mm_loop_turn(loop, timeout_ms));
    }
    mm_handle_let(instance);
    return error;
}

enum mailmod_error mailmod_run_next(mailmod *instance, int *descriptor_out,
                                    int64_t *timeout_ms_out)
{
    struct mm_loop *loop = NULL;
    if (descriptor_out == NULL || timeout_ms_out == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "an output is NULL");
    }
    *descriptor_out = -1;
    *timeout_ms_out = -1;
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_INSTANCE, instance);
    if (error != MAILMOD_OK) {
        return error;
    }
    error = enter(instance, &loop);
    if (error == MAILMOD_OK) {
        error =
            leave(instance, mm_loop_next(loop, descriptor_out, timeout_ms_out));
    }
    mm_handle_let(instance);
    return error;
}
