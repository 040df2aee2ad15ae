/* server_body.c - replies of many lines: the rows of LIST and UIDL, and the
 * bodies of RETR and TOP.
 *
 * Owns nothing. Promises: the output never passes MM_LIMIT_OUTPUT and always
 * keeps room for the end, so that a list or a message that was begun can be
 * ended; a reply that cannot be finished gets no terminator. Lives on its
 * conversation's thread.
 *
 * RFC 1939 3 (multi-line responses, byte-stuffing), 5 (LIST, RETR), 7 (TOP,
 * UIDL). */
#include "wire/pop3/server_internal.h"

#include <string.h>

/* Kept free for CRLF "." CRLF. */
#define END_ROOM 5
/* Two numbers or a number and an identifier, blank, CRLF. */
#define ROW_SIZE_MAX (20 + 1 + MM_POP3D_UNIQUE_ID_MAX + 2)
/* More is asked for when this is free, so that not every octet that was sent
 * leads to a read of a few. */
#define FLOW_ROOM (MM_LIMIT_OUTPUT / 2)
#define WINDOW 512

/* Which half of a list or message is due; NEED_INPUT when there is no room. */
enum mm_pop3d_event mm_pop3d_flow(const struct mm_pop3d *pop3d)
{
    bool has_room = mm_buf_room(&pop3d->output) >= FLOW_ROOM;
    if (pop3d->state == MM_POP3D_IN_ROWS && has_room) {
        return MM_POP3D_NEED_ROWS;
    }
    if (pop3d->state == MM_POP3D_IN_BODY &&
        (has_room || !mm_pop3d_wants_body(pop3d))) {
        return MM_POP3D_NEED_BODY;
    }
    return MM_POP3D_NEED_INPUT;
}

/* RFC 1939 7: one to 70 characters in the range 0x21 to 0x7E; and not "_",
 * which would end a line as MULTI-LINE-IND does. */
bool mm_pop3d_is_unique_id(struct mm_span text)
{
    bool is_good = text.size > 0 && text.size <= MM_POP3D_UNIQUE_ID_MAX &&
                   !mm_span_is(text, "_");
    for (size_t i = 0; is_good && i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        is_good = c != ' ' && mm_ascii_is_printable(c);
    }
    return is_good;
}

void mm_pop3d_write_figures(struct mm_pop3d *pop3d, const char *status,
                            uint64_t number, uint64_t size,
                            const char *unique_id)
{
    struct mm_buf *out = &pop3d->output;
    if (mm_buf_reserve(out, 4 + ROW_SIZE_MAX) == NULL) {
        mm_pop3d_break_off(pop3d, "no memory for a reply");
        return;
    }
    /* The room is reserved: none of these can fail. */
    mm_buf_append_cstr(out, status);
    mm_buf_append_u64(out, number);
    mm_buf_append_char(out, ' ');
    if (unique_id != NULL) {
        mm_buf_append_cstr(out, unique_id);
    } else {
        mm_buf_append_u64(out, size);
    }
    mm_buf_append_cstr(out, "\r\n");
}

bool mm_pop3d_row(struct mm_pop3d *pop3d, uint64_t number, uint64_t size,
                  const char *unique_id)
{
    if (pop3d->state != MM_POP3D_IN_ROWS ||
        mm_buf_room(&pop3d->output) < 4 + ROW_SIZE_MAX + END_ROOM) {
        return false;
    }
    if (unique_id != NULL && !mm_pop3d_is_unique_id(mm_span_cstr(unique_id))) {
        /* A client may not be told a name that it cannot trust. */
        mm_pop3d_break_off(pop3d, "a unique-id is not printable ASCII");
        return false;
    }
    size_t before = mm_buf_size(&pop3d->output);
    mm_pop3d_write_figures(pop3d, "", number, size, unique_id);
    pop3d->told_octets += mm_buf_size(&pop3d->output) - before;
    return pop3d->state == MM_POP3D_IN_ROWS;
}

void mm_pop3d_rows_end(struct mm_pop3d *pop3d)
{
    if (pop3d->state != MM_POP3D_IN_ROWS) {
        return;
    }
    mm_tap_octets(pop3d->options.tap, MM_TAP_SENT, pop3d->told_octets);
    pop3d->told_octets = 0;
    if (mm_buf_append_cstr(&pop3d->output, ".\r\n") != MAILMOD_OK) {
        mm_pop3d_break_off(pop3d, "no memory for a reply");
        return;
    }
    mm_pop3d_set_state(pop3d, MM_POP3D_IN_TRANSACTION);
}

