/* thread: any (the message's writer)
 * text.h - the text of a message that the host program writes.
 *
 * Takes any pieces and gives lines as they are stored and sent: every end is
 * CRLF, the last line has one. Pure but for `put`. */
#ifndef MM_API_MESSAGE_TEXT_H
#define MM_API_MESSAGE_TEXT_H

#include "wire/dot.h"

struct mm_message_text_options {
    uint64_t size_max; /* of the host's octets, line ends as CRLF */
    /* Takes all of it, or says why not. */
    enum mailmod_error (*put)(void *context, struct mm_span data);
    void *context;
};

struct mm_message_text {
    struct mm_message_text_options options;
    uint64_t taken;             /* of the host's, line ends as CRLF */
    struct mm_dot_reader lines; /* mends the line ends */
    bool is_line_open;
    bool is_8bit;
};

void mm_message_text_init(struct mm_message_text *text,
                          const struct mm_message_text_options *options);
/* TOO_LARGE, and what `put` said: the text is spoilt then. */
MM_CHECK enum mailmod_error mm_message_text_write(struct mm_message_text *text,
                                                  struct mm_span octets);
/* The text is whole. */
MM_CHECK enum mailmod_error
mm_message_text_finish(struct mm_message_text *text);

#endif
