/* login_times.c - when each user logged in last.
 *
 * Owns a map from user to time, behind a lock; the time is the map's value (a
 * pointer-sized count of tenths of a second since the first use, good for 13
 * years where pointers have 32 bits). Promises: bounded, for a user who logged
 * in longer ago than the delay has no entry to keep; when USERS_MAX logged in
 * within one delay, the newcomer is not noted and may come again at once.
 * Thread: any. RFC 2449 6.5. */
#include "server/login_times.h"

#include "base/map.h"
#include "base/mem.h"
#include "platform/thread.h"

#define USERS_MAX 100000
#define TICK_MS 100

struct mm_login_times {
    struct mm_mutex *mutex; /* all below */
    struct mm_map users;    /* name -> ticks since `start_ms`, and 1 */
    uint64_t start_ms;      /* 0: not begun */
    uint64_t oldest_tick;   /* of those that are swept out */
};

enum mailmod_error mm_login_times_new(struct mm_login_times **out,
                                      uint64_t seed)
{
    struct mm_login_times *times = mm_alloc(sizeof *times);

    *out = NULL;
    if (times == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error = mm_mutex_new(&times->mutex);
    if (error != MAILMOD_OK) {
        mm_free(times);
        return error;
    }
    mm_map_init(&times->users, USERS_MAX, seed);
    *out = times;
    return MAILMOD_OK;
}

void mm_login_times_free(struct mm_login_times **times_in)
{
    struct mm_login_times *times = *times_in;

    *times_in = NULL;
    if (times != NULL) {
        mm_map_fini(&times->users);
        mm_mutex_free(&times->mutex);
        mm_free(times);
    }
}

/* Loops read one clock, but not at one moment. */
static uint64_t tick_of(struct mm_login_times *times, uint64_t now_ms)
{
    if (times->start_ms == 0) {
        times->start_ms = now_ms;
    }
    return now_ms > times->start_ms ? (now_ms - times->start_ms) / TICK_MS + 1
                                    : 1;
}

bool mm_login_times_is_within(struct mm_login_times *times, const char *user,
                              uint64_t delay_ms, uint64_t now_ms)
{
    mm_mutex_lock(times->mutex);
    uint64_t now = tick_of(times, now_ms);
    uint64_t then = (uintptr_t)mm_map_get(&times->users, mm_span_cstr(user));
    mm_mutex_unlock(times->mutex);
    return then != 0 && now < then + delay_ms / TICK_MS;
}

static void sweep(void *context, struct mm_span user, void *value)
{
    struct mm_login_times *times = context;

    if ((uintptr_t)value < times->oldest_tick) {
        mm_map_remove(&times->users, user);
    }
}

void mm_login_times_note(struct mm_login_times *times, const char *user,
                         uint64_t delay_ms, uint64_t now_ms)
{
    if (delay_ms == 0) {
        return;
    }
    mm_mutex_lock(times->mutex);
    uint64_t now = tick_of(times, now_ms);
    uint64_t delay = delay_ms / TICK_MS;
    void *value = (void *)(uintptr_t)now; /* a number, never followed */
    if (mm_map_put(&times->users, mm_span_cstr(user), value) ==
        MAILMOD_ERROR_LIMIT) {
        times->oldest_tick = now > delay ? now - delay : 0;
        mm_map_each(&times->users, sweep, times);
        (void)mm_map_put(&times->users, mm_span_cstr(user), value);
    }
    mm_mutex_unlock(times->mutex);
}
