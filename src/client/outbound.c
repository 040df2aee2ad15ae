/* outbound.c - all that leaves: the queue's pump.
 *
 * Owns the queue's tables, the settings snapshot, the deliveries (lanes) and
 * the settlements in work. On the loop it asks a worker what is due, starts a
 * delivery a batch or gives the batch to an idle one of the same destination,
 * hands outcomes to the store, and comes again when something is due, new or
 * over. Promises: the number of lanes is bounded (attempts_max at work, as many
 * idle), and so is the number of settlements; no read of the store is made on
 * the loop; after stop nothing new begins; after cut nothing runs; a
 * settlement that the store refused is tried again and never forgotten while
 * the process runs.
 *
 * Law: idle poll -> claiming (a worker has the queue) -> idle poll. Asked again
 * while claiming, it polls once more after.
 * Thread: see the header; the rest on the loop. */
#include "client/outbound.h"

#include "base/mem.h"
#include "client/delivery.h"
#include "client/outcome.h"
#include "client/settling.h"
#include "crypto/crypto.h"

#include <stdatomic.h>
#include <string.h>

/* POLL_MAX: how soon a tool's change beside us is seen. POLL_MIN: what is due
 * and cannot be claimed yet must not make the poll spin. */
enum { POLL_MIN_MS = 1000, POLL_MAX_MS = 5000, RETRY_MS = 10000 };

struct lane {
    struct mm_list node;
    struct mm_outbound *outbound;
    struct mm_delivery *delivery;
    bool is_working; /* has a batch */
    bool is_gone;    /* the delivery is over: free when the job is done */
    bool is_asking;  /* the job runs */
    struct mm_job job;
    struct mq_batch *next;
    int64_t now_ms;
};

struct mm_outbound {
    struct mm_outbound_options options;
    struct mm_outbound_settings *settings;
    struct mq_queue *queue;
    uint8_t secret[MM_SHA256_SIZE];

    struct mm_task start_task, wake_task, stop_task, cut_task;
    atomic_bool is_start_posted, is_wake_posted, is_stop_posted, is_cut_posted;
    atomic_bool is_flush_asked;
    atomic_bool is_stopped;
    atomic_size_t busy;
    bool is_started;
    bool is_cut;

    struct mm_list lanes;
    size_t lane_count;
    struct mm_list settlings;
    size_t settling_count;
    struct mm_timer poll_timer, retry_timer;

    /* the claiming worker's */
    struct mm_job claim_job;
    bool is_claiming;
    bool polls_again;
    struct mm_list claimed;
    int64_t claim_now_ms, next_due_ms;
    uint64_t change_count;
    enum mailmod_error claim_error;
};

static void poll_queue(struct mm_outbound *outbound);

static bool is_stopped(const struct mm_outbound *outbound)
{
    return atomic_load(&outbound->is_stopped);
}

static const struct mm_config *config_of(const struct mm_outbound *outbound)
{
    return outbound->settings->config;
}

/* ---- settlements ------------------------------------------------------------
 */

static void drop_settling(struct mm_outbound *outbound,
                          struct mm_settling *settling, bool releases)
{
    mm_list_remove(&settling->node);
    outbound->settling_count--;
    mm_settling_free(&settling, releases);
    atomic_fetch_sub(&outbound->busy, 1);
}

static void on_settled(struct mm_settling *settling)
{
    struct mm_outbound *outbound = settling->context;
    if (settling->error == MAILMOD_OK) {
        mm_settling_log(settling);
        drop_settling(outbound, settling, true);
        poll_queue(outbound);
        return;
    }
    char message[MM_MESSAGE_ID_TEXT_MAX];
    mm_message_id_format(settling->settlement.batch->message.id, message);
    MM_LOG(outbound->options.log, MM_LOG_ERROR, "delivery",
           "the store did not take the outcome, it is kept in memory",
           MM_TEXT("message", message),
           MM_TEXT("error", mm_error_name(settling->error)));
    if (outbound->is_cut) {
        drop_settling(outbound, settling, false);
    } else if (!mm_timer_is_set(&outbound->retry_timer)) {
        mm_timer_set(&outbound->retry_timer, RETRY_MS);
    }
}

static void on_retry(struct mm_timer *timer)
{
    struct mm_outbound *outbound =
        MM_LIST_OBJECT(timer, struct mm_outbound, retry_timer);
    MM_LIST_EACH(node, &outbound->settlings)
    {
        struct mm_settling *settling =
            MM_LIST_OBJECT(node, struct mm_settling, node);
        if (!settling->is_in_store) {
            mm_settling_submit(settling);
        }
    }
}

