/* thread: any
 * datetime.h - calendar time without libc's time zone state. */
#ifndef MM_BASE_DATETIME_H
#define MM_BASE_DATETIME_H

#include "base/buf.h"

/* "Sat, 21 Nov 2026 06:30:18 +0000": RFC 5322 3.3, always in UTC. */
enum mailmod_error mm_datetime_rfc5322(struct mm_buf *out, int64_t unix_ms);
/* "2026-11-21T06:30:18.123Z": RFC 3339. */
enum mailmod_error mm_datetime_rfc3339(struct mm_buf *out, int64_t unix_ms);
/* Reads RFC 5322 3.3 with the obsolete forms of 4.3 as peers write them. */
enum mailmod_error mm_datetime_parse_rfc5322(struct mm_span text,
                                             int64_t *unix_ms_out);

#endif
