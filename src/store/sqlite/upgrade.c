/* upgrade.c - brings a store of an older version up to date, step by step.
 *
 * Each step is numbered by the version of the tables that it makes, and its
 * last transaction says so: a step that was ended in the middle is gone on with
 * at the next opening, whatever ended it. Already the first transaction raises
 * the version, so that an older program refuses a store that is half brought
 * up. What is large is moved in slices, each a transaction, so that the log
 * stays small. Before a step the volume must have the room that it takes.
 * Thread: the opener's, with the store's lock held. */
#include "store/sqlite/internal.h"

#include "base/checksum.h"

#include <string.h>

/* What one transaction moves, and what a step needs at most: the slice in the
 * log, in the database and once more for the copying back. */
#define SLICE_OCTETS (4 * 1024 * 1024)
#define ROOM_MAX ((uint64_t)8 * SLICE_OCTETS)
#define ROOM_MIN ((uint64_t)1024 * 1024)

/* 2: what 0.2 keeps more. reverse_path: VERP and SRS, NULL: the message's.
 * secret: more passwords of a user beside the main one, with its salt and
 * rounds. removal: entries that are gone, whose rows go in slices. litter:
 * bodies whose chunks go in slices. act: what an operator did to the whole
 * queue, done up to (message, number). body: the first piece of each, found by
 * its message alone, which is all of most messages; chunk: the others. One
 * table with the key (message, number) and no rowid was tried and cost 40 %
 * more CPU a message: SQLite compares such rows whole, with what overflows. */
static const char tables_2[] =
    "ALTER TABLE recipient ADD COLUMN reverse_path TEXT;"
    "ALTER TABLE entry ADD COLUMN uidl TEXT;"
    "ALTER TABLE entry ADD COLUMN notify INTEGER;"
    "ALTER TABLE entry ADD COLUMN original_recipient TEXT;"
    "ALTER TABLE entry ADD COLUMN reverse_path TEXT;"
    "ALTER TABLE entry ADD COLUMN delivered_to TEXT;"
    "CREATE UNIQUE INDEX entry_uidl ON entry(mailbox_id,uidl) "
    "WHERE uidl IS NOT NULL;"
    "ALTER TABLE user ADD COLUMN is_disabled INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE user ADD COLUMN quota INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE secret(mailbox_id INTEGER NOT NULL,label TEXT NOT NULL,"
    "stored_key BLOB NOT NULL,server_key BLOB NOT NULL,"
    "created_ms INTEGER NOT NULL,PRIMARY KEY(mailbox_id,label)) WITHOUT ROWID;"
    "ALTER TABLE mailbox ADD COLUMN is_gone INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE mailbox ADD COLUMN entries INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE mailbox ADD COLUMN octets INTEGER NOT NULL DEFAULT 0;"
    "UPDATE mailbox SET (entries,octets)=(SELECT count(*),"
    "coalesce(sum(size),0) FROM entry WHERE mailbox_id=mailbox.id);"
    "CREATE TABLE removal(mailbox_id INTEGER NOT NULL,first INTEGER NOT NULL,"
    "last INTEGER NOT NULL,PRIMARY KEY(mailbox_id,first)) WITHOUT ROWID;"
    "CREATE TABLE litter(id INTEGER PRIMARY KEY);"
    "CREATE TABLE act(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "action INTEGER NOT NULL,now_ms INTEGER NOT NULL,destination TEXT,"
    "message_id INTEGER NOT NULL,number INTEGER NOT NULL,"
    "last_message_id INTEGER NOT NULL);"
    "CREATE TABLE attempt(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "message_id INTEGER NOT NULL,number INTEGER NOT NULL,"
    "at_ms INTEGER NOT NULL,path TEXT NOT NULL,host TEXT NOT NULL,"
    "verdict INTEGER NOT NULL,reply TEXT NOT NULL);"
    "CREATE INDEX attempt_message ON attempt(message_id);"
    "ALTER TABLE chunk RENAME TO chunk_1;"
    "CREATE TABLE body(id INTEGER PRIMARY KEY,checksum INTEGER NOT NULL,"
    "data BLOB NOT NULL);"
    "CREATE TABLE chunk(id INTEGER PRIMARY KEY,message_id INTEGER NOT NULL,"
    "number INTEGER NOT NULL,checksum INTEGER NOT NULL,data BLOB NOT NULL);"
    "CREATE UNIQUE INDEX chunk_key ON chunk(message_id,number);";

/* 4: mail fetched from elsewhere. fetch_seen: what was taken over, by the
 * server's unique id; fetch_account: how the last session went. */
