/* backup.c - one consistent copy of a store in one file, and the way back.
 *
 * A copy is made in one read transaction, beside a daemon that goes on writing:
 * its commits do not begin the copy anew. The log cannot begin anew meanwhile
 * and grows by what is written during the copy; the check of the copy that
 * follows holds nothing. The file is made empty for its owner alone before
 * anything is written to it, and what could not be finished is removed. The
 * copy is bodies, queue and verifiers of passwords: all of the store.
 * Thread: worker; it takes as long as reading and writing the file. */
#include "store/sqlite/internal.h"

#include <string.h>

#define STEP_PAGES 1024 /* 4 MiB, then the progress is told */

struct copy {
    const char *path; /* of what is made */
    mm_store_progress progress;
    void *context;
    bool is_made;
};

static enum mailmod_error say(struct mm_buf *reason_out, const char *path,
                              const char *words, enum mailmod_error error)
{
    if (reason_out != NULL && mm_buf_size(reason_out) == 0) {
        (void)mm_buf_appendf(reason_out, "%s: %s", path, words);
    }
    return error;
}

static enum mailmod_error make_empty(struct copy *copy,
                                     struct mm_buf *reason_out)
{
    if (mm_fs_exists(copy->path)) {
        return say(reason_out, copy->path,
                   "is there already; it is not written over",
                   MAILMOD_ERROR_EXISTS);
    }
    enum mailmod_error error =
        mm_fs_replace(copy->path, mm_span(NULL, 0), true);
    copy->is_made = error == MAILMOD_OK;
    return copy->is_made ? MAILMOD_OK
                         : say(reason_out, copy->path,
                               error == MAILMOD_ERROR_NOT_FOUND
                                   ? "there is no folder for it"
                                   : mm_error_text(error),
                               error);
}

static enum mailmod_error copy_pages(struct copy *copy, sqlite3 *from,
                                     sqlite3 *to)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    if (backup == NULL) {
        return mm_sql_error(sqlite3_errcode(to));
    }
    int result = SQLITE_OK;
    while (result == SQLITE_OK) {
        result = sqlite3_backup_step(backup, STEP_PAGES);
        if (copy->progress != NULL) {
            uint64_t all = (uint64_t)sqlite3_backup_pagecount(backup);
            copy->progress(copy->context,
                           all - (uint64_t)sqlite3_backup_remaining(backup),
                           all);
        }
    }
    int ended = sqlite3_backup_finish(backup);
    return mm_sql_error(result != SQLITE_DONE ? result : ended);
}

/* One file alone, without a log beside it, and synced as such. */
static enum mailmod_error end_copy(sqlite3 *to)
{
    return mm_sql_error(
        sqlite3_exec(to, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL));
}

/* All of `from`, which holds one state, to the new file. */
static enum mailmod_error copy_all(struct copy *copy, sqlite3 *from,
                                   struct mm_buf *reason_out)
{
    struct mm_connection to = {.db = NULL};
    enum mailmod_error error = make_empty(copy, reason_out);
    if (error == MAILMOD_OK) {
        error = mm_database_open(&to, copy->path, SQLITE_OPEN_READWRITE);
    }
    if (error == MAILMOD_OK) {
        error = copy_pages(copy, from, to.db);
    }
    if (error == MAILMOD_OK) {
        error = end_copy(to.db);
    }
    mm_connection_close(&to);
    return error;
}

enum mailmod_error mm_sqlite_check_ours(sqlite3 *db)
{
    int64_t application = 0;
    int64_t version = 0;
    enum mailmod_error error =
        mm_sql_number(db, "PRAGMA application_id", &application);
    if (error == MAILMOD_OK) {
        error = mm_sql_number(db, "PRAGMA user_version", &version);
    }
    if (error == MAILMOD_OK && application != MM_STORE_APPLICATION_ID) {
        return MAILMOD_ERROR_STORAGE_DAMAGED;
    }
    return error == MAILMOD_OK && version > MM_STORE_SCHEMA_VERSION
               ? MAILMOD_ERROR_STORAGE_VERSION
               : error;
}

