/* thread: any
 * unicode.h - one form for texts that look the same: normalization (UAX 15),
 * full case folding (Unicode 3.13), SASLprep (RFC 4013).
 *
 * The tables are ours and the same on every system, for what a data folder
 * keeps (folded names, verifiers of prepared passwords) must not depend on the
 * machine. Texts are UTF-8 of at most MM_UNICODE_TEXT_MAX octets; ASCII alone
 * takes a short way. SYNTAX for what is no UTF-8, TOO_LARGE, MEMORY. What is
 * made on the way is wiped, since passwords come by here; `out` is the
 * caller's to wipe. */
#ifndef MM_BASE_UNICODE_H
#define MM_BASE_UNICODE_H

#include "base/buf.h"

/* Names and passwords have some 500; three octets become 33 at worst. */
#define MM_UNICODE_TEXT_MAX 1024
#define MM_UNICODE_RESULT_MAX (11 * MM_UNICODE_TEXT_MAX)

enum mm_unicode_form {
    MM_UNICODE_NFC,
    MM_UNICODE_NFKC,
    MM_UNICODE_FOLDED /* case folded, in NFC */
};
/* Appends `text` in that form. */
MM_CHECK enum mailmod_error mm_unicode_append(struct mm_buf *out,
                                              enum mm_unicode_form form,
                                              struct mm_span text);
/* Every code point can be seen: no control, format, blank, private use. For
 * UTF-8 alone: false for anything else. */
bool mm_unicode_is_seen(struct mm_span text);
/* RFC 4013, code points that Unicode 3.2 did not know let by (a "query" of
 * RFC 3454 7: a password may have the letters of today). ARGUMENT for what the
 * profile prohibits (2.3, 2.4) and for a text of which nothing is left. */
MM_CHECK enum mailmod_error mm_saslprep(struct mm_buf *out,
                                        struct mm_span text);

#endif
