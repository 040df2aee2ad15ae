/* outbound.c - all that leaves: the queue's pump.
 *
 * Owns the queue's tables, the settings snapshot and, by lane.c, deliveries and
 * settlements. On the loop it asks a worker what is due, gives each batch to a
 * lane, and comes again when something is due, new or over. Promises: no read
 * of the store is made on the loop; after stop nothing new begins; after cut
 * nothing runs; a reload takes effect whole or not at all.
 *
 * Law: idle poll -> claiming (a worker has the queue) -> idle poll. Asked again
 * while claiming, it polls once more after. `busy` is held from before a look
 * at is_stopped until what follows from it is counted itself: a drain that sees
 * 0 after a stop sees the end.
 * Thread: see the header; the rest on the loop. */
#include "client/outbound_internal.h"

#include "base/mem.h"
#include "post/destination.h"

#include <string.h>

/* POLL_MAX: how soon a tool's change beside us is seen. POLL_MIN: what is due
 * and cannot be claimed yet must not make the poll spin. */
enum { POLL_MIN_MS = 1000, POLL_MAX_MS = 5000 };

static void poll(struct mm_outbound *outbound);

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
    int64_t now_ms = mm_loop_wall_ms(outbound->options.loop);
    int64_t wait_ms = POLL_MAX_MS;
    if (outbound->next_due_ms < now_ms + wait_ms) {
        wait_ms = outbound->next_due_ms - now_ms;
    }
    return wait_ms < POLL_MIN_MS ? POLL_MIN_MS : (uint64_t)wait_ms;
}

static void start_claimed(struct mm_outbound *outbound)
{
    struct mm_list *node = NULL;
    while ((node = mm_list_take_first(&outbound->claimed)) != NULL) {
        struct mq_batch *batch = MM_LIST_OBJECT(node, struct mq_batch, node);
        if (mm_outbound_is_stopped(outbound) || outbound->reroute.is_running) {
            mm_lane_release(outbound, batch);
        } else if (batch->is_overdue) {
            mm_lane_settle_overdue(outbound, batch);
        } else if (mm_destination_is_local(batch->destination)) {
            mm_handover_start(outbound, batch);
        } else {
            mm_lane_start_batch(outbound, batch);
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
    start_claimed(outbound);
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
    if (mm_outbound_config(outbound)->queue.holds) {
        mm_timer_cancel(&outbound->poll_timer);
        return;
    }
    outbound->claim_now_ms = mm_loop_wall_ms(outbound->options.loop);
    if (mm_timer_is_set(&outbound->poll_timer) &&
        !mq_has_work(outbound->queue, outbound->claim_now_ms)) {
        return; /* an outcome and nobody who waits for it, say */
    }
    outbound->claim_job.loop = outbound->options.loop;
    outbound->claim_job.run = run_claim;
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
    mm_loop_post(outbound->options.loop, &reroute->task);
}

/* What waits under another destination than the configuration now gives it.
 * Nothing is claimed meanwhile: an attempt would have the old destination and
 * the new host. */
static void reroute_queue(struct mm_outbound *outbound)
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
    reroute->destination[0] = '\0';
    if (mm_relay_has_smarthost(mm_outbound_config(outbound))) {
        mm_destination_of(mm_outbound_config(outbound), "",
                          reroute->destination);
    }
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
        reroute_queue(outbound);
    }
    poll(outbound);
    atomic_fetch_sub(&outbound->busy, 1);
}

static struct mq_options queue_options(const struct mm_config *config,
                                       uint64_t seed)
{
    return (struct mq_options){.steps_s = config->queue.steps.items,
                               .step_count = config->queue.steps.count,
                               .jitter_percent = config->queue.jitter_percent,
                               .lifetime_ms = config->queue.lifetime_ms,
                               .warn_after_ms = config->queue.warn_after_ms,
                               .attempts_max = config->queue.attempts_max,
                               .destination_max = config->queue.destination_max,
                               .recipients_max = config->queue.recipients_max,
                               .seed = seed};
}

static void run_start(struct mm_task *task)
{
    struct mm_outbound *outbound =
        MM_LIST_OBJECT(task, struct mm_outbound, start_task);
    outbound->is_started = true;
    reroute_queue(outbound);
    poll(outbound);
}

