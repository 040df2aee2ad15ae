/* pop3_session.c - a POP3 engine paired with logins and a mailbox.
 *
 * Owns: the engine, one login attempt, the open mailbox (exclusively, RFC 1939
 * 4) and the marks of what is to be deleted. Promises: nothing is deleted but
 * at QUIT, in one transaction, and +OK is said when that is on disk; a
 * connection that drops deletes nothing; a message that cannot be read to its
 * end is cut without a terminator.
 *
 * What blocks (opening a mailbox, reading pieces) is a job on a worker; one at
 * a time, and the engine waits unanswered. Thread: the session's loop, the
 * `run_*` functions on a worker. RFC 1939, 2449, 2595, 5034. */
#include "base/mem.h"
#include "mailbox/mailbox.h"
#include "platform/random.h"
#include "server/server_internal.h"
#include "server/session.h"
#include "wire/pop3/server.h"

#include <string.h>

#define MECHANISMS (MM_SASL_SCRAM_SHA_256 | MM_SASL_PLAIN)

enum pop3_work { WORK_NONE, WORK_OPEN, WORK_READ, WORK_UPDATE };

struct pop3_session {
    struct mm_session base;
    struct mm_pop3d *engine;
    struct mm_auth auth;
    uint64_t mailbox_id;
    struct mm_mailbox *mailbox;
    uint8_t *deleted; /* one bit an entry */
    size_t deleted_count;
    uint64_t deleted_octets;
    uint64_t octets; /* of the whole listing */

    size_t row; /* inside LIST and UIDL */
    bool is_uidl;
    size_t reading;  /* index of the message inside RETR and TOP */
    bool is_opening; /* the first piece decides between +OK and -ERR */
    unsigned piece_number;
    size_t piece_used;
    struct mm_buf piece;

    bool is_asking_login;   /* the host decides about a login */
    bool is_served_by_host; /* the message going out is the host's */
    enum pop3_work work;    /* a job is out */
    struct mm_job job;
    struct mm_task removal_task;
    struct mm_mailbox_removal removal;
    enum mailmod_error work_error;
};

static struct pop3_session *as_pop3(struct mm_session *session)
{
    return MM_LIST_OBJECT(session, struct pop3_session, base);
}

static const struct mm_log *session_log(const struct pop3_session *pop3)
{
    return pop3->base.server->options.log;
}

static void answer(struct pop3_session *pop3, const struct mm_pop3_reply *reply)
{
    if (mm_pop3d_answer(pop3->engine, reply) != MAILMOD_OK) {
        mm_session_abort(&pop3->base);
    }
}

static void answer_error(struct pop3_session *pop3, const char *code,
                         const char *text)
{
    const struct mm_pop3_reply reply = {false, code, text};

    answer(pop3, &reply);
}

static void start_work(struct pop3_session *pop3, enum pop3_work work)
{
    pop3->work = work;
    pop3->base.in_work++;
}

static void run_job(struct mm_job *job)
{
    struct pop3_session *pop3 = MM_LIST_OBJECT(job, struct pop3_session, job);
    struct mm_server *server = pop3->base.server;

    if (pop3->work == WORK_OPEN) {
        pop3->work_error =
            mm_mailbox_open(&pop3->mailbox, server->store,
                            server->mailbox_locks, pop3->mailbox_id);
    } else {
        pop3->work_error = mm_mailbox_read(pop3->mailbox, pop3->reading,
                                           pop3->piece_number, &pop3->piece);
    }
}

static bool submit_job(struct pop3_session *pop3, enum pop3_work work)
{
    start_work(pop3, work);
    if (mm_workers_submit(pop3->base.server->workers, &pop3->job) ==
        MAILMOD_OK) {
        return true;
    }
    pop3->work = WORK_NONE;
    pop3->base.in_work--;
    return false;
}