static const char tables_4[] =
    "CREATE TABLE fetch_seen(account TEXT NOT NULL,key TEXT NOT NULL,"
    "hash BLOB NOT NULL,size INTEGER NOT NULL,seen_ms INTEGER NOT NULL,"
    "gone_ms INTEGER NOT NULL,is_deleted INTEGER NOT NULL,"
    "PRIMARY KEY(account,key)) WITHOUT ROWID;"
    "CREATE TABLE fetch_account(name TEXT PRIMARY KEY,"
    "source TEXT NOT NULL DEFAULT '',begun_ms INTEGER NOT NULL DEFAULT 0,"
    "ended_ms INTEGER NOT NULL DEFAULT 0,listed INTEGER NOT NULL DEFAULT 0,"
    "octets INTEGER NOT NULL DEFAULT 0,fresh INTEGER NOT NULL DEFAULT 0,"
    "fetched INTEGER NOT NULL DEFAULT 0,\"left\" INTEGER NOT NULL DEFAULT 0,"
    "deleted INTEGER NOT NULL DEFAULT 0,failures INTEGER NOT NULL DEFAULT 0,"
    "result TEXT NOT NULL DEFAULT '',wish INTEGER NOT NULL DEFAULT 0) "
    "WITHOUT ROWID;";

/* 5: what hangs on a name (aliases, forwards, ...), and for whom a copy was
 * meant. */
static const char tables_5[] =
    "CREATE TABLE record(kind INTEGER NOT NULL,name TEXT NOT NULL,"
    "key TEXT NOT NULL,number INTEGER NOT NULL,value BLOB,"
    "PRIMARY KEY(kind,name,key)) WITHOUT ROWID;"
    "ALTER TABLE recipient ADD COLUMN delivered_to TEXT;"
    "ALTER TABLE recipient ADD COLUMN original_to TEXT;"
    "ALTER TABLE entry ADD COLUMN original_to TEXT;";

/* 6: rules of lists of peers and senders, by whose they are (0: common), and
 * what was seen of peers, for a time. */
static const char tables_6[] =
    "CREATE TABLE rule(mailbox_id INTEGER NOT NULL,list INTEGER NOT NULL,"
    "text TEXT NOT NULL,added_ms INTEGER NOT NULL,"
    "PRIMARY KEY(mailbox_id,list,text)) WITHOUT ROWID;"
    "CREATE TABLE sighting(kind INTEGER NOT NULL,key TEXT NOT NULL,"
    "first_ms INTEGER NOT NULL,last_ms INTEGER NOT NULL,"
    "until_ms INTEGER NOT NULL,count INTEGER NOT NULL,"
    "PRIMARY KEY(kind,key)) WITHOUT ROWID;"
    "CREATE INDEX sighting_until ON sighting(until_ms);";

/* 7: what left the queue and is kept, with what its row told: sent mail, dead
 * letters. */
static const char tables_7[] =
    "CREATE TABLE kept(message_id INTEGER NOT NULL,number INTEGER NOT NULL,"
    "kind INTEGER NOT NULL,kept_ms INTEGER NOT NULL,path TEXT NOT NULL,"
    "destination TEXT NOT NULL,attempts INTEGER NOT NULL,"
    "notify INTEGER NOT NULL,original_recipient TEXT NOT NULL,"
    "last_reply TEXT NOT NULL,reverse_path TEXT,delivered_to TEXT,"
    "original_to TEXT,PRIMARY KEY(message_id,number)) WITHOUT ROWID;"
    "CREATE INDEX kept_time ON kept(kind,kept_ms);";

/* 8: deleted mail that is kept for a time: what was an entry, under the number
 * that it had, but for its unique-id text; and whether a removal's are kept,
 * from when on (0: they go). */
static const char tables_8[] =
    "CREATE TABLE deleted(mailbox_id INTEGER NOT NULL,number INTEGER NOT NULL,"
    "message_id INTEGER NOT NULL,size INTEGER NOT NULL,flags INTEGER NOT NULL,"
    "notify INTEGER,original_recipient TEXT,reverse_path TEXT,"
    "delivered_to TEXT,original_to TEXT,deleted_ms INTEGER NOT NULL,"
    "PRIMARY KEY(mailbox_id,number)) WITHOUT ROWID;"
    "CREATE INDEX deleted_since ON deleted(deleted_ms);"
    "ALTER TABLE removal ADD COLUMN keep_ms INTEGER NOT NULL DEFAULT 0;";

/* 9: the host that may have a recipient's mail already. */
static const char tables_9[] =
    "ALTER TABLE recipient ADD COLUMN unsure_host TEXT;";

struct upgrade {
    sqlite3 *db;
    const struct mm_sqlite *store; /* NULL: a new one, in memory */
};

