/* deleted.c - deleted mail that stays in the store for a time.
 *
 * Promises: a message that is kept has one who refers to it, as when it was in
 * the mailbox, so its body stays whole; it is in one of the two tables, never
 * in both; the mailbox counts what is in it alone. Restored, it is new mail: a
 * number is never given twice (RFC 1939 7).
 * Thread: the writer's verbs on the writer; listings on a worker. */
#include "store/sqlite/internal.h"

#include "base/mem.h"

static sqlite3_stmt *ask(struct mm_sqlite_transaction *t,
                         enum mm_statement which, uint64_t mailbox_id,
                         uint64_t number, enum mailmod_error *error_out)
{
    sqlite3_stmt *statement = mm_sql(t->connection, which, error_out);

    if (statement != NULL) {
        (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)mailbox_id);
        (void)sqlite3_bind_int64(statement, 2, (sqlite3_int64)number);
    }
    return statement;
}

enum mailmod_error mm_sqlite_keep_entry(struct mm_sqlite_transaction *t,
                                        uint64_t mailbox_id, uint64_t number,
                                        int64_t now_ms)
{
    enum mailmod_error error;
    sqlite3_stmt *statement =
        ask(t, MM_SQL_KEEP_ENTRY, mailbox_id, number, &error);

    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int64(statement, 3, now_ms);
    return mm_sql_run(statement);
}

static enum mailmod_error drop_row(struct mm_sqlite_transaction *t,
                                   uint64_t mailbox_id, uint64_t number)
{
    enum mailmod_error error;
    sqlite3_stmt *statement =
        ask(t, MM_SQL_DROP_DELETED, mailbox_id, number, &error);

    return statement != NULL ? mm_sql_run(statement) : error;
}

/* Into the mailbox under this number. */
static enum mailmod_error move_back(struct mm_sqlite_transaction *t,
                                    uint64_t mailbox_id, uint64_t number,
                                    int64_t new_number, uint64_t *size_out)
{
    enum mailmod_error error;
    sqlite3_stmt *statement =
        ask(t, MM_SQL_UNKEEP_ENTRY, mailbox_id, number, &error);

    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int64(statement, 3, new_number);
    bool found = mm_sql_step(statement, &error);
    if (found) {
        *size_out = (uint64_t)sqlite3_column_int64(statement, 0);
    }
    mm_sql_end(statement);
    return error == MAILMOD_OK && !found ? MAILMOD_ERROR_NOT_FOUND : error;
}

enum mailmod_error mm_sqlite_restore_deleted(struct mm_store_transaction *base,
                                             uint64_t mailbox_id,
                                             uint64_t unique_number)
{
    struct mm_sqlite_transaction *t = mm_sqlite_transaction_of(base);
    int64_t number = 0;
    uint64_t size = 0;
    enum mailmod_error error =
        mm_sqlite_next_number(t->connection, mailbox_id, &number);

    if (error == MAILMOD_OK) {
        error = move_back(t, mailbox_id, unique_number, number, &size);
    }
    if (error == MAILMOD_OK) {
        error = drop_row(t, mailbox_id, unique_number);
    }
    return error == MAILMOD_OK
               ? mm_sqlite_count_entry(t->connection, mailbox_id, size)
               : error;
}

struct deleted_key {
    uint64_t mailbox_id;
    uint64_t number;
    uint64_t message_id;
};

static enum mailmod_error drop_all(struct mm_sqlite_transaction *t,
                                   const struct deleted_key *keys, size_t count)
{
    enum mailmod_error error = MAILMOD_OK;

    for (size_t i = 0; error == MAILMOD_OK && i < count; i++) {
        error = drop_row(t, keys[i].mailbox_id, keys[i].number);
        if (error == MAILMOD_OK) {
            error = mm_sqlite_unrefer(t, keys[i].message_id);
        }
    }
    return error;
}

