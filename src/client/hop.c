/* hop.c - the connection to one address, from the dial to its end.
 *
 * Owns the connection, the timer that watches it, and the job that reads the
 * text for it. Promises: nothing blocks the loop; what the connection's end
 * means for the message is asked of the conversation (dialogue) before the way
 * (delivery) hears of it; and the way hears once that a connection is gone,
 * when its job is done, too.
 * Thread: loop; the job on a worker. RFC 3207, RFC 7435 (opportunistic TLS
 * falls back to unverified, then to clear, on a new connection). */
#include "client/delivery_internal.h"

#include "base/limits.h"

#include <stdio.h>
#include <string.h>

/* All that can be said now; then the connection may be at rest. */
void mm_hop_pump(struct mm_delivery *delivery)
{
    if (mm_dialogue_pump(delivery)) {
        delivery->on_rest(delivery);
    }
}

static void on_open(void *context, struct mm_conn *conn)
{
    struct mm_delivery *delivery = context;
    delivery->conn = conn;
    delivery->moved_ms = mm_loop_now_ms(delivery->options.loop);
    const struct mm_config *config = delivery->config;
    mm_conn_set_write_timeout(conn, config->delivery.body_ms);
    delivery->has_failure = false; /* of the hop before */
    enum mailmod_error error = mm_dialogue_open(delivery);
    delivery->stage = MM_DELIVERY_TALKING;
    mm_delivery_note(delivery, MAILMOD_IN_DIALOG);
    if (error == MAILMOD_OK &&
        mm_delivery_tls_policy(delivery) == MM_CONFIG_TLS_IMPLICIT) {
        error = mm_delivery_start_tls(delivery);
    }
    if (error != MAILMOD_OK) {
        mm_delivery_fail_host(delivery, error, "4.3.0", mm_error_text(error),
                              false);
        mm_delivery_leave(delivery, MM_AFTER_NEXT_HOP, false);
    } else {
        mm_hop_pump(delivery);
    }
}

static size_t on_input(void *context, struct mm_conn *conn, const char *bytes,
                       size_t size)
{
    struct mm_delivery *delivery = context;
    (void)conn;
    size_t used = 0;
    mm_place_note_answer(&delivery->place);
    while (used < size && (delivery->stage == MM_DELIVERY_TALKING ||
                           delivery->stage == MM_DELIVERY_IDLE)) {
        /* Octets after the 220 to STARTTLS, in the same segment: left, the
         * connection breaks on them. RFC 3207 5. */
        if (delivery->in_handshake) {
            return used;
        }
        size_t taken =
            mm_smtpc_feed(delivery->engine, bytes + used, size - used);
        used += taken;
        mm_hop_pump(delivery);
        if (taken == 0) {
            return used;
        }
    }
    return size; /* after the end nobody listens */
}

/* Offers what the engine could not take while it waited for us. */
static void resume_input(struct mm_delivery *delivery)
{
    if (delivery->conn != NULL && delivery->stage == MM_DELIVERY_TALKING) {
        mm_conn_resume(delivery->conn);
    }
}

static void on_drained(void *context, struct mm_conn *conn)
{
    (void)conn;
    mm_hop_pump(context);
    resume_input(context);
}

static void on_tls(void *context, struct mm_conn *conn)
{
    struct mm_delivery *delivery = context;
    delivery->in_handshake = false;
    const char *text = mm_conn_tls_text(conn);
    if (snprintf(delivery->tls_text, sizeof delivery->tls_text, "%.*s %s",
                 (int)strcspn(text, " "), text,
                 mm_delivery_is_verified(delivery) ? "verified"
                                                   : "unverified") < 0) {
        delivery->tls_text[0] = '\0';
    }
    MM_LOG(delivery->options.log, MM_LOG_DEBUG, "delivery", "TLS begun",
           MM_TEXT("destination", delivery->destination),
           MM_TEXT("host", delivery->hop.host),
           MM_TEXT("tls", mm_conn_tls_text(conn)));
    /* RFC 3207 4.2; with implicit TLS the engine knows already. */
    if (mm_delivery_tls_policy(delivery) != MM_CONFIG_TLS_IMPLICIT &&
        mm_smtpc_tls_begun(delivery->engine) != MAILMOD_OK) {
        mm_delivery_fail_host(delivery, MAILMOD_ERROR_PROTOCOL, "4.7.5",
                              "the server talked before TLS began", true);
        mm_delivery_leave(delivery,
                          mm_delivery_weaken_tls(delivery, MAILMOD_ERROR_TLS),
                          false);
        return;
    }
    mm_hop_pump(delivery);
    resume_input(delivery);
}

