/* thread: any
 * target.h - one of those who get a message that was sent to an address. */
#ifndef MM_POST_TARGET_H
#define MM_POST_TARGET_H

#include "store/store.h"
#include "wire/smtp/reply.h"

enum mm_target_kind {
    MM_TARGET_MAILBOX, /* mailbox_id, mailbox_name */
    MM_TARGET_REMOTE,  /* destination: hosts elsewhere */
    MM_TARGET_LOCAL,   /* destination: a consumer of ours (consumer.h) */
    /* The next three get nothing; of two the sender is told. */
    MM_TARGET_EXPANDED, /* the address stands for several: RFC 3461 5.2.7 */
    MM_TARGET_REPLY,    /* mailbox_name, or an alias, may answer: auto_reply.h;
                           mailbox_id, whose copy it goes with, or 0 */
    MM_TARGET_FAILED,   /* reply: one of several, and gets no mail */
    MM_TARGET_REFUSED,  /* reply: for good */
    MM_TARGET_FOR_NOW   /* error: nobody can say at the moment */
};

/* The texts live as long as the answer that the target is part of. */
struct mm_target {
    enum mm_target_kind kind;
    const char *path; /* canonical address */
    uint64_t mailbox_id;
    uint64_t limit;           /* octets of the mailbox; 0: any */
    const char *mailbox_name; /* the user's */
    const char *destination;
    unsigned notify;                /* enum mm_dsn_notify bits */
    const char *original_recipient; /* ORCPT; NULL or "": none */
    /* Told with the copy; NULL: not. Of a mailbox, the address that it was
     * delivered at; of a row of the queue, who sends it on. */
    const char *delivered_to;
    const char *original_to; /* as the sender wrote it; NULL: so as above */
    /* The address that led here, where a judge put it in place of the one that
     * the sender wrote; NULL: it did not. */
    const char *looked_up;
    enum mm_store_visibility visibility; /* by the marks of the aliases and
                                            forwards that led here */
    bool is_expanded;                    /* by an alias, a forward or a judge */
    bool meets; /* by one that is no catch-all: with each other path to the
                   same mailbox it gives one copy */
    const struct mm_reply *reply;
    enum mailmod_error error;
};
/* A judge put `looked_up`, which led to the target, in place of the address
 * that the sender wrote. The texts live as long as the target's others. */
void mm_target_redirect(struct mm_target *target, const char *given,
                        const char *looked_up);

#endif
