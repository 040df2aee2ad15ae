/* client_message.c - one message: MAIL, RCPT, DATA, the body, its end.
 *
 * Promises: each reply is told for the recipient that it answers; a message
 * that is refused at MAIL, at all recipients or at DATA is settled by that
 * reply, though others come behind it; the transaction that such a message
 * leaves in the server is cleared before the next. No field of the envelope
 * can end its line.
 * Thread: the caller's. RFC 5321 3.3, 4.1.1.4; RFC 2920 3.1; RFC 1870 6.1;
 * RFC 2852 4. */
#include "wire/smtp/client_internal.h"

#include <string.h>

/* Kept free in the output, so that the end always fits. */
#define END_ROOM 8

/* Text that can stand in a command line and is not over-long. */
static bool is_field(const char *text, size_t size_max)
{
    if (text == NULL || strlen(text) > size_max) {
        return false;
    }
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 32 || c == 127) {
            return false;
        }
    }
    return true;
}

static bool is_path(const char *text, bool allows_8bit)
{
    return is_field(text, MM_ADDRESS_TEXT_MAX - 1) &&
           (allows_8bit || !mm_span_has_8bit(mm_span_cstr(text)));
}

/* RFC 2852 4: what is to be returned has a time above 0. */
static bool is_time(const struct mm_deliver_by *by)
{
    int64_t least =
        by->mode == MM_DELIVER_BY_RETURN ? 1 : -MM_DELIVER_BY_SECONDS_MAX;
    return by->mode == MM_DELIVER_BY_UNSET ||
           (by->seconds >= least && by->seconds <= MM_DELIVER_BY_SECONDS_MAX);
}

static enum mailmod_error check_message(const struct mm_smtpc *smtpc,
                                        const struct mm_smtpc_message *message)
{
    bool is_utf8 = message->is_smtputf8;
    if (!is_path(message->reverse_path, is_utf8) ||
        !is_field(message->envelope_id, MM_DSN_ENVELOPE_ID_MAX) ||
        message->recipient_count == 0) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    for (size_t i = 0; i < message->recipient_count; i++) {
        const struct mm_smtpc_recipient *recipient = &message->recipients[i];
        if (!is_path(recipient->path, is_utf8) || recipient->path[0] == '\0' ||
            !is_field(recipient->original_recipient,
                      MM_DSN_ORIGINAL_RECIPIENT_MAX)) {
            return MAILMOD_ERROR_ARGUMENT;
        }
    }
    if (!is_time(&message->by)) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    if (is_utf8 && !smtpc->extensions.has_smtputf8) {
        return MAILMOD_ERROR_UNKNOWN_NAME;
    }
    if (message->is_binary &&
        !(smtpc->may_chunk && smtpc->extensions.has_chunking &&
          smtpc->extensions.has_binarymime)) {
        return MAILMOD_ERROR_UNSUPPORTED; /* RFC 3030 3: by BDAT alone */
    }
    uint64_t size_max = smtpc->extensions.size_max;
    if (size_max > 0 && message->size > size_max) {
        return MAILMOD_ERROR_TOO_LARGE;
    }
    return MAILMOD_OK;
}

/* It would be taken for the answer to what is said next. */
static bool has_unasked_input(const struct mm_smtpc *smtpc)
{
    return mm_buf_size(&smtpc->input) > 0 || smtpc->parser.is_complete ||
           smtpc->parser.reply.line_count > 0 ||
           mm_buf_size(&smtpc->parser.line) > 0;
}

static bool push_steps(struct mm_smtpc *smtpc, size_t recipient_count)
{
    mm_smtpc_clear_steps(smtpc);
    bool is_good =
        !smtpc->needs_reset || mm_smtpc_push(smtpc, MM_SMTPC_STEP_RSET, 0);
    is_good = is_good && mm_smtpc_push(smtpc, MM_SMTPC_STEP_MAIL, 0);
    for (size_t i = 0; is_good && i < recipient_count; i++) {
        is_good = mm_smtpc_push(smtpc, MM_SMTPC_STEP_RCPT, i);
    }
    if (smtpc->is_chunking) {
        return is_good; /* BDAT follows as the body comes */
    }
    return is_good && mm_smtpc_push(smtpc, MM_SMTPC_STEP_DATA, 0) &&
           mm_smtpc_push(smtpc, MM_SMTPC_STEP_END, 0);
}

