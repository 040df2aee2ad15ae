/* unstored.c - messages that go out at once and are never queued.
 *
 * Owns, while they are at work: a list of messages in the order in which they
 * came, and for each destination of theirs a delivery that carries batch after
 * batch over one connection. Promises: each recipient's outcome is told once,
 * also when memory is short, the instance stops or the connection is cut; at
 * most queue.attempts_max deliveries are at work (each loop has its share, at
 * least one); a message stays on one loop: the loops take turns, but a relay
 * has its own; a connection to a relay is kept for delivery.idle_timeout, and
 * the next message to it with the same login goes over it; a destination that
 * is down costs one attempt a message; what was handed in before a stop is
 * sent, until a cut.
 *
 * Law of a work: at work for its message -> resting (its message is told and
 * forgotten) -> gone, when its time is over, another work has taken its
 * connection, or the instance stops. Of a recipient: FREE -> TAKEN (a delivery
 * to its destination is at work)
 * -> TOLD. Of a message: it is gone when all are told and no delivery is left.
 * Thread: loop, except mm_outbound_send. */
#include "client/unstored.h"

#include "base/mem.h"
#include "client/outbound_internal.h"
#include "client/outcome.h"

#include <string.h>

/* In mm_store_recipient.attempts, which means nothing here otherwise. */
enum { FREE, TAKEN, TOLD };

struct work {
    struct mm_list node; /* in the outbound's list */
    struct mm_branch *branch;
    struct mm_unstored *unstored; /* NULL: resting */
    struct mm_relay relay;        /* a copy: it outlives the message's */
    struct mm_task rest_task;
    struct mm_delivery *delivery;
    const char *destination; /* of the unstored's recipients */
    struct mq_outcome down;  /* of the destination, when it cannot be reached */
    bool is_down;
};

static void pump(struct mm_branch *branch);

static bool is_of(const struct mm_unstored *unstored, size_t i, unsigned mark,
                  const char *destination)
{
    const struct mm_store_recipient *recipient = &unstored->recipients[i];
    return recipient->attempts == mark &&
           (destination == NULL ||
            strcmp(recipient->destination, destination) == 0);
}

static void tell(struct mm_unstored *unstored, size_t i,
                 const struct mq_outcome *outcome)
{
    struct mm_branch *branch = unstored->branch;
    struct mm_store_recipient *recipient = &unstored->recipients[i];

    recipient->attempts = TOLD;
    mm_outcome_log(branch->outbound->options.log,
                   outcome->verdict == MQ_DELIVERED ? "delivered" : "failed",
                   &unstored->message, recipient, outcome,
                   mm_loop_wall_ms(branch->loop), 1);
    mm_outbound_note_outcome(branch->outbound, unstored->message.id, recipient,
                             outcome, true);
    mm_outbound_tell(branch->outbound,
                     outcome->verdict == MQ_DELIVERED ? MAILMOD_EVENT_DELIVERED
                     : outcome->verdict == MQ_FAILED  ? MAILMOD_EVENT_BOUNCED
                                                      : MAILMOD_EVENT_DEFERRED,
                     &unstored->message, recipient, outcome, 1);
}

/* All recipients with this mark, of one destination or (NULL) of all. */
static void tell_all(struct mm_unstored *unstored, unsigned mark,
                     const char *destination, enum mailmod_error error,
                     const char *status, const char *text)
{
    struct mq_outcome outcome;

    mm_outcome_set(&outcome, error, status, "", text);
    for (size_t i = 0; i < unstored->recipient_count; i++) {
        if (is_of(unstored, i, mark, destination)) {
            tell(unstored, i, &outcome);
        }
    }
}

static bool has_left(const struct mm_unstored *unstored, unsigned mark,
                     const char *destination)
{
    for (size_t i = 0; i < unstored->recipient_count; i++) {
        if (is_of(unstored, i, mark, destination)) {
            return true;
        }
    }
    return false;
}

