/* line.c - collects CRLF lines under a cap.
 *
 * Owns the octets of one line, at most size_max and the CR that may end it.
 * Promises: linear time whatever the pieces; memory never past the cap; what
 * is given out as a line began at the start or behind a CRLF, so no octets
 * behind a bare LF are ever taken for a command.
 *
 * Lives on its conversation's thread. RFC 5321 2.3.8: CR and LF occur only
 * together; RFC 1939 3 the same for POP3. */
#include "wire/line.h"

#include "base/mem.h"

#include <string.h>

void mm_line_reader_init(struct mm_line_reader *reader, size_t size_max)
{
    *reader = (struct mm_line_reader){.size_max = size_max};
    mm_buf_init(&reader->buf, size_max + 1);
}

void mm_line_reader_fini(struct mm_line_reader *reader)
{
    mm_line_wipe(reader);
    mm_buf_fini(&reader->buf);
}

void mm_line_set_max(struct mm_line_reader *reader, size_t size_max)
{
    reader->size_max = size_max;
    reader->buf.size_max = size_max + 1;
}

bool mm_line_has_part(const struct mm_line_reader *reader)
{
    return reader->is_over || reader->is_refused ||
           (!reader->is_given && mm_buf_size(&reader->buf) > 0);
}

void mm_line_wipe(struct mm_line_reader *reader)
{
    if (reader->buf.data != NULL) {
        mm_secret_clear(reader->buf.data, reader->buf.capacity);
    }
    mm_buf_clear(&reader->buf);
    reader->is_given = false;
    reader->is_over = false;
    reader->after_cr = reader->after_cr && reader->is_refused;
}

/* Room for `size` more octets. A line may be a password: a block that is
 * outgrown is wiped, which realloc would not do. */
static bool make_room(struct mm_line_reader *reader, size_t size)
{
    size_t needed = mm_buf_size(&reader->buf) + size;
    if (reader->buf.data == NULL || needed <= reader->buf.capacity) {
        return true; /* nothing to leave behind */
    }
    size_t room = 2 * needed;
    struct mm_buf larger;
    mm_buf_init(&larger, reader->buf.size_max);
    if (room > larger.size_max) {
        room = larger.size_max;
    }
    if (mm_buf_reserve(&larger, room) == NULL) {
        return false;
    }
    mm_buf_append_span(&larger, mm_buf_span(&reader->buf));
    mm_buf_wipe(&reader->buf);
    reader->buf = larger;
    return true;
}

/* Keeps what the cap allows of `piece`; false when there is no memory. */
static bool keep(struct mm_line_reader *reader, struct mm_span piece)
{
    size_t room = mm_buf_room(&reader->buf);
    size_t size = piece.size < room ? piece.size : room;
    if (!make_room(reader, size) ||
        mm_buf_append(&reader->buf, piece.data, size) != MAILMOD_OK) {
        return false;
    }
    if (piece.size > 0) {
        reader->is_over = reader->is_over || size < piece.size;
        reader->after_cr = piece.data[piece.size - 1] == '\r';
    }
    return true;
}

/* The LF has come: what is held is a line. */
static void give(struct mm_line_reader *reader, struct mm_line *line_out)
{
    struct mm_span text = mm_buf_span(&reader->buf);
    bool is_good = reader->after_cr || reader->takes_lf;
    unsigned flaws = is_good ? 0 : MM_LINE_BARE_LF;
    if (!reader->is_over && reader->after_cr) {
        text.size--;
    }
    if (reader->is_over || text.size > reader->size_max) {
        flaws |= MM_LINE_TOO_LONG;
        text.size = reader->size_max;
    }
    if (text.size > 0 && memchr(text.data, '\r', text.size) != NULL) {
        flaws |= MM_LINE_BARE_CR;
    }
    if (text.size > 0 && memchr(text.data, '\0', text.size) != NULL) {
        flaws |= MM_LINE_NUL;
    }
    *line_out = (struct mm_line){text, flaws};
    reader->is_given = true;
    reader->is_over = false;
    reader->is_refused = (flaws & MM_LINE_BARE_LF) != 0;
    reader->after_cr = false;
}

/* Swallows the rest of a line that was given at a bare LF, its CRLF included;
 * returns what is left of `input`. */
static struct mm_span skip_rest(struct mm_line_reader *reader,
                                struct mm_span input)
{
    while (reader->is_refused && input.size > 0) {
        const char *lf = memchr(input.data, '\n', input.size);
        size_t size = lf != NULL ? (size_t)(lf - input.data) : input.size;
        if (size > 0) {
            reader->after_cr = input.data[size - 1] == '\r';
        }
        if (lf != NULL) {
            reader->is_refused = !reader->after_cr;
            reader->after_cr = false;
            size++;
        }
        input = mm_span_from(input, size);
    }
    return input;
}

enum mm_line_result mm_line_read(struct mm_line_reader *reader,
                                 struct mm_span input, size_t *used_out,
                                 struct mm_line *line_out)
{
    *line_out = (struct mm_line){mm_span(NULL, 0), 0};
    if (reader->is_given) {
        mm_buf_clear(&reader->buf);
        reader->is_given = false;
    }
    struct mm_span rest = skip_rest(reader, input);
    *used_out = input.size - rest.size;
    if (rest.size == 0) {
        return MM_LINE_MORE;
    }
    const char *lf = memchr(rest.data, '\n', rest.size);
    size_t size = lf != NULL ? (size_t)(lf - rest.data) : rest.size;
    if (!keep(reader, mm_span(rest.data, size))) {
        return MM_LINE_NO_MEMORY;
    }
    *used_out += size;
    if (lf == NULL) {
        return MM_LINE_MORE;
    }
    *used_out += 1;
    give(reader, line_out);
    return MM_LINE_WHOLE;
}
