/* chores.c - what was promised in one small transaction and is done in slices.
 *
 * A removal of many entries, of a user, of a large body, and what an operator
 * does to the whole queue are committed as one row each: that is the promise.
 * The rows and bodies that it stands for go here, between the batches, for
 * about SLICE_MS a transaction with its commit, so that nobody waits long for a
 * 250; they wait themselves while a long log is copied back. Each slice is a
 * durable step; what ends the process ends a slice, and the next opening goes
 * on. A file that has emptied is shortened while nobody writes.
 * Thread: writer. */
#include "store/sqlite/internal.h"

#include "platform/clock.h"

#include <string.h>

#define SLICE_MS 10
#define STEPS_MAX 64       /* of one slice */
#define TOOL_PAUSE_MS 20   /* between two slices of a tool */
#define ROWS_MAX 32        /* looked up at once */
#define CHUNKS_MAX 16      /* deleted at once: 1 MiB */
#define RETRY_MS 1000      /* after a slice that failed */
#define FREE_PAGES_MAX 256 /* 1 MiB stays for what comes */
#define SHRINK_PAGES "PRAGMA incremental_vacuum(64)"

static sqlite3_stmt *ask(struct mm_sqlite_transaction *t,
                         enum mm_statement which, enum mailmod_error *error_out)
{
    return mm_sql(t->connection, which, error_out);
}

struct range {
    sqlite3_int64 mailbox_id;
    sqlite3_int64 first;
    sqlite3_int64 last;
    int64_t keep_ms; /* 0: they go for good */
};

/* False when there is none. */
static bool next_removal(struct mm_sqlite_transaction *t, struct range *range,
                         enum mailmod_error *error_out)
{
    sqlite3_stmt *statement = ask(t, MM_SQL_NEXT_REMOVAL, error_out);
    bool found = statement != NULL && mm_sql_step(statement, error_out);
    if (found) {
        range->mailbox_id = sqlite3_column_int64(statement, 0);
        range->first = sqlite3_column_int64(statement, 1);
        range->last = sqlite3_column_int64(statement, 2);
        range->keep_ms = sqlite3_column_int64(statement, 3);
    }
    if (statement != NULL) {
        mm_sql_end(statement);
    }
    return found;
}

static enum mailmod_error list_range(struct mm_sqlite_transaction *t,
                                     const struct range *range,
                                     uint64_t numbers[ROWS_MAX],
                                     size_t *count_out)
{
    enum mailmod_error error;
    sqlite3_stmt *statement = ask(t, MM_SQL_LIST_RANGE, &error);
    *count_out = 0;
    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int64(statement, 1, range->mailbox_id);
    (void)sqlite3_bind_int64(statement, 2, range->first);
    (void)sqlite3_bind_int64(statement, 3, range->last);
    while (*count_out < ROWS_MAX && mm_sql_step(statement, &error)) {
        numbers[(*count_out)++] = (uint64_t)sqlite3_column_int64(statement, 0);
    }
    mm_sql_end(statement);
    return error;
}

static enum mailmod_error run_with_two(struct mm_sqlite_transaction *t,
                                       enum mm_statement which,
                                       sqlite3_int64 first,
                                       sqlite3_int64 second)
{
    enum mailmod_error error;
    sqlite3_stmt *statement = ask(t, which, &error);
    if (statement == NULL) {
        return error;
    }
    (void)sqlite3_bind_int64(statement, 1, first);
    (void)sqlite3_bind_int64(statement, 2, second);
    return mm_sql_run(statement);
}

static enum mailmod_error end_removal(struct mm_sqlite_transaction *t,
                                      const struct range *range)
{
    bool has_more = false;
    enum mailmod_error error =
        range->last == INT64_MAX
            ? mm_sqlite_drop_deleted_of(t, (uint64_t)range->mailbox_id,
                                        ROWS_MAX, &has_more)
            : MAILMOD_OK;
    if (error != MAILMOD_OK || has_more) {
        return error;
    }
    error =
        run_with_two(t, MM_SQL_DROP_REMOVAL, range->mailbox_id, range->first);
    if (error == MAILMOD_OK && range->last == INT64_MAX) {
        error = mm_sql_run_with(t->connection, MM_SQL_DROP_MAILBOX,
                                (uint64_t)range->mailbox_id);
    }
    return error;
}

