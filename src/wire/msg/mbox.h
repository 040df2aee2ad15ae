/* thread: any (the owner's)
 * mbox.h - many messages in one file: RFC 4155's lines "From ", and in their
 * texts the quoting of mboxrd, both ways. */
#ifndef MM_WIRE_MSG_MBOX_H
#define MM_WIRE_MSG_MBOX_H

#include "base/buf.h"

/* What of a line is looked at, and what is given out at once. */
#define MM_MBOX_LINE_MAX 8192

struct mm_mbox_reader {
    struct mm_buf line; /* as far as it has come */
    struct mm_buf out;
    bool is_begun;     /* a message was */
    bool is_continued; /* the line's first part was given out */
    bool is_blank;     /* the line before it was empty, and is held back */
};

enum mm_mbox_event {
    MM_MBOX_MORE,  /* the input is used up */
    MM_MBOX_BEGIN, /* `text_out` is the line "From ", without its end */
    MM_MBOX_TEXT   /* of the message, with CRLF line ends */
};

void mm_mbox_reader_init(struct mm_mbox_reader *reader);
void mm_mbox_reader_fini(struct mm_mbox_reader *reader);
/* Takes octets from the front of `input`, until there is something to tell;
 * `text_out` lives until the next call. An empty input is the file's end: call
 * it until MORE. SYNTAX: it does not begin with a line "From ". MEMORY. */
MM_CHECK enum mailmod_error mm_mbox_read(struct mm_mbox_reader *reader,
                                         struct mm_span input, size_t *used_out,
                                         enum mm_mbox_event *event_out,
                                         struct mm_span *text_out);
/* Sender and time of a line "From ": the null path and 0 where it has none. */
void mm_mbox_from(struct mm_span line, struct mm_span *sender_out,
                  int64_t *unix_ms_out);

struct mm_mbox_writer {
    struct mm_buf line;
    bool is_continued;
};

void mm_mbox_writer_init(struct mm_mbox_writer *writer);
void mm_mbox_writer_fini(struct mm_mbox_writer *writer);
/* The line "From " of a message. */
MM_CHECK enum mailmod_error
mm_mbox_write_from(struct mm_buf *out, struct mm_span sender, int64_t unix_ms);
/* Any pieces of a text with CRLF line ends; appends to `out`, which has room
 * for twice as much and MM_MBOX_LINE_MAX. MEMORY. */
MM_CHECK enum mailmod_error mm_mbox_write(struct mm_mbox_writer *writer,
                                          struct mm_span text,
                                          struct mm_buf *out);
/* The message is over. */
MM_CHECK enum mailmod_error mm_mbox_write_end(struct mm_mbox_writer *writer,
                                              struct mm_buf *out);

#endif
