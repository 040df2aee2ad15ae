/* smtp_transaction.c - one mail transaction: MAIL, RCPT, body, end.
 *
 * Promises: 250 to the end of data is said when mm_deposit_finish was answered
 * OK, never before; a refusal for our own reasons is 4xx and keeps nothing; an
 * unknown local user is refused at RCPT; a host that is asked decides before
 * 354, or after it has read the body, and what it has not read by then is still
 * taken from the peer.
 * Thread: the session's loop. RFC 5321 3.3, 4.1.1.4, 6.1; RFC 6409. */
#include "server/smtp_session.h"

#include "base/mem.h"
#include "post/directory.h"
#include "server/server_internal.h"
#include "wire/msg/message.h"

/* The reply for a failure: of ours it is temporary, and nothing is lost; it is
 * final when the last mailbox went away since RCPT. */
static enum mm_reply_id reply_for(enum mailmod_error error)
{
    switch (error) {
    case MAILMOD_ERROR_STORAGE_FULL:
        return MM_REPLY_STORAGE_FULL;
    case MAILMOD_ERROR_NOT_FOUND:
        return MM_REPLY_NO_SUCH_USER;
    case MAILMOD_ERROR_TOO_LARGE:
        return MM_REPLY_HEADER_TOO_LARGE;
    default:
        return MM_REPLY_LOCAL_ERROR;
    }
}

static void forget_redirect(struct mm_smtp_session *smtp)
{
    mm_free(smtp->redirected);
    smtp->redirected = NULL;
}

void mm_smtp_drop_message(struct mm_smtp_session *smtp)
{
    mm_resolve_cancel(&smtp->resolve);
    forget_redirect(smtp);
    smtp->is_resolving = false;
    smtp->is_resolved = false;
    smtp->is_with_milters = false;
    mm_smtp_milters_forget_message(smtp);
    mm_smtp_spam_forget(smtp);
    mm_smtp_content_forget(smtp);
    mm_deposit_abandon(&smtp->deposit);
    mm_session_forget(&smtp->base.question);
    mm_session_forget(&smtp->sender);
    mm_session_forget(&smtp->message);
    smtp->body_error = MAILMOD_OK;
    smtp->body_used = 0;
    smtp->body_offered = 0;
    smtp->host_reads = false;
    smtp->is_receiving = false;
}

static void on_room(void *context)
{
    struct mm_smtp_session *smtp = context;

    mm_session_wait_over(&smtp->base, MM_WAIT_ROOM);
}

static void answer_accepted(struct mm_smtp_session *smtp)
{
    char text[64];
    struct mm_reply reply = {250, "2.6.0", text};

    struct mm_buf words;
    mm_buf_init(&words, sizeof text - 1);
    (void)mm_buf_append_cstr(&words, "message accepted as ");
    (void)mm_buf_append_cstr(&words, mm_deposit_identifier(smtp->deposit));
    if (mm_span_copy(mm_buf_span(&words), text, sizeof text)) {
        mm_smtp_answer(smtp, &reply);
    } else {
        mm_smtp_answer_id(smtp, MM_REPLY_MESSAGE_ACCEPTED);
    }
    mm_buf_fini(&words);
}

static void count_octets(const struct mm_smtp_session *smtp)
{
    if (mm_smtp_is_rated(smtp)) {
        struct mm_rate_subject subject = mm_smtp_rate_subject(smtp);
        mm_rates_count(&smtp->base.server->rates, &subject, MM_RATE_OCTETS,
                       smtp->octets, mm_loop_now_ms(smtp->base.loop));
    }
}

