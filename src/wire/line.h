/* thread: any (the owner's)
 * line.h - collects CRLF lines under a cap: RFC 5321 2.3.8, RFC 1939 3.
 *
 * Only CRLF ends a line. A line with an LF alone in it is given out at that
 * LF, marked, and must be refused: a peer that ends its lines so gets one
 * answer and does not wait for it. What follows up to the CRLF is the rest of
 * the same line; it is swallowed, so nothing of it can be run. A line past
 * the cap is swallowed to its end, keeping its head only, and reported once.
 *
 *     result = mm_line_read(&reader, input, &used, &line)
 *
 * The text of a line lies in the reader, not in the input: it lives until the
 * next call, so an event may point to it while it waits for its answer. */
#ifndef MM_WIRE_LINE_H
#define MM_WIRE_LINE_H

#include "base/buf.h"

enum mm_line_flaw {
    MM_LINE_BARE_LF = 1 << 0,  /* has an LF without its CR; cut off there */
    MM_LINE_BARE_CR = 1 << 1,  /* has a CR that no LF follows */
    MM_LINE_NUL = 1 << 2,      /* has a NUL */
    MM_LINE_TOO_LONG = 1 << 3, /* `text` is its first octets */
    MM_LINE_BARE = MM_LINE_BARE_LF | MM_LINE_BARE_CR
};

struct mm_line {
    struct mm_span text; /* without the line end */
    unsigned flaws;      /* mm_line_flaw bits; 0: a good line */
};

struct mm_line_reader {
    struct mm_buf buf;
    size_t size_max; /* octets without CRLF */
    bool takes_lf;   /* an LF alone ends a good line: MM_LENIENT_LF_COMMANDS */
    bool is_given;   /* `buf` holds the line that was given last */
    bool is_over;    /* past the cap: swallowing to the line's end */
    bool is_refused; /* given at a bare LF: swallowing to the CRLF */
    bool after_cr;   /* the last octet taken was a CR */
};

enum mm_line_result {
    MM_LINE_MORE,     /* the input is used up, no line yet */
    MM_LINE_WHOLE,    /* `line_out` is a line, good or flawed */
    MM_LINE_NO_MEMORY /* the line cannot be kept; nothing of it was used */
};

void mm_line_reader_init(struct mm_line_reader *reader, size_t size_max);
void mm_line_reader_fini(struct mm_line_reader *reader);
/* Another cap from the next line on (AUTH lines are longer). Between lines. */
void mm_line_set_max(struct mm_line_reader *reader, size_t size_max);
/* Takes octets from the front of `input` up to the end of one line. */
enum mm_line_result mm_line_read(struct mm_line_reader *reader,
                                 struct mm_span input, size_t *used_out,
                                 struct mm_line *line_out);
/* The beginning of a line is waiting for its end. */
bool mm_line_has_part(const struct mm_line_reader *reader);
/* Overwrites what is held (a password line) and forgets it. The rest of a
 * refused line is still to be swallowed. */
void mm_line_wipe(struct mm_line_reader *reader);

#endif
