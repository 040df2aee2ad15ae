/* thread: any
 * context.h - pointers of the host's, and what it is told when they are let go;
 * and who is asked by requests.
 *
 * The law of a context: the host gives it with a call that succeeds, and it is
 * released once, when no callback has it and none will; never with a lock held.
 * A call that fails has not taken it. */
#ifndef MM_API_CONTEXT_H
#define MM_API_CONTEXT_H

#include "mailmod.h"

#include "base/error.h"
#include "platform/thread.h"

#include <stdatomic.h>

struct mm_context {
    void *value;
    mailmod_on_release on_release; /* NULL: nobody is told */
};

/* Tells the host, and leaves nothing in it. */
void mm_context_release(struct mm_context *context);
/* Takes it out, for a release without the lock that guards it. */
struct mm_context mm_context_take(struct mm_context *context);

/* The callback of requests; each open request has a reference on the one that
 * it was put to. */
struct mm_asker {
    atomic_uint references;
    mailmod_on_request on_request; /* fixed, as is the next; NULL: nobody */
    struct mm_context context;
    struct mm_mutex *mutex; /* of the contexts of its requests */
};

MM_CHECK enum mailmod_error mm_asker_new(struct mm_asker **asker_out,
                                         mailmod_on_request on_request,
                                         struct mm_context context);
struct mm_asker *mm_asker_ref(struct mm_asker *asker);
/* The last one releases its context, on the calling thread. NULL does nothing.
 */
void mm_asker_unref(struct mm_asker **asker);

#endif
