/* reply.c - the host's view of one SMTP reply.
 *
 * Owns nothing: all is in the host's structures. Promises: what is written
 * reads back to the same value, or is refused.
 * Thread: any. RFC 5321 4.2; RFC 2034 4. */
#include "mailmod/wire.h"

#include "api/instance.h"
#include "api/sized.h"

#include "wire/smtp/reply.h"

#include <string.h>

_Static_assert(sizeof((struct mailmod_smtp_reply *)0)->text > MM_LIMIT_REPLY,
               "a reply has room");
_Static_assert(sizeof((struct mailmod_smtp_reply *)0)->enhanced ==
                   sizeof((struct mm_reply_in *)0)->enhanced,
               "an enhanced code has room");

static enum mailmod_smtp_reply_kind kind_of(int code)
{
    return code >= 200 && code < 600
               ? (enum mailmod_smtp_reply_kind)(code / 100)
               : MAILMOD_REPLY_UNKNOWN;
}

/* `used_out` is 0 of one that is not whole. */
static enum mailmod_error parse(struct mm_span octets,
                                struct mailmod_smtp_reply *reply_out,
                                size_t *used_out)
{
    struct mm_reply_parser parser;
    mm_reply_parser_init(&parser);
    parser.takes_any_code = true;
    enum mailmod_error error =
        mm_reply_parser_feed(&parser, octets.data, octets.size, used_out);
    if (error == MAILMOD_OK && parser.is_complete) {
        reply_out->code = parser.reply.code;
        reply_out->kind = kind_of(parser.reply.code);
        reply_out->line_count = parser.reply.line_count;
        memcpy(reply_out->enhanced, parser.reply.enhanced,
               sizeof reply_out->enhanced);
        (void)mm_span_copy(mm_buf_span(&parser.reply.text), reply_out->text,
                           sizeof reply_out->text);
    } else {
        *used_out = 0;
    }
    mm_reply_parser_fini(&parser);
    return error;
}

enum mailmod_error
mailmod_smtp_reply_parse(const char *octets, size_t size,
                         struct mailmod_smtp_reply *reply_out, size_t *used_out)
{
    struct mailmod_smtp_reply reply = {.size = sizeof reply};
    enum mailmod_error error =
        mm_sized_check(reply_out, MM_SMTP_REPLY_SIZE_1, "mailmod_smtp_reply");
    if (error == MAILMOD_OK && (octets == NULL || used_out == NULL)) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT, "octets or used_out: NULL");
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    error = parse(mm_span(octets, size), &reply, used_out);
    if (error != MAILMOD_OK) {
        return mm_fail(error, "%s",
                       error == MAILMOD_ERROR_PROTOCOL ? "this is no SMTP reply"
                                                       : mm_error_text(error));
    }
    mm_sized_give(reply_out, &reply, sizeof reply);
    return MAILMOD_OK;
}

static bool reads_back(struct mm_span octets,
                       const struct mailmod_smtp_reply *given)
{
    struct mailmod_smtp_reply read = {.code = 0};
    size_t used;
    return parse(octets, &read, &used) == MAILMOD_OK && used == octets.size &&
           strcmp(read.text, given->text) == 0;
}

enum mailmod_error
mailmod_smtp_reply_write(const struct mailmod_smtp_reply *reply,
                         mailmod_on_octets on_octets, void *context)
{
    struct mailmod_smtp_reply given;
    struct mm_buf out;
    enum mailmod_error error =
        mm_sized_take(&given, sizeof given, reply, MM_SMTP_REPLY_SIZE_1,
                      "mailmod_smtp_reply");
    if (error == MAILMOD_OK &&
        (on_octets == NULL ||
         memchr(given.text, '\0', sizeof given.text) == NULL)) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT,
                        "on_octets: NULL, or a text without its end");
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    mm_buf_init(&out, MM_LIMIT_REPLY_WHOLE);
    error = mm_reply_write(
        &out, &(struct mm_reply){given.code, NULL, given.text}, false);
    if (error == MAILMOD_OK && !reads_back(mm_buf_span(&out), &given)) {
        error = MAILMOD_ERROR_ARGUMENT;
    }
    if (error == MAILMOD_OK) {
        on_octets(context, mm_buf_span(&out).data, mm_buf_size(&out));
    }
    mm_buf_fini(&out);
    return error == MAILMOD_OK
               ? MAILMOD_OK
               : mm_fail(error, "%s",
                         error == MAILMOD_ERROR_ARGUMENT
                             ? "the reply would not read back as it is"
                             : mm_error_text(error));
}
