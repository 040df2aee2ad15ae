/* log.c - hands facts to the host's sink, and renders them as one line.
 *
 * Owns nothing. Promises one line a fact whatever a peer sent: the renderer
 * escapes controls (C0, DEL and the C1 range that a terminal obeys when it is
 * written in UTF-8), quotes, backslashes and octets that are no UTF-8, so
 * that no value can end a line, forge a field or speak to a terminal.
 * Thread: any; the level is the one field that changes, and is atomic. */
#include "base/log.h"

bool mm_log_is_on(const struct mm_log *log, enum mm_log_level level)
{
    if (log == NULL || log->sink == NULL) {
        return false;
    }
    return (int)level <=
           atomic_load_explicit(&log->level, memory_order_relaxed);
}

void mm_log_write(const struct mm_log *log, enum mm_log_level level,
                  const char *component, const char *text,
                  const struct mm_log_field *fields, size_t count)
{
    if (mm_log_is_on(log, level)) {
        log->sink(log->context, level, component, text, fields, count);
    }
}

/* How many octets at the start of `text` may be shown as they are: one of
 * ASCII, or one whole UTF-8 character that is no control; else 0. */
static size_t showable(struct mm_span text)
{
    unsigned char lead = (unsigned char)text.data[0];
    if (lead < 0x80) {
        return mm_ascii_is_printable(lead) ? 1 : 0;
    }
    size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (length > text.size || !mm_span_is_utf8(mm_span(text.data, length))) {
        return 0;
    }
    if (lead == 0xc2 && (unsigned char)text.data[1] < 0xa0) {
        return 0;
    }
    return length;
}

/* How many octets at the start of `text` need no thought. */
static size_t plain_size(struct mm_span text)
{
    size_t size = 0;
    while (size < text.size &&
           mm_ascii_is_printable((unsigned char)text.data[size]) &&
           text.data[size] != '"' && text.data[size] != '\\') {
        size++;
    }
    return size;
}

static void append_escaped(struct mm_buf *line, struct mm_span text)
{
    static const char hex[] = "0123456789abcdef";
    while (text.size > 0) {
        size_t plain = plain_size(text);
        mm_buf_append(line, text.data, plain);
        text = mm_span_from(text, plain);
        if (text.size == 0) {
            return;
        }
        size_t length = showable(text);
        unsigned char c = (unsigned char)text.data[0];
        if (length == 0) {
            char escape[4] = {'\\', 'x', hex[c >> 4], hex[c & 15]};
            mm_buf_append(line, escape, sizeof escape);
            length = 1;
        } else {
            if (c == '"' || c == '\\') {
                mm_buf_append_char(line, '\\');
            }
            mm_buf_append(line, text.data, length);
        }
        text = mm_span_from(text, length);
    }
}

static bool needs_quotes(struct mm_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=') {
            return true;
        }
    }
    return text.size == 0;
}

static void append_field(struct mm_buf *line, const struct mm_log_field *field)
{
    mm_buf_append_char(line, ' ');
    mm_buf_append_cstr(line, field->key);
    mm_buf_append_char(line, '=');
    if (field->text == NULL) {
        uint64_t number = (uint64_t)field->number;
        if (field->number < 0) {
            mm_buf_append_char(line, '-');
            number = 0 - number;
        }
        mm_buf_append_u64(line, number);
        return;
    }
    struct mm_span text = mm_span_cstr(field->text);
    if (!needs_quotes(text)) {
        mm_buf_append_span(line, text);
        return;
    }
    mm_buf_append_char(line, '"');
    append_escaped(line, text);
    mm_buf_append_char(line, '"');
}

void mm_log_render(struct mm_buf *line, const char *component, const char *text,
                   const struct mm_log_field *fields, size_t count)
{
    append_escaped(line, mm_span_cstr(component));
    mm_buf_append_cstr(line, ": ");
    append_escaped(line, mm_span_cstr(text));
    for (size_t i = 0; i < count; i++) {
        append_field(line, &fields[i]);
    }
}
