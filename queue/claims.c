/* claims.c - takes one message's due recipients of one destination.
 *
 * Owns the claims: the set of (message, number) that are in an attempt or a
 * settlement. Promises that a recipient is in one batch at a time, and that a
 * batch holds only what is still in the store: the rows are claimed first and
 * read again after, because a row read before the claim may have been settled,
 * and its claim given up, in between. Without the second read a delivered
 * message could be sent twice.
 * Thread: any; store reads are made without the lock. */
#include "base/mem.h"
#include "queue/internal.h"

#include <string.h>

/* Candidates seen before the destination is left to the next call. */
enum { ROUNDS_MAX = 8, KEY_SIZE = 12 };

static void write_key(char key[KEY_SIZE], uint64_t message_id, unsigned number)
{
    uint32_t number32 = number;
    memcpy(key, &message_id, sizeof message_id);
    memcpy(key + sizeof message_id, &number32, sizeof number32);
}

static bool claim(struct mq_queue *queue, uint64_t message_id, unsigned number)
{
    char key[KEY_SIZE];
    write_key(key, message_id, number);
    struct mm_span span = mm_span(key, sizeof key);
    mm_mutex_lock(queue->lock);
    bool is_new = mm_map_get(&queue->claims, span) == NULL &&
                  mm_map_put(&queue->claims, span, queue) == MAILMOD_OK;
    mm_mutex_unlock(queue->lock);
    return is_new;
}

void mq_unclaim(struct mq_queue *queue, uint64_t message_id, unsigned number)
{
    char key[KEY_SIZE];
    write_key(key, message_id, number);
    mm_mutex_lock(queue->lock);
    void *value = mm_map_remove(&queue->claims, mm_span(key, sizeof key));
    struct mq_removed *removed = value != queue ? value : NULL;
    if (removed != NULL && !removed->has_end) {
        mm_list_append(&queue->removed, &removed->node);
        removed = NULL;
    }
    mm_mutex_unlock(queue->lock);
    mm_free(removed);
}

/* A table that cannot take the news: told before the attempt is over. */
bool mq_claim_keeps(struct mq_queue *queue, struct mq_removed *removed)
{
    char key[KEY_SIZE];
    write_key(key, removed->message_id, removed->number);
    struct mm_span span = mm_span(key, sizeof key);
    return mm_map_get(&queue->claims, span) == queue &&
           mm_map_put(&queue->claims, span, removed) == MAILMOD_OK;
}

void mq_claim_has_end(struct mq_queue *queue, uint64_t message_id,
                      unsigned number)
{
    char key[KEY_SIZE];
    write_key(key, message_id, number);
    mm_mutex_lock(queue->lock);
    void *value = mm_map_get(&queue->claims, mm_span(key, sizeof key));
    if (value != NULL && value != queue) {
        ((struct mq_removed *)value)->has_end = true;
    }
    mm_mutex_unlock(queue->lock);
}

struct fetch {
    struct mq_queue *queue;
    struct mq_options options;
    uint64_t longest_wait_ms;
    const char *destination;
    int64_t now_ms;
    bool is_overdue;
    struct mq_found *found;
    struct mq_batch *batch;
    size_t capacity;
    size_t verified;
    enum mailmod_error error;
};

/* The delay notice of a row alone: its message's arrival is its expiry less
 * the lifetime, unless the lifetime was changed meanwhile. */
static int64_t overdue_ms(const struct fetch *fetch,
                          const struct mm_store_recipient *row)
{
    int64_t notice_ms = row->expires_ms - (int64_t)fetch->options.lifetime_ms +
                        (int64_t)fetch->options.warn_after_ms;
    return fetch->options.warn_after_ms != 0 && !row->was_warned &&
                   notice_ms < row->expires_ms
               ? notice_ms
               : row->expires_ms;
}

static bool is_due(const struct fetch *fetch,
                   const struct mm_store_recipient *row)
{
    return mq_is_due(row->next_attempt_ms, fetch->now_ms,
                     fetch->longest_wait_ms);
}

