/* client_steps.c - the commands, and how many of them may be under way.
 *
 * Promises: without PIPELINING a step is sent when all before it is answered;
 * with it RSET, MAIL, RCPT and DATA go in one flight, as far as the output
 * has room. By DATA the body is never sent before 354.
 * Thread: the caller's. RFC 5321 4.1.1; RFC 2920 3.1; RFC 1870 4; RFC 6152 2;
 * RFC 6531 3.4; RFC 3461 4; RFC 2852 4. */
#include "wire/smtp/client_internal.h"

const enum mm_smtpc_phase mm_smtpc_phases[MM_SMTPC_STEP_COUNT] = {
    [MM_SMTPC_STEP_GREETING] = MM_SMTPC_PHASE_GREETING,
    [MM_SMTPC_STEP_EHLO] = MM_SMTPC_PHASE_HELLO,
    [MM_SMTPC_STEP_HELO] = MM_SMTPC_PHASE_HELLO,
    [MM_SMTPC_STEP_STARTTLS] = MM_SMTPC_PHASE_TLS,
    [MM_SMTPC_STEP_AUTH] = MM_SMTPC_PHASE_AUTH,
    [MM_SMTPC_STEP_RSET] = MM_SMTPC_PHASE_MAIL,
    [MM_SMTPC_STEP_MAIL] = MM_SMTPC_PHASE_MAIL,
    [MM_SMTPC_STEP_RCPT] = MM_SMTPC_PHASE_RCPT,
    [MM_SMTPC_STEP_DATA] = MM_SMTPC_PHASE_DATA,
    [MM_SMTPC_STEP_END] = MM_SMTPC_PHASE_END,
    [MM_SMTPC_STEP_BDAT] = MM_SMTPC_PHASE_BODY,
    [MM_SMTPC_STEP_XUSR] = MM_SMTPC_PHASE_HELLO,
    [MM_SMTPC_STEP_ETRN] = MM_SMTPC_PHASE_MAIL,
    [MM_SMTPC_STEP_COMMAND] = MM_SMTPC_PHASE_MAIL,
    [MM_SMTPC_STEP_QUIT] = MM_SMTPC_PHASE_QUIT,
};

/* RFC 2852 4:  "BY=" by-time ";" by-mode [ by-trace ] */
static void write_by(const struct mm_deliver_by *by, struct mm_buf *out)
{
    mm_buf_appendf(out, " BY=%lld;%c%s", (long long)by->seconds,
                   by->mode == MM_DELIVER_BY_RETURN ? 'R' : 'N',
                   by->is_traced ? "T" : "");
}

/* A parameter is sent when its extension was announced. */
static void write_mail(const struct mm_smtpc *smtpc, struct mm_buf *out)
{
    const struct mm_smtpc_message *message = &smtpc->message;
    const struct mm_smtpc_extensions *offered = &smtpc->extensions;
    struct mm_mail_parameters mail = {
        .size = offered->has_size ? message->size : 0,
        .is_8bit = offered->has_8bitmime && message->is_8bit,
        .is_binary = message->is_binary,
        .is_smtputf8 = message->is_smtputf8,
    };
    if (offered->has_dsn) {
        mail.dsn_return = message->dsn_return;
        (void)mm_span_copy(mm_span_cstr(message->envelope_id), mail.envelope_id,
                           sizeof mail.envelope_id);
    }
    mm_buf_append_cstr(out, "MAIL FROM:<");
    mm_buf_append_cstr(out, message->reverse_path);
    mm_buf_append_char(out, '>');
    mm_mail_parameters_write(out, &mail);
    if (offered->has_deliver_by && message->by.mode != MM_DELIVER_BY_UNSET) {
        write_by(&message->by, out);
    }
}

static void write_rcpt(const struct mm_smtpc *smtpc, struct mm_buf *out,
                       size_t index)
{
    const struct mm_smtpc_recipient *recipient =
        &smtpc->message.recipients[index];
    struct mm_rcpt_parameters rcpt = {.notify = 0};
    if (smtpc->extensions.has_dsn) {
        rcpt.notify = recipient->notify;
        (void)mm_span_copy(mm_span_cstr(recipient->original_recipient),
                           rcpt.original_recipient,
                           sizeof rcpt.original_recipient);
    }
    mm_buf_append_cstr(out, "RCPT TO:<");
    mm_buf_append_cstr(out, recipient->path);
    mm_buf_append_char(out, '>');
    mm_rcpt_parameters_write(out, &rcpt);
}

