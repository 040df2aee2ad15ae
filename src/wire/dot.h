/* thread: any (the owner's)
 * dot.h - dot-stuffing both ways: RFC 5321 4.5.2, RFC 1939 3. */
#ifndef MM_WIRE_DOT_H
#define MM_WIRE_DOT_H

#include "base/buf.h"

/* Outgoing: any pieces in, CRLF lines with doubled leading dots out. */
struct mm_dot_writer {
    bool at_line_start;
    bool after_cr;
    bool has_no_dots; /* line ends alone are mended, as BDAT wants it: no dot is
                         doubled, and none ends it (RFC 3030 2) */
};
void mm_dot_writer_init(struct mm_dot_writer *writer);
/* Appends until `out` has no room for the next step; returns octets taken.
 * A bare CR or LF becomes CRLF. */
size_t mm_dot_write(struct mm_dot_writer *writer, struct mm_buf *out,
                    const char *bytes, size_t size);
/* Adds the CRLF that is missing, and ".\r\n" unless `has_no_dots`. Room for 5
 * octets needed. */
enum mailmod_error mm_dot_write_end(struct mm_dot_writer *writer,
                                    struct mm_buf *out);

/* LINE_START and IN_LINE hold nothing back; AFTER_CR has given its CR out;
 * AFTER_DOT holds back the dot that began a line, AFTER_DOT_CR also the CR.
 * END is final. A CR or LF alone leads to IN_LINE, never to LINE_START: so no
 * bare newline can be half of the end, but an LF where `takes_lf` is set.
 *
 * Where line ends are mended, each CR, each LF and each run of CRs with an LF
 * behind it is one line end: some clients make CR CR LF of every CRLF.
 *
 * Incoming: finds runs of body octets in the input without copying. Octets
 * that have no dots to be taken off (BDAT, the host's own) go the same way. */
enum mm_dot_state {
    MM_DOT_LINE_START,
    MM_DOT_IN_LINE,
    MM_DOT_AFTER_CR,
    MM_DOT_AFTER_DOT,
    MM_DOT_AFTER_DOT_CR,
    MM_DOT_END
};
struct mm_dot_reader {
    enum mm_dot_state state;
    bool has_dots;         /* a dot at a line's start is stuffed, or the end */
    bool normalizes;       /* bare CR and LF become CRLF in what is given out */
    bool takes_lf;         /* an LF alone is a line end: MM_LENIENT_LF_BODY;
                              with `normalizes` */
    bool has_bare_newline; /* one was seen */
    uint64_t cr_count;     /* CRs held back behind the one that went out */
    uint64_t line_size;    /* of the line now read */
    uint64_t line_size_max; /* longest line seen, without CRLF */
};
enum mm_dot_result { MM_DOT_MORE, MM_DOT_RUN, MM_DOT_DONE };
void mm_dot_reader_init(struct mm_dot_reader *reader, bool has_dots,
                        bool normalizes);
/* Takes octets from the front of `input`; `used_out` of them are done with.
 * RUN: `run_out` is the next piece of the unstuffed body (valid as long as the
 * input is), and `used_out` may be 0 or more than its size. MORE: input is
 * used up. DONE: the end was CRLF.CRLF and is used; the CRLF before the dot
 * has been given out as the body's own. */
enum mm_dot_result mm_dot_read(struct mm_dot_reader *reader,
                               struct mm_span input, size_t *used_out,
                               struct mm_span *run_out);
/* There is no more input, and no dot tells so: gives out, RUN by RUN, what is
 * owed behind a CR at the very end; then DONE. */
enum mm_dot_result mm_dot_read_end(struct mm_dot_reader *reader,
                                   struct mm_span *run_out);

#endif
