/* system.c - errno as our errors, and descriptors that no child inherits.
 *
 * Owns nothing. Promises that every descriptor opened here has O_CLOEXEC from
 * its first moment: a host may fork and execute at any time on another
 * thread, and a flag set later would be too late. And that none stands in the
 * place of a standard file, which the host may have closed.
 * Thread: any. */
#include "platform/posix/system.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum mailmod_error mm_posix_error(int number)
{
    static const struct {
        int number;
        enum mailmod_error error;
    } table[] = {
        {0, MAILMOD_OK},
        {EINVAL, MAILMOD_ERROR_ARGUMENT},
        {ENAMETOOLONG, MAILMOD_ERROR_ARGUMENT},
        {EISDIR, MAILMOD_ERROR_ARGUMENT},
        {ENOTDIR, MAILMOD_ERROR_ARGUMENT},
        {ELOOP, MAILMOD_ERROR_ARGUMENT},
        {EADDRNOTAVAIL, MAILMOD_ERROR_ADDRESS_UNAVAILABLE},
        {EAFNOSUPPORT, MAILMOD_ERROR_ARGUMENT},
        {EEXIST, MAILMOD_ERROR_EXISTS},
        {ENOMEM, MAILMOD_ERROR_MEMORY},
        {ENOBUFS, MAILMOD_ERROR_MEMORY},
        {EACCES, MAILMOD_ERROR_ACCESS},
        {EPERM, MAILMOD_ERROR_ACCESS},
        {EROFS, MAILMOD_ERROR_ACCESS},
        {ENOENT, MAILMOD_ERROR_NOT_FOUND},
        {EMFILE, MAILMOD_ERROR_DESCRIPTORS},
        {ENFILE, MAILMOD_ERROR_DESCRIPTORS},
        {EADDRINUSE, MAILMOD_ERROR_ADDRESS_IN_USE},
        {ENOSPC, MAILMOD_ERROR_STORAGE_FULL},
        {EDQUOT, MAILMOD_ERROR_STORAGE_FULL},
        {EFBIG, MAILMOD_ERROR_STORAGE_FULL},
        {EIO, MAILMOD_ERROR_STORAGE},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].number == number) {
            return table[i].error;
        }
    }
    return MAILMOD_ERROR_SYSTEM;
}

int mm_posix_own(int descriptor)
{
    if (descriptor < 0 || descriptor >= MM_POSIX_FIRST_OWN) {
        return descriptor;
    }
    int moved = fcntl(descriptor, F_DUPFD_CLOEXEC, MM_POSIX_FIRST_OWN);
    mm_posix_close(descriptor);
    return moved;
}

int mm_posix_open(const char *path, int flags, unsigned mode)
{
    int descriptor;
    do {
        descriptor = open(path, flags | O_CLOEXEC, (mode_t)mode);
    } while (descriptor < 0 && errno == EINTR);
    return mm_posix_own(descriptor);
}

void mm_posix_close(int descriptor)
{
    int number = errno;
    if (descriptor >= 0) {
        /* Not again after EINTR: Linux has closed it by then, and the number
         * may be another thread's already. */
        close(descriptor);
    }
    errno = number;
}
