/* maildir_text.c - from a Maildir's line ends to those of the wire.
 *
 * Owns nothing. Promises: the count and the text are made by one function, so
 * the size that is told is the size that is served (RFC 1939 11); a text that
 * ends inside a line gets its end. A CR that no LF follows stays what it is.
 * Thread: any. */
#include "mailbox/maildir_text.h"

#include <string.h>

static enum mailmod_error give(struct mm_maildir_text *text,
                               struct mm_span data, struct mm_buf *out)
{
    if (data.size == 0) {
        return MAILMOD_OK;
    }
    text->size += data.size;
    text->last = data.data[data.size - 1];
    text->is_begun = true;
    return out != NULL ? mm_buf_append_span(out, data) : MAILMOD_OK;
}

enum mailmod_error mm_maildir_text_serve(struct mm_maildir_text *text,
                                         struct mm_span data,
                                         struct mm_buf *out)
{
    enum mailmod_error error = MAILMOD_OK;

    while (error == MAILMOD_OK && data.size > 0) {
        const char *end = memchr(data.data, '\n', data.size);
        size_t size = end != NULL ? (size_t)(end - data.data) : data.size;

        error = give(text, mm_span(data.data, size), out);
        if (error == MAILMOD_OK && end != NULL) {
            error =
                give(text,
                     text->last == '\r' ? mm_span("\n", 1) : mm_span("\r\n", 2),
                     out);
            size++;
        }
        data = mm_span_from(data, size);
    }
    return error;
}

enum mailmod_error mm_maildir_text_end(struct mm_maildir_text *text,
                                       struct mm_buf *out)
{
    if (!text->is_begun || text->last == '\n') {
        return MAILMOD_OK;
    }
    return give(
        text, text->last == '\r' ? mm_span("\n", 1) : mm_span("\r\n", 2), out);
}
