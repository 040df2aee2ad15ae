/* wait.c - the table of what a session may wait for.
 *
 * Owns nothing. Promises: one wait at a time; the end of another one than the
 * present changes nothing but the count of jobs, so that a late answer cannot
 * let a session go on that waits for something else by now.
 * Thread: the session's loop. */
#include "server/wait.h"

#include <assert.h>

static const struct {
    const char *name;
    bool is_work;
} table[MM_WAIT_COUNT] = {
    [MM_WAIT_NOTHING] = {"nothing", false}, [MM_WAIT_JOB] = {"job", true},
    [MM_WAIT_STORE] = {"store", true},      [MM_WAIT_ROOM] = {"room", true},
    [MM_WAIT_HOST] = {"host", true},        [MM_WAIT_NAMES] = {"names", false},
    [MM_WAIT_LOCK] = {"lock", false},       [MM_WAIT_DELAY] = {"delay", false},
};

const char *mm_wait_name(enum mm_wait_for what)
{
    return table[what].name;
}

bool mm_wait_is_work(enum mm_wait_for what)
{
    return table[what].is_work;
}

void mm_wait_begin(struct mm_wait *wait, enum mm_wait_for what)
{
    assert(wait->what == MM_WAIT_NOTHING);
    wait->what = what;
    if (what == MM_WAIT_JOB) {
        wait->jobs++;
    }
}

bool mm_wait_end(struct mm_wait *wait, enum mm_wait_for what)
{
    if (what == MM_WAIT_JOB && wait->jobs > 0) {
        wait->jobs--;
    }
    if (wait->what != what) {
        return false;
    }
    wait->what = MM_WAIT_NOTHING;
    return true;
}

void mm_wait_forget(struct mm_wait *wait)
{
    wait->what = MM_WAIT_NOTHING;
}