static void on_finished(void *context, enum mailmod_error error)
{
    struct mm_smtp_session *smtp = context;
    bool is_full =
        error == MAILMOD_ERROR_NOT_FOUND && mm_deposit_met_full(smtp->deposit);

    if (error == MAILMOD_OK) {
        answer_accepted(smtp);
        smtp->message_count++;
        count_octets(smtp);
    } else {
        MM_LOG(mm_smtp_log(smtp), is_full ? MM_LOG_WARNING : MM_LOG_ERROR,
               "smtp", is_full ? "mailbox is full" : "message not stored",
               MM_TEXT("session", smtp->base.identifier),
               MM_TEXT("message", mm_deposit_identifier(smtp->deposit)),
               MM_TEXT("error", mm_error_name(error)));
        mm_smtp_answer_id(smtp,
                          is_full ? MM_REPLY_MAILBOX_FULL : reply_for(error));
    }
    mm_smtp_drop_message(smtp);
    mm_session_wait_over(&smtp->base, MM_WAIT_STORE);
}

/* The question before 354 collects its recipients from here on. */
static bool prepare_question(struct mm_smtp_session *smtp)
{
    struct mm_request_facts facts = {
        .moment = MAILMOD_SMTP_MESSAGE,
        .user = smtp->is_logged_in ? smtp->user : NULL,
        .reverse_path = mm_deposit_reverse_path(smtp->deposit),
        .message = mm_deposit_identifier(smtp->deposit)};

    return !mm_session_is_hooked(&smtp->base, MAILMOD_SMTP_MESSAGE) ||
           mm_session_prepare_question(&smtp->base, &smtp->message, &facts) ==
               MAILMOD_OK;
}

/* RFC 6409 8: what a message lacks is for the submission service to add. A
 * field that we write ourselves is believed from nobody but exempt peers. */
static unsigned edits_of(const struct mm_smtp_session *smtp)
{
    const struct mm_config *config = mm_session_config(&smtp->base);
    unsigned edits = MM_HEADER_DROPS_RETURN_PATH;

    if (smtp->base.service == MM_SERVICE_SMTP &&
        (config->dnsbl.action == MM_CONFIG_DNSBL_TAG ||
         config->lists.action == MM_CONFIG_DNSBL_TAG ||
         config->spam.memory == MM_CONFIG_SPAM_TAG) &&
        !mm_session_is_from(&smtp->base, &config->dnsbl.exempt)) {
        edits |= MM_HEADER_DROPS_BLOCKLIST;
    }
    if (smtp->base.service != MM_SERVICE_SMTP && config->smtp.edits_submitted) {
        edits |= MM_HEADER_DROPS_BCC | MM_HEADER_ADDS_DATE |
                 MM_HEADER_ADDS_MESSAGE_ID;
    }
    return edits;
}

/* Somebody is asked who may have fields changed. */
static bool may_change(const struct mm_smtp_session *smtp)
{
    return mm_smtp_milters_may_change(smtp) ||
           mm_smtp_content_may_change(smtp) ||
           mm_session_is_hooked(&smtp->base, MAILMOD_SMTP_RCPT) ||
           mm_session_is_hooked(&smtp->base, MAILMOD_SMTP_MESSAGE);
}

static enum mailmod_error begin_deposit(struct mm_smtp_session *smtp,
                                        const struct mm_smtpd_info *info)
{
    const struct mm_deposit_options options = {
        .post = smtp->base.server->options.post,
        .loop = smtp->base.loop,
        .config = smtp->base.settings->config,
        .edits = edits_of(smtp),
        .may_change = may_change(smtp),
        .on_room = on_room,
        .on_finished = on_finished,
        .context = smtp};
    const struct mm_envelope envelope = {
        .reverse_path = info->path->text,
        .arrival_ms = mm_loop_wall_ms(smtp->base.loop),
        .is_smtputf8 = info->mail->is_smtputf8,
        .dsn_return = info->mail->dsn_return,
        .envelope_id = info->mail->envelope_id,
        .session = smtp->base.identifier,
        .connection = smtp->base.number,
        .peer = smtp->base.peer_text,
        .user = smtp->is_logged_in ? smtp->user : NULL};

    return mm_deposit_new(&smtp->deposit, &options, &envelope);
}