static bool is_wanted(const struct fetch *fetch,
                      const struct mm_store_recipient *row)
{
    return row->state == MM_RECIPIENT_WAITING && is_due(fetch, row) &&
           (!fetch->is_overdue || overdue_ms(fetch, row) <= fetch->now_ms);
}

/* In an attempt; should it be kept, its lifetime may be what comes next. */
static void note_claimed(struct fetch *fetch,
                         const struct mm_store_recipient *row)
{
    if (row->expires_ms < fetch->found->overdue_ms) {
        fetch->found->overdue_ms = row->expires_ms;
    }
}

/* Who is not for now tells when to come again. False: no later row can be. */
static bool note_other(struct fetch *fetch,
                       const struct mm_store_recipient *row)
{
    int64_t row_overdue_ms = overdue_ms(fetch, row);
    if (row_overdue_ms < fetch->found->overdue_ms) {
        fetch->found->overdue_ms = row_overdue_ms;
    }
    if (row->next_attempt_ms < fetch->found->next_ms) {
        fetch->found->next_ms = row->next_attempt_ms;
    }
    return fetch->is_overdue || is_due(fetch, row);
}

static enum mailmod_error add_row(struct fetch *fetch,
                                  const struct mm_store_recipient *row)
{
    struct mq_batch *batch = fetch->batch;
    if (batch->recipient_count == fetch->capacity) {
        size_t capacity = fetch->capacity == 0 ? 1 : 4 * fetch->capacity;
        struct mm_store_recipient *grown =
            mm_realloc(batch->recipients, capacity * sizeof *grown);
        if (grown == NULL) {
            return MAILMOD_ERROR_MEMORY;
        }
        batch->recipients = grown;
        fetch->capacity = capacity;
    }
    batch->recipients[batch->recipient_count++] = *row;
    return MAILMOD_OK;
}

/* One transaction can serve both: the same path back, the same one who sends it
 * on, the same host first. */
static bool is_alike(const struct mm_store_recipient *a,
                     const struct mm_store_recipient *b)
{
    return a->has_reverse_path == b->has_reverse_path &&
           strcmp(a->reverse_path, b->reverse_path) == 0 &&
           strcmp(a->delivered_to, b->delivered_to) == 0 &&
           strcmp(a->unsure_host, b->unsure_host) == 0;
}

/* Rows of one message stand together: a batch's recipients always get the same
 * next time. The first row that can be claimed decides the message. */
static bool on_candidate(void *context, const struct mm_store_recipient *row)
{
    struct fetch *fetch = context;
    struct mq_batch *batch = fetch->batch;
    if (batch->recipient_count > 0 &&
        row->message_id != batch->recipients[0].message_id) {
        return false;
    }
    if (!is_wanted(fetch, row) ||
        (batch->recipient_count > 0 && !is_alike(&batch->recipients[0], row))) {
        return note_other(fetch, row);
    }
    if (!claim(fetch->queue, row->message_id, row->number)) {
        note_claimed(fetch, row);
        return true;
    }
    fetch->error = add_row(fetch, row);
    if (fetch->error != MAILMOD_OK) {
        mq_unclaim(fetch->queue, row->message_id, row->number);
        return false;
    }
    return batch->recipient_count < fetch->options.recipients_max;
}

/* The second look, with the claims held: verified rows gather at the front. */
static bool on_verified(void *context, const struct mm_store_message *message,
                        const struct mm_store_recipient *row)
{
    struct fetch *fetch = context;
    struct mq_batch *batch = fetch->batch;
    for (size_t i = fetch->verified; i < batch->recipient_count; i++) {
        struct mm_store_recipient *claimed = &batch->recipients[i];
        if (claimed->number != row->number) {
            continue;
        }
        if (is_wanted(fetch, row) &&
            strcmp(row->destination, fetch->destination) == 0) {
            *claimed = batch->recipients[fetch->verified];
            batch->recipients[fetch->verified++] = *row;
            batch->message = *message;
        }
        break;
    }
    return fetch->verified < batch->recipient_count;
}

