/* mailmod/loop.h - an instance in the event loop of the host. Included by
 * mailmod.h. */
#ifndef MAILMOD_LOOP_H
#define MAILMOD_LOOP_H

#include "mailmod.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The instance starts no threads for its event loops: it has one loop, and the
 * host turns it (general.loops counts for nothing). The threads that write to
 * the disk, look names and passwords up and call the host stay. Nothing is
 * received, served or sent on unless the loop is turned. A call that waits for
 * the loop turns it meanwhile, mailmod_drain and mailmod_free too, so that none
 * hangs. Before start. STATE. */
MAILMOD_API enum mailmod_error mailmod_loop_set_turned(mailmod *instance,
                                                       int is_turned);
/* Runs what is ready, and waits for it at most `timeout_ms` (0: not at all).
 * Any thread, one at a time: BUSY while another turns it. From mailmod_start to
 * the end of mailmod_drain; STATE before and after that, and without
 * mailmod_loop_set_turned. Not in a callback. */
MAILMOD_API enum mailmod_error mailmod_run_once(mailmod *instance,
                                                uint64_t timeout_ms);
/* Until when mailmod_run_once has nothing to do, to be asked behind each call
 * of it: until the descriptor is readable (for the host's epoll or poll; it
 * stays the same, belongs to the instance and is never read) or until so many
 * milliseconds have passed (-1: for ever). -1 for the descriptor: the system
 * has none (Windows), and mailmod_run_once has to wait itself. As
 * mailmod_run_once; ARGUMENT. */
MAILMOD_API enum mailmod_error mailmod_run_next(mailmod *instance,
                                                int *descriptor_out,
                                                int64_t *timeout_ms_out);

#ifdef __cplusplus
}
#endif

#endif
