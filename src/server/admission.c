/* admission.c - sessions of users who may not log in any more are ended.
 *
 * Owns a timer on each loop, which is set while anybody is logged in there.
 * Promises: a session ends within LOOK_MS of the change, whoever made it; a
 * look at a store where nothing changed is one read by key, however many are
 * logged in.
 * Thread: the loop. */
#include "server/admission.h"

#include "base/mem.h"
#include "server/server_internal.h"

#define LOOK_MS 1000

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

static void on_timer(struct mm_timer *timer)
{
    struct mm_server_loop *server_loop =
        MM_LIST_OBJECT(timer, struct mm_server_loop, admission.timer);
    struct mm_admission *admission = &server_loop->admission;
    uint64_t changes = 0;
    bool is_told = mm_store_user_changes(server_loop->server->store,
                                         &changes) == MAILMOD_OK;
    bool has_changes = is_told && changes != admission->changes;

    if (has_changes) {
        admission->changes = changes;
    }
    if (look(server_loop, has_changes)) {
        mm_timer_set(timer, LOOK_MS);
    }
}

enum mailmod_error mm_admission_open(struct mm_server_loop *server_loop)
{
    return mm_timer_open(&server_loop->admission.timer, server_loop->loop,
                         on_timer);
}

void mm_admission_close(struct mm_server_loop *server_loop)
{
    mm_timer_close(&server_loop->admission.timer);
}

/* A change that came between the check of the password and now was perhaps
 * seen already: so the next look is at this one, too. */
void mm_admission_begin(struct mm_session *session, const char *user)
{
    struct mm_timer *timer = &session->server_loop->admission.timer;

    session->user = user;
    session->is_newcomer = true;
    if (!mm_timer_is_set(timer)) {
        mm_timer_set(timer, LOOK_MS);
    }
}
