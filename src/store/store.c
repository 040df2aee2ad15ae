/* store.c - the front of every store, which kinds.c opens: hands each verb of
 * store.h on to it.
 *
 * Promises what holds for all of them, so that no implementation does it again:
 * users are added, found and removed by the one form of their name; a chunk is
 * no larger than its limit; what is waited for (mm_store_run, mm_store_settle)
 * is waited for here.
 * Thread: as store.h says. */
#include "platform/clock.h"
#include "platform/thread.h"
#include "store/ops.h"

#include <string.h>

#define SETTLE_STEP_MS 5

void mm_store_close(struct mm_store **store_in)
{
    struct mm_store *store = *store_in;
    *store_in = NULL;
    if (store != NULL) {
        store->ops->close(store);
    }
}

uint64_t mm_store_new_message_id(struct mm_store *store)
{
    return store->ops->new_message_id(store);
}

void mm_store_submit(struct mm_store *store, struct mm_store_job *job)
{
    store->ops->submit(store, job);
}

struct waiter {
    struct mm_store_job job;
    struct mm_store_job *inner;
    struct mm_mutex *mutex;
    struct mm_condition *condition;
    bool is_done;
    enum mailmod_error error;
};

static enum mailmod_error run_inner(struct mm_store_job *job,
                                    struct mm_store_transaction *transaction)
{
    struct waiter *waiter = MM_LIST_OBJECT(job, struct waiter, job);

    return waiter->inner->run(waiter->inner, transaction);
}

static void inner_done(struct mm_store_job *job, enum mailmod_error error)
{
    struct waiter *waiter = MM_LIST_OBJECT(job, struct waiter, job);

    mm_mutex_lock(waiter->mutex);
    waiter->error = error;
    waiter->is_done = true;
    mm_condition_signal(waiter->condition);
    mm_mutex_unlock(waiter->mutex);
}

enum mailmod_error mm_store_run(struct mm_store *store,
                                struct mm_store_job *job)
{
    struct waiter waiter = {.inner = job,
                            .job = {.run = run_inner, .done = inner_done}};
    enum mailmod_error error = mm_mutex_new(&waiter.mutex);

    if (error == MAILMOD_OK) {
        error = mm_condition_new(&waiter.condition);
    }
    if (error == MAILMOD_OK) {
        mm_store_submit(store, &waiter.job);
        while (store->ops->step != NULL && store->ops->step(store)) {
        }
        mm_mutex_lock(waiter.mutex);
        while (!waiter.is_done) {
            mm_condition_wait(waiter.condition, waiter.mutex);
        }
        mm_mutex_unlock(waiter.mutex);
        error = waiter.error;
    }
    mm_condition_free(&waiter.condition);
    mm_mutex_free(&waiter.mutex);
    return error;
}

bool mm_store_is_writable(const struct mm_store *store)
{
    return store->ops->is_writable(store);
}

bool mm_store_waits(const struct mm_store *store)
{
    return store->waits;
}

enum mailmod_error mm_store_lock_mailbox(struct mm_store *store,
                                         uint64_t mailbox_id)
{
    return store->ops->lock_mailbox(store, mailbox_id);
}

void mm_store_unlock_mailbox(struct mm_store *store, uint64_t mailbox_id)
{
    store->ops->unlock_mailbox(store, mailbox_id);
}

bool mm_store_is_settling(struct mm_store *store)
{
    return store->ops->is_settling(store);
}

void mm_store_settle(struct mm_store *store)
{
    while (mm_store_is_settling(store) && mm_store_is_writable(store)) {
        mm_clock_sleep_ms(SETTLE_STEP_MS);
    }
}

void mm_store_set_free_space_min(struct mm_store *store, uint64_t octets)
{
    store->ops->set_free_space_min(store, octets);
}

bool mm_store_has_room_for(struct mm_store *store, uint64_t octets)
{
    return store->ops->has_room_for(store, octets);
}

void mm_store_counters(const struct mm_store *store,
                       struct mm_store_counters *counters_out)
{
    store->ops->counters(store, counters_out);
}

