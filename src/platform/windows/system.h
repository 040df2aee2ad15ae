/* thread: any
 * system.h - what the files of this folder share: the system's headers in the
 * one order that works, its error numbers, its wide texts and its rights. */
#ifndef MM_PLATFORM_WINDOWS_SYSTEM_H
#define MM_PLATFORM_WINDOWS_SYSTEM_H

#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#ifndef NOGDI
#define NOGDI /* it has macros of names that begin with MM_ */
#endif
#include <winsock2.h>
#include <ws2tcpip.h>

#include <windows.h>

#include "base/error.h"

/* The error that a number of GetLastError or WSAGetLastError means; SYSTEM
 * where it has no name of its own. */
enum mailmod_error mm_windows_error(unsigned long number);

/* UTF-8 as the system's wide text, on the heap; mm_free it. SYNTAX when it is
 * not UTF-8. */
MM_CHECK enum mailmod_error mm_windows_wide(const char *text, WCHAR **wide_out);
/* A path made absolute, without the limit of 260 characters; mm_free it.
 * ARGUMENT for an empty path or one that is not UTF-8. */
MM_CHECK enum mailmod_error mm_windows_path(const char *path, WCHAR **wide_out);
/* The UTF-8 of a wide text, with its NUL; LIMIT when it does not fit. */
MM_CHECK enum mailmod_error mm_windows_utf8(const WCHAR *wide, char *text_out,
                                            size_t size);

/* Rights for this process's user, the system and the administrators alone, on
 * a new file or folder and all that comes to lie in it. Inherits nothing. */
struct mm_windows_private {
    SECURITY_ATTRIBUTES attributes;
};
MM_CHECK enum mailmod_error
mm_windows_private_open(struct mm_windows_private *rights);
void mm_windows_private_close(struct mm_windows_private *rights);

#endif
