/* dlfcn.h - a library by its name. Thread: any. */
#ifndef TESTS_WINDOWS_DLFCN_H
#define TESTS_WINDOWS_DLFCN_H

#include "posix.h"

#define RTLD_NOW 0
#define RTLD_LOCAL 0
#define RTLD_NOLOAD 1

static inline void *dlopen(const char *name, int how)
{
    return how == RTLD_NOLOAD ? (void *)GetModuleHandleA(name)
                              : (void *)LoadLibraryA(name);
}

static inline void *dlsym(void *library, const char *name)
{
    FARPROC found = GetProcAddress((HMODULE)library, name);
    void *address;

    memcpy(&address, &found, sizeof address);
    return address;
}

static inline int dlclose(void *library)
{
    return FreeLibrary((HMODULE)library) ? 0 : -1;
}

static inline const char *dlerror(void)
{
    static char text[40];

    snprintf(text, sizeof text, "error %lu", GetLastError());
    return text;
}

#endif
