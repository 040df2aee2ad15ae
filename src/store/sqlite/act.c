/* act.c - what is done to many recipients: an operator's acts, a new routing.
 *
 * Promises: on one message, or on a queue that is short, everything is done in
 * the caller's transaction. On a long queue that transaction holds one row:
 * what is to be done, and up to which message; the rows follow in slices
 * (chores.c), each of which moves the row's place on. Mail that came later is
 * not touched. Acts are done in the order in which they were asked for. Thread:
 * writer. */
#include "store/sqlite/internal.h"

#include <string.h>

/* Recipients that one transaction changes at once; one slice looks at as many
 * as MM_SQL_LIST_KEYS gives. */
#define AT_ONCE_MAX 256
#define KEYS_MAX 32
#define REROUTE 100 /* beside enum mailmod_queue_action, in the row */

struct act {
    int64_t id; /* 0: done at once, no row */
    int action;
    int64_t now_ms;
    bool has_destination;
    char destination[MM_STORE_DESTINATION_MAX];
    /* Done up to here, and to be done up to there. */
    int64_t message_id;
    int64_t number;
    int64_t last_message_id;
};

struct row {
    uint64_t message_id;
    unsigned number;
    bool is_held;
    char path[MM_STORE_REVERSE_PATH_MAX];
    char destination[MM_STORE_DESTINATION_MAX];
};

static enum mailmod_error list_rows(struct mm_sqlite_transaction *t,
                                    const struct act *act,
                                    struct row rows[KEYS_MAX],
                                    size_t *count_out)
{
    enum mailmod_error error;
    sqlite3_stmt *statement = mm_sql(t->connection, MM_SQL_LIST_KEYS, &error);
    *count_out = 0;
    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int64(statement, 1, act->message_id);
    (void)sqlite3_bind_int64(statement, 2, act->number);
    (void)sqlite3_bind_int64(statement, 3, act->last_message_id);
    while (*count_out < KEYS_MAX && mm_sql_step(statement, &error)) {
        struct row *row = &rows[(*count_out)++];
        row->message_id = (uint64_t)sqlite3_column_int64(statement, 0);
        row->number = (unsigned)sqlite3_column_int(statement, 1);
        row->is_held = sqlite3_column_int(statement, 2) != 0;
        mm_sql_text(statement, 3, row->path, sizeof row->path);
        mm_sql_text(statement, 4, row->destination, sizeof row->destination);
    }
    mm_sql_end(statement);
    return error;
}

static void bind_key(sqlite3_stmt *statement, int index, const struct row *row)
{
    (void)sqlite3_bind_int64(statement, index, (sqlite3_int64)row->message_id);
    (void)sqlite3_bind_int64(statement, index + 1, row->number);
}

static enum mailmod_error set_number(struct mm_sqlite_transaction *t,
                                     enum mm_statement which, int64_t value,
                                     const struct row *row)
{
    enum mailmod_error error;
    sqlite3_stmt *statement = mm_sql(t->connection, which, &error);
    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int64(statement, 1, value);
    bind_key(statement, 2, row);
    return mm_sql_run(statement);
}

/* The given destination, or the path's own domain. */
static enum mailmod_error reroute(struct mm_sqlite_transaction *t,
                                  const struct act *act, const struct row *row)
{
    char wanted[MM_STORE_DESTINATION_MAX];
    enum mailmod_error error;
    if (!mm_destination_rerouted(row->path, row->destination,
                                 act->has_destination ? act->destination : NULL,
                                 wanted)) {
        return MAILMOD_OK;
    }
    sqlite3_stmt *statement =
        mm_sql(t->connection, MM_SQL_SET_DESTINATION, &error);
    if (statement == NULL) {
        return error;
    }
    mm_sql_bind_text(statement, 1, wanted);
    bind_key(statement, 2, row);
    mm_store_news_add_all(&t->store->base.news);
    return mm_sql_run(statement);
}

static enum mailmod_error set_due(struct mm_sqlite_transaction *t,
                                  const struct act *act, const struct row *row)
{
    mm_store_news_add(&t->store->base.news, row->destination, act->now_ms);
    return set_number(t, MM_SQL_SET_DUE, act->now_ms, row);
}

