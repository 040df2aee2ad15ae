/* checkpoint.c - the write-ahead log, copied back into the database beside the
 * writer (a passive checkpoint in SQLite's words).
 *
 * Owns: the copier, a thread with a connection of its own. It copies what the
 * log has gained since its last pass and syncs the database itself, for SQLite
 * does that only when nothing was committed meanwhile. Nobody waits for it: the
 * writer asks for a pass and goes on.
 *
 * The law of the log: from MM_STORE_RESTART_PAGES on the chores wait for the
 * copier, so that it gets near the log's end; when little is left, the writer
 * copies that and begins the log anew, between two batches. A log that
 * acknowledged mail alone makes grow faster than the disk can copy it is begun
 * anew at MM_STORE_LOG_LONG_PAGES whatever is left, and where the copier is
 * still at it, at MM_STORE_LOG_MOST_PAGES it is waited for: only then does mail
 * wait for a copy. Readers are waited for MM_STORE_RESTART_WAIT_MS, which on a
 * busy machine they do not keep; from that length on they get a second.
 *
 * A sync of the database that failed is never believed: what the log's index
 * calls copied is taken back (nBackfill = 0, documented in SQLite's "WAL-mode
 * file format", 2.2), and the whole log is copied and synced once more before
 * anything is written (health.c). Until then the log is not begun anew, so all
 * that was acknowledged is in it.
 * A tool has no copier: it copies back itself and never waits for readers.
 * Thread: the writer's, but for the copier's own. */
#include "store/sqlite/internal.h"

/* Of SQLite's index of the log: the lock of who copies back, and the place of
 * nBackfill among the 32-bit numbers of the index's first part. */
#define CHECKPOINT_LOCK 1
#define INDEX_PART_SIZE 32768
#define BACKFILL_PLACE 24

static void note_anew(struct mm_sqlite *store)
{
    store->log_pages = 0;
    store->copied_pages = 0;
    store->copy_at = store->copy_pages;
    store->restart_at = MM_STORE_RESTART_PAGES;
}

static int on_log_grown(void *context, sqlite3 *db, const char *name, int pages)
{
    struct mm_sqlite *store = context;

    (void)db;
    (void)name;
    if (pages < store->log_pages) {
        note_anew(store);
    }
    store->log_pages = pages;
    return SQLITE_OK;
}

static int copy(struct mm_connection *connection, int mode, int *log_out,
                int *copied_out)
{
    return sqlite3_wal_checkpoint_v2(connection->db, NULL, mode, log_out,
                                     copied_out);
}

static sqlite3_file *file_of(struct mm_connection *connection)
{
    sqlite3_file *file = NULL;

    (void)sqlite3_file_control(connection->db, "main",
                               SQLITE_FCNTL_FILE_POINTER, &file);
    return file;
}

/* The next copy begins at the log's beginning. Who reads the database file
 * alone, because all of the log was in it, may go on: what is written to it
 * anew is what it holds. */
static enum mailmod_error forget_copied(struct mm_connection *connection)
{
    sqlite3_file *file = file_of(connection);
    void volatile *part = NULL;
    int result = file->pMethods->xShmMap(file, 0, INDEX_PART_SIZE, 0, &part);

    if (result != SQLITE_OK || part == NULL) {
        return result != SQLITE_OK ? mm_sql_error(result)
                                   : MAILMOD_ERROR_STORAGE;
    }
    result = file->pMethods->xShmLock(file, CHECKPOINT_LOCK, 1,
                                      SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE);
    if (result == SQLITE_OK) {
        ((uint32_t volatile *)part)[BACKFILL_PLACE] = 0;
        file->pMethods->xShmBarrier(file);
        result = file->pMethods->xShmLock(
            file, CHECKPOINT_LOCK, 1, SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE);
    }
    return mm_sql_error(result);
}

/* What is left, on the writer; then the log begins anew with the next commit.
 * Who reads it is waited for, within bounds: who comes now reads the database
 * alone. */
static enum mailmod_error begin_anew(struct mm_sqlite *store, int wait_ms)
{
    struct mm_connection *writer = &store->writer;

