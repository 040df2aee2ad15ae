/* log_writes.c - the writer's frames go into the log together.
 *
 * SQLite writes the head of each frame and its page with a call of their own:
 * 26 calls for a commit of five messages, all of them one behind the other.
 * Here they are gathered until SQLite wants them on the disk.
 *
 * Owns: one buffer, and the table of calls that stands in the log's open file
 * (of the writer's connection alone) in place of the system's. Promises: what
 * SQLite may look at is there. It syncs the log before it tells anybody of a
 * commit, and reads frames of a transaction of its own by this file: both write
 * what was gathered first, and so does whatever else asks of the file. A
 * failure to write is the failure of the call that wanted it written, and what
 * was gathered is forgotten, as SQLite forgets the transaction. Nothing is
 * gathered where the sync is not a commit's last call: where commits are not
 * synced, or are filled up to a sector behind their sync because the disk may
 * hurt what stands beside a write.
 * Thread: the writer's. SQLite's "WAL-mode file format", 4 (frames). */
#include "store/sqlite/internal.h"

#include "base/mem.h"

#include <string.h>

#define GATHER_MAX (128 * 1024)
#define CALLS_VERSION 3 /* of struct sqlite3_io_methods */

struct mm_log_writes {
    sqlite3_io_methods calls; /* first: SQLite's pointer is one to this */
    const sqlite3_io_methods *system;
    sqlite3_int64 place; /* of the first octet in the file */
    int size;
    char octets[GATHER_MAX];
};

static struct mm_log_writes *writes_of(sqlite3_file *file)
{
    return (struct mm_log_writes *)file->pMethods;
}

static int write_gathered(sqlite3_file *file)
{
    struct mm_log_writes *writes = writes_of(file);
    int size = writes->size;

    writes->size = 0;
    return size == 0 ? SQLITE_OK
                     : writes->system->xWrite(file, writes->octets, size,
                                              writes->place);
}

static int on_write(sqlite3_file *file, const void *octets, int size,
                    sqlite3_int64 place)
{
    struct mm_log_writes *writes = writes_of(file);
    int result = SQLITE_OK;

    if (writes->size > 0 && (place != writes->place + writes->size ||
                             size > GATHER_MAX - writes->size)) {
        result = write_gathered(file);
    }
    if (result != SQLITE_OK || size > GATHER_MAX) {
        return result != SQLITE_OK
                   ? result
                   : writes->system->xWrite(file, octets, size, place);
    }
    if (writes->size == 0) {
        writes->place = place;
    }
    memcpy(writes->octets + writes->size, octets, (size_t)size);
    writes->size += size;
    return SQLITE_OK;
}

static int on_sync(sqlite3_file *file, int flags)
{
    int result = write_gathered(file);

    return result == SQLITE_OK ? writes_of(file)->system->xSync(file, flags)
                               : result;
}

static int on_read(sqlite3_file *file, void *octets_out, int size,
                   sqlite3_int64 place)
{
    int result = write_gathered(file);

    return result == SQLITE_OK
               ? writes_of(file)->system->xRead(file, octets_out, size, place)
               : result;
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    int result = write_gathered(file);

    return result == SQLITE_OK ? writes_of(file)->system->xTruncate(file, size)
                               : result;
}

static int on_file_size(sqlite3_file *file, sqlite3_int64 *size_out)
{
    int result = write_gathered(file);

    return result == SQLITE_OK
               ? writes_of(file)->system->xFileSize(file, size_out)
               : result;
}

static int on_file_control(sqlite3_file *file, int what, void *argument)
{
    int result = write_gathered(file);

    return result == SQLITE_OK
               ? writes_of(file)->system->xFileControl(file, what, argument)
               : result;
}

/* What is left was never part of a commit. */
static int on_close(sqlite3_file *file)
{
    file->pMethods = writes_of(file)->system;
    return file->pMethods->xClose(file);
}

static sqlite3_file *open_file(struct mm_sqlite *store, int which)
{
    sqlite3_file *file = NULL;

    (void)sqlite3_file_control(store->writer.db, "main", which, &file);
    return file != NULL && file->pMethods != NULL ? file : NULL;
}

enum mailmod_error mm_log_writes_begin(struct mm_sqlite *store)
{
    sqlite3_file *database = open_file(store, SQLITE_FCNTL_FILE_POINTER);
    sqlite3_file *file = open_file(store, SQLITE_FCNTL_JOURNAL_POINTER);

    if (!store->syncs || file == NULL || database == NULL ||
        (database->pMethods->xDeviceCharacteristics(database) &
         SQLITE_IOCAP_POWERSAFE_OVERWRITE) == 0) {
        return MAILMOD_OK;
    }
    struct mm_log_writes *writes = mm_alloc(sizeof *writes);
    if (writes == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    writes->system = file->pMethods;
    writes->calls = *file->pMethods;
    /* Calls that came later are not in this table. */
    if (writes->calls.iVersion > CALLS_VERSION) {
        writes->calls.iVersion = CALLS_VERSION;
    }
    writes->calls.xWrite = on_write;
    writes->calls.xSync = on_sync;
    writes->calls.xRead = on_read;
    writes->calls.xTruncate = on_truncate;
    writes->calls.xFileSize = on_file_size;
    writes->calls.xFileControl = on_file_control;
    writes->calls.xClose = on_close;
    store->log_writes = writes;
    file->pMethods = &writes->calls;
    return MAILMOD_OK;
}

void mm_log_writes_end(struct mm_sqlite *store)
{
    mm_free(store->log_writes);
    store->log_writes = NULL;
}
