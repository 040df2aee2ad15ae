/* fault_vfs.c - see fault_vfs.h.
 *
 * What SQLite changes is told to the disk (disk.h). The shared-memory file is
 * no part of it: SQLite makes it anew. Thread: any; one mutex guards all. */
#include "fault_vfs.h"

#include "disk.h"
#include "platform/thread.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECTOR = 512 };

struct file {
    sqlite3_file base;
    uint32_t node;   /* on the disk */
    uint32_t folder; /* synced at the file's first sync, as SQLite's own file
                        system does for logs and journals; DISK_NONE: not */
    bool is_database;
    sqlite3_file *real;
};

static struct {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    struct mm_mutex *mutex;
    enum fault_kind kind;
    unsigned number;
    unsigned calls;
    bool is_sticky;
    bool happened;
    bool is_powersafe; /* set while no store is open */
} world;

/* Whether the present call is the one that fails. Under the lock. */
static bool strikes(enum fault_kind kind)
{
    if (world.kind != kind) {
        return false;
    }
    world.calls++;
    if (world.calls == world.number ||
        (world.is_sticky && world.happened && world.calls > world.number)) {
        world.happened = true;
        return true;
    }
    return false;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct file *)file)->real;
}

static int close_file(sqlite3_file *file)
{
    sqlite3_file *real = real_of(file);
    int result = real->pMethods->xClose(real);

    sqlite3_free(real);
    return result;
}

static int read_file(sqlite3_file *file, void *octets, int size,
                     sqlite3_int64 offset)
{
    return real_of(file)->pMethods->xRead(real_of(file), octets, size, offset);
}

static int write_file(sqlite3_file *file, const void *octets, int size,
                      sqlite3_int64 offset)
{
    int result = SQLITE_OK;
    int part = size;

    mm_mutex_lock(world.mutex);
    if (strikes(FAULT_WRITE)) {
        result = SQLITE_IOERR_WRITE;
        part = 0;
    } else if (strikes(FAULT_WRITE_SHORT)) {
        result = SQLITE_IOERR_WRITE;
        part = size / 2;
    } else if (strikes(FAULT_WRITE_FULL)) {
        result = SQLITE_FULL;
        part = 0;
    }
    if (part > 0) {
        int real = real_of(file)->pMethods->xWrite(real_of(file), octets, part,
                                                   offset);

        result = result == SQLITE_OK ? real : result;
        disk_write(((struct file *)file)->node, (uint64_t)offset, octets,
                   (size_t)part);
    }
    mm_mutex_unlock(world.mutex);
    return result;
}

static int truncate_file(sqlite3_file *file, sqlite3_int64 size)
{
    int result = SQLITE_IOERR_TRUNCATE;

    mm_mutex_lock(world.mutex);
    if (!strikes(FAULT_TRUNCATE)) {
        result = real_of(file)->pMethods->xTruncate(real_of(file), size);
        disk_set_length(((struct file *)file)->node, (uint64_t)size);
    }
    mm_mutex_unlock(world.mutex);
    return result;
}

/* The real disk is left alone: what counts as synced is remembered here. */
static int sync_file(sqlite3_file *file, int flags)
{
    int result = SQLITE_IOERR_FSYNC;

    (void)flags;
    mm_mutex_lock(world.mutex);
    if (((struct file *)file)->is_database && strikes(FAULT_SYNC_DATABASE)) {
        disk_lose(((struct file *)file)->node);
    } else if (!strikes(FAULT_SYNC)) {
        result = SQLITE_OK;
        disk_sync(((struct file *)file)->node);
        disk_sync(((struct file *)file)->folder);
        ((struct file *)file)->folder = DISK_NONE;
    }
    mm_mutex_unlock(world.mutex);
    return result;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size_out)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), size_out);
}

static int lock_file(sqlite3_file *file, int lock)
{
    return real_of(file)->pMethods->xLock(real_of(file), lock);
}

static int unlock_file(sqlite3_file *file, int lock)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), lock);
}

static int check_reserved(sqlite3_file *file, int *is_out)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), is_out);
}

static int control_file(sqlite3_file *file, int what, void *argument)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), what, argument);
}

static int sector_size(sqlite3_file *file)
{
    (void)file;
    return SECTOR;
}

/* The disk promises nothing about order or torn sectors. */
static int characteristics(sqlite3_file *file)
{
    (void)file;
    return world.is_powersafe ? SQLITE_IOCAP_POWERSAFE_OVERWRITE : 0;
}

