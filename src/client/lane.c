/* lane.c - deliveries at work and what becomes of their outcomes.
 *
 * Owns the lanes (a delivery each, with the job that asks for its next batch)
 * and the settlements in work, both in lists of their branch. Promises that
 * their numbers are bounded: attempts_max lanes at work on all loops together
 * and as many idle, with those that are parked (the queue bounds them) beside,
 * and no further message is asked for while settlements pile up; and that a
 * settlement that the store refused is tried again, never forgotten, while the
 * process runs.
 * Thread: loop; run_ask on a worker. */
#include "client/outbound_internal.h"

#include "base/mem.h"
#include "client/outcome.h"

#include <string.h>

/* An attempt that does not come on for QUIET_MS gives its place to others: the
 * silence of some hosts or name servers must not hold up the mail for all. */
enum { RETRY_MS = 10000, QUIET_MS = 3000, LOOK_MS = 1000 };

struct lane {
    struct mm_list node;
    struct mm_branch *branch;
    struct mm_delivery *delivery;
    const struct mm_config_route *route; /* of its settings' table */
    struct mm_settling *settling;        /* for the outcomes of its batch */
    bool is_working;                     /* has a batch */
    bool is_parked;                      /* without a place */
    bool is_gone;   /* the delivery is over: free when the job is done */
    bool is_asking; /* the job runs */
    struct mm_job job;
    struct mq_batch *next;
    int64_t now_ms;
};

static void drop_settling(struct mm_branch *branch,
                          struct mm_settling *settling, bool releases)
{
    mm_list_remove(&settling->node);
    branch->settling_count--;
    if (settling->on_dropped != NULL) {
        settling->on_dropped(settling);
    }
    mm_settling_free(&settling, releases);
    mm_outbound_tell_removed(branch->outbound);
    atomic_fetch_sub(&branch->outbound->busy, 1);
}

static enum mailmod_event_kind kind_of(const struct mm_settling *settling,
                                       size_t i)
{
    const struct mq_outcome *outcome = &settling->settlement.outcomes[i];
    if (outcome->is_removal) {
        return MAILMOD_EVENT_REMOVED;
    }
    switch (outcome->verdict) {
    case MQ_DELIVERED:
        return MAILMOD_EVENT_DELIVERED;
    case MQ_FAILED:
        return MAILMOD_EVENT_BOUNCED;
    case MQ_DEFERRED:
        break;
    }
    return mm_settling_is_final(settling, i) ? MAILMOD_EVENT_EXPIRED
                                             : MAILMOD_EVENT_DEFERRED;
}

static void tell_outcomes(const struct mm_outbound *outbound,
                          const struct mm_settling *settling)
{
    const struct mq_settlement *settlement = &settling->settlement;
    const struct mq_batch *batch = settlement->batch;
    for (size_t i = 0; i < batch->recipient_count; i++) {
        mm_outbound_note_outcome(
            outbound, batch->message.id, &batch->recipients[i],
            &settlement->outcomes[i], mm_settling_is_final(settling, i));
        enum mailmod_event_kind kind = kind_of(settling, i);
        bool was_tried =
            !batch->is_overdue && !settlement->outcomes[i].is_untried;
        /* Behind a destination that is down nothing was tried. */
        if (!batch->is_overdue || kind != MAILMOD_EVENT_DEFERRED) {
            mm_outbound_tell(outbound, kind, &batch->message,
                             &batch->recipients[i], &settlement->outcomes[i],
                             batch->recipients[i].attempts + was_tried);
        }
    }
}

/* It is no delivery: its consumer says what it did. */
static bool is_silent(const struct mm_settling *settling)
{
    const struct mm_consumer *consumer =
        mm_consumer_of(settling->post, settling->settlement.batch->destination);
    return consumer != NULL && consumer->is_silent;
}

