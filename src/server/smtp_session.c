/* smtp_session.c - an SMTP engine paired with logins, TLS and the host.
 *
 * Owns: the engine and one login attempt; the message in hand is
 * smtp_transaction.c's. Promises: AUTH is offered on the submission services
 * alone; a handshake begins with the 220 in the connection's hands and nothing
 * of the clear session kept.
 * Thread: the session's loop. RFC 5321, 4954, 3207, 6409. */
#include "server/smtp_session.h"
#include "base/mem.h"
#include "server/mechanisms.h"
#include "server/server_internal.h"

#include <string.h>

const struct mm_log *mm_smtp_log(const struct mm_smtp_session *smtp)
{
    return smtp->base.server->options.log;
}

struct mm_smtp_session *mm_smtp_session(struct mm_session *session)
{
    return MM_LIST_OBJECT(session, struct mm_smtp_session, base);
}

/* A proxied client that shows no true address never has. */
static bool has_popped_before(const struct mm_smtp_session *smtp)
{
    uint64_t within_ms =
        mm_session_config(&smtp->base)->smtp.pop_before_smtp_ms;

    return within_ms > 0 && smtp->base.peer_origin == MM_PEER_DIRECT &&
           mm_networks_entered(&smtp->base.server->networks, &smtp->base.peer,
                               true, within_ms,
                               mm_loop_now_ms(smtp->base.loop));
}

