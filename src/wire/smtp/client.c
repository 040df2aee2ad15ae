/* client.c - one SMTP conversation, client side: the machine itself.
 *
 * Owns the input, the output, the list of steps and the reply that is being
 * read. Promises: a reply is matched to the oldest step that was sent and not
 * answered, so pipelining shifts nothing; a reply that nobody waits for ends
 * the conversation; 421 ends it at any time; nothing the server sends grows
 * memory past MM_LIMIT_INPUT and MM_LIMIT_REPLY.
 *
 * Thread: the caller's, one at a time. RFC 5321 3.8, 4.2, 4.3; RFC 2920. */
#include "base/mem.h"
#include "wire/smtp/client_internal.h"

#include <string.h>

#define KEEP_SIZE 4096
/* NEED_BODY is told while this much can be taken. */
#define BODY_ROOM 4096

static mm_smtpc_take *const takers[MM_SMTPC_STEP_COUNT] = {
    [MM_SMTPC_STEP_GREETING] = mm_smtpc_take_greeting,
    [MM_SMTPC_STEP_EHLO] = mm_smtpc_take_ehlo,
    [MM_SMTPC_STEP_HELO] = mm_smtpc_take_helo,
    [MM_SMTPC_STEP_STARTTLS] = mm_smtpc_take_starttls,
    [MM_SMTPC_STEP_AUTH] = mm_smtpc_take_auth,
    [MM_SMTPC_STEP_RSET] = mm_smtpc_take_rset,
    [MM_SMTPC_STEP_MAIL] = mm_smtpc_take_mail,
    [MM_SMTPC_STEP_RCPT] = mm_smtpc_take_rcpt,
    [MM_SMTPC_STEP_DATA] = mm_smtpc_take_data,
    [MM_SMTPC_STEP_END] = mm_smtpc_take_end,
    [MM_SMTPC_STEP_BDAT] = mm_smtpc_take_bdat,
    [MM_SMTPC_STEP_XUSR] = mm_smtpc_take_xusr,
    [MM_SMTPC_STEP_ETRN] = mm_smtpc_take_etrn,
    [MM_SMTPC_STEP_COMMAND] = mm_smtpc_take_command,
};

static bool is_over(const struct mm_smtpc *smtpc)
{
    return smtpc->state == MM_SMTPC_AT_FAILED ||
           smtpc->state == MM_SMTPC_AT_CLOSED;
}

void mm_smtpc_fail(struct mm_smtpc *smtpc, enum mailmod_error error,
                   bool has_reply)
{
    if (is_over(smtpc)) {
        return;
    }
    smtpc->failed_phase = mm_smtpc_phase(smtpc);
    smtpc->error = error;
    smtpc->has_failed_reply = has_reply;
    smtpc->state = MM_SMTPC_AT_FAILED;
    mm_smtpc_wipe(&smtpc->initial);
}

/* DATA or BDAT is on its way behind the step that fails: commands may be body
 * now. */
static bool may_be_in_data(const struct mm_smtpc *smtpc)
{
    for (size_t i = smtpc->answered + 1; i < smtpc->sent; i++) {
        if (smtpc->steps[i].kind == MM_SMTPC_STEP_DATA ||
            smtpc->steps[i].kind == MM_SMTPC_STEP_BDAT) {
            return true;
        }
    }
    return false;
}

void mm_smtpc_part(struct mm_smtpc *smtpc, enum mailmod_error error,
                   bool has_reply)
{
    bool is_leaving = has_reply && smtpc->parser.reply.code == 421;
    if (!is_over(smtpc) && !is_leaving && !may_be_in_data(smtpc)) {
        smtpc->output.error = MAILMOD_OK;
        (void)mm_buf_append_cstr(&smtpc->output, "QUIT\r\n");
        mm_smtpc_tell(smtpc, false);
    }
    mm_smtpc_fail(smtpc, error, has_reply);
}

void mm_smtpc_clear_steps(struct mm_smtpc *smtpc)
{
    smtpc->list_number++;
    smtpc->count = 0;
    smtpc->sent = 0;
    smtpc->answered = 0;
}

