/* thread: any (the asker's, see resolve.h)
 * redirect.h - addresses that stand for others: the part of resolve that knows
 * aliases and forwards. */
#ifndef MM_POST_REDIRECT_H
#define MM_POST_REDIRECT_H

#include "post/aliases.h"
#include "post/resolve.h"

/* The step of aliases: "local@domain", then "local" unless there is a user of
 * that very domain, both without the plus part, then "@domain" when there is no
 * such user. */
enum mm_step_verdict mm_redirect_alias(struct mm_resolve *resolve,
                                       struct mm_resolve_item *item);
/* The user's mail is sent on. False: it is not, and the mailbox gets it. */
bool mm_redirect_forward(struct mm_resolve *resolve,
                         struct mm_resolve_item *item,
                         const struct mm_store_addressee *user);

#endif
