/* thread: any (the store's secret is read)
 * srs.h - reverse-paths of mail that is sent on: the Sender Rewriting Scheme.
 *
 * A host that checks SPF refuses mail of alice@far.test that comes from here.
 * So what an alias or a forward sends elsewhere has a path back of ours:
 *     SRS0=HASH=TIME=far.test=alice@ours        of a path that is no SRS path,
 *     SRS1=HASH=host==HASH2=TIME=far.test=alice@ours
 *                                    of an SRS path that `host` made: the
 *                                    way back leaves out who stands between.
 * The form is that of M. Wong and Shevek, "The Sender Rewriting Scheme"
 * (2004), as libsrs2 has it; the hash is HMAC-SHA256 by the store's secret, 40
 * bits in base32, and for us alone to read. */
#ifndef MM_POST_SRS_H
#define MM_POST_SRS_H

#include "post/resolve.h"

/* A bounce comes within days; libsrs2 has the same. */
#define MM_SRS_DAYS 21

/* The path of ours for `reverse_path`; NOT_FOUND: it goes on as it is, for it
 * is null, ours, no domain's, needs quotes, or has no room. */
MM_CHECK enum mailmod_error
mm_srs_forward(struct mm_store *store, const struct mm_config *config,
               const char *reverse_path, int64_t now_ms,
               char path_out[MM_STORE_REVERSE_PATH_MAX]);

enum mm_srs_verdict {
    MM_SRS_NONE, /* no path of this form */
    MM_SRS_OURS,
    MM_SRS_EXPIRED,
    MM_SRS_FORGED, /* or of another store */
    MM_SRS_UNKNOWN /* the secret cannot be read now */
};
/* And back: `path_out` of one that is OURS. */
enum mm_srs_verdict mm_srs_reverse(struct mm_store *store,
                                   const struct mm_address *address,
                                   int64_t now_ms,
                                   char path_out[MM_STORE_REVERSE_PATH_MAX]);
/* The step of resolve: mail to such an address goes to whom it was made for. */
enum mm_step_verdict mm_srs_step(struct mm_resolve *resolve,
                                 struct mm_resolve_item *item);

#endif
