/* server_answer.c - what the session's answer to an event does.
 *
 * Owns the table of events: standard words for yes and no, and the function
 * that settles. Promises: an answer that does not fit the pending event is an
 * error and changes nothing; an answer settles its event once. Lives on its
 * conversation's thread.
 *
 * RFC 1939 4 to 7, RFC 2595 4 (octets after STLS are not data), RFC 5034 4
 * (challenges). */
#include "wire/pop3/server_internal.h"

#include "base/base64.h"

typedef void settle(struct mm_pop3d *pop3d, const struct mm_pop3_reply *reply);

static settle settle_connect;
static settle settle_login;
static settle settle_plain;
static settle settle_rows;
static settle settle_body;
static settle settle_stls;
static settle settle_update;
static settle settle_slee;
static settle settle_wake;
static settle settle_qaut;
static settle settle_end;

static const struct event_rule {
    settle *settle; /* NULL: the event has calls of its own */
    enum mm_pop3d_text ok;
    enum mm_pop3d_text error;
} event_rules[] = {
    [MM_POP3D_CONNECT] = {settle_connect, MM_POP3D_OK_PLAIN,
                          MM_POP3D_ERR_CONNECT},
    [MM_POP3D_LOGIN] = {settle_login, MM_POP3D_OK_LOGIN, MM_POP3D_ERR_LOGIN},
    [MM_POP3D_APOP] = {settle_login, MM_POP3D_OK_LOGIN, MM_POP3D_ERR_LOGIN},
    [MM_POP3D_AUTH] = {settle_login, MM_POP3D_OK_LOGIN, MM_POP3D_ERR_LOGIN},
    [MM_POP3D_AUTH_DATA] = {settle_login, MM_POP3D_OK_LOGIN,
                            MM_POP3D_ERR_LOGIN},
    [MM_POP3D_STAT] = {settle_plain, MM_POP3D_OK_PLAIN, MM_POP3D_ERR_TEMPORARY},
    [MM_POP3D_LIST] = {settle_rows, MM_POP3D_OK_LIST, MM_POP3D_ERR_MESSAGE},
    [MM_POP3D_UIDL] = {settle_rows, MM_POP3D_OK_UIDL, MM_POP3D_ERR_MESSAGE},
    [MM_POP3D_RETR] = {settle_body, MM_POP3D_OK_MESSAGE, MM_POP3D_ERR_MESSAGE},
    [MM_POP3D_TOP] = {settle_body, MM_POP3D_OK_MESSAGE, MM_POP3D_ERR_MESSAGE},
    [MM_POP3D_DELE] = {settle_plain, MM_POP3D_OK_DELE, MM_POP3D_ERR_MESSAGE},
    [MM_POP3D_DELI] = {settle_plain, MM_POP3D_OK_DELI, MM_POP3D_ERR_MESSAGE},
    [MM_POP3D_RSET] = {settle_plain, MM_POP3D_OK_RSET, MM_POP3D_ERR_TEMPORARY},
    [MM_POP3D_STLS] = {settle_stls, MM_POP3D_OK_STLS, MM_POP3D_ERR_STLS_FAILED},
    [MM_POP3D_UPDATE] = {settle_update, MM_POP3D_OK_BYE, MM_POP3D_ERR_UPDATE},
    [MM_POP3D_SLEE] = {settle_slee, MM_POP3D_OK_SLEE, MM_POP3D_ERR_UPDATE},
    [MM_POP3D_CORE] = {settle_plain, MM_POP3D_OK_CORE, MM_POP3D_ERR_UPDATE},
    [MM_POP3D_QAUT] = {settle_qaut, MM_POP3D_OK_QAUT, MM_POP3D_ERR_UPDATE},
    [MM_POP3D_WAKE] = {settle_wake, MM_POP3D_OK_WAKE, MM_POP3D_ERR_TEMPORARY},
    [MM_POP3D_COMMAND] = {settle_plain, MM_POP3D_OK_PLAIN,
                          MM_POP3D_ERR_TEMPORARY},
    [MM_POP3D_QUIT] = {settle_end, MM_POP3D_OK_PLAIN, MM_POP3D_OK_PLAIN},
    [MM_POP3D_BROKEN] = {settle_end, MM_POP3D_OK_PLAIN, MM_POP3D_OK_PLAIN},
};

static bool is_yes(const struct mm_pop3_reply *reply)
{
    return reply == NULL || reply->is_ok;
}

/* The reply in the words given, or in the pending event's own. */
static void write_reply(struct mm_pop3d *pop3d,
                        const struct mm_pop3_reply *reply)
{
    const struct event_rule *rule = &event_rules[pop3d->pending];
    mm_pop3d_write(pop3d, reply, is_yes(reply) ? rule->ok : rule->error);
}

