/* thread: any
 * span.h - a view of bytes that somebody else owns, and ASCII helpers that
 * know no locale. A span is never NUL-terminated by contract. Make spans with
 * mm_span: its `data` is never NULL. */
#ifndef MM_BASE_SPAN_H
#define MM_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mm_span {
    const char *data;
    size_t size;
};

struct mm_span mm_span(const char *data, size_t size);
struct mm_span mm_span_cstr(const char *text); /* NULL gives an empty span */
struct mm_span mm_span_from(struct mm_span span, size_t offset);
bool mm_span_equal(struct mm_span a, struct mm_span b);
bool mm_span_equal_nocase(struct mm_span a, struct mm_span b);
bool mm_span_is(struct mm_span span, const char *text);        /* octets */
bool mm_span_is_nocase(struct mm_span span, const char *text); /* ASCII */
bool mm_span_starts_nocase(struct mm_span span, const char *prefix);
/* "" is in every span. */
bool mm_span_has_nocase(struct mm_span span, const char *part);
struct mm_span mm_span_trim(struct mm_span span); /* blanks and tabs */
/* Passes over blanks, line ends and comments, which nest and may quote (RFC
 * 5322 3.2.2); one without an end takes all. */
void mm_span_skip_comments(struct mm_span *text);
/* Splits at the first `separator`; without one `head` is all, false. */
bool mm_span_cut(struct mm_span span, char separator, struct mm_span *head_out,
                 struct mm_span *tail_out);
/* All of the span is decimal digits and fits; no sign, no blanks. */
bool mm_span_to_u64(struct mm_span span, uint64_t *value_out);
/* The same, but what does not fit gives UINT64_MAX. */
bool mm_span_to_u64_capped(struct mm_span span, uint64_t *value_out);
bool mm_span_has_8bit(struct mm_span span);
bool mm_span_is_utf8(struct mm_span span); /* strict: RFC 3629 */
/* UTF-8 that neither ends a line nor hides or turns what stands around it. */
bool mm_span_is_printable_utf8(struct mm_span span);
/* The first code point of valid UTF-8 that is not empty. */
uint32_t mm_span_take_code_point(struct mm_span *text);
/* Copies into `text_out` with a NUL; false, and "" there, when it does not fit
 * or has NUL. */
bool mm_span_copy(struct mm_span span, char *text_out, size_t size);

bool mm_ascii_is_alpha(int c);
bool mm_ascii_is_digit(int c);
bool mm_ascii_is_alnum(int c);
bool mm_ascii_is_printable(int c); /* 32..126 */
int mm_ascii_hex_value(int c);     /* of a digit, in either case; or -1 */
int mm_ascii_lower(int c);
int mm_ascii_upper(int c);
void mm_ascii_lower_cstr(char *text);
bool mm_cstr_equal_nocase(const char *a, const char *b);

#endif
