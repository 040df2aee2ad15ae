/* store.c - opening and closing the store in memory, and its disk.
 *
 * Owns: a disk that was not lent, the writer. Promises: as memory.h says; an
 * opening sweeps what was never finished, as after any restart.
 * Thread: any. */
#include "base/mem.h"
#include "base/splitmix.h"
#include "platform/clock.h"
#include "platform/random.h"
#include "store/memory/internal.h"

#include <string.h>

static const struct mm_store_ops operations;

struct mm_memory *mm_memory_of(struct mm_store *base)
{
    return MM_LIST_OBJECT(base, struct mm_memory, base);
}

static const struct mm_memory *look(const struct mm_store *base)
{
    return MM_LIST_OBJECT(base, const struct mm_memory, base);
}

static enum mailmod_error draw_secret(struct mm_memory_disk *disk)
{
    if (disk->seed == 0) {
        return mm_random(disk->secret, sizeof disk->secret);
    }
    for (size_t i = 0; i < sizeof disk->secret; i++) {
        disk->secret[i] = (uint8_t)mm_splitmix_next(&disk->seed);
    }
    return MAILMOD_OK;
}

enum mailmod_error mm_memory_disk_new(struct mm_memory_disk **disk_out,
                                      uint64_t seed)
{
    struct mm_memory_disk *disk = mm_alloc(sizeof *disk);
    *disk_out = NULL;
    if (disk == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    mm_tables_init(disk);
    disk->seed = seed;
    disk->room = UINT64_MAX;
    enum mailmod_error error = mm_mutex_new(&disk->mutex);
    if (error == MAILMOD_OK) {
        error = draw_secret(disk);
    }
    if (error != MAILMOD_OK) {
        mm_memory_disk_free(&disk);
        return error;
    }
    *disk_out = disk;
    return MAILMOD_OK;
}

void mm_memory_disk_free(struct mm_memory_disk **disk_in)
{
    struct mm_memory_disk *disk = *disk_in;
    *disk_in = NULL;
    if (disk != NULL) {
        mm_tables_fini(disk);
        mm_mutex_free(&disk->mutex);
        mm_secret_clear(disk, sizeof *disk);
        mm_free(disk);
    }
}

static void free_store(struct mm_memory *store)
{
    mm_store_locks_fini(&store->base.locks);
    mm_store_news_fini(&store->base.news);
    mm_condition_free(&store->condition);
    mm_mutex_free(&store->mutex);
    if (store->owns_disk) {
        mm_memory_disk_free(&store->disk);
    }
    mm_free(store->changes);
    mm_free(store);
}

static void close_store(struct mm_store *base)
{
    struct mm_memory *store = mm_memory_of(base);
    while (mm_memory_step(base)) {
    }
    mm_mutex_lock(store->mutex);
    store->is_closing = true;
    mm_condition_broadcast(store->condition);
    mm_mutex_unlock(store->mutex);
    if (store->thread != NULL) {
        mm_thread_join(&store->thread);
    }
    store->disk->is_open = false;
    free_store(store);
}

static enum mailmod_error begin(struct mm_memory *store)
{
    enum mailmod_error error = mm_store_news_init(&store->base.news);
    if (error == MAILMOD_OK) {
        error = mm_store_locks_init(&store->base.locks);
    }
    if (error == MAILMOD_OK) {
        error = mm_mutex_new(&store->mutex);
    }
    if (error == MAILMOD_OK) {
        error = mm_condition_new(&store->condition);
    }
    if (error == MAILMOD_OK) {
        struct mm_journal_mark before = mm_journal_mark(store);
        error = mm_memory_sweep(store);
        if (error == MAILMOD_OK) {
            mm_journal_keep(store);
        } else {
            mm_journal_take_back(store, &before);
        }
    }
    if (error == MAILMOD_OK && !store->is_stepped) {
        error = mm_thread_start(&store->thread, "mm-store",
                                mm_memory_run_writer, store);
    }
    return error;
}

static enum mailmod_error open_on(struct mm_store **store_out,
                                  const struct mm_memory_options *options,
                                  bool owns_disk)
{
    struct mm_memory *store = mm_alloc(sizeof *store);
    if (store == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    store->base.ops = &operations;
    store->log = options->log;
    store->disk = options->disk;
    store->is_stepped = options->is_stepped;
    store->reruns = options->reruns;
    store->wall_ms = options->wall_ms;
    store->context = options->context;
    store->has_power = true;
    atomic_store(&store->is_writable, true);
    mm_list_init(&store->jobs);
    enum mailmod_error error = begin(store);
    if (error != MAILMOD_OK) {
        free_store(store);
        return error;
    }
    store->owns_disk = owns_disk;
    store->disk->is_open = true;
    *store_out = &store->base;
    return MAILMOD_OK;
}

enum mailmod_error mm_memory_open(struct mm_store **store_out,
                                  const struct mm_memory_options *options)
{
    *store_out = NULL;
    return options->disk->is_open ? MAILMOD_ERROR_BUSY
                                  : open_on(store_out, options, false);
}

enum mailmod_error
mm_memory_open_described(struct mm_store **store_out,
                         const struct mm_store_options *options,
                         struct mm_buf *reason_out)
{
    struct mm_memory_options own = {.log = options->log};
    enum mailmod_error error = mm_memory_disk_new(&own.disk, 0);
    (void)reason_out;
    if (error == MAILMOD_OK) {
        error = open_on(store_out, &own, true);
        if (error != MAILMOD_OK) {
            mm_memory_disk_free(&own.disk);
        }
    }
    if (error == MAILMOD_OK) {
        (*store_out)
            ->ops->set_free_space_min(*store_out, options->free_space_min);
    }
    return error;
}

void mm_memory_answer_late(struct mm_store *store)
{
    store->waits = true;
}

void mm_memory_fail(struct mm_memory_disk *disk, enum mm_memory_fault which,
                    uint64_t nth, enum mailmod_error error)
{
    mm_mutex_lock(disk->mutex);
    disk->faults[which].in = nth;
    disk->faults[which].error = error;
    mm_mutex_unlock(disk->mutex);
}

void mm_memory_set_room(struct mm_memory_disk *disk, uint64_t octets)
{
    mm_mutex_lock(disk->mutex);
    disk->room = octets;
    mm_mutex_unlock(disk->mutex);
}

static struct mm_chunk_row *find_chunk(struct mm_memory_disk *disk,
                                       uint64_t message_id, unsigned number)
{
    struct mm_chunk_row *chunk = mm_chunk_row_from(disk, message_id, number);
    return chunk != NULL && chunk->message_id == message_id &&
                   chunk->number == number
               ? chunk
               : NULL;
}

bool mm_memory_damage(struct mm_memory_disk *disk, uint64_t message_id,
                      unsigned number)
{
    mm_mutex_lock(disk->mutex);
    struct mm_chunk_row *chunk = find_chunk(disk, message_id, number);
    if (chunk != NULL && chunk->size > 0) {
        chunk->data[chunk->size / 2] ^= 1;
    }
    mm_mutex_unlock(disk->mutex);
    return chunk != NULL;
}

static uint64_t new_message_id(struct mm_store *base)
{
    struct mm_memory *store = mm_memory_of(base);
    int64_t wall_ms = store->wall_ms != NULL ? store->wall_ms(store->context)
                                             : mm_clock_wall_ms();
    return mm_message_id_next(&store->disk->ids, wall_ms);
}

static bool is_writable(const struct mm_store *base)
{
    return atomic_load(&look(base)->is_writable);
}

static bool is_settling(struct mm_store *base)
{
    (void)base;
    return false;
}

static void set_free_space_min(struct mm_store *base, uint64_t octets)
{
    atomic_store(&mm_memory_of(base)->free_space_min, octets);
}

static bool has_room_for(struct mm_store *base, uint64_t octets)
{
    struct mm_memory *store = mm_memory_of(base);
    mm_mutex_lock(store->disk->mutex);
    bool has_room = mm_memory_has_room(store, octets);
    mm_mutex_unlock(store->disk->mutex);
    return has_room;
}

static void counters(const struct mm_store *base,
                     struct mm_store_counters *counters_out)
{
    counters_out->jobs = atomic_load(&look(base)->job_count);
    counters_out->commits = atomic_load(&look(base)->commit_count);
}

static enum mailmod_error secret(struct mm_store *base, uint8_t secret_out[32])
{
    memcpy(secret_out, mm_memory_of(base)->disk->secret, 32);
    return MAILMOD_OK;
}

enum mailmod_error mm_memory_backup(struct mm_store *base, const char *path,
                                    mm_store_progress progress, void *context,
                                    struct mm_buf *reason_out)
{
    (void)base;
    (void)progress;
    (void)context;
    if (reason_out != NULL) {
        (void)mm_buf_appendf(reason_out, "%s: a store in memory has no backup",
                             path);
    }
    return MAILMOD_ERROR_STATE;
}

static const struct mm_store_ops operations = {
    .close = close_store,
    .new_message_id = new_message_id,
    .submit = mm_memory_submit,
    .is_writable = is_writable,
    .is_settling = is_settling,
    .lock_mailbox = mm_store_locks_lock,
    .unlock_mailbox = mm_store_locks_unlock,
    .set_free_space_min = set_free_space_min,
    .has_room_for = has_room_for,
    .counters = counters,
    .secret = secret,
    .step = mm_memory_step,
    MM_STORE_VERBS(MM_STORE_ENTRY, mm_memory_)};
