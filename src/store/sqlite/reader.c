/* reader.c - the pool of reading connections.
 *
 * Owns: at most MM_STORE_READERS_MAX connections, opened when first needed and
 * kept. Promises: readers never wait for the writer (write-ahead log); past the
 * maximum a reader waits for another reader.
 * Thread: any. */
#include "store/sqlite/internal.h"

#include "base/mem.h"
#include "platform/clock.h"

/* A place in the pool, or NULL with `may_open`. Under the pool's lock. */
static struct mm_connection *wait_idle(struct mm_sqlite *store, bool *may_open)
{
    *may_open = false;
    struct mm_list *node;
    while ((node = mm_list_take_first(&store->idle_readers)) == NULL) {
        if (store->reader_count < MM_STORE_READERS_MAX) {
            store->reader_count++;
            *may_open = true;
            return NULL;
        }
        mm_condition_wait(store->reader_condition, store->reader_mutex);
    }
    return MM_LIST_OBJECT(node, struct mm_connection, node);
}

static enum mailmod_error open_reader(struct mm_sqlite *store,
                                      struct mm_connection **reader_out)
{
    struct mm_connection *reader = mm_alloc(sizeof *reader);
    enum mailmod_error error = MAILMOD_ERROR_MEMORY;

    if (reader != NULL) {
        error = mm_connection_open(reader, store, false);
    }
    if (error != MAILMOD_OK) {
        mm_free(reader);
        mm_mutex_lock(store->reader_mutex);
        store->reader_count--;
        mm_condition_signal(store->reader_condition);
        mm_mutex_unlock(store->reader_mutex);
        return error;
    }
    *reader_out = reader;
    return MAILMOD_OK;
}

enum mailmod_error mm_reader_take(struct mm_sqlite *store,
                                  struct mm_connection **reader_out)
{
    mm_mutex_lock(store->reader_mutex);
    bool may_open;
    struct mm_connection *reader = wait_idle(store, &may_open);
    if (may_open) {
        mm_mutex_unlock(store->reader_mutex);
        enum mailmod_error error = open_reader(store, &reader);
        if (error != MAILMOD_OK) {
            return error;
        }
        mm_mutex_lock(store->reader_mutex);
    }
    reader->taken_ms = mm_clock_monotonic_ms();
    mm_list_append(&store->lent_readers, &reader->node);
    mm_mutex_unlock(store->reader_mutex);
    *reader_out = reader;
    return MAILMOD_OK;
}

void mm_reader_put(struct mm_sqlite *store, struct mm_connection *reader)
{
    mm_mutex_lock(store->reader_mutex);
    mm_list_remove(&reader->node);
    mm_list_prepend(&store->idle_readers, &reader->node);
    mm_condition_signal(store->reader_condition);
    mm_mutex_unlock(store->reader_mutex);
}

void mm_readers_end_old(struct mm_sqlite *store)
{
    uint64_t now_ms = mm_clock_monotonic_ms();
    size_t count = 0;
    mm_mutex_lock(store->reader_mutex);
    for (struct mm_list *node = store->lent_readers.next;
         node != &store->lent_readers; node = node->next) {
        struct mm_connection *reader =
            MM_LIST_OBJECT(node, struct mm_connection, node);
        if (now_ms - reader->taken_ms >= MM_STORE_READER_OLD_MS) {
            sqlite3_interrupt(reader->db);
            count++;
        }
    }
    mm_mutex_unlock(store->reader_mutex);
    if (count > 0) {
        MM_LOG(store->log, MM_LOG_WARNING, "store",
               "the log grew while somebody read for long; the read was ended",
               MM_NUMBER("readers", count), MM_TEXT("path", store->path));
    }
}

void mm_readers_close(struct mm_sqlite *store)
{
    if (store->idle_readers.next == NULL) {
        return;
    }
    struct mm_list *node;
    while ((node = mm_list_take_first(&store->idle_readers)) != NULL) {
        struct mm_connection *reader =
            MM_LIST_OBJECT(node, struct mm_connection, node);

        mm_connection_close(reader);
        mm_free(reader);
    }
}

enum mailmod_error mm_read_open(struct mm_reading *reading,
                                struct mm_sqlite *store,
                                enum mm_statement which)
{
    reading->store = store;
    enum mailmod_error error = mm_reader_take(store, &reading->reader);
    if (error != MAILMOD_OK) {
        return error;
    }
    reading->statement = mm_sql(reading->reader, which, &error);
    if (reading->statement == NULL) {
        mm_reader_put(store, reading->reader);
    }
    return error;
}

void mm_read_close(struct mm_reading *reading)
{
    mm_sql_end(reading->statement);
    mm_reader_put(reading->store, reading->reader);
}
