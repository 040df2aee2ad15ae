/* thread: any
 * mailboxes.h - which provider has whose mailbox: the one place that says it,
 * for those who serve mail and for those who deliver it. */
#ifndef MM_POST_MAILBOXES_H
#define MM_POST_MAILBOXES_H

#include "config/config.h"
#include "mailbox/provider.h"
#include "post/post.h"

/* Opens the mailbox of a user. thread: worker */
MM_CHECK enum mailmod_error mm_mailboxes_open(struct mm_post *post,
                                              const struct mm_config *config,
                                              const char *user,
                                              uint64_t mailbox_id,
                                              struct mm_mailbox **mailbox_out);
/* The destination of the queue by which mail comes into the user's mailbox;
 * NOT_FOUND: none, it is the store's and the mail is put there. LIMIT. */
MM_CHECK enum mailmod_error
mm_mailboxes_destination(const struct mm_config *config, const char *user,
                         char text_out[MM_STORE_DESTINATION_MAX]);

#endif
