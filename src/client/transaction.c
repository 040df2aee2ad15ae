/* transaction.c - one message over a connection: envelope, replies, body.
 *
 * Owns nothing of its own; it works on a delivery's batch. Promises: a reply
 * settles just the recipients that it speaks of; those whom the host asks to
 * come in another transaction (452) come in one, on the same connection; the
 * body is read on a worker, one chunk at a time, and goes out as fast as the
 * peer takes it; a message that cannot be read whole is never ended.
 * Thread: loop. RFC 5321 3.3, 4.2.1 (reply classes), 4.5.3.1.10; RFC 1870 6.1;
 * RFC 3461 5.2; RFC 6531 3.2. */
#include "client/delivery_state.h"

static void write_envelope(struct mm_delivery *delivery)
{
    size_t count = 0;
    for (size_t i = 0; i < delivery->batch->recipient_count; i++) {
        const struct mm_store_recipient *recipient =
            &delivery->batch->recipients[i];
        if (delivery->progress[i] == MM_PROGRESS_FINAL) {
            continue;
        }
        delivery->progress[i] = MM_PROGRESS_OPEN;
        delivery->envelope_index[count] = i;
        delivery->envelope[count++] = (struct mm_smtpc_recipient){
            .path = recipient->path,
            .notify = recipient->notify,
            .original_recipient = recipient->original_recipient};
    }
    delivery->envelope_count = count;
}

/* What the host's announcements forbid, or our own words do. */
static void refuse_message(struct mm_delivery *delivery,
                           enum mailmod_error error)
{
    const char *status = "4.3.0";
    const char *text = mm_error_text(error);
    if (error == MAILMOD_ERROR_TOO_LARGE) {
        status = "5.3.4";
        text = "the message is larger than the host takes";
    } else if (error == MAILMOD_ERROR_UNKNOWN_NAME) {
        status = "5.6.7";
        text = "the message needs SMTPUTF8, which the host does not offer";
    } else if (error == MAILMOD_ERROR_ARGUMENT) {
        status = "5.6.0";
        text = "the envelope cannot be written on the wire";
    }
    struct mq_outcome outcome;
    mm_outcome_set(&outcome, status, delivery->hop.host, text);
    mm_delivery_conclude(delivery, &outcome);
}

static void send_message(struct mm_delivery *delivery)
{
    const struct mm_store_message *stored = &delivery->batch->message;
    write_envelope(delivery);
    delivery->chunk_number = 0;
    delivery->octets_sent = 0;
    delivery->chunk_error = MAILMOD_OK;
    mm_buf_clear(&delivery->chunk);
    struct mm_smtpc_message message = {
        .reverse_path = stored->reverse_path,
        .size = stored->size,
        .is_8bit = stored->is_8bit,
        .is_smtputf8 = stored->is_smtputf8,
        .dsn_return = (enum mm_dsn_return)stored->dsn_return,
        .envelope_id = stored->envelope_id,
        .recipients = delivery->envelope,
        .recipient_count = delivery->envelope_count};
    enum mailmod_error error = mm_smtpc_send(delivery->engine, &message);
    if (error != MAILMOD_OK) {
        refuse_message(delivery, error);
    }
}

bool mm_transaction_on_need_message(struct mm_delivery *delivery)
{
    if (delivery->work != MM_WORK_NONE) {
        return false; /* a chunk of the message that was just refused */
    }
    if (delivery->batch != NULL && mm_delivery_open_count(delivery) > 0) {
        send_message(delivery);
        return true;
    }
    mm_delivery_hand_back(delivery);
    if (delivery->stage == MM_DELIVERY_GONE) {
        return false; /* the host cut us from inside */
    }
    if (delivery->quits) {
        mm_smtpc_quit(delivery->engine);
        return true;
    }
    delivery->stage = MM_DELIVERY_IDLE;
    return false;
}

bool mm_transaction_on_rcpt_reply(struct mm_delivery *delivery,
                                  const struct mm_smtpc_info *info)
{
    size_t i = delivery->envelope_index[info->recipient];
    delivery->has_answer = true;
    if (info->reply->code / 100 == 2) {
        delivery->progress[i] = MM_PROGRESS_ACCEPTED;
        return true;
    }
    mm_outcome_from_reply(&delivery->outcomes[i], delivery->hop.host,
                          info->reply);
    /* RFC 5321 4.5.3.1.10: 552 was once said for it, but means a full mailbox
     * more often; 452 asks for another transaction. */
    delivery->progress[i] =
        info->reply->code == 452 ? MM_PROGRESS_FULL : MM_PROGRESS_FINAL;
    return true;
}

static void settle_one(struct mm_delivery *delivery,
                       const struct mm_smtpc_info *info, size_t i)
{
    bool has_dsn = mm_smtpc_extensions(delivery->engine)->has_dsn;
    mm_outcome_from_reply(&delivery->outcomes[i], delivery->hop.host,
                          info->reply);
    /* RFC 3461 5.2.2: who was given NOTIFY reports the success. */
    delivery->outcomes[i].relayed_dsn = has_dsn;
    delivery->progress[i] = MM_PROGRESS_FINAL;
}

bool mm_transaction_on_message_done(struct mm_delivery *delivery,
                                    const struct mm_smtpc_info *info)
{
    size_t accepted = 0;
    delivery->has_answer = true;
    for (size_t i = 0; i < delivery->envelope_count; i++) {
        accepted += delivery->progress[delivery->envelope_index[i]] ==
                    MM_PROGRESS_ACCEPTED;
    }
    for (size_t i = 0; i < delivery->envelope_count; i++) {
        size_t at = delivery->envelope_index[i];
        if (delivery->progress[at] == MM_PROGRESS_ACCEPTED ||
            delivery->progress[at] == MM_PROGRESS_OPEN) {
            settle_one(delivery, info, at);
        } else if (delivery->progress[at] == MM_PROGRESS_FULL &&
                   accepted == 0) {
            delivery->progress[at] = MM_PROGRESS_FINAL; /* its own words */
        }
    }
    return true;
}

/* All chunks are read. A message that has shrunk or vanished in the store is
 * not sent as half of itself. */
static bool end_body(struct mm_delivery *delivery)
{
    if (delivery->octets_sent != delivery->batch->message.size) {
        mm_dialogue_break_batch(delivery, "4.3.0",
                                "the message cannot be read whole");
        return false;
    }
    if (mm_smtpc_body_end(delivery->engine) != MAILMOD_OK) {
        mm_dialogue_break_batch(delivery, "4.3.0",
                                "the message could not be ended");
        return false;
    }
    return true;
}

bool mm_transaction_on_need_body(struct mm_delivery *delivery)
{
    struct mm_span left = mm_buf_span(&delivery->chunk);
    if (left.size > 0) {
        size_t taken = mm_smtpc_body(delivery->engine, left.data, left.size);
        mm_buf_consume(&delivery->chunk, taken);
        delivery->octets_sent += taken;
        mm_delivery_note(delivery, MM_ATTEMPT_SENDING);
        return taken > 0;
    }
    if (delivery->chunk_error == MAILMOD_ERROR_NOT_FOUND) {
        return end_body(delivery);
    }
    mm_delivery_note(delivery, MM_ATTEMPT_SENDING);
    if (mm_delivery_start_work(delivery, MM_WORK_CHUNK) != MAILMOD_OK) {
        mm_dialogue_break_batch(delivery, "4.3.2",
                                "too busy to read the message");
    }
    return false;
}
