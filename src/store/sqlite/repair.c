/* repair.c - a serviceable store of what a damaged one still holds.
 *
 * Promises: nothing of the damaged files is changed; the new database is made
 * beside them, verified, and put in place by renames, the damaged files keeping
 * a name with the date. Killed before that, the old ones are as they were;
 * killed in it, `mailmod.db.repaired` is there, no opening believes what lies
 * beside it, and the next repair ends what was begun. A sound store is left
 * alone. SQLite's own recovery is not used: the library of most systems is
 * built without it. Thread: worker, with the folder's lock held. */
#include "store/sqlite/repair.h"

#include "base/mem.h"
#include "store/sqlite/salvage.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TABLES_MAX = 48, NAME_MAX_OCTETS = 32, VERSION_MIN = 3 };
#define ROOM_SPARE ((uint64_t)1024 * 1024)

struct table {
    char name[NAME_MAX_OCTETS];
    uint32_t root; /* in the damaged file */
    size_t column_count;
    char columns[MM_SALVAGE_COLUMNS_MAX][NAME_MAX_OCTETS];
    char types[MM_SALVAGE_COLUMNS_MAX]; /* 'I', 'T', 'B' */
    bool takes_null[MM_SALVAGE_COLUMNS_MAX];
    bool has_row_id;   /* its first column is it */
    sqlite3_stmt *put; /* of rows with `put_count` columns */
    size_t put_count;
    uint64_t rows;
};

struct work {
    struct mm_repair repair;
    struct mm_salvage *from;
    char path[MM_STORE_PATH_SIZE];
    char made[MM_STORE_PATH_SIZE]; /* being made */
    char done[MM_STORE_PATH_SIZE]; /* whole, and to be put in place */
    struct table tables[TABLES_MAX];
    size_t table_count;
    struct table *table; /* whose rows are read */
    enum mailmod_error error;
};

void mm_repair_say(const struct mm_repair *repair, const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(line, sizeof line, format, arguments) < 0) {
        line[0] = '\0';
    }
    va_end(arguments);
    if (repair->on_line != NULL) {
        repair->on_line(repair->context, line);
    }
}

static enum mailmod_error say(struct mm_buf *reason_out, const char *path,
                              const char *words, enum mailmod_error error)
{
    if (reason_out != NULL && mm_buf_size(reason_out) == 0) {
        (void)mm_buf_appendf(reason_out, "%s: %s", path, words);
    }
    return error;
}

/* ---- the tables, as a new store has them ---- */

static void read_columns(struct work *work, struct table *table)
{
    char text[96];
    sqlite3_stmt *row = NULL;
    bool is_first_number = false;
    (void)snprintf(text, sizeof text, "PRAGMA table_info(\"%s\")", table->name);
    if (sqlite3_prepare_v2(work->repair.to.db, text, -1, &row, NULL) !=
        SQLITE_OK) {
        return;
    }
    while (sqlite3_step(row) == SQLITE_ROW &&
           table->column_count < MM_SALVAGE_COLUMNS_MAX) {
        size_t i = table->column_count++;
        const char *type = (const char *)sqlite3_column_text(row, 2);
        mm_sql_text(row, 1, table->columns[i], sizeof table->columns[i]);
        table->types[i] = type != NULL && type[0] != '\0' ? type[0] : 'B';
        table->takes_null[i] = sqlite3_column_int(row, 3) == 0;
        is_first_number =
            is_first_number || (i == 0 && table->types[0] == 'I' &&
                                sqlite3_column_int(row, 5) == 1);
    }
    sqlite3_finalize(row);
    table->has_row_id = table->has_row_id && is_first_number;
}

static enum mailmod_error read_tables(struct work *work)
{
    sqlite3_stmt *row = NULL;
    /* The numbers of AUTOINCREMENT first: rows put later only raise them. */
    enum mailmod_error error = mm_sql_error(sqlite3_prepare_v2(
        work->repair.to.db,
        "SELECT name,rootpage,sql NOT LIKE '%WITHOUT ROWID%' FROM "
        "sqlite_schema "
        "WHERE type='table' ORDER BY name<>'sqlite_sequence',name",
        -1, &row, NULL));
    while (error == MAILMOD_OK && work->table_count < TABLES_MAX &&
           mm_sql_step(row, &error)) {
        struct table *table = &work->tables[work->table_count++];
        mm_sql_text(row, 0, table->name, sizeof table->name);
        table->root = (uint32_t)sqlite3_column_int64(row, 1);
        table->has_row_id = sqlite3_column_int(row, 2) != 0;
    }
    sqlite3_finalize(row);
    for (size_t i = 0; i < work->table_count; i++) {
        read_columns(work, &work->tables[i]);
    }
    return error;
}

static bool is_text(const struct mm_salvage_value *value, const char *text)
{
    return value->kind == MM_VALUE_TEXT && mm_span_is(value->octets, text);
}

