/* pop3_login.c - the AUTHORIZATION state of a POP3 session, and each opening of
 * its mailbox.
 *
 * Promises: whatever the verb (PASS, APOP, AUTH, XLOG), a login that logins.c
 * found good gets the exclusive lock of its mailbox (RFC 1939 4), or [IN-USE],
 * or [LOGIN-DELAY]; a refusal says the same for an unknown user and a wrong
 * password. WAKE is an opening like any other, for a user who is looked at
 * again; when it fails the session sleeps on. A provider that has users of its
 * own checks them itself: its mailbox is visited then, and listed or closed
 * with the login's outcome. Thread: the session's loop; mm_pop3_run_open on a
 * worker. RFC 1939 4 and 7, RFC 2449 6.5, RFC 3206, RFC 5034. */
#include "server/pop3_session.h"

#include "base/mem.h"
#include "post/mailboxes.h"
#include "server/server_internal.h"

#include <string.h>

/* A client that hung up and comes again at once finds its former
 * session still there; so the lock (RFC 1939 4) is tried for this long
 * before [IN-USE]. */
enum { LOCK_TRIES = 20, LOCK_STEP_MS = 100 };

/* No mailbox was opened. After CORE there is no way back to the former
 * listing: its lock is gone. */
static void refuse_opening(struct mm_pop3_session *pop3, const char *code,
                           const char *text)
{
    const struct mm_pop3_reply reply = {false, code, text};

    if (pop3->opening_for != MM_POP3_FOR_CORE) {
        mm_pop3_answer(pop3, &reply);
    } else if (mm_pop3d_close(pop3->engine, &reply) != MAILMOD_OK) {
        mm_session_abort(&pop3->base);
    }
    if (pop3->opening_for == MM_POP3_FOR_LOGIN) {
        pop3->base.user = NULL;
        mm_mailbox_close(&pop3->mailbox); /* one that was visited */
    }
}

static void submit_opening(struct mm_pop3_session *pop3)
{
    if (!mm_pop3_submit_job(pop3, MM_POP3_WORK_OPEN)) {
        refuse_opening(pop3, "SYS/TEMP", "too busy, try again later");
    }
}

void mm_pop3_open(struct mm_pop3_session *pop3, enum mm_pop3_opening opening)
{
    pop3->opening_for = opening;
    submit_opening(pop3);
}

/* A user who slept may be another one's mailbox by now, or none. */
static enum mailmod_error look_again(const struct mm_pop3_session *pop3)
{
    const struct mm_auth *auth = &pop3->logins.auth;
    struct mm_store_user user;
    enum mailmod_error error =
        mm_store_find_user(pop3->base.server->store, auth->user_name, &user);

    if (error == MAILMOD_OK &&
        (user.is_disabled || user.mailbox_id != auth->mailbox_id)) {
        error = MAILMOD_ERROR_NOT_FOUND;
    }
    mm_secret_clear(&user, sizeof user);
    return error;
}

static bool may_only_read(const struct mm_config *config, const char *user)
{
    const struct mm_string_list *users = &config->pop3.read_only_users;

    for (size_t i = 0; i < users->count; i++) {
        char name[MM_STORE_USER_MAX];

        if (mm_user_name_canonical(mm_span_cstr(users->items[i]), name) ==
                MAILMOD_OK &&
            strcmp(name, user) == 0) {
            return true;
        }
    }
    return false;
}

static void look_at_listing(struct mm_pop3_session *pop3)
{
    pop3->mailbox->is_read_only = pop3->mailbox->is_read_only ||
                                  may_only_read(mm_session_config(&pop3->base),
                                                pop3->logins.auth.user_name);
    pop3->has_news = pop3->opening_for != MM_POP3_FOR_LOGIN &&
                     mm_listing_memory_has_news(&pop3->memory, pop3->mailbox);
}

enum mailmod_error mm_pop3_run_open(struct mm_pop3_session *pop3)
{
    const struct mm_config *config = mm_session_config(&pop3->base);
    const struct mm_auth *auth = &pop3->logins.auth;
    enum mailmod_error error =
        pop3->opening_for == MM_POP3_FOR_WAKE ? look_again(pop3) : MAILMOD_OK;

