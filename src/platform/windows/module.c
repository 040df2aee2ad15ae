/* module.c - the library stays in the process once it has worked.
 *
 * libuv leaves a console handler and a handler of the C library's behind, and
 * OpenSSL a function for the end of the process; both have no way back. When
 * the host frees the DLL they must not point into nothing, so the module that
 * this code is part of takes a reference to itself that nobody can drop.
 * Thread: any. */
#include "platform/module.h"
#include "platform/windows/system.h"

enum mailmod_error mm_module_keep(void)
{
    /* An address in this module, of its read-only data. */
    static const char here = '\0';
    HMODULE module;
    if (!GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN |
                                GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                            (LPCWSTR)(const void *)&here, &module)) {
        return mm_windows_error(GetLastError());
    }
    return MAILMOD_OK;
}
