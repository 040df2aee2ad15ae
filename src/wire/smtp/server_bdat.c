/* server_bdat.c - BDAT: a body in chunks of announced size.
 *
 * Promises: the octets of a chunk are never read as commands, also when the
 * chunk is refused: they are thrown away first and the reply follows them
 * (RFC 3030 2). A size that cannot be read, or that no one will wait for,
 * ends the conversation, for nobody knows then where the next command
 * begins. A refused chunk ends the transaction.
 * Thread: the caller's. RFC 3030 2, 4.2. */
#include "wire/smtp/request.h"
#include "wire/smtp/server_internal.h"

#include <string.h>

const struct mm_reply *mm_smtpd_check_bdat(const struct mm_smtpd *smtpd,
                                           struct mm_span argument,
                                           struct mm_smtpd_request *request)
{
    bool is_good;
    if (!mm_request_parse_chunk(argument, &request->chunk_size,
                                &request->is_last, &is_good) ||
        !is_good) {
        return mm_reply_get(MM_REPLY_BAD_ARGUMENTS);
    }
    if (smtpd->recipient_count == 0) {
        return mm_reply_get(MM_REPLY_NO_RECIPIENTS);
    }
    uint64_t announced =
        smtpd->state == MM_SMTPD_AT_BDAT ? smtpd->body.announced_size : 0;
    uint64_t size_max = smtpd->options.message_size_max;
    if (size_max == 0) {
        size_max = UINT64_MAX / 2;
    }
    /* What was announced so far is within the limit: no overflow. */
    if (request->chunk_size > size_max - announced) {
        return mm_reply_get(MM_REPLY_TOO_LARGE);
    }
    if (smtpd->small_chunk_count >= MM_LIMIT_SMALL_CHUNKS) {
        return mm_reply_get(MM_REPLY_TRANSACTION_FAILED);
    }
    return NULL;
}

static void begin_chunk(struct mm_smtpd *smtpd, uint64_t size)
{
    smtpd->state_before_chunk = smtpd->state;
    smtpd->chunk_left = size;
    mm_smtpd_set_state(smtpd, MM_SMTPD_AT_CHUNK);
}

void mm_smtpd_do_bdat(struct mm_smtpd *smtpd)
{
    bool is_first = smtpd->state == MM_SMTPD_AT_RCPT;
    const struct mm_smtpd_request *request = &smtpd->request;
    if (is_first) {
        mm_smtpd_body_begin(smtpd, false);
        if (smtpd->is_binary && !mm_smtpd_binary_begin(smtpd)) {
            return;
        }
        smtpd->info = (struct mm_smtpd_info){0};
        mm_smtpd_raise(smtpd, MM_SMTPD_DATA);
    }
    smtpd->body.announced_size += request->chunk_size;
    smtpd->is_chunk_last = request->is_last;
    smtpd->small_chunk_count +=
        request->chunk_size < MM_LIMIT_SMALL_CHUNK ? 1 : 0;
    begin_chunk(smtpd, request->chunk_size);
}

void mm_smtpd_settle_chunk(struct mm_smtpd *smtpd, const struct mm_reply *reply)
{
    if (!mm_smtpd_is_accepted(reply)) {
        smtpd->body.is_refused = true;
        smtpd->is_chunk_last = true; /* the end of the transaction */
        mm_smtpd_hold(smtpd, reply);
    }
}

void mm_smtpd_refuse_bdat(struct mm_smtpd *smtpd, struct mm_span argument,
                          const struct mm_reply *reply)
{
    uint64_t size;
    bool is_last;
    bool is_good;
    if (!mm_request_parse_chunk(argument, &size, &is_last, &is_good) ||
        size > mm_smtpd_discard_max(smtpd)) {
        mm_smtpd_say(smtpd, reply);
        mm_smtpd_break(smtpd, MM_REPLY_TOO_MANY_ERRORS,
                       "BDAT with a size that cannot be skipped");
        return;
    }
    smtpd->body.is_refused = true;
    smtpd->is_chunk_last = true;
    mm_smtpd_hold(smtpd, reply);
    begin_chunk(smtpd, size);
}

static void end_refused_chunk(struct mm_smtpd *smtpd)
{
    enum mm_smtpd_state before = smtpd->state_before_chunk;
    mm_smtpd_set_state(smtpd, before);
    mm_smtpd_say_held(smtpd);
    if (smtpd->has_transaction) {
        mm_smtpd_abandon(smtpd);
    } else {
        (void)mm_smtpd_forget(smtpd);
    }
}

/* What is refused before its body began is thrown away as it is. */
static bool is_converted(const struct mm_smtpd *smtpd)
{
    return smtpd->is_binary && smtpd->binary != NULL &&
           mm_buf_size(&smtpd->held) == 0 && smtpd->state != MM_SMTPD_AT_CLOSED;
}

static void end_chunk(struct mm_smtpd *smtpd)
{
    struct mm_smtpd_body *body = &smtpd->body;
    struct mm_span run;
    if (smtpd->is_chunk_last && is_converted(smtpd)) {
        mm_smtpd_binary_finish(smtpd);
        if (mm_smtpd_binary_give(smtpd)) {
            return;
        }
    }
    if (smtpd->is_chunk_last &&
        mm_dot_read_end(&body->dot, &run) == MM_DOT_RUN) {
        mm_smtpd_body_octets(smtpd, run);
        return; /* again, when that is settled */
    }
    mm_smtpd_body_check(smtpd);
    if (smtpd->is_chunk_last && body->is_refused) {
        end_refused_chunk(smtpd);
    } else if (smtpd->is_chunk_last) {
        mm_smtpd_body_end(smtpd);
    } else {
        mm_smtpd_set_state(smtpd, MM_SMTPD_AT_BDAT);
        mm_smtpd_say_id(smtpd, MM_REPLY_OK);
    }
}

bool mm_smtpd_step_chunk(struct mm_smtpd *smtpd)
{
    struct mm_span input = mm_buf_span(&smtpd->input);
    if (is_converted(smtpd) && mm_smtpd_binary_give(smtpd)) {
        return true;
    }
    if (smtpd->chunk_left == 0) {
        end_chunk(smtpd);
        return true;
    }
    if (input.size == 0) {
        return false;
    }
    if (input.size > smtpd->chunk_left) {
        input.size = (size_t)smtpd->chunk_left;
    }
    struct mm_span run = input;
    size_t used = input.size;
    if (is_converted(smtpd)) {
        used = mm_smtpd_binary_write(smtpd, input);
        run = mm_span(NULL, 0);
    } else if (mm_buf_size(&smtpd->held) == 0) {
        (void)mm_dot_read(&smtpd->body.dot, input, &used, &run);
        mm_smtpd_body_check(smtpd);
    }
    smtpd->chunk_left -= used;
    mm_buf_consume(&smtpd->input, used);
    mm_smtpd_body_progress(smtpd, used);
    if (run.size > 0) {
        mm_smtpd_body_octets(smtpd, run);
    }
    return true;
}
