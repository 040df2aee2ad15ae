/* thread: the store's writer
 * copy.h - a message's place in a mailbox of the store: one entry. */
#ifndef MM_POST_COPY_H
#define MM_POST_COPY_H

#include "store/store.h"

/* Texts "": none. */
struct mm_copy {
    const struct mm_store_message *message;
    uint64_t mailbox_id;
    uint64_t limit;   /* octets of the mailbox; 0: any */
    const char *uidl; /* wanted; when the mailbox has it, the copy gets its own
                         (RFC 1939 7) */
    const char *delivered_to;
    const char *original_to;
    unsigned marks; /* MM_MAIL_MARKS */
};
/* NOT_FOUND: the mailbox is gone; LIMIT: there is no room, by the true size and
 * with all that came meanwhile. */
MM_CHECK enum mailmod_error
mm_copy_put(const struct mm_copy *copy,
            struct mm_store_transaction *transaction);

#endif
