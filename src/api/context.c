/* context.c - pointers of the host's and their release; who is asked.
 *
 * Owns: the callback of requests with its context, by references: it is
 * released when another one was set and the last question that was put to it is
 * over, whichever comes last.
 * Thread: any. */
#include "api/context.h"

#include "base/mem.h"

struct mm_context mm_context_take(struct mm_context *context)
{
    struct mm_context taken = *context;

    *context = (struct mm_context){.value = NULL};
    return taken;
}

void mm_context_release(struct mm_context *context)
{
    struct mm_context taken = mm_context_take(context);

    if (taken.on_release != NULL) {
        taken.on_release(taken.value);
    }
}

enum mailmod_error mm_asker_new(struct mm_asker **asker_out,
                                mailmod_on_request on_request,
                                struct mm_context context)
{
    struct mm_asker *asker = mm_alloc(sizeof *asker);

    *asker_out = NULL;
    if (asker == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error = mm_mutex_new(&asker->mutex);
    if (error != MAILMOD_OK) {
        mm_free(asker);
        return error;
    }
    atomic_init(&asker->references, 1);
    asker->on_request = on_request;
    asker->context = context;
    *asker_out = asker;
    return MAILMOD_OK;
}

struct mm_asker *mm_asker_ref(struct mm_asker *asker)
{
    (void)atomic_fetch_add(&asker->references, 1);
    return asker;
}

void mm_asker_unref(struct mm_asker **asker_in)
{
    struct mm_asker *asker = *asker_in;

    *asker_in = NULL;
    if (asker != NULL && atomic_fetch_sub(&asker->references, 1) == 1) {
        mm_context_release(&asker->context);
        mm_mutex_free(&asker->mutex);
        mm_free(asker);
    }
}
