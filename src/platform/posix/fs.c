/* fs.c - the few file operations outside the store, on POSIX.
 *
 * Owns nothing between calls. Promises of mm_fs_replace: at every moment the
 * path names the old content or the new, whole; after OK the new one survives
 * a power cut (file synced before the rename, folder synced after it). A
 * write may be short or interrupted; it is gone on with. A crash between the
 * two may leave one file "<path>.XXXXXX", never a damaged <path>.
 * Thread: worker, or any before start. */
#define _GNU_SOURCE /* mkostemp: no descriptor without O_CLOEXEC */
#include "platform/fs.h"
#include "base/mem.h"
#include "platform/posix/system.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum { READ_SIZE = 16384 };

/* Makes the entry of `path` in the folder above durable. */
static enum mailmod_error sync_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 0 : (size_t)(slash - path);
    char *folder;
    if (slash == NULL) {
        folder = mm_strdup(".");
    } else {
        folder = mm_memdup0(path, size == 0 ? 1 : size);
    }
    if (folder == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error = MAILMOD_OK;
    int descriptor = mm_posix_open(folder, O_RDONLY | O_DIRECTORY, 0);
    if (descriptor < 0) {
        error = mm_posix_error(errno);
    } else if (fsync(descriptor) != 0 && errno != EINVAL) {
        /* EINVAL: a file system whose folders cannot be synced. */
        error = mm_posix_error(errno);
    }
    mm_posix_close(descriptor);
    mm_free(folder);
    return error;
}

/* The same where the folder above need not be ours: one that cannot be opened
 * for reading is left to the system. */
static enum mailmod_error sync_entry(const char *path)
{
    enum mailmod_error error = sync_parent(path);
    return error == MAILMOD_ERROR_ACCESS ? MAILMOD_OK : error;
}

static enum mailmod_error make_one_folder(const char *path)
{
    if (mkdir(path, 0700) == 0) {
        enum mailmod_error error = sync_entry(path);
        if (error != MAILMOD_OK) {
            (void)rmdir(path); /* the next one who makes it syncs it */
        }
        return error;
    }
    int number = errno;
    struct stat status;
    /* Asked only after the failure: another process may have been quicker,
     * and a folder above may be one that we may not write to. */
    if (stat(path, &status) == 0) {
        return S_ISDIR(status.st_mode) ? MAILMOD_OK : MAILMOD_ERROR_EXISTS;
    }
    return mm_posix_error(number);
}

enum mailmod_error mm_fs_make_folder(const char *path)
{
    if (path[0] == '\0') {
        return MAILMOD_ERROR_ARGUMENT;
    }
    char *copy = mm_strdup(path);
    if (copy == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error = MAILMOD_OK;
    for (char *at = copy + 1; *at != '\0' && error == MAILMOD_OK; at++) {
        if (*at == '/' && at[-1] != '/') {
            *at = '\0';
            error = make_one_folder(copy);
            *at = '/';
        }
    }
    if (error == MAILMOD_OK) {
        error = make_one_folder(copy);
    }
    if (error == MAILMOD_OK) {
        /* Whoever made it may have ended before the sync. */
        error = sync_entry(copy);
    }
    mm_free(copy);
    return error;
}

bool mm_fs_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool mm_fs_is_absolute(const char *path)
{
    return path[0] == '/';
}

enum mailmod_error mm_fs_working_folder(char *path_out, size_t size)
{
    if (getcwd(path_out, size) != NULL) {
        return MAILMOD_OK;
    }
    return errno == ERANGE ? MAILMOD_ERROR_LIMIT : mm_posix_error(errno);
}

bool mm_fs_is_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

bool mm_fs_is_writable_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode) &&
           access(path, W_OK | X_OK) == 0;
}

