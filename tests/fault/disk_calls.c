/* disk_calls.c - see disk_calls.h.
 *
 * Owns a table of descriptors: which node of the disk each is, and where its
 * next write goes. A path is known by its text, a descriptor by the path that
 * it was opened with. Thread: any; one mutex guards the table and the plan. */
#define _GNU_SOURCE
#include "disk_calls.h"

#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DESCRIPTORS = 1024, PATH_SIZE = 512 };

int __real_open(const char *path, int flags, ...);
int __real_openat(int folder, const char *path, int flags, ...);
int __real_mkostemp(char *path, int flags);
int __real_close(int descriptor);
int __real_mkdir(const char *path, mode_t mode);
int __real_mkdirat(int folder, const char *path, mode_t mode);
ssize_t __real_read(int descriptor, void *octets, size_t size);
ssize_t __real_write(int descriptor, const void *octets, size_t size);
int __real_fsync(int descriptor);
int __real_linkat(int from, const char *path, int to, const char *name,
                  int flags);
int __real_renameat2(int from, const char *path, int to, const char *name,
                     unsigned flags);
int __real_unlink(const char *path);
int __real_unlinkat(int folder, const char *path, int flags);
int __real_stat(const char *path, struct stat *out);
int __real_fstat(int descriptor, struct stat *out);
int __real_access(const char *path, int mode);

int __wrap_open(const char *path, int flags, ...);
int __wrap_openat(int folder, const char *path, int flags, ...);
int __wrap_mkostemp(char *path, int flags);
int __wrap_close(int descriptor);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_mkdirat(int folder, const char *path, mode_t mode);
ssize_t __wrap_read(int descriptor, void *octets, size_t size);
ssize_t __wrap_write(int descriptor, const void *octets, size_t size);
int __wrap_fsync(int descriptor);
int __wrap_linkat(int from, const char *path, int to, const char *name,
                  int flags);
int __wrap_rename(const char *from, const char *to);
int __wrap_renameat2(int from, const char *path, int to, const char *name,
                     unsigned flags);
int __wrap_unlink(const char *path);
int __wrap_unlinkat(int folder, const char *path, int flags);
int __wrap_stat(const char *path, struct stat *out);
int __wrap_fstat(int descriptor, struct stat *out);
int __wrap_access(const char *path, int mode);

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct {
    char path[PATH_SIZE]; /* "": not one of ours */
    uint32_t node;
    uint64_t at;
} table[DESCRIPTORS];
static struct {
    char root[PATH_SIZE];
    enum disk_call call;
    unsigned number;
    int error;
    bool is_for_good;
    unsigned made;
} plan;

void disk_calls_fail(const char *root, enum disk_call call, unsigned number,
                     int number_of_error, bool is_for_good)
{
    pthread_mutex_lock(&mutex);
    snprintf(plan.root, sizeof plan.root, "%s", root);
    plan.call = call;
    plan.number = number;
    plan.error = number_of_error;
    plan.is_for_good = is_for_good;
    plan.made = 0;
    pthread_mutex_unlock(&mutex);
}

unsigned disk_calls_made(void)
{
    pthread_mutex_lock(&mutex);
    unsigned made = plan.made;
    pthread_mutex_unlock(&mutex);
    return made;
}

static bool strikes(enum disk_call call, const char *path)
{
    bool is_struck = false;

    pthread_mutex_lock(&mutex);
    if (plan.call == call && path[0] != '\0' &&
        strncmp(path, plan.root, strlen(plan.root)) == 0) {
        plan.made++;
        is_struck = plan.made == plan.number ||
                    (plan.is_for_good && plan.made > plan.number);
    }
    if (is_struck && plan.error != 0) {
        errno = plan.error;
    }
    pthread_mutex_unlock(&mutex);
    return is_struck;
}

static const char *path_of(int descriptor)
{
    return descriptor >= 0 && descriptor < DESCRIPTORS ? table[descriptor].path
                                                       : "";
}

static uint32_t node_of(int descriptor)
{
    return path_of(descriptor)[0] != '\0' ? table[descriptor].node : DISK_NONE;
}

static void path_at(int folder, const char *name, char out[PATH_SIZE])
{
    if (name[0] == '/' || folder == AT_FDCWD) {
        snprintf(out, PATH_SIZE, "%s", name);
    } else {
        out[0] = '\0';
        if (path_of(folder)[0] != '\0') {
            snprintf(out, PATH_SIZE, "%.300s/%.200s", path_of(folder), name);
        }
    }
}

static void keep(int descriptor, const char *path, uint32_t node)
{
    if (descriptor >= 0 && descriptor < DESCRIPTORS) {
        snprintf(table[descriptor].path, PATH_SIZE, "%s", path);
        table[descriptor].node = node;
        table[descriptor].at = 0;
    }
}

/* What was opened or made under a path. */
static int opened(int descriptor, const char *path, bool was_there)
{
    const char *name = "";
    uint32_t node = disk_find(path);

    if (descriptor >= 0 && !was_there) {
        uint32_t folder = disk_find_folder(path, &name);
        node = disk_make(folder, name, false);
    }
    keep(descriptor, path, node);
    return descriptor;
}