static int map_shared(sqlite3_file *file, int region, int size, int extends,
                      void volatile **out)
{
    mm_mutex_lock(world.mutex);
    bool fails = extends && strikes(FAULT_INDEX_FULL);
    mm_mutex_unlock(world.mutex);
    if (fails) {
        return SQLITE_IOERR_SHMSIZE;
    }
    return real_of(file)->pMethods->xShmMap(real_of(file), region, size,
                                            extends, out);
}

static int lock_shared(sqlite3_file *file, int offset, int count, int flags)
{
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, count,
                                             flags);
}

static void barrier_shared(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int unmap_shared(sqlite3_file *file, int deletes)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), deletes);
}

static const sqlite3_io_methods methods = {2,
                                           close_file,
                                           read_file,
                                           write_file,
                                           truncate_file,
                                           sync_file,
                                           file_size,
                                           lock_file,
                                           unlock_file,
                                           check_reserved,
                                           control_file,
                                           sector_size,
                                           characteristics,
                                           map_shared,
                                           lock_shared,
                                           barrier_shared,
                                           unmap_shared,
                                           NULL,
                                           NULL};

/* The file on the disk, which may be new there. */
static void find_on_disk(struct file *file, const char *path, int flags)
{
    const char *name = "";
    uint32_t folder = disk_find_folder(path, &name);

    file->node = disk_find(path);
    if (file->node == DISK_NONE && (flags & SQLITE_OPEN_CREATE) != 0) {
        file->node = disk_make(folder, name, false);
    }
    if ((flags & SQLITE_OPEN_CREATE) != 0 &&
        (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL)) != 0) {
        file->folder = folder;
    }
}

static int open_file(sqlite3_vfs *vfs, const char *path, sqlite3_file *out,
                     int flags, int *flags_out)
{
    struct file *file = (struct file *)out;
    int result;

    (void)vfs;
    file->base.pMethods = NULL;
    file->node = DISK_NONE;
    file->folder = DISK_NONE;
    file->is_database = (flags & SQLITE_OPEN_MAIN_DB) != 0;
    file->real = sqlite3_malloc(world.real->szOsFile);
    if (file->real == NULL) {
        return SQLITE_NOMEM;
    }
    memset(file->real, 0, (size_t)world.real->szOsFile);
    result = world.real->xOpen(world.real, path, file->real, flags, flags_out);
    if (result != SQLITE_OK) {
        sqlite3_free(file->real);
        return result;
    }
    if (path != NULL) {
        mm_mutex_lock(world.mutex);
        find_on_disk(file, path, flags);
        mm_mutex_unlock(world.mutex);
    }
    file->base.pMethods = &methods;
    return SQLITE_OK;
}

static int delete_file(sqlite3_vfs *vfs, const char *path, int syncs)
{
    const char *name = "";
    int result = world.real->xDelete(world.real, path, syncs);

    (void)vfs;
    mm_mutex_lock(world.mutex);
    uint32_t folder = disk_find_folder(path, &name);
    if (result == SQLITE_OK && disk_find(path) != DISK_NONE) {
        disk_unlink(folder, name);
    }
    if (result == SQLITE_OK && syncs != 0) {
        disk_sync(folder);
    }
    mm_mutex_unlock(world.mutex);
    return result;
}

void fault_install(void)
{
    world.real = sqlite3_vfs_find(NULL);
    world.vfs = *world.real;
    world.vfs.pNext = NULL;
    world.vfs.zName = "mailmod-fault";
    world.vfs.szOsFile = (int)sizeof(struct file);
    world.vfs.xOpen = open_file;
    world.vfs.xDelete = delete_file;
    if (mm_mutex_new(&world.mutex) == MAILMOD_OK) {
        sqlite3_vfs_register(&world.vfs, 1);
    }
}

void fault_remove(void)
{
    disk_end();
    sqlite3_vfs_unregister(&world.vfs);
    sqlite3_vfs_register(world.real, 1);
    mm_mutex_free(&world.mutex);
}

void fault_set(enum fault_kind kind, unsigned number, bool is_sticky)
{
    mm_mutex_lock(world.mutex);
    world.kind = kind;
    world.number = number;
    world.is_sticky = is_sticky;
    world.calls = 0;
    world.happened = false;
    mm_mutex_unlock(world.mutex);
}

void fault_set_powersafe(bool is_powersafe)
{
    world.is_powersafe = is_powersafe;
}

bool fault_happened(void)
{
    bool happened;

    mm_mutex_lock(world.mutex);
    happened = world.happened;
    mm_mutex_unlock(world.mutex);
    return happened;
}

unsigned fault_calls(void)
{
    unsigned calls;

    mm_mutex_lock(world.mutex);
    calls = world.calls;
    mm_mutex_unlock(world.mutex);
    return calls;
}
