/* standard.c - descriptors 0 to 2 of the host's process.
 *
 * Owns a stand-in in each place that was empty: the root folder, opened for its
 * path alone. Such a descriptor can be neither read nor written, so that the
 * host still finds its files closed; exec closes it. A place is given back only
 * while the stand-in is still in it, because the host may have put a file of
 * its own there. In a child of fork it is the child's.
 * Thread: any; a mutex of the process. */
#define _GNU_SOURCE /* O_PATH */
#include "platform/standard.h"
#include "platform/posix/system.h"
#include "platform/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PLACES = MM_POSIX_FIRST_OWN };

static unsigned holders;
static bool is_taken[PLACES];

static int open_stand_in(void)
{
    return open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static bool is_stand_in(int place)
{
    struct stat status;
    struct stat root;
    int flags = fcntl(place, F_GETFL);
    return flags != -1 && (flags & O_PATH) != 0 && fstat(place, &status) == 0 &&
           stat("/", &root) == 0 && status.st_dev == root.st_dev &&
           status.st_ino == root.st_ino;
}

/* Locked. The system gives the lowest free number, so that each is a place. */
static enum mailmod_error fill(void)
{
    for (int place = 0; place < PLACES; place++) {
        if (fcntl(place, F_GETFD) != -1) {
            continue;
        }
        int descriptor = open_stand_in();
        if (descriptor < 0) {
            return mm_posix_error(errno);
        }
        if (descriptor < PLACES) {
            is_taken[descriptor] = true;
        } else {
            mm_posix_close(descriptor); /* the host was quicker */
        }
    }
    return MAILMOD_OK;
}

enum mailmod_error mm_standard_hold(void)
{
    mm_process_lock(MM_PROCESS_STANDARD);
    enum mailmod_error error = fill();
    if (error == MAILMOD_OK) {
        holders++;
    }
    mm_process_unlock(MM_PROCESS_STANDARD);
    return error;
}

enum mailmod_error mm_standard_fill(void)
{
    mm_process_lock(MM_PROCESS_STANDARD);
    enum mailmod_error error = fill();
    mm_process_unlock(MM_PROCESS_STANDARD);
    return error;
}

void mm_standard_close(intptr_t descriptor)
{
    if (descriptor < 0 || descriptor >= PLACES) {
        return;
    }
    mm_process_lock(MM_PROCESS_STANDARD);
    int stand_in = open_stand_in();
    if (stand_in < 0 || dup3(stand_in, (int)descriptor, O_CLOEXEC) < 0) {
        mm_posix_close((int)descriptor);
    } else {
        is_taken[descriptor] = true;
    }
    mm_posix_close(stand_in);
    mm_process_unlock(MM_PROCESS_STANDARD);
}

void mm_standard_let(void)
{
    mm_process_lock(MM_PROCESS_STANDARD);
    holders--;
    for (int place = 0; place < PLACES && holders == 0; place++) {
        if (is_taken[place] && is_stand_in(place)) {
            mm_posix_close(place);
        }
        is_taken[place] = false;
    }
    mm_process_unlock(MM_PROCESS_STANDARD);
}
