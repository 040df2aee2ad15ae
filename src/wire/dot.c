/* dot.c - dot-stuffing both ways.
 *
 * Owns nothing: the writer appends to its caller's buffer, the reader points
 * into its caller's input. Promises: bulk octets are only ever looked at by
 * memchr, a run of many lines is given out as one piece; the result is the
 * same however the input is cut; only CRLF "." CRLF ends a body. That last
 * promise is the border against smuggled messages: an LF or CR alone is never
 * a line end for the dot, neither before it nor after it, unless the owner
 * trusts the peer (`takes_lf`).
 *
 * Lives on its conversation's thread. RFC 5321 4.1.1.4 and 4.5.2 (with 2.3.8:
 * CR and LF only together), RFC 1939 3. */
#include "wire/dot.h"

#include <string.h>

/* Searches go window by window: looking for the CR of a text that has LFs
 * alone must not walk to the end of the input again for each of them. */
#define WINDOW 512

/* The first CR or LF of [from, end), or end. */
static const char *find_break(const char *from, const char *end)
{
    while (from < end) {
        size_t left = (size_t)(end - from);
        size_t size = left < WINDOW ? left : WINDOW;
        const char *cr = memchr(from, '\r', size);
        const char *stop = cr != NULL ? cr : from + size;
        const char *lf = memchr(from, '\n', (size_t)(stop - from));
        if (lf != NULL) {
            return lf;
        }
        if (cr != NULL) {
            return cr;
        }
        from = stop;
    }
    return end;
}

void mm_dot_writer_init(struct mm_dot_writer *writer)
{
    *writer = (struct mm_dot_writer){.at_line_start = true};
}

/* One step: `size` octets of `bytes` are taken, `text` goes out for them. */
static bool put(struct mm_buf *out, const char *text, size_t size)
{
    return mm_buf_room(out) >= size &&
           mm_buf_append(out, text, size) == MAILMOD_OK;
}

/* The octets of a line up to its end; returns how many went out. */
static size_t put_text(struct mm_buf *out, const char *text, size_t size)
{
    size_t room = mm_buf_room(out);
    size_t fits = size < room ? size : room;
    return put(out, text, fits) ? fits : 0;
}

/* The octets taken by one step at `at`; 0 when there is no room for it. */
static size_t write_step(struct mm_dot_writer *writer, struct mm_buf *out,
                         const char *at, const char *end)
{
    if (*at == '\r' || *at == '\n') {
        /* The CRLF went out with the CR; its LF adds nothing. */
        if (*at == '\n' && writer->after_cr) {
            writer->after_cr = false;
            return 1;
        }
        if (!put(out, "\r\n", 2)) {
            return 0;
        }
        writer->after_cr = *at == '\r';
        writer->at_line_start = true;
        return 1;
    }
    writer->after_cr = false;
    if (*at == '.' && writer->at_line_start && !writer->has_no_dots) {
        /* RFC 5321 4.5.2: one additional period at the line's beginning. */
        if (!put(out, "..", 2)) {
            return 0;
        }
        writer->at_line_start = false;
        return 1;
    }
    size_t size = (size_t)(find_break(at, end) - at);
    size_t taken = put_text(out, at, size);
    writer->at_line_start = writer->at_line_start && taken == 0;
    return taken;
}

/* Whole CRLF lines that begin with no dot go out as they are, many at once:
 * returns the end of the longest such stretch from a line start. */
static const char *find_plain_lines(const char *at, const char *end)
{
    while (at < end && *at != '.') {
        const char *stop = find_break(at, end);
        if (end - stop < 2 || stop[0] != '\r' || stop[1] != '\n') {
            break;
        }
        at = stop + 2;
    }
    return at;
}

