/* thread: any (an expression never changes)
 * expression.h - conditions in the words of the original engine, over texts
 * that the asker has.
 *
 *   $name $name:word       one of the asker's variables
 *   $in_text(words)        the words are a part of one of them, if he has that
 *   "text" 'text' text     values
 *   = == != < > <= >=      numbers as numbers, else texts
 *   a ~ b                  b, of up to 1000 octets, is a part of a
 *   a =~ /pattern/i        base/pattern.h
 *   ! && || ( )
 *
 * Texts compare without regard to case. A value alone is true when it is
 * neither empty nor 0. What need not be known is not asked for. */
#ifndef MM_BASE_EXPRESSION_H
#define MM_BASE_EXPRESSION_H

#include "base/buf.h"

#define MM_EXPRESSION_VARIABLES_MAX 12

struct mm_expression;

/* What an expression may name; outlives it. */
struct mm_expression_names {
    const char *variables[MM_EXPRESSION_VARIABLES_MAX]; /* with the "$",
                            and a ":" behind those that take a word */
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
/* How many steps an octet of a value may cost at most, about. */
size_t mm_expression_cost(const struct mm_expression *expression);
/* `values` are those of the variables. */
bool mm_expression_is_true(const struct mm_expression *expression,
                           const struct mm_span *values);
/* The same for values that are made when they are asked for. `word`: "" for a
 * variable that takes none. The value lives until the whole is answered. */
typedef struct mm_span (*mm_expression_value)(void *context, size_t variable,
                                              const char *word);
bool mm_expression_is_true_for(const struct mm_expression *expression,
                               mm_expression_value value, void *context);

#endif
