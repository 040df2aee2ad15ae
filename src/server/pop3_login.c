/* pop3_login.c - the AUTHORIZATION state of a POP3 session.
 *
 * Promises: whatever the verb (PASS, APOP, AUTH), one path leads to the
 * mailbox: the host's word if it is asked, the check, then the exclusive lock
 * (RFC 1939 4); a refusal says the same for an unknown user and a wrong
 * password. Thread: the session's loop. RFC 1939 4 and 7, RFC 3206, RFC 5034.
 */
#include "server/pop3_session.h"

#include "base/mem.h"

/* A client that hung up and comes again at once finds its former session still
 * there; so the lock (RFC 1939 4) is tried for this long before [IN-USE]. */
enum { LOCK_TRIES = 20, LOCK_STEP_MS = 100 };

static void open_mailbox(struct mm_pop3_session *pop3)
{
    if (!mm_pop3_submit_job(pop3, MM_POP3_WORK_OPEN)) {
        mm_pop3_answer_error(pop3, "SYS/TEMP", "too busy, try again later");
    }
}

void mm_pop3_lock_expired(struct mm_timer *timer)
{
    struct mm_pop3_session *pop3 =
        MM_LIST_OBJECT(timer, struct mm_pop3_session, lock_timer);

    if (mm_session_job_done(&pop3->base)) {
        open_mailbox(pop3);
        mm_session_pump(&pop3->base);
    }
}

static bool waits_for_lock(struct mm_pop3_session *pop3)
{
    if (pop3->work_error != MAILMOD_ERROR_BUSY ||
        pop3->lock_tries >= LOCK_TRIES) {
        pop3->lock_tries = 0;
        return false;
    }
    pop3->lock_tries++;
    pop3->base.in_work++;
    mm_timer_set(&pop3->lock_timer, LOCK_STEP_MS);
    return true;
}

void mm_pop3_login_done(struct mm_pop3_session *pop3)
{
    const struct mm_pop3_reply reply = {true, NULL, pop3->login_text};
    size_t count =
        pop3->work_error == MAILMOD_OK ? mm_mailbox_count(pop3->mailbox) : 0;

    if (waits_for_lock(pop3)) {
        return;
    }
    if (pop3->work_error == MAILMOD_OK) {
        pop3->deleted = mm_alloc(count / 8 + 1);
        if (pop3->deleted == NULL) {
            mm_mailbox_close(&pop3->mailbox);
            pop3->work_error = MAILMOD_ERROR_MEMORY;
        }
    }
    if (pop3->work_error == MAILMOD_ERROR_BUSY) {
        mm_pop3_answer_error(pop3, "IN-USE",
                             "another session has this mailbox");
        return;
    }
    if (pop3->work_error != MAILMOD_OK) {
        MM_LOG(mm_pop3_log(pop3), MM_LOG_ERROR, "pop3", "mailbox not opened",
               MM_TEXT("session", pop3->base.identifier),
               MM_TEXT("user", pop3->auth.user_name),
               MM_TEXT("error", mm_error_name(pop3->work_error)));
        mm_pop3_answer_error(pop3, "SYS/TEMP",
                             "the mailbox cannot be opened now");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        pop3->octets += mm_mailbox_entry(pop3->mailbox, i)->size;
    }
    MM_LOG(mm_pop3_log(pop3), MM_LOG_INFO, "pop3", "login",
           MM_TEXT("session", pop3->base.identifier),
           MM_TEXT("user", pop3->auth.user_name),
           MM_TEXT("peer", pop3->base.peer_text),
           MM_NUMBER("messages", (int64_t)count));
    mm_pop3_answer(pop3, pop3->login_text[0] != '\0' ? &reply : NULL);
}

static void log_refused(const struct mm_pop3_session *pop3)
{
    MM_LOG(mm_pop3_log(pop3), MM_LOG_WARNING, "pop3", "login refused",
           MM_TEXT("session", pop3->base.identifier),
           MM_TEXT("user", pop3->auth.user_name),
           MM_TEXT("peer", pop3->base.peer_text));
}

static void login_refused(struct mm_pop3_session *pop3)
{
    const struct mm_config *config = mm_session_config(&pop3->base);

    log_refused(pop3);
    mm_pop3_answer_error(pop3, "AUTH", "user name or password is wrong");
    if (++pop3->base.login_failures >= config->pop3.login_failures_max) {
        mm_session_end(&pop3->base);
    }
}

