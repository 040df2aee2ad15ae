/* thread: any (the caller's, one at a time)
 * trace.h - the way of a message, read from the Received fields of its header.
 *
 * The message streams in; what is not a Received field is passed over. Then
 * the steps stand in order, the oldest first, with how long each took, where
 * the clocks of two servers disagree, and where the way came back to a server
 * that had the message before. */
#ifndef MM_WIRE_TRACE_TRACE_H
#define MM_WIRE_TRACE_TRACE_H

#include "wire/trace/field.h"

/* More are counted and not kept. */
#define MM_TRACE_STEPS_MAX 1000

struct mm_trace_step {
    struct mm_trace_field field;
    bool has_delay;
    int64_t delay_ms; /* after the last step that told its time; below 0: the
                         clocks disagree */
    bool is_loop;
    size_t loop_to; /* the step before at which the same server had it */
};

struct mm_trace;

enum mailmod_error mm_trace_new(struct mm_trace **trace_out);
void mm_trace_free(struct mm_trace **trace);
/* Octets of the message, in any pieces; true: the header has ended, and more
 * need not come. */
bool mm_trace_feed(struct mm_trace *trace, struct mm_span octets);
/* The message ended; from now on the calls below may be made. MEMORY. */
MM_CHECK enum mailmod_error mm_trace_end(struct mm_trace *trace);

size_t mm_trace_step_count(const struct mm_trace *trace);
const struct mm_trace_step *mm_trace_step(const struct mm_trace *trace,
                                          size_t index);
/* Fields past MM_TRACE_STEPS_MAX, the oldest. */
size_t mm_trace_left_out(const struct mm_trace *trace);

#endif
