/* client_auth.c - AUTH, client side: the frame around a SASL exchange.
 *
 * Promises: nothing of a login goes out in clear unless the caller allowed
 * it; credentials are wiped from the output as soon as they are sent. Which
 * mechanism is tried, and what it says, is the caller's.
 * Thread: the caller's. RFC 4954 4; features V-05 to V-12. */
#include "base/base64.h"
#include "base/mem.h"
#include "wire/sasl/sasl.h"
#include "wire/smtp/client_internal.h"

/* RFC 4954 4: an initial response that would make the line longer than 512
 * octets is kept for the first challenge. */
#define AUTH_LINE_MAX 510

void mm_smtpc_wipe(struct mm_buf *buf)
{
    if (buf->data != NULL) {
        mm_secret_clear(buf->data, buf->capacity);
    }
    mm_buf_release(buf);
}

unsigned mm_smtpc_mechanisms(const struct mm_smtpc *smtpc)
{
    if (!smtpc->is_tls && !smtpc->allows_clear_auth) {
        return 0;
    }
    return smtpc->extensions.mechanisms & smtpc->mechanisms &
           ~smtpc->tried_mechanisms;
}

/* What was written is the step AUTH, and its reply is waited for. */
static enum mailmod_error go(struct mm_smtpc *smtpc, bool is_command)
{
    enum mailmod_error error = mm_buf_append_cstr(&smtpc->output, "\r\n");
    smtpc->has_secret = true;
    mm_smtpc_tell(smtpc, !is_command);
    if (error == MAILMOD_OK) {
        error = mm_buf_error(&smtpc->output);
    }
    if (error != MAILMOD_OK) {
        mm_smtpc_fail(smtpc, error, false);
        return error;
    }
    mm_smtpc_do(smtpc, MM_SMTPC_STEP_AUTH);
    mm_smtpc_write_steps(smtpc);
    return smtpc->state == MM_SMTPC_AT_FAILED ? smtpc->error : MAILMOD_OK;
}

static enum mailmod_error keep_initial(struct mm_smtpc *smtpc,
                                       struct mm_span initial)
{
    mm_smtpc_wipe(&smtpc->initial);
    if (initial.size == 0) {
        return mm_buf_append_char(&smtpc->initial, '=');
    }
    return mm_base64_encode(&smtpc->initial, initial.data, initial.size);
}

enum mailmod_error mm_smtpc_auth(struct mm_smtpc *smtpc,
                                 enum mm_sasl_mechanism mechanism,
                                 bool has_initial, struct mm_span initial)
{
    if (smtpc->state != MM_SMTPC_AT_AUTH) {
        return MAILMOD_ERROR_STATE;
    }
    if (((unsigned)mechanism & mm_smtpc_mechanisms(smtpc)) == 0) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    if (has_initial) {
        enum mailmod_error error = keep_initial(smtpc, initial);
        if (error != MAILMOD_OK) {
            mm_smtpc_wipe(&smtpc->initial);
            return error;
        }
    }
    const char *name = mm_sasl_name(mechanism);
    size_t size = mm_buf_size(&smtpc->initial);
    smtpc->mechanism = mechanism;
    smtpc->output.error = MAILMOD_OK;
    mm_buf_append_cstr(&smtpc->output, "AUTH ");
    mm_buf_append_cstr(&smtpc->output, name);
    if (size > 0 && 6 + mm_span_cstr(name).size + size <= AUTH_LINE_MAX) {
        mm_buf_append_char(&smtpc->output, ' ');
        mm_buf_append_span(&smtpc->output, mm_buf_span(&smtpc->initial));
        mm_smtpc_wipe(&smtpc->initial);
    }
    return go(smtpc, true);
}

enum mailmod_error mm_smtpc_auth_response(struct mm_smtpc *smtpc,
                                          struct mm_span data)
{
    if (smtpc->state != MM_SMTPC_AT_CHALLENGE) {
        return MAILMOD_ERROR_STATE;
    }
    smtpc->output.error = MAILMOD_OK;
    enum mailmod_error error =
        mm_base64_encode(&smtpc->output, data.data, data.size);
    if (error != MAILMOD_OK) {
        mm_smtpc_fail(smtpc, error, false);
        return error;
    }
    return go(smtpc, false);
}

enum mailmod_error mm_smtpc_auth_cancel(struct mm_smtpc *smtpc)
{
    if (smtpc->state != MM_SMTPC_AT_CHALLENGE) {
        return MAILMOD_ERROR_STATE;
    }
    smtpc->output.error = MAILMOD_OK;
    mm_buf_append_char(&smtpc->output, '*');
    return go(smtpc, false);
}

static void take_challenge(struct mm_smtpc *smtpc,
                           const struct mm_reply_in *reply)
{
    if (mm_buf_size(&smtpc->initial) > 0) {
        smtpc->output.error = MAILMOD_OK;
        mm_buf_append_span(&smtpc->output, mm_buf_span(&smtpc->initial));
        mm_smtpc_wipe(&smtpc->initial);
        (void)go(smtpc, false);
        return;
    }
    mm_buf_clear(&smtpc->challenge);
    enum mailmod_error error = mm_base64_decode(
        &smtpc->challenge, mm_span_trim(mm_buf_span(&reply->text)));
    if (error == MAILMOD_ERROR_MEMORY) {
        mm_smtpc_fail(smtpc, error, false);
        return;
    }
    if (error != MAILMOD_OK) {
        /* "334 Go ahead": there are servers that write prose (V-11). */
        mm_buf_clear(&smtpc->challenge);
    }
    mm_smtpc_clear_steps(smtpc);
    smtpc->state = MM_SMTPC_AT_CHALLENGE;
}

enum mm_smtpc_event mm_smtpc_take_auth(struct mm_smtpc *smtpc,
                                       const struct mm_reply_in *reply,
                                       struct mm_smtpc_info *info)
{
    if (reply->code == 334) {
        take_challenge(smtpc, reply);
        return MM_SMTPC_NEED_INPUT;
    }
    mm_smtpc_wipe(&smtpc->initial);
    mm_buf_clear(&smtpc->challenge);
    if (reply->code < 400 && reply->code != 235) {
        mm_smtpc_fail(smtpc, MAILMOD_ERROR_PROTOCOL, true);
        return MM_SMTPC_NEED_INPUT;
    }
    smtpc->is_authenticated = reply->code == 235;
    unsigned tried = (unsigned)smtpc->mechanism;
    smtpc->tried_mechanisms |= tried & ~smtpc->tries_twice;
    smtpc->tries_twice &= ~tried;
    info->reply = reply;
    /* When this was the last mechanism, FAILED is told after AUTH_DONE. */
    mm_smtpc_go_on(smtpc);
    return MM_SMTPC_AUTH_DONE;
}
