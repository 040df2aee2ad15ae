/* goal.c - a target, kept past the answer that it was part of.
 *
 * Owns nothing. Promises: what an answer said of the address stands in the
 * mailbox's entry, or in the row of the queue, as it would have in a deposit.
 * Thread: see goal.h. */
#include "post/goal.h"

#include "post/copy.h"

#include <string.h>

void mm_goal_of(const struct mm_target *target, struct mm_goal *goal_out)
{
    *goal_out = (struct mm_goal){.kind = target->kind,
                                 .mailbox_id = target->mailbox_id,
                                 .limit = target->limit,
                                 .notify = target->notify,
                                 .visibility = target->visibility};
    (void)mm_span_copy(mm_span_cstr(target->path), goal_out->path,
                       sizeof goal_out->path);
    (void)mm_span_copy(mm_span_cstr(target->destination), goal_out->destination,
                       sizeof goal_out->destination);
    (void)mm_span_copy(mm_span_cstr(target->delivered_to),
                       goal_out->delivered_to, sizeof goal_out->delivered_to);
    (void)mm_span_copy(mm_span_cstr(target->original_to), goal_out->original_to,
                       sizeof goal_out->original_to);
}

enum mailmod_error mm_goal_enter(const struct mm_goal *goal,
                                 const struct mm_store_message *message,
                                 struct mm_store_transaction *transaction)
{
    const struct mm_copy copy = {.message = message,
                                 .mailbox_id = goal->mailbox_id,
                                 .limit = goal->limit,
                                 .uidl = "",
                                 .delivered_to = goal->delivered_to,
                                 .original_to = goal->original_to};

    return mm_copy_put(&copy, transaction);
}

void mm_goal_address(const struct mm_goal *goal, struct mm_store_recipient *row)
{
    row->visibility = goal->visibility;
    memcpy(row->path, goal->path, sizeof row->path);
    memcpy(row->destination, goal->destination, sizeof row->destination);
    memcpy(row->delivered_to, goal->delivered_to, sizeof row->delivered_to);
    memcpy(row->original_to, goal->original_to, sizeof row->original_to);
}