static void end_if_over(struct mm_unstored *unstored)
{
    struct mm_branch *branch = unstored->branch;

    if (unstored->work_count > 0 || has_left(unstored, FREE, NULL)) {
        return;
    }
    mm_list_remove(&unstored->node);
    unstored->on_gone(unstored, branch->loop);
    atomic_fetch_sub(&branch->outbound->busy, 1);
}

static void free_batch(struct mq_batch *batch)
{
    mm_free(batch->recipients);
    mm_free(batch);
}

/* The next recipients of the work's destination; NULL: none, or no memory. */
static struct mq_batch *next_batch(const struct work *work)
{
    const struct mm_unstored *unstored = work->unstored;
    size_t count_max = mm_branch_config(unstored->branch)->queue.recipients_max;
    struct mq_batch *batch = mm_alloc(sizeof *batch);
    size_t count = 0;

    if (unstored->requires_all) {
        count_max = unstored->recipient_count; /* one transaction, or none */
    }

    if (batch == NULL) {
        return NULL;
    }
    batch->recipients = mm_alloc_array(unstored->recipient_count < count_max
                                           ? unstored->recipient_count
                                           : count_max,
                                       sizeof *batch->recipients);
    for (size_t i = 0; batch->recipients != NULL && count < count_max &&
                       i < unstored->recipient_count;
         i++) {
        if (is_of(unstored, i, TAKEN, work->destination)) {
            batch->recipients[count++] = unstored->recipients[i];
        }
    }
    if (count == 0) {
        free_batch(batch);
        return NULL;
    }
    batch->recipient_count = count;
    batch->message = unstored->message;
    batch->requires_all = unstored->requires_all;
    (void)mm_span_copy(mm_span_cstr(work->destination), batch->destination,
                       sizeof batch->destination);
    mm_list_init(&batch->node);
    return batch;
}

static void on_outcomes(void *context, struct mq_batch *batch,
                        struct mq_outcome *outcomes)
{
    struct work *work = context;
    struct mq_outcome untried;

    for (size_t i = 0; i < batch->recipient_count; i++) {
        const struct mq_outcome *outcome = mm_outcome_of(outcomes, i, &untried);

        if (outcome->is_destination_down) {
            work->is_down = true;
            work->down = *outcome;
        }
        tell(work->unstored, batch->recipients[i].number, outcome);
    }
    mm_free(outcomes);
    free_batch(batch);
}

static bool is_row_of(const struct mm_config *config,
                      const struct mm_config_route *route)
{
    size_t i = 0;

    while (i < config->route_count && &config->routes[i] != route) {
        i++;
    }
    return i < config->route_count;
}

/* What the connection was made with is there as long as it is. */
static bool may_rest(const struct work *work)
{
    const struct mm_branch *branch = work->branch;
    const struct mm_config *config = mm_branch_config(branch);
    const struct mm_config_route *route = work->relay.route;
    size_t most = mm_branch_share(branch, config->queue.attempts_max);

    return mm_relay_is_set(&work->relay) &&
           !mm_outbound_is_stopped(branch->outbound) && !branch->is_cut &&
           mm_delivery_settings(work->delivery) == branch->settings &&
           branch->unstored_resting_count < most &&
           (route == NULL || is_row_of(config, route));
}

static void leave_message(struct work *work)
{
    struct mm_unstored *unstored = work->unstored;

    if (unstored != NULL) {
        work->unstored = NULL;
        work->destination = NULL;
        work->branch->unstored_work_count--;
        work->branch->unstored_resting_count++;
        unstored->work_count--;
        end_if_over(unstored);
    }
}

/* From a clean stack: the next message may want this very connection. */
static void run_rest(struct mm_task *task)
{
    struct work *work = MM_LIST_OBJECT(task, struct work, rest_task);
    struct mm_branch *branch = work->branch;

    leave_message(work);
    if (mm_outbound_is_stopped(branch->outbound)) {
        mm_delivery_quit(work->delivery);
    }
    pump(branch);
}

