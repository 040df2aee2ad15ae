/* thread: loop (the outbound's); the work is done on a worker
 * maildirs.h - the consumer that delivers into Maildirs: what is queued for
 * "maildir:USER" goes into the folder that the configuration gives the user,
 * and for "maildir:USER:FOLDER" into that folder of it. */
#ifndef MM_POST_MAILDIRS_H
#define MM_POST_MAILDIRS_H

#include "post/consumer.h"

#define MM_MAILDIR_CONSUMER "maildir"

/* Registers it; mm_free it when the post office goes. */
MM_CHECK enum mailmod_error
mm_maildirs_consumer_new(struct mm_consumer **consumer_out,
                         struct mm_post *post);

#endif
