/* thread: loop
 * greylist.h - a mail server that nobody knows is asked to come again: spam
 * programs rarely do, servers always (RFC 6647, RFC 5321 4.5.4.1). */
#ifndef MM_SERVER_GREYLIST_H
#define MM_SERVER_GREYLIST_H

#include "config/config.h"
#include "store/store.h"

#include <stdatomic.h>

/* Zeroed. */
struct mm_greylist {
    struct mm_store *store;
    const struct mm_log *log;
    atomic_uint puts; /* since the last sweep */
};

/* Has its network come again? One look by key. */
bool mm_greylist_knows(const struct mm_greylist *greylist,
                       const struct mm_netaddr *peer, int64_t now_ms);
/* May it come in now? False: it is to come again. What is seen of it is written
 * beside the session. An error of the store lets it in. */
bool mm_greylist_lets_in(struct mm_greylist *greylist,
                         const struct mm_config *config,
                         const struct mm_netaddr *peer, const char *sender,
                         const char *recipient, int64_t now_ms);

#endif
