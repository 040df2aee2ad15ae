/* thread: loop (the session's), or a worker while the session waits for it
 * pop3_marks.h - what a POP3 session has done to the messages that it knows:
 * marked for deletion, deleted at once, retrieved. By the mailbox's indexes. */
#ifndef MM_SERVER_POP3_MARKS_H
#define MM_SERVER_POP3_MARKS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Messages in number and octets. */
struct mm_pop3_tally {
    size_t count;
    uint64_t octets;
};

/* Zeroed: of no message. */
struct mm_pop3_marks {
    uint8_t *marks; /* an octet a message */
    size_t listed;  /* messages of the listing, which STAT counts */
    size_t known;   /* those, and late ones behind them */
    struct mm_pop3_tally marked; /* of the listing */
    struct mm_pop3_tally gone;   /* likewise */
    size_t marked_count;         /* late ones too */
    bool has_retrieved;          /* any */
};

MM_CHECK enum mailmod_error mm_pop3_marks_init(struct mm_pop3_marks *marks,
                                               size_t listed);
void mm_pop3_marks_fini(struct mm_pop3_marks *marks);
/* More messages are known. */
MM_CHECK enum mailmod_error mm_pop3_marks_reserve(struct mm_pop3_marks *marks,
                                                  size_t known);
/* Marked or gone: not to be seen any more. */
bool mm_pop3_marks_is_hidden(const struct mm_pop3_marks *marks, size_t index);
bool mm_pop3_marks_is_gone(const struct mm_pop3_marks *marks, size_t index);
bool mm_pop3_marks_is_retrieved(const struct mm_pop3_marks *marks,
                                size_t index);
/* Of the listing. */
size_t mm_pop3_marks_hidden(const struct mm_pop3_marks *marks);
uint64_t mm_pop3_marks_hidden_octets(const struct mm_pop3_marks *marks);
/* Of a message that is not hidden. */
void mm_pop3_marks_mark(struct mm_pop3_marks *marks, size_t index,
                        uint64_t size);
void mm_pop3_marks_gone(struct mm_pop3_marks *marks, size_t index,
                        uint64_t size);
void mm_pop3_marks_retrieved(struct mm_pop3_marks *marks, size_t index);
/* None is marked any more; what is gone stays gone. */
void mm_pop3_marks_reset(struct mm_pop3_marks *marks);

#endif
