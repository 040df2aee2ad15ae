/* server_mail.c - MAIL: the sender and what is asked for the whole message.
 *
 * Promises: a size that was announced too large is refused before any octet
 * of it; an address beyond ASCII comes with SMTPUTF8 or not at all.
 * Thread: the caller's. RFC 5321 4.1.1.2; RFC 1870 6; RFC 6152 2; RFC 6531
 * 3.4; RFC 3461 4.3, 4.4; RFC 4954 5. */
#include "wire/smtp/server_internal.h"

#include <string.h>

enum {
    SEEN_SIZE = 1 << 0,
    SEEN_BODY = 1 << 1,
    SEEN_SMTPUTF8 = 1 << 2,
    SEEN_RET = 1 << 3,
    SEEN_ENVID = 1 << 4,
    SEEN_AUTH = 1 << 5
};

/* RFC 1870 4:  size-value ::= 1*20DIGIT. A number that is larger than any is
 * no wrong number: it is too large. */
static bool take_size(struct mm_smtpd_request *request, struct mm_span value)
{
    return mm_span_to_u64_capped(value, &request->mail.size) &&
           (value.size <= 20 || request->mail.size == UINT64_MAX);
}

/* BINARYMIME (RFC 3030 3) is not announced, so it is no value here. */
static bool take_body(struct mm_smtpd_request *request, struct mm_span value)
{
    struct mm_mail_parameters *mail = &request->mail;
    mail->is_8bit = mm_span_is_nocase(value, "8BITMIME");
    return mail->is_8bit || mm_span_is_nocase(value, "7BIT");
}

static bool take_smtputf8(struct mm_smtpd_request *request,
                          struct mm_span value)
{
    struct mm_mail_parameters *mail = &request->mail;
    mail->is_smtputf8 = true;
    return value.size == 0;
}

static bool take_ret(struct mm_smtpd_request *request, struct mm_span value)
{
    struct mm_mail_parameters *mail = &request->mail;
    if (mm_span_is_nocase(value, "FULL")) {
        mail->dsn_return = MM_DSN_RETURN_FULL;
    } else if (mm_span_is_nocase(value, "HDRS")) {
        mail->dsn_return = MM_DSN_RETURN_HEADERS;
    }
    return mail->dsn_return != MM_DSN_RETURN_UNSET;
}

/* RFC 3461 4.4: printable, at most 100 octets, before they are encoded. */
static bool take_envid(struct mm_smtpd_request *request, struct mm_span value)
{
    struct mm_mail_parameters *mail = &request->mail;
    if (!mm_smtpd_param_xtext(request, value, mail->envelope_id,
                              sizeof mail->envelope_id)) {
        return false;
    }
    for (const char *c = mail->envelope_id; *c != '\0'; c++) {
        if (!mm_ascii_is_printable((unsigned char)*c)) {
            return false;
        }
    }
    return true;
}

/* RFC 4954 5: checked and then ignored; whom we trust is not the client's to
 * say. */
static bool take_auth(struct mm_smtpd_request *request, struct mm_span value)
{
    char mailbox[MM_LIMIT_SMTP_COMMAND];
    return mm_smtpd_param_xtext(request, value, mailbox, sizeof mailbox);
}

static const struct {
    const char *keyword;
    unsigned seen;
    bool has_value;
    bool (*take)(struct mm_smtpd_request *request, struct mm_span value);
} params[] = {
    {"SIZE", SEEN_SIZE, true, take_size},
    {"BODY", SEEN_BODY, true, take_body},
    {"SMTPUTF8", SEEN_SMTPUTF8, false, take_smtputf8},
    {"RET", SEEN_RET, true, take_ret},
    {"ENVID", SEEN_ENVID, true, take_envid},
    {"AUTH", SEEN_AUTH, true, take_auth},
};

static const struct mm_reply *take_param(struct mm_smtpd_request *request,
                                         unsigned *seen, struct mm_span keyword,
                                         bool has_value, struct mm_span value)
{
    for (size_t i = 0; i < sizeof params / sizeof params[0]; i++) {
        if (!mm_span_is_nocase(keyword, params[i].keyword)) {
            continue;
        }
        bool is_good = (*seen & params[i].seen) == 0 &&
                       has_value == params[i].has_value &&
                       params[i].take(request, value);
        *seen |= params[i].seen;
        return is_good ? NULL : mm_reply_get(MM_REPLY_BAD_ARGUMENTS);
    }
    /* RFC 5321 4.1.1.11 */
    return mm_reply_get(MM_REPLY_BAD_PARAMETER);
}

/* RFC 5321 4.1.1.2:  "MAIL FROM:" Reverse-path [SP Mail-parameters] */
const struct mm_reply *mm_smtpd_check_mail(const struct mm_smtpd *smtpd,
                                           struct mm_span argument,
                                           struct mm_smtpd_request *request)
{
    if (smtpd->options.requires_auth && !smtpd->is_authenticated) {
        return mm_reply_get(MM_REPLY_AUTH_REQUIRED);
    }
    if (!mm_smtpd_cut_prefix(&argument, "FROM:")) {
        return mm_reply_get(MM_REPLY_SYNTAX);
    }
    memset(&request->mail, 0, sizeof request->mail);
    struct mm_span rest;
    if (mm_path_parse(argument, true, true, &request->path, &rest) !=
        MAILMOD_OK) {
        return mm_reply_get(MM_REPLY_BAD_SENDER);
    }
    const struct mm_reply *refusal = mm_smtpd_params(rest, request, take_param);
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
        mm_smtpd_set_state(smtpd, MM_SMTPD_AT_MAIL);
    }
    mm_smtpd_say(smtpd, reply);
}
