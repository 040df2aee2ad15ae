/* pop3_session.c - a POP3 engine paired with logins and a mailbox.
 *
 * Owns: the engine, one login attempt, the open mailbox (exclusively, RFC 1939
 * 4) and the marks of what is to be deleted. What blocks (all that a mailbox's
 * provider does) is a job on a worker; one at a time, and the engine waits
 * unanswered. A connection that drops deletes nothing.
 * Thread: the session's loop; `run_job` on a worker, on_removed on a thread of
 * the provider's. RFC 1939, 2449, 2595, 5034. */
#include "server/pop3_session.h"

#include "base/mem.h"
#include "post/mailboxes.h"
#include "server/mechanisms.h"
#include "server/server_internal.h"

#include <string.h>

struct mm_pop3_session *mm_pop3_session(struct mm_session *session)
{
    return MM_LIST_OBJECT(session, struct mm_pop3_session, base);
}

const struct mm_log *mm_pop3_log(const struct mm_pop3_session *pop3)
{
    return pop3->base.server->options.log;
}

void mm_pop3_settled(struct mm_pop3_session *pop3)
{
    pop3->is_sought = false;
}

void mm_pop3_answer(struct mm_pop3_session *pop3,
                    const struct mm_pop3_reply *reply)
{
    mm_pop3_settled(pop3);
    if (mm_pop3d_answer(pop3->engine, reply) != MAILMOD_OK) {
        mm_session_abort(&pop3->base);
    }
}

void mm_pop3_answer_error(struct mm_pop3_session *pop3, const char *code,
                          const char *text)
{
    const struct mm_pop3_reply reply = {false, code, text};

    mm_pop3_answer(pop3, &reply);
}

struct mm_mailbox_door mm_pop3_door(const struct mm_pop3_session *pop3)
{
    return (struct mm_mailbox_door){
        .service = mm_service_name(pop3->base.service),
        .port = mm_conn_local(pop3->base.conn)->port};
}

bool mm_pop3_is_visit(const struct mm_pop3_session *pop3)
{
    return pop3->mailbox != NULL &&
           mm_mailbox_can(pop3->mailbox, MM_MAILBOX_ANSWERS_LATER);
}

bool mm_pop3_take_refusal(const struct mm_pop3_session *pop3,
                          enum mailmod_error error, struct mm_pop3_reply *reply)
{
    if (pop3->mailbox == NULL || error != MAILMOD_ERROR_REFUSED) {
        return false;
    }
    const struct mm_mailbox_refusal *refusal = &pop3->mailbox->refusal;
    reply->code = refusal->code[0] != '\0' ? refusal->code : NULL;
    reply->text = refusal->text[0] != '\0' ? refusal->text : reply->text;
    return refusal->is_critical;
}

void mm_pop3_answer_refusal(struct mm_pop3_session *pop3, const char *text)
{
    struct mm_pop3_reply reply = {false, "SYS/TEMP", text};
    bool is_critical = mm_pop3_take_refusal(pop3, pop3->work_error, &reply);

    mm_pop3_answer(pop3, &reply);
    if (is_critical) {
        mm_session_end(&pop3->base);
    }
}

/* thread: the provider's */
static void on_removed(struct mm_mailbox_removal *removal,
                       enum mailmod_error error)
{
    struct mm_pop3_session *pop3 =
        MM_LIST_OBJECT(removal, struct mm_pop3_session, removal);

    pop3->work_error = error;
    mm_loop_post(pop3->base.loop, &pop3->answer_task);
}

/* thread: the provider's */
static void on_answered(struct mm_mailbox_question *question,
                        enum mailmod_error error)
{
    struct mm_pop3_session *pop3 =
        MM_LIST_OBJECT(question, struct mm_pop3_session, question);

    pop3->work_error = error;
    mm_loop_post(pop3->base.loop, &pop3->answer_task);
}

struct mm_mailbox_question *mm_pop3_begin_question(struct mm_pop3_session *pop3,
                                                   enum mm_pop3_work work)
{
    pop3->work = work;
    pop3->work_parts = 1;
    pop3->question.done = on_answered;
    return &pop3->question;
}

/* One that answers later waits for nothing itself, so it needs no worker. */
static void ask_provider(struct mm_pop3_session *pop3, enum mm_pop3_work work)
{
    struct mm_mailbox_question *question = mm_pop3_begin_question(pop3, work);

    mm_wait_begin(&pop3->base.wait, MM_WAIT_JOB);
    if (work == MM_POP3_WORK_OPEN) {
        mm_mailbox_list(pop3->mailbox, question);
    } else {
        mm_mailbox_ask(pop3->mailbox, pop3->reading, pop3->piece_number,
                       &pop3->piece, &pop3->read_size, question);
    }
}

