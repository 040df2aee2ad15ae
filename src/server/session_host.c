/* session_host.c - a session's question to the host.
 *
 * Owns a question's request from its making to mm_session_forget. Promises: one
 * that cannot be put is settled as a rejection for now, since the host may be
 * all that guards.
 * Thread: the session's loop. */
#include "server/server_internal.h"

static void on_settled(void *context)
{
    mm_session_wait_over(context, MM_WAIT_HOST);
}

static void on_wants_body(void *context)
{
    struct mm_session *session = context;

    if (session->protocol->wants_body != NULL) {
        session->protocol->wants_body(session);
        mm_session_wait_over(session, MM_WAIT_HOST);
    }
}

static const struct mm_request_handler request_handler = {
    .on_settled = on_settled,
    .on_wants_body = on_wants_body,
    .on_room = on_settled,
};

bool mm_session_is_hooked(const struct mm_session *session,
                          enum mailmod_moment moment)
{
    return (atomic_load(&session->server->moments) & moment) != 0;
}

enum mailmod_error mm_session_prepare_question(struct mm_session *session,
                                               struct mm_question *question,
                                               struct mm_request_facts *facts)
{
    facts->connection = session->number;
    facts->peer = session->peer;
    facts->socket = mm_conn_socket(session->conn);
    facts->is_tls = mm_session_is_tls(session);
    facts->written_max = MM_LIMIT_REPLY;
    if (facts->moment == MAILMOD_POP3_RETRIEVE) {
        facts->written_max =
            (size_t)mm_session_config(session)->smtp.message_size_max;
    }
    question->is_asked = false;
    return mm_request_new(&question->request, session->loop, facts,
                          &request_handler, session);
}

enum mm_ask mm_session_ask(struct mm_session *session,
                           struct mm_question *question,
                           enum mailmod_moment moment,
                           struct mm_request_facts *facts)
{
    /* A question that was begun is put, whatever the moments are by now. */
    if (question->request == NULL) {
        if (facts == NULL || !mm_session_is_hooked(session, moment)) {
            return MM_ASK_NOBODY;
        }
        facts->moment = moment;
        if (mm_session_prepare_question(session, question, facts) !=
            MAILMOD_OK) {
            return MM_ASK_SETTLED;
        }
    }
    if (!question->is_asked) {
        question->is_asked = true;
        if (mm_request_ask(question->request,
                           &session->server->options.hooks) != MAILMOD_OK) {
            mm_request_leave(&question->request);
        }
    }
    if (question->request == NULL) {
        return MM_ASK_SETTLED;
    }
    return mm_request_is_settled(question->request) ? MM_ASK_SETTLED
                                                    : MM_ASK_WAIT;
}

void mm_session_forget(struct mm_question *question)
{
    mm_request_leave(&question->request);
    question->is_asked = false;
}