/* What failed, said once: the connection's own words may begin with `own`. */
static void note_setup_failure(struct mm_delivery *delivery,
                               enum mailmod_error reason, const char *status,
                               const char *own, const char *what,
                               const char *words)
{
    char text[400];
    size_t size = strlen(own);
    if (strncmp(words, own, size) == 0) {
        words += size;
    }
    if (snprintf(text, sizeof text, "%s%s", what, words) < 0) {
        text[0] = '\0';
    }
    mm_delivery_fail_host(delivery, reason, status, text, true);
}

/* The owner may want to talk to the host all the same. */
static void ask_about_certificate(struct mm_delivery *delivery)
{
    if (delivery->options.ask != NULL && delivery->batch != NULL &&
        delivery->after == MM_AFTER_NEXT_HOP &&
        delivery->work == MM_WORK_NONE && mm_delivery_is_verified(delivery)) {
        delivery->answer = MM_ANSWER_AS_SET;
        delivery->asked = (struct mm_delivery_question){
            .kind = MM_QUESTION_CERTIFICATE, .words = delivery->failure.reply};
        if (mm_delivery_start_work(delivery, MM_WORK_ASK_TLS) != MAILMOD_OK) {
            delivery->after = MM_AFTER_NEXT_HOP; /* nobody answers: no */
        }
    }
}

static void note_lost(struct mm_delivery *delivery, enum mailmod_error reason,
                      const char *words)
{
    if (words[0] == '\0') {
        words = mm_error_text(reason);
    }
    if (delivery->in_handshake) {
        note_setup_failure(delivery, reason, "4.7.5",
                           "TLS handshake: ", "TLS handshake: ", words);
        delivery->after = mm_delivery_weaken_tls(delivery, reason);
        if (reason == MAILMOD_ERROR_TLS_CERTIFICATE) {
            ask_about_certificate(delivery);
        }
    } else {
        mm_dialogue_lost(delivery, reason, "4.4.2", words);
    }
}

/* There is no connection (any more), and the place is given back. */
static void leave_hop(struct mm_delivery *delivery)
{
    mm_timer_cancel(&delivery->timer);
    mm_delivery_drop_token(delivery);
    mm_smtpc_free(&delivery->engine);
    mm_place_give(&delivery->place);
    if (delivery->stage == MM_DELIVERY_GONE) {
        delivery->on_left(delivery);
        return;
    }
    delivery->stage = MM_DELIVERY_LEAVING;
    if (delivery->work == MM_WORK_NONE) {
        delivery->on_left(delivery); /* else when the worker is done */
    }
}

static void on_failed(void *context, enum mailmod_error error,
                      const char *words)
{
    struct mm_delivery *delivery = context;
    note_setup_failure(delivery, error, "4.4.1",
                       "connect: ", "connecting: ", words);
    delivery->after = error == MAILMOD_ERROR_CONNECTION_REFUSED &&
                              mm_place_note_full(&delivery->place)
                          ? MM_AFTER_AGAIN
                          : MM_AFTER_NEXT_HOP;
    leave_hop(delivery);
}

static void on_closed(void *context, struct mm_conn *conn,
                      enum mailmod_error reason)
{
    struct mm_delivery *delivery = context;
    if (delivery->stage != MM_DELIVERY_LEAVING &&
        delivery->stage != MM_DELIVERY_GONE) {
        note_lost(delivery, reason, mm_conn_failure(conn));
    }
    delivery->conn = NULL;
    delivery->in_handshake = false;
    leave_hop(delivery);
}

static const struct mm_conn_handler conn_handler = {.on_open = on_open,
                                                    .on_input = on_input,
                                                    .on_drained = on_drained,
                                                    .on_tls = on_tls,
                                                    .on_closed = on_closed};

