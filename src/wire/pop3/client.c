/* client.c - one POP3 conversation, client side: the machine itself.
 *
 * Owns the input, the output, the list of steps and the line that is being
 * read. Promises: a reply is matched to the oldest step that was sent and not
 * answered, so pipelining shifts nothing; a reply that nobody waits for ends
 * the conversation; nothing the server sends grows memory past MM_LIMIT_INPUT,
 * one line and one piece of a body; a list has an end.
 *
 * Thread: the caller's, one at a time. RFC 1939 3; RFC 2449 4, 6.6, 8. */
#include "base/mem.h"
#include "wire/pop3/client_internal.h"

#include <string.h>

/* What one command may take of the output: USER and PASS at their caps. */
#define COMMAND_ROOM (MM_LIMIT_POP3_LOGIN_LINE + 64)

static mm_pop3c_take *const takers[] = {
    [MM_POP3C_STEP_GREETING] = mm_pop3c_take_greeting,
    [MM_POP3C_STEP_CAPA] = mm_pop3c_take_capa,
    [MM_POP3C_STEP_STLS] = mm_pop3c_take_stls,
    [MM_POP3C_STEP_AUTH] = mm_pop3c_take_auth,
    [MM_POP3C_STEP_APOP] = mm_pop3c_take_login,
    [MM_POP3C_STEP_USER] = mm_pop3c_take_user,
    [MM_POP3C_STEP_PASS] = mm_pop3c_take_login,
    [MM_POP3C_STEP_ASK] = mm_pop3c_take_answer,
};

static bool is_over(const struct mm_pop3c *pop3c)
{
    return pop3c->state == MM_POP3C_AT_FAILED ||
           pop3c->state == MM_POP3C_AT_CLOSED;
}

void mm_pop3c_fail(struct mm_pop3c *pop3c, enum mailmod_error error,
                   bool has_reply)
{
    if (is_over(pop3c)) {
        return;
    }
    pop3c->failed_phase = mm_pop3c_phase(pop3c);
    pop3c->error = error;
    pop3c->has_reply = has_reply;
    pop3c->state = MM_POP3C_AT_FAILED;
    mm_buf_wipe(&pop3c->initial);
    mm_buf_wipe(&pop3c->password);
}

void mm_pop3c_part(struct mm_pop3c *pop3c, enum mailmod_error error,
                   bool has_reply)
{
    if (!is_over(pop3c)) {
        pop3c->output.error = MAILMOD_OK;
        (void)mm_buf_append_cstr(&pop3c->output, "QUIT");
        (void)mm_pop3c_end_command(pop3c, false);
    }
    mm_pop3c_fail(pop3c, error, has_reply);
}

struct mm_pop3c_step *mm_pop3c_push(struct mm_pop3c *pop3c,
                                    enum mm_pop3c_kind kind)
{
    struct mm_pop3c_step *step =
        &pop3c->steps[(pop3c->first + pop3c->count) % MM_POP3C_STEPS];
    pop3c->count++;
    *step = (struct mm_pop3c_step){.kind = kind};
    return step;
}

void mm_pop3c_do(struct mm_pop3c *pop3c, enum mm_pop3c_kind kind)
{
    pop3c->count = 0;
    pop3c->sent = 0;
    (void)mm_pop3c_push(pop3c, kind);
    pop3c->state = MM_POP3C_IN_TALKING;
}

void mm_pop3c_answered(struct mm_pop3c *pop3c)
{
    pop3c->first = (pop3c->first + 1) % MM_POP3C_STEPS;
    pop3c->count--;
    pop3c->sent--;
}