/* The event is over unless writing its reply broke the conversation off. */
static bool is_settled(struct mm_pop3d *pop3d)
{
    if (pop3d->state >= MM_POP3D_IN_CLOSING) {
        return false;
    }
    pop3d->pending = MM_POP3D_NEED_INPUT;
    pop3d->info = (struct mm_pop3d_info){.number = 0};
    return true;
}

static void end(struct mm_pop3d *pop3d)
{
    mm_pop3d_set_state(pop3d, MM_POP3D_IN_CLOSING);
    mm_pop3d_raise(pop3d, MM_POP3D_QUIT);
}

static void settle_connect(struct mm_pop3d *pop3d,
                           const struct mm_pop3_reply *reply)
{
    if (is_yes(reply)) {
        mm_pop3d_write_greeting(pop3d, reply);
    } else {
        write_reply(pop3d, reply);
    }
    if (!is_settled(pop3d)) {
        return;
    }
    if (is_yes(reply)) {
        mm_pop3d_set_state(pop3d, MM_POP3D_IN_AUTHORIZATION);
    } else {
        end(pop3d);
    }
}

static void settle_login(struct mm_pop3d *pop3d,
                         const struct mm_pop3_reply *reply)
{
    write_reply(pop3d, reply);
    mm_pop3d_wipe_secrets(pop3d);
    pop3d->user[0] = '\0';
    if (!is_settled(pop3d)) {
        return;
    }
    if (is_yes(reply)) {
        mm_pop3d_set_state(pop3d, MM_POP3D_IN_TRANSACTION);
        return;
    }
    if (pop3d->state == MM_POP3D_IN_EXCHANGE) {
        mm_pop3d_set_state(pop3d, MM_POP3D_IN_AUTHORIZATION);
    }
    mm_pop3d_count_error(pop3d);
}

static void settle_plain(struct mm_pop3d *pop3d,
                         const struct mm_pop3_reply *reply)
{
    write_reply(pop3d, reply);
    (void)is_settled(pop3d);
}

/* To `state` when the answer is yes; else all is as it was. */
static void settle_into(struct mm_pop3d *pop3d,
                        const struct mm_pop3_reply *reply,
                        enum mm_pop3d_state state)
{
    write_reply(pop3d, reply);
    if (is_settled(pop3d) && is_yes(reply)) {
        mm_pop3d_set_state(pop3d, state);
    }
}

static void settle_rows(struct mm_pop3d *pop3d,
                        const struct mm_pop3_reply *reply)
{
    settle_into(pop3d, reply, MM_POP3D_IN_ROWS);
}

static void settle_body(struct mm_pop3d *pop3d,
                        const struct mm_pop3_reply *reply)
{
    bool is_top = pop3d->pending == MM_POP3D_TOP;
    uint64_t lines = pop3d->info.lines;
    write_reply(pop3d, reply);
    if (!is_settled(pop3d) || !is_yes(reply)) {
        return;
    }
    mm_dot_writer_init(&pop3d->dots);
    pop3d->is_top = is_top;
    pop3d->top = (struct mm_pop3d_top){.lines_left = lines};
    mm_pop3d_set_state(pop3d, MM_POP3D_IN_BODY);
}

static void settle_stls(struct mm_pop3d *pop3d,
                        const struct mm_pop3_reply *reply)
{
    /* What came behind STLS was sent before there was TLS, by whomever: it is
     * neither a command now nor data later (CVE-2011-0411, -2021-33515). */
    bool is_early = is_yes(reply) && (mm_buf_size(&pop3d->input) > 0 ||
                                      mm_line_has_part(&pop3d->reader));
    if (is_early) {
        mm_pop3d_say(pop3d, MM_POP3D_ERR_EARLY_INPUT);
        mm_pop3d_break_off(pop3d, "input between STLS and TLS");
        return;
    }
    settle_into(pop3d, reply, MM_POP3D_IN_STLS);
}

static void settle_update(struct mm_pop3d *pop3d,
                          const struct mm_pop3_reply *reply)
{
    write_reply(pop3d, reply);
    if (is_settled(pop3d)) {
        end(pop3d);
    }
}

static void settle_slee(struct mm_pop3d *pop3d,
                        const struct mm_pop3_reply *reply)
{
    settle_into(pop3d, reply, MM_POP3D_IN_ASLEEP);
}

static void settle_wake(struct mm_pop3d *pop3d,
                        const struct mm_pop3_reply *reply)
{
    settle_into(pop3d, reply, MM_POP3D_IN_TRANSACTION);
}

static void settle_qaut(struct mm_pop3d *pop3d,
                        const struct mm_pop3_reply *reply)
{
    settle_into(pop3d, reply, MM_POP3D_IN_AUTHORIZATION);
}