static void run_job(struct mm_job *job)
{
    struct mm_pop3_session *pop3 =
        MM_LIST_OBJECT(job, struct mm_pop3_session, job);
    pop3->removal.done = on_removed;
    switch (pop3->work) {
    case MM_POP3_WORK_NONE:
    case MM_POP3_WORK_CHECK:
        break;
    case MM_POP3_WORK_OPEN:
        pop3->work_error = mm_pop3_run_open(pop3);
        break;
    case MM_POP3_WORK_FIND:
        pop3->question.done = on_answered;
        mm_mailbox_seek(pop3->mailbox, pop3->sought, &pop3->sought_index,
                        &pop3->question);
        break;
    case MM_POP3_WORK_READ:
        pop3->work_error =
            mm_mailbox_read(pop3->mailbox, pop3->reading, pop3->piece_number,
                            &pop3->piece, &pop3->read_size);
        if (pop3->work_error == MAILMOD_OK && pop3->piece_number == 0 &&
            pop3->read_size == mm_buf_size(&pop3->piece)) {
            mm_mailbox_read_end(pop3->mailbox);
            mm_pop3_ahead_read(&pop3->ahead, pop3->mailbox, &pop3->marks,
                               pop3->reading);
        }
        break;
    case MM_POP3_WORK_REMOVE_NOW:
        pop3->removal.indexes = &pop3->reading;
        pop3->removal.count = 1;
        mm_mailbox_remove_now(pop3->mailbox, &pop3->removal);
        break;
    case MM_POP3_WORK_UPDATE:
        if (mm_pop3_run_update(pop3)) {
            mm_mailbox_remove_list(pop3->mailbox, &pop3->removal);
        } else {
            on_removed(&pop3->removal, pop3->work_error);
        }
        break;
    }
}

/* Its answer comes on its own: it is over when the call returned and the answer
 * is there, whichever comes first. */
static bool is_answered_apart(enum mm_pop3_work work)
{
    return work == MM_POP3_WORK_UPDATE || work == MM_POP3_WORK_REMOVE_NOW ||
           work == MM_POP3_WORK_FIND;
}

bool mm_pop3_submit_job(struct mm_pop3_session *pop3, enum mm_pop3_work work)
{
    bool is_asked = work == MM_POP3_WORK_OPEN || work == MM_POP3_WORK_READ;
    bool keeps = mm_session_config(&pop3->base)->pop3.keep_deleted_days > 0;

    pop3->removal.keep_ms = keeps ? mm_loop_wall_ms(pop3->base.loop) : 0;

    if (is_asked && mm_pop3_is_visit(pop3)) {
        ask_provider(pop3, work);
        return true;
    }
    pop3->work = work;
    pop3->work_parts = is_answered_apart(work) ? 2 : 1;
    mm_wait_begin(&pop3->base.wait, MM_WAIT_JOB);
    if (mm_workers_submit(pop3->base.server->workers, &pop3->job) ==
        MAILMOD_OK) {
        return true;
    }
    pop3->work = MM_POP3_WORK_NONE;
    (void)mm_wait_end(&pop3->base.wait, MM_WAIT_JOB);
    return false;
}

static void work_done(struct mm_pop3_session *pop3)
{
    enum mm_pop3_work work = pop3->work;

    if (--pop3->work_parts > 0) {
        return;
    }
    pop3->work = MM_POP3_WORK_NONE;
    if (work == MM_POP3_WORK_CHECK) {
        mm_pop3_check_done(pop3); /* the login has the wait */
        return;
    }
    if (!mm_session_job_done(&pop3->base)) {
        return;
    }
    switch (work) {
    case MM_POP3_WORK_NONE:
    case MM_POP3_WORK_CHECK:
        break;
    case MM_POP3_WORK_OPEN:
        mm_pop3_open_done(pop3);
        break;
    case MM_POP3_WORK_FIND:
        mm_pop3_find_done(pop3);
        break;
    case MM_POP3_WORK_READ:
        mm_pop3_read_done(pop3);
        break;
    case MM_POP3_WORK_REMOVE_NOW:
        mm_pop3_remove_now_done(pop3);
        break;
    case MM_POP3_WORK_UPDATE:
        mm_pop3_update_done(pop3);
        break;
    }
    mm_session_pump(&pop3->base);
}

