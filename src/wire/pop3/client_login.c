/* client_login.c - the logins: the frame around a SASL exchange, APOP, and
 * USER with PASS.
 *
 * Promises: nothing of a login goes out in clear unless the caller allowed it;
 * credentials are wiped from the output as soon as they are sent. Which way is
 * tried, and what it says, is the caller's.
 * Thread: the caller's. RFC 1939 7; RFC 5034 4. */
#include "base/base64.h"
#include "wire/pop3/client_internal.h"

#include <string.h>

/* RFC 5034 4: an initial response that would make the line longer than 255
 * octets is kept for the first challenge. */
#define AUTH_LINE_MAX (MM_LIMIT_POP3_COMMAND - 2)

unsigned mm_pop3c_ways(const struct mm_pop3c *pop3c)
{
    const struct mm_pop3c_capabilities *offered = &pop3c->capabilities;
    unsigned ways = offered->mechanisms;
    if (!pop3c->is_tls && !pop3c->allows_clear_auth) {
        return 0;
    }
    if (pop3c->stamp[0] != '\0') {
        ways |= MM_POP3C_WAY_APOP;
    }
    /* A server that lists no way at all means the one of RFC 1939. */
    if (offered->has_user || offered->mechanisms == 0) {
        ways |= MM_POP3C_WAY_USER;
    }
    return ways & ~pop3c->tried;
}

static enum mailmod_error check_way(const struct mm_pop3c *pop3c, unsigned way)
{
    if (pop3c->state != MM_POP3C_AT_LOGIN) {
        return MAILMOD_ERROR_STATE;
    }
    return (way & mm_pop3c_ways(pop3c)) != 0 ? MAILMOD_OK
                                             : MAILMOD_ERROR_ARGUMENT;
}

/* What was written is this step, and its reply is waited for. */
static enum mailmod_error go(struct mm_pop3c *pop3c, enum mm_pop3c_kind kind,
                             bool is_command)
{
    pop3c->has_secret = true;
    enum mailmod_error error = mm_pop3c_end_command(pop3c, !is_command);
    if (error == MAILMOD_OK) {
        mm_pop3c_do(pop3c, kind);
        pop3c->sent = 1;
    }
    return error;
}

static enum mailmod_error keep_initial(struct mm_pop3c *pop3c,
                                       struct mm_span initial)
{
    mm_buf_wipe(&pop3c->initial);
    if (initial.size == 0) {
        return mm_buf_append_char(&pop3c->initial, '=');
    }
    return mm_base64_encode(&pop3c->initial, initial.data, initial.size);
}

