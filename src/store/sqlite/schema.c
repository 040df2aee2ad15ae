/* schema.c - the tables, their version, and whether a file can be trusted.
 *
 * Promises: a database of a newer schema is refused; a damaged one is refused
 * at the start with the file and the repair named. A new database is made in
 * memory and put in its place whole, readable by its owner alone; so a file
 * without our tables, or one that is too short for a header, is damage and
 * never the beginning of an empty store.
 *
 * A check of every page takes minutes on a large store, so at the start the
 * header, the schema and the roots are read always (SQLite compares the file's
 * length with its header there), and all pages only of a store up to CHECK_MAX,
 * by the owner of the folder; reads meet later damage as errors, never as
 * silence, and `mailmodctl store verify` checks the whole.
 * Thread: the opener's, before the writer runs. */
#include "store/sqlite/internal.h"

#include "base/mem.h"
#include "platform/random.h"

#include <stdio.h>
#include <string.h>

#define HEADER_SIZE 100 /* of SQLite's file format */
#define CHECK_MAX (64 * 1024 * 1024)

/* The tables of version 1. What came since is in upgrade.c, whose steps run
 * over these for a new store too: so there is one statement of each table. */
static const char schema_text[] =
    "PRAGMA auto_vacuum=INCREMENTAL;"
    "BEGIN IMMEDIATE;"
    "CREATE TABLE meta(key TEXT PRIMARY KEY,value BLOB) WITHOUT ROWID;"
    "CREATE TABLE message(id INTEGER PRIMARY KEY,reverse_path TEXT NOT NULL,"
    "arrival_ms INTEGER NOT NULL,size INTEGER NOT NULL,flags INTEGER NOT NULL,"
    "dsn_return INTEGER NOT NULL,envelope_id TEXT NOT NULL,"
    "reference_count INTEGER NOT NULL);"
    "CREATE TABLE chunk(id INTEGER PRIMARY KEY,data BLOB NOT NULL);"
    "CREATE TABLE pending(id INTEGER PRIMARY KEY);"
    "CREATE TABLE recipient(message_id INTEGER NOT NULL,"
    "number INTEGER NOT NULL,path TEXT NOT NULL,destination TEXT NOT NULL,"
    "state INTEGER NOT NULL,next_attempt_ms INTEGER NOT NULL,"
    "expires_ms INTEGER NOT NULL,attempts INTEGER NOT NULL,"
    "was_warned INTEGER NOT NULL,notify INTEGER NOT NULL,"
    "original_recipient TEXT NOT NULL,last_reply TEXT NOT NULL,"
    "PRIMARY KEY(message_id,number)) WITHOUT ROWID;"
    "CREATE INDEX recipient_due ON recipient(state,next_attempt_ms);"
    "CREATE INDEX recipient_destination ON "
    "recipient(state,destination,next_attempt_ms,message_id,number);"
    "CREATE TABLE mailbox(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "tag INTEGER NOT NULL,next_number INTEGER NOT NULL);"
    "CREATE TABLE entry(mailbox_id INTEGER NOT NULL,number INTEGER NOT NULL,"
    "message_id INTEGER NOT NULL,size INTEGER NOT NULL,"
    "flags INTEGER NOT NULL,PRIMARY KEY(mailbox_id,number)) WITHOUT ROWID;"
    "CREATE TABLE user(name TEXT PRIMARY KEY,mailbox_id INTEGER NOT NULL,"
    "salt BLOB NOT NULL,iterations INTEGER NOT NULL,stored_key BLOB NOT NULL,"
    "server_key BLOB NOT NULL,password TEXT) WITHOUT ROWID;"
    "PRAGMA application_id=1296910404;"
    "PRAGMA user_version=1;"
    "COMMIT;";

/* One number from a PRAGMA or query. */
enum mailmod_error mm_sql_number(sqlite3 *db, const char *text,
                                 int64_t *value_out)
{
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(db, text, -1, &statement, NULL);

    if (result == SQLITE_OK) {
        result = sqlite3_step(statement);
    }
    if (result == SQLITE_ROW) {
        *value_out = sqlite3_column_int64(statement, 0);
    }
    sqlite3_finalize(statement);
    return result == SQLITE_DONE ? MAILMOD_ERROR_NOT_FOUND
                                 : mm_sql_error(result);
}

static enum mailmod_error put_secret(sqlite3 *db)
{
    sqlite3_stmt *statement = NULL;
    uint8_t secret[32];
    enum mailmod_error error = mm_random(secret, sizeof secret);