enum mailmod_error mm_smtpc_send(struct mm_smtpc *smtpc,
                                 const struct mm_smtpc_message *message)
{
    if (smtpc->state != MM_SMTPC_AT_IDLE) {
        return MAILMOD_ERROR_STATE;
    }
    enum mailmod_error error = check_message(smtpc, message);
    if (error != MAILMOD_OK) {
        return error;
    }
    if (has_unasked_input(smtpc)) {
        mm_smtpc_fail(smtpc, MAILMOD_ERROR_PROTOCOL, false);
        return MAILMOD_ERROR_PROTOCOL;
    }
    bool is_early = false;
    smtpc->message = *message;
    mm_smtpc_choose_chunks(smtpc, &is_early);
    if (!push_steps(smtpc, message->recipient_count)) {
        mm_smtpc_clear_steps(smtpc);
        return MAILMOD_ERROR_MEMORY;
    }
    smtpc->in_message = true;
    smtpc->is_mail_refused = false;
    smtpc->rcpt_answered = 0;
    smtpc->rcpt_accepted = 0;
    smtpc->is_settled = false;
    smtpc->is_body_sent = false;
    smtpc->is_body_ended = false;
    mm_dot_writer_init(&smtpc->dot);
    smtpc->dot.has_no_dots = smtpc->is_chunking;
    smtpc->state = is_early ? MM_SMTPC_AT_BODY : MM_SMTPC_AT_TALKING;
    mm_smtpc_write_steps(smtpc);
    return smtpc->state == MM_SMTPC_AT_FAILED ? smtpc->error : MAILMOD_OK;
}

size_t mm_smtpc_body(struct mm_smtpc *smtpc, const char *bytes, size_t size)
{
    if (smtpc->state != MM_SMTPC_AT_BODY) {
        return 0;
    }
    if (smtpc->is_chunking) {
        return mm_smtpc_chunk_body(smtpc, bytes, size);
    }
    struct mm_buf *output = &smtpc->output;
    output->error = MAILMOD_OK;
    output->size_max = MM_LIMIT_OUTPUT - END_ROOM;
    size_t before = mm_buf_size(output);
    size_t taken = mm_buf_size(output) < output->size_max
                       ? mm_dot_write(&smtpc->dot, output, bytes, size)
                       : 0;
    output->size_max = MM_LIMIT_OUTPUT;
    smtpc->told_octets += mm_buf_size(output) - before;
    if (output->error == MAILMOD_ERROR_MEMORY) {
        mm_smtpc_fail(smtpc, MAILMOD_ERROR_MEMORY, false);
    }
    return taken;
}

enum mailmod_error mm_smtpc_body_end(struct mm_smtpc *smtpc)
{
    if (smtpc->state != MM_SMTPC_AT_BODY) {
        return MAILMOD_ERROR_STATE;
    }
    if (smtpc->is_chunking) {
        return mm_smtpc_chunk_end(smtpc);
    }
    enum mailmod_error error = mm_dot_write_end(&smtpc->dot, &smtpc->output);
    mm_tap_octets(smtpc->tap, MM_TAP_SENT, smtpc->told_octets);
    smtpc->told_octets = 0;
    if (error != MAILMOD_OK) {
        mm_smtpc_fail(smtpc, error, false);
        return error;
    }
    smtpc->is_body_sent = true;
    smtpc->sent++;
    smtpc->state = MM_SMTPC_AT_TALKING;
    return MAILMOD_OK;
}

void mm_smtpc_keep(struct mm_smtpc *smtpc)
{
    struct mm_reply_in kept = smtpc->kept;
    smtpc->kept = smtpc->parser.reply;
    smtpc->parser.reply = kept;
    smtpc->is_settled = true;
}

void mm_smtpc_drop_unsent(struct mm_smtpc *smtpc)
{
    smtpc->count = smtpc->sent;
}

bool mm_smtpc_is_out_of_step(struct mm_smtpc *smtpc,
                             const struct mm_reply_in *reply)
{
    if (reply->code / 100 != 3) {
        return false;
    }
    mm_smtpc_part(smtpc, MAILMOD_ERROR_PROTOCOL, true);
    return true;
}