size_t mm_dot_write(struct mm_dot_writer *writer, struct mm_buf *out,
                    const char *bytes, size_t size)
{
    const char *begin = mm_span(bytes, size).data; /* never NULL */
    const char *at = begin;
    const char *end = begin + size;
    while (at < end) {
        if (writer->at_line_start && !writer->after_cr) {
            size_t room = mm_buf_room(out);
            const char *near = (size_t)(end - at) <= room ? end : at + room;
            const char *stop = find_plain_lines(at, near);
            if (stop > at) {
                if (!put(out, at, (size_t)(stop - at))) {
                    break;
                }
                at = stop;
                continue;
            }
        }
        size_t taken = write_step(writer, out, at, end);
        if (taken == 0) {
            break;
        }
        at += taken;
    }
    return (size_t)(at - begin);
}

enum mailmod_error mm_dot_write_end(struct mm_dot_writer *writer,
                                    struct mm_buf *out)
{
    const char *text = writer->at_line_start ? ".\r\n" : "\r\n.\r\n";
    size_t size = strlen(text) - (writer->has_no_dots ? 3 : 0);
    enum mailmod_error error = mm_buf_append(out, text, size);
    if (error == MAILMOD_OK) {
        mm_dot_writer_init(writer);
    }
    return error;
}

void mm_dot_reader_init(struct mm_dot_reader *reader, bool has_dots,
                        bool normalizes)
{
    *reader = (struct mm_dot_reader){.state = MM_DOT_LINE_START,
                                     .has_dots = has_dots,
                                     .normalizes = normalizes};
}

static void count_octets(struct mm_dot_reader *reader, size_t size)
{
    reader->line_size += size;
    if (reader->line_size > reader->line_size_max) {
        reader->line_size_max = reader->line_size;
    }
}

/* A CR or LF alone. What follows it is not at the start of a line. */
static void note_bare(struct mm_dot_reader *reader)
{
    reader->has_bare_newline = true;
    reader->line_size = 0;
    reader->state = MM_DOT_IN_LINE;
}

/* A CR, and the LF behind it. */
static void end_line(struct mm_dot_reader *reader)
{
    reader->has_bare_newline = reader->has_bare_newline || reader->cr_count > 0;
    reader->cr_count = 0;
    reader->line_size = 0;
    reader->state = MM_DOT_LINE_START;
}

/* Where line ends are mended, CRs behind a CR wait for what comes: with an LF
 * they are one line end, else each is its own. */
static const char *hold_crs(struct mm_dot_reader *reader, const char *at,
                            const char *end)
{
    if (reader->state == MM_DOT_AFTER_CR && reader->normalizes) {
        while (at < end && *at == '\r') {
            reader->cr_count++;
            at++;
        }
    }
    return at;
}

/* Walks on from `at` through octets that go out as they are; returns where
 * that ends: at a dot that begins a line, at a newline that needs another
 * form, or at `end`. */
static const char *walk_run(struct mm_dot_reader *reader, const char *at,
                            const char *end)
{
    while (at < end) {
        if (reader->state == MM_DOT_LINE_START) {
            if (*at == '.' && reader->has_dots) {
                break;
            }
            reader->state = MM_DOT_IN_LINE;
        }
        if (reader->state == MM_DOT_IN_LINE) {
            const char *stop = find_break(at, end);
            count_octets(reader, (size_t)(stop - at));
            at = stop;
            if (at == end || (*at == '\n' && reader->normalizes)) {
                break;
            }
            if (*at++ == '\n') {
                note_bare(reader);
            } else {
                reader->state = MM_DOT_AFTER_CR;
            }
            continue;
        }
        if (*at == '\n') { /* AFTER_CR */
            at++;
            end_line(reader);
        } else if (reader->normalizes) {
            break;
        } else {
            note_bare(reader);
        }
    }
    return at;
}

/* The next line end that is owed for CRs alone; NULL when there is none. */
static const char *owe_newline(struct mm_dot_reader *reader)
{
    if (!reader->normalizes) {
        return NULL;
    }
    if (reader->state == MM_DOT_AFTER_CR) {
        note_bare(reader);
        return "\n"; /* its CR went out before */
    }
    if (reader->cr_count > 0) {
        reader->cr_count--;
        return "\r\n";
    }
    return NULL;
}

