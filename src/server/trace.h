/* thread: loop (the session's)
 * trace.h - what the log learns of a session's dialogue: each line at level
 * wire, and one line for each refusal, with the command and the whole reply;
 * and whoever else listens. */
#ifndef MM_SERVER_TRACE_H
#define MM_SERVER_TRACE_H

#include "base/tap.h"

#define MM_TRACE_COMMAND_MAX 320
#define MM_TRACE_REPLY_MAX 512

struct mm_trace;

/* Hears what the log hears. */
struct mm_trace_listener {
    void (*on_line)(struct mm_trace *trace, enum mm_tap_way way,
                    struct mm_span line, bool is_masked);
    /* `command` and `reply` of the trace are the refusal. */
    void (*on_refusal)(struct mm_trace *trace);
};

struct mm_trace {
    struct mm_tap tap; /* the engine's */
    const struct mm_log *log;
    const char *component;
    const char *session; /* its identifier; outlives the trace */
    const char *peer;
    const struct mm_trace_listener *listener; /* NULL: nobody */
    char command[MM_TRACE_COMMAND_MAX];       /* the last one, masked */
    char reply[MM_TRACE_REPLY_MAX];           /* lines of a refusal so far */
};

void mm_trace_init(struct mm_trace *trace, const struct mm_log *log,
                   const char *component, const char *session,
                   const char *peer);

#endif
