/* quota.c - the limits of mailboxes.
 *
 * Owns nothing. Promises: an outsider fills one mailbox and not the disk;
 * postmaster and reports still arrive in one that is full, up to a reserve that
 * is bounded, too. Thread: any. RFC 5321 4.5.1; RFC 3463 X.2.2. */
#include "post/quota.h"

#define RESERVE_DIVISOR 10
#define RESERVE_MIN ((uint64_t)1024 * 1024)

uint64_t mm_quota_limit(const struct mm_config *config,
                        const struct mm_store_addressee *user, bool has_reserve)
{
    uint64_t limit = user->quota != 0 ? user->quota : config->local.quota;

    if (limit == 0 || limit >= MM_QUOTA_UNLIMITED) {
        return 0;
    }
    uint64_t reserve = limit / RESERVE_DIVISOR;
    reserve = reserve > RESERVE_MIN ? reserve : RESERVE_MIN;
    return has_reserve ? limit + reserve : limit;
}

bool mm_quota_has_room(struct mm_store *store, uint64_t mailbox_id,
                       uint64_t limit, uint64_t size)
{
    uint64_t entries = 0;
    uint64_t octets = 0;

    if (limit == 0 || mm_store_mailbox_use(store, mailbox_id, &entries,
                                           &octets) != MAILMOD_OK) {
        return true; /* no limit, or the deposit will tell */
    }
    /* Nothing is empty: a message whose size nobody knows has an octet. */
    uint64_t wanted = size > 0 ? size : 1;
    return octets < limit && wanted <= limit - octets;
}

enum mailmod_error mm_quota_check(struct mm_store_transaction *t,
                                  uint64_t mailbox_id, uint64_t limit,
                                  uint64_t size)
{
    uint64_t octets = 0;

    if (limit == 0) {
        return MAILMOD_OK;
    }
    enum mailmod_error error = mm_store_octets_of(t, mailbox_id, &octets);
    return error == MAILMOD_OK && (octets > limit || size > limit - octets)
               ? MAILMOD_ERROR_LIMIT
               : error;
}