void mm_smtp_mail(struct mm_smtp_session *smtp,
                  const struct mm_smtpd_info *info)
{
    mm_smtp_drop_message(smtp);
    smtp->told_size = info->mail->size;
    smtp->octets = 0;
    mm_smtp_names_forget_sender(smtp);
    mm_smtp_sender_hosts_forget(smtp);
    mm_judging_begin(&smtp->judging, MM_STAGE_MAIL);
    const struct mm_reply *refusal;
    if (!mm_smtp_judge(smtp, MM_STAGE_MAIL, &refusal)) {
        return;
    }
    if (refusal != NULL) {
        mm_smtp_answer(smtp, refusal);
        return;
    }
    if (begin_deposit(smtp, info) != MAILMOD_OK || !prepare_question(smtp) ||
        mm_smtp_content_begin(smtp) != MAILMOD_OK) {
        mm_smtp_drop_message(smtp);
        mm_smtp_answer_id(smtp, MM_REPLY_LOCAL_ERROR);
        return;
    }
    mm_smtp_spam_begin(smtp);
    mm_smtp_answer_id(smtp, MM_REPLY_SENDER_OK);
}

bool mm_smtp_is_local(const struct mm_smtp_session *smtp,
                      const struct mm_address *path)
{
    return mm_directory_is_local(mm_session_config(&smtp->base), path,
                                 mm_conn_local(smtp->base.conn));
}

static void on_resolved(struct mm_resolve *resolve)
{
    struct mm_smtp_session *smtp =
        MM_LIST_OBJECT(resolve, struct mm_smtp_session, resolve);

    smtp->is_resolved = true;
    mm_session_wait_over(&smtp->base, MM_WAIT_NAMES);
}

/* The host may have put another address in place of the pending RCPT's. False:
 * out of memory. */
static bool find_redirect(struct mm_smtp_session *smtp)
{
    const struct mm_request *request = smtp->base.question.request;
    const char *to = request != NULL
                         ? mm_changes_redirect(mm_request_changes(request),
                                               smtp->info->path->text)
                         : NULL;

    forget_redirect(smtp);
    if (to == NULL) {
        return true;
    }
    smtp->redirected = mm_alloc(sizeof *smtp->redirected);
    /* It was parsed before. */
    return smtp->redirected != NULL &&
           mm_address_parse(mm_span_cstr(to), false, true, smtp->redirected) ==
               MAILMOD_OK;
}

/* What the host wants besides. */
static enum mailmod_error add_changes(struct mm_smtp_session *smtp,
                                      const struct mm_request *request)
{
    struct mm_changes *changes = mm_deposit_changes(smtp->deposit);

    return request == NULL
               ? MAILMOD_OK
               : mm_changes_add_all(changes, mm_request_changes(request), NULL);
}

/* Asks whose address the pending RCPT has; false: the answer comes. */
static bool resolve(struct mm_smtp_session *smtp,
                    const struct mm_smtpd_info *info)
{
    if (smtp->is_resolving) {
        return smtp->is_resolved;
    }
    smtp->resolve.post = smtp->base.server->options.post;
    smtp->resolve.config = mm_session_config(&smtp->base);
    smtp->resolve.address =
        smtp->redirected != NULL ? smtp->redirected : info->path;
    smtp->resolve.local = mm_conn_local(smtp->base.conn);
    smtp->resolve.notify = info->rcpt->notify;
    smtp->resolve.original_recipient = info->rcpt->original_recipient;
    smtp->resolve.size = smtp->told_size;
    smtp->resolve.loop = smtp->base.loop;
    smtp->resolve.done = on_resolved;
    smtp->is_resolving = true;
    smtp->is_resolved = mm_resolve_ask(&smtp->resolve) == MM_ANSWERED;
    return smtp->is_resolved;
}

/* The changes of a RCPT that concern a recipient are his. */
static enum mailmod_error add_all(struct mm_smtp_session *smtp)
{
    const char *given = smtp->info->path->text;
    enum mailmod_error error = MAILMOD_OK;

