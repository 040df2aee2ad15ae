/* connection.c - one SQLite connection and its prepared statements.
 *
 * Owns: the text of every statement of the store, in one table, and on each
 * connection the prepared forms, made at first use. Promises: a statement is
 * always handed out reset and unbound; SQLite's results become our errors in
 * one function. Thread: a connection belongs to one thread at a time. */
#include "store/sqlite/internal.h"

#include "base/mem.h"

#include <string.h>

/* Of an entry what deleted mail keeps, too. */
#define DELETED_COLUMNS                                                        \
    "message_id,size,flags,notify,original_recipient,reverse_path,"            \
    "delivered_to,original_to"
#define MESSAGE_COLUMNS                                                        \
    "m.id,m.reverse_path,m.arrival_ms,m.size,m.flags,m.dsn_return,"            \
    "m.envelope_id"
#define RECIPIENT_COLUMNS                                                      \
    "r.message_id,r.number,r.path,r.destination,r.state,r.next_attempt_ms,"    \
    "r.expires_ms,r.attempts,r.was_warned,r.notify,r.original_recipient,"      \
    "r.last_reply,r.reverse_path,r.delivered_to,r.original_to,r.unsure_host"
/* Of `kept`, as RECIPIENT_COLUMNS reads them: one that is kept waits for
 * nobody. */
#define KEPT_COLUMNS                                                           \
    "r.message_id,r.number,r.path,r.destination,0,r.kept_ms,0,r.attempts,0,"   \
    "r.notify,r.original_recipient,r.last_reply,r.reverse_path,"               \
    "r.delivered_to,r.original_to,NULL"
#define USER_COLUMNS                                                           \
    "name,mailbox_id,salt,iterations,stored_key,server_key,password,"          \
    "is_disabled,quota"

/* Which of the names it is; a text would have to be copied. */
#define FIND_ADDRESSEE(which)                                                  \
    "SELECT " which ",mailbox_id,is_disabled,quota FROM user WHERE name=?"
#define SEEN_COLUMNS "key,hash,size,seen_ms,gone_ms,is_deleted"
#define SIGHTING_COLUMNS "key,first_ms,last_ms,until_ms,count"
#define FETCH_COLUMNS                                                          \
    "name,source,begun_ms,ended_ms,listed,octets,fresh,fetched,\"left\","      \
    "deleted,failures,result"