enum mailmod_error mm_pop3c_new(struct mm_pop3c **pop3c_out,
                                const struct mm_pop3c_options *options)
{
    *pop3c_out = NULL;
    struct mm_pop3c *pop3c = mm_alloc(sizeof *pop3c);
    if (pop3c == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    pop3c->tap = options->tap;
    pop3c->tls = options->tls;
    pop3c->is_tls = options->tls == MM_POP3C_TLS_ON;
    pop3c->allows_clear_auth = options->allows_clear_auth;
    pop3c->tries_twice = options->tries_twice;
    mm_buf_init(&pop3c->input, MM_LIMIT_INPUT);
    mm_buf_init(&pop3c->output, MM_LIMIT_OUTPUT);
    mm_buf_init(&pop3c->body, MM_POP3C_BODY_MAX);
    mm_buf_init(&pop3c->challenge, MM_LIMIT_POP3_AUTH_LINE);
    mm_buf_init(&pop3c->initial, MM_LIMIT_POP3_AUTH_LINE);
    mm_buf_init(&pop3c->password, MM_LIMIT_PASSWORD);
    mm_line_reader_init(&pop3c->line, MM_LIMIT_POP3_AUTH_LINE);
    pop3c->line.takes_lf = true;
    mm_pop3c_do(pop3c, MM_POP3C_STEP_GREETING);
    *pop3c_out = pop3c;
    return MAILMOD_OK;
}

void mm_pop3c_free(struct mm_pop3c **pop3c)
{
    struct mm_pop3c *old = *pop3c;
    if (old == NULL) {
        return;
    }
    mm_buf_wipe(&old->initial);
    mm_buf_wipe(&old->password);
    if (old->has_secret) {
        mm_buf_wipe(&old->output);
    }
    mm_buf_fini(&old->input);
    mm_buf_fini(&old->output);
    mm_buf_fini(&old->body);
    mm_buf_fini(&old->challenge);
    mm_line_reader_fini(&old->line);
    mm_free(old);
    *pop3c = NULL;
}

size_t mm_pop3c_feed(struct mm_pop3c *pop3c, const char *bytes, size_t size)
{
    if (is_over(pop3c)) {
        return size;
    }
    size_t room = mm_buf_room(&pop3c->input);
    size_t taken = size < room ? size : room;
    if (mm_buf_append(&pop3c->input, bytes, taken) != MAILMOD_OK) {
        mm_pop3c_fail(pop3c, MAILMOD_ERROR_MEMORY, false);
        return size;
    }
    return taken;
}

bool mm_pop3c_read_line(struct mm_pop3c *pop3c, struct mm_line *line_out)
{
    struct mm_span input = mm_buf_span(&pop3c->input);
    size_t used = 0;
    if (is_over(pop3c) || input.size == 0) {
        return false;
    }
    enum mm_line_result result =
        mm_line_read(&pop3c->line, input, &used, line_out);
    mm_buf_consume(&pop3c->input, used);
    if (result == MM_LINE_NO_MEMORY) {
        mm_pop3c_fail(pop3c, MAILMOD_ERROR_MEMORY, false);
    }
    return result == MM_LINE_WHOLE;
}

enum mailmod_error mm_pop3c_end_command(struct mm_pop3c *pop3c, bool is_secret)
{
    enum mailmod_error error = mm_buf_append_cstr(&pop3c->output, "\r\n");
    if (error == MAILMOD_OK) {
        error = mm_buf_error(&pop3c->output);
    }
    if (error != MAILMOD_OK) {
        mm_pop3c_fail(pop3c, error, false);
        return error;
    }
    struct mm_span line = mm_buf_span(&pop3c->output);
    line.size -= 2;
    size_t start = line.size;
    while (start > 0 && line.data[start - 1] != '\n') {
        start--;
    }
    mm_tap_command(pop3c->tap, MM_TAP_SENT, mm_span_from(line, start),
                   is_secret);
    return MAILMOD_OK;
}

static void write_step(struct mm_pop3c *pop3c, const struct mm_pop3c_step *step)
{
    struct mm_buf *out = &pop3c->output;
    switch (step->kind) {
    case MM_POP3C_STEP_CAPA:
        mm_buf_append_cstr(out, "CAPA");
        break;
    case MM_POP3C_STEP_STLS:
        mm_buf_append_cstr(out, "STLS");
        break;
    case MM_POP3C_STEP_PASS:
        mm_buf_append_cstr(out, "PASS ");
        mm_buf_append_span(out, mm_buf_span(&pop3c->password));
        mm_buf_wipe(&pop3c->password);
        pop3c->has_secret = true;
        break;
    case MM_POP3C_STEP_ASK:
        mm_pop3c_write_ask(pop3c, step);
        break;
    case MM_POP3C_STEP_QUIT:
        mm_buf_append_cstr(out, "QUIT");
        break;
    default: /* GREETING says nothing; AUTH, APOP, USER wrote themselves */
        return;
    }
    (void)mm_pop3c_end_command(pop3c, false);
}

/* RFC 2449 6.6: more than one command under way where the server says so. */
static bool may_send(const struct mm_pop3c *pop3c)
{
    if (mm_buf_room(&pop3c->output) < COMMAND_ROOM) {
        return false;
    }
    return pop3c->sent == 0 ||
           (pop3c->is_logged_in && pop3c->capabilities.has_pipelining);
}

static void write_steps(struct mm_pop3c *pop3c)
{
    while (!is_over(pop3c) && pop3c->sent < pop3c->count && may_send(pop3c)) {
        size_t index = (pop3c->first + pop3c->sent) % MM_POP3C_STEPS;
        pop3c->output.error = MAILMOD_OK;
        pop3c->sent++;
        write_step(pop3c, &pop3c->steps[index]);
    }
}

/* A text of the peer's for logs and people: in place, the line is ours. */
static struct mm_span clean(struct mm_pop3c *pop3c, struct mm_span text)
{
    if (text.size == 0) {
        return text;
    }
    char *at = pop3c->line.buf.data + (text.data - pop3c->line.buf.data);
    for (size_t i = 0; i < text.size; i++) {
        at[i] = mm_ascii_is_printable((unsigned char)at[i]) ? at[i] : '?';
    }
    return text;
}

/* RFC 2449 8:  resp-code = "[" resp-level *("/" resp-level) "]" */
static void read_code(struct mm_pop3c_reply *reply)
{
    struct mm_span code;
    struct mm_span rest;
    reply->code = mm_span(NULL, 0);
    if (reply->text.size > 0 && reply->text.data[0] == '[' &&
        mm_span_cut(mm_span_from(reply->text, 1), ']', &code, &rest)) {
        reply->code = code;
    }
}

/* "+OK" or "-ERR", and what stands behind a blank; false for anything else. */
static bool parse_reply(struct mm_pop3c *pop3c, struct mm_span line)
{
    bool is_ok = mm_span_starts_nocase(line, "+OK");
    size_t size = is_ok ? 3 : 4;
    pop3c->reply = (struct mm_pop3c_reply){.is_ok = is_ok};
    if (!is_ok && !mm_span_starts_nocase(line, "-ERR")) {
        pop3c->reply.text = mm_span_trim(clean(pop3c, line));
        return false;
    }
    struct mm_span text = mm_span_from(line, size);
    pop3c->reply.text = mm_span_trim(clean(pop3c, text));
    read_code(&pop3c->reply);
    return text.size == 0 || text.data[0] == ' ' || text.data[0] == '\t';
}

/* Nobody asked: an -ERR is a server that closes, anything else would be taken
 * for the answer to the next command. */
static void refuse_unasked(struct mm_pop3c *pop3c)
{
    struct mm_line line;
    if (mm_pop3c_read_line(pop3c, &line)) {
        mm_tap_reply(pop3c->tap, MM_TAP_RECEIVED, line.text);
        bool is_reply = parse_reply(pop3c, line.text);
        mm_pop3c_fail(pop3c,
                      is_reply && !pop3c->reply.is_ok ? MAILMOD_ERROR_CLOSED
                                                      : MAILMOD_ERROR_PROTOCOL,
                      true);
    }
}

static enum mm_pop3c_event take_line(struct mm_pop3c *pop3c,
                                     struct mm_pop3c_info *info,
                                     struct mm_span line)
{
    enum mm_pop3c_kind kind = pop3c->steps[pop3c->first].kind;
    mm_tap_reply(pop3c->tap, MM_TAP_RECEIVED, line);
    bool is_challenge =
        line.size > 0 && line.data[0] == '+' &&
        (line.size == 1 || line.data[1] == ' '); /* servers drop the blank */
    if (kind == MM_POP3C_STEP_AUTH && is_challenge) {
        mm_pop3c_take_challenge(pop3c, mm_span_from(line, 1));
        return MM_POP3C_NEED_INPUT;
    }
    bool is_reply = parse_reply(pop3c, line);
    if (kind == MM_POP3C_STEP_QUIT) {
        pop3c->has_reply = is_reply;
        pop3c->state = MM_POP3C_AT_CLOSED;
        return MM_POP3C_NEED_INPUT;
    }
    if (!is_reply) {
        mm_pop3c_fail(pop3c, MAILMOD_ERROR_PROTOCOL, true);
        return MM_POP3C_NEED_INPUT;
    }
    info->reply = &pop3c->reply;
    return takers[kind](pop3c, info);
}

/* TALKING: an event, or NEED_INPUT when the server must speak first or the
 * state has changed. */
static enum mm_pop3c_event talk(struct mm_pop3c *pop3c,
                                struct mm_pop3c_info *info)
{
    struct mm_line line;
    if (pop3c->count == 0) {
        refuse_unasked(pop3c);
        return is_over(pop3c) ? MM_POP3C_NEED_INPUT : MM_POP3C_READY;
    }
    if (pop3c->sent == 0 || !mm_pop3c_read_line(pop3c, &line)) {
        return MM_POP3C_NEED_INPUT;
    }
    return take_line(pop3c, info, line.text);
}

static enum mm_pop3c_event tell_last(struct mm_pop3c *pop3c,
                                     struct mm_pop3c_info *info)
{
    if (pop3c->is_last_told) {
        return MM_POP3C_NEED_INPUT;
    }
    pop3c->is_last_told = true;
    if (pop3c->has_reply) {
        info->reply = &pop3c->reply;
    }
    if (pop3c->state == MM_POP3C_AT_CLOSED) {
        return MM_POP3C_CLOSED;
    }
    info->error = pop3c->error;
    return MM_POP3C_FAILED;
}

static enum mm_pop3c_event find_event(struct mm_pop3c *pop3c,
                                      struct mm_pop3c_info *info)
{
    switch (pop3c->state) {
    case MM_POP3C_IN_TALKING:
        return talk(pop3c, info);
    case MM_POP3C_IN_CAPABILITIES:
        return mm_pop3c_read_capabilities(pop3c, info);
    case MM_POP3C_IN_ROWS:
        return mm_pop3c_read_row(pop3c, info);
    case MM_POP3C_IN_BODY:
        return mm_pop3c_read_body(pop3c, info);
    case MM_POP3C_AT_TLS:
        return MM_POP3C_STLS;
    case MM_POP3C_AT_LOGIN:
        refuse_unasked(pop3c);
        info->ways = mm_pop3c_ways(pop3c);
        info->data = mm_span_cstr(pop3c->stamp);
        return is_over(pop3c) ? MM_POP3C_NEED_INPUT : MM_POP3C_LOGIN;
    case MM_POP3C_AT_CHALLENGE:
        info->data = mm_buf_span(&pop3c->challenge);
        return MM_POP3C_CHALLENGE;
    case MM_POP3C_AT_FAILED:
    case MM_POP3C_AT_CLOSED:
        break;
    }
    return tell_last(pop3c, info);
}

enum mm_pop3c_event mm_pop3c_next(struct mm_pop3c *pop3c,
                                  struct mm_pop3c_info *info_out)
{
    enum mm_pop3c_event event;
    enum mm_pop3c_state before;
    size_t input;
    do {
        *info_out = (struct mm_pop3c_info){0};
        write_steps(pop3c);
        before = pop3c->state;
        input = mm_buf_size(&pop3c->input);
        event = find_event(pop3c, info_out);
    } while (event == MM_POP3C_NEED_INPUT &&
             (pop3c->state != before || mm_buf_size(&pop3c->input) != input));
    info_out->phase = mm_pop3c_phase(pop3c);
    return event;
}

struct mm_span mm_pop3c_output(const struct mm_pop3c *pop3c)
{
    return mm_buf_span(&pop3c->output);
}

void mm_pop3c_sent(struct mm_pop3c *pop3c, size_t size)
{
    struct mm_buf *output = &pop3c->output;
    size = size < mm_buf_size(output) ? size : mm_buf_size(output);
    if (pop3c->has_secret && size > 0) {
        mm_secret_clear(output->data + output->start, size);
        pop3c->has_secret = size < mm_buf_size(output);
    }
    mm_buf_consume(output, size);
}

void mm_pop3c_quit(struct mm_pop3c *pop3c)
{
    if (is_over(pop3c)) {
        return;
    }
    if (pop3c->state == MM_POP3C_AT_LOGIN) {
        mm_pop3c_do(pop3c, MM_POP3C_STEP_QUIT);
    } else if (pop3c->is_logged_in && pop3c->count < MM_POP3C_STEPS) {
        (void)mm_pop3c_push(pop3c, MM_POP3C_STEP_QUIT);
    } else {
        /* In the midst of something QUIT would be read as something else. */
        pop3c->state = MM_POP3C_AT_CLOSED;
    }
    write_steps(pop3c);
}

static enum mm_pop3c_phase phase_of(const struct mm_pop3c_step *step)
{
    switch (step->kind) {
    case MM_POP3C_STEP_GREETING:
        return MM_POP3C_PHASE_GREETING;
    case MM_POP3C_STEP_CAPA:
        return MM_POP3C_PHASE_CAPA;
    case MM_POP3C_STEP_STLS:
        return MM_POP3C_PHASE_TLS;
    case MM_POP3C_STEP_ASK:
        return MM_POP3C_PHASE_COMMAND;
    case MM_POP3C_STEP_QUIT:
        return MM_POP3C_PHASE_QUIT;
    default:
        return MM_POP3C_PHASE_LOGIN;
    }
}

enum mm_pop3c_phase mm_pop3c_phase(const struct mm_pop3c *pop3c)
{
    switch (pop3c->state) {
    case MM_POP3C_IN_CAPABILITIES:
        return MM_POP3C_PHASE_CAPA;
    case MM_POP3C_IN_ROWS:
    case MM_POP3C_IN_BODY:
        return MM_POP3C_PHASE_BODY;
    case MM_POP3C_AT_TLS:
        return MM_POP3C_PHASE_TLS;
    case MM_POP3C_AT_LOGIN:
    case MM_POP3C_AT_CHALLENGE:
        return MM_POP3C_PHASE_LOGIN;
    case MM_POP3C_AT_FAILED:
        return pop3c->failed_phase;
    case MM_POP3C_AT_CLOSED:
        return MM_POP3C_PHASE_QUIT;
    case MM_POP3C_IN_TALKING:
        break;
    }
    return pop3c->count == 0 ? MM_POP3C_PHASE_IDLE
                             : phase_of(&pop3c->steps[pop3c->first]);
}

const struct mm_pop3c_capabilities *
mm_pop3c_capabilities(const struct mm_pop3c *pop3c)
{
    return &pop3c->capabilities;
}
