/* server.c - the POP3 server's pump: octets in, events out, replies out.
 *
 * Owns the conversation: input that is not read yet (at most MM_LIMIT_INPUT),
 * output that is not sent yet (at most MM_LIMIT_OUTPUT), one line, one pending
 * event. Promises: between an event and its answer nothing is consumed; no
 * command is consumed while the output has no room for its reply; every
 * refusal leaves the state as it was; out of memory the conversation is broken
 * off, never the process. A password is overwritten as soon as its event is
 * answered. Lives on its caller's thread.
 *
 * RFC 1939 3 to 6 (states), RFC 2449 6.6 (pipelining), RFC 2595 4 (STLS:
 * nothing of before TLS is known after it). */
#include "wire/pop3/server_internal.h"

#include "base/mem.h"

#include <assert.h>
#include <string.h>

#define BIT(state) (1U << (state))

/* What the law in server_internal.h allows, and the names for logs. */
static const struct {
    const char *name;
    unsigned next;
} states[MM_POP3D_STATE_COUNT] = {
    [MM_POP3D_IN_CONNECT] = {"connect", BIT(MM_POP3D_IN_AUTHORIZATION)},
    [MM_POP3D_IN_AUTHORIZATION] = {"authorization",
                                   BIT(MM_POP3D_IN_EXCHANGE) |
                                       BIT(MM_POP3D_IN_STLS) |
                                       BIT(MM_POP3D_IN_TRANSACTION)},
    [MM_POP3D_IN_EXCHANGE] = {"exchange", BIT(MM_POP3D_IN_AUTHORIZATION) |
                                              BIT(MM_POP3D_IN_TRANSACTION)},
    [MM_POP3D_IN_STLS] = {"stls", BIT(MM_POP3D_IN_AUTHORIZATION)},
    [MM_POP3D_IN_TRANSACTION] = {"transaction",
                                 BIT(MM_POP3D_IN_ROWS) | BIT(MM_POP3D_IN_BODY) |
                                     BIT(MM_POP3D_IN_ASLEEP) |
                                     BIT(MM_POP3D_IN_UPDATE) |
                                     BIT(MM_POP3D_IN_AUTHORIZATION)},
    [MM_POP3D_IN_ROWS] = {"rows", BIT(MM_POP3D_IN_TRANSACTION)},
    [MM_POP3D_IN_BODY] = {"body", BIT(MM_POP3D_IN_TRANSACTION)},
    [MM_POP3D_IN_ASLEEP] = {"asleep", BIT(MM_POP3D_IN_TRANSACTION)},
    [MM_POP3D_IN_UPDATE] = {"update", 0},
    [MM_POP3D_IN_CLOSING] = {"closing", BIT(MM_POP3D_IN_CLOSED)},
    [MM_POP3D_IN_CLOSED] = {"closed", 0},
};

/* RFC 2449 4: 255 octets with CRLF. Before the login a line may be AUTH's. */
static size_t line_max(enum mm_pop3d_state state)
{
    return state < MM_POP3D_IN_TRANSACTION ? MM_LIMIT_POP3_AUTH_LINE - 2
                                           : MM_LIMIT_POP3_COMMAND - 2;
}

/* Passwords that were never asked for may lie in it. */
static void drop_input(struct mm_pop3d *pop3d)
{
    mm_buf_wipe(&pop3d->input);
}

/* Who sleeps holds no memory: a server has thousands of these. */
static void rest(struct mm_pop3d *pop3d)
{
    if (mm_buf_size(&pop3d->input) == 0) {
        drop_input(pop3d);
    }
    if (mm_buf_size(&pop3d->output) == 0) {
        mm_buf_release(&pop3d->output);
    }
}

void mm_pop3d_set_state(struct mm_pop3d *pop3d, enum mm_pop3d_state state)
{
    assert(
        (states[pop3d->state].next & BIT(state)) != 0 ||
        (state == MM_POP3D_IN_CLOSING && pop3d->state < MM_POP3D_IN_CLOSING));
    bool was_before = pop3d->state < MM_POP3D_IN_TRANSACTION;
    bool is_before = state < MM_POP3D_IN_TRANSACTION;
    pop3d->state = state;
    if (was_before != is_before && state < MM_POP3D_IN_CLOSING) {
        /* A login or its end. The long lines are over, and their memory is not
         * kept for the rest; or they come anew. */
        pop3d->is_authenticated = !is_before;
        mm_line_reader_fini(&pop3d->reader);
        mm_line_reader_init(&pop3d->reader, line_max(state));
    }
    if (state == MM_POP3D_IN_CLOSING) {
        mm_pop3d_wipe_secrets(pop3d);
        drop_input(pop3d);
    }
}

void mm_pop3d_raise(struct mm_pop3d *pop3d, enum mm_pop3d_event event)
{
    pop3d->pending = event;
}

void mm_pop3d_wipe_secrets(struct mm_pop3d *pop3d)
{
    mm_line_wipe(&pop3d->reader);
    mm_buf_wipe(&pop3d->sasl);
    /* The line came through the input; its octets still lie around there. */
    struct mm_buf *input = &pop3d->input;
    if (input->data != NULL) {
        mm_secret_clear(input->data, input->start);
        mm_secret_clear(input->data + input->end, input->capacity - input->end);
    }
    pop3d->info = (struct mm_pop3d_info){.text = pop3d->info.text};
}

