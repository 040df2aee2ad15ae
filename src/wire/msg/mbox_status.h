/* thread: any (the owner's)
 * mbox_status.h - the fields Status and X-Status, in which the programs that
 * read an mbox keep the marks of a message. */
#ifndef MM_WIRE_MSG_MBOX_STATUS_H
#define MM_WIRE_MSG_MBOX_STATUS_H

#include "base/buf.h"
#include "mailmod/terms.h"

/* A message that goes by; zero at its beginning. */
struct mm_mbox_status {
    unsigned marks; /* mailmod_mail_flags that its fields told so far */
    bool is_over;   /* its header is */
    bool drops;     /* the line, or the field that a line may continue */
    bool is_inside; /* of a line whose beginning was judged */
    size_t held;    /* octets of `line` */
    char line[64];  /* the beginning of a line, held back */
};

/* The next octets, without the two fields, appended to `out`, which has room
 * for them and 64 more. MEMORY. */
MM_CHECK enum mailmod_error mm_mbox_status_take(struct mm_mbox_status *status,
                                                struct mm_span text,
                                                struct mm_buf *out);
/* Behind the last octet: what is held back. */
MM_CHECK enum mailmod_error mm_mbox_status_end(struct mm_mbox_status *status,
                                               struct mm_buf *out);
/* The fields for these mailmod_mail_flags, with CRLF; none where there is
 * nothing to say. */
MM_CHECK enum mailmod_error mm_mbox_status_write(unsigned marks,
                                                 struct mm_buf *out);

#endif