static const struct mm_store_ops *
ops_of(const struct mm_store_transaction *transaction)
{
    return transaction->store->ops;
}

enum mailmod_error mm_store_put_chunk(struct mm_store_transaction *transaction,
                                      uint64_t id, unsigned number,
                                      struct mm_span data)
{
    if (number > INT32_MAX || data.size > MM_LIMIT_CHUNK) {
        return MAILMOD_ERROR_TOO_LARGE;
    }
    return ops_of(transaction)->put_chunk(transaction, id, number, data);
}

enum mailmod_error
mm_store_put_message(struct mm_store_transaction *transaction,
                     const struct mm_store_message *message)
{
    return ops_of(transaction)->put_message(transaction, message);
}

enum mailmod_error mm_store_octets_of(struct mm_store_transaction *transaction,
                                      uint64_t mailbox_id, uint64_t *octets_out)
{
    *octets_out = 0;
    return ops_of(transaction)->octets_of(transaction, mailbox_id, octets_out);
}

enum mailmod_error
mm_store_put_recipient(struct mm_store_transaction *transaction,
                       const struct mm_store_recipient *recipient)
{
    mm_store_news_add(&transaction->store->news, recipient->destination,
                      recipient->next_attempt_ms);
    return ops_of(transaction)->put_recipient(transaction, recipient);
}

enum mailmod_error mm_store_put_entry(struct mm_store_transaction *transaction,
                                      uint64_t mailbox_id, uint64_t message_id,
                                      uint64_t served_size)
{
    return ops_of(transaction)
        ->put_entry(transaction, mailbox_id, message_id, served_size, NULL);
}

enum mailmod_error
mm_store_put_entry_with(struct mm_store_transaction *transaction,
                        uint64_t mailbox_id, uint64_t message_id,
                        uint64_t served_size,
                        const struct mm_store_entry_detail *detail)
{
    return ops_of(transaction)
        ->put_entry(transaction, mailbox_id, message_id, served_size, detail);
}

uint32_t mm_store_entry_flags(const struct mm_store_entry_detail *detail)
{
    if (detail == NULL) {
        return 0;
    }
    bool has_detail = detail->uidl[0] != '\0' || detail->notify != 0 ||
                      detail->original_recipient[0] != '\0' ||
                      detail->has_reverse_path;
    bool has_address = has_detail || detail->delivered_to[0] != '\0' ||
                       detail->original_to[0] != '\0';
    return (has_detail ? MM_ENTRY_HAS_DETAIL : 0) |
           (has_address ? MM_ENTRY_HAS_ADDRESS : 0) |
           ((detail->marks & MM_MAIL_MARKS) << MM_ENTRY_MARKS_SHIFT);
}

enum mailmod_error
mm_store_drop_chunks(struct mm_store_transaction *transaction, uint64_t id)
{
    return ops_of(transaction)->drop_chunks(transaction, id);
}

enum mailmod_error
mm_store_remove_entries(struct mm_store_transaction *transaction,
                        uint64_t mailbox_id, const uint64_t *unique_numbers,
                        size_t count)
{
    return ops_of(transaction)
        ->remove_entries(transaction, mailbox_id, unique_numbers, count, 0);
}

enum mailmod_error
mm_store_keep_entries(struct mm_store_transaction *transaction,
                      uint64_t mailbox_id, const uint64_t *unique_numbers,
                      size_t count, int64_t now_ms)
{
    return now_ms > 0 ? ops_of(transaction)
                            ->remove_entries(transaction, mailbox_id,
                                             unique_numbers, count, now_ms)
                      : MAILMOD_ERROR_ARGUMENT;
}

enum mailmod_error
mm_store_restore_deleted(struct mm_store_transaction *transaction,
                         uint64_t mailbox_id, uint64_t unique_number)
{
    return ops_of(transaction)
        ->restore_deleted(transaction, mailbox_id, unique_number);
}

enum mailmod_error
mm_store_sweep_deleted(struct mm_store_transaction *transaction,
                       int64_t before_ms, size_t count_max, size_t *count_out)
{
    *count_out = 0;
    return ops_of(transaction)
        ->sweep_deleted(transaction, before_ms, count_max, count_out);
}

