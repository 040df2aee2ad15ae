/* kept.c - what left the queue and is kept for some days, in memory.
 *
 * Promises as sqlite/kept.c does. Thread: the writer's verbs on the writer; the
 * others on any. */
#include "store/memory/internal.h"

#include <string.h>

static struct mm_kept_row *find(struct mm_memory_disk *disk,
                                uint64_t message_id, unsigned number)
{
    const struct mm_kept_row key = {
        .kept.recipient = {.message_id = message_id, .number = number}};
    struct mm_row *row = mm_table_find(disk, MM_TABLE_KEPT, &key.row);
    return row != NULL ? MM_ROW(struct mm_kept_row, row) : NULL;
}

static struct mm_recipient_row *find_recipient(struct mm_memory_disk *disk,
                                               uint64_t message_id,
                                               unsigned number)
{
    struct mm_recipient_row *row =
        mm_recipient_row_from(disk, message_id, number);
    return row != NULL && row->recipient.message_id == message_id &&
                   row->recipient.number == number
               ? row
               : NULL;
}

enum mailmod_error mm_memory_keep_recipient(struct mm_store_transaction *base,
                                            const struct mm_store_kept *kept)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    if (store == NULL) {
        return error;
    }
    struct mm_recipient_row *old = find_recipient(
        store->disk, kept->recipient.message_id, kept->recipient.number);
    if (old == NULL) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    struct mm_row *row = mm_row_new(sizeof(struct mm_kept_row));
    if (row == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    struct mm_store_kept *put = &MM_ROW(struct mm_kept_row, row)->kept;
    put->kind = kept->kind;
    put->kept_ms = kept->kept_ms;
    put->recipient = old->recipient;
    put->recipient.attempts = kept->recipient.attempts;
    put->recipient.unsure_host[0] = '\0';
    memcpy(put->recipient.last_reply, kept->recipient.last_reply,
           sizeof put->recipient.last_reply);
    error = mm_row_add(store, MM_TABLE_KEPT, row);
    return error == MAILMOD_OK
               ? mm_row_remove(store, MM_TABLE_RECIPIENT, &old->row)
               : error;
}

enum mailmod_error mm_memory_requeue_kept(struct mm_store_transaction *base,
                                          uint64_t message_id, unsigned number,
                                          int64_t now_ms, int64_t expires_ms)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    if (store == NULL) {
        return error;
    }
    struct mm_kept_row *old = find(store->disk, message_id, number);
    if (old == NULL) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    struct mm_row *row = mm_row_new(sizeof(struct mm_recipient_row));
    if (row == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    struct mm_store_recipient *put =
        &MM_ROW(struct mm_recipient_row, row)->recipient;
    *put = old->kept.recipient;
    put->state = MM_RECIPIENT_WAITING;
    put->next_attempt_ms = now_ms;
    put->read_attempt_ms = now_ms;
    put->expires_ms = expires_ms;
    put->attempts = 0;
    put->was_warned = false;
    put->last_reply[0] = '\0';
    error = mm_row_add(store, MM_TABLE_RECIPIENT, row);
    if (error == MAILMOD_OK) {
        error = mm_row_remove(store, MM_TABLE_KEPT, &old->row);
    }
    mm_store_news_add_all(&store->base.news);
    store->disk->flush_count++;
    return error;
}

static enum mailmod_error drop(struct mm_memory *store, struct mm_kept_row *row)
{
    uint64_t message_id = row->kept.recipient.message_id;
    enum mailmod_error error = mm_row_remove(store, MM_TABLE_KEPT, &row->row);
    return error == MAILMOD_OK ? mm_memory_unrefer(store, message_id) : error;
}

enum mailmod_error mm_memory_drop_kept(struct mm_store_transaction *base,
                                       uint64_t message_id, unsigned number)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    if (store == NULL) {
        return error;
    }
    struct mm_kept_row *row = find(store->disk, message_id, number);
    return row != NULL ? drop(store, row) : MAILMOD_ERROR_NOT_FOUND;
}

/* The one of the kind that is kept longest. */
static struct mm_kept_row *oldest(const struct mm_memory_disk *disk,
                                  enum mailmod_kept_kind kind)
{
    const struct mm_kept_row key = {
        .kept = {.kind = kind, .kept_ms = INT64_MIN}};
    struct mm_row *row = mm_row_of_other(
        mm_tree_from(&disk->tables[MM_TABLE_KEPT].other, &key.row.other));
    return row != NULL && MM_ROW(struct mm_kept_row, row)->kept.kind == kind
               ? MM_ROW(struct mm_kept_row, row)
               : NULL;
}

enum mailmod_error mm_memory_sweep_kept(struct mm_store_transaction *base,
                                        enum mailmod_kept_kind kind,
                                        int64_t before_ms, size_t count_max,
                                        size_t *count_out)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    if (store == NULL) {
        return error;
    }
    error = MAILMOD_OK;
    struct mm_kept_row *row = oldest(store->disk, kind);
    while (error == MAILMOD_OK && row != NULL && *count_out < count_max &&
           row->kept.kept_ms < before_ms) {
        error = drop(store, row);
        *count_out += error == MAILMOD_OK ? 1 : 0;
        row = oldest(store->disk, kind);
    }
    return error;
}

enum mailmod_error mm_memory_each_kept(
    struct mm_store *base, enum mailmod_kept_kind kind,
    const struct mm_due_key *after, uint64_t last_message_id,
    bool (*visit)(void *context, const struct mm_store_message *message,
                  const struct mm_store_kept *kept),
    void *context)
{
    struct mm_memory_disk *disk = mm_memory_read(base);
    const struct mm_kept_row key = {
        .kept.recipient = {.message_id = after->message_id,
                           .number = (unsigned)(after->number + 1)}};
    struct mm_row *row = mm_table_from(disk, MM_TABLE_KEPT, &key.row);
    bool goes_on = true;
    while (goes_on && row != NULL) {
        const struct mm_store_kept *kept =
            &MM_ROW(struct mm_kept_row, row)->kept;
        const struct mm_message_row *message =
            mm_find_message_row(disk, kept->recipient.message_id);
        if (kept->recipient.message_id > last_message_id) {
            break;
        }
        goes_on = kept->kind != kind || message == NULL ||
                  visit(context, &message->message, kept);
        row = mm_table_behind(disk, MM_TABLE_KEPT, row);
    }
    mm_memory_read_end(base);
    return MAILMOD_OK;
}
