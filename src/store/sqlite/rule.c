/* rule.c - rules of lists, and what was seen of peers for a time.
 *
 * Owns nothing. Promises: each change of rules is counted in its transaction,
 * so that another process hears of it; a sweep is one bounded transaction.
 * Thread: what takes a transaction: writer; the rest: any. */
#include "store/sqlite/internal.h"

static sqlite3_stmt *statement_of(struct mm_store_transaction *base,
                                  enum mm_statement which,
                                  enum mailmod_error *error_out)
{
    return mm_sql(mm_sqlite_transaction_of(base)->connection, which, error_out);
}

static enum mailmod_error read_number(struct mm_connection *connection,
                                      enum mm_statement which,
                                      int64_t *number_out)
{
    enum mailmod_error error;
    sqlite3_stmt *row = mm_sql(connection, which, &error);
    if (row == NULL) {
        return error;
    }
    *number_out = mm_sql_step(row, &error) ? sqlite3_column_int64(row, 0) : 0;
    mm_sql_end(row);
    return error;
}

static void bind_rule(sqlite3_stmt *statement, const struct mm_store_rule *rule)
{
    (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)rule->mailbox_id);
    (void)sqlite3_bind_int(statement, 2, (int)rule->list);
    mm_sql_bind_text(statement, 3, rule->text);
}