enum mailmod_error mm_hop_dial(struct mm_delivery *delivery)
{
    uint64_t timeout_ms = delivery->config->delivery.connect_ms;
    if (mm_place_is_stranger(&delivery->place) &&
        timeout_ms > MM_LIMIT_STRANGER_CONNECT_MS) {
        timeout_ms = MM_LIMIT_STRANGER_CONNECT_MS;
    }
    const struct mm_dialler_options options = {
        .loop = delivery->options.loop,
        .resolver = delivery->options.resolver,
        .target = mm_route_hop_endpoint(&delivery->hop),
        .source = mm_config_source_for(delivery->config,
                                       delivery->options.relay.route,
                                       delivery->hop.address.family),
        .timeout_ms = timeout_ms,
        .proxy = delivery->hop.proxy,
        .proxy_ms = delivery->config->proxy.timeout_ms,
        .handler = &conn_handler,
        .on_failed = on_failed,
        .context = delivery};
    delivery->stage = MM_DELIVERY_DIALLING;
    mm_delivery_note(delivery, MAILMOD_CONNECTING);
    enum mailmod_error error = mm_dialler_start(&delivery->dialler, &options);
    if (error != MAILMOD_OK) {
        mm_delivery_fail_host(delivery, error, "4.4.1", mm_error_text(error),
                              true);
        mm_place_give(&delivery->place);
    }
    return error;
}

void mm_hop_take_over(struct mm_delivery *to, struct mm_delivery *from)
{
    to->conn = from->conn;
    to->engine = from->engine;
    to->number = from->number;
    to->transactions = from->transactions;
    memcpy(to->domains, from->domains, sizeof to->domains);
    to->domain_count = from->domain_count;
    memcpy(to->tls_text, from->tls_text, sizeof to->tls_text);
    from->conn = NULL;
    from->engine = NULL;
    mm_dialogue_listen(to);
    mm_conn_set_handler(to->conn, &conn_handler, to);
}

void mm_hop_read_chunk(struct mm_delivery *delivery)
{
    const struct mm_delivery_options *options = &delivery->options;
    delivery->chunk_error =
        options->read_chunk != NULL
            ? options->read_chunk(options->read_context,
                                  delivery->work_message_id,
                                  delivery->chunk_number, &delivery->chunk)
            : mm_store_read_chunk(options->store, delivery->work_message_id,
                                  delivery->chunk_number, &delivery->chunk);
}

static void run_work(struct mm_job *job)
{
    struct mm_delivery *delivery = MM_LIST_OBJECT(job, struct mm_delivery, job);
    if (delivery->work == MM_WORK_LOGIN) {
        mm_login_work(&delivery->login, delivery->options.relay.password);
    } else if (delivery->work == MM_WORK_LINES) {
        mm_body_measure(delivery);
    } else if (delivery->work == MM_WORK_ASK ||
               delivery->work == MM_WORK_ASK_TLS) {
        delivery->asked.message_id = delivery->work_message_id;
        delivery->asked.host = delivery->hop.host;
        delivery->answer = delivery->options.ask(delivery->options.read_context,
                                                 &delivery->asked);
    } else {
        mm_hop_read_chunk(delivery); /* the header stands in the first */
    }
}

static void work_done(struct mm_job *job)
{
    struct mm_delivery *delivery = MM_LIST_OBJECT(job, struct mm_delivery, job);
    enum mm_delivery_work work = delivery->work;
    delivery->work = MM_WORK_NONE;
    if (delivery->stage == MM_DELIVERY_GONE) {
        delivery->on_left(delivery);
    } else if (delivery->conn != NULL &&
               delivery->stage != MM_DELIVERY_LEAVING) {
        mm_dialogue_work_done(delivery, work);
        mm_hop_pump(delivery);
        resume_input(delivery);
    } else if (delivery->conn == NULL) {
        if (work == MM_WORK_ASK_TLS && delivery->answer == MM_ANSWER_GO_ON) {
            delivery->after = MM_AFTER_UNVERIFIED;
        }
        delivery->on_left(delivery);
    }
}

static void on_token(struct mm_token_question *question)
{
    struct mm_delivery *delivery =
        MM_LIST_OBJECT(question, struct mm_delivery, question);
    delivery->work = MM_WORK_NONE;
    if (delivery->stage == MM_DELIVERY_TALKING) {
        mm_dialogue_token_given(delivery);
        mm_hop_pump(delivery);
        resume_input(delivery);
    }
}

void mm_hop_init(struct mm_delivery *delivery)
{
    delivery->question.loop = delivery->options.loop;
    delivery->question.done = on_token;
    delivery->job.loop = delivery->options.loop;
    delivery->job.run = run_work;
    delivery->job.done = work_done;
}
