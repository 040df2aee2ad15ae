/* thread: any
 * sightings.h - what was seen of peers is written beside their sessions, which
 * do not wait for it. */
#ifndef MM_SERVER_SIGHTINGS_H
#define MM_SERVER_SIGHTINGS_H

#include "store/store.h"

/* Of what is over, with each write, for those who write seldom. */
#define MM_SIGHTING_SWEEP_ROWS 16

struct mm_sighting_options {
    const char *passed; /* a triplet that goes with it; NULL or "": none */
    size_t sweep_rows;  /* so many of what is over go, too */
    /* True: it is not noted, for others wrote meanwhile. thread: writer. May be
     * NULL. */
    bool (*is_outdated)(struct mm_store *store,
                        const struct mm_store_sighting *sighting);
};

/* Notes the sighting, which was made at its `last_ms`. */
void mm_sighting_write(struct mm_store *store,
                       const struct mm_store_sighting *sighting,
                       const struct mm_sighting_options *options);

#endif
