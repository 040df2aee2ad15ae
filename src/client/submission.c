/* submission.c - messages that go to one server in one session.
 *
 * Owns, while a submission is at work: its delivery, which carries message
 * after message over one connection. Promises: each recipient's outcome is told
 * once, also when memory is short, the instance stops or the connection is cut;
 * the messages go in their order; a message that fails does not hold up those
 * behind it, a server that cannot be talked to ends them all; a connection that
 * broke is followed by another one for the messages that are left, so there are
 * never more connections than messages.
 *
 * Law: given -> working on `at` -> gone, when all are told and
 * there is no delivery.
 * Thread: loop, except mm_outbound_submit. RFC 5321 3.3 (several transactions
 * in one session). */
#include "client/submission.h"

#include "base/mem.h"
#include "client/outbound_internal.h"
#include "client/outcome.h"
#include "post/destination.h"

static const struct mm_submission_message *
item_of(const struct mm_submission *submission, size_t message)
{
    return message == MM_SUBMISSION_ETRN ? &submission->etrn
                                         : &submission->messages[message];
}

static void tell(struct mm_submission *submission, size_t message, size_t i,
                 const struct mq_outcome *outcome)
{
    struct mm_branch *branch = submission->branch;
    if (message == MM_SUBMISSION_ETRN) {
        submission->on_outcome(submission->context, message, i, outcome);
        return;
    }
    const struct mm_submission_message *item = &submission->messages[message];
    bool is_delivered = outcome->verdict == MQ_DELIVERED;

    mm_outcome_log(branch->outbound->options.log,
                   is_delivered ? "delivered" : "failed", &item->message,
                   &item->recipients[i], outcome, mm_loop_wall_ms(branch->loop),
                   1);
    mm_outbound_tell(branch->outbound,
                     is_delivered                    ? MAILMOD_EVENT_DELIVERED
                     : outcome->verdict == MQ_FAILED ? MAILMOD_EVENT_BOUNCED
                                                     : MAILMOD_EVENT_DEFERRED,
                     &item->message, &item->recipients[i], outcome, 1);
    submission->on_outcome(submission->context, message, i, outcome);
}

static void tell_message(struct mm_submission *submission, size_t message,
                         const struct mq_outcome *outcome)
{
    size_t count = item_of(submission, message)->recipient_count;

    for (size_t i = 0; i < count; i++) {
        tell(submission, message, i, outcome);
    }
}

static bool has_next(const struct mm_submission *submission)
{
    return !submission->is_etrn_begun ||
           submission->next < submission->message_count;
}

static size_t begin_next(struct mm_submission *submission)
{
    submission->at =
        submission->is_etrn_begun ? submission->next++ : MM_SUBMISSION_ETRN;
    submission->is_etrn_begun = true;
    return submission->at;
}

static void tell_rest(struct mm_submission *submission,
                      const struct mq_outcome *outcome)
{
    while (has_next(submission)) {
        tell_message(submission, begin_next(submission), outcome);
    }
}

static void end(struct mm_submission *submission)
{
    struct mm_outbound *outbound = submission->branch->outbound;

    mm_list_remove(&submission->node);
    submission->on_gone(submission->context);
    atomic_fetch_sub(&outbound->busy, 1);
}

/* All recipients of the message, whose rows they stay; NULL: no memory. */
static struct mq_batch *new_batch(const struct mm_submission *submission,
                                  size_t message)
{
    const struct mm_submission_message *item = item_of(submission, message);
    struct mq_batch *batch = mm_alloc(sizeof *batch);

    if (batch == NULL) {
        return NULL;
    }
    batch->recipients = item->recipients;
    batch->recipient_count = item->recipient_count;
    batch->message = item->message;
    batch->requires_all = item->requires_all;
    batch->is_binary = item->is_binary;
    batch->by = item->by;
    batch->is_etrn = message == MM_SUBMISSION_ETRN;
    (void)mm_span_copy(mm_span_cstr(submission->destination),
                       batch->destination, sizeof batch->destination);
    mm_list_init(&batch->node);
    return batch;
}

/* The next one for which there is memory; NULL: none is left. */
static struct mq_batch *take_next(struct mm_submission *submission)
{
    struct mq_outcome outcome;
    bool is_cut = submission->branch->is_cut || submission->is_late;

    if (is_cut) {
        mm_outcome_set(&outcome, MAILMOD_ERROR_STOPPED, "4.3.2", "",
                       "the instance is stopping");
        tell_rest(submission, &outcome);
    } else if (submission->is_down) {
        tell_rest(submission, &submission->down);
    }
    while (has_next(submission)) {
        size_t message = begin_next(submission);
        struct mq_batch *batch = new_batch(submission, message);

        if (batch != NULL) {
            return batch;
        }
        mm_outcome_set(&outcome, MAILMOD_ERROR_MEMORY, "4.3.0", "",
                       "out of memory");
        tell_message(submission, message, &outcome);
    }
    return NULL;
}

static void on_outcomes(void *context, struct mq_batch *batch,
                        struct mq_outcome *outcomes)
{
    struct mm_submission *submission = context;
    struct mq_outcome untried;

