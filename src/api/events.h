/* thread: any
 * events.h - what became of mail, told to the host. */
#ifndef MM_API_EVENTS_H
#define MM_API_EVENTS_H

#include "mailmod.h"

#include "api/context.h"
#include "api/host_threads.h"
#include "base/log.h"
#include "post/news.h"

#include <stdbool.h>

/* Octets of events that wait for the host; past it no mail is begun. */
#define MM_EVENTS_OCTETS_MAX (16u << 20)

struct mm_events; /* one an instance, as long as that lives */

MM_CHECK enum mailmod_error mm_events_new(struct mm_events **events_out,
                                          const struct mm_log *log);
/* After mm_events_end. Releases the host's context. */
void mm_events_free(struct mm_events **events);
/* From now on there are threads to tell on. */
void mm_events_begin(struct mm_events *events, struct mm_host_threads *threads);
/* All has been told when it returns; on the calling thread what no other one
 * can be had for. Nothing more may come meanwhile. Not on a host thread. */
void mm_events_end(struct mm_events *events);
/* See post.h. */
void mm_events_tell(void *events, const struct mm_news *news);
bool mm_events_is_behind(void *events);

#endif
