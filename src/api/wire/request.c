/* request.c - the host's view of one SMTP request.
 *
 * Owns nothing: all is in the host's structures. Promises: what is written
 * reads back to the same value, or is refused.
 * Thread: any. RFC 5321 2.3.8, 4.1.1. */
#include "mailmod/wire.h"

#include "api/instance.h"
#include "api/sized.h"

#include "wire/smtp/parameters.h"
#include "wire/smtp/request.h"

#include <string.h>

_Static_assert((int)MAILMOD_VERB_ETRN == (int)MM_REQUEST_ETRN &&
                   (int)MAILMOD_VERB_MAIL == (int)MM_REQUEST_MAIL &&
                   (int)MAILMOD_VERB_RSET == (int)MM_REQUEST_RSET,
               "verbs are given as they are");
_Static_assert(sizeof((struct mailmod_smtp_request *)0)->argument >=
                   MM_LIMIT_SMTP_COMMAND,
               "a line has room");

static enum mailmod_error refuse(enum mailmod_error error)
{
    return mm_fail(error, "%s",
                   error == MAILMOD_ERROR_TOO_LARGE ? "the line is too long"
                   : error == MAILMOD_ERROR_SYNTAX
                       ? "the line is no request, or its argument has not the "
                         "form that its verb wants"
                       : "the request would not read back as it is");
}

/* RFC 5321 2.3.8: CR and LF only together, and only at the end. */
static bool cut_line_end(struct mm_span *line, bool takes_lf)
{
    if (line->size > 0 && line->data[line->size - 1] == '\n') {
        line->size--;
        if (line->size > 0 && line->data[line->size - 1] == '\r') {
            line->size--;
        } else {
            return takes_lf;
        }
    }
    return true;
}

static bool give(const struct mm_request *inner,
                 struct mailmod_smtp_request *request)
{
    request->verb = (enum mailmod_smtp_verb)inner->verb;
    request->is_last = inner->is_last;
    request->chunk_size = inner->chunk_size;
    bool has_room =
        mm_span_copy(inner->word, request->word, sizeof request->word);
    for (char *c = request->word; *c != '\0'; c++) {
        *c = (char)mm_ascii_upper((unsigned char)*c);
    }
    return has_room &&
           mm_span_copy(inner->argument, request->argument,
                        sizeof request->argument) &&
           mm_span_copy(inner->path, request->path, sizeof request->path) &&
           mm_span_copy(inner->parameters, request->parameters,
                        sizeof request->parameters);
}

enum mailmod_error
mailmod_smtp_request_parse(const char *line, size_t size, unsigned flags,
                           struct mailmod_smtp_request *request_out)
{
    struct mailmod_smtp_request request = {.size = sizeof request};
    struct mm_request inner;
    struct mm_span text = mm_span(line, line != NULL ? size : 0);
    enum mailmod_error error = mm_sized_check(
        request_out, MM_SMTP_REQUEST_SIZE_1, "mailmod_smtp_request");
    if (error != MAILMOD_OK) {
        return error;
    }
    if (!cut_line_end(&text, (flags & MAILMOD_WIRE_BARE_LF) != 0)) {
        return mm_fail(MAILMOD_ERROR_SYNTAX, "the line ends with LF alone");
    }
    error = mm_request_parse(text, (flags & MAILMOD_WIRE_UTF8) != 0, &inner);
    if (error == MAILMOD_OK && !give(&inner, &request)) {
        error = MAILMOD_ERROR_TOO_LARGE;
    }
    if (error != MAILMOD_OK) {
        return refuse(error);
    }
    mm_sized_give(request_out, &request, sizeof request);
    return MAILMOD_OK;
}

static bool has_end(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

static enum mailmod_error take(const struct mailmod_smtp_request *given,
                               struct mailmod_smtp_request *request_out)
{
    enum mailmod_error error =
        mm_sized_take(request_out, sizeof *request_out, given,
                      MM_SMTP_REQUEST_SIZE_1, "mailmod_smtp_request");
    if (error == MAILMOD_OK &&
        ((unsigned)request_out->verb >= MM_REQUEST_COUNT ||
         !has_end(request_out->word, sizeof request_out->word) ||
         !has_end(request_out->argument, sizeof request_out->argument) ||
         !has_end(request_out->path, sizeof request_out->path) ||
         !has_end(request_out->parameters, sizeof request_out->parameters))) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT,
                        "no such verb, or a text without its end");
    }
    return error;
}

