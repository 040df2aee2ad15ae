/* mbox.c - many messages in one file, read and written.
 *
 * Owns one line at most, or the first part of a long one. Promises: what is
 * written and read again is the same text, octet for octet, whatever its lines
 * begin with; the same messages however the input is cut; memory is bounded
 * whatever the length of a line. A line "From " begins a message at the file's
 * beginning and behind an empty line alone; the empty line is none of the
 * message's. Thread: the owner's. RFC 4155 (default format, with mboxrd's
 * quoting). */
#include "wire/msg/mbox.h"

#include "base/datetime.h"

#include <string.h>

static const char from_word[] = "From ";

void mm_mbox_reader_init(struct mm_mbox_reader *reader)
{
    *reader = (struct mm_mbox_reader){.is_begun = false};
    mm_buf_init(&reader->line, MM_MBOX_LINE_MAX);
    mm_buf_init(&reader->out, MM_MBOX_LINE_MAX + 8);
}

void mm_mbox_reader_fini(struct mm_mbox_reader *reader)
{
    mm_buf_fini(&reader->line);
    mm_buf_fini(&reader->out);
}

/* Adds to the line up to its LF or its maximum: true when there is a line, or a
 * part of one that is given out as it is. */
static enum mailmod_error gather(struct mm_buf *line, struct mm_span input,
                                 size_t *used_out, bool *is_whole_out)
{
    size_t room = MM_MBOX_LINE_MAX - mm_buf_size(line);
    size_t size = input.size < room ? input.size : room;
    const char *end = size > 0 ? memchr(input.data, '\n', size) : NULL;

    if (end != NULL) {
        size = (size_t)(end - input.data) + 1;
    }
    bool is_full = end == NULL && size == room;
    if (is_full && size > 0 && input.data[size - 1] == '\r') {
        size--; /* its LF may be the next octet */
    }
    *used_out = size;
    *is_whole_out = end != NULL || is_full;
    return size > 0 ? mm_buf_append(line, input.data, size) : MAILMOD_OK;
}

/* Without its LF, or CR LF; whether it had one. */
static bool take_end(struct mm_span *line)
{
    if (line->size == 0 || line->data[line->size - 1] != '\n') {
        return false;
    }
    line->size--;
    if (line->size > 0 && line->data[line->size - 1] == '\r') {
        line->size--;
    }
    return true;
}

/* In these letters alone: "FROM US" is a text's, and nobody quotes it. */
static bool is_from(struct mm_span line)
{
    size_t size = sizeof from_word - 1;

    return line.size >= size && memcmp(line.data, from_word, size) == 0;
}

static bool is_quoted_from(struct mm_span line, bool needs_mark)
{
    size_t marks = 0;

    while (marks < line.size && line.data[marks] == '>') {
        marks++;
    }
    return (marks > 0 || !needs_mark) && is_from(mm_span_from(line, marks));
}

/* The text of a line, or of a part of it, with what was held back. */
static enum mailmod_error give_text(struct mm_mbox_reader *reader,
                                    struct mm_span line, bool has_end)
{
    mm_buf_clear(&reader->out);
    if (!reader->is_continued) {
        if (reader->is_blank) {
            (void)mm_buf_append_cstr(&reader->out, "\r\n");
        }
        reader->is_blank = has_end && line.size == 0;
        if (reader->is_blank) {
            return mm_buf_error(&reader->out);
        }
        line = mm_span_from(line, is_quoted_from(line, true) ? 1 : 0);
    }
    (void)mm_buf_append_span(&reader->out, line);
    if (has_end) {
        (void)mm_buf_append_cstr(&reader->out, "\r\n");
    }
    return mm_buf_error(&reader->out);
}

static enum mailmod_error use_line(struct mm_mbox_reader *reader,
                                   enum mm_mbox_event *event_out,
                                   struct mm_span *text_out)
{
    struct mm_span line = mm_buf_span(&reader->line);
    bool has_end = take_end(&line);

    if (!reader->is_continued && (reader->is_blank || !reader->is_begun) &&
        is_from(line)) {
        mm_buf_clear(&reader->out);
        (void)mm_buf_append_span(&reader->out, line);
        reader->is_begun = true;
        reader->is_blank = false;
        *event_out = MM_MBOX_BEGIN;
    } else if (!reader->is_begun) {
        return MAILMOD_ERROR_SYNTAX;
    } else {
        enum mailmod_error error = give_text(reader, line, has_end);
        if (error != MAILMOD_OK) {
            return error;
        }
        *event_out = MM_MBOX_TEXT;
    }
    reader->is_continued = !has_end;
    mm_buf_clear(&reader->line);
    *text_out = mm_buf_span(&reader->out);
    return mm_buf_error(&reader->out);
}

enum mailmod_error mm_mbox_read(struct mm_mbox_reader *reader,
                                struct mm_span input, size_t *used_out,
                                enum mm_mbox_event *event_out,
                                struct mm_span *text_out)
{
    bool is_whole = false;
    enum mailmod_error error =
        gather(&reader->line, input, used_out, &is_whole);

