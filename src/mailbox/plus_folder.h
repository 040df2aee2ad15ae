/* thread: any
 * plus_folder.h - which of a user's mail is in which folder: a folder is the
 * mail that came by an address with its name as the detail (user+name). */
#ifndef MM_MAILBOX_PLUS_FOLDER_H
#define MM_MAILBOX_PLUS_FOLDER_H

#include "mailbox/provider.h"

/* How long the name of a folder may be where it is not an address's. */
#define MM_PLUS_FOLDER_NAME_MAX 64

/* A name that an address can have without quotes. */
bool mm_plus_folder_is_name(struct mm_span text);
/* The address that puts mail of the user, which came to `path`, into the
 * folder. TOO_LARGE. */
MM_CHECK enum mailmod_error
mm_plus_folder_address(const char *user, const char *path, char separator,
                       struct mm_span folder,
                       char address_out[MM_STORE_REVERSE_PATH_MAX]);

/* All zero: all mail. */
struct mm_plus_folder {
    bool is_on;
    char separator;
    char local[MM_STORE_USER_MAX]; /* the user's name without its domain */
    char name[MM_STORE_USER_MAX];  /* folded; "": mail in no folder */
};

/* LIMIT for a name that none can have. */
MM_CHECK enum mailmod_error
mm_plus_folder_init(struct mm_plus_folder *folder,
                    const struct mm_mailbox_owner *owner);
/* The folder that an address names, of the user's own addresses one: empty
 * where it names none. */
struct mm_span mm_plus_folder_named(const struct mm_plus_folder *folder,
                                    const char *address);
/* Is mail that was delivered to this address in it? "": to the user's own. */
bool mm_plus_folder_has(const struct mm_plus_folder *folder,
                        const char *delivered_to);

#endif
