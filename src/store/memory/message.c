/* message.c - messages and their bodies in memory.
 *
 * The law of a message: it counts who refers to it, and goes with its chunks
 * when the last one lets go. What nobody refers to is swept at the opening.
 * Thread: the writer's verbs on the writer; the others on any. */
#include "base/checksum.h"
#include "base/mem.h"
#include "store/memory/internal.h"

#include <string.h>

struct mm_message_row *mm_find_message_row(struct mm_memory_disk *disk,
                                           uint64_t id)
{
    struct mm_message_row key = {.message.id = id};
    struct mm_row *row = mm_table_find(disk, MM_TABLE_MESSAGE, &key.row);
    return row != NULL ? MM_ROW(struct mm_message_row, row) : NULL;
}

struct mm_chunk_row *mm_chunk_row_from(struct mm_memory_disk *disk,
                                       uint64_t message_id, int64_t number)
{
    struct mm_chunk_row key = {.message_id = message_id,
                               .number = (unsigned)number};
    struct mm_row *row = mm_table_from(disk, MM_TABLE_CHUNK, &key.row);
    return row != NULL ? MM_ROW(struct mm_chunk_row, row) : NULL;
}

bool mm_memory_has_room(const struct mm_memory *store, uint64_t size)
{
    uint64_t kept = atomic_load(&store->free_space_min);
    uint64_t used = store->disk->octets + size;
    return used <= store->disk->room && store->disk->room - used >= kept;
}

enum mailmod_error mm_memory_put_chunk(struct mm_store_transaction *base,
                                       uint64_t id, unsigned number,
                                       struct mm_span data)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    if (store == NULL) {
        return error;
    }
    if (!mm_memory_has_room(store, data.size)) {
        return MAILMOD_ERROR_STORAGE_FULL;
    }
    struct mm_row *row = mm_row_new(sizeof(struct mm_chunk_row) + data.size);
    if (row == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    struct mm_chunk_row *chunk = MM_ROW(struct mm_chunk_row, row);
    chunk->message_id = id;
    chunk->number = number;
    chunk->size = data.size;
    chunk->checksum = mm_checksum(data);
    if (data.size > 0) {
        memcpy(chunk->data, data.data, data.size);
    }
    return mm_row_add(store, MM_TABLE_CHUNK, row);
}

static enum mailmod_error drop_body(struct mm_memory *store, uint64_t id)
{
    enum mailmod_error error = MAILMOD_OK;
    struct mm_chunk_row *chunk;
    while (error == MAILMOD_OK &&
           (chunk = mm_chunk_row_from(store->disk, id, 0)) != NULL &&
           chunk->message_id == id) {
        error = mm_row_remove(store, MM_TABLE_CHUNK, &chunk->row);
    }
    return error;
}

enum mailmod_error mm_memory_drop_chunks(struct mm_store_transaction *base,
                                         uint64_t id)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    return store != NULL ? drop_body(store, id) : error;
}

enum mailmod_error mm_memory_put_message(struct mm_store_transaction *base,
                                         const struct mm_store_message *message)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    if (store == NULL) {
        return error;
    }
    struct mm_row *row = mm_row_new(sizeof(struct mm_message_row));
    if (row == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    MM_ROW(struct mm_message_row, row)->message = *message;
    return mm_row_add(store, MM_TABLE_MESSAGE, row);
}

static enum mailmod_error count(struct mm_memory *store,
                                struct mm_message_row *message, uint64_t count)
{
    struct mm_row *copy = mm_row_copy(&message->row);
    if (copy != NULL) {
        MM_ROW(struct mm_message_row, copy)->references = count;
    }
    return mm_row_change(store, MM_TABLE_MESSAGE, &message->row, copy);
}

