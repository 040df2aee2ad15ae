/* fault_vfs.c - see fault_vfs.h.
 *
 * A disk is a set of files; a file is what was synced and a list of changes
 * since. A sync settles the changes of its own file alone and in order; what is
 * not synced when the power fails survives by sectors of 512 octets, each for
 * itself. The shared-memory file is no part of the disk: SQLite makes it anew.
 * Thread: any; one mutex guards all. */
#include "fault_vfs.h"

#include "platform/thread.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECTOR = 512, FILES_MAX = 16 };

enum change_kind {
    CHANGE_WRITE,
    CHANGE_LENGTH,
    CHANGE_SYNC,
    CHANGE_DELETE,
    CHANGE_LOST
};

struct change {
    enum change_kind kind;
    unsigned file;
    uint64_t offset; /* or the new length */
    unsigned char *octets;
    size_t size;
};

struct image {
    unsigned char *octets;
    size_t size;
    size_t capacity;
    bool is_there;
};

struct disk_file {
    char name[64]; /* without the folder */
    struct image start;
};

struct file {
    sqlite3_file base;
    unsigned number;   /* on the disk; FILES_MAX: not recorded */
    bool syncs_folder; /* at its first sync, as SQLite's own file system does
                          for logs and journals */
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
    bool records;
    struct disk_file files[FILES_MAX];
    unsigned file_count;
    struct change *changes;
    size_t change_count;
    size_t change_capacity;
    bool is_powersafe; /* set while no store is open */
} world;

static bool image_resize(struct image *image, size_t size)
{
    if (size > image->capacity) {
        size_t capacity = size * 2;
        unsigned char *grown = realloc(image->octets, capacity);

        if (grown == NULL) {
            return false;
        }
        memset(grown + image->capacity, 0, capacity - image->capacity);
        image->octets = grown;
        image->capacity = capacity;
    }
    if (size < image->size) {
        memset(image->octets + size, 0, image->size - size);
    }
    image->size = size;
    return true;
}

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

static void record(enum change_kind kind, unsigned file, uint64_t offset,
                   const void *octets, size_t size)
{
    struct change *change;

    if (!world.records || file == FILES_MAX) {
        return;
    }
    if (world.change_count == world.change_capacity) {
        world.change_capacity = world.change_capacity * 2 + 256;
        world.changes = realloc(world.changes,
                                world.change_capacity * sizeof *world.changes);
    }
    change = &world.changes[world.change_count++];
    *change = (struct change){kind, file, offset, NULL, size};
    if (octets != NULL) {
        change->octets = malloc(size);
        memcpy(change->octets, octets, size);
    }
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
        record(CHANGE_WRITE, ((struct file *)file)->number, (uint64_t)offset,
               octets, (size_t)part);
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
        record(CHANGE_LENGTH, ((struct file *)file)->number, (uint64_t)size,
               NULL, 0);
    }
    mm_mutex_unlock(world.mutex);
    return result;
}

/* A sync of the folder settles what was deleted in it. */
static void settle_deletions(void)
{
    for (unsigned i = 0; i < world.file_count; i++) {
        size_t last = world.change_count;

        while (last > 0 && world.changes[last - 1].file != i) {
            last--;
        }
        if (last > 0 && world.changes[last - 1].kind == CHANGE_DELETE) {
            record(CHANGE_SYNC, i, 0, NULL, 0);
        }
    }
}

/* What no sync has settled will never be on the disk. */
static void lose_unsynced(unsigned file)
{
    for (size_t i = world.change_count; i > 0; i--) {
        struct change *change = &world.changes[i - 1];

        if (change->file == file && change->kind == CHANGE_SYNC) {
            break;
        }
        if (change->file == file) {
            change->kind = CHANGE_LOST;
        }
    }
}

