/* thread: any
 * turning.h - an instance whose loop the host turns, and what waits in it.
 *
 * A call of the host's that waits for the loop turns it meanwhile: it may stand
 * on the very thread that would do so. */
#ifndef MM_API_TURNING_H
#define MM_API_TURNING_H

#include "io/io.h"

#include <stdatomic.h>

struct mm_turning {
    bool is_wanted;       /* the instance's mutex; fixed from start on */
    struct mm_loop *loop; /* NULL: loops have threads; fixed while it runs */
    atomic_uint users;    /* calls that hold the loop */
};

/* As mm_condition_wait, which may end early. */
void mm_turning_wait(struct mm_turning *turning, struct mm_condition *condition,
                     struct mm_mutex *mutex);
/* So long at most. `turning` may be NULL. */
void mm_turning_wait_for(struct mm_turning *turning,
                         struct mm_condition *condition, struct mm_mutex *mutex,
                         uint64_t wait_ms);
/* The same without a condition: so long at most. */
void mm_turning_pause(struct mm_turning *turning, uint64_t wait_ms);
/* Nobody begins any more, and the loop has stopped: waits until the last call
 * has left it. */
void mm_turning_end(struct mm_turning *turning);

#endif