static const char *const statement_table[MM_SQL_COUNT] = {
    [MM_SQL_BEGIN] = "BEGIN IMMEDIATE",
    [MM_SQL_COMMIT] = "COMMIT",
    [MM_SQL_ROLLBACK] = "ROLLBACK",
    [MM_SQL_SAVEPOINT] = "SAVEPOINT job",
    [MM_SQL_RELEASE] = "RELEASE job",
    [MM_SQL_ROLLBACK_TO] = "ROLLBACK TO job",
    [MM_SQL_PUT_BODY] = "INSERT INTO body(id,checksum,data) VALUES(?,?,?)",
    [MM_SQL_PUT_CHUNK] =
        "INSERT INTO chunk(message_id,checksum,data,number) VALUES(?,?,?,?)",
    [MM_SQL_PUT_PENDING] = "INSERT OR IGNORE INTO pending(id) VALUES(?)",
    [MM_SQL_DROP_PENDING] = "DELETE FROM pending WHERE id=?",
    [MM_SQL_DROP_BODY] = "DELETE FROM body WHERE id=?",
    [MM_SQL_DROP_CHUNKS] = "DELETE FROM chunk WHERE message_id=? AND number<?",
    /* What is left of a large body goes in slices. */
    [MM_SQL_PUT_LITTER] = "INSERT OR IGNORE INTO litter SELECT message_id FROM "
                          "chunk WHERE message_id=? LIMIT 1",
    [MM_SQL_PUT_MESSAGE] =
        "INSERT INTO message(id,reverse_path,arrival_ms,size,flags,dsn_return,"
        "envelope_id,reference_count) VALUES(?,?,?,?,?,?,?,?)",
    /* No RETURNING in what runs once a message: each such statement is a
     * savepoint of its own, and its release walks all that the job has changed
     * so far, so that a thousand removals cost a million steps. */
    [MM_SQL_DROP_LAST] =
        "DELETE FROM message WHERE id=? AND reference_count<=1",
    [MM_SQL_REFER] = "UPDATE message SET reference_count=reference_count+1 "
                     "WHERE id=?",
    [MM_SQL_UNREFER] = "UPDATE message SET reference_count=reference_count-1 "
                       "WHERE id=?",
    [MM_SQL_PUT_RECIPIENT] =
        "INSERT INTO recipient(message_id,number,path,destination,state,"
        "next_attempt_ms,expires_ms,attempts,was_warned,notify,"
        "original_recipient,last_reply,reverse_path,delivered_to,original_to,"
        "unsure_host) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    /* A hold by an operator outlives the attempt that ran meanwhile. */
    [MM_SQL_UPDATE_RECIPIENT] =
        "UPDATE recipient SET destination=?1,next_attempt_ms=CASE WHEN "
        "?10 IN (0,next_attempt_ms) THEN ?2 ELSE next_attempt_ms END,"
        "expires_ms=?3,attempts=?4,was_warned=?5,last_reply=?6,"
        "unsure_host=?11,state=max(state,?7) WHERE message_id=?8 AND number=?9",
    [MM_SQL_DROP_RECIPIENT] =
        "DELETE FROM recipient WHERE message_id=? AND number=?",
    [MM_SQL_KEEP_RECIPIENT] =
        "INSERT INTO kept(kind,kept_ms,attempts,last_reply,message_id,number,"
        "path,destination,notify,original_recipient,reverse_path,delivered_to,"
        "original_to) SELECT ?3,?4,?5,?6,message_id,number,path,destination,"
        "notify,original_recipient,reverse_path,delivered_to,original_to "
        "FROM recipient WHERE message_id=?1 AND number=?2",
    [MM_SQL_REQUEUE_KEPT] =
        "INSERT INTO recipient(state,attempts,was_warned,last_reply,"
        "next_attempt_ms,expires_ms,message_id,number,path,destination,notify,"
        "original_recipient,reverse_path,delivered_to,original_to) SELECT "
        "0,0,0,'',?3,?4,message_id,number,path,destination,notify,"
        "original_recipient,reverse_path,delivered_to,original_to FROM kept "
        "WHERE message_id=?1 AND number=?2",
    [MM_SQL_DROP_KEPT] = "DELETE FROM kept WHERE message_id=? AND number=?",
    [MM_SQL_LIST_OLD_KEPT] =
        "SELECT message_id,number FROM kept WHERE kind=? AND kept_ms<? "
        "ORDER BY kept_ms LIMIT ?",
    [MM_SQL_EACH_KEPT] =
        "SELECT " MESSAGE_COLUMNS "," KEPT_COLUMNS
        " FROM kept r JOIN message m ON m.id=r.message_id "
        "WHERE (r.message_id,r.number)>(?,?) AND r.message_id<=? AND r.kind=? "
        "ORDER BY r.message_id,r.number",
    [MM_SQL_NEXT_NUMBER] =
        "SELECT next_number FROM mailbox WHERE id=? AND is_gone=0",
    [MM_SQL_COUNT_NUMBER] =
        "UPDATE mailbox SET next_number=next_number+1,entries=entries+1,"
        "octets=octets+?2 WHERE id=?1",
    [MM_SQL_USE_MAILBOX] = "UPDATE mailbox SET entries=entries-?2,"
                           "octets=octets-?3 WHERE id=?1",
    [MM_SQL_PUT_ENTRY] =
        "INSERT INTO entry(mailbox_id,number,message_id,size,flags,uidl,notify,"
        "original_recipient,reverse_path,delivered_to,original_to) "
        "SELECT id,next_number,?2,?3,?4,?5,?6,?7,?8,?9,?10 FROM mailbox "
        "WHERE id=?1 AND is_gone=0",
    [MM_SQL_ENTRY_DETAIL] =
        "SELECT uidl,notify,original_recipient,reverse_path,delivered_to,"
        "original_to FROM entry WHERE mailbox_id=? AND number=?",
    [MM_SQL_KEEP_ENTRY] =
        "INSERT INTO deleted(deleted_ms,mailbox_id,number," DELETED_COLUMNS
        ") SELECT ?3,mailbox_id,number," DELETED_COLUMNS " FROM entry "
        "WHERE mailbox_id=?1 AND number=?2",
    [MM_SQL_UNKEEP_ENTRY] =
        "INSERT INTO entry(mailbox_id,number," DELETED_COLUMNS
        ") SELECT mailbox_id,?3," DELETED_COLUMNS " FROM deleted "
        "WHERE mailbox_id=?1 AND number=?2 RETURNING size",
    [MM_SQL_DROP_DELETED] =
        "DELETE FROM deleted WHERE mailbox_id=? AND number=?",
    [MM_SQL_LIST_DELETED] =
        "SELECT number,message_id,size,flags,deleted_ms FROM deleted "
        "WHERE mailbox_id=? AND number>? ORDER BY number LIMIT ?",
    [MM_SQL_LIST_OLD_DELETED] =
        "SELECT mailbox_id,number,message_id FROM deleted WHERE deleted_ms<? "
        "ORDER BY deleted_ms,mailbox_id,number LIMIT ?",
    /* What goes for good is not kept by another removal of the same. */
    [MM_SQL_PUT_REMOVAL] =
        "INSERT INTO removal(mailbox_id,first,last,keep_ms) VALUES(?,?,?,?) "
        "ON CONFLICT DO UPDATE SET last=max(last,excluded.last),"
        "keep_ms=min(keep_ms,excluded.keep_ms)",
    [MM_SQL_NEXT_REMOVAL] =
        "SELECT mailbox_id,first,last,keep_ms FROM removal LIMIT 1",
    [MM_SQL_LIST_RANGE] = "SELECT number FROM entry WHERE mailbox_id=? AND "
                          "number BETWEEN ? AND ? LIMIT 32",
    [MM_SQL_DROP_REMOVAL] =
        "DELETE FROM removal WHERE mailbox_id=? AND first=?",
    [MM_SQL_LIST_REMOVALS] =
        "SELECT first,last FROM removal WHERE mailbox_id=? ORDER BY first",
    [MM_SQL_NEXT_LITTER] = "SELECT id FROM litter LIMIT 1",
    [MM_SQL_DROP_FIRST_CHUNKS] =
        "DELETE FROM chunk WHERE message_id=?1 AND number<(SELECT min(number) "
        "FROM chunk WHERE message_id=?1)+?2",
    [MM_SQL_DROP_LITTER] = "DELETE FROM litter WHERE id=?",
    [MM_SQL_PUT_ACT] =
        "INSERT INTO act(action,now_ms,destination,message_id,number,"
        "last_message_id) SELECT ?,?,?,0,-1,coalesce(max(message_id),0) "
        "FROM recipient",
    [MM_SQL_NEXT_ACT] =
        "SELECT id,action,now_ms,destination,message_id,number,last_message_id "
        "FROM act ORDER BY id LIMIT 1",
    [MM_SQL_MOVE_ACT] = "UPDATE act SET message_id=?2,number=?3 WHERE id=?1",
    [MM_SQL_DROP_ACT] = "DELETE FROM act WHERE id=?",
    [MM_SQL_HAS_ACT] = "SELECT 1 FROM act LIMIT 1",
    [MM_SQL_FIND_ENTRY] =
        "SELECT message_id,size FROM entry WHERE mailbox_id=? AND number=?",
    [MM_SQL_DROP_ENTRY] = "DELETE FROM entry WHERE mailbox_id=? AND number=?",
    [MM_SQL_COUNT_RECIPIENTS] =
        "SELECT count(*) FROM recipient WHERE message_id BETWEEN ? AND ? AND "
        "state BETWEEN ? AND ?",
    [MM_SQL_LIST_KEYS] =
        "SELECT message_id,number,state,path,destination FROM recipient "
        "WHERE (message_id,number)>(?,?) AND message_id<=? "
        "ORDER BY message_id,number LIMIT 32",
    [MM_SQL_SET_STATE] =
        "UPDATE recipient SET state=? WHERE message_id=? AND number=?",
    [MM_SQL_SET_DUE] = "UPDATE recipient SET state=0,next_attempt_ms=? "
                       "WHERE message_id=? AND number=?",
    [MM_SQL_SET_DESTINATION] = "UPDATE recipient SET destination=? "
                               "WHERE message_id=? AND number=?",
    [MM_SQL_PUT_USER] =
        "INSERT INTO user(" USER_COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?)",
    [MM_SQL_CHANGE_USER] =
        "UPDATE user SET salt=?,iterations=?,stored_key=?,server_key=?,"
        "password=?,is_disabled=?,quota=? WHERE name=?",
    [MM_SQL_RENAME_USER] = "UPDATE user SET name=? WHERE name=?",
    [MM_SQL_DROP_USER] = "DELETE FROM user WHERE name=? RETURNING mailbox_id",
    [MM_SQL_PUT_MAILBOX] = "INSERT INTO mailbox(tag,next_number) VALUES(?,1)",
    [MM_SQL_PUT_SECRET] =
        "INSERT INTO secret(mailbox_id,label,stored_key,server_key,created_ms) "
        "VALUES(?,?,?,?,?)",
    [MM_SQL_DROP_SECRET] = "DELETE FROM secret WHERE mailbox_id=? AND label=?",
    [MM_SQL_DROP_SECRETS] = "DELETE FROM secret WHERE mailbox_id=?",
    [MM_SQL_LIST_SECRETS] =
        "SELECT label,stored_key,server_key,created_ms FROM secret "
        "WHERE mailbox_id=? ORDER BY label LIMIT ?",
    [MM_SQL_CLOSE_MAILBOX] = "UPDATE mailbox SET is_gone=1 WHERE id=?",
    [MM_SQL_MAILBOX_USE] = "SELECT entries,octets FROM mailbox WHERE id=?",
    [MM_SQL_DROP_MAILBOX] = "DELETE FROM mailbox WHERE id=?",
    [MM_SQL_FIND_USER] = "SELECT " USER_COLUMNS " FROM user WHERE name=?",
    /* In this order, and each is looked for when those before it were not
     * found; a name that was not bound is nobody's. */
    [MM_SQL_FIND_ADDRESSEE] = FIND_ADDRESSEE("0") " UNION ALL " FIND_ADDRESSEE(
        "1") " UNION ALL " FIND_ADDRESSEE("2"),
    [MM_SQL_EACH_USER] = "SELECT " USER_COLUMNS " FROM user WHERE name>? "
                         "ORDER BY name",
    [MM_SQL_LIST_ENTRIES] =
        "SELECT number,message_id,size,flags FROM entry WHERE mailbox_id=? "
        "AND number>? ORDER BY number",
    [MM_SQL_MAILBOX_TAG] = "SELECT tag FROM mailbox WHERE id=? AND is_gone=0",
    [MM_SQL_FIND_MESSAGE] =
        "SELECT " MESSAGE_COLUMNS " FROM message m WHERE m.id=?",
    [MM_SQL_READ_BODY] = "SELECT data,checksum FROM body WHERE id=?",
    [MM_SQL_READ_CHUNK] =
        "SELECT data,checksum FROM chunk WHERE message_id=? AND number=?",
    [MM_SQL_CHUNK_EXISTS] =
        "SELECT 1 FROM chunk WHERE message_id=?1 AND number>?2 AND NOT EXISTS("
        "SELECT 1 FROM litter WHERE id=?1) LIMIT 1",
    /* From name to name by the index: two steps each, whatever waits. */
    [MM_SQL_LIST_DESTINATIONS] =
        "WITH RECURSIVE d(name) AS (SELECT min(destination) FROM recipient "
        "WHERE state=0 AND destination>?1 UNION ALL SELECT (SELECT "
        "min(destination) FROM recipient WHERE state=0 AND "
        "destination>d.name) FROM d WHERE d.name IS NOT NULL) "
        "SELECT name,(SELECT min(next_attempt_ms) FROM recipient WHERE state=0 "
        "AND destination=name) FROM d WHERE name IS NOT NULL LIMIT ?2",
    [MM_SQL_LIST_DUE] =
        "SELECT " RECIPIENT_COLUMNS " FROM recipient r "
        "WHERE r.state=0 AND r.destination=? AND r.next_attempt_ms<=? AND "
        "(r.next_attempt_ms,r.message_id,r.number)>(?,?,?) "
        "ORDER BY r.next_attempt_ms,r.message_id,r.number",
    [MM_SQL_EACH_RECIPIENT] =
        "SELECT " MESSAGE_COLUMNS "," RECIPIENT_COLUMNS
        " FROM recipient r JOIN message m ON m.id=r.message_id "
        "WHERE (r.message_id,r.number)>(?,?) AND r.message_id<=? "
        "ORDER BY r.message_id,r.number",
    [MM_SQL_PUT_SEEN] =
        "INSERT OR REPLACE INTO fetch_seen(account," SEEN_COLUMNS ") "
        "VALUES(?,?,?,?,?,?,?)",
    [MM_SQL_DROP_SEEN] = "DELETE FROM fetch_seen WHERE account=? AND key=?",
    [MM_SQL_EACH_SEEN] = "SELECT " SEEN_COLUMNS " FROM fetch_seen "
                         "WHERE account=? AND key>? ORDER BY key",
    [MM_SQL_FORGET_SEEN] = "DELETE FROM fetch_seen WHERE account=?",
    [MM_SQL_PUT_FETCH] =
        "INSERT INTO fetch_account(" FETCH_COLUMNS ") "
        "VALUES(?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(name) DO UPDATE SET "
        "source=excluded.source,begun_ms=excluded.begun_ms,"
        "ended_ms=excluded.ended_ms,listed=excluded.listed,"
        "octets=excluded.octets,fresh=excluded.fresh,"
        "fetched=excluded.fetched,\"left\"=excluded.\"left\","
        "deleted=excluded.deleted,failures=excluded.failures,"
        "result=excluded.result",
    [MM_SQL_WISH_FETCH] = "INSERT INTO fetch_account(name,wish) VALUES(?,?) "
                          "ON CONFLICT(name) DO UPDATE SET wish=excluded.wish",
    [MM_SQL_EACH_FETCH] =
        "SELECT " FETCH_COLUMNS ",wish FROM fetch_account ORDER BY name",
    [MM_SQL_FORGET_FETCH] = "DELETE FROM fetch_account WHERE name=?",
    [MM_SQL_PUT_RECORD] =
        "INSERT OR REPLACE INTO record(kind,name,key,number,value) "
        "VALUES(?,?,?,?,?)",
    [MM_SQL_DROP_RECORD] =
        "DELETE FROM record WHERE kind=? AND name=? AND key=?",
    [MM_SQL_DROP_RECORDS] = "DELETE FROM record WHERE kind=? AND name=?",
    [MM_SQL_MOVE_RECORDS] =
        "UPDATE OR REPLACE record SET name=?3 WHERE kind=?1 AND name=?2",
    [MM_SQL_FIND_RECORD] = "SELECT name,key,number,value FROM record "
                           "WHERE kind=? AND name=? AND key=?",
    [MM_SQL_LIST_RECORDS] =
        "SELECT name,key,number,value FROM record "
        "WHERE kind=? AND (name,key)>(?,?) ORDER BY name,key",
    [MM_SQL_LIST_NAMED_RECORDS] =
        "SELECT name,key,number,value FROM record "
        "WHERE kind=? AND name=? AND key>? ORDER BY key",
    [MM_SQL_PUT_RULE] =
        "INSERT INTO rule(mailbox_id,list,text,added_ms) VALUES(?,?,?,?)",
    [MM_SQL_DROP_RULE] =
        "DELETE FROM rule WHERE mailbox_id=? AND list=? AND text=?",
    [MM_SQL_DROP_RULES] = "DELETE FROM rule WHERE mailbox_id=?",
    [MM_SQL_COUNT_RULES] = "SELECT count(*) FROM rule",
    [MM_SQL_EACH_RULE] =
        "SELECT mailbox_id,list,text,added_ms FROM rule "
        "WHERE (mailbox_id,list,text)>(?,?,?) ORDER BY mailbox_id,list,text",
    [MM_SQL_COUNT_RULE_CHANGE] =
        "INSERT INTO meta(key,value) VALUES('rule_changes',1) "
        "ON CONFLICT(key) DO UPDATE SET value=value+1",
    [MM_SQL_RULE_CHANGES] = "SELECT value FROM meta WHERE key='rule_changes'",
    [MM_SQL_PUT_SIGHTING] = "INSERT OR REPLACE INTO sighting("
                            "kind," SIGHTING_COLUMNS ") VALUES(?,?,?,?,?,?)",
    [MM_SQL_DROP_SIGHTING] = "DELETE FROM sighting WHERE kind=? AND key=?",
    [MM_SQL_FIND_SIGHTING] = "SELECT " SIGHTING_COLUMNS " FROM sighting "
                             "WHERE kind=? AND key=?",
    [MM_SQL_EACH_SIGHTING] = "SELECT " SIGHTING_COLUMNS " FROM sighting "
                             "WHERE kind=? AND key>? ORDER BY key",
    [MM_SQL_COUNT_SIGHTINGS] = "SELECT count(*) FROM sighting",
    /* Those whose time is over, or whichever end first. */
    [MM_SQL_SWEEP_SIGHTINGS] =
        "DELETE FROM sighting WHERE (kind,key) IN (SELECT kind,key FROM "
        "sighting WHERE until_ms<=?1 OR ?2>0 ORDER BY until_ms LIMIT ?3)",
    [MM_SQL_SECRET] = "SELECT value FROM meta WHERE key='secret'",
    /* What makes rows due by an operator's wish is counted, so that the queue
     * can tell it from rows that became due. */
    [MM_SQL_COUNT_FLUSH] = "INSERT INTO meta(key,value) VALUES('flushes',1) "
                           "ON CONFLICT(key) DO UPDATE SET value=value+1",
    [MM_SQL_FLUSHES] = "SELECT value FROM meta WHERE key='flushes'",
    /* So that sessions of users need not be looked at one by one. */
    [MM_SQL_COUNT_USER_CHANGE] =
        "INSERT INTO meta(key,value) VALUES('user_changes',1) "
        "ON CONFLICT(key) DO UPDATE SET value=value+1",
    [MM_SQL_USER_CHANGES] = "SELECT value FROM meta WHERE key='user_changes'",
    [MM_SQL_RESERVE_IDS] =
        "INSERT OR REPLACE INTO meta(key,value) VALUES('reserved_id',?)",
    [MM_SQL_RESERVED_IDS] = "SELECT value FROM meta WHERE key='reserved_id'",
};

