/* server_tls.c - STARTTLS.
 *
 * Promises: what came in clear is not believed under TLS: the name, the login
 * and the transaction are forgotten, and octets that came after the command
 * are never run, whether they came with it or before the handshake was done.
 * Thread: the caller's. RFC 3207 4, 4.2. */
#include "wire/smtp/server_internal.h"

const struct mm_reply *mm_smtpd_check_starttls(const struct mm_smtpd *smtpd,
                                               struct mm_span argument,
                                               struct mm_smtpd_request *request)
{
    (void)argument;
    (void)request;
    if (smtpd->is_tls) {
        return mm_reply_get(MM_REPLY_ALREADY_TLS);
    }
    if (!smtpd->options.has_starttls) {
        return mm_reply_get(MM_REPLY_NOT_IMPLEMENTED);
    }
    return NULL;
}

void mm_smtpd_do_starttls(struct mm_smtpd *smtpd)
{
    smtpd->info = (struct mm_smtpd_info){0};
    mm_smtpd_raise(smtpd, MM_SMTPD_STARTTLS);
}

void mm_smtpd_settle_starttls(struct mm_smtpd *smtpd,
                              const struct mm_reply *reply)
{
    mm_smtpd_say(smtpd, reply);
    if (mm_smtpd_is_accepted(reply)) {
        mm_smtpd_set_state(smtpd, MM_SMTPD_AT_TLS);
    }
}

void mm_smtpd_tls_begun(struct mm_smtpd *smtpd)
{
    if (smtpd->state != MM_SMTPD_AT_TLS) {
        return;
    }
    smtpd->is_tls = true;
    smtpd->is_authenticated = false;
    smtpd->empty_count = 0;
    (void)mm_smtpd_forget(smtpd);
    if (mm_buf_size(&smtpd->input) > 0) {
        mm_smtpd_consume(smtpd, mm_buf_size(&smtpd->input));
        smtpd->info = (struct mm_smtpd_info){.text = "octets before TLS"};
        mm_smtpd_raise(smtpd, MM_SMTPD_BROKEN);
        return;
    }
    mm_smtpd_set_state(smtpd, MM_SMTPD_AT_HELLO);
}
