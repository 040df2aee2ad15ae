/* schema.c - the tables, their version, and whether a file can be trusted.
 *
 * Promises: a database of a newer schema is refused; a damaged one is refused
 * at the start with the file and the repair named. A check of every page takes
 * minutes on a large store, so at the start the header, the schema and the
 * roots are read always, and all pages only of a store up to CHECK_MAX; reads
 * meet later damage as errors, never as silence, and `mailmodctl store verify`
 * checks the whole. Thread: the opener's, before the writer runs. */
#include "store/store_internal.h"

#include "platform/random.h"

#define CHECK_MAX (64 * 1024 * 1024)
#define APPLICATION_ID "1296910404" /* "MMOD" */

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
    "PRAGMA application_id=" APPLICATION_ID ";"
    "PRAGMA user_version=1;"
    "COMMIT;";

/* One number from a PRAGMA or query. */
static enum mailmod_error read_number(sqlite3 *db, const char *text,
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

static enum mailmod_error put_secret(struct mm_store *store)
{
    sqlite3_stmt *statement = NULL;
    enum mailmod_error error = mm_random(store->secret, sizeof store->secret);
    int result;

    if (error != MAILMOD_OK) {
        return error;
    }
    result = sqlite3_prepare_v2(
        store->writer.db, "INSERT INTO meta(key,value) VALUES('secret',?)", -1,
        &statement, NULL);
    if (result == SQLITE_OK) {
        (void)sqlite3_bind_blob(statement, 1, store->secret,
                                (int)sizeof store->secret, SQLITE_STATIC);
        result = sqlite3_step(statement);
    }
    sqlite3_finalize(statement);
    return mm_sql_error(result);
}

static enum mailmod_error create(struct mm_store *store)
{
    sqlite3 *db = store->writer.db;
    int result = sqlite3_exec(db, schema_text, NULL, NULL, NULL);

    if (result != SQLITE_OK) {
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        return mm_sql_error(result);
    }
    return put_secret(store);
}

static enum mailmod_error quick_check(struct mm_store *store)
{
    sqlite3_stmt *statement = NULL;
    enum mailmod_error error = MAILMOD_ERROR_STORAGE_DAMAGED;
    int result = sqlite3_prepare_v2(store->writer.db, "PRAGMA quick_check(1)",
                                    -1, &statement, NULL);

    if (result == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW &&
        mm_span_is(
            mm_span_cstr((const char *)sqlite3_column_text(statement, 0)),
            "ok")) {
        error = MAILMOD_OK;
    }
    sqlite3_finalize(statement);
    return error;
}

static enum mailmod_error check_pages(struct mm_store *store)
{
    int64_t pages = 0;
    int64_t page_size = 0;
    enum mailmod_error error =
        read_number(store->writer.db, "PRAGMA page_count", &pages);

    if (error == MAILMOD_OK) {
        error = read_number(store->writer.db, "PRAGMA page_size", &page_size);
    }
    if (error == MAILMOD_OK && pages * page_size <= CHECK_MAX) {
        error = quick_check(store);
    }
    return error;
}

/* The roots of all tables, and the highest identifier that was given out. */
static enum mailmod_error read_roots(struct mm_store *store)
{
    int64_t last_message = 0;
    int64_t last_chunk = 0;
    int64_t count = 0;
    sqlite3 *db = store->writer.db;
    enum mailmod_error error = read_number(
        db, "SELECT coalesce(max(id),0) FROM message", &last_message);

    if (error == MAILMOD_OK) {
        error = read_number(db, "SELECT coalesce(max(id),0) FROM chunk",
                            &last_chunk);
    }
    if (error == MAILMOD_OK) {
        error = read_number(
            db,
            "SELECT (SELECT count(*) FROM (SELECT 1 FROM recipient LIMIT 1))+"
            "(SELECT count(*) FROM (SELECT 1 FROM entry LIMIT 1))+"
            "(SELECT count(*) FROM (SELECT 1 FROM mailbox LIMIT 1))+"
            "(SELECT count(*) FROM (SELECT 1 FROM pending LIMIT 1))+"
            "(SELECT count(*) FROM (SELECT 1 FROM user LIMIT 1))",
            &count);
    }
    last_chunk >>= MM_STORE_CHUNK_BITS;
    atomic_store(&store->last_id, (unsigned long long)(last_chunk > last_message
                                                           ? last_chunk
                                                           : last_message));
    return error;
}

static enum mailmod_error read_secret(struct mm_store *store)
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

/* Messages that were never finished, and those that nobody has any more. */
static enum mailmod_error sweep(struct mm_store *store)
{
    return mm_sql_error(sqlite3_exec(
        store->writer.db,
        "BEGIN IMMEDIATE;"
        "DELETE FROM chunk WHERE rowid IN (SELECT c.id FROM pending p JOIN "
        "chunk c ON c.id BETWEEN p.id*16384 AND p.id*16384+16383);"
        "DELETE FROM pending;"
        "COMMIT;",
        NULL, NULL, NULL));
}

static enum mailmod_error settle_version(struct mm_store *store, bool creates,
                                         struct mm_buf *reason_out)
{
    int64_t version = 0;
    int64_t tables = 0;
    sqlite3 *db = store->writer.db;
    enum mailmod_error error = read_number(db, "PRAGMA user_version", &version);

    if (error == MAILMOD_OK) {
        error = read_number(db, "SELECT count(*) FROM sqlite_schema", &tables);
    }
    if (error == MAILMOD_OK && version == 0 && tables == 0) {
        error = creates ? create(store) : MAILMOD_ERROR_NOT_FOUND;
    } else if (error == MAILMOD_OK && version > MM_STORE_SCHEMA_VERSION) {
        error = MAILMOD_ERROR_STORAGE_VERSION;
        (void)mm_buf_appendf(reason_out,
                             "%s: written by a newer version of mailmod "
                             "(store version %lld, this one knows %d)",
                             store->path, (long long)version,
                             MM_STORE_SCHEMA_VERSION);
    } else if (error == MAILMOD_OK && version < 1) {
        error = MAILMOD_ERROR_STORAGE_DAMAGED;
    }
    return error;
}

enum mailmod_error mm_schema_settle(struct mm_store *store, bool creates,
                                    struct mm_buf *reason_out)
{
    enum mailmod_error error = MAILMOD_OK;

    if (!store->is_memory) {
        error = mm_sql_error(sqlite3_exec(store->writer.db,
                                          "PRAGMA auto_vacuum=INCREMENTAL;"
                                          "PRAGMA journal_mode=WAL;",
                                          NULL, NULL, NULL));
    }
    if (error == MAILMOD_OK) {
        error = settle_version(store, creates, reason_out);
    }
    if (error == MAILMOD_OK) {
        error = check_pages(store);
    }
    if (error == MAILMOD_OK) {
        error = read_roots(store);
    }
    if (error == MAILMOD_OK) {
        error = read_secret(store);
    }
    if (error == MAILMOD_OK && creates) {
        error = sweep(store);
    }
    return error;
}
