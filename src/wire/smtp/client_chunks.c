/* client_chunks.c - a body by BDAT instead of DATA.
 *
 * Owns the chunk that is being filled. Promises: the octets are those that DATA
 * would bring, without its doubled dots, and those of a binary message are as
 * they came; the last chunk has octets where the
 * message has any, for servers that take no "BDAT 0 LAST"; a small message
 * follows its envelope in one flight, one trip for all (unless the caller wants
 * the replies first), and a large one waits for the envelope's replies, so that
 * what nobody takes is not sent. A refusal of BDAT as such is told apart from
 * one of the message.
 * Thread: the caller's. RFC 3030 2, 3, 4.2; RFC 2920 3.1. */
#include "base/limits.h"
#include "wire/smtp/client_internal.h"

void mm_smtpc_choose_chunks(struct mm_smtpc *smtpc, bool *is_early_out)
{
    const struct mm_smtpc_extensions *offered = &smtpc->extensions;
    uint64_t size = smtpc->message.size;
    bool is_small = size > 0 && size < MM_SMTPC_CHUNK_MAX;

    /* Without PIPELINING each chunk would wait for the reply of the last. All
     * or nothing needs the replies to RCPT before the text. */
    smtpc->is_chunking =
        smtpc->message.is_binary ||
        (smtpc->may_chunk && offered->has_chunking &&
         !smtpc->message.requires_all && (offered->has_pipelining || is_small));
    *is_early_out = smtpc->is_chunking && offered->has_pipelining && is_small &&
                    !smtpc->message.waits_for_replies &&
                    !smtpc->message.requires_all;
    mm_buf_clear(&smtpc->chunk);
}

static bool is_chunk_waiting(const struct mm_smtpc *smtpc)
{
    return smtpc->sent < smtpc->count &&
           smtpc->steps[smtpc->count - 1].kind == MM_SMTPC_STEP_BDAT;
}

bool mm_smtpc_has_chunk_room(const struct mm_smtpc *smtpc)
{
    return !is_chunk_waiting(smtpc);
}

void mm_smtpc_write_chunk(struct mm_smtpc *smtpc, bool is_last)
{
    struct mm_buf *out = &smtpc->output;
    size_t size = mm_buf_size(&smtpc->chunk);

    (void)mm_buf_appendf(out, "BDAT %zu%s\r\n", size, is_last ? " LAST" : "");
    mm_smtpc_tell(smtpc, false);
    (void)mm_buf_append_span(out, mm_buf_span(&smtpc->chunk));
    mm_tap_octets(smtpc->tap, MM_TAP_SENT, size);
    mm_buf_clear(&smtpc->chunk);
    smtpc->is_body_sent = is_last;
}

static bool push_chunk(struct mm_smtpc *smtpc, bool is_last)
{
    if (!mm_smtpc_push(smtpc, MM_SMTPC_STEP_BDAT,
                       is_last ? MM_SMTPC_LAST : 0)) {
        mm_smtpc_fail(smtpc, MAILMOD_ERROR_MEMORY, false);
        return false;
    }
    return true;
}

static size_t fill_chunk(struct mm_smtpc *smtpc, const char *bytes, size_t size)
{
    struct mm_buf *chunk = &smtpc->chunk;

    chunk->error = MAILMOD_OK;
    chunk->size_max = MM_SMTPC_CHUNK_MAX;
    if (!smtpc->message.is_binary) {
        return mm_dot_write(&smtpc->dot, chunk, bytes, size);
    }
    size_t room = mm_buf_room(chunk);
    size = size < room ? size : room;
    return mm_buf_append(chunk, bytes, size) == MAILMOD_OK ? size : 0;
}

/* A full chunk goes when there is more, and never as the last. */
size_t mm_smtpc_chunk_body(struct mm_smtpc *smtpc, const char *bytes,
                           size_t size)
{
    struct mm_buf *chunk = &smtpc->chunk;
    size_t taken = 0;

    while (taken < size && smtpc->state == MM_SMTPC_AT_BODY &&
           !is_chunk_waiting(smtpc)) {
        taken += fill_chunk(smtpc, bytes + taken, size - taken);
        if (mm_buf_error(chunk) == MAILMOD_ERROR_MEMORY) {
            mm_smtpc_fail(smtpc, MAILMOD_ERROR_MEMORY, false);
        } else if (taken < size && push_chunk(smtpc, false)) {
            mm_smtpc_write_steps(smtpc);
        }
    }
    return taken;
}

enum mailmod_error mm_smtpc_chunk_end(struct mm_smtpc *smtpc)
{
    struct mm_buf *chunk = &smtpc->chunk;

    if (is_chunk_waiting(smtpc)) {
        return MAILMOD_ERROR_STATE; /* there is more, the caller was told */
    }
    chunk->error = MAILMOD_OK;
    chunk->size_max = MM_SMTPC_CHUNK_MAX + 2;
    enum mailmod_error error = smtpc->message.is_binary
                                   ? MAILMOD_OK
                                   : mm_dot_write_end(&smtpc->dot, chunk);
    if (error != MAILMOD_OK) {
        mm_smtpc_fail(smtpc, error, false);
        return error;
    }
    smtpc->is_body_ended = true;
    smtpc->state = MM_SMTPC_AT_TALKING;
    if (push_chunk(smtpc, true)) {
        mm_smtpc_write_steps(smtpc);
    }
    return smtpc->state == MM_SMTPC_AT_FAILED ? smtpc->error : MAILMOD_OK;
}

/* RFC 5321 4.2.2: syntax, not implemented, out of sequence. */
static bool is_about_command(const struct mm_reply_in *reply)
{
    return reply->code >= 500 && reply->code <= 504;
}

/* RFC 3030 2: after a refusal the state is unknown until RSET, and the chunks
 * behind it are refused as well. */
enum mm_smtpc_event mm_smtpc_take_bdat(struct mm_smtpc *smtpc,
                                       const struct mm_reply_in *reply,
                                       struct mm_smtpc_info *info)
{
    bool is_last = smtpc->steps[smtpc->answered].recipient == MM_SMTPC_LAST;

    (void)info;
    if (mm_smtpc_is_out_of_step(smtpc, reply)) {
        return MM_SMTPC_NEED_INPUT;
    }
    if (reply->code < 400 && !is_last) {
        return MM_SMTPC_NEED_INPUT;
    }
    smtpc->needs_reset = reply->code >= 400;
    if (reply->code >= 400) {
        mm_smtpc_drop_unsent(smtpc);
        smtpc->is_chunking_refused =
            smtpc->is_chunking_refused ||
            (!smtpc->is_settled && is_about_command(reply));
    }
    if (!smtpc->is_settled) {
        mm_smtpc_keep(smtpc);
    }
    return MM_SMTPC_NEED_INPUT;
}

bool mm_smtpc_is_chunking(const struct mm_smtpc *smtpc)
{
    return smtpc->in_message && smtpc->is_chunking;
}
