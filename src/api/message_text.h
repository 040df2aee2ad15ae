/* thread: any (the message's writer)
 * message_text.h - the text of a message that the host program writes.
 *
 * Takes any pieces and gives whole chunks: line ends as CRLF, the last line
 * ended, missing header fields in front. Pure but for `put_chunk`. */
#ifndef MM_API_MESSAGE_TEXT_H
#define MM_API_MESSAGE_TEXT_H

#include "wire/dot.h"
#include "wire/msg/message.h"

struct mm_message_text_options { /* texts outlive the header */
    uint64_t size_max;           /* of the host's octets, line ends as CRLF */
    bool adds_headers;           /* Date, From, Message-ID */
    const char *reverse_path;    /* "": no From is made up */
    const char *host_name;
    const char *identifier;
    int64_t now_ms;
    /* A chunk of MM_LIMIT_CHUNK octets, and more will follow. */
    enum mailmod_error (*put_chunk)(void *context, struct mm_span chunk);
    void *context;
};

struct mm_message_text {
    struct mm_message_text_options options;
    uint64_t taken; /* of the host's, line ends as CRLF */
    uint64_t size;  /* as it goes out: with the fields that were added */
    struct mm_dot_reader lines; /* mends the line ends */
    bool is_line_open;
    bool is_8bit;
    bool holds_header; /* until its end, or MM_LIMIT_HEADER */
    struct mm_header_scan scan;
    struct mm_buf header;
    struct mm_buf chunk; /* the last one, once the text is finished */
};

void mm_message_text_init(struct mm_message_text *text,
                          const struct mm_message_text_options *options);
void mm_message_text_fini(struct mm_message_text *text);
/* TOO_LARGE, MEMORY, and what put_chunk said: the text is spoilt then. */
MM_CHECK enum mailmod_error mm_message_text_write(struct mm_message_text *text,
                                                  struct mm_span octets);
/* The text is whole; its last chunk stays in `chunk`. */
MM_CHECK enum mailmod_error
mm_message_text_finish(struct mm_message_text *text);

#endif