enum mailmod_error mm_memory_refer(struct mm_memory *store, uint64_t message_id)
{
    struct mm_message_row *row = mm_find_message_row(store->disk, message_id);
    /* Not NOT_FOUND, which means a mailbox or a recipient that is gone. */
    return row != NULL ? count(store, row, row->references + 1)
                       : MAILMOD_ERROR_ARGUMENT;
}

enum mailmod_error mm_memory_unrefer(struct mm_memory *store,
                                     uint64_t message_id)
{
    struct mm_message_row *row = mm_find_message_row(store->disk, message_id);
    if (row == NULL) {
        return MAILMOD_OK;
    }
    if (row->references > 1) {
        return count(store, row, row->references - 1);
    }
    enum mailmod_error error =
        mm_row_remove(store, MM_TABLE_MESSAGE, &row->row);
    return error == MAILMOD_OK ? drop_body(store, message_id) : error;
}

enum mailmod_error mm_memory_find_message(struct mm_store *base,
                                          uint64_t message_id,
                                          struct mm_store_message *message_out)
{
    struct mm_message_row *row =
        mm_find_message_row(mm_memory_read(base), message_id);
    if (row != NULL) {
        *message_out = row->message;
    }
    mm_memory_read_end(base);
    return row != NULL ? MAILMOD_OK : MAILMOD_ERROR_NOT_FOUND;
}

static enum mailmod_error copy_chunk(struct mm_memory *store,
                                     const struct mm_chunk_row *chunk,
                                     struct mm_buf *out)
{
    struct mm_span data = mm_span(chunk->data, chunk->size);
    if (mm_checksum(data) == chunk->checksum) {
        return mm_buf_append(out, data.data, data.size);
    }
    char text[MM_MESSAGE_ID_TEXT_MAX];
    mm_message_id_format(chunk->message_id, text);
    MM_LOG(store->log, MM_LOG_ERROR, "store",
           "the body of a message was changed; it is not served",
           MM_TEXT("id", text));
    return MAILMOD_ERROR_STORAGE_DAMAGED;
}

/* A chunk that is not there is the end, or a hole when later ones are. */
enum mailmod_error mm_memory_read_chunk(struct mm_store *base,
                                        uint64_t message_id, unsigned number,
                                        struct mm_buf *out)
{
    struct mm_chunk_row *chunk =
        mm_chunk_row_from(mm_memory_read(base), message_id, number);
    enum mailmod_error error = MAILMOD_ERROR_NOT_FOUND;
    if (chunk != NULL && chunk->message_id == message_id) {
        error = chunk->number == number
                    ? copy_chunk(mm_memory_of(base), chunk, out)
                    : MAILMOD_ERROR_STORAGE_DAMAGED;
    }
    mm_memory_read_end(base);
    return error;
}

/* Chunks whose message never came. */
static enum mailmod_error sweep_chunks(struct mm_memory *store)
{
    enum mailmod_error error = MAILMOD_OK;
    struct mm_chunk_row *chunk = mm_chunk_row_from(store->disk, 0, 0);
    while (error == MAILMOD_OK && chunk != NULL) {
        uint64_t id = chunk->message_id;
        if (mm_find_message_row(store->disk, id) == NULL) {
            error = drop_body(store, id);
        }
        chunk = mm_chunk_row_from(store->disk, id + 1, 0);
    }
    return error;
}

enum mailmod_error mm_memory_sweep(struct mm_memory *store)
{
    enum mailmod_error error = MAILMOD_OK;
    struct mm_message_row key = {.message.id = 0};
    struct mm_row *row;
    while (error == MAILMOD_OK &&
           (row = mm_table_behind(store->disk, MM_TABLE_MESSAGE, &key.row)) !=
               NULL) {
        struct mm_message_row *message = MM_ROW(struct mm_message_row, row);
        key.message.id = message->message.id;
        if (message->references == 0) {
            error = mm_memory_unrefer(store, message->message.id);
        }
    }
    return error == MAILMOD_OK ? sweep_chunks(store) : error;
}
