/* backlog.c - lines of the log in two blocks of a fixed size.
 *
 * Owns nothing but the blocks; reads no clock and takes no lock. Thread: any,
 * under the lock of whoever has the backlog. */
#include "backlog.h"

#include <string.h>

void backlog_put(struct backlog *backlog, const char *line, size_t size)
{
    if (size > BACKLOG_SIZE - backlog->used) {
        backlog->dropped++;
        return;
    }
    memcpy(backlog->blocks[backlog->filling] + backlog->used, line, size);
    backlog->used += size;
}

const char *backlog_take(struct backlog *backlog, size_t *size_out)
{
    const char *block = backlog->blocks[backlog->filling];
    *size_out = backlog->used;
    backlog->filling = !backlog->filling;
    backlog->used = 0;
    return block;
}

unsigned long long backlog_take_dropped(struct backlog *backlog)
{
    unsigned long long dropped = backlog->dropped;
    backlog->dropped = 0;
    return dropped;
}

void backlog_count_lost(struct backlog *backlog, const char *octets,
                        size_t size)
{
    for (size_t i = 0; i < size; i++) {
        backlog->dropped += octets[i] == '\n';
    }
}