static void on_job_done(struct mm_job *job)
{
    work_done(MM_LIST_OBJECT(job, struct mm_pop3_session, job));
}

static void on_answer_task(struct mm_task *task)
{
    work_done(MM_LIST_OBJECT(task, struct mm_pop3_session, answer_task));
}

static void handle_stls(struct mm_pop3_session *pop3)
{
    if (!mm_session_has_tls(&pop3->base)) {
        mm_pop3_answer_error(pop3, "SYS/TEMP", "TLS is not available");
        return;
    }
    mm_pop3_answer(pop3, NULL);
    mm_session_begin_tls(&pop3->base);
}

static void handle_last(struct mm_pop3_session *pop3,
                        const struct mm_pop3d_info *info,
                        enum mm_pop3d_event event)
{
    if (event == MM_POP3D_BROKEN) {
        MM_LOG(mm_pop3_log(pop3), MM_LOG_INFO, "pop3", "session broken off",
               MM_TEXT("session", pop3->base.identifier),
               MM_TEXT("peer", pop3->base.peer_text),
               MM_TEXT("reason", info->text != NULL ? info->text : ""));
    }
    mm_pop3_answer(pop3, NULL);
    mm_session_end(&pop3->base);
}

/* Whether there may be more to do. */
static bool handle_event(struct mm_pop3_session *pop3,
                         enum mm_pop3d_event event,
                         const struct mm_pop3d_info *info)
{
    if (mm_pop3_login_event(pop3, event, info)) {
        return true;
    }
    switch (event) {
    case MM_POP3D_NEED_INPUT:
        return false;
    case MM_POP3D_STAT:
        mm_pop3_stat(pop3);
        break;
    case MM_POP3D_LIST:
    case MM_POP3D_UIDL:
        mm_pop3_list(pop3, info, event == MM_POP3D_UIDL);
        break;
    case MM_POP3D_RETR:
    case MM_POP3D_TOP:
        pop3->is_top = event == MM_POP3D_TOP;
        mm_pop3_retr(pop3, info);
        break;
    case MM_POP3D_DELI:
        mm_pop3_deli(pop3, info);
        break;
    case MM_POP3D_DELE:
        mm_pop3_dele(pop3, info);
        break;
    case MM_POP3D_RSET:
        mm_pop3_rset(pop3);
        break;
    case MM_POP3D_NEED_ROWS:
        return mm_pop3_give_rows(pop3);
    case MM_POP3D_NEED_BODY:
        return mm_pop3_give_body(pop3);
    case MM_POP3D_STLS:
        handle_stls(pop3);
        break;
    case MM_POP3D_UPDATE:
    case MM_POP3D_SLEE:
    case MM_POP3D_CORE:
    case MM_POP3D_QAUT:
        mm_pop3_update(pop3, event);
        break;
    case MM_POP3D_WAKE:
        mm_pop3_open(pop3, MM_POP3_FOR_WAKE);
        break;
    case MM_POP3D_QUIT:
    case MM_POP3D_BROKEN:
        handle_last(pop3, info, event);
        break;
    default: /* CONNECT */
        mm_pop3_answer(pop3, NULL);
        break;
    }
    return true;
}

/* A host that decides about logins may know the password. */
static bool may_use_apop(struct mm_session *session)
{
    if (mm_pop3_session(session)->sign.needs_password) {
        return false;
    }
    return mm_session_is_hooked(session, MAILMOD_POP3_LOGIN) ||
           mm_apop_is_usable(&session->server->apop,
                             mm_loop_now_ms(session->loop));
}

static unsigned extensions_of(const struct mm_config *config)
{
    const struct {
        bool is_on;
        enum mm_pop3d_extension extension;
    } settings[] = {
        {config->pop3.uid_param, MM_POP3D_UID_PARAM},
        {config->pop3.deli, MM_POP3D_WITH_DELI},
        {config->pop3.sleep, MM_POP3D_WITH_SLEE},
        {config->pop3.qaut, MM_POP3D_WITH_QAUT},
        {config->pop3.xlog, MM_POP3D_WITH_XLOG},
        {config->pop3.multi_line_ind, MM_POP3D_MULTI_LINE_IND},
        {config->pop3.core, MM_POP3D_WITH_CORE},
        {config->pop3.refr, MM_POP3D_WITH_REFR},
    };
    unsigned extensions = 0;

    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        extensions |= settings[i].is_on ? (unsigned)settings[i].extension : 0;
    }
    return extensions;
}