static enum mailmod_error run_text(sqlite3 *db, const char *text)
{
    return mm_sql_error(sqlite3_exec(db, text, NULL, NULL, NULL));
}

static enum mailmod_error end_transaction(sqlite3 *db, enum mailmod_error error)
{
    if (error == MAILMOD_OK) {
        error = run_text(db, "COMMIT");
    }
    if (error != MAILMOD_OK && !sqlite3_get_autocommit(db) &&
        run_text(db, "ROLLBACK") != MAILMOD_OK) {
        return MAILMOD_ERROR_STORAGE;
    }
    return error;
}

static enum mailmod_error run_tables(struct upgrade *upgrade, const char *text,
                                     const char *version)
{
    enum mailmod_error error = run_text(upgrade->db, "BEGIN IMMEDIATE");
    if (error == MAILMOD_OK) {
        error = run_text(upgrade->db, text);
    }
    if (error == MAILMOD_OK) {
        error = run_text(upgrade->db, version);
    }
    return end_transaction(upgrade->db, error);
}

static enum mailmod_error make_tables(struct upgrade *upgrade)
{
    return run_tables(upgrade, tables_2, "PRAGMA user_version=2");
}

static enum mailmod_error make_fetch_tables(struct upgrade *upgrade)
{
    return run_tables(upgrade, tables_4, "PRAGMA user_version=4");
}

static enum mailmod_error make_records(struct upgrade *upgrade)
{
    return run_tables(upgrade, tables_5, "PRAGMA user_version=5");
}

static enum mailmod_error make_rule_tables(struct upgrade *upgrade)
{
    return run_tables(upgrade, tables_6, "PRAGMA user_version=6");
}

static enum mailmod_error make_kept_table(struct upgrade *upgrade)
{
    return run_tables(upgrade, tables_7, "PRAGMA user_version=7");
}

static enum mailmod_error make_deleted_table(struct upgrade *upgrade)
{
    return run_tables(upgrade, tables_8, "PRAGMA user_version=8");
}

static enum mailmod_error make_unsure_column(struct upgrade *upgrade)
{
    return run_tables(upgrade, tables_9, "PRAGMA user_version=9");
}

/* Statements of the step, by their texts. */
enum { FROM, TO_BODY, TO_CHUNK, DROP, TEXTS };

/* The row that FROM stands on goes over. */
static enum mailmod_error move_chunk(sqlite3_stmt *const statements[TEXTS])
{
    sqlite3_stmt *from = statements[FROM];
    sqlite3_int64 key = sqlite3_column_int64(from, 0);
    struct mm_span data = mm_span(sqlite3_column_blob(from, 1),
                                  (size_t)sqlite3_column_bytes(from, 1));
    sqlite3_int64 number = key & 16383;
    sqlite3_stmt *to = statements[number == 0 ? TO_BODY : TO_CHUNK];
    (void)sqlite3_bind_int64(to, 1, key >> 14);
    (void)sqlite3_bind_int64(to, 2, (sqlite3_int64)mm_checksum(data));
    (void)sqlite3_bind_blob(to, 3, data.data, (int)data.size, SQLITE_STATIC);
    if (number > 0) {
        (void)sqlite3_bind_int64(to, 4, number);
    }
    return mm_sql_run(to);
}

/* Moves what fits a slice; `last_out` is the last key of it, 0 for none. */
static enum mailmod_error move_some(sqlite3_stmt *const statements[TEXTS],
                                    sqlite3_int64 *last_out)
{
    sqlite3_stmt *from = statements[FROM];
    enum mailmod_error error = MAILMOD_OK;
    size_t octets = 0;
    *last_out = 0;
    while (octets < SLICE_OCTETS && error == MAILMOD_OK &&
           mm_sql_step(from, &error)) {
        octets += (size_t)sqlite3_column_bytes(from, 1) + 64;
        *last_out = sqlite3_column_int64(from, 0);
        error = move_chunk(statements);
    }
    mm_sql_end(from);
    return error;
}

static enum mailmod_error move_slice(struct upgrade *upgrade,
                                     sqlite3_stmt *const statements[TEXTS],
                                     bool *is_done_out)
{
    sqlite3_stmt *drop = statements[DROP];
    sqlite3_int64 last = 0;
    enum mailmod_error error = run_text(upgrade->db, "BEGIN IMMEDIATE");
    if (error == MAILMOD_OK) {
        error = move_some(statements, &last);
    }
    *is_done_out = error == MAILMOD_OK && last == 0;
    if (error == MAILMOD_OK && *is_done_out) {
        error =
            run_text(upgrade->db, "DROP TABLE chunk_1; PRAGMA user_version=3");
    } else if (error == MAILMOD_OK) {
        (void)sqlite3_bind_int64(drop, 1, last);
        error = mm_sql_run(drop);
    }
    error = end_transaction(upgrade->db, error);
    if (error == MAILMOD_OK && upgrade->store != NULL) {
        error = mm_sql_error(sqlite3_wal_checkpoint_v2(
            upgrade->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL));
    }
    return error;
}