enum mailmod_error mm_smtpc_ask(struct mm_smtpc *smtpc, enum mm_smtpc_kind kind)
{
    if (has_unasked_input(smtpc)) {
        mm_smtpc_fail(smtpc, MAILMOD_ERROR_PROTOCOL, false);
        return MAILMOD_ERROR_PROTOCOL;
    }
    mm_smtpc_clear_steps(smtpc);
    if ((smtpc->needs_reset && !mm_smtpc_push(smtpc, MM_SMTPC_STEP_RSET, 0)) ||
        !mm_smtpc_push(smtpc, kind, 0)) {
        mm_smtpc_clear_steps(smtpc);
        return MAILMOD_ERROR_MEMORY;
    }
    smtpc->state = MM_SMTPC_AT_TALKING;
    mm_smtpc_write_steps(smtpc);
    return smtpc->state == MM_SMTPC_AT_FAILED ? smtpc->error : MAILMOD_OK;
}

/* RFC 1985 5.1: not in a transaction, so what a refused message left is cleared
 * before it. */
enum mailmod_error mm_smtpc_etrn(struct mm_smtpc *smtpc, const char *name)
{
    if (smtpc->state != MM_SMTPC_AT_IDLE) {
        return MAILMOD_ERROR_STATE;
    }
    if (!smtpc->extensions.has_etrn) {
        return MAILMOD_ERROR_UNSUPPORTED;
    }
    if (!is_path(name, false) || name[0] == '\0' || strchr(name, ' ') != NULL) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    smtpc->etrn_name = name;
    return mm_smtpc_ask(smtpc, MM_SMTPC_STEP_ETRN);
}

enum mm_smtpc_event mm_smtpc_take_etrn(struct mm_smtpc *smtpc,
                                       const struct mm_reply_in *reply,
                                       struct mm_smtpc_info *info)
{
    if (mm_smtpc_is_out_of_step(smtpc, reply)) {
        return MM_SMTPC_NEED_INPUT;
    }
    mm_smtpc_clear_steps(smtpc);
    smtpc->state = MM_SMTPC_AT_IDLE;
    info->reply = reply;
    return MM_SMTPC_ETRN_REPLY;
}

enum mm_smtpc_event mm_smtpc_take_rset(struct mm_smtpc *smtpc,
                                       const struct mm_reply_in *reply,
                                       struct mm_smtpc_info *info)
{
    (void)info;
    if (reply->code / 100 != 2) {
        mm_smtpc_part(smtpc, MAILMOD_ERROR_PROTOCOL, true);
    }
    smtpc->needs_reset = false;
    return MM_SMTPC_NEED_INPUT;
}

enum mm_smtpc_event mm_smtpc_take_mail(struct mm_smtpc *smtpc,
                                       const struct mm_reply_in *reply,
                                       struct mm_smtpc_info *info)
{
    if (mm_smtpc_is_out_of_step(smtpc, reply)) {
        return MM_SMTPC_NEED_INPUT;
    }
    if (reply->code < 400) {
        smtpc->needs_reset = true;
        info->reply = reply;
        return smtpc->message.tells_mail ? MM_SMTPC_MAIL_REPLY
                                         : MM_SMTPC_NEED_INPUT;
    }
    smtpc->is_mail_refused = true;
    mm_smtpc_drop_unsent(smtpc);
    mm_smtpc_keep(smtpc);
    info->reply = &smtpc->kept;
    return MM_SMTPC_MAIL_REPLY;
}

/* One is refused: with all or nothing the message is settled, though the
 * others are still heard of. */
static void take_refused(struct mm_smtpc *smtpc,
                         const struct mm_reply_in *reply,
                         struct mm_smtpc_info *info)
{
    bool is_last = smtpc->rcpt_answered == smtpc->message.recipient_count;
    info->reply = reply;
    if (smtpc->is_settled || (!smtpc->message.requires_all &&
                              (!is_last || smtpc->rcpt_accepted > 0))) {
        return;
    }
    mm_smtpc_keep(smtpc);
    info->reply = &smtpc->kept;
}

