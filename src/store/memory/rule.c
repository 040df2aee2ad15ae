/* rule.c - rules of lists, and what was seen of peers for a time, in memory.
 *
 * Owns nothing. Promises what sqlite/rule.c does.
 * Thread: what takes a transaction: writer; the rest: any. */
#include "store/memory/internal.h"

#include <string.h>

static struct mm_row *find_rule(struct mm_memory *store,
                                const struct mm_store_rule *rule)
{
    const struct mm_rule_row key = {.rule = *rule};
    return mm_table_find(store->disk, MM_TABLE_RULE, &key.row);
}

static size_t count_rows(struct mm_memory_disk *disk,
                         enum mm_memory_table table)
{
    size_t count = 0;
    for (struct mm_row *at = mm_table_first(disk, table); at != NULL;
         at = mm_table_behind(disk, table, at)) {
        count++;
    }
    return count;
}

enum mailmod_error mm_memory_add_rule(struct mm_store_transaction *base,
                                      const struct mm_store_rule *rule)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    if (store == NULL) {
        return error;
    }
    if (count_rows(store->disk, MM_TABLE_RULE) >= MM_STORE_RULES_MAX) {
        return MAILMOD_ERROR_LIMIT;
    }
    struct mm_row *row = mm_row_new(sizeof(struct mm_rule_row));
    if (row == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    MM_ROW(struct mm_rule_row, row)->rule = *rule;
    error = mm_row_add(store, MM_TABLE_RULE, row);
    store->disk->rule_changes += error == MAILMOD_OK;
    return error;
}

enum mailmod_error mm_memory_remove_rule(struct mm_store_transaction *base,
                                         const struct mm_store_rule *rule)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    if (store == NULL) {
        return error;
    }
    struct mm_row *row = find_rule(store, rule);
    error = row != NULL ? mm_row_remove(store, MM_TABLE_RULE, row)
                        : MAILMOD_ERROR_NOT_FOUND;
    store->disk->rule_changes += error == MAILMOD_OK;
    return error;
}

enum mailmod_error mm_memory_drop_rules(struct mm_memory *store,
                                        uint64_t mailbox_id)
{
    const struct mm_rule_row key = {.rule.mailbox_id = mailbox_id};
    enum mailmod_error error = MAILMOD_OK;
    struct mm_row *row = mm_table_from(store->disk, MM_TABLE_RULE, &key.row);
    while (error == MAILMOD_OK && row != NULL &&
           MM_ROW(struct mm_rule_row, row)->rule.mailbox_id == mailbox_id) {
        error = mm_row_remove(store, MM_TABLE_RULE, row);
        store->disk->rule_changes++;
        row = mm_table_from(store->disk, MM_TABLE_RULE, &key.row);
    }
    return error;
}

enum mailmod_error mm_memory_each_rule(
    struct mm_store *base, const struct mm_store_rule *after,
    bool (*visit)(void *context, const struct mm_store_rule *rule),
    void *context)
{
    struct mm_memory_disk *disk = mm_memory_read(base);
    const struct mm_rule_row key = {.rule = *after};
    struct mm_row *row = mm_table_behind(disk, MM_TABLE_RULE, &key.row);
    while (row != NULL &&
           visit(context, &MM_ROW(struct mm_rule_row, row)->rule)) {
        row = mm_table_behind(disk, MM_TABLE_RULE, row);
    }
    mm_memory_read_end(base);
    return MAILMOD_OK;
}

enum mailmod_error mm_memory_rule_changes(struct mm_store *base,
                                          uint64_t *count_out)
{
    *count_out = mm_memory_read(base)->rule_changes;
    mm_memory_read_end(base);
    return MAILMOD_OK;
}

static struct mm_sighting_row key_of(enum mm_sighting_kind kind,
                                     const char *key)
{
    struct mm_sighting_row wanted = {.sighting.kind = kind};
    (void)mm_span_copy(mm_span_cstr(key), wanted.sighting.key,
                       sizeof wanted.sighting.key);
    return wanted;
}

static struct mm_row *find(struct mm_memory_disk *disk,
                           enum mm_sighting_kind kind, const char *key)
{
    const struct mm_sighting_row wanted = key_of(kind, key);
    return mm_table_find(disk, MM_TABLE_SIGHTING, &wanted.row);
}

enum mailmod_error
mm_memory_note_sighting(struct mm_store_transaction *base,
                        const struct mm_store_sighting *sighting)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    if (store == NULL) {
        return error;
    }
    struct mm_row *row = mm_row_new(sizeof(struct mm_sighting_row));
    if (row == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    MM_ROW(struct mm_sighting_row, row)->sighting = *sighting;
    return mm_row_put(store, MM_TABLE_SIGHTING, row);
}

enum mailmod_error mm_memory_remove_sighting(struct mm_store_transaction *base,
                                             enum mm_sighting_kind kind,
                                             const char *key)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    if (store == NULL) {
        return error;
    }
    struct mm_row *row = find(store->disk, kind, key);
    return row != NULL ? mm_row_remove(store, MM_TABLE_SIGHTING, row)
                       : MAILMOD_ERROR_NOT_FOUND;
}

/* The one that ends first. */
static struct mm_sighting_row *first_end(const struct mm_memory_disk *disk)
{
    struct mm_row *row =
        mm_row_of_other(mm_tree_first(&disk->tables[MM_TABLE_SIGHTING].other));
    return row != NULL ? MM_ROW(struct mm_sighting_row, row) : NULL;
}

enum mailmod_error mm_memory_sweep_sightings(struct mm_store_transaction *base,
                                             int64_t now_ms, size_t keep_max,
                                             size_t count_max,
                                             size_t *count_out)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    if (store == NULL) {
        return error;
    }
    size_t count = count_rows(store->disk, MM_TABLE_SIGHTING);
    error = MAILMOD_OK;
    struct mm_sighting_row *row = first_end(store->disk);
    while (error == MAILMOD_OK && row != NULL && *count_out < count_max &&
           (row->sighting.until_ms <= now_ms || count > keep_max)) {
        error = mm_row_remove(store, MM_TABLE_SIGHTING, &row->row);
        *count_out += error == MAILMOD_OK;
        count--;
        row = first_end(store->disk);
    }
    return error;
}

enum mailmod_error
mm_memory_find_sighting(struct mm_store *base, enum mm_sighting_kind kind,
                        const char *key, struct mm_store_sighting *sighting_out)
{
    const struct mm_row *row = find(mm_memory_read(base), kind, key);
    if (row != NULL) {
        *sighting_out = MM_ROW(const struct mm_sighting_row, row)->sighting;
    }
    mm_memory_read_end(base);
    return row != NULL ? MAILMOD_OK : MAILMOD_ERROR_NOT_FOUND;
}

enum mailmod_error mm_memory_each_sighting(
    struct mm_store *base, enum mm_sighting_kind kind, const char *after_key,
    bool (*visit)(void *context, const struct mm_store_sighting *sighting),
    void *context)
{
    struct mm_memory_disk *disk = mm_memory_read(base);
    const struct mm_sighting_row key = key_of(kind, after_key);
    struct mm_row *row = mm_table_behind(disk, MM_TABLE_SIGHTING, &key.row);
    while (row != NULL &&
           MM_ROW(struct mm_sighting_row, row)->sighting.kind == kind &&
           visit(context, &MM_ROW(struct mm_sighting_row, row)->sighting)) {
        row = mm_table_behind(disk, MM_TABLE_SIGHTING, row);
    }
    mm_memory_read_end(base);
    return MAILMOD_OK;
}
