/* thread: any
 * maildir_flags.h - the flags at the end of a Maildir's file name (":2,FRS"),
 * and what they say of the message. */
#ifndef MM_MAILBOX_MAILDIR_FLAGS_H
#define MM_MAILBOX_MAILDIR_FLAGS_H

#include "mailbox/maildir_folders.h"
#include "mailmod/terms.h"

/* All letters that have a meaning, and NUL. */
#define MM_MAILDIR_FLAGS_MAX 7

/* Of the bits of MM_MAIL_MARKS those that the name tells. */
unsigned mm_maildir_flags(const char *name);
/* Their letters, in order; other bits have none. */
void mm_maildir_flags_write(unsigned flags, char out[MM_MAILDIR_FLAGS_MAX]);
/* The name with "S" among its flags, all others as they were. False: it has it,
 * or cannot get it (no room, flags of another form). */
bool mm_maildir_flags_add_seen(const char *name, char out[MM_MAILDIR_NAME_MAX]);

#endif
