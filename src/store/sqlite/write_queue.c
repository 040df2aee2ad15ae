/* write_queue.c - the queue's recipients, written.
 *
 * Promises: a recipient that an operator removed meanwhile is NOT_FOUND and
 * nothing comes back to life; a hold outlives the attempt that ran meanwhile;
 * the last recipient takes its message along unless a mailbox has it too.
 * Thread: writer. */
#include "store/sqlite/internal.h"

#include <string.h>

static void bind_u64(sqlite3_stmt *statement, int index, uint64_t value)
{
    (void)sqlite3_bind_int64(statement, index, (sqlite3_int64)value);
}

enum mailmod_error
mm_store_put_recipient(struct mm_store_transaction *transaction,
                       const struct mm_store_recipient *recipient)
{
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
    (void)sqlite3_bind_int64(statement, 10, recipient->notify);
    mm_sql_bind_text(statement, 11, recipient->original_recipient);
    mm_sql_bind_text(statement, 12, recipient->last_reply);
    error = mm_sql_run(statement);
    return error == MAILMOD_OK
               ? mm_store_refer(transaction, recipient->message_id)
               : error;
}

/* Runs a statement that must meet a row. */
static enum mailmod_error run_on_row(struct mm_connection *connection,
                                     sqlite3_stmt *statement)
{
    enum mailmod_error error = mm_sql_run(statement);

    return error == MAILMOD_OK && sqlite3_changes(connection->db) == 0
               ? MAILMOD_ERROR_NOT_FOUND
               : error;
}

enum mailmod_error
mm_store_update_recipient(struct mm_store_transaction *transaction,
                          const struct mm_store_recipient *recipient)
{
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
    return run_on_row(transaction->connection, statement);
}

enum mailmod_error
mm_store_remove_recipient(struct mm_store_transaction *transaction,
                          uint64_t message_id, unsigned number)
{
    enum mailmod_error error;
    sqlite3_stmt *statement =
        mm_sql(transaction->connection, MM_SQL_DROP_RECIPIENT, &error);

    if (statement == NULL) {
        return error;
    }
    bind_u64(statement, 1, message_id);
    (void)sqlite3_bind_int64(statement, 2, number);
    error = run_on_row(transaction->connection, statement);
    return error == MAILMOD_OK ? mm_store_unrefer(transaction, message_id)
                               : error;
}

struct key {
    uint64_t message_id;
    unsigned number;
};

#define KEYS_MAX 1000 /* as MM_SQL_LIST_KEYS has it */

/* One message, or all for 0: as a range it is found by the key. */
static void bind_messages(sqlite3_stmt *statement, uint64_t message_id)
{
    bind_u64(statement, 1, message_id);
    (void)sqlite3_bind_int64(
        statement, 2, message_id != 0 ? (sqlite3_int64)message_id : INT64_MAX);
}

static enum mailmod_error list_keys(struct mm_store_transaction *transaction,
                                    uint64_t message_id, struct key *keys,
                                    size_t *count_out)
{
    enum mailmod_error error;
    sqlite3_stmt *statement =
        mm_sql(transaction->connection, MM_SQL_LIST_KEYS, &error);

    *count_out = 0;
    if (statement == NULL) {
        return error;
    }
    bind_messages(statement, message_id);
    while (*count_out < KEYS_MAX && mm_sql_step(statement, &error)) {
        keys[*count_out].message_id =
            (uint64_t)sqlite3_column_int64(statement, 0);
        keys[*count_out].number = (unsigned)sqlite3_column_int(statement, 1);
        ++*count_out;
    }
    mm_sql_end(statement);
    return error;
}

static enum mailmod_error delete_all(struct mm_store_transaction *transaction,
                                     uint64_t message_id, size_t *count_out)
{
    size_t count = 0;
    enum mailmod_error error;

    struct key keys[KEYS_MAX];
    do {
        error = list_keys(transaction, message_id, keys, &count);
        for (size_t i = 0; error == MAILMOD_OK && i < count; i++) {
            error = mm_store_remove_recipient(transaction, keys[i].message_id,
                                              keys[i].number);
        }
        *count_out += count;
    } while (error == MAILMOD_OK && count == KEYS_MAX);
    return error;
}

