/* text.c - from the host's octets to lines with their ends in order.
 *
 * Owns nothing but the state of the line ends. Promises: the same octets
 * however the text is cut; line ends are mended as wire/dot.h says; all else is
 * carried as it is, NUL and 8-bit too; a last line without an end gets one.
 *
 * Thread: the writer's. RFC 5321 2.3.8 (line ends). */
#include "api/message/text.h"

void mm_message_text_init(struct mm_message_text *text,
                          const struct mm_message_text_options *options)
{
    *text = (struct mm_message_text){.options = *options};
    mm_dot_reader_init(&text->lines, false, true);
}

static enum mailmod_error take(struct mm_message_text *text, struct mm_span run)
{
    if (run.size == 0) {
        return MAILMOD_OK;
    }
    if (run.size > text->options.size_max - text->taken) {
        return MAILMOD_ERROR_TOO_LARGE;
    }
    text->taken += run.size;
    text->is_line_open = run.data[run.size - 1] != '\n';
    text->is_8bit = text->is_8bit || mm_span_has_8bit(run);
    return text->options.put(text->options.context, run);
}

enum mailmod_error mm_message_text_write(struct mm_message_text *text,
                                         struct mm_span octets)
{
    enum mailmod_error error = MAILMOD_OK;
    while (error == MAILMOD_OK && octets.size > 0) {
        size_t used;
        struct mm_span run;
        (void)mm_dot_read(&text->lines, octets, &used, &run);
        octets = mm_span_from(octets, used);
        error = take(text, run);
    }
    return error;
}

enum mailmod_error mm_message_text_finish(struct mm_message_text *text)
{
    enum mailmod_error error = MAILMOD_OK;
    struct mm_span run;
    while (error == MAILMOD_OK &&
           mm_dot_read_end(&text->lines, &run) == MM_DOT_RUN) {
        error = take(text, run);
    }
    return error == MAILMOD_OK && text->is_line_open
               ? take(text, mm_span("\r\n", 2))
               : error;
}
