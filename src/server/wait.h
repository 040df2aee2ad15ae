/* thread: loop (the session's)
 * wait.h - what a session waits for besides its peer: one thing at a time.
 *
 * A session with a wait takes no step; its engine's event stays pending and is
 * looked at again when the wait ends. How the peer's deadline, a stop and the
 * end of the connection treat each wait is one table. */
#ifndef MM_SERVER_WAIT_H
#define MM_SERVER_WAIT_H

#include <stdbool.h>

enum mm_wait_for {
    MM_WAIT_NOTHING, /* the next step is the peer's, or ours */
    MM_WAIT_JOB,     /* a worker or the writer, which has the session's memory:
                        it comes back whatever happens */
    MM_WAIT_STORE,   /* a message on its way to the disk */
    MM_WAIT_ROOM,    /* the store takes no more of a body at the moment */
    MM_WAIT_HOST,    /* the host's verdict, or its room for a body */
    MM_WAIT_NAMES,   /* block lists, or whose an address is */
    MM_WAIT_LOCK,    /* the mailbox is another session's */
    MM_WAIT_DELAY,   /* our own slowness with a peer that guesses */
    MM_WAIT_COUNT
};

/* Zeroed: nothing. */
struct mm_wait {
    enum mm_wait_for what;
    unsigned jobs; /* that have the session's memory */
};

/* For logs and tests. */
const char *mm_wait_name(enum mm_wait_for what);
/* A stop lets it come to its end; the others are cut short. */
bool mm_wait_is_work(enum mm_wait_for what);
/* Only from NOTHING. */
void mm_wait_begin(struct mm_wait *wait, enum mm_wait_for what);
/* True when it was awaited: the session goes on. A job is counted off in any
 * case. */
bool mm_wait_end(struct mm_wait *wait, enum mm_wait_for what);
/* The connection is gone: nothing is awaited, jobs still come back. */
void mm_wait_forget(struct mm_wait *wait);

#endif
