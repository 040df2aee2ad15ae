/* thread: worker, or any, as provider.h says
 * maildir.h - the provider of mailboxes that are Maildirs: folders cur, new and
 * tmp with a file a message, which other programs may read, fill and empty at
 * the same time; and the way of a message into one. */
#ifndef MM_MAILBOX_MAILDIR_H
#define MM_MAILBOX_MAILDIR_H

#include "mailbox/provider.h"

/* Owns nothing: needs no end. A Maildir that is not there yet is an empty
 * mailbox. */
void mm_maildirs_init(struct mm_mailbox_provider *maildirs,
                      struct mm_store *store);

/* Which Maildir, and which folder of it. */
struct mm_maildir_place {
    const char *base;
    const char *below;
    const char *folder; /* UTF-8, as Maildir++ has it; NULL or "": none */
    bool makes_folder;  /* else mail for one that is missing is in none */
};

/* One message on its way into a Maildir. thread: worker */
struct mm_maildir_delivery;

/* Makes what is missing below `base`, and a file in tmp. `name` is unique for
 * ever and says the same when the delivery is tried again: letters, digits,
 * dots, hyphens, 100 at most. ACCESS, NOT_FOUND (`base`), STORAGE_FULL ... */
MM_CHECK enum mailmod_error
mm_maildir_delivery_new(struct mm_maildir_delivery **delivery_out,
                        const struct mm_maildir_place *place, const char *name);
/* Text with CRLF line ends; LF stands in the file, as Maildirs have it. */
MM_CHECK enum mailmod_error
mm_maildir_delivery_write(struct mm_maildir_delivery *delivery,
                          struct mm_span data);
/* Before the end: what its readers have said of the message (MM_MAIL_MARKS).
 * One with marks goes into cur. */
void mm_maildir_delivery_set_marks(struct mm_maildir_delivery *delivery,
                                   unsigned marks);
/* Synced, moved into new under the name with its sizes (",S=", ",W="), and that
 * synced; then OK. OK also when an earlier try got as far as this. */
MM_CHECK enum mailmod_error
mm_maildir_delivery_finish(struct mm_maildir_delivery *delivery);
/* What was not finished is removed. NULL does nothing. */
void mm_maildir_delivery_free(struct mm_maildir_delivery **delivery);

#endif
