/* thread: any (a pattern never changes)
 * pattern.h - regular expressions of the original engine's rules, matched in
 * time that grows with text times pattern and no faster.
 *
 * A part of the text must match. "^" and "$" are the ends of a line, "." any
 * octet but LF, [a-z] and [^a-z] sets, "|", "()", "*", "+", "?", "{n}", "{n,}",
 * "{n,m}", each with a "?" behind it that changes nothing here. "\n", "\r",
 * "\t", "\x41", "\o101" are octets; another octet behind "\" is itself. */
#ifndef MM_BASE_PATTERN_H
#define MM_BASE_PATTERN_H

#include "base/buf.h"

struct mm_pattern;

/* SYNTAX with words in `mistake_out` (may be NULL); LIMIT: it is too large. */
MM_CHECK enum mailmod_error mm_pattern_new(struct mm_pattern **pattern_out,
                                           struct mm_span text,
                                           bool ignores_case,
                                           struct mm_buf *mistake_out);
void mm_pattern_free(struct mm_pattern **pattern);
/* How many steps it has, a few an octet of its text at least: a match follows
 * so many at most for each octet that it looks at. */
size_t mm_pattern_steps(const struct mm_pattern *pattern);
/* False as well when memory is out. */
bool mm_pattern_matches(const struct mm_pattern *pattern, struct mm_span text);

#endif