/* The octets up to and with the first CR or LF. Either ends a line, because
 * the dot-writer makes CRLF of it; note_top knows the LF of a CRLF. The search
 * goes by windows: a text of CRs alone must not be walked through to its end
 * for the LF of each. */
static size_t first_line(const char *bytes, size_t size)
{
    for (size_t at = 0; at < size; at += WINDOW) {
        size_t width = size - at < WINDOW ? size - at : WINDOW;
        const char *lf = memchr(bytes + at, '\n', width);
        size_t stop = lf != NULL ? (size_t)(lf - bytes) : at + width;
        const char *cr = memchr(bytes + at, '\r', stop - at);
        if (cr != NULL) {
            return (size_t)(cr - bytes) + 1;
        }
        if (lf != NULL) {
            return stop + 1;
        }
    }
    return size;
}

/* Notes octets that went out; at most their last is a line end. RFC 1939 7:
 * the headers, the blank line, and so many lines of the body. */
static void note_top(struct mm_pop3d_top *top, const char *bytes, size_t size)
{
    if (size == 0) {
        return;
    }
    if (bytes[0] == '\n' && top->after_cr) {
        top->after_cr = false; /* the line ended with its CR */
        return;
    }
    char last = bytes[size - 1];
    bool is_end = last == '\r' || last == '\n';
    top->after_cr = last == '\r';
    top->line_has_text = top->line_has_text || !is_end || size > 1;
    if (!is_end) {
        return;
    }
    if (top->is_in_body) {
        top->lines_left--;
    } else if (!top->line_has_text) {
        top->is_in_body = true;
    }
    top->line_has_text = false;
    top->is_over = top->is_in_body && top->lines_left == 0;
}

/* Keeps END_ROOM free whatever is written. */
static size_t write_dots(struct mm_pop3d *pop3d, const char *bytes, size_t size)
{
    struct mm_buf *out = &pop3d->output;
    if (mm_buf_room(out) <= END_ROOM) {
        return 0;
    }
    out->size_max -= END_ROOM;
    size_t taken = mm_dot_write(&pop3d->dots, out, bytes, size);
    out->size_max += END_ROOM;
    if (mm_buf_error(out) == MAILMOD_ERROR_MEMORY) {
        mm_pop3d_break_off(pop3d, "no memory for a message");
    }
    return taken;
}

static size_t write_top(struct mm_pop3d *pop3d, const char *bytes, size_t size)
{
    size_t at = 0;
    while (at < size && !pop3d->top.is_over) {
        size_t line = first_line(bytes + at, size - at);
        size_t taken = write_dots(pop3d, bytes + at, line);
        note_top(&pop3d->top, bytes + at, taken);
        at += taken;
        if (taken < line) {
            return at;
        }
    }
    return size; /* what lies behind the cut is not wanted */
}

size_t mm_pop3d_body(struct mm_pop3d *pop3d, const char *bytes, size_t size)
{
    if (pop3d->state != MM_POP3D_IN_BODY) {
        return size; /* broken off: nothing is wanted any more */
    }
    size_t before = mm_buf_size(&pop3d->output);
    size_t used = pop3d->is_top ? write_top(pop3d, bytes, size)
                                : write_dots(pop3d, bytes, size);
    pop3d->told_octets += mm_buf_size(&pop3d->output) - before;
    return used;
}

bool mm_pop3d_wants_body(const struct mm_pop3d *pop3d)
{
    return pop3d->state == MM_POP3D_IN_BODY &&
           !(pop3d->is_top && pop3d->top.is_over);
}

void mm_pop3d_body_end(struct mm_pop3d *pop3d)
{
    if (pop3d->state != MM_POP3D_IN_BODY) {
        return;
    }
    mm_tap_octets(pop3d->options.tap, MM_TAP_SENT, pop3d->told_octets);
    pop3d->told_octets = 0;
    if (mm_dot_write_end(&pop3d->dots, &pop3d->output) != MAILMOD_OK) {
        mm_pop3d_break_off(pop3d, "no memory for a message");
        return;
    }
    mm_pop3d_set_state(pop3d, MM_POP3D_IN_TRANSACTION);
}

void mm_pop3d_body_abort(struct mm_pop3d *pop3d)
{
    if (pop3d->state == MM_POP3D_IN_BODY || pop3d->state == MM_POP3D_IN_ROWS) {
        mm_pop3d_break_off(pop3d, "the message could not be read to its end");
    }
}
