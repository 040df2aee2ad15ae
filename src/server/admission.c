/* admission.c - sessions of users who may not log in any more are ended.
 *
 * Owns a timer on each loop, which is set while anybody is logged in there.
 * Promises: a session ends within LOOK_MS of the change, whoever made it; a
 * look at a store where nothing changed is one read by key, however many are
 * logged in. A store that waits (mm_store_waits) is read on a worker, with
 * copies of the names; the next look begins LOOK_MS after that one has ended.
 * Thread: the loop; `run_look` alone is a worker's. */
#include "server/admission.h"

#include "base/mem.h"
#include "server/server_internal.h"

#include <string.h>

#define LOOK_MS 1000

struct mm_admission_row {
    uint64_t session; /* its number */
    char user[MM_STORE_USER_MAX];
    bool is_newcomer;
    bool is_out; /* the look's answer */
};

static bool may_stay(struct mm_store *store, const char *name)
{
    struct mm_store_user user;
    enum mailmod_error error = mm_store_find_user(store, name, &user);
    bool is_out = error == MAILMOD_ERROR_NOT_FOUND ||
                  (error == MAILMOD_OK && user.is_disabled);

    mm_secret_clear(&user, sizeof user);
    return !is_out;
}

/* Whether anybody is logged in still. */
static bool look(struct mm_server_loop *server_loop, bool has_changes)
{
    bool has_users = false;

    MM_LIST_EACH(node, &server_loop->sessions)
    {
        struct mm_session *session =
            MM_LIST_OBJECT(node, struct mm_session, node);

        if (session->user == NULL) {
            continue;
        }
        bool is_looked_at = has_changes || session->is_newcomer;
        session->is_newcomer = false;
        if (is_looked_at &&
            !may_stay(server_loop->server->store, session->user)) {
            mm_session_expel(session);
        } else {
            has_users = true;
        }
    }
    return has_users;
}

static bool has_changes(struct mm_server_loop *server_loop)
{
    struct mm_admission *admission = &server_loop->admission;
    uint64_t changes = 0;
    bool is_told = mm_store_user_changes(server_loop->server->store,
                                         &changes) == MAILMOD_OK;

    if (!is_told || changes == admission->changes) {
        return false;
    }
    admission->changes = changes;
    return true;
}

/* The loop touches neither rows nor `changes` meanwhile. */
static void run_look(struct mm_job *job)
{
    struct mm_server_loop *server_loop =
        MM_LIST_OBJECT(job, struct mm_server_loop, admission.job);
    struct mm_admission *admission = &server_loop->admission;
    bool has = has_changes(server_loop);

    for (size_t i = 0; i < admission->row_count; i++) {
        struct mm_admission_row *row = &admission->rows[i];

        row->is_out = (has || row->is_newcomer) &&
                      !may_stay(server_loop->server->store, row->user);
    }
}

static void expel(struct mm_server_loop *server_loop,
                  const struct mm_admission_row *row)
{
    MM_LIST_EACH(node, &server_loop->sessions)
    {
        struct mm_session *session =
            MM_LIST_OBJECT(node, struct mm_session, node);

        if (session->number == row->session) {
            mm_session_expel(session);
            return;
        }
    }
}

static void free_rows(struct mm_admission *admission)
{
    mm_free(admission->rows);
    admission->rows = NULL;
    admission->row_count = 0;
}

static void look_done(struct mm_job *job)
{
    struct mm_server_loop *server_loop =
        MM_LIST_OBJECT(job, struct mm_server_loop, admission.job);
    struct mm_admission *admission = &server_loop->admission;

    for (size_t i = 0; i < admission->row_count; i++) {
        if (admission->rows[i].is_out) {
            expel(server_loop, &admission->rows[i]);
        }
    }
    free_rows(admission);
    mm_timer_set(&admission->timer, LOOK_MS);
}

/* Who is logged in, for the worker. False: nobody is. */
static bool collect(struct mm_server_loop *server_loop)
{
    struct mm_admission *admission = &server_loop->admission;
    size_t count = 0;

    MM_LIST_EACH(node, &server_loop->sessions)
    {
        count += MM_LIST_OBJECT(node, struct mm_session, node)->user != NULL;
    }
    admission->rows =
        count > 0 ? mm_alloc_array(count, sizeof *admission->rows) : NULL;
    if (admission->rows == NULL) {
        return count > 0; /* no memory: the next look */
    }
    MM_LIST_EACH(node, &server_loop->sessions)
    {
        struct mm_session *session =
            MM_LIST_OBJECT(node, struct mm_session, node);

        if (session->user != NULL) {
            struct mm_admission_row *row =
                &admission->rows[admission->row_count++];

            row->session = session->number;
            row->is_newcomer = session->is_newcomer;
            (void)mm_span_copy(mm_span_cstr(session->user), row->user,
                               sizeof row->user);
        }
    }
    return true;
}

/* What no worker takes is looked at the next time. */
static void begin_look(struct mm_server_loop *server_loop)
{
    struct mm_admission *admission = &server_loop->admission;
    bool has_users = collect(server_loop);

    if (admission->rows != NULL &&
        mm_workers_submit(server_loop->server->workers, &admission->job) ==
            MAILMOD_OK) {
        MM_LIST_EACH(node, &server_loop->sessions)
        {
            MM_LIST_OBJECT(node, struct mm_session, node)->is_newcomer = false;
        }
        return;
    }
    free_rows(admission);
    if (has_users) {
        mm_timer_set(&admission->timer, LOOK_MS);
    }
}

static void on_timer(struct mm_timer *timer)
{
    struct mm_server_loop *server_loop =
        MM_LIST_OBJECT(timer, struct mm_server_loop, admission.timer);

    if (mm_store_waits(server_loop->server->store)) {
        begin_look(server_loop);
    } else if (look(server_loop, has_changes(server_loop))) {
        mm_timer_set(timer, LOOK_MS);
    }
}

enum mailmod_error mm_admission_open(struct mm_server_loop *server_loop)
{
    server_loop->admission.job.loop = server_loop->loop;
    server_loop->admission.job.run = run_look;
    server_loop->admission.job.done = look_done;
    return mm_timer_open(&server_loop->admission.timer, server_loop->loop,
                         on_timer);
}

void mm_admission_close(struct mm_server_loop *server_loop)
{
    mm_timer_close(&server_loop->admission.timer);
    free_rows(&server_loop->admission);
}

/* A change that came between the check of the password and now was perhaps
 * seen already: so the next look is at this one, too. */
void mm_admission_begin(struct mm_session *session, const char *user)
{
    struct mm_timer *timer = &session->server_loop->admission.timer;

    session->user = user;
    session->is_newcomer = true;
    if (!mm_timer_is_set(timer) &&
        session->server_loop->admission.rows == NULL) {
        mm_timer_set(timer, LOOK_MS);
    }
}
