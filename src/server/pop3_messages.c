/* pop3_messages.c - the TRANSACTION state of a POP3 session.
 *
 * Promises: message-numbers and sizes stand still; a message that came later is
 * found by its unique-id and counts nowhere; one that was read ahead is
 * answered on the loop; DELI says yes when its message is gone for good; a
 * message that cannot be read to its end is cut without a terminator, so that
 * half is never taken for whole. Thread: the session's loop. RFC 1939 5;
 * pop3svc's UID-PARAM and DELI. */
#include "server/pop3_session.h"

#include "base/mem.h"

#include <string.h>

static void log_unreadable(const struct mm_pop3_session *pop3,
                           enum mailmod_error error)
{
    if (error == MAILMOD_ERROR_STOPPED || error == MAILMOD_ERROR_CANCELLED) {
        MM_LOG(mm_pop3_log(pop3), MM_LOG_INFO, "pop3",
               error == MAILMOD_ERROR_STOPPED
                   ? "mailbox removed during the session"
                   : "message removed during the session",
               MM_TEXT("session", pop3->base.identifier),
               MM_TEXT("user", pop3->logins.auth.user_name));
        return;
    }
    MM_LOG(mm_pop3_log(pop3), MM_LOG_ERROR, "pop3", "message not readable",
           MM_TEXT("session", pop3->base.identifier),
           MM_TEXT("error", mm_error_name(error)));
}

/* The first piece of a message: it can still be refused as a whole. */
static void open_done(struct mm_pop3_session *pop3)
{
    pop3->is_opening = false;
    if (pop3->work_error == MAILMOD_OK) {
        pop3->piece_number++;
        pop3->read_octets = mm_buf_size(&pop3->piece);
        mm_pop3_answer(pop3, NULL);
        return;
    }
    log_unreadable(pop3, pop3->work_error);
    if (pop3->work_error == MAILMOD_ERROR_REFUSED) {
        mm_pop3_answer_refusal(pop3, "the message cannot be read");
    } else if (pop3->work_error == MAILMOD_ERROR_STOPPED) {
        mm_pop3_answer_error(pop3, "SYS/PERM", "this mailbox was removed");
    } else if (pop3->work_error == MAILMOD_ERROR_CANCELLED) {
        mm_pop3_answer_error(pop3, NULL, "the message is no longer there");
    } else {
        mm_pop3_answer_error(pop3, "SYS/TEMP",
                             "the message cannot be read now");
    }
}

/* Pieces end before the octets that the listing promised, or go past them, or
 * cannot be read: the client must not take what it has for the whole. */
static void give_up(struct mm_pop3_session *pop3, enum mailmod_error error)
{
    log_unreadable(pop3, error);
    mm_mailbox_read_end(pop3->mailbox);
    mm_pop3d_body_abort(pop3->engine);
    mm_session_abort(&pop3->base);
}

void mm_pop3_read_done(struct mm_pop3_session *pop3)
{
    if (pop3->is_opening) {
        open_done(pop3);
    } else if (pop3->work_error == MAILMOD_ERROR_NOT_FOUND &&
               pop3->read_size == MM_MAILBOX_SIZE_UNKNOWN) {
        pop3->read_size = pop3->read_octets; /* that was its end */
        pop3->piece_used = 0;
        mm_buf_clear(&pop3->piece);
    } else if (pop3->work_error != MAILMOD_OK) {
        give_up(pop3, pop3->work_error == MAILMOD_ERROR_NOT_FOUND
                          ? MAILMOD_ERROR_STORAGE_DAMAGED
                          : pop3->work_error);
    } else {
        pop3->piece_number++;
        pop3->piece_used = 0;
        pop3->read_octets += mm_buf_size(&pop3->piece);
    }
}

/* pop3svc's UID-PARAM. True: the search is over, and the message found;
 * else it is answered, or a job is out and the event comes again. */
