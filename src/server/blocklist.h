/* thread: loop (the session's)
 * blocklist.h - whether DNS block lists (dnsbl.zones) have a peer's address.
 *
 * The look-ups run beside the session's first commands. A list that gives no
 * usable answer in time lists nobody: RFC 5782 5. */
#ifndef MM_SERVER_BLOCKLIST_H
#define MM_SERVER_BLOCKLIST_H

#include "config/config.h"
#include "io/io.h"

struct mm_server_loop;
struct mm_blocklist; /* the question about one peer */

/* What is kept of a list's own words, with NUL. */
#define MM_BLOCKLIST_REASON_MAX 200

/* NULL when nobody is to be asked, or when that is not possible now. `config`
 * outlives it. `on_done` comes once, never from inside this call,
 * and not after mm_blocklist_free. */
struct mm_blocklist *mm_blocklist_new(struct mm_server_loop *loop,
                                      struct mm_config *config,
                                      const struct mm_netaddr *peer,
                                      void (*on_done)(void *context),
                                      void *context);
void mm_blocklist_free(struct mm_blocklist **blocklist);
/* NULL is done. */
bool mm_blocklist_is_done(const struct mm_blocklist *blocklist);
/* The zone that has the address; NULL: none has. */
const char *mm_blocklist_zone(const struct mm_blocklist *blocklist);
/* What the zone says of it; "" without words. */
const char *mm_blocklist_reason(const struct mm_blocklist *blocklist);

#endif