static void on_settled(struct mm_settling *settling)
{
    struct mm_branch *branch = settling->context;
    if (settling->error == MAILMOD_OK) {
        if (!is_silent(settling)) {
            mm_settling_log(settling);
            tell_outcomes(branch->outbound, settling);
        }
        drop_settling(branch, settling, true);
        mm_branch_poll(branch);
        return;
    }
    char message[MM_MESSAGE_ID_TEXT_MAX];
    mm_message_id_format(settling->settlement.batch->message.id, message);
    MM_LOG(branch->outbound->options.log, MM_LOG_ERROR, "delivery",
           "the store did not take the outcome, it is kept in memory",
           MM_TEXT("message", message),
           MM_TEXT("error", mm_error_name(settling->error)));
    if (branch->is_cut) {
        drop_settling(branch, settling, false);
    } else if (!mm_timer_is_set(&branch->retry_timer)) {
        mm_timer_set(&branch->retry_timer, RETRY_MS);
    }
}

void mm_lane_retry_settlements(struct mm_branch *branch)
{
    MM_LIST_EACH(node, &branch->settlings)
    {
        struct mm_settling *settling =
            MM_LIST_OBJECT(node, struct mm_settling, node);
        if (!settling->is_out) {
            mm_settling_submit(settling);
        }
    }
}

void mm_lane_release(struct mm_outbound *outbound, struct mq_batch *batch)
{
    mq_release(outbound->queue, &batch);
    mm_outbound_tell_removed(outbound);
}

/* Memory for the outcomes is taken before the attempt: later there would be no
 * way back, for what was delivered must not be sent again. */
enum mailmod_error mm_lane_prepare(struct mm_branch *branch,
                                   struct mq_batch *batch,
                                   struct mm_settling **settling_out)
{
    enum mailmod_error error = mm_settling_new(
        settling_out, branch->outbound->queue, batch,
        branch->outbound->options.post, branch->settings->config);
    if (error == MAILMOD_OK) {
        (*settling_out)->loop = branch->loop;
        (*settling_out)->on_done = on_settled;
        (*settling_out)->context = branch;
    }
    return error;
}

void mm_lane_settle(struct mm_branch *branch, struct mm_settling *settling,
                    struct mq_outcome *outcomes)
{
    settling->settlement.outcomes = outcomes;
    settling->settlement.now_ms = mm_loop_wall_ms(branch->loop);
    mm_list_append(&branch->settlings, &settling->node);
    branch->settling_count++;
    atomic_fetch_add(&branch->outbound->busy, 1);
    mm_settling_submit(settling);
}

/* Behind a destination that is down: the words of the last attempt count. */
void mm_lane_settle_overdue(struct mm_branch *branch, struct mq_batch *batch)
{
    struct mm_settling *settling = NULL;
    struct mq_outcome *outcomes =
        mm_alloc_array(batch->recipient_count, sizeof *outcomes);
    if (outcomes == NULL ||
        mm_lane_prepare(branch, batch, &settling) != MAILMOD_OK) {
        mm_free(outcomes);
        mm_lane_release(branch->outbound, batch);
        return;
    }
    for (size_t i = 0; i < batch->recipient_count; i++) {
        const char *last = batch->recipients[i].last_reply;
        mm_outcome_set(&outcomes[i], MAILMOD_ERROR_UNREACHABLE, "4.4.1", "",
                       last[0] != '\0' ? last
                                       : "nothing could be sent to the "
                                         "destination so far");
    }
    mm_lane_settle(branch, settling, outcomes);
}

static void set_working(struct lane *lane, bool is_working)
{
    if (lane->is_working == is_working) {
        return;
    }
    lane->is_working = is_working;
    struct mm_branch *branch = lane->branch;
    if (is_working) {
        atomic_fetch_add(&branch->outbound->busy, 1);
        if (!mm_timer_is_set(&branch->quiet_timer) && !branch->is_cut) {
            mm_timer_set(&branch->quiet_timer, LOOK_MS);
        }
        return;
    }
    if (lane->is_parked) {
        lane->is_parked = false;
        branch->parked_count--;
    }
    atomic_fetch_sub(&branch->outbound->busy, 1);
}

