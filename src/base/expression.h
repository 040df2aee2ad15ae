/* thread: any (an expression never changes)
 * expression.h - conditions in the words of the original engine, over texts
 * that the asker has.
 *
 *   $name                  one of the asker's variables
 *   $in_text(words)        the words are a part of one of them, if he has that
 *   "text" 'text' text     values
 *   = == != < > <= >=      numbers as numbers, else texts
 *   a ~ b                  b is a part of a
 *   a =~ /pattern/i        base/pattern.h
 *   ! && || ( )
 *
 * Texts compare without regard to case. */
#ifndef MM_BASE_EXPRESSION_H
#define MM_BASE_EXPRESSION_H

#include "base/buf.h"

#define MM_EXPRESSION_VARIABLES_MAX 8

struct mm_expression;

/* What an expression may name; outlives it. */
struct mm_expression_names {
    const char *variables[MM_EXPRESSION_VARIABLES_MAX]; /* with the "$" */
    size_t count;
    bool has_in_text;
    size_t in_text; /* of which variable */
};

/* SYNTAX with words in `mistake_out` (may be NULL) that go on behind "the
 * expression ". */
MM_CHECK enum mailmod_error
mm_expression_new(struct mm_expression **expression_out, struct mm_span text,
                  const struct mm_expression_names *names,
                  struct mm_buf *mistake_out);
void mm_expression_free(struct mm_expression **expression);
bool mm_expression_uses(const struct mm_expression *expression,
                        size_t variable);
/* `values` are those of the variables. */
bool mm_expression_is_true(const struct mm_expression *expression,
                           const struct mm_span *values);

#endif
