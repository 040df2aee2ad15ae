/* later.c - who of the host's callback and its other threads answers.
 *
 * Owns nothing. Promises: each move is one step, for the answer may come in the
 * moment in which the callback says "later".
 * Thread: any. */
#include "api/later.h"

#include <stddef.h>

enum { LATER_RUNNING, LATER_WAITING, LATER_ANSWERED };

void mm_later_init(struct mm_later *later)
{
    atomic_init(&later->state, LATER_RUNNING);
}

bool mm_later_wait(struct mm_later *later)
{
    int running = LATER_RUNNING;

    return atomic_compare_exchange_strong(&later->state, &running,
                                          LATER_WAITING);
}

bool mm_later_answer(struct mm_later *later, bool *was_waiting_out)
{
    int former = atomic_exchange(&later->state, LATER_ANSWERED);

    if (was_waiting_out != NULL) {
        *was_waiting_out = former == LATER_WAITING;
    }
    return former != LATER_ANSWERED;
}

bool mm_later_is_answered(const struct mm_later *later)
{
    return atomic_load(&later->state) == LATER_ANSWERED;
}