enum mm_smtpc_event mm_smtpc_take_rcpt(struct mm_smtpc *smtpc,
                                       const struct mm_reply_in *reply,
                                       struct mm_smtpc_info *info)
{
    if (mm_smtpc_is_out_of_step(smtpc, reply)) {
        return MM_SMTPC_NEED_INPUT;
    }
    smtpc->rcpt_answered++;
    if (smtpc->is_mail_refused) {
        return MM_SMTPC_NEED_INPUT; /* 503, and says nothing of its own */
    }
    info->recipient = smtpc->steps[smtpc->answered].recipient;
    if (reply->code < 400) {
        smtpc->rcpt_accepted++;
        info->reply = reply;
    } else {
        take_refused(smtpc, reply, info);
    }
    if (smtpc->is_settled &&
        smtpc->rcpt_answered == smtpc->message.recipient_count) {
        mm_smtpc_drop_unsent(smtpc); /* DATA, when it waited for this */
    }
    return MM_SMTPC_RCPT_REPLY;
}

/* RFC 2920 3.1: 354 although nobody is to receive it; the shortest body there
 * is ends what the server now reads. */
static void send_lone_dot(struct mm_smtpc *smtpc)
{
    enum mailmod_error error = mm_buf_append_cstr(&smtpc->output, ".\r\n");
    if (error == MAILMOD_OK && !mm_smtpc_push(smtpc, MM_SMTPC_STEP_END, 0)) {
        error = MAILMOD_ERROR_MEMORY;
    }
    if (error != MAILMOD_OK) {
        mm_smtpc_fail(smtpc, error, false);
        return;
    }
    smtpc->sent++;
}

enum mm_smtpc_event mm_smtpc_take_data(struct mm_smtpc *smtpc,
                                       const struct mm_reply_in *reply,
                                       struct mm_smtpc_info *info)
{
    (void)info;
    if (reply->code == 354) {
        if (smtpc->is_settled) {
            send_lone_dot(smtpc);
        } else {
            smtpc->state = MM_SMTPC_AT_BODY;
        }
        return MM_SMTPC_NEED_INPUT;
    }
    if (reply->code < 400) {
        mm_smtpc_part(smtpc, MAILMOD_ERROR_PROTOCOL, true);
        return MM_SMTPC_NEED_INPUT;
    }
    mm_smtpc_drop_unsent(smtpc);
    if (!smtpc->is_settled) {
        mm_smtpc_keep(smtpc);
    }
    return MM_SMTPC_NEED_INPUT;
}

enum mm_smtpc_event mm_smtpc_take_end(struct mm_smtpc *smtpc,
                                      const struct mm_reply_in *reply,
                                      struct mm_smtpc_info *info)
{
    (void)info;
    if (mm_smtpc_is_out_of_step(smtpc, reply)) {
        return MM_SMTPC_NEED_INPUT;
    }
    smtpc->needs_reset = false;
    if (!smtpc->is_settled) {
        mm_smtpc_keep(smtpc);
    }
    return MM_SMTPC_NEED_INPUT;
}

/* The server still reads a body that will not come, so QUIT cannot be said;
 * and without its end nothing was taken. */
enum mm_smtpc_event mm_smtpc_break_body(struct mm_smtpc *smtpc,
                                        struct mm_smtpc_info *info)
{
    mm_smtpc_keep(smtpc);
    enum mm_smtpc_event event = mm_smtpc_finish(smtpc, info);
    smtpc->state = MM_SMTPC_AT_CLOSED;
    return event;
}

enum mm_smtpc_event mm_smtpc_finish(struct mm_smtpc *smtpc,
                                    struct mm_smtpc_info *info)
{
    info->reply = &smtpc->kept;
    info->was_sent = smtpc->is_body_sent;
    smtpc->in_message = false;
    mm_smtpc_clear_steps(smtpc);
    mm_buf_release(&smtpc->chunk);
    smtpc->state = MM_SMTPC_AT_IDLE;
    if (smtpc->is_chunking_refused) {
        /* Where BDAT is no command its octets were read as commands. */
        info->error = MAILMOD_ERROR_UNSUPPORTED;
        smtpc->state = MM_SMTPC_AT_CLOSED;
    }
    return MM_SMTPC_MESSAGE_DONE;
}
