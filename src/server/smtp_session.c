/* smtp_session.c - an SMTP engine paired with policy, logins and the store.
 *
 * Owns: the engine, one login attempt, one incoming message. Promises: 250 to
 * the end of data is said when mm_incoming_finish was answered OK, never
 * before; a refusal for our own reasons is 4xx and keeps nothing; an unknown
 * local user is refused at RCPT.
 * Thread: the session's loop. RFC 5321, 4954, 3207, 6409. */
#include "base/mem.h"
#include "server/directory.h"
#include "server/incoming.h"
#include "server/policy.h"
#include "server/server_internal.h"
#include "server/session.h"

#include <string.h>

#define CLEAR_MECHANISMS (MM_SASL_SCRAM_SHA_256 | MM_SASL_PLAIN | MM_SASL_LOGIN)
#define STAMP_MAX 2048

struct smtp_session {
    struct mm_session base;
    struct mm_smtpd *engine;
    struct mm_auth auth;
    bool is_logged_in;
    char user[MM_STORE_USER_MAX];
    char helo_name[MM_LIMIT_DOMAIN + 1];
    bool is_extended;
    struct mm_incoming *incoming;
    char first_recipient[MM_ADDRESS_TEXT_MAX];
    size_t body_used; /* of the pending BODY event */
    enum mailmod_error body_error;
    unsigned message_count;
    bool is_waiting; /* the pending event waits for a job */
};

static const struct mm_log *session_log(const struct smtp_session *smtp)
{
    return smtp->base.server->options.log;
}

static struct smtp_session *as_smtp(struct mm_session *session)
{
    return MM_LIST_OBJECT(session, struct smtp_session, base);
}

static struct mm_policy_facts facts_of(const struct smtp_session *smtp)
{
    return (struct mm_policy_facts){.config = mm_session_config(&smtp->base),
                                    .service = smtp->base.service,
                                    .peer = smtp->base.peer,
                                    .user =
                                        smtp->is_logged_in ? smtp->user : NULL};
}

/* Out of memory while answering: nothing sensible can be said any more. */
static void answer(struct smtp_session *smtp, const struct mm_reply *reply)
{
    if (mm_smtpd_answer(smtp->engine, reply) != MAILMOD_OK) {
        mm_session_abort(&smtp->base);
    }
}

static void answer_id(struct smtp_session *smtp, enum mm_reply_id id)
{
    answer(smtp, mm_reply_get(id));
}

/* The reply for a failure of ours: always temporary, nothing is lost. */
static enum mm_reply_id reply_for(enum mailmod_error error)
{
    return error == MAILMOD_ERROR_STORAGE_FULL ? MM_REPLY_STORAGE_FULL
                                               : MM_REPLY_LOCAL_ERROR;
}

static void drop_message(struct smtp_session *smtp)
{
    mm_incoming_abandon(&smtp->incoming);
    smtp->body_error = MAILMOD_OK;
    smtp->body_used = 0;
}

/* ---- logins
 * ------------------------------------------------------------------ */

static void log_login(const struct smtp_session *smtp, const char *text,
                      enum mm_log_level level)
{
    MM_LOG(session_log(smtp), level, "smtp", text,
           MM_TEXT("session", smtp->base.identifier),
           MM_TEXT("user", smtp->auth.user_name),
           MM_TEXT("peer", smtp->base.peer_text));
}

static void login_failed(struct smtp_session *smtp)
{
    const struct mm_config *config = mm_session_config(&smtp->base);

    log_login(smtp, "login refused", MM_LOG_WARNING);
    if (++smtp->base.login_failures >= config->smtp.login_failures_max) {
        answer_id(smtp, MM_REPLY_TOO_MANY_ERRORS);
        return;
    }
    answer_id(smtp, MM_REPLY_AUTH_FAILED);
}

