/* smtp_judges.c - the judges of SMTP sessions: one table.
 *
 * Owns nothing but the words about a peer that block lists have. Promises:
 * policy, limits, block lists and the host are asked here and nowhere else, in
 * the order of the table; the host's word about a whole message, which may take
 * it away, is the transaction's (smtp_transaction.c).
 * Thread: the session's loop. RFC 5321 3.1, 4.5.1, 6.3, 7.7; RFC 6409 6.1. */
#include "server/smtp_session.h"

#include "base/mem.h"
#include "post/directory.h"
#include "server/server_internal.h"
#include "wire/msg/header_edit.h"

#include <stdio.h>

static enum mm_judgement refuse_if(const struct mm_reply *reply,
                                   struct mm_finding *finding)
{
    finding->reply = reply;
    return reply != NULL ? MM_JUDGE_REPLY : MM_JUDGE_PASS;
}

/* A peer that guesses addresses is slowed, not cut off: behind the recipients
 * that are no more there may be others that are. */
static enum mm_judgement guesses_are_slowed(void *subject,
                                            struct mm_finding *finding)
{
    const struct mm_smtp_session *smtp = subject;
    const struct mm_config *config = mm_session_config(&smtp->base);

    if (smtp->refused_count >= config->smtp.quick_refusals) {
        mm_finding_add(
            finding, (struct mm_effect){
                         .kind = MM_EFFECT_DELAY,
                         .delay_ms = (unsigned)config->smtp.refusal_delay_ms});
    }
    return MM_JUDGE_PASS;
}

static void greet(struct mm_session *session)
{
    (void)session; /* the pending event is judged again */
}

/* RFC 5321 4.3.1: a client waits for the greeting. */
static enum mm_judgement early_talkers_are_refused(void *subject,
                                                   struct mm_finding *finding)
{
    struct mm_smtp_session *smtp = subject;
    const struct mm_config *config = mm_session_config(&smtp->base);

    if (config->smtp.greeting_delay_ms == 0 ||
        smtp->base.service != MM_SERVICE_SMTP ||
        mm_session_is_from(&smtp->base, &config->smtp.lenient_from)) {
        return MM_JUDGE_PASS;
    }
    if (!smtp->has_held_greeting) {
        smtp->has_held_greeting = true;
        if (mm_session_set_delay(&smtp->base, config->smtp.greeting_delay_ms,
                                 greet)) {
            finding->wait = MM_WAIT_DELAY;
            return MM_JUDGE_LATER;
        }
    }
    return refuse_if(smtp->base.has_spoken ? mm_reply_get(MM_REPLY_EARLY_TALKER)
                                           : NULL,
                     finding);
}

/* The host's own words, or those for a question that could not be put. */
static enum mm_judgement
ask_host(struct mm_smtp_session *smtp, struct mm_question *question,
         enum mailmod_moment moment, struct mm_request_facts *facts,
         enum mm_reply_id unasked, struct mm_finding *finding)
{
    switch (mm_session_ask(&smtp->base, question, moment, facts)) {
    case MM_ASK_NOBODY:
        return MM_JUDGE_PASS;
    case MM_ASK_WAIT:
        finding->wait = MM_WAIT_HOST;
        return MM_JUDGE_LATER;
    case MM_ASK_SETTLED:
        break;
    }
    return refuse_if(question->request != NULL
                         ? mm_request_reply(question->request)
                         : mm_reply_get(unasked),
                     finding);
}

/* A host may turn a peer away before the greeting, or join it. */
static enum mm_judgement host_judges_peer(void *subject,
                                          struct mm_finding *finding)
{
    struct mm_smtp_session *smtp = subject;
    struct mm_request_facts facts = {0};

    return ask_host(smtp, &smtp->base.question, MAILMOD_SMTP_CONNECT, &facts,
                    MM_REPLY_SHUTTING_DOWN, finding);
}

/* Only a refusal decides: a 2xx of the host's would end the judging. */
static enum mm_judgement refusal_alone(enum mm_judgement judgement,
                                       const struct mm_finding *finding)
{
    return judgement == MM_JUDGE_REPLY && finding->reply->code < 400
               ? MM_JUDGE_PASS
               : judgement;
}

/* Begun at MAIL, said at RCPT. */
static enum mm_judgement host_judges_sender(void *subject,
                                            struct mm_finding *finding)
{
    struct mm_smtp_session *smtp = subject;
    struct mm_request_facts facts = {
        .user = smtp->is_logged_in ? smtp->user : NULL,
        .reverse_path = smtp->deposit != NULL
                            ? mm_deposit_reverse_path(smtp->deposit)
                            : smtp->info->path->text};

