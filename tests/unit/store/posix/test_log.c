/* test_log.c - the write-ahead log under load that never pauses: somebody reads
 * at each moment, each for longer than the writer likes to wait, and it stays
 * bounded all the same. Threads: readers of the test's, and the test's own that
 * writes. */
#include "../fixture.h"

#include "base/limits.h"
#include "platform/clock.h"
#include "platform/thread.h"
#include "store/sqlite/internal.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    READERS = 3,
    READ_US = 1000 * 2 * MM_STORE_RESTART_WAIT_MS,
    MESSAGES = 6000, /* of a chunk each: 400 MB through the log */
    LOG_MAX =        /* and some tries that readers let go by */
    4096 * (MM_STORE_LOG_MOST_PAGES + 4 * MM_STORE_COPY_PAGES)
};

struct reader {
    struct mm_store *store;
    uint64_t mailbox_id;
    atomic_bool *ends;
    atomic_ulong reads;
    enum mailmod_error error;
    struct mm_thread *thread;
};

/* One moment of the database, held as by a reader that the machine makes wait.
 * Threads of a test do not assert. */
static enum mailmod_error read_slowly(struct mm_sqlite *store)
{
    struct mm_connection *reader;
    sqlite3_stmt *statement = NULL;
    enum mailmod_error error = mm_reader_take(store, &reader);

    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_sql_error(sqlite3_prepare_v2(
        reader->db, "SELECT message_id FROM entry", -1, &statement, NULL));
    if (error == MAILMOD_OK) {
        error = mm_sql_error(sqlite3_step(statement));
        usleep(READ_US);
    }
    (void)sqlite3_finalize(statement);
    mm_reader_put(store, reader);
    return error;
}

static void run_reader(void *context)
{
    struct reader *reader = context;

    while (!atomic_load(reader->ends) && reader->error == MAILMOD_OK) {
        struct mm_store_entry *entries = NULL;
        size_t count = 0;

        reader->error = mm_store_list_entries(reader->store, reader->mailbox_id,
                                              &entries, &count);
        mm_free(entries);
        if (reader->error == MAILMOD_OK) {
            reader->error = read_slowly(mm_sqlite_of(reader->store));
        }
        if (reader->error == MAILMOD_ERROR_BUSY) {
            reader->error = MAILMOD_OK; /* ended, for it took 10 s */
        }
        atomic_fetch_add(&reader->reads, 1);
    }
}

static off_t log_size(const struct fixture *fixture)
{
    char path[128];
    struct stat status;

    fixture_path(fixture, "mailmod.db-wal", path);
    return stat(path, &status) == 0 ? status.st_size : 0;
}

static void test_log_is_bounded(void **state)
{
    struct fixture *fixture = *state;
    struct reader readers[READERS] = {{0}};
    uint64_t mailbox_id = fixture_add_user(fixture->store, "alice");
    atomic_bool ends = false;
    off_t largest = 0;

    for (size_t i = 0; i < READERS; i++) {
        readers[i].store = fixture->store;
        readers[i].mailbox_id = mailbox_id;
        readers[i].ends = &ends;
        assert_int_equal(mm_thread_start(&readers[i].thread, "reader",
                                         run_reader, &readers[i]),
                         MAILMOD_OK);
    }
    for (unsigned i = 0; i < MESSAGES; i++) {
        off_t size;

        (void)fixture_deliver(fixture->store, MM_LIMIT_CHUNK, &mailbox_id, 1);
        size = log_size(fixture);
        largest = size > largest ? size : largest;
    }
    atomic_store(&ends, true);
    for (size_t i = 0; i < READERS; i++) {
        mm_thread_join(&readers[i].thread);
        assert_int_equal(readers[i].error, MAILMOD_OK);
        assert_true(atomic_load(&readers[i].reads) > 0);
    }
    assert_true(largest > 1024 * 1024);
    assert_in_range(largest, 0, LOG_MAX);
    assert_int_equal(fixture_count_entries(fixture->store, mailbox_id),
                     MESSAGES);
}

/* A statement that gives rows for ever, all of one moment of the database. */
static sqlite3_stmt *read_for_ever(struct mm_connection *reader)
{
    static const char text[] =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT i, (SELECT count(*) FROM entry) FROM n";
    sqlite3_stmt *statement;

    assert_int_equal(sqlite3_prepare_v2(reader->db, text, -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    return statement;
}

/* One that reads on and on is ended when it is old and the log long; then the
 * log is used anew. */
static void test_D12_old_reader_is_ended(void **state)
{
    enum { LONG_MESSAGES = 6000, MORE_MESSAGES = 6000 };
    struct fixture *fixture = *state;
    struct mm_sqlite *store = mm_sqlite_of(fixture->store);
    uint64_t mailbox_id = fixture_add_user(fixture->store, "alice");
    struct mm_connection *reader;

    assert_int_equal(mm_reader_take(store, &reader), MAILMOD_OK);
    mm_mutex_lock(store->reader_mutex);
    reader->taken_ms = mm_clock_monotonic_ms() - 2 * MM_STORE_READER_OLD_MS;
    mm_mutex_unlock(store->reader_mutex);
    sqlite3_stmt *statement = read_for_ever(reader);
    unsigned count = 0;
    int result = SQLITE_ROW;
    while (result == SQLITE_ROW && count++ < LONG_MESSAGES) {
        (void)fixture_deliver(fixture->store, MM_LIMIT_CHUNK, &mailbox_id, 1);
        result = sqlite3_step(statement);
    }
    assert_int_equal(result, SQLITE_INTERRUPT);
    assert_int_equal(mm_sql_error(result), MAILMOD_ERROR_BUSY);
    (void)sqlite3_finalize(statement);
    mm_reader_put(store, reader);
    off_t size = log_size(fixture);
    unsigned more = 0;
    while (log_size(fixture) >= size) {
        assert_true(more < MORE_MESSAGES);
        (void)fixture_deliver(fixture->store, MM_LIMIT_CHUNK, &mailbox_id, 1);
        more++;
    }
    assert_int_equal(fixture_count_entries(fixture->store, mailbox_id),
                     count + more);
}

int main(void)
{
    const struct CMUnitTest tests[] = {ON_DISK(test_log_is_bounded),
                                       ON_DISK(test_D12_old_reader_is_ended)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