bool mm_smtpc_push(struct mm_smtpc *smtpc, enum mm_smtpc_kind kind,
                   size_t recipient)
{
    struct mm_smtpc_step *steps = mm_array_grow(
        smtpc->steps, smtpc->count, &smtpc->step_capacity, sizeof *steps);
    if (steps == NULL) {
        return false;
    }
    smtpc->steps = steps;
    smtpc->steps[smtpc->count] = (struct mm_smtpc_step){kind, recipient};
    smtpc->count++;
    return true;
}

void mm_smtpc_do(struct mm_smtpc *smtpc, enum mm_smtpc_kind kind)
{
    mm_smtpc_clear_steps(smtpc);
    if (!mm_smtpc_push(smtpc, kind, 0)) {
        mm_smtpc_fail(smtpc, MAILMOD_ERROR_MEMORY, false);
        return;
    }
    smtpc->state = MM_SMTPC_AT_TALKING;
}

/* A name that would end the command line is no name. */
static bool is_name(const char *text)
{
    if (text == NULL || text[0] == '\0' || strlen(text) > MM_LIMIT_DOMAIN) {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (*text == ' ' || !mm_ascii_is_printable((unsigned char)*text)) {
            return false;
        }
    }
    return true;
}

enum mailmod_error mm_smtpc_new(struct mm_smtpc **smtpc_out,
                                const struct mm_smtpc_options *options)
{
    *smtpc_out = NULL;
    if (options == NULL || !is_name(options->host_name)) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    struct mm_smtpc *smtpc = mm_alloc(sizeof *smtpc);
    if (smtpc == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    smtpc->tap = options->tap;
    smtpc->tls = options->tls;
    smtpc->is_tls = options->tls == MM_SMTPC_TLS_ON;
    smtpc->mechanisms = options->mechanisms;
    smtpc->tries_twice = options->tries_twice;
    smtpc->allows_clear_auth = options->allows_clear_auth;
    smtpc->may_chunk = options->chunks;
    smtpc->is_submission = options->is_submission;
    smtpc->keeps_hello = options->keeps_hello;
    mm_buf_init(&smtpc->hello, MM_LIMIT_REPLY);
    mm_buf_init(&smtpc->chunk, MM_SMTPC_CHUNK_MAX);
    mm_buf_init(&smtpc->input, MM_LIMIT_INPUT);
    mm_buf_init(&smtpc->output, MM_LIMIT_OUTPUT);
    mm_buf_init(&smtpc->challenge, MM_LIMIT_REPLY);
    mm_buf_init(&smtpc->initial, MM_LIMIT_SMTP_AUTH_LINE);
    mm_buf_init(&smtpc->kept.text, MM_LIMIT_REPLY);
    mm_reply_parser_init(&smtpc->parser);
    smtpc->host_name = mm_strdup(options->host_name);
    mm_smtpc_do(smtpc, MM_SMTPC_STEP_GREETING);
    if (smtpc->host_name == NULL || is_over(smtpc)) {
        mm_smtpc_free(&smtpc);
        return MAILMOD_ERROR_MEMORY;
    }
    *smtpc_out = smtpc;
    return MAILMOD_OK;
}

void mm_smtpc_set_tap(struct mm_smtpc *smtpc, const struct mm_tap *tap)
{
    smtpc->tap = tap;
}

void mm_smtpc_free(struct mm_smtpc **smtpc)
{
    struct mm_smtpc *old = *smtpc;
    if (old == NULL) {
        return;
    }
    mm_smtpc_wipe(&old->initial);
    if (old->has_secret) {
        mm_smtpc_wipe(&old->output);
    }
    mm_buf_fini(&old->hello);
    mm_buf_fini(&old->chunk);
    mm_buf_fini(&old->input);
    mm_buf_fini(&old->output);
    mm_buf_fini(&old->challenge);
    mm_buf_fini(&old->initial);
    mm_buf_fini(&old->kept.text);
    mm_reply_parser_fini(&old->parser);
    mm_free(old->steps);
    mm_free(old->host_name);
    mm_free(old);
    *smtpc = NULL;
}

size_t mm_smtpc_feed(struct mm_smtpc *smtpc, const char *bytes, size_t size)
{
    if (is_over(smtpc)) {
        return size;
    }
    size_t room = mm_buf_room(&smtpc->input);
    size_t taken = size < room ? size : room;
    if (mm_buf_append(&smtpc->input, bytes, taken) != MAILMOD_OK) {
        mm_smtpc_fail(smtpc, MAILMOD_ERROR_MEMORY, false);
        return size;
    }
    return taken;
}

static void tell_reply(const struct mm_smtpc *smtpc)
{
    const struct mm_reply_in *reply = &smtpc->parser.reply;
    struct mm_span rest = mm_buf_span(&reply->text);

    while (smtpc->tap != NULL) {
        char code[8];
        struct mm_span line;
        struct mm_buf text;
        bool has_more = mm_span_cut(rest, '\n', &line, &rest);

        mm_buf_init(&text, MM_LIMIT_REPLY_LINE + sizeof code);
        (void)mm_buf_appendf(&text, "%d%c", reply->code, has_more ? '-' : ' ');
        (void)mm_buf_append_span(&text, line);
        mm_tap_reply(smtpc->tap, MM_TAP_RECEIVED, mm_buf_span(&text));
        mm_buf_fini(&text);
        if (!has_more) {
            return;
        }
    }
}

/* True when a whole reply is there. */
static bool read_reply(struct mm_smtpc *smtpc)
{
    if (smtpc->parser.is_complete) {
        return true;
    }
    struct mm_span input = mm_buf_span(&smtpc->input);
    size_t used = 0;
    enum mailmod_error error = MAILMOD_OK;
    if (input.size > 0) {
        error =
            mm_reply_parser_feed(&smtpc->parser, input.data, input.size, &used);
        mm_buf_consume(&smtpc->input, used);
    }
    if (error != MAILMOD_OK) {
        mm_smtpc_fail(smtpc, error, false);
        return false;
    }
    if (smtpc->parser.is_complete) {
        tell_reply(smtpc);
    }
    /* RFC 5321 3.8: a server that must close says 421 to anything, even
     * though nothing was asked. */
    if (smtpc->parser.is_complete && smtpc->parser.reply.code == 421 &&
        mm_smtpc_phase(smtpc) != MM_SMTPC_PHASE_QUIT) {
        mm_smtpc_fail(smtpc, MAILMOD_ERROR_CLOSED, true);
        return false;
    }
    return smtpc->parser.is_complete;
}

/* Nothing was asked: whatever is said now would be taken for the answer to
 * the next command. */
static enum mm_smtpc_event wait_idle(struct mm_smtpc *smtpc)
{
    if (read_reply(smtpc)) {
        mm_smtpc_fail(smtpc, MAILMOD_ERROR_PROTOCOL, false);
    }
    return is_over(smtpc) ? MM_SMTPC_NEED_INPUT : MM_SMTPC_NEED_MESSAGE;
}

/* A refusal may come before the body is out, and is the verdict: the server
 * may close behind it. An acceptance may not. */
static enum mm_smtpc_event wait_body(struct mm_smtpc *smtpc,
                                     struct mm_smtpc_info *info)
{
    if (read_reply(smtpc)) {
        if (smtpc->parser.reply.code >= 400) {
            return mm_smtpc_break_body(smtpc, info);
        }
        mm_smtpc_fail(smtpc, MAILMOD_ERROR_PROTOCOL, true);
    }
    bool has_room = mm_buf_room(&smtpc->output) > BODY_ROOM;
    return has_room && !is_over(smtpc) ? MM_SMTPC_NEED_BODY
                                       : MM_SMTPC_NEED_INPUT;
}

static enum mm_smtpc_event take_reply(struct mm_smtpc *smtpc,
                                      struct mm_smtpc_info *info)
{
    const struct mm_reply_in *reply = &smtpc->parser.reply;
    enum mm_smtpc_kind kind = smtpc->steps[smtpc->answered].kind;
    smtpc->is_reply_told = true;
    if (kind == MM_SMTPC_STEP_QUIT) {
        smtpc->state = MM_SMTPC_AT_CLOSED;
        return MM_SMTPC_NEED_INPUT;
    }
    unsigned list_number = smtpc->list_number;
    enum mm_smtpc_event event = takers[kind](smtpc, reply, info);
    if (smtpc->list_number == list_number) {
        smtpc->answered++;
    }
    return event;
}

/* Each reply that is there, up to one that is an event. */
static enum mm_smtpc_event take_replies(struct mm_smtpc *smtpc,
                                        struct mm_smtpc_info *info)
{
    enum mm_smtpc_state state = smtpc->state;

    mm_smtpc_write_steps(smtpc);
    while (smtpc->state == state && smtpc->answered < smtpc->sent &&
           read_reply(smtpc)) {
        enum mm_smtpc_event event = take_reply(smtpc, info);
        if (event != MM_SMTPC_NEED_INPUT) {
            return event;
        }
        if (smtpc->state != MM_SMTPC_AT_FAILED) {
            mm_reply_parser_reset(&smtpc->parser);
        }
        smtpc->is_reply_told = false;
        mm_smtpc_write_steps(smtpc);
    }
    return MM_SMTPC_NEED_INPUT;
}

/* TALKING: an event, or NEED_INPUT when the server must speak first or the
 * state has changed. */
static enum mm_smtpc_event talk(struct mm_smtpc *smtpc,
                                struct mm_smtpc_info *info)
{
    enum mm_smtpc_event event = take_replies(smtpc, info);

    if (event != MM_SMTPC_NEED_INPUT || smtpc->state != MM_SMTPC_AT_TALKING ||
        !smtpc->in_message || smtpc->answered < smtpc->count) {
        return event;
    }
    if (smtpc->is_chunking && !smtpc->is_settled && !smtpc->is_body_ended) {
        smtpc->state = MM_SMTPC_AT_BODY;
        return MM_SMTPC_NEED_INPUT;
    }
    return mm_smtpc_finish(smtpc, info);
}

/* The same while the body comes: its envelope and former chunks are answered
 * meanwhile. What is settled gets no more of it. */
static enum mm_smtpc_event talk_in_body(struct mm_smtpc *smtpc,
                                        struct mm_smtpc_info *info)
{
    enum mm_smtpc_event event = take_replies(smtpc, info);

    if (event != MM_SMTPC_NEED_INPUT || smtpc->state != MM_SMTPC_AT_BODY) {
        return event;
    }
    if (smtpc->is_settled) {
        mm_buf_clear(&smtpc->chunk);
        smtpc->state = MM_SMTPC_AT_TALKING;
        return MM_SMTPC_NEED_INPUT;
    }
    if (smtpc->answered == smtpc->sent && smtpc->sent == smtpc->count) {
        return wait_body(smtpc, info); /* what comes now was not asked for */
    }
    return mm_smtpc_has_chunk_room(smtpc) ? MM_SMTPC_NEED_BODY
                                          : MM_SMTPC_NEED_INPUT;
}

static enum mm_smtpc_event tell_last(struct mm_smtpc *smtpc,
                                     struct mm_smtpc_info *info)
{
    if (smtpc->is_last_told) {
        return MM_SMTPC_NEED_INPUT;
    }
    smtpc->is_last_told = true;
    if (smtpc->state == MM_SMTPC_AT_CLOSED) {
        return MM_SMTPC_CLOSED;
    }
    info->error = smtpc->error;
    if (smtpc->has_failed_reply) {
        info->reply = &smtpc->parser.reply;
    }
    return MM_SMTPC_FAILED;
}

static enum mm_smtpc_event find_event(struct mm_smtpc *smtpc,
                                      struct mm_smtpc_info *info)
{
    switch (smtpc->state) {
    case MM_SMTPC_AT_TALKING:
        return talk(smtpc, info);
    case MM_SMTPC_AT_TLS:
        return MM_SMTPC_STARTTLS;
    case MM_SMTPC_AT_AUTH:
        info->mechanisms = mm_smtpc_mechanisms(smtpc);
        return MM_SMTPC_AUTH;
    case MM_SMTPC_AT_CHALLENGE:
        info->data = mm_buf_span(&smtpc->challenge);
        return MM_SMTPC_CHALLENGE;
    case MM_SMTPC_AT_IDLE:
        return wait_idle(smtpc);
    case MM_SMTPC_AT_BODY:
        return smtpc->is_chunking ? talk_in_body(smtpc, info)
                                  : wait_body(smtpc, info);
    case MM_SMTPC_AT_FAILED:
    case MM_SMTPC_AT_CLOSED:
        break;
    }
    return tell_last(smtpc, info);
}

enum mm_smtpc_event mm_smtpc_next(struct mm_smtpc *smtpc,
                                  struct mm_smtpc_info *info_out)
{
    if (smtpc->is_reply_told && !is_over(smtpc)) {
        mm_reply_parser_reset(&smtpc->parser);
        smtpc->is_reply_told = false;
    }
    enum mm_smtpc_event event;
    enum mm_smtpc_state before;
    do {
        *info_out = (struct mm_smtpc_info){0};
        before = smtpc->state;
        event = find_event(smtpc, info_out);
    } while (event == MM_SMTPC_NEED_INPUT && smtpc->state != before);
    info_out->phase = mm_smtpc_phase(smtpc);
    return event;
}

struct mm_span mm_smtpc_output(const struct mm_smtpc *smtpc)
{
    return mm_buf_span(&smtpc->output);
}

void mm_smtpc_sent(struct mm_smtpc *smtpc, size_t size)
{
    struct mm_buf *output = &smtpc->output;
    size = size < mm_buf_size(output) ? size : mm_buf_size(output);
    if (smtpc->has_secret && size > 0) {
        mm_secret_clear(output->data + output->start, size);
        smtpc->has_secret = size < mm_buf_size(output);
    }
    mm_buf_consume(output, size);
    if (mm_buf_size(output) == 0 && output->capacity > KEEP_SIZE &&
        smtpc->state != MM_SMTPC_AT_BODY) {
        mm_buf_release(output);
    }
}

void mm_smtpc_quit(struct mm_smtpc *smtpc)
{
    switch (smtpc->state) {
    case MM_SMTPC_AT_IDLE:
    case MM_SMTPC_AT_AUTH:
        mm_smtpc_do(smtpc, MM_SMTPC_STEP_QUIT);
        mm_smtpc_write_steps(smtpc);
        break;
    case MM_SMTPC_AT_FAILED:
        break;
    default:
        /* In the midst of something QUIT would be read as something else. */
        smtpc->state = MM_SMTPC_AT_CLOSED;
        break;
    }
}

enum mm_smtpc_phase mm_smtpc_phase(const struct mm_smtpc *smtpc)
{
    switch (smtpc->state) {
    case MM_SMTPC_AT_TLS:
        return MM_SMTPC_PHASE_TLS;
    case MM_SMTPC_AT_AUTH:
    case MM_SMTPC_AT_CHALLENGE:
        return MM_SMTPC_PHASE_AUTH;
    case MM_SMTPC_AT_IDLE:
        return MM_SMTPC_PHASE_IDLE;
    case MM_SMTPC_AT_BODY:
        return MM_SMTPC_PHASE_BODY;
    case MM_SMTPC_AT_FAILED:
        return smtpc->failed_phase;
    case MM_SMTPC_AT_CLOSED:
        return MM_SMTPC_PHASE_QUIT;
    case MM_SMTPC_AT_TALKING:
        break;
    }
    if (smtpc->in_message && smtpc->is_chunking && smtpc->is_body_sent &&
        !smtpc->is_settled) {
        /* Whatever is not answered yet: the message may have been taken. */
        return MM_SMTPC_PHASE_END;
    }
    if (smtpc->answered < smtpc->count) {
        return mm_smtpc_phases[smtpc->steps[smtpc->answered].kind];
    }
    return MM_SMTPC_PHASE_IDLE;
}

const struct mm_smtpc_extensions *
mm_smtpc_extensions(const struct mm_smtpc *smtpc)
{
    return &smtpc->extensions;
}