static void use_verdict(struct mm_pop3_session *pop3,
                        enum mm_auth_verdict verdict)
{
    switch (verdict) {
    case MM_AUTH_WAIT:
        pop3->base.in_work++;
        break;
    case MM_AUTH_CHALLENGE:
        if (mm_pop3d_challenge(pop3->engine,
                               mm_buf_span(&pop3->auth.challenge)) !=
            MAILMOD_OK) {
            mm_session_abort(&pop3->base);
        }
        break;
    case MM_AUTH_OK:
        pop3->mailbox_id = pop3->auth.mailbox_id;
        open_mailbox(pop3);
        break;
    case MM_AUTH_REFUSED:
        login_refused(pop3);
        break;
    case MM_AUTH_SYNTAX:
        mm_pop3_answer_error(pop3, NULL, "not the form that the mechanism has");
        break;
    case MM_AUTH_TEMPORARY:
        mm_pop3_answer_error(pop3, "SYS/TEMP", "try again later");
        break;
    }
}

/* The login's name is known: true when the host is asked first. A question
 * that cannot be put refuses, for the host may be all that guards. */
bool mm_pop3_auth_ask(struct mm_auth *auth)
{
    struct mm_pop3_session *pop3 =
        MM_LIST_OBJECT(auth, struct mm_pop3_session, auth);
    struct mm_request_facts facts = {.user = auth->user_name,
                                     .password = mm_auth_password_text(auth)};

    if (mm_session_ask(&pop3->base, MM_MOMENT_POP3_LOGIN, &facts) ==
        MM_ASK_NOBODY) {
        return false;
    }
    pop3->is_asking_login = true;
    return true;
}

/* What the host that vouches has to say; words that do not fit are left out. */
static void keep_login_text(struct mm_pop3_session *pop3,
                            const struct mm_request *request)
{
    const struct mm_reply *reply =
        request != NULL ? mm_request_reply(request) : NULL;

    if (reply == NULL ||
        !mm_span_copy(mm_span_cstr(reply->text), pop3->login_text,
                      sizeof pop3->login_text)) {
        pop3->login_text[0] = '\0';
    }
}

/* The host's verdict about a login is there. */
void mm_pop3_settle_login(struct mm_pop3_session *pop3)
{
    struct mm_request *request = pop3->base.request;
    enum mm_verdict verdict = request != NULL ? mm_request_verdict(request)
                                              : MM_VERDICT_REJECT_FOR_NOW;

    pop3->is_asking_login = false;
    pop3->base.in_work--;
    if (verdict == MM_VERDICT_REJECT || verdict == MM_VERDICT_REJECT_FOR_NOW) {
        (void)mm_auth_decide(&pop3->auth, MM_AUTH_REFUSE);
        log_refused(pop3);
        mm_pop3_answer_error(
            pop3, verdict == MM_VERDICT_REJECT ? "AUTH" : "SYS/TEMP",
            request != NULL && mm_request_reply(request) != NULL
                ? mm_request_reply(request)->text
                : "try again later");
        mm_session_forget_request(&pop3->base);
        return;
    }
    keep_login_text(pop3, request);
    mm_session_forget_request(&pop3->base);
    use_verdict(pop3, mm_auth_decide(&pop3->auth, verdict == MM_VERDICT_TAKEN
                                                      ? MM_AUTH_VOUCH
                                                      : MM_AUTH_CHECK));
}

void mm_pop3_auth_done(struct mm_auth *auth, enum mm_auth_verdict verdict)
{
    struct mm_pop3_session *pop3 =
        MM_LIST_OBJECT(auth, struct mm_pop3_session, auth);

    if (mm_session_job_done(&pop3->base)) {
        use_verdict(pop3, verdict);
        mm_session_pump(&pop3->base);
    }
}

bool mm_pop3_login_event(struct mm_pop3_session *pop3,
                         enum mm_pop3d_event event,
                         const struct mm_pop3d_info *info)
{
    switch (event) {
    case MM_POP3D_LOGIN:
        use_verdict(pop3,
                    mm_auth_password(&pop3->auth, info->user, info->password));
        return true;
    case MM_POP3D_APOP:
        use_verdict(pop3, mm_auth_apop(&pop3->auth, info->user, info->stamp,
                                       info->digest));
        return true;
    case MM_POP3D_AUTH:
        use_verdict(pop3, mm_auth_begin(&pop3->auth, info->mechanism,
                                        info->has_data, info->data));
        return true;
    case MM_POP3D_AUTH_DATA:
        use_verdict(pop3, mm_auth_continue(&pop3->auth, info->data));
        return true;
    default:
        return false;
    }
}