static void login_done(struct pop3_session *pop3)
{
    size_t count =
        pop3->work_error == MAILMOD_OK ? mm_mailbox_count(pop3->mailbox) : 0;

    if (pop3->work_error == MAILMOD_OK) {
        pop3->deleted = mm_alloc(count / 8 + 1);
        if (pop3->deleted == NULL) {
            mm_mailbox_close(&pop3->mailbox);
            pop3->work_error = MAILMOD_ERROR_MEMORY;
        }
    }
    if (pop3->work_error == MAILMOD_ERROR_BUSY) {
        answer_error(pop3, "IN-USE", "another session has this mailbox");
        return;
    }
    if (pop3->work_error != MAILMOD_OK) {
        MM_LOG(session_log(pop3), MM_LOG_ERROR, "pop3", "mailbox not opened",
               MM_TEXT("session", pop3->base.identifier),
               MM_TEXT("user", pop3->auth.user_name),
               MM_TEXT("error", mm_error_name(pop3->work_error)));
        answer_error(pop3, "SYS/TEMP", "the mailbox cannot be opened now");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        pop3->octets += mm_mailbox_entry(pop3->mailbox, i)->size;
    }
    MM_LOG(session_log(pop3), MM_LOG_INFO, "pop3", "login",
           MM_TEXT("session", pop3->base.identifier),
           MM_TEXT("user", pop3->auth.user_name),
           MM_TEXT("peer", pop3->base.peer_text),
           MM_NUMBER("messages", (int64_t)count));
    answer(pop3, NULL);
}

/* The first piece of a message: it can still be refused as a whole. */
static void open_done(struct pop3_session *pop3)
{
    pop3->is_opening = false;
    if (pop3->work_error == MAILMOD_OK) {
        pop3->piece_number++;
        answer(pop3, NULL);
        return;
    }
    MM_LOG(session_log(pop3), MM_LOG_ERROR, "pop3", "message not readable",
           MM_TEXT("session", pop3->base.identifier),
           MM_TEXT("error", mm_error_name(pop3->work_error)));
    answer_error(pop3, "SYS/TEMP", "the message cannot be read now");
}

/* A piece is here, or the message's end, or its failure. */
static void read_done(struct pop3_session *pop3)
{
    if (pop3->is_opening) {
        open_done(pop3);
    } else if (pop3->work_error == MAILMOD_ERROR_NOT_FOUND) {
        mm_pop3d_body_end(pop3->engine);
    } else if (pop3->work_error != MAILMOD_OK) {
        MM_LOG(session_log(pop3), MM_LOG_ERROR, "pop3", "message not readable",
               MM_TEXT("session", pop3->base.identifier),
               MM_TEXT("error", mm_error_name(pop3->work_error)));
        mm_pop3d_body_abort(pop3->engine);
        mm_session_abort(&pop3->base);
    } else {
        pop3->piece_number++;
        pop3->piece_used = 0;
    }
}

static void update_done(struct pop3_session *pop3)
{
    mm_free(pop3->removal.unique_numbers);
    pop3->removal.unique_numbers = NULL;
    mm_mailbox_close(&pop3->mailbox);
    if (pop3->work_error != MAILMOD_OK) {
        MM_LOG(session_log(pop3), MM_LOG_ERROR, "pop3", "nothing deleted",
               MM_TEXT("session", pop3->base.identifier),
               MM_TEXT("error", mm_error_name(pop3->work_error)));
        answer_error(pop3, "SYS/TEMP", "messages were not deleted");
        return;
    }
    MM_LOG(session_log(pop3), MM_LOG_INFO, "pop3", "messages deleted",
           MM_TEXT("session", pop3->base.identifier),
           MM_TEXT("user", pop3->auth.user_name),
           MM_NUMBER("messages", (int64_t)pop3->deleted_count));
    answer(pop3, NULL);
}

static void work_done(struct pop3_session *pop3)
{
    enum pop3_work work = pop3->work;

    pop3->work = WORK_NONE;
    if (!mm_session_job_done(&pop3->base)) {
        return;
    }
    if (work == WORK_OPEN) {
        login_done(pop3);
    } else if (work == WORK_READ) {
        read_done(pop3);
    } else {
        update_done(pop3);
    }
    mm_session_pump(&pop3->base);
}

static void on_job_done(struct mm_job *job)
{
    work_done(MM_LIST_OBJECT(job, struct pop3_session, job));
}

static void on_removal_task(struct mm_task *task)
{
    work_done(MM_LIST_OBJECT(task, struct pop3_session, removal_task));
}