enum mailmod_error mm_sql_error(int result)
{
    if (result == SQLITE_IOERR_SHMSIZE) {
        /* The log's index could not grow: for want of room, as its octets are
         * never synced. */
        return MAILMOD_ERROR_STORAGE_FULL;
    }
    switch (result & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return MAILMOD_OK;
    case SQLITE_NOMEM:
        return MAILMOD_ERROR_MEMORY;
    case SQLITE_FULL:
        return MAILMOD_ERROR_STORAGE_FULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return MAILMOD_ERROR_STORAGE_DAMAGED;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_INTERRUPT: /* a reader that was ended */
        return MAILMOD_ERROR_BUSY;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
        return MAILMOD_ERROR_ACCESS;
    case SQLITE_CANTOPEN:
        /* Said for want of descriptors too: a database, its log, the log's
         * index and the folder are open at once. */
        return mm_fs_check_room(4) == MAILMOD_OK ? MAILMOD_ERROR_ACCESS
                                                 : MAILMOD_ERROR_DESCRIPTORS;
    case SQLITE_CONSTRAINT:
        return MAILMOD_ERROR_EXISTS; /* a key that is taken */
    case SQLITE_TOOBIG:
        return MAILMOD_ERROR_TOO_LARGE;
    default:
        return MAILMOD_ERROR_STORAGE;
    }
}

