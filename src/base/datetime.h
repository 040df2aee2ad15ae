/* thread: any
 * datetime.h - calendar time without libc's time zone state. */
#ifndef MM_BASE_DATETIME_H
#define MM_BASE_DATETIME_H

#include "base/buf.h"

/* "Sat, 21 Nov 2026 06:30:18 +0000": RFC 5322 3.3, always in UTC. */
enum mailmod_error mm_datetime_rfc5322(struct mm_buf *out, int64_t unix_ms);

#endif
