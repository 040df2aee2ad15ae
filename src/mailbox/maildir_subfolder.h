/* thread: worker (it blocks)
 * maildir_subfolder.h - a folder of a Maildir by its name: Maildir++ has it as
 * ".name" beside cur, new and tmp. For maildir*.c alone. */
#ifndef MM_MAILBOX_MAILDIR_SUBFOLDER_H
#define MM_MAILBOX_MAILDIR_SUBFOLDER_H

#include "mailbox/maildir_folders.h"

/* The file's name of the folder `name` (UTF-8) in the Maildir `root`, whatever
 * the case of its ASCII letters; with NOT_FOUND the one that it would have, or
 * "" for a name that none can have. */
MM_CHECK enum mailmod_error
mm_maildir_find_subfolder(struct mm_folder *root, const char *name,
                          char name_out[MM_MAILDIR_NAME_MAX]);

#endif
