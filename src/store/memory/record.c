/* record.c - what hangs on a name, in memory.
 *
 * Owns nothing. Promises what sqlite/record.c does.
 * Thread: what takes a transaction: writer; the rest: any. */
#include "store/memory/internal.h"

#include <string.h>

static struct mm_record_row place(enum mm_store_record_kind kind,
                                  const char *name, const char *key)
{
    struct mm_record_row wanted = {.record.kind = kind};
    (void)mm_span_copy(mm_span_cstr(name), wanted.record.name,
                       sizeof wanted.record.name);
    (void)mm_span_copy(mm_span_cstr(key), wanted.record.key,
                       sizeof wanted.record.key);
    return wanted;
}

static struct mm_row *find(struct mm_memory_disk *disk,
                           enum mm_store_record_kind kind, const char *name,
                           const char *key)
{
    const struct mm_record_row wanted = place(kind, name, key);
    return mm_table_find(disk, MM_TABLE_RECORD, &wanted.row);
}

enum mailmod_error mm_memory_keep_record(struct mm_store_transaction *base,
                                         const struct mm_store_record *record)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    struct mm_row *row =
        store != NULL
            ? mm_row_new(sizeof(struct mm_record_row) + record->value.size)
            : NULL;
    if (row == NULL) {
        return store == NULL ? error : MAILMOD_ERROR_MEMORY;
    }
    struct mm_record_row *put = MM_ROW(struct mm_record_row, row);
    put->record = *record;
    if (record->value.size > 0) {
        memcpy(put->data, record->value.data, record->value.size);
    }
    put->record.value = mm_span(NULL, record->value.size);
    return mm_row_put(store, MM_TABLE_RECORD, row);
}

enum mailmod_error mm_memory_drop_record(struct mm_store_transaction *base,
                                         enum mm_store_record_kind kind,
                                         const char *name, const char *key)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    if (store == NULL) {
        return error;
    }
    struct mm_row *row = find(store->disk, kind, name, key);
    return row != NULL ? mm_row_remove(store, MM_TABLE_RECORD, row)
                       : MAILMOD_ERROR_NOT_FOUND;
}

enum mailmod_error mm_memory_record_of(struct mm_store_transaction *base,
                                       enum mm_store_record_kind kind,
                                       const char *name, const char *key,
                                       struct mm_store_record *record_out)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    if (store == NULL) {
        return error;
    }
    struct mm_row *row = find(store->disk, kind, name, key);
    if (row == NULL) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    *record_out = MM_ROW(struct mm_record_row, row)->record;
    record_out->value = mm_span(NULL, 0);
    return MAILMOD_OK;
}

enum mailmod_error mm_memory_find_record(
    struct mm_store *base, enum mm_store_record_kind kind, const char *name,
    const char *key,
    void (*visit)(void *context, const struct mm_store_record *record),
    void *context)
{
    const struct mm_row *row = find(mm_memory_read(base), kind, name, key);
    if (row != NULL) {
        const struct mm_record_row *found =
            MM_ROW(const struct mm_record_row, row);
        struct mm_store_record record = found->record;
        record.value.data = found->data;
        visit(context, &record);
    }
    mm_memory_read_end(base);
    return row != NULL ? MAILMOD_OK : MAILMOD_ERROR_NOT_FOUND;
}

static struct mm_record_row *behind(struct mm_memory_disk *disk,
                                    const struct mm_record_row *at)
{
    struct mm_row *row = mm_table_behind(disk, MM_TABLE_RECORD, &at->row);
    struct mm_record_row *record =
        row != NULL ? MM_ROW(struct mm_record_row, row) : NULL;
    return record != NULL && record->record.kind == at->record.kind ? record
                                                                    : NULL;
}

static enum mailmod_error move_row(struct mm_memory *store,
                                   const struct mm_record_row *row,
                                   const char *new_name)
{
    struct mm_row *copy = mm_row_copy(&row->row);
    if (copy == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    struct mm_record_row *moved = MM_ROW(struct mm_record_row, copy);
    memset(moved->record.name, 0, sizeof moved->record.name);
    (void)mm_span_copy(mm_span_cstr(new_name), moved->record.name,
                       sizeof moved->record.name);
    return mm_row_put(store, MM_TABLE_RECORD, copy);
}

enum mailmod_error mm_memory_move_records(struct mm_store_transaction *base,
                                          enum mm_store_record_kind kind,
                                          const char *name,
                                          const char *new_name)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    struct mm_record_row from = place(kind, name, "");
    if (store == NULL || (new_name != NULL && strcmp(name, new_name) == 0)) {
        return store == NULL ? error : MAILMOD_OK;
    }
    error = MAILMOD_OK;
    struct mm_record_row *at = behind(store->disk, &from);
    while (error == MAILMOD_OK && at != NULL &&
           strcmp(at->record.name, name) == 0) {
        if (new_name != NULL) {
            error = move_row(store, at, new_name);
        }
        if (error == MAILMOD_OK) {
            error = mm_row_remove(store, MM_TABLE_RECORD, &at->row);
        }
        at = behind(store->disk, &from);
    }
    return error;
}

enum mailmod_error mm_memory_each_record(
    struct mm_store *base, enum mm_store_record_kind kind, const char *name,
    const char *after_key, bool is_one_name,
    bool (*visit)(void *context, const struct mm_store_record *record),
    void *context)
{
    struct mm_memory_disk *disk = mm_memory_read(base);
    struct mm_record_row from = place(kind, name, after_key);
    struct mm_record_row *at = behind(disk, &from);
    bool goes_on = true;
    while (at != NULL && goes_on &&
           (!is_one_name || strcmp(at->record.name, name) == 0)) {
        struct mm_store_record record = at->record;
        record.value.data = at->data;
        goes_on = visit(context, &record);
        at = behind(disk, at);
    }
    mm_memory_read_end(base);
    return MAILMOD_OK;
}
