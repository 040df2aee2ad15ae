/* settling.c - outcomes of one batch become rows, reports and log lines.
 *
 * Owns the batch, its outcomes and the decided reports until the store has
 * them. Promises that a batch is released only after the store said that the
 * outcomes are on disk: released earlier, what was delivered would be sent
 * again. A try that failed can be made again.
 * Thread: loop; write_reports and done on the store's writer. */
#include "client/settling.h"

#include "client/outcome.h"

#include "base/mem.h"
#include "post/destination.h"

#include <stdio.h>

static enum mailmod_error write_reports(struct mq_settlement *settlement,
                                        struct mm_store_transaction *t)
{
    struct mm_settling *settling = settlement->context;
    const struct mm_bounce bounce = {.post = settling->post,
                                     .config = settling->config,
                                     .sender = &settling->sender};
    return mm_bounce_put(&bounce, settlement, t);
}

static enum mailmod_error put_consumed(struct mq_settlement *settlement,
                                       struct mm_store_transaction *t)
{
    struct mm_settling *settling = settlement->context;
    struct mm_consumption *work = settling->consumption;
    return work != NULL && work->put != NULL ? work->put(work, t) : MAILMOD_OK;
}

static void run_done(struct mm_task *task)
{
    struct mm_settling *settling =
        MM_LIST_OBJECT(task, struct mm_settling, task);
    settling->is_out = false;
    settling->on_done(settling);
}

static void on_store_done(struct mq_settlement *settlement,
                          enum mailmod_error error)
{
    struct mm_settling *settling = settlement->context;
    settling->error = error;
    mm_loop_post(settling->loop, &settling->task);
}

enum mailmod_error mm_settling_new(struct mm_settling **settling_out,
                                   struct mq_queue *queue,
                                   struct mq_batch *batch, struct mm_post *post,
                                   struct mm_config *config)
{
    struct mm_settling *settling = mm_alloc(sizeof *settling);
    enum mq_report *reports =
        mm_alloc_array(batch->recipient_count, sizeof *reports);
    if (settling == NULL || reports == NULL) {
        mm_free(settling);
        mm_free(reports);
        return MAILMOD_ERROR_MEMORY;
    }
    settling->post = post;
    settling->config = mm_config_ref(config);
    settling->task.run = run_done;
    settling->settlement.queue = queue;
    settling->settlement.batch = batch;
    settling->settlement.reports = reports;
    settling->settlement.write_reports = write_reports;
    settling->settlement.put = put_consumed;
    settling->settlement.done = on_store_done;
    settling->settlement.context = settling;
    mm_list_init(&settling->node);
    *settling_out = settling;
    return MAILMOD_OK;
}

static void on_sender(struct mm_resolve *resolve)
{
    struct mm_settling *settling = resolve->context;
    mq_settle(&settling->settlement);
}

/* Before the store's job, in which nothing is looked up. */
static enum mm_answer ask_sender(struct mm_settling *settling)
{
    struct mm_resolve *resolve = &settling->sender.resolve;
    mm_report_sender_cancel(&settling->sender);
    resolve->post = settling->post;
    resolve->config = settling->config;
    resolve->loop = settling->loop;
    resolve->done = on_sender;
    resolve->context = settling;
    settling->has_asked = true;
    return mm_report_sender_ask(
        &settling->sender, settling->settlement.batch->message.reverse_path);
}

/* A sender who could not be looked up last time is asked for anew. */
static bool wants_sender(const struct mm_settling *settling)
{
    if (!settling->settlement.has_report || !settling->has_asked) {
        return settling->settlement.has_report;
    }
    enum mailmod_error error = mm_report_sender_state(&settling->sender);
    return error != MAILMOD_OK && error != MAILMOD_ERROR_NOT_FOUND;
}

/* RFC 3463 3.5, delivery time expired: for the log, the report and the host
 * alike. The reply stays the last attempt's. */
static void note_expired(struct mm_settling *settling)
{
    struct mq_settlement *settlement = &settling->settlement;
    for (size_t i = 0; i < settlement->batch->recipient_count; i++) {
        struct mq_outcome *outcome = &settlement->outcomes[i];
        if (outcome->verdict == MQ_DEFERRED &&
            mm_settling_is_final(settling, i)) {
            snprintf(outcome->status, sizeof outcome->status, "4.4.7");
        }
    }
}

/* What a part of this system took was sent to nobody. */
static void choose_kept(struct mm_settling *settling)
{
    const struct mm_config *config = settling->config;
    struct mq_settlement *settlement = &settling->settlement;

    settlement->keeps_sent =
        config->archive.sent_days > 0 &&
        !mm_destination_is_local(settlement->batch->destination);
    settlement->keeps_dead = config->archive.dead_letter_days > 0;
}

void mm_settling_submit(struct mm_settling *settling)
{
    settling->is_out = true;
    choose_kept(settling);
    mq_decide(&settling->settlement);
    note_expired(settling);
    if (!wants_sender(settling) || ask_sender(settling) == MM_ANSWERED) {
        mq_settle(&settling->settlement);
    }
}

bool mm_settling_is_final(const struct mm_settling *settling, size_t i)
{
    const struct mq_settlement *settlement = &settling->settlement;
    return settlement->outcomes[i].verdict != MQ_DEFERRED ||
           settlement->batch->recipients[i].expires_ms <= settlement->now_ms;
}

static const char *outcome_text(const struct mm_settling *settling, size_t i)
{
    enum mq_verdict verdict = settling->settlement.outcomes[i].verdict;
    if (verdict != MQ_DELIVERED && mm_settling_is_final(settling, i) &&
        settling->settlement.batch->message.keeps_failed) {
        return "set aside";
    }
    switch (verdict) {
    case MQ_DELIVERED:
        return "delivered";
    case MQ_FAILED:
        return "failed";
    case MQ_DEFERRED:
        break;
    }
    return mm_settling_is_final(settling, i) ? "expired" : "deferred";
}

static void log_one(const struct mm_settling *settling, size_t i)
{
    const struct mq_settlement *settlement = &settling->settlement;
    const struct mq_batch *batch = settlement->batch;

    mm_outcome_log(settling->post->log, outcome_text(settling, i),
                   &batch->message, &batch->recipients[i],
                   &settlement->outcomes[i], settlement->now_ms,
                   batch->recipients[i].attempts + !batch->is_overdue);
    if (settlement->outcomes[i].is_dead_letter) {
        char message[MM_MESSAGE_ID_TEXT_MAX];

        mm_message_id_format(batch->message.id, message);
        MM_LOG(settling->post->log, MM_LOG_WARNING, "delivery",
               "kept as a dead letter: nobody could be told",
               MM_TEXT("message", message),
               MM_TEXT("recipient", batch->recipients[i].path));
    }
}

void mm_settling_log(const struct mm_settling *settling)
{
    for (size_t i = 0; i < settling->settlement.batch->recipient_count; i++) {
        log_one(settling, i);
    }
}

void mm_settling_free(struct mm_settling **settling, bool releases)
{
    struct mm_settling *freed = *settling;
    if (freed == NULL) {
        return;
    }
    if (!releases) {
        /* The claims stay: only a restart sends these again. */
        freed->settlement.batch->recipient_count = 0;
    }
    mq_release(freed->settlement.queue, &freed->settlement.batch);
    mm_report_sender_cancel(&freed->sender);
    mm_free(freed->settlement.outcomes);
    mm_free(freed->settlement.reports);
    mm_config_unref(&freed->config);
    mm_free(freed);
    *settling = NULL;
}
