/* fs.c - the few file operations outside the store, on Windows.
 *
 * Owns nothing between calls. Promises of mm_fs_replace: at every moment the
 * path names the old content or the new, whole; after OK the new one survives
 * a power cut (the file is flushed before the rename, the rename is written
 * through: folders cannot be flushed here). A crash between the two may leave
 * one file "<path>.<16 digits>", never a damaged <path>. A virus scanner or a
 * reader may hold a file open for a moment, which forbids to rename or remove
 * it; that is tried again for a second.
 * Thread: worker, or any before start. */
#include "platform/fs.h"
#include "base/mem.h"
#include "platform/random.h"
#include "platform/windows/system.h"

#include <stdio.h>
#include <string.h>

enum {
    READ_SIZE = 16384,
    WRITE_SIZE = 1 << 20,
    TRIES_MAX = 20,
    TRY_AGAIN_MS = 50,
    SHARE_ALL = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE
};

static enum mailmod_error last_error(void)
{
    return mm_windows_error(GetLastError());
}

static bool is_folder(const WCHAR *path)
{
    DWORD attributes = GetFileAttributesW(path);
    return attributes != INVALID_FILE_ATTRIBUTES &&
           (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
}

static enum mailmod_error make_one_folder(const WCHAR *path,
                                          struct mm_windows_private *rights)
{
    if (CreateDirectoryW(path, &rights->attributes)) {
        return MAILMOD_OK;
    }
    DWORD number = GetLastError();
    /* Asked only after the failure: another process may have been quicker,
     * and a folder above may be one that we may not write to. */
    if (GetFileAttributesW(path) != INVALID_FILE_ATTRIBUTES) {
        return is_folder(path) ? MAILMOD_OK : MAILMOD_ERROR_EXISTS;
    }
    return mm_windows_error(number);
}

/* Behind "\\?\C:" or "\\?\UNC\server\share", which nobody can make. */
static WCHAR *skip_volume(WCHAR *path)
{
    static const WCHAR network[] = L"\\\\?\\UNC\\";
    WCHAR *at = path;
    unsigned parts = 4;
    if (wcsncmp(path, network, wcslen(network)) == 0) {
        parts = 6;
    }
    while (*at != L'\0' && parts > 0) {
        parts -= *at == L'\\';
        at += parts > 0;
    }
    return at;
}

enum mailmod_error mm_fs_make_folder(const char *path)
{
    WCHAR *wide;
    enum mailmod_error error = mm_windows_path(path, &wide);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_windows_private rights;
    error = mm_windows_private_open(&rights);
    if (error != MAILMOD_OK) {
        mm_free(wide);
        return error;
    }
    WCHAR *start = skip_volume(wide);
    for (WCHAR *at = start; *at != L'\0' && error == MAILMOD_OK; at++) {
        if (*at == L'\\' && at != start) {
            *at = L'\0';
            error = make_one_folder(wide, &rights);
            *at = L'\\';
        }
    }
    if (error == MAILMOD_OK) {
        error = make_one_folder(wide, &rights);
    }
    mm_windows_private_close(&rights);
    mm_free(wide);
    return error;
}

bool mm_fs_exists(const char *path)
{
    WCHAR *wide;
    if (mm_windows_path(path, &wide) != MAILMOD_OK) {
        return false;
    }
    bool exists = GetFileAttributesW(wide) != INVALID_FILE_ATTRIBUTES;
    mm_free(wide);
    return exists;
}

bool mm_fs_is_absolute(const char *path)
{
    return path[0] == '/' || path[0] == '\\' ||
           (path[0] != '\0' && path[1] == ':');
}

enum mailmod_error mm_fs_working_folder(char *path_out, size_t size)
{
    WCHAR wide[4096];
    DWORD length = GetCurrentDirectoryW(4096, wide);
    if (length == 0) {
        return last_error();
    }
    return length < 4096 ? mm_windows_utf8(wide, path_out, size)
                         : MAILMOD_ERROR_LIMIT;
}

bool mm_fs_is_file(const char *path)
{
    WCHAR *wide;
    if (mm_windows_path(path, &wide) != MAILMOD_OK) {
        return false;
    }
    bool is_file =
        GetFileAttributesW(wide) != INVALID_FILE_ATTRIBUTES && !is_folder(wide);
    mm_free(wide);
    return is_file;
}

/* "<path><separator><16 random digits>", on the heap. */
static enum mailmod_error name_temporary(const WCHAR *path, WCHAR separator,
                                         WCHAR **name_out)
{
    static const char digits[] = "0123456789abcdef";
    size_t size = wcslen(path);
    unsigned char bytes[8];
    enum mailmod_error error = mm_random(bytes, sizeof bytes);
    if (error != MAILMOD_OK) {
        return error;
    }
    WCHAR *name = mm_alloc_array(size + 2 + 2 * sizeof bytes, sizeof *name);
    if (name == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    memcpy(name, path, size * sizeof *name);
    name[size] = separator;
    for (size_t i = 0; i < sizeof bytes; i++) {
        name[size + 1 + 2 * i] = (WCHAR)digits[bytes[i] >> 4];
        name[size + 2 + 2 * i] = (WCHAR)digits[bytes[i] & 15];
    }
    *name_out = name;
    return MAILMOD_OK;
}

/* Tried, not computed: rights here come from groups, inheritance and more. */
/* Handles have no limit but memory. */
enum mailmod_error mm_fs_check_room(unsigned count)
{
    (void)count;
    return MAILMOD_OK;
}

bool mm_fs_is_writable_folder(const char *path)
{
    WCHAR *wide = NULL;
    WCHAR *probe = NULL;
    bool is_writable = false;
    if (mm_windows_path(path, &wide) == MAILMOD_OK && is_folder(wide) &&
        name_temporary(wide, L'\\', &probe) == MAILMOD_OK) {
        HANDLE file = CreateFileW(
            probe, GENERIC_WRITE | DELETE, SHARE_ALL, NULL, CREATE_NEW,
            FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_DELETE_ON_CLOSE, NULL);
        is_writable = file != INVALID_HANDLE_VALUE;
        if (is_writable) {
            (void)CloseHandle(file);
        }
    }
    mm_free(probe);
    mm_free(wide);
    return is_writable;
}

/* One read into the buffer; `is_end_out` at the end of the file. */
static enum mailmod_error read_some(HANDLE file, struct mm_buf *out,
                                    bool *is_end_out)
{
    char beyond;
    char *at = &beyond;
    DWORD got = 0;
    size_t room = mm_buf_room(out);
    if (room > 0) {
        room = room < READ_SIZE ? room : READ_SIZE;
        at = mm_buf_reserve(out, room);
        if (at == NULL) {
            return mm_buf_error(out);
        }
    }
    if (!ReadFile(file, at, room > 0 ? (DWORD)room : 1, &got, NULL)) {
        return last_error();
    }
    *is_end_out = got == 0;
    if (got > 0 && room == 0) {
        return MAILMOD_ERROR_TOO_LARGE;
    }
    mm_buf_added(out, got);
    return MAILMOD_OK;
}

enum mailmod_error mm_fs_read(const char *path, struct mm_buf *out)
{
    bool is_end = false;
    size_t size_before = mm_buf_size(out);
    WCHAR *wide;
    enum mailmod_error error = mm_windows_path(path, &wide);
    if (error != MAILMOD_OK) {
        return error;
    }
    HANDLE file = CreateFileW(wide, GENERIC_READ, SHARE_ALL, NULL,
                              OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
    if (file == INVALID_HANDLE_VALUE) {
        error = last_error();
        if (is_folder(wide)) {
            error = MAILMOD_ERROR_ARGUMENT;
        }
        goto done;
    }
    if (GetFileType(file) != FILE_TYPE_DISK) {
        error = MAILMOD_ERROR_ARGUMENT;
    }
    while (error == MAILMOD_OK && !is_end) {
        error = read_some(file, out, &is_end);
    }
    (void)CloseHandle(file);
done:
    if (error != MAILMOD_OK) {
        out->end = out->start + size_before;
    }
    mm_free(wide);
    return error;
}

static enum mailmod_error write_all(HANDLE file, struct mm_span data)
{
    while (data.size > 0) {
        DWORD part = data.size < WRITE_SIZE ? (DWORD)data.size : WRITE_SIZE;
        DWORD written = 0;
        if (!WriteFile(file, data.data, part, &written, NULL)) {
            return last_error();
        }
        if (written == 0) {
            return MAILMOD_ERROR_STORAGE;
        }
        data = mm_span_from(data, written);
    }
    return FlushFileBuffers(file) ? MAILMOD_OK : last_error();
}

static enum mailmod_error write_temporary(const WCHAR *path,
                                          struct mm_span data, bool is_private)
{
    struct mm_windows_private rights;
    enum mailmod_error error = mm_windows_private_open(&rights);
    if (error != MAILMOD_OK) {
        return error;
    }
    HANDLE file = CreateFileW(path, GENERIC_WRITE, 0,
                              is_private ? &rights.attributes : NULL,
                              CREATE_NEW, FILE_ATTRIBUTE_NORMAL, NULL);
    if (file == INVALID_HANDLE_VALUE) {
        error = last_error();
    } else {
        error = write_all(file, data);
        (void)CloseHandle(file);
        if (error != MAILMOD_OK) {
            (void)DeleteFileW(path);
        }
    }
    mm_windows_private_close(&rights);
    return error;
}

/* Somebody has the file open, for a moment as a rule. */
static bool is_worth_another_try(DWORD number, unsigned tries)
{
    if (tries >= TRIES_MAX ||
        (number != ERROR_ACCESS_DENIED && number != ERROR_SHARING_VIOLATION)) {
        return false;
    }
    Sleep(TRY_AGAIN_MS);
    return true;
}

static enum mailmod_error rename_over(const WCHAR *from, const WCHAR *to)
{
    unsigned tries = 0;
    /* A refusal that lasts is not waited for. */
    if (is_folder(to)) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    DWORD number;
    do {
        if (MoveFileExW(from, to,
                        MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH)) {
            return MAILMOD_OK;
        }
        number = GetLastError();
        tries++;
    } while (is_worth_another_try(number, tries));
    return mm_windows_error(number);
}

enum mailmod_error mm_fs_replace(const char *path, struct mm_span data,
                                 bool is_private)
{
    WCHAR *wide = NULL;
    WCHAR *temporary = NULL;
    enum mailmod_error error = mm_windows_path(path, &wide);
    if (error == MAILMOD_OK) {
        error = name_temporary(wide, L'.', &temporary);
    }
    if (error == MAILMOD_OK) {
        error = write_temporary(temporary, data, is_private);
    }
    if (error == MAILMOD_OK) {
        error = rename_over(temporary, wide);
        if (error != MAILMOD_OK) {
            (void)DeleteFileW(temporary);
        }
    }
    mm_free(temporary);
    mm_free(wide);
    return error;
}

enum mailmod_error mm_fs_rename(const char *path, const char *new_path)
{
    WCHAR *from = NULL;
    WCHAR *to = NULL;
    enum mailmod_error error = mm_windows_path(path, &from);
    if (error == MAILMOD_OK) {
        error = mm_windows_path(new_path, &to);
    }
    if (error == MAILMOD_OK) {
        error = rename_over(from, to);
    }
    mm_free(from);
    mm_free(to);
    return error;
}

enum mailmod_error mm_fs_remove(const char *path)
{
    unsigned tries = 0;
    WCHAR *wide;
    enum mailmod_error error = mm_windows_path(path, &wide);
    if (error != MAILMOD_OK) {
        return error;
    }
    if (is_folder(wide)) {
        mm_free(wide);
        return MAILMOD_ERROR_ARGUMENT;
    }
    DWORD number;
    do {
        number = DeleteFileW(wide) ? ERROR_SUCCESS : GetLastError();
        tries++;
    } while (is_worth_another_try(number, tries));
    mm_free(wide);
    return mm_windows_error(number);
}

enum mailmod_error mm_fs_long_path(const char *path, char **path_out)
{
    *path_out = NULL;
    WCHAR *wide;
    enum mailmod_error error = mm_windows_path(path, &wide);
    if (error != MAILMOD_OK) {
        return error;
    }
    /* A unit of 16 bits is three octets at most, a pair of them four. */
    size_t size = wcslen(wide) * 3 + 1;
    char *text = mm_alloc(size);
    if (text == NULL) {
        error = MAILMOD_ERROR_MEMORY;
    } else {
        error = mm_windows_utf8(wide, text, size);
    }
    mm_free(wide);
    if (error == MAILMOD_OK) {
        *path_out = text;
    } else {
        mm_free(text);
    }
    return error;
}

bool mm_fs_is_exposed(const char *path)
{
    /* There are no modes, and what an access list means is no short
     * question; what mm_fs_replace makes private is so. */
    (void)path;
    return false;
}

enum mailmod_error mm_fs_size(const char *path, uint64_t *size_out)
{
    WIN32_FILE_ATTRIBUTE_DATA data;
    WCHAR *wide;
    enum mailmod_error error = mm_windows_path(path, &wide);
    *size_out = 0;
    if (error != MAILMOD_OK) {
        return error;
    }
    if (!GetFileAttributesExW(wide, GetFileExInfoStandard, &data)) {
        error = mm_windows_error(GetLastError());
    } else if ((data.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0) {
        error = MAILMOD_ERROR_ARGUMENT;
    } else {
        *size_out = ((uint64_t)data.nFileSizeHigh << 32) | data.nFileSizeLow;
    }
    mm_free(wide);
    return error;
}

enum mailmod_error mm_fs_identify(const char *path,
                                  struct mm_fs_identity *identity_out)
{
    *identity_out = (struct mm_fs_identity){0};
    WCHAR *wide;
    enum mailmod_error error = mm_windows_path(path, &wide);
    if (error != MAILMOD_OK) {
        return error;
    }
    bool is_there = GetFileAttributesW(wide) != INVALID_FILE_ATTRIBUTES;
    mm_free(wide);
    return is_there ? MAILMOD_OK : MAILMOD_ERROR_NOT_FOUND;
}

enum mailmod_error mm_fs_folder_state(const char *path,
                                      struct mm_fs_folder_state *state_out)
{
    *state_out = (struct mm_fs_folder_state){.is_settled = false};
    return mm_fs_identify(path, &state_out->identity);
}

bool mm_fs_is_link(const char *path)
{
    (void)path;
    return false;
}

uint64_t mm_fs_free_space(const char *path)
{
    ULARGE_INTEGER available = {.QuadPart = 0};
    WCHAR *wide;
    if (mm_windows_path(path, &wide) != MAILMOD_OK) {
        return 0;
    }
    /* The system answers for folders alone. */
    WCHAR *name = wcsrchr(wide, L'\\');
    if (!is_folder(wide) && name != NULL) {
        name[1] = L'\0';
    }
    bool is_known = GetDiskFreeSpaceExW(wide, &available, NULL, NULL);
    mm_free(wide);
    return is_known ? (uint64_t)available.QuadPart : 0;
}
