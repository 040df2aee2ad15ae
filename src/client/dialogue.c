/* dialogue.c - what is said over a connection: the engine's events.
 *
 * Owns nothing of its own; it works on a delivery. Promises: each event moves
 * the delivery by one step of its law; a connection that is lost before the end
 * of the message was sent lets the next host try, one lost after it does not
 * (the message may have been taken: "unsure", it waits for its next time,
 * which begins at the same host).
 * Thread: loop. RFC 5321 4.5.3.2 (a time for each phase), 4.5.4.1, 4.2.5;
 * RFC 3207 4; RFC 4954 4. */
#include "client/delivery_internal.h"

#include "base/limits.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include "wire/addr/address.h"

#include <stdio.h>
#include <string.h>

/* RFC 5321 sets no time for the end of a conversation: nothing is lost. */
enum { QUIT_MS = 5000 };

static uint64_t phase_ms(const struct mm_delivery *delivery,
                         enum mm_smtpc_phase phase)
{
    const struct mm_config *config = delivery->config;
    switch (phase) {
    case MM_SMTPC_PHASE_GREETING:
        return mm_place_is_stranger(&delivery->place) &&
                       config->delivery.greeting_ms >
                           MM_LIMIT_STRANGER_GREETING_MS
                   ? MM_LIMIT_STRANGER_GREETING_MS
                   : config->delivery.greeting_ms;
    case MM_SMTPC_PHASE_MAIL:
        return config->delivery.mail_ms;
    case MM_SMTPC_PHASE_RCPT:
        return config->delivery.rcpt_ms;
    case MM_SMTPC_PHASE_DATA:
        return config->delivery.data_ms;
    case MM_SMTPC_PHASE_BODY:
        return config->delivery.body_ms;
    case MM_SMTPC_PHASE_END:
        return config->delivery.end_ms;
    case MM_SMTPC_PHASE_IDLE:
        return config->delivery.idle_ms;
    case MM_SMTPC_PHASE_QUIT:
        return QUIT_MS;
    case MM_SMTPC_PHASE_TLS:
        return config->delivery.tls_ms;
    case MM_SMTPC_PHASE_HELLO:
    case MM_SMTPC_PHASE_AUTH:
    case MM_SMTPC_PHASE_COUNT:
        break;
    }
    return config->delivery.command_ms;
}

/* A time runs from the last whole reply, or from the last body octets that
 * went out: octets of half a reply extend nothing. */
static void arm_timer(struct mm_delivery *delivery, bool has_moved)
{
    if ((delivery->stage != MM_DELIVERY_TALKING &&
         delivery->stage != MM_DELIVERY_IDLE) ||
        delivery->in_handshake ||
        (delivery->work != MM_WORK_NONE && delivery->options.submit != NULL)) {
        return;
    }
    enum mm_smtpc_phase phase = mm_smtpc_phase(delivery->engine);
    if (has_moved || !mm_timer_is_set(&delivery->timer) ||
        phase != delivery->timed_phase) {
        delivery->timed_phase = phase;
        mm_timer_set(&delivery->timer, phase_ms(delivery, phase));
    }
}

static bool is_before_mail(enum mm_smtpc_phase phase)
{
    return phase < MM_SMTPC_PHASE_IDLE;
}

/* STARTTLS was said, and TLS has not carried a reply yet: a server may break
 * off after our end of the handshake as well. */
static bool is_lost_in_tls(const struct mm_delivery *delivery,
                           enum mm_smtpc_phase phase)
{
    return phase == MM_SMTPC_PHASE_TLS ||
           (phase == MM_SMTPC_PHASE_HELLO && mm_conn_is_tls(delivery->conn) &&
            mm_delivery_tls_policy(delivery) != MM_CONFIG_TLS_IMPLICIT);
}

/* In the transaction whose end went out, and without a word of the host. */
static bool is_in_doubt(const struct mm_delivery *delivery, size_t i)
{
    return delivery->progress[i] == MM_PROGRESS_ACCEPTED ||
           delivery->progress[i] == MM_PROGRESS_OPEN; /* BDAT went early */
}