static bool seek(struct mm_pop3_session *pop3, struct mm_span unique_id,
                 size_t *index_out)
{
    if (!pop3->is_sought) {
        (void)mm_span_copy(unique_id, pop3->sought, sizeof pop3->sought);
        if (!mm_pop3_submit_job(pop3, MM_POP3_WORK_FIND)) {
            mm_pop3_answer_error(pop3, "SYS/TEMP", "too busy, try again later");
        }
        return false;
    }
    *index_out = pop3->sought_index;
    if (pop3->sought_error == MAILMOD_ERROR_NOT_FOUND) {
        mm_pop3_answer_error(pop3, "UID/NOT-FOUND", "no such UID");
    } else if (pop3->sought_error == MAILMOD_ERROR_REFUSED) {
        mm_pop3_answer_refusal(pop3, "cannot look for it now");
    } else if (pop3->sought_error != MAILMOD_OK) {
        log_unreadable(pop3, pop3->sought_error);
        mm_pop3_answer_error(pop3, "SYS/TEMP", "cannot look for it now");
    }
    return pop3->sought_error == MAILMOD_OK;
}

void mm_pop3_find_done(struct mm_pop3_session *pop3)
{
    pop3->is_sought = true;
    pop3->sought_error = pop3->work_error;
    if (pop3->sought_error == MAILMOD_OK) {
        pop3->sought_error = mm_pop3_marks_reserve(
            &pop3->marks, mm_mailbox_known(pop3->mailbox));
    }
}

/* The index of the message that the event names. False: it is answered, for
 * there is none; or it waits. */
static bool find_message(struct mm_pop3_session *pop3,
                         const struct mm_pop3d_info *info, size_t *index_out)
{
    if (info->unique_id.size > 0) {
        if (!seek(pop3, info->unique_id, index_out)) {
            return false;
        }
    } else if (info->number == 0 ||
               info->number > mm_mailbox_count(pop3->mailbox)) {
        mm_pop3_answer_error(pop3, NULL, "no such message");
        return false;
    } else {
        *index_out = (size_t)info->number - 1;
    }
    if (mm_pop3_marks_is_hidden(&pop3->marks, *index_out)) {
        mm_pop3_answer_error(pop3, NULL, "that message is deleted");
        return false;
    }
    return true;
}

/* What came after the listing has no number there. */
static uint64_t number_of(const struct mm_pop3_session *pop3, size_t index)
{
    return index < mm_mailbox_count(pop3->mailbox) ? index + 1 : 0;
}

void mm_pop3_stat(struct mm_pop3_session *pop3)
{
    const struct mm_pop3_marks *marks = &pop3->marks;

    if (mm_pop3d_answer_stat(
            pop3->engine,
            mm_mailbox_count(pop3->mailbox) - mm_pop3_marks_hidden(marks),
            pop3->octets - mm_pop3_marks_hidden_octets(marks)) != MAILMOD_OK) {
        mm_session_abort(&pop3->base);
    }
}

void mm_pop3_list(struct mm_pop3_session *pop3,
                  const struct mm_pop3d_info *info, bool is_uidl)
{
    if (info->number == 0 && info->unique_id.size == 0) {
        pop3->row = 0;
        pop3->is_uidl = is_uidl;
        mm_pop3_answer(pop3, NULL);
        return;
    }
    size_t index;
    if (!find_message(pop3, info, &index)) {
        return;
    }
    char unique_id[MM_UNIQUE_ID_MAX];
    mm_mailbox_unique_id(pop3->mailbox, index, unique_id);
    mm_pop3_settled(pop3);
    if (mm_pop3d_answer_row(pop3->engine, number_of(pop3, index),
                            mm_mailbox_size(pop3->mailbox, index),
                            is_uidl ? unique_id : NULL) != MAILMOD_OK) {
        mm_session_abort(&pop3->base);
    }
}

/* The engine took less than it was given: without memory it has broken off,
 * which is an event to be handled; else its output is full. */
static bool is_broken(struct mm_pop3_session *pop3)
{
    struct mm_pop3d_info info;

    return mm_pop3d_next(pop3->engine, &info) == MM_POP3D_BROKEN;
}

/* As many rows as the output takes; false: it is full. */
bool mm_pop3_give_rows(struct mm_pop3_session *pop3)
{
    size_t count = mm_mailbox_count(pop3->mailbox);
    char unique_id[MM_UNIQUE_ID_MAX];

    for (; pop3->row < count; pop3->row++) {
        if (mm_pop3_marks_is_hidden(&pop3->marks, pop3->row)) {
            continue;
        }
        if (pop3->is_uidl) {
            mm_mailbox_unique_id(pop3->mailbox, pop3->row, unique_id);
        }
        if (!mm_pop3d_row(pop3->engine, pop3->row + 1,
                          mm_mailbox_size(pop3->mailbox, pop3->row),
                          pop3->is_uidl ? unique_id : NULL)) {
            return is_broken(pop3);
        }
    }
    mm_pop3d_rows_end(pop3->engine);
    return true;
}

