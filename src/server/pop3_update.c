/* pop3_update.c - the UPDATE state of a POP3 session, and its likes of pop3svc:
 * QUIT, SLEE, CORE and QAUT.
 *
 * Owns the list of what is removed. Promises: each of them commits one removal,
 * all of it or nothing; what retention takes (pop3.expire_days,
 * pop3.expires_retrieved) goes with it, and at no other time; what was
 * retrieved is marked as seen then, where a mailbox can tell. When a removal
 * fails, QUIT ends all the same (RFC 1939 6) and the others leave the session
 * as it was. A session that sleeps has no mailbox, no lock and no buffers; of
 * the listing it keeps what tells new messages from old ones.
 * Thread: the session's loop; mm_pop3_run_update on a worker.
 * RFC 1939 6, RFC 2449 6.7; pop3svc's drafts. */
#include "server/pop3_session.h"

#include "base/mem.h"
#include "server/server_internal.h"

#include <stdio.h>

#define DAY_MS INT64_C(86400000)

static bool keeps_memory(const struct mm_pop3_session *pop3)
{
    return pop3->ending == MM_POP3D_SLEE || pop3->ending == MM_POP3D_CORE;
}

/* One that was visited is listed again by the login that it has. */
void mm_pop3_let_go(struct mm_pop3_session *pop3)
{
    if (mm_pop3_is_visit(pop3) && keeps_memory(pop3)) {
        mm_mailbox_unlist(pop3->mailbox);
    } else {
        mm_mailbox_close(&pop3->mailbox);
    }
    mm_pop3_marks_fini(&pop3->marks);
    mm_pop3_ahead_end(&pop3->ahead);
    mm_buf_release(&pop3->piece);
}

void mm_pop3_write_deleted(const struct mm_pop3_session *pop3,
                           const char *words, char *text_out, size_t size)
{
    if (pop3->removed_count == 0) {
        snprintf(text_out, size, "%s", words);
    } else {
        snprintf(text_out, size, "%zu message%s deleted. %s",
                 pop3->removed_count, pop3->removed_count == 1 ? "" : "s",
                 words);
    }
}

/* How many messages at the listing's beginning are older than the operator
 * keeps them. A listing is in the order of arrival, or nearly so: the first
 * young one ends the search, so that it costs by what goes. */
static enum mailmod_error count_old(struct mm_pop3_session *pop3,
                                    size_t *count_out)
{
    unsigned days = mm_session_config(&pop3->base)->pop3.expire_days;
    int64_t limit_ms = pop3->ended_ms - days * DAY_MS;
    size_t count = mm_mailbox_count(pop3->mailbox);
    enum mailmod_error error = MAILMOD_OK;
    bool is_old = days > 0;

    *count_out = 0;
    for (size_t i = 0; is_old && i < count; i++) {
        struct mm_mailbox_detail detail;

        error = mm_mailbox_detail(pop3->mailbox, i, &detail);
        if (error == MAILMOD_ERROR_CANCELLED) {
            error = MAILMOD_OK; /* gone already */
        } else {
            is_old = error == MAILMOD_OK && detail.received_ms > 0 &&
                     detail.received_ms < limit_ms;
        }
        *count_out += is_old ? 1 : 0;
    }
    return error;
}

static bool marks_seen(const struct mm_pop3_session *pop3)
{
    return mm_session_config(&pop3->base)->pop3.marks_seen &&
           mm_mailbox_can(pop3->mailbox, MM_MAILBOX_MARKS_SEEN) &&
           !mm_mailbox_is_read_only(pop3->mailbox);
}

/* What RETR gave whole and is still there, whatever RSET took back; a mark that
 * fails costs no mail. */
static enum mailmod_error mark_seen(const struct mm_pop3_session *pop3)
{
    const struct mm_pop3_marks *marks = &pop3->marks;
    size_t *seen = marks_seen(pop3)
                       ? mm_alloc_array(marks->known + 1, sizeof *seen)
                       : NULL;
    size_t count = 0;

    if (seen == NULL) {
        return marks_seen(pop3) ? MAILMOD_ERROR_MEMORY : MAILMOD_OK;
    }
    for (size_t i = 0; i < marks->known; i++) {
        if (mm_pop3_marks_is_retrieved(marks, i) &&
            !mm_pop3_marks_is_hidden(marks, i)) {
            seen[count++] = i;
        }
    }
    enum mailmod_error error = mm_mailbox_mark_seen(pop3->mailbox, seen, count);
    mm_free(seen);
    return error;
}

static enum mailmod_error make_list(struct mm_pop3_session *pop3)
{
    const struct mm_pop3_marks *marks = &pop3->marks;
    bool takes_retrieved =
        mm_session_config(&pop3->base)->pop3.expires_retrieved;
    size_t old_count = 0;
    enum mailmod_error error = count_old(pop3, &old_count);

