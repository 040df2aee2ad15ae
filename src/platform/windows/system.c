/* system.c - the system's errors, texts and paths as ours.
 *
 * Owns nothing. Every path goes to the system wide and in its long form
 * (\\?\C:\... or \\?\UNC\server\...), which has no limit of 260 characters and
 * takes no name for a device. The system itself makes it absolute first: the
 * long form knows no relative paths, no dots and no forward slashes.
 * Thread: any. */
#include "platform/windows/system.h"
#include "base/mem.h"

#include <string.h>

/* The longest path of the system, in its own characters. */
enum { PATH_MAX_UNITS = 32767 };

enum mailmod_error mm_windows_error(unsigned long number)
{
    static const struct {
        unsigned long number;
        enum mailmod_error error;
    } table[] = {
        {ERROR_SUCCESS, MAILMOD_OK},
        {ERROR_INVALID_PARAMETER, MAILMOD_ERROR_ARGUMENT},
        {ERROR_INVALID_NAME, MAILMOD_ERROR_ARGUMENT},
        {ERROR_BAD_PATHNAME, MAILMOD_ERROR_ARGUMENT},
        {ERROR_FILENAME_EXCED_RANGE, MAILMOD_ERROR_ARGUMENT},
        {ERROR_DIRECTORY, MAILMOD_ERROR_ARGUMENT},
        {ERROR_FILE_EXISTS, MAILMOD_ERROR_EXISTS},
        {ERROR_ALREADY_EXISTS, MAILMOD_ERROR_EXISTS},
        {ERROR_NOT_ENOUGH_MEMORY, MAILMOD_ERROR_MEMORY},
        {ERROR_OUTOFMEMORY, MAILMOD_ERROR_MEMORY},
        {ERROR_NO_SYSTEM_RESOURCES, MAILMOD_ERROR_MEMORY},
        {ERROR_ACCESS_DENIED, MAILMOD_ERROR_ACCESS},
        {ERROR_WRITE_PROTECT, MAILMOD_ERROR_ACCESS},
        {ERROR_FILE_NOT_FOUND, MAILMOD_ERROR_NOT_FOUND},
        {ERROR_PATH_NOT_FOUND, MAILMOD_ERROR_NOT_FOUND},
        {ERROR_BAD_NETPATH, MAILMOD_ERROR_NOT_FOUND},
        {ERROR_INVALID_DRIVE, MAILMOD_ERROR_NOT_FOUND},
        {ERROR_TOO_MANY_OPEN_FILES, MAILMOD_ERROR_DESCRIPTORS},
        {ERROR_SHARING_VIOLATION, MAILMOD_ERROR_BUSY},
        {ERROR_LOCK_VIOLATION, MAILMOD_ERROR_BUSY},
        {ERROR_DISK_FULL, MAILMOD_ERROR_STORAGE_FULL},
        {ERROR_HANDLE_DISK_FULL, MAILMOD_ERROR_STORAGE_FULL},
        {ERROR_CRC, MAILMOD_ERROR_STORAGE},
        {ERROR_IO_DEVICE, MAILMOD_ERROR_STORAGE},
        {ERROR_WRITE_FAULT, MAILMOD_ERROR_STORAGE},
        {ERROR_READ_FAULT, MAILMOD_ERROR_STORAGE},
        {WSAEINVAL, MAILMOD_ERROR_ARGUMENT},
        {WSAEADDRNOTAVAIL, MAILMOD_ERROR_ADDRESS_UNAVAILABLE},
        {WSAEAFNOSUPPORT, MAILMOD_ERROR_ARGUMENT},
        {WSAENOBUFS, MAILMOD_ERROR_MEMORY},
        {WSAEACCES, MAILMOD_ERROR_ACCESS},
        {WSAEMFILE, MAILMOD_ERROR_DESCRIPTORS},
        {WSAEADDRINUSE, MAILMOD_ERROR_ADDRESS_IN_USE},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].number == number) {
            return table[i].error;
        }
    }
    return MAILMOD_ERROR_SYSTEM;
}

enum mailmod_error mm_windows_wide(const char *text, WCHAR **wide_out)
{
    *wide_out = NULL;
    int count =
        MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
    if (count <= 0) {
        return MAILMOD_ERROR_SYNTAX;
    }
    WCHAR *wide = mm_alloc_array((size_t)count, sizeof *wide);
    if (wide == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    (void)MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, wide,
                              count);
    *wide_out = wide;
    return MAILMOD_OK;
}

enum mailmod_error mm_windows_utf8(const WCHAR *wide, char *text_out,
                                   size_t size)
{
    int room = size > 0x7fffffff ? 0x7fffffff : (int)size;
    if (room > 0 && WideCharToMultiByte(CP_UTF8, 0, wide, -1, text_out, room,
                                        NULL, NULL) > 0) {
        return MAILMOD_OK;
    }
    if (room == 0 || GetLastError() == ERROR_INSUFFICIENT_BUFFER) {
        return MAILMOD_ERROR_LIMIT;
    }
    return MAILMOD_ERROR_SYSTEM;
}

/* `full` is absolute; what it begins with says which long form it has. */
static const WCHAR *prefix_of(const WCHAR *full, size_t *skip_out)
{
    *skip_out = 0;
    if (full[0] != L'\\' || full[1] != L'\\') {
        return L"\\\\?\\";
    }
    if (full[2] == L'?' || full[2] == L'.') {
        return L""; /* long already, or a device such as NUL */
    }
    *skip_out = 2;
    return L"\\\\?\\UNC\\";
}

static enum mailmod_error lengthen(const WCHAR *full, WCHAR **wide_out)
{
    size_t skip;
    const WCHAR *prefix = prefix_of(full, &skip);
    size_t head = wcslen(prefix);
    size_t body = wcslen(full + skip);
    WCHAR *wide = mm_alloc_array(head + body + 1, sizeof *wide);
    if (wide == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    memcpy(wide, prefix, head * sizeof *wide);
    memcpy(wide + head, full + skip, (body + 1) * sizeof *wide);
    *wide_out = wide;
    return MAILMOD_OK;
}

static enum mailmod_error make_full(const WCHAR *given, WCHAR **full_out)
{
    DWORD count = GetFullPathNameW(given, 0, NULL, NULL);
    if (count == 0 || count > PATH_MAX_UNITS) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    WCHAR *full = mm_alloc_array(count, sizeof *full);
    if (full == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    DWORD got = GetFullPathNameW(given, count, full, NULL);
    if (got == 0 || got >= count) {
        /* Another thread has changed the current folder meanwhile. */
        mm_free(full);
        return MAILMOD_ERROR_SYSTEM;
    }
    *full_out = full;
    return MAILMOD_OK;
}

enum mailmod_error mm_windows_path(const char *path, WCHAR **wide_out)
{
    WCHAR *given = NULL;
    WCHAR *full = NULL;
    *wide_out = NULL;
    if (path[0] == '\0') {
        return MAILMOD_ERROR_ARGUMENT;
    }
    enum mailmod_error error = mm_windows_wide(path, &given);
    if (error != MAILMOD_OK) {
        return error == MAILMOD_ERROR_SYNTAX ? MAILMOD_ERROR_ARGUMENT : error;
    }
    error = make_full(given, &full);
    if (error == MAILMOD_OK) {
        error = lengthen(full, wide_out);
    }
    mm_free(given);
    mm_free(full);
    return error;
}
