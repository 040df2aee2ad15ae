/* thread: any
 * header_field.h - a header field from its name and its value.
 *
 * What the caller gives is any text; what comes out is one field and no more,
 * in ASCII, in lines of at most 78 octets where blanks allow it. */
#ifndef MM_WIRE_MSG_HEADER_FIELD_H
#define MM_WIRE_MSG_HEADER_FIELD_H

#include "base/buf.h"

/* So that name, colon and blank leave room in a line (RFC 5322 2.1.1). */
#define MM_HEADER_FIELD_NAME_MAX 76

enum mm_header_field_fault {
    MM_HEADER_FIELD_OK,
    MM_HEADER_FIELD_NAME,    /* it can be no field's */
    MM_HEADER_FIELD_VALUE,   /* not UTF-8, or with controls or line ends */
    MM_HEADER_FIELD_ADDRESS, /* other letters in an address */
    MM_HEADER_FIELD_LONG,    /* a word that no line of 998 octets holds */
    MM_HEADER_FIELD_ROOM     /* `out` has none, or memory is short */
};

/* Appends "Name: value CRLF". The value is UTF-8; its words with other letters
 * than ASCII become encoded words (RFC 2047). After a fault `out` is not to be
 * used. */
MM_CHECK enum mm_header_field_fault mm_header_field_write(struct mm_buf *out,
                                                          struct mm_span name,
                                                          struct mm_span value);

#endif