    return refusal_alone(ask_host(smtp, &smtp->sender, MAILMOD_SMTP_MAIL,
                                  &facts, MM_REPLY_LOCAL_ERROR, finding),
                         finding);
}

static enum mm_judgement host_judges_recipient(void *subject,
                                               struct mm_finding *finding)
{
    struct mm_smtp_session *smtp = subject;
    struct mm_request_facts facts = {
        .user = smtp->is_logged_in ? smtp->user : NULL,
        .reverse_path = mm_deposit_reverse_path(smtp->deposit),
        .message = mm_deposit_identifier(smtp->deposit),
        .recipient = smtp->info->path->text};

    return refusal_alone(ask_host(smtp, &smtp->base.question, MAILMOD_SMTP_RCPT,
                                  &facts, MM_REPLY_LOCAL_ERROR, finding),
                         finding);
}

/* "X-Blocklist: LABEL, LABEL", a line each: RFC 5322 2.1.1. */
static void write_labels(const void *subject, struct mm_buf *out)
{
    const struct mm_smtp_session *smtp = subject;
    const char *before = MM_HEADER_BLOCKLIST ": ";
    const char *label;

    for (size_t i = 0; (label = mm_blocklist_label(smtp->blocklist, i)) != NULL;
         i++) {
        (void)mm_buf_appendf(out, "%s%s", before, label);
        before = ",\r\n ";
    }
    (void)mm_buf_append_cstr(out, "\r\n");
}

static void write_black_list(const void *subject, struct mm_buf *out)
{
    (void)subject;
    (void)mm_buf_append_cstr(out, MM_HEADER_BLOCKLIST ": black list\r\n");
}

static bool is_for_postmaster(const struct mm_smtp_session *smtp)
{
    return mm_directory_is_postmaster(smtp->info->path);
}

/* RFC 5321 4.5.1: postmaster hears everybody. */
static enum mm_judgement rules_judge_recipient(void *subject,
                                               struct mm_finding *finding)
{
    struct mm_smtp_session *smtp = subject;
    const struct mm_config *config = mm_session_config(&smtp->base);

    smtp->lists.found = MM_RULE_LISTS;
    if (smtp->lists.rules == NULL || is_for_postmaster(smtp)) {
        return MM_JUDGE_PASS;
    }
    if (!mm_smtp_lists_ask(smtp)) {
        finding->wait = MM_WAIT_NAMES;
        return MM_JUDGE_LATER;
    }
    if (smtp->lists.found != MM_RULE_BLACK) {
        return MM_JUDGE_PASS;
    }
    if (config->lists.action == MM_CONFIG_DNSBL_TAG) {
        mm_finding_add(finding, (struct mm_effect){.kind = MM_EFFECT_FIELD,
                                                   .write = write_black_list});
        return MM_JUDGE_PASS;
    }
    smtp->blocked_reply =
        (struct mm_reply){550, "5.7.1", config->lists.refusal_text};
    return refuse_if(&smtp->blocked_reply, finding);
}

/* Users who submit bring no names of their own. */
static enum mm_judgement names_judge_recipient(void *subject,
                                               struct mm_finding *finding)
{
    struct mm_smtp_session *smtp = subject;
    const struct mm_config *config = mm_session_config(&smtp->base);
    const struct mm_reply *refusal;

    if ((config->checks.helo == MM_CONFIG_CHECK_OFF &&
         config->checks.sender_domain == MM_CONFIG_CHECK_OFF &&
         config->checks.reverse_dns == MM_CONFIG_CHECK_OFF) ||
        smtp->base.service != MM_SERVICE_SMTP ||
        smtp->base.peer_origin == MM_PEER_HIDDEN ||
        smtp->lists.found == MM_RULE_WHITE || is_for_postmaster(smtp) ||
        mm_session_is_from(&smtp->base, &config->checks.exempt)) {
        return MM_JUDGE_PASS;
    }
    if (!mm_smtp_names_ask(smtp, &refusal)) {
        finding->wait = MM_WAIT_NAMES;
        return MM_JUDGE_LATER;
    }
    return refuse_if(refusal, finding);
}

/* Nobody is refused here: what is found is greylisting's, which knows whether
 * there is such a recipient. A network that came again passes without it. */