    for (size_t i = 0; error == MAILMOD_OK && i < smtp->resolve.target_count;
         i++) {
        struct mm_target target = smtp->resolve.targets[i];

        if (smtp->redirected != NULL) {
            mm_target_redirect(&target, given, smtp->redirected->text);
        }
        error = i == 0 ? mm_deposit_add(smtp->deposit, &target)
                       : mm_deposit_add_more(smtp->deposit, &target);
    }
    const struct mm_request *request = smtp->base.question.request;
    return error == MAILMOD_OK && request != NULL
               ? mm_changes_add_all(mm_deposit_changes(smtp->deposit),
                                    mm_request_changes(request), given)
               : error;
}

/* The reply to a forward-path; those who get its mail are added on success.
 * False: filters are asked (MM_WAIT_HOST). */
static bool add_targets(struct mm_smtp_session *smtp,
                        const struct mm_reply **reply_out)
{
    const struct mm_target *first = &smtp->resolve.targets[0];
    enum mailmod_error error = first->error;

    if (first->kind == MM_TARGET_REFUSED) {
        *reply_out = first->reply;
        return true;
    }
    if (first->kind != MM_TARGET_FOR_NOW && !smtp->is_with_milters &&
        mm_smtp_is_greylisted(smtp)) {
        *reply_out = mm_reply_get(MM_REPLY_GREYLISTED);
        return true;
    }
    smtp->is_with_milters = true;
    if (first->kind != MM_TARGET_FOR_NOW) {
        if (!mm_smtp_milters_rcpt(smtp, reply_out)) {
            return false;
        }
        if (*reply_out != NULL) {
            return true;
        }
    }
    if (first->kind != MM_TARGET_FOR_NOW) {
        error = add_all(smtp);
    }
    *reply_out = mm_reply_get(error == MAILMOD_OK ? MM_REPLY_RECIPIENT_OK
                                                  : reply_for(error));
    return true;
}

static void answer_delayed(struct mm_session *session)
{
    struct mm_smtp_session *smtp = mm_smtp_session(session);

    mm_smtp_answer(smtp, smtp->delayed_reply);
    mm_smtp_milters_rcpt_over(smtp);
    mm_session_forget(&session->question);
}

static void answer_recipient(struct mm_smtp_session *smtp,
                             const struct mm_reply *reply)
{
    const struct mm_request *request = smtp->base.question.request;
    unsigned delay_ms = request != NULL ? mm_request_delay_ms(request) : 0;

    smtp->refused_count += reply->code >= 500;
    if (reply->code >= 500 && smtp->judging.delay_ms > delay_ms) {
        delay_ms = smtp->judging.delay_ms;
    }
    if (delay_ms == 0 ||
        !mm_session_set_delay(&smtp->base, delay_ms, answer_delayed)) {
        mm_smtp_answer(smtp, reply);
        mm_smtp_milters_rcpt_over(smtp);
        mm_session_forget(&smtp->base.question);
        return;
    }
    smtp->delayed_reply = reply;
    mm_wait_begin(&smtp->base.wait, MM_WAIT_DELAY);
}

void mm_smtp_rcpt(struct mm_smtp_session *smtp,
                  const struct mm_smtpd_info *info)
{
    const struct mm_reply *reply = NULL;

    if (!smtp->is_resolving && !mm_smtp_judge(smtp, MM_STAGE_RCPT, &reply)) {
        return;
    }
    if (reply == NULL && !smtp->is_resolving && !find_redirect(smtp)) {
        reply = mm_reply_get(MM_REPLY_LOCAL_ERROR);
    }
    if (reply == NULL && !resolve(smtp, info)) {
        mm_wait_begin(&smtp->base.wait, MM_WAIT_NAMES);
        return;
    }
    if (reply == NULL && !add_targets(smtp, &reply)) {
        mm_wait_begin(&smtp->base.wait, MM_WAIT_HOST);
        return;
    }
    mm_resolve_cancel(&smtp->resolve);
    smtp->is_resolving = false;
    smtp->is_with_milters = false;
    if (reply->code < 400 && smtp->message.request != NULL &&
        mm_request_add_recipient(smtp->message.request, info->path->text) !=
            MAILMOD_OK) {
        mm_session_abort(&smtp->base);
        return;
    }
    if (reply->code < 400) {
        mm_smtp_content_recipient(smtp, info->path->text);
    }
    answer_recipient(smtp, reply);
}

