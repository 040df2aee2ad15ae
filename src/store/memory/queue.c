/* queue.c - the queue's recipients in memory.
 *
 * Promises as sqlite/write_queue.c and sqlite/act.c do; an act on the whole
 * queue is done in its own transaction, so nothing is ever settling.
 * Thread: the writer's verbs on the writer; the others on any. */
#include "base/mem.h"
#include "store/memory/internal.h"

#include <string.h>

struct mm_recipient_row *mm_recipient_row_from(struct mm_memory_disk *disk,
                                               uint64_t message_id,
                                               int64_t number)
{
    struct mm_recipient_row key = {
        .recipient = {.message_id = message_id, .number = (unsigned)number}};
    struct mm_row *row = mm_table_from(disk, MM_TABLE_RECIPIENT, &key.row);
    return row != NULL ? MM_ROW(struct mm_recipient_row, row) : NULL;
}

struct mm_recipient_row *mm_due_row_from(struct mm_memory_disk *disk,
                                         const char *destination,
                                         const struct mm_due_key *after)
{
    struct mm_recipient_row key = {
        .recipient = {.next_attempt_ms = after->next_attempt_ms,
                      .message_id = after->message_id,
                      .number = (unsigned)(after->number + 1)}};
    (void)mm_span_copy(mm_span_cstr(destination), key.recipient.destination,
                       sizeof key.recipient.destination);
    struct mm_row *row = mm_row_of_other(
        mm_tree_from(&disk->tables[MM_TABLE_RECIPIENT].other, &key.row.other));
    return row != NULL ? MM_ROW(struct mm_recipient_row, row) : NULL;
}

static struct mm_recipient_row *find(struct mm_memory *store,
                                     uint64_t message_id, unsigned number)
{
    struct mm_recipient_row *row =
        mm_recipient_row_from(store->disk, message_id, number);
    return row != NULL && row->recipient.message_id == message_id &&
                   row->recipient.number == number
               ? row
               : NULL;
}

enum mailmod_error
mm_memory_put_recipient(struct mm_store_transaction *base,
                        const struct mm_store_recipient *recipient)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    if (store == NULL) {
        return error;
    }
    struct mm_row *row = mm_row_new(sizeof(struct mm_recipient_row));
    if (row == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    struct mm_store_recipient *put =
        &MM_ROW(struct mm_recipient_row, row)->recipient;
    *put = *recipient;
    put->read_attempt_ms = put->next_attempt_ms;
    error = mm_row_add(store, MM_TABLE_RECIPIENT, row);
    return error == MAILMOD_OK ? mm_memory_refer(store, recipient->message_id)
                               : error;
}

/* A copy of the row to be changed; NULL without memory. */
static struct mm_recipient_row *copy(const struct mm_recipient_row *row)
{
    struct mm_row *made = mm_row_copy(&row->row);
    return made != NULL ? MM_ROW(struct mm_recipient_row, made) : NULL;
}

static enum mailmod_error replace(struct mm_memory *store,
                                  struct mm_recipient_row *old,
                                  struct mm_recipient_row *row)
{
    return mm_row_change(store, MM_TABLE_RECIPIENT, &old->row, &row->row);
}

/* A hold or a flush by an operator outlives the attempt that ran meanwhile. */
enum mailmod_error
mm_memory_update_recipient(struct mm_store_transaction *base,
                           const struct mm_store_recipient *recipient)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    if (store == NULL) {
        return error;
    }
    struct mm_recipient_row *old =
        find(store, recipient->message_id, recipient->number);
    if (old == NULL) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    struct mm_recipient_row *row = copy(old);
    if (row == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    struct mm_store_recipient *r = &row->recipient;
    memcpy(r->destination, recipient->destination, sizeof r->destination);
    memcpy(r->last_reply, recipient->last_reply, sizeof r->last_reply);
    memcpy(r->unsure_host, recipient->unsure_host, sizeof r->unsure_host);
    if (recipient->read_attempt_ms == 0 ||
        recipient->read_attempt_ms == r->next_attempt_ms) {
        r->next_attempt_ms = recipient->next_attempt_ms;
        r->read_attempt_ms = r->next_attempt_ms;
    }
    r->expires_ms = recipient->expires_ms;
    r->attempts = recipient->attempts;
    r->was_warned = recipient->was_warned;
    if (recipient->state == MM_RECIPIENT_HELD) {
        r->state = MM_RECIPIENT_HELD;
    }
    return replace(store, old, row);
}

