/* mailbox.c - mailboxes and their entries in memory.
 *
 * Promises: numbers rise and are never given twice in a mailbox; what it holds
 * is counted in its row. A removal, however large, is done in its own
 * transaction. Thread: the writer's verbs on the writer; the others on any. */
#include "base/mem.h"
#include "store/memory/internal.h"

#include <string.h>

struct mm_mailbox_row *mm_find_mailbox_row(struct mm_memory_disk *disk,
                                           uint64_t id)
{
    struct mm_mailbox_row key = {.id = id};
    struct mm_row *row = mm_table_find(disk, MM_TABLE_MAILBOX, &key.row);
    return row != NULL ? MM_ROW(struct mm_mailbox_row, row) : NULL;
}

struct mm_entry_row *mm_entry_row_from(struct mm_memory_disk *disk,
                                       uint64_t mailbox_id, uint64_t number)
{
    struct mm_entry_row key = {.mailbox_id = mailbox_id,
                               .entry.unique_number = number};
    struct mm_row *row = mm_table_from(disk, MM_TABLE_ENTRY, &key.row);
    return row != NULL ? MM_ROW(struct mm_entry_row, row) : NULL;
}

/* The mailbox's next number, and one entry more. */
enum mailmod_error mm_memory_count_entry(struct mm_memory *store,
                                         struct mm_mailbox_row *mailbox,
                                         uint64_t size)
{
    struct mm_row *copy = mm_row_copy(&mailbox->row);
    if (copy != NULL) {
        struct mm_mailbox_row *changed = MM_ROW(struct mm_mailbox_row, copy);
        changed->next_number++;
        changed->entries++;
        changed->octets += size;
    }
    return mm_row_change(store, MM_TABLE_MAILBOX, &mailbox->row, copy);
}

enum mailmod_error
mm_memory_put_entry(struct mm_store_transaction *base, uint64_t mailbox_id,
                    uint64_t message_id, uint64_t served_size,
                    const struct mm_store_entry_detail *detail)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    if (store == NULL) {
        return error;
    }
    struct mm_mailbox_row *mailbox =
        mm_find_mailbox_row(store->disk, mailbox_id);
    if (mailbox == NULL) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    struct mm_row *row =
        mm_row_new(detail != NULL ? sizeof(struct mm_entry_row)
                                  : offsetof(struct mm_entry_row, detail));
    if (row == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    struct mm_entry_row *entry = MM_ROW(struct mm_entry_row, row);
    entry->mailbox_id = mailbox_id;
    entry->entry =
        (struct mm_store_entry){.unique_number = mailbox->next_number,
                                .message_id = message_id,
                                .size = served_size};
    if (detail != NULL) {
        entry->entry.flags = mm_store_entry_flags(detail);
        entry->detail = *detail;
    }
    error = mm_row_add(store, MM_TABLE_ENTRY, row);
    if (error == MAILMOD_OK) {
        error = mm_memory_count_entry(store, mailbox, served_size);
    }
    return error == MAILMOD_OK ? mm_memory_refer(store, message_id) : error;
}

enum mailmod_error mm_memory_take_entry(struct mm_memory *store,
                                        struct mm_entry_row *row,
                                        int64_t keep_ms)
{
    uint64_t message_id = row->entry.message_id;
    struct mm_mailbox_row *mailbox =
        mm_find_mailbox_row(store->disk, row->mailbox_id);
    enum mailmod_error error =
        keep_ms > 0 ? mm_memory_keep_deleted(store, row, keep_ms) : MAILMOD_OK;
    if (error == MAILMOD_OK && mailbox != NULL) {
        struct mm_row *copy = mm_row_copy(&mailbox->row);
        if (copy != NULL) {
            MM_ROW(struct mm_mailbox_row, copy)->entries--;
            MM_ROW(struct mm_mailbox_row, copy)->octets -= row->entry.size;
        }
        error = mm_row_change(store, MM_TABLE_MAILBOX, &mailbox->row, copy);
    }
    if (error == MAILMOD_OK) {
        error = mm_row_remove(store, MM_TABLE_ENTRY, &row->row);
    }
    return error == MAILMOD_OK && keep_ms == 0
               ? mm_memory_unrefer(store, message_id)
               : error;
}

