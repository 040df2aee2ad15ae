/* kept.c - what left the queue and is kept for some days.
 *
 * Owns nothing. Promises: a row leaves the queue and is kept, or comes back, in
 * one transaction, and refers to its message all the time; a sweep is one
 * bounded transaction, by the index of times.
 * Thread: what takes a transaction: writer; the rest: any. */
#include "store/sqlite/internal.h"

#define SWEEP_MAX 64 /* in one call */

/* Bound to the row. */
static sqlite3_stmt *statement_of(struct mm_sqlite_transaction *transaction,
                                  enum mm_statement which, uint64_t message_id,
                                  unsigned number,
                                  enum mailmod_error *error_out)
{
    sqlite3_stmt *statement = mm_sql(transaction->connection, which, error_out);

    if (statement != NULL) {
        (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)message_id);
        (void)sqlite3_bind_int64(statement, 2, number);
    }
    return statement;
}

/* Of one of the two tables; who refers to the message is not counted. */
static enum mailmod_error delete_row(struct mm_sqlite_transaction *transaction,
                                     enum mm_statement which,
                                     uint64_t message_id, unsigned number)
{
    enum mailmod_error error;
    sqlite3_stmt *statement =
        statement_of(transaction, which, message_id, number, &error);

    return statement != NULL ? mm_sql_run_on_row(statement) : error;
}

enum mailmod_error mm_sqlite_keep_recipient(struct mm_store_transaction *base,
                                            const struct mm_store_kept *kept)
{
    struct mm_sqlite_transaction *transaction = mm_sqlite_transaction_of(base);
    const struct mm_store_recipient *recipient = &kept->recipient;
    enum mailmod_error error;
    sqlite3_stmt *statement =
        statement_of(transaction, MM_SQL_KEEP_RECIPIENT, recipient->message_id,
                     recipient->number, &error);

    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int(statement, 3, (int)kept->kind);
    (void)sqlite3_bind_int64(statement, 4, kept->kept_ms);
    (void)sqlite3_bind_int64(statement, 5, recipient->attempts);
    mm_sql_bind_text(statement, 6, recipient->last_reply);
    error = mm_sql_run_on_row(statement);
    return error == MAILMOD_OK
               ? delete_row(transaction, MM_SQL_DROP_RECIPIENT,
                            recipient->message_id, recipient->number)
               : error;
}

enum mailmod_error mm_sqlite_requeue_kept(struct mm_store_transaction *base,
                                          uint64_t message_id, unsigned number,
                                          int64_t now_ms, int64_t expires_ms)
{
    struct mm_sqlite_transaction *transaction = mm_sqlite_transaction_of(base);
    enum mailmod_error error;
    sqlite3_stmt *statement = statement_of(transaction, MM_SQL_REQUEUE_KEPT,
                                           message_id, number, &error);

    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int64(statement, 3, now_ms);
    (void)sqlite3_bind_int64(statement, 4, expires_ms);
    error = mm_sql_run_on_row(statement);
    if (error == MAILMOD_OK) {
        error = delete_row(transaction, MM_SQL_DROP_KEPT, message_id, number);
    }
    if (error == MAILMOD_OK) {
        mm_store_news_add_all(&transaction->store->base.news);
        error = mm_sql_do(transaction->connection, MM_SQL_COUNT_FLUSH);
    }
    return error;
}

enum mailmod_error mm_sqlite_drop_kept(struct mm_store_transaction *base,
                                       uint64_t message_id, unsigned number)
{
    struct mm_sqlite_transaction *transaction = mm_sqlite_transaction_of(base);
    enum mailmod_error error =
        delete_row(transaction, MM_SQL_DROP_KEPT, message_id, number);

    return error == MAILMOD_OK ? mm_sqlite_unrefer(transaction, message_id)
                               : error;
}

struct key {
    uint64_t message_id;
    unsigned number;
};

static enum mailmod_error list_old(struct mm_sqlite_transaction *transaction,
                                   enum mailmod_kept_kind kind,
                                   int64_t before_ms, size_t count_max,
                                   struct key keys_out[SWEEP_MAX],
                                   size_t *count_out)
{
    enum mailmod_error error;
    sqlite3_stmt *row =
        mm_sql(transaction->connection, MM_SQL_LIST_OLD_KEPT, &error);

    if (row == NULL) {
        return error;
    }
    (void)sqlite3_bind_int(row, 1, (int)kind);
    (void)sqlite3_bind_int64(row, 2, before_ms);
    (void)sqlite3_bind_int64(row, 3, (sqlite3_int64)count_max);
    while (*count_out < count_max && mm_sql_step(row, &error)) {
        keys_out[*count_out].message_id =
            (uint64_t)sqlite3_column_int64(row, 0);
        keys_out[*count_out].number = (unsigned)sqlite3_column_int64(row, 1);
        ++*count_out;
    }
    mm_sql_end(row);
    return error;
}

enum mailmod_error mm_sqlite_sweep_kept(struct mm_store_transaction *base,
                                        enum mailmod_kept_kind kind,
                                        int64_t before_ms, size_t count_max,
                                        size_t *count_out)
{
    struct key keys[SWEEP_MAX];
    size_t count = 0;
    enum mailmod_error error =
        list_old(mm_sqlite_transaction_of(base), kind, before_ms,
                 count_max < SWEEP_MAX ? count_max : SWEEP_MAX, keys, &count);

    for (size_t i = 0; error == MAILMOD_OK && i < count; i++) {
        error = mm_sqlite_drop_kept(base, keys[i].message_id, keys[i].number);
        *count_out += error == MAILMOD_OK ? 1 : 0;
    }
    return error;
}

enum mailmod_error mm_sqlite_each_kept(
    struct mm_store *base, enum mailmod_kept_kind kind,
    const struct mm_due_key *after, uint64_t last_message_id,
    bool (*visit)(void *context, const struct mm_store_message *message,
                  const struct mm_store_kept *kept),
    void *context)
{
    struct mm_reading reading;
    enum mailmod_error error =
        mm_read_open(&reading, mm_sqlite_of(base), MM_SQL_EACH_KEPT);

    if (error != MAILMOD_OK) {
        return error;
    }
    (void)sqlite3_bind_int64(reading.statement, 1,
                             (sqlite3_int64)after->message_id);
    (void)sqlite3_bind_int64(reading.statement, 2, after->number);
    (void)sqlite3_bind_int64(reading.statement, 3,
                             (sqlite3_int64)last_message_id);
    (void)sqlite3_bind_int(reading.statement, 4, (int)kind);
    struct mm_store_message message;
    struct mm_store_kept kept = {.kind = kind};
    while (mm_sql_step(reading.statement, &error)) {
        mm_row_message(reading.statement, 0, &message);
        mm_row_recipient(reading.statement, 7, &kept.recipient);
        kept.kept_ms = kept.recipient.next_attempt_ms;
        if (!visit(context, &message, &kept)) {
            break;
        }
    }
    mm_read_close(&reading);
    return error;
}
