/* thread: any
 * registry.h - which handles are alive: every pointer that the host hands in
 * as a stream is looked up here before it is touched, so that NULL, a finished,
 * a foreign or a made-up handle is an error and never a crash. */
#ifndef MM_API_REGISTRY_H
#define MM_API_REGISTRY_H

#include "base/error.h"

#include <stdbool.h>

struct mm_registry;

enum mm_handle_kind {
    MM_HANDLE_NONE,
    MM_HANDLE_MESSAGE, /* mailmod_message */
    MM_HANDLE_REQUEST  /* mailmod_request */
};

MM_CHECK enum mailmod_error mm_registry_new(struct mm_registry **registry_out);
void mm_registry_free(struct mm_registry **registry); /* objects stay */

/* EXISTS, LIMIT, MEMORY. */
MM_CHECK enum mailmod_error mm_registry_add(struct mm_registry *registry,
                                            enum mm_handle_kind kind,
                                            const void *handle);
/* The kind of a live handle, which stays alive until mm_registry_let; NONE for
 * any other pointer. May be held more than once. */
enum mm_handle_kind mm_registry_hold(struct mm_registry *registry,
                                     const void *handle);
void mm_registry_let(struct mm_registry *registry, const void *handle);
/* Takes it out, and waits until others than the caller let go: `own_holds` are
 * the caller's, and are let go with it. The handle's object is then the
 * caller's alone. HANDLE: not there, or another one is taking it out. */
MM_CHECK enum mailmod_error mm_registry_remove(struct mm_registry *registry,
                                               enum mm_handle_kind kind,
                                               const void *handle,
                                               unsigned own_holds);

#endif
