/* random.c - the system's generator on POSIX.
 *
 * getrandom(2), which blocks only before the pool was first seeded and needs
 * no descriptor; /dev/urandom where a kernel or a sandbox refuses the call.
 * Promises all the octets or an error, never weaker ones.
 * Thread: any. */
#include "platform/random.h"
#include "platform/posix/system.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

static enum mailmod_error read_device(unsigned char *at, size_t size)
{
    enum mailmod_error error = MAILMOD_OK;
    int device = mm_posix_open("/dev/urandom", O_RDONLY, 0);
    if (device < 0) {
        return mm_posix_error(errno);
    }
    while (size > 0) {
        ssize_t got = read(device, at, size);
        if (got > 0) {
            at += got;
            size -= (size_t)got;
        } else if (got == 0 || errno != EINTR) {
            error = MAILMOD_ERROR_SYSTEM;
            break;
        }
    }
    mm_posix_close(device);
    return error;
}

enum mailmod_error mm_random(void *bytes_out, size_t size)
{
    unsigned char *at = bytes_out;
    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);
        if (got > 0) {
            at += got;
            size -= (size_t)got;
        } else if (got == 0 || errno != EINTR) {
            return read_device(at, size);
        }
    }
    return MAILMOD_OK;
}
