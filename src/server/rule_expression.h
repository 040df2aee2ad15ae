/* thread: any (an expression never changes)
 * rule_expression.h - the expressions behind "?" in a list of rules.
 *
 *   $sender $hello $control $checkhello   what is asked about
 *   "text" 'text' text                    values
 *   = == != < > <= >=                     numbers as numbers, else texts
 *   a ~ b                                 b is a part of a
 *   a =~ /pattern/i                       base/pattern.h
 *   ! && || ( )
 *
 * Texts compare without regard to case. $checkhello is 1 where the HELO name
 * leads to the peer's address, else 0. */
#ifndef MM_SERVER_RULE_EXPRESSION_H
#define MM_SERVER_RULE_EXPRESSION_H

#include "server/rule.h"

struct mm_rule_expression;

MM_CHECK enum mailmod_error
mm_rule_expression_new(struct mm_rule_expression **expression_out,
                       struct mm_span text, struct mm_buf *mistake_out);
void mm_rule_expression_free(struct mm_rule_expression **expression);
enum mm_rule_answer
mm_rule_expression_ask(const struct mm_rule_expression *expression,
                       const struct mm_rule_facts *facts);

#endif
