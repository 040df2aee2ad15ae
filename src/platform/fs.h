/* thread: worker (they may block), or any before start
 * fs.h - the few file operations outside the store. Paths are UTF-8 with
 * forward slashes; the implementation makes of them what the system wants. */
#ifndef MM_PLATFORM_FS_H
#define MM_PLATFORM_FS_H

#include "base/buf.h"
#include "base/error.h"

/* Makes the folder and its parents, for the owner alone (0700), and syncs the
 * entry of each in the folder above. OK when it is there already. */
MM_CHECK enum mailmod_error mm_fs_make_folder(const char *path);
bool mm_fs_exists(const char *path);
bool mm_fs_is_absolute(const char *path);
/* The process's working folder; NOT_FOUND when it is gone, LIMIT. */
MM_CHECK enum mailmod_error mm_fs_working_folder(char *path_out, size_t size);
/* A folder in which this process may create files. */
bool mm_fs_is_writable_folder(const char *path);
/* Whole file; TOO_LARGE past the buffer's cap. ARGUMENT, at once, when it is no
 * regular file: a pipe might never end, or never begin. */
MM_CHECK enum mailmod_error mm_fs_read(const char *path, struct mm_buf *out);
/* The length of a regular file, which is not opened: to close it would take the
 * locks away that this process has on it (POSIX fcntl). ARGUMENT when it is no
 * regular file, ACCESS when it cannot be read. */
MM_CHECK enum mailmod_error mm_fs_size(const char *path, uint64_t *size_out);
/* Temporary file, sync, rename, sync of the folder: all or nothing.
 * `is_private` makes it 0600, else 0644. */
MM_CHECK enum mailmod_error mm_fs_replace(const char *path, struct mm_span data,
                                          bool is_private);
/* Gone after a power cut, too; so it is with NOT_FOUND. */
MM_CHECK enum mailmod_error mm_fs_remove(const char *path);
/* In the same folder, which is synced; takes the place of a file that has the
 * new name. */
MM_CHECK enum mailmod_error mm_fs_rename(const char *path,
                                         const char *new_path);
/* A regular file; false too when it cannot be asked about. */
bool mm_fs_is_file(const char *path);
/* Others than the owner, and a group that root gave it to, can read it, or
 * others can write it; false where the system has no modes. */
bool mm_fs_is_exposed(const char *path);
/* The path for a library that takes UTF-8 and gives it to the system as it is:
 * on Windows absolute and in the form that may be longer than 260 characters,
 * elsewhere a copy. mm_free it. */
MM_CHECK enum mailmod_error mm_fs_long_path(const char *path, char **path_out);
/* Octets free for this process on the volume of `path`: 0 when the system does
 * not answer, UINT64_MAX for a volume that has no size of its own. */
uint64_t mm_fs_free_space(const char *path);

/* Which file a path names: equal for as long as it is the same file. */
struct mm_fs_identity {
    uint64_t volume;
    uint64_t file;
};
/* NOT_FOUND when the path names nothing. Windows lets nobody remove or rename
 * a file that is open: there all files are equal. */
MM_CHECK enum mailmod_error mm_fs_identify(const char *path,
                                           struct mm_fs_identity *identity_out);

/* Which folder a path names, and when an entry in it was last made, removed or
 * renamed; equal for as long as none was. */
struct mm_fs_folder_state {
    struct mm_fs_identity identity;
    int64_t changed_s;
    int64_t changed_ns;
    /* That is so long ago that a change from now on has another time, however
     * coarse the file system's clock is. Never on Windows. */
    bool is_settled;
};
MM_CHECK enum mailmod_error
mm_fs_folder_state(const char *path, struct mm_fs_folder_state *state_out);
/* The path's last name is a symbolic link; false where there are none. */
bool mm_fs_is_link(const char *path);

/* DESCRIPTORS when fewer than `count` (at most 16) files or sockets more can be
 * opened now: for what cannot say so itself, or falls over it. */
MM_CHECK enum mailmod_error mm_fs_check_room(unsigned count);

/* An exclusive lock on a file and on its folder, held until closed or the
 * process ends; a lock left by a crash does not block. BUSY when another
 * process, or another instance in this one, holds it, even when the file was
 * removed and made anew meanwhile. */
struct mm_file_lock;
MM_CHECK enum mailmod_error mm_file_lock_open(struct mm_file_lock **lock_out,
                                              const char *path);
void mm_file_lock_close(struct mm_file_lock **lock);

#endif