    if (error != MAILMOD_OK) {
        return error;
    }
    int result =
        sqlite3_prepare_v2(db, "INSERT INTO meta(key,value) VALUES('secret',?)",
                           -1, &statement, NULL);
    if (result == SQLITE_OK) {
        (void)sqlite3_bind_blob(statement, 1, secret, (int)sizeof secret,
                                SQLITE_STATIC);
        result = sqlite3_step(statement);
    }
    sqlite3_finalize(statement);
    mm_secret_clear(secret, sizeof secret);
    return mm_sql_error(result);
}

static enum mailmod_error fill(sqlite3 *db)
{
    enum mailmod_error error =
        mm_sql_error(sqlite3_exec(db, schema_text, NULL, NULL, NULL));

    if (error == MAILMOD_OK) {
        error = put_secret(db);
    }
    return error == MAILMOD_OK ? mm_upgrade(db, NULL, NULL) : error;
}

enum mailmod_error mm_schema_create(const char *path)
{
    sqlite3 *db = NULL;
    unsigned char *image = NULL;
    sqlite3_int64 size = 0;
    enum mailmod_error error = mm_sql_error(sqlite3_open(":memory:", &db));

    if (error == MAILMOD_OK) {
        error = fill(db);
    }
    if (error == MAILMOD_OK) {
        image = sqlite3_serialize(db, "main", &size, 0);
        error = image == NULL
                    ? MAILMOD_ERROR_MEMORY
                    : mm_fs_replace(path,
                                    mm_span((const char *)image, (size_t)size),
                                    true);
    }
    sqlite3_free(image);
    sqlite3_close(db);
    return error;
}

/* Before SQLite sees it: SQLite takes an empty file for a new database, and
 * throws the log beside it away. */
static enum mailmod_error check_file(const char *path,
                                     struct mm_buf *reason_out)
{
    uint64_t size = 0;
    enum mailmod_error error = mm_fs_size(path, &size);
    if (error == MAILMOD_ERROR_ARGUMENT) {
        if (!mm_fs_exists(path)) {
            return MAILMOD_ERROR_NOT_FOUND; /* a file is where a folder is not
                                             */
        }
        if (reason_out != NULL) {
            (void)mm_buf_appendf(reason_out, "%s: this is no regular file",
                                 path);
        }
        return MAILMOD_ERROR_STORAGE;
    }
    return error == MAILMOD_OK && size <= HEADER_SIZE
               ? MAILMOD_ERROR_STORAGE_DAMAGED
               : error;
}

/* A repair was ended between its renames: what lies there is half of each. */
static enum mailmod_error check_repaired(const struct mm_sqlite *store,
                                         struct mm_buf *reason_out)
{
    char path[MM_STORE_PATH_SIZE];
    int size = (int)(strlen(store->path) - strlen("mailmod.db"));
    int used = snprintf(path, sizeof path, "%.*s" MM_STORE_REPAIRED, size,
                        store->path);
    if (used < 0 || (size_t)used >= sizeof path || !mm_fs_exists(path)) {
        return MAILMOD_OK;
    }
    if (reason_out != NULL) {
        (void)mm_buf_appendf(reason_out,
                             "%s: a repair was broken off at its end; run "
                             "mailmodctl store repair once more",
                             path);
    }
    return MAILMOD_ERROR_STORAGE_DAMAGED;
}

enum mailmod_error mm_schema_find_file(struct mm_sqlite *store, bool creates,
                                       struct mm_buf *reason_out)
{
    size_t size = strlen(store->path) + sizeof "-wal";

    enum mailmod_error error = check_repaired(store, reason_out);
    if (error != MAILMOD_OK) {
        return error;
    }
    error = check_file(store->path, reason_out);
    if (error != MAILMOD_ERROR_NOT_FOUND) {
        return error;
    }
    if (mm_fs_is_link(store->path)) {
        /* What it leads to may be on a disk that is not there now. */
        if (reason_out != NULL) {
            (void)mm_buf_appendf(reason_out,
                                 "%s: this link leads to no file: bring back "
                                 "what it led to, or remove the link to begin "
                                 "an empty store",
                                 store->path);
        }
        return MAILMOD_ERROR_STORAGE;
    }
    char *log_path = mm_alloc(size);
    if (log_path == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    (void)snprintf(log_path, size, "%s-wal", store->path);
    bool has_log = mm_fs_exists(log_path);
    mm_free(log_path);
    if (has_log) {
        /* The log of another file must not be played into a new one. */
        if (reason_out != NULL) {
            (void)mm_buf_appendf(reason_out,
                                 "%s: the database is missing, but its log "
                                 "%s-wal is there: put both back, or move the "
                                 "log away to begin an empty store",
                                 store->path, store->path);
        }
        return MAILMOD_ERROR_STORAGE_DAMAGED;
    }
    return creates ? mm_schema_create(store->path) : MAILMOD_ERROR_NOT_FOUND;
}

/* Damage is what the check says, not a check that could not be made. */
static enum mailmod_error quick_check(struct mm_sqlite *store)
{
    sqlite3_stmt *statement = NULL;
    bool is_sound = false;
    enum mailmod_error error = mm_sql_error(sqlite3_prepare_v2(
        store->writer.db, "PRAGMA quick_check(1)", -1, &statement, NULL));

