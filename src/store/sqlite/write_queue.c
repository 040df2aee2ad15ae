/* write_queue.c - the queue's recipients, written.
 *
 * Promises: a recipient that an operator removed meanwhile is NOT_FOUND and
 * nothing comes back to life; a hold outlives the attempt that ran meanwhile;
 * the last recipient takes its message along unless a mailbox has it too.
 * Thread: writer. */
#include "store/sqlite/internal.h"

#include <string.h>

/* MM_DSN_NOTIFY_... are below. */
#define VISIBILITY_SHIFT 8

static void bind_u64(sqlite3_stmt *statement, int index, uint64_t value)
{
    (void)sqlite3_bind_int64(statement, index, (sqlite3_int64)value);
}

int64_t mm_sql_of_notify(const struct mm_store_recipient *recipient)
{
    return (int64_t)recipient->notify | (int64_t)recipient->visibility
                                            << VISIBILITY_SHIFT;
}

void mm_sql_take_notify(int64_t value, struct mm_store_recipient *recipient)
{
    int64_t visibility = value >> VISIBILITY_SHIFT;

    recipient->notify = (unsigned)value & ((1u << VISIBILITY_SHIFT) - 1);
    recipient->visibility =
        visibility == MM_VISIBILITY_HIDDEN  ? MM_VISIBILITY_HIDDEN
        : visibility == MM_VISIBILITY_SHOWN ? MM_VISIBILITY_SHOWN
                                            : MM_VISIBILITY_UNSET;
}

enum mailmod_error
mm_sqlite_put_recipient(struct mm_store_transaction *base,
                        const struct mm_store_recipient *recipient)
{
    struct mm_sqlite_transaction *transaction = mm_sqlite_transaction_of(base);
    enum mailmod_error error;
    sqlite3_stmt *statement =
        mm_sql(transaction->connection, MM_SQL_PUT_RECIPIENT, &error);

    if (statement == NULL) {
        return error;
    }
    bind_u64(statement, 1, recipient->message_id);
    (void)sqlite3_bind_int64(statement, 2, recipient->number);
    mm_sql_bind_text(statement, 3, recipient->path);
    mm_sql_bind_text(statement, 4, recipient->destination);
    (void)sqlite3_bind_int(statement, 5, (int)recipient->state);
    (void)sqlite3_bind_int64(statement, 6, recipient->next_attempt_ms);
    (void)sqlite3_bind_int64(statement, 7, recipient->expires_ms);
    (void)sqlite3_bind_int64(statement, 8, recipient->attempts);
    (void)sqlite3_bind_int(statement, 9, recipient->was_warned);
    (void)sqlite3_bind_int64(statement, 10, mm_sql_of_notify(recipient));
    mm_sql_bind_text(statement, 11, recipient->original_recipient);
    mm_sql_bind_text(statement, 12, recipient->last_reply);
    if (recipient->has_reverse_path) {
        mm_sql_bind_text(statement, 13, recipient->reverse_path);
    }
    mm_sql_bind_filled(statement, 14, recipient->delivered_to);
    mm_sql_bind_filled(statement, 15, recipient->original_to);
    mm_sql_bind_filled(statement, 16, recipient->unsure_host);
    error = mm_sql_run(statement);
    return error == MAILMOD_OK
               ? mm_sqlite_refer(transaction, recipient->message_id)
               : error;
}

enum mailmod_error
mm_sqlite_update_recipient(struct mm_store_transaction *base,
                           const struct mm_store_recipient *recipient)
{
    struct mm_sqlite_transaction *transaction = mm_sqlite_transaction_of(base);
    enum mailmod_error error;
    sqlite3_stmt *statement =
        mm_sql(transaction->connection, MM_SQL_UPDATE_RECIPIENT, &error);

    if (statement == NULL) {
        return error;
    }
    mm_sql_bind_text(statement, 1, recipient->destination);
    (void)sqlite3_bind_int64(statement, 2, recipient->next_attempt_ms);
    (void)sqlite3_bind_int64(statement, 3, recipient->expires_ms);
    (void)sqlite3_bind_int64(statement, 4, recipient->attempts);
    (void)sqlite3_bind_int(statement, 5, recipient->was_warned);
    mm_sql_bind_text(statement, 6, recipient->last_reply);
    (void)sqlite3_bind_int(statement, 7, (int)recipient->state);
    bind_u64(statement, 8, recipient->message_id);
    (void)sqlite3_bind_int64(statement, 9, recipient->number);
    (void)sqlite3_bind_int64(statement, 10, recipient->read_attempt_ms);
    mm_sql_bind_filled(statement, 11, recipient->unsure_host);
    return mm_sql_run_on_row(statement);
}

enum mailmod_error mm_sqlite_remove_recipient(struct mm_store_transaction *base,
                                              uint64_t message_id,
                                              unsigned number)
{
    struct mm_sqlite_transaction *transaction = mm_sqlite_transaction_of(base);
    enum mailmod_error error;
    sqlite3_stmt *statement =
        mm_sql(transaction->connection, MM_SQL_DROP_RECIPIENT, &error);

    if (statement == NULL) {
        return error;
    }
    bind_u64(statement, 1, message_id);
    (void)sqlite3_bind_int64(statement, 2, number);
    error = mm_sql_run_on_row(statement);
    return error == MAILMOD_OK ? mm_sqlite_unrefer(transaction, message_id)
                               : error;
}
