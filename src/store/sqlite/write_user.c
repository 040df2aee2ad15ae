/* write_user.c - users and their mailboxes, written.
 *
 * Promises: a user and its mailbox come and go in one transaction; a mailbox
 * made anew draws a new tag, so that its unique-ids repeat none of an older
 * one's (RFC 1939 7). Thread: writer. */
#include "store/sqlite/internal.h"

#include "platform/random.h"

#include <string.h>

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

enum mailmod_error mm_sqlite_add_user(struct mm_store_transaction *base,
                                      struct mm_store_user *user)
{
    struct mm_sqlite_transaction *transaction = mm_sqlite_transaction_of(base);
    struct mm_connection *connection = transaction->connection;
    enum mailmod_error error;

    if (is_known(connection, user->name, &error)) {
        return MAILMOD_ERROR_EXISTS;
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
    (void)sqlite3_bind_int(statement, 8, user->is_disabled);
    (void)sqlite3_bind_int64(statement, 9, (sqlite3_int64)user->quota);
    return mm_sql_run(statement);
}

/* Secrets made with another salt or other rounds prove nothing any more. */
static enum mailmod_error end_secrets(struct mm_connection *connection,
                                      const struct mm_store_user *user)
{
    enum mailmod_error error;
    sqlite3_stmt *statement = mm_sql(connection, MM_SQL_FIND_USER, &error);
    if (statement == NULL) {
        return error;
    }
    uint64_t mailbox_id = 0;
    mm_sql_bind_text(statement, 1, user->name);
    if (mm_sql_step(statement, &error)) {
        const void *salt = sqlite3_column_blob(statement, 2);
        bool is_same =
            sqlite3_column_bytes(statement, 2) == (int)sizeof user->salt &&
            memcmp(salt, user->salt, sizeof user->salt) == 0 &&
            sqlite3_column_int64(statement, 3) == user->iterations;
        mailbox_id = is_same ? 0 : (uint64_t)sqlite3_column_int64(statement, 1);
    }
    mm_sql_end(statement);
    return error == MAILMOD_OK && mailbox_id != 0
               ? mm_sql_run_with(connection, MM_SQL_DROP_SECRETS, mailbox_id)
               : error;
}

enum mailmod_error mm_sqlite_change_user(struct mm_store_transaction *base,
                                         const struct mm_store_user *user)
{
    struct mm_sqlite_transaction *transaction = mm_sqlite_transaction_of(base);
    enum mailmod_error error = end_secrets(transaction->connection, user);
    if (error != MAILMOD_OK) {
        return error;
    }
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
    (void)sqlite3_bind_int(statement, 6, user->is_disabled);
    (void)sqlite3_bind_int64(statement, 7, (sqlite3_int64)user->quota);
    mm_sql_bind_text(statement, 8, user->name);
    error = mm_sql_run_on_row(statement);
    return error == MAILMOD_OK
               ? mm_sql_do(transaction->connection, MM_SQL_COUNT_USER_CHANGE)
               : error;
}

enum mailmod_error mm_sqlite_rename_user(struct mm_store_transaction *base,
                                         const char *name, const char *new_name)
{
    struct mm_connection *connection =
        mm_sqlite_transaction_of(base)->connection;
    enum mailmod_error error;
    if (is_known(connection, new_name, &error)) {
        return MAILMOD_ERROR_EXISTS;
    }
    sqlite3_stmt *statement =
        error == MAILMOD_OK ? mm_sql(connection, MM_SQL_RENAME_USER, &error)
                            : NULL;
    if (statement == NULL) {
        return error;
    }
    mm_sql_bind_text(statement, 1, new_name);
    mm_sql_bind_text(statement, 2, name);
    error = mm_sql_run_on_row(statement);
    return error == MAILMOD_OK ? mm_sql_do(connection, MM_SQL_COUNT_USER_CHANGE)
                               : error;
}

enum mailmod_error mm_sqlite_remove_user(struct mm_store_transaction *base,
                                         const char *name)
{
    struct mm_sqlite_transaction *transaction = mm_sqlite_transaction_of(base);
    struct mm_connection *connection = transaction->connection;
    uint64_t mailbox_id = 0;
    enum mailmod_error error;
    sqlite3_stmt *statement = mm_sql(connection, MM_SQL_DROP_USER, &error);
    if (statement == NULL) {
        return error;
    }
    mm_sql_bind_text(statement, 1, name);
    if (mm_sql_step(statement, &error)) {
        mailbox_id = (uint64_t)sqlite3_column_int64(statement, 0);
    } else if (error == MAILMOD_OK) {
        error = MAILMOD_ERROR_NOT_FOUND;
    }
    mm_sql_end(statement);
    if (error == MAILMOD_OK) {
        error = mm_sql_run_with(connection, MM_SQL_DROP_SECRETS, mailbox_id);
    }
    if (error == MAILMOD_OK) {
        error = mm_sqlite_drop_rules(connection, mailbox_id);
    }
    if (error == MAILMOD_OK) {
        error = mm_sql_run_with(connection, MM_SQL_CLOSE_MAILBOX, mailbox_id);
    }
    if (error == MAILMOD_OK) {
        error = mm_sql_do(connection, MM_SQL_COUNT_USER_CHANGE);
    }
    return error == MAILMOD_OK
               ? mm_sqlite_put_removal(transaction, mailbox_id, 0, INT64_MAX, 0)
               : error;
}

static enum mailmod_error count_secrets(struct mm_connection *connection,
                                        uint64_t mailbox_id, size_t *count_out)
{
    enum mailmod_error error;
    sqlite3_stmt *statement = mm_sql(connection, MM_SQL_LIST_SECRETS, &error);
    *count_out = 0;
    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)mailbox_id);
    (void)sqlite3_bind_int64(statement, 2, MM_STORE_SECRETS_MAX);
    while (mm_sql_step(statement, &error)) {
        ++*count_out;
    }
    mm_sql_end(statement);
    return error;
}

/* Also when the label is there already: EXISTS comes from the row's key. */
enum mailmod_error
mm_sqlite_put_secret(struct mm_store_transaction *base, uint64_t mailbox_id,
                     const struct mm_store_secret_key *secret)
{
    struct mm_sqlite_transaction *transaction = mm_sqlite_transaction_of(base);
    struct mm_connection *connection = transaction->connection;
    size_t count = 0;
    enum mailmod_error error = count_secrets(connection, mailbox_id, &count);
    if (error == MAILMOD_OK && count >= MM_STORE_SECRETS_MAX) {
        error = MAILMOD_ERROR_LIMIT;
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    sqlite3_stmt *statement = mm_sql(connection, MM_SQL_PUT_SECRET, &error);
    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)mailbox_id);
    mm_sql_bind_text(statement, 2, secret->label);
    bind_octets(statement, 3, secret->stored_key, sizeof secret->stored_key);
    bind_octets(statement, 4, secret->server_key, sizeof secret->server_key);
    (void)sqlite3_bind_int64(statement, 5, secret->created_ms);
    return mm_sql_run(statement);
}

enum mailmod_error mm_sqlite_remove_secret(struct mm_store_transaction *base,
                                           uint64_t mailbox_id,
                                           const char *label)
{
    struct mm_sqlite_transaction *transaction = mm_sqlite_transaction_of(base);
    enum mailmod_error error;
    sqlite3_stmt *statement =
        mm_sql(transaction->connection, MM_SQL_DROP_SECRET, &error);
    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)mailbox_id);
    mm_sql_bind_text(statement, 2, label);
    return mm_sql_run_on_row(statement);
}
