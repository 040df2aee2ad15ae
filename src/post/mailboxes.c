/* mailboxes.c - from a user to the provider of the mailbox.
 *
 * Owns nothing. Promises: every door asks here, so none knows a provider.
 * Thread: as mailboxes.h says. */
#include "post/mailboxes.h"

#include "config/maildir.h"
#include "post/destination.h"
#include "post/maildirs.h"

void mm_mailboxes_describe(const struct mm_post *post,
                           const struct mm_mailbox_door *door,
                           struct mm_mailbox_sign *sign_out)
{
    *sign_out = (struct mm_mailbox_sign){.needs_password = false};
    if (post->visits.describe != NULL) {
        post->visits.describe(post->visits.context, door, sign_out);
    }
}

enum mailmod_error mm_mailboxes_visit(const struct mm_post *post,
                                      const struct mm_mailbox_door *door,
                                      const struct mm_mailbox_client *client,
                                      struct mm_mailbox **mailbox_out)
{
    *mailbox_out = NULL;
    return post->visits.visit == NULL
               ? MAILMOD_ERROR_NOT_FOUND
               : post->visits.visit(post->visits.context, door, client,
                                    mailbox_out);
}

enum mailmod_error mm_mailboxes_open(struct mm_post *post,
                                     const struct mm_config *config,
                                     const char *user, uint64_t mailbox_id,
                                     struct mm_mailbox **mailbox_out)
{
    return mm_mailboxes_open_folder(post, config, user, mailbox_id, NULL,
                                    mailbox_out);
}

enum mailmod_error
mm_mailboxes_open_folder(struct mm_post *post, const struct mm_config *config,
                         const char *user, uint64_t mailbox_id,
                         const char *folder, struct mm_mailbox **mailbox_out)
{
    struct mm_config_maildir maildir;
    struct mm_mailbox_owner owner = {.user = user,
                                     .mailbox_id = mailbox_id,
                                     .base = "",
                                     .below = "",
                                     .folder = folder,
                                     .separator =
                                         config->local.plus_separator[0]};
    enum mailmod_error error = mm_config_find_maildir(config, user, &maildir);

    *mailbox_out = NULL;
    if (error == MAILMOD_ERROR_NOT_FOUND) {
        return mm_mailbox_open(&post->store_mailboxes, &owner, mailbox_out);
    }
    owner.base = maildir.base;
    owner.below = maildir.below;
    return error == MAILMOD_OK
               ? mm_mailbox_open(&post->maildirs, &owner, mailbox_out)
               : error;
}

enum mailmod_error
mm_mailboxes_destination(const struct mm_config *config, const char *user,
                         char text_out[MM_STORE_DESTINATION_MAX])
{
    struct mm_config_maildir maildir;
    enum mailmod_error error = mm_config_find_maildir(config, user, &maildir);

    return error == MAILMOD_OK
               ? mm_destination_local(MM_MAILDIR_CONSUMER, user, text_out)
               : error;
}