static void use_verdict(struct smtp_session *smtp, enum mm_auth_verdict verdict)
{
    switch (verdict) {
    case MM_AUTH_WAIT:
        smtp->is_waiting = true;
        smtp->base.in_work++;
        break;
    case MM_AUTH_CHALLENGE:
        if (mm_smtpd_challenge(smtp->engine,
                               mm_buf_span(&smtp->auth.challenge)) !=
            MAILMOD_OK) {
            mm_session_abort(&smtp->base);
        }
        break;
    case MM_AUTH_OK:
        smtp->is_logged_in = true;
        memcpy(smtp->user, smtp->auth.user_name, sizeof smtp->user);
        log_login(smtp, "login", MM_LOG_INFO);
        answer_id(smtp, MM_REPLY_AUTH_OK);
        break;
    case MM_AUTH_REFUSED:
        login_failed(smtp);
        break;
    case MM_AUTH_SYNTAX:
        answer_id(smtp, MM_REPLY_BAD_ARGUMENTS);
        break;
    case MM_AUTH_TEMPORARY:
        answer_id(smtp, MM_REPLY_AUTH_TEMPORARY);
        break;
    }
}

static void on_auth_done(struct mm_auth *auth, enum mm_auth_verdict verdict)
{
    struct smtp_session *smtp = MM_LIST_OBJECT(auth, struct smtp_session, auth);

    smtp->is_waiting = false;
    if (mm_session_job_done(&smtp->base)) {
        use_verdict(smtp, verdict);
        mm_session_pump(&smtp->base);
    }
}

/* ---- the transaction
 * ----------------------------------------------------------- */

static void on_room(void *context)
{
    struct smtp_session *smtp = context;

    smtp->is_waiting = false;
    mm_session_pump(&smtp->base);
}

static void log_accepted(const struct smtp_session *smtp)
{
    MM_LOG(session_log(smtp), MM_LOG_INFO, "smtp", "message accepted",
           MM_TEXT("session", smtp->base.identifier),
           MM_TEXT("message", mm_incoming_identifier(smtp->incoming)),
           MM_TEXT("from", mm_incoming_reverse_path(smtp->incoming)),
           MM_NUMBER("recipients",
                     (int64_t)mm_incoming_recipient_count(smtp->incoming)),
           MM_NUMBER("size", (int64_t)mm_incoming_size(smtp->incoming)));
}

static void answer_accepted(struct smtp_session *smtp)
{
    char text[64];
    struct mm_buf words;
    struct mm_reply reply = {250, "2.6.0", text};

    mm_buf_init(&words, sizeof text - 1);
    (void)mm_buf_appendf(&words, "message accepted as %s",
                         mm_incoming_identifier(smtp->incoming));
    if (mm_span_copy(mm_buf_span(&words), text, sizeof text)) {
        answer(smtp, &reply);
    } else {
        answer_id(smtp, MM_REPLY_MESSAGE_ACCEPTED);
    }
    mm_buf_fini(&words);
}

static void on_finished(void *context, enum mailmod_error error)
{
    struct smtp_session *smtp = context;

    smtp->is_waiting = false;
    if (error == MAILMOD_OK) {
        log_accepted(smtp);
        answer_accepted(smtp);
        smtp->message_count++;
    } else {
        MM_LOG(session_log(smtp), MM_LOG_ERROR, "smtp", "message not stored",
               MM_TEXT("session", smtp->base.identifier),
               MM_TEXT("message", mm_incoming_identifier(smtp->incoming)),
               MM_TEXT("error", mm_error_name(error)));
        answer_id(smtp, reply_for(error));
    }
    drop_message(smtp);
    mm_session_pump(&smtp->base);
}