static enum mailmod_error do_removal(struct mm_sqlite_transaction *t,
                                     bool *found_out)
{
    struct range range = {0};
    uint64_t numbers[ROWS_MAX];
    size_t count = 0;
    enum mailmod_error error;
    *found_out = next_removal(t, &range, &error);
    if (error != MAILMOD_OK || !*found_out) {
        return error;
    }
    error = list_range(t, &range, numbers, &count);
    if (error == MAILMOD_OK) {
        error = mm_sqlite_take_entries(t, (uint64_t)range.mailbox_id, numbers,
                                       count, range.keep_ms);
    }
    if (error == MAILMOD_OK && count < ROWS_MAX) {
        error = end_removal(t, &range);
    }
    return error;
}

static enum mailmod_error do_litter(struct mm_sqlite_transaction *t,
                                    bool *found_out)
{
    enum mailmod_error error;
    sqlite3_stmt *statement = ask(t, MM_SQL_NEXT_LITTER, &error);
    sqlite3_int64 id = 0;
    *found_out = statement != NULL && mm_sql_step(statement, &error);
    if (*found_out) {
        id = sqlite3_column_int64(statement, 0);
    }
    if (statement != NULL) {
        mm_sql_end(statement);
    }
    if (error != MAILMOD_OK || !*found_out) {
        return error;
    }
    error = run_with_two(t, MM_SQL_DROP_FIRST_CHUNKS, id, CHUNKS_MAX);
    return error == MAILMOD_OK && sqlite3_changes(t->connection->db) == 0
               ? mm_sql_run_with(t->connection, MM_SQL_DROP_LITTER,
                                 (uint64_t)id)
               : error;
}

/* One small step of whatever waits; `found_out` false when nothing does. */
static enum mailmod_error do_step(struct mm_sqlite_transaction *t,
                                  bool *found_out)
{
    enum mailmod_error error = mm_sqlite_act_step(t, found_out);
    if (error == MAILMOD_OK && !*found_out) {
        error = do_removal(t, found_out);
    }
    if (error == MAILMOD_OK && !*found_out) {
        error = do_litter(t, found_out);
    }
    return error;
}

static enum mailmod_error do_slice(struct mm_sqlite *store, bool *found)
{
    struct mm_sqlite_transaction t = mm_sqlite_transaction_begin(store);
    uint64_t begin_ms = mm_clock_monotonic_ms();
    enum mailmod_error error = MAILMOD_OK;
    unsigned steps = 0;
    do {
        error = do_step(&t, found);
        steps++;
    } while (error == MAILMOD_OK && *found && steps < store->slice_steps &&
             mm_clock_monotonic_ms() - begin_ms < SLICE_MS);
    return error;
}

/* Frees pages at the file's end. */
static enum mailmod_error shrink_slice(struct mm_sqlite *store, bool *goes_on)
{
    uint64_t begin_ms = mm_clock_monotonic_ms();
    int result = SQLITE_OK;
    do {
        result = sqlite3_exec(store->writer.db, SHRINK_PAGES, NULL, NULL, NULL);
    } while (result == SQLITE_OK &&
             mm_clock_monotonic_ms() - begin_ms < SLICE_MS);
    *goes_on = result == SQLITE_OK;
    return mm_sql_error(result);
}

/* Most of a slice may be its commit, which writes each page that a step
 * touched: so the next slice has as many steps as fit the time with it. */
static void adapt_steps(struct mm_sqlite *store, uint64_t took_ms)
{
    if (took_ms > 2 * SLICE_MS) {
        store->slice_steps /= 2;
    } else if (took_ms < SLICE_MS && store->slice_steps < STEPS_MAX) {
        store->slice_steps++;
    }
    if (store->slice_steps == 0) {
        store->slice_steps = 1;
    }
}