    if (error == MAILMOD_OK && mm_sql_step(statement, &error)) {
        const void *text = sqlite3_column_blob(statement, 0);

        is_sound = text != NULL && sqlite3_column_bytes(statement, 0) == 2 &&
                   memcmp(text, "ok", 2) == 0;
    }
    sqlite3_finalize(statement);
    return error == MAILMOD_OK && !is_sound ? MAILMOD_ERROR_STORAGE_DAMAGED
                                            : error;
}

static enum mailmod_error check_pages(struct mm_sqlite *store)
{
    int64_t pages = 0;
    int64_t page_size = 0;
    enum mailmod_error error =
        mm_sql_number(store->writer.db, "PRAGMA page_count", &pages);

    if (error == MAILMOD_OK) {
        error = mm_sql_number(store->writer.db, "PRAGMA page_size", &page_size);
    }
    store->page_size = (uint64_t)page_size;
    if (error == MAILMOD_OK && pages * page_size <= CHECK_MAX) {
        error = quick_check(store);
        if (error == MAILMOD_ERROR_STORAGE_DAMAGED) {
            /* SQLite tells a want of memory in the middle of a check as a
             * finding; true damage is found twice. */
            error = quick_check(store);
        }
    }
    return error;
}

/* The roots of all tables, and the highest identifier that was given out. */
static enum mailmod_error read_roots(struct mm_sqlite *store)
{
    int64_t last_message = 0;
    int64_t last_chunk = 0;
    int64_t count = 0;
    sqlite3 *db = store->writer.db;
    enum mailmod_error error = mm_sql_number(
        db, "SELECT coalesce(max(id),0) FROM message", &last_message);

    if (error == MAILMOD_OK) {
        error =
            mm_sql_number(db,
                          "SELECT max(coalesce((SELECT max(id) FROM body),0),"
                          "coalesce((SELECT max(message_id) FROM chunk),0))",
                          &last_chunk);
    }
    if (error == MAILMOD_OK) {
        error = mm_sql_number(
            db,
            "SELECT (SELECT count(*) FROM (SELECT 1 FROM recipient LIMIT 1))+"
            "(SELECT count(*) FROM (SELECT 1 FROM entry LIMIT 1))+"
            "(SELECT count(*) FROM (SELECT 1 FROM mailbox LIMIT 1))+"
            "(SELECT count(*) FROM (SELECT 1 FROM pending LIMIT 1))+"
            "(SELECT count(*) FROM (SELECT 1 FROM user LIMIT 1))",
            &count);
    }
    mm_message_id_saw(&store->ids, (uint64_t)last_chunk);
    mm_message_id_saw(&store->ids, (uint64_t)last_message);
    return error;
}

/* How far the identifiers were used, also by messages that are gone. */
static enum mailmod_error read_reserved(struct mm_sqlite *store)
{
    enum mailmod_error error;
    sqlite3_stmt *statement =
        mm_sql(&store->writer, MM_SQL_RESERVED_IDS, &error);

    if (statement == NULL) {
        return error;
    }
    if (mm_sql_step(statement, &error)) {
        store->reserved_id = (uint64_t)sqlite3_column_int64(statement, 0);
    }
    mm_sql_end(statement);
    mm_message_id_saw(&store->ids, store->reserved_id);
    return error;
}

static enum mailmod_error read_secret(struct mm_sqlite *store)
{
    enum mailmod_error error;
    sqlite3_stmt *statement = mm_sql(&store->writer, MM_SQL_SECRET, &error);