static void log_unsure(const struct mm_delivery *delivery, const char *words)
{
    char message[MM_MESSAGE_ID_TEXT_MAX];
    mm_message_id_format(delivery->batch->message.id, message);
    MM_LOG(delivery->options.log, MM_LOG_WARNING, "delivery",
           "unsure whether the message was taken", MM_TEXT("message", message),
           MM_TEXT("destination", delivery->destination),
           MM_TEXT("host", delivery->hop.host), MM_TEXT("reply", words));
}

/* What may have been taken is sent to no other host: it waits. So do the
 * batch's other recipients, of whom it is sure that they were not served. */
static void conclude_unsure(struct mm_delivery *delivery)
{
    struct mq_outcome unsure;
    char words[sizeof unsure.reply];
    const char *what = delivery->failure.error == MAILMOD_ERROR_PROTOCOL
                           ? "no clear reply to"
                           : "no reply after";
    if (snprintf(words, sizeof words,
                 "%s the end of the message, it may have been taken: %.400s",
                 what, delivery->failure.reply) < 0) {
        words[0] = '\0';
    }
    mm_outcome_set(&unsure, MAILMOD_ERROR_UNSURE, delivery->failure.status,
                   delivery->hop.host, words);
    memcpy(unsure.tls, delivery->tls_text, sizeof unsure.tls);
    unsure.connection = delivery->number;
    for (size_t i = 0; i < delivery->envelope_count; i++) {
        size_t at = delivery->envelope_index[i];
        if (is_in_doubt(delivery, at)) {
            delivery->outcomes[at] = unsure;
        }
    }
    log_unsure(delivery, words);
    mm_delivery_conclude(delivery, &delivery->failure);
}

/* Where the delivery goes from a conversation that died in `phase`. `is_full`:
 * the host may have as many connections as it takes (421 to a new one). */
static void decide_after(struct mm_delivery *delivery,
                         enum mm_smtpc_phase phase, bool is_full)
{
    if (delivery->is_decided) {
        /* By what was said before the end. */
    } else if (delivery->batch == NULL || phase == MM_SMTPC_PHASE_QUIT) {
        delivery->after = MM_AFTER_GONE;
    } else if (phase == MM_SMTPC_PHASE_END) {
        conclude_unsure(delivery);
        delivery->after = MM_AFTER_GONE;
    } else if (is_lost_in_tls(delivery, phase)) {
        delivery->after = mm_delivery_weaken_tls(delivery, MAILMOD_ERROR_TLS);
    } else if (phase == MM_SMTPC_PHASE_GREETING && is_full &&
               mm_place_note_full(&delivery->place)) {
        delivery->after = MM_AFTER_AGAIN;
    } else if (delivery->is_reused && !delivery->has_answer) {
        delivery->after = MM_AFTER_RESTART;
    } else if (phase == MM_SMTPC_PHASE_AUTH &&
               delivery->token == MM_TOKEN_REFUSED) {
        delivery->token = MM_TOKEN_REFUSED_AND_CLOSED;
        delivery->after = MM_AFTER_AGAIN; /* with a new one */
    } else {
        delivery->after = MM_AFTER_NEXT_HOP;
    }
}

/* Who had a 2xx or a 452 from the host that died begins anew at the next. */
static void reopen_recipients(struct mm_delivery *delivery)
{
    for (size_t i = 0;
         delivery->batch != NULL && i < delivery->batch->recipient_count; i++) {
        if (delivery->progress[i] != MM_PROGRESS_FINAL) {
            delivery->progress[i] = MM_PROGRESS_OPEN;
        }
    }
}

/* Some servers, and boxes in front of them, offer CHUNKING and break off at
 * BDAT. If it was not that, a trip more is all that it costs. */
static void note_lost_chunks(struct mm_delivery *delivery,
                             enum mm_smtpc_phase phase)
{
    if ((phase == MM_SMTPC_PHASE_BODY || phase == MM_SMTPC_PHASE_END) &&
        mm_smtpc_is_chunking(delivery->engine)) {
        mm_delivery_pause_chunks(delivery);
    }
}

static void lose(struct mm_delivery *delivery, enum mm_smtpc_phase phase,
                 enum mailmod_error error, const char *status, const char *text)
{
    note_lost_chunks(delivery, phase);
    mm_delivery_fail_host(delivery, error, status, text, is_before_mail(phase));
    decide_after(delivery, phase, false);
    reopen_recipients(delivery);
}