/* One durable step. */
static enum mailmod_error
run_slice(struct mm_sqlite *store,
          enum mailmod_error (*slice)(struct mm_sqlite *store, bool *goes_on),
          bool *goes_on)
{
    struct mm_connection *writer = &store->writer;
    enum mailmod_error error = mm_sql_do(writer, MM_SQL_BEGIN);
    if (error == MAILMOD_OK) {
        error = slice(store, goes_on);
    }
    if (error == MAILMOD_OK) {
        error = mm_sql_do(writer, MM_SQL_COMMIT);
    }
    if (error == MAILMOD_OK) {
        mm_store_news_publish(&store->base.news);
    }
    if (error != MAILMOD_OK && !sqlite3_get_autocommit(writer->db) &&
        mm_sql_do(writer, MM_SQL_ROLLBACK) != MAILMOD_OK) {
        return MAILMOD_ERROR_STORAGE;
    }
    return error;
}

bool mm_chores_run(struct mm_sqlite *store)
{
    if (!atomic_load(&store->has_chores) || mm_health_refuses(store) ||
        mm_clock_monotonic_ms() < store->chores_after_ms) {
        return false;
    }
    if (mm_checkpoint_is_behind(store)) {
        return true;
    }
    bool found = true;
    uint64_t begin_ms = mm_clock_monotonic_ms();
    atomic_store(&store->has_chores, false);
    enum mailmod_error error = run_slice(store, do_slice, &found);
    adapt_steps(store, mm_clock_monotonic_ms() - begin_ms);
    store->shrinks = true;
    if (error == MAILMOD_OK && !found) {
        return false;
    }
    atomic_store(&store->has_chores, true);
    if (error != MAILMOD_OK) {
        /* Nothing is lost: the row that promises it is still there. */
        store->chores_after_ms = mm_clock_monotonic_ms() + RETRY_MS;
        mm_health_judge(store, error);
        return false;
    }
    if (store->is_shared) {
        /* A daemon beside it asks for the lock now and then. */
        mm_clock_sleep_ms(TOOL_PAUSE_MS);
    }
    return true;
}

void mm_chores_shrink(struct mm_sqlite *store)
{
    int64_t free_pages = 0;
    if (mm_checkpoint_is_copying(store)) {
        return;
    }
    enum mailmod_error error =
        mm_sql_number(store->writer.db, "PRAGMA freelist_count", &free_pages);
    store->shrinks = error == MAILMOD_OK && free_pages > FREE_PAGES_MAX &&
                     !mm_health_refuses(store);
    if (!store->shrinks) {
        return;
    }
    error = run_slice(store, shrink_slice, &store->shrinks);
    if (error == MAILMOD_OK) {
        mm_checkpoint_ask(store);
    } else {
        store->shrinks = false;
    }
}

static void look(struct mm_sqlite *store)
{
    int64_t count = 0;
    if (mm_sql_number(store->writer.db,
                      "SELECT EXISTS(SELECT 1 FROM removal)+EXISTS(SELECT 1 "
                      "FROM litter)+EXISTS(SELECT 1 FROM act)",
                      &count) == MAILMOD_OK &&
        count > 0) {
        atomic_store(&store->has_chores, true);
    }
    store->shrinks = !store->is_shared;
    store->chores_looked_ms = mm_clock_monotonic_ms();
}

void mm_chores_begin(struct mm_sqlite *store)
{
    look(store);
    store->slice_steps = 1;
}

void mm_chores_look(struct mm_sqlite *store)
{
    if (!store->is_shared && !mm_health_refuses(store) &&
        mm_clock_monotonic_ms() - store->chores_looked_ms >= MM_STORE_LOOK_MS) {
        look(store);
    }
}

bool mm_sqlite_is_settling(struct mm_store *base)
{
    struct mm_sqlite *store = mm_sqlite_of(base);
    bool is_settling = mm_sqlite_has_act(store);
    if (is_settling && !atomic_exchange(&store->has_chores, true)) {
        /* A tool's that was ended: it is gone on with here. */
        mm_mutex_lock(store->mutex);
        mm_condition_signal(store->condition);
        mm_mutex_unlock(store->mutex);
    }
    return is_settling;
}
