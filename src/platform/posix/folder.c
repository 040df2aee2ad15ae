/* folder.c - folders held open and the files in them, on POSIX.
 *
 * Owns a descriptor each. Promises: every name is taken in the folder that is
 * held, so that a path changed meanwhile leads nowhere else; a link is never
 * followed, a pipe or a device never waited for. Thread: worker. */
/* renameat2; O_DIRECTORY, O_NOFOLLOW and O_CLOEXEC on every system */
#define _GNU_SOURCE
#include "platform/folder.h"
#include "base/mem.h"
#include "platform/posix/system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char mm_folder_flag_mark = ':';

struct mm_folder {
    int descriptor;
};

struct mm_file {
    int descriptor;
};

/* A link where none may be is told by the system in several ways. */
static enum mailmod_error error_of(int number)
{
    switch (number) {
    case ELOOP:
    case EMLINK:
    case ENOTDIR:
    case EISDIR:
    case ENXIO:
        return MAILMOD_ERROR_ACCESS;
    case EDQUOT:
        return MAILMOD_ERROR_STORAGE_FULL;
    default:
        return mm_posix_error(number);
    }
}

static int open_at(int folder, const char *name, int flags)
{
    int descriptor;
    do {
        descriptor = openat(folder, name, flags | O_CLOEXEC, 0600);
    } while (descriptor < 0 && errno == EINTR);
    return mm_posix_own(descriptor);
}

static enum mailmod_error hold(struct mm_folder **folder_out, int descriptor)
{
    *folder_out = NULL;
    if (descriptor < 0) {
        return error_of(errno);
    }
    struct mm_folder *folder = mm_alloc(sizeof *folder);
    if (folder == NULL) {
        mm_posix_close(descriptor);
        return MAILMOD_ERROR_MEMORY;
    }
    folder->descriptor = descriptor;
    *folder_out = folder;
    return MAILMOD_OK;
}

enum mailmod_error mm_folder_open(struct mm_folder **folder_out,
                                  const char *path)
{
    return hold(folder_out, open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY));
}

