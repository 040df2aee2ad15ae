/* thread: worker (they block)
 * folder.h - folders held open, and the files in them by their names: for
 * places in which others than this process work, too.
 *
 * Below the folder that mm_folder_open opened no link is followed, whoever put
 * it there: what is one is ACCESS, and no file of another kind than a regular
 * one is ever opened. A name is one component, without a slash. */
#ifndef MM_PLATFORM_FOLDER_H
#define MM_PLATFORM_FOLDER_H

#include "base/error.h"
#include "base/span.h"

/* What separates a name from the flags of a Maildir's file: ":", or ";" where
 * the system has another use for that. */
extern const char mm_folder_flag_mark;

struct mm_folder;

/* `path` is the operator's: links in it are followed. NOT_FOUND, ACCESS. */
MM_CHECK enum mailmod_error mm_folder_open(struct mm_folder **folder_out,
                                           const char *path);
/* The folder `name` in `parent`; `makes` makes it, for its owner alone, and
 * syncs the entry. */
MM_CHECK enum mailmod_error mm_folder_open_in(struct mm_folder **folder_out,
                                              struct mm_folder *parent,
                                              const char *name, bool makes);
void mm_folder_close(struct mm_folder **folder);
/* All names but "." and ".."; false from `visit` stops. */
MM_CHECK enum mailmod_error
mm_folder_each(struct mm_folder *folder,
               bool (*visit)(void *context, const char *name), void *context);
/* What was made, moved and removed in it is on disk. */
MM_CHECK enum mailmod_error mm_folder_sync(struct mm_folder *folder);
/* Never over another file: EXISTS. NOT_FOUND. Whatever happens to this machine,
 * the file has one of its names, or both; which one is told by a sync. */
MM_CHECK enum mailmod_error mm_folder_move(struct mm_folder *from,
                                           const char *name,
                                           struct mm_folder *to,
                                           const char *new_name);
/* NOT_FOUND. A file or a link, not a folder. */
enum mailmod_error mm_folder_remove(struct mm_folder *folder, const char *name);

struct mm_file;

MM_CHECK enum mailmod_error mm_file_open_in(struct mm_file **file_out,
                                            struct mm_folder *folder,
                                            const char *name);
/* A new one, for its owner alone. EXISTS. */
MM_CHECK enum mailmod_error mm_file_make_in(struct mm_file **file_out,
                                            struct mm_folder *folder,
                                            const char *name);
/* From where the last read ended; `used_out` 0: the end. */
MM_CHECK enum mailmod_error mm_file_read(struct mm_file *file, char *out,
                                         size_t size, size_t *used_out);
/* The next read begins at the first octet. */
MM_CHECK enum mailmod_error mm_file_rewind(struct mm_file *file);
/* STORAGE_FULL when there is no room, or the system's quota is used up. */
MM_CHECK enum mailmod_error mm_file_write(struct mm_file *file,
                                          struct mm_span data);
MM_CHECK enum mailmod_error mm_file_sync(struct mm_file *file);
void mm_file_close(struct mm_file **file);

#endif
