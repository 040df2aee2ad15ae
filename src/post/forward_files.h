/* thread: any
 * forward_files.h - mail of users whose forward file says what becomes of it
 * (forward_file.h): a consumer, "forward:USER".
 *
 * Mail for a user with a home (local.homes) is a row of the queue for it, and
 * no copy in the mailbox; on a worker the file is read and run, and in the
 * transaction that settles the row the mail goes where the file says: into the
 * mailbox, where there is no file. A file is read for each message, so a change
 * counts at once. */
#ifndef MM_POST_FORWARD_FILES_H
#define MM_POST_FORWARD_FILES_H

#include "config/config.h"
#include "post/post.h"

#define MM_FORWARD_CONSUMER "forward"

MM_CHECK enum mailmod_error
mm_forward_files_new(struct mm_forward_files **files_out, struct mm_post *post);
/* The user's destination; NOT_FOUND: the user can have no file. LIMIT. */
MM_CHECK enum mailmod_error
mm_forward_files_destination(const struct mm_config *config, const char *user,
                             char text_out[MM_STORE_DESTINATION_MAX]);

#endif
