/* server_param.c - what MAIL and RCPT share: the prefix before the path and
 * the parameters after it.
 *
 *     esmtp-param   = esmtp-keyword ["=" esmtp-value]
 *     esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
 *     esmtp-value   = 1*(%d33-60 / %d62-126)
 *
 * Promises: each keyword at most once. Pure.
 * Thread: any. RFC 5321 4.1.2; RFC 6531 3.3 widens the value by UTF-8. */
#include "wire/msg/message.h"
#include "wire/smtp/server_internal.h"

bool mm_smtpd_cut_prefix(struct mm_span *argument, const char *prefix)
{
    if (!mm_span_starts_nocase(*argument, prefix)) {
        return false;
    }
    *argument = mm_span_from(*argument, mm_span_cstr(prefix).size);
    /* RFC 5321 3.3 has no blank here; clients that send one are many. */
    *argument = mm_span_trim(*argument);
    return true;
}

static bool is_keyword(struct mm_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        int c = (unsigned char)text.data[i];
        if (!mm_ascii_is_alnum(c) && (c != '-' || i == 0)) {
            return false;
        }
    }
    return text.size > 0;
}

static bool is_value(struct mm_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        int c = (unsigned char)text.data[i];
        if (c <= 32 || c == '=' || c == 127) {
            return false;
        }
    }
    return text.size > 0 && mm_span_is_utf8(text);
}

const struct mm_reply *mm_smtpd_params(struct mm_span text,
                                       struct mm_smtpd_request *request,
                                       mm_smtpd_take_param *take)
{
    unsigned seen = 0;
    request->error = MAILMOD_OK;
    if (text.size > 0 && text.data[0] != ' ') {
        return mm_reply_get(MM_REPLY_BAD_ARGUMENTS);
    }
    for (text = mm_span_trim(text); text.size > 0; text = mm_span_trim(text)) {
        struct mm_span rest = mm_span(NULL, 0);
        struct mm_span value = mm_span(NULL, 0);
        struct mm_span param;
        if (!mm_span_cut(text, ' ', &param, &rest)) {
            rest = mm_span(NULL, 0);
        }
        struct mm_span keyword;
        bool has_value = mm_span_cut(param, '=', &keyword, &value);
        if (!is_keyword(keyword) || (has_value && !is_value(value))) {
            return mm_reply_get(MM_REPLY_BAD_ARGUMENTS);
        }
        const struct mm_reply *refusal =
            take(request, &seen, keyword, has_value, value);
        if (request->error == MAILMOD_ERROR_MEMORY) {
            return mm_reply_get(MM_REPLY_LOCAL_ERROR);
        }
        if (refusal != NULL) {
            return refusal;
        }
        text = rest;
    }
    return NULL;
}

bool mm_smtpd_param_xtext(struct mm_smtpd_request *request,
                          struct mm_span value, char *text_out, size_t size)
{
    struct mm_buf text;
    mm_buf_init(&text, MM_LIMIT_SMTP_COMMAND);
    request->error = mm_xtext_decode(&text, value);
    bool is_good = request->error == MAILMOD_OK &&
                   mm_span_copy(mm_buf_span(&text), text_out, size);
    mm_buf_fini(&text);
    return is_good;
}