static enum mailmod_error read_old(struct mm_sqlite_transaction *t,
                                   int64_t before_ms, struct deleted_key *keys,
                                   size_t count_max, size_t *count_out)
{
    enum mailmod_error error;
    sqlite3_stmt *statement =
        mm_sql(t->connection, MM_SQL_LIST_OLD_DELETED, &error);

    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int64(statement, 1, before_ms);
    (void)sqlite3_bind_int64(statement, 2, (sqlite3_int64)count_max);
    while (*count_out < count_max && mm_sql_step(statement, &error)) {
        keys[(*count_out)++] =
            (struct deleted_key){(uint64_t)sqlite3_column_int64(statement, 0),
                                 (uint64_t)sqlite3_column_int64(statement, 1),
                                 (uint64_t)sqlite3_column_int64(statement, 2)};
    }
    mm_sql_end(statement);
    return error;
}

enum mailmod_error mm_sqlite_sweep_deleted(struct mm_store_transaction *base,
                                           int64_t before_ms, size_t count_max,
                                           size_t *count_out)
{
    struct mm_sqlite_transaction *t = mm_sqlite_transaction_of(base);
    struct deleted_key *keys = mm_alloc_array(count_max + 1, sizeof *keys);

    if (keys == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    *count_out = 0;
    enum mailmod_error error =
        read_old(t, before_ms, keys, count_max, count_out);
    if (error == MAILMOD_OK) {
        error = drop_all(t, keys, *count_out);
    }
    mm_free(keys);
    return error;
}

static enum mailmod_error read_rows(sqlite3_stmt *statement,
                                    uint64_t mailbox_id, uint64_t after_number,
                                    struct mm_store_deleted *deleted_out,
                                    size_t count_max, size_t *count_out)
{
    enum mailmod_error error = MAILMOD_OK;

    (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)mailbox_id);
    (void)sqlite3_bind_int64(statement, 2, (sqlite3_int64)after_number);
    (void)sqlite3_bind_int64(statement, 3, (sqlite3_int64)count_max);
    while (*count_out < count_max && mm_sql_step(statement, &error)) {
        deleted_out[(*count_out)++] = (struct mm_store_deleted){
            .entry = {.unique_number =
                          (uint64_t)sqlite3_column_int64(statement, 0),
                      .message_id =
                          (uint64_t)sqlite3_column_int64(statement, 1),
                      .size = (uint64_t)sqlite3_column_int64(statement, 2),
                      .flags = (uint32_t)sqlite3_column_int64(statement, 3)},
            .deleted_ms = sqlite3_column_int64(statement, 4)};
    }
    return error;
}

enum mailmod_error mm_sqlite_drop_deleted_of(struct mm_sqlite_transaction *t,
                                             uint64_t mailbox_id,
                                             size_t count_max, bool *has_more)
{
    struct mm_store_deleted kept[MM_SQLITE_DELETED_MAX];
    struct deleted_key keys[MM_SQLITE_DELETED_MAX];
    size_t count = 0;
    enum mailmod_error error;
    sqlite3_stmt *statement =
        mm_sql(t->connection, MM_SQL_LIST_DELETED, &error);

    count_max =
        count_max < MM_SQLITE_DELETED_MAX ? count_max : MM_SQLITE_DELETED_MAX;
    if (statement == NULL) {
        return error;
    }
    error = read_rows(statement, mailbox_id, 0, kept, count_max, &count);
    mm_sql_end(statement);
    for (size_t i = 0; i < count; i++) {
        keys[i] = (struct deleted_key){mailbox_id, kept[i].entry.unique_number,
                                       kept[i].entry.message_id};
    }
    *has_more = error == MAILMOD_OK && count == count_max;
    return error == MAILMOD_OK ? drop_all(t, keys, count) : error;
}

enum mailmod_error mm_sqlite_list_deleted(struct mm_store *base,
                                          uint64_t mailbox_id,
                                          uint64_t after_number,
                                          struct mm_store_deleted *deleted_out,
                                          size_t count_max, size_t *count_out)
{
    struct mm_reading reading;
    enum mailmod_error error =
        mm_read_open(&reading, mm_sqlite_of(base), MM_SQL_LIST_DELETED);

    if (error == MAILMOD_OK) {
        error = read_rows(reading.statement, mailbox_id, after_number,
                          deleted_out, count_max, count_out);
        mm_read_close(&reading);
    }
    return error;
}
