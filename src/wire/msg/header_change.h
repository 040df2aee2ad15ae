/* thread: any
 * header_change.h - one change in a header that is whole: a field more, another
 * value, a field less.
 *
 * A header is its fields, each with its line ends, without the empty line
 * behind it. Fields are counted from the top. */
#ifndef MM_WIRE_MSG_HEADER_CHANGE_H
#define MM_WIRE_MSG_HEADER_CHANGE_H

#include "base/buf.h"

enum mm_header_change_kind {
    MM_HEADER_CHANGE_ADD,    /* behind all others */
    MM_HEADER_CHANGE_INSERT, /* `number` fields stay above it */
    MM_HEADER_CHANGE_SET     /* of the fields `name` the `number`th, from 1 */
};

struct mm_header_change {
    enum mm_header_change_kind kind;
    unsigned number;
    const char *name;
    /* What stands behind "name: "; its lines may be folded, each end a LF or a
     * CRLF. "": SET takes the field away. */
    const char *value;
};

/* Whether name and value make one field and no more: RFC 5322 2.2, 2.2.3. */
bool mm_header_change_is_sound(const char *name, const char *value);
/* Appends the header with the change. SET of a field that is not there adds
 * it, and does nothing where it would take it away. LIMIT, MEMORY. */
MM_CHECK enum mailmod_error
mm_header_change_apply(struct mm_span header,
                       const struct mm_header_change *change,
                       struct mm_buf *out);

#endif
