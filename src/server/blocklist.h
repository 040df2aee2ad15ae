/* thread: loop (the session's)
 * blocklist.h - whether lists of the DNS have a peer: those of dnsbl.zones, or
 * the zones of a list of rules.
 *
 * The look-ups run beside the session's first commands. A list that gives no
 * usable answer in time lists nobody: RFC 5782 5. */
#ifndef MM_SERVER_BLOCKLIST_H
#define MM_SERVER_BLOCKLIST_H

#include "config/config.h"
#include "io/io.h"
#include "server/lists.h"

struct mm_server_loop;
struct mm_blocklist;  /* the question about one peer */
struct mm_blocklists; /* a loop's lists, with what they know */
/* A loop has one for dnsbl.zones and one for each list of rules. */
#define MM_BLOCKLISTS_MAX (1 + MM_RULE_LISTS)

/* `source` NULL: dnsbl.zones. Whose zones they are is told by `rules` and
 * `list` otherwise: one of them that has the peer is enough. */
struct mm_zone_source {
    struct mm_rules *rules;
    enum mm_rule_list list;
};
/* NULL when nobody is to be asked, or when that is not possible now. `config`
 * outlives it. `on_done` comes once, never from inside this call, not after
 * mm_blocklist_free, and not when all was known at once. */
struct mm_blocklist *mm_blocklist_new(struct mm_server_loop *loop,
                                      struct mm_config *config,
                                      const struct mm_zone_source *source,
                                      const struct mm_netaddr *peer,
                                      void (*on_done)(void *context),
                                      void *context);
void mm_blocklist_free(struct mm_blocklist **blocklist);
/* NULL is done. */
bool mm_blocklist_is_done(const struct mm_blocklist *blocklist);
/* The label of the list that weighs most against the peer; NULL: it is let
 * in. A zone is never told itself, it may hold a key. */
const char *mm_blocklist_zone(const struct mm_blocklist *blocklist);
/* What that list says of it; "" without words. */
const char *mm_blocklist_reason(const struct mm_blocklist *blocklist);
/* The lists that have a peer which is not let in, from 0; NULL ends. Under
 * dnsbl.action = tag each list in order is heard first. */
const char *mm_blocklist_label(const struct mm_blocklist *blocklist,
                               size_t index);
/* Of a loop without sessions. */
void mm_blocklists_free(struct mm_blocklists **lists);

#endif
