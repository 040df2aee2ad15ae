/* settle.c - from outcomes to the store: times, reports, removal.
 *
 * Owns nothing: a settlement is the caller's. Promises that the outcomes of a
 * batch and the reports that they call for are one transaction; that a
 * settlement that failed can be submitted again and then decides the same; and
 * that what an operator did meanwhile stands: a recipient that was removed
 * stays removed, and has one end: the attempt's outcome if that is final, else
 * the removal's; one that was held stays held (the store lifts no hold by an
 * update). Who cannot get a message is held for an operator where the message
 * says so, and kept as a dead letter where nobody is told: of a message with
 * the null path, of a report, of one whose report cannot be put. A sender who
 * wants no report (RFC 3461 4.1) is asked nothing more. What is kept leaves the
 * queue in the transaction of its outcome.
 *
 * A recipient is given up only when an attempt has just failed, its own or one
 * at its destination: a clock that jumps ahead lets nothing expire untried.
 * RFC 5321 4.5.4.1 (giving up), RFC 3461 4.1 and 5.2 (NOTIFY).
 * Thread: any; run on the store's writer. */
#include "queue/internal.h"

#include <stdio.h>
#include <string.h>

static const struct mm_store_message *
message_of(const struct mq_settlement *settlement)
{
    return &settlement->batch->message;
}

/* RFC 3461 4.1: NEVER stands alone; without NOTIFY failures and delays are
 * told. RFC 5321 4.5.5 and 6.1: never a report about a report. */
static bool wants_report(const struct mm_store_message *message,
                         const struct mm_store_recipient *recipient,
                         enum mm_dsn_notify what)
{
    if (message->is_report || message->reverse_path[0] == '\0') {
        return false;
    }
    if (recipient->notify == 0) {
        return what != MM_DSN_NOTIFY_SUCCESS;
    }
    return (recipient->notify & MM_DSN_NOTIFY_NEVER) == 0 &&
           (recipient->notify & what) != 0;
}

static bool is_expired(const struct mq_settlement *settlement, size_t i)
{
    return settlement->outcomes[i].verdict == MQ_DEFERRED &&
           settlement->batch->recipients[i].expires_ms <= settlement->now_ms;
}

static bool is_warning_due(const struct mq_settlement *settlement,
                           const struct mq_options *options, size_t i)
{
    int64_t warn_ms =
        message_of(settlement)->arrival_ms + (int64_t)options->warn_after_ms;
    return options->warn_after_ms != 0 &&
           settlement->outcomes[i].verdict == MQ_DEFERRED &&
           !settlement->batch->recipients[i].was_warned &&
           warn_ms <= settlement->now_ms;
}

static enum mq_report report_of(const struct mq_settlement *settlement,
                                const struct mq_options *options, size_t i)
{
    const struct mm_store_message *message = message_of(settlement);
    const struct mm_store_recipient *recipient =
        &settlement->batch->recipients[i];
    const struct mq_outcome *outcome = &settlement->outcomes[i];
    if (outcome->verdict == MQ_DELIVERED) {
        return !outcome->relayed_dsn &&
                       wants_report(message, recipient, MM_DSN_NOTIFY_SUCCESS)
                   ? MQ_REPORT_DELIVERED
                   : MQ_REPORT_NONE;
    }
    if (outcome->verdict == MQ_FAILED || is_expired(settlement, i)) {
        return wants_report(message, recipient, MM_DSN_NOTIFY_FAILURE)
                   ? MQ_REPORT_FAILED
                   : MQ_REPORT_NONE;
    }
    return is_warning_due(settlement, options, i) &&
                   wants_report(message, recipient, MM_DSN_NOTIFY_DELAY)
               ? MQ_REPORT_DELAYED
               : MQ_REPORT_NONE;
}

static void decide_reports(struct mq_settlement *settlement,
                           const struct mq_options *options)
{
    settlement->has_report = false;
    for (size_t i = 0; i < settlement->batch->recipient_count; i++) {
        settlement->reports[i] = report_of(settlement, options, i);
        settlement->has_report =
            settlement->has_report || settlement->reports[i] != MQ_REPORT_NONE;
    }
}

/* What the attempt says of its destination; the place is given back. */
static void count_attempt(struct mq_settlement *settlement)
{
    struct mq_queue *queue = settlement->queue;
    struct mq_batch *batch = settlement->batch;
    bool is_down = false;
    for (size_t i = 0; i < batch->recipient_count; i++) {
        is_down = is_down || settlement->outcomes[i].is_destination_down;
    }
    settlement->random = mm_splitmix_next(&queue->random);
    settlement->retry_ms = 0;
    if (batch->holds_slot) {
        if (is_down && batch->flushes != queue->flushes) {
            /* It was flushed meanwhile: it is tried again at once. */
            mq_destination_up(queue, batch->destination);
        } else if (is_down) {
            mq_destination_down(queue, batch->destination, settlement->now_ms,
                                &settlement->retry_ms);
        } else if (!settlement->outcomes[0].is_untried) {
            mq_destination_up(queue, batch->destination);
        }
        mq_slot_give(queue, batch);
        batch->holds_slot = false;
    } else if (batch->is_overdue) {
        const struct mq_destination *destination =
            mq_destination_find(queue, batch->destination);
        settlement->retry_ms = destination != NULL ? destination->retry_ms : 0;
    }
    settlement->is_counted = true;
}