static enum mailmod_error set_pragmas(struct mm_connection *connection,
                                      const struct mm_sqlite *store,
                                      bool is_writer)
{
    /* The write-ahead log is synced at each commit (FULL); it is copied back
     * by the writer when it chooses, so automatic checkpoints are off. */
    static const char common[] = "PRAGMA temp_store=MEMORY;"
                                 "PRAGMA trusted_schema=OFF;"
                                 "PRAGMA cell_size_check=ON;";
    int result = sqlite3_exec(connection->db, common, NULL, NULL, NULL);

    if (result == SQLITE_OK && is_writer) {
        result = sqlite3_exec(connection->db,
                              "PRAGMA cache_size=-16384;"
                              "PRAGMA wal_autocheckpoint=0;"
                              "PRAGMA journal_size_limit=67108864;",
                              NULL, NULL, NULL);
    }
    if (result == SQLITE_OK && is_writer) {
        result = sqlite3_exec(connection->db,
                              store->syncs ? "PRAGMA synchronous=FULL;"
                                           : "PRAGMA synchronous=OFF;",
                              NULL, NULL, NULL);
    }
    if (result == SQLITE_OK && is_writer) {
        /* Some systems build SQLite with it on: each freed page is then written
         * to the log, and a full disk cannot be emptied. */
        static const char *const erase[] = {"PRAGMA secure_delete=OFF",
                                            "PRAGMA secure_delete=FAST",
                                            "PRAGMA secure_delete=ON"};
        result =
            sqlite3_exec(connection->db, erase[store->erase], NULL, NULL, NULL);
    }
    return mm_sql_error(result);
}