void mm_pop3d_break_off(struct mm_pop3d *pop3d, const char *why)
{
    if (pop3d->state >= MM_POP3D_IN_CLOSING) {
        return;
    }
    mm_pop3d_set_state(pop3d, MM_POP3D_IN_CLOSING);
    pop3d->info = (struct mm_pop3d_info){.text = why};
    mm_pop3d_raise(pop3d, MM_POP3D_BROKEN);
}

void mm_pop3d_tell_output(const struct mm_pop3d *pop3d, size_t size)
{
    if (pop3d->options.tap != NULL) {
        mm_tap_reply(pop3d->options.tap, MM_TAP_SENT,
                     mm_span_from(mm_buf_span(&pop3d->output), size));
    }
}

bool mm_pop3d_has(const struct mm_pop3d *pop3d,
                  enum mm_pop3d_extension extension)
{
    return (pop3d->options.extensions & (unsigned)extension) != 0;
}

void mm_pop3d_count_error(struct mm_pop3d *pop3d)
{
    pop3d->error_count++;
    if (pop3d->options.errors_max != 0 &&
        pop3d->error_count >= pop3d->options.errors_max) {
        mm_pop3d_break_off(pop3d, "too many errors");
    }
}

void mm_pop3d_refuse(struct mm_pop3d *pop3d, enum mm_pop3d_text id)
{
    mm_pop3d_say(pop3d, id);
    mm_pop3d_count_error(pop3d);
}

bool mm_pop3d_has_room(struct mm_pop3d *pop3d)
{
    if (mm_buf_room(&pop3d->output) < MM_POP3D_REPLY_ROOM) {
        return false;
    }
    if (mm_buf_reserve(&pop3d->output, MM_POP3D_REPLY_ROOM) == NULL) {
        mm_pop3d_break_off(pop3d, "no memory for a reply");
        return false;
    }
    return true;
}

/* msg-id of letters, digits, dots and hyphens around one "@" (RFC 1939 7 asks
 * for RFC 822's; mailboxes have been lost to odd characters in it). */
static bool is_stamp(const char *stamp)
{
    size_t size = strlen(stamp);
    size_t at_count = 0;
    if (size < 5 || size > MM_POP3D_STAMP_MAX || stamp[0] != '<' ||
        stamp[size - 1] != '>' || stamp[1] == '@' || stamp[size - 2] == '@') {
        return false;
    }
    for (size_t i = 1; i < size - 1; i++) {
        char c = stamp[i];
        at_count += c == '@';
        if (c != '@' && c != '.' && c != '-' &&
            !mm_ascii_is_alnum((unsigned char)c)) {
            return false;
        }
    }
    return at_count == 1;
}

