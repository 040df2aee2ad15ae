/* pop3_login.c - the AUTHORIZATION state of a POP3 session.
 *
 * Promises: whatever the verb (PASS, APOP, AUTH), a login that logins.c found
 * good gets the exclusive lock of its mailbox (RFC 1939 4), or [IN-USE]; a
 * refusal says the same for an unknown user and a wrong password.
 * Thread: the session's loop. RFC 1939 4 and 7, RFC 3206, RFC 5034. */
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

    if (mm_wait_end(&pop3->base.wait, MM_WAIT_LOCK)) {
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
    mm_wait_begin(&pop3->base.wait, MM_WAIT_LOCK);
    mm_timer_set(&pop3->lock_timer, LOCK_STEP_MS);
    return true;
}

void mm_pop3_open_done(struct mm_pop3_session *pop3)
{
    const struct mm_pop3_reply reply = {true, NULL, pop3->logins.text};
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
               MM_TEXT("user", pop3->logins.auth.user_name),
               MM_TEXT("error", mm_error_name(pop3->work_error)));
        mm_pop3_answer_error(pop3, "SYS/TEMP",
                             "the mailbox cannot be opened now");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        pop3->octets += mm_mailbox_size(pop3->mailbox, i);
    }
    MM_LOG(mm_pop3_log(pop3), MM_LOG_INFO, "pop3", "mailbox opened",
           MM_TEXT("session", pop3->base.identifier),
           MM_TEXT("user", pop3->logins.auth.user_name),
           MM_NUMBER("messages", (int64_t)count));
    mm_pop3_answer(pop3, pop3->logins.text[0] != '\0' ? &reply : NULL);
}

static void challenge(struct mm_session *session, struct mm_span data)
{
    if (mm_pop3d_challenge(mm_pop3_session(session)->engine, data) !=
        MAILMOD_OK) {
        mm_session_abort(session);
    }
}

static void answer_login(struct mm_session *session,
                         enum mm_login_outcome outcome,
                         const struct mm_reply *own)
{
    static const struct mm_pop3_reply replies[] = {
        [MM_LOGIN_REFUSED] = {false, "AUTH", "user name or password is wrong"},
        [MM_LOGIN_REFUSED_LAST] = {false, "AUTH",
                                   "user name or password is wrong"},
        [MM_LOGIN_REFUSED_FOR_NOW] = {false, "SYS/TEMP", "try again later"},
        [MM_LOGIN_SYNTAX] = {false, NULL,
                             "not the form that the mechanism has"},
        [MM_LOGIN_TEMPORARY] = {false, "SYS/TEMP", "try again later"},
    };
    struct mm_pop3_session *pop3 = mm_pop3_session(session);

    if (outcome == MM_LOGIN_OK) {
        open_mailbox(pop3);
        return;
    }
    struct mm_pop3_reply reply = replies[outcome];
    reply.text = own != NULL ? own->text : reply.text;
    mm_pop3_answer(pop3, &reply);
    if (outcome == MM_LOGIN_REFUSED_LAST) {
        mm_session_end(session);
    }
}

static void answer_held(struct mm_session *session)
{
    mm_logins_answer_held(&mm_pop3_session(session)->logins);
}

const struct mm_login_words mm_pop3_login_words = {
    .moment = MAILMOD_POP3_LOGIN,
    .challenge = challenge,
    .answer = answer_login,
    .answer_held = answer_held,
};

bool mm_pop3_login_event(struct mm_pop3_session *pop3,
                         enum mm_pop3d_event event,
                         const struct mm_pop3d_info *info)
{
    struct mm_logins *login = &pop3->logins;

    switch (event) {
    case MM_POP3D_LOGIN:
        mm_logins_password(login, info->user, info->password);
        return true;
    case MM_POP3D_APOP:
        mm_logins_apop(login, info->user, info->stamp, info->digest);
        return true;
    case MM_POP3D_AUTH:
        mm_logins_begin(login, info->mechanism, info->has_data, info->data);
        return true;
    case MM_POP3D_AUTH_DATA:
        mm_logins_continue(login, info->data);
        return true;
    default:
        return false;
    }
}