static void handle_mail(struct smtp_session *smtp,
                        const struct mm_smtpd_info *info)
{
    const struct mm_config *config = mm_session_config(&smtp->base);
    struct mm_server *server = smtp->base.server;
    struct mm_policy_facts facts = facts_of(smtp);
    const struct mm_reply *refusal = mm_policy_check_sender(&facts, info->path);
    struct mm_incoming_options options = {
        .loop = smtp->base.loop,
        .store = server->store,
        .lifetime_ms = config->queue.lifetime_ms,
        .on_room = on_room,
        .on_finished = on_finished,
        .context = smtp,
        .wake = server->options.wake,
        .wake_context = server->options.wake_context,
        .live = &server->live_messages};

    drop_message(smtp);
    if (refusal != NULL) {
        answer(smtp, refusal);
        return;
    }
    if (config->smtp.messages_per_connection_max != 0 &&
        smtp->message_count >= config->smtp.messages_per_connection_max) {
        answer_id(smtp, MM_REPLY_TOO_MANY_MESSAGES);
        return;
    }
    if (mm_incoming_new(&smtp->incoming, &options, info->path, info->mail) !=
        MAILMOD_OK) {
        answer_id(smtp, MM_REPLY_LOCAL_ERROR);
        return;
    }
    answer_id(smtp, MM_REPLY_SENDER_OK);
}

static void log_refusal(const struct smtp_session *smtp,
                        const struct mm_address *path,
                        const struct mm_reply *reply)
{
    MM_LOG(session_log(smtp), MM_LOG_INFO, "smtp", "recipient refused",
           MM_TEXT("session", smtp->base.identifier),
           MM_TEXT("message", mm_incoming_identifier(smtp->incoming)),
           MM_TEXT("recipient", path->text),
           MM_TEXT("from", mm_incoming_reverse_path(smtp->incoming)),
           MM_TEXT("peer", smtp->base.peer_text),
           MM_NUMBER("reply", reply->code), MM_TEXT("dsn", reply->enhanced));
}

/* The reply to a local forward-path; its mailbox is added on success. */
static const struct mm_reply *add_local(struct smtp_session *smtp,
                                        const struct mm_address *path)
{
    uint64_t mailbox_id;
    enum mailmod_error error =
        mm_directory_find(smtp->base.server->store,
                          mm_session_config(&smtp->base), path, &mailbox_id);

    if (error == MAILMOD_ERROR_NOT_FOUND) {
        return mm_reply_get(MM_REPLY_NO_SUCH_USER);
    }
    if (error == MAILMOD_OK) {
        error = mm_incoming_add_local(smtp->incoming, mailbox_id);
    }
    return mm_reply_get(error == MAILMOD_OK ? MM_REPLY_RECIPIENT_OK
                                            : reply_for(error));
}

static const struct mm_reply *add_remote(struct smtp_session *smtp,
                                         const struct mm_smtpd_info *info)
{
    struct mm_policy_facts facts = facts_of(smtp);
    const struct mm_reply *refusal = mm_policy_check_remote(&facts, info->path);
    char destination[MM_STORE_DESTINATION_MAX];
    enum mailmod_error error;

    if (refusal != NULL) {
        return refusal;
    }
    smtp->base.server->options.destination(facts.config, info->path->domain,
                                           destination);
    error = mm_incoming_add_remote(smtp->incoming, info->path, destination,
                                   info->rcpt);
    return mm_reply_get(error == MAILMOD_OK ? MM_REPLY_RECIPIENT_OK
                                            : reply_for(error));
}

static void handle_rcpt(struct smtp_session *smtp,
                        const struct mm_smtpd_info *info)
{
    const struct mm_reply *reply;
    bool is_local =
        mm_directory_is_local(mm_session_config(&smtp->base), info->path,
                              mm_conn_local(smtp->base.conn));

    reply = is_local ? add_local(smtp, info->path) : add_remote(smtp, info);
    if (reply->code >= 400) {
        log_refusal(smtp, info->path, reply);
    } else if (mm_incoming_recipient_count(smtp->incoming) == 1) {
        memcpy(smtp->first_recipient, info->path->text,
               sizeof smtp->first_recipient);
    }
    answer(smtp, reply);
}