/* Where SQLite has two kinds of files (Windows), the one whose names may be
 * longer than 260 characters. */
static const char *file_system(void)
{
    static const char name[] = "win32-longpath";
    return sqlite3_vfs_find(name) != NULL ? name : NULL;
}

enum mailmod_error mm_database_open(struct mm_connection *connection,
                                    const char *path, int flags)
{
    char *long_path;
    enum mailmod_error error = mm_fs_long_path(path, &long_path);
    if (error == MAILMOD_OK) {
        error = mm_sql_error(
            sqlite3_open_v2(long_path, &connection->db, flags, file_system()));
        mm_free(long_path);
    }
    return error;
}

enum mailmod_error mm_connection_open(struct mm_connection *connection,
                                      const struct mm_sqlite *store,
                                      bool is_writer)
{
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE;

    memset(connection, 0, sizeof *connection);
    mm_list_init(&connection->node);
    if (is_writer) {
        flags |= SQLITE_OPEN_CREATE;
    }
    enum mailmod_error error = mm_database_open(connection, store->path, flags);
    if (error == MAILMOD_OK) {
        sqlite3_busy_timeout(connection->db, mm_health_busy_ms(store));
        (void)sqlite3_extended_result_codes(connection->db, 1);
        error = set_pragmas(connection, store, is_writer);
    }
    if (error != MAILMOD_OK) {
        mm_connection_close(connection);
    }
    return error;
}

