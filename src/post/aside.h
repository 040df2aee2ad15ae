/* thread: the outbound's first loop; mm_aside_consumer_new: before it runs
 * aside.h - fetched mail that nobody gets now: set aside in the queue.
 *
 * Such a recipient is a held row of the destination "aside:account" with the
 * reason as its last reply. It waits until an operator deletes or releases it;
 * released, the address is looked up anew, and the message goes where that
 * says, or is held again. */
#ifndef MM_POST_ASIDE_H
#define MM_POST_ASIDE_H

#include "post/consumer.h"

#define MM_ASIDE_CONSUMER "aside"

MM_CHECK enum mailmod_error
mm_aside_consumer_new(struct mm_consumer **consumer_out, struct mm_post *post);

#endif
