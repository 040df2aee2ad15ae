/* thread: any that may wait
 * mailbox_copy.h - mail from files into a mailbox, and from a mailbox into
 * files: mailbox_copy.c in, mailbox_copy_out.c out. */
#ifndef MM_API_MAILBOX_COPY_H
#define MM_API_MAILBOX_COPY_H

#include "mailmod.h"

#include "base/map.h"
#include "mailbox/provider.h"
#include "post/post.h"
#include "wire/msg/mbox_status.h"

struct mm_deposit;
struct mm_folder;

/* One copy. The asker fills in the first five. */
struct mm_mailbox_copy {
    struct mm_post *post; /* with the store; nobody hears its news */
    struct mm_config *config;
    const char *user; /* canonical name */
    uint64_t mailbox_id;
    uint64_t copied;
    uint64_t skipped; /* that a former copy had taken over */
    char account[96]; /* of the rows that say so */
    struct mm_map seen;
    struct mm_map uidls; /* of a Dovecot's Maildir, by the file's name */
    uint64_t uid_validity;
    struct mm_deposit *deposit;
    struct mm_mbox_status status; /* of an mbox's message */
    struct mm_buf text;           /* without that */
    bool has_8bit;
    bool skips; /* the message that is read now */
    char last;  /* octet of its text */
    enum mailmod_error error;
};

/* SYNTAX: that is no mbox. */
MM_CHECK enum mailmod_error mm_mailbox_copy_in(struct mm_mailbox_copy *copy,
                                               bool is_mbox, const char *path);
/* What both ways share: the sender in a Return-Path field that a text begins
 * with, or nothing; the folder of a path, and the name in it. */
struct mm_span mm_mailbox_return_path(struct mm_span text);
/* The first: mm_free it. ARGUMENT without a name. */
MM_CHECK enum mailmod_error mm_mailbox_copy_split(const char *path,
                                                  char **folder_out,
                                                  const char **name_out);
MM_CHECK enum mailmod_error
mm_mailbox_copy_folder(const char *path, struct mm_folder **folder_out,
                       const char **name_out);
/* EXISTS: a file is where the mbox should be. */
MM_CHECK enum mailmod_error mm_mailbox_copy_out(struct mm_mailbox_copy *copy,
                                                bool is_mbox, const char *path);

#endif