/* thread: writer */
static void on_removed(struct mm_mailbox_removal *removal,
                       enum mailmod_error error)
{
    struct pop3_session *pop3 =
        MM_LIST_OBJECT(removal, struct pop3_session, removal);

    pop3->work_error = error;
    mm_loop_post(pop3->base.loop, &pop3->removal_task);
}

static void log_refused(const struct pop3_session *pop3)
{
    MM_LOG(session_log(pop3), MM_LOG_WARNING, "pop3", "login refused",
           MM_TEXT("session", pop3->base.identifier),
           MM_TEXT("user", pop3->auth.user_name),
           MM_TEXT("peer", pop3->base.peer_text));
}

static void login_refused(struct pop3_session *pop3)
{
    const struct mm_config *config = mm_session_config(&pop3->base);

    log_refused(pop3);
    answer_error(pop3, "AUTH", "user name or password is wrong");
    if (++pop3->base.login_failures >= config->pop3.login_failures_max) {
        mm_session_end(&pop3->base);
    }
}

static void use_verdict(struct pop3_session *pop3, enum mm_auth_verdict verdict)
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
        if (!submit_job(pop3, WORK_OPEN)) {
            answer_error(pop3, "SYS/TEMP", "too busy, try again later");
        }
        break;
    case MM_AUTH_REFUSED:
        login_refused(pop3);
        break;
    case MM_AUTH_SYNTAX:
        answer_error(pop3, NULL, "not the form that the mechanism has");
        break;
    case MM_AUTH_TEMPORARY:
        answer_error(pop3, "SYS/TEMP", "try again later");
        break;
    }
}

/* The login's name is known: true when the host is asked first. A question
 * that cannot be put refuses, for the host may be all that guards. */
static bool on_auth_ask(struct mm_auth *auth)
{
    struct pop3_session *pop3 = MM_LIST_OBJECT(auth, struct pop3_session, auth);
    struct mm_request_facts facts = {.user = auth->user_name,
                                     .password = mm_auth_password_text(auth)};

    if (mm_session_ask(&pop3->base, MM_MOMENT_POP3_LOGIN, &facts) ==
        MM_ASK_NOBODY) {
        return false;
    }
    pop3->is_asking_login = true;
    return true;
}

/* The host's verdict about a login is there. */
static void settle_login(struct pop3_session *pop3)
{
    struct mm_request *request = pop3->base.request;
    enum mm_verdict verdict = request != NULL ? mm_request_verdict(request)
                                              : MM_VERDICT_REJECT_FOR_NOW;

    pop3->is_asking_login = false;
    pop3->base.in_work--;
    if (verdict == MM_VERDICT_REJECT || verdict == MM_VERDICT_REJECT_FOR_NOW) {
        (void)mm_auth_decide(&pop3->auth, MM_AUTH_REFUSE);
        log_refused(pop3);
        answer_error(pop3, verdict == MM_VERDICT_REJECT ? "AUTH" : "SYS/TEMP",
                     request != NULL && mm_request_reply(request) != NULL
                         ? mm_request_reply(request)->text
                         : "try again later");
        mm_session_forget_request(&pop3->base);
        return;
    }
    mm_session_forget_request(&pop3->base);
    use_verdict(pop3, mm_auth_decide(&pop3->auth, verdict == MM_VERDICT_TAKEN
                                                      ? MM_AUTH_VOUCH
                                                      : MM_AUTH_CHECK));
}

static void on_auth_done(struct mm_auth *auth, enum mm_auth_verdict verdict)
{
    struct pop3_session *pop3 = MM_LIST_OBJECT(auth, struct pop3_session, auth);

    if (mm_session_job_done(&pop3->base)) {
        use_verdict(pop3, verdict);
        mm_session_pump(&pop3->base);
    }
}

static bool is_deleted(const struct pop3_session *pop3, size_t index)
{
    return (pop3->deleted[index / 8] & (1u << (index % 8))) != 0;
}

/* The index of a message-number; answers for those that are not there. */
static bool find_message(struct pop3_session *pop3, uint64_t number,
                         size_t *index_out)
{
    if (number == 0 || number > mm_mailbox_count(pop3->mailbox)) {
        answer_error(pop3, NULL, "no such message");
        return false;
    }
    *index_out = (size_t)number - 1;
    if (is_deleted(pop3, *index_out)) {
        answer_error(pop3, NULL, "that message is deleted");
        return false;
    }
    return true;
}