enum mailmod_error mm_fs_check_room(unsigned count)
{
    unsigned made = 0;
    enum mailmod_error error = MAILMOD_OK;
    int opened[16];
    if (count > sizeof opened / sizeof opened[0]) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    while (error != MAILMOD_ERROR_DESCRIPTORS && made < count) {
        opened[made] = mm_posix_open("/", O_RDONLY, 0);
        if (opened[made] < 0) {
            error = mm_posix_error(errno);
        }
        made++;
    }
    while (made > 0) {
        made--;
        mm_posix_close(opened[made]);
    }
    /* A root folder that is closed to us tells nothing about the room. */
    return error == MAILMOD_ERROR_DESCRIPTORS ? error : MAILMOD_OK;
}

/* One read into the buffer; `is_end_out` at the end of the file. */
static enum mailmod_error read_some(int file, struct mm_buf *out,
                                    bool *is_end_out)
{
    char beyond;
    char *at = &beyond;
    size_t room = mm_buf_room(out);
    if (room > 0) {
        room = room < READ_SIZE ? room : READ_SIZE;
        at = mm_buf_reserve(out, room);
        if (at == NULL) {
            return mm_buf_error(out);
        }
    }
    ssize_t got = read(file, at, room > 0 ? room : 1);
    if (got < 0) {
        return errno == EINTR ? MAILMOD_OK : mm_posix_error(errno);
    }
    *is_end_out = got == 0;
    if (got > 0 && room == 0) {
        return MAILMOD_ERROR_TOO_LARGE;
    }
    mm_buf_added(out, (size_t)got);
    return MAILMOD_OK;
}

enum mailmod_error mm_fs_read(const char *path, struct mm_buf *out)
{
    enum mailmod_error error = MAILMOD_OK;
    bool is_end = false;
    size_t size_before = mm_buf_size(out);
    struct stat status;
    /* Without O_NONBLOCK the open of a pipe waits for its writer. */
    int file = mm_posix_open(path, O_RDONLY | O_NONBLOCK, 0);
    if (file < 0) {
        return mm_posix_error(errno);
    }
    if (fstat(file, &status) != 0) {
        error = mm_posix_error(errno);
    } else if (!S_ISREG(status.st_mode)) {
        error = MAILMOD_ERROR_ARGUMENT;
    }
    while (error == MAILMOD_OK && !is_end) {
        error = read_some(file, out, &is_end);
    }
    if (error != MAILMOD_OK) {
        out->end = out->start + size_before;
    }
    mm_posix_close(file);
    return error;
}

enum mailmod_error mm_fs_size(const char *path, uint64_t *size_out)
{
    struct stat status;
    *size_out = 0;
    if (stat(path, &status) != 0) {
        return mm_posix_error(errno);
    }
    if (!S_ISREG(status.st_mode)) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    *size_out = (uint64_t)status.st_size;
    return access(path, R_OK) == 0 ? MAILMOD_OK : mm_posix_error(errno);
}

static enum mailmod_error write_all(int file, struct mm_span data)
{
    while (data.size > 0) {
        ssize_t written = write(file, data.data, data.size);
        if (written < 0 && errno != EINTR) {
            return mm_posix_error(errno);
        }
        if (written > 0) {
            data = mm_span_from(data, (size_t)written);
        }
    }
    return MAILMOD_OK;
}

static enum mailmod_error sync_file(int file)
{
    int result;
    do {
        result = fsync(file);
    } while (result < 0 && errno == EINTR);
    return result == 0 ? MAILMOD_OK : mm_posix_error(errno);
}

static enum mailmod_error write_temporary(char *path, struct mm_span data,
                                          bool is_private)
{
    int file = mkostemp(path, O_CLOEXEC);
    if (file < 0) {
        return mm_posix_error(errno);
    }
    enum mailmod_error error = MAILMOD_OK;
    if (fchmod(file, is_private ? 0600 : 0644) != 0) {
        error = mm_posix_error(errno);
    }
    if (error == MAILMOD_OK) {
        error = write_all(file, data);
    }
    if (error == MAILMOD_OK) {
        error = sync_file(file);
    }
    mm_posix_close(file);
    if (error != MAILMOD_OK) {
        unlink(path);
    }
    return error;
}