static void run_wake(struct mm_task *task)
{
    struct mm_outbound *outbound =
        MM_LIST_OBJECT(task, struct mm_outbound, wake_task);
    atomic_store(&outbound->is_wake_posted, false);
    if (atomic_exchange(&outbound->is_flush_asked, false)) {
        mq_flush(outbound->queue);
    }
    poll(outbound);
}

static void on_poll(struct mm_timer *timer)
{
    poll(MM_LIST_OBJECT(timer, struct mm_outbound, poll_timer));
}

static void on_retry(struct mm_timer *timer)
{
    mm_lane_retry_settlements(
        MM_LIST_OBJECT(timer, struct mm_outbound, retry_timer));
}

static void on_quiet(struct mm_timer *timer)
{
    mm_lane_park_quiet(MM_LIST_OBJECT(timer, struct mm_outbound, quiet_timer));
}

static void close_timers(struct mm_outbound *outbound)
{
    mm_timer_close(&outbound->poll_timer);
    mm_timer_close(&outbound->retry_timer);
    mm_timer_close(&outbound->quiet_timer);
}

static enum mailmod_error open_timers(struct mm_outbound *outbound)
{
    struct mm_loop *loop = outbound->options.loop;
    enum mailmod_error error =
        mm_timer_open(&outbound->poll_timer, loop, on_poll);
    if (error == MAILMOD_OK) {
        error = mm_timer_open(&outbound->retry_timer, loop, on_retry);
    }
    if (error == MAILMOD_OK) {
        error = mm_timer_open(&outbound->quiet_timer, loop, on_quiet);
    }
    if (error != MAILMOD_OK) {
        close_timers(outbound);
    }
    return error;
}

static enum mailmod_error open_queue(struct mm_outbound *outbound)
{
    enum mailmod_error error =
        mm_store_secret(outbound->options.store, outbound->secret);
    if (error != MAILMOD_OK) {
        return error;
    }
    uint64_t seed = mm_store_new_message_id(outbound->options.store);
    mm_host_table_init(&outbound->hosts, seed);
    struct mq_options options =
        queue_options(mm_outbound_config(outbound), seed);
    return mq_new(&outbound->queue, outbound->options.store, &options);
}

static void run_stop(struct mm_task *task)
{
    struct mm_outbound *outbound =
        MM_LIST_OBJECT(task, struct mm_outbound, stop_task);
    mm_timer_cancel(&outbound->poll_timer);
    mm_lane_quit_all(outbound);
    mm_host_search_stop_all(outbound);
}

static void run_cut(struct mm_task *task)
{
    struct mm_outbound *outbound =
        MM_LIST_OBJECT(task, struct mm_outbound, cut_task);
    outbound->is_cut = true;
    mm_timer_cancel(&outbound->poll_timer);
    mm_timer_cancel(&outbound->retry_timer);
    mm_timer_cancel(&outbound->quiet_timer);
    mm_lane_cut_all(outbound);
    mm_handover_cut_all(outbound);
    mm_unstored_cut_all(outbound);
}

static void init_tasks(struct mm_outbound *outbound)
{
    mm_list_init(&outbound->lanes);
    mm_list_init(&outbound->settlings);
    mm_list_init(&outbound->claimed);
    mm_list_init(&outbound->unstored);
    mm_list_init(&outbound->unstored_works);
    mm_list_init(&outbound->handovers);
    mm_list_init(&outbound->searches);
    outbound->poll = poll;
    outbound->start_task.run = run_start;
    outbound->wake_task.run = run_wake;
    outbound->stop_task.run = run_stop;
    outbound->cut_task.run = run_cut;
    outbound->reroute.task.run = run_rerouted;
    outbound->next_due_ms = INT64_MAX;
}

