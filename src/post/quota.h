/* thread: any
 * quota.h - how much a user's mailbox may hold: the one place that says it.
 *
 * What counts is the size of the messages in the store's mailbox as they are
 * served. It falls when messages are removed: at once for a few, within moments
 * for many, whose removal the store does in slices. */
#ifndef MM_POST_QUOTA_H
#define MM_POST_QUOTA_H

#include "config/config.h"
#include "post/directory.h"

/* struct mm_store_user.quota: 0 is the configuration's, this one is none. */
#define MM_QUOTA_UNLIMITED ((uint64_t)INT64_MAX)

/* Octets of the mailbox that may be there with the new message; 0: any. For
 * postmaster and for reports of our own there is a reserve behind it: a tenth
 * of the quota, 1 MiB at least. */
uint64_t mm_quota_limit(const struct mm_config *config,
                        const struct mm_store_addressee *user,
                        bool has_reserve);
/* Whether `size` more octets (0: nobody knows) may come, by what was committed;
 * the deposit's transaction has the last word. */
bool mm_quota_has_room(struct mm_store *store, uint64_t mailbox_id,
                       uint64_t limit, uint64_t size);
/* The last word: with all that came meanwhile, and by the true size. LIMIT:
 * there is no room; NOT_FOUND: the user was removed. thread: writer */
MM_CHECK enum mailmod_error mm_quota_check(struct mm_store_transaction *t,
                                           uint64_t mailbox_id, uint64_t limit,
                                           uint64_t size);

#endif