static bool is_name(const char *name)
{
    return name[0] != '\0' && strchr(name, '/') == NULL &&
           strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

enum mailmod_error mm_folder_open_in(struct mm_folder **folder_out,
                                     struct mm_folder *parent, const char *name,
                                     bool makes)
{
    *folder_out = NULL;
    if (!is_name(name)) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    if (makes && mkdirat(parent->descriptor, name, 0700) == 0) {
        enum mailmod_error error = mm_folder_sync(parent);
        if (error != MAILMOD_OK) {
            /* The next one who makes it syncs it. */
            (void)unlinkat(parent->descriptor, name, AT_REMOVEDIR);
            return error;
        }
    }
    return hold(folder_out, open_at(parent->descriptor, name,
                                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
}

void mm_folder_close(struct mm_folder **folder)
{
    if (*folder != NULL) {
        mm_posix_close((*folder)->descriptor);
        mm_free(*folder);
        *folder = NULL;
    }
}

enum mailmod_error
mm_folder_each(struct mm_folder *folder,
               bool (*visit)(void *context, const char *name), void *context)
{
    /* The stream owns its descriptor, and the place in it. */
    int descriptor = open_at(folder->descriptor, ".", O_RDONLY | O_DIRECTORY);
    DIR *stream = descriptor >= 0 ? fdopendir(descriptor) : NULL;
    if (stream == NULL) {
        enum mailmod_error error = error_of(errno);
        mm_posix_close(descriptor);
        return error;
    }
    bool goes_on = true;
    errno = 0;
    for (struct dirent *entry = readdir(stream); goes_on && entry != NULL;
         entry = goes_on ? readdir(stream) : NULL) {
        if (is_name(entry->d_name)) {
            goes_on = visit(context, entry->d_name);
        }
        errno = 0;
    }
    int number = goes_on ? errno : 0;
    (void)closedir(stream);
    return number == 0 ? MAILMOD_OK : error_of(number);
}

enum mailmod_error mm_folder_sync(struct mm_folder *folder)
{
    /* EINVAL: a file system whose folders cannot be synced. */
    return fsync(folder->descriptor) == 0 || errno == EINVAL ? MAILMOD_OK
                                                             : error_of(errno);
}

/* Where the file system has no rename that never replaces. The new name is on
 * disk before the old one goes: a power cut could leave neither. */
static enum mailmod_error link_and_unlink(struct mm_folder *from,
                                          const char *name,
                                          struct mm_folder *to,
                                          const char *new_name)
{
    if (linkat(from->descriptor, name, to->descriptor, new_name, 0) != 0) {
        return error_of(errno);
    }
    enum mailmod_error error = mm_folder_sync(to);
    if (error != MAILMOD_OK) {
        (void)unlinkat(to->descriptor, new_name, 0);
        return error;
    }
    return unlinkat(from->descriptor, name, 0) == 0 ? MAILMOD_OK
                                                    : error_of(errno);
}

enum mailmod_error mm_folder_move(struct mm_folder *from, const char *name,
                                  struct mm_folder *to, const char *new_name)
{
    if (!is_name(name) || !is_name(new_name)) {
        return MAILMOD_ERROR_ARGUMENT;
    }
#ifdef RENAME_NOREPLACE
    if (renameat2(from->descriptor, name, to->descriptor, new_name,
                  RENAME_NOREPLACE) == 0) {
        return MAILMOD_OK;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return error_of(errno);
    }
#endif
    return link_and_unlink(from, name, to, new_name);
}

enum mailmod_error mm_folder_remove(struct mm_folder *folder, const char *name)
{
    if (!is_name(name)) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    return unlinkat(folder->descriptor, name, 0) == 0 ? MAILMOD_OK
                                                      : error_of(errno);
}

static enum mailmod_error hold_file(struct mm_file **file_out, int descriptor)
{
    *file_out = NULL;
    if (descriptor < 0) {
        return error_of(errno);
    }
    struct stat status;
    bool is_regular =
        fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
    struct mm_file *file = is_regular ? mm_alloc(sizeof *file) : NULL;
    if (file == NULL) {
        mm_posix_close(descriptor);
        return is_regular ? MAILMOD_ERROR_MEMORY : MAILMOD_ERROR_ACCESS;
    }
    file->descriptor = descriptor;
    *file_out = file;
    return MAILMOD_OK;
}

enum mailmod_error mm_file_open_in(struct mm_file **file_out,
                                   struct mm_folder *folder, const char *name)
{
    *file_out = NULL;
    if (!is_name(name)) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    /* O_NONBLOCK: a pipe would wait for its other end. */
    return hold_file(file_out, open_at(folder->descriptor, name,
                                       O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
}

enum mailmod_error mm_file_make_in(struct mm_file **file_out,
                                   struct mm_folder *folder, const char *name)
{
    *file_out = NULL;
    if (!is_name(name)) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    return hold_file(file_out,
                     open_at(folder->descriptor, name,
                             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW));
}

enum mailmod_error mm_file_read(struct mm_file *file, char *out, size_t size,
                                size_t *used_out)
{
    ssize_t used;
    do {
        used = read(file->descriptor, out, size);
    } while (used < 0 && errno == EINTR);
    *used_out = used > 0 ? (size_t)used : 0;
    return used >= 0 ? MAILMOD_OK : error_of(errno);
}

enum mailmod_error mm_file_rewind(struct mm_file *file)
{
    return lseek(file->descriptor, 0, SEEK_SET) == 0 ? MAILMOD_OK
                                                     : error_of(errno);
}

enum mailmod_error mm_file_write(struct mm_file *file, struct mm_span data)
{
    while (data.size > 0) {
        ssize_t used = write(file->descriptor, data.data, data.size);
        if (used < 0 && errno != EINTR) {
            return error_of(errno);
        }
        data = mm_span_from(data, used > 0 ? (size_t)used : 0);
    }
    return MAILMOD_OK;
}

enum mailmod_error mm_file_sync(struct mm_file *file)
{
    return fsync(file->descriptor) == 0 ? MAILMOD_OK : error_of(errno);
}

void mm_file_close(struct mm_file **file)
{
    if (*file != NULL) {
        mm_posix_close((*file)->descriptor);
        mm_free(*file);
        *file = NULL;
    }
}
