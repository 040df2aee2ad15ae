/* thread: any
 * session_events.h - what sessions do, told to the host. */
#ifndef MM_API_SESSION_EVENTS_H
#define MM_API_SESSION_EVENTS_H

#include "api/host_threads.h"
#include "base/log.h"
#include "server/observer.h"

/* Octets of events that wait for the host; past it they are left out, commands
 * and replies from three quarters of it on, so that beginnings, ends and logins
 * are told while the host is a little behind. */
#define MM_SESSION_EVENTS_OCTETS_MAX (1u << 20)

struct mm_session_events; /* one an instance, as long as that lives */

MM_CHECK enum mailmod_error
mm_session_events_new(struct mm_session_events **events_out,
                      const struct mm_log *log);
/* After mm_session_events_end. Releases the host's context. */
void mm_session_events_free(struct mm_session_events **events);
/* Lives as long as `events`. */
struct mm_observer mm_session_events_observer(struct mm_session_events *events);
/* See telling.h. */
void mm_session_events_begin(struct mm_session_events *events,
                             struct mm_host_threads *threads);
void mm_session_events_end(struct mm_session_events *events);

#endif
