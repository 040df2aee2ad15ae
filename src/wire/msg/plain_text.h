/* thread: any
 * plain_text.h - what a reader sees of a message: bodies without their transfer
 * encodings (RFC 2045 6), field values without encoded words (RFC 2047).
 *
 * For who looks for words, not for who shows a message: octets stay those of
 * the part's character set, all parts are there one after another, and what is
 * broken is taken as far as it goes. Time and memory grow with the octets. */
#ifndef MM_WIRE_MSG_PLAIN_TEXT_H
#define MM_WIRE_MSG_PLAIN_TEXT_H

#include "base/buf.h"

/* Boundaries of one message; parts with more of them are one text. */
#define MM_PLAIN_TEXT_BOUNDARIES_MAX 16

/* Appends the bodies of all parts of a message, which may be cut off anywhere;
 * headers and boundaries are left out. Never more octets than it has. */
MM_CHECK enum mailmod_error mm_plain_text_body(struct mm_span message,
                                               struct mm_buf *out);
/* Appends the value; line ends of its encoded words become blanks. */
MM_CHECK enum mailmod_error mm_plain_text_value(struct mm_span value,
                                                struct mm_buf *out);

#endif