enum mailmod_error
mm_store_update_recipient(struct mm_store_transaction *transaction,
                          const struct mm_store_recipient *recipient)
{
    mm_store_news_add(&transaction->store->news, recipient->destination,
                      recipient->next_attempt_ms);
    return ops_of(transaction)->update_recipient(transaction, recipient);
}

enum mailmod_error
mm_store_remove_recipient(struct mm_store_transaction *transaction,
                          uint64_t message_id, unsigned number)
{
    return ops_of(transaction)
        ->remove_recipient(transaction, message_id, number);
}

enum mailmod_error
mm_store_keep_recipient(struct mm_store_transaction *transaction,
                        const struct mm_store_kept *kept)
{
    return ops_of(transaction)->keep_recipient(transaction, kept);
}

enum mailmod_error
mm_store_requeue_kept(struct mm_store_transaction *transaction,
                      uint64_t message_id, unsigned number, int64_t now_ms,
                      int64_t expires_ms)
{
    return ops_of(transaction)
        ->requeue_kept(transaction, message_id, number, now_ms, expires_ms);
}

enum mailmod_error mm_store_drop_kept(struct mm_store_transaction *transaction,
                                      uint64_t message_id, unsigned number)
{
    return ops_of(transaction)->drop_kept(transaction, message_id, number);
}

enum mailmod_error mm_store_sweep_kept(struct mm_store_transaction *transaction,
                                       enum mailmod_kept_kind kind,
                                       int64_t before_ms, size_t count_max,
                                       size_t *count_out)
{
    *count_out = 0;
    return ops_of(transaction)
        ->sweep_kept(transaction, kind, before_ms, count_max, count_out);
}

enum mailmod_error mm_store_act(struct mm_store_transaction *transaction,
                                uint64_t message_id,
                                enum mailmod_queue_action action,
                                int64_t now_ms, size_t *count_out)
{
    *count_out = 0;
    if ((unsigned)action > MAILMOD_QUEUE_DELETE) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    return ops_of(transaction)
        ->act(transaction, message_id, action, now_ms, count_out);
}

enum mailmod_error mm_store_act_on_one(struct mm_store_transaction *transaction,
                                       uint64_t message_id, unsigned number,
                                       enum mailmod_queue_action action,
                                       int64_t now_ms, size_t *count)
{
    if ((unsigned)action > MAILMOD_QUEUE_DELETE) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    return ops_of(transaction)
        ->act_on_one(transaction, message_id, number, action, now_ms, count);
}

enum mailmod_error mm_store_reroute(struct mm_store_transaction *transaction,
                                    const char *destination)
{
    return ops_of(transaction)->reroute(transaction, destination);
}

enum mailmod_error mm_store_add_user(struct mm_store_transaction *transaction,
                                     struct mm_store_user *user)
{
    char name[MM_STORE_USER_MAX];
    enum mailmod_error error =
        mm_user_name_canonical(mm_span_cstr(user->name), name);

    if (error != MAILMOD_OK) {
        return error;
    }
    memcpy(user->name, name, sizeof user->name);
    return ops_of(transaction)->add_user(transaction, user);
}

enum mailmod_error
mm_store_change_user(struct mm_store_transaction *transaction,
                     const struct mm_store_user *user)
{
    return ops_of(transaction)->change_user(transaction, user);
}

/* What can be no name is nobody's. */
static enum mailmod_error canonical(const char *name,
                                    char name_out[MM_STORE_USER_MAX])
{
    enum mailmod_error error =
        mm_user_name_canonical(mm_span_cstr(name), name_out);

    return error == MAILMOD_OK || error == MAILMOD_ERROR_MEMORY
               ? error
               : MAILMOD_ERROR_NOT_FOUND;
}

enum mailmod_error
mm_store_move_records(struct mm_store_transaction *transaction,
                      enum mm_store_record_kind kind, const char *name,
                      const char *new_name)
{
    return ops_of(transaction)->move_records(transaction, kind, name, new_name);
}