static void on_idle(void *context)
{
    struct work *work = context;
    struct mq_batch *batch = NULL;

    if (!work->branch->is_cut) {
        batch = next_batch(work);
    }
    if (batch != NULL) {
        mm_delivery_give(work->delivery, batch);
    } else if (may_rest(work)) {
        mm_loop_post(work->branch->loop, &work->rest_task);
    } else {
        mm_delivery_quit(work->delivery);
    }
}

static void on_progress(void *context, const struct mq_batch *batch,
                        enum mailmod_progress progress, uint64_t octets)
{
    const struct work *work = context;

    mm_outbound_note_progress(work->branch->outbound, batch, progress, octets);
}

static void free_work(struct work *work)
{
    struct mm_branch *branch = work->branch;

    mm_list_remove(&work->node);
    if (work->unstored != NULL) {
        branch->unstored_work_count--;
        work->unstored->work_count--;
    } else {
        branch->unstored_resting_count--;
    }
    mm_delivery_free(&work->delivery);
    mm_relay_copy_free(&work->relay);
    mm_free(work);
}

/* Recipients without an outcome are left when the connection ended after an
 * earlier batch: they get a new one, unless it would end the same way. */
static void on_gone(void *context)
{
    struct work *work = context;
    struct mm_unstored *unstored = work->unstored;
    struct mm_branch *branch = work->branch;

    for (size_t i = 0; unstored != NULL && i < unstored->recipient_count; i++) {
        if (!is_of(unstored, i, TAKEN, work->destination)) {
            continue;
        }
        if (work->is_down) {
            tell(unstored, i, &work->down);
        } else {
            unstored->recipients[i].attempts = FREE;
        }
    }
    free_work(work);
    if (unstored != NULL) {
        end_if_over(unstored);
    }
    pump(branch);
}

static const struct mm_delivery_handler delivery_handler = {
    .on_outcomes = on_outcomes,
    .on_idle = on_idle,
    .on_progress = on_progress,
    .on_gone = on_gone};

static enum mailmod_error read_chunk(void *context, uint64_t message_id,
                                     unsigned number, struct mm_buf *out)
{
    const struct mm_unstored *unstored = context;

    (void)message_id;
    mm_buf_clear(out);
    return unstored->read_chunk(unstored->context, number, out);
}

static enum mailmod_error open_work(struct work *work,
                                    struct mm_unstored *unstored,
                                    const char *destination)
{
    struct mm_delivery_options options =
        mm_branch_delivery(unstored->branch, destination);
    enum mailmod_error error = mm_relay_copy(&work->relay, &unstored->relay);

    if (error != MAILMOD_OK) {
        return error;
    }
    options.relay = work->relay;
    options.read_chunk = read_chunk;
    options.read_context = unstored;
    options.handler = &delivery_handler;
    options.context = work;
    error = mm_delivery_new(&work->delivery, &options);
    if (error != MAILMOD_OK) {
        mm_relay_copy_free(&work->relay);
    }
    return error;
}

static struct work *new_work(struct mm_unstored *unstored,
                             const char *destination)
{
    struct mm_branch *branch = unstored->branch;
    struct work *work = mm_alloc(sizeof *work);

    if (work == NULL || open_work(work, unstored, destination) != MAILMOD_OK) {
        mm_free(work);
        return NULL;
    }
    work->branch = branch;
    work->unstored = unstored;
    work->destination = destination;
    work->rest_task.run = run_rest;
    mm_list_append(&branch->unstored_works, &work->node);
    branch->unstored_work_count++;
    unstored->work_count++;
    return work;
}

static void start_work(struct mm_unstored *unstored, const char *destination)
{
    struct work *work = new_work(unstored, destination);
    struct mq_batch *batch = NULL;

    for (size_t i = 0; work != NULL && i < unstored->recipient_count; i++) {
        if (is_of(unstored, i, FREE, destination)) {
            unstored->recipients[i].attempts = TAKEN;
        }
    }
    if (work != NULL) {
        batch = next_batch(work);
    }
    if (batch != NULL) {
        mm_delivery_start(work->delivery, batch);
        return;
    }
    if (work != NULL) {
        free_work(work);
    }
    tell_all(unstored, FREE, destination, MAILMOD_ERROR_MEMORY, "4.3.0",
             "out of memory");
    tell_all(unstored, TAKEN, destination, MAILMOD_ERROR_MEMORY, "4.3.0",
             "out of memory");
}

