/* read_mailbox.c - what is read of mailboxes.
 *
 * Promises: an entry whose removal was committed is never listed again, though
 * its row may still be there: the ranges of numbers that are to go are read
 * first and skipped. Thread: any; a listing belongs on a worker. */
#include "store/sqlite/internal.h"

#include "base/mem.h"

#include <string.h>

struct range {
    uint64_t first;
    uint64_t last;
};

struct ranges {
    struct range *items;
    size_t count;
    size_t capacity;
};

/* Room for one more. */
static enum mailmod_error grow(struct ranges *ranges)
{
    struct range *grown = mm_array_grow(ranges->items, ranges->count,
                                        &ranges->capacity, sizeof *grown);
    if (grown == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    ranges->items = grown;
    return MAILMOD_OK;
}

static enum mailmod_error
read_ranges(struct mm_sqlite *store, uint64_t mailbox_id, struct ranges *ranges)
{
    struct mm_reading reading;
    enum mailmod_error error =
        mm_read_open(&reading, store, MM_SQL_LIST_REMOVALS);
    if (error != MAILMOD_OK) {
        return error;
    }
    (void)sqlite3_bind_int64(reading.statement, 1, (sqlite3_int64)mailbox_id);
    while (mm_sql_step(reading.statement, &error)) {
        error = grow(ranges);
        if (error != MAILMOD_OK) {
            break;
        }
        ranges->items[ranges->count++] = (struct range){
            (uint64_t)sqlite3_column_int64(reading.statement, 0),
            (uint64_t)sqlite3_column_int64(reading.statement, 1)};
    }
    mm_read_close(&reading);
    return error;
}

/* Numbers come rising, and so do the ranges: `at` only goes on. */
static bool is_removed(const struct ranges *ranges, size_t *at, uint64_t number)
{
    while (*at < ranges->count && ranges->items[*at].last < number) {
        ++*at;
    }
    return *at < ranges->count && ranges->items[*at].first <= number;
}

static enum mailmod_error read_entries(sqlite3_stmt *statement,
                                       const struct ranges *ranges,
                                       struct mm_store_entry *entries_out,
                                       size_t count_max, size_t *count_out)
{
    enum mailmod_error error = MAILMOD_OK;
    size_t at = 0;
    while (*count_out < count_max && mm_sql_step(statement, &error)) {
        uint64_t number = (uint64_t)sqlite3_column_int64(statement, 0);
        if (is_removed(ranges, &at, number)) {
            continue;
        }
        entries_out[(*count_out)++] = (struct mm_store_entry){
            .unique_number = number,
            .message_id = (uint64_t)sqlite3_column_int64(statement, 1),
            .size = (uint64_t)sqlite3_column_int64(statement, 2),
            .flags = (uint32_t)sqlite3_column_int64(statement, 3)};
    }
    return error;
}

enum mailmod_error mm_sqlite_list_entries(struct mm_store *base,
                                          uint64_t mailbox_id,
                                          uint64_t after_number,
                                          struct mm_store_entry *entries_out,
                                          size_t count_max, size_t *count_out)
{
    struct mm_sqlite *store = mm_sqlite_of(base);
    struct ranges ranges = {NULL, 0, 0};
    struct mm_reading reading;
    enum mailmod_error error = read_ranges(store, mailbox_id, &ranges);
    if (error == MAILMOD_OK) {
        error = mm_read_open(&reading, store, MM_SQL_LIST_ENTRIES);
    }
    if (error == MAILMOD_OK) {
        (void)sqlite3_bind_int64(reading.statement, 1,
                                 (sqlite3_int64)mailbox_id);
        (void)sqlite3_bind_int64(reading.statement, 2,
                                 (sqlite3_int64)after_number);
        error = read_entries(reading.statement, &ranges, entries_out, count_max,
                             count_out);
        mm_read_close(&reading);
    }
    mm_free(ranges.items);
    return error;
}

enum mailmod_error
mm_sqlite_find_entry(struct mm_store *base, uint64_t mailbox_id,
                     uint64_t unique_number,
                     struct mm_store_entry_detail *detail_out)
{
    struct mm_sqlite *store = mm_sqlite_of(base);
    struct mm_store_entry_detail *d = detail_out;
    struct mm_reading reading;
    enum mailmod_error error =
        mm_read_open(&reading, store, MM_SQL_ENTRY_DETAIL);
    if (error != MAILMOD_OK) {
        return error;
    }
    sqlite3_stmt *row = reading.statement;
    memset(d, 0, sizeof *d);
    (void)sqlite3_bind_int64(row, 1, (sqlite3_int64)mailbox_id);
    (void)sqlite3_bind_int64(row, 2, (sqlite3_int64)unique_number);
    if (mm_sql_step(row, &error)) {
        mm_sql_text(row, 0, d->uidl, sizeof d->uidl);
        d->notify = (unsigned)sqlite3_column_int64(row, 1);
        mm_sql_text(row, 2, d->original_recipient,
                    sizeof d->original_recipient);
        d->has_reverse_path = sqlite3_column_type(row, 3) != SQLITE_NULL;
        mm_sql_text(row, 3, d->reverse_path, sizeof d->reverse_path);
        mm_sql_text(row, 4, d->delivered_to, sizeof d->delivered_to);
        mm_sql_text(row, 5, d->original_to, sizeof d->original_to);
    } else if (error == MAILMOD_OK) {
        error = MAILMOD_ERROR_NOT_FOUND;
    }
    mm_read_close(&reading);
    return error;
}

enum mailmod_error mm_sqlite_mailbox_use(struct mm_store *base,
                                         uint64_t mailbox_id,
                                         uint64_t *entries_out,
                                         uint64_t *octets_out)
{
    struct mm_sqlite *store = mm_sqlite_of(base);
    struct mm_reading reading;
    enum mailmod_error error =
        mm_read_open(&reading, store, MM_SQL_MAILBOX_USE);
    if (error != MAILMOD_OK) {
        return error;
    }
    (void)sqlite3_bind_int64(reading.statement, 1, (sqlite3_int64)mailbox_id);
    if (mm_sql_step(reading.statement, &error)) {
        *entries_out = (uint64_t)sqlite3_column_int64(reading.statement, 0);
        *octets_out = (uint64_t)sqlite3_column_int64(reading.statement, 1);
    } else if (error == MAILMOD_OK) {
        error = MAILMOD_ERROR_NOT_FOUND;
    }
    mm_read_close(&reading);
    return error;
}

enum mailmod_error mm_sqlite_mailbox_tag(struct mm_store *base,
                                         uint64_t mailbox_id, uint32_t *tag_out)
{
    struct mm_sqlite *store = mm_sqlite_of(base);
    struct mm_reading reading;
    enum mailmod_error error =
        mm_read_open(&reading, store, MM_SQL_MAILBOX_TAG);

    if (error != MAILMOD_OK) {
        return error;
    }
    (void)sqlite3_bind_int64(reading.statement, 1, (sqlite3_int64)mailbox_id);
    if (mm_sql_step(reading.statement, &error)) {
        *tag_out = (uint32_t)sqlite3_column_int64(reading.statement, 0);
    } else if (error == MAILMOD_OK) {
        error = MAILMOD_ERROR_NOT_FOUND;
    }
    mm_read_close(&reading);
    return error;
}
