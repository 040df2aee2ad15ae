/* thread: any
 * pace.h - how many messages a destination is sent in a window of time. */
#ifndef MM_CLIENT_PACE_H
#define MM_CLIENT_PACE_H

#include "base/recent.h"
#include "config/routes.h"
#include "platform/thread.h"

struct mm_pace {
    struct mm_mutex *mutex;
    struct mm_recent table;
};

MM_CHECK enum mailmod_error mm_pace_init(struct mm_pace *pace, uint64_t seed);
void mm_pace_fini(struct mm_pace *pace); /* harmless on a zeroed one */
/* One more message to `destination` by this row: 0, it may go and is counted;
 * else the window has had its messages, and ends after so many ms. `now_ms` is
 * the monotonic time. Without memory nothing is counted, and it may go. */
uint64_t mm_pace_take(struct mm_pace *pace, const struct mm_config *config,
                      const struct mm_config_route *route,
                      const char *destination, uint64_t now_ms);

#endif