static void settle_end(struct mm_pop3d *pop3d,
                       const struct mm_pop3_reply *reply)
{
    (void)reply;
    pop3d->pending = MM_POP3D_NEED_INPUT;
    mm_pop3d_set_state(pop3d, MM_POP3D_IN_CLOSED);
}

/* An OK to STAT or to LIST and UIDL of one message must carry its figures. */
static bool needs_figures(const struct mm_pop3d *pop3d)
{
    enum mm_pop3d_event event = pop3d->pending;
    return event == MM_POP3D_STAT ||
           ((event == MM_POP3D_LIST || event == MM_POP3D_UIDL) &&
            mm_pop3d_is_about_one(&pop3d->info));
}

/* The room was there when the command was taken; only memory can be short. */
static enum mailmod_error prepare_reply(struct mm_pop3d *pop3d)
{
    return mm_pop3d_has_room(pop3d) ? MAILMOD_OK : MAILMOD_ERROR_MEMORY;
}

static enum mailmod_error outcome(const struct mm_pop3d *pop3d)
{
    bool is_starved = mm_buf_error(&pop3d->output) == MAILMOD_ERROR_MEMORY;
    return is_starved ? MAILMOD_ERROR_MEMORY : MAILMOD_OK;
}

enum mailmod_error mm_pop3d_answer(struct mm_pop3d *pop3d,
                                   const struct mm_pop3_reply *reply)
{
    if (pop3d->pending == MM_POP3D_NEED_INPUT) {
        return MAILMOD_ERROR_STATE;
    }
    if (is_yes(reply) && needs_figures(pop3d)) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    if (pop3d->state == MM_POP3D_IN_CLOSING) {
        settle_end(pop3d, reply);
        return MAILMOD_OK;
    }
    enum mailmod_error error = prepare_reply(pop3d);
    if (error != MAILMOD_OK) {
        return error;
    }
    event_rules[pop3d->pending].settle(pop3d, reply);
    return outcome(pop3d);
}

enum mailmod_error mm_pop3d_challenge(struct mm_pop3d *pop3d,
                                      struct mm_span data)
{
    if (pop3d->pending != MM_POP3D_AUTH &&
        pop3d->pending != MM_POP3D_AUTH_DATA) {
        return MAILMOD_ERROR_STATE;
    }
    if (data.size > MM_POP3D_CHALLENGE_MAX) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    enum mailmod_error error = prepare_reply(pop3d);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_buf *out = &pop3d->output;
    size_t size = mm_buf_size(out);
    /* RFC 5034 4: "+" SP [base64] CRLF. */
    if (mm_buf_append_cstr(out, "+ ") != MAILMOD_OK ||
        mm_base64_encode(out, data.data, data.size) != MAILMOD_OK ||
        mm_buf_append_cstr(out, "\r\n") != MAILMOD_OK) {
        mm_pop3d_break_off(pop3d, "no memory for a challenge");
        return MAILMOD_ERROR_MEMORY;
    }
    mm_pop3d_tell_output(pop3d, size);
    mm_pop3d_wipe_secrets(pop3d);
    (void)is_settled(pop3d);
    return MAILMOD_OK;
}

enum mailmod_error mm_pop3d_answer_stat(struct mm_pop3d *pop3d, uint64_t count,
                                        uint64_t octets)
{
    if (pop3d->pending != MM_POP3D_STAT) {
        return MAILMOD_ERROR_STATE;
    }
    enum mailmod_error error = prepare_reply(pop3d);
    if (error != MAILMOD_OK) {
        return error;
    }
    size_t size = mm_buf_size(&pop3d->output);
    mm_pop3d_write_figures(pop3d, "+OK ", count, octets, NULL);
    mm_pop3d_tell_output(pop3d, size);
    (void)is_settled(pop3d);
    return outcome(pop3d);
}

enum mailmod_error mm_pop3d_answer_row(struct mm_pop3d *pop3d, uint64_t number,
                                       uint64_t size, const char *unique_id)
{
    bool is_list = pop3d->pending == MM_POP3D_LIST;
    bool is_uidl = pop3d->pending == MM_POP3D_UIDL;
    if ((!is_list && !is_uidl) || !mm_pop3d_is_about_one(&pop3d->info)) {
        return MAILMOD_ERROR_STATE;
    }
    if (is_uidl && (unique_id == NULL ||
                    !mm_pop3d_is_unique_id(mm_span_cstr(unique_id)))) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    enum mailmod_error error = prepare_reply(pop3d);
    if (error != MAILMOD_OK) {
        return error;
    }
    size_t before = mm_buf_size(&pop3d->output);
    mm_pop3d_write_figures(pop3d, "+OK ", number, size,
                           is_uidl ? unique_id : NULL);
    mm_pop3d_tell_output(pop3d, before);
    (void)is_settled(pop3d);
    return outcome(pop3d);
}
