/* thread: any
 * datetime.h - calendar time without libc's time zone state: dates of mail and
 * of its trace fields, written and read. */
#ifndef MM_BASE_DATETIME_H
#define MM_BASE_DATETIME_H

#include "base/buf.h"

/* "Sat, 21 Nov 2026 06:30:18 +0000": RFC 5322 3.3, always in UTC. */
enum mailmod_error mm_datetime_rfc5322(struct mm_buf *out, int64_t unix_ms);

/* Less than a day in either direction. */
#define MM_ZONE_MINUTES_MAX (24 * 60 - 1)

/* The same moment on the clocks of a zone that is `zone_minutes` before UTC:
 * "Sat, 21 Nov 2026 07:30:18 +0100". ARGUMENT. */
enum mailmod_error mm_datetime_rfc5322_in(struct mm_buf *out, int64_t unix_ms,
                                          int zone_minutes);

struct mm_datetime {
    int64_t unix_ms;
    int zone_minutes; /* before UTC, as it was said; 0 when it was not */
};
/* All of `text` is a date: RFC 5322 3.3 with the obsolete forms of 4.3 and
 * comments, or RFC 3339 5.6. A wrong day of the week is overlooked; a day or
 * an hour that there is not is no date. */
bool mm_datetime_parse(struct mm_span text, struct mm_datetime *date_out);

#endif
