/* thread: any
 * maildir.h - local.maildirs: whose mailbox is a folder, and which; local.homes
 * in the same form: which folder is whose own.
 *
 * An item is "who:folder". `who` is a user, "@domain" for the users of a domain
 * alone, or "*"; what names fewer goes first. `folder` is an absolute path, or
 * nothing: the mailbox is the store's, or there is no home. In it %u is the
 * user's name, %n its local part, %d its domain. */
#ifndef MM_CONFIG_MAILDIR_H
#define MM_CONFIG_MAILDIR_H

#include "config/config.h"

#define MM_CONFIG_MAILDIR_MAX 1024

/* The operator's part of the path, and the part below it, in which no link is
 * to be followed: that from the first name of a user on, the last folder at
 * least. */
struct mm_config_maildir {
    char base[MM_CONFIG_MAILDIR_MAX];
    char below[MM_CONFIG_MAILDIR_MAX];
};

/* How narrow `who` names the user: 3 by the name, 2 by the domain, 1 as all; 0:
 * not at all. */
int mm_config_rank_who(struct mm_span who, const char *user);
bool mm_config_is_maildir(struct mm_span item);
/* One component of a path, or nothing. */
bool mm_config_is_file_name(struct mm_span text);
/* NOT_FOUND: the store's; also where a part of the name can be no folder's (a
 * slash, a dot at its beginning, a domain that the user has not). LIMIT. */
MM_CHECK enum mailmod_error
mm_config_find_maildir(const struct mm_config *config, const char *user,
                       struct mm_config_maildir *maildir_out);
/* The user's forward file: `below` ends with its name. NOT_FOUND: there are
 * none, or the user has no home. LIMIT. */
MM_CHECK enum mailmod_error
mm_config_find_forward_file(const struct mm_config *config, const char *user,
                            struct mm_config_maildir *file_out);

#endif