static enum mm_judgement sender_hosts_are_found(void *subject,
                                                struct mm_finding *finding)
{
    struct mm_smtp_session *smtp = subject;
    struct mm_session *session = &smtp->base;

    if (!mm_session_config(session)->greylisting.exempts_mx ||
        !mm_smtp_may_be_greylisted(smtp) ||
        !mm_smtp_is_local(smtp, smtp->info->path) ||
        mm_greylist_knows(&session->server->greylist, &session->peer,
                          mm_loop_wall_ms(session->loop)) ||
        mm_smtp_sender_hosts_ask(smtp)) {
        return MM_JUDGE_PASS;
    }
    finding->wait = MM_WAIT_NAMES;
    return MM_JUDGE_LATER;
}

/* Nobody has such an address, whatever the lists of names say. */
static enum mm_judgement traps_judge_recipient(void *subject,
                                               struct mm_finding *finding)
{
    struct mm_smtp_session *smtp = subject;
    const struct mm_session *session = &smtp->base;
    const struct mm_config *config = mm_session_config(session);

    if (config->traps.addresses.count == 0 ||
        session->service != MM_SERVICE_SMTP ||
        session->peer_origin == MM_PEER_HIDDEN ||
        smtp->lists.found == MM_RULE_WHITE ||
        !mm_traps_is_trap(config, smtp->info->path)) {
        return MM_JUDGE_PASS;
    }
    MM_LOG(mm_smtp_log(smtp), MM_LOG_WARNING, "smtp", "wrote to a trap",
           MM_TEXT("session", session->identifier),
           MM_TEXT("peer", session->peer_text),
           MM_TEXT("recipient", smtp->info->path->text));
    smtp->spam.has_trap = true;
    mm_traps_catch(&session->server->traps, config, &session->peer,
                   mm_loop_wall_ms(session->loop));
    return refuse_if(mm_reply_get(MM_REPLY_NO_SUCH_USER), finding);
}

/* Who submits here is known otherwise: other services ask no list. They are
 * asked since the connection, and have their say where the white list had. */
static enum mm_judgement lists_judge_peer(void *subject,
                                          struct mm_finding *finding)
{
    struct mm_smtp_session *smtp = subject;

    if (smtp->blocklist == NULL || smtp->lists.found == MM_RULE_WHITE ||
        is_for_postmaster(smtp)) {
        return MM_JUDGE_PASS;
    }
    if (!mm_blocklist_is_done(smtp->blocklist)) {
        finding->wait = MM_WAIT_NAMES;
        return MM_JUDGE_LATER;
    }
    const char *zone = mm_blocklist_zone(smtp->blocklist);
    if (zone == NULL) {
        return MM_JUDGE_PASS;
    }
    if (mm_session_config(&smtp->base)->dnsbl.action == MM_CONFIG_DNSBL_TAG) {
        mm_finding_add(finding, (struct mm_effect){.kind = MM_EFFECT_FIELD,
                                                   .write = write_labels});
        return MM_JUDGE_PASS;
    }
    char peer[MM_NETADDR_TEXT_MAX];
    mm_netaddr_format_ip(&smtp->base.peer, peer);
    const char *reason = mm_blocklist_reason(smtp->blocklist);
    if (snprintf(smtp->blocked_text, sizeof smtp->blocked_text,
                 "mail from [%s] is refused, it is listed by %s%s%s", peer,
                 zone, reason[0] != '\0' ? ": " : "", reason) < 0) {
        smtp->blocked_text[0] = '\0';
    }
    smtp->blocked_reply = (struct mm_reply){550, "5.7.1", smtp->blocked_text};
    return refuse_if(&smtp->blocked_reply, finding);
}

/* thread: worker */
static void run_sender_check(struct mm_job *job)
{
    struct mm_sender_check *check =
        MM_LIST_OBJECT(job, struct mm_sender_check, job);

    check->refusal =
        mm_policy_check_sender(&check->facts, &check->reverse_path);
}

static void on_sender_checked(struct mm_job *job)
{
    struct mm_smtp_session *smtp =
        MM_LIST_OBJECT(job, struct mm_sender_check, job)->smtp;

    if (mm_session_job_done(&smtp->base)) {
        mm_session_pump(&smtp->base);
    }
}

