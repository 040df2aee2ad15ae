/* record.c - what hangs on a name: aliases, forwards, replies, lists.
 *
 * Owns nothing. Promises: a row is found by its kind, name and key alone; a
 * listing goes by name, then key. What a row means is its kind's affair.
 * Thread: what takes a transaction: writer; the rest: any. */
#include "store/sqlite/internal.h"

#include <string.h>

static sqlite3_stmt *statement_of(struct mm_store_transaction *base,
                                  enum mm_statement which,
                                  enum mm_store_record_kind kind,
                                  const char *name, const char *key,
                                  enum mailmod_error *error_out)
{
    sqlite3_stmt *statement =
        mm_sql(mm_sqlite_transaction_of(base)->connection, which, error_out);
    if (statement != NULL) {
        (void)sqlite3_bind_int(statement, 1, (int)kind);
        mm_sql_bind_text(statement, 2, name);
        mm_sql_bind_text(statement, 3, key);
    }
    return statement;
}

enum mailmod_error mm_sqlite_keep_record(struct mm_store_transaction *base,
                                         const struct mm_store_record *record)
{
    enum mailmod_error error;
    sqlite3_stmt *statement =
        statement_of(base, MM_SQL_PUT_RECORD, record->kind, record->name,
                     record->key, &error);
    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int64(statement, 4, record->number);
    if (record->value.size > 0) {
        (void)sqlite3_bind_blob(statement, 5, record->value.data,
                                (int)record->value.size, SQLITE_STATIC);
    }
    return mm_sql_run(statement);
}

static void read_row(sqlite3_stmt *row, enum mm_store_record_kind kind,
                     struct mm_store_record *record_out)
{
    *record_out = (struct mm_store_record){
        .kind = kind,
        .number = sqlite3_column_int64(row, 2),
        .value = mm_span(sqlite3_column_blob(row, 3),
                         (size_t)sqlite3_column_bytes(row, 3))};
    mm_sql_text(row, 0, record_out->name, sizeof record_out->name);
    mm_sql_text(row, 1, record_out->key, sizeof record_out->key);
}

enum mailmod_error mm_sqlite_record_of(struct mm_store_transaction *base,
                                       enum mm_store_record_kind kind,
                                       const char *name, const char *key,
                                       struct mm_store_record *record_out)
{
    enum mailmod_error error;
    sqlite3_stmt *statement =
        statement_of(base, MM_SQL_FIND_RECORD, kind, name, key, &error);
    if (statement == NULL) {
        return error;
    }
    bool is_there = mm_sql_step(statement, &error);
    if (is_there) {
        read_row(statement, kind, record_out);
        record_out->value = mm_span(NULL, 0); /* gone with the statement */
    }
    mm_sql_end(statement);
    return error == MAILMOD_OK && !is_there ? MAILMOD_ERROR_NOT_FOUND : error;
}

enum mailmod_error mm_sqlite_drop_record(struct mm_store_transaction *base,
                                         enum mm_store_record_kind kind,
                                         const char *name, const char *key)
{
    enum mailmod_error error;
    sqlite3_stmt *statement =
        statement_of(base, MM_SQL_DROP_RECORD, kind, name, key, &error);
    return statement != NULL ? mm_sql_run_on_row(statement) : error;
}

enum mailmod_error mm_sqlite_move_records(struct mm_store_transaction *base,
                                          enum mm_store_record_kind kind,
                                          const char *name,
                                          const char *new_name)
{
    enum mailmod_error error;
    sqlite3_stmt *statement =
        new_name == NULL ? mm_sql(mm_sqlite_transaction_of(base)->connection,
                                  MM_SQL_DROP_RECORDS, &error)
                         : statement_of(base, MM_SQL_MOVE_RECORDS, kind, name,
                                        new_name, &error);
    if (statement != NULL && new_name == NULL) {
        (void)sqlite3_bind_int(statement, 1, (int)kind);
        mm_sql_bind_text(statement, 2, name);
    }
    return statement != NULL ? mm_sql_run(statement) : error;
}

enum mailmod_error mm_sqlite_find_record(
    struct mm_store *base, enum mm_store_record_kind kind, const char *name,
    const char *key,
    void (*visit)(void *context, const struct mm_store_record *record),
    void *context)
{
    struct mm_reading reading;
    enum mailmod_error error =
        mm_read_open(&reading, mm_sqlite_of(base), MM_SQL_FIND_RECORD);
    if (error != MAILMOD_OK) {
        return error;
    }
    sqlite3_stmt *row = reading.statement;
    (void)sqlite3_bind_int(row, 1, (int)kind);
    mm_sql_bind_text(row, 2, name);
    mm_sql_bind_text(row, 3, key);
    bool is_there = mm_sql_step(row, &error);
    if (is_there) {
        struct mm_store_record record;
        read_row(row, kind, &record);
        visit(context, &record);
    }
    mm_read_close(&reading);
    return error == MAILMOD_OK && !is_there ? MAILMOD_ERROR_NOT_FOUND : error;
}

enum mailmod_error mm_sqlite_each_record(
    struct mm_store *base, enum mm_store_record_kind kind, const char *name,
    const char *after_key, bool is_one_name,
    bool (*visit)(void *context, const struct mm_store_record *record),
    void *context)
{
    struct mm_reading reading;
    enum mailmod_error error = mm_read_open(
        &reading, mm_sqlite_of(base),
        is_one_name ? MM_SQL_LIST_NAMED_RECORDS : MM_SQL_LIST_RECORDS);
    if (error != MAILMOD_OK) {
        return error;
    }
    sqlite3_stmt *row = reading.statement;
    (void)sqlite3_bind_int(row, 1, (int)kind);
    mm_sql_bind_text(row, 2, name);
    mm_sql_bind_text(row, 3, after_key);
    while (mm_sql_step(row, &error)) {
        struct mm_store_record record;
        read_row(row, kind, &record);
        if (!visit(context, &record)) {
            break;
        }
    }
    mm_read_close(&reading);
    return error;
}
