/* writer.c - the one thread that writes: group commit.
 *
 * Takes all jobs that wait (up to MM_STORE_BATCH_MAX), runs them in one
 * transaction, commits once and answers all: one sync serves many messages, and
 * the more wait the more it serves. When one of several fails, all is taken
 * back, and each runs once more in a savepoint, so that it takes back its own
 * effects and no other's: a savepoint a job costs a copy of each page that the
 * job is the first to change, and hardly a job fails. The log is copied back
 * into the database beside the writer (checkpoint.c).
 *
 * A commit that failed is never retried and believed: all of its jobs fail, and
 * unless the disk was merely full or busy the store takes no more writes until
 * it is mended (health.c). When
 * it cannot be told what a job left behind, the whole batch is rolled back.
 * Thread: its own; mm_sqlite_submit is for any. */
#include "store/sqlite/internal.h"

#include "base/mem.h"
#include "platform/clock.h"

/* What one job came to inside its batch. */
struct outcome {
    struct mm_store_job *job;
    enum mailmod_error error;
};

struct batch {
    struct outcome outcomes[MM_STORE_BATCH_MAX];
    size_t count;
};

static void answer_all(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct mm_store_job *job = batch->outcomes[i].job;

        job->done(job, batch->outcomes[i].error);
    }
    batch->count = 0;
}

static void fail_all(struct batch *batch, enum mailmod_error error)
{
    for (size_t i = 0; i < batch->count; i++) {
        batch->outcomes[i].error = error;
    }
}

static enum mailmod_error begin_job(struct mm_sqlite_transaction *transaction,
                                    bool is_apart)
{
    transaction->unreferred_id = 0;
    transaction->is_first_seen = false;
    transaction->referred_id = 0;
    transaction->has_message = false;
    return is_apart ? mm_sql_do(transaction->connection, MM_SQL_SAVEPOINT)
                    : MAILMOD_OK;
}

/* One job. False when the transaction is lost with it: SQLite has taken all
 * back (a full disk, an error of the file), or what the job left behind cannot
 * be taken back alone. */
static bool run_job(struct mm_sqlite_transaction *transaction,
                    struct outcome *outcome, bool is_apart)
{
    struct mm_connection *connection = transaction->connection;

    outcome->error = begin_job(transaction, is_apart);
    if (outcome->error != MAILMOD_OK) {
        return !sqlite3_get_autocommit(connection->db);
    }
    outcome->error = outcome->job->run(outcome->job, &transaction->base);
    if (outcome->error == MAILMOD_OK) {
        outcome->error = mm_sqlite_settle_job(transaction);
    }
    if (sqlite3_get_autocommit(connection->db)) {
        return false;
    }
    if (!is_apart) {
        return outcome->error == MAILMOD_OK;
    }
    if (outcome->error != MAILMOD_OK &&
        mm_sql_do(connection, MM_SQL_ROLLBACK_TO) != MAILMOD_OK) {
        return false;
    }
    return mm_sql_do(connection, MM_SQL_RELEASE) == MAILMOD_OK;
}

static enum mailmod_error run_jobs(struct mm_sqlite *store, struct batch *batch,
                                   bool is_apart)
{
    struct mm_sqlite_transaction transaction =
        mm_sqlite_transaction_begin(store);

    for (size_t i = 0; i < batch->count; i++) {
        struct outcome *outcome = &batch->outcomes[i];

        if (!run_job(&transaction, outcome, is_apart)) {
            return outcome->error != MAILMOD_OK ? outcome->error
                                                : MAILMOD_ERROR_STORAGE;
        }
    }
    return MAILMOD_OK;
}

static enum mailmod_error take_back(struct mm_sqlite *store)
{
    return sqlite3_get_autocommit(store->writer.db)
               ? MAILMOD_OK
               : mm_sql_do(&store->writer, MM_SQL_ROLLBACK);
}

/* Together as they are; when one fails, all once more, each in a savepoint. */
static enum mailmod_error run_all(struct mm_sqlite *store, struct batch *batch)
{
    enum mailmod_error error = run_jobs(store, batch, false);

    if (error == MAILMOD_OK || batch->count == 1) {
        return error;
    }
    error = take_back(store);
    if (error == MAILMOD_OK) {
        error = mm_sql_do(&store->writer, MM_SQL_BEGIN);
    }
    return error == MAILMOD_OK ? run_jobs(store, batch, true) : error;
}

static enum mailmod_error commit(struct mm_sqlite *store, size_t job_count)
{
    enum mailmod_error error = mm_sqlite_reserve_ids(store, false);

    if (error == MAILMOD_OK) {
        error = mm_sql_do(&store->writer, MM_SQL_COMMIT);
    }
    if (error == MAILMOD_OK && !mm_health_has_files(store)) {
        error = MAILMOD_ERROR_STORAGE; /* committed to what nobody will open */
    }
    if (error == MAILMOD_OK) {
        atomic_fetch_add(&store->commit_count, 1);
        atomic_fetch_add(&store->job_count, job_count);
        mm_store_news_publish(&store->base.news);
    }
    return error;
}