enum mailmod_error mm_fs_replace(const char *path, struct mm_span data,
                                 bool is_private)
{
    static const char suffix[] = ".XXXXXX";
    size_t size = strlen(path);
    char *temporary = mm_alloc(size + sizeof suffix);
    if (temporary == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    memcpy(temporary, path, size);
    memcpy(temporary + size, suffix, sizeof suffix);
    enum mailmod_error error = write_temporary(temporary, data, is_private);
    if (error != MAILMOD_OK) {
        goto done;
    }
    if (rename(temporary, path) != 0) {
        error = mm_posix_error(errno);
        unlink(temporary);
        goto done;
    }
    error = sync_parent(path);
done:
    mm_free(temporary);
    return error;
}

enum mailmod_error mm_fs_rename(const char *path, const char *new_path)
{
    return rename(path, new_path) == 0 ? sync_parent(new_path)
                                       : mm_posix_error(errno);
}

enum mailmod_error mm_fs_remove(const char *path)
{
    enum mailmod_error error =
        unlink(path) == 0 ? MAILMOD_OK : mm_posix_error(errno);
    /* Somebody may have removed it just before, and synced nothing. */
    if (error == MAILMOD_OK || error == MAILMOD_ERROR_NOT_FOUND) {
        enum mailmod_error synced = sync_entry(path);
        error = synced == MAILMOD_OK ? error : synced;
    }
    return error;
}

enum mailmod_error mm_fs_long_path(const char *path, char **path_out)
{
    *path_out = mm_strdup(path);
    return *path_out == NULL ? MAILMOD_ERROR_MEMORY : MAILMOD_OK;
}

bool mm_fs_is_exposed(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        return false;
    }
    /* A group that root has chosen, as for a daemon's configuration, may
     * read. */
    mode_t exposing = S_IROTH | S_IWOTH | S_IWGRP;
    exposing |= status.st_uid == 0 ? 0 : S_IRGRP;
    return (status.st_mode & exposing) != 0;
}

enum mailmod_error mm_fs_identify(const char *path,
                                  struct mm_fs_identity *identity_out)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        return mm_posix_error(errno);
    }
    identity_out->volume = (uint64_t)status.st_dev;
    identity_out->file = (uint64_t)status.st_ino;
    return MAILMOD_OK;
}

/* FAT counts by two seconds, others by one or by the kernel's tick. */
#define COARSEST_TIME_S 3

enum mailmod_error mm_fs_folder_state(const char *path,
                                      struct mm_fs_folder_state *state_out)
{
    struct timespec now;
    struct stat status;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0 || stat(path, &status) != 0) {
        return mm_posix_error(errno);
    }
    state_out->identity.volume = (uint64_t)status.st_dev;
    state_out->identity.file = (uint64_t)status.st_ino;
    state_out->changed_s = (int64_t)status.st_ctim.tv_sec;
    state_out->changed_ns = (int64_t)status.st_ctim.tv_nsec;
    state_out->is_settled =
        now.tv_sec - status.st_ctim.tv_sec >= COARSEST_TIME_S;
    return MAILMOD_OK;
}

bool mm_fs_is_link(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 && S_ISLNK(status.st_mode);
}

uint64_t mm_fs_free_space(const char *path)
{
    struct statvfs status;
    int result;
    do {
        result = statvfs(path, &status);
    } while (result < 0 && errno == EINTR);
    if (result < 0) {
        return 0;
    }
    uint64_t block = (uint64_t)status.f_frsize;
    /* Zero sized volumes (proc and the like) say nothing of their room. */
    if (block == 0 || status.f_blocks == 0 ||
        (uint64_t)status.f_bavail > UINT64_MAX / block) {
        return UINT64_MAX;
    }
    return (uint64_t)status.f_bavail * block;
}