/* Also when the rule is there already: EXISTS comes from the row's key. */
enum mailmod_error mm_sqlite_add_rule(struct mm_store_transaction *base,
                                      const struct mm_store_rule *rule)
{
    struct mm_connection *connection =
        mm_sqlite_transaction_of(base)->connection;
    int64_t count = 0;
    enum mailmod_error error =
        read_number(connection, MM_SQL_COUNT_RULES, &count);
    if (error == MAILMOD_OK && count >= MM_STORE_RULES_MAX) {
        error = MAILMOD_ERROR_LIMIT;
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    sqlite3_stmt *statement = statement_of(base, MM_SQL_PUT_RULE, &error);
    if (statement == NULL) {
        return error;
    }
    bind_rule(statement, rule);
    (void)sqlite3_bind_int64(statement, 4, rule->added_ms);
    error = mm_sql_run(statement);
    return error == MAILMOD_OK ? mm_sql_do(connection, MM_SQL_COUNT_RULE_CHANGE)
                               : error;
}

enum mailmod_error mm_sqlite_remove_rule(struct mm_store_transaction *base,
                                         const struct mm_store_rule *rule)
{
    struct mm_connection *connection =
        mm_sqlite_transaction_of(base)->connection;
    enum mailmod_error error;
    sqlite3_stmt *statement = statement_of(base, MM_SQL_DROP_RULE, &error);
    if (statement == NULL) {
        return error;
    }
    bind_rule(statement, rule);
    error = mm_sql_run_on_row(statement);
    return error == MAILMOD_OK ? mm_sql_do(connection, MM_SQL_COUNT_RULE_CHANGE)
                               : error;
}

enum mailmod_error mm_sqlite_drop_rules(struct mm_connection *connection,
                                        uint64_t mailbox_id)
{
    enum mailmod_error error =
        mm_sql_run_with(connection, MM_SQL_DROP_RULES, mailbox_id);
    return error == MAILMOD_OK && sqlite3_changes(connection->db) > 0
               ? mm_sql_do(connection, MM_SQL_COUNT_RULE_CHANGE)
               : error;
}

enum mailmod_error mm_sqlite_each_rule(
    struct mm_store *base, const struct mm_store_rule *after,
    bool (*visit)(void *context, const struct mm_store_rule *rule),
    void *context)
{
    struct mm_reading reading;
    enum mailmod_error error =
        mm_read_open(&reading, mm_sqlite_of(base), MM_SQL_EACH_RULE);
    if (error != MAILMOD_OK) {
        return error;
    }
    sqlite3_stmt *row = reading.statement;
    bind_rule(row, after);
    while (mm_sql_step(row, &error)) {
        int64_t list = sqlite3_column_int64(row, 1);
        struct mm_store_rule rule = {.mailbox_id =
                                         (uint64_t)sqlite3_column_int64(row, 0),
                                     .list = (enum mm_rule_list)list,
                                     .added_ms = sqlite3_column_int64(row, 3)};
        if (list < 0 || list >= MM_RULE_LISTS) {
            error = MAILMOD_ERROR_STORAGE_DAMAGED;
            break;
        }
        mm_sql_text(row, 2, rule.text, sizeof rule.text);
        if (!visit(context, &rule)) {
            break;
        }
    }
    mm_read_close(&reading);
    return error;
}

enum mailmod_error mm_sqlite_rule_changes(struct mm_store *base,
                                          uint64_t *count_out)
{
    return mm_read_count(base, MM_SQL_RULE_CHANGES, count_out);
}

static void bind_sighting(sqlite3_stmt *statement, enum mm_sighting_kind kind,
                          const char *key)
{
    (void)sqlite3_bind_int(statement, 1, (int)kind);
    mm_sql_bind_text(statement, 2, key);
}

enum mailmod_error
mm_sqlite_note_sighting(struct mm_store_transaction *base,
                        const struct mm_store_sighting *sighting)
{
    enum mailmod_error error;
    sqlite3_stmt *statement = statement_of(base, MM_SQL_PUT_SIGHTING, &error);
    if (statement == NULL) {
        return error;
    }
    bind_sighting(statement, sighting->kind, sighting->key);
    (void)sqlite3_bind_int64(statement, 3, sighting->first_ms);
    (void)sqlite3_bind_int64(statement, 4, sighting->last_ms);
    (void)sqlite3_bind_int64(statement, 5, sighting->until_ms);
    (void)sqlite3_bind_int64(statement, 6, (sqlite3_int64)sighting->count);
    return mm_sql_run(statement);
}

enum mailmod_error mm_sqlite_remove_sighting(struct mm_store_transaction *base,
                                             enum mm_sighting_kind kind,
                                             const char *key)
{
    enum mailmod_error error;
    sqlite3_stmt *statement = statement_of(base, MM_SQL_DROP_SIGHTING, &error);
    if (statement == NULL) {
        return error;
    }
    bind_sighting(statement, kind, key);
    return mm_sql_run_on_row(statement);
}

/* Deletes by the index of ends. */
static enum mailmod_error sweep(struct mm_store_transaction *base,
                                int64_t now_ms, bool is_excess,
                                size_t count_max, size_t *count_out)
{
    enum mailmod_error error = MAILMOD_OK;
    sqlite3_stmt *statement =
        count_max > 0 ? statement_of(base, MM_SQL_SWEEP_SIGHTINGS, &error)
                      : NULL;
    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int64(statement, 1, now_ms);
    (void)sqlite3_bind_int(statement, 2, is_excess);
    (void)sqlite3_bind_int64(statement, 3, (sqlite3_int64)count_max);
    error = mm_sql_run(statement);
    if (error == MAILMOD_OK) {
        *count_out += (size_t)sqlite3_changes(
            mm_sqlite_transaction_of(base)->connection->db);
    }
    return error;
}

enum mailmod_error mm_sqlite_sweep_sightings(struct mm_store_transaction *base,
                                             int64_t now_ms, size_t keep_max,
                                             size_t count_max,
                                             size_t *count_out)
{
    int64_t count = 0;
    enum mailmod_error error = sweep(base, now_ms, false, count_max, count_out);
    if (error == MAILMOD_OK) {
        error = read_number(mm_sqlite_transaction_of(base)->connection,
                            MM_SQL_COUNT_SIGHTINGS, &count);
    }
    size_t excess = (uint64_t)count > keep_max ? (size_t)count - keep_max : 0;
    size_t left = count_max - *count_out;
    return error == MAILMOD_OK ? sweep(base, now_ms, true,
                                       excess < left ? excess : left, count_out)
                               : error;
}

static void read_sighting(sqlite3_stmt *row, enum mm_sighting_kind kind,
                          struct mm_store_sighting *sighting_out)
{
    *sighting_out = (struct mm_store_sighting){
        .kind = kind,
        .first_ms = sqlite3_column_int64(row, 1),
        .last_ms = sqlite3_column_int64(row, 2),
        .until_ms = sqlite3_column_int64(row, 3),
        .count = (uint64_t)sqlite3_column_int64(row, 4)};
    mm_sql_text(row, 0, sighting_out->key, sizeof sighting_out->key);
}

enum mailmod_error
mm_sqlite_find_sighting(struct mm_store *base, enum mm_sighting_kind kind,
                        const char *key, struct mm_store_sighting *sighting_out)
{
    struct mm_reading reading;
    enum mailmod_error error =
        mm_read_open(&reading, mm_sqlite_of(base), MM_SQL_FIND_SIGHTING);
    if (error != MAILMOD_OK) {
        return error;
    }
    bind_sighting(reading.statement, kind, key);
    if (mm_sql_step(reading.statement, &error)) {
        read_sighting(reading.statement, kind, sighting_out);
    } else if (error == MAILMOD_OK) {
        error = MAILMOD_ERROR_NOT_FOUND;
    }
    mm_read_close(&reading);
    return error;
}

enum mailmod_error mm_sqlite_each_sighting(
    struct mm_store *base, enum mm_sighting_kind kind, const char *after_key,
    bool (*visit)(void *context, const struct mm_store_sighting *sighting),
    void *context)
{
    struct mm_reading reading;
    enum mailmod_error error =
        mm_read_open(&reading, mm_sqlite_of(base), MM_SQL_EACH_SIGHTING);
    if (error != MAILMOD_OK) {
        return error;
    }
    bind_sighting(reading.statement, kind, after_key);
    struct mm_store_sighting sighting;
    while (mm_sql_step(reading.statement, &error)) {
        read_sighting(reading.statement, kind, &sighting);
        if (!visit(context, &sighting)) {
            break;
        }
    }
    mm_read_close(&reading);
    return error;
}