/* A row of the schema: where the file has a table. Without it the place counts
 * that every store has had: the steps that make the tables are the same. */
static bool on_schema(void *context, int64_t row_id,
                      const struct mm_salvage_value *values, size_t count)
{
    struct work *work = context;
    (void)row_id;
    if (count < 4 || !is_text(&values[0], "table") ||
        values[3].kind != MM_VALUE_NUMBER || values[3].number < 2 ||
        values[3].number > UINT32_MAX) {
        return true;
    }
    for (size_t i = 0; i < work->table_count; i++) {
        if (is_text(&values[1], work->tables[i].name)) {
            work->tables[i].root = (uint32_t)values[3].number;
        }
    }
    return true;
}

static enum mailmod_error find_roots(struct work *work)
{
    enum mailmod_error error = read_tables(work);
    if (error == MAILMOD_OK && mm_salvage_add_root(work->from, 1)) {
        error = mm_salvage_rows(work->from, 1, on_schema, work);
    }
    for (size_t i = 0; i < work->table_count; i++) {
        (void)mm_salvage_add_root(work->from, work->tables[i].root);
    }
    return error;
}

/* ---- the rows ---- */

static bool fits(const struct table *table,
                 const struct mm_salvage_value *values, size_t count)
{
    if (count > table->column_count ||
        (table->has_row_id && values[0].kind != MM_VALUE_NULL)) {
        return false;
    }
    for (size_t i = table->has_row_id ? 1 : 0; i < count; i++) {
        const struct mm_salvage_value *value = &values[i];
        bool is_right =
            value->kind == MM_VALUE_NULL ? table->takes_null[i]
            : table->types[i] == 'I'     ? value->kind == MM_VALUE_NUMBER
            : table->types[i] == 'T'
                ? value->kind == MM_VALUE_TEXT && mm_span_is_utf8(value->octets)
                : true;
        if (!is_right) {
            return false;
        }
    }
    return true;
}

static enum mailmod_error prepare_put(struct work *work, struct table *table,
                                      size_t count)
{
    char text[2048];
    size_t used = (size_t)snprintf(
        text, sizeof text, "INSERT OR %s INTO \"%s\"(",
        strcmp(table->name, "meta") == 0 ? "REPLACE" : "IGNORE", table->name);
    for (size_t i = 0; i < count; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s\"%s\"",
                                 i > 0 ? "," : "", table->columns[i]);
    }
    used += (size_t)snprintf(text + used, sizeof text - used, ") VALUES(?");
    for (size_t i = 1; i < count; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, ",?");
    }
    (void)snprintf(text + used, sizeof text - used, ")");
    sqlite3_finalize(table->put);
    table->put = NULL;
    table->put_count = count;
    return mm_sql_error(
        sqlite3_prepare_v2(work->repair.to.db, text, -1, &table->put, NULL));
}

static void bind(sqlite3_stmt *put, int at,
                 const struct mm_salvage_value *value)
{
    int size = (int)value->octets.size;
    if (value->kind == MM_VALUE_NUMBER) {
        (void)sqlite3_bind_int64(put, at, value->number);
    } else if (value->kind == MM_VALUE_TEXT) {
        (void)sqlite3_bind_text(put, at, value->octets.data, size,
                                SQLITE_STATIC);
    } else if (value->kind == MM_VALUE_BLOB) {
        (void)sqlite3_bind_blob(put, at, value->octets.data, size,
                                SQLITE_STATIC);
    } else {
        (void)sqlite3_bind_null(put, at);
    }
}

static bool on_row(void *context, int64_t row_id,
                   const struct mm_salvage_value *values, size_t count)
{
    struct work *work = context;
    struct table *table = work->table;
    if (!fits(table, values, count)) {
        return true;
    }
    if (table->put == NULL || table->put_count != count) {
        work->error = prepare_put(work, table, count);
    }
    if (work->error == MAILMOD_OK) {
        for (size_t i = 0; i < count; i++) {
            bind(table->put, (int)i + 1, &values[i]);
        }
        if (table->has_row_id) {
            (void)sqlite3_bind_int64(table->put, 1, row_id);
        }
        work->error = mm_sql_run(table->put);
        table->rows += (uint64_t)sqlite3_changes(work->repair.to.db);
    }
    return work->error == MAILMOD_OK;
}

static enum mailmod_error copy_rows(struct work *work)
{
    uint64_t rows = 0;
    for (size_t i = 0; work->error == MAILMOD_OK && i < work->table_count;
         i++) {
        work->table = &work->tables[i];
        enum mailmod_error error =
            mm_salvage_rows(work->from, work->table->root, on_row, work);
        work->error = work->error == MAILMOD_OK ? error : work->error;
        sqlite3_finalize(work->table->put);
        work->table->put = NULL;
        rows += work->table->rows;
    }
    if (work->error == MAILMOD_OK && rows == 0) {
        work->error = MAILMOD_ERROR_STORAGE_DAMAGED;
    }
    return work->error;
}