static void drop_unverified(struct fetch *fetch)
{
    struct mq_batch *batch = fetch->batch;
    for (size_t i = fetch->verified; i < batch->recipient_count; i++) {
        mq_unclaim(fetch->queue, batch->recipients[i].message_id,
                   batch->recipients[i].number);
    }
    batch->recipient_count = fetch->verified;
}

/* For all that follows the message is one from the recipients' own path. */
static void use_own_path(struct mq_batch *batch)
{
    if (batch->recipient_count > 0 && batch->recipients[0].has_reverse_path) {
        memcpy(batch->message.reverse_path, batch->recipients[0].reverse_path,
               sizeof batch->message.reverse_path);
    }
}

static enum mailmod_error fetch_once(struct fetch *fetch)
{
    fetch->verified = 0;
    fetch->error = MAILMOD_OK;
    fetch->found->next_ms = INT64_MAX;
    fetch->found->overdue_ms = INT64_MAX;
    enum mailmod_error error =
        mm_store_list_due(fetch->queue->store, fetch->destination, INT64_MAX,
                          on_candidate, fetch);
    if (error == MAILMOD_OK) {
        error = fetch->error;
    }
    if (error == MAILMOD_OK && fetch->batch->recipient_count == 0) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    if (error == MAILMOD_OK) {
        error = mm_store_each_recipient(fetch->queue->store,
                                        fetch->batch->recipients[0].message_id,
                                        on_verified, fetch);
    }
    if (error != MAILMOD_OK) {
        fetch->verified = 0;
    }
    drop_unverified(fetch);
    use_own_path(fetch->batch);
    return error;
}

/* What it works by, as of now. */
static void begin_fetch(struct fetch *fetch)
{
    struct mq_queue *queue = fetch->queue;
    mm_mutex_lock(queue->lock);
    const struct mq_destination *destination =
        mq_destination_find(queue, fetch->destination);
    fetch->batch->flushes = queue->flushes;
    fetch->found->version = destination != NULL ? destination->version : 0;
    fetch->options = queue->options; /* its numbers; the steps are not used */
    fetch->longest_wait_ms = queue->longest_wait_ms;
    mm_mutex_unlock(queue->lock);
}

/* Rows that were settled meanwhile are no end: there may be others. */
static enum mailmod_error fetch_some(struct fetch *fetch)
{
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        enum mailmod_error error = fetch_once(fetch);
        if (error != MAILMOD_OK || fetch->batch->recipient_count > 0) {
            return error;
        }
    }
    fetch->found->next_ms = fetch->now_ms + MQ_STORE_AWAY_MS;
    fetch->found->overdue_ms = fetch->now_ms;
    return MAILMOD_ERROR_NOT_FOUND;
}

enum mailmod_error mq_fetch(struct mq_queue *queue, const char *destination,
                            int64_t now_ms, bool overdue,
                            struct mq_found *found_out)
{
    struct fetch fetch = {.queue = queue,
                          .destination = destination,
                          .now_ms = now_ms,
                          .is_overdue = overdue,
                          .found = found_out};
    fetch.batch = mm_alloc(sizeof *fetch.batch);
    if (fetch.batch == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    begin_fetch(&fetch);
    enum mailmod_error error = fetch_some(&fetch);
    if (error != MAILMOD_OK) {
        mm_free(fetch.batch->recipients);
        mm_free(fetch.batch);
        return error;
    }
    mm_list_init(&fetch.batch->node);
    mm_span_copy(mm_span_cstr(destination), fetch.batch->destination,
                 sizeof fetch.batch->destination);
    fetch.batch->is_overdue = overdue;
    found_out->batch = fetch.batch;
    return MAILMOD_OK;
}
