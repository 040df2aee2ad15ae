/* store.c - opening and closing the store.
 *
 * Owns: the folder's lock, the writer, the readers. Promises: one exclusive
 * opener a folder (a lock that a crash left behind does not block); what cannot
 * be opened names the file and what to do.
 * Thread: any. */
#include "store/sqlite/internal.h"

#include "base/mem.h"
#include "platform/clock.h"

#include <stdio.h>
#include <string.h>

#define PATH_SIZE 4096
#define DATABASE "mailmod.db"
#define LOCK "mailmod.lock"

static const struct mm_store_ops operations;

struct mm_sqlite *mm_sqlite_of(struct mm_store *base)
{
    return MM_LIST_OBJECT(base, struct mm_sqlite, base);
}

const struct mm_sqlite *mm_sqlite_of_const(const struct mm_store *base)
{
    return MM_LIST_OBJECT(base, const struct mm_sqlite, base);
}

struct mm_sqlite_transaction *
mm_sqlite_transaction_of(struct mm_store_transaction *base)
{
    return MM_LIST_OBJECT(base, struct mm_sqlite_transaction, base);
}

struct mm_sqlite_transaction
mm_sqlite_transaction_begin(struct mm_sqlite *store)
{
    return (struct mm_sqlite_transaction){.base.store = &store->base,
                                          .store = store,
                                          .connection = &store->writer};
}

static void set_free_space_min(struct mm_store *base, uint64_t octets)
{
    struct mm_sqlite *store = mm_sqlite_of(base);
    atomic_store(&store->free_space_min, octets);
}

static uint64_t new_message_id(struct mm_store *base)
{
    return mm_message_id_next(&mm_sqlite_of(base)->ids, mm_clock_wall_ms());
}

static char *join(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = mm_alloc(size);

    if (path != NULL) {
        (void)snprintf(path, size, "%s/%s", folder, name);
    }
    return path;
}

bool mm_sqlite_path(const char *folder, const char *name,
                    char path_out[MM_STORE_PATH_SIZE])
{
    int size = snprintf(path_out, MM_STORE_PATH_SIZE, "%s/%s", folder, name);

    return size > 0 && size < MM_STORE_PATH_SIZE;
}

static enum mailmod_error init_store(struct mm_sqlite *store,
                                     const struct mm_log *log)
{
    store->base.ops = &operations;
    store->log = log;
    store->syncs = true;
    mm_list_init(&store->jobs);
    mm_list_init(&store->idle_readers);
    mm_list_init(&store->lent_readers);
    enum mailmod_error error = mm_mutex_new(&store->mutex);
    if (error == MAILMOD_OK) {
        error = mm_condition_new(&store->condition);
    }
    if (error == MAILMOD_OK) {
        error = mm_mutex_new(&store->reader_mutex);
    }
    if (error == MAILMOD_OK) {
        error = mm_condition_new(&store->reader_condition);
    }
    if (error == MAILMOD_OK) {
        error = mm_store_news_init(&store->base.news);
    }
    if (error == MAILMOD_OK) {
        error = mm_store_locks_init(&store->base.locks);
    }
    return error;
}

static void close_store(struct mm_store *base)
{
    struct mm_sqlite *store = mm_sqlite_of(base);

    mm_writer_stop(store);
    mm_readers_close(store);
    mm_connection_close(&store->writer);
    mm_log_writes_end(store);
    mm_health_end(store);
    mm_file_lock_close(&store->lock);
    mm_store_locks_fini(&store->base.locks);
    mm_store_news_fini(&store->base.news);
    mm_condition_free(&store->reader_condition);
    mm_mutex_free(&store->reader_mutex);
    mm_condition_free(&store->condition);
    mm_mutex_free(&store->mutex);
    mm_secret_clear(store->secret, sizeof store->secret);
    mm_free(store->lock_path);
    mm_free(store->folder);
    mm_free(store->path);
    mm_free(store);
}

