/* server.c - one SMTP conversation, server side: the machine itself.
 *
 * Owns the input, the output, the pending event and the state. Promises: one
 * event at a time, nothing is consumed between an event and its answer;
 * nothing is consumed either while the output has less room than a reply, so
 * that a peer that never reads can cost no more than MM_LIMIT_INPUT and
 * MM_LIMIT_OUTPUT; without memory the conversation ends, in BROKEN or with
 * MAILMOD_ERROR_MEMORY from the call. Command octets are overwritten as soon
 * as they are consumed: they may be a password.
 *
 * Verbs: server_command.c (the table), server_hello.c, server_mail.c and so
 * on. Thread: the caller's, one at a time. RFC 5321 3, 4.1.4, 4.3. */
#include "base/mem.h"
#include "wire/smtp/server_internal.h"

#include <assert.h>
#include <string.h>

/* A buffer that a waiting conversation keeps may be this large: commands and
 * replies fit, pieces of a body do not. */
#define KEEP_SIZE 1024

#define BIT(state) (1u << (state))

static const char *const state_names[MM_SMTPD_STATE_COUNT] = {
    [MM_SMTPD_AT_GREETING] = "greeting", [MM_SMTPD_AT_REFUSED] = "refused",
    [MM_SMTPD_AT_HELLO] = "hello",       [MM_SMTPD_AT_READY] = "ready",
    [MM_SMTPD_AT_MAIL] = "mail",         [MM_SMTPD_AT_RCPT] = "rcpt",
    [MM_SMTPD_AT_DATA] = "data",         [MM_SMTPD_AT_BDAT] = "bdat",
    [MM_SMTPD_AT_CHUNK] = "chunk",       [MM_SMTPD_AT_AUTH] = "auth",
    [MM_SMTPD_AT_TLS] = "tls",           [MM_SMTPD_AT_CLOSED] = "closed",
};

/* The law in numbers: where each state may go. CHUNK swallows a refused chunk
 * in any state that reads commands, so it goes back to all of them. */
#define COMMAND_STATES                                                         \
    (BIT(MM_SMTPD_AT_REFUSED) | BIT(MM_SMTPD_AT_HELLO) |                       \
     BIT(MM_SMTPD_AT_READY) | BIT(MM_SMTPD_AT_MAIL) | BIT(MM_SMTPD_AT_RCPT) |  \
     BIT(MM_SMTPD_AT_BDAT))
static const unsigned successors[MM_SMTPD_STATE_COUNT] = {
    [MM_SMTPD_AT_GREETING] = BIT(MM_SMTPD_AT_REFUSED) | BIT(MM_SMTPD_AT_HELLO),
    [MM_SMTPD_AT_REFUSED] = BIT(MM_SMTPD_AT_CHUNK),
    [MM_SMTPD_AT_HELLO] = BIT(MM_SMTPD_AT_READY) | BIT(MM_SMTPD_AT_CHUNK),
    [MM_SMTPD_AT_READY] = BIT(MM_SMTPD_AT_MAIL) | BIT(MM_SMTPD_AT_AUTH) |
                          BIT(MM_SMTPD_AT_TLS) | BIT(MM_SMTPD_AT_CHUNK),
    [MM_SMTPD_AT_MAIL] =
        BIT(MM_SMTPD_AT_READY) | BIT(MM_SMTPD_AT_RCPT) | BIT(MM_SMTPD_AT_CHUNK),
    [MM_SMTPD_AT_RCPT] =
        BIT(MM_SMTPD_AT_READY) | BIT(MM_SMTPD_AT_DATA) | BIT(MM_SMTPD_AT_CHUNK),
    [MM_SMTPD_AT_DATA] = BIT(MM_SMTPD_AT_READY),
    [MM_SMTPD_AT_BDAT] = BIT(MM_SMTPD_AT_READY) | BIT(MM_SMTPD_AT_CHUNK),
    [MM_SMTPD_AT_CHUNK] = COMMAND_STATES,
    [MM_SMTPD_AT_AUTH] = BIT(MM_SMTPD_AT_READY),
    [MM_SMTPD_AT_TLS] = BIT(MM_SMTPD_AT_HELLO),
};

void mm_smtpd_set_state(struct mm_smtpd *smtpd, enum mm_smtpd_state state)
{
    if (smtpd->state == MM_SMTPD_AT_CLOSED || smtpd->state == state) {
        return;
    }
    (void)successors; /* the law is checked in debug builds alone */
    assert(state == MM_SMTPD_AT_CLOSED ||
           (successors[smtpd->state] & BIT(state)) != 0);
    bool is_auth = state == MM_SMTPD_AT_AUTH;
    mm_line_set_max(&smtpd->line, is_auth ? MM_LIMIT_SMTP_AUTH_LINE - 2
                                          : MM_LIMIT_SMTP_COMMAND - 2);
    smtpd->state = state;
}