static bool park(struct lane *lane)
{
    struct mm_branch *branch = lane->branch;
    if (!lane->is_working || lane->is_parked || lane->settling == NULL ||
        mm_delivery_quiet_ms(lane->delivery) < QUIET_MS ||
        !mq_park(branch->outbound->queue, lane->settling->settlement.batch)) {
        return false;
    }
    lane->is_parked = true;
    branch->parked_count++;
    return true;
}

void mm_lane_park_quiet(struct mm_branch *branch)
{
    bool has_parked = false;
    bool is_working = false;
    MM_LIST_EACH(node, &branch->lanes)
    {
        struct lane *lane = MM_LIST_OBJECT(node, struct lane, node);
        has_parked = park(lane) || has_parked;
        is_working = is_working || lane->is_working;
    }
    if (is_working) {
        mm_timer_set(&branch->quiet_timer, LOOK_MS);
    }
    if (has_parked) {
        mm_branch_poll(branch);
    }
}

static void free_lane(struct lane *lane)
{
    struct mm_branch *branch = lane->branch;
    mm_list_remove(&lane->node);
    branch->lane_count--;
    set_working(lane, false);
    mm_delivery_free(&lane->delivery);
    mm_settling_free(&lane->settling, true);
    mm_free(lane);
}

/* A row of the branch's present settings. */
static const struct mm_config_route *route_of(const struct mm_branch *branch,
                                              const struct mq_batch *batch)
{
    return mm_config_route_for(mm_branch_config(branch), batch->destination,
                               batch->message.reverse_path);
}

/* By the limit of its way it is not its turn: it waits with all that waits for
 * the destination; where senders have ways of their own, alone. */
static void put_off(struct mm_branch *branch, struct mq_batch *batch,
                    uint64_t wait_ms)
{
    struct mm_outbound *outbound = branch->outbound;
    struct mm_settling *settling = NULL;
    struct mq_outcome *outcomes = NULL;
    wait_ms =
        wait_ms < MM_LIMIT_ASKED_WAIT_MS ? wait_ms : MM_LIMIT_ASKED_WAIT_MS;
    if (mm_config_routes_by_sender(mm_branch_config(branch))) {
        outcomes = mm_alloc_array(batch->recipient_count, sizeof *outcomes);
    }
    if (outcomes == NULL ||
        mm_lane_prepare(branch, batch, &settling) != MAILMOD_OK) {
        mm_free(outcomes);
        mq_pace(outbound->queue, batch->destination,
                mm_loop_wall_ms(branch->loop) + (int64_t)wait_ms);
        mm_lane_release(outbound, batch);
        mm_outbound_wake(outbound); /* not from here: others are handed out */
        return;
    }
    for (size_t i = 0; i < batch->recipient_count; i++) {
        mm_outcome_set(&outcomes[i], MAILMOD_ERROR_LIMIT, "4.4.5", "",
                       "not tried yet: its way has had as many messages as it "
                       "may have now");
        outcomes[i].is_untried = true;
        outcomes[i].wait_ms = wait_ms;
    }
    mm_lane_settle(branch, settling, outcomes);
}

/* False: the batch was put off. */
static bool may_go(struct mm_branch *branch, struct mq_batch *batch,
                   const struct mm_config_route *route)
{
    uint64_t wait_ms =
        mm_pace_take(&branch->outbound->pace, mm_branch_config(branch), route,
                     batch->destination, mm_loop_now_ms(branch->loop));
    if (wait_ms > 0) {
        put_off(branch, batch, wait_ms);
    }
    return wait_ms == 0;
}

/* Where senders have ways of their own, one way that is down says nothing of
 * another one to the same domain. */
static void forget_downs(const struct mm_branch *branch,
                         const struct mq_batch *batch,
                         struct mq_outcome *outcomes)
{
    bool is_by_sender = mm_config_routes_by_sender(mm_branch_config(branch));
    for (size_t i = 0; is_by_sender && i < batch->recipient_count; i++) {
        outcomes[i].is_destination_down = false;
    }
}

static void on_outcomes(void *context, struct mq_batch *batch,
                        struct mq_outcome *outcomes)
{
    struct lane *lane = context;
    struct mm_settling *settling = lane->settling;
    lane->settling = NULL; /* which has the batch */
    if (outcomes == NULL) {
        mm_settling_free(&settling, true);
    } else {
        forget_downs(lane->branch, batch, outcomes);
        mm_lane_settle(lane->branch, settling, outcomes);
    }
    set_working(lane, false);
}