void mm_connection_close(struct mm_connection *connection)
{
    for (int i = 0; i < MM_SQL_COUNT; i++) {
        sqlite3_finalize(connection->statements[i]);
        connection->statements[i] = NULL;
    }
    sqlite3_close_v2(connection->db);
    connection->db = NULL;
}

sqlite3_stmt *mm_sql(struct mm_connection *connection, enum mm_statement which,
                     enum mailmod_error *error_out)
{
    sqlite3_stmt **statement = &connection->statements[which];

    *error_out = MAILMOD_OK;
    if (*statement == NULL) {
        *error_out = mm_sql_error(
            sqlite3_prepare_v3(connection->db, statement_table[which], -1,
                               SQLITE_PREPARE_PERSISTENT, statement, NULL));
    }
    return *error_out == MAILMOD_OK ? *statement : NULL;
}

void mm_sql_end(sqlite3_stmt *statement)
{
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
}

enum mailmod_error mm_sql_run(sqlite3_stmt *statement)
{
    int result = sqlite3_step(statement);

    mm_sql_end(statement);
    return mm_sql_error(result);
}

enum mailmod_error mm_sql_run_on_row(sqlite3_stmt *statement)
{
    enum mailmod_error error = mm_sql_run(statement);

    return error == MAILMOD_OK &&
                   sqlite3_changes(sqlite3_db_handle(statement)) == 0
               ? MAILMOD_ERROR_NOT_FOUND
               : error;
}

