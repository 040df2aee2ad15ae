/* thread: the outbound's first loop; mm_aside_consumer_new: before it runs
 * aside.h - mail that nobody gets now: set aside in the queue.
 *
 * Such a recipient is a held row with the reason as its last reply: of the
 * destination "aside:account" for fetched mail that was refused here, of
 * "quarantine:judge" for mail that a judge wants kept aside. It waits until an
 * operator deletes or releases it; released, the address is looked up anew, and
 * the message goes where that says, or is held again. */
#ifndef MM_POST_ASIDE_H
#define MM_POST_ASIDE_H

#include "post/consumer.h"

#define MM_ASIDE_CONSUMER "aside"
#define MM_QUARANTINE_CONSUMER "quarantine"

MM_CHECK enum mailmod_error
mm_aside_consumer_new(struct mm_consumer **consumer_out, const char *name,
                      struct mm_post *post);

#endif
