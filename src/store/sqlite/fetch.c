/* fetch.c - what was fetched from mailboxes elsewhere, and how it went.
 *
 * Owns nothing. Promises: a row that says "seen" is written in the caller's
 * transaction, so with the message or not at all; an operator's wish outlives
 * the session that runs meanwhile. Thread: what takes a transaction: writer;
 * the rest: any, on workers. */
#include "store/sqlite/internal.h"

#include <string.h>

static sqlite3_stmt *statement_of(struct mm_store_transaction *base,
                                  enum mm_statement which,
                                  enum mailmod_error *error_out)
{
    return mm_sql(mm_sqlite_transaction_of(base)->connection, which, error_out);
}

enum mailmod_error mm_sqlite_put_seen(struct mm_store_transaction *base,
                                      const char *account,
                                      const struct mm_store_seen *seen)
{
    enum mailmod_error error;
    sqlite3_stmt *statement = statement_of(base, MM_SQL_PUT_SEEN, &error);
    if (statement == NULL) {
        return error;
    }
    mm_sql_bind_text(statement, 1, account);
    mm_sql_bind_text(statement, 2, seen->key);
    (void)sqlite3_bind_blob(statement, 3, seen->hash, (int)sizeof seen->hash,
                            SQLITE_STATIC);
    (void)sqlite3_bind_int64(statement, 4, (sqlite3_int64)seen->size);
    (void)sqlite3_bind_int64(statement, 5, seen->seen_ms);
    (void)sqlite3_bind_int64(statement, 6, seen->gone_ms);
    (void)sqlite3_bind_int(statement, 7, seen->is_deleted);
    return mm_sql_run(statement);
}

enum mailmod_error mm_sqlite_drop_seen(struct mm_store_transaction *base,
                                       const char *account, const char *key)
{
    enum mailmod_error error;
    sqlite3_stmt *statement = statement_of(base, MM_SQL_DROP_SEEN, &error);
    if (statement == NULL) {
        return error;
    }
    mm_sql_bind_text(statement, 1, account);
    mm_sql_bind_text(statement, 2, key);
    return mm_sql_run(statement);
}

enum mailmod_error mm_sqlite_each_seen(
    struct mm_store *base, const char *account, const char *after_key,
    bool (*visit)(void *context, const struct mm_store_seen *seen),
    void *context)
{
    struct mm_reading reading;
    enum mailmod_error error =
        mm_read_open(&reading, mm_sqlite_of(base), MM_SQL_EACH_SEEN);
    if (error != MAILMOD_OK) {
        return error;
    }
    sqlite3_stmt *row = reading.statement;
    mm_sql_bind_text(row, 1, account);
    mm_sql_bind_text(row, 2, after_key);
    while (mm_sql_step(row, &error)) {
        struct mm_store_seen seen = {
            .size = (uint64_t)sqlite3_column_int64(row, 2),
            .seen_ms = sqlite3_column_int64(row, 3),
            .gone_ms = sqlite3_column_int64(row, 4),
            .is_deleted = sqlite3_column_int(row, 5) != 0};
        mm_sql_text(row, 0, seen.key, sizeof seen.key);
        mm_sql_octets(row, 1, seen.hash, sizeof seen.hash);
        if (!visit(context, &seen)) {
            break;
        }
    }
    mm_read_close(&reading);
    return error;
}

enum mailmod_error mm_sqlite_put_fetch(struct mm_store_transaction *base,
                                       const struct mm_store_fetch *fetch)
{
    enum mailmod_error error;
    sqlite3_stmt *statement = statement_of(base, MM_SQL_PUT_FETCH, &error);
    if (statement == NULL) {
        return error;
    }
    mm_sql_bind_text(statement, 1, fetch->name);
    mm_sql_bind_text(statement, 2, fetch->source);
    (void)sqlite3_bind_int64(statement, 3, fetch->begun_ms);
    (void)sqlite3_bind_int64(statement, 4, fetch->ended_ms);
    (void)sqlite3_bind_int64(statement, 5, (sqlite3_int64)fetch->listed);
    (void)sqlite3_bind_int64(statement, 6, (sqlite3_int64)fetch->octets);
    (void)sqlite3_bind_int64(statement, 7, (sqlite3_int64)fetch->fresh);
    (void)sqlite3_bind_int64(statement, 8, (sqlite3_int64)fetch->fetched);
    (void)sqlite3_bind_int64(statement, 9, (sqlite3_int64)fetch->left);
    (void)sqlite3_bind_int64(statement, 10, (sqlite3_int64)fetch->deleted);
    (void)sqlite3_bind_int64(statement, 11, fetch->failures);
    mm_sql_bind_text(statement, 12, fetch->result);
    return mm_sql_run(statement);
}

enum mailmod_error mm_sqlite_wish_fetch(struct mm_store_transaction *base,
                                        const char *account,
                                        enum mm_store_fetch_wish wish)
{
    enum mailmod_error error;
    sqlite3_stmt *statement = statement_of(base, MM_SQL_WISH_FETCH, &error);
    if (statement == NULL) {
        return error;
    }
    mm_sql_bind_text(statement, 1, account);
    (void)sqlite3_bind_int(statement, 2, (int)wish);
    return mm_sql_run(statement);
}

static enum mailmod_error run_by_name(struct mm_store_transaction *base,
                                      enum mm_statement which, const char *name)
{
    enum mailmod_error error;
    sqlite3_stmt *statement = statement_of(base, which, &error);
    if (statement == NULL) {
        return error;
    }
    mm_sql_bind_text(statement, 1, name);
    return mm_sql_run(statement);
}

enum mailmod_error mm_sqlite_forget_fetch(struct mm_store_transaction *base,
                                          const char *account)
{
    enum mailmod_error error = run_by_name(base, MM_SQL_FORGET_SEEN, account);
    return error == MAILMOD_OK ? run_by_name(base, MM_SQL_FORGET_FETCH, account)
                               : error;
}

enum mailmod_error mm_sqlite_each_fetch(
    struct mm_store *base,
    bool (*visit)(void *context, const struct mm_store_fetch *fetch),
    void *context)
{
    struct mm_reading reading;
    enum mailmod_error error =
        mm_read_open(&reading, mm_sqlite_of(base), MM_SQL_EACH_FETCH);
    if (error != MAILMOD_OK) {
        return error;
    }
    sqlite3_stmt *row = reading.statement;
    while (mm_sql_step(row, &error)) {
        struct mm_store_fetch fetch = {
            .begun_ms = sqlite3_column_int64(row, 2),
            .ended_ms = sqlite3_column_int64(row, 3),
            .listed = (uint64_t)sqlite3_column_int64(row, 4),
            .octets = (uint64_t)sqlite3_column_int64(row, 5),
            .fresh = (uint64_t)sqlite3_column_int64(row, 6),
            .fetched = (uint64_t)sqlite3_column_int64(row, 7),
            .left = (uint64_t)sqlite3_column_int64(row, 8),
            .deleted = (uint64_t)sqlite3_column_int64(row, 9),
            .failures = (unsigned)sqlite3_column_int64(row, 10),
            .wish = (enum mm_store_fetch_wish)sqlite3_column_int(row, 12)};
        mm_sql_text(row, 0, fetch.name, sizeof fetch.name);
        mm_sql_text(row, 1, fetch.source, sizeof fetch.source);
        mm_sql_text(row, 11, fetch.result, sizeof fetch.result);
        if (!visit(context, &fetch)) {
            break;
        }
    }
    mm_read_close(&reading);
    return error;
}
