/* server_mail.c - MAIL: the sender and what is asked for the whole message.
 *
 * Promises: a size that was announced too large is refused before any octet
 * of it; an address beyond ASCII comes with SMTPUTF8 or not at all.
 * Thread: the caller's. RFC 5321 4.1.1.2; RFC 1870 6; RFC 6152 2; RFC 6531
 * 3.4; RFC 3461 4.3, 4.4; RFC 4954 5. */
#include "wire/smtp/request.h"
#include "wire/smtp/server_internal.h"

/* RFC 5321 4.1.1.2:  "MAIL FROM:" Reverse-path [SP Mail-parameters] */
const struct mm_reply *mm_smtpd_check_mail(const struct mm_smtpd *smtpd,
                                           struct mm_span argument,
                                           struct mm_smtpd_request *request)
{
    if (smtpd->options.requires_auth && !smtpd->is_authenticated) {
        return mm_reply_get(MM_REPLY_AUTH_REQUIRED);
    }
    if (!mm_request_cut_prefix(&argument, "FROM:")) {
        return mm_reply_get(MM_REPLY_SYNTAX);
    }
    struct mm_span rest;
    if (mm_path_parse_lenient(argument, true, true, smtpd->options.leniencies,
                              &request->path, &rest) != MAILMOD_OK) {
        return mm_reply_get(MM_REPLY_BAD_SENDER);
    }
    const struct mm_reply *refusal =
        mm_mail_parameters_parse(rest, &request->mail);
    if (refusal != NULL) {
        return refusal;
    }
    if (request->path.needs_smtputf8 && !request->mail.is_smtputf8) {
        return mm_reply_get(MM_REPLY_NEEDS_SMTPUTF8);
    }
    uint64_t size_max = smtpd->options.message_size_max;
    if (request->mail.size > (size_max > 0 ? size_max : UINT64_MAX - 1)) {
        return mm_reply_get(MM_REPLY_TOO_LARGE);
    }
    return NULL;
}

void mm_smtpd_do_mail(struct mm_smtpd *smtpd)
{
    smtpd->info = (struct mm_smtpd_info){
        .path = &smtpd->request.path,
        .mail = &smtpd->request.mail,
    };
    mm_smtpd_raise(smtpd, MM_SMTPD_MAIL);
}

void mm_smtpd_settle_mail(struct mm_smtpd *smtpd, const struct mm_reply *reply)
{
    if (mm_smtpd_is_accepted(reply)) {
        (void)mm_smtpd_forget(smtpd);
        smtpd->has_transaction = true;
        smtpd->is_smtputf8 = smtpd->request.mail.is_smtputf8;
        smtpd->is_binary = smtpd->request.mail.is_binary;
        mm_smtpd_set_state(smtpd, MM_SMTPD_AT_MAIL);
    }
    mm_smtpd_say(smtpd, reply);
}
