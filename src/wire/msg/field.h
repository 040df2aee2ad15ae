/* thread: any
 * field.h - the values of one field in a header that streams past, the fields
 * of one that is there whole, and the addresses in a value: RFC 5322 2.2
 * (fields), 2.2.3 (folding), 3.4. */
#ifndef MM_WIRE_MSG_FIELD_H
#define MM_WIRE_MSG_FIELD_H

#include "base/buf.h"

/* A longer name is none that is looked for. */
#define MM_FIELD_NAME_MAX 78

struct mm_field_reader {
    const char *name;     /* looked for, any case; outlives the reader */
    struct mm_buf values; /* unfolded, each with a LF behind it, in order */
    unsigned count;       /* of its fields, those without room too */
    bool is_done;         /* the header is over */

    /* field.c's. */
    int state;
    bool has_line;
    size_t value_start; /* of the present value */
    size_t start_size;
    char start[MM_FIELD_NAME_MAX + 1]; /* the line's beginning */
};

/* `size_max`: of all values; one that has no room is left out whole. */
void mm_field_reader_init(struct mm_field_reader *reader, const char *name,
                          size_t size_max);
void mm_field_reader_fini(struct mm_field_reader *reader);
/* In any pieces; what follows the header is not looked at. MEMORY. */
MM_CHECK enum mailmod_error mm_field_reader_add(struct mm_field_reader *reader,
                                                struct mm_span octets);
/* The message is over. MEMORY. */
MM_CHECK enum mailmod_error mm_field_reader_end(struct mm_field_reader *reader);
/* `rest` begins as the reader's values; false: there is no more. */
bool mm_field_next(struct mm_span *rest, struct mm_span *value_out);
/* The next address of a value, as it is written, without names, comments and
 * angle brackets; `rest` begins as the value. What is none is found later, by
 * who parses it. False: there is no more. */
bool mm_field_next_address(struct mm_span *rest, struct mm_span *address_out);

/* ---- a header that is there whole ---- */

/* The next field with its continuations and its end; false at the header's
 * end, where `rest` begins with the empty line. */
bool mm_header_next(struct mm_span *rest, struct mm_span *field_out);
/* Of such a field: whether it has this name, in any case. */
bool mm_header_is(struct mm_span field, const char *name);
/* Its value, folded as it came. */
struct mm_span mm_header_value(struct mm_span field);
/* Without the blanks, line ends and controls around it. */
struct mm_span mm_header_trim(struct mm_span text);

#endif
