/* thread: loop (the session's), or a worker while the session waits for it
 * pop3_ahead.h - the messages that a POP3 client will ask for next, read by the
 * job that reads the one it has asked for.
 *
 * A client that retrieves its messages in order costs one job for many of them;
 * those that were read ahead are answered on the loop. */
#ifndef MM_SERVER_POP3_AHEAD_H
#define MM_SERVER_POP3_AHEAD_H

#include "base/budget.h"
#include "mailbox/provider.h"
#include "server/pop3_marks.h"

struct mm_pop3_ahead_message {
    size_t index;
    struct mm_buf text; /* whole, as served */
};

/* Zeroed but for the next one: nothing was read. */
struct mm_pop3_ahead {
    struct mm_budget *memory;               /* of all sessions */
    struct mm_pop3_ahead_message *messages; /* NULL: none are held */
    size_t first;                           /* the next of them */
    size_t count;
    uint64_t read_ms;
    size_t expected; /* the index that comes next, if it goes on in order */
    unsigned want;   /* so many are to be read ahead */
};

/* The text of the message, which is not kept any longer; false: it was not
 * read, or too long ago. */
bool mm_pop3_ahead_take(struct mm_pop3_ahead *ahead, size_t index,
                        uint64_t now_ms, struct mm_buf *text);
/* A job will read the message: how many more it reads is found, and their place
 * taken. */
void mm_pop3_ahead_plan(struct mm_pop3_ahead *ahead,
                        const struct mm_pop3_marks *marks, size_t index,
                        uint64_t now_ms);
/* Reads what was planned, behind the message `index`. What cannot be read is
 * left for the time when it is asked for. thread: worker */
void mm_pop3_ahead_read(struct mm_pop3_ahead *ahead, struct mm_mailbox *mailbox,
                        const struct mm_pop3_marks *marks, size_t index);
/* Gives the memory back. */
void mm_pop3_ahead_drop(struct mm_pop3_ahead *ahead);
/* The mailbox is closed: what comes next is another listing. */
void mm_pop3_ahead_end(struct mm_pop3_ahead *ahead);

#endif
