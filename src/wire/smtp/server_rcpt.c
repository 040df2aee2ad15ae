/* server_rcpt.c - RCPT: one recipient and what is asked for it.
 *
 * Promises: no more than recipients_max recipients are ever offered to the
 * session of one message.
 * Thread: the caller's. RFC 5321 4.1.1.3, 4.5.3.1.10; RFC 3461 4.1, 4.2. */
#include "wire/smtp/server_internal.h"

#include <string.h>

enum { SEEN_NOTIFY = 1 << 0, SEEN_ORCPT = 1 << 1 };

static unsigned find_notify(struct mm_span word)
{
    static const struct {
        const char *word;
        unsigned bit;
    } words[] = {
        {"NEVER", MM_DSN_NOTIFY_NEVER},
        {"SUCCESS", MM_DSN_NOTIFY_SUCCESS},
        {"FAILURE", MM_DSN_NOTIFY_FAILURE},
        {"DELAY", MM_DSN_NOTIFY_DELAY},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (mm_span_is_nocase(word, words[i].word)) {
            return words[i].bit;
        }
    }
    return 0;
}

/* RFC 3461 4.1:  "NEVER" / 1#( "SUCCESS" / "FAILURE" / "DELAY" ) */
static bool take_notify(struct mm_rcpt_parameters *rcpt, struct mm_span value)
{
    bool has_more = true;
    while (has_more) {
        struct mm_span rest = mm_span(NULL, 0);
        struct mm_span word;
        has_more = mm_span_cut(value, ',', &word, &rest);
        unsigned bit = find_notify(word);
        if (bit == 0) {
            return false;
        }
        rcpt->notify |= bit;
        value = rest;
    }
    return (rcpt->notify & MM_DSN_NOTIFY_NEVER) == 0 ||
           rcpt->notify == MM_DSN_NOTIFY_NEVER;
}

/* RFC 3461 4.2:  original-recipient-address = addr-type ";" xtext
 *                addr-type = atom */
static bool take_orcpt(struct mm_smtpd_request *request, struct mm_span value)
{
    struct mm_rcpt_parameters *rcpt = &request->rcpt;
    char *text = rcpt->original_recipient;
    struct mm_span type;
    struct mm_span address;
    if (!mm_span_cut(value, ';', &type, &address) || type.size == 0 ||
        address.size == 0 || type.size > 40) {
        return false;
    }
    for (size_t i = 0; i < type.size; i++) {
        int c = (unsigned char)type.data[i];
        if (!mm_ascii_is_alnum(c) && c != '-') {
            return false;
        }
    }
    memcpy(text, type.data, type.size);
    text[type.size] = ';';
    text += type.size + 1;
    if (!mm_smtpd_param_xtext(request, address, text,
                              sizeof rcpt->original_recipient -
                                  (type.size + 1))) {
        return false;
    }
    for (; *text != '\0'; text++) {
        int c = (unsigned char)*text;
        if (c < 32 || c == 127) {
            return false; /* it goes into a report's header */
        }
    }
    return true;
}

static const struct mm_reply *take_param(struct mm_smtpd_request *request,
                                         unsigned *seen, struct mm_span keyword,
                                         bool has_value, struct mm_span value)
{
    unsigned bit;
    bool is_good;
    if (mm_span_is_nocase(keyword, "NOTIFY")) {
        bit = SEEN_NOTIFY;
        is_good = has_value && (*seen & bit) == 0 &&
                  take_notify(&request->rcpt, value);
    } else if (mm_span_is_nocase(keyword, "ORCPT")) {
        bit = SEEN_ORCPT;
        is_good = has_value && (*seen & bit) == 0 && take_orcpt(request, value);
    } else {
        return mm_reply_get(MM_REPLY_BAD_PARAMETER);
    }
    *seen |= bit;
    return is_good ? NULL : mm_reply_get(MM_REPLY_BAD_ARGUMENTS);
}

/* RFC 5321 4.1.1.3:  "RCPT TO:" ( "<Postmaster@" Domain ">" /
 *                    "<Postmaster>" / Forward-path ) [SP Rcpt-parameters] */
const struct mm_reply *mm_smtpd_check_rcpt(const struct mm_smtpd *smtpd,
                                           struct mm_span argument,
                                           struct mm_smtpd_request *request)
{
    if (!mm_smtpd_cut_prefix(&argument, "TO:")) {
        return mm_reply_get(MM_REPLY_SYNTAX);
    }
    memset(&request->rcpt, 0, sizeof request->rcpt);
    struct mm_span rest;
    if (mm_path_parse(argument, false, true, &request->path, &rest) !=
        MAILMOD_OK) {
        return mm_reply_get(MM_REPLY_BAD_RECIPIENT);
    }
    const struct mm_reply *refusal = mm_smtpd_params(rest, request, take_param);
    if (refusal != NULL) {
        return refusal;
    }
    if (request->path.needs_smtputf8 && !smtpd->is_smtputf8) {
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

void mm_smtpd_settle_rcpt(struct mm_smtpd *smtpd, const struct mm_reply *reply)
{
    if (mm_smtpd_is_accepted(reply)) {
        smtpd->recipient_count++;
        mm_smtpd_set_state(smtpd, MM_SMTPD_AT_RCPT);
    }
    mm_smtpd_say(smtpd, reply);
}