static enum mailmod_error stamp(struct smtp_session *smtp)
{
    const struct mm_config *config = mm_session_config(&smtp->base);
    struct mm_received received = {
        .helo_name = mm_span_cstr(smtp->helo_name),
        .peer = smtp->base.peer,
        .host_name = config->host_name,
        .identifier = mm_incoming_identifier(smtp->incoming),
        /* Several recipients must not learn of each other (RFC 5321 7.2). */
        .recipient = mm_incoming_recipient_count(smtp->incoming) == 1
                         ? smtp->first_recipient
                         : NULL,
        .is_extended = smtp->is_extended,
        .is_tls = mm_session_is_tls(&smtp->base),
        .is_authenticated = smtp->is_logged_in,
        .time_ms = mm_loop_wall_ms(smtp->base.loop)};
    struct mm_buf field;
    enum mailmod_error error;

    received.is_smtputf8 = mm_incoming_is_smtputf8(smtp->incoming);
    mm_buf_init(&field, STAMP_MAX);
    error = mm_received_write(&field, &received);
    if (error == MAILMOD_OK) {
        error = mm_incoming_stamp(smtp->incoming, mm_buf_span(&field));
    }
    mm_buf_fini(&field);
    return error;
}

static void handle_data(struct smtp_session *smtp)
{
    enum mailmod_error error = stamp(smtp);

    if (error != MAILMOD_OK) {
        answer_id(smtp, reply_for(error));
        return;
    }
    answer(smtp, NULL);
}

/* A failed message is still read to its end, and refused there. */
static void handle_body(struct smtp_session *smtp,
                        const struct mm_smtpd_info *info)
{
    struct mm_span rest = mm_span_from(info->data, smtp->body_used);
    size_t used = rest.size;

    if (smtp->body_error == MAILMOD_OK) {
        smtp->body_error = mm_incoming_write(smtp->incoming, rest, &used);
        if (smtp->body_error != MAILMOD_OK) {
            used = rest.size;
        }
    }
    smtp->body_used += used;
    if (smtp->body_used < info->data.size) {
        smtp->is_waiting = true; /* on_room comes */
        return;
    }
    smtp->body_used = 0;
    answer(smtp, NULL);
}

static void handle_end(struct smtp_session *smtp,
                       const struct mm_smtpd_info *info)
{
    const struct mm_config *config = mm_session_config(&smtp->base);
    const struct mm_reply *refusal = NULL;

    if (smtp->body_error != MAILMOD_OK) {
        refusal = mm_reply_get(reply_for(smtp->body_error));
    } else if (mm_incoming_received_count(smtp->incoming) >
               config->smtp.received_max) {
        refusal = mm_reply_get(MM_REPLY_LOOP); /* RFC 5321 6.3 */
    }
    if (refusal != NULL) {
        MM_LOG(session_log(smtp), MM_LOG_WARNING, "smtp", "message refused",
               MM_TEXT("session", smtp->base.identifier),
               MM_TEXT("message", mm_incoming_identifier(smtp->incoming)),
               MM_NUMBER("reply", refusal->code),
               MM_TEXT("dsn", refusal->enhanced));
        drop_message(smtp);
        answer(smtp, refusal);
        return;
    }
    smtp->is_waiting = true;
    mm_incoming_finish(smtp->incoming, info->has_8bit);
}

/* ---- the other events
 * ------------------------------------------------------------ */

static void handle_helo(struct smtp_session *smtp,
                        const struct mm_smtpd_info *info)
{
    if (!mm_span_copy(info->name, smtp->helo_name, sizeof smtp->helo_name)) {
        smtp->helo_name[0] = '\0';
    }
    smtp->is_extended = info->is_extended;
    answer(smtp, NULL);
}