static int open_path(int folder, const char *name, int flags, mode_t mode)
{
    char path[PATH_SIZE];

    path_at(folder, name, path);
    bool was_there = disk_find(path) != DISK_NONE;
    enum disk_call call = DISK_CALL_OPEN;
    if ((flags & O_CREAT) != 0 && faccessat(folder, name, F_OK, 0) != 0) {
        call = DISK_CALL_MAKE;
    }
    if (strikes(call, path)) {
        return -1;
    }
    int descriptor = __real_openat(folder, name, flags, mode);
    return opened(descriptor, path, was_there || (flags & O_CREAT) == 0);
}

int __wrap_open(const char *path, int flags, ...)
{
    va_list list;

    va_start(list, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
    va_end(list);
    return open_path(AT_FDCWD, path, flags, mode);
}

int __wrap_openat(int folder, const char *path, int flags, ...)
{
    va_list list;

    va_start(list, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
    va_end(list);
    return open_path(folder, path, flags, mode);
}

int __wrap_mkostemp(char *path, int flags)
{
    if (strikes(DISK_CALL_MAKE, path)) {
        return -1;
    }
    return opened(__real_mkostemp(path, flags), path, false);
}

int __wrap_close(int descriptor)
{
    if (descriptor >= 0 && descriptor < DESCRIPTORS) {
        table[descriptor].path[0] = '\0';
    }
    return __real_close(descriptor);
}

int __wrap_mkdirat(int folder, const char *path, mode_t mode)
{
    char whole[PATH_SIZE];
    const char *name = "";

    path_at(folder, path, whole);
    if (strikes(DISK_CALL_MAKE_FOLDER, whole)) {
        return -1;
    }
    int result = __real_mkdirat(folder, path, mode);
    if (result == 0) {
        uint32_t above = disk_find_folder(whole, &name);
        (void)disk_make(above, name, true);
    }
    return result;
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    return __wrap_mkdirat(AT_FDCWD, path, mode);
}

ssize_t __wrap_read(int descriptor, void *octets, size_t size)
{
    if (strikes(DISK_CALL_READ, path_of(descriptor))) {
        if (plan.error != 0) {
            return -1;
        }
        size = size > 1 ? size / 2 : size;
    }
    return __real_read(descriptor, octets, size);
}

ssize_t __wrap_write(int descriptor, const void *octets, size_t size)
{
    if (strikes(DISK_CALL_WRITE, path_of(descriptor))) {
        if (plan.error != 0) {
            return -1;
        }
        size = size > 1 ? size / 2 : size;
    }
    ssize_t used = __real_write(descriptor, octets, size);
    if (used > 0 && path_of(descriptor)[0] != '\0') {
        disk_write(node_of(descriptor), table[descriptor].at, octets,
                   (size_t)used);
        table[descriptor].at += (uint64_t)used;
    }
    return used;
}

/* The real disk is left alone: what counts as synced is remembered. */
int __wrap_fsync(int descriptor)
{
    if (strikes(DISK_CALL_SYNC, path_of(descriptor))) {
        disk_lose(node_of(descriptor));
        return -1;
    }
    disk_sync(node_of(descriptor));
    return 0;
}

int __wrap_linkat(int from, const char *path, int to, const char *name,
                  int flags)
{
    char whole[PATH_SIZE];

    path_at(to, name, whole);
    if (strikes(DISK_CALL_LINK, whole)) {
        return -1;
    }
    int result = __real_linkat(from, path, to, name, flags);
    if (result == 0) {
        disk_link(node_of(to), name, disk_find_in(node_of(from), path));
    }
    return result;
}

int __wrap_rename(const char *from, const char *to)
{
    return __wrap_renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int __wrap_renameat2(int from, const char *path, int to, const char *name,
                     unsigned flags)
{
    char old_path[PATH_SIZE];
    char new_path[PATH_SIZE];
    const char *old_name = "";
    const char *new_name = "";

    path_at(from, path, old_path);
    path_at(to, name, new_path);
    if (strikes(DISK_CALL_RENAME, new_path)) {
        return -1;
    }
    int result = __real_renameat2(from, path, to, name, flags);
    if (result == 0) {
        uint32_t folder = disk_find_folder(old_path, &old_name);
        uint32_t target = disk_find_folder(new_path, &new_name);

        disk_rename(folder, old_name, target, new_name);
    }
    return result;
}

int __wrap_unlinkat(int folder, const char *path, int flags)
{
    char whole[PATH_SIZE];
    const char *name = "";

    path_at(folder, path, whole);
    if (strikes(DISK_CALL_UNLINK, whole)) {
        return -1;
    }
    int result = __real_unlinkat(folder, path, flags);
    if (result == 0) {
        uint32_t above = disk_find_folder(whole, &name);
        disk_unlink(above, name);
    }
    return result;
}

int __wrap_unlink(const char *path)
{
    return __wrap_unlinkat(AT_FDCWD, path, 0);
}

int __wrap_stat(const char *path, struct stat *out)
{
    return strikes(DISK_CALL_STAT, path) ? -1 : __real_stat(path, out);
}

int __wrap_fstat(int descriptor, struct stat *out)
{
    return strikes(DISK_CALL_STAT, path_of(descriptor))
               ? -1
               : __real_fstat(descriptor, out);
}

int __wrap_access(const char *path, int mode)
{
    return strikes(DISK_CALL_STAT, path) ? -1 : __real_access(path, mode);
}