const char *mm_smtpd_state_name(const struct mm_smtpd *smtpd)
{
    return state_names[smtpd->state];
}

/* A second event waits for the first one's answer: RESET, then HELO. */
void mm_smtpd_raise(struct mm_smtpd *smtpd, enum mm_smtpd_event event)
{
    bool is_last = event == MM_SMTPD_QUIT || event == MM_SMTPD_BROKEN;
    if (is_last) {
        smtpd->pending = event;
        smtpd->next_pending = MM_SMTPD_NEED_INPUT;
        mm_smtpd_set_state(smtpd, MM_SMTPD_AT_CLOSED);
        return;
    }
    if (smtpd->state == MM_SMTPD_AT_CLOSED) {
        return;
    }
    if (smtpd->pending != MM_SMTPD_NEED_INPUT) {
        assert(smtpd->next_pending == MM_SMTPD_NEED_INPUT);
        smtpd->next_pending = event;
        return;
    }
    smtpd->pending = event;
}

bool mm_smtpd_is_accepted(const struct mm_reply *reply)
{
    return reply->code < 400;
}

void mm_smtpd_tell_output(const struct mm_smtpd *smtpd, size_t size)
{
    if (smtpd->options.tap != NULL) {
        mm_tap_reply(smtpd->options.tap, MM_TAP_SENT,
                     mm_span_from(mm_buf_span(&smtpd->output), size));
    }
}

void mm_smtpd_break(struct mm_smtpd *smtpd, enum mm_reply_id id,
                    const char *why)
{
    if (smtpd->state == MM_SMTPD_AT_CLOSED) {
        return;
    }
    /* When even this has no memory, the closing alone must tell. */
    size_t size = mm_buf_size(&smtpd->output);
    (void)mm_reply_write(&smtpd->output, mm_reply_get(id), true);
    mm_smtpd_tell_output(smtpd, size);
    smtpd->info = (struct mm_smtpd_info){.text = why};
    mm_smtpd_raise(smtpd, MM_SMTPD_BROKEN);
}

void mm_smtpd_count_refusal(struct mm_smtpd *smtpd, int code)
{
    /* A 4xx is our trouble or our policy of the moment, not an error. */
    if (code < 500) {
        return;
    }
    smtpd->error_count++;
    if (smtpd->options.errors_max > 0 &&
        smtpd->error_count >= smtpd->options.errors_max) {
        mm_smtpd_break(smtpd, MM_REPLY_TOO_MANY_ERRORS, "too many errors");
    }
}

/* False when there was no memory. */
static bool write_out(struct mm_smtpd *smtpd, const struct mm_reply *reply,
                      bool with_enhanced)
{
    size_t size = mm_buf_size(&smtpd->output);
    enum mailmod_error error =
        mm_reply_write(&smtpd->output, reply, with_enhanced);
    mm_smtpd_tell_output(smtpd, size);
    if (error != MAILMOD_OK) {
        smtpd->error = error;
        mm_smtpd_break(smtpd, MM_REPLY_SHUTTING_DOWN, mm_error_text(error));
    }
    return error == MAILMOD_OK;
}

static void say(struct mm_smtpd *smtpd, const struct mm_reply *reply,
                bool with_enhanced)
{
    if (smtpd->state != MM_SMTPD_AT_CLOSED &&
        write_out(smtpd, reply, with_enhanced)) {
        mm_smtpd_count_refusal(smtpd, reply->code);
    }
}

void mm_smtpd_say_uncounted(struct mm_smtpd *smtpd,
                            const struct mm_reply *reply)
{
    if (smtpd->state != MM_SMTPD_AT_CLOSED) {
        (void)write_out(smtpd, reply, true);
    }
}

void mm_smtpd_say(struct mm_smtpd *smtpd, const struct mm_reply *reply)
{
    say(smtpd, reply, true);
}

void mm_smtpd_say_bare(struct mm_smtpd *smtpd, const struct mm_reply *reply)
{
    say(smtpd, reply, false);
}

void mm_smtpd_say_id(struct mm_smtpd *smtpd, enum mm_reply_id id)
{
    say(smtpd, mm_reply_get(id), true);
}

bool mm_smtpd_forget(struct mm_smtpd *smtpd)
{
    bool had_one = smtpd->has_transaction;
    smtpd->has_transaction = false;
    smtpd->is_smtputf8 = false;
    smtpd->is_binary = false;
    smtpd->recipient_count = 0;
    smtpd->small_chunk_count = 0;
    smtpd->chunk_left = 0;
    smtpd->is_chunk_last = false;
    smtpd->discarded = 0;
    memset(&smtpd->body, 0, sizeof smtpd->body);
    return had_one;
}