/* Starts what there is room for, the oldest message first. */
static void pump(struct mm_branch *branch)
{
    size_t work_max =
        mm_branch_share(branch, mm_branch_config(branch)->queue.attempts_max);

    MM_LIST_EACH(node, &branch->unstored)
    {
        struct mm_unstored *unstored =
            MM_LIST_OBJECT(node, struct mm_unstored, node);

        if (branch->is_cut || unstored->is_late) {
            tell_all(unstored, FREE, NULL, MAILMOD_ERROR_STOPPED, "4.3.2",
                     "the instance is stopping");
        }
        for (size_t i = 0; i < unstored->recipient_count &&
                           branch->unstored_work_count < work_max;
             i++) {
            if (is_of(unstored, i, FREE, NULL)) {
                start_work(unstored, unstored->recipients[i].destination);
            }
        }
        end_if_over(unstored);
    }
}

static void run_send(struct mm_task *task)
{
    struct mm_unstored *unstored =
        MM_LIST_OBJECT(task, struct mm_unstored, task);

    mm_list_append(&unstored->branch->unstored, &unstored->node);
    pump(unstored->branch);
}

/* A relay's messages meet its connections. */
static struct mm_branch *choose_branch(struct mm_outbound *outbound,
                                       const struct mm_unstored *unstored)
{
    size_t count = atomic_load(&outbound->unstored_loops);
    uint64_t turn =
        mm_relay_is_set(&unstored->relay)
            ? mm_outbound_home(outbound, unstored->recipients[0].destination)
            : atomic_fetch_add(&outbound->unstored_count, 1);

    return &outbound->branches[turn % count];
}

void mm_outbound_send(struct mm_outbound *outbound,
                      struct mm_unstored *unstored)
{
    unstored->branch = choose_branch(outbound, unstored);
    unstored->is_late = mm_outbound_is_stopped(outbound);
    unstored->work_count = 0;
    for (size_t i = 0; i < unstored->recipient_count; i++) {
        unstored->recipients[i].number = (unsigned)i;
        unstored->recipients[i].attempts = FREE;
    }
    mm_list_init(&unstored->node);
    unstored->task.run = run_send;
    atomic_fetch_add(&outbound->busy, 1);
    mm_loop_post(unstored->branch->loop, &unstored->task);
}

void mm_unstored_quit_resting(struct mm_branch *branch)
{
    MM_LIST_EACH(node, &branch->unstored_works)
    {
        struct work *work = MM_LIST_OBJECT(node, struct work, node);

        if (work->unstored == NULL) {
            mm_delivery_quit(work->delivery);
        }
    }
}

void mm_unstored_cut_all(struct mm_branch *branch)
{
    pump(branch); /* tells those without a delivery */
    MM_LIST_EACH(node, &branch->unstored_works)
    {
        mm_delivery_cut(MM_LIST_OBJECT(node, struct work, node)->delivery);
    }
}

void mm_unstored_free_all(struct mm_branch *branch)
{
    MM_LIST_EACH(node, &branch->unstored_works)
    {
        free_work(MM_LIST_OBJECT(node, struct work, node));
    }
    MM_LIST_EACH(other, &branch->unstored)
    {
        struct mm_unstored *unstored =
            MM_LIST_OBJECT(other, struct mm_unstored, node);

        tell_all(unstored, TAKEN, NULL, MAILMOD_ERROR_STOPPED, "4.3.2",
                 "the instance stopped");
        tell_all(unstored, FREE, NULL, MAILMOD_ERROR_STOPPED, "4.3.2",
                 "the instance stopped");
        end_if_over(unstored);
    }
}