/* What CAPA is to say of the service, and what clients may do. */
static struct mm_pop3d_options make_options(struct mm_session *session)
{
    const struct mm_config *config = mm_session_config(session);
    const struct mm_mailbox_sign *sign = &mm_pop3_session(session)->sign;
    bool is_tls = mm_service_has_implicit_tls(session->service);
    bool has_name = sign->name[0] != '\0';
    unsigned usable =
        sign->needs_password ? MM_SASL_PLAIN | MM_SASL_LOGIN : ~0u;

    return (struct mm_pop3d_options){
        .tap = &session->trace.tap,
        .host_name = config->host_name,
        .greeting_name = has_name ? sign->name : NULL,
        .implementation = has_name ? sign->name : "mailmod",
        .errors_max = config->pop3.errors_max,
        .extensions = extensions_of(config),
        .login_delay_s = (config->pop3.login_delay_ms + 999) / 1000,
        .has_expire =
            config->pop3.expires_retrieved || config->pop3.expire_days > 0,
        .expire_days =
            config->pop3.expires_retrieved ? 0 : config->pop3.expire_days,
        .mechanisms_tls = mm_mechanisms_offered(session, true) & usable,
        .mechanisms_clear = config->pop3.allows_clear_login
                                ? mm_mechanisms_offered(session, false) & usable
                                : 0,
        .allows_clear_login = config->pop3.allows_clear_login,
        .is_tls = is_tls,
        .has_stls = !is_tls && session->settings->tls[session->service] != NULL,
    };
}

static enum mm_standing standing_pop3(struct mm_session *session)
{
    struct mm_pop3_session *pop3 = mm_pop3_session(session);
    struct mm_pop3d_info info;

    return mm_pop3d_output(pop3->engine).size > 0 ||
                   mm_pop3d_next(pop3->engine, &info) != MM_POP3D_NEED_INPUT
               ? MM_STANDING_BUSY
               : MM_STANDING_IDLE;
}

/* The client has asked for no message lately. */
static void on_idle(struct mm_timer *timer)
{
    struct mm_pop3_session *pop3 =
        MM_LIST_OBJECT(timer, struct mm_pop3_session, idle_timer);

    if (pop3->base.wait.what != MM_WAIT_NOTHING ||
        pop3->work != MM_POP3_WORK_NONE ||
        standing_pop3(&pop3->base) != MM_STANDING_IDLE) {
        mm_timer_set(timer, MM_LIMIT_AHEAD_MS);
        return;
    }
    mm_pop3_ahead_drop(&pop3->ahead);
    mm_buf_release(&pop3->piece);
}

static enum mailmod_error begin_pop3(struct mm_session *session)
{
    struct mm_pop3_session *pop3 = mm_pop3_session(session);
    const struct mm_config *config = mm_session_config(session);
    const struct mm_mailbox_door door = mm_pop3_door(pop3);
    enum mailmod_error error = MAILMOD_OK;

    mm_mailboxes_describe(session->server->options.post, &door, &pop3->sign);
    struct mm_pop3d_options options = make_options(session);

    mm_logins_init(&pop3->logins, session, &mm_pop3_login_words,
                   config->pop3.login_failures_max);
    pop3->logins.auth.takes_folder = true;
    mm_buf_init(&pop3->piece, 2 * MM_LIMIT_CHUNK);
    pop3->ahead.memory = &session->server->ahead_memory;
    pop3->job.loop = session->loop;
    pop3->job.run = run_job;
    pop3->job.done = on_job_done;
    pop3->answer_task.run = on_answer_task;
    char stamp[MM_AUTH_STAMP_MAX];
    error =
        mm_timer_open(&pop3->lock_timer, session->loop, mm_pop3_lock_expired);
    if (error == MAILMOD_OK) {
        error = mm_timer_open(&pop3->idle_timer, session->loop, on_idle);
    }
    if (error == MAILMOD_OK && config->pop3.apop && may_use_apop(session)) {
        error = mm_auth_make_stamp(config, stamp);
        options.apop_stamp = stamp;
    }
    if (error == MAILMOD_OK) {
        error = mm_pop3d_new(&pop3->engine, &options);
        session->engine = pop3->engine;
    }
    return error;
}

static bool step_pop3(struct mm_session *session)
{
    struct mm_pop3_session *pop3 = mm_pop3_session(session);
    struct mm_pop3d_info info;

    return handle_event(pop3, mm_pop3d_next(pop3->engine, &info), &info);
}