/* The check goes whole to a worker, which may wait for the store. */
static bool begin_sender_check(struct mm_smtp_session *smtp)
{
    struct mm_sender_check *check = mm_alloc(sizeof *check);

    if (check == NULL) {
        return false;
    }
    check->smtp = smtp;
    check->facts = mm_smtp_facts(smtp);
    check->reverse_path = *smtp->info->path;
    check->job.loop = smtp->base.loop;
    check->job.run = run_sender_check;
    check->job.done = on_sender_checked;
    if (mm_workers_submit(smtp->base.server->workers, &check->job) !=
        MAILMOD_OK) {
        mm_free(check);
        return false;
    }
    smtp->sender_check = check;
    return true;
}

static enum mm_judgement policy_judges_sender(void *subject,
                                              struct mm_finding *finding)
{
    struct mm_smtp_session *smtp = subject;
    struct mm_policy_facts facts = mm_smtp_facts(smtp);

    if (!mm_policy_asks_about_sender(&facts) ||
        !mm_store_waits(smtp->base.server->store)) {
        return refuse_if(mm_policy_check_sender(&facts, smtp->info->path),
                         finding);
    }
    if (smtp->sender_check == NULL && begin_sender_check(smtp)) {
        finding->wait = MM_WAIT_JOB;
        return MM_JUDGE_LATER;
    }
    const struct mm_reply *refusal = smtp->sender_check != NULL
                                         ? smtp->sender_check->refusal
                                         : mm_reply_get(MM_REPLY_LOCAL_ERROR);
    mm_free(smtp->sender_check);
    smtp->sender_check = NULL;
    return refuse_if(refusal, finding);
}

/* The host has not heard yet what became of the mail before. */
static enum mm_judgement news_hold_up(void *subject, struct mm_finding *finding)
{
    const struct mm_smtp_session *smtp = subject;
    bool is_behind = mm_post_is_behind(smtp->base.server->options.post);

    return refuse_if(is_behind ? mm_reply_get(MM_REPLY_NOT_NOW) : NULL,
                     finding);
}

static enum mm_judgement limits_judge_message(void *subject,
                                              struct mm_finding *finding)
{
    const struct mm_smtp_session *smtp = subject;
    unsigned max =
        mm_session_config(&smtp->base)->smtp.messages_per_connection_max;
    bool is_full = max != 0 && smtp->message_count >= max;

    return refuse_if(is_full ? mm_reply_get(MM_REPLY_TOO_MANY_MESSAGES) : NULL,
                     finding);
}

bool mm_smtp_is_rated(const struct mm_smtp_session *smtp)
{
    const struct mm_config *config = mm_session_config(&smtp->base);

    return mm_rates_are_set(config) &&
           !mm_session_is_from(&smtp->base, &config->rates.exempt);
}

struct mm_rate_subject mm_smtp_rate_subject(const struct mm_smtp_session *smtp)
{
    return (struct mm_rate_subject){
        .config = mm_session_config(&smtp->base),
        .peer = &smtp->base.peer,
        .user = smtp->is_logged_in ? smtp->user : NULL,
        .sender = smtp->deposit != NULL ? mm_deposit_reverse_path(smtp->deposit)
                                        : smtp->info->path->text};
}

/* A message counts once its MAIL was taken. */
static enum mm_judgement rates_judge_message(void *subject,
                                             struct mm_finding *finding)
{
    const struct mm_smtp_session *smtp = subject;

    if (!mm_smtp_is_rated(smtp)) {
        return MM_JUDGE_PASS;
    }
    struct mm_rates *rates = &smtp->base.server->rates;
    struct mm_rate_subject whose = mm_smtp_rate_subject(smtp);
    uint64_t now_ms = mm_loop_now_ms(smtp->base.loop);
    const struct mm_reply *reply = mm_rates_check(
        rates, &whose, MM_RATE_OCTETS, smtp->info->mail->size, now_ms);
    if (reply == NULL) {
        reply = mm_rates_take(rates, &whose, MM_RATE_MESSAGES, 1, now_ms);
    }
    return refuse_if(reply, finding);
}

static enum mm_judgement rates_judge_recipient(void *subject,
                                               struct mm_finding *finding)
{
    const struct mm_smtp_session *smtp = subject;

    if (!mm_smtp_is_rated(smtp)) {
        return MM_JUDGE_PASS;
    }
    struct mm_rate_subject whose = mm_smtp_rate_subject(smtp);
    return refuse_if(mm_rates_take(&smtp->base.server->rates, &whose,
                                   MM_RATE_RECIPIENTS, 1,
                                   mm_loop_now_ms(smtp->base.loop)),
                     finding);
}

