/* server_misc.c - RSET, NOOP, VRFY, HELP, QUIT, and what is not offered.
 *
 * Thread: the caller's. RFC 5321 3.5.3, 4.1.1.5 to 4.1.1.10, 7.3: VRFY tells
 * nothing, for it would tell whoever harvests addresses. */
#include "wire/smtp/server_internal.h"

const struct mm_reply *mm_smtpd_check_nothing(const struct mm_smtpd *smtpd,
                                              struct mm_span argument,
                                              struct mm_smtpd_request *request)
{
    (void)smtpd;
    (void)argument;
    (void)request;
    return NULL;
}

/* Its String may have UTF-8 (RFC 6531 3.3), and nothing else of 8 bits. */
const struct mm_reply *mm_smtpd_check_noop(const struct mm_smtpd *smtpd,
                                           struct mm_span argument,
                                           struct mm_smtpd_request *request)
{
    (void)smtpd;
    (void)request;
    return mm_span_is_utf8(argument) ? NULL
                                     : mm_reply_get(MM_REPLY_BAD_ARGUMENTS);
}

const struct mm_reply *mm_smtpd_check_vrfy(const struct mm_smtpd *smtpd,
                                           struct mm_span argument,
                                           struct mm_smtpd_request *request)
{
    (void)smtpd;
    (void)request;
    return argument.size > 0 && mm_span_is_utf8(argument)
               ? NULL
               : mm_reply_get(MM_REPLY_BAD_ARGUMENTS);
}

const struct mm_reply *
mm_smtpd_check_not_implemented(const struct mm_smtpd *smtpd,
                               struct mm_span argument,
                               struct mm_smtpd_request *request)
{
    (void)smtpd;
    (void)argument;
    (void)request;
    return mm_reply_get(MM_REPLY_NOT_IMPLEMENTED);
}

void mm_smtpd_do_rset(struct mm_smtpd *smtpd)
{
    mm_smtpd_say_id(smtpd, MM_REPLY_OK);
    mm_smtpd_abandon(smtpd);
}

void mm_smtpd_settle_reset(struct mm_smtpd *smtpd, const struct mm_reply *reply)
{
    /* The client's reply is out already; the session had to forget. */
    (void)smtpd;
    (void)reply;
}

void mm_smtpd_do_noop(struct mm_smtpd *smtpd)
{
    mm_smtpd_say_id(smtpd, MM_REPLY_OK);
}

void mm_smtpd_do_vrfy(struct mm_smtpd *smtpd)
{
    mm_smtpd_say_id(smtpd, MM_REPLY_VRFY_UNSURE);
}

void mm_smtpd_do_help(struct mm_smtpd *smtpd)
{
    mm_smtpd_say_id(smtpd, MM_REPLY_HELP);
}

void mm_smtpd_do_quit(struct mm_smtpd *smtpd)
{
    mm_smtpd_say_id(smtpd, MM_REPLY_BYE);
    if (smtpd->pending == MM_SMTPD_BROKEN) {
        return; /* no memory for it: 421 */
    }
    smtpd->info = (struct mm_smtpd_info){0};
    mm_smtpd_raise(smtpd, MM_SMTPD_QUIT);
}