/* RFC 5321 4.4: the trace is in front of all. */
static enum mailmod_error stamp(struct mm_smtp_session *smtp)
{
    const struct mm_config *config = mm_session_config(&smtp->base);
    struct mm_received received = {
        .helo_name = mm_span_cstr(smtp->helo_name),
        .peer = smtp->base.peer,
        .host_name = config->host_name,
        .identifier = mm_deposit_identifier(smtp->deposit),
        /* Several recipients must not learn of each other (RFC 5321 7.2). */
        .recipient = mm_deposit_recipient_count(smtp->deposit) == 1
                         ? mm_deposit_first_path(smtp->deposit)
                         : NULL,
        .is_extended = smtp->is_extended,
        .is_tls = mm_session_is_tls(&smtp->base),
        .is_authenticated = smtp->is_logged_in,
        .time_ms = mm_loop_wall_ms(smtp->base.loop)};

    received.is_smtputf8 = mm_deposit_is_smtputf8(smtp->deposit);
    struct mm_buf *fields = mm_deposit_fields(smtp->deposit);
    enum mailmod_error error = mm_received_write(fields, &received);
    return error == MAILMOD_OK ? mm_judging_write_fields(&smtp->judging, fields)
                               : error;
}

/* 354, or for BDAT the chunk itself. */
static void begin_body(struct mm_smtp_session *smtp)
{
    smtp->is_receiving = true;
    mm_smtp_answer(smtp, NULL);
}

/* A verdict before any body. Taken without a look: the body is read to its
 * end and not kept, so the request stays until then; unless the host's own
 * reply turns the message away, which then spares the peer the body. */
static void use_early_verdict(struct mm_smtp_session *smtp)
{
    struct mm_request *request = smtp->message.request;

    if (request == NULL) {
        mm_smtp_answer_id(smtp, MM_REPLY_LOCAL_ERROR);
        return;
    }
    const struct mm_reply *reply = mm_request_reply(request);
    if (mm_request_verdict(request) == MM_VERDICT_ACCEPT) {
        smtp->body_error = add_changes(smtp, request);
        mm_session_forget(&smtp->message);
        begin_body(smtp);
    } else if (mm_request_verdict(request) == MM_VERDICT_TAKEN &&
               (reply == NULL || reply->code < 400)) {
        begin_body(smtp);
    } else {
        mm_smtp_answer(smtp, reply);
        mm_smtp_drop_message(smtp);
    }
}

void mm_smtp_data(struct mm_smtp_session *smtp)
{
    switch (mm_session_ask(&smtp->base, &smtp->message, MAILMOD_SMTP_MESSAGE,
                           NULL)) {
    case MM_ASK_NOBODY:
        begin_body(smtp);
        break;
    case MM_ASK_WAIT:
        mm_wait_begin(&smtp->base.wait, MM_WAIT_HOST);
        break;
    case MM_ASK_SETTLED:
        use_early_verdict(smtp);
        break;
    }
}

void mm_smtp_wants_body(struct mm_session *session)
{
    struct mm_smtp_session *smtp = mm_smtp_session(session);

    if (!smtp->host_reads && smtp->deposit != NULL) {
        smtp->host_reads = true;
        begin_body(smtp);
    }
}

/* What the host has not seen of the piece; a host that has settled sees no
 * more. */
static void offer(struct mm_smtp_session *smtp, struct mm_span data)
{
    struct mm_request *request = smtp->message.request;
    struct mm_span rest = mm_span_from(data, smtp->body_offered);

    if (!smtp->host_reads || request == NULL ||
        mm_request_is_settled(request)) {
        smtp->body_offered = data.size;
    } else {
        smtp->body_offered += mm_request_offer(request, rest);
    }
}

