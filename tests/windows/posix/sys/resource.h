/* resource.h - the system has no limit of descriptors that a test could set:
 * a test that asks for it is skipped, and says so. */
#ifndef TESTS_WINDOWS_POSIX_RESOURCE_H
#define TESTS_WINDOWS_POSIX_RESOURCE_H

#include "posix.h"

struct rlimit {
    rlim_t rlim_cur;
    rlim_t rlim_max;
};

#define getrlimit(what, limit) (skip(), *(limit) = (struct rlimit){0, 0}, 0)
#define setrlimit(what, limit) ((void)(limit), 0)

#endif
