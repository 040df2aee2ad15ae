/* handout.c - asks what is due, and hands it out to the loops.
 *
 * Owns the poll: its timer, its job, the batches that were claimed and are not
 * handed out yet; and the change of what waits to other destinations. Promises:
 * no read of the store is made on the loop; one poll serves all loops; what was
 * claimed by settings that have changed since goes back.
 *
 * The first attempt at a destination goes to its home loop, which keeps the
 * connection for the next one; the second beside it to the loop after that, and
 * so on: a destination alone (a smarthost) is served by all loops, and many
 * destinations are spread over them. What is for a part of this system stays on
 * the first loop.
 *
 * Law: idle poll -> claiming (a worker has the queue) -> idle poll. Asked again
 * while claiming, it polls once more after. `busy` is held from before a look
 * at is_stopped until what follows from it is counted itself: a drain that sees
 * 0 after a stop sees the end.
 * Thread: the first loop. */
#include "client/outbound_internal.h"

#include "post/destination.h"

#include <string.h>

/* POLL_MAX: how soon a tool's change beside us is seen. POLL_MIN: what is due
 * and cannot be claimed yet must not make the poll spin. */
enum { POLL_MIN_MS = 250, POLL_MAX_MS = 1000 };

static void poll(struct mm_outbound *outbound);

static struct mm_branch *first_of(struct mm_outbound *outbound)
{
    return &outbound->branches[0];
}

static void run_claim(struct mm_job *job)
{
    struct mm_outbound *outbound =
        MM_LIST_OBJECT(job, struct mm_outbound, claim_job);
    uint64_t flush_count = 0;
    if (mm_store_flush_count(outbound->options.store, &flush_count) ==
            MAILMOD_OK &&
        flush_count != outbound->flush_count) {
        mq_flush(outbound->queue); /* by a tool, perhaps */
        outbound->flush_count = flush_count;
    }
    outbound->claim_error =
        mq_claim(outbound->queue, outbound->claim_now_ms, &outbound->claimed);
    outbound->next_due_ms =
        mq_next_due(outbound->queue, outbound->claim_now_ms);
}

static uint64_t poll_wait_ms(const struct mm_outbound *outbound)
{
    int64_t now_ms = mm_loop_wall_ms(outbound->branches[0].loop);
    int64_t wait_ms = POLL_MAX_MS;
    if (outbound->next_due_ms < now_ms + wait_ms) {
        wait_ms = outbound->next_due_ms - now_ms;
    }
    return wait_ms < POLL_MIN_MS ? POLL_MIN_MS : (uint64_t)wait_ms;
}

static struct mm_branch *branch_for(struct mm_outbound *outbound,
                                    const struct mq_batch *batch)
{
    uint64_t home = mm_outbound_home(outbound, batch->destination);
    size_t beside = batch->attempts > 0 ? batch->attempts - 1 : 0;
    return &outbound->branches[(home % outbound->branch_count + beside) %
                               outbound->branch_count];
}

static void hand_out(struct mm_outbound *outbound, struct mq_batch *batch)
{
    struct mm_branch *branch = branch_for(outbound, batch);
    if (batch->is_overdue) {
        mm_lane_settle_overdue(first_of(outbound), batch);
    } else if (mm_destination_is_local(batch->destination)) {
        mm_handover_start(first_of(outbound), batch);
    } else if (branch->number == 0) {
        mm_lane_start_batch(branch, batch);
    } else {
        mm_branch_give(branch, batch);
    }
}

/* Settings that have changed since may lead it another way. */
static void hand_out_claimed(struct mm_outbound *outbound)
{
    struct mm_list *node = NULL;
    while ((node = mm_list_take_first(&outbound->claimed)) != NULL) {
        struct mq_batch *batch = MM_LIST_OBJECT(node, struct mq_batch, node);
        if (mm_outbound_is_stopped(outbound) || outbound->reroute.is_running ||
            outbound->claim_round != outbound->settings_round) {
            mm_lane_release(outbound, batch);
        } else {
            hand_out(outbound, batch);
        }
    }
}

static void claim_done(struct mm_job *job)
{
    struct mm_outbound *outbound =
        MM_LIST_OBJECT(job, struct mm_outbound, claim_job);
    outbound->is_claiming = false;
    if (outbound->claim_error != MAILMOD_OK) {
        MM_LOG(outbound->options.log, MM_LOG_ERROR, "delivery",
               "the queue cannot be read",
               MM_TEXT("error", mm_error_name(outbound->claim_error)));
    }
    hand_out_claimed(outbound);
    mm_outbound_tell_removed(outbound);
    if (mm_outbound_is_stopped(outbound) || outbound->reroute.is_running) {
        /* Nothing more is asked for now. */
    } else if (outbound->polls_again && outbound->claim_error == MAILMOD_OK) {
        poll(outbound);
    } else {
        mm_timer_set(&outbound->poll_timer, poll_wait_ms(outbound));
    }
    atomic_fetch_sub(&outbound->busy, 1);
}

