/* table.c - the tables of the store in memory, and the journal.
 *
 * Owns: the orders of all rows. Promises: a change is whole or not at all, for
 * want of memory is met before it; a transaction that is taken back leaves the
 * tables as they were. Thread: under the disk's mutex. */
#include "base/mem.h"
#include "store/memory/internal.h"

#include <string.h>

struct mm_row *mm_row_of(struct mm_tree_node *node)
{
    return node != NULL ? MM_LIST_OBJECT(node, struct mm_row, node) : NULL;
}

struct mm_row *mm_row_of_other(struct mm_tree_node *node)
{
    return node != NULL ? MM_LIST_OBJECT(node, struct mm_row, other) : NULL;
}

static int order(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int order_pair(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    int first = order(a, b);
    return first != 0 ? first : order(c, d);
}

#define ROW_OF(type, from)                                                     \
    MM_LIST_OBJECT(MM_LIST_OBJECT(from, const struct mm_row, node),            \
                   const type, row)
#define OTHER_OF(type, from)                                                   \
    MM_LIST_OBJECT(MM_LIST_OBJECT(from, const struct mm_row, other),           \
                   const type, row)

static int order_messages(const struct mm_tree_node *a,
                          const struct mm_tree_node *b)
{
    return order(ROW_OF(struct mm_message_row, a)->message.id,
                 ROW_OF(struct mm_message_row, b)->message.id);
}

static int order_chunks(const struct mm_tree_node *a,
                        const struct mm_tree_node *b)
{
    const struct mm_chunk_row *x = ROW_OF(struct mm_chunk_row, a);
    const struct mm_chunk_row *y = ROW_OF(struct mm_chunk_row, b);
    return order_pair(x->message_id, y->message_id, x->number, y->number);
}

static int compare_recipients(const struct mm_store_recipient *x,
                              const struct mm_store_recipient *y)
{
    return order_pair(x->message_id, y->message_id, x->number, y->number);
}

static int order_recipients(const struct mm_tree_node *a,
                            const struct mm_tree_node *b)
{
    return compare_recipients(&ROW_OF(struct mm_recipient_row, a)->recipient,
                              &ROW_OF(struct mm_recipient_row, b)->recipient);
}

static int order_due(const struct mm_tree_node *a, const struct mm_tree_node *b)
{
    const struct mm_store_recipient *x =
        &OTHER_OF(struct mm_recipient_row, a)->recipient;
    const struct mm_store_recipient *y =
        &OTHER_OF(struct mm_recipient_row, b)->recipient;
    int result = strcmp(x->destination, y->destination);
    if (result == 0) {
        result = (x->next_attempt_ms > y->next_attempt_ms) -
                 (x->next_attempt_ms < y->next_attempt_ms);
    }
    return result != 0 ? result : compare_recipients(x, y);
}

static bool waits(const struct mm_row *row)
{
    return MM_ROW(const struct mm_recipient_row, row)->recipient.state ==
           MM_RECIPIENT_WAITING;
}

static int order_kept(const struct mm_tree_node *a,
                      const struct mm_tree_node *b)
{
    return compare_recipients(&ROW_OF(struct mm_kept_row, a)->kept.recipient,
                              &ROW_OF(struct mm_kept_row, b)->kept.recipient);
}

static int order_kept_times(const struct mm_tree_node *a,
                            const struct mm_tree_node *b)
{
    const struct mm_store_kept *x = &OTHER_OF(struct mm_kept_row, a)->kept;
    const struct mm_store_kept *y = &OTHER_OF(struct mm_kept_row, b)->kept;
    int result = order(x->kind, y->kind);
    if (result == 0) {
        result = (x->kept_ms > y->kept_ms) - (x->kept_ms < y->kept_ms);
    }
    return result != 0 ? result
                       : compare_recipients(&x->recipient, &y->recipient);
}

static int order_mailboxes(const struct mm_tree_node *a,
                           const struct mm_tree_node *b)
{
    return order(ROW_OF(struct mm_mailbox_row, a)->id,
                 ROW_OF(struct mm_mailbox_row, b)->id);
}

static int order_entries(const struct mm_tree_node *a,
                         const struct mm_tree_node *b)
{
    const struct mm_entry_row *x = ROW_OF(struct mm_entry_row, a);
    const struct mm_entry_row *y = ROW_OF(struct mm_entry_row, b);
    return order_pair(x->mailbox_id, y->mailbox_id, x->entry.unique_number,
                      y->entry.unique_number);
}

static int order_uidls(const struct mm_tree_node *a,
                       const struct mm_tree_node *b)
{
    const struct mm_entry_row *x = OTHER_OF(struct mm_entry_row, a);
    const struct mm_entry_row *y = OTHER_OF(struct mm_entry_row, b);
    int result = order(x->mailbox_id, y->mailbox_id);
    return result != 0 ? result : strcmp(x->detail.uidl, y->detail.uidl);
}

static bool has_uidl(const struct mm_row *row)
{
    const struct mm_entry_row *entry = MM_ROW(const struct mm_entry_row, row);
    return (entry->entry.flags & MM_ENTRY_HAS_DETAIL) != 0 &&
           entry->detail.uidl[0] != '\0';
}

static int order_deleted(const struct mm_tree_node *a,
                         const struct mm_tree_node *b)
{
    const struct mm_entry_row *x = OTHER_OF(struct mm_entry_row, a);
    const struct mm_entry_row *y = OTHER_OF(struct mm_entry_row, b);
    if (x->deleted_ms != y->deleted_ms) {
        return x->deleted_ms < y->deleted_ms ? -1 : 1;
    }
    return order_pair(x->mailbox_id, y->mailbox_id, x->entry.unique_number,
                      y->entry.unique_number);
}

static int order_users(const struct mm_tree_node *a,
                       const struct mm_tree_node *b)
{
    return strcmp(ROW_OF(struct mm_user_row, a)->user.name,
                  ROW_OF(struct mm_user_row, b)->user.name);
}

static int order_secrets(const struct mm_tree_node *a,
                         const struct mm_tree_node *b)
{
    const struct mm_secret_row *x = ROW_OF(struct mm_secret_row, a);
    const struct mm_secret_row *y = ROW_OF(struct mm_secret_row, b);
    int result = order(x->mailbox_id, y->mailbox_id);
    return result != 0 ? result : strcmp(x->secret.label, y->secret.label);
}

static int order_seen(const struct mm_tree_node *a,
                      const struct mm_tree_node *b)
{
    const struct mm_seen_row *x = ROW_OF(struct mm_seen_row, a);
    const struct mm_seen_row *y = ROW_OF(struct mm_seen_row, b);
    int result = strcmp(x->account, y->account);
    return result != 0 ? result : strcmp(x->seen.key, y->seen.key);
}

static int order_fetches(const struct mm_tree_node *a,
                         const struct mm_tree_node *b)
{
    return strcmp(ROW_OF(struct mm_fetch_row, a)->fetch.name,
                  ROW_OF(struct mm_fetch_row, b)->fetch.name);
}

static int order_records(const struct mm_tree_node *a,
                         const struct mm_tree_node *b)
{
    const struct mm_store_record *x = &ROW_OF(struct mm_record_row, a)->record;
    const struct mm_store_record *y = &ROW_OF(struct mm_record_row, b)->record;
    int result = order(x->kind, y->kind);
    if (result == 0) {
        result = strcmp(x->name, y->name);
    }
    return result != 0 ? result : strcmp(x->key, y->key);
}

static int order_rules(const struct mm_tree_node *a,
                       const struct mm_tree_node *b)
{
    const struct mm_store_rule *x = &ROW_OF(struct mm_rule_row, a)->rule;
    const struct mm_store_rule *y = &ROW_OF(struct mm_rule_row, b)->rule;
    int result = order(x->mailbox_id, y->mailbox_id);
    result = result != 0 ? result : order(x->list, y->list);
    return result != 0 ? result : strcmp(x->text, y->text);
}

static int compare_sightings(const struct mm_store_sighting *x,
                             const struct mm_store_sighting *y)
{
    int result = order(x->kind, y->kind);
    return result != 0 ? result : strcmp(x->key, y->key);
}

static int order_sightings(const struct mm_tree_node *a,
                           const struct mm_tree_node *b)
{
    return compare_sightings(&ROW_OF(struct mm_sighting_row, a)->sighting,
                             &ROW_OF(struct mm_sighting_row, b)->sighting);
}

static int order_ends(const struct mm_tree_node *a,
                      const struct mm_tree_node *b)
{
    const struct mm_store_sighting *x =
        &OTHER_OF(struct mm_sighting_row, a)->sighting;
    const struct mm_store_sighting *y =
        &OTHER_OF(struct mm_sighting_row, b)->sighting;
    return x->until_ms != y->until_ms ? (x->until_ms < y->until_ms ? -1 : 1)
                                      : compare_sightings(x, y);
}

void mm_tables_init(struct mm_memory_disk *disk)
{
    static const struct mm_table tables[MM_TABLE_COUNT] = {
        [MM_TABLE_MESSAGE] = {.tree.compare = order_messages},
        [MM_TABLE_CHUNK] = {.tree.compare = order_chunks},
        [MM_TABLE_RECIPIENT] = {.tree.compare = order_recipients,
                                .other.compare = order_due,
                                .has_other = waits},
        [MM_TABLE_KEPT] = {.tree.compare = order_kept,
                           .other.compare = order_kept_times},
        [MM_TABLE_MAILBOX] = {.tree.compare = order_mailboxes},
        [MM_TABLE_ENTRY] = {.tree.compare = order_entries,
                            .other.compare = order_uidls,
                            .has_other = has_uidl},
        [MM_TABLE_DELETED] = {.tree.compare = order_entries,
                              .other.compare = order_deleted},
        [MM_TABLE_USER] = {.tree.compare = order_users},
        [MM_TABLE_SECRET] = {.tree.compare = order_secrets},
        [MM_TABLE_SEEN] = {.tree.compare = order_seen},
        [MM_TABLE_FETCH] = {.tree.compare = order_fetches},
        [MM_TABLE_RECORD] = {.tree.compare = order_records},
        [MM_TABLE_RULE] = {.tree.compare = order_rules},
        [MM_TABLE_SIGHTING] = {.tree.compare = order_sightings,
                               .other.compare = order_ends},
    };
    memcpy(disk->tables, tables, sizeof tables);
}

static void free_row(struct mm_row *row)
{
    if (row != NULL) {
        mm_secret_clear(row, row->size);
        mm_free(row);
    }
}

void mm_tables_fini(struct mm_memory_disk *disk)
{
    for (int i = 0; i < MM_TABLE_COUNT; i++) {
        struct mm_tree *tree = &disk->tables[i].tree;
        struct mm_tree_node *node;
        while ((node = mm_tree_first(tree)) != NULL) {
            mm_tree_remove(tree, node);
            free_row(mm_row_of(node));
        }
    }
}

struct mm_row *mm_table_find(struct mm_memory_disk *disk,
                             enum mm_memory_table table,
                             const struct mm_row *key)
{
    return mm_row_of(mm_tree_find(&disk->tables[table].tree, &key->node));
}

struct mm_row *mm_table_from(struct mm_memory_disk *disk,
                             enum mm_memory_table table,
                             const struct mm_row *key)
{
    return mm_row_of(mm_tree_from(&disk->tables[table].tree, &key->node));
}

struct mm_row *mm_table_behind(struct mm_memory_disk *disk,
                               enum mm_memory_table table,
                               const struct mm_row *key)
{
    return mm_row_of(mm_tree_behind(&disk->tables[table].tree, &key->node));
}

struct mm_row *mm_table_first(struct mm_memory_disk *disk,
                              enum mm_memory_table table)
{
    return mm_row_of(mm_tree_first(&disk->tables[table].tree));
}

struct mm_row *mm_row_new(size_t size)
{
    struct mm_row *row = mm_alloc(size);
    if (row != NULL) {
        row->size = size;
    }
    return row;
}

struct mm_row *mm_row_copy(const struct mm_row *row)
{
    struct mm_row *copy = mm_row_new(row->size);
    if (copy != NULL) {
        memcpy(copy, row, row->size);
    }
    return copy;
}

static uint64_t octets_of(enum mm_memory_table table, const struct mm_row *row)
{
    return table == MM_TABLE_CHUNK
               ? MM_ROW(const struct mm_chunk_row, row)->size
               : 0;
}

static bool has_other(const struct mm_table *table, const struct mm_row *row)
{
    return table->other.compare != NULL &&
           (table->has_other == NULL || table->has_other(row));
}

static void attach(struct mm_memory_disk *disk, enum mm_memory_table which,
                   struct mm_row *row)
{
    struct mm_table *table = &disk->tables[which];
    disk->octets += octets_of(which, row);
    mm_tree_insert(&table->tree, &row->node);
    if (has_other(table, row)) {
        mm_tree_insert(&table->other, &row->other);
    }
}

static void detach(struct mm_memory_disk *disk, enum mm_memory_table which,
                   struct mm_row *row)
{
    struct mm_table *table = &disk->tables[which];
    disk->octets -= octets_of(which, row);
    mm_tree_remove(&table->tree, &row->node);
    if (has_other(table, row)) {
        mm_tree_remove(&table->other, &row->other);
    }
}

static enum mailmod_error note(struct mm_memory *store, struct mm_change change)
{
    struct mm_change *grown =
        mm_array_grow(store->changes, store->change_count,
                      &store->change_capacity, sizeof *grown);
    if (grown == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    store->changes = grown;
    store->changes[store->change_count++] = change;
    return MAILMOD_OK;
}

enum mailmod_error mm_row_add(struct mm_memory *store,
                              enum mm_memory_table which, struct mm_row *row)
{
    struct mm_table *table = &store->disk->tables[which];
    enum mailmod_error error = MAILMOD_OK;
    if (row == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    if (mm_tree_find(&table->tree, &row->node) != NULL ||
        (has_other(table, row) &&
         mm_tree_find(&table->other, &row->other) != NULL)) {
        error = MAILMOD_ERROR_EXISTS;
    }
    if (error == MAILMOD_OK) {
        error = note(store, (struct mm_change){which, NULL, row});
    }
    if (error != MAILMOD_OK) {
        free_row(row);
        return error;
    }
    attach(store->disk, which, row);
    return MAILMOD_OK;
}

enum mailmod_error mm_row_change(struct mm_memory *store,
                                 enum mm_memory_table which, struct mm_row *old,
                                 struct mm_row *row)
{
    if (row == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error = note(store, (struct mm_change){which, old, row});
    if (error != MAILMOD_OK) {
        free_row(row);
        return error;
    }
    detach(store->disk, which, old);
    attach(store->disk, which, row);
    return MAILMOD_OK;
}

enum mailmod_error mm_row_put(struct mm_memory *store,
                              enum mm_memory_table which, struct mm_row *row)
{
    struct mm_row *old = mm_table_find(store->disk, which, row);
    return old != NULL ? mm_row_change(store, which, old, row)
                       : mm_row_add(store, which, row);
}

enum mailmod_error mm_row_remove(struct mm_memory *store,
                                 enum mm_memory_table which, struct mm_row *row)
{
    enum mailmod_error error =
        note(store, (struct mm_change){which, row, NULL});
    if (error == MAILMOD_OK) {
        detach(store->disk, which, row);
    }
    return error;
}

void mm_journal_keep(struct mm_memory *store)
{
    for (size_t i = 0; i < store->change_count; i++) {
        free_row(store->changes[i].old);
    }
    store->change_count = 0;
}

struct mm_journal_mark mm_journal_mark(const struct mm_memory *store)
{
    return (struct mm_journal_mark){
        store->change_count, store->disk->flush_count,
        store->disk->user_changes, store->disk->rule_changes};
}

void mm_journal_take_back(struct mm_memory *store,
                          const struct mm_journal_mark *mark)
{
    while (store->change_count > mark->change_count) {
        struct mm_change *change = &store->changes[--store->change_count];
        if (change->new != NULL) {
            detach(store->disk, change->table, change->new);
            free_row(change->new);
        }
        if (change->old != NULL) {
            attach(store->disk, change->table, change->old);
        }
    }
    store->disk->flush_count = mark->flush_count;
    store->disk->user_changes = mark->user_changes;
    store->disk->rule_changes = mark->rule_changes;
}
