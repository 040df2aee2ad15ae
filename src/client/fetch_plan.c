/* fetch_plan.c - what to do with each message of a mailbox elsewhere.
 *
 * Owns the list and the rows. Promises: a message is taken for seen only by
 * its unique id and size, by the hash of its header where it has no unique id,
 * or by all its octets where the unique id that they were seen under is gone
 * and we did not delete it: so a second, identical mail is a mail. Work grows
 * as n log n with what a server lists.
 * Thread: see the header. RFC 1939 7 (unique ids). */
#include "client/fetch_plan.h"

#include "base/limits.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* How long a row is kept that no server lists: one that shows an empty box for
 * a day does not bring all mail again. */
#define GONE_MS (INT64_C(30) * 24 * 3600 * 1000)
/* Octets of a header's hash in a key: a blank, 60 digits, ".", the count. */
#define KEY_OCTETS 30

void mm_fetch_plan_init(struct mm_fetch_plan *plan, uint64_t seed)
{
    *plan = (struct mm_fetch_plan){.count = 0};
    mm_map_init(&plan->headers, MM_LIMIT_FETCH_MESSAGES, seed);
}

void mm_fetch_plan_fini(struct mm_fetch_plan *plan)
{
    mm_map_fini(&plan->headers);
    mm_free(plan->items);
    mm_free(plan->rows);
    mm_free(plan->by_hash);
    plan->items = NULL;
    plan->rows = NULL;
    plan->by_hash = NULL;
    plan->count = 0;
    plan->row_count = 0;
}