/* RFC 5321 4.2.5: nobody sends a whole message to hear that it has no room. */
static enum mm_judgement room_judges_message(void *subject,
                                             struct mm_finding *finding)
{
    const struct mm_smtp_session *smtp = subject;
    bool has_room =
        mm_store_has_room_for(smtp->base.server->store, smtp->info->mail->size);

    return refuse_if(has_room ? NULL : mm_reply_get(MM_REPLY_STORAGE_FULL),
                     finding);
}

/* For what is not local. */
static enum mm_judgement policy_judges_recipient(void *subject,
                                                 struct mm_finding *finding)
{
    const struct mm_smtp_session *smtp = subject;
    struct mm_policy_facts facts = mm_smtp_facts(smtp);
    bool is_local = mm_smtp_is_local(smtp, smtp->info->path);

    return refuse_if(
        is_local ? NULL : mm_policy_check_remote(&facts, smtp->info->path),
        finding);
}

/* RFC 5321 6.3: a message that has gone through so many hosts goes in a circle.
 */
static enum mm_judgement loops_are_refused(void *subject,
                                           struct mm_finding *finding)
{
    const struct mm_smtp_session *smtp = subject;
    bool loops = mm_deposit_received_count(smtp->deposit) >
                 mm_session_config(&smtp->base)->smtp.received_max;

    return refuse_if(loops ? mm_reply_get(MM_REPLY_LOOP) : NULL, finding);
}

static const struct mm_judge table[] = {
    /* first: whoever refuses, it is slowed */
    {"guesses", MM_STAGE_RCPT, true, guesses_are_slowed},
    {"early talkers", MM_STAGE_CONNECT, true, early_talkers_are_refused},
    {"host, peer", MM_STAGE_CONNECT, true, host_judges_peer},
    {"sender", MM_STAGE_MAIL, true, policy_judges_sender},
    {"messages", MM_STAGE_MAIL, true, limits_judge_message},
    {"news", MM_STAGE_MAIL, true, news_hold_up},
    {"room", MM_STAGE_MAIL, true, room_judges_message},
    {"rates, message", MM_STAGE_MAIL, true, rates_judge_message},
    {"host, sender", MM_STAGE_MAIL, false, host_judges_sender},
    {"milters, sender", MM_STAGE_MAIL, false, mm_smtp_milters_judge_sender},
    {"rules", MM_STAGE_RCPT, true, rules_judge_recipient},
    {"spam, recipient", MM_STAGE_RCPT, true, mm_smtp_spam_hears_recipient},
    {"traps", MM_STAGE_RCPT, true, traps_judge_recipient},
    {"block lists", MM_STAGE_RCPT, true, lists_judge_peer},
    {"names", MM_STAGE_RCPT, true, names_judge_recipient},
    {"relay", MM_STAGE_RCPT, true, policy_judges_recipient},
    {"sender's hosts", MM_STAGE_RCPT, true, sender_hosts_are_found},
    {"rates, recipient", MM_STAGE_RCPT, true, rates_judge_recipient},
    /* last of its stage: the host is not asked about what is refused anyway */
    {"host, recipient", MM_STAGE_RCPT, true, host_judges_recipient},
    {"loop", MM_STAGE_END, true, loops_are_refused},
    /* no filter is asked about what is known */
    {"spam, message", MM_STAGE_END, true, mm_smtp_spam_judges_message},
    {"milters, message", MM_STAGE_END, true, mm_smtp_milters_judge_message},
    /* rules see what filters wrote */
    {"content", MM_STAGE_END, true, mm_smtp_content_judges_message},
};

void mm_smtp_judges_init(struct mm_smtp_session *smtp)
{
    mm_judging_init(&smtp->judging, table, sizeof table / sizeof table[0],
                    smtp);
}

bool mm_smtp_judge(struct mm_smtp_session *smtp, enum mm_stage stage,
                   const struct mm_reply **refusal_out)
{
    struct mm_finding finding = {0};
    bool is_postmaster =
        stage == MM_STAGE_RCPT && mm_directory_is_postmaster(smtp->info->path);
    enum mm_judgement judgement =
        mm_judging_ask(&smtp->judging, stage, is_postmaster, &finding);

    *refusal_out = judgement == MM_JUDGE_REPLY ? finding.reply : NULL;
    if (judgement == MM_JUDGE_LATER) {
        mm_wait_begin(&smtp->base.wait, finding.wait);
        return false;
    }
    return true;
}
