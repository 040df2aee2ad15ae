/* lock.c - the exclusive lock on a file on POSIX.
 *
 * Owns two descriptors for as long as the lock is held. Open-file-description
 * locks, and flock(2) where the system has none: both belong to the open
 * file, so that a second instance in the same process is refused too (POSIX's
 * own record locks are the process's, and closing any descriptor of the file
 * drops them). The system drops the lock with the last descriptor, whatever
 * ends the process; a worker that the host forked has one too, so that the lock
 * is given back in so many words. The file stays: removing it would let two
 * holders lock two files of one name. Somebody else may remove it all the same,
 * so the folder is locked too, by flock(2): record locks need a file that is
 * open for writing. Thread: any. */
#define _GNU_SOURCE /* F_OFD_SETLK */
#include "base/mem.h"
#include "platform/fs.h"
#include "platform/posix/system.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct mm_file_lock {
    int descriptor;
    int folder; /* -1: it cannot be opened for reading */
};

static int set_lock(int descriptor, bool is_held)
{
    int result;
#ifdef F_OFD_SETLK
    struct flock range = {.l_type = is_held ? F_WRLCK : F_UNLCK,
                          .l_whence = SEEK_SET};
    result = fcntl(descriptor, F_OFD_SETLK, &range);
    if (result == 0 || errno != EINVAL) {
        return result;
    }
#endif
    do {
        result = flock(descriptor, is_held ? LOCK_EX | LOCK_NB : LOCK_UN);
    } while (result < 0 && errno == EINTR);
    return result;
}

static bool is_held_by_another(void)
{
    /* fcntl may say EACCES or EAGAIN, flock says EWOULDBLOCK. */
    return errno == EACCES || errno == EAGAIN || errno == EWOULDBLOCK;
}

/* A folder that cannot be opened or locked (some file systems) is no reason to
 * stop: the file's own lock is held. */
static enum mailmod_error lock_folder(struct mm_file_lock *lock,
                                      const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder =
        slash == NULL
            ? mm_strdup(".")
            : mm_memdup0(path, slash == path ? 1 : (size_t)(slash - path));
    if (folder == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    lock->folder = mm_posix_open(folder, O_RDONLY | O_DIRECTORY, 0);
    mm_free(folder);
    int result = 0;
    do {
        result = lock->folder < 0 ? 0 : flock(lock->folder, LOCK_EX | LOCK_NB);
    } while (result < 0 && errno == EINTR);
    return result < 0 && is_held_by_another() ? MAILMOD_ERROR_BUSY : MAILMOD_OK;
}

enum mailmod_error mm_file_lock_open(struct mm_file_lock **lock_out,
                                     const char *path)
{
    struct mm_file_lock *lock = mm_alloc(sizeof *lock);
    if (lock == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error = MAILMOD_OK;
    lock->folder = -1;
    lock->descriptor = mm_posix_open(path, O_RDWR | O_CREAT, 0600);
    if (lock->descriptor < 0) {
        error = mm_posix_error(errno);
        goto done;
    }
    if (set_lock(lock->descriptor, true) != 0) {
        error =
            is_held_by_another() ? MAILMOD_ERROR_BUSY : mm_posix_error(errno);
        goto done;
    }
    error = lock_folder(lock, path);
    if (error != MAILMOD_OK) {
        goto done;
    }
    *lock_out = lock;
    return MAILMOD_OK;
done:
    mm_posix_close(lock->descriptor);
    mm_free(lock);
    return error;
}

void mm_file_lock_close(struct mm_file_lock **lock)
{
    if (*lock == NULL) {
        return;
    }
    (void)set_lock((*lock)->descriptor, false);
    if ((*lock)->folder >= 0) {
        (void)flock((*lock)->folder, LOCK_UN);
        mm_posix_close((*lock)->folder);
    }
    mm_posix_close((*lock)->descriptor);
    mm_free(*lock);
    *lock = NULL;
}
