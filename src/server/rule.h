/* thread: any (a rule never changes)
 * rule.h - one rule of a list of peers and senders: a line of a list's file of
 * the original engine, or of the store.
 *
 * Forms, all without regard to case:
 *   192.0.2.1  192.0.2.0/24  192.0.2.1-192.0.2.9  2001:db8::/32   the peer
 *   192.0.2.                                       the peer's first octets
 *   joe@example.com  *@example.com  *spam*@*       the sender; "*" is anything
 *   @example.com     the sender's domain; without a dot its first label
 *   example.com      the sender's domain or the HELO name, or one below it
 *   *.dyn.example    the same names against a wildcard
 *   helo:NAME        the HELO name alone, wildcards allowed
 *   other text       a part of the control line
 *   ? EXPRESSION     base/expression.h, over $sender, $hello, $control and
 *                    $checkhello
 *   ?? ZONE ZONE     a zone of the DNS lists the peer (the asker's affair) */
#ifndef MM_SERVER_RULE_H
#define MM_SERVER_RULE_H

#include "base/netaddr.h"

struct mm_rule;

enum mm_rule_answer {
    MM_RULE_NO,
    MM_RULE_YES,
    MM_RULE_WANTS_HELO /* it must be known whether HELO leads to the peer */
};

/* What is known of a message at RCPT. */
struct mm_rule_facts {
    const struct mm_netaddr *peer; /* NULL: its proxy hides it */
    const char *peer_text;         /* without brackets and port */
    const char *helo;
    const char *sender; /* "": the null path */
    /* "From SENDER (HELO [IP]) DATE For RECIPIENT" */
    const char *control;
    /* Does the HELO name lead to the peer? WANTS_HELO: it is not known yet. */
    enum mm_rule_answer helo_is_peers;
};

/* NULL without an error: the line is empty or a comment. SYNTAX with words in
 * `mistake_out` (may be NULL): a form that there is not. */
MM_CHECK enum mailmod_error mm_rule_parse(struct mm_rule **rule_out,
                                          struct mm_span line,
                                          struct mm_buf *mistake_out);
void mm_rule_free(struct mm_rule **rule);
/* Of a rule of zones: NO, for mm_rule_zones has them. */
enum mm_rule_answer mm_rule_ask(const struct mm_rule *rule,
                                const struct mm_rule_facts *facts);
/* The zones, parted by blanks or commas; NULL for other rules. */
const char *mm_rule_zones(const struct mm_rule *rule);
/* As it was written. */
const char *mm_rule_text(const struct mm_rule *rule);

#endif