/* ---- the new database ---- */

static enum mailmod_error run(struct work *work, const char *text)
{
    return mm_sql_error(
        sqlite3_exec(work->repair.to.db, text, NULL, NULL, NULL));
}

static void tell_pages(const struct work *work)
{
    unsigned long long pages = mm_salvage_bad_pages(work->from);
    unsigned long long rows = mm_salvage_bad_rows(work->from);
    if (pages + rows > 0) {
        mm_repair_say(&work->repair,
                      "%llu pages cannot be read, and %llu rows of others",
                      pages, rows);
    }
}

static enum mailmod_error fill(struct work *work)
{
    enum mailmod_error error =
        run(work, "PRAGMA temp_store=2;PRAGMA synchronous=FULL");
    if (error == MAILMOD_OK) {
        error = find_roots(work);
    }
    if (error == MAILMOD_OK) {
        error = run(work, "BEGIN IMMEDIATE");
    }
    if (error == MAILMOD_OK) {
        error = copy_rows(work);
    }
    if (error == MAILMOD_OK) {
        tell_pages(work);
        error = mm_repair_rules(&work->repair);
    }
    return error == MAILMOD_OK ? run(work, "COMMIT") : error;
}

static enum mailmod_error check(struct work *work, struct mm_buf *reason_out)
{
    struct mm_buf report;
    mm_buf_init(&report, 65536);
    enum mailmod_error error =
        mm_sqlite_check_all(work->made, work->repair.to.db, &report);
    if (error != MAILMOD_OK && mm_buf_size(&report) > 0) {
        (void)say(reason_out, work->made, mm_buf_cstr(&report), error);
    }
    mm_buf_fini(&report);
    return error;
}

static enum mailmod_error make(struct work *work, struct mm_buf *reason_out)
{
    if (mm_fs_exists(work->made) && mm_fs_remove(work->made) != MAILMOD_OK) {
        return say(reason_out, work->made, "cannot be removed",
                   MAILMOD_ERROR_ACCESS);
    }
    enum mailmod_error error = mm_schema_create(work->made);
    if (error == MAILMOD_OK) {
        error = mm_database_open(&work->repair.to, work->made,
                                 SQLITE_OPEN_READWRITE);
    }
    if (error == MAILMOD_OK) {
        error = fill(work);
    }
    if (error == MAILMOD_OK) {
        error = check(work, reason_out);
    }
    mm_connection_close(&work->repair.to);
    if (error == MAILMOD_OK) {
        error = mm_fs_rename(work->made, work->done);
    } else if (mm_fs_exists(work->made)) {
        if (mm_fs_remove(work->made) != MAILMOD_OK) {
            (void)say(reason_out, work->made, "must be removed by hand", error);
        }
    }
    return error == MAILMOD_OK
               ? MAILMOD_OK
               : say(reason_out, work->path,
                     error == MAILMOD_ERROR_STORAGE_DAMAGED
                         ? "nothing of a store can be read in it"
                         : mm_error_text(error),
                     error);
}

/* ---- into its place ---- */

static void write_date(char date_out[32])
{
    sqlite3 *db = NULL;
    sqlite3_stmt *row = NULL;
    date_out[0] = '\0';
    if (sqlite3_open(":memory:", &db) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "SELECT strftime('%Y%m%d-%H%M%S','now')", -1,
                           &row, NULL) == SQLITE_OK &&
        sqlite3_step(row) == SQLITE_ROW) {
        mm_sql_text(row, 0, date_out, 32);
    }
    sqlite3_finalize(row);
    sqlite3_close(db);
}

static enum mailmod_error set_aside(const char *path, const char *aside)
{
    if (!mm_fs_exists(path)) {
        return MAILMOD_OK;
    }
    return mm_fs_exists(aside) ? MAILMOD_ERROR_EXISTS
                               : mm_fs_rename(path, aside);
}

/* The log goes with its database: played into another one it would be damage
 * again. */
static enum mailmod_error put_in_place(struct work *work,
                                       struct mm_buf *reason_out)
{
    char date[32];
    char aside[MM_STORE_PATH_SIZE + 64];
    char log[MM_STORE_PATH_SIZE + 8];
    char index[MM_STORE_PATH_SIZE + 8];
    char log_aside[MM_STORE_PATH_SIZE + 80];
    write_date(date);
    (void)snprintf(aside, sizeof aside, "%s.damaged-%s", work->path, date);
    (void)snprintf(log, sizeof log, "%s-wal", work->path);
    (void)snprintf(index, sizeof index, "%s-shm", work->path);
    (void)snprintf(log_aside, sizeof log_aside, "%s-wal", aside);
    enum mailmod_error error = set_aside(work->path, aside);
    if (error == MAILMOD_OK) {
        error = set_aside(log, log_aside);
    }
    if (error == MAILMOD_OK && mm_fs_exists(index)) {
        error = mm_fs_remove(index);
    }
    if (error == MAILMOD_OK) {
        error = mm_fs_rename(work->done, work->path);
    }
    if (error != MAILMOD_OK) {
        return say(reason_out, work->path, mm_error_text(error), error);
    }
    mm_repair_say(&work->repair, "repaired; the damaged database is kept: %s",
                  aside);
    return MAILMOD_OK;
}

