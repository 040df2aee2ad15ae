/* thread: loop (the asker's), except `run`: the store's writer
 * call.h - a job of the store, asked for on a loop and answered on it.
 *
 * Lives in its owner's object. The law of post.h: `done` comes exactly once for
 * each submit, on the loop, and never after mm_call_abandon. The writer cannot
 * be called back, so an abandoned call lives on until the job came home; then
 * `come_home` is called instead, for the owner to free it. */
#ifndef MM_POST_CALL_H
#define MM_POST_CALL_H

#include "io/io.h"
#include "store/store.h"

struct mm_call {
    /* The owner's, before the first submit. */
    struct mm_store *store;
    struct mm_loop *loop; /* NULL: submit waits, and `done` is called in it */
    /* thread: writer. The whole effect is rolled back on an error; it may be
     * run again after a `done`. */
    enum mailmod_error (*run)(struct mm_call *call,
                              struct mm_store_transaction *transaction);
    void (*done)(struct mm_call *call, enum mailmod_error error);
    /* An abandoned one is the owner's again; `error` as for `done`. */
    void (*come_home)(struct mm_call *call, enum mailmod_error error);

    /* call.c's. */
    struct mm_store_job job;
    struct mm_task task;
    enum mailmod_error error;
    bool is_out; /* with the writer, or on its way back */
    bool is_abandoned;
};

/* Not while it is out. */
void mm_call_submit(struct mm_call *call);
bool mm_call_is_out(const struct mm_call *call);
/* True: it is out, and come_home follows. False: it is the owner's now. */
MM_CHECK bool mm_call_abandon(struct mm_call *call);

#endif