static void run_batch(struct mm_sqlite *store, struct batch *batch)
{
    enum mailmod_error error =
        mm_health_refuses(store) ? MAILMOD_ERROR_STORAGE : MAILMOD_OK;
    bool is_own_failure = false; /* of a job that was alone */

    if (error != MAILMOD_OK) {
        fail_all(batch, error);
        return;
    }
    (void)sqlite3_busy_timeout(store->writer.db, mm_health_busy_ms(store));
    error = mm_sql_do(&store->writer, MM_SQL_BEGIN);
    if (error == MAILMOD_OK) {
        error = run_all(store, batch);
        is_own_failure = error != MAILMOD_OK && batch->count == 1 &&
                         !sqlite3_get_autocommit(store->writer.db);
    }
    if (error == MAILMOD_OK) {
        error = commit(store, batch->count);
    }
    if (error == MAILMOD_OK) {
        mm_health_judge(store, MAILMOD_OK);
        return;
    }
    if (take_back(store) != MAILMOD_OK) {
        mm_health_judge(store, MAILMOD_ERROR_STORAGE);
    } else if (!is_own_failure) {
        mm_health_judge(store, error);
    }
    store->was_full = error == MAILMOD_ERROR_STORAGE_FULL;
    fail_all(batch, error);
}

/* How long to wait for jobs before the writer looks after the store itself. */
static uint64_t idle_ms(const struct mm_sqlite *store)
{
    if (!mm_sqlite_is_writable(&store->base)) {
        return MM_STORE_MEND_MS;
    }
    if (atomic_load(&store->has_chores)) {
        if (mm_checkpoint_is_behind(store)) {
            return UINT64_MAX; /* the copier wakes the writer */
        }
        return mm_clock_monotonic_ms() < store->chores_after_ms
                   ? MM_STORE_MEND_MS
                   : 0;
    }
    if (store->shrinks) {
        return MM_STORE_SHRINK_MS;
    }
    return store->is_shared ? UINT64_MAX : MM_STORE_LOOK_MS;
}

/* False when there is nothing and the store closes. */
static bool collect(struct mm_sqlite *store, struct batch *batch)
{
    bool has_waited = false;
    mm_mutex_lock(store->mutex);
    while (mm_list_is_empty(&store->jobs) && !store->is_closing &&
           !has_waited && !atomic_load(&store->wants_look) &&
           !mm_checkpoint_has_copied(store)) {
        uint64_t wait_ms = idle_ms(store);
        if (wait_ms == UINT64_MAX) {
            mm_condition_wait(store->condition, store->mutex);
        } else {
            has_waited =
                wait_ms == 0 ||
                !mm_condition_wait_for(store->condition, store->mutex, wait_ms);
        }
    }
    while (batch->count < MM_STORE_BATCH_MAX) {
        struct mm_list *node = mm_list_take_first(&store->jobs);

        if (node == NULL) {
            break;
        }
        batch->outcomes[batch->count++] = (struct outcome){
            MM_LIST_OBJECT(node, struct mm_store_job, node), MAILMOD_OK};
    }
    bool goes_on = batch->count > 0 || !store->is_closing;
    mm_mutex_unlock(store->mutex);
    return goes_on;
}

static void run_writer(void *context)
{
    struct mm_sqlite *store = context;
    struct batch batch = {.count = 0};

    while (collect(store, &batch)) {
        bool is_idle = batch.count == 0;
        mm_health_mend(store);
        mm_sqlite_look_if_asked(store);
        if (!is_idle) {
            run_batch(store, &batch);
            answer_all(&batch);
        }
        mm_checkpoint_tend(store);
        bool has_chores = mm_chores_run(store);
        if (is_idle && !has_chores && store->shrinks) {
            mm_chores_shrink(store);
        } else if (is_idle && !has_chores) {
            mm_chores_look(store);
        }
    }
    /* A tool ends what it began; the daemon goes on with it at its start. */
    while (store->is_shared && mm_chores_run(store)) {
        mm_checkpoint_tend(store);
    }
}

/* What ends a transaction is made ready before one begins: it must not fail
 * for want of memory. */
static enum mailmod_error prepare_ends(struct mm_connection *connection)
{
    enum mailmod_error error = MAILMOD_OK;

    for (int which = MM_SQL_BEGIN;
         error == MAILMOD_OK && which <= MM_SQL_ROLLBACK_TO; which++) {
        (void)mm_sql(connection, (enum mm_statement)which, &error);
    }
    return error;
}

enum mailmod_error mm_writer_start(struct mm_sqlite *store)
{
    enum mailmod_error error = prepare_ends(&store->writer);

    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_log_writes_begin(store);
    if (error == MAILMOD_OK) {
        error = mm_checkpoint_start(store);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    return mm_thread_start(&store->thread, "mm-store", run_writer, store);
}

void mm_writer_stop(struct mm_sqlite *store)
{
    if (store->thread == NULL) {
        mm_checkpoint_stop(store);
        return;
    }
    mm_mutex_lock(store->mutex);
    store->is_closing = true;
    mm_condition_broadcast(store->condition);
    mm_mutex_unlock(store->mutex);
    mm_thread_join(&store->thread);
    mm_checkpoint_stop(store);
    if (!mm_health_refuses(store) &&
        mm_sqlite_reserve_ids(store, true) != MAILMOD_OK) {
        MM_LOG(store->log, MM_LOG_WARNING, "store",
               "the last identifier was not noted; the next ones begin ahead",
               MM_TEXT("path", store->path));
    }
}

void mm_sqlite_submit(struct mm_store *base, struct mm_store_job *job)
{
    struct mm_sqlite *store = mm_sqlite_of(base);
    mm_mutex_lock(store->mutex);
    bool is_closing = store->is_closing;
    if (!is_closing) {
        mm_list_append(&store->jobs, &job->node);
        mm_condition_signal(store->condition);
    }
    mm_mutex_unlock(store->mutex);
    if (is_closing) {
        job->done(job, MAILMOD_ERROR_STOPPED);
    }
}
