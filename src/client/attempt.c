/* attempt.c - what an attempt holds, and the ends that it can come to.
 *
 * Owns the batch with its outcomes while it lasts, and the choice of TLS for a
 * hop. The ground that the way (delivery), the conversation (dialogue) and the
 * message (transaction) stand on; it calls none of them. Promises: each
 * recipient gets exactly one outcome; who is served is never handed back as
 * untried; TLS never falls below what could be had.
 * Thread: loop. RFC 7435 3. */
#include "client/delivery_internal.h"

#include "base/mem.h"

/* What a peer that does not read may hold up the end of a connection. */
enum { LEAVE_MS = 5000 };
/* How long a host that failed at BDAT is not asked for it again. */
enum { CHUNKS_PAUSE_MS = 6 * 3600 * 1000 };

void mm_delivery_drop_batch(struct mm_delivery *delivery)
{
    mm_free(delivery->outcomes);
    mm_free(delivery->progress);
    mm_free(delivery->envelope);
    mm_free(delivery->envelope_index);
    delivery->outcomes = NULL;
    delivery->progress = NULL;
    delivery->envelope = NULL;
    delivery->envelope_index = NULL;
    delivery->envelope_count = 0;
    delivery->batch = NULL;
}

void mm_delivery_forget_answers(struct mm_delivery *delivery)
{
    delivery->is_missing_asked = false;
    delivery->is_time_asked = false;
    delivery->is_forbidden = false;
}

bool mm_delivery_take_batch(struct mm_delivery *delivery,
                            struct mq_batch *batch)
{
    size_t count = batch->recipient_count;
    delivery->batch = batch;
    delivery->outcomes = mm_alloc_array(count, sizeof *delivery->outcomes);
    delivery->progress = mm_alloc_array(count, sizeof *delivery->progress);
    delivery->envelope = mm_alloc_array(count, sizeof *delivery->envelope);
    delivery->envelope_index =
        mm_alloc_array(count, sizeof *delivery->envelope_index);
    delivery->has_answer = false;
    mm_delivery_forget_answers(delivery);
    delivery->is_session_over = false;
    delivery->header = MM_HEADER_UNKNOWN;
    delivery->lines = MM_LINES_UNKNOWN;
    delivery->refusing_hosts = 0;
    delivery->has_no_chunks = false;
    delivery->token = MM_TOKEN_FIRST;
    delivery->moved_ms = mm_loop_now_ms(delivery->options.loop);
    return delivery->outcomes != NULL && delivery->progress != NULL &&
           delivery->envelope != NULL && delivery->envelope_index != NULL;
}

size_t mm_delivery_count(const struct mm_delivery *delivery,
                         enum mm_recipient_progress progress)
{
    size_t count = 0;
    for (size_t i = 0; delivery->batch != NULL && delivery->progress != NULL &&
                       i < delivery->batch->recipient_count;
         i++) {
        count += delivery->progress[i] == progress;
    }
    return count;
}

const char *mm_delivery_unsure_host(const struct mm_delivery *delivery)
{
    const struct mq_batch *batch = delivery->batch;
    return batch != NULL && batch->recipient_count > 0
               ? batch->recipients[0].unsure_host
               : "";
}

void mm_delivery_conclude(struct mm_delivery *delivery,
                          const struct mq_outcome *outcome)
{
    for (size_t i = 0;
         delivery->batch != NULL && i < delivery->batch->recipient_count; i++) {
        if (delivery->outcomes[i].status[0] == '\0') {
            delivery->outcomes[i] = *outcome;
        }
        delivery->progress[i] = MM_PROGRESS_FINAL;
    }
}

void mm_delivery_hand_back(struct mm_delivery *delivery)
{
    struct mq_batch *batch = delivery->batch;
    struct mq_outcome *outcomes = delivery->outcomes; /* kept: not freed */
    if (batch == NULL) {
        return;
    }
    /* Nobody is taken for served because nobody spoke of him. */
    struct mq_outcome unknown;
    mm_outcome_set(&unknown, MAILMOD_ERROR_CANCELLED, "4.3.0", "",
                   "the attempt broke off");
    mm_delivery_conclude(delivery, &unknown);
    delivery->outcomes = NULL;
    mm_delivery_drop_batch(delivery);
    delivery->options.handler->on_outcomes(delivery->options.context, batch,
                                           outcomes);
}

/* As if nothing had been said; but who is served must not be served again. */
void mm_delivery_hand_back_untried(struct mm_delivery *delivery)
{
    struct mq_batch *batch = delivery->batch;
    if (batch == NULL) {
        return;
    }
    if (mm_delivery_count(delivery, MM_PROGRESS_FINAL) > 0) {
        mm_delivery_hand_back(delivery);
        return;
    }
    mm_delivery_drop_batch(delivery);
    delivery->options.handler->on_outcomes(delivery->options.context, batch,
                                           NULL);
}

void mm_delivery_leave(struct mm_delivery *delivery,
                       enum mm_delivery_after after, bool is_polite)
{
    delivery->stage = MM_DELIVERY_LEAVING;
    delivery->after = after;
    mm_timer_cancel(&delivery->timer);
    if (is_polite) {
        mm_conn_set_write_timeout(delivery->conn, LEAVE_MS);
        mm_conn_close(delivery->conn);
    } else {
        mm_conn_abort(delivery->conn);
    }
}

void mm_delivery_fail_host(struct mm_delivery *delivery,
                           enum mailmod_error error, const char *status,
                           const char *text, bool is_down)
{
    mm_outcome_set(&delivery->failure, error, status, delivery->hop.host, text);
    delivery->failure.is_destination_down = is_down;
    delivery->has_failure = true;
}