    (void)sqlite3_busy_timeout(writer->db, wait_ms);
    enum mailmod_error error =
        mm_sql_error(copy(writer, SQLITE_CHECKPOINT_RESTART, NULL, NULL));
    (void)sqlite3_busy_timeout(writer->db, mm_health_busy_ms(store));
    if (error == MAILMOD_OK) {
        note_anew(store);
    }
    return error;
}

enum mailmod_error mm_checkpoint_all(struct mm_sqlite *store)
{
    enum mailmod_error error = atomic_load(&store->wants_copy)
                                   ? MAILMOD_ERROR_BUSY
                                   : forget_copied(&store->writer);

    return error == MAILMOD_OK ? begin_anew(store, MM_STORE_MEND_WAIT_MS)
                               : error;
}

/* ---- the copier ---- */

/* SQLite syncs the database when it has copied all that there is, and with a
 * writer beside it that is never so. */
static enum mailmod_error sync_copied(struct mm_sqlite *store)
{
    sqlite3_file *file = file_of(&store->copier);

    if (!store->syncs ||
        file->pMethods->xSync(file, SQLITE_SYNC_NORMAL) == SQLITE_OK) {
        return MAILMOD_OK;
    }
    /* Busy: another process copies. The writer does it before it goes on. */
    (void)forget_copied(&store->copier);
    return MAILMOD_ERROR_STORAGE;
}

static struct mm_copied pass(struct mm_sqlite *store)
{
    struct mm_copied copied = {.error = MAILMOD_OK};

    copied.error = mm_sql_error(copy(&store->copier, SQLITE_CHECKPOINT_PASSIVE,
                                     &copied.log_pages, &copied.pages));
    if (copied.error == MAILMOD_OK) {
        copied.error = sync_copied(store);
    }
    return copied;
}

static void run_copier(void *context)
{
    struct mm_sqlite *store = context;

    mm_mutex_lock(store->mutex);
    while (true) {
        while (!atomic_load(&store->wants_copy) && !store->copier_ends) {
            mm_condition_wait(store->copier_condition, store->mutex);
        }
        if (store->copier_ends) {
            break;
        }
        mm_mutex_unlock(store->mutex);
        struct mm_copied copied = pass(store);
        mm_mutex_lock(store->mutex);
        store->copied = copied;
        atomic_store(&store->wants_copy, false);
        mm_condition_signal(store->condition);
    }
    mm_mutex_unlock(store->mutex);
}

static void ask(struct mm_sqlite *store)
{
    mm_mutex_lock(store->mutex);
    atomic_store(&store->wants_copy, true);
    mm_condition_signal(store->copier_condition);
    mm_mutex_unlock(store->mutex);
    store->has_asked = true;
}

bool mm_checkpoint_is_copying(const struct mm_sqlite *store)
{
    return store->has_asked;
}

bool mm_checkpoint_has_copied(const struct mm_sqlite *store)
{
    return store->has_asked && !atomic_load(&store->wants_copy);
}

/* ---- the writer's side ---- */

static void judge(struct mm_sqlite *store, enum mailmod_error error)
{
    if (error != MAILMOD_OK && error != MAILMOD_ERROR_BUSY) {
        mm_health_judge(store, error);
    }
}

/* What the last pass came to. Without the mutex, which those who were just
 * answered want: the copier leaves it alone until it is asked again. */
static void take_copied(struct mm_sqlite *store)
{
    struct mm_copied copied = store->copied;

    store->has_asked = false;
    if (copied.error == MAILMOD_OK && copied.log_pages <= store->log_pages) {
        store->copied_pages = copied.pages;
        store->copy_at = copied.log_pages + store->copy_pages;
        store->shrinks = true; /* when nobody writes */
    }
    judge(store, copied.error);
}

/* Somebody who reads the log all the time would keep it from being used anew,
 * for as long as there is load. */
static void restart(struct mm_sqlite *store)
{
    enum mailmod_error error =
        begin_anew(store, store->log_pages >= MM_STORE_LOG_MOST_PAGES
                              ? MM_STORE_LOG_MOST_WAIT_MS
                              : MM_STORE_RESTART_WAIT_MS);

    if (error == MAILMOD_ERROR_BUSY) {
        store->restart_at = store->log_pages + store->copy_pages;
        if (store->log_pages >= MM_STORE_LOG_LONG_PAGES) {
            mm_readers_end_old(store);
        }
    }
    judge(store, error);
}