    if (error != MAILMOD_OK) {
        return error;
    }
    pop3->removed = mm_alloc_array(marks->known + 1, sizeof *pop3->removed);
    if (pop3->removed == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    for (size_t i = 0; i < marks->known; i++) {
        bool goes = !mm_pop3_marks_is_gone(marks, i) &&
                    (mm_pop3_marks_is_hidden(marks, i) || i < old_count ||
                     (takes_retrieved && mm_pop3_marks_is_retrieved(marks, i)));

        if (goes) {
            pop3->removed[pop3->removed_count++] = i;
        }
    }
    return MAILMOD_OK;
}

bool mm_pop3_run_update(struct mm_pop3_session *pop3)
{
    enum mailmod_error error =
        keeps_memory(pop3)
            ? mm_listing_memory_take(&pop3->memory, pop3->mailbox)
            : MAILMOD_OK;

    if (error == MAILMOD_OK) {
        pop3->seen_error = mark_seen(pop3);
    }
    if (error == MAILMOD_OK && !mm_mailbox_is_read_only(pop3->mailbox)) {
        error = make_list(pop3);
    }
    pop3->removal.indexes = pop3->removed;
    pop3->removal.count = pop3->removed_count;
    pop3->work_error = error;
    return error == MAILMOD_OK && pop3->removed_count > 0;
}

static void end_listing(struct mm_pop3_session *pop3)
{
    char text[64];
    const char *words = pop3->ending == MM_POP3D_SLEE   ? "Asleep."
                        : pop3->ending == MM_POP3D_QAUT ? "Logged out."
                                                        : "Goodbye.";

    mm_pop3_write_deleted(pop3, words, text, sizeof text);
    const struct mm_pop3_reply reply = {true, NULL, text};
    mm_pop3_let_go(pop3);
    if (pop3->ending == MM_POP3D_CORE) {
        mm_pop3_open(pop3, MM_POP3_FOR_CORE);
        return;
    }
    if (pop3->ending == MM_POP3D_QAUT) {
        pop3->base.user = NULL;
    }
    mm_pop3_answer(pop3, &reply);
}

static void refuse_ending(struct mm_pop3_session *pop3, const char *text)
{
    mm_listing_memory_fini(&pop3->memory);
    mm_pop3_answer_refusal(pop3, text);
    if (pop3->ending == MM_POP3D_UPDATE) {
        mm_pop3_let_go(pop3);
    }
}

void mm_pop3_update_done(struct mm_pop3_session *pop3)
{
    mm_free(pop3->removed);
    pop3->removed = NULL;
    if (pop3->seen_error != MAILMOD_OK) {
        MM_LOG(mm_pop3_log(pop3), MM_LOG_WARNING, "pop3",
               "messages not marked as seen",
               MM_TEXT("session", pop3->base.identifier),
               MM_TEXT("user", pop3->logins.auth.user_name),
               MM_TEXT("error", mm_error_name(pop3->seen_error)));
    }
    if (pop3->work_error != MAILMOD_OK) {
        MM_LOG(mm_pop3_log(pop3), MM_LOG_ERROR, "pop3", "nothing deleted",
               MM_TEXT("session", pop3->base.identifier),
               MM_TEXT("error", mm_error_name(pop3->work_error)));
        refuse_ending(pop3, "messages were not deleted");
        return;
    }
    if (pop3->removed_count > 0) {
        MM_LOG(mm_pop3_log(pop3), MM_LOG_INFO, "pop3", "messages deleted",
               MM_TEXT("session", pop3->base.identifier),
               MM_TEXT("user", pop3->logins.auth.user_name),
               MM_NUMBER("messages", (int64_t)pop3->removed_count));
    }
    end_listing(pop3);
}

/* Nothing that a worker would have to do? */
static bool is_idle_end(const struct mm_pop3_session *pop3)
{
    const struct mm_config *config = mm_session_config(&pop3->base);

    return pop3->marks.marked_count == 0 && config->pop3.expire_days == 0 &&
           !config->pop3.expires_retrieved && !keeps_memory(pop3) &&
           !(marks_seen(pop3) && pop3->marks.has_retrieved);
}

void mm_pop3_update(struct mm_pop3_session *pop3, enum mm_pop3d_event event)
{
    pop3->ending = event;
    pop3->removed_count = 0;
    pop3->seen_error = MAILMOD_OK;
    pop3->ended_ms = mm_loop_wall_ms(pop3->base.loop);
    if (is_idle_end(pop3)) {
        end_listing(pop3);
    } else if (!mm_pop3_submit_job(pop3, MM_POP3_WORK_UPDATE)) {
        refuse_ending(pop3, "messages were not deleted");
    }
}