void mm_delivery_tell_reply(const struct mm_delivery *delivery,
                            enum mm_delivery_reply part, size_t recipient,
                            const struct mm_reply_in *reply)
{
    const struct mm_delivery_handler *handler = delivery->options.handler;
    if (handler->on_reply != NULL) {
        handler->on_reply(delivery->options.context, delivery->batch, part,
                          recipient, delivery->hop.host, reply);
    }
}

void mm_delivery_note(struct mm_delivery *delivery,
                      enum mailmod_progress progress)
{
    const struct mm_delivery_handler *handler = delivery->options.handler;
    if (handler->on_progress != NULL && delivery->batch != NULL) {
        handler->on_progress(
            delivery->options.context, delivery->batch, progress,
            progress == MAILMOD_SENDING ? delivery->octets_sent : 0);
    }
}

enum mm_config_tls_policy
mm_delivery_tls_policy(const struct mm_delivery *delivery)
{
    return mm_relay_sets_tls(&delivery->options.relay)
               ? delivery->options.relay.tls
               : delivery->config->delivery.tls;
}

bool mm_delivery_may_chunk(const struct mm_delivery *delivery)
{
    return delivery->config->delivery.chunks && !delivery->has_no_chunks &&
           mm_place_takes_chunks(&delivery->place,
                                 mm_loop_now_ms(delivery->options.loop));
}

void mm_delivery_pause_chunks(struct mm_delivery *delivery)
{
    delivery->has_no_chunks = true;
    mm_place_note_no_chunks(&delivery->place,
                            mm_loop_now_ms(delivery->options.loop) +
                                CHUNKS_PAUSE_MS);
}

bool mm_delivery_wants_login(const struct mm_delivery *delivery)
{
    return mm_relay_mechanisms(&delivery->options.relay) != 0;
}

bool mm_delivery_is_verified(const struct mm_delivery *delivery)
{
    const struct mm_relay *relay = &delivery->options.relay;
    return mm_relay_sets_tls(relay) && relay->verifies &&
           delivery->tls == MM_TLS_AS_SET;
}

/* TLS could not be had. RFC 7435 3: with "may" some is better than none; but a
 * login goes over what was asked for, or not at all. */
enum mm_delivery_after
mm_delivery_weaken_tls(const struct mm_delivery *delivery,
                       enum mailmod_error reason)
{
    if (mm_delivery_tls_policy(delivery) != MM_CONFIG_TLS_MAY ||
        mm_delivery_wants_login(delivery) || delivery->tls == MM_TLS_NONE) {
        return MM_AFTER_NEXT_HOP;
    }
    return reason == MAILMOD_ERROR_TLS_CERTIFICATE &&
                   mm_delivery_is_verified(delivery)
               ? MM_AFTER_UNVERIFIED
               : MM_AFTER_PLAIN;
}

enum mailmod_error mm_delivery_start_tls(struct mm_delivery *delivery)
{
    bool verifies = mm_delivery_is_verified(delivery);
    delivery->in_handshake = true;
    return mm_conn_start_tls_client(
        delivery->conn,
        mm_outbound_settings_tls(delivery->settings,
                                 delivery->options.relay.route, verifies),
        delivery->hop.tls_name, verifies, delivery->config->delivery.tls_ms);
}

enum mailmod_error mm_delivery_start_work(struct mm_delivery *delivery,
                                          enum mm_delivery_work work)
{
    delivery->work = work;
    /* The batch may be gone before the worker is. */
    delivery->work_message_id =
        delivery->batch != NULL ? delivery->batch->message.id : 0;
    const struct mm_delivery_options *options = &delivery->options;
    if (options->submit != NULL) {
        mm_timer_cancel(&delivery->timer); /* the host waits for our owner */
    }
    enum mailmod_error error =
        options->submit != NULL
            ? options->submit(options->read_context, &delivery->job)
            : mm_workers_submit(options->workers, &delivery->job);
    if (error != MAILMOD_OK) {
        delivery->work = MM_WORK_NONE;
    }
    return error;
}

enum mailmod_error mm_delivery_ask_token(struct mm_delivery *delivery)
{
    const struct mm_token_source *tokens = &delivery->options.tokens;
    const struct mm_relay *relay = &delivery->options.relay;
    struct mm_token_question *question = &delivery->question;
    question->use = MM_TOKEN_FOR_SMTP;
    question->account = relay->account != NULL ? relay->account : "";
    question->user = relay->user;
    question->host = delivery->hop.host;
    question->port = delivery->hop.address.port;
    question->is_refresh = delivery->token != MM_TOKEN_FIRST;
    question->wait_ms = delivery->config->delivery.command_ms;
    enum mailmod_error error = tokens->ask != NULL
                                   ? tokens->ask(tokens->context, question)
                                   : MAILMOD_ERROR_STATE;
    delivery->work = error == MAILMOD_OK ? MM_WORK_TOKEN : MM_WORK_NONE;
    return error;
}

void mm_delivery_drop_token(struct mm_delivery *delivery)
{
    if (delivery->work == MM_WORK_TOKEN) {
        const struct mm_token_source *tokens = &delivery->options.tokens;
        delivery->work = MM_WORK_NONE;
        tokens->cancel(tokens->context, &delivery->question);
    }
}

void mm_delivery_break_batch(struct mm_delivery *delivery,
                             enum mailmod_error error, const char *status,
                             const char *text)
{
    struct mq_outcome outcome;
    mm_outcome_set(&outcome, error, status, "", text);
    mm_delivery_conclude(delivery, &outcome);
    mm_delivery_leave(delivery, MM_AFTER_GONE, false);
}
