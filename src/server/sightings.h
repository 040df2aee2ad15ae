/* thread: any
 * sightings.h - what was seen of peers is written beside their sessions, which
 * do not wait for it. */
#ifndef MM_SERVER_SIGHTINGS_H
#define MM_SERVER_SIGHTINGS_H

#include "store/store.h"

/* Notes the sighting, which was made at its `last_ms`. `passed`: a triplet that
 * goes with it; "": none. Up to `sweep_rows` of what is over go, too. */
void mm_sighting_write(struct mm_store *store,
                       const struct mm_store_sighting *sighting,
                       const char *passed, size_t sweep_rows);

#endif