/* What hangs on a user's name. */
static enum mailmod_error
move_user_records(struct mm_store_transaction *transaction, const char *name,
                  const char *new_name)
{
    static const enum mm_store_record_kind user_kinds[] = {
        MM_RECORD_FORWARD, MM_RECORD_AUTO_REPLY, MM_RECORD_REPLIED};
    enum mailmod_error error = MAILMOD_OK;

    for (size_t i = 0;
         error == MAILMOD_OK && i < sizeof user_kinds / sizeof user_kinds[0];
         i++) {
        error =
            mm_store_move_records(transaction, user_kinds[i], name, new_name);
    }
    return error;
}

enum mailmod_error
mm_store_remove_user(struct mm_store_transaction *transaction, const char *name)
{
    char name_kept[MM_STORE_USER_MAX];
    enum mailmod_error error = canonical(name, name_kept);

    if (error == MAILMOD_OK) {
        error = ops_of(transaction)->remove_user(transaction, name_kept);
    }
    return error == MAILMOD_OK ? move_user_records(transaction, name_kept, NULL)
                               : error;
}

enum mailmod_error
mm_store_rename_user(struct mm_store_transaction *transaction, const char *name,
                     const char *new_name)
{
    char name_kept[MM_STORE_USER_MAX];
    char new_kept[MM_STORE_USER_MAX];
    enum mailmod_error error = canonical(name, name_kept);

    if (error == MAILMOD_OK) {
        error = canonical(new_name, new_kept);
    }
    if (error == MAILMOD_OK) {
        error =
            ops_of(transaction)->rename_user(transaction, name_kept, new_kept);
    }
    return error == MAILMOD_OK
               ? move_user_records(transaction, name_kept, new_kept)
               : error;
}

enum mailmod_error mm_store_put_secret(struct mm_store_transaction *transaction,
                                       uint64_t mailbox_id,
                                       const struct mm_store_secret_key *secret)
{
    return ops_of(transaction)->put_secret(transaction, mailbox_id, secret);
}

enum mailmod_error
mm_store_remove_secret(struct mm_store_transaction *transaction,
                       uint64_t mailbox_id, const char *label)
{
    return ops_of(transaction)->remove_secret(transaction, mailbox_id, label);
}

enum mailmod_error mm_store_put_seen(struct mm_store_transaction *transaction,
                                     const char *account,
                                     const struct mm_store_seen *seen)
{
    return ops_of(transaction)->put_seen(transaction, account, seen);
}

enum mailmod_error mm_store_drop_seen(struct mm_store_transaction *transaction,
                                      const char *account, const char *key)
{
    return ops_of(transaction)->drop_seen(transaction, account, key);
}

enum mailmod_error mm_store_put_fetch(struct mm_store_transaction *transaction,
                                      const struct mm_store_fetch *fetch)
{
    return ops_of(transaction)->put_fetch(transaction, fetch);
}

enum mailmod_error mm_store_wish_fetch(struct mm_store_transaction *transaction,
                                       const char *account,
                                       enum mm_store_fetch_wish wish)
{
    return ops_of(transaction)->wish_fetch(transaction, account, wish);
}

enum mailmod_error
mm_store_forget_fetch(struct mm_store_transaction *transaction,
                      const char *account)
{
    return ops_of(transaction)->forget_fetch(transaction, account);
}

enum mailmod_error
mm_store_keep_record(struct mm_store_transaction *transaction,
                     const struct mm_store_record *record)
{
    return record->value.size > MM_STORE_RECORD_VALUE_MAX
               ? MAILMOD_ERROR_TOO_LARGE
               : ops_of(transaction)->keep_record(transaction, record);
}

enum mailmod_error
mm_store_drop_record(struct mm_store_transaction *transaction,
                     enum mm_store_record_kind kind, const char *name,
                     const char *key)
{
    return ops_of(transaction)->drop_record(transaction, kind, name, key);
}

