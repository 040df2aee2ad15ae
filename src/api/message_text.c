/* message_text.c - from the host's octets to the chunks of a message.
 *
 * Owns: the header until its end is seen, and the chunk that fills. Promises:
 * the same chunks however the text is cut; line ends are mended as wire/dot.h
 * says; all else is carried as it is, NUL and 8-bit too; a last line without
 * an end gets one. What is missing of Date, From and Message-ID goes in front
 * of the header; a text whose first line is no field is all body, and gets an
 * empty line before it.
 *
 * Thread: the writer's. RFC 5321 2.3.8 (line ends), RFC 6409 8.2 and 8.3 (Date
 * and Message-ID), RFC 5322 2.2 and 3.6 (fields; From is a must). */
#include "api/message_text.h"

#include "base/datetime.h"
#include "base/limits.h"

#include <string.h>

/* Three fields with an address and a host name. */
#define FIELDS_MAX 2048

void mm_message_text_init(struct mm_message_text *text,
                          const struct mm_message_text_options *options)
{
    *text = (struct mm_message_text){.options = *options};
    text->holds_header = options->adds_headers;
    mm_dot_reader_init(&text->lines, false, true);
    mm_header_scan_init(&text->scan);
    mm_buf_init(&text->header, MM_LIMIT_HEADER);
    mm_buf_init(&text->chunk, MM_LIMIT_CHUNK);
}

void mm_message_text_fini(struct mm_message_text *text)
{
    mm_buf_fini(&text->header);
    mm_buf_fini(&text->chunk);
}

static enum mailmod_error put(struct mm_message_text *text, struct mm_span data)
{
    enum mailmod_error error = MAILMOD_OK;

    text->size += data.size;
    text->is_8bit = text->is_8bit || mm_span_has_8bit(data);
    while (error == MAILMOD_OK && data.size > 0) {
        size_t room = mm_buf_room(&text->chunk);
        size_t size = data.size < room ? data.size : room;

        if (room == 0) {
            error = text->options.put_chunk(text->options.context,
                                            mm_buf_span(&text->chunk));
            mm_buf_clear(&text->chunk);
            continue;
        }
        error = mm_buf_append(&text->chunk, data.data, size);
        data = mm_span_from(data, size);
    }
    return error;
}

/* field-name *WSP ":", RFC 5322 2.2 and 4.5 */
static bool begins_with_field(struct mm_span header)
{
    size_t at = 0;

    while (at < header.size && header.data[at] > ' ' && header.data[at] < 127 &&
           header.data[at] != ':') {
        at++;
    }
    if (at == 0) {
        return false;
    }
    while (at < header.size &&
           (header.data[at] == ' ' || header.data[at] == '\t')) {
        at++;
    }
    return at < header.size && header.data[at] == ':';
}

static void write_fields(struct mm_buf *out, const struct mm_message_text *text,
                         bool is_all_body)
{
    const struct mm_message_text_options *options = &text->options;

    if (is_all_body || !text->scan.has_date) {
        (void)mm_buf_append_cstr(out, "Date: ");
        (void)mm_datetime_rfc5322(out, options->now_ms);
        (void)mm_buf_append_cstr(out, "\r\n");
    }
    if ((is_all_body || !text->scan.has_from) &&
        options->reverse_path[0] != '\0') {
        (void)mm_buf_appendf(out, "From: <%s>\r\n", options->reverse_path);
    }
    if (is_all_body || !text->scan.has_message_id) {
        (void)mm_buf_appendf(out, "Message-ID: <%s@%s>\r\n",
                             options->identifier, options->host_name);
    }
}

/* The header is whole, or larger than any: out with it, the missing fields
 * first. */
static enum mailmod_error release_header(struct mm_message_text *text)
{
    struct mm_span header = mm_buf_span(&text->header);
    bool begins_empty = header.size > 0 && header.data[0] == '\r';
    bool is_all_body = !begins_empty && !begins_with_field(header);

    text->holds_header = false;
    struct mm_buf fields;
    mm_buf_init(&fields, FIELDS_MAX);
    write_fields(&fields, text, is_all_body);
    if (is_all_body) {
        (void)mm_buf_append_cstr(&fields, "\r\n");
    }
    enum mailmod_error error = mm_buf_error(&fields);
    if (error == MAILMOD_OK) {
        error = put(text, mm_buf_span(&fields));
    }
    if (error == MAILMOD_OK) {
        error = put(text, header);
    }
    mm_buf_fini(&fields);
    mm_buf_release(&text->header);
    return error;
}

/* Octets whose line ends are in order. */
static enum mailmod_error take(struct mm_message_text *text,
                               struct mm_span data)
{
    enum mailmod_error error = MAILMOD_OK;

    if (data.size > text->options.size_max - text->taken) {
        return MAILMOD_ERROR_TOO_LARGE;
    }
    text->taken += data.size;
    while (text->holds_header && error == MAILMOD_OK && data.size > 0) {
        size_t room = mm_buf_room(&text->header);
        size_t size = data.size < room ? data.size : room;

        error = mm_buf_append(&text->header, data.data, size);
        mm_header_scan_feed(&text->scan, mm_span(data.data, size));
        data = mm_span_from(data, size);
        if (error == MAILMOD_OK &&
            (text->scan.is_done || mm_buf_room(&text->header) == 0)) {
            error = release_header(text);
        }
    }
    return error == MAILMOD_OK ? put(text, data) : error;
}

static enum mailmod_error take_run(struct mm_message_text *text,
                                   struct mm_span run)
{
    if (run.size == 0) {
        return MAILMOD_OK;
    }
    text->is_line_open = run.data[run.size - 1] != '\n';
    return take(text, run);
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
        error = take_run(text, run);
    }
    return error;
}

enum mailmod_error mm_message_text_finish(struct mm_message_text *text)
{
    enum mailmod_error error = MAILMOD_OK;
    struct mm_span run;
    while (error == MAILMOD_OK &&
           mm_dot_read_end(&text->lines, &run) == MM_DOT_RUN) {
        error = take_run(text, run);
    }
    if (error == MAILMOD_OK && text->is_line_open) {
        error = take_run(text, mm_span("\r\n", 2));
    }
    if (error == MAILMOD_OK && text->holds_header) {
        error = release_header(text);
    }
    return error;
}
