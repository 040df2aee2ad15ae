/* smtp_session.c - an SMTP engine paired with logins, TLS and the host.
 *
 * Owns: the engine and one login attempt; the message in hand is
 * smtp_transaction.c's. Promises: AUTH is offered on the submission services
 * alone; a handshake begins with the 220 in the connection's hands and nothing
 * of the clear session kept.
 * Thread: the session's loop. RFC 5321, 4954, 3207, 6409. */
#include "server/smtp_session.h"
#include "base/mem.h"
#include "server/server_internal.h"

#include <string.h>

#define CLEAR_MECHANISMS (MM_SASL_SCRAM_SHA_256 | MM_SASL_PLAIN | MM_SASL_LOGIN)

const struct mm_log *mm_smtp_log(const struct mm_smtp_session *smtp)
{
    return smtp->base.server->options.log;
}

struct mm_smtp_session *mm_smtp_session(struct mm_session *session)
{
    return MM_LIST_OBJECT(session, struct mm_smtp_session, base);
}

struct mm_policy_facts mm_smtp_facts(const struct mm_smtp_session *smtp)
{
    return (struct mm_policy_facts){.store = smtp->base.server->store,
                                    .config = mm_session_config(&smtp->base),
                                    .service = smtp->base.service,
                                    .peer = smtp->base.peer,
                                    .user =
                                        smtp->is_logged_in ? smtp->user : NULL};
}

/* Out of memory while answering: nothing sensible can be said any more. */
void mm_smtp_answer(struct mm_smtp_session *smtp, const struct mm_reply *reply)
{
    if (mm_smtpd_answer(smtp->engine, reply) != MAILMOD_OK) {
        mm_session_abort(&smtp->base);
    }
}

void mm_smtp_answer_id(struct mm_smtp_session *smtp, enum mm_reply_id id)
{
    mm_smtp_answer(smtp, mm_reply_get(id));
}

static void log_login(const struct mm_smtp_session *smtp, const char *text,
                      enum mm_log_level level)
{
    MM_LOG(mm_smtp_log(smtp), level, "smtp", text,
           MM_TEXT("session", smtp->base.identifier),
           MM_TEXT("user", smtp->auth.user_name),
           MM_TEXT("peer", smtp->base.peer_text));
}

static void login_failed(struct mm_smtp_session *smtp)
{
    const struct mm_config *config = mm_session_config(&smtp->base);

    log_login(smtp, "login refused", MM_LOG_WARNING);
    if (++smtp->base.login_failures >= config->smtp.login_failures_max) {
        mm_smtp_answer_id(smtp, MM_REPLY_TOO_MANY_ERRORS);
        return;
    }
    mm_smtp_answer_id(smtp, MM_REPLY_AUTH_FAILED);
}

static void use_verdict(struct mm_smtp_session *smtp,
                        enum mm_auth_verdict verdict)
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
        mm_smtp_answer_id(smtp, MM_REPLY_AUTH_OK);
        break;
    case MM_AUTH_REFUSED:
        login_failed(smtp);
        break;
    case MM_AUTH_SYNTAX:
        mm_smtp_answer_id(smtp, MM_REPLY_BAD_ARGUMENTS);
        break;
    case MM_AUTH_TEMPORARY:
        mm_smtp_answer_id(smtp, MM_REPLY_AUTH_TEMPORARY);
        break;
    }
}

static void on_auth_done(struct mm_auth *auth, enum mm_auth_verdict verdict)
{
    struct mm_smtp_session *smtp =
        MM_LIST_OBJECT(auth, struct mm_smtp_session, auth);

    smtp->is_waiting = false;
    if (mm_session_job_done(&smtp->base)) {
        use_verdict(smtp, verdict);
        mm_session_pump(&smtp->base);
    }
}

static void handle_helo(struct mm_smtp_session *smtp,
                        const struct mm_smtpd_info *info)
{
    if (!mm_span_copy(info->name, smtp->helo_name, sizeof smtp->helo_name)) {
        smtp->helo_name[0] = '\0';
    }
    smtp->is_extended = info->is_extended;
    mm_smtp_answer(smtp, NULL);
}

