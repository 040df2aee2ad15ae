/* thread: any
 * handles.h - which handles are alive, in the whole process.
 *
 * Every pointer that the host hands in is looked up here before it is touched,
 * so that NULL, a finished, a foreign or a made-up handle is an error and never
 * a crash. The table belongs to the process because a bare pointer does not say
 * which instance it came from; it comes with the first handle and goes with the
 * last one. */
#ifndef MM_API_HANDLES_H
#define MM_API_HANDLES_H

#include "base/error.h"

#include <stdbool.h>

enum mm_handle_kind {
    MM_HANDLE_NONE,
    MM_HANDLE_INSTANCE, /* mailmod */
    MM_HANDLE_MESSAGE,  /* mailmod_message */
    MM_HANDLE_REQUEST,  /* mailmod_request */
    MM_HANDLE_MAILBOX,  /* mailmod_mailbox */
    MM_HANDLE_READING,  /* mailmod_reading */
    MM_HANDLE_TRACE,    /* mailmod_trace */
    MM_HANDLE_CALL,     /* mailmod_mailbox_call */
    MM_HANDLE_CLIENT,   /* mailmod_client */
    MM_HANDLE_CLIENT_MESSAGE,
    MM_HANDLE_CLIENT_RECIPIENT,
    MM_HANDLE_WIRE /* mailmod_wire */
};

/* LIMIT, MEMORY. */
MM_CHECK enum mailmod_error mm_handle_add(enum mm_handle_kind kind,
                                          const void *handle);
/* ARGUMENT for NULL, HANDLE for a pointer that is no live handle of `kind`;
 * both set the thread's last error. OK: it stays alive until mm_handle_let.
 * May be held more than once. */
MM_CHECK enum mailmod_error mm_handle_hold(enum mm_handle_kind kind,
                                           const void *handle);
void mm_handle_let(const void *handle);
/* The kind of a live handle, NONE for any other pointer; a moment's truth. */
enum mm_handle_kind mm_handle_kind(const void *handle);
/* Takes it out, and waits until others than the caller let go: `own_holds` are
 * the caller's, and are let go with it. The handle's object is then the
 * caller's alone. ARGUMENT, HANDLE as mm_handle_hold, also when another caller
 * is taking it out. */
MM_CHECK enum mailmod_error mm_handle_remove(enum mm_handle_kind kind,
                                             const void *handle,
                                             unsigned own_holds);

#endif