void mm_dialogue_lost(struct mm_delivery *delivery, enum mailmod_error error,
                      const char *status, const char *text)
{
    lose(delivery, mm_smtpc_phase(delivery->engine), error, status, text);
}

void mm_dialogue_cut(struct mm_delivery *delivery)
{
    if (delivery->stage == MM_DELIVERY_TALKING && delivery->batch != NULL &&
        delivery->engine != NULL && !delivery->is_decided &&
        mm_smtpc_phase(delivery->engine) == MM_SMTPC_PHASE_END) {
        mm_delivery_fail_host(delivery, MAILMOD_ERROR_STOPPED, "4.3.2",
                              "this system stopped before the host answered",
                              false);
        conclude_unsure(delivery);
    }
}

void mm_dialogue_break_off(struct mm_delivery *delivery,
                           enum mailmod_error error, const char *status,
                           const char *text, bool is_down)
{
    mm_delivery_fail_host(delivery, error, status, text, is_down);
    reopen_recipients(delivery);
    mm_delivery_leave(delivery, MM_AFTER_NEXT_HOP, false);
}

static const char *refusal_status(enum mm_smtpc_phase phase)
{
    switch (phase) {
    case MM_SMTPC_PHASE_TLS:
        return "4.7.5";
    case MM_SMTPC_PHASE_AUTH:
        return "4.7.8";
    default:
        return "4.3.2"; /* RFC 3463: system not accepting network messages */
    }
}

static const char *error_status(enum mailmod_error error)
{
    switch (error) {
    case MAILMOD_ERROR_TLS_UNAVAILABLE:
        return "4.7.4";
    case MAILMOD_ERROR_AUTHENTICATION:
        return "4.7.8";
    case MAILMOD_ERROR_PROTOCOL:
    case MAILMOD_ERROR_LIMIT:
        return "4.5.0";
    default:
        return "4.4.2";
    }
}

static const char *command_name(enum mm_smtpc_phase phase)
{
    static const char *const names[MM_SMTPC_PHASE_COUNT] = {
        [MM_SMTPC_PHASE_GREETING] = "the connection",
        [MM_SMTPC_PHASE_HELLO] = "EHLO",
        [MM_SMTPC_PHASE_TLS] = "STARTTLS",
        [MM_SMTPC_PHASE_AUTH] = "AUTH",
        [MM_SMTPC_PHASE_IDLE] = "nothing",
        [MM_SMTPC_PHASE_MAIL] = "MAIL",
        [MM_SMTPC_PHASE_RCPT] = "RCPT",
        [MM_SMTPC_PHASE_DATA] = "DATA",
        [MM_SMTPC_PHASE_BODY] = "half a body",
        [MM_SMTPC_PHASE_END] = "the end of the message",
        [MM_SMTPC_PHASE_QUIT] = "QUIT"};
    return names[phase];
}

/* S26: a reply that fits nothing is quoted, for the sender's notice too. */
static void fail_out_of_step(struct mm_delivery *delivery,
                             const struct mm_smtpc_info *info)
{
    struct mq_outcome said;
    char words[500];
    mm_outcome_from_reply(&said, delivery->hop.host, info->reply);
    if (snprintf(words, sizeof words, "the host answers %s with %.300s",
                 command_name(info->phase), said.reply) < 0) {
        words[0] = '\0';
    }
    mm_delivery_fail_host(delivery, MAILMOD_ERROR_PROTOCOL, "4.5.0", words,
                          is_before_mail(info->phase));
}

static void fail_by_reply(struct mm_delivery *delivery,
                          const struct mm_smtpc_info *info)
{
    if (info->reply->code < 400) {
        fail_out_of_step(delivery, info);
        return;
    }
    mm_outcome_from_refusal(&delivery->failure, delivery->hop.host, info->reply,
                            refusal_status(info->phase));
    if (info->phase == MM_SMTPC_PHASE_AUTH) {
        delivery->failure.error = MAILMOD_ERROR_AUTHENTICATION;
    }
    delivery->failure.is_destination_down = is_before_mail(info->phase);
    delivery->has_failure = true;
}