static void claim_what_is_due(struct mm_outbound *outbound)
{
    if (!outbound->is_started || mm_outbound_is_stopped(outbound)) {
        return;
    }
    if (outbound->is_claiming || outbound->reroute.is_running) {
        outbound->polls_again = true;
        return;
    }
    outbound->polls_again = false;
    if (mm_branch_config(first_of(outbound))->queue.holds) {
        mm_timer_cancel(&outbound->poll_timer);
        return;
    }
    if (mm_post_is_behind(outbound->options.post)) {
        mm_timer_set(&outbound->poll_timer, POLL_MIN_MS);
        return;
    }
    outbound->claim_now_ms = mm_loop_wall_ms(first_of(outbound)->loop);
    if (mm_timer_is_set(&outbound->poll_timer) &&
        !mq_has_work(outbound->queue, outbound->claim_now_ms)) {
        return; /* an outcome and nobody who waits for it, say */
    }
    outbound->claim_job.loop = first_of(outbound)->loop;
    outbound->claim_job.run = run_claim;
    outbound->claim_round = outbound->settings_round;
    outbound->claim_job.done = claim_done;
    mm_timer_cancel(&outbound->poll_timer);
    if (mm_workers_submit(outbound->options.workers, &outbound->claim_job) !=
        MAILMOD_OK) {
        mm_timer_set(&outbound->poll_timer, POLL_MIN_MS);
        return;
    }
    outbound->is_claiming = true;
    atomic_fetch_add(&outbound->busy, 1);
}

/* Busy before it looks whether it is stopped: who stops us and then finds us
 * idle may take everything down. */
static void poll(struct mm_outbound *outbound)
{
    atomic_fetch_add(&outbound->busy, 1);
    mm_outbound_sweep_kept(outbound);
    claim_what_is_due(outbound);
    atomic_fetch_sub(&outbound->busy, 1);
}

static enum mailmod_error run_reroute(struct mm_store_job *job,
                                      struct mm_store_transaction *transaction)
{
    struct mm_reroute *reroute = MM_LIST_OBJECT(job, struct mm_reroute, job);
    return mm_store_reroute(transaction, reroute->destination[0] != '\0'
                                             ? reroute->destination
                                             : NULL);
}

static void reroute_done(struct mm_store_job *job, enum mailmod_error error)
{
    struct mm_reroute *reroute = MM_LIST_OBJECT(job, struct mm_reroute, job);
    struct mm_outbound *outbound =
        MM_LIST_OBJECT(reroute, struct mm_outbound, reroute);
    (void)error; /* the rows keep their way; the route is the setting's */
    mm_loop_post(first_of(outbound)->loop, &reroute->task);
}

/* What waits under another destination than the configuration now gives it.
 * Nothing is claimed meanwhile: an attempt would have the old destination and
 * the new host. */
void mm_handout_reroute(struct mm_outbound *outbound)
{
    struct mm_reroute *reroute = &outbound->reroute;
    if (reroute->is_running) {
        reroute->is_asked = true;
        return;
    }
    /* Busy before it looks: as in poll(). */
    atomic_fetch_add(&outbound->busy, 1);
    if (mm_outbound_is_stopped(outbound)) {
        atomic_fetch_sub(&outbound->busy, 1);
        return;
    }
    mm_destination_common(mm_branch_config(first_of(outbound)),
                          reroute->destination);
    reroute->is_running = true;
    reroute->is_asked = false;
    reroute->job.run = run_reroute;
    reroute->job.done = reroute_done;
    mm_store_submit(outbound->options.store, &reroute->job);
}

static void run_rerouted(struct mm_task *task)
{
    struct mm_reroute *reroute = MM_LIST_OBJECT(task, struct mm_reroute, task);
    struct mm_outbound *outbound =
        MM_LIST_OBJECT(reroute, struct mm_outbound, reroute);
    reroute->is_running = false;
    if (reroute->is_asked) {
        mm_handout_reroute(outbound);
    }
    poll(outbound);
    atomic_fetch_sub(&outbound->busy, 1);
}

static void on_poll(struct mm_timer *timer)
{
    poll(MM_LIST_OBJECT(timer, struct mm_outbound, poll_timer));
}

enum mailmod_error mm_handout_open(struct mm_outbound *outbound)
{
    mm_list_init(&outbound->claimed);
    outbound->poll = poll;
    outbound->reroute.task.run = run_rerouted;
    outbound->next_due_ms = INT64_MAX;
    return mm_timer_open(&outbound->poll_timer, first_of(outbound)->loop,
                         on_poll);
}

void mm_handout_close(struct mm_outbound *outbound)
{
    struct mm_list *node = NULL;
    mm_timer_close(&outbound->poll_timer);
    while ((node = mm_list_take_first(&outbound->claimed)) != NULL) {
        mm_lane_release(outbound, MM_LIST_OBJECT(node, struct mq_batch, node));
    }
}