enum mailmod_error mm_store_record_of(struct mm_store_transaction *transaction,
                                      enum mm_store_record_kind kind,
                                      const char *name, const char *key,
                                      struct mm_store_record *record_out)
{
    *record_out = (struct mm_store_record){.kind = kind};
    return ops_of(transaction)
        ->record_of(transaction, kind, name, key, record_out);
}

enum mailmod_error mm_store_find_record(
    struct mm_store *store, enum mm_store_record_kind kind, const char *name,
    const char *key,
    void (*visit)(void *context, const struct mm_store_record *record),
    void *context)
{
    return store->ops->find_record(store, kind, name, key, visit, context);
}

enum mailmod_error mm_store_each_fetch(
    struct mm_store *store,
    bool (*visit)(void *context, const struct mm_store_fetch *fetch),
    void *context)
{
    return store->ops->each_fetch(store, visit, context);
}

enum mailmod_error mm_store_add_rule(struct mm_store_transaction *transaction,
                                     const struct mm_store_rule *rule)
{
    return ops_of(transaction)->add_rule(transaction, rule);
}

enum mailmod_error
mm_store_remove_rule(struct mm_store_transaction *transaction,
                     const struct mm_store_rule *rule)
{
    return ops_of(transaction)->remove_rule(transaction, rule);
}

enum mailmod_error mm_store_rule_changes(struct mm_store *store,
                                         uint64_t *count_out)
{
    *count_out = 0;
    return store->ops->rule_changes(store, count_out);
}

enum mailmod_error
mm_store_note_sighting(struct mm_store_transaction *transaction,
                       const struct mm_store_sighting *sighting)
{
    return ops_of(transaction)->note_sighting(transaction, sighting);
}

enum mailmod_error
mm_store_remove_sighting(struct mm_store_transaction *transaction,
                         enum mm_sighting_kind kind, const char *key)
{
    return ops_of(transaction)->remove_sighting(transaction, kind, key);
}

enum mailmod_error
mm_store_sweep_sightings(struct mm_store_transaction *transaction,
                         int64_t now_ms, size_t keep_max, size_t count_max,
                         size_t *count_out)
{
    *count_out = 0;
    return ops_of(transaction)
        ->sweep_sightings(transaction, now_ms, keep_max, count_max, count_out);
}

enum mailmod_error
mm_store_find_sighting(struct mm_store *store, enum mm_sighting_kind kind,
                       const char *key, struct mm_store_sighting *sighting_out)
{
    memset(sighting_out, 0, sizeof *sighting_out);
    return store->ops->find_sighting(store, kind, key, sighting_out);
}

enum mailmod_error mm_store_find_user(struct mm_store *store, const char *name,
                                      struct mm_store_user *user_out)
{
    char name_kept[MM_STORE_USER_MAX];
    enum mailmod_error error = canonical(name, name_kept);

    return error == MAILMOD_OK
               ? store->ops->find_user(store, name_kept, user_out)
               : error;
}

enum mailmod_error
mm_store_find_addressee(struct mm_store *store, const char *const *names,
                        size_t count, struct mm_store_addressee *addressee_out)
{
    char kept[MM_STORE_NAMES_MAX][MM_STORE_USER_MAX];
    const char *wanted[MM_STORE_NAMES_MAX];
    size_t wanted_count = 0;

    for (size_t i = 0; i < count; i++) {
        enum mailmod_error error = canonical(names[i], kept[wanted_count]);

        if (error == MAILMOD_OK) {
            wanted[wanted_count] = kept[wanted_count];
            wanted_count++;
        } else if (error != MAILMOD_ERROR_NOT_FOUND) {
            return error;
        }
    }
    return wanted_count > 0 ? store->ops->find_addressee(
                                  store, wanted, wanted_count, addressee_out)
                            : MAILMOD_ERROR_NOT_FOUND;
}

enum mailmod_error mm_store_list_secrets(
    struct mm_store *store, uint64_t mailbox_id,
    struct mm_store_secret_key secrets_out[MM_STORE_SECRETS_MAX],
    size_t *count_out)
{
    *count_out = 0;
    return store->ops->list_secrets(store, mailbox_id, secrets_out, count_out);
}

