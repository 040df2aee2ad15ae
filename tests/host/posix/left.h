/* left.h - what a process has at the moment: by it a host tells whether a
 * library left anything behind. tests/windows/posix has the other one.
 * Thread: any. */
#ifndef TESTS_HOST_POSIX_LEFT_H
#define TESTS_HOST_POSIX_LEFT_H

#include <dirent.h>
#include <malloc.h>
#include <stddef.h>

static inline int count_entries(const char *folder)
{
    DIR *list = opendir(folder);
    int count = -2; /* itself and its parent */

    while (list != NULL && readdir(list) != NULL) {
        count++;
    }
    if (list != NULL) {
        closedir(list);
    }
    return count;
}

static inline int count_threads(void)
{
    return count_entries("/proc/self/task");
}

static inline int count_descriptors(void)
{
    return count_entries("/proc/self/fd");
}

static inline unsigned long count_heap(void)
{
    return (unsigned long)mallinfo2().uordblks;
}

#endif