static enum mailmod_error act_on(struct mm_sqlite_transaction *t,
                                 const struct act *act, const struct row *row)
{
    switch (act->action) {
    case MAILMOD_QUEUE_HOLD:
        return set_number(t, MM_SQL_SET_STATE, MM_RECIPIENT_HELD, row);
    case MAILMOD_QUEUE_RELEASE:
        return row->is_held ? set_due(t, act, row) : MAILMOD_OK;
    case MAILMOD_QUEUE_FLUSH:
        return row->is_held ? MAILMOD_OK : set_due(t, act, row);
    case MAILMOD_QUEUE_DELETE:
        return mm_sqlite_remove_recipient(&t->base, row->message_id,
                                          row->number);
    case REROUTE:
        return reroute(t, act, row);
    }
    return MAILMOD_ERROR_STORAGE_DAMAGED;
}

/* One look; `is_done_out` when nothing is left behind it. */
static enum mailmod_error do_some(struct mm_sqlite_transaction *t,
                                  struct act *act, bool *is_done_out)
{
    struct row rows[KEYS_MAX];
    size_t count = 0;
    enum mailmod_error error = list_rows(t, act, rows, &count);
    for (size_t i = 0; error == MAILMOD_OK && i < count; i++) {
        error = act_on(t, act, &rows[i]);
        act->message_id = (int64_t)rows[i].message_id;
        act->number = rows[i].number;
    }
    *is_done_out = error == MAILMOD_OK && count < KEYS_MAX;
    if (*is_done_out && (act->action == MAILMOD_QUEUE_RELEASE ||
                         act->action == MAILMOD_QUEUE_FLUSH)) {
        error = mm_sql_do(t->connection, MM_SQL_COUNT_FLUSH);
    }
    return error;
}

static enum mailmod_error do_all(struct mm_sqlite_transaction *t,
                                 struct act *act)
{
    bool is_done = false;
    enum mailmod_error error = MAILMOD_OK;
    while (error == MAILMOD_OK && !is_done) {
        error = do_some(t, act, &is_done);
    }
    return error;
}

static enum mailmod_error put_act(struct mm_sqlite_transaction *t,
                                  const struct act *act)
{
    enum mailmod_error error;
    sqlite3_stmt *statement = mm_sql(t->connection, MM_SQL_PUT_ACT, &error);
    if (statement == NULL) {
        return error;
    }
    atomic_store(&t->store->has_chores, true);
    (void)sqlite3_bind_int(statement, 1, act->action);
    (void)sqlite3_bind_int64(statement, 2, act->now_ms);
    if (act->has_destination) {
        mm_sql_bind_text(statement, 3, act->destination);
    }
    return mm_sql_run(statement);
}

static enum mailmod_error count_rows(struct mm_sqlite_transaction *t,
                                     uint64_t message_id, int action,
                                     size_t *count_out)
{
    enum mailmod_error error;
    sqlite3_stmt *statement =
        mm_sql(t->connection, MM_SQL_COUNT_RECIPIENTS, &error);
    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)message_id);
    (void)sqlite3_bind_int64(
        statement, 2, message_id != 0 ? (sqlite3_int64)message_id : INT64_MAX);
    (void)sqlite3_bind_int(statement, 3,
                           action == MAILMOD_QUEUE_RELEASE ? 1 : 0);
    (void)sqlite3_bind_int(statement, 4, action == MAILMOD_QUEUE_FLUSH ? 0 : 1);
    if (mm_sql_step(statement, &error)) {
        *count_out = (size_t)sqlite3_column_int64(statement, 0);
    }
    mm_sql_end(statement);
    return error;
}

