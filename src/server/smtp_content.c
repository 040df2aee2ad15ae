/* smtp_content.c - the rules about content judge a message of an SMTP session.
 *
 * Owns the first octets of the message, its recipients, and the judging, which
 * goes whole to a worker. Promises: nothing is kept of a message that no rule
 * looks at; what is kept has a bound (content.text_max, MM_LIMIT_CONTENT_PATHS)
 * whatever the peer sends; filters were asked before, so that rules see their
 * fields.
 * Thread: the session's loop; `run` on a worker. */
#include "server/smtp_session.h"

#include "base/mem.h"
#include "server/server_internal.h"

struct mm_smtp_content {
    struct mm_job job;
    struct mm_smtp_session *smtp; /* which stays until the job is back */
    struct mm_content_rules *rules;
    struct mm_buf text;
    struct mm_buf recipients;
    size_t recipient_count;
    bool is_out;       /* the job */
    bool is_forgotten; /* while it is out */
    bool is_judged;
    bool
        is_used; /* the verdict: END is looked at again while the host thinks */
    /* Its own, for the session may go on: */
    struct mm_content_facts facts;
    struct mm_changes wanted; /* by others */
    char peer[MM_NETADDR_TEXT_MAX];
    char sender[MM_STORE_REVERSE_PATH_MAX];
    char hello[MM_LIMIT_DOMAIN + 1];
    char user[MM_STORE_USER_MAX];
    struct mm_content_verdict verdict;
    enum mailmod_error error;
};

static void free_content(struct mm_smtp_content *content)
{
    mm_content_rules_unref(&content->rules);
    mm_buf_fini(&content->text);
    mm_buf_fini(&content->recipients);
    mm_changes_clear(&content->wanted);
    mm_changes_clear(&content->verdict.changes);
    mm_free(content);
}

void mm_smtp_content_forget(struct mm_smtp_session *smtp)
{
    struct mm_smtp_content *content = smtp->content;

    smtp->content = NULL;
    if (content != NULL && content->is_out) {
        content->is_forgotten = true;
    } else if (content != NULL) {
        free_content(content);
    }
}

bool mm_smtp_content_may_change(const struct mm_smtp_session *smtp)
{
    const struct mm_config *config = mm_session_config(&smtp->base);

    return config->content.rules_file[0] != '\0' &&
           !(smtp->is_logged_in && config->content.exempts_logins) &&
           !mm_session_is_from(&smtp->base, &config->content.exempt);
}

enum mailmod_error mm_smtp_content_begin(struct mm_smtp_session *smtp)
{
    if (!mm_smtp_content_may_change(smtp)) {
        return MAILMOD_OK;
    }
    struct mm_content_rules *rules = mm_content_use(
        &smtp->base.server->content, mm_loop_now_ms(smtp->base.loop));
    if (rules == NULL) {
        return MAILMOD_OK;
    }
    struct mm_smtp_content *content = mm_alloc(sizeof *content);
    if (content == NULL) {
        mm_content_rules_unref(&rules);
        return MAILMOD_ERROR_MEMORY;
    }
    content->smtp = smtp;
    content->rules = rules;
    mm_buf_init(&content->text,
                (size_t)mm_session_config(&smtp->base)->content.text_max);
    mm_buf_init(&content->recipients, MM_LIMIT_CONTENT_PATHS);
    mm_changes_init(&content->wanted);
    mm_changes_init(&content->verdict.changes);
    smtp->content = content;
    return MAILMOD_OK;
}

void mm_smtp_content_recipient(struct mm_smtp_session *smtp, const char *path)
{
    struct mm_smtp_content *content = smtp->content;
    struct mm_span text = mm_span_cstr(path);

    if (content == NULL) {
        return;
    }
    content->recipient_count++;
    if (mm_buf_room(&content->recipients) > text.size) {
        if (mm_buf_size(&content->recipients) > 0) {
            (void)mm_buf_append_char(&content->recipients, '\n');
        }
        (void)mm_buf_append_span(&content->recipients, text);
    }
}

void mm_smtp_content_body(struct mm_smtp_session *smtp, struct mm_span data)
{
    struct mm_smtp_content *content = smtp->content;

    if (content != NULL) {
        size_t room = mm_buf_room(&content->text);
        (void)mm_buf_append(&content->text, data.data,
                            data.size < room ? data.size : room);
    }
}