enum mailmod_error mm_outbound_new(struct mm_outbound **outbound_out,
                                   const struct mm_outbound_options *options,
                                   struct mm_buf *reason_out)
{
    struct mm_outbound *outbound = mm_alloc(sizeof *outbound);
    if (outbound == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    outbound->options = *options;
    init_tasks(outbound);
    enum mailmod_error error = mm_outbound_settings_new(
        &outbound->settings, options->config, options->resolver, reason_out);
    if (error == MAILMOD_OK) {
        error = open_queue(outbound);
    }
    if (error == MAILMOD_OK) {
        error = open_timers(outbound);
    }
    if (error != MAILMOD_OK) {
        mq_free(&outbound->queue);
        mm_outbound_settings_unref(&outbound->settings);
        mm_free(outbound);
        return error;
    }
    *outbound_out = outbound;
    return MAILMOD_OK;
}

void mm_outbound_free(struct mm_outbound **outbound)
{
    struct mm_outbound *freed = *outbound;
    if (freed == NULL) {
        return;
    }
    atomic_store(&freed->is_stopped, true);
    mm_handover_cut_all(freed);
    mm_lane_free_all(freed);
    mm_unstored_free_all(freed);
    mm_host_search_stop_all(freed);
    mm_host_table_fini(&freed->hosts);
    close_timers(freed);
    mq_free(&freed->queue);
    mm_outbound_settings_unref(&freed->settings);
    mm_secret_clear(freed->secret, sizeof freed->secret);
    mm_free(freed);
    *outbound = NULL;
}

/* A task may be posted again only after it ran: the flags see to that. */
void mm_outbound_start(struct mm_outbound *outbound)
{
    if (!atomic_exchange(&outbound->is_start_posted, true)) {
        mm_loop_post(outbound->options.loop, &outbound->start_task);
    }
}

void mm_outbound_wake(struct mm_outbound *outbound)
{
    if (!atomic_exchange(&outbound->is_wake_posted, true)) {
        mm_loop_post(outbound->options.loop, &outbound->wake_task);
    }
}

void mm_outbound_flush(struct mm_outbound *outbound)
{
    atomic_store(&outbound->is_flush_asked, true);
    mm_outbound_wake(outbound);
}

void mm_outbound_stop(struct mm_outbound *outbound)
{
    atomic_store(&outbound->is_stopped, true);
    if (!atomic_exchange(&outbound->is_stop_posted, true)) {
        mm_loop_post(outbound->options.loop, &outbound->stop_task);
    }
}

void mm_outbound_cut(struct mm_outbound *outbound)
{
    mm_outbound_stop(outbound);
    if (!atomic_exchange(&outbound->is_cut_posted, true)) {
        mm_loop_post(outbound->options.loop, &outbound->cut_task);
    }
}

size_t mm_outbound_busy(const struct mm_outbound *outbound)
{
    return atomic_load(&outbound->busy);
}

struct reload {
    struct mm_task task;
    struct mm_outbound *outbound;
    struct mm_outbound_settings *settings;
};

static bool is_way_changed(const struct mm_config *a, const struct mm_config *b)
{
    return mm_relay_has_smarthost(a) != mm_relay_has_smarthost(b) ||
           (mm_relay_has_smarthost(a) &&
            !mm_cstr_equal_nocase(a->smarthost.host, b->smarthost.host));
}

static enum mailmod_error take_settings(struct mm_outbound *outbound,
                                        struct reload *reload)
{
    struct mq_options options = queue_options(reload->settings->config, 0);
    enum mailmod_error error = mq_set_options(outbound->queue, &options);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_outbound_settings *former = outbound->settings;
    outbound->settings = reload->settings;
    reload->settings = NULL;
    if (is_way_changed(former->config, mm_outbound_config(outbound))) {
        reroute_queue(outbound);
    }
    mm_outbound_settings_unref(&former);
    return MAILMOD_OK;
}

static void run_reload(struct mm_task *task)
{
    struct reload *reload = MM_LIST_OBJECT(task, struct reload, task);
    struct mm_outbound *outbound = reload->outbound;
    enum mailmod_error error = take_settings(outbound, reload);
    if (error != MAILMOD_OK) {
        MM_LOG(outbound->options.log, MM_LOG_ERROR, "delivery",
               "the former settings stay",
               MM_TEXT("error", mm_error_name(error)));
    }
    mm_outbound_settings_unref(&reload->settings);
    mm_free(reload);
    /* What was decided under the old settings is tried under the new. */
    mq_flush(outbound->queue);
    poll(outbound);
}

enum mailmod_error mm_outbound_reload(struct mm_outbound *outbound,
                                      struct mm_config *config,
                                      struct mm_buf *reason_out)
{
    struct reload *reload = mm_alloc(sizeof *reload);
    if (reload == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error = mm_outbound_settings_new(
        &reload->settings, config, outbound->options.resolver, reason_out);
    if (error != MAILMOD_OK) {
        mm_free(reload);
        return error;
    }
    reload->outbound = outbound;
    reload->task.run = run_reload;
    mm_loop_post(outbound->options.loop, &reload->task);
    return MAILMOD_OK;
}
