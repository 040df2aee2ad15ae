/* thread: any
 * idn.h - domains as the DNS has them: U-labels to A-labels (RFC 5891 4).
 *
 * Two domains are the same when their A-labels are (RFC 5890 2.3.2.4), and so
 * every comparison, look-up and destination goes by them. The mapping before
 * it (upper case, full-width letters, composition) is UTS 46, not transitional.
 * Windows knows IDNA 2003 alone, in which the sharp s, the final sigma and the
 * two joiners lead to another domain; they are refused there. */
#ifndef MM_PLATFORM_IDN_H
#define MM_PLATFORM_IDN_H

#include "base/error.h"
#include "base/limits.h"
#include "base/span.h"

/* ASCII alone (names, literals, "") becomes lower case and is not looked at
 * further. SYNTAX for what is no UTF-8 or can be no name; TOO_LARGE; MEMORY. */
MM_CHECK enum mailmod_error
mm_idn_to_ascii(struct mm_span domain, char domain_out[MM_LIMIT_DOMAIN + 1]);
/* What can be no name, or meets no memory, is the same as itself alone. */
bool mm_idn_is_same(const char *a, const char *b);

/* The system's part, for idn.c alone: a name that is not all ASCII. */
MM_CHECK enum mailmod_error mm_idn_encode(const char *name,
                                          char name_out[MM_LIMIT_DOMAIN + 1]);

#endif
