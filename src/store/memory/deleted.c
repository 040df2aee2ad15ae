/* deleted.c - deleted mail that stays in memory for a time.
 *
 * Promises what sqlite/deleted.c promises: a message is in the mailbox or
 * deleted, never both, and has one who refers to it in either place; restored,
 * it is new mail. Thread: the writer's verbs on the writer; listings on any. */
#include "store/memory/internal.h"

/* The first at this place or behind it. */
static struct mm_entry_row *deleted_from(struct mm_memory_disk *disk,
                                         uint64_t mailbox_id, uint64_t number)
{
    struct mm_entry_row key = {.mailbox_id = mailbox_id,
                               .entry.unique_number = number};
    struct mm_row *row = mm_table_from(disk, MM_TABLE_DELETED, &key.row);
    return row != NULL ? MM_ROW(struct mm_entry_row, row) : NULL;
}

/* The same row in another table, without a unique-id text. */
static enum mailmod_error copy_to(struct mm_memory *store,
                                  enum mm_memory_table table,
                                  const struct mm_entry_row *row,
                                  uint64_t number, int64_t deleted_ms)
{
    struct mm_row *copy = mm_row_copy(&row->row);
    if (copy == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    struct mm_entry_row *moved = MM_ROW(struct mm_entry_row, copy);
    moved->entry.unique_number = number;
    moved->deleted_ms = deleted_ms;
    if (mm_entry_has_detail(moved)) {
        moved->detail.uidl[0] = '\0';
    }
    return mm_row_add(store, table, copy);
}

enum mailmod_error mm_memory_keep_deleted(struct mm_memory *store,
                                          const struct mm_entry_row *row,
                                          int64_t now_ms)
{
    return copy_to(store, MM_TABLE_DELETED, row, row->entry.unique_number,
                   now_ms);
}

enum mailmod_error mm_memory_restore_deleted(struct mm_store_transaction *base,
                                             uint64_t mailbox_id,
                                             uint64_t unique_number)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    if (store == NULL) {
        return error;
    }
    struct mm_entry_row *kept =
        deleted_from(store->disk, mailbox_id, unique_number);
    struct mm_mailbox_row *mailbox =
        mm_find_mailbox_row(store->disk, mailbox_id);
    if (kept == NULL || kept->mailbox_id != mailbox_id ||
        kept->entry.unique_number != unique_number || mailbox == NULL) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    uint64_t size = kept->entry.size;
    error = copy_to(store, MM_TABLE_ENTRY, kept, mailbox->next_number, 0);
    if (error == MAILMOD_OK) {
        error = mm_row_remove(store, MM_TABLE_DELETED, &kept->row);
    }
    return error == MAILMOD_OK ? mm_memory_count_entry(store, mailbox, size)
                               : error;
}

static enum mailmod_error drop(struct mm_memory *store,
                               struct mm_entry_row *kept)
{
    uint64_t message_id = kept->entry.message_id;
    enum mailmod_error error =
        mm_row_remove(store, MM_TABLE_DELETED, &kept->row);
    return error == MAILMOD_OK ? mm_memory_unrefer(store, message_id) : error;
}

enum mailmod_error mm_memory_drop_deleted_of(struct mm_memory *store,
                                             uint64_t mailbox_id)
{
    enum mailmod_error error = MAILMOD_OK;
    struct mm_entry_row *kept;
    while (error == MAILMOD_OK &&
           (kept = deleted_from(store->disk, mailbox_id, 0)) != NULL &&
           kept->mailbox_id == mailbox_id) {
        error = drop(store, kept);
    }
    return error;
}

enum mailmod_error mm_memory_sweep_deleted(struct mm_store_transaction *base,
                                           int64_t before_ms, size_t count_max,
                                           size_t *count_out)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    *count_out = 0;
    while (store != NULL && error == MAILMOD_OK && *count_out < count_max) {
        struct mm_row *row = mm_row_of_other(
            mm_tree_first(&store->disk->tables[MM_TABLE_DELETED].other));
        struct mm_entry_row *kept =
            row != NULL ? MM_ROW(struct mm_entry_row, row) : NULL;
        if (kept == NULL || kept->deleted_ms >= before_ms) {
            break;
        }
        error = drop(store, kept);
        ++*count_out;
    }
    return error;
}

enum mailmod_error mm_memory_list_deleted(struct mm_store *base,
                                          uint64_t mailbox_id,
                                          uint64_t after_number,
                                          struct mm_store_deleted *deleted_out,
                                          size_t count_max, size_t *count_out)
{
    struct mm_memory_disk *disk = mm_memory_read(base);
    struct mm_entry_row *row = deleted_from(disk, mailbox_id, after_number + 1);
    while (*count_out < count_max && row != NULL &&
           row->mailbox_id == mailbox_id) {
        deleted_out[(*count_out)++] =
            (struct mm_store_deleted){row->entry, row->deleted_ms};
        row = deleted_from(disk, mailbox_id, row->entry.unique_number + 1);
    }
    mm_memory_read_end(base);
    return MAILMOD_OK;
}
