/* lock.c - the exclusive lock on a file on Windows.
 *
 * Owns one handle for as long as the lock is held. The lock is on one octet
 * far behind any content, so that a backup may read the file; it belongs to
 * the handle, so that a second instance in this process is refused too. Not
 * the share mode of the open: a virus scanner that has the file open for a
 * moment would then look like a second instance. The file cannot be removed
 * while it is held (no FILE_SHARE_DELETE), and stays afterwards.
 * Thread: any. */
#include "base/mem.h"
#include "platform/fs.h"
#include "platform/windows/system.h"

struct mm_file_lock {
    HANDLE handle;
};

static enum mailmod_error lock_octet(HANDLE handle)
{
    OVERLAPPED at = {0};
    at.Offset = 0;
    at.OffsetHigh = 0x40000000;
    if (LockFileEx(handle, LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY,
                   0, 1, 0, &at)) {
        return MAILMOD_OK;
    }
    DWORD number = GetLastError();
    return number == ERROR_IO_PENDING ? MAILMOD_ERROR_BUSY
                                      : mm_windows_error(number);
}

enum mailmod_error mm_file_lock_open(struct mm_file_lock **lock_out,
                                     const char *path)
{
    WCHAR *wide = NULL;
    struct mm_file_lock *lock = mm_alloc(sizeof *lock);
    if (lock == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    lock->handle = INVALID_HANDLE_VALUE;
    enum mailmod_error error = mm_windows_path(path, &wide);
    if (error != MAILMOD_OK) {
        goto done;
    }
    lock->handle = CreateFileW(wide, GENERIC_READ | GENERIC_WRITE,
                               FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                               OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
    if (lock->handle == INVALID_HANDLE_VALUE) {
        error = mm_windows_error(GetLastError());
        goto done;
    }
    error = lock_octet(lock->handle);
    if (error == MAILMOD_OK) {
        *lock_out = lock;
        lock = NULL;
    }
done:
    mm_file_lock_close(&lock);
    mm_free(wide);
    return error;
}

void mm_file_lock_close(struct mm_file_lock **lock)
{
    if (*lock == NULL) {
        return;
    }
    if ((*lock)->handle != INVALID_HANDLE_VALUE) {
        (void)CloseHandle((*lock)->handle);
    }
    mm_free(*lock);
    *lock = NULL;
}
