/* thread: any (a rule never changes)
 * content_rule.h - one rule about the content of mail: a line of
 * content.rules_file, ACTION [if EXPRESSION].
 *
 *   accept                    what stands behind it is not asked
 *   refuse "text"             550 5.7.1, with its text or our own; the last
 *   defer "text"              451 4.7.1, likewise
 *   discard                   250, and nobody gets it; the last
 *   quarantine "reason"       kept aside (post/changes.h), and on to the next
 *   field "Name: value"       the message gets it, and on
 *   folder Name               it comes into that folder of mailboxes, and on
 *   redirect user@example.org who gets it instead, and on
 *
 * The expression is base/expression.h's over these variables:
 *   $size        octets of the message       $sender     the reverse-path
 *   $hello       the HELO name               $peer       the peer's address
 *   $user        who is logged in            $recipient  addresses, a line each
 *   $recipients  how many                    $header:X   values of the fields X
 *   $count:X     how many fields X           $text       bodies, decoded
 *   $body        the body as it came */
#ifndef MM_SERVER_CONTENT_RULE_H
#define MM_SERVER_CONTENT_RULE_H

#include "server/content_view.h"
#include "wire/smtp/reply.h"

struct mm_content_rule;

/* NULL without an error: the line is empty or a comment. SYNTAX with words in
 * `mistake_out`. */
MM_CHECK enum mailmod_error mm_content_rule_parse(struct mm_content_rule **out,
                                                  struct mm_span line,
                                                  struct mm_buf *mistake_out);
void mm_content_rule_free(struct mm_content_rule **rule);
/* mm_expression_cost of it. */
size_t mm_content_rule_cost(const struct mm_content_rule *rule);
/* MEMORY: an answer was not to be had. */
MM_CHECK enum mailmod_error
mm_content_rule_ask(const struct mm_content_rule *rule,
                    struct mm_content_view *view, bool *is_meant_out);
/* Is it the last one? */
bool mm_content_rule_ends(const struct mm_content_rule *rule);
/* NULL: it lets the message pass. Lives as long as the rule. */
const struct mm_reply *
mm_content_rule_reply(const struct mm_content_rule *rule);
const struct mm_changes *
mm_content_rule_changes(const struct mm_content_rule *rule);
/* As it was written, for logs. */
const char *mm_content_rule_text(const struct mm_content_rule *rule);

#endif