struct mm_policy_facts mm_smtp_facts(const struct mm_smtp_session *smtp)
{
    const struct mm_config *config = mm_session_config(&smtp->base);
    return (struct mm_policy_facts){
        .post = smtp->base.server->options.post,
        .config = config,
        .service = smtp->base.service,
        .is_relay_client =
            mm_session_is_from(&smtp->base, &config->smtp.relay_from) ||
            has_popped_before(smtp),
        .user = smtp->is_logged_in ? smtp->user : NULL};
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

static void challenge(struct mm_session *session, struct mm_span data)
{
    if (mm_smtpd_challenge(mm_smtp_session(session)->engine, data) !=
        MAILMOD_OK) {
        mm_session_abort(session);
    }
}

static void answer_login(struct mm_session *session,
                         enum mm_login_outcome outcome,
                         const struct mm_reply *own)
{
    static const enum mm_reply_id replies[] = {
        [MM_LOGIN_OK] = MM_REPLY_AUTH_OK,
        [MM_LOGIN_REFUSED] = MM_REPLY_AUTH_FAILED,
        [MM_LOGIN_REFUSED_LAST] = MM_REPLY_TOO_MANY_ERRORS,
        [MM_LOGIN_REFUSED_FOR_NOW] = MM_REPLY_AUTH_TEMPORARY,
        [MM_LOGIN_SYNTAX] = MM_REPLY_BAD_ARGUMENTS,
        [MM_LOGIN_TEMPORARY] = MM_REPLY_AUTH_TEMPORARY,
    };
    struct mm_smtp_session *smtp = mm_smtp_session(session);

    if (outcome == MM_LOGIN_OK) {
        smtp->is_logged_in = true;
        memcpy(smtp->user, smtp->logins->auth.user_name, sizeof smtp->user);
    }
    struct mm_reply reply = *mm_reply_get(replies[outcome]);
    if (own != NULL && outcome != MM_LOGIN_REFUSED_LAST) {
        reply = *own;
    }
    if (outcome == MM_LOGIN_OK) {
        reply.code = 235; /* RFC 4954 6: no other one */
    }
    mm_smtp_answer(smtp, &reply);
}

static void answer_held(struct mm_session *session)
{
    mm_logins_answer_held(mm_smtp_session(session)->logins);
}

static const struct mm_login_words login_words = {.moment = MAILMOD_SMTP_AUTH,
                                                  .challenge = challenge,
                                                  .answer = answer_login,
                                                  .answer_held = answer_held};

/* Most sessions never log in, and have no memory for it. */
static void begin_login(struct mm_smtp_session *smtp,
                        const struct mm_smtpd_info *info)
{
    if (smtp->logins == NULL) {
        smtp->logins = mm_alloc(sizeof *smtp->logins);
        if (smtp->logins == NULL) {
            mm_smtp_answer_id(smtp, MM_REPLY_AUTH_TEMPORARY);
            return;
        }
        mm_logins_init(smtp->logins, &smtp->base, &login_words,
                       mm_session_config(&smtp->base)->smtp.login_failures_max);
    }
    mm_logins_begin(smtp->logins, info->mechanism, info->has_data, info->data);
}

static void handle_helo(struct mm_smtp_session *smtp,
                        const struct mm_smtpd_info *info)
{
    (void)mm_span_copy(info->name, smtp->helo_name, sizeof smtp->helo_name);
    smtp->is_extended = info->is_extended;
    mm_smtp_lists_forget_helo(smtp);
    mm_smtp_milters_forget_helo(smtp);
    mm_judging_begin(&smtp->judging, MM_STAGE_HELO);
    const struct mm_reply *refusal;
    if (mm_smtp_judge(smtp, MM_STAGE_HELO, &refusal)) {
        mm_smtp_answer(smtp, refusal);
    }
}

static void handle_starttls(struct mm_smtp_session *smtp)
{
    if (!mm_session_has_tls(&smtp->base)) {
        mm_smtp_answer_id(smtp, MM_REPLY_TLS_UNAVAILABLE);
        return;
    }
    mm_smtp_answer_id(smtp, MM_REPLY_START_TLS);
    mm_smtp_drop_message(smtp);
    smtp->is_logged_in = false;
    smtp->base.user = NULL;
    smtp->helo_name[0] = '\0';
    mm_session_begin_tls(&smtp->base);
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

    mm_session_wait_over(&smtp->base, MM_WAIT_NAMES);
}

/* Who submits here is known otherwise; a proxy is no client. */
static void ask_blocklists(struct mm_smtp_session *smtp)
{
    const struct mm_config *config = mm_session_config(&smtp->base);
    if (smtp->base.service == MM_SERVICE_SMTP &&
        smtp->base.peer_origin != MM_PEER_HIDDEN &&
        !mm_session_is_from(&smtp->base, &config->dnsbl.exempt)) {
        smtp->blocklist = mm_blocklist_new(
            smtp->base.server_loop, smtp->base.settings->config, NULL,
            &smtp->base.peer, on_blocklist_done, smtp);
    }
}

static void handle_connect(struct mm_smtp_session *smtp)
{
    const struct mm_reply *refusal;

    if (mm_smtp_judge(smtp, MM_STAGE_CONNECT, &refusal)) {
        mm_smtp_answer(smtp, refusal);
        mm_session_forget(&smtp->base.question);
    }
}

/* Answers the event, or leaves it pending with a wait. */
static void handle_event(struct mm_smtp_session *smtp,
                         enum mm_smtpd_event event,
                         const struct mm_smtpd_info *info)
{
    switch (event) {
    case MM_SMTPD_NEED_INPUT:
        break;
    case MM_SMTPD_CONNECT:
        handle_connect(smtp);
        break;
    case MM_SMTPD_HELO:
        handle_helo(smtp, info);
        break;
    case MM_SMTPD_AUTH:
        begin_login(smtp, info);
        break;
    case MM_SMTPD_AUTH_DATA:
        mm_logins_continue(smtp->logins, info->data);
        break;
    case MM_SMTPD_MAIL:
        mm_smtp_mail(smtp, info);
        break;
    case MM_SMTPD_RCPT:
        mm_smtp_rcpt(smtp, info);
        break;
    case MM_SMTPD_DATA:
        mm_smtp_data(smtp);
        break;
    case MM_SMTPD_BODY:
        mm_smtp_body(smtp, info);
        break;
    case MM_SMTPD_END:
        mm_smtp_end(smtp, info);
        break;
    case MM_SMTPD_STARTTLS:
        handle_starttls(smtp);
        break;
    case MM_SMTPD_ETRN:
        mm_smtp_etrn(smtp, info);
        break;
    case MM_SMTPD_COMMAND: /* none is added here */
        mm_smtp_answer(smtp, mm_reply_get(MM_REPLY_NOT_IMPLEMENTED));
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
}

static void fill_options(const struct mm_smtp_session *smtp,
                         struct mm_smtpd_options *options)
{
    const struct mm_config *config = mm_session_config(&smtp->base);
    const struct mm_policy_facts facts = mm_smtp_facts(smtp);
    enum mm_service service = smtp->base.service;
    bool is_submission = mm_service_row(service)->is_submission;

    options->tap = &smtp->base.trace.tap;
    options->host_name = config->host_name;
    options->message_size_max = config->smtp.message_size_max;
    options->line_size_max = config->smtp.line_size_max;
    options->leniencies =
        mm_session_is_from(&smtp->base, &config->smtp.lenient_from)
            ? MM_LENIENT_ALL
            : 0;
    options->recipients_max = config->smtp.recipients_max;
    options->errors_max = config->smtp.errors_max;
    options->refused_recipients_max = config->smtp.refused_recipients_max;
    options->empty_commands_max = config->smtp.empty_commands_max;
    options->normalizes_bare_newline =
        config->smtp.bare_newline == MM_CONFIG_BARE_NEWLINE_NORMALIZE;
    /* AUTH is for submission alone: on port 25 there is nothing to gain. */
    options->mechanisms_tls =
        is_submission ? mm_mechanisms_offered(&smtp->base, true) : 0;
    options->mechanisms_clear = is_submission && config->smtp.allows_clear_auth
                                    ? mm_mechanisms_offered(&smtp->base, false)
                                    : 0;
    options->is_tls = mm_service_has_implicit_tls(service);
    options->has_starttls =
        !options->is_tls && smtp->base.settings->tls[service] != NULL;
    options->has_etrn =
        mm_session_is_from(&smtp->base, &config->smtp.etrn_from);
    options->requires_auth = is_submission && !mm_policy_may_relay(&facts);
}

static enum mailmod_error begin_smtp(struct mm_session *session)
{
    struct mm_smtp_session *smtp = mm_smtp_session(session);
    struct mm_smtpd_options options = {0};

    fill_options(smtp, &options);
    mm_smtp_judges_init(smtp);
    ask_blocklists(smtp);
    mm_smtp_lists_begin(smtp);
    enum mailmod_error error = mm_smtpd_new(&smtp->engine, &options);
    session->engine = smtp->engine;
    return error;
}

/* What the client showed may let it log in. */
static void on_tls_smtp(struct mm_session *session)
{
    if (mm_service_row(session->service)->is_submission) {
        mm_smtpd_set_mechanisms_tls(session->engine,
                                    mm_mechanisms_offered(session, true));
    }
}

static bool step_smtp(struct mm_session *session)
{
    struct mm_smtp_session *smtp = mm_smtp_session(session);
    struct mm_smtpd_info info;
    enum mm_smtpd_event event = mm_smtpd_next(smtp->engine, &info);

    smtp->info = &info;
    handle_event(smtp, event, &info);
    smtp->info = NULL;
    return event != MM_SMTPD_NEED_INPUT;
}

static enum mm_standing standing_smtp(struct mm_session *session)
{
    struct mm_smtp_session *smtp = mm_smtp_session(session);
    struct mm_smtpd_info info;

    if (mm_smtpd_output(smtp->engine).size > 0 ||
        mm_smtpd_next(smtp->engine, &info) != MM_SMTPD_NEED_INPUT) {
        return MM_STANDING_BUSY;
    }
    return smtp->is_receiving ? MM_STANDING_OPEN : MM_STANDING_IDLE;
}

static uint64_t wait_ms_smtp(struct mm_session *session)
{
    const struct mm_config *config = mm_session_config(session);
    struct mm_smtp_session *smtp = mm_smtp_session(session);

    if (mm_smtpd_wait(smtp->engine) == MM_SMTPD_WAIT_DATA) {
        return config->smtp.data_ms;
    }
    return mm_smtpd_progress(smtp->engine) == 0
               ? mm_session_patience(session, config->smtp.greeting_ms)
               : config->smtp.command_ms;
}

static void close_smtp(struct mm_session *session, enum mm_close_reason reason)
{
    static const enum mm_reply_id replies[] = {
        [MM_CLOSE_STOPPED] = MM_REPLY_SHUTTING_DOWN,
        [MM_CLOSE_TIMEOUT] = MM_REPLY_TIMEOUT,
        [MM_CLOSE_EXPELLED] = MM_REPLY_USER_DISABLED,
    };
    struct mm_smtp_session *smtp = mm_smtp_session(session);

    if (mm_smtpd_close(smtp->engine, mm_reply_get(replies[reason])) !=
        MAILMOD_OK) {
        mm_session_abort(session);
    }
    mm_smtp_drop_message(smtp);
}

static void detach_smtp(struct mm_session *session)
{
    struct mm_smtp_session *smtp = mm_smtp_session(session);

    if (smtp->logins != NULL) {
        mm_logins_forget(smtp->logins);
    }
    mm_blocklist_free(&smtp->blocklist);
    mm_smtp_lists_end(smtp);
    mm_smtp_names_end(smtp);
    mm_smtp_sender_hosts_forget(smtp);
    mm_smtp_drop_message(smtp);
    mm_smtp_milters_end(smtp);
}

static void free_smtp(struct mm_session *session)
{
    struct mm_smtp_session *smtp = mm_smtp_session(session);

    mm_blocklist_free(&smtp->blocklist);
    mm_smtp_lists_end(smtp);
    mm_smtp_names_end(smtp);
    mm_smtp_sender_hosts_forget(smtp);
    mm_smtp_drop_message(smtp);
    mm_smtp_milters_end(smtp);
    mm_free(smtp->sender_check);
    mm_free(smtp->etrn);
    mm_smtpd_free(&smtp->engine);
    if (smtp->logins != NULL) {
        mm_logins_fini(smtp->logins);
        mm_free(smtp->logins);
    }
}

static size_t feed(void *engine, const char *bytes, size_t size)
{
    return mm_smtpd_feed(engine, bytes, size);
}

static struct mm_span output(const void *engine)
{
    return mm_smtpd_output(engine);
}

static void sent(void *engine, size_t size)
{
    mm_smtpd_sent(engine, size);
}

static void tls_begun(void *engine)
{
    mm_smtpd_tls_begun(engine);
}

static uint64_t progress(const void *engine)
{
    return mm_smtpd_progress(engine);
}

static const struct mm_session_engine engine_verbs = {
    .feed = feed,
    .output = output,
    .sent = sent,
    .tls_begun = tls_begun,
    .progress = progress,
};

static struct mm_session_limits limits_smtp(const struct mm_config *config)
{
    return (struct mm_session_limits){
        .connections_max = config->smtp.connections_max,
        .connections_per_address_max = config->smtp.connections_per_address_max,
        .connections_per_network_max = config->smtp.connections_per_network_max,
        .deny_from = &config->smtp.deny_from,
        .allow_from = &config->smtp.allow_from,
        .tls_ms = config->smtp.tls_ms,
        .write_ms = config->smtp.write_ms,
        .life_ms = config->smtp.session_ms};
}

static void write_refusal_smtp(struct mm_buf *line, enum mm_reply_id reply)
{
    (void)mm_reply_write(line, mm_reply_get(reply), true);
}

const struct mm_session_protocol mm_smtp_session_protocol = {
    .component = "smtp",
    .limits = limits_smtp,
    .write_refusal = write_refusal_smtp,
    .size = sizeof(struct mm_smtp_session),
    .engine = &engine_verbs,
    .begin = begin_smtp,
    .on_tls = on_tls_smtp,
    .step = step_smtp,
    .standing = standing_smtp,
    .wait_ms = wait_ms_smtp,
    .close = close_smtp,
    .wants_body = mm_smtp_wants_body,
    .detach = detach_smtp,
    .free = free_smtp,
};
