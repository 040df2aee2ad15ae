/* thread: writer
 * bounce.h - reports to senders, inside the transaction that settles. */
#ifndef MM_CLIENT_BOUNCE_H
#define MM_CLIENT_BOUNCE_H

#include "client/outbound.h"
#include "queue/queue.h"

struct mm_bounce {
    struct mm_store *store;
    const struct mm_log *log;
    const struct mm_config *config;
    /* As in mm_outbound_options; may be NULL. */
    enum mailmod_error (*find_mailbox)(void *context,
                                       const struct mm_config *config,
                                       const struct mm_address *address,
                                       uint64_t *mailbox_id_out);
    void *find_mailbox_context;
};

/* Writes the reports that the settlement calls for, one a kind. */
MM_CHECK enum mailmod_error
mm_bounce_write(const struct mm_bounce *bounce,
                const struct mq_settlement *settlement,
                struct mm_store_transaction *transaction);

#endif
