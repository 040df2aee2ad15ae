/* handover.c - claimed batches in the hands of local consumers.
 *
 * Owns each batch's hand-over, from its start until its outcomes are on disk.
 * Promises: a consumer answers once and is asked nothing more; its outcomes are
 * settled, tried again and reported as a connection's are; what is for a
 * consumer that is not there waits (deferred), for it may come back with the
 * next start. Cut, the consumer forgets and the recipients stay queued.
 * Thread: the first loop; the consumer's `put` on the store's writer. */
#include "client/outbound_internal.h"

#include "base/mem.h"
#include "client/outcome.h"
#include "post/consumer.h"

struct handover {
    struct mm_list node; /* in the branch's, while the consumer has it */
    struct mm_branch *branch;
    struct mm_consumer *consumer;
    struct mm_settling *settling;
    struct mm_consumption work;
};

/* The outcomes are on disk, or given up. */
static void on_dropped(struct mm_settling *settling)
{
    struct mm_consumption *work = settling->consumption;
    if (work->settled != NULL) {
        work->settled(work);
    }
    mm_free(MM_LIST_OBJECT(work, struct handover, work));
}

static void on_done(struct mm_consumption *work)
{
    struct handover *handover = MM_LIST_OBJECT(work, struct handover, work);
    struct mm_branch *branch = handover->branch;
    struct mm_settling *settling = handover->settling;

    mm_list_remove(&handover->node);
    handover->settling = NULL;
    settling->consumption = work;
    settling->on_dropped = on_dropped;
    mm_lane_settle(branch, settling, work->outcomes);
    atomic_fetch_sub(&branch->outbound->busy, 1);
}

static void defer_all(struct mm_branch *branch, struct mm_settling *settling,
                      const struct mq_batch *batch, struct mq_outcome *outcomes)
{
    for (size_t i = 0; i < batch->recipient_count; i++) {
        mm_outcome_set(&outcomes[i], MAILMOD_ERROR_STATE, "4.3.5", "",
                       "the part of the system that takes this mail is off");
    }
    mm_lane_settle(branch, settling, outcomes);
}

static void give(struct mm_branch *branch, struct mm_consumer *consumer,
                 struct mm_settling *settling, struct handover *handover,
                 struct mq_outcome *outcomes)
{
    handover->branch = branch;
    handover->consumer = consumer;
    handover->settling = settling;
    handover->work.batch = settling->settlement.batch;
    handover->work.config = settling->config;
    handover->work.loop = branch->loop;
    handover->work.outcomes = outcomes;
    handover->work.done = on_done;
    mm_list_append(&branch->handovers, &handover->node);
    atomic_fetch_add(&branch->outbound->busy, 1);
    consumer->take(consumer, &handover->work);
}

void mm_handover_start(struct mm_branch *branch, struct mq_batch *batch)
{
    struct mm_consumer *consumer =
        mm_consumer_of(branch->outbound->options.post, batch->destination);
    struct handover *handover = mm_alloc(sizeof *handover);
    struct mq_outcome *outcomes =
        mm_alloc_array(batch->recipient_count, sizeof *outcomes);
    struct mm_settling *settling = NULL;

    if (handover == NULL || outcomes == NULL ||
        mm_lane_prepare(branch, batch, &settling) != MAILMOD_OK) {
        mm_free(handover);
        mm_free(outcomes);
        mm_lane_release(branch->outbound, batch);
    } else if (consumer != NULL) {
        give(branch, consumer, settling, handover, outcomes);
    } else {
        mm_free(handover);
        defer_all(branch, settling, batch, outcomes);
    }
}

void mm_handover_cut_all(struct mm_branch *branch)
{
    struct mm_list *node = NULL;

    while ((node = mm_list_take_first(&branch->handovers)) != NULL) {
        struct handover *handover = MM_LIST_OBJECT(node, struct handover, node);

        handover->consumer->cancel(handover->consumer, &handover->work);
        mm_free(handover->work.outcomes);
        mm_settling_free(&handover->settling, true);
        mm_free(handover);
        atomic_fetch_sub(&branch->outbound->busy, 1);
    }
}
