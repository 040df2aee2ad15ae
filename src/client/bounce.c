/* bounce.c - which recipients of a settlement a report tells of, and how.
 *
 * Owns nothing past a call; the reports themselves are post/report's. Promises:
 * one report a kind, in the transaction of the outcomes that it tells.
 * Thread: the store's writer. RFC 3461 5.2. */
#include "client/bounce.h"

#include "base/mem.h"
#include "post/destination.h"

static enum mm_report_action action_of(enum mq_report kind,
                                       const char *destination)
{
    switch (kind) {
    case MQ_REPORT_DELAYED:
        return MM_REPORT_DELAYED;
    case MQ_REPORT_DELIVERED:
        /* RFC 3461 5.2.2 (c): taken by a host without DSN; 5.2.3: by a part of
         * this system. */
        return mm_destination_is_local(destination) ? MM_REPORT_DELIVERED
                                                    : MM_REPORT_RELAYED;
    case MQ_REPORT_FAILED:
    case MQ_REPORT_NONE:
        break;
    }
    return MM_REPORT_FAILED;
}

/* Of an attempt before, or of this one. */
static const char *unsure_host(enum mq_report kind,
                               const struct mm_store_recipient *row,
                               const struct mq_outcome *outcome)
{
    if (kind == MQ_REPORT_DELIVERED) {
        return "";
    }
    return outcome->error == MAILMOD_ERROR_UNSURE ? outcome->host
                                                  : row->unsure_host;
}

static size_t select_recipients(const struct mm_config *config,
                                const struct mq_settlement *settlement,
                                enum mq_report kind,
                                struct mm_report_recipient *out)
{
    size_t count = 0;
    for (size_t i = 0; i < settlement->batch->recipient_count; i++) {
        const struct mm_store_recipient *row =
            &settlement->batch->recipients[i];
        const struct mq_outcome *outcome = &settlement->outcomes[i];
        const char *status = kind == MQ_REPORT_DELIVERED ? "2.0.0" : "4.0.0";
        if (settlement->reports[i] != kind) {
            continue;
        }
        out[count] = (struct mm_report_recipient){
            .recipient = row->path,
            .original_recipient = row->original_recipient,
            .action = action_of(kind, row->destination),
            .status = outcome->status[0] != '\0' ? outcome->status : status,
            .remote_host = outcome->host,
            .diagnostic = outcome->reply,
            .is_reply = outcome->is_reply,
            .unsure_host = unsure_host(kind, row, outcome)};
        mm_post_report_hide(config, row->original_to, row->visibility,
                            &out[count++]);
    }
    return count;
}

/* An operator may have removed the message since it was claimed. */
static bool is_still_there(const struct mm_post *post, uint64_t id)
{
    struct mm_store_message message;
    return mm_store_find_message(post->store, id, &message) !=
           MAILMOD_ERROR_NOT_FOUND;
}

enum mailmod_error mm_bounce_put(const struct mm_bounce *bounce,
                                 struct mq_settlement *settlement,
                                 struct mm_store_transaction *transaction)
{
    static const enum mq_report kinds[] = {MQ_REPORT_FAILED, MQ_REPORT_DELAYED,
                                           MQ_REPORT_DELIVERED};
    const struct mq_batch *batch = settlement->batch;
    if (!is_still_there(bounce->post, batch->message.id)) {
        return MAILMOD_OK;
    }
    struct mm_report_recipient *recipients =
        mm_alloc_array(batch->recipient_count, sizeof *recipients);
    if (recipients == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error = MAILMOD_OK;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const struct mm_post_report report = {
            .post = bounce->post,
            .config = bounce->config,
            .original = &batch->message,
            .recipients = recipients,
            .recipient_count = select_recipients(bounce->config, settlement,
                                                 kinds[i], recipients),
            .now_ms = settlement->now_ms,
            .retry_until_ms = batch->recipients[0].expires_ms};
        bool is_told = false;
        if (error == MAILMOD_OK) {
            error = mm_post_report_put(&report, bounce->sender, transaction,
                                       &is_told);
        }
        settlement->has_told =
            kinds[i] == MQ_REPORT_FAILED ? is_told : settlement->has_told;
    }
    mm_free(recipients);
    return error;
}