/* 421 in the transaction: nothing of it was taken, and that is sure. */
static void put_off_all(struct mm_delivery *delivery,
                        const struct mm_smtpc_info *info)
{
    for (size_t i = 0; i < delivery->batch->recipient_count; i++) {
        if (delivery->progress[i] == MM_PROGRESS_OPEN ||
            delivery->progress[i] == MM_PROGRESS_ACCEPTED ||
            delivery->progress[i] == MM_PROGRESS_FULL) {
            mm_transaction_take_reply(delivery, i, info->reply);
        }
    }
    delivery->after = mm_transaction_after(delivery);
    delivery->is_decided = true;
}

static bool is_put_off(const struct mm_delivery *delivery,
                       const struct mm_smtpc_info *info)
{
    return delivery->batch != NULL && info->reply != NULL &&
           info->reply->code == 421 && info->phase >= MM_SMTPC_PHASE_IDLE &&
           info->phase < MM_SMTPC_PHASE_QUIT && !delivery->is_decided;
}

static void note_failed(struct mm_delivery *delivery,
                        const struct mm_smtpc_info *info)
{
    if (info->phase == MM_SMTPC_PHASE_AUTH && delivery->has_failure) {
        /* The AUTH refusal that was told before says more than the 421, or
         * the end of the connection, that a host puts after some of them. */
    } else if (info->reply != NULL) {
        fail_by_reply(delivery, info);
    } else if (info->phase == MM_SMTPC_PHASE_END) {
        note_lost_chunks(delivery, info->phase);
        mm_delivery_fail_host(delivery, info->error, error_status(info->error),
                              mm_error_text(info->error), false);
    } else if (info->error == MAILMOD_ERROR_AUTHENTICATION) {
        mm_dialogue_fail_without_login(delivery);
    } else {
        mm_delivery_fail_host(delivery, info->error, error_status(info->error),
                              mm_error_text(info->error),
                              is_before_mail(info->phase));
    }
}

static bool flush_output(struct mm_delivery *delivery);

static bool on_failed(struct mm_delivery *delivery,
                      const struct mm_smtpc_info *info)
{
    if (is_put_off(delivery, info)) {
        put_off_all(delivery, info);
    } else {
        note_failed(delivery, info);
        decide_after(delivery, info->phase,
                     info->reply != NULL && info->reply->code / 100 == 4);
    }
    reopen_recipients(delivery);
    (void)flush_output(delivery); /* QUIT */
    if (delivery->stage == MM_DELIVERY_TALKING ||
        delivery->stage == MM_DELIVERY_IDLE) {
        mm_delivery_leave(delivery, delivery->after, true);
    }
    return false;
}

static enum mm_smtpc_tls engine_tls(const struct mm_delivery *delivery)
{
    if (delivery->tls == MM_TLS_NONE) {
        return MM_SMTPC_TLS_OFF;
    }
    switch (mm_delivery_tls_policy(delivery)) {
    case MM_CONFIG_TLS_MAY:
        return MM_SMTPC_TLS_MAY;
    case MM_CONFIG_TLS_MUST:
        return MM_SMTPC_TLS_MUST;
    case MM_CONFIG_TLS_IMPLICIT:
        return MM_SMTPC_TLS_ON;
    case MM_CONFIG_TLS_OFF:
        break;
    }
    return MM_SMTPC_TLS_OFF;
}

/* RFC 5321 4.1.1.1: where the configured name is no domain name, as a bare name
 * of the system is not, the address stands for it. */
static void write_own_name(const struct mm_delivery *delivery,
                           char name_out[MM_LIMIT_DOMAIN + 1])
{
    if (mm_domain_parse_host_name(
            mm_config_ehlo_name_for(delivery->config,
                                    delivery->options.relay.route),
            name_out)) {
        return;
    }
    char literal[MM_NETADDR_TEXT_MAX];
    mm_domain_literal(mm_conn_local(delivery->conn), literal);
    (void)mm_span_copy(mm_span_cstr(literal), name_out, MM_LIMIT_DOMAIN + 1);
}

static struct mm_log_field who(const struct mm_delivery *delivery)
{
    return MM_TEXT("host", delivery->hop.host);
}

static void on_line(void *context, enum mm_tap_way way, struct mm_span line,
                    bool is_masked)
{
    const struct mm_delivery *delivery = context;

    const struct mm_delivery_handler *handler = delivery->options.handler;

    if (mm_log_is_on(delivery->options.log, MM_LOG_WIRE)) {
        mm_tap_log_line(delivery->options.log, "delivery", who(delivery), way,
                        line, is_masked);
    }
    if (handler->on_line != NULL) {
        handler->on_line(delivery->options.context, way, line, is_masked);
    }
}