static void run_ask(struct mm_job *job)
{
    struct lane *lane = MM_LIST_OBJECT(job, struct lane, job);
    if (mq_claim_next(lane->branch->outbound->queue,
                      mm_delivery_destination(lane->delivery), lane->now_ms,
                      &lane->next) != MAILMOD_OK) {
        lane->next = NULL;
    }
}

static void use_answer(struct lane *lane, struct mq_batch *batch)
{
    bool is_idle = batch != NULL && !lane->is_gone &&
                   !mm_outbound_is_stopped(lane->branch->outbound) &&
                   mm_delivery_is_idle(lane->delivery);
    bool is_ours =
        is_idle &&
        mm_delivery_settings(lane->delivery) == lane->branch->settings &&
        route_of(lane->branch, batch) == lane->route;
    if (is_ours && !may_go(lane->branch, batch, lane->route)) {
        return;
    }
    if (is_ours &&
        mm_lane_prepare(lane->branch, batch, &lane->settling) == MAILMOD_OK) {
        set_working(lane, true);
        mm_delivery_give(lane->delivery, batch);
        return;
    }
    if (is_idle &&
        mm_delivery_settings(lane->delivery) != lane->branch->settings) {
        mm_delivery_quit(lane->delivery);
    }
    if (batch != NULL) {
        mm_lane_release(lane->branch->outbound, batch);
        mm_branch_poll(lane->branch);
    }
    if (lane->is_gone) {
        free_lane(lane);
    }
}

static void ask_done(struct mm_job *job)
{
    struct lane *lane = MM_LIST_OBJECT(job, struct lane, job);
    struct mm_branch *branch = lane->branch;
    struct mq_batch *batch = lane->next;
    lane->is_asking = false;
    lane->next = NULL;
    use_answer(lane, batch);
    atomic_fetch_sub(&branch->outbound->busy, 1);
}

/* The connection stands and its message is settled: is there another one?
 * Not while the store lags behind with what was sent already. */
static void on_idle(void *context)
{
    struct lane *lane = context;
    struct mm_branch *branch = lane->branch;
    const struct mm_config *config = mm_branch_config(branch);
    bool is_old = mm_delivery_settings(lane->delivery) != branch->settings;
    if (mm_outbound_is_stopped(branch->outbound) || is_old ||
        config->queue.holds ||
        mm_post_is_behind(branch->outbound->options.post) ||
        branch->settling_count >
            2 * mm_branch_share(branch, config->queue.attempts_max)) {
        mm_delivery_quit(lane->delivery);
        return;
    }
    lane->job.loop = branch->loop;
    lane->job.run = run_ask;
    lane->job.done = ask_done;
    lane->now_ms = mm_loop_wall_ms(branch->loop);
    lane->is_asking = true;
    atomic_fetch_add(&branch->outbound->busy, 1);
    if (mm_workers_submit(branch->outbound->options.workers, &lane->job) !=
        MAILMOD_OK) {
        lane->is_asking = false;
        atomic_fetch_sub(&branch->outbound->busy, 1);
        mm_delivery_quit(lane->delivery);
    }
}

static void on_gone(void *context)
{
    struct lane *lane = context;
    struct mm_branch *branch = lane->branch;
    lane->is_gone = true;
    if (!lane->is_asking) {
        free_lane(lane);
    }
    mm_branch_poll(branch);
}

static void on_progress(void *context, const struct mq_batch *batch,
                        enum mailmod_progress progress, uint64_t octets)
{
    const struct lane *lane = context;
    mm_outbound_note_progress(lane->branch->outbound, batch, progress, octets);
}

static const struct mm_delivery_handler delivery_handler = {
    .on_outcomes = on_outcomes,
    .on_idle = on_idle,
    .on_progress = on_progress,
    .on_gone = on_gone};