/* A newline that goes out in another form than it came, at `at`: NULL when
 * there is none. */
static const char *fix_newline(struct mm_dot_reader *reader, const char **at)
{
    char c = **at;
    switch (reader->state) {
    case MM_DOT_IN_LINE:
        if (reader->normalizes && reader->cr_count == 0 && c == '\n') {
            (*at)++;
            note_bare(reader);
            if (reader->takes_lf) {
                reader->state = MM_DOT_LINE_START;
            }
            return "\r\n";
        }
        return owe_newline(reader);
    case MM_DOT_AFTER_CR:
        return c != '\n' ? owe_newline(reader) : NULL;
    case MM_DOT_AFTER_DOT_CR: /* the CR was held back */
        note_bare(reader);
        if (reader->normalizes && c != '\r') {
            return "\r\n";
        }
        reader->state = reader->normalizes ? MM_DOT_AFTER_CR : MM_DOT_IN_LINE;
        return "\r";
    default:
        return NULL;
    }
}

/* The dot that begins a line and what it may be the beginning of; true when
 * the body's end has been read. */
static bool read_dot(struct mm_dot_reader *reader, const char **at,
                     const char *end)
{
    bool may_begin = reader->has_dots && reader->state == MM_DOT_LINE_START;
    if (may_begin && *at < end && **at == '.') {
        (*at)++;
        reader->state = MM_DOT_AFTER_DOT;
    }
    if (reader->state == MM_DOT_AFTER_DOT && *at < end) {
        if (reader->takes_lf && **at == '\n') {
            (*at)++;
            reader->has_bare_newline = true;
            reader->state = MM_DOT_END;
            return true;
        }
        bool is_cr = **at == '\r';
        /* RFC 5321 4.5.2: with more octets on the line the dot is dropped. */
        reader->state = is_cr ? MM_DOT_AFTER_DOT_CR : MM_DOT_IN_LINE;
        *at += is_cr ? 1 : 0;
    }
    if (reader->state == MM_DOT_AFTER_DOT_CR && *at < end && **at == '\n') {
        (*at)++;
        reader->state = MM_DOT_END;
    }
    return reader->state == MM_DOT_END;
}

enum mm_dot_result mm_dot_read(struct mm_dot_reader *reader,
                               struct mm_span input, size_t *used_out,
                               struct mm_span *run_out)
{
    const char *at = input.data;
    const char *end = input.size > 0 ? at + input.size : at;
    enum mm_dot_result result = MM_DOT_MORE;
    *run_out = mm_span(NULL, 0);
    while (result == MM_DOT_MORE) {
        if (read_dot(reader, &at, end)) {
            result = MM_DOT_DONE;
            break;
        }
        at = hold_crs(reader, at, end);
        if (at == end) {
            break;
        }
        const char *fixed = fix_newline(reader, &at);
        if (fixed != NULL) {
            *run_out = mm_span_cstr(fixed);
            result = MM_DOT_RUN;
            break;
        }
        const char *start = at;
        at = walk_run(reader, at, end);
        if (at > start) {
            *run_out = mm_span(start, (size_t)(at - start));
            result = MM_DOT_RUN;
        }
    }
    *used_out = input.size > 0 ? (size_t)(at - input.data) : 0;
    return result;
}

enum mm_dot_result mm_dot_read_end(struct mm_dot_reader *reader,
                                   struct mm_span *run_out)
{
    if (reader->state == MM_DOT_AFTER_CR && !reader->normalizes) {
        note_bare(reader);
    }
    *run_out = mm_span_cstr(owe_newline(reader));
    return run_out->size > 0 ? MM_DOT_RUN : MM_DOT_DONE;
}