/* Now, and without waiting for readers. */
static enum mailmod_error copy_here(struct mm_sqlite *store)
{
    enum mailmod_error error = mm_sql_error(
        copy(&store->writer, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL));

    store->copied_pages = store->log_pages;
    store->copy_at = store->log_pages + store->copy_pages;
    judge(store, error);
    return error;
}

/* Where room is short it is done at once, so that the log is used anew from its
 * beginning and what was freed goes back to the volume. */
static void make_room(struct mm_sqlite *store)
{
    store->was_full = false;
    if (copy_here(store) == MAILMOD_OK) {
        (void)sqlite3_exec(store->writer.db, "PRAGMA incremental_vacuum(1024)",
                           NULL, NULL, NULL);
    }
}

/* The copier needs nothing of the writer's, so this ends. */
static void wait_for_copier(struct mm_sqlite *store)
{
    mm_mutex_lock(store->mutex);
    while (atomic_load(&store->wants_copy) && !store->copier_ends) {
        mm_condition_wait(store->condition, store->mutex);
    }
    mm_mutex_unlock(store->mutex);
}

void mm_checkpoint_tend(struct mm_sqlite *store)
{
    bool is_short = store->was_full || store->room == MM_SQLITE_ROOM_NONE;

    if (mm_checkpoint_is_copying(store) &&
        store->log_pages >= MM_STORE_LOG_MOST_PAGES) {
        wait_for_copier(store);
    }
    if (mm_checkpoint_has_copied(store)) {
        take_copied(store);
    }
    int left = store->log_pages - store->copied_pages;
    if (mm_health_refuses(store) || left == 0 ||
        mm_checkpoint_is_copying(store)) {
        return;
    }
    if (is_short) {
        make_room(store);
    } else if (store->is_shared) {
        if (store->log_pages >= store->copy_at) {
            (void)copy_here(store);
        }
    } else if (store->log_pages >= store->restart_at &&
               (left <= MM_STORE_RESTART_LEFT ||
                store->log_pages >= MM_STORE_LOG_LONG_PAGES)) {
        restart(store);
    } else if (store->log_pages >= store->copy_at ||
               store->log_pages >= store->restart_at) {
        ask(store);
    }
}

bool mm_checkpoint_is_behind(const struct mm_sqlite *store)
{
    return store->log_pages >= store->restart_at &&
           mm_checkpoint_is_copying(store);
}

void mm_checkpoint_ask(struct mm_sqlite *store)
{
    if (store->is_shared) {
        (void)copy_here(store);
    } else {
        ask(store);
    }
}

/* A connection that has read nothing yet does not know that there is a log. */
static enum mailmod_error open_copier(struct mm_sqlite *store)
{
    int64_t version;
    enum mailmod_error error = mm_connection_open(&store->copier, store, true);

    return error == MAILMOD_OK ? mm_sql_number(store->copier.db,
                                               "PRAGMA user_version", &version)
                               : error;
}

enum mailmod_error mm_checkpoint_start(struct mm_sqlite *store)
{
    store->copy_pages = MM_STORE_COPY_PAGES;
    note_anew(store);
    (void)sqlite3_wal_hook(store->writer.db, on_log_grown, store);
    if (store->is_shared) {
        return MAILMOD_OK;
    }
    enum mailmod_error error = mm_condition_new(&store->copier_condition);
    if (error == MAILMOD_OK) {
        error = open_copier(store);
    }
    return error == MAILMOD_OK
               ? mm_thread_start(&store->copier_thread, "mm-checkpoint",
                                 run_copier, store)
               : error;
}

void mm_checkpoint_stop(struct mm_sqlite *store)
{
    if (store->copier_thread != NULL) {
        mm_mutex_lock(store->mutex);
        store->copier_ends = true;
        mm_condition_signal(store->copier_condition);
        mm_mutex_unlock(store->mutex);
        mm_thread_join(&store->copier_thread);
    }
    mm_connection_close(&store->copier);
    mm_condition_free(&store->copier_condition);
}
