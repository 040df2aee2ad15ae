/* thread: worker (they block)
 * maildir_folders.h - an open Maildir: its folders, the names in them, and the
 * removal of several messages at once. For maildir*.c alone. */
#ifndef MM_MAILBOX_MAILDIR_FOLDERS_H
#define MM_MAILBOX_MAILDIR_FOLDERS_H

#include "base/buf.h"
#include "mailbox/maildir.h"
#include "platform/folder.h"

/* A file's name: 255 octets on every system that has Maildirs. */
#define MM_MAILDIR_NAME_MAX 256

struct mm_maildir {
    struct mm_folder *root;
    struct mm_folder *cur;
    struct mm_folder *new;
    struct mm_folder *tmp;
};

/* NOT_FOUND when a part of it is missing, unless `makes`: then it is made, or,
 * of a folder that is not to be made, the Maildir itself is opened. What is
 * opened is closed by mm_maildir_close, after an error, too. */
MM_CHECK enum mailmod_error
mm_maildir_open(struct mm_maildir *maildir,
                const struct mm_maildir_place *place, bool makes);
void mm_maildir_close(struct mm_maildir *maildir);
/* What is the message's for ever: the name without its flags. */
struct mm_span mm_maildir_unique(const char *name);
/* Where the message is now: others move and rename. NOT_FOUND. */
MM_CHECK enum mailmod_error mm_maildir_find(struct mm_maildir *maildir,
                                            struct mm_span unique,
                                            struct mm_folder **folder_out,
                                            char name_out[MM_MAILDIR_NAME_MAX]);
/* All of them or none, whatever happens to this machine: the list is written
 * down first, then the files go; those that are gone already do no harm.
 * `uniques` is sorted by mm_maildir_compare. TOO_LARGE for what no list
 * holds. */
MM_CHECK enum mailmod_error mm_maildir_remove_all(struct mm_maildir *maildir,
                                                  const struct mm_span *uniques,
                                                  size_t count);
/* Those that are there get the flag "S" and go to cur; one that another program
 * renames at the same time may be left out. `uniques` is sorted. */
MM_CHECK enum mailmod_error mm_maildir_mark_seen(struct mm_maildir *maildir,
                                                 const struct mm_span *uniques,
                                                 size_t count);
/* Removes what a former process had promised. */
MM_CHECK enum mailmod_error
mm_maildir_finish_removal(struct mm_maildir *maildir);
int mm_maildir_compare(const void *left, const void *right);

#endif