static void release(struct mm_outbound *outbound, struct mq_batch *batch)
{
    mq_release(outbound->queue, &batch);
}

static void settle(struct mm_outbound *outbound, struct mq_batch *batch,
                   struct mq_outcome *outcomes)
{
    struct mm_bounce bounce = {.store = outbound->options.store,
                               .log = outbound->options.log,
                               .find_mailbox = outbound->options.find_mailbox,
                               .find_mailbox_context =
                                   outbound->options.find_mailbox_context};
    struct mm_settling *settling = NULL;
    if (mm_settling_new(&settling, outbound->queue, batch, outcomes, &bounce,
                        outbound->settings->config) != MAILMOD_OK) {
        /* Without memory the outcome cannot be kept: the claims stay, so that
         * this process at least does not send it again. */
        MM_LOG(outbound->options.log, MM_LOG_ERROR, "delivery",
               "no memory to settle an outcome",
               MM_TEXT("destination", batch->destination));
        batch->recipient_count = 0;
        release(outbound, batch);
        mm_free(outcomes);
        return;
    }
    settling->loop = outbound->options.loop;
    settling->on_done = on_settled;
    settling->context = outbound;
    settling->settlement.now_ms = mm_loop_wall_ms(outbound->options.loop);
    mm_list_append(&outbound->settlings, &settling->node);
    outbound->settling_count++;
    atomic_fetch_add(&outbound->busy, 1);
    mm_settling_submit(settling);
}

/* Behind a destination that is down: the words of the last attempt count. */
static void settle_overdue(struct mm_outbound *outbound, struct mq_batch *batch)
{
    struct mq_outcome *outcomes =
        mm_alloc_array(batch->recipient_count, sizeof *outcomes);
    if (outcomes == NULL) {
        release(outbound, batch);
        return;
    }
    for (size_t i = 0; i < batch->recipient_count; i++) {
        const char *last = batch->recipients[i].last_reply;
        mm_outcome_set(&outcomes[i], "4.4.1", "",
                       last[0] != '\0' ? last
                                       : "no host of the destination could "
                                         "be reached");
    }
    settle(outbound, batch, outcomes);
}

/* ---- lanes
 * -------------------------------------------------------------------- */

static void set_working(struct lane *lane, bool is_working)
{
    if (lane->is_working == is_working) {
        return;
    }
    lane->is_working = is_working;
    if (is_working) {
        atomic_fetch_add(&lane->outbound->busy, 1);
    } else {
        atomic_fetch_sub(&lane->outbound->busy, 1);
    }
}

static void free_lane(struct lane *lane)
{
    struct mm_outbound *outbound = lane->outbound;
    mm_list_remove(&lane->node);
    outbound->lane_count--;
    set_working(lane, false);
    mm_delivery_free(&lane->delivery);
    mm_free(lane);
}

static void on_outcomes(void *context, struct mq_batch *batch,
                        struct mq_outcome *outcomes)
{
    struct lane *lane = context;
    struct mm_outbound *outbound = lane->outbound;
    if (outcomes == NULL) {
        release(outbound, batch);
    } else {
        settle(outbound, batch, outcomes);
    }
    set_working(lane, false);
}

static void run_ask(struct mm_job *job)
{
    struct lane *lane = MM_LIST_OBJECT(job, struct lane, job);
    if (mq_claim_next(lane->outbound->queue,
                      mm_delivery_destination(lane->delivery), lane->now_ms,
                      &lane->next) != MAILMOD_OK) {
        lane->next = NULL;
    }
}

static void ask_done(struct mm_job *job)
{
    struct lane *lane = MM_LIST_OBJECT(job, struct lane, job);
    struct mq_batch *batch = lane->next;
    lane->is_asking = false;
    lane->next = NULL;
    atomic_fetch_sub(&lane->outbound->busy, 1);
    if (batch != NULL && !lane->is_gone && !is_stopped(lane->outbound) &&
        mm_delivery_is_idle(lane->delivery)) {
        set_working(lane, true);
        mm_delivery_give(lane->delivery, batch);
        return;
    }
    if (batch != NULL) {
        release(lane->outbound, batch);
        poll_queue(lane->outbound);
    }
    if (lane->is_gone) {
        free_lane(lane);
    }
}

/* The connection stands and its message is settled: is there another one?
 * Not while the store lags behind with what was sent already. */