static void write_last_reply(struct mm_store_recipient *row,
                             const struct mq_outcome *outcome)
{
    if (outcome->host[0] != '\0') {
        /* Words past the column's size are cut: they are for a person. */
        int room = (int)(sizeof row->last_reply - sizeof outcome->host - 2);
        snprintf(row->last_reply, sizeof row->last_reply, "%s: %.*s",
                 outcome->host, room, outcome->reply);
    } else {
        snprintf(row->last_reply, sizeof row->last_reply, "%s", outcome->reply);
    }
}

/* Behind a destination that is down: not tried, so count and words stay. It
 * comes with the destination, and until then no sweep passes over it again. */
static void postpone_row(const struct mq_settlement *settlement,
                         struct mm_store_recipient *row)
{
    if (settlement->retry_ms > row->next_attempt_ms) {
        row->next_attempt_ms = settlement->retry_ms < row->expires_ms
                                   ? settlement->retry_ms
                                   : row->expires_ms;
    }
}

/* A host that said what it thinks of the mail leaves no doubt. Another host's
 * word says nothing of whether the first one has it. */
static void note_doubt(struct mm_store_recipient *row,
                       const struct mq_outcome *outcome)
{
    if (outcome->error == MAILMOD_ERROR_UNSURE) {
        (void)mm_span_copy(mm_span_cstr(outcome->host), row->unsure_host,
                           sizeof row->unsure_host);
    } else if (outcome->is_reply && !outcome->is_destination_down &&
               mm_cstr_equal_nocase(outcome->host, row->unsure_host)) {
        row->unsure_host[0] = '\0';
    }
}

/* Not before so long from now. */
static void put_off(const struct mq_settlement *settlement, uint64_t wait_ms,
                    struct mm_store_recipient *row)
{
    int64_t until_ms = settlement->now_ms + (int64_t)wait_ms;
    if (wait_ms > 0 && until_ms > row->next_attempt_ms) {
        row->next_attempt_ms = until_ms;
    }
}

/* The row as it waits on. */
static void defer_row(const struct mq_settlement *settlement,
                      const struct mq_options *options, size_t i,
                      struct mm_store_recipient *row)
{
    row->was_warned = row->was_warned || is_warning_due(settlement, options, i);
    if (settlement->batch->is_overdue) {
        postpone_row(settlement, row);
        return;
    }
    bool is_untried = settlement->outcomes[i].is_untried;
    row->attempts += !is_untried;
    row->next_attempt_ms =
        is_untried ? settlement->now_ms : settlement->retry_ms;
    if (settlement->retry_ms == 0 && !is_untried) {
        row->next_attempt_ms =
            settlement->now_ms +
            (int64_t)mq_wait_ms(options, row->attempts, settlement->random);
    }
    /* Greylisting tells how long; who comes before is only told it again. */
    put_off(settlement, settlement->outcomes[i].wait_ms, row);
    if (settlement->outcomes[i].error == MAILMOD_ERROR_UNSURE) {
        put_off(settlement, mq_unsure_wait_ms(options, settlement->random),
                row);
    }
    note_doubt(row, &settlement->outcomes[i]);
    /* The last attempt is made when the lifetime ends, not some steps past. */
    if (row->next_attempt_ms > row->expires_ms) {
        row->next_attempt_ms = row->expires_ms;
    }
    write_last_reply(row, &settlement->outcomes[i]);
}

static bool is_kept(const struct mq_settlement *settlement, size_t i)
{
    return settlement->outcomes[i].verdict == MQ_DEFERRED &&
           !is_expired(settlement, i);
}

static enum mailmod_error keep_row(struct mq_settlement *settlement,
                                   struct mm_store_transaction *transaction,
                                   size_t i)
{
    struct mq_queue *queue = settlement->queue;
    struct mm_store_recipient row = settlement->batch->recipients[i];
    mm_mutex_lock(queue->lock);
    defer_row(settlement, &queue->options, i, &row);
    mm_mutex_unlock(queue->lock);
    return mm_store_update_recipient(transaction, &row);
}

/* It failed for good: set aside. */
static enum mailmod_error hold_row(const struct mq_settlement *settlement,
                                   struct mm_store_transaction *transaction,
                                   size_t i)
{
    struct mm_store_recipient row = settlement->batch->recipients[i];
    row.state = MM_RECIPIENT_HELD;
    row.attempts++;
    write_last_reply(&row, &settlement->outcomes[i]);
    return mm_store_update_recipient(transaction, &row);
}

