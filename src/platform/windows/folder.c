/* folder.c - folders and the files in them, on Windows.
 *
 * Owns a folder's path and a handle without the right to be deleted or renamed,
 * so that the path leads to the same place while it is held. Promises: what is
 * a link of any kind (a reparse point) is not followed below the first folder.
 * Folders cannot be flushed here: moves are written through.
 * Thread: worker. */
#include "platform/folder.h"
#include "base/mem.h"
#include "platform/windows/system.h"

#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 4096, NAME_SIZE = 1024 };

const char mm_folder_flag_mark = ';';

struct mm_folder {
    HANDLE handle;
    char path[PATH_SIZE];
};

struct mm_file {
    HANDLE handle;
};

static enum mailmod_error last_error(void)
{
    return mm_windows_error(GetLastError());
}

static bool is_name(const char *name)
{
    return name[0] != '\0' && strpbrk(name, "/\\:") == NULL &&
           strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* "folder/name" as the system has it; mm_free it. */
static enum mailmod_error join(const struct mm_folder *folder, const char *name,
                               WCHAR **wide_out)
{
    char path[PATH_SIZE];
    *wide_out = NULL;
    if (!is_name(name)) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    int size = snprintf(path, sizeof path, "%s/%s", folder->path, name);
    return size > 0 && size < (int)sizeof path ? mm_windows_path(path, wide_out)
                                               : MAILMOD_ERROR_ARGUMENT;
}

static bool is_link(HANDLE handle)
{
    BY_HANDLE_FILE_INFORMATION information;
    return !GetFileInformationByHandle(handle, &information) ||
           (information.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0;
}

static bool is_folder(HANDLE handle)
{
    BY_HANDLE_FILE_INFORMATION information;
    return GetFileInformationByHandle(handle, &information) &&
           (information.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
}

static enum mailmod_error hold(struct mm_folder **folder_out, const char *path,
                               bool follows)
{
    WCHAR *wide;
    enum mailmod_error error = mm_windows_path(path, &wide);
    *folder_out = NULL;
    if (error != MAILMOD_OK) {
        return error;
    }
    HANDLE handle =
        CreateFileW(wide, FILE_LIST_DIRECTORY,
                    FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING,
                    FILE_FLAG_BACKUP_SEMANTICS |
                        (follows ? 0 : (DWORD)FILE_FLAG_OPEN_REPARSE_POINT),
                    NULL);
    mm_free(wide);
    if (handle == INVALID_HANDLE_VALUE) {
        return last_error();
    }
    struct mm_folder *folder = mm_alloc(sizeof *folder);
    if (folder == NULL || !is_folder(handle) || (!follows && is_link(handle)) ||
        !mm_span_copy(mm_span_cstr(path), folder->path, sizeof folder->path)) {
        error = folder == NULL ? MAILMOD_ERROR_MEMORY : MAILMOD_ERROR_ACCESS;
        (void)CloseHandle(handle);
        mm_free(folder);
        return error;
    }
    folder->handle = handle;
    *folder_out = folder;
    return MAILMOD_OK;
}

enum mailmod_error mm_folder_open(struct mm_folder **folder_out,
                                  const char *path)
{
    return hold(folder_out, path, true);
}

enum mailmod_error mm_folder_open_in(struct mm_folder **folder_out,
                                     struct mm_folder *parent, const char *name,
                                     bool makes)
{
    WCHAR *wide;
    enum mailmod_error error = join(parent, name, &wide);
    *folder_out = NULL;
    if (error == MAILMOD_OK && makes) {
        struct mm_windows_private rights;
        error = mm_windows_private_open(&rights);
        if (error == MAILMOD_OK) {
            (void)CreateDirectoryW(wide, &rights.attributes);
            mm_windows_private_close(&rights);
        }
    }
    mm_free(wide);
    if (error != MAILMOD_OK) {
        return error;
    }
    char path[PATH_SIZE + NAME_SIZE];
    int size = snprintf(path, sizeof path, "%s/%s", parent->path, name);
    return size > 0 && size < PATH_SIZE ? hold(folder_out, path, false)
                                        : MAILMOD_ERROR_ARGUMENT;
}

void mm_folder_close(struct mm_folder **folder)
{
    if (*folder != NULL) {
        (void)CloseHandle((*folder)->handle);
        mm_free(*folder);
        *folder = NULL;
    }
}

enum mailmod_error
mm_folder_each(struct mm_folder *folder,
               bool (*visit)(void *context, const char *name), void *context)
{
    WIN32_FIND_DATAW found;
    char path[PATH_SIZE + 2];
    WCHAR *wide;
    (void)snprintf(path, sizeof path, "%s/*", folder->path);
    enum mailmod_error error = mm_windows_path(path, &wide);
    if (error != MAILMOD_OK) {
        return error;
    }
    HANDLE search = FindFirstFileW(wide, &found);
    mm_free(wide);
    if (search == INVALID_HANDLE_VALUE) {
        return last_error();
    }
    bool goes_on = true;
    do {
        char name[NAME_SIZE];
        /* A name that is no Unicode is nobody's mail. */
        if (mm_windows_utf8(found.cFileName, name, sizeof name) == MAILMOD_OK &&
            is_name(name)) {
            goes_on = visit(context, name);
        }
    } while (goes_on && FindNextFileW(search, &found));
    DWORD number = goes_on ? GetLastError() : ERROR_NO_MORE_FILES;
    (void)FindClose(search);
    return number == ERROR_NO_MORE_FILES ? MAILMOD_OK
                                         : mm_windows_error(number);
}

enum mailmod_error mm_folder_sync(struct mm_folder *folder)
{
    (void)folder;
    return MAILMOD_OK;
}

enum mailmod_error mm_folder_move(struct mm_folder *from, const char *name,
                                  struct mm_folder *to, const char *new_name)
{
    WCHAR *source;
    WCHAR *target = NULL;
    enum mailmod_error error = join(from, name, &source);
    if (error == MAILMOD_OK) {
        error = join(to, new_name, &target);
    }
    if (error == MAILMOD_OK &&
        !MoveFileExW(source, target, MOVEFILE_WRITE_THROUGH)) {
        error = last_error();
    }
    mm_free(source);
    mm_free(target);
    return error;
}

enum mailmod_error mm_folder_remove(struct mm_folder *folder, const char *name)
{
    WCHAR *wide;
    enum mailmod_error error = join(folder, name, &wide);
    if (error == MAILMOD_OK && !DeleteFileW(wide)) {
        error = last_error();
    }
    mm_free(wide);
    return error;
}

static enum mailmod_error open_file(struct mm_file **file_out,
                                    struct mm_folder *folder, const char *name,
                                    DWORD access, DWORD disposition)
{
    WCHAR *wide;
    struct mm_windows_private rights;
    enum mailmod_error error = join(folder, name, &wide);
    *file_out = NULL;
    if (error == MAILMOD_OK) {
        error = mm_windows_private_open(&rights);
    }
    if (error != MAILMOD_OK) {
        mm_free(wide);
        return error;
    }
    HANDLE handle = CreateFileW(
        wide, access, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
        &rights.attributes, disposition,
        FILE_ATTRIBUTE_NORMAL | FILE_FLAG_OPEN_REPARSE_POINT, NULL);
    error = handle == INVALID_HANDLE_VALUE ? last_error() : MAILMOD_OK;
    mm_windows_private_close(&rights);
    mm_free(wide);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_file *file = mm_alloc(sizeof *file);
    if (file == NULL || is_link(handle) ||
        GetFileType(handle) != FILE_TYPE_DISK) {
        error = file == NULL ? MAILMOD_ERROR_MEMORY : MAILMOD_ERROR_ACCESS;
        (void)CloseHandle(handle);
        mm_free(file);
        return error;
    }
    file->handle = handle;
    *file_out = file;
    return MAILMOD_OK;
}

enum mailmod_error mm_file_open_in(struct mm_file **file_out,
                                   struct mm_folder *folder, const char *name)
{
    return open_file(file_out, folder, name, GENERIC_READ, OPEN_EXISTING);
}

enum mailmod_error mm_file_make_in(struct mm_file **file_out,
                                   struct mm_folder *folder, const char *name)
{
    return open_file(file_out, folder, name, GENERIC_WRITE, CREATE_NEW);
}

enum mailmod_error mm_file_read(struct mm_file *file, char *out, size_t size,
                                size_t *used_out)
{
    DWORD wanted = size < INT32_MAX ? (DWORD)size : INT32_MAX;
    DWORD used = 0;
    *used_out = 0;
    if (!ReadFile(file->handle, out, wanted, &used, NULL)) {
        return last_error();
    }
    *used_out = used;
    return MAILMOD_OK;
}

enum mailmod_error mm_file_rewind(struct mm_file *file)
{
    LARGE_INTEGER start = {.QuadPart = 0};
    return SetFilePointerEx(file->handle, start, NULL, FILE_BEGIN)
               ? MAILMOD_OK
               : last_error();
}

enum mailmod_error mm_file_write(struct mm_file *file, struct mm_span data)
{
    while (data.size > 0) {
        DWORD wanted = data.size < (1 << 20) ? (DWORD)data.size : (1 << 20);
        DWORD used = 0;
        if (!WriteFile(file->handle, data.data, wanted, &used, NULL)) {
            return last_error();
        }
        data = mm_span_from(data, used);
    }
    return MAILMOD_OK;
}

enum mailmod_error mm_file_sync(struct mm_file *file)
{
    return FlushFileBuffers(file->handle) ? MAILMOD_OK : last_error();
}

void mm_file_close(struct mm_file **file)
{
    if (*file != NULL) {
        (void)CloseHandle((*file)->handle);
        mm_free(*file);
        *file = NULL;
    }
}