static void write_step(struct mm_smtpc *smtpc, struct mm_smtpc_step step)
{
    struct mm_buf *out = &smtpc->output;
    switch (step.kind) {
    case MM_SMTPC_STEP_EHLO:
    case MM_SMTPC_STEP_HELO:
        mm_buf_append_cstr(out,
                           step.kind == MM_SMTPC_STEP_EHLO ? "EHLO " : "HELO ");
        mm_buf_append_cstr(out, smtpc->host_name);
        break;
    case MM_SMTPC_STEP_STARTTLS:
        mm_buf_append_cstr(out, "STARTTLS");
        break;
    case MM_SMTPC_STEP_RSET:
        mm_buf_append_cstr(out, "RSET");
        break;
    case MM_SMTPC_STEP_MAIL:
        write_mail(smtpc, out);
        break;
    case MM_SMTPC_STEP_RCPT:
        write_rcpt(smtpc, out, step.recipient);
        break;
    case MM_SMTPC_STEP_DATA:
        mm_buf_append_cstr(out, "DATA");
        break;
    case MM_SMTPC_STEP_XUSR:
        mm_buf_append_cstr(out, "XUSR");
        break;
    case MM_SMTPC_STEP_COMMAND:
        mm_buf_append_cstr(out, smtpc->command);
        break;
    case MM_SMTPC_STEP_ETRN:
        mm_buf_append_cstr(out, "ETRN ");
        mm_buf_append_cstr(out, smtpc->etrn_name);
        break;
    case MM_SMTPC_STEP_QUIT:
        mm_buf_append_cstr(out, "QUIT");
        break;
    case MM_SMTPC_STEP_BDAT:
        mm_smtpc_write_chunk(smtpc, step.recipient == MM_SMTPC_LAST);
        return;
    default: /* GREETING says nothing; AUTH and END wrote themselves */
        return;
    }
    mm_buf_append_cstr(out, "\r\n");
}

static bool may_send(const struct mm_smtpc *smtpc, enum mm_smtpc_kind kind)
{
    if (kind == MM_SMTPC_STEP_END) {
        return false; /* after 354 and the body */
    }
    size_t needed = MM_LIMIT_SMTP_COMMAND;
    if (kind == MM_SMTPC_STEP_BDAT) {
        needed += mm_buf_size(&smtpc->chunk);
    }
    if (mm_buf_room(&smtpc->output) < needed) {
        return false;
    }
    if (kind == MM_SMTPC_STEP_DATA && smtpc->message.requires_all) {
        return smtpc->answered == smtpc->sent; /* all have an answer */
    }
    return smtpc->answered == smtpc->sent ||
           (smtpc->in_message && smtpc->extensions.has_pipelining);
}

void mm_smtpc_tell(const struct mm_smtpc *smtpc, bool is_secret)
{
    struct mm_span line = mm_buf_span(&smtpc->output);

    if (smtpc->tap == NULL || line.size < 2) {
        return;
    }
    line.size -= 2;
    size_t start = line.size;
    while (start > 0 && line.data[start - 1] != '\n') {
        start--;
    }
    mm_tap_command(smtpc->tap, MM_TAP_SENT, mm_span_from(line, start),
                   is_secret);
}

static bool is_talking(const struct mm_smtpc *smtpc)
{
    return smtpc->state == MM_SMTPC_AT_TALKING ||
           (smtpc->state == MM_SMTPC_AT_BODY && smtpc->is_chunking);
}

void mm_smtpc_write_steps(struct mm_smtpc *smtpc)
{
    while (is_talking(smtpc) && smtpc->sent < smtpc->count &&
           may_send(smtpc, smtpc->steps[smtpc->sent].kind)) {
        smtpc->output.error = MAILMOD_OK;
        size_t size = mm_buf_size(&smtpc->output);
        enum mm_smtpc_kind kind = smtpc->steps[smtpc->sent].kind;
        write_step(smtpc, smtpc->steps[smtpc->sent]);
        if (mm_buf_size(&smtpc->output) > size && kind != MM_SMTPC_STEP_BDAT) {
            mm_smtpc_tell(smtpc, false);
        }
        enum mailmod_error error = mm_buf_error(&smtpc->output);
        if (error != MAILMOD_OK) {
            mm_smtpc_fail(smtpc, error, false);
            return;
        }
        smtpc->sent++;
    }
}