/* False as long as the sender is told, or does not want to be. */
static bool is_dead_letter(const struct mq_settlement *settlement, size_t i)
{
    const struct mm_store_message *message = message_of(settlement);

    if (settlement->outcomes[i].verdict == MQ_DELIVERED) {
        return false;
    }
    return message->is_report || message->reverse_path[0] == '\0' ||
           (settlement->reports[i] == MQ_REPORT_FAILED &&
            !settlement->has_told);
}

static enum mailmod_error keep(const struct mq_settlement *settlement,
                               struct mm_store_transaction *transaction,
                               size_t i, enum mailmod_kept_kind kind)
{
    struct mm_store_kept kept = {.kind = kind,
                                 .kept_ms = settlement->now_ms,
                                 .recipient = settlement->batch->recipients[i]};

    kept.recipient.attempts += settlement->batch->is_overdue ? 0 : 1;
    write_last_reply(&kept.recipient, &settlement->outcomes[i]);
    return mm_store_keep_recipient(transaction, &kept);
}

/* It is over: out of the queue. */
static enum mailmod_error end_row(struct mq_settlement *settlement,
                                  struct mm_store_transaction *transaction,
                                  size_t i)
{
    struct mq_outcome *outcome = &settlement->outcomes[i];

    outcome->is_dead_letter =
        settlement->keeps_dead && is_dead_letter(settlement, i);
    if (outcome->is_dead_letter) {
        return keep(settlement, transaction, i, MAILMOD_KEPT_DEAD);
    }
    if (settlement->keeps_sent && outcome->verdict == MQ_DELIVERED) {
        return keep(settlement, transaction, i, MAILMOD_KEPT_SENT);
    }
    return mm_store_remove_recipient(transaction, message_of(settlement)->id,
                                     settlement->batch->recipients[i].number);
}

static enum mailmod_error settle_row(struct mq_settlement *settlement,
                                     struct mm_store_transaction *transaction,
                                     size_t i)
{
    enum mailmod_error error = MAILMOD_OK;
    if (is_kept(settlement, i)) {
        error = keep_row(settlement, transaction, i);
        settlement->outcomes[i].is_missed = error == MAILMOD_ERROR_NOT_FOUND;
    } else if (message_of(settlement)->keeps_failed &&
               settlement->outcomes[i].verdict != MQ_DELIVERED) {
        error = hold_row(settlement, transaction, i);
    } else {
        error = end_row(settlement, transaction, i);
    }
    return error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
}

/* The reports first: they quote the message, which goes with its last row. */
static enum mailmod_error run_settlement(struct mm_store_job *job,
                                         struct mm_store_transaction *t)
{
    struct mq_settlement *settlement =
        MM_LIST_OBJECT(job, struct mq_settlement, job);
    struct mq_batch *batch = settlement->batch;
    settlement->has_told = false;
    enum mailmod_error error =
        settlement->put != NULL ? settlement->put(settlement, t) : MAILMOD_OK;
    if (error == MAILMOD_OK && settlement->has_report &&
        settlement->write_reports != NULL) {
        error = settlement->write_reports(settlement, t);
    }
    for (size_t i = 0; i < batch->recipient_count && error == MAILMOD_OK; i++) {
        error = settle_row(settlement, t, i);
    }
    return error;
}

/* Who was removed before this came to the disk; who is removed later is told
 * when the claim ends. */
static void end_removed(struct mq_settlement *settlement)
{
    for (size_t i = 0; i < settlement->batch->recipient_count; i++) {
        const struct mm_store_recipient *recipient =
            &settlement->batch->recipients[i];
        if (settlement->outcomes[i].is_missed) {
            mq_removal_outcome(&settlement->outcomes[i]);
        }
        mq_claim_has_end(settlement->queue, recipient->message_id,
                         recipient->number);
    }
}

static void settlement_done(struct mm_store_job *job, enum mailmod_error error)
{
    struct mq_settlement *settlement =
        MM_LIST_OBJECT(job, struct mq_settlement, job);
    if (error == MAILMOD_OK) {
        settlement->batch->is_settled = true;
        end_removed(settlement);
    }
    settlement->done(settlement, error);
}

void mq_decide(struct mq_settlement *settlement)
{
    struct mq_queue *queue = settlement->queue;
    mm_mutex_lock(queue->lock);
    if (!settlement->is_counted) {
        count_attempt(settlement);
        decide_reports(settlement, &queue->options);
    }
    mm_mutex_unlock(queue->lock);
}

void mq_settle(struct mq_settlement *settlement)
{
    mq_decide(settlement);
    mm_list_init(&settlement->job.node);
    settlement->job.run = run_settlement;
    settlement->job.done = settlement_done;
    mm_store_submit(settlement->queue->store, &settlement->job);
}
