/* thread: any
 * system.h - what the files of this folder share: errno, and descriptors. */
#ifndef MM_PLATFORM_POSIX_SYSTEM_H
#define MM_PLATFORM_POSIX_SYSTEM_H

#include "base/error.h"

/* The error that an errno means; SYSTEM where it has no name of its own. */
enum mailmod_error mm_posix_error(int number);
/* The first descriptor that may be ours: below are the standard files. */
#define MM_POSIX_FIRST_OWN 3

/* A fresh descriptor, moved away from the places of the standard files when it
 * came to stand there; -1 and errno on failure, then it is closed. */
int mm_posix_own(int descriptor);
/* open(2) with O_CLOEXEC, again after a signal; -1 and errno on failure. */
int mm_posix_open(const char *path, int flags, unsigned mode);
/* Closes and leaves errno alone; -1 does nothing. */
void mm_posix_close(int descriptor);

#endif