/* The 220 must be in the connection's hands before the handshake begins. */
static void handle_starttls(struct mm_smtp_session *smtp)
{
    if (smtp->base.settings->tls[smtp->base.service] == NULL) {
        mm_smtp_answer_id(smtp, MM_REPLY_TLS_UNAVAILABLE);
        return;
    }
    mm_smtp_answer_id(smtp, MM_REPLY_START_TLS);
    struct mm_smtpd_info info;
    if (mm_smtpd_next(smtp->engine, &info) != MM_SMTPD_NEED_INPUT) {
        return; /* octets came behind STARTTLS: it is broken off */
    }
    struct mm_span output = mm_smtpd_output(smtp->engine);
    if (smtp->base.is_closing || mm_conn_write(smtp->base.conn, output.data,
                                               output.size) != MAILMOD_OK) {
        mm_session_abort(&smtp->base);
        return;
    }
    mm_smtpd_sent(smtp->engine, output.size);
    mm_smtp_drop_message(smtp);
    smtp->is_logged_in = false;
    smtp->helo_name[0] = '\0';
    mm_session_start_tls(&smtp->base);
}

static void handle_last(struct mm_smtp_session *smtp,
                        const struct mm_smtpd_info *info,
                        enum mm_smtpd_event event)
{
    if (event == MM_SMTPD_BROKEN) {
        MM_LOG(mm_smtp_log(smtp), MM_LOG_INFO, "smtp", "session broken off",
               MM_TEXT("session", smtp->base.identifier),
               MM_TEXT("peer", smtp->base.peer_text),
               MM_TEXT("reason", info->text != NULL ? info->text : ""));
    }
    mm_smtp_drop_message(smtp);
    mm_smtp_answer(smtp, NULL);
    mm_session_end(&smtp->base);
}

/* The pending RCPT goes on. */
static void on_blocklist_done(void *context)
{
    struct mm_smtp_session *smtp = context;

    if (smtp->is_blocked) {
        mm_session_pump(&smtp->base);
    }
}

/* Who submits here is known otherwise. */
static void ask_blocklists(struct mm_smtp_session *smtp)
{
    if (smtp->base.service == MM_SERVICE_SMTP) {
        smtp->blocklist = mm_blocklist_new(
            smtp->base.server_loop, smtp->base.settings->config,
            &smtp->base.peer, on_blocklist_done, smtp);
    }
}

/* A host may turn a peer away before the greeting. */
static bool handle_connect(struct mm_smtp_session *smtp)
{
    struct mm_request_facts facts = {0};
    const struct mm_reply *reply = NULL;

    switch (mm_session_ask(&smtp->base, MM_MOMENT_SMTP_CONNECT, &facts)) {
    case MM_ASK_NOBODY:
        break;
    case MM_ASK_WAIT:
        return false;
    case MM_ASK_SETTLED:
        reply = smtp->base.request != NULL
                    ? mm_request_reply(smtp->base.request)
                    : mm_reply_get(MM_REPLY_SHUTTING_DOWN);
        break;
    }
    mm_smtp_answer(smtp, reply);
    mm_session_forget_request(&smtp->base);
    return true;
}

/* False: the event stays pending, somebody else goes on. */
static bool handle_event(struct mm_smtp_session *smtp,
                         enum mm_smtpd_event event,
                         const struct mm_smtpd_info *info)
{
    switch (event) {
    case MM_SMTPD_NEED_INPUT:
        return false;
    case MM_SMTPD_CONNECT:
        return handle_connect(smtp);
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
        mm_smtp_mail(smtp, info);
        break;
    case MM_SMTPD_RCPT:
        return mm_smtp_rcpt(smtp, info);
    case MM_SMTPD_DATA:
        return mm_smtp_data(smtp);
    case MM_SMTPD_BODY:
        return mm_smtp_body(smtp, info);
    case MM_SMTPD_END:
        return mm_smtp_end(smtp, info);
    case MM_SMTPD_STARTTLS:
        handle_starttls(smtp);
        break;
    case MM_SMTPD_RESET:
        mm_smtp_drop_message(smtp);
        mm_smtp_answer(smtp, NULL);
        break;
    case MM_SMTPD_QUIT:
    case MM_SMTPD_BROKEN:
        handle_last(smtp, info, event);
        break;
    }
    return true;
}

