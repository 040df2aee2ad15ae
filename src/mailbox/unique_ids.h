/* thread: worker
 * unique_ids.h - the unique-ids of an open mailbox, to be searched; and what is
 * kept of them when it is closed, to tell later what is new. */
#ifndef MM_MAILBOX_UNIQUE_IDS_H
#define MM_MAILBOX_UNIQUE_IDS_H

#include "mailbox/provider.h"

struct mm_unique_ids;

/* Of all that is known of the mailbox now: 16 octets a message. */
MM_CHECK enum mailmod_error mm_unique_ids_new(struct mm_unique_ids **ids_out,
                                              const struct mm_mailbox *mailbox);
void mm_unique_ids_free(struct mm_unique_ids **ids); /* NULL does nothing */
size_t mm_unique_ids_count(const struct mm_unique_ids *ids);
/* NOT_FOUND. */
MM_CHECK enum mailmod_error mm_unique_ids_find(const struct mm_unique_ids *ids,
                                               const struct mm_mailbox *mailbox,
                                               struct mm_span unique_id,
                                               size_t *index_out);

/* 8 octets for each message of a listing. Zeroed: nothing was listed. */
struct mm_listing_memory {
    uint64_t keys[2];
    uint64_t *hashes; /* rising */
    size_t count;
};

MM_CHECK enum mailmod_error
mm_listing_memory_take(struct mm_listing_memory *memory,
                       const struct mm_mailbox *mailbox);
void mm_listing_memory_fini(struct mm_listing_memory *memory);
/* Has the mailbox, opened anew, a message that was not listed then? */
bool mm_listing_memory_has_news(const struct mm_listing_memory *memory,
                                const struct mm_mailbox *mailbox);

#endif
