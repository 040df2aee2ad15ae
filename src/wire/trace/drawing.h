/* thread: any
 * drawing.h - the way of a message as text for people, and as a graph in the
 * DOT language for programs that draw.
 *
 * In the graph a server is a node, whatever its letters' case, and a step an
 * edge from who sent to who took; a dotted edge joins the name that a server
 * gives itself with the one that the next server knows it by. */
#ifndef MM_WIRE_TRACE_DRAWING_H
#define MM_WIRE_TRACE_DRAWING_H

#include "wire/trace/trace.h"

/* A line a step, the oldest first, and lines on what is wrong. What peers wrote
 * is printable there. */
enum mailmod_error mm_trace_draw_text(const struct mm_trace *trace,
                                      struct mm_buf *out);
/* MEMORY, and what `out` says. */
enum mailmod_error mm_trace_draw_dot(const struct mm_trace *trace,
                                     struct mm_buf *out);

#endif