/* The 220 must be in the connection's hands before the handshake begins. */
static void handle_starttls(struct smtp_session *smtp)
{
    struct mm_span output;

    if (smtp->base.settings->tls[smtp->base.service] == NULL) {
        answer_id(smtp, MM_REPLY_TLS_UNAVAILABLE);
        return;
    }
    answer_id(smtp, MM_REPLY_START_TLS);
    output = mm_smtpd_output(smtp->engine);
    if (smtp->base.is_closing || mm_conn_write(smtp->base.conn, output.data,
                                               output.size) != MAILMOD_OK) {
        mm_session_abort(&smtp->base);
        return;
    }
    mm_smtpd_sent(smtp->engine, output.size);
    drop_message(smtp);
    smtp->is_logged_in = false;
    smtp->helo_name[0] = '\0';
    mm_session_start_tls(&smtp->base);
}

static void handle_last(struct smtp_session *smtp,
                        const struct mm_smtpd_info *info,
                        enum mm_smtpd_event event)
{
    if (event == MM_SMTPD_BROKEN) {
        MM_LOG(session_log(smtp), MM_LOG_INFO, "smtp", "session broken off",
               MM_TEXT("session", smtp->base.identifier),
               MM_TEXT("peer", smtp->base.peer_text),
               MM_TEXT("reason", info->text != NULL ? info->text : ""));
    }
    drop_message(smtp);
    answer(smtp, NULL);
    mm_session_end(&smtp->base);
}

static void handle_event(struct smtp_session *smtp, enum mm_smtpd_event event,
                         const struct mm_smtpd_info *info)
{
    switch (event) {
    case MM_SMTPD_NEED_INPUT:
        break;
    case MM_SMTPD_CONNECT:
        answer(smtp, NULL);
        break;
    case MM_SMTPD_HELO:
        handle_helo(smtp, info);
        break;
    case MM_SMTPD_AUTH:
        use_verdict(smtp, mm_auth_begin(&smtp->auth, info->mechanism,
                                        info->has_data, info->data));
        break;
    case MM_SMTPD_AUTH_DATA:
        use_verdict(smtp, mm_auth_continue(&smtp->auth, info->data));
        break;
    case MM_SMTPD_MAIL:
        handle_mail(smtp, info);
        break;
    case MM_SMTPD_RCPT:
        handle_rcpt(smtp, info);
        break;
    case MM_SMTPD_DATA:
        handle_data(smtp);
        break;
    case MM_SMTPD_BODY:
        handle_body(smtp, info);
        break;
    case MM_SMTPD_END:
        handle_end(smtp, info);
        break;
    case MM_SMTPD_STARTTLS:
        handle_starttls(smtp);
        break;
    case MM_SMTPD_RESET:
        drop_message(smtp);
        answer(smtp, NULL);
        break;
    case MM_SMTPD_QUIT:
    case MM_SMTPD_BROKEN:
        handle_last(smtp, info, event);
        break;
    }
}

/* ---- the protocol's table
 * ---------------------------------------------------------- */

static struct mm_session *open_smtp(void)
{
    struct smtp_session *smtp = mm_alloc(sizeof *smtp);

    return smtp != NULL ? &smtp->base : NULL;
}

static void fill_options(const struct smtp_session *smtp,
                         struct mm_smtpd_options *options)
{
    const struct mm_config *config = mm_session_config(&smtp->base);
    const struct mm_policy_facts facts = facts_of(smtp);
    enum mm_service service = smtp->base.service;
    bool is_submission = service != MM_SERVICE_SMTP;

    options->host_name = config->host_name;
    options->message_size_max = config->smtp.message_size_max;
    options->recipients_max = config->smtp.recipients_max;
    options->errors_max = config->smtp.errors_max;
    options->empty_commands_max = MM_LIMIT_EMPTY_COMMANDS;
    options->bare_newline =
        config->smtp.bare_newline == MM_CONFIG_BARE_NEWLINE_NORMALIZE
            ? MM_BARE_NEWLINE_NORMALIZE
            : MM_BARE_NEWLINE_REJECT;
    /* AUTH is for submission alone: on port 25 there is nothing to gain. */
    options->mechanisms_tls = is_submission ? CLEAR_MECHANISMS : 0;
    options->mechanisms_clear =
        is_submission && config->smtp.allows_clear_auth ? CLEAR_MECHANISMS : 0;
    options->is_tls = mm_service_has_implicit_tls(service);
    options->has_starttls =
        !options->is_tls && smtp->base.settings->tls[service] != NULL;
    options->requires_auth = is_submission && !mm_policy_may_relay(&facts);
}

