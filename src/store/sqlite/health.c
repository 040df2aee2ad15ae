/* health.c - whether the store can be written now, and its return when not.
 *
 * A commit that failed puts the store in trouble, and the first one that is
 * good again takes it out: one line of the log for each. A full disk and a lock
 * of another process pass by themselves, so jobs are still tried. After
 * anything else nothing is written until the writer has mended the store: once
 * a second it looks for the files, copies the whole log back into the database
 * (what was acknowledged is synced in the log, so it can be written anew, and
 * nothing of the failed sync is believed, nor what was copied before it),
 * begins the log anew and commits a note. Damage is never mended here.
 *
 * The files are looked at after each commit, before anybody is answered: a
 * database, log, index or lock that was removed, renamed or replaced is
 * trouble, because what is committed to it is gone after the next start. While
 * the folder is the same and nothing in it was made, removed or renamed since
 * all four were there, one look at the folder says as much; its time must be
 * old enough that no later change could have the same. Thread: writer;
 * mm_store_is_writable is for any. */
#include "store/sqlite/internal.h"

#include "base/mem.h"
#include "platform/clock.h"

#include <stdio.h>
#include <string.h>

static const char *const suffixes[MM_STORE_FILES] = {
    "mailmod.db", "mailmod.db-wal", "mailmod.db-shm", "mailmod.lock"};

enum mailmod_error mm_health_begin(struct mm_sqlite *store)
{
    for (size_t i = 0; i < MM_STORE_FILES; i++) {
        struct mm_held_file *file = &store->files[i];
        size_t size = strlen(store->folder) + strlen(suffixes[i]) + 2;
        file->path = mm_alloc(size);
        if (file->path == NULL) {
            return MAILMOD_ERROR_MEMORY;
        }
        (void)snprintf(file->path, size, "%s/%s", store->folder, suffixes[i]);
        /* The lock is the daemon's alone: a tool need not find one. */
        file->is_known =
            mm_fs_identify(file->path, &file->identity) == MAILMOD_OK;
        /* What a link names may be replaced in another folder. */
        store->has_links = store->has_links || mm_fs_is_link(file->path);
    }
    return MAILMOD_OK;
}

void mm_health_end(struct mm_sqlite *store)
{
    for (size_t i = 0; i < MM_STORE_FILES; i++) {
        mm_free(store->files[i].path);
        store->files[i].path = NULL;
    }
}

/* A look for which there is no memory (a path as Windows wants it) tells
 * nothing: the next commit looks again. */
static bool is_missing(const struct mm_held_file *file)
{
    struct mm_fs_identity now;
    enum mailmod_error error = mm_fs_identify(file->path, &now);

    return error == MAILMOD_OK ? now.volume != file->identity.volume ||
                                     now.file != file->identity.file
                               : error != MAILMOD_ERROR_MEMORY;
}

static const char *missing_file(const struct mm_sqlite *store)
{
    for (size_t i = 0; i < MM_STORE_FILES; i++) {
        const struct mm_held_file *file = &store->files[i];

        if (file->is_known && is_missing(file)) {
            return file->path;
        }
    }
    return NULL;
}

static bool is_as_seen(const struct mm_fs_folder_state *seen,
                       const struct mm_fs_folder_state *now)
{
    return seen->is_settled && seen->identity.volume == now->identity.volume &&
           seen->identity.file == now->identity.file &&
           seen->changed_s == now->changed_s &&
           seen->changed_ns == now->changed_ns;
}

bool mm_health_has_files(struct mm_sqlite *store)
{
    struct mm_fs_folder_state now = {.is_settled = false};
    bool is_told = !store->has_links &&
                   mm_fs_folder_state(store->folder, &now) == MAILMOD_OK;
    if (is_told && is_as_seen(&store->folder_seen, &now)) {
        return true;
    }
    /* The folder before its files: what happens between is seen next time. */
    bool has_all = missing_file(store) == NULL;
    store->folder_seen = now;
    store->folder_seen.is_settled = is_told && has_all && now.is_settled;
    return has_all;
}

static bool passes_by_itself(enum mailmod_error error)
{
    return error == MAILMOD_OK || error == MAILMOD_ERROR_STORAGE_FULL ||
           error == MAILMOD_ERROR_BUSY;
}