enum mailmod_error mm_pop3c_auth(struct mm_pop3c *pop3c,
                                 enum mm_sasl_mechanism mechanism,
                                 bool has_initial, struct mm_span initial)
{
    enum mailmod_error error = check_way(pop3c, mechanism);
    if (error == MAILMOD_OK && has_initial) {
        error = keep_initial(pop3c, initial);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    pop3c->way = mechanism;
    pop3c->output.error = MAILMOD_OK;
    size_t start = mm_buf_size(&pop3c->output);
    mm_buf_append_cstr(&pop3c->output, "AUTH ");
    mm_buf_append_cstr(&pop3c->output, mm_sasl_name(mechanism));
    size_t size = mm_buf_size(&pop3c->output) - start;
    size_t initial_size = mm_buf_size(&pop3c->initial);
    if (initial_size > 0 && size + 1 + initial_size <= AUTH_LINE_MAX) {
        mm_buf_append_char(&pop3c->output, ' ');
        mm_buf_append_span(&pop3c->output, mm_buf_span(&pop3c->initial));
        mm_buf_wipe(&pop3c->initial);
    }
    return go(pop3c, MM_POP3C_STEP_AUTH, true);
}

enum mailmod_error mm_pop3c_auth_response(struct mm_pop3c *pop3c,
                                          struct mm_span data)
{
    if (pop3c->state != MM_POP3C_AT_CHALLENGE) {
        return MAILMOD_ERROR_STATE;
    }
    pop3c->output.error = MAILMOD_OK;
    enum mailmod_error error =
        mm_base64_encode(&pop3c->output, data.data, data.size);
    if (error != MAILMOD_OK) {
        mm_pop3c_fail(pop3c, error, false);
        return error;
    }
    return go(pop3c, MM_POP3C_STEP_AUTH, false);
}

enum mailmod_error mm_pop3c_auth_cancel(struct mm_pop3c *pop3c)
{
    if (pop3c->state != MM_POP3C_AT_CHALLENGE) {
        return MAILMOD_ERROR_STATE;
    }
    pop3c->output.error = MAILMOD_OK;
    mm_buf_append_char(&pop3c->output, '*');
    return go(pop3c, MM_POP3C_STEP_AUTH, false);
}

/* What would end the command line, or be no argument, is none. */
static bool is_argument(const char *text, size_t size_max)
{
    size_t size = strlen(text);
    return size > 0 && size <= size_max && strpbrk(text, "\r\n") == NULL;
}

enum mailmod_error mm_pop3c_apop(struct mm_pop3c *pop3c, const char *user,
                                 const char *digest)
{
    enum mailmod_error error = check_way(pop3c, MM_POP3C_WAY_APOP);
    if (error == MAILMOD_OK &&
        /* RFC 1939 7: the digest stands behind the last blank. */
        (!is_argument(user, MM_LIMIT_USER_NAME) || strchr(user, ' ') != NULL ||
         !is_argument(digest, 32))) {
        error = MAILMOD_ERROR_ARGUMENT;
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    pop3c->way = MM_POP3C_WAY_APOP;
    pop3c->output.error = MAILMOD_OK;
    mm_buf_appendf(&pop3c->output, "APOP %s %s", user, digest);
    return go(pop3c, MM_POP3C_STEP_APOP, true);
}

enum mailmod_error mm_pop3c_user(struct mm_pop3c *pop3c, const char *user,
                                 const char *password)
{
    enum mailmod_error error = check_way(pop3c, MM_POP3C_WAY_USER);
    if (error == MAILMOD_OK && (!is_argument(user, MM_LIMIT_USER_NAME) ||
                                !is_argument(password, MM_LIMIT_PASSWORD))) {
        error = MAILMOD_ERROR_ARGUMENT;
    }
    if (error == MAILMOD_OK) {
        mm_buf_wipe(&pop3c->password);
        error = mm_buf_append_cstr(&pop3c->password, password);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    pop3c->way = MM_POP3C_WAY_USER;
    pop3c->output.error = MAILMOD_OK;
    mm_buf_append_cstr(&pop3c->output, "USER ");
    mm_buf_append_cstr(&pop3c->output, user);
    return go(pop3c, MM_POP3C_STEP_USER, true);
}

void mm_pop3c_take_challenge(struct mm_pop3c *pop3c, struct mm_span text)
{
    if (mm_buf_size(&pop3c->initial) > 0) {
        pop3c->output.error = MAILMOD_OK;
        mm_buf_append_span(&pop3c->output, mm_buf_span(&pop3c->initial));
        mm_buf_wipe(&pop3c->initial);
        (void)go(pop3c, MM_POP3C_STEP_AUTH, false);
        return;
    }
    mm_buf_clear(&pop3c->challenge);
    enum mailmod_error error =
        mm_base64_decode(&pop3c->challenge, mm_span_trim(text));
    if (error == MAILMOD_ERROR_MEMORY) {
        mm_pop3c_fail(pop3c, error, false);
        return;
    }
    if (error != MAILMOD_OK) {
        mm_buf_clear(&pop3c->challenge); /* prose: the mechanism will tell */
    }
    pop3c->count = 0;
    pop3c->sent = 0;
    pop3c->state = MM_POP3C_AT_CHALLENGE;
}

enum mm_pop3c_event mm_pop3c_take_login(struct mm_pop3c *pop3c,
                                        struct mm_pop3c_info *info)
{
    mm_buf_wipe(&pop3c->initial);
    mm_buf_wipe(&pop3c->password);
    mm_buf_clear(&pop3c->challenge);
    info->ways = pop3c->way;
    pop3c->tried |= pop3c->way & ~pop3c->tries_twice;
    pop3c->tries_twice &= ~pop3c->way;
    if (info->reply->is_ok) {
        pop3c->is_logged_in = true;
        pop3c->count = 0;
        pop3c->sent = 0;
        pop3c->state = MM_POP3C_IN_TALKING;
    } else {
        /* When this was the last way, FAILED is told after LOGIN_DONE. */
        mm_pop3c_go_on(pop3c);
    }
    return MM_POP3C_LOGIN_DONE;
}

enum mm_pop3c_event mm_pop3c_take_auth(struct mm_pop3c *pop3c,
                                       struct mm_pop3c_info *info)
{
    return mm_pop3c_take_login(pop3c, info);
}

enum mm_pop3c_event mm_pop3c_take_user(struct mm_pop3c *pop3c,
                                       struct mm_pop3c_info *info)
{
    if (!info->reply->is_ok) {
        return mm_pop3c_take_login(pop3c, info);
    }
    mm_pop3c_do(pop3c, MM_POP3C_STEP_PASS);
    return MM_POP3C_NEED_INPUT;
}