/* The real disk is left alone: what counts as synced is remembered here. */
static int sync_file(sqlite3_file *file, int flags)
{
    int result = SQLITE_IOERR_FSYNC;

    (void)flags;
    mm_mutex_lock(world.mutex);
    if (((struct file *)file)->is_database && strikes(FAULT_SYNC_DATABASE)) {
        lose_unsynced(((struct file *)file)->number);
    } else if (!strikes(FAULT_SYNC)) {
        result = SQLITE_OK;
        record(CHANGE_SYNC, ((struct file *)file)->number, 0, NULL, 0);
        if (((struct file *)file)->syncs_folder) {
            ((struct file *)file)->syncs_folder = false;
            settle_deletions();
        }
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

/* The file's number on the disk; at its first opening it is read whole, as
 * what a disk holds from before. */
static unsigned number_of(const char *path, sqlite3_file *real)
{
    const char *name = strrchr(path, '/');
    struct disk_file *file;
    sqlite3_int64 size = 0;

    name = name != NULL ? name + 1 : path;
    for (unsigned i = 0; i < world.file_count; i++) {
        if (strcmp(world.files[i].name, name) == 0) {
            return i;
        }
    }
    if (world.file_count == FILES_MAX) {
        return FILES_MAX;
    }
    file = &world.files[world.file_count];
    snprintf(file->name, sizeof file->name, "%s", name);
    (void)real->pMethods->xFileSize(real, &size);
    if (size > 0 && image_resize(&file->start, (size_t)size)) {
        file->start.is_there = true;
        (void)real->pMethods->xRead(real, file->start.octets, (int)size, 0);
    }
    return world.file_count++;
}

static int open_file(sqlite3_vfs *vfs, const char *path, sqlite3_file *out,
                     int flags, int *flags_out)
{
    struct file *file = (struct file *)out;
    int result;

    (void)vfs;
    file->base.pMethods = NULL;
    file->number = FILES_MAX;
    file->is_database = (flags & SQLITE_OPEN_MAIN_DB) != 0;
    file->syncs_folder =
        (flags & SQLITE_OPEN_CREATE) != 0 &&
        (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL)) != 0;
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
    if (path != NULL && world.records) {
        mm_mutex_lock(world.mutex);
        file->number = number_of(path, file->real);
        mm_mutex_unlock(world.mutex);
    }
    file->base.pMethods = &methods;
    return SQLITE_OK;
}

static int delete_file(sqlite3_vfs *vfs, const char *path, int syncs)
{
    const char *name = strrchr(path, '/');

    (void)vfs;
    name = name != NULL ? name + 1 : path;
    mm_mutex_lock(world.mutex);
    for (unsigned i = 0; i < world.file_count; i++) {
        if (strcmp(world.files[i].name, name) == 0) {
            record(CHANGE_DELETE, i, 0, NULL, 0);
            if (syncs != 0) {
                record(CHANGE_SYNC, i, 0, NULL, 0);
            }
        }
    }
    mm_mutex_unlock(world.mutex);
    return world.real->xDelete(world.real, path, syncs);
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
    fault_record(false);
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

void fault_record(bool records)
{
    for (size_t i = 0; i < world.change_count; i++) {
        free(world.changes[i].octets);
    }
    for (unsigned i = 0; i < world.file_count; i++) {
        free(world.files[i].start.octets);
    }
    free(world.changes);
    memset(world.files, 0, sizeof world.files);
    world.changes = NULL;
    world.change_count = 0;
    world.change_capacity = 0;
    world.file_count = 0;
    world.records = records;
}

size_t fault_steps(void)
{
    size_t count;

    mm_mutex_lock(world.mutex);
    count = world.change_count;
    mm_mutex_unlock(world.mutex);
    return count;
}

size_t fault_sync_before(size_t step)
{
    size_t i = step;

    mm_mutex_lock(world.mutex);
    while (i > 0 && world.changes[i - 1].kind != CHANGE_SYNC) {
        i--;
    }
    mm_mutex_unlock(world.mutex);
    return i > 0 ? i - 1 : 0;
}

static uint64_t draw(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* The sectors of one write, each for itself. */
static bool apply_write(struct image *image, const struct change *change,
                        enum fault_survival survival, uint64_t *seed)
{
    for (size_t at = 0; at < change->size;) {
        uint64_t place = change->offset + at;
        size_t size = SECTOR - (size_t)(place % SECTOR);

        if (size > change->size - at) {
            size = change->size - at;
        }
        if (survival == FAULT_ALL || (draw(seed) & 1) != 0) {
            if (place + size > image->size &&
                !image_resize(image, (size_t)place + size)) {
                return false;
            }
            memcpy(image->octets + place, change->octets + at, size);
            image->is_there = true;
        }
        at += size;
    }
    return true;
}

static bool apply(struct image *image, const struct change *change,
                  enum fault_survival survival, uint64_t *seed)
{
    if (survival == FAULT_NOTHING || change->kind == CHANGE_LOST) {
        return true;
    }
    if (change->kind == CHANGE_WRITE) {
        return apply_write(image, change, survival, seed);
    }
    if (survival == FAULT_SOME && (draw(seed) & 1) != 0) {
        return true;
    }
    if (change->kind == CHANGE_LENGTH) {
        return image_resize(image, (size_t)change->offset);
    }
    if (change->kind == CHANGE_DELETE) {
        image->is_there = false;
        return image_resize(image, 0);
    }
    return true;
}

/* What the file holds: all up to its last sync, then what survives. */
static bool build(struct image *image, unsigned file, size_t step,
                  enum fault_survival survival, uint64_t *seed)
{
    size_t synced = 0;
    bool is_good = image_resize(image, world.files[file].start.size);

    if (is_good && image->size > 0) {
        memcpy(image->octets, world.files[file].start.octets, image->size);
    }
    image->is_there = world.files[file].start.is_there;
    for (size_t i = 0; i < step; i++) {
        if (world.changes[i].file == file &&
            world.changes[i].kind == CHANGE_SYNC) {
            synced = i;
        }
    }
    for (size_t i = 0; is_good && i < step; i++) {
        if (world.changes[i].file == file) {
            is_good = apply(image, &world.changes[i],
                            i < synced ? FAULT_ALL : survival, seed);
        }
    }
    return is_good;
}

static bool save(const char *folder, const char *name,
                 const struct image *image)
{
    char path[512];
    FILE *file;
    bool is_good;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    (void)remove(path);
    if (!image->is_there) {
        return true;
    }
    file = fopen(path, "wb");
    if (file == NULL) {
        return false;
    }
    is_good = fwrite(image->octets, 1, image->size, file) == image->size;
    return fclose(file) == 0 && is_good;
}

bool fault_play(const char *folder, size_t step, enum fault_survival survival,
                uint64_t seed)
{
    bool is_good = true;

    for (unsigned file = 0; is_good && file < world.file_count; file++) {
        struct image image = {0};

        is_good = build(&image, file, step, survival, &seed) &&
                  save(folder, world.files[file].name, &image);
        free(image.octets);
    }
    return is_good;
}
