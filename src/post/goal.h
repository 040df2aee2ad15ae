/* thread: any; mm_goal_enter: the store's writer
 * goal.h - one target of an answer (target.h), kept by a consumer from its
 * look-up to the transaction that the mail goes there by. */
#ifndef MM_POST_GOAL_H
#define MM_POST_GOAL_H

#include "post/target.h"
#include "store/store.h"

/* Texts "": none. */
struct mm_goal {
    enum mm_target_kind kind;
    uint64_t mailbox_id;
    uint64_t limit;
    unsigned notify; /* enum mm_dsn_notify bits */
    enum mm_store_visibility visibility;
    char path[MM_STORE_REVERSE_PATH_MAX];
    char destination[MM_STORE_DESTINATION_MAX];
    char delivered_to[MM_STORE_REVERSE_PATH_MAX];
    char original_to[MM_STORE_REVERSE_PATH_MAX];
};
void mm_goal_of(const struct mm_target *target, struct mm_goal *goal_out);
/* A mailbox gets the message; errors as of mm_copy_put. */
MM_CHECK enum mailmod_error
mm_goal_enter(const struct mm_goal *goal,
              const struct mm_store_message *message,
              struct mm_store_transaction *transaction);
/* The texts of a row of the queue. */
void mm_goal_address(const struct mm_goal *goal,
                     struct mm_store_recipient *row);

#endif