/* 3: chunks are keyed by message and number, and each has its checksum. */
static enum mailmod_error move_chunks(struct upgrade *upgrade)
{
    static const char *const texts[TEXTS] = {
        "SELECT id,data FROM chunk_1 ORDER BY id",
        "INSERT INTO body(id,checksum,data) VALUES(?,?,?)",
        "INSERT INTO chunk(message_id,checksum,data,number) VALUES(?,?,?,?)",
        "DELETE FROM chunk_1 WHERE id<=?"};
    sqlite3_stmt *statements[TEXTS] = {NULL, NULL, NULL, NULL};
    enum mailmod_error error = MAILMOD_OK;
    for (int i = 0; error == MAILMOD_OK && i < TEXTS; i++) {
        error = mm_sql_error(sqlite3_prepare_v2(upgrade->db, texts[i], -1,
                                                &statements[i], NULL));
    }
    bool is_done = false;
    while (error == MAILMOD_OK && !is_done) {
        error = move_slice(upgrade, statements, &is_done);
    }
    for (int i = 0; i < TEXTS; i++) {
        (void)sqlite3_finalize(statements[i]);
    }
    return error;
}

static const struct {
    int64_t version; /* after the step */
    const char *words;
    enum mailmod_error (*run)(struct upgrade *upgrade);
} steps[] = {{2, "new tables", make_tables},
             {3, "checksums of bodies", move_chunks},
             {4, "tables of fetched mail", make_fetch_tables},
             {5, "aliases and lists", make_records},
             {6, "tables of rules and sightings", make_rule_tables},
             {7, "a table of kept mail", make_kept_table},
             {8, "a table of deleted mail", make_deleted_table},
             {9, "hosts that may have mail already", make_unsure_column}};

static uint64_t room_wanted(sqlite3 *db)
{
    int64_t pages = 0;
    int64_t page_size = 0;
    if (mm_sql_number(db, "PRAGMA page_count", &pages) != MAILMOD_OK ||
        mm_sql_number(db, "PRAGMA page_size", &page_size) != MAILMOD_OK) {
        return ROOM_MAX;
    }
    uint64_t wanted = 3 * (uint64_t)(pages * page_size) + ROOM_MIN;
    return wanted < ROOM_MAX ? wanted : ROOM_MAX;
}

static enum mailmod_error check_room(const struct upgrade *upgrade,
                                     struct mm_buf *reason_out)
{
    uint64_t wanted = room_wanted(upgrade->db);
    uint64_t there = mm_fs_free_space(upgrade->store->folder);
    if (there >= wanted) {
        return MAILMOD_OK;
    }
    if (reason_out != NULL) {
        (void)mm_buf_appendf(
            reason_out,
            "%s: bringing the store up to date needs %llu KiB of room, the "
            "volume has %llu; nothing was changed",
            upgrade->store->folder, (unsigned long long)(wanted / 1024),
            (unsigned long long)(there / 1024));
    }
    return MAILMOD_ERROR_STORAGE_FULL;
}

static enum mailmod_error run_step(struct upgrade *upgrade, size_t which,
                                   struct mm_buf *reason_out)
{
    const struct mm_sqlite *store = upgrade->store;
    if (store == NULL) {
        return steps[which].run(upgrade);
    }
    enum mailmod_error error = check_room(upgrade, reason_out);
    if (error != MAILMOD_OK) {
        return error;
    }
    MM_LOG(store->log, MM_LOG_INFO, "store", "bringing the store up to date",
           MM_NUMBER("version", (uint64_t)steps[which].version),
           MM_TEXT("step", steps[which].words), MM_TEXT("path", store->path));
    return steps[which].run(upgrade);
}

enum mailmod_error mm_upgrade(sqlite3 *db, const struct mm_sqlite *store,
                              struct mm_buf *reason_out)
{
    struct upgrade upgrade = {db, store};
    int64_t version = 0;
    enum mailmod_error error =
        mm_sql_number(db, "PRAGMA user_version", &version);
    for (size_t i = 0;
         error == MAILMOD_OK && i < sizeof steps / sizeof steps[0]; i++) {
        if (version < steps[i].version) {
            error = run_step(&upgrade, i, reason_out);
        }
    }
    return error;
}