enum mailmod_error mm_sql_run_with(struct mm_connection *connection,
                                   enum mm_statement which, uint64_t id)
{
    enum mailmod_error error;
    sqlite3_stmt *statement = mm_sql(connection, which, &error);

    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)id);
    return mm_sql_run(statement);
}

enum mailmod_error mm_sql_do(struct mm_connection *connection,
                             enum mm_statement which)
{
    enum mailmod_error error;
    sqlite3_stmt *statement = mm_sql(connection, which, &error);

    return statement != NULL ? mm_sql_run(statement) : error;
}

bool mm_sql_step(sqlite3_stmt *statement, enum mailmod_error *error_out)
{
    int result = sqlite3_step(statement);

    *error_out = mm_sql_error(result);
    return result == SQLITE_ROW;
}

void mm_sql_octets(sqlite3_stmt *statement, int column, void *octets_out,
                   size_t size)
{
    const void *octets = sqlite3_column_blob(statement, column);

    if (octets != NULL &&
        (size_t)sqlite3_column_bytes(statement, column) == size) {
        memcpy(octets_out, octets, size);
    }
}

void mm_sql_text(sqlite3_stmt *statement, int column, char *text_out,
                 size_t size)
{
    /* As octets: column_text may need memory for a NUL, and would answer a
     * lack of it with an empty text. */
    const char *text = sqlite3_column_blob(statement, column);
    size_t length =
        text != NULL ? (size_t)sqlite3_column_bytes(statement, column) : 0;

    if (length >= size) {
        length = size - 1;
    }
    if (length > 0) {
        memcpy(text_out, text, length);
    }
    text_out[length] = '\0';
}

void mm_sql_bind_text(sqlite3_stmt *statement, int index, const char *text)
{
    (void)sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}

void mm_sql_bind_filled(sqlite3_stmt *statement, int index, const char *text)
{
    if (text[0] != '\0') {
        mm_sql_bind_text(statement, index, text);
    }
}