static void on_idle(void *context)
{
    struct lane *lane = context;
    struct mm_outbound *outbound = lane->outbound;
    const struct mm_config *config = config_of(outbound);
    bool is_old = mm_delivery_settings(lane->delivery) != outbound->settings;
    if (is_stopped(outbound) || is_old || config->queue.holds ||
        outbound->settling_count > 2 * (size_t)config->queue.attempts_max) {
        mm_delivery_quit(lane->delivery);
        return;
    }
    lane->job.loop = outbound->options.loop;
    lane->job.run = run_ask;
    lane->job.done = ask_done;
    lane->now_ms = mm_loop_wall_ms(outbound->options.loop);
    lane->is_asking = true;
    atomic_fetch_add(&outbound->busy, 1);
    if (mm_workers_submit(outbound->options.workers, &lane->job) !=
        MAILMOD_OK) {
        lane->is_asking = false;
        atomic_fetch_sub(&outbound->busy, 1);
        mm_delivery_quit(lane->delivery);
    }
}

static void on_gone(void *context)
{
    struct lane *lane = context;
    struct mm_outbound *outbound = lane->outbound;
    lane->is_gone = true;
    if (!lane->is_asking) {
        free_lane(lane);
    }
    poll_queue(outbound);
}

static const struct mm_delivery_handler delivery_handler = {
    .on_outcomes = on_outcomes, .on_idle = on_idle, .on_gone = on_gone};

static struct lane *find_idle(struct mm_outbound *outbound,
                              const char *destination)
{
    MM_LIST_EACH(node, &outbound->lanes)
    {
        struct lane *lane = MM_LIST_OBJECT(node, struct lane, node);
        if (!lane->is_asking && mm_delivery_is_idle(lane->delivery) &&
            mm_delivery_settings(lane->delivery) == outbound->settings &&
            (destination == NULL ||
             strcmp(mm_delivery_destination(lane->delivery), destination) ==
                 0)) {
            return lane;
        }
    }
    return NULL;
}