void mm_smtpd_abandon(struct mm_smtpd *smtpd)
{
    if (mm_smtpd_forget(smtpd)) {
        mm_smtpd_set_state(smtpd, MM_SMTPD_AT_READY);
        mm_smtpd_raise(smtpd, MM_SMTPD_RESET);
    }
}

enum mailmod_error mm_smtpd_new(struct mm_smtpd **smtpd_out,
                                const struct mm_smtpd_options *options)
{
    *smtpd_out = NULL;
    if (options == NULL || options->host_name == NULL) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    struct mm_smtpd *smtpd = mm_alloc(sizeof *smtpd);
    if (smtpd == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    smtpd->options = *options;
    smtpd->is_tls = options->is_tls;
    smtpd->pending = MM_SMTPD_CONNECT;
    mm_line_reader_init(&smtpd->line, MM_LIMIT_SMTP_COMMAND - 2);
    smtpd->line.takes_lf = (options->leniencies & MM_LENIENT_LF_COMMANDS) != 0;
    mm_buf_init(&smtpd->input, MM_LIMIT_INPUT);
    mm_buf_init(&smtpd->output, MM_LIMIT_OUTPUT);
    mm_buf_init(&smtpd->secret, MM_LIMIT_SMTP_AUTH_LINE);
    mm_buf_init(&smtpd->held, MM_SMTPD_REPLY_ROOM);
    *smtpd_out = smtpd;
    return MAILMOD_OK;
}

void mm_smtpd_free(struct mm_smtpd **smtpd)
{
    struct mm_smtpd *old = *smtpd;
    if (old == NULL) {
        return;
    }
    mm_smtpd_wipe_secrets(old);
    mm_smtpd_consume(old, mm_buf_size(&old->input));
    mm_line_reader_fini(&old->line);
    mm_buf_fini(&old->input);
    mm_buf_fini(&old->output);
    mm_buf_fini(&old->secret);
    mm_buf_fini(&old->held);
    mm_smtpd_binary_free(old);
    mm_free(old);
    *smtpd = NULL;
}

size_t mm_smtpd_feed(struct mm_smtpd *smtpd, const char *bytes, size_t size)
{
    if (smtpd->state == MM_SMTPD_AT_CLOSED) {
        return size;
    }
    /* info.data of BODY points into the input, which may not move. */
    if (smtpd->pending == MM_SMTPD_BODY) {
        return 0;
    }
    size_t room = mm_buf_room(&smtpd->input);
    size_t taken = size < room ? size : room;
    if (mm_buf_append(&smtpd->input, bytes, taken) == MAILMOD_OK) {
        return taken;
    }
    if (smtpd->pending == MM_SMTPD_NEED_INPUT) {
        mm_smtpd_break(smtpd, MM_REPLY_SHUTTING_DOWN, "out of memory");
        return size;
    }
    return 0; /* tried again after the answer */
}

void mm_smtpd_consume(struct mm_smtpd *smtpd, size_t size)
{
    if (smtpd->input.data == NULL) {
        return;
    }
    mm_secret_clear(smtpd->input.data + smtpd->input.start, size);
    mm_buf_consume(&smtpd->input, size);
}

/* One piece of work; false when there is nothing to do. */
static bool step(struct mm_smtpd *smtpd)
{
    if (smtpd->state == MM_SMTPD_AT_CLOSED ||
        mm_buf_room(&smtpd->output) < MM_SMTPD_REPLY_ROOM) {
        return false;
    }
    switch (smtpd->state) {
    case MM_SMTPD_AT_DATA:
        return mm_smtpd_step_data(smtpd);
    case MM_SMTPD_AT_CHUNK:
        return mm_smtpd_step_chunk(smtpd);
    case MM_SMTPD_AT_TLS:
        /* RFC 3207 4: the client must not send before the handshake; what
         * comes so may be anybody's, and is never run. */
        if (mm_buf_size(&smtpd->input) == 0) {
            return false;
        }
        smtpd->info = (struct mm_smtpd_info){.text = "octets before TLS"};
        mm_smtpd_raise(smtpd, MM_SMTPD_BROKEN);
        return true;
    default:
        return mm_smtpd_step_line(smtpd);
    }
}

static void release_idle(struct mm_buf *buf)
{
    if (mm_buf_size(buf) == 0 && buf->capacity > KEEP_SIZE) {
        mm_buf_release(buf);
    }
}

enum mm_smtpd_event mm_smtpd_next(struct mm_smtpd *smtpd,
                                  struct mm_smtpd_info *info_out)
{
    while (smtpd->pending == MM_SMTPD_NEED_INPUT && step(smtpd)) {
    }
    if (smtpd->pending == MM_SMTPD_NEED_INPUT) {
        release_idle(&smtpd->input);
        *info_out = (struct mm_smtpd_info){0};
        return MM_SMTPD_NEED_INPUT;
    }
    *info_out = smtpd->info;
    return smtpd->pending;
}

static void settle_last(struct mm_smtpd *smtpd, const struct mm_reply *reply)
{
    (void)smtpd;
    (void)reply;
}

static const struct {
    mm_smtpd_settle *settle;
    enum mm_reply_id usual; /* the answer that NULL stands for */
} settlements[] = {
    [MM_SMTPD_CONNECT] = {mm_smtpd_settle_connect, MM_REPLY_OK},
    [MM_SMTPD_HELO] = {mm_smtpd_settle_hello, MM_REPLY_OK},
    [MM_SMTPD_AUTH] = {mm_smtpd_settle_auth, MM_REPLY_AUTH_OK},
    [MM_SMTPD_AUTH_DATA] = {mm_smtpd_settle_auth, MM_REPLY_AUTH_OK},
    [MM_SMTPD_MAIL] = {mm_smtpd_settle_mail, MM_REPLY_SENDER_OK},
    [MM_SMTPD_RCPT] = {mm_smtpd_settle_rcpt, MM_REPLY_RECIPIENT_OK},
    [MM_SMTPD_DATA] = {mm_smtpd_settle_data, MM_REPLY_START_INPUT},
    [MM_SMTPD_BODY] = {mm_smtpd_settle_body, MM_REPLY_OK},
    [MM_SMTPD_END] = {mm_smtpd_settle_end, MM_REPLY_MESSAGE_ACCEPTED},
    [MM_SMTPD_STARTTLS] = {mm_smtpd_settle_starttls, MM_REPLY_START_TLS},
    [MM_SMTPD_COMMAND] = {mm_smtpd_settle_own, MM_REPLY_OK},
    [MM_SMTPD_ETRN] = {mm_smtpd_settle_etrn, MM_REPLY_ETRN_STARTED},
    [MM_SMTPD_RESET] = {mm_smtpd_settle_reset, MM_REPLY_OK},
    [MM_SMTPD_QUIT] = {settle_last, MM_REPLY_OK},
    [MM_SMTPD_BROKEN] = {settle_last, MM_REPLY_OK},
};

enum mailmod_error mm_smtpd_answer(struct mm_smtpd *smtpd,
                                   const struct mm_reply *reply)
{
    enum mm_smtpd_event event = smtpd->pending;
    if (event == MM_SMTPD_NEED_INPUT) {
        return MAILMOD_ERROR_STATE;
    }
    if (reply == NULL) {
        reply = mm_reply_get(settlements[event].usual);
    }
    smtpd->error = MAILMOD_OK;
    smtpd->pending = smtpd->next_pending;
    smtpd->next_pending = MM_SMTPD_NEED_INPUT;
    bool is_last = event == MM_SMTPD_QUIT || event == MM_SMTPD_BROKEN;
    if (reply->code == 421 && !is_last) {
        /* RFC 5321 3.8: 421 closes, whatever was asked. */
        enum mailmod_error error = mm_smtpd_close(smtpd, reply);
        mm_smtpd_wipe_secrets(smtpd);
        return error;
    }
    settlements[event].settle(smtpd, reply);
    return smtpd->error;
}

enum mailmod_error mm_smtpd_close(struct mm_smtpd *smtpd,
                                  const struct mm_reply *reply)
{
    enum mailmod_error error = MAILMOD_OK;
    if (smtpd->state != MM_SMTPD_AT_CLOSED) {
        bool with_enhanced = smtpd->state != MM_SMTPD_AT_GREETING;
        size_t size = mm_buf_size(&smtpd->output);
        error = mm_reply_write(&smtpd->output, reply, with_enhanced);
        mm_smtpd_tell_output(smtpd, size);
    }
    mm_smtpd_raise(smtpd, MM_SMTPD_QUIT);
    return error;
}

struct mm_span mm_smtpd_output(const struct mm_smtpd *smtpd)
{
    return mm_buf_span(&smtpd->output);
}

void mm_smtpd_sent(struct mm_smtpd *smtpd, size_t size)
{
    mm_buf_consume(&smtpd->output, size);
    release_idle(&smtpd->output);
}

enum mm_smtpd_wait mm_smtpd_wait(const struct mm_smtpd *smtpd)
{
    switch (smtpd->state) {
    case MM_SMTPD_AT_DATA:
    case MM_SMTPD_AT_CHUNK:
        return MM_SMTPD_WAIT_DATA;
    case MM_SMTPD_AT_AUTH:
        return MM_SMTPD_WAIT_AUTH;
    default:
        return MM_SMTPD_WAIT_COMMAND;
    }
}

uint64_t mm_smtpd_progress(const struct mm_smtpd *smtpd)
{
    return smtpd->progress;
}