enum mailmod_error mm_memory_take_recipient(struct mm_memory *store,
                                            struct mm_recipient_row *row)
{
    uint64_t message_id = row->recipient.message_id;
    enum mailmod_error error =
        mm_row_remove(store, MM_TABLE_RECIPIENT, &row->row);
    return error == MAILMOD_OK ? mm_memory_unrefer(store, message_id) : error;
}

enum mailmod_error mm_memory_remove_recipient(struct mm_store_transaction *base,
                                              uint64_t message_id,
                                              unsigned number)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    if (store == NULL) {
        return error;
    }
    struct mm_recipient_row *row = find(store, message_id, number);
    return row != NULL ? mm_memory_take_recipient(store, row)
                       : MAILMOD_ERROR_NOT_FOUND;
}

static enum mailmod_error set_state(struct mm_memory *store,
                                    struct mm_recipient_row *old,
                                    enum mm_recipient_state state,
                                    int64_t next_attempt_ms)
{
    struct mm_recipient_row *row = copy(old);
    if (row == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    row->recipient.state = state;
    row->recipient.next_attempt_ms = next_attempt_ms;
    row->recipient.read_attempt_ms = next_attempt_ms;
    return replace(store, old, row);
}

/* Counts the recipient when the action is for it. */
static enum mailmod_error act_on(struct mm_memory *store,
                                 struct mm_recipient_row *row,
                                 enum mailmod_queue_action action,
                                 int64_t now_ms, size_t *count)
{
    bool is_held = row->recipient.state == MM_RECIPIENT_HELD;
    if ((action == MAILMOD_QUEUE_RELEASE && !is_held) ||
        (action == MAILMOD_QUEUE_FLUSH && is_held)) {
        return MAILMOD_OK;
    }
    ++*count;
    switch (action) {
    case MAILMOD_QUEUE_HOLD:
        return set_state(store, row, MM_RECIPIENT_HELD,
                         row->recipient.next_attempt_ms);
    case MAILMOD_QUEUE_RELEASE:
    case MAILMOD_QUEUE_FLUSH:
        mm_store_news_add(&store->base.news, row->recipient.destination,
                          now_ms);
        return set_state(store, row, MM_RECIPIENT_WAITING, now_ms);
    case MAILMOD_QUEUE_DELETE:
        return mm_memory_take_recipient(store, row);
    }
    return MAILMOD_ERROR_ARGUMENT;
}

enum mailmod_error mm_memory_act(struct mm_store_transaction *base,
                                 uint64_t message_id,
                                 enum mailmod_queue_action action,
                                 int64_t now_ms, size_t *count_out)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    if (store == NULL) {
        return error;
    }
    struct mm_recipient_row *row =
        mm_recipient_row_from(store->disk, message_id, 0);
    while (error == MAILMOD_OK && row != NULL &&
           (message_id == 0 || row->recipient.message_id == message_id)) {
        uint64_t id = row->recipient.message_id;
        int64_t next = (int64_t)row->recipient.number + 1;
        error = act_on(store, row, action, now_ms, count_out);
        row = mm_recipient_row_from(store->disk, id, next);
    }
    if (action == MAILMOD_QUEUE_RELEASE || action == MAILMOD_QUEUE_FLUSH) {
        store->disk->flush_count++;
    }
    return error;
}

enum mailmod_error mm_memory_act_on_one(struct mm_store_transaction *base,
                                        uint64_t message_id, unsigned number,
                                        enum mailmod_queue_action action,
                                        int64_t now_ms, size_t *count)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    if (store == NULL) {
        return error;
    }
    struct mm_recipient_row *row = find(store, message_id, number);
    if (row == NULL) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    if (action == MAILMOD_QUEUE_RELEASE || action == MAILMOD_QUEUE_FLUSH) {
        store->disk->flush_count++;
    }
    return act_on(store, row, action, now_ms, count);
}