static enum mailmod_error open_lane(struct mm_outbound *outbound,
                                    const char *destination,
                                    struct lane **lane_out)
{
    struct lane *lane = mm_alloc(sizeof *lane);
    if (lane == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    struct mm_delivery_options options = {.loop = outbound->options.loop,
                                          .workers = outbound->options.workers,
                                          .store = outbound->options.store,
                                          .log = outbound->options.log,
                                          .settings = outbound->settings,
                                          .destination = destination,
                                          .secret = outbound->secret,
                                          .handler = &delivery_handler,
                                          .context = lane};
    enum mailmod_error error = mm_delivery_new(&lane->delivery, &options);
    if (error != MAILMOD_OK) {
        mm_free(lane);
        return error;
    }
    lane->outbound = outbound;
    mm_list_append(&outbound->lanes, &lane->node);
    outbound->lane_count++;
    *lane_out = lane;
    return MAILMOD_OK;
}

static void start_batch(struct mm_outbound *outbound, struct mq_batch *batch)
{
    struct lane *lane = find_idle(outbound, batch->destination);
    if (lane != NULL) {
        set_working(lane, true);
        mm_delivery_give(lane->delivery, batch);
        return;
    }
    if (outbound->lane_count >= config_of(outbound)->queue.attempts_max) {
        struct lane *idle = find_idle(outbound, NULL);
        if (idle != NULL) {
            mm_delivery_quit(idle->delivery);
        }
    }
    if (open_lane(outbound, batch->destination, &lane) != MAILMOD_OK) {
        release(outbound, batch);
        return;
    }
    set_working(lane, true);
    mm_delivery_start(lane->delivery, batch);
}

/* ---- polling
 * --------------------------------------------------------------------- */

static void run_claim(struct mm_job *job)
{
    struct mm_outbound *outbound =
        MM_LIST_OBJECT(job, struct mm_outbound, claim_job);
    uint64_t change_count = 0;
    if (mm_store_change_count(outbound->options.store, &change_count) ==
            MAILMOD_OK &&
        change_count != outbound->change_count) {
        /* A tool wrote beside us. It may have been a flush, which overrides
         * back-offs; for anything else that costs a few early attempts. */
        if (outbound->change_count != 0) {
            mq_flush(outbound->queue);
        }
        outbound->change_count = change_count;
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
        if (is_stopped(outbound)) {
            release(outbound, batch);
        } else if (batch->is_overdue) {
            settle_overdue(outbound, batch);
        } else {
            start_batch(outbound, batch);
        }
    }
}

static void claim_done(struct mm_job *job)
{
    struct mm_outbound *outbound =
        MM_LIST_OBJECT(job, struct mm_outbound, claim_job);
    outbound->is_claiming = false;
    atomic_fetch_sub(&outbound->busy, 1);
    if (outbound->claim_error != MAILMOD_OK) {
        MM_LOG(outbound->options.log, MM_LOG_ERROR, "delivery",
               "the queue cannot be read",
               MM_TEXT("error", mm_error_name(outbound->claim_error)));
    }
    start_claimed(outbound);
    if (is_stopped(outbound)) {
        return;
    }
    if (outbound->polls_again && outbound->claim_error == MAILMOD_OK) {
        poll_queue(outbound);
    } else {
        mm_timer_set(&outbound->poll_timer, poll_wait_ms(outbound));
    }
}

static void poll_queue(struct mm_outbound *outbound)
{
    if (!outbound->is_started || is_stopped(outbound)) {
        return;
    }
    if (outbound->is_claiming) {
        outbound->polls_again = true;
        return;
    }
    outbound->polls_again = false;
    if (config_of(outbound)->queue.holds) {
        mm_timer_cancel(&outbound->poll_timer);
        return;
    }
    outbound->claim_job.loop = outbound->options.loop;
    outbound->claim_job.run = run_claim;
    outbound->claim_job.done = claim_done;
    outbound->claim_now_ms = mm_loop_wall_ms(outbound->options.loop);
    mm_timer_cancel(&outbound->poll_timer);
    if (mm_workers_submit(outbound->options.workers, &outbound->claim_job) !=
        MAILMOD_OK) {
        mm_timer_set(&outbound->poll_timer, POLL_MIN_MS);
        return;
    }
    outbound->is_claiming = true;
    atomic_fetch_add(&outbound->busy, 1);
}

static void on_poll(struct mm_timer *timer)
{
    poll_queue(MM_LIST_OBJECT(timer, struct mm_outbound, poll_timer));
}

/* ---- routing changes
 * ---------------------------------------------------------------- */

struct reroute {
    struct mm_store_job job;
    char destination[MM_STORE_DESTINATION_MAX]; /* "": each its own domain */
};

static enum mailmod_error run_reroute(struct mm_store_job *job,
                                      struct mm_store_transaction *transaction)
{
    struct reroute *reroute = MM_LIST_OBJECT(job, struct reroute, job);
    return mm_store_reroute(transaction, reroute->destination[0] != '\0'
                                             ? reroute->destination
                                             : NULL);
}

static void reroute_done(struct mm_store_job *job, enum mailmod_error error)
{
    (void)error; /* the rows keep their way; the route is the setting's */
    mm_free(MM_LIST_OBJECT(job, struct reroute, job));
}

/* What waits under another destination than the configuration now gives it. */
static void reroute_queue(struct mm_outbound *outbound)
{
    struct reroute *reroute = mm_alloc(sizeof *reroute);
    if (reroute == NULL) {
        return;
    }
    if (mm_outbound_has_smarthost(config_of(outbound))) {
        mm_outbound_destination(config_of(outbound), "", reroute->destination);
    }
    reroute->job.run = run_reroute;
    reroute->job.done = reroute_done;
    mm_store_submit(outbound->options.store, &reroute->job);
}

void mm_outbound_destination(const struct mm_config *config, const char *domain,
                             char text_out[MM_STORE_DESTINATION_MAX])
{
    const char *text =
        mm_outbound_has_smarthost(config) ? config->smarthost.host : domain;
    if (!mm_span_copy(mm_span_cstr(text), text_out, MM_STORE_DESTINATION_MAX)) {
        text_out[0] = '\0';
    }
    mm_ascii_lower_cstr(text_out);
}

/* ---- life
 * ------------------------------------------------------------------------------
 */

static struct mq_options queue_options(const struct mm_config *config,
                                       uint64_t seed)
{
    return (struct mq_options){.steps_s = config->queue.steps_s,
                               .step_count = config->queue.step_count,
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
    poll_queue(outbound);
}

static void run_wake(struct mm_task *task)
{
    struct mm_outbound *outbound =
        MM_LIST_OBJECT(task, struct mm_outbound, wake_task);
    atomic_store(&outbound->is_wake_posted, false);
    if (atomic_exchange(&outbound->is_flush_asked, false)) {
        mq_flush(outbound->queue);
    }
    poll_queue(outbound);
}

static void run_stop(struct mm_task *task)
{
    struct mm_outbound *outbound =
        MM_LIST_OBJECT(task, struct mm_outbound, stop_task);
    mm_timer_cancel(&outbound->poll_timer);
    MM_LIST_EACH(node, &outbound->lanes)
    {
        struct lane *lane = MM_LIST_OBJECT(node, struct lane, node);
        mm_delivery_quit(lane->delivery);
    }
}

static void run_cut(struct mm_task *task)
{
    struct mm_outbound *outbound =
        MM_LIST_OBJECT(task, struct mm_outbound, cut_task);
    outbound->is_cut = true;
    mm_timer_cancel(&outbound->poll_timer);
    mm_timer_cancel(&outbound->retry_timer);
    MM_LIST_EACH(node, &outbound->lanes)
    {
        struct lane *lane = MM_LIST_OBJECT(node, struct lane, node);
        mm_delivery_cut(lane->delivery);
    }
    MM_LIST_EACH(other, &outbound->settlings)
    {
        struct mm_settling *settling =
            MM_LIST_OBJECT(other, struct mm_settling, node);
        if (!settling->is_in_store) {
            drop_settling(outbound, settling, false);
        }
    }
}

static enum mailmod_error open_timers(struct mm_outbound *outbound)
{
    struct mm_loop *loop = outbound->options.loop;
    enum mailmod_error error =
        mm_timer_open(&outbound->poll_timer, loop, on_poll);
    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_timer_open(&outbound->retry_timer, loop, on_retry);
    if (error != MAILMOD_OK) {
        mm_timer_close(&outbound->poll_timer);
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
    struct mq_options options = queue_options(config_of(outbound), seed);
    return mq_new(&outbound->queue, outbound->options.store, &options);
}

static void init_tasks(struct mm_outbound *outbound)
{
    mm_list_init(&outbound->lanes);
    mm_list_init(&outbound->settlings);
    mm_list_init(&outbound->claimed);
    outbound->start_task.run = run_start;
    outbound->wake_task.run = run_wake;
    outbound->stop_task.run = run_stop;
    outbound->cut_task.run = run_cut;
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
        &outbound->settings, options->config, reason_out);
    if (error == MAILMOD_OK) {
        error = mm_outbound_settings_open_resolver(outbound->settings,
                                                   options->loop);
    }
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

static void free_all(struct mm_outbound *outbound)
{
    MM_LIST_EACH(node, &outbound->lanes)
    {
        free_lane(MM_LIST_OBJECT(node, struct lane, node));
    }
    MM_LIST_EACH(other, &outbound->settlings)
    {
        drop_settling(outbound, MM_LIST_OBJECT(other, struct mm_settling, node),
                      false);
    }
    struct mm_list *node = NULL;
    while ((node = mm_list_take_first(&outbound->claimed)) != NULL) {
        release(outbound, MM_LIST_OBJECT(node, struct mq_batch, node));
    }
}

void mm_outbound_free(struct mm_outbound **outbound)
{
    struct mm_outbound *freed = *outbound;
    if (freed == NULL) {
        return;
    }
    atomic_store(&freed->is_stopped, true);
    free_all(freed);
    mm_timer_close(&freed->poll_timer);
    mm_timer_close(&freed->retry_timer);
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

/* ---- reload
 * --------------------------------------------------------------------------------
 */

struct reload {
    struct mm_task task;
    struct mm_outbound *outbound;
    struct mm_outbound_settings *settings;
};

static bool is_way_changed(const struct mm_config *a, const struct mm_config *b)
{
    return mm_outbound_has_smarthost(a) != mm_outbound_has_smarthost(b) ||
           (mm_outbound_has_smarthost(a) &&
            !mm_cstr_equal_nocase(a->smarthost.host, b->smarthost.host));
}

static enum mailmod_error take_settings(struct mm_outbound *outbound,
                                        struct reload *reload)
{
    enum mailmod_error error = mm_outbound_settings_open_resolver(
        reload->settings, outbound->options.loop);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mq_options options = queue_options(reload->settings->config, 0);
    error = mq_set_options(outbound->queue, &options);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_outbound_settings *former = outbound->settings;
    outbound->settings = reload->settings;
    reload->settings = NULL;
    if (is_way_changed(former->config, config_of(outbound))) {
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
    poll_queue(outbound);
}

enum mailmod_error mm_outbound_reload(struct mm_outbound *outbound,
                                      struct mm_config *config,
                                      struct mm_buf *reason_out)
{
    struct reload *reload = mm_alloc(sizeof *reload);
    if (reload == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error =
        mm_outbound_settings_new(&reload->settings, config, reason_out);
    if (error != MAILMOD_OK) {
        mm_free(reload);
        return error;
    }
    reload->outbound = outbound;
    reload->task.run = run_reload;
    mm_loop_post(outbound->options.loop, &reload->task);
    return MAILMOD_OK;
}
