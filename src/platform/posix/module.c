/* module.c - nothing holds the library in the process on POSIX.
 *
 * libuv and OpenSSL are objects of their own there, which see to themselves:
 * OpenSSL keeps its own in memory, and the C library takes back what libuv
 * registered when it is unloaded. Our threads have all been joined by then.
 * Thread: any. */
#include "platform/module.h"

enum mailmod_error mm_module_keep(void)
{
    return MAILMOD_OK;
}