static struct mm_session *open_smtp(void)
{
    struct mm_smtp_session *smtp = mm_alloc(sizeof *smtp);

    return smtp != NULL ? &smtp->base : NULL;
}

static void fill_options(const struct mm_smtp_session *smtp,
                         struct mm_smtpd_options *options)
{
    const struct mm_config *config = mm_session_config(&smtp->base);
    const struct mm_policy_facts facts = mm_smtp_facts(smtp);
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
    struct mm_smtp_session *smtp = mm_smtp_session(session);
    struct mm_server *server = session->server;
    struct mm_smtpd_options options = {0};

    mm_auth_init(&smtp->auth, session->loop, server->workers, server->store,
                 mm_session_config(session), on_auth_done);
    fill_options(smtp, &options);
    ask_blocklists(smtp);
    return mm_smtpd_new(&smtp->engine, &options);
}

static size_t feed_smtp(struct mm_session *session, const char *bytes,
                        size_t size)
{
    return mm_smtpd_feed(mm_smtp_session(session)->engine, bytes, size);
}

static bool step_smtp(struct mm_session *session)
{
    struct mm_smtp_session *smtp = mm_smtp_session(session);

    if (smtp->is_waiting) {
        return false;
    }
    struct mm_smtpd_info info;
    enum mm_smtpd_event event = mm_smtpd_next(smtp->engine, &info);
    bool goes_on = handle_event(smtp, event, &info);
    smtp->is_blocked = !goes_on && event != MM_SMTPD_NEED_INPUT;
    return goes_on;
}

static struct mm_span output_smtp(struct mm_session *session)
{
    return mm_smtpd_output(mm_smtp_session(session)->engine);
}

static void sent_smtp(struct mm_session *session, size_t size)
{
    mm_smtpd_sent(mm_smtp_session(session)->engine, size);
}

static void tls_begun_smtp(struct mm_session *session)
{
    mm_smtpd_tls_begun(mm_smtp_session(session)->engine);
}

static uint64_t progress_smtp(struct mm_session *session)
{
    return mm_smtpd_progress(mm_smtp_session(session)->engine);
}

static uint64_t wait_ms_smtp(struct mm_session *session)
{
    const struct mm_config *config = mm_session_config(session);
    struct mm_smtp_session *smtp = mm_smtp_session(session);

    if (smtp->is_waiting || smtp->is_blocked) {
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
    struct mm_smtp_session *smtp = mm_smtp_session(session);

    if (mm_smtpd_close(smtp->engine,
                       mm_reply_get(is_timeout ? MM_REPLY_TIMEOUT
                                               : MM_REPLY_SHUTTING_DOWN)) !=
        MAILMOD_OK) {
        mm_session_abort(session);
    }
    mm_smtp_drop_message(smtp);
}

static bool wants_input_smtp(struct mm_session *session)
{
    struct mm_smtp_session *smtp = mm_smtp_session(session);
    struct mm_smtpd_info info;

    return !smtp->is_waiting && mm_smtpd_output(smtp->engine).size == 0 &&
           mm_smtpd_next(smtp->engine, &info) == MM_SMTPD_NEED_INPUT;
}

static bool is_idle_smtp(struct mm_session *session)
{
    struct mm_smtp_session *smtp = mm_smtp_session(session);

    return !smtp->is_waiting && !smtp->is_blocked && smtp->incoming == NULL &&
           !session->is_in_tls;
}

static void detach_smtp(struct mm_session *session)
{
    struct mm_smtp_session *smtp = mm_smtp_session(session);

    mm_blocklist_free(&smtp->blocklist);
    mm_smtp_drop_message(smtp);
}

static void free_smtp(struct mm_session *session)
{
    struct mm_smtp_session *smtp = mm_smtp_session(session);

    mm_blocklist_free(&smtp->blocklist);
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
    .wants_input = wants_input_smtp,
    .is_idle = is_idle_smtp,
    .wants_body = mm_smtp_wants_body,
    .detach = detach_smtp,
    .free = free_smtp,
};
