/* request.c - one SMTP request as a value.
 *
 * Owns the table of verbs and what may stand behind each. Promises: what is
 * accepted has no control character and, without `allow_utf8`, no octet above
 * 127; the verbs' case, and blanks around an argument, do not count.
 * Thread: any. RFC 5321 4.1.1, 4.1.2, 2.4; RFC 3030 2. */
#include "wire/smtp/request.h"

#include "wire/smtp/parameters.h"

typedef enum mailmod_error request_form(struct mm_span argument,
                                        bool allow_utf8,
                                        struct mm_request *request);

bool mm_request_cut_prefix(struct mm_span *argument, const char *prefix)
{
    if (!mm_span_starts_nocase(*argument, prefix)) {
        return false;
    }
    *argument = mm_span_from(*argument, mm_span_cstr(prefix).size);
    /* RFC 5321 3.3 has no blank here; clients that send one are many. */
    *argument = mm_span_trim(*argument);
    return true;
}

/* RFC 3030 2:  "BDAT" SP chunk-size [ SP end-marker ] CRLF
 *              chunk-size = 1*DIGIT ; end-marker = "LAST" */
bool mm_request_parse_chunk(struct mm_span argument, uint64_t *size_out,
                            bool *is_last_out, bool *is_good_out)
{
    struct mm_span digits;
    struct mm_span marker;
    if (!mm_span_cut(argument, ' ', &digits, &marker)) {
        marker = mm_span(NULL, 0);
    }
    marker = mm_span_trim(marker);
    *is_last_out = mm_span_is_nocase(marker, "LAST");
    *is_good_out = marker.size == 0 || *is_last_out;
    return mm_span_to_u64_capped(digits, size_out);
}

static enum mailmod_error good_if(bool is_good)
{
    return is_good ? MAILMOD_OK : MAILMOD_ERROR_SYNTAX;
}

static enum mailmod_error take_any(struct mm_span argument, bool allow_utf8,
                                   struct mm_request *request)
{
    (void)allow_utf8;
    request->argument = argument;
    return MAILMOD_OK;
}

static enum mailmod_error take_none(struct mm_span argument, bool allow_utf8,
                                    struct mm_request *request)
{
    (void)allow_utf8;
    (void)request;
    return good_if(argument.size == 0);
}

static enum mailmod_error take_some(struct mm_span argument, bool allow_utf8,
                                    struct mm_request *request)
{
    (void)allow_utf8;
    request->argument = argument;
    return good_if(argument.size > 0);
}

static enum mailmod_error take_word(struct mm_span argument, bool allow_utf8,
                                    struct mm_request *request)
{
    struct mm_span head;
    struct mm_span tail;
    bool has_blank = mm_span_cut(argument, ' ', &head, &tail);
    return has_blank ? MAILMOD_ERROR_SYNTAX
                     : take_some(argument, allow_utf8, request);
}

static enum mailmod_error take_path(struct mm_span argument, bool is_reverse,
                                    bool allow_utf8, struct mm_request *request)
{
    struct mm_address address;
    struct mm_span rest;
    if (!mm_request_cut_prefix(&argument, is_reverse ? "FROM:" : "TO:")) {
        return MAILMOD_ERROR_SYNTAX;
    }
    enum mailmod_error error =
        mm_path_parse(argument, is_reverse, allow_utf8, &address, &rest);
    if (error != MAILMOD_OK) {
        return error;
    }
    request->path = mm_span(argument.data, argument.size - rest.size);
    request->parameters = mm_span_trim(rest);
    struct mm_span left = rest;
    struct mm_parameter parameter;
    while (left.size > 0) {
        if (!mm_parameter_cut(&left, &parameter)) {
            return MAILMOD_ERROR_SYNTAX;
        }
    }
    return MAILMOD_OK;
}

static enum mailmod_error take_mail(struct mm_span argument, bool allow_utf8,
                                    struct mm_request *request)
{
    return take_path(argument, true, allow_utf8, request);
}

static enum mailmod_error take_rcpt(struct mm_span argument, bool allow_utf8,
                                    struct mm_request *request)
{
    return take_path(argument, false, allow_utf8, request);
}

static enum mailmod_error take_chunk(struct mm_span argument, bool allow_utf8,
                                     struct mm_request *request)
{
    bool is_good;
    (void)allow_utf8;
    return good_if(mm_request_parse_chunk(argument, &request->chunk_size,
                                          &request->is_last, &is_good) &&
                   is_good);
}

static const struct {
    const char *name;
    request_form *form;
} verbs[MM_REQUEST_COUNT] = {
    [MM_REQUEST_OTHER] = {"", take_any},
    [MM_REQUEST_HELO] = {"HELO", take_word},
    [MM_REQUEST_EHLO] = {"EHLO", take_word},
    [MM_REQUEST_MAIL] = {"MAIL", take_mail},
    [MM_REQUEST_RCPT] = {"RCPT", take_rcpt},
    [MM_REQUEST_DATA] = {"DATA", take_none},
    [MM_REQUEST_BDAT] = {"BDAT", take_chunk},
    [MM_REQUEST_RSET] = {"RSET", take_none},
    [MM_REQUEST_VRFY] = {"VRFY", take_some},
    [MM_REQUEST_EXPN] = {"EXPN", take_some},
    [MM_REQUEST_HELP] = {"HELP", take_any},
    [MM_REQUEST_NOOP] = {"NOOP", take_any},
    [MM_REQUEST_QUIT] = {"QUIT", take_none},
    [MM_REQUEST_STARTTLS] = {"STARTTLS", take_none},
    [MM_REQUEST_AUTH] = {"AUTH", take_some},
    [MM_REQUEST_ETRN] = {"ETRN", take_some},
};

const char *mm_request_name(enum mm_request_verb verb)
{
    return verbs[verb].name;
}

bool mm_request_is_word(struct mm_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        int c = (unsigned char)text.data[i];
        if (!mm_ascii_is_alnum(c) && (c != '-' || i == 0)) {
            return false;
        }
    }
    return text.size > 0;
}

static bool has_good_octets(struct mm_span line, bool allow_utf8)
{
    for (size_t i = 0; i < line.size; i++) {
        unsigned char c = (unsigned char)line.data[i];
        if (c < 0x80 ? !mm_ascii_is_printable(c) : !allow_utf8) {
            return false;
        }
    }
    return !mm_span_has_8bit(line) || mm_span_is_printable_utf8(line);
}

enum mailmod_error mm_request_parse(struct mm_span line, bool allow_utf8,
                                    struct mm_request *request_out)
{
    struct mm_span argument;
    *request_out = (struct mm_request){.verb = MM_REQUEST_OTHER};
    if (line.size > MM_LIMIT_SMTP_COMMAND - 2) {
        return MAILMOD_ERROR_TOO_LARGE;
    }
    if (!has_good_octets(line, allow_utf8)) {
        return MAILMOD_ERROR_SYNTAX;
    }
    if (!mm_span_cut(line, ' ', &request_out->word, &argument)) {
        argument = mm_span(NULL, 0);
    }
    if (!mm_request_is_word(request_out->word)) {
        return MAILMOD_ERROR_SYNTAX;
    }
    for (int i = MM_REQUEST_OTHER + 1; i < MM_REQUEST_COUNT; i++) {
        if (mm_span_is_nocase(request_out->word, verbs[i].name)) {
            request_out->verb = (enum mm_request_verb)i;
        }
    }
    return verbs[request_out->verb].form(mm_span_trim(argument), allow_utf8,
                                         request_out);
}
