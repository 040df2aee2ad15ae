/* saslprep.c - SASLprep: passwords that look the same become the same.
 *
 * Promises: of two texts that RFC 4013 holds equal the results are equal octet
 * by octet; nothing of the password stays in memory of ours. Normalized by the
 * Unicode of our tables and not by that of 2002, which differs from it in five
 * code points that nobody types.
 * Thread: any. RFC 4013 2 (the profile), RFC 3454 6 (both directions). */
#include "base/unicode_internal.h"

/* 2.1: no-break spaces and their kind are blanks; soft hyphens, joiners and
 * variation selectors are nothing. */
static void map(struct mm_points *points)
{
    size_t used = 0;
    for (size_t i = 0; i < points->count; i++) {
        uint32_t point = points->at[i];
        if (mm_unicode_has(MM_UNICODE_BLANK, point)) {
            points->at[used++] = ' ';
        } else if (!mm_unicode_has(MM_UNICODE_NOTHING, point)) {
            points->at[used++] = point;
        }
    }
    points->count = used;
}

static bool is_prohibited(const struct mm_points *points)
{
    for (size_t i = 0; i < points->count; i++) {
        if (mm_unicode_has(MM_UNICODE_PROHIBITED, points->at[i])) {
            return true;
        }
    }
    return false;
}

/* RFC 3454 6: with any RandALCat no LCat, and RandALCat at both ends. */
static bool is_one_direction(const struct mm_points *points)
{
    bool has_right = false;
    bool has_left = false;
    for (size_t i = 0; i < points->count; i++) {
        uint32_t point = points->at[i];
        has_right =
            has_right || mm_unicode_has(MM_UNICODE_RIGHT_TO_LEFT, point);
        has_left = has_left || mm_unicode_has(MM_UNICODE_LEFT_TO_RIGHT, point);
    }
    return !has_right ||
           (!has_left &&
            mm_unicode_has(MM_UNICODE_RIGHT_TO_LEFT, points->at[0]) &&
            mm_unicode_has(MM_UNICODE_RIGHT_TO_LEFT,
                           points->at[points->count - 1]));
}

static bool is_plain_ascii(struct mm_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (!mm_ascii_is_printable((unsigned char)text.data[i])) {
            return false;
        }
    }
    return text.size > 0 && text.size <= MM_UNICODE_TEXT_MAX;
}

enum mailmod_error mm_saslprep(struct mm_buf *out, struct mm_span text)
{
    if (is_plain_ascii(text)) {
        return mm_buf_append_span(out, text);
    }
    struct mm_points points;
    enum mailmod_error error = mm_points_read(&points, text);
    if (error == MAILMOD_OK) {
        map(&points);
        error = mm_points_normalize(&points, MM_UNICODE_NFKC);
    }
    if (error == MAILMOD_OK && (points.count == 0 || is_prohibited(&points) ||
                                !is_one_direction(&points))) {
        error = MAILMOD_ERROR_ARGUMENT;
    }
    if (error == MAILMOD_OK) {
        error = mm_points_write(&points, out);
    }
    mm_points_fini(&points);
    return error;
}
