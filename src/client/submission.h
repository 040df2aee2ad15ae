/* thread: any
 * submission.h - some messages for one submission server, which go one after
 * another over one connection.
 *
 * Their owner waits: the texts are read, and all that may take long is done, by
 * jobs that he is given; what is said and what came of it he is told as it
 * happens. It goes by the same deliveries as all mail. The queue has no row of
 * it. */
#ifndef MM_CLIENT_SUBMISSION_H
#define MM_CLIENT_SUBMISSION_H

#include "client/delivery.h"
#include "client/outbound.h"

struct mm_branch;

#define MM_SUBMISSION_ETRN SIZE_MAX

struct mm_submission_message {
    struct mm_store_message message; /* id: mm_store_new_message_id() */
    /* At least one; `path` is used, and what RCPT says of it. */
    struct mm_store_recipient *recipients;
    size_t recipient_count;
    bool requires_all; /* no DATA where one of them is refused */
    bool is_binary;
    struct mm_deliver_by by; /* from the message's arrival on */
};

/* Its owner's until given; from then on the outbound's until on_gone. Zeroed
 * before it is filled. */
struct mm_submission {
    struct mm_outbound_settings *settings; /* the owner's reference */
    struct mm_relay relay;
    /* Asked before the messages, its recipients' paths being names for ETRN
     * (RFC 1985); no recipients: nothing is asked. */
    struct mm_submission_message etrn;
    struct mm_submission_message *messages;
    size_t message_count;
    /* thread: where the owner runs jobs. Chunk `number` of the text into `out`,
     * which is empty and takes MM_LIMIT_CHUNK octets; 0 begins anew, else the
     * one after the last. NOT_FOUND past the end. */
    enum mailmod_error (*read_chunk)(void *context, uint64_t message_id,
                                     unsigned number, struct mm_buf *out);
    /* thread: `loop`, all that follows. Runs the job on a thread of the
     * owner's, then calls `done` on the job's loop; it comes before on_gone. */
    enum mailmod_error (*submit)(void *context, struct mm_job *job);
    /* thread: as read_chunk. As a delivery's; NULL: all is as set. */
    enum mm_delivery_answer (*ask)(void *context,
                                   const struct mm_delivery_question *question);
    /* One of the handler's (delivery.h); `message` is the place in the array.
     */
    void (*on_reply)(void *context, size_t message, enum mm_delivery_reply part,
                     size_t recipient, const char *host,
                     const struct mm_reply_in *reply);
    void (*on_progress)(void *context, size_t message,
                        enum mailmod_progress progress,
                        uint64_t octets); /* NULL: nobody wants to know */
    void (*on_line)(void *context, enum mm_tap_way way, struct mm_span line,
                    bool is_masked); /* NULL: nobody listens */
    /* Once for each recipient; of `etrn` with MM_SUBMISSION_ETRN for `message`,
     * and nothing else is told of that. */
    void (*on_outcome)(void *context, size_t message, size_t recipient,
                       const struct mq_outcome *outcome);
    /* Every recipient's outcome was told; the owner may free it. */
    void (*on_gone)(void *context);
    void *context;

    /* the outbound's */
    struct mm_list node;
    struct mm_task task;
    struct mm_branch *branch;
    struct mm_delivery *delivery;
    struct mm_delivery_handler handler;
    char destination[MM_STORE_DESTINATION_MAX];
    bool is_etrn_begun;
    size_t at;    /* the message that is at work, or MM_SUBMISSION_ETRN */
    size_t next;  /* message that was not begun */
    bool is_late; /* given after the stop */
    bool is_down; /* the server cannot be talked to: `down` says why */
    struct mq_outcome down;
};

/* Always ends in on_gone on one of the outbound's loops: at once with "stopped"
 * outcomes when the outbound is stopped. Counts as busy until then. */
void mm_outbound_submit(struct mm_outbound *outbound,
                        struct mm_submission *submission);
#endif
