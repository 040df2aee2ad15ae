/* fetch.c - what was fetched from mailboxes elsewhere, in memory.
 *
 * Owns nothing. Promises what sqlite/fetch.c does.
 * Thread: what takes a transaction: writer; the rest: any. */
#include "store/memory/internal.h"

#include <string.h>

static struct mm_seen_row seen_key(const char *account, const char *key)
{
    struct mm_seen_row wanted = {.seen.size = 0};
    (void)mm_span_copy(mm_span_cstr(account), wanted.account,
                       sizeof wanted.account);
    (void)mm_span_copy(mm_span_cstr(key), wanted.seen.key,
                       sizeof wanted.seen.key);
    return wanted;
}

enum mailmod_error mm_memory_put_seen(struct mm_store_transaction *base,
                                      const char *account,
                                      const struct mm_store_seen *seen)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    struct mm_row *row =
        store != NULL ? mm_row_new(sizeof(struct mm_seen_row)) : NULL;
    if (row == NULL) {
        return store == NULL ? error : MAILMOD_ERROR_MEMORY;
    }
    struct mm_seen_row *put_row = MM_ROW(struct mm_seen_row, row);
    (void)mm_span_copy(mm_span_cstr(account), put_row->account,
                       sizeof put_row->account);
    put_row->seen = *seen;
    return mm_row_put(store, MM_TABLE_SEEN, row);
}

enum mailmod_error mm_memory_drop_seen(struct mm_store_transaction *base,
                                       const char *account, const char *key)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    struct mm_seen_row wanted = seen_key(account, key);
    if (store == NULL) {
        return error;
    }
    struct mm_row *row = mm_table_find(store->disk, MM_TABLE_SEEN, &wanted.row);
    return row != NULL ? mm_row_remove(store, MM_TABLE_SEEN, row) : MAILMOD_OK;
}

static struct mm_seen_row *seen_behind(struct mm_memory_disk *disk,
                                       const char *account, const char *key)
{
    struct mm_seen_row wanted = seen_key(account, key);
    struct mm_row *row = mm_table_behind(disk, MM_TABLE_SEEN, &wanted.row);
    if (row == NULL) {
        return NULL;
    }
    struct mm_seen_row *seen = MM_ROW(struct mm_seen_row, row);
    return strcmp(seen->account, account) == 0 ? seen : NULL;
}

enum mailmod_error mm_memory_each_seen(
    struct mm_store *base, const char *account, const char *after_key,
    bool (*visit)(void *context, const struct mm_store_seen *seen),
    void *context)
{
    struct mm_memory_disk *disk = mm_memory_read(base);
    struct mm_seen_row *at = seen_behind(disk, account, after_key);
    while (at != NULL && visit(context, &at->seen)) {
        at = seen_behind(disk, account, at->seen.key);
    }
    mm_memory_read_end(base);
    return MAILMOD_OK;
}

static struct mm_row *find_fetch(struct mm_memory *store, const char *name)
{
    struct mm_fetch_row wanted = {.fetch.listed = 0};
    (void)mm_span_copy(mm_span_cstr(name), wanted.fetch.name,
                       sizeof wanted.fetch.name);
    return mm_table_find(store->disk, MM_TABLE_FETCH, &wanted.row);
}

static enum mailmod_error put_fetch(struct mm_memory *store,
                                    const struct mm_store_fetch *fetch)
{
    struct mm_row *row = mm_row_new(sizeof(struct mm_fetch_row));
    if (row == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    MM_ROW(struct mm_fetch_row, row)->fetch = *fetch;
    return mm_row_put(store, MM_TABLE_FETCH, row);
}

enum mailmod_error mm_memory_put_fetch(struct mm_store_transaction *base,
                                       const struct mm_store_fetch *fetch)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    if (store == NULL) {
        return error;
    }
    struct mm_store_fetch changed = *fetch;
    const struct mm_row *old = find_fetch(store, fetch->name);
    changed.wish = old != NULL
                       ? MM_ROW(const struct mm_fetch_row, old)->fetch.wish
                       : MM_STORE_FETCH_NO_WISH;
    return put_fetch(store, &changed);
}

enum mailmod_error mm_memory_wish_fetch(struct mm_store_transaction *base,
                                        const char *account,
                                        enum mm_store_fetch_wish wish)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    if (store == NULL) {
        return error;
    }
    struct mm_store_fetch changed = {.listed = 0};
    const struct mm_row *old = find_fetch(store, account);
    if (old != NULL) {
        changed = MM_ROW(const struct mm_fetch_row, old)->fetch;
    }
    (void)mm_span_copy(mm_span_cstr(account), changed.name,
                       sizeof changed.name);
    changed.wish = wish;
    return put_fetch(store, &changed);
}

enum mailmod_error mm_memory_forget_fetch(struct mm_store_transaction *base,
                                          const char *account)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    if (store == NULL) {
        return error;
    }
    struct mm_seen_row *seen = seen_behind(store->disk, account, "");
    error = MAILMOD_OK;
    while (error == MAILMOD_OK && seen != NULL) {
        error = mm_row_remove(store, MM_TABLE_SEEN, &seen->row);
        seen = seen_behind(store->disk, account, "");
    }
    struct mm_row *row = find_fetch(store, account);
    return error == MAILMOD_OK && row != NULL
               ? mm_row_remove(store, MM_TABLE_FETCH, row)
               : error;
}

enum mailmod_error mm_memory_each_fetch(
    struct mm_store *base,
    bool (*visit)(void *context, const struct mm_store_fetch *fetch),
    void *context)
{
    struct mm_memory_disk *disk = mm_memory_read(base);
    struct mm_row *row = mm_table_first(disk, MM_TABLE_FETCH);
    while (row != NULL &&
           visit(context, &MM_ROW(struct mm_fetch_row, row)->fetch)) {
        row = mm_table_behind(disk, MM_TABLE_FETCH, row);
    }
    mm_memory_read_end(base);
    return MAILMOD_OK;
}