/* ---- the judging ---- */

/* thread: worker */
static void run(struct mm_job *job)
{
    struct mm_smtp_content *content =
        MM_LIST_OBJECT(job, struct mm_smtp_content, job);

    content->error = mm_content_rules_ask(content->rules, &content->facts,
                                          &content->verdict);
}

static void done(struct mm_job *job)
{
    struct mm_smtp_content *content =
        MM_LIST_OBJECT(job, struct mm_smtp_content, job);
    struct mm_smtp_session *smtp = content->smtp;

    content->is_out = false;
    content->is_judged = true;
    if (content->is_forgotten) {
        free_content(content);
    }
    if (mm_session_job_done(&smtp->base)) {
        mm_session_pump(&smtp->base);
    }
}

static void fill_facts(struct mm_smtp_content *content)
{
    const struct mm_smtp_session *smtp = content->smtp;

    mm_netaddr_format_ip(&smtp->base.peer, content->peer);
    (void)mm_span_copy(mm_span_cstr(mm_deposit_reverse_path(smtp->deposit)),
                       content->sender, sizeof content->sender);
    (void)mm_span_copy(mm_span_cstr(smtp->helo_name), content->hello,
                       sizeof content->hello);
    (void)mm_span_copy(mm_span_cstr(smtp->is_logged_in ? smtp->user : ""),
                       content->user, sizeof content->user);
    content->facts = (struct mm_content_facts){
        .text = mm_buf_span(&content->text),
        .size = smtp->octets,
        .sender = content->sender,
        .hello = content->hello,
        .peer = content->peer,
        .user = content->user,
        .recipients = mm_buf_span(&content->recipients),
        .recipient_count = content->recipient_count,
        .changes = &content->wanted};
}

static enum mailmod_error submit(struct mm_smtp_content *content)
{
    struct mm_smtp_session *smtp = content->smtp;
    enum mailmod_error error =
        mm_buf_error(&content->text) != MAILMOD_OK
            ? mm_buf_error(&content->text)
            : mm_changes_add_all(&content->wanted,
                                 mm_deposit_changes(smtp->deposit), NULL);

    if (error == MAILMOD_OK) {
        fill_facts(content);
        content->job.loop = smtp->base.loop;
        content->job.run = run;
        content->job.done = done;
        error = mm_workers_submit(smtp->base.server->workers, &content->job);
    }
    content->is_out = error == MAILMOD_OK;
    return error;
}

static enum mm_judgement answer_error(struct mm_finding *finding)
{
    finding->reply = mm_reply_get(MM_REPLY_LOCAL_ERROR);
    return MM_JUDGE_REPLY;
}

static enum mm_judgement use_verdict(struct mm_smtp_content *content,
                                     struct mm_finding *finding)
{
    const struct mm_smtp_session *smtp = content->smtp;
    const struct mm_content_verdict *verdict = &content->verdict;

    finding->reply = verdict->reply;
    if (content->is_used) {
        return verdict->reply != NULL ? MM_JUDGE_REPLY : MM_JUDGE_PASS;
    }
    content->is_used = true;
    if (content->error != MAILMOD_OK ||
        mm_changes_add_all(mm_deposit_changes(smtp->deposit), &verdict->changes,
                           NULL) != MAILMOD_OK) {
        return answer_error(finding);
    }
    if (verdict->rule != NULL) {
        MM_LOG(mm_smtp_log(smtp), MM_LOG_INFO, "smtp", "a rule about content",
               MM_TEXT("session", smtp->base.identifier),
               MM_TEXT("message", mm_deposit_identifier(smtp->deposit)),
               MM_TEXT("rule", verdict->rule));
    }
    return verdict->reply != NULL ? MM_JUDGE_REPLY : MM_JUDGE_PASS;
}

enum mm_judgement mm_smtp_content_judges_message(void *subject,
                                                 struct mm_finding *finding)
{
    struct mm_smtp_session *smtp = subject;
    struct mm_smtp_content *content = smtp->content;

    if (content == NULL) {
        return MM_JUDGE_PASS;
    }
    if (content->is_judged) {
        return use_verdict(content, finding);
    }
    if (submit(content) != MAILMOD_OK) {
        return answer_error(finding);
    }
    finding->wait = MM_WAIT_JOB;
    return MM_JUDGE_LATER;
}