static void handle_stat(struct pop3_session *pop3)
{
    size_t count = mm_mailbox_count(pop3->mailbox) - pop3->deleted_count;

    if (mm_pop3d_answer_stat(pop3->engine, count,
                             pop3->octets - pop3->deleted_octets) !=
        MAILMOD_OK) {
        mm_session_abort(&pop3->base);
    }
}

static void handle_list(struct pop3_session *pop3,
                        const struct mm_pop3d_info *info, bool is_uidl)
{
    char unique_id[MM_UNIQUE_ID_MAX];
    size_t index;

    if (info->number == 0) {
        pop3->row = 0;
        pop3->is_uidl = is_uidl;
        answer(pop3, NULL);
        return;
    }
    if (!find_message(pop3, info->number, &index)) {
        return;
    }
    mm_mailbox_unique_id(pop3->mailbox, index, unique_id);
    if (mm_pop3d_answer_row(pop3->engine, info->number,
                            mm_mailbox_entry(pop3->mailbox, index)->size,
                            is_uidl ? unique_id : NULL) != MAILMOD_OK) {
        mm_session_abort(&pop3->base);
    }
}

/* As many rows as the output takes; false: it is full. */
static bool give_rows(struct pop3_session *pop3)
{
    size_t count = mm_mailbox_count(pop3->mailbox);
    char unique_id[MM_UNIQUE_ID_MAX];

    for (; pop3->row < count; pop3->row++) {
        if (is_deleted(pop3, pop3->row)) {
            continue;
        }
        if (pop3->is_uidl) {
            mm_mailbox_unique_id(pop3->mailbox, pop3->row, unique_id);
        }
        if (!mm_pop3d_row(pop3->engine, pop3->row + 1,
                          mm_mailbox_entry(pop3->mailbox, pop3->row)->size,
                          pop3->is_uidl ? unique_id : NULL)) {
            return false;
        }
    }
    mm_pop3d_rows_end(pop3->engine);
    return true;
}

/* Asks about one message. True: go on as without the host; else it is
 * answered, or will be. */
static bool ask_about(struct pop3_session *pop3, enum mm_moment moment,
                      size_t index)
{
    char unique_id[MM_UNIQUE_ID_MAX];
    struct mm_request_facts facts = {.user = pop3->auth.user_name,
                                     .message = unique_id,
                                     .number = index + 1};
    const struct mm_reply *reply;

    mm_mailbox_unique_id(pop3->mailbox, index, unique_id);
    switch (mm_session_ask(&pop3->base, moment, &facts)) {
    case MM_ASK_NOBODY:
        return true;
    case MM_ASK_WAIT:
        return false;
    case MM_ASK_SETTLED:
        break;
    }
    if (pop3->base.request != NULL &&
        mm_request_verdict(pop3->base.request) == MM_VERDICT_ACCEPT) {
        mm_session_forget_request(&pop3->base);
        return true;
    }
    if (pop3->base.request != NULL &&
        mm_request_verdict(pop3->base.request) == MM_VERDICT_TAKEN) {
        pop3->is_served_by_host = moment == MM_MOMENT_POP3_RETRIEVE;
        pop3->piece_used = 0;
        answer(pop3, NULL);
    } else {
        reply = pop3->base.request != NULL
                    ? mm_request_reply(pop3->base.request)
                    : NULL;
        answer_error(
            pop3, reply != NULL && reply->code >= 500 ? "SYS/PERM" : "SYS/TEMP",
            reply != NULL ? reply->text : "try again later");
    }
    if (!pop3->is_served_by_host) {
        mm_session_forget_request(&pop3->base);
    }
    return false;
}

static bool is_asking(const struct pop3_session *pop3)
{
    return pop3->base.request != NULL && !pop3->is_served_by_host;
}

/* The first piece is read before +OK is said, so that a message that cannot
 * be read at all is an error and not a broken connection: see open_done. */
