/* thread: any
 * traps.h - addresses that nobody has and spam programs write to: whoever does
 * is refused at the connection for a time, and can be published as a zone. */
#ifndef MM_SERVER_TRAPS_H
#define MM_SERVER_TRAPS_H

#include "base/recent.h"
#include "config/config.h"
#include "io/io.h"
#include "store/store.h"
#include "wire/addr/address.h"

#include <stdatomic.h>

struct mm_mutex;

struct mm_traps {
    struct mm_store *store;
    struct mm_workers *workers;
    const struct mm_log *log;
    atomic_size_t count; /* of the table: 0 spares every connection a look */
    atomic_flag is_writing;
    struct mm_job job;
    struct mm_mutex *mutex;   /* guards what follows */
    struct mm_recent table;   /* IPv4 address or IPv6 /64 -> the end */
    struct mm_config *config; /* how the zone is written; a reference */
    bool is_changed;          /* since the zone was written */
    int64_t written_ms;       /* when that was begun */
};

MM_CHECK enum mailmod_error mm_traps_init(struct mm_traps *traps, uint64_t seed,
                                          const struct mm_log *log);
void mm_traps_fini(struct mm_traps *traps); /* when the workers are gone */
/* Before the loops run: those of the store. */
void mm_traps_attach(struct mm_traps *traps, struct mm_store *store,
                     struct mm_workers *workers);
/* From now on; the zone is written anew. */
void mm_traps_set_config(struct mm_traps *traps, struct mm_config *config);

bool mm_traps_is_trap(const struct mm_config *config,
                      const struct mm_address *recipient);
/* Is the peer refused now? */
bool mm_traps_has(struct mm_traps *traps, const struct mm_netaddr *peer,
                  int64_t now_ms);
/* It wrote to a trap. */
void mm_traps_catch(struct mm_traps *traps, const struct mm_config *config,
                    const struct mm_netaddr *peer, int64_t now_ms);

#endif