static enum mailmod_error set_all(struct mm_store_transaction *transaction,
                                  enum mm_statement which, uint64_t message_id,
                                  int64_t now_ms, size_t *count_out)
{
    enum mailmod_error error;
    sqlite3_stmt *statement = mm_sql(transaction->connection, which, &error);

    if (statement == NULL) {
        return error;
    }
    bind_messages(statement, message_id);
    if (which != MM_SQL_HOLD) {
        (void)sqlite3_bind_int64(statement, 3, now_ms);
    }
    error = mm_sql_run(statement);
    *count_out = (size_t)sqlite3_changes(transaction->connection->db);
    return error == MAILMOD_OK && which != MM_SQL_HOLD
               ? mm_sql_do(transaction->connection, MM_SQL_COUNT_FLUSH)
               : error;
}

enum mailmod_error mm_store_act(struct mm_store_transaction *transaction,
                                uint64_t message_id,
                                enum mm_queue_action action, int64_t now_ms,
                                size_t *count_out)
{
    *count_out = 0;
    switch (action) {
    case MM_QUEUE_HOLD:
        return set_all(transaction, MM_SQL_HOLD, message_id, now_ms, count_out);
    case MM_QUEUE_RELEASE:
        return set_all(transaction, MM_SQL_RELEASE_HELD, message_id, now_ms,
                       count_out);
    case MM_QUEUE_FLUSH:
        return set_all(transaction, MM_SQL_FLUSH, message_id, now_ms,
                       count_out);
    case MM_QUEUE_DELETE:
        return delete_all(transaction, message_id, count_out);
    }
    return MAILMOD_ERROR_ARGUMENT;
}

static enum mailmod_error set_destination(struct mm_connection *connection,
                                          const struct key *key,
                                          const char *destination)
{
    enum mailmod_error error;
    sqlite3_stmt *statement = mm_sql(connection, MM_SQL_REROUTE_ONE, &error);

    if (statement == NULL) {
        return error;
    }
    mm_sql_bind_text(statement, 1, destination);
    bind_u64(statement, 2, key->message_id);
    (void)sqlite3_bind_int64(statement, 3, key->number);
    return mm_sql_run(statement);
}

struct move {
    struct key key;
    char domain[MM_STORE_DESTINATION_MAX];
};

#define MOVES_MAX 64

/* The next recipients after `last` that are not bound for their own domain;
 * `last` becomes the last one that was looked at. */
static enum mailmod_error list_moves(struct mm_connection *connection,
                                     struct key *last, struct move *moves,
                                     size_t *count_out)
{
    enum mailmod_error error;
    sqlite3_stmt *statement = mm_sql(connection, MM_SQL_REROUTE_SELECT, &error);

    *count_out = 0;
    if (statement == NULL) {
        return error;
    }
    bind_u64(statement, 1, last->message_id);
    (void)sqlite3_bind_int64(statement, 2, last->number);
    while (*count_out < MOVES_MAX && mm_sql_step(statement, &error)) {
        struct move *move = &moves[*count_out];

        last->message_id = (uint64_t)sqlite3_column_int64(statement, 0);
        last->number = (unsigned)sqlite3_column_int(statement, 1);
        char path[MM_STORE_REVERSE_PATH_MAX];
        mm_sql_text(statement, 2, path, sizeof path);
        char now[MM_STORE_DESTINATION_MAX];
        mm_sql_text(statement, 3, now, sizeof now);
        const char *at = strrchr(path, '@');
        mm_store_destination(at != NULL ? at + 1 : "", move->domain);
        if (move->domain[0] != '\0' && strcmp(move->domain, now) != 0) {
            move->key = *last;
            ++*count_out;
        }
    }
    mm_sql_end(statement);
    return error;
}

/* Back to each path's own domain, some at a time: rows of a table that is
 * being changed are not read on. */
static enum mailmod_error own_domains(struct mm_store_transaction *transaction)
{
    struct key last = {0, 0};
    size_t count = 0;
    enum mailmod_error error;

    struct move moves[MOVES_MAX];
    do {
        error = list_moves(transaction->connection, &last, moves, &count);
        for (size_t i = 0; error == MAILMOD_OK && i < count; i++) {
            error = set_destination(transaction->connection, &moves[i].key,
                                    moves[i].domain);
        }
    } while (error == MAILMOD_OK && count == MOVES_MAX);
    return error;
}

enum mailmod_error mm_store_reroute(struct mm_store_transaction *transaction,
                                    const char *destination)
{
    if (destination == NULL) {
        return own_domains(transaction);
    }
    enum mailmod_error error;
    sqlite3_stmt *statement =
        mm_sql(transaction->connection, MM_SQL_REROUTE, &error);
    if (statement == NULL) {
        return error;
    }
    mm_sql_bind_text(statement, 1, destination);
    return mm_sql_run(statement);
}
