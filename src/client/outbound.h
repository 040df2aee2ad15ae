/* thread: any
 * outbound.h - all that leaves: queue, routes, connections, reports.
 *
 * One value an instance, with a branch on each of its loops. The first loop
 * asks the queue what is due (on a worker) and hands it out: the attempts of a
 * destination go to its home loop, those side by side to the loops after it. A
 * branch finds the way (route: smarthost, literal, MX, addresses), keeps
 * connections to a destination while it has mail, pairs each with an SMTP
 * client engine (delivery), and settles outcomes in the store with the reports
 * that are due (bounce). Connections stay on their loop; limits hold for all
 * loops together. */
#ifndef MM_CLIENT_OUTBOUND_H
#define MM_CLIENT_OUTBOUND_H

#include "client/outcome.h"
#include "client/relay.h"
#include "client/token.h"
#include "config/config.h"
#include "io/io.h"
#include "post/post.h"
#include "queue/queue.h"
#include "store/store.h"
#include "wire/addr/address.h"

struct mm_outbound;

/* Who wants to know how messages fare, queued ones and unstored ones. thread:
 * any, several at once, also of one message whose recipients are on different
 * ways; what is told of one recipient comes in order. Must not wait, and not
 * call into the outbound. */
struct mm_outbound_observer {
    /* An attempt for some of its recipients came to this step; with SENDING
     * `octets` of the text were handed to the connection so far (of this
     * attempt: from 0 anew with each). */
    void (*on_progress)(void *context, uint64_t message_id,
                        enum mailmod_progress progress, uint64_t octets);
    /* One recipient's outcome, after it is on disk. `is_final`: it is out of
     * the queue (or was never in it) and nothing more comes for it. */
    void (*on_outcome)(void *context, uint64_t message_id,
                       const struct mm_store_recipient *recipient,
                       const struct mq_outcome *outcome, bool is_final);
    void *context;
};

struct mm_outbound_options {
    struct mm_loop *const *loops; /* at least one; the array is copied */
    struct mm_resolver *const *resolvers; /* of each loop; likewise */
    size_t loop_count;
    struct mm_workers *workers;
    struct mm_store *store;
    struct mm_post *post; /* reports go by it, its consumers take mail */
    const struct mm_log *log;
    struct mm_config *config;             /* a reference is taken */
    struct mm_outbound_observer observer; /* functions may be NULL */
    struct mm_token_source tokens;        /* zeroed: nobody gives any */
};

/* Before the loops run or after they stopped. */
MM_CHECK enum mailmod_error
mm_outbound_new(struct mm_outbound **outbound_out,
                const struct mm_outbound_options *options,
                struct mm_buf *reason_out);
/* After the loops stopped and the store ran what it had (mm_outbound_busy is 0,
 * or the store is closed). */
void mm_outbound_free(struct mm_outbound **outbound);
/* From then on it delivers. */
void mm_outbound_start(struct mm_outbound *outbound);
/* New settings, in two steps: what can fail (TLS files), which changes nothing,
 * and what cannot. Each ends by one of _use and _discard. */
struct mm_outbound_change;
MM_CHECK enum mailmod_error
mm_outbound_prepare(struct mm_outbound *outbound, struct mm_config *config,
                    struct mm_outbound_change **change_out,
                    struct mm_buf *reason_out);
void mm_outbound_use(struct mm_outbound_change **change);
void mm_outbound_discard(struct mm_outbound_change **change);
/* Cheap: something new is in the queue. */
void mm_outbound_wake(struct mm_outbound *outbound);
/* An operator's flush: back-offs are forgotten, then as wake. */
void mm_outbound_flush(struct mm_outbound *outbound);
/* Not on a loop: it waits for the store. An operator takes out the recipients
 * of one message, or (0) all that wait now; the observer is told of each,
 * FAILED and final, after it is on disk; of who is in an attempt, after that,
 * unless its own outcome is final. `count_out`: recipients, on an error too. */
MM_CHECK enum mailmod_error mm_outbound_remove(struct mm_outbound *outbound,
                                               uint64_t message_id,
                                               size_t *count_out);
/* No new attempts of the queue's; running ones may end, and
 * unstored messages that were given before are sent. */
void mm_outbound_stop(struct mm_outbound *outbound);
/* Attempts and settlements still in work. */
size_t mm_outbound_busy(const struct mm_outbound *outbound);
/* Cuts running attempts; their recipients stay queued. */
void mm_outbound_cut(struct mm_outbound *outbound);

#endif