enum mailmod_error mm_store_mailbox_tag(struct mm_store *store,
                                        uint64_t mailbox_id, uint32_t *tag_out)
{
    return store->ops->mailbox_tag(store, mailbox_id, tag_out);
}

enum mailmod_error mm_store_find_entry(struct mm_store *store,
                                       uint64_t mailbox_id,
                                       uint64_t unique_number,
                                       struct mm_store_entry_detail *detail_out)
{
    return store->ops->find_entry(store, mailbox_id, unique_number, detail_out);
}

enum mailmod_error mm_store_list_deleted(struct mm_store *store,
                                         uint64_t mailbox_id,
                                         uint64_t after_number,
                                         struct mm_store_deleted *deleted_out,
                                         size_t count_max, size_t *count_out)
{
    *count_out = 0;
    return store->ops->list_deleted(store, mailbox_id, after_number,
                                    deleted_out, count_max, count_out);
}

enum mailmod_error mm_store_mailbox_use(struct mm_store *store,
                                        uint64_t mailbox_id,
                                        uint64_t *entries_out,
                                        uint64_t *octets_out)
{
    return store->ops->mailbox_use(store, mailbox_id, entries_out, octets_out);
}

enum mailmod_error mm_store_find_message(struct mm_store *store,
                                         uint64_t message_id,
                                         struct mm_store_message *message_out)
{
    return store->ops->find_message(store, message_id, message_out);
}

enum mailmod_error mm_store_read_chunk(struct mm_store *store,
                                       uint64_t message_id, unsigned number,
                                       struct mm_buf *out)
{
    mm_buf_clear(out);
    return store->ops->read_chunk(store, message_id, number, out);
}

enum mailmod_error
mm_store_list_destinations(struct mm_store *store, const char *after,
                           struct mm_store_destination *destinations_out,
                           size_t count_max, size_t *count_out)
{
    *count_out = 0;
    return store->ops->list_destinations(store, after, destinations_out,
                                         count_max, count_out);
}

size_t mm_store_take_news(struct mm_store *store,
                          struct mm_store_destination *destinations_out,
                          size_t count_max, bool *is_whole_out)
{
    return mm_store_news_take(&store->news, destinations_out, count_max,
                              is_whole_out);
}

void mm_store_watch(struct mm_store *store, void (*on_news)(void *context),
                    void *context)
{
    mm_store_news_watch(&store->news, on_news, context);
}

bool mm_store_has_news(const struct mm_store *store)
{
    return atomic_load(&store->news.has_some);
}

enum mailmod_error mm_store_secret(struct mm_store *store,
                                   uint8_t secret_out[32])
{
    return store->ops->secret(store, secret_out);
}

enum mailmod_error mm_store_flush_count(struct mm_store *store,
                                        uint64_t *count_out)
{
    *count_out = 0;
    return store->ops->flush_count(store, count_out);
}

enum mailmod_error mm_store_user_changes(struct mm_store *store,
                                         uint64_t *count_out)
{
    *count_out = 0;
    return store->ops->user_changes(store, count_out);
}

enum mailmod_error mm_store_verify(struct mm_store *store,
                                   struct mm_buf *report_out)
{
    return store->ops->verify(store, report_out);
}

enum mailmod_error mm_store_backup(struct mm_store *store, const char *path,
                                   mm_store_progress progress, void *context,
                                   struct mm_buf *reason_out)
{
    return store->ops->backup(store, path, progress, context, reason_out);
}

enum mailmod_error mm_store_use_memory(void)
{
    return mm_sqlite_use_memory();
}

enum mailmod_error mm_store_stop_counting(void)
{
    return mm_sqlite_stop_counting();
}

bool mm_store_is_in_use(const char *data_folder)
{
    return !mm_store_is_memory(data_folder) && mm_sqlite_is_in_use(data_folder);
}

enum mailmod_error mm_store_restore(const char *data_folder, const char *path,
                                    mm_store_progress progress, void *context,
                                    struct mm_buf *reason_out)
{
    return mm_sqlite_restore(data_folder, path, progress, context, reason_out);
}
