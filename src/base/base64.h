/* thread: any
 * base64.h - RFC 4648 section 4, strict: no line breaks, padding needed. */
#ifndef MM_BASE_BASE64_H
#define MM_BASE_BASE64_H

#include "base/buf.h"

enum mailmod_error mm_base64_encode(struct mm_buf *out, const void *bytes,
                                    size_t size);
/* SYNTAX for a bad character, length, padding or non-zero unused bits. */
enum mailmod_error mm_base64_decode(struct mm_buf *out, struct mm_span text);

#endif