static void write_line(struct mm_buf *out,
                       const struct mailmod_smtp_request *request)
{
    enum mm_request_verb verb = (enum mm_request_verb)request->verb;
    (void)mm_buf_append_cstr(
        out, verb == MM_REQUEST_OTHER ? request->word : mm_request_name(verb));
    if (verb == MM_REQUEST_BDAT) {
        (void)mm_buf_append_char(out, ' ');
        (void)mm_buf_append_u64(out, request->chunk_size);
        (void)mm_buf_append_cstr(out, request->is_last ? " LAST" : "");
    } else if (verb == MM_REQUEST_MAIL || verb == MM_REQUEST_RCPT) {
        (void)mm_buf_append_cstr(out,
                                 verb == MM_REQUEST_MAIL ? " FROM:" : " TO:");
        (void)mm_buf_append_cstr(out, request->path);
        (void)mm_buf_append_cstr(out,
                                 request->parameters[0] != '\0' ? " " : "");
        (void)mm_buf_append_cstr(out, request->parameters);
    } else if (request->argument[0] != '\0') {
        (void)mm_buf_append_char(out, ' ');
        (void)mm_buf_append_cstr(out, request->argument);
    }
}

static bool reads_back(struct mm_span line,
                       const struct mailmod_smtp_request *given)
{
    struct mm_request read;
    return mm_request_parse(line, true, &read) == MAILMOD_OK &&
           (int)read.verb == (int)given->verb &&
           read.chunk_size == given->chunk_size &&
           read.is_last == (given->is_last != 0) &&
           mm_span_is(read.argument, given->argument) &&
           mm_span_is(read.path, given->path) &&
           mm_span_is(read.parameters, given->parameters);
}

enum mailmod_error
mailmod_smtp_request_write(const struct mailmod_smtp_request *request,
                           char *line_out, size_t size)
{
    struct mailmod_smtp_request given;
    struct mm_buf line;
    enum mailmod_error error = take(request, &given);
    if (error == MAILMOD_OK && line_out == NULL) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT, "line_out: NULL");
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    mm_buf_init(&line, MM_LIMIT_SMTP_COMMAND);
    write_line(&line, &given);
    error = mm_buf_error(&line);
    if (error == MAILMOD_OK && !reads_back(mm_buf_span(&line), &given)) {
        error = MAILMOD_ERROR_ARGUMENT;
    }
    if (error == MAILMOD_OK) {
        error = mm_buf_append_cstr(&line, "\r\n");
    }
    if (error == MAILMOD_OK &&
        !mm_span_copy(mm_buf_span(&line), line_out, size)) {
        error = MAILMOD_ERROR_LIMIT;
    }
    mm_buf_fini(&line);
    return error == MAILMOD_OK
               ? MAILMOD_OK
               : refuse(error == MAILMOD_ERROR_LIMIT ? MAILMOD_ERROR_TOO_LARGE
                                                     : error);
}

enum mailmod_error
mailmod_smtp_request_parameter(const struct mailmod_smtp_request *request,
                               const char *keyword, char *value_out,
                               size_t size)
{
    struct mailmod_smtp_request given;
    char text[sizeof given.parameters + 1];
    enum mailmod_error error = take(request, &given);
    if (error == MAILMOD_OK && (keyword == NULL || value_out == NULL)) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT, "keyword or value_out: NULL");
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    text[0] = ' ';
    memcpy(text + 1, given.parameters, sizeof given.parameters);
    struct mm_span left = mm_span_cstr(text);
    struct mm_parameter parameter;
    while (mm_parameter_cut(&left, &parameter)) {
        if (mm_span_is_nocase(parameter.keyword, keyword)) {
            return mm_span_copy(parameter.value, value_out, size)
                       ? MAILMOD_OK
                       : mm_fail(MAILMOD_ERROR_TOO_LARGE,
                                 "the value has no room");
        }
    }
    return mm_fail(MAILMOD_ERROR_NOT_FOUND, "there is no parameter %s",
                   keyword);
}