/* A failed message is still read to its end, and refused there. */
static bool store(struct mm_smtp_session *smtp, struct mm_span data)
{
    struct mm_span rest = mm_span_from(data, smtp->body_used);
    size_t used = rest.size;

    if (smtp->body_error == MAILMOD_OK && rest.size > 0) {
        smtp->body_error = mm_deposit_write(smtp->deposit, rest, &used);
        if (smtp->body_error != MAILMOD_OK) {
            used = rest.size;
        }
    }
    smtp->body_used += used;
    return smtp->body_used == data.size;
}

void mm_smtp_body(struct mm_smtp_session *smtp,
                  const struct mm_smtpd_info *info)
{
    offer(smtp, info->data);
    if (!store(smtp, info->data)) {
        mm_wait_begin(&smtp->base.wait, MM_WAIT_ROOM);
        return;
    }
    if (!mm_smtp_milters_data(smtp, info->data) ||
        smtp->body_offered < info->data.size) {
        mm_wait_begin(&smtp->base.wait, MM_WAIT_HOST);
        return;
    }
    mm_smtp_milters_data_over(smtp);
    mm_smtp_spam_body(smtp, info->data);
    mm_smtp_content_body(smtp, info->data);
    smtp->octets += info->data.size;
    smtp->body_used = 0;
    smtp->body_offered = 0;
    mm_smtp_answer(smtp, NULL);
}

static void refuse_message(struct mm_smtp_session *smtp,
                           const struct mm_reply *refusal)
{
    mm_smtp_answer(smtp, refusal);
    mm_smtp_drop_message(smtp);
}

/* The host keeps the message: it is answered for and not stored. */
static void give_away(struct mm_smtp_session *smtp)
{
    const struct mm_reply *reply = mm_request_reply(smtp->message.request);

    MM_LOG(mm_smtp_log(smtp), MM_LOG_INFO, "smtp", "message taken by the host",
           MM_TEXT("session", smtp->base.identifier),
           MM_TEXT("message", mm_deposit_identifier(smtp->deposit)));
    if (reply != NULL) {
        mm_smtp_spam_refused(smtp, reply);
    }
    mm_smtp_answer(
        smtp, reply != NULL ? reply : mm_reply_get(MM_REPLY_MESSAGE_ACCEPTED));
    mm_smtp_drop_message(smtp);
}

void mm_smtp_end(struct mm_smtp_session *smtp, const struct mm_smtpd_info *info)
{
    struct mm_request *request = smtp->message.request;
    const struct mm_reply *refusal = NULL;

    if (smtp->body_error != MAILMOD_OK) {
        refusal = mm_reply_get(reply_for(smtp->body_error));
    } else if (!mm_smtp_judge(smtp, MM_STAGE_END, &refusal)) {
        return;
    }
    if (request != NULL) {
        mm_request_offer_end(request);
        if (!mm_request_is_settled(request)) {
            mm_wait_begin(&smtp->base.wait, MM_WAIT_HOST);
            return;
        }
        if (mm_request_verdict(request) == MM_VERDICT_TAKEN) {
            give_away(smtp);
            return;
        }
        if (mm_request_verdict(request) != MM_VERDICT_ACCEPT) {
            refusal = mm_request_reply(request);
        } else if (add_changes(smtp, request) != MAILMOD_OK) {
            refusal = mm_reply_get(MM_REPLY_LOCAL_ERROR);
        }
    }
    if (refusal != NULL) {
        mm_smtp_spam_refused(smtp, refusal);
        refuse_message(smtp, refusal);
        return;
    }
    smtp->body_error = stamp(smtp);
    if (smtp->body_error != MAILMOD_OK) {
        refuse_message(smtp, mm_reply_get(reply_for(smtp->body_error)));
        return;
    }
    mm_session_forget(&smtp->message);
    mm_wait_begin(&smtp->base.wait, MM_WAIT_STORE);
    mm_deposit_finish(smtp->deposit, info->has_8bit);
}