static void say_trouble(const struct mm_sqlite *store, enum mailmod_error error)
{
    const char *missing = missing_file(store);
    if (missing != NULL) {
        MM_LOG(store->log, MM_LOG_ERROR, "store",
               "a file of the store was removed, renamed or replaced; no mail "
               "is taken or sent until it is back, or mailmod was restarted",
               MM_TEXT("path", missing));
    } else if (error == MAILMOD_ERROR_STORAGE_FULL) {
        MM_LOG(
            store->log, MM_LOG_ERROR, "store",
            "the disk is full; no mail is taken or sent until there is room",
            MM_TEXT("folder", store->folder),
            MM_NUMBER("free_octets", (int64_t)mm_fs_free_space(store->folder)),
            MM_NUMBER("limit_octets",
                      (int64_t)atomic_load(&store->free_space_min)));
    } else if (error == MAILMOD_ERROR_BUSY) {
        MM_LOG(store->log, MM_LOG_ERROR, "store",
               "another process keeps the store locked; no mail is taken or "
               "sent until it lets go",
               MM_TEXT("path", store->path));
    } else {
        MM_LOG(store->log, MM_LOG_ERROR, "store",
               error == MAILMOD_ERROR_STORAGE_DAMAGED
                   ? "the store is damaged; nothing more is written: see "
                     "docs/store-format.md, repair"
                   : "a write failed; nothing more is written until one works",
               MM_TEXT("error", mm_error_name(error)),
               MM_TEXT("path", store->path));
    }
}

void mm_health_judge(struct mm_sqlite *store, enum mailmod_error error)
{
    enum mailmod_error before =
        (enum mailmod_error)atomic_load(&store->trouble);
    if (error == MAILMOD_ERROR_MEMORY ||
        before == MAILMOD_ERROR_STORAGE_DAMAGED || error == before) {
        return;
    }
    atomic_store(&store->trouble, (int)error);
    if (error == MAILMOD_OK) {
        MM_LOG(store->log, MM_LOG_INFO, "store", "the store is written again",
               MM_TEXT("path", store->path));
    } else if (before == MAILMOD_OK || !passes_by_itself(error)) {
        say_trouble(store, error);
    }
    store->mended_ms = mm_clock_monotonic_ms();
}

bool mm_health_refuses(const struct mm_sqlite *store)
{
    return !passes_by_itself((enum mailmod_error)atomic_load(&store->trouble));
}

int mm_health_busy_ms(const struct mm_sqlite *store)
{
    if (store->is_shared) {
        return MM_STORE_BUSY_TOOL_MS;
    }
    return atomic_load(&store->trouble) == MAILMOD_ERROR_BUSY
               ? MM_STORE_BUSY_AGAIN_MS
               : MM_STORE_BUSY_MS;
}

/* A transaction that changes nothing but is written and synced. */
static enum mailmod_error commit_note(struct mm_sqlite *store)
{
    struct mm_connection *writer = &store->writer;
    enum mailmod_error error = mm_sql_do(writer, MM_SQL_BEGIN);
    if (error == MAILMOD_OK) {
        error = mm_sqlite_note_ids(store, store->reserved_id);
    }
    if (error == MAILMOD_OK) {
        error = mm_sql_do(writer, MM_SQL_COMMIT);
    }
    if (error != MAILMOD_OK && !sqlite3_get_autocommit(writer->db) &&
        mm_sql_do(writer, MM_SQL_ROLLBACK) != MAILMOD_OK) {
        return MAILMOD_ERROR_STORAGE;
    }
    return error;
}

static enum mailmod_error mend(struct mm_sqlite *store)
{
    sqlite3 *db = store->writer.db;
    if (!mm_health_has_files(store)) {
        return MAILMOD_ERROR_STORAGE;
    }
    if (!sqlite3_get_autocommit(db)) {
        enum mailmod_error error = mm_sql_do(&store->writer, MM_SQL_ROLLBACK);
        if (error != MAILMOD_OK) {
            return error;
        }
    }
    enum mailmod_error error = mm_checkpoint_all(store);
    if (error == MAILMOD_OK) {
        (void)sqlite3_busy_timeout(db, MM_STORE_BUSY_AGAIN_MS);
        error = commit_note(store);
        (void)sqlite3_busy_timeout(db, mm_health_busy_ms(store));
    }
    return error == MAILMOD_OK && !mm_health_has_files(store)
               ? MAILMOD_ERROR_STORAGE
               : error;
}

void mm_health_mend(struct mm_sqlite *store)
{
    enum mailmod_error trouble =
        (enum mailmod_error)atomic_load(&store->trouble);
    if (trouble == MAILMOD_OK || store->is_shared ||
        trouble == MAILMOD_ERROR_STORAGE_DAMAGED ||
        mm_clock_monotonic_ms() - store->mended_ms < MM_STORE_MEND_MS) {
        return;
    }
    store->mended_ms = mm_clock_monotonic_ms();
    if (mend(store) == MAILMOD_OK) {
        mm_health_judge(store, MAILMOD_OK);
    }
}

bool mm_sqlite_is_writable(const struct mm_store *base)
{
    const struct mm_sqlite *store = mm_sqlite_of_const(base);
    return atomic_load(&store->trouble) == MAILMOD_OK;
}