    for (size_t i = 0; i < batch->recipient_count; i++) {
        const struct mq_outcome *outcome = mm_outcome_of(outcomes, i, &untried);

        if (outcome->is_destination_down) {
            submission->is_down = true;
            submission->down = *outcome;
        }
        tell(submission, submission->at, i, outcome);
    }
    mm_free(outcomes);
    mm_free(batch);
}

static void on_idle(void *context)
{
    struct mm_submission *submission = context;
    struct mq_batch *batch = take_next(submission);

    if (batch != NULL) {
        mm_delivery_give(submission->delivery, batch);
    } else {
        mm_delivery_quit(submission->delivery);
    }
}

static void on_progress(void *context, const struct mq_batch *batch,
                        enum mailmod_progress progress, uint64_t octets)
{
    const struct mm_submission *submission = context;

    if (!batch->is_etrn) {
        submission->on_progress(submission->context, submission->at, progress,
                                octets);
    }
}

static void on_reply(void *context, const struct mq_batch *batch,
                     enum mm_delivery_reply part, size_t recipient,
                     const char *host, const struct mm_reply_in *reply)
{
    const struct mm_submission *submission = context;

    (void)batch;
    submission->on_reply(submission->context, submission->at, part, recipient,
                         host, reply);
}

static void on_line(void *context, enum mm_tap_way way, struct mm_span line,
                    bool is_masked)
{
    const struct mm_submission *submission = context;

    submission->on_line(submission->context, way, line, is_masked);
}

static void go_on(struct mm_submission *submission);

/* The connection is gone. What is left gets another one, unless that would end
 * the same way. */
static void on_gone(void *context)
{
    struct mm_submission *submission = context;

    mm_delivery_free(&submission->delivery);
    go_on(submission);
}

static bool open_delivery(struct mm_submission *submission)
{
    struct mm_delivery_options options =
        mm_branch_delivery(submission->branch, submission->destination);

    options.settings = submission->settings;
    options.is_submission = true;
    options.relay = submission->relay;
    options.read_chunk = submission->read_chunk;
    options.read_context = submission->context;
    options.submit = submission->submit;
    options.ask = submission->ask;
    options.handler = &submission->handler;
    options.context = submission;
    return mm_delivery_new(&submission->delivery, &options) == MAILMOD_OK;
}

static void go_on(struct mm_submission *submission)
{
    struct mq_outcome outcome;

    if (has_next(submission) && !open_delivery(submission)) {
        mm_outcome_set(&outcome, MAILMOD_ERROR_MEMORY, "4.3.0", "",
                       "out of memory");
        tell_rest(submission, &outcome);
    }
    struct mq_batch *batch = take_next(submission);
    if (batch != NULL) {
        mm_delivery_start(submission->delivery, batch);
        return;
    }
    mm_delivery_free(&submission->delivery);
    end(submission);
}

static void run_submit(struct mm_task *task)
{
    struct mm_submission *submission =
        MM_LIST_OBJECT(task, struct mm_submission, task);

    mm_list_append(&submission->branch->submissions, &submission->node);
    go_on(submission);
}

void mm_outbound_submit(struct mm_outbound *outbound,
                        struct mm_submission *submission)
{
    size_t turn = atomic_fetch_add(&outbound->unstored_count, 1);

    submission->branch = &outbound->branches[turn % outbound->branch_count];
    submission->is_late = mm_outbound_is_stopped(outbound);
    submission->next = 0;
    submission->is_etrn_begun = submission->etrn.recipient_count == 0;
    submission->is_down = false;
    submission->delivery = NULL;
    submission->handler = (struct mm_delivery_handler){
        .on_outcomes = on_outcomes,
        .on_idle = on_idle,
        .on_progress = submission->on_progress != NULL ? on_progress : NULL,
        .on_gone = on_gone,
        .on_reply = on_reply,
        .on_line = submission->on_line != NULL ? on_line : NULL};
    mm_destination_name(submission->relay.host, NULL, submission->destination);
    mm_list_init(&submission->node);
    submission->task.run = run_submit;
    atomic_fetch_add(&outbound->busy, 1);
    mm_loop_post(submission->branch->loop, &submission->task);
}

void mm_submission_cut_all(struct mm_branch *branch)
{
    MM_LIST_EACH(node, &branch->submissions)
    {
        struct mm_submission *submission =
            MM_LIST_OBJECT(node, struct mm_submission, node);

        mm_delivery_cut(submission->delivery);
    }
}

/* The loops have stopped: no delivery has a job any more. */
void mm_submission_free_all(struct mm_branch *branch)
{
    struct mq_outcome stopped;

    mm_outcome_set(&stopped, MAILMOD_ERROR_STOPPED, "4.3.2", "",
                   "the instance stopped");
    MM_LIST_EACH(node, &branch->submissions)
    {
        struct mm_submission *submission =
            MM_LIST_OBJECT(node, struct mm_submission, node);

        tell_rest(submission, &stopped);
        mm_delivery_free(&submission->delivery);
        end(submission);
    }
}
