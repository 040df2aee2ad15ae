/* backlog.h - lines of the log between those who say them and the one thread
 * that writes them.
 *
 * Two blocks of a fixed size: one is filled while the other is written. What
 * finds no room is dropped and counted, so that nobody ever waits for the
 * reader of the log. Thread: any, under the owner's lock; the block that was
 * taken is the writer's alone until it takes the next one. */
#ifndef MAILMODD_BACKLOG_H
#define MAILMODD_BACKLOG_H

#include <stddef.h>

#define BACKLOG_SIZE ((size_t)256 * 1024)

struct backlog {
    char blocks[2][BACKLOG_SIZE];
    size_t used; /* of the block that is filled */
    int filling;
    unsigned long long dropped; /* lines, since they were last told */
};

/* One whole line with its end; dropped where there is no room for it. */
void backlog_put(struct backlog *backlog, const char *line, size_t size);
/* What was put since the last call, for writing; 0 octets: nothing. */
const char *backlog_take(struct backlog *backlog, size_t *size_out);
/* How many lines were dropped or lost; the count begins anew. */
unsigned long long backlog_take_dropped(struct backlog *backlog);
/* The lines that end in these octets could not be written. */
void backlog_count_lost(struct backlog *backlog, const char *octets,
                        size_t size);

#endif