    if (error == MAILMOD_OK) {
        error = mm_mailboxes_open_folder(
            pop3->base.server->options.post, config, auth->user_name,
            auth->mailbox_id, config->local.plus_folders ? auth->folder : NULL,
            &pop3->mailbox);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    look_at_listing(pop3);
    return MAILMOD_OK;
}

void mm_pop3_lock_expired(struct mm_timer *timer)
{
    struct mm_pop3_session *pop3 =
        MM_LIST_OBJECT(timer, struct mm_pop3_session, lock_timer);

    if (mm_wait_end(&pop3->base.wait, MM_WAIT_LOCK)) {
        submit_opening(pop3);
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

static void refuse_for_error(struct mm_pop3_session *pop3,
                             enum mailmod_error error)
{
    if (error == MAILMOD_ERROR_BUSY) {
        refuse_opening(pop3, "IN-USE", "another session has this mailbox");
        return;
    }
    if (error == MAILMOD_ERROR_NOT_FOUND &&
        pop3->opening_for == MM_POP3_FOR_WAKE) {
        refuse_opening(pop3, "AUTH", "this user may not log in any more");
        return;
    }
    MM_LOG(mm_pop3_log(pop3), MM_LOG_ERROR, "pop3", "mailbox not opened",
           MM_TEXT("session", pop3->base.identifier),
           MM_TEXT("user", pop3->logins.auth.user_name),
           MM_TEXT("error", mm_error_name(error)));
    struct mm_pop3_reply reply = {false, "SYS/TEMP",
                                  "the mailbox cannot be opened now"};
    bool is_critical = mm_pop3_take_refusal(pop3, error, &reply);
    refuse_opening(pop3, reply.code, reply.text);
    if (is_critical) {
        mm_session_end(&pop3->base);
    }
}

/* The words of the pending event: a host's, or what has happened. */
static void answer_opened(struct mm_pop3_session *pop3)
{
    const char *code = pop3->has_news ? "ACTIVITY/NEW" : "ACTIVITY/NONE";
    char text[64];
    struct mm_pop3_reply reply = {true, code, NULL};

    if (pop3->opening_for == MM_POP3_FOR_LOGIN) {
        reply.code = NULL;
        reply.text = pop3->logins.text[0] != '\0' ? pop3->logins.text : NULL;
    } else if (pop3->opening_for == MM_POP3_FOR_CORE) {
        mm_pop3_write_deleted(pop3, "Listed anew.", text, sizeof text);
        reply.text = text;
    }
    mm_pop3_answer(pop3, &reply);
}

static void note_opened(struct mm_pop3_session *pop3, size_t count)
{
    pop3->octets = 0;
    for (size_t i = 0; i < count; i++) {
        pop3->octets += mm_mailbox_size(pop3->mailbox, i);
    }
    mm_listing_memory_fini(&pop3->memory);
    MM_LOG(mm_pop3_log(pop3), MM_LOG_INFO, "pop3", "mailbox opened",
           MM_TEXT("session", pop3->base.identifier),
           MM_TEXT("user", pop3->logins.auth.user_name),
           MM_NUMBER("messages", (int64_t)count));
}

void mm_pop3_open_done(struct mm_pop3_session *pop3)
{
    enum mailmod_error error = pop3->work_error;

    if (waits_for_lock(pop3)) {
        return;
    }
    if (error == MAILMOD_OK && mm_pop3_is_visit(pop3)) {
        look_at_listing(pop3);
    }
    size_t count = error == MAILMOD_OK ? mm_mailbox_count(pop3->mailbox) : 0;
    if (error == MAILMOD_OK) {
        error = mm_pop3_marks_init(&pop3->marks, count);
    }
    if (error != MAILMOD_OK) {
        if (mm_pop3_is_visit(pop3)) {
            mm_mailbox_unlist(pop3->mailbox);
        } else {
            mm_mailbox_close(&pop3->mailbox);
        }
        refuse_for_error(pop3, error);
        return;
    }
    if (pop3->opening_for == MM_POP3_FOR_LOGIN) {
        mm_login_times_note(pop3->base.server->login_times,
                            pop3->logins.auth.user_name,
                            mm_session_config(&pop3->base)->pop3.login_delay_ms,
                            mm_loop_now_ms(pop3->base.loop));
    }
    note_opened(pop3, count);
    answer_opened(pop3);
}

/* RFC 2449 6.5: what CAPA says is kept. It is told after the credentials, for
 * it tells that there is such a user (8.1.1). */
static bool is_too_soon(const struct mm_pop3_session *pop3)
{
    uint64_t delay_ms = mm_session_config(&pop3->base)->pop3.login_delay_ms;

    return delay_ms > 0 &&
           mm_login_times_is_within(pop3->base.server->login_times,
                                    pop3->logins.auth.user_name, delay_ms,
                                    mm_loop_now_ms(pop3->base.loop));
}

static void challenge(struct mm_session *session, struct mm_span data)
{
    if (mm_pop3d_challenge(mm_pop3_session(session)->engine, data) !=
        MAILMOD_OK) {
        mm_session_abort(session);
    }
}

/* The provider of the user's mailbox checks the login. */
static bool check_elsewhere(struct mm_session *session, struct mm_auth *auth,
                            enum mm_auth_verdict *verdict_out)
{
    struct mm_pop3_session *pop3 = mm_pop3_session(session);
    if (mm_pop3_passing_check(&pop3->passing, session, auth, verdict_out)) {
        return true;
    }
    const char *password = mm_auth_password_text(auth);
    const struct mm_mailbox_door door = mm_pop3_door(pop3);
    const struct mm_mailbox_client client = {.user = auth->user_name,
                                             .given_name = auth->given_name,
                                             .peer = session->peer,
                                             .connection = session->number,
                                             .is_tls =
                                                 mm_session_is_tls(session)};

    mm_mailbox_close(&pop3->mailbox); /* of a user before this one */
    enum mailmod_error error = mm_mailboxes_visit(
        session->server->options.post, &door, &client, &pop3->mailbox);
    if (error == MAILMOD_ERROR_NOT_FOUND) {
        return false;
    }
    if (error != MAILMOD_OK || password == NULL) {
        mm_mailbox_close(&pop3->mailbox);
        *verdict_out =
            error != MAILMOD_OK ? MM_AUTH_TEMPORARY : MM_AUTH_REFUSED;
        return true;
    }
    *verdict_out = MM_AUTH_WAIT;
    mm_mailbox_authenticate(pop3->mailbox, password,
                            mm_pop3_begin_question(pop3, MM_POP3_WORK_CHECK));
    return true;
}

/* A cause of its own is no failed login. */
static enum mm_auth_verdict verdict_of(const struct mm_pop3_session *pop3)
{
    const struct mm_mailbox_refusal *refusal = &pop3->mailbox->refusal;

    if (pop3->work_error == MAILMOD_OK) {
        return MM_AUTH_OK;
    }
    return pop3->work_error == MAILMOD_ERROR_REFUSED &&
                   (refusal->code[0] == '\0' ||
                    strcmp(refusal->code, "AUTH") == 0)
               ? MM_AUTH_REFUSED
               : MM_AUTH_TEMPORARY;
}

void mm_pop3_check_done(struct mm_pop3_session *pop3)
{
    mm_auth_checked(&pop3->logins.auth, verdict_of(pop3));
}

/* Logged in at another server, which has the word from now on. */
static void pass_on(struct mm_pop3_session *pop3)
{
    const struct mm_pop3_reply reply = {true, NULL, pop3->logins.text};

    if (pop3->passing.conn == NULL) {
        mm_pop3_answer_error(pop3, "SYS/TEMP",
                             "the server of this mailbox is gone");
        return;
    }
    mm_login_times_note(pop3->base.server->login_times,
                        pop3->logins.auth.user_name,
                        mm_session_config(&pop3->base)->pop3.login_delay_ms,
                        mm_loop_now_ms(pop3->base.loop));
    mm_pop3_answer(pop3, pop3->logins.text[0] != '\0' ? &reply : NULL);
    mm_pop3_passing_begin(&pop3->passing, mm_pop3d_output(pop3->engine),
                          mm_pop3d_rest(pop3->engine));
}

/* What another server said, or why it said nothing. */
static void use_backend_words(const struct mm_pop3_session *pop3,
                              enum mm_login_outcome outcome,
                              struct mm_pop3_reply *reply)
{
    const struct mm_backend_question *question = &pop3->passing.question;

    if (pop3->passing.is_chosen && outcome == MM_LOGIN_TEMPORARY &&
        question->words[0] != '\0') {
        reply->text = question->words;
        reply->code = question->code[0] != '\0' ? question->code : reply->code;
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

    if (outcome == MM_LOGIN_OK && is_too_soon(pop3)) {
        pop3->opening_for = MM_POP3_FOR_LOGIN;
        refuse_opening(pop3, "LOGIN-DELAY", "too soon after the last login");
        return;
    }
    if (outcome == MM_LOGIN_OK && pop3->passing.is_chosen) {
        pass_on(pop3);
        return;
    }
    if (outcome == MM_LOGIN_OK) {
        mm_pop3_open(pop3, MM_POP3_FOR_LOGIN);
        return;
    }
    struct mm_pop3_reply reply = replies[outcome];
    reply.text = own != NULL ? own->text : reply.text;
    use_backend_words(pop3, outcome, &reply);
    const char *code = reply.code;
    bool is_critical = mm_pop3_take_refusal(pop3, pop3->work_error, &reply);
    reply.code = reply.code != NULL ? reply.code : code;
    mm_pop3_answer(pop3, &reply);
    mm_mailbox_close(&pop3->mailbox); /* one that was visited */
    if (outcome == MM_LOGIN_REFUSED_LAST || is_critical) {
        mm_session_end(session);
    }
}

static void answer_held(struct mm_session *session)
{
    mm_logins_answer_held(&mm_pop3_session(session)->logins);
}

const struct mm_login_words mm_pop3_login_words = {
    .moment = MAILMOD_POP3_LOGIN,
    .check = check_elsewhere,
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