/* Everything that `store verify` looks at, of a file that nobody else has. */
static enum mailmod_error check_file(const char *path,
                                     struct mm_buf *reason_out)
{
    struct mm_connection file = {.db = NULL};
    struct mm_buf report;
    mm_buf_init(&report, 65536);
    enum mailmod_error error =
        mm_database_open(&file, path, SQLITE_OPEN_READONLY);
    if (error == MAILMOD_OK) {
        error = mm_sqlite_check_ours(file.db);
    }
    if (error == MAILMOD_OK) {
        error = mm_sqlite_check_all(path, file.db, &report);
    }
    if (mm_buf_size(&report) > 0) {
        (void)say(reason_out, path, mm_buf_cstr(&report), error);
    } else if (error != MAILMOD_OK) {
        (void)say(reason_out, path,
                  error == MAILMOD_ERROR_STORAGE_DAMAGED
                      ? "this is no store of mailmod, or it is damaged"
                      : mm_error_text(error),
                  error);
    }
    mm_connection_close(&file);
    mm_buf_fini(&report);
    return error;
}

/* What was begun and did not come to its end is no copy. */
static enum mailmod_error settle(const struct copy *copy,
                                 enum mailmod_error error,
                                 struct mm_buf *reason_out)
{
    if (error == MAILMOD_OK) {
        return MAILMOD_OK;
    }
    if (copy->is_made && mm_fs_remove(copy->path) != MAILMOD_OK) {
        return say(reason_out, copy->path,
                   "the copy failed and must be removed by hand", error);
    }
    return say(reason_out, copy->path, mm_error_text(error), error);
}

enum mailmod_error mm_sqlite_backup(struct mm_store *base, const char *path,
                                    mm_store_progress progress, void *context,
                                    struct mm_buf *reason_out)
{
    struct mm_sqlite *store = mm_sqlite_of(base);
    struct copy copy = {path, progress, context, false};
    struct mm_connection *reader;
    enum mailmod_error error = mm_reader_take(store, &reader);
    if (error != MAILMOD_OK) {
        return error;
    }
    /* The first read fixes the state that is copied. */
    error = mm_sql_error(sqlite3_exec(
        reader->db, "BEGIN; SELECT count(*) FROM meta", NULL, NULL, NULL));
    if (error == MAILMOD_OK) {
        error = copy_all(&copy, reader->db, reason_out);
        (void)sqlite3_exec(reader->db, "ROLLBACK", NULL, NULL, NULL);
    }
    mm_reader_put(store, reader);
    if (error == MAILMOD_OK) {
        error = check_file(path, reason_out);
    }
    return settle(&copy, error, reason_out);
}

static enum mailmod_error check_source(const char *path,
                                       struct mm_buf *reason_out)
{
    uint64_t size;
    enum mailmod_error error = mm_fs_size(path, &size);
    return error == MAILMOD_OK
               ? MAILMOD_OK
               : say(reason_out, path,
                     error == MAILMOD_ERROR_NOT_FOUND ? "there is no such file"
                     : error == MAILMOD_ERROR_ARGUMENT
                         ? "this is no regular file"
                         : mm_error_text(error),
                     error);
}

static enum mailmod_error restore_to(struct copy *copy, const char *from_path,
                                     struct mm_buf *reason_out)
{
    struct mm_connection from = {.db = NULL};
    enum mailmod_error error =
        mm_database_open(&from, from_path, SQLITE_OPEN_READONLY);
    if (error == MAILMOD_OK) {
        error = copy_all(copy, from.db, reason_out);
    }
    mm_connection_close(&from);
    return error == MAILMOD_OK ? check_file(copy->path, reason_out) : error;
}

enum mailmod_error mm_sqlite_restore(const char *data_folder, const char *path,
                                     mm_store_progress progress, void *context,
                                     struct mm_buf *reason_out)
{
    struct mm_file_lock *lock = NULL;
    char to_path[MM_STORE_PATH_SIZE];
    char lock_path[MM_STORE_PATH_SIZE];
    struct copy copy = {to_path, progress, context, false};
    if (!mm_sqlite_path(data_folder, "mailmod.db", to_path) ||
        !mm_sqlite_path(data_folder, "mailmod.lock", lock_path)) {
        return MAILMOD_ERROR_TOO_LARGE;
    }
    enum mailmod_error error = check_source(path, reason_out);
    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_fs_make_folder(data_folder);
    if (error == MAILMOD_OK) {
        error = mm_file_lock_open(&lock, lock_path);
    }
    if (error != MAILMOD_OK) {
        return say(reason_out, data_folder,
                   error == MAILMOD_ERROR_BUSY
                       ? "a mailmod is running on this data folder"
                       : mm_error_text(error),
                   error);
    }
    error = check_file(path, reason_out);
    if (error == MAILMOD_OK) {
        error = restore_to(&copy, path, reason_out);
    }
    error = settle(&copy, error, reason_out);
    mm_file_lock_close(&lock);
    return error;
}
