/* left.h - what a process has at the moment; see tests/host/posix/left.h.
 * Handles stand for descriptors. Thread: any. */
#ifndef TESTS_WINDOWS_LEFT_H
#define TESTS_WINDOWS_LEFT_H

#include "posix.h"

#include <malloc.h>
#include <tlhelp32.h>

static inline int count_threads(void)
{
    THREADENTRY32 entry = {.dwSize = sizeof entry};
    HANDLE list = CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
    int count = 0;

    for (BOOL more = Thread32First(list, &entry); more;
         more = Thread32Next(list, &entry)) {
        count += entry.th32OwnerProcessID == GetCurrentProcessId();
    }
    CloseHandle(list);
    return count;
}

static inline int count_descriptors(void)
{
    DWORD count = 0;

    return GetProcessHandleCount(GetCurrentProcess(), &count) ? (int)count : -1;
}

/* Of the C library, which the DLL has in common with its host. */
static inline unsigned long count_heap(void)
{
    _HEAPINFO block = {._pentry = NULL};
    unsigned long total = 0;

    while (_heapwalk(&block) == _HEAPOK) {
        total += block._useflag == _USEDENTRY ? (unsigned long)block._size : 0;
    }
    return total;
}

#endif