static enum mailmod_error begin_act(struct mm_sqlite_transaction *t,
                                    uint64_t message_id, struct act *act,
                                    size_t *count_out)
{
    size_t all = 0;
    enum mailmod_error error =
        count_rows(t, message_id, act->action, count_out);
    if (error == MAILMOD_OK) {
        error = count_rows(t, message_id, REROUTE, &all);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    if (message_id == 0 && all > AT_ONCE_MAX) {
        return put_act(t, act);
    }
    act->message_id = (int64_t)message_id;
    act->number = -1;
    act->last_message_id = message_id != 0 ? (int64_t)message_id : INT64_MAX;
    return do_all(t, act);
}

enum mailmod_error mm_sqlite_act(struct mm_store_transaction *base,
                                 uint64_t message_id,
                                 enum mailmod_queue_action action,
                                 int64_t now_ms, size_t *count_out)
{
    struct mm_sqlite_transaction *transaction = mm_sqlite_transaction_of(base);
    struct act act = {.action = (int)action, .now_ms = now_ms};
    return begin_act(transaction, message_id, &act, count_out);
}

enum mailmod_error mm_sqlite_act_on_one(struct mm_store_transaction *base,
                                        uint64_t message_id, unsigned number,
                                        enum mailmod_queue_action action,
                                        int64_t now_ms, size_t *count)
{
    struct mm_sqlite_transaction *t = mm_sqlite_transaction_of(base);
    const struct act act = {.action = (int)action,
                            .now_ms = now_ms,
                            .message_id = (int64_t)message_id,
                            .number = (int64_t)number - 1,
                            .last_message_id = (int64_t)message_id};
    struct row rows[KEYS_MAX];
    size_t found = 0;
    bool makes_due =
        action == MAILMOD_QUEUE_RELEASE || action == MAILMOD_QUEUE_FLUSH;
    enum mailmod_error error = list_rows(t, &act, rows, &found);
    if (error == MAILMOD_OK && (found == 0 || rows[0].number != number)) {
        error = MAILMOD_ERROR_NOT_FOUND;
    }
    if (error != MAILMOD_OK ||
        (makes_due && rows[0].is_held != (action == MAILMOD_QUEUE_RELEASE))) {
        return error;
    }
    ++*count;
    error = act_on(t, &act, &rows[0]);
    return error == MAILMOD_OK && makes_due
               ? mm_sql_do(t->connection, MM_SQL_COUNT_FLUSH)
               : error;
}

enum mailmod_error mm_sqlite_reroute(struct mm_store_transaction *base,
                                     const char *destination)
{
    struct mm_sqlite_transaction *transaction = mm_sqlite_transaction_of(base);
    struct act act = {.action = REROUTE};
    size_t count;
    act.has_destination = destination != NULL &&
                          mm_span_copy(mm_span_cstr(destination),
                                       act.destination, sizeof act.destination);
    return begin_act(transaction, 0, &act, &count);
}

/* The first row; an id of 0 when there is none. */
static enum mailmod_error next_act(struct mm_sqlite_transaction *t,
                                   struct act *act)
{
    enum mailmod_error error;
    sqlite3_stmt *row = mm_sql(t->connection, MM_SQL_NEXT_ACT, &error);
    if (row == NULL) {
        return error;
    }
    if (mm_sql_step(row, &error)) {
        act->id = sqlite3_column_int64(row, 0);
        act->action = sqlite3_column_int(row, 1);
        act->now_ms = sqlite3_column_int64(row, 2);
        act->has_destination = sqlite3_column_type(row, 3) != SQLITE_NULL;
        mm_sql_text(row, 3, act->destination, sizeof act->destination);
        act->message_id = sqlite3_column_int64(row, 4);
        act->number = sqlite3_column_int64(row, 5);
        act->last_message_id = sqlite3_column_int64(row, 6);
    }
    mm_sql_end(row);
    return error;
}

static enum mailmod_error note_place(struct mm_sqlite_transaction *t,
                                     const struct act *act, bool is_done)
{
    enum mailmod_error error;
    sqlite3_stmt *statement = mm_sql(
        t->connection, is_done ? MM_SQL_DROP_ACT : MM_SQL_MOVE_ACT, &error);
    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int64(statement, 1, act->id);
    if (!is_done) {
        (void)sqlite3_bind_int64(statement, 2, act->message_id);
        (void)sqlite3_bind_int64(statement, 3, act->number);
    }
    return mm_sql_run(statement);
}

enum mailmod_error mm_sqlite_act_step(struct mm_sqlite_transaction *transaction,
                                      bool *found_out)
{
    struct act act = {.id = 0};
    bool is_done = false;
    enum mailmod_error error = next_act(transaction, &act);
    *found_out = act.id != 0;
    if (error == MAILMOD_OK && *found_out) {
        error = do_some(transaction, &act, &is_done);
    }
    return error == MAILMOD_OK && *found_out
               ? note_place(transaction, &act, is_done)
               : error;
}

bool mm_sqlite_has_act(struct mm_sqlite *store)
{
    struct mm_reading reading;
    enum mailmod_error error = mm_read_open(&reading, store, MM_SQL_HAS_ACT);
    if (error != MAILMOD_OK) {
        return false;
    }
    bool has = mm_sql_step(reading.statement, &error);
    mm_read_close(&reading);
    return has;
}