static enum mailmod_error prepare_folder(struct mm_sqlite *store,
                                         const struct mm_store_options *options)
{
    store->folder = mm_strdup(options->description);
    store->path = join(options->description, DATABASE);
    if (store->folder == NULL || store->path == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    store->lock_path = join(options->description, LOCK);
    if (store->lock_path == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    if (options->mode == MM_STORE_SHARED) {
        return MAILMOD_OK;
    }
    enum mailmod_error error = mm_fs_make_folder(options->description);
    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_file_lock_open(&store->lock, store->lock_path);
    return error;
}

bool mm_sqlite_is_in_use(const char *data_folder)
{
    struct mm_file_lock *lock = NULL;
    char *path = join(data_folder, LOCK);
    enum mailmod_error error = path == NULL || !mm_fs_exists(path)
                                   ? MAILMOD_ERROR_NOT_FOUND
                                   : mm_file_lock_open(&lock, path);
    if (error == MAILMOD_OK) {
        mm_file_lock_close(&lock);
    }
    mm_free(path);
    return error == MAILMOD_ERROR_BUSY;
}

static void explain(const struct mm_sqlite *store,
                    const struct mm_store_options *options,
                    enum mailmod_error error, struct mm_buf *reason_out)
{
    const char *path = store->path != NULL ? store->path : options->description;

    if (reason_out == NULL || mm_buf_size(reason_out) > 0) {
        return;
    }
    if (error == MAILMOD_ERROR_STORAGE_DAMAGED) {
        (void)mm_buf_appendf(
            reason_out,
            "%s: the store is damaged. Stop mailmod and keep a copy of the "
            "whole folder first. \"mailmodctl store verify\" lists the damage; "
            "restore a backup, or save what can be read with \"sqlite3 "
            "mailmod.db .dump\" as docs/store-format.md tells",
            path);
    } else if (error == MAILMOD_ERROR_BUSY) {
        (void)mm_buf_appendf(reason_out,
                             "another mailmod is running on the data folder %s",
                             options->description);
    } else {
        (void)mm_buf_appendf(reason_out, "%s: %s", path, mm_error_text(error));
    }
}

static enum mailmod_error open_store(struct mm_sqlite *store,
                                     const struct mm_store_options *options,
                                     struct mm_buf *reason_out)
{
    bool is_owner = options->mode == MM_STORE_EXCLUSIVE;
    enum mailmod_error error = init_store(store, options->log);

    store->syncs = options->syncs;
    store->is_shared = !is_owner;
    store->erase = options->erase;
    atomic_store(&store->free_space_min, options->free_space_min);
    if (error == MAILMOD_OK) {
        error = mm_sqlite_choose_node(store);
    }
    if (error == MAILMOD_OK) {
        error = prepare_folder(store, options);
    }
    if (error == MAILMOD_OK) {
        error = mm_schema_find_file(store, is_owner, reason_out);
    }
    if (error == MAILMOD_OK) {
        error = mm_connection_open(&store->writer, store, true);
    }
    if (error == MAILMOD_OK) {
        error = mm_schema_settle(store, is_owner, reason_out);
    }
    if (error == MAILMOD_OK) {
        mm_chores_begin(store);
        error = mm_health_begin(store);
    }
    if (error == MAILMOD_OK) {
        (void)mm_sqlite_has_space(store); /* told at the start already */
        error = mm_writer_start(store);
        if (error != MAILMOD_OK && reason_out != NULL) {
            (void)mm_buf_appendf(reason_out,
                                 "%s: the store's thread cannot be started: %s",
                                 store->path, mm_error_text(error));
        }
    }
    return error;
}

enum mailmod_error mm_sqlite_open(struct mm_store **store_out,
                                  const struct mm_store_options *options,
                                  struct mm_buf *reason_out)
{
    struct mm_sqlite *store = mm_alloc(sizeof *store);

    *store_out = NULL;
    if (store == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error = open_store(store, options, reason_out);
    if (error != MAILMOD_OK) {
        explain(store, options, error, reason_out);
        close_store(&store->base);
        return error;
    }
    *store_out = &store->base;
    return MAILMOD_OK;
}

static enum mailmod_error read_secret(struct mm_store *base,
                                      uint8_t secret_out[32])
{
    struct mm_sqlite *store = mm_sqlite_of(base);
    memcpy(secret_out, store->secret, sizeof store->secret);
    return MAILMOD_OK;
}

static void read_counters(const struct mm_store *base,
                          struct mm_store_counters *counters_out)
{
    const struct mm_sqlite *store = mm_sqlite_of_const(base);
    counters_out->jobs = atomic_load(&store->job_count);
    counters_out->commits = atomic_load(&store->commit_count);
}

static const struct mm_store_ops operations = {
    .close = close_store,
    .new_message_id = new_message_id,
    .submit = mm_sqlite_submit,
    .is_writable = mm_sqlite_is_writable,
    .is_settling = mm_sqlite_is_settling,
    .lock_mailbox = mm_store_locks_lock,
    .unlock_mailbox = mm_store_locks_unlock,
    .set_free_space_min = set_free_space_min,
    .has_room_for = mm_sqlite_has_room_for,
    .counters = read_counters,
    .secret = read_secret,
    MM_STORE_VERBS(MM_STORE_ENTRY, mm_sqlite_)};