    if (statement == NULL) {
        return error;
    }
    if (!mm_sql_step(statement, &error) ||
        sqlite3_column_bytes(statement, 0) != (int)sizeof store->secret) {
        error = error != MAILMOD_OK ? error : MAILMOD_ERROR_STORAGE_DAMAGED;
    } else {
        const uint8_t *octets = sqlite3_column_blob(statement, 0);

        for (size_t i = 0; i < sizeof store->secret; i++) {
            store->secret[i] = octets[i];
        }
    }
    mm_sql_end(statement);
    return error;
}

/* Messages that were never finished, and those that nobody ever had. What
 * is large of them goes in slices, beside the mail that comes. */
static enum mailmod_error sweep(struct mm_sqlite *store)
{
    return mm_sql_error(sqlite3_exec(
        store->writer.db,
        "BEGIN IMMEDIATE;"
        "DELETE FROM pending WHERE id IN (SELECT m.id FROM pending p JOIN "
        "message m ON m.id=p.id WHERE m.reference_count>0);"
        "DELETE FROM body WHERE id IN (SELECT id FROM pending);"
        "DELETE FROM chunk WHERE message_id IN (SELECT id FROM pending) AND "
        "number<16;"
        "INSERT OR IGNORE INTO litter SELECT DISTINCT c.message_id FROM "
        "pending p JOIN chunk c ON c.message_id=p.id;"
        "DELETE FROM message WHERE id IN (SELECT id FROM pending);"
        "DELETE FROM pending;"
        "COMMIT;",
        NULL, NULL, NULL));
}

static void say_older(const struct mm_sqlite *store, struct mm_buf *reason_out)
{
    if (reason_out != NULL) {
        (void)mm_buf_appendf(
            reason_out,
            "%s: written by an older version of mailmod, which "
            "is still running: stop it, then start this one",
            store->path);
    }
}

static void say_version(const struct mm_sqlite *store, int64_t version,
                        struct mm_buf *reason_out)
{
    if (reason_out != NULL) {
        (void)mm_buf_appendf(reason_out,
                             "%s: written by a newer version of mailmod "
                             "(store version %lld, this one knows %d)",
                             store->path, (long long)version,
                             MM_STORE_SCHEMA_VERSION);
    }
}

static enum mailmod_error check_version(struct mm_sqlite *store,
                                        struct mm_buf *reason_out,
                                        bool *is_older_out)
{
    int64_t version = 0;
    int64_t application = 0;
    sqlite3 *db = store->writer.db;
    enum mailmod_error error =
        mm_sql_number(db, "PRAGMA user_version", &version);

    if (error == MAILMOD_OK) {
        error = mm_sql_number(db, "PRAGMA application_id", &application);
    }
    if (error == MAILMOD_OK &&
        (application != MM_STORE_APPLICATION_ID || version < 1)) {
        error = MAILMOD_ERROR_STORAGE_DAMAGED;
    }
    if (error == MAILMOD_OK && version > MM_STORE_SCHEMA_VERSION) {
        error = MAILMOD_ERROR_STORAGE_VERSION;
        say_version(store, version, reason_out);
    }
    *is_older_out = error == MAILMOD_OK && version < MM_STORE_SCHEMA_VERSION;
    return error;
}

/* A tool that meets an older store brings it up to date as the daemon would,
 * with the daemon's lock held. */
static enum mailmod_error upgrade(struct mm_sqlite *store,
                                  struct mm_buf *reason_out)
{
    struct mm_file_lock *lock = NULL;
    enum mailmod_error error = MAILMOD_OK;

    if (store->lock == NULL) {
        error = mm_file_lock_open(&lock, store->lock_path);
    }
    if (error == MAILMOD_ERROR_BUSY) {
        say_older(store, reason_out);
    }
    if (error == MAILMOD_OK) {
        error = mm_upgrade(store->writer.db, store, reason_out);
    }
    mm_file_lock_close(&lock);
    return error;
}

/* The version first: nothing is changed in a file of a newer one. */
static enum mailmod_error settle_file(struct mm_sqlite *store,
                                      struct mm_buf *reason_out)
{
    bool is_older = false;
    enum mailmod_error error = check_version(store, reason_out, &is_older);

    if (error == MAILMOD_OK) {
        error = mm_sql_error(sqlite3_exec(
            store->writer.db, "PRAGMA journal_mode=WAL", NULL, NULL, NULL));
    }
    return error == MAILMOD_OK && is_older ? upgrade(store, reason_out) : error;
}

enum mailmod_error mm_schema_settle(struct mm_sqlite *store, bool is_owner,
                                    struct mm_buf *reason_out)
{
    enum mailmod_error error = settle_file(store, reason_out);

    if (error == MAILMOD_OK && is_owner) {
        error = check_pages(store);
    }
    if (error == MAILMOD_OK) {
        error = read_roots(store);
    }
    if (error == MAILMOD_OK) {
        error = read_reserved(store);
    }
    if (error == MAILMOD_OK) {
        error = read_secret(store);
    }
    if (error == MAILMOD_OK && is_owner) {
        error = sweep(store);
    }
    return error;
}