/* ---- the whole ---- */

/* As it lies there: its log is neither copied back nor removed. */
static bool is_sound(const struct work *work)
{
    struct mm_connection file = {.db = NULL};
    struct mm_buf report;
    mm_buf_init(&report, 65536);
    enum mailmod_error error =
        mm_database_open(&file, work->path, SQLITE_OPEN_READWRITE);
    if (error == MAILMOD_OK) {
        (void)sqlite3_db_config(file.db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1,
                                NULL);
        error = mm_sqlite_check_ours(file.db);
    }
    if (error == MAILMOD_OK) {
        error = mm_sqlite_check_all(work->path, file.db, &report);
    }
    mm_connection_close(&file);
    mm_buf_fini(&report);
    return error == MAILMOD_OK;
}

static enum mailmod_error check_source(struct work *work,
                                       struct mm_buf *reason_out)
{
    uint64_t size = 0;
    enum mailmod_error error = mm_fs_size(work->path, &size);
    if (error != MAILMOD_OK) {
        return say(reason_out, work->path, mm_error_text(error), error);
    }
    if (mm_fs_free_space(work->path) < size + ROOM_SPARE) {
        return say(reason_out, work->path,
                   "the volume has no room for a second database; nothing was "
                   "changed",
                   MAILMOD_ERROR_STORAGE_FULL);
    }
    error = mm_salvage_open(&work->from, work->path);
    if (error != MAILMOD_OK) {
        return say(reason_out, work->path, mm_error_text(error), error);
    }
    uint32_t version = mm_salvage_version(work->from);
    if (version > MM_STORE_SCHEMA_VERSION ||
        (version > 0 && version < VERSION_MIN)) {
        error = MAILMOD_ERROR_STORAGE_VERSION;
        error = say(reason_out, work->path,
                    version < VERSION_MIN
                        ? "its version is too old to be repaired; restore a "
                          "backup"
                        : "written by a newer version of mailmod",
                    error);
    }
    return error;
}

static enum mailmod_error repair_locked(struct work *work,
                                        struct mm_buf *reason_out)
{
    enum mailmod_error error = MAILMOD_OK;
    if (!mm_fs_exists(work->done)) {
        if (mm_fs_is_file(work->path) && is_sound(work)) {
            mm_repair_say(&work->repair, "the store is sound: nothing to do");
            return MAILMOD_OK;
        }
        error = check_source(work, reason_out);
        if (error == MAILMOD_OK) {
            error = make(work, reason_out);
        }
        mm_salvage_close(&work->from);
    }
    return error == MAILMOD_OK ? put_in_place(work, reason_out) : error;
}

enum mailmod_error mm_sqlite_repair(const char *data_folder,
                                    mm_store_on_line on_line, void *context,
                                    struct mm_buf *reason_out)
{
    struct mm_file_lock *lock = NULL;
    char lock_path[MM_STORE_PATH_SIZE];
    struct work *work = mm_alloc(sizeof *work);
    if (work == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    work->repair.on_line = on_line;
    work->repair.context = context;
    enum mailmod_error error = MAILMOD_ERROR_TOO_LARGE;
    if (mm_sqlite_path(data_folder, "mailmod.db", work->path) &&
        mm_sqlite_path(data_folder, MM_STORE_REPAIRING, work->made) &&
        mm_sqlite_path(data_folder, MM_STORE_REPAIRED, work->done) &&
        mm_sqlite_path(data_folder, "mailmod.lock", lock_path)) {
        error = mm_fs_exists(work->path) || mm_fs_exists(work->done)
                    ? mm_file_lock_open(&lock, lock_path)
                    : MAILMOD_ERROR_NOT_FOUND;
    }
    if (error == MAILMOD_OK) {
        error = repair_locked(work, reason_out);
    } else {
        error =
            say(reason_out, data_folder,
                error == MAILMOD_ERROR_BUSY
                    ? "a mailmod is running on this data folder: stop it "
                      "first"
                : error == MAILMOD_ERROR_NOT_FOUND ? "there is no store in it"
                                                   : mm_error_text(error),
                error);
    }
    mm_file_lock_close(&lock);
    mm_free(work);
    return error;
}