static enum mailmod_error begin_smtp(struct mm_session *session)
{
    struct smtp_session *smtp = as_smtp(session);
    struct mm_server *server = session->server;
    struct mm_smtpd_options options = {0};

    mm_auth_init(&smtp->auth, session->loop, server->workers,
                 server->store, mm_session_config(session),
                 on_auth_done);
    fill_options(smtp, &options);
    return mm_smtpd_new(&smtp->engine, &options);
}

static size_t feed_smtp(struct mm_session *session, const char *bytes,
                        size_t size)
{
    return mm_smtpd_feed(as_smtp(session)->engine, bytes, size);
}

static bool step_smtp(struct mm_session *session)
{
    struct smtp_session *smtp = as_smtp(session);
    struct mm_smtpd_info info;
    enum mm_smtpd_event event;

    if (smtp->is_waiting) {
        return false;
    }
    event = mm_smtpd_next(smtp->engine, &info);
    if (event == MM_SMTPD_NEED_INPUT) {
        return false;
    }
    handle_event(smtp, event, &info);
    return true;
}

static struct mm_span output_smtp(struct mm_session *session)
{
    return mm_smtpd_output(as_smtp(session)->engine);
}

static void sent_smtp(struct mm_session *session, size_t size)
{
    mm_smtpd_sent(as_smtp(session)->engine, size);
}

static void tls_begun_smtp(struct mm_session *session)
{
    mm_smtpd_tls_begun(as_smtp(session)->engine);
}

static uint64_t progress_smtp(struct mm_session *session)
{
    return mm_smtpd_progress(as_smtp(session)->engine);
}

static uint64_t wait_ms_smtp(struct mm_session *session)
{
    const struct mm_config *config = mm_session_config(session);
    struct smtp_session *smtp = as_smtp(session);

    if (smtp->is_waiting) {
        return 0;
    }
    if (mm_smtpd_wait(smtp->engine) == MM_SMTPD_WAIT_DATA) {
        return config->smtp.data_ms;
    }
    return mm_smtpd_progress(smtp->engine) == 0 ? config->smtp.greeting_ms
                                                : config->smtp.command_ms;
}

static void close_smtp(struct mm_session *session, bool is_timeout)
{
    struct smtp_session *smtp = as_smtp(session);

    if (mm_smtpd_close(smtp->engine,
                       mm_reply_get(is_timeout ? MM_REPLY_TIMEOUT
                                               : MM_REPLY_SHUTTING_DOWN)) !=
        MAILMOD_OK) {
        mm_session_abort(session);
    }
    drop_message(smtp);
}

static bool is_idle_smtp(struct mm_session *session)
{
    struct smtp_session *smtp = as_smtp(session);

    return !smtp->is_waiting && smtp->incoming == NULL && !session->is_in_tls;
}

static void detach_smtp(struct mm_session *session)
{
    drop_message(as_smtp(session));
}

static void free_smtp(struct mm_session *session)
{
    struct smtp_session *smtp = as_smtp(session);

    mm_incoming_abandon(&smtp->incoming);
    mm_smtpd_free(&smtp->engine);
    mm_auth_fini(&smtp->auth);
}

const struct mm_session_protocol mm_smtp_session_protocol = {
    .component = "smtp",
    .open = open_smtp,
    .begin = begin_smtp,
    .feed = feed_smtp,
    .step = step_smtp,
    .output = output_smtp,
    .sent = sent_smtp,
    .tls_begun = tls_begun_smtp,
    .progress = progress_smtp,
    .wait_ms = wait_ms_smtp,
    .close = close_smtp,
    .is_idle = is_idle_smtp,
    .detach = detach_smtp,
    .free = free_smtp,
};