/* The host refuses, or has dealt with it; NULL: it could not be asked. */
static void answer_for_host(struct mm_pop3_session *pop3,
                            enum mailmod_moment moment)
{
    struct mm_request *request = pop3->base.question.request;
    const struct mm_reply *reply =
        request != NULL ? mm_request_reply(request) : NULL;
    const struct mm_pop3_reply own = {true, NULL,
                                      reply != NULL ? reply->text : NULL};

    if (request != NULL && mm_request_verdict(request) == MM_VERDICT_TAKEN) {
        pop3->is_served_by_host = moment == MAILMOD_POP3_RETRIEVE;
        pop3->piece_used = 0;
        mm_pop3_answer(pop3, reply != NULL ? &own : NULL);
    } else {
        mm_pop3_answer_error(
            pop3, reply != NULL && reply->code >= 500 ? "SYS/PERM" : "SYS/TEMP",
            reply != NULL ? reply->text : "try again later");
    }
}

/* Asks about one message. True: go on as without the host; else it is
 * answered, or will be. */
static bool ask_about(struct mm_pop3_session *pop3, enum mailmod_moment moment,
                      size_t index)
{
    char unique_id[MM_UNIQUE_ID_MAX];
    struct mm_request_facts facts = {.user = pop3->logins.auth.user_name,
                                     .message = unique_id,
                                     .number = number_of(pop3, index)};

    mm_mailbox_unique_id(pop3->mailbox, index, unique_id);
    switch (mm_session_ask(&pop3->base, &pop3->base.question, moment, &facts)) {
    case MM_ASK_NOBODY:
        return true;
    case MM_ASK_WAIT:
        mm_wait_begin(&pop3->base.wait, MM_WAIT_HOST);
        return false;
    case MM_ASK_SETTLED:
        break;
    }
    if (pop3->base.question.request != NULL &&
        mm_request_verdict(pop3->base.question.request) == MM_VERDICT_ACCEPT) {
        mm_session_forget(&pop3->base.question);
        return true;
    }
    answer_for_host(pop3, moment);
    if (!pop3->is_served_by_host) {
        mm_session_forget(&pop3->base.question);
    }
    return false;
}

/* The first piece is read before +OK is said, so that a message that cannot
 * be read at all is an error and not a broken connection: see open_done. */
void mm_pop3_retr(struct mm_pop3_session *pop3,
                  const struct mm_pop3d_info *info)
{
    size_t index;

    if (!find_message(pop3, info, &index) ||
        !ask_about(pop3, MAILMOD_POP3_RETRIEVE, index)) {
        return;
    }
    pop3->reading = index;
    pop3->piece_number = 0;
    pop3->piece_used = 0;
    uint64_t now_ms = mm_loop_now_ms(pop3->base.loop);
    if (mm_pop3_ahead_take(&pop3->ahead, index, now_ms, &pop3->piece)) {
        pop3->work_error = MAILMOD_OK;
        pop3->read_size = mm_buf_size(&pop3->piece);
        open_done(pop3);
        return;
    }
    mm_buf_clear(&pop3->piece);
    if (!mm_pop3_is_visit(pop3)) {
        mm_pop3_ahead_plan(&pop3->ahead, &pop3->marks, index, now_ms);
    }
    mm_timer_set(&pop3->idle_timer, MM_LIMIT_AHEAD_MS);
    pop3->is_opening = mm_pop3_submit_job(pop3, MM_POP3_WORK_READ);
    if (!pop3->is_opening) {
        mm_pop3_answer_error(pop3, "SYS/TEMP", "too busy, try again later");
    }
}

/* The host's own text, from its request. */
static bool give_written(struct mm_pop3_session *pop3)
{
    struct mm_span rest = mm_span_from(
        mm_request_written(pop3->base.question.request), pop3->piece_used);
    size_t used = 0;

    if (rest.size > 0 && mm_pop3d_wants_body(pop3->engine)) {
        used = mm_pop3d_body(pop3->engine, rest.data, rest.size);
        pop3->piece_used += used;
        return used > 0 || is_broken(pop3);
    }
    pop3->is_served_by_host = false;
    mm_session_forget(&pop3->base.question);
    mm_pop3d_body_end(pop3->engine);
    return true;
}