static void handle_retr(struct pop3_session *pop3,
                        const struct mm_pop3d_info *info)
{
    size_t index;

    if (!find_message(pop3, info->number, &index) ||
        !ask_about(pop3, MM_MOMENT_POP3_RETRIEVE, index)) {
        return;
    }
    pop3->reading = index;
    pop3->piece_number = 0;
    pop3->piece_used = 0;
    mm_buf_clear(&pop3->piece);
    pop3->is_opening = submit_job(pop3, WORK_READ);
    if (!pop3->is_opening) {
        answer_error(pop3, "SYS/TEMP", "too busy, try again later");
    }
}

/* The host's own text, from its request. */
static bool give_written(struct pop3_session *pop3)
{
    struct mm_span rest =
        mm_span_from(mm_request_written(pop3->base.request), pop3->piece_used);
    size_t used = 0;

    if (rest.size > 0 && mm_pop3d_wants_body(pop3->engine)) {
        used = mm_pop3d_body(pop3->engine, rest.data, rest.size);
        pop3->piece_used += used;
        return used > 0;
    }
    pop3->is_served_by_host = false;
    mm_session_forget_request(&pop3->base);
    mm_pop3d_body_end(pop3->engine);
    return true;
}

/* Moves octets from the piece to the engine, and fetches the next piece. */
static bool give_body(struct pop3_session *pop3)
{
    struct mm_span piece =
        mm_span_from(mm_buf_span(&pop3->piece), pop3->piece_used);

    if (pop3->is_served_by_host) {
        return give_written(pop3);
    }
    if (!mm_pop3d_wants_body(pop3->engine)) {
        mm_pop3d_body_end(pop3->engine); /* TOP has its lines */
        return true;
    }
    if (piece.size > 0) {
        size_t used = mm_pop3d_body(pop3->engine, piece.data, piece.size);

        pop3->piece_used += used;
        return used > 0;
    }
    if (!submit_job(pop3, WORK_READ)) {
        mm_pop3d_body_abort(pop3->engine);
        mm_session_abort(&pop3->base);
    }
    return false;
}

static void handle_dele(struct pop3_session *pop3,
                        const struct mm_pop3d_info *info)
{
    size_t index;

    if (find_message(pop3, info->number, &index) &&
        ask_about(pop3, MM_MOMENT_POP3_DELETE, index)) {
        pop3->deleted[index / 8] |= (uint8_t)(1u << (index % 8));
        pop3->deleted_count++;
        pop3->deleted_octets += mm_mailbox_entry(pop3->mailbox, index)->size;
        answer(pop3, NULL);
    }
}

static void handle_rset(struct pop3_session *pop3)
{
    memset(pop3->deleted, 0, mm_mailbox_count(pop3->mailbox) / 8 + 1);
    pop3->deleted_count = 0;
    pop3->deleted_octets = 0;
    answer(pop3, NULL);
}

/* RFC 1939 6: the UPDATE state. */
static void handle_update(struct pop3_session *pop3)
{
    size_t count = mm_mailbox_count(pop3->mailbox);
    size_t next = 0;

    if (pop3->deleted_count == 0) {
        mm_mailbox_close(&pop3->mailbox);
        answer(pop3, NULL);
        return;
    }
    pop3->removal.unique_numbers =
        mm_alloc_array(pop3->deleted_count, sizeof(uint64_t));
    if (pop3->removal.unique_numbers == NULL) {
        answer_error(pop3, "SYS/TEMP", "messages were not deleted");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (is_deleted(pop3, i)) {
            pop3->removal.unique_numbers[next++] =
                mm_mailbox_entry(pop3->mailbox, i)->unique_number;
        }
    }
    pop3->removal.count = next;
    pop3->removal.done = on_removed;
    start_work(pop3, WORK_UPDATE);
    mm_mailbox_remove(pop3->mailbox, &pop3->removal);
}

static void handle_stls(struct pop3_session *pop3)
{
    struct mm_span output;

    if (pop3->base.settings->tls[pop3->base.service] == NULL) {
        answer_error(pop3, "SYS/TEMP", "TLS is not available");
        return;
    }
    answer(pop3, NULL);
    output = mm_pop3d_output(pop3->engine);
    if (pop3->base.is_closing || mm_conn_write(pop3->base.conn, output.data,
                                               output.size) != MAILMOD_OK) {
        mm_session_abort(&pop3->base);
        return;
    }
    mm_pop3d_sent(pop3->engine, output.size);
    mm_session_start_tls(&pop3->base);
}