enum mailmod_error mm_pop3d_new(struct mm_pop3d **pop3d_out,
                                const struct mm_pop3d_options *options)
{
    *pop3d_out = NULL;
    if (options->host_name == NULL ||
        strlen(options->host_name) > MM_LIMIT_DOMAIN ||
        (options->apop_stamp != NULL && !is_stamp(options->apop_stamp))) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    struct mm_pop3d *pop3d = mm_alloc(sizeof *pop3d);
    if (pop3d == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    pop3d->options = *options;
    pop3d->is_tls = options->is_tls;
    pop3d->state = MM_POP3D_IN_CONNECT;
    pop3d->pending = MM_POP3D_CONNECT;
    mm_buf_init(&pop3d->input, MM_LIMIT_INPUT);
    mm_buf_init(&pop3d->output, MM_LIMIT_OUTPUT);
    mm_buf_init(&pop3d->sasl, MM_LIMIT_POP3_AUTH_LINE);
    mm_line_reader_init(&pop3d->reader, line_max(pop3d->state));
    /* A stamp is an invitation: it is not said where APOP would be refused. */
    if (options->apop_stamp != NULL &&
        (options->is_tls || options->allows_clear_login)) {
        pop3d->stamp = mm_strdup(options->apop_stamp);
        if (pop3d->stamp == NULL) {
            mm_pop3d_free(&pop3d);
            return MAILMOD_ERROR_MEMORY;
        }
    }
    *pop3d_out = pop3d;
    return MAILMOD_OK;
}

void mm_pop3d_free(struct mm_pop3d **pop3d_in)
{
    struct mm_pop3d *pop3d = *pop3d_in;
    if (pop3d == NULL) {
        return;
    }
    mm_pop3d_wipe_secrets(pop3d);
    mm_buf_fini(&pop3d->sasl);
    mm_line_reader_fini(&pop3d->reader);
    drop_input(pop3d);
    mm_buf_fini(&pop3d->output);
    mm_free(pop3d->stamp);
    mm_free(pop3d);
    *pop3d_in = NULL;
}

size_t mm_pop3d_feed(struct mm_pop3d *pop3d, const char *bytes, size_t size)
{
    if (pop3d->state >= MM_POP3D_IN_CLOSING) {
        return size; /* nobody reads it any more */
    }
    if (size > 0 && pop3d->state == MM_POP3D_IN_STLS) {
        mm_pop3d_break_off(pop3d, "input between STLS and TLS");
        return size;
    }
    size_t room = mm_buf_room(&pop3d->input);
    size_t taken = size < room ? size : room;
    if (mm_buf_append(&pop3d->input, bytes, taken) != MAILMOD_OK) {
        mm_pop3d_break_off(pop3d, "no memory for input");
        return size;
    }
    return taken;
}

static bool reads_lines(const struct mm_pop3d *pop3d)
{
    return pop3d->state == MM_POP3D_IN_AUTHORIZATION ||
           pop3d->state == MM_POP3D_IN_EXCHANGE ||
           pop3d->state == MM_POP3D_IN_TRANSACTION ||
           pop3d->state == MM_POP3D_IN_ASLEEP;
}

/* Takes one line to its end; false when there is none yet. */
static bool take_line(struct mm_pop3d *pop3d)
{
    size_t used = 0;
    struct mm_line line;
    enum mm_line_result result =
        mm_line_read(&pop3d->reader, mm_buf_span(&pop3d->input), &used, &line);
    mm_buf_consume(&pop3d->input, used);
    if (result == MM_LINE_NO_MEMORY) {
        mm_pop3d_break_off(pop3d, "no memory for a line");
        return true;
    }
    if (result == MM_LINE_MORE) {
        rest(pop3d);
        return false;
    }
    pop3d->progress++;
    bool is_response = pop3d->state == MM_POP3D_IN_EXCHANGE;
    mm_tap_command(pop3d->options.tap, MM_TAP_RECEIVED, line.text, is_response);
    if (is_response) {
        mm_pop3d_take_response(pop3d, &line);
    } else {
        mm_pop3d_take_command(pop3d, &line);
    }
    return true;
}

enum mm_pop3d_event mm_pop3d_next(struct mm_pop3d *pop3d,
                                  struct mm_pop3d_info *info_out)
{
    while (pop3d->pending == MM_POP3D_NEED_INPUT && reads_lines(pop3d)) {
        if (!mm_pop3d_has_room(pop3d) || !take_line(pop3d)) {
            break;
        }
    }
    *info_out = pop3d->info;
    if (pop3d->pending != MM_POP3D_NEED_INPUT) {
        return pop3d->pending;
    }
    return mm_pop3d_flow(pop3d);
}

/* Words may be said only where the client waits for a reply: inside a list or
 * a message they would be taken for a part of it, after STLS for a record. */
static bool may_speak(const struct mm_pop3d *pop3d)
{
    return pop3d->state != MM_POP3D_IN_ROWS &&
           pop3d->state != MM_POP3D_IN_BODY && pop3d->state != MM_POP3D_IN_STLS;
}

enum mailmod_error mm_pop3d_close(struct mm_pop3d *pop3d,
                                  const struct mm_pop3_reply *reply)
{
    if (pop3d->state >= MM_POP3D_IN_CLOSING) {
        return MAILMOD_OK;
    }
    if (reply != NULL && may_speak(pop3d) && mm_pop3d_has_room(pop3d)) {
        mm_pop3d_write(pop3d, reply, MM_POP3D_ERR_CONNECT);
    }
    if (pop3d->state < MM_POP3D_IN_CLOSING) {
        mm_pop3d_set_state(pop3d, MM_POP3D_IN_CLOSING);
        mm_pop3d_raise(pop3d, MM_POP3D_QUIT);
        return MAILMOD_OK;
    }
    return MAILMOD_ERROR_MEMORY;
}

void mm_pop3d_tls_begun(struct mm_pop3d *pop3d)
{
    if (pop3d->state != MM_POP3D_IN_STLS) {
        return;
    }
    pop3d->is_tls = true;
    /* RFC 2595 4: the server forgets what the client told it before. */
    pop3d->user[0] = '\0';
    mm_pop3d_wipe_secrets(pop3d);
    mm_pop3d_set_state(pop3d, MM_POP3D_IN_AUTHORIZATION);
}

struct mm_span mm_pop3d_rest(const struct mm_pop3d *pop3d)
{
    return mm_buf_span(&pop3d->input);
}

struct mm_span mm_pop3d_output(const struct mm_pop3d *pop3d)
{
    return mm_buf_span(&pop3d->output);
}

void mm_pop3d_sent(struct mm_pop3d *pop3d, size_t size)
{
    mm_buf_consume(&pop3d->output, size);
    rest(pop3d);
}

bool mm_pop3d_is_authenticated(const struct mm_pop3d *pop3d)
{
    return pop3d->is_authenticated;
}

bool mm_pop3d_is_asleep(const struct mm_pop3d *pop3d)
{
    return pop3d->state == MM_POP3D_IN_ASLEEP;
}

uint64_t mm_pop3d_progress(const struct mm_pop3d *pop3d)
{
    return pop3d->progress;
}

const char *mm_pop3d_state_name(const struct mm_pop3d *pop3d)
{
    return states[pop3d->state].name;
}
