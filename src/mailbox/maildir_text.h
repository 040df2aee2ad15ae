/* thread: any
 * maildir_text.h - the two forms of a message: LF line ends in a Maildir's
 * file, CRLF as it is served. For maildir*.c alone. */
#ifndef MM_MAILBOX_MAILDIR_TEXT_H
#define MM_MAILBOX_MAILDIR_TEXT_H

#include "base/buf.h"

/* A text that goes by; zero at its beginning. */
struct mm_maildir_text {
    char last; /* octet */
    bool is_begun;
    uint64_t size; /* with CRLF line ends */
};

/* The next octets of a file, with a CR before each LF that has none; `out` may
 * be NULL to count alone. */
MM_CHECK enum mailmod_error mm_maildir_text_serve(struct mm_maildir_text *text,
                                                  struct mm_span data,
                                                  struct mm_buf *out);
/* Behind the last octet: the line end that is missing. */
MM_CHECK enum mailmod_error mm_maildir_text_end(struct mm_maildir_text *text,
                                                struct mm_buf *out);

#endif