static uint64_t wait_ms_pop3(struct mm_session *session)
{
    /* A client that is slow to read is the connection's write time-out. */
    if (session->question.request != NULL ||
        mm_pop3d_output(mm_pop3_session(session)->engine).size > 0) {
        return 0;
    }
    const struct mm_config *config = mm_session_config(session);
    bool is_asleep = mm_pop3d_is_asleep(mm_pop3_session(session)->engine);

    return mm_session_patience(session, is_asleep ? config->pop3.sleep_ms
                                                  : config->pop3.idle_ms);
}

/* RFC 1939 3: an autologout deletes nothing and says nothing. */
static void close_pop3(struct mm_session *session, enum mm_close_reason reason)
{
    static const struct mm_pop3_reply replies[] = {
        [MM_CLOSE_STOPPED] = {false, "SYS/TEMP", "the server is shutting down"},
        [MM_CLOSE_EXPELLED] = {false, "SYS/PERM",
                               "this user may not log in any more"},
    };

    if (mm_pop3d_close(mm_pop3_session(session)->engine,
                       reason == MM_CLOSE_TIMEOUT ? NULL : &replies[reason]) !=
        MAILMOD_OK) {
        mm_session_abort(session);
    }
}

static void detach_pop3(struct mm_session *session)
{
    struct mm_pop3_session *pop3 = mm_pop3_session(session);

    mm_logins_forget(&pop3->logins);
    mm_pop3_passing_detach(&pop3->passing);
    mm_timer_cancel(&pop3->lock_timer);
    mm_timer_cancel(&pop3->idle_timer);
    /* The lock goes at once; a job that still reads the mailbox keeps it. */
    if (pop3->work == MM_POP3_WORK_NONE) {
        mm_mailbox_close(&pop3->mailbox);
    }
}

static void free_pop3(struct mm_session *session)
{
    struct mm_pop3_session *pop3 = mm_pop3_session(session);

    mm_timer_close(&pop3->lock_timer);
    mm_timer_close(&pop3->idle_timer);
    mm_mailbox_close(&pop3->mailbox);
    mm_free(pop3->removed);
    mm_pop3_marks_fini(&pop3->marks);
    mm_listing_memory_fini(&pop3->memory);
    mm_buf_fini(&pop3->piece);
    mm_pop3_ahead_drop(&pop3->ahead);
    mm_pop3_passing_fini(&pop3->passing);
    mm_pop3d_free(&pop3->engine);
    mm_logins_fini(&pop3->logins);
}

static size_t feed(void *engine, const char *bytes, size_t size)
{
    return mm_pop3d_feed(engine, bytes, size);
}

static struct mm_span output(const void *engine)
{
    return mm_pop3d_output(engine);
}

static void sent(void *engine, size_t size)
{
    mm_pop3d_sent(engine, size);
}

static void tls_begun(void *engine)
{
    mm_pop3d_tls_begun(engine);
}

static uint64_t progress(const void *engine)
{
    return mm_pop3d_progress(engine);
}

static const struct mm_session_engine engine_verbs = {
    .feed = feed,
    .output = output,
    .sent = sent,
    .tls_begun = tls_begun,
    .progress = progress,
};

static struct mm_session_limits limits_pop3(const struct mm_config *config)
{
    return (struct mm_session_limits){
        .connections_max = config->pop3.connections_max,
        .connections_per_address_max = config->pop3.connections_per_address_max,
        .connections_per_network_max = config->pop3.connections_per_network_max,
        .deny_from = &config->pop3.deny_from,
        .allow_from = &config->pop3.allow_from,
        .tls_ms = config->pop3.tls_ms,
        .write_ms = config->pop3.write_ms};
}

/* RFC 3206 4: not the client's fault, and it may come again. */
static void write_refusal_pop3(struct mm_buf *line, enum mm_reply_id reply)
{
    (void)mm_buf_append_cstr(
        line, reply == MM_REPLY_NO_SERVICE
                  ? "-ERR [SYS/TEMP] no connections are taken from your "
                    "address\r\n"
                  : "-ERR [SYS/TEMP] too many connections\r\n");
}

const struct mm_session_protocol mm_pop3_session_protocol = {
    .component = "pop3",
    .limits = limits_pop3,
    .write_refusal = write_refusal_pop3,
    .size = sizeof(struct mm_pop3_session),
    .engine = &engine_verbs,
    .begin = begin_pop3,
    .step = step_pop3,
    .standing = standing_pop3,
    .wait_ms = wait_ms_pop3,
    .close = close_pop3,
    .detach = detach_pop3,
    .free = free_pop3,
};
