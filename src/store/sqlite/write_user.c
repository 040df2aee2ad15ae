/* write_user.c - users and their mailboxes, written.
 *
 * Promises: a name is kept in its one form (user_name.c) however it is given; a
 * user and its mailbox come and go in one transaction; a mailbox made anew
 * draws a new tag, so that its unique-ids repeat none of an older one's (RFC
 * 1939 7). Thread: writer. */
#include "store/sqlite/internal.h"

#include "platform/random.h"

#include <string.h>

#define NUMBERS_MAX 1000 /* as MM_SQL_LIST_ENTRY_KEYS has it */

static void bind_octets(sqlite3_stmt *statement, int index, const void *octets,
                        size_t size)
{
    (void)sqlite3_bind_blob(statement, index, octets, (int)size, SQLITE_STATIC);
}

static void bind_password(sqlite3_stmt *statement, int index,
                          const struct mm_store_user *user)
{
    if (user->has_password) {
        mm_sql_bind_text(statement, index, user->password);
    } else {
        (void)sqlite3_bind_null(statement, index);
    }
}

static bool is_known(struct mm_connection *connection, const char *name,
                     enum mailmod_error *error_out)
{
    sqlite3_stmt *statement = mm_sql(connection, MM_SQL_FIND_USER, error_out);
    bool found = false;

    if (statement != NULL) {
        mm_sql_bind_text(statement, 1, name);
        found = mm_sql_step(statement, error_out);
        mm_sql_end(statement);
    }
    return found;
}

static enum mailmod_error make_mailbox(struct mm_connection *connection,
                                       uint64_t *mailbox_id_out)
{
    uint32_t tag = 0;
    enum mailmod_error error = mm_random(&tag, sizeof tag);

    if (error != MAILMOD_OK) {
        return error;
    }
    sqlite3_stmt *statement = mm_sql(connection, MM_SQL_PUT_MAILBOX, &error);
    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int64(statement, 1, tag);
    error = mm_sql_run(statement);
    *mailbox_id_out = (uint64_t)sqlite3_last_insert_rowid(connection->db);
    return error;
}

enum mailmod_error mm_store_add_user(struct mm_store_transaction *transaction,
                                     struct mm_store_user *user)
{
    struct mm_connection *connection = transaction->connection;
    char name[MM_STORE_USER_MAX];
    enum mailmod_error error =
        mm_user_name_canonical(mm_span_cstr(user->name), name);

    if (error == MAILMOD_OK) {
        memcpy(user->name, name, sizeof user->name);
        if (is_known(connection, name, &error)) {
            return MAILMOD_ERROR_EXISTS;
        }
    }
    if (error == MAILMOD_OK) {
        error = make_mailbox(connection, &user->mailbox_id);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    sqlite3_stmt *statement = mm_sql(connection, MM_SQL_PUT_USER, &error);
    if (statement == NULL) {
        return error;
    }
    mm_sql_bind_text(statement, 1, user->name);
    (void)sqlite3_bind_int64(statement, 2, (sqlite3_int64)user->mailbox_id);
    bind_octets(statement, 3, user->salt, sizeof user->salt);
    (void)sqlite3_bind_int64(statement, 4, user->iterations);
    bind_octets(statement, 5, user->stored_key, sizeof user->stored_key);
    bind_octets(statement, 6, user->server_key, sizeof user->server_key);
    bind_password(statement, 7, user);
    return mm_sql_run(statement);
}

enum mailmod_error
mm_store_change_user(struct mm_store_transaction *transaction,
                     const struct mm_store_user *user)
{
    enum mailmod_error error;
    sqlite3_stmt *statement =
        mm_sql(transaction->connection, MM_SQL_CHANGE_USER, &error);

    if (statement == NULL) {
        return error;
    }
    bind_octets(statement, 1, user->salt, sizeof user->salt);
    (void)sqlite3_bind_int64(statement, 2, user->iterations);
    bind_octets(statement, 3, user->stored_key, sizeof user->stored_key);
    bind_octets(statement, 4, user->server_key, sizeof user->server_key);
    bind_password(statement, 5, user);
    mm_sql_bind_text(statement, 6, user->name);
    error = mm_sql_run(statement);
    return error == MAILMOD_OK &&
                   sqlite3_changes(transaction->connection->db) == 0
               ? MAILMOD_ERROR_NOT_FOUND
               : error;
}

static enum mailmod_error
empty_mailbox(struct mm_store_transaction *transaction, uint64_t mailbox_id)
{
    uint64_t numbers[NUMBERS_MAX];
    size_t count;
    enum mailmod_error error;

    do {
        sqlite3_stmt *statement =
            mm_sql(transaction->connection, MM_SQL_LIST_ENTRY_KEYS, &error);

        if (statement == NULL) {
            return error;
        }
        count = 0;
        (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)mailbox_id);
        while (count < NUMBERS_MAX && mm_sql_step(statement, &error)) {
            numbers[count++] = (uint64_t)sqlite3_column_int64(statement, 0);
        }
        mm_sql_end(statement);
        if (error == MAILMOD_OK) {
            error = mm_store_remove_entries(transaction, mailbox_id, numbers,
                                            count);
        }
    } while (error == MAILMOD_OK && count == NUMBERS_MAX);
    return error;
}

enum mailmod_error
mm_store_remove_user(struct mm_store_transaction *transaction, const char *name)
{
    struct mm_connection *connection = transaction->connection;
    char canonical[MM_STORE_USER_MAX];
    uint64_t mailbox_id = 0;
    enum mailmod_error error =
        mm_user_name_canonical(mm_span_cstr(name), canonical);

    if (error != MAILMOD_OK) {
        return error == MAILMOD_ERROR_MEMORY ? error : MAILMOD_ERROR_NOT_FOUND;
    }
    sqlite3_stmt *statement = mm_sql(connection, MM_SQL_DROP_USER, &error);
    if (statement == NULL) {
        return error;
    }
    mm_sql_bind_text(statement, 1, canonical);
    if (mm_sql_step(statement, &error)) {
        mailbox_id = (uint64_t)sqlite3_column_int64(statement, 0);
    } else if (error == MAILMOD_OK) {
        error = MAILMOD_ERROR_NOT_FOUND;
    }
    mm_sql_end(statement);
    if (error == MAILMOD_OK) {
        error = empty_mailbox(transaction, mailbox_id);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    statement = mm_sql(connection, MM_SQL_DROP_MAILBOX, &error);
    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)mailbox_id);
    return mm_sql_run(statement);
}