/* Moves octets from the piece to the engine, and fetches the next piece. */
bool mm_pop3_give_body(struct mm_pop3_session *pop3)
{
    struct mm_span piece =
        mm_span_from(mm_buf_span(&pop3->piece), pop3->piece_used);

    if (pop3->is_served_by_host) {
        return give_written(pop3);
    }
    if (!mm_pop3d_wants_body(pop3->engine)) {
        mm_mailbox_read_end(pop3->mailbox);
        mm_pop3d_body_end(pop3->engine); /* TOP has its lines */
        return true;
    }
    if (piece.size > 0) {
        size_t used = mm_pop3d_body(pop3->engine, piece.data, piece.size);

        pop3->piece_used += used;
        return used > 0 || is_broken(pop3);
    }
    if (pop3->read_octets == pop3->read_size) {
        mm_mailbox_read_end(pop3->mailbox);
        if (!pop3->is_top) {
            mm_pop3_marks_retrieved(&pop3->marks, pop3->reading);
        }
        mm_pop3d_body_end(pop3->engine);
        return true;
    }
    if (pop3->read_octets > pop3->read_size) {
        give_up(pop3, MAILMOD_ERROR_STORAGE_DAMAGED);
    } else if (!mm_pop3_submit_job(pop3, MM_POP3_WORK_READ)) {
        give_up(pop3, MAILMOD_ERROR_LIMIT);
    }
    return false;
}

/* The index of a message that may be removed now, as find_message. */
static bool find_removable(struct mm_pop3_session *pop3,
                           const struct mm_pop3d_info *info, size_t *index_out)
{
    if (mm_mailbox_is_read_only(pop3->mailbox)) {
        mm_pop3_answer_error(pop3, "READ-ONLY",
                             "nothing can be deleted in this mailbox");
        return false;
    }
    return find_message(pop3, info, index_out) &&
           ask_about(pop3, MAILMOD_POP3_DELETE, *index_out);
}

void mm_pop3_dele(struct mm_pop3_session *pop3,
                  const struct mm_pop3d_info *info)
{
    size_t index;

    if (find_removable(pop3, info, &index)) {
        mm_pop3_marks_mark(&pop3->marks, index,
                           mm_mailbox_size(pop3->mailbox, index));
        mm_pop3_answer(pop3, NULL);
    }
}

void mm_pop3_deli(struct mm_pop3_session *pop3,
                  const struct mm_pop3d_info *info)
{
    size_t index;

    if (!mm_mailbox_can(pop3->mailbox, MM_MAILBOX_REMOVES_NOW)) {
        mm_pop3_answer_error(pop3, "SYS/PERM",
                             "this mailbox deletes at QUIT alone");
        return;
    }
    if (!find_removable(pop3, info, &index)) {
        return;
    }
    pop3->reading = index;
    if (!mm_pop3_submit_job(pop3, MM_POP3_WORK_REMOVE_NOW)) {
        mm_pop3_answer_error(pop3, "SYS/TEMP", "too busy, try again later");
    }
}

/* Acknowledged after its commit: it survives a line that drops. */
void mm_pop3_remove_now_done(struct mm_pop3_session *pop3)
{
    if (pop3->work_error != MAILMOD_OK) {
        MM_LOG(mm_pop3_log(pop3), MM_LOG_ERROR, "pop3", "nothing deleted",
               MM_TEXT("session", pop3->base.identifier),
               MM_TEXT("error", mm_error_name(pop3->work_error)));
        mm_pop3_answer_refusal(pop3, "the message was not deleted");
        return;
    }
    mm_pop3_marks_gone(&pop3->marks, pop3->reading,
                       mm_mailbox_size(pop3->mailbox, pop3->reading));
    MM_LOG(mm_pop3_log(pop3), MM_LOG_INFO, "pop3", "messages deleted",
           MM_TEXT("session", pop3->base.identifier),
           MM_TEXT("user", pop3->logins.auth.user_name),
           MM_NUMBER("messages", 1));
    mm_pop3_answer(pop3, NULL);
}

void mm_pop3_rset(struct mm_pop3_session *pop3)
{
    mm_pop3_marks_reset(&pop3->marks);
    mm_pop3_answer(pop3, NULL);
}