static void on_octets(void *context, enum mm_tap_way way, uint64_t count)
{
    const struct mm_delivery *delivery = context;

    if (mm_log_is_on(delivery->options.log, MM_LOG_WIRE)) {
        mm_tap_log_octets(delivery->options.log, "delivery", who(delivery), way,
                          count);
    }
}

/* NULL where nobody listens. */
static const struct mm_tap *tap_of(struct mm_delivery *delivery)
{
    delivery->tap = (struct mm_tap){
        .line = on_line, .octets = on_octets, .context = delivery};
    bool has_tap = mm_log_is_on(delivery->options.log, MM_LOG_WIRE) ||
                   delivery->options.handler->on_line != NULL;

    return has_tap ? &delivery->tap : NULL;
}

void mm_dialogue_listen(struct mm_delivery *delivery)
{
    mm_smtpc_set_tap(delivery->engine, tap_of(delivery));
}

enum mailmod_error mm_dialogue_open(struct mm_delivery *delivery)
{
    char name[MM_LIMIT_DOMAIN + 1];
    struct mm_smtpc_options options = {
        .tap = tap_of(delivery),
        .host_name = name,
        .tls = engine_tls(delivery),
        .mechanisms = mm_relay_mechanisms(&delivery->options.relay),
        .tries_twice = MM_SASL_BEARER,
        /* In clear only where the operator switched TLS off. */
        .allows_clear_auth = delivery->options.relay.tls == MM_CONFIG_TLS_OFF,
        .is_submission = delivery->options.is_submission,
        .chunks = mm_delivery_may_chunk(delivery)};
    write_own_name(delivery, name);
    delivery->number = mm_store_new_message_id(delivery->options.store);
    delivery->transactions = 0;
    delivery->domain_count = 0;
    delivery->is_decided = false;
    mm_delivery_forget_answers(delivery);
    memcpy(delivery->tls_text, "none", sizeof "none");
    mm_smtpc_free(&delivery->engine);
    return mm_smtpc_new(&delivery->engine, &options);
}

static bool on_starttls(struct mm_delivery *delivery)
{
    mm_timer_cancel(&delivery->timer);
    enum mailmod_error error = mm_delivery_start_tls(delivery);
    if (error != MAILMOD_OK) {
        delivery->in_handshake = false;
        mm_dialogue_break_off(delivery, error, "4.7.5", mm_error_text(error),
                              true);
    }
    return false;
}

/* QUIT is answered, or the body was refused before its end. */
static bool on_over(struct mm_delivery *delivery)
{
    if (!delivery->is_decided) {
        delivery->after = mm_transaction_after(delivery);
    }
    reopen_recipients(delivery);
    mm_delivery_leave(delivery, delivery->after, true);
    return false;
}

void mm_dialogue_work_done(struct mm_delivery *delivery,
                           enum mm_delivery_work work)
{
    if (work == MM_WORK_ASK) {
        mm_transaction_take_answer(delivery);
    } else if (work == MM_WORK_LOGIN) {
        enum mailmod_error error = mm_login_finish(&delivery->login);
        if (error != MAILMOD_OK) {
            mm_dialogue_break_off(delivery, error, "4.7.0",
                                  "the login could not be made", false);
        }
    } else if (work == MM_WORK_HEADER && delivery->chunk_error == MAILMOD_OK) {
        mm_transaction_judge_header(delivery);
    } else if (work == MM_WORK_LINES && delivery->lines != MM_LINES_UNKNOWN) {
        return; /* all that was wanted is known */
    } else if (delivery->chunk_error == MAILMOD_OK) {
        delivery->chunk_number++;
    } else if (delivery->chunk_error != MAILMOD_ERROR_NOT_FOUND) {
        mm_delivery_break_batch(delivery, delivery->chunk_error, "4.3.0",
                                "the message cannot be read");
    }
}