enum mailmod_error mm_memory_remove_entries(struct mm_store_transaction *base,
                                            uint64_t mailbox_id,
                                            const uint64_t *unique_numbers,
                                            size_t count, int64_t keep_ms)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    for (size_t i = 0; store != NULL && error == MAILMOD_OK && i < count; i++) {
        struct mm_entry_row *row =
            mm_entry_row_from(store->disk, mailbox_id, unique_numbers[i]);
        if (row != NULL && row->mailbox_id == mailbox_id &&
            row->entry.unique_number == unique_numbers[i]) {
            error = mm_memory_take_entry(store, row, keep_ms);
        }
    }
    return error;
}

enum mailmod_error mm_memory_list_entries(struct mm_store *base,
                                          uint64_t mailbox_id,
                                          uint64_t after_number,
                                          struct mm_store_entry *entries_out,
                                          size_t count_max, size_t *count_out)
{
    struct mm_memory_disk *disk = mm_memory_read(base);
    struct mm_entry_row *row =
        mm_entry_row_from(disk, mailbox_id, after_number + 1);
    while (*count_out < count_max && row != NULL &&
           row->mailbox_id == mailbox_id) {
        entries_out[(*count_out)++] = row->entry;
        row = mm_entry_row_from(disk, mailbox_id, row->entry.unique_number + 1);
    }
    mm_memory_read_end(base);
    return MAILMOD_OK;
}

enum mailmod_error
mm_memory_find_entry(struct mm_store *base, uint64_t mailbox_id,
                     uint64_t unique_number,
                     struct mm_store_entry_detail *detail_out)
{
    struct mm_entry_row *row =
        mm_entry_row_from(mm_memory_read(base), mailbox_id, unique_number);
    bool found = row != NULL && row->mailbox_id == mailbox_id &&
                 row->entry.unique_number == unique_number;
    if (found) {
        memset(detail_out, 0, sizeof *detail_out);
        if (mm_entry_has_detail(row)) {
            *detail_out = row->detail;
        }
    }
    mm_memory_read_end(base);
    return found ? MAILMOD_OK : MAILMOD_ERROR_NOT_FOUND;
}

enum mailmod_error mm_memory_mailbox_use(struct mm_store *base,
                                         uint64_t mailbox_id,
                                         uint64_t *entries_out,
                                         uint64_t *octets_out)
{
    struct mm_mailbox_row *row =
        mm_find_mailbox_row(mm_memory_read(base), mailbox_id);
    if (row != NULL) {
        *entries_out = row->entries;
        *octets_out = row->octets;
    }
    mm_memory_read_end(base);
    return row != NULL ? MAILMOD_OK : MAILMOD_ERROR_NOT_FOUND;
}

enum mailmod_error mm_memory_mailbox_tag(struct mm_store *base,
                                         uint64_t mailbox_id, uint32_t *tag_out)
{
    struct mm_mailbox_row *row =
        mm_find_mailbox_row(mm_memory_read(base), mailbox_id);
    if (row != NULL) {
        *tag_out = row->tag;
    }
    mm_memory_read_end(base);
    return row != NULL ? MAILMOD_OK : MAILMOD_ERROR_NOT_FOUND;
}

enum mailmod_error mm_memory_octets_of(struct mm_store_transaction *base,
                                       uint64_t mailbox_id,
                                       uint64_t *octets_out)
{
    struct mm_mailbox_row *row =
        mm_find_mailbox_row(mm_memory_of(base->store)->disk, mailbox_id);
    if (row == NULL) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    *octets_out = row->octets;
    return MAILMOD_OK;
}