enum mailmod_error mm_fetch_plan_add_row(struct mm_fetch_plan *plan,
                                         const struct mm_store_seen *seen)
{
    if (plan->row_count == MM_LIMIT_FETCH_MESSAGES) {
        return MAILMOD_ERROR_LIMIT;
    }
    struct mm_fetch_row *rows = mm_array_grow(
        plan->rows, plan->row_count, &plan->row_capacity, sizeof *rows);
    if (rows == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    plan->rows = rows;
    rows[plan->row_count++] = (struct mm_fetch_row){.seen = *seen};
    return MAILMOD_OK;
}

enum mailmod_error mm_fetch_plan_add(struct mm_fetch_plan *plan,
                                     uint64_t number, uint64_t size)
{
    if (plan->count == MM_LIMIT_FETCH_MESSAGES) {
        return MAILMOD_ERROR_LIMIT;
    }
    struct mm_fetch_item *items =
        mm_array_grow(plan->items, plan->count, &plan->capacity, sizeof *items);
    if (items == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    plan->items = items;
    items[plan->count++] = (struct mm_fetch_item){
        .number = number, .size = size, .state = MM_FETCH_LOOK};
    return MAILMOD_OK;
}

static int compare_numbers(const void *a, const void *b)
{
    const struct mm_fetch_item *x = a;
    const struct mm_fetch_item *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

void mm_fetch_plan_sort(struct mm_fetch_plan *plan)
{
    size_t kept = 0;
    if (plan->count > 0) {
        qsort(plan->items, plan->count, sizeof *plan->items, compare_numbers);
    }
    plan->octets = 0;
    for (size_t i = 0; i < plan->count; i++) {
        if (kept > 0 && plan->items[kept - 1].number == plan->items[i].number) {
            continue; /* listed twice */
        }
        uint64_t size = plan->items[i].size;
        plan->octets =
            UINT64_MAX - plan->octets < size ? UINT64_MAX : plan->octets + size;
        plan->items[kept++] = plan->items[i];
    }
    plan->count = kept;
}

struct mm_fetch_item *mm_fetch_plan_find(struct mm_fetch_plan *plan,
                                         uint64_t number)
{
    struct mm_fetch_item wanted = {.number = number};
    return plan->count == 0 ? NULL
                            : bsearch(&wanted, plan->items, plan->count,
                                      sizeof wanted, compare_numbers);
}

void mm_fetch_plan_name(struct mm_fetch_plan *plan, uint64_t number,
                        struct mm_span unique_id)
{
    struct mm_fetch_item *item = mm_fetch_plan_find(plan, number);
    if (item != NULL && !mm_span_copy(unique_id, item->key, sizeof item->key)) {
        item->key[0] = '\0';
    }
}

static int compare_keys(const void *a, const void *b)
{
    const struct mm_fetch_item *const *x = a;
    const struct mm_fetch_item *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

/* A unique id that stands there twice is none. */
static enum mailmod_error drop_doubles(struct mm_fetch_plan *plan)
{
    struct mm_fetch_item **order =
        mm_alloc_array(plan->count + 1, sizeof *order);
    if (order == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    for (size_t i = 0; i < plan->count; i++) {
        order[i] = &plan->items[i];
    }
    qsort(order, plan->count, sizeof *order, compare_keys);
    size_t first = 0;
    for (size_t i = 1; i <= plan->count; i++) {
        if (i < plan->count && compare_keys(&order[i], &order[first]) == 0) {
            continue;
        }
        for (size_t j = first; i - first > 1 && j < i; j++) {
            order[j]->state = MM_FETCH_LEFT; /* a mark: see below */
        }
        first = i;
    }
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->items[i].state == MM_FETCH_LEFT) {
            plan->items[i].key[0] = '\0';
            plan->items[i].state = MM_FETCH_LOOK;
        }
    }
    mm_free(order);
    return MAILMOD_OK;
}

static int compare_row(const void *key, const void *row)
{
    const struct mm_fetch_row *entry = row;
    return strcmp(key, entry->seen.key);
}

static struct mm_fetch_row *find_row(struct mm_fetch_plan *plan,
                                     const char *key)
{
    return plan->row_count == 0 ? NULL
                                : bsearch(key, plan->rows, plan->row_count,
                                          sizeof *plan->rows, compare_row);
}

/* The key is known. A size that is another one now, or a message that the
 * server said it deleted, tells that it may use its unique ids again. */
static void judge(struct mm_fetch_plan *plan, struct mm_fetch_item *item)
{
    struct mm_fetch_row *row = find_row(plan, item->key);
    bool is_same = row != NULL && !row->is_dropped && !row->seen.is_deleted &&
                   (item->size == row->seen.size || item->size == 0 ||
                    row->seen.size == 0);
    item->state = is_same ? MM_FETCH_SEEN : MM_FETCH_FRESH;
    if (is_same) {
        item->seen_ms = row->seen.seen_ms;
        row->is_listed = true;
    } else {
        plan->fresh++;
    }
}

static int compare_hashes(const void *a, const void *b)
{
    const struct mm_fetch_row *const *x = a;
    const struct mm_fetch_row *const *y = b;
    return memcmp((*x)->seen.hash, (*y)->seen.hash, MM_SHA256_SIZE);
}

static enum mailmod_error sort_hashes(struct mm_fetch_plan *plan)
{
    plan->by_hash = mm_alloc_array(plan->row_count + 1, sizeof *plan->by_hash);
    if (plan->by_hash == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    for (size_t i = 0; i < plan->row_count; i++) {
        plan->by_hash[i] = &plan->rows[i];
    }
    qsort(plan->by_hash, plan->row_count, sizeof *plan->by_hash,
          compare_hashes);
    return MAILMOD_OK;
}

enum mailmod_error mm_fetch_plan_settle(struct mm_fetch_plan *plan)
{
    enum mailmod_error error = drop_doubles(plan);
    if (error == MAILMOD_OK) {
        error = sort_hashes(plan);
    }
    for (size_t i = 0; error == MAILMOD_OK && i < plan->count; i++) {
        if (plan->items[i].key[0] != '\0') {
            judge(plan, &plan->items[i]);
        }
    }
    return error;
}

enum mailmod_error mm_fetch_plan_look(struct mm_fetch_plan *plan,
                                      struct mm_fetch_item *item,
                                      const uint8_t header[MM_SHA256_SIZE])
{
    struct mm_span hash = mm_span((const char *)header, MM_SHA256_SIZE);
    char digits[2 * KEY_OCTETS + 1];
    struct mm_buf key;
    uintptr_t met = (uintptr_t)mm_map_get(&plan->headers, hash) + 1;
    enum mailmod_error error = mm_map_put(&plan->headers, hash, (void *)met);
    if (error != MAILMOD_OK) {
        return error;
    }
    mm_hex(header, KEY_OCTETS, digits);
    mm_buf_init(&key, sizeof item->key - 1);
    (void)mm_buf_appendf(&key, " %s.%u", digits, (unsigned)met);
    error = mm_buf_error(&key);
    (void)mm_span_copy(mm_buf_span(&key), item->key, sizeof item->key);
    mm_buf_fini(&key);
    if (error == MAILMOD_OK) {
        judge(plan, item);
    }
    return error;
}

/* The first row with the hash, in their order; the count when there is none. */
static size_t first_with(const struct mm_fetch_plan *plan,
                         const uint8_t hash[MM_SHA256_SIZE])
{
    size_t low = 0;
    size_t high = plan->row_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(plan->by_hash[middle]->seen.hash, hash, MM_SHA256_SIZE) <
            0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Under its own key: the server did not delete it. */
static bool is_there_again(const struct mm_fetch_row *row,
                           const struct mm_fetch_item *item)
{
    return row->seen.is_deleted && strcmp(row->seen.key, item->key) == 0;
}

bool mm_fetch_plan_recognize(struct mm_fetch_plan *plan,
                             struct mm_fetch_item *item)
{
    for (size_t i = first_with(plan, item->hash);
         i < plan->row_count &&
         memcmp(plan->by_hash[i]->seen.hash, item->hash, MM_SHA256_SIZE) == 0;
         i++) {
        struct mm_fetch_row *row = plan->by_hash[i];
        bool is_again = is_there_again(row, item);
        if (!row->is_dropped && !row->is_listed &&
            (is_again || !row->seen.is_deleted)) {
            row->is_dropped = true;
            row->is_changed = !is_again;
            item->seen_ms = row->seen.seen_ms;
            item->state = MM_FETCH_SEEN;
            item->is_moved = true;
            return true;
        }
    }
    return false;
}

void mm_fetch_plan_took(struct mm_fetch_plan *plan, struct mm_fetch_item *item,
                        int64_t now_ms)
{
    struct mm_fetch_row *row = find_row(plan, item->key);
    if (row != NULL) { /* the row on disk is the new one */
        row->is_dropped = true;
        row->is_changed = false;
    }
    item->state = MM_FETCH_SEEN;
    item->seen_ms = now_ms;
}

bool mm_fetch_item_is_due(const struct mm_fetch_item *item,
                          const struct mm_config_fetch *account, int64_t now_ms)
{
    if (item->state != MM_FETCH_SEEN || item->is_deleted) {
        return false;
    }
    switch (account->policy) {
    case MM_CONFIG_FETCH_DELETE:
        return true;
    case MM_CONFIG_FETCH_DELETE_AFTER:
        return now_ms - item->seen_ms >= (int64_t)account->delete_after_ms;
    case MM_CONFIG_FETCH_KEEP:
        break;
    }
    return false;
}

static bool is_of_header(const char *key)
{
    return key[0] == ' ';
}

/* The key of a header comes again with the next mail that has this header, so
 * its row goes with the message. */
static void note_gone(struct mm_fetch_row *row, int64_t now_ms)
{
    if (row->is_listed) {
        row->is_changed = row->is_changed || row->seen.gone_ms != 0;
        row->seen.gone_ms = 0;
    } else if (is_of_header(row->seen.key) ||
               (row->seen.gone_ms != 0 &&
                now_ms - row->seen.gone_ms > GONE_MS)) {
        row->is_dropped = true;
        row->is_changed = true;
    } else if (row->seen.gone_ms == 0) {
        row->seen.gone_ms = now_ms;
        row->is_changed = true;
    }
}

/* Its row is written by the item from now on. */
static void note_deleted(struct mm_fetch_plan *plan, struct mm_fetch_item *item)
{
    struct mm_fetch_row *row = find_row(plan, item->key);
    item->is_moved = true;
    if (row != NULL && !row->is_dropped) {
        memcpy(item->hash, row->seen.hash, sizeof item->hash);
        row->is_dropped = true;
        row->is_changed = false;
    }
}

void mm_fetch_plan_end(struct mm_fetch_plan *plan,
                       const struct mm_fetch_end *end)
{
    for (size_t i = 0; i < plan->row_count; i++) {
        if (end->is_whole && !plan->rows[i].is_dropped) {
            note_gone(&plan->rows[i], end->now_ms);
        }
    }
    for (size_t i = 0; i < plan->count; i++) {
        struct mm_fetch_item *item = &plan->items[i];
        item->is_deleted = item->is_deleted && end->is_updated;
        if (item->is_deleted) {
            note_deleted(plan, item);
        }
    }
    plan->end_ms = end->now_ms;
}

static bool change_of_item(const struct mm_fetch_plan *plan,
                           const struct mm_fetch_item *item,
                           struct mm_store_seen *seen_out, bool *is_dropped_out)
{
    if (!item->is_moved) {
        return false;
    }
    *seen_out =
        (struct mm_store_seen){.size = item->size,
                               .seen_ms = item->seen_ms,
                               .gone_ms = item->is_deleted ? plan->end_ms : 0,
                               .is_deleted = item->is_deleted};
    memcpy(seen_out->key, item->key, sizeof seen_out->key);
    memcpy(seen_out->hash, item->hash, sizeof seen_out->hash);
    *is_dropped_out = item->is_deleted && is_of_header(item->key);
    return true;
}

bool mm_fetch_plan_next_change(const struct mm_fetch_plan *plan, size_t *at,
                               struct mm_store_seen *seen_out,
                               bool *is_dropped_out)
{
    for (; *at < plan->row_count; ++*at) {
        const struct mm_fetch_row *row = &plan->rows[*at];
        if (row->is_changed) {
            *seen_out = row->seen;
            *is_dropped_out = row->is_dropped;
            ++*at;
            return true;
        }
    }
    /* Behind the rows: what was dropped may be put again under its key. */
    for (; *at < plan->row_count + plan->count; ++*at) {
        if (change_of_item(plan, &plan->items[*at - plan->row_count], seen_out,
                           is_dropped_out)) {
            ++*at;
            return true;
        }
    }
    return false;
}