    *event_out = MM_MBOX_MORE;
    *text_out = mm_span("", 0);
    if (error != MAILMOD_OK || (!is_whole && input.size > 0) ||
        mm_buf_size(&reader->line) == 0) {
        return error;
    }
    return use_line(reader, event_out, text_out);
}

/* The first words of a text, `count_max` at most; how many there are. */
static size_t split(struct mm_span text, struct mm_span *words,
                    size_t count_max)
{
    size_t count = 0;

    text = mm_span_trim(text);
    while (count < count_max && text.size > 0) {
        (void)mm_span_cut(text, ' ', &words[count++], &text);
        text = mm_span_trim(text);
    }
    return count;
}

/* "Thu Nov 24 18:22:48 1986" of C's asctime: as RFC 5322 has it. */
static int64_t parse_time(struct mm_span text)
{
    struct mm_span words[5];
    struct mm_datetime date;
    char form[64];
    struct mm_buf out;

    if (split(text, words, 5) < 5) {
        return 0;
    }
    static const int order[] = {2, 1, 4, 3};
    mm_buf_init(&out, sizeof form);
    for (size_t i = 0; i < 4; i++) {
        (void)mm_buf_append_span(&out, words[order[i]]);
        (void)mm_buf_append_char(&out, ' ');
    }
    (void)mm_buf_append_cstr(&out, "+0000");
    bool is_good = mm_buf_error(&out) == MAILMOD_OK &&
                   mm_datetime_parse(mm_buf_span(&out), &date);
    mm_buf_fini(&out);
    return is_good ? date.unix_ms : 0;
}

void mm_mbox_from(struct mm_span line, struct mm_span *sender_out,
                  int64_t *unix_ms_out)
{
    struct mm_span rest =
        mm_span_trim(mm_span_from(line, sizeof from_word - 1));

    (void)mm_span_cut(rest, ' ', sender_out, &rest);
    if (memchr(sender_out->data, '@', sender_out->size) == NULL) {
        *sender_out = mm_span("", 0); /* MAILER-DAEMON, "-", a user */
    }
    *unix_ms_out = parse_time(rest);
}

void mm_mbox_writer_init(struct mm_mbox_writer *writer)
{
    *writer = (struct mm_mbox_writer){.is_continued = false};
    mm_buf_init(&writer->line, MM_MBOX_LINE_MAX);
}

void mm_mbox_writer_fini(struct mm_mbox_writer *writer)
{
    mm_buf_fini(&writer->line);
}

enum mailmod_error mm_mbox_write_from(struct mm_buf *out, struct mm_span sender,
                                      int64_t unix_ms)
{
    struct mm_buf date;
    struct mm_span words[6];

    mm_buf_init(&date, 64);
    (void)mm_datetime_rfc5322(&date, unix_ms); /* Thu, 24 Nov 1986 18:22:48 */
    size_t count = split(mm_buf_span(&date), words, 6);
    (void)mm_buf_append_cstr(out, from_word);
    (void)mm_buf_append_span(
        out, sender.size > 0 ? sender : mm_span_cstr("MAILER-DAEMON"));
    static const int order[] = {0, 2, 1, 4, 3};
    for (size_t i = 0; count == 6 && i < 5; i++) {
        struct mm_span word = words[order[i]];

        (void)mm_buf_append_char(out, ' ');
        (void)mm_buf_append(out, word.data,
                            order[i] == 0 && word.size > 3 ? 3 : word.size);
    }
    (void)mm_buf_append_char(out, '\n');
    mm_buf_fini(&date);
    return mm_buf_error(out);
}

static enum mailmod_error put_line(struct mm_mbox_writer *writer,
                                   struct mm_buf *out)
{
    struct mm_span line = mm_buf_span(&writer->line);
    bool has_end = take_end(&line);

    if (!writer->is_continued && is_quoted_from(line, false)) {
        (void)mm_buf_append_char(out, '>');
    }
    (void)mm_buf_append_span(out, line);
    if (has_end) {
        (void)mm_buf_append_char(out, '\n');
    }
    writer->is_continued = !has_end;
    mm_buf_clear(&writer->line);
    return mm_buf_error(out);
}

enum mailmod_error mm_mbox_write(struct mm_mbox_writer *writer,
                                 struct mm_span text, struct mm_buf *out)
{
    enum mailmod_error error = MAILMOD_OK;

    while (error == MAILMOD_OK && text.size > 0) {
        bool is_whole = false;
        size_t used = 0;

        error = gather(&writer->line, text, &used, &is_whole);
        text = mm_span_from(text, used);
        if (error == MAILMOD_OK && is_whole) {
            error = put_line(writer, out);
        }
    }
    return error;
}

enum mailmod_error mm_mbox_write_end(struct mm_mbox_writer *writer,
                                     struct mm_buf *out)
{
    enum mailmod_error error = MAILMOD_OK;

    if (mm_buf_size(&writer->line) > 0) {
        error = put_line(writer, out);
    }
    if (writer->is_continued) {
        writer->is_continued = false;
        (void)mm_buf_append_char(out, '\n');
    }
    (void)mm_buf_append_char(out, '\n'); /* RFC 4155: an empty line */
    return error == MAILMOD_OK ? mm_buf_error(out) : error;
}
