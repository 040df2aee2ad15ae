/* thread: any
 * unstored.h - one attempt for a message that the queue never sees.
 *
 * The message goes to its recipients' hosts as a queued one does, by the same
 * deliveries, one for each destination; but its text comes from its owner and
 * its outcomes go to the outbound's observer, each once and final. The queue
 * has no row of it. The loops take messages by turns, each one whole. As many
 * as queue.attempts_max are at work at once, the others wait for their turn. */
#ifndef MM_CLIENT_UNSTORED_H
#define MM_CLIENT_UNSTORED_H

#include "client/outbound.h"

struct mm_branch;

/* Its owner's until given; from then on the outbound's until on_gone. Zeroed
 * before it is filled. */
struct mm_unstored {
    struct mm_store_message message; /* id: mm_store_new_message_id() */
    /* number: the place in the array; path and destination are used, the last
     * one as mm_destination_name() says. */
    struct mm_store_recipient *recipients;
    size_t recipient_count;
    struct mm_relay relay; /* host NULL or "": the MX hosts */
    bool requires_all;     /* no text where the relay refuses one of them */
    /* thread: worker. Chunk `number` of the text into `out`, which is empty and
     * takes MM_LIMIT_CHUNK octets; NOT_FOUND past the last. */
    enum mailmod_error (*read_chunk)(void *context, unsigned number,
                                     struct mm_buf *out);
    void *context;
    /* thread: `loop`. Every recipient's outcome was told; the owner may free
     * it. */
    void (*on_gone)(struct mm_unstored *unstored, struct mm_loop *loop);

    /* the outbound's */
    struct mm_list node;
    struct mm_task task;
    struct mm_branch *branch; /* whose turn it was */
    bool is_late;             /* given after the stop */
    size_t work_count;
};

/* Always ends in on_gone on one of the outbound's loops: at once with
 * "stopped" outcomes when the outbound is stopped. Counts as busy until then.
 */
void mm_outbound_send(struct mm_outbound *outbound,
                      struct mm_unstored *unstored);
#endif
