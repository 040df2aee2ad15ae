/* server_rcpt.c - RCPT: one recipient and what is asked for it.
 *
 * Promises: no more than recipients_max recipients are ever offered to the
 * session of one message.
 * Thread: the caller's. RFC 5321 4.1.1.3, 4.5.3.1.10; RFC 3461 4.1, 4.2. */
#include "wire/smtp/request.h"
#include "wire/smtp/server_internal.h"

/* RFC 5321 4.1.1.3:  "RCPT TO:" ( "<Postmaster@" Domain ">" /
 *                    "<Postmaster>" / Forward-path ) [SP Rcpt-parameters] */
const struct mm_reply *mm_smtpd_check_rcpt(const struct mm_smtpd *smtpd,
                                           struct mm_span argument,
                                           struct mm_smtpd_request *request)
{
    if (!mm_request_cut_prefix(&argument, "TO:")) {
        return mm_reply_get(MM_REPLY_SYNTAX);
    }
    struct mm_span rest;
    if (mm_path_parse_lenient(argument, false, true, smtpd->options.leniencies,
                              &request->path, &rest) != MAILMOD_OK) {
        return mm_reply_get(MM_REPLY_BAD_RECIPIENT);
    }
    const struct mm_reply *refusal =
        mm_rcpt_parameters_parse(rest, &request->rcpt);
    if (refusal != NULL) {
        return refusal;
    }
    /* RFC 6533 3: ORCPT too has UTF-8 in such a transaction alone. */
    bool needs_smtputf8 =
        request->path.needs_smtputf8 || mm_span_has_8bit(rest);
    if (needs_smtputf8 && !smtpd->is_smtputf8) {
        return mm_reply_get(MM_REPLY_NEEDS_SMTPUTF8);
    }
    unsigned count_max = smtpd->options.recipients_max;
    if (count_max > 0 && smtpd->recipient_count >= count_max) {
        return mm_reply_get(MM_REPLY_TOO_MANY_RECIPIENTS);
    }
    return NULL;
}

void mm_smtpd_do_rcpt(struct mm_smtpd *smtpd)
{
    smtpd->info = (struct mm_smtpd_info){
        .path = &smtpd->request.path,
        .rcpt = &smtpd->request.rcpt,
    };
    mm_smtpd_raise(smtpd, MM_SMTPD_RCPT);
}

/* Counted apart from errors: behind the recipients of an old list that are no
 * more there may be others that are. */
void mm_smtpd_refuse_rcpt(struct mm_smtpd *smtpd, const struct mm_reply *reply)
{
    mm_smtpd_say_uncounted(smtpd, reply);
    smtpd->refused_count += reply->code >= 500;
    if (smtpd->options.refused_recipients_max > 0 &&
        smtpd->refused_count >= smtpd->options.refused_recipients_max) {
        mm_smtpd_break(smtpd, MM_REPLY_TOO_MANY_REFUSED,
                       "too many refused recipients");
    }
}

void mm_smtpd_settle_rcpt(struct mm_smtpd *smtpd, const struct mm_reply *reply)
{
    if (mm_smtpd_is_accepted(reply)) {
        smtpd->recipient_count++;
        mm_smtpd_set_state(smtpd, MM_SMTPD_AT_RCPT);
        mm_smtpd_say(smtpd, reply);
    } else {
        mm_smtpd_refuse_rcpt(smtpd, reply);
    }
}
