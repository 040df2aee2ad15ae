/* server_etrn.c - ETRN: a host asks for what waits for its domain.
 *
 * Promises: the argument is a domain in one form, or refused; a queue by name
 * ("#") is nothing that there is here.
 * Thread: the caller's. RFC 1985 5. */
#include "wire/smtp/server_internal.h"

#include <string.h>

/* RFC 1985 5.2:  node = [ "@" ] domain; "@" stands for those below it, too. */
const struct mm_reply *mm_smtpd_check_etrn(const struct mm_smtpd *smtpd,
                                           struct mm_span argument,
                                           struct mm_smtpd_request *request)
{
    if (!smtpd->options.has_etrn) {
        return mm_reply_get(MM_REPLY_NOT_IMPLEMENTED);
    }
    request->has_subdomains = argument.size > 0 && argument.data[0] == '@';
    if (request->has_subdomains) {
        argument = mm_span_from(argument, 1);
    }
    return mm_domain_parse(argument, false, request->node)
               ? NULL
               : mm_reply_get(MM_REPLY_BAD_ARGUMENTS);
}

void mm_smtpd_do_etrn(struct mm_smtpd *smtpd)
{
    smtpd->info =
        (struct mm_smtpd_info){.name = mm_span_cstr(smtpd->request.node),
                               .has_subdomains = smtpd->request.has_subdomains};
    mm_smtpd_raise(smtpd, MM_SMTPD_ETRN);
}

void mm_smtpd_settle_etrn(struct mm_smtpd *smtpd, const struct mm_reply *reply)
{
    mm_smtpd_say(smtpd, reply);
}
