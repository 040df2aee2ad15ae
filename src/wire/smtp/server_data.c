/* server_data.c - DATA: a body that ends with a dot alone on its line.
 *
 * Promises: only CRLF "." CRLF ends it. The octets that follow a refused DATA
 * are commands, as the client then does not send a body (RFC 2920 3.1).
 * Thread: the caller's. RFC 5321 4.1.1.4, 4.5.2; RFC 3030 3. */
#include "wire/smtp/server_internal.h"

const struct mm_reply *mm_smtpd_check_data(const struct mm_smtpd *smtpd,
                                           struct mm_span argument,
                                           struct mm_smtpd_request *request)
{
    (void)argument;
    (void)request;
    if (smtpd->recipient_count == 0) {
        return mm_reply_get(MM_REPLY_NO_RECIPIENTS);
    }
    /* RFC 3030 3: binary parts come by BDAT alone. */
    return smtpd->is_binary ? mm_reply_get(MM_REPLY_BAD_SEQUENCE) : NULL;
}

void mm_smtpd_do_data(struct mm_smtpd *smtpd)
{
    mm_smtpd_body_begin(smtpd, true);
    smtpd->info = (struct mm_smtpd_info){0};
    mm_smtpd_raise(smtpd, MM_SMTPD_DATA);
}

void mm_smtpd_settle_data(struct mm_smtpd *smtpd, const struct mm_reply *reply)
{
    if (smtpd->state == MM_SMTPD_AT_CHUNK) {
        mm_smtpd_settle_chunk(smtpd, reply);
        return;
    }
    if (!mm_smtpd_is_accepted(reply)) {
        mm_smtpd_say(smtpd, reply);
        mm_smtpd_abandon(smtpd);
        return;
    }
    mm_smtpd_set_state(smtpd, MM_SMTPD_AT_DATA);
    mm_smtpd_say(
        smtpd, reply->code == 354 ? reply : mm_reply_get(MM_REPLY_START_INPUT));
}

bool mm_smtpd_step_data(struct mm_smtpd *smtpd)
{
    struct mm_span input = mm_buf_span(&smtpd->input);
    if (input.size == 0) {
        return false;
    }
    size_t used;
    struct mm_span run;
    enum mm_dot_result result =
        mm_dot_read(&smtpd->body.dot, input, &used, &run);
    mm_buf_consume(&smtpd->input, used);
    mm_smtpd_body_progress(smtpd, used);
    mm_smtpd_body_check(smtpd);
    if (result == MM_DOT_RUN) {
        mm_smtpd_body_octets(smtpd, run);
    } else if (result == MM_DOT_DONE) {
        mm_smtpd_body_end(smtpd);
    }
    return result != MM_DOT_MORE;
}
