/* thread: writer
 * bounce.h - reports to senders, inside the transaction that settles. */
#ifndef MM_CLIENT_BOUNCE_H
#define MM_CLIENT_BOUNCE_H

#include "post/report.h"
#include "queue/queue.h"

struct mm_bounce {
    struct mm_post *post;
    struct mm_config *config;
    const struct mm_report_sender *sender; /* has been asked for */
};

/* Puts the reports that the settlement calls for, one a kind, and notes there
 * whether failures are told. */
MM_CHECK enum mailmod_error
mm_bounce_put(const struct mm_bounce *bounce, struct mq_settlement *settlement,
              struct mm_store_transaction *transaction);

#endif