static void handle_last(struct pop3_session *pop3,
                        const struct mm_pop3d_info *info,
                        enum mm_pop3d_event event)
{
    if (event == MM_POP3D_BROKEN) {
        MM_LOG(session_log(pop3), MM_LOG_INFO, "pop3", "session broken off",
               MM_TEXT("session", pop3->base.identifier),
               MM_TEXT("peer", pop3->base.peer_text),
               MM_TEXT("reason", info->text != NULL ? info->text : ""));
    }
    answer(pop3, NULL);
    mm_session_end(&pop3->base);
}

static bool handle_login_event(struct pop3_session *pop3,
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

/* Whether there may be more to do. */
static bool handle_event(struct pop3_session *pop3, enum mm_pop3d_event event,
                         const struct mm_pop3d_info *info)
{
    if (handle_login_event(pop3, event, info)) {
        return true;
    }
    switch (event) {
    case MM_POP3D_NEED_INPUT:
        return false;
    case MM_POP3D_STAT:
        handle_stat(pop3);
        break;
    case MM_POP3D_LIST:
    case MM_POP3D_UIDL:
        handle_list(pop3, info, event == MM_POP3D_UIDL);
        break;
    case MM_POP3D_RETR:
    case MM_POP3D_TOP:
        handle_retr(pop3, info);
        break;
    case MM_POP3D_DELE:
        handle_dele(pop3, info);
        break;
    case MM_POP3D_RSET:
        handle_rset(pop3);
        break;
    case MM_POP3D_NEED_ROWS:
        return give_rows(pop3);
    case MM_POP3D_NEED_BODY:
        return give_body(pop3);
    case MM_POP3D_STLS:
        handle_stls(pop3);
        break;
    case MM_POP3D_UPDATE:
        handle_update(pop3);
        break;
    case MM_POP3D_QUIT:
    case MM_POP3D_BROKEN:
        handle_last(pop3, info, event);
        break;
    default: /* CONNECT */
        answer(pop3, NULL);
        break;
    }
    return true;
}

static struct mm_session *open_pop3(void)
{
    struct pop3_session *pop3 = mm_alloc(sizeof *pop3);

    return pop3 != NULL ? &pop3->base : NULL;
}

/* "<random.time@host>" of letters, digits, dots and hyphens alone, never the
 * same twice (RFC 1939 7); other octets of the host's name become hyphens. */
static enum mailmod_error make_stamp(const struct pop3_session *pop3,
                                     struct mm_buf *out)
{
    const char *host = mm_session_config(&pop3->base)->host_name;
    uint8_t random[12];
    char hex[2 * sizeof random + 1];
    enum mailmod_error error = mm_random(random, sizeof random);

    if (error != MAILMOD_OK) {
        return error;
    }
    mm_hex(random, sizeof random, hex);
    (void)mm_buf_appendf(out, "<%s.%s@", hex, pop3->base.identifier);
    for (; *host != '\0'; host++) {
        bool is_plain = mm_ascii_is_alnum(*host) || *host == '.';

        (void)mm_buf_append_char(out, is_plain ? *host : '-');
    }
    (void)mm_buf_append_char(out, '>');
    return mm_buf_error(out);
}

static enum mailmod_error begin_pop3(struct mm_session *session)
{
    struct pop3_session *pop3 = as_pop3(session);
    const struct mm_config *config = mm_session_config(session);
    struct mm_pop3d_options options = {0};
    struct mm_buf stamp;
    enum mailmod_error error = MAILMOD_OK;

    mm_auth_init(&pop3->auth, session->loop, session->server->workers,
                 session->server->store, config, on_auth_done);
    mm_buf_init(&pop3->piece, 2 * MM_LIMIT_CHUNK);
    pop3->auth.on_ask = on_auth_ask;
    pop3->job.loop = session->loop;
    pop3->job.run = run_job;
    pop3->job.done = on_job_done;
    pop3->removal_task.run = on_removal_task;
    mm_buf_init(&stamp, 2 * MM_LIMIT_DOMAIN);
    options.host_name = config->host_name;
    options.implementation = "mailmod";
    options.errors_max = config->pop3.errors_max;
    options.mechanisms_tls = MECHANISMS;
    options.mechanisms_clear = config->pop3.allows_clear_login ? MECHANISMS : 0;
    options.allows_clear_login = config->pop3.allows_clear_login;
    options.is_tls = mm_service_has_implicit_tls(session->service);
    options.has_stls =
        !options.is_tls && session->settings->tls[session->service] != NULL;
    if (config->pop3.apop) {
        error = make_stamp(pop3, &stamp);
        options.apop_stamp = mm_buf_cstr(&stamp);
    }
    if (error == MAILMOD_OK) {
        error = mm_pop3d_new(&pop3->engine, &options);
    }
    mm_buf_fini(&stamp);
    return error;
}

static size_t feed_pop3(struct mm_session *session, const char *bytes,
                        size_t size)
{
    return mm_pop3d_feed(as_pop3(session)->engine, bytes, size);
}

static bool step_pop3(struct mm_session *session)
{
    struct pop3_session *pop3 = as_pop3(session);
    struct mm_pop3d_info info;

    if (pop3->is_asking_login &&
        (session->request == NULL || mm_request_is_settled(session->request))) {
        settle_login(pop3);
        return true;
    }
    if (session->in_work > 0) {
        return false;
    }
    return handle_event(pop3, mm_pop3d_next(pop3->engine, &info), &info) &&
           !is_asking(pop3);
}

static struct mm_span output_pop3(struct mm_session *session)
{
    return mm_pop3d_output(as_pop3(session)->engine);
}

static void sent_pop3(struct mm_session *session, size_t size)
{
    mm_pop3d_sent(as_pop3(session)->engine, size);
}

static void tls_begun_pop3(struct mm_session *session)
{
    mm_pop3d_tls_begun(as_pop3(session)->engine);
}

static uint64_t progress_pop3(struct mm_session *session)
{
    return mm_pop3d_progress(as_pop3(session)->engine);
}

static uint64_t wait_ms_pop3(struct mm_session *session)
{
    /* A client that is slow to read is the connection's write time-out. */
    if (session->in_work > 0 || session->request != NULL ||
        output_pop3(session).size > 0) {
        return 0;
    }
    return mm_session_config(session)->pop3.idle_ms;
}

/* RFC 1939 3: an autologout deletes nothing. */
static void close_pop3(struct mm_session *session, bool is_timeout)
{
    const struct mm_pop3_reply reply = {
        false, "SYS/TEMP",
        is_timeout ? "no command for too long" : "the server is shutting down"};

    if (mm_pop3d_close(as_pop3(session)->engine, &reply) != MAILMOD_OK) {
        mm_session_abort(session);
    }
}

static bool is_idle_pop3(struct mm_session *session)
{
    return session->in_work == 0 && !session->is_in_tls &&
           !mm_pop3d_is_authenticated(as_pop3(session)->engine);
}

static void detach_pop3(struct mm_session *session)
{
    struct pop3_session *pop3 = as_pop3(session);

    if (pop3->is_asking_login) {
        pop3->is_asking_login = false;
        session->in_work--;
    }
    /* The lock goes at once; a job that still reads the mailbox keeps it. */
    if (pop3->work == WORK_NONE) {
        mm_mailbox_close(&pop3->mailbox);
    }
}

static void free_pop3(struct mm_session *session)
{
    struct pop3_session *pop3 = as_pop3(session);

    mm_mailbox_close(&pop3->mailbox);
    mm_free(pop3->removal.unique_numbers);
    mm_free(pop3->deleted);
    mm_buf_fini(&pop3->piece);
    mm_pop3d_free(&pop3->engine);
    mm_auth_fini(&pop3->auth);
}

const struct mm_session_protocol mm_pop3_session_protocol = {
    .component = "pop3",
    .open = open_pop3,
    .begin = begin_pop3,
    .feed = feed_pop3,
    .step = step_pop3,
    .output = output_pop3,
    .sent = sent_pop3,
    .tls_begun = tls_begun_pop3,
    .progress = progress_pop3,
    .wait_ms = wait_ms_pop3,
    .close = close_pop3,
    .is_idle = is_idle_pop3,
    .detach = detach_pop3,
    .free = free_pop3,
};
