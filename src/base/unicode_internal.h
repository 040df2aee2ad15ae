/* thread: any
 * unicode_internal.h - between unicode.c, which has the tables, and
 * saslprep.c. */
#ifndef MM_BASE_UNICODE_INTERNAL_H
#define MM_BASE_UNICODE_INTERNAL_H

#include "base/unicode.h"

struct mm_points { /* code points; wiped by mm_points_fini */
    uint32_t *at;
    size_t count;
    size_t capacity;
};
enum mm_unicode_set { /* RFC 3454 and RFC 4013 2.3 */
                      MM_UNICODE_NOTHING,
                      MM_UNICODE_BLANK,
                      MM_UNICODE_PROHIBITED,
                      MM_UNICODE_RIGHT_TO_LEFT,
                      MM_UNICODE_LEFT_TO_RIGHT
};

bool mm_unicode_has(enum mm_unicode_set set, uint32_t point);
MM_CHECK enum mailmod_error mm_points_read(struct mm_points *points_out,
                                           struct mm_span text);
MM_CHECK enum mailmod_error mm_points_normalize(struct mm_points *points,
                                                enum mm_unicode_form form);
MM_CHECK enum mailmod_error mm_points_write(const struct mm_points *points,
                                            struct mm_buf *out);
void mm_points_fini(struct mm_points *points);

#endif