static enum mailmod_error reroute(struct mm_memory *store,
                                  struct mm_recipient_row *old,
                                  const char *destination)
{
    char wanted[MM_STORE_DESTINATION_MAX];
    if (!mm_destination_rerouted(old->recipient.path,
                                 old->recipient.destination, destination,
                                 wanted)) {
        return MAILMOD_OK;
    }
    struct mm_recipient_row *row = copy(old);
    if (row == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    memcpy(row->recipient.destination, wanted, sizeof wanted);
    mm_store_news_add_all(&store->base.news);
    return replace(store, old, row);
}

enum mailmod_error mm_memory_reroute(struct mm_store_transaction *base,
                                     const char *destination)
{
    enum mailmod_error error;
    struct mm_memory *store = mm_memory_write(base, &error);
    if (store == NULL) {
        return error;
    }
    struct mm_recipient_row *row = mm_recipient_row_from(store->disk, 0, 0);
    while (error == MAILMOD_OK && row != NULL) {
        uint64_t id = row->recipient.message_id;
        int64_t next = (int64_t)row->recipient.number + 1;
        error = reroute(store, row, destination);
        row = mm_recipient_row_from(store->disk, id, next);
    }
    return error;
}

enum mailmod_error
mm_memory_list_destinations(struct mm_store *base, const char *after,
                            struct mm_store_destination *destinations_out,
                            size_t count_max, size_t *count_out)
{
    /* Behind the last row of a destination the next one begins. */
    static const struct mm_due_key last = {INT64_MAX, UINT64_MAX,
                                           (int64_t)UINT32_MAX - 1};
    struct mm_memory_disk *disk = mm_memory_read(base);
    struct mm_recipient_row *row = mm_due_row_from(disk, after, &last);
    while (*count_out < count_max && row != NULL) {
        struct mm_store_destination *found = &destinations_out[(*count_out)++];
        memcpy(found->name, row->recipient.destination, sizeof found->name);
        found->next_attempt_ms = row->recipient.next_attempt_ms;
        row = mm_due_row_from(disk, found->name, &last);
    }
    mm_memory_read_end(base);
    return MAILMOD_OK;
}

enum mailmod_error mm_memory_list_due(
    struct mm_store *base, const char *destination, int64_t now_ms,
    const struct mm_due_key *after,
    bool (*visit)(void *context, const struct mm_store_recipient *recipient),
    void *context)
{
    struct mm_memory_disk *disk = mm_memory_read(base);
    struct mm_recipient_row *row = mm_due_row_from(disk, destination, after);
    while (row != NULL &&
           strcmp(row->recipient.destination, destination) == 0 &&
           row->recipient.next_attempt_ms <= now_ms &&
           visit(context, &row->recipient)) {
        struct mm_due_key key = {row->recipient.next_attempt_ms,
                                 row->recipient.message_id,
                                 row->recipient.number};
        row = mm_due_row_from(disk, destination, &key);
    }
    mm_memory_read_end(base);
    return MAILMOD_OK;
}

enum mailmod_error mm_memory_each_recipient(
    struct mm_store *base, const struct mm_due_key *after,
    uint64_t last_message_id,
    bool (*visit)(void *context, const struct mm_store_message *message,
                  const struct mm_store_recipient *recipient),
    void *context)
{
    struct mm_memory_disk *disk = mm_memory_read(base);
    struct mm_recipient_row *row =
        mm_recipient_row_from(disk, after->message_id, after->number + 1);
    bool goes_on = true;
    while (goes_on && row != NULL &&
           row->recipient.message_id <= last_message_id) {
        struct mm_message_row *message =
            mm_find_message_row(disk, row->recipient.message_id);
        goes_on = message == NULL ||
                  visit(context, &message->message, &row->recipient);
        row = mm_recipient_row_from(disk, row->recipient.message_id,
                                    (int64_t)row->recipient.number + 1);
    }
    mm_memory_read_end(base);
    return MAILMOD_OK;
}

enum mailmod_error mm_memory_flush_count(struct mm_store *base,
                                         uint64_t *count_out)
{
    *count_out = mm_memory_read(base)->flush_count;
    mm_memory_read_end(base);
    return MAILMOD_OK;
}
