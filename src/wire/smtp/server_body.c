/* server_body.c - a message body on its way in, by DATA or by chunks.
 *
 * Promises: the octets are given out in pieces and never kept; a body that is
 * too large, has a line past its cap or a bare newline where that is refused,
 * is read to its end and thrown away, then refused, and the session is told
 * by RESET; what is thrown away has an end (MM_LIMIT_DISCARD).
 * Thread: the caller's. RFC 5321 2.3.8, 4.5.3.1.6, 4.5.3.1.7. */
#include "wire/smtp/server_internal.h"

#include <string.h>

#define PROGRESS_STEP 4096

void mm_smtpd_body_begin(struct mm_smtpd *smtpd, bool has_dots)
{
    memset(&smtpd->body, 0, sizeof smtpd->body);
    bool takes_lf = (smtpd->options.leniencies & MM_LENIENT_LF_BODY) != 0;
    mm_dot_reader_init(&smtpd->body.dot, has_dots,
                       takes_lf || smtpd->options.normalizes_bare_newline);
    smtpd->body.dot.takes_lf = takes_lf;
}

void mm_smtpd_body_progress(struct mm_smtpd *smtpd, size_t size)
{
    smtpd->progress_octets += size;
    smtpd->progress += smtpd->progress_octets / PROGRESS_STEP;
    smtpd->progress_octets %= PROGRESS_STEP;
}

void mm_smtpd_hold(struct mm_smtpd *smtpd, const struct mm_reply *reply)
{
    mm_buf_clear(&smtpd->held);
    smtpd->held_code = reply->code;
    enum mailmod_error error = mm_reply_write(&smtpd->held, reply, true);
    if (error != MAILMOD_OK) {
        smtpd->error = error;
        mm_smtpd_break(smtpd, MM_REPLY_SHUTTING_DOWN, mm_error_text(error));
    }
}

void mm_smtpd_say_held(struct mm_smtpd *smtpd)
{
    if (smtpd->state == MM_SMTPD_AT_CLOSED) {
        return;
    }
    if (mm_buf_size(&smtpd->held) == 0) {
        mm_smtpd_hold(smtpd, mm_reply_get(smtpd->body.refusal));
    }
    size_t size = mm_buf_size(&smtpd->output);
    enum mailmod_error error =
        mm_buf_append_span(&smtpd->output, mm_buf_span(&smtpd->held));
    mm_smtpd_tell_output(smtpd, size);
    mm_buf_release(&smtpd->held);
    if (error != MAILMOD_OK) {
        mm_smtpd_break(smtpd, MM_REPLY_SHUTTING_DOWN, mm_error_text(error));
        return;
    }
    mm_smtpd_count_refusal(smtpd, smtpd->held_code);
}

/* Of several reasons the first of this order is told, not the one that was
 * found first: that would depend on how the octets came. */
static unsigned rank(enum mm_reply_id id)
{
    return id == MM_REPLY_NOT_CONVERTED   ? 0
           : id == MM_REPLY_BARE_NEWLINE  ? 1
           : id == MM_REPLY_LINE_TOO_LONG ? 2
                                          : 3;
}

void mm_smtpd_body_refuse(struct mm_smtpd *smtpd, enum mm_reply_id id)
{
    struct mm_smtpd_body *body = &smtpd->body;
    if (!body->is_refused || rank(id) < rank(body->refusal)) {
        body->is_refused = true;
        body->refusal = id;
    }
}

uint64_t mm_smtpd_discard_max(const struct mm_smtpd *smtpd)
{
    uint64_t size_max = smtpd->options.message_size_max;
    return size_max < UINT64_MAX - MM_LIMIT_DISCARD
               ? size_max + MM_LIMIT_DISCARD
               : UINT64_MAX;
}

void mm_smtpd_discard(struct mm_smtpd *smtpd, uint64_t size)
{
    smtpd->discarded += size;
    if (smtpd->discarded > mm_smtpd_discard_max(smtpd)) {
        mm_smtpd_say_held(smtpd);
        mm_smtpd_break(smtpd, MM_REPLY_TOO_MANY_ERRORS,
                       "a refused message does not end");
    }
}

void mm_smtpd_body_check(struct mm_smtpd *smtpd)
{
    struct mm_smtpd_body *body = &smtpd->body;
    if (body->dot.has_bare_newline && !body->dot.normalizes) {
        mm_smtpd_body_refuse(smtpd, MM_REPLY_BARE_NEWLINE);
    }
    uint64_t line_size_max = smtpd->options.line_size_max;
    if (line_size_max > 0 && body->dot.line_size_max > line_size_max) {
        mm_smtpd_body_refuse(smtpd, MM_REPLY_LINE_TOO_LONG);
    }
}

void mm_smtpd_body_octets(struct mm_smtpd *smtpd, struct mm_span run)
{
    struct mm_smtpd_body *body = &smtpd->body;
    uint64_t size_max = smtpd->options.message_size_max;
    if (size_max > 0 && run.size > size_max - body->size) {
        mm_smtpd_body_refuse(smtpd, MM_REPLY_TOO_LARGE);
    }
    if (body->is_refused) {
        mm_smtpd_discard(smtpd, run.size);
        return;
    }
    body->size += run.size;
    body->has_8bit = body->has_8bit || mm_span_has_8bit(run);
    smtpd->info = (struct mm_smtpd_info){.data = run};
    mm_smtpd_raise(smtpd, MM_SMTPD_BODY);
}

void mm_smtpd_settle_body(struct mm_smtpd *smtpd, const struct mm_reply *reply)
{
    (void)smtpd;
    (void)reply;
}

void mm_smtpd_body_end(struct mm_smtpd *smtpd)
{
    mm_tap_octets(smtpd->options.tap, MM_TAP_RECEIVED, smtpd->body.size);
    if (smtpd->body.is_refused) {
        mm_smtpd_say_held(smtpd);
        mm_smtpd_abandon(smtpd);
        return;
    }
    smtpd->info = (struct mm_smtpd_info){
        .size = smtpd->body.size,
        .has_8bit = smtpd->body.has_8bit,
    };
    mm_smtpd_raise(smtpd, MM_SMTPD_END);
}

void mm_smtpd_settle_end(struct mm_smtpd *smtpd, const struct mm_reply *reply)
{
    /* Accepted or refused, the transaction is over: RFC 5321 4.1.1.4. */
    (void)mm_smtpd_forget(smtpd);
    mm_smtpd_set_state(smtpd, MM_SMTPD_AT_READY);
    if (mm_smtpd_is_accepted(reply)) {
        smtpd->error_count = 0;
        smtpd->refused_count = 0;
    }
    mm_smtpd_say(smtpd, reply);
}
