/* thread: any
 * field.h - one Received field: what one server says of the message it took.
 *
 * RFC 5321 4.4 has the grammar, with clauses in a fixed order; what is met in
 * the world has them missing, doubled and in any order, with words between
 * them, and dates of other kinds. All of it is read, and what is wrong is told
 * by `faults`; nothing is refused and nothing is dropped. A field that is
 * written reads back as it was. */
#ifndef MM_WIRE_TRACE_FIELD_H
#define MM_WIRE_TRACE_FIELD_H

#include "mailmod/terms.h"

#include "base/buf.h"

#include <stdbool.h>

#define MM_TRACE_FAULT_COUNT 11
/* Of the bit `index` of enum mailmod_received_fault, in words; NULL past the
 * last.
 */
const char *mm_trace_fault_text(unsigned index);

/* Longest text of a field that is read. */
#define MM_TRACE_FIELD_MAX (16 * 1024)

/* Views into the text that was read, or the writer's; empty: not there. */
struct mm_trace_field {
    struct mm_span from;      /* who sent it, as it called itself */
    struct mm_span from_info; /* the comments behind, or before all clauses */
    struct mm_span by;        /* who took it */
    struct mm_span by_info;
    struct mm_span via; /* may be several words, as `with` may be */
    struct mm_span with;
    struct mm_span id;
    struct mm_span recipient; /* "for", with its brackets */
    bool has_time;
    int64_t time_ms;
    int zone_minutes;
    unsigned faults; /* enum mailmod_received_fault bits */
};

/* Makes a text of a field's body: line ends go, blanks become one, octets that
 * no header may have become "?". Gives OCTETS and CUT. */
unsigned mm_trace_unfold(struct mm_span body, struct mm_buf *text_out);
/* Reads the unfolded body, without the name and its colon. */
void mm_trace_field_read(struct mm_span text, struct mm_trace_field *field_out);

/* "Received: ...", folded at the clauses. ARGUMENT: it would not read back as
 * it is, for instance a name with a blank. A registered word behind "with" (RFC
 * 3848, RFC 6531 4.3) is written in capitals. */
MM_CHECK enum mailmod_error
mm_trace_field_write(struct mm_buf *out, const struct mm_trace_field *field);

/* An order of fields by the server and its identifier; 0: the same step of the
 * same message. Two fields without identifiers are never the same. */
int mm_trace_field_compare(const struct mm_trace_field *a,
                           const struct mm_trace_field *b);

/* The first address in the comments behind `from`, without brackets and tag;
 * empty: there is none. */
struct mm_span mm_trace_field_address(const struct mm_trace_field *field);

#endif