/* Of this way there; `destination` NULL: any. */
static struct lane *find_idle(struct mm_branch *branch, const char *destination,
                              const struct mm_config_route *route)
{
    MM_LIST_EACH(node, &branch->lanes)
    {
        struct lane *lane = MM_LIST_OBJECT(node, struct lane, node);
        if (!lane->is_asking && mm_delivery_is_idle(lane->delivery) &&
            mm_delivery_settings(lane->delivery) == branch->settings &&
            (destination == NULL ||
             (lane->route == route &&
              strcmp(mm_delivery_destination(lane->delivery), destination) ==
                  0))) {
            return lane;
        }
    }
    return NULL;
}

static enum mailmod_error open_lane(struct mm_branch *branch,
                                    const char *destination,
                                    const struct mm_config_route *route,
                                    struct lane **lane_out)
{
    struct lane *lane = mm_alloc(sizeof *lane);
    if (lane == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    struct mm_delivery_options options =
        mm_branch_delivery(branch, destination);
    options.handler = &delivery_handler;
    options.context = lane;
    lane->route = route;
    mm_relay_of_route(route, &options.relay);
    enum mailmod_error error = mm_delivery_new(&lane->delivery, &options);
    if (error != MAILMOD_OK) {
        mm_free(lane);
        return error;
    }
    lane->branch = branch;
    mm_list_append(&branch->lanes, &lane->node);
    branch->lane_count++;
    *lane_out = lane;
    return MAILMOD_OK;
}

void mm_lane_start_batch(struct mm_branch *branch, struct mq_batch *batch)
{
    const struct mm_config_route *route = route_of(branch, batch);
    if (!may_go(branch, batch, route)) {
        return;
    }
    struct lane *lane = find_idle(branch, batch->destination, route);
    struct mm_settling *settling = NULL;
    if (mm_lane_prepare(branch, batch, &settling) != MAILMOD_OK) {
        mm_lane_release(branch->outbound, batch);
        return;
    }
    if (lane != NULL) {
        lane->settling = settling;
        set_working(lane, true);
        mm_delivery_give(lane->delivery, batch);
        return;
    }
    if (branch->lane_count - branch->parked_count >=
        mm_branch_share(branch, mm_branch_config(branch)->queue.attempts_max)) {
        struct lane *idle = find_idle(branch, NULL, NULL);
        if (idle != NULL) {
            mm_delivery_quit(idle->delivery);
        }
    }
    if (open_lane(branch, batch->destination, route, &lane) != MAILMOD_OK) {
        mm_settling_free(&settling, true);
        return;
    }
    lane->settling = settling;
    set_working(lane, true);
    MM_LOG(branch->outbound->options.log, MM_LOG_DEBUG, "delivery",
           "attempt begins", MM_TEXT("destination", batch->destination),
           MM_NUMBER("loop", (int64_t)branch->number));
    mm_delivery_start(lane->delivery, batch);
}

void mm_lane_quit_all(struct mm_branch *branch)
{
    MM_LIST_EACH(node, &branch->lanes)
    {
        struct lane *lane = MM_LIST_OBJECT(node, struct lane, node);
        mm_delivery_quit(lane->delivery);
    }
}

/* What the store refused is forgotten with its claims held: this process does
 * not send it again. */
void mm_lane_cut_all(struct mm_branch *branch)
{
    MM_LIST_EACH(node, &branch->lanes)
    {
        struct lane *lane = MM_LIST_OBJECT(node, struct lane, node);
        mm_delivery_cut(lane->delivery);
    }
    MM_LIST_EACH(other, &branch->settlings)
    {
        struct mm_settling *settling =
            MM_LIST_OBJECT(other, struct mm_settling, node);
        if (!settling->is_out) {
            drop_settling(branch, settling, false);
        }
    }
}

void mm_lane_free_all(struct mm_branch *branch)
{
    MM_LIST_EACH(node, &branch->lanes)
    {
        free_lane(MM_LIST_OBJECT(node, struct lane, node));
    }
    MM_LIST_EACH(other, &branch->settlings)
    {
        drop_settling(branch, MM_LIST_OBJECT(other, struct mm_settling, node),
                      false);
    }
}
