/* thread: any, one at a time for a conversation
 * own_verbs.h - the verbs that a host adds to a server of its own, of either
 * protocol. */
#ifndef MM_API_WIRE_OWN_VERBS_H
#define MM_API_WIRE_OWN_VERBS_H

#include "base/error.h"
#include "base/span.h"

#define MM_WIRE_OWN_VERBS_MAX 16

struct mm_wire_own_verbs {
    char names[MM_WIRE_OWN_VERBS_MAX][32]; /* in capitals */
    char lines[MM_WIRE_OWN_VERBS_MAX][64]; /* by which it is offered, or "" */
    size_t count;
};

/* The last one is the new one. `may_add`: no verb of the protocol's has that
 * name. `line_name` is what the protocol calls its line, for the words of an
 * error. LIMIT, ARGUMENT, EXISTS; nothing is added then. */
MM_CHECK enum mailmod_error
mm_wire_own_verbs_add(struct mm_wire_own_verbs *verbs, const char *verb,
                      const char *line, bool (*may_add)(struct mm_span verb),
                      const char *line_name);

#endif
