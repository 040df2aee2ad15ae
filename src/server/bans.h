/* thread: any
 * bans.h - bans of networks in the store: a restart keeps them, and an operator
 * lists, makes and lifts them from another process.
 *
 * A ban is a sighting: `count` is one more than the failures that made it, 1 an
 * operator's; 0: it was lifted, which is kept for a while so that whoever has
 * it in memory hears of it. */
#ifndef MM_SERVER_BANS_H
#define MM_SERVER_BANS_H

#include "io/io.h"
#include "server/networks.h"
#include "store/store.h"

#include <stdatomic.h>

/* How long a lifting is told. */
#define MM_BAN_LIFTED_MS (INT64_C(10) * 60 * 1000)

/* Zeroed, then mm_bans_init. */
struct mm_bans {
    struct mm_networks *networks;
    struct mm_store *store;
    struct mm_workers *workers;
    const struct mm_log *log;
    struct mm_job job;
    atomic_flag is_busy; /* a look is on its way */
    atomic_llong looked_ms;
    /* When the look was asked for, by both clocks; its own. */
    uint64_t now_ms;
    int64_t wall_ms;
};

void mm_bans_init(struct mm_bans *bans, struct mm_networks *networks,
                  const struct mm_log *log);
/* Before the loops run: reads them. */
void mm_bans_attach(struct mm_bans *bans, struct mm_store *store,
                    struct mm_workers *workers);
/* Looks at the store again on a worker, every few seconds at most. The clocks
 * are a loop's. */
void mm_bans_look(struct mm_bans *bans, uint64_t now_ms, int64_t wall_ms);
/* After a login from there was counted or refused: writes down what the store
 * does not have. */
void mm_bans_note(struct mm_bans *bans, const struct mm_config *config,
                  const struct mm_netaddr *peer, uint64_t now_ms,
                  int64_t wall_ms);
/* The key of the network that a peer belongs to: an IPv4 address, or the first
 * one of an IPv6 /64. */
void mm_ban_key(const struct mm_netaddr *peer,
                char text_out[MM_STORE_SIGHTING_KEY_MAX]);

#endif
