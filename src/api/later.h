/* thread: any
 * later.h - a question to the host whose callback answers, or says "later" and
 * leaves the answer to a call of the host's.
 *
 * Law: RUNNING -> ANSWERED, or RUNNING -> WAITING -> ANSWERED. It is answered
 * once; who answers first does it, and whoever comes last of the answer and the
 * callback's return ends the question. */
#ifndef MM_API_LATER_H
#define MM_API_LATER_H

#include <stdatomic.h>
#include <stdbool.h>

struct mm_later {
    atomic_int state;
};

/* The callback runs from now on. */
void mm_later_init(struct mm_later *later);
/* The callback has said "later". False: it was answered before that. */
bool mm_later_wait(struct mm_later *later);
/* False: it is answered already. `was_waiting_out` (may be NULL): the callback
 * has returned, so the question is the caller's to end. */
bool mm_later_answer(struct mm_later *later, bool *was_waiting_out);
bool mm_later_is_answered(const struct mm_later *later);

#endif
