/* thread: loop (the asker's)
 * late_resolve.h - a question about an address, where the store answers late.
 *
 * For resolve.c alone: the whole question is put once more on a worker, which
 * may wait for the store, and its answer becomes the asker's. */
#ifndef MM_POST_LATE_RESOLVE_H
#define MM_POST_LATE_RESOLVE_H

#include "post/resolve.h"

/* PENDING; or ANSWERED with an error when no worker takes it: then the error is
 * in `error_out`, and there are no targets. */
enum mm_answer mm_late_resolve_ask(struct mm_resolve *resolve,
                                   enum mailmod_error *error_out);
/* The asker is done with it and with its answer; NULL: nothing was asked. */
void mm_late_resolve_cancel(struct mm_late_resolve **late);

#endif