/* Moves what the engine owes to the connection, as far as that has room. */
static bool flush_output(struct mm_delivery *delivery)
{
    bool has_moved = false;
    for (;;) {
        struct mm_span owed = mm_smtpc_output(delivery->engine);
        size_t room = mm_conn_write_room(delivery->conn);
        size_t size = owed.size < room ? owed.size : room;
        if (size == 0) {
            return has_moved;
        }
        enum mailmod_error error =
            mm_conn_write(delivery->conn, owed.data, size);
        if (error == MAILMOD_ERROR_STATE) {
            return has_moved; /* it is ending, and on_closed says why */
        }
        if (error != MAILMOD_OK) {
            mm_dialogue_lost(delivery, error, "4.4.2", mm_error_text(error));
            mm_delivery_leave(delivery, delivery->after, false);
            return has_moved;
        }
        mm_smtpc_sent(delivery->engine, size);
        has_moved = true;
    }
}

static bool handle(struct mm_delivery *delivery, enum mm_smtpc_event event,
                   const struct mm_smtpc_info *info)
{
    switch (event) {
    case MM_SMTPC_NEED_INPUT:
        return false;
    case MM_SMTPC_STARTTLS:
        return on_starttls(delivery);
    case MM_SMTPC_AUTH:
        return mm_dialogue_on_auth(delivery, info);
    case MM_SMTPC_CHALLENGE:
        return mm_dialogue_on_challenge(delivery, info);
    case MM_SMTPC_AUTH_DONE:
        return mm_dialogue_on_auth_done(delivery, info);
    case MM_SMTPC_NEED_MESSAGE:
        return mm_transaction_on_need_message(delivery);
    case MM_SMTPC_MAIL_REPLY:
        return mm_transaction_on_mail_reply(delivery, info);
    case MM_SMTPC_RCPT_REPLY:
        return mm_transaction_on_rcpt_reply(delivery, info);
    case MM_SMTPC_NEED_BODY:
        return mm_body_on_need(delivery);
    case MM_SMTPC_MESSAGE_DONE:
        return mm_transaction_on_message_done(delivery, info);
    case MM_SMTPC_COMMAND_REPLY: /* none is said here */
        return false;
    case MM_SMTPC_ETRN_REPLY:
        return mm_transaction_on_etrn_reply(delivery, info);
    case MM_SMTPC_CLOSED:
        return on_over(delivery);
    case MM_SMTPC_FAILED:
        return on_failed(delivery, info);
    }
    return false;
}

/* Waiting for a handshake or for our own worker: the engine has nothing that
 * could be answered now. */
static bool is_waiting(const struct mm_delivery *delivery)
{
    return delivery->in_handshake || delivery->work != MM_WORK_NONE;
}

static bool is_pumpable(const struct mm_delivery *delivery)
{
    return delivery->conn != NULL && delivery->engine != NULL &&
           (delivery->stage == MM_DELIVERY_TALKING ||
            delivery->stage == MM_DELIVERY_IDLE);
}

static bool step(struct mm_delivery *delivery, bool *has_moved)
{
    *has_moved |= flush_output(delivery);
    if (!is_pumpable(delivery)) {
        return false;
    }
    /* A body that waits for the worker must still hear a refusal; a login
     * that does must not. */
    if (is_waiting(delivery) && delivery->work != MM_WORK_CHUNK) {
        return false;
    }
    struct mm_smtpc_info info;
    memset(&info, 0, sizeof info);
    enum mm_smtpc_event event = mm_smtpc_next(delivery->engine, &info);
    if (event == MM_SMTPC_NEED_BODY && delivery->work == MM_WORK_CHUNK) {
        return false;
    }
    if (event == MM_SMTPC_NEED_MESSAGE && delivery->stage == MM_DELIVERY_IDLE) {
        return false;
    }
    *has_moved |= event != MM_SMTPC_NEED_INPUT;
    return handle(delivery, event, &info);
}

bool mm_dialogue_pump(struct mm_delivery *delivery)
{
    bool has_moved = false;
    if (delivery->is_pumping || !is_pumpable(delivery)) {
        return false;
    }
    delivery->is_pumping = true;
    bool was_idle = delivery->stage == MM_DELIVERY_IDLE;
    while (step(delivery, &has_moved)) {
    }
    if (is_pumpable(delivery)) {
        flush_output(delivery);
    }
    delivery->is_pumping = false;
    arm_timer(delivery, has_moved);
    if (has_moved) {
        delivery->moved_ms = mm_loop_now_ms(delivery->options.loop);
    }
    return delivery->stage == MM_DELIVERY_IDLE && !was_idle;
}
