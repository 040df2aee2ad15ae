/* mailboxes.c - from a user to the provider of the mailbox.
 *
 * Owns nothing. Promises: every door asks here, so none knows a provider.
 * Thread: as mailboxes.h says. */
#include "post/mailboxes.h"

enum mailmod_error mm_mailboxes_open(struct mm_post *post, const char *user,
                                     uint64_t mailbox_id,
                                     struct mm_mailbox **mailbox_out)
{
    const struct mm_mailbox_owner owner = {
        .user = user, .mailbox_id = mailbox_id, .place = ""};

    return mm_mailbox_open(&post->store_mailboxes.provider, &owner,
                           mailbox_out);
}
