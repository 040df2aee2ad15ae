/* thread: any
 * mailboxes.h - which provider has whose mailbox: the one place that says it,
 * for those who serve mail and for those who deliver it. */
#ifndef MM_POST_MAILBOXES_H
#define MM_POST_MAILBOXES_H

#include "config/config.h"
#include "mailbox/provider.h"
#include "post/post.h"

/* What is told to clients that come in there. */
void mm_mailboxes_describe(const struct mm_post *post,
                           const struct mm_mailbox_door *door,
                           struct mm_mailbox_sign *sign_out);
/* The mailbox of somebody who is a provider's user; NOT_FOUND: the users are
 * the store's, and mm_mailboxes_open has it. MEMORY. */
MM_CHECK enum mailmod_error mm_mailboxes_visit(
    const struct mm_post *post, const struct mm_mailbox_door *door,
    const struct mm_mailbox_client *client, struct mm_mailbox **mailbox_out);
/* Opens the mailbox of a user, all of it. thread: worker */
MM_CHECK enum mailmod_error mm_mailboxes_open(struct mm_post *post,
                                              const struct mm_config *config,
                                              const char *user,
                                              uint64_t mailbox_id,
                                              struct mm_mailbox **mailbox_out);
/* The same: "" what is in no folder, else the folder's mail (plus_folder.h, and
 * of a Maildir maildir_subfolder.h). thread: worker */
MM_CHECK enum mailmod_error
mm_mailboxes_open_folder(struct mm_post *post, const struct mm_config *config,
                         const char *user, uint64_t mailbox_id,
                         const char *folder, struct mm_mailbox **mailbox_out);
/* The destination of the queue by which mail comes into the user's mailbox;
 * NOT_FOUND: none, it is the store's and the mail is put there. LIMIT. */
MM_CHECK enum mailmod_error
mm_mailboxes_destination(const struct mm_config *config, const char *user,
                         char text_out[MM_STORE_DESTINATION_MAX]);

#endif
