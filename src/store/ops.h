/* thread: any, except what store.h says is the writer's
 * ops.h - the wall: what an implementation of the store gives.
 *
 * Callers know store.h alone; store.c hands each of its verbs on through this
 * table. What holds for every implementation stands in store.c and is not done
 * again behind it: names of users come in their one form, sizes and actions are
 * within their limits, outputs are set to nothing.
 *
 * An implementation is a folder beside this file, with a structure that begins
 * with struct mm_store, a transaction that begins with struct
 * mm_store_transaction, and one row in kinds.c's table of descriptions. It is
 * right when tests/unit/store/contract says so. */
#ifndef MM_STORE_OPS_H
#define MM_STORE_OPS_H

#include "store/locks.h"
#include "store/news.h"
#include "store/store.h"

#include <stdatomic.h>

/* Identifiers are made in one way everywhere: message_id.c. */
struct mm_message_ids {
    /* The last one given out: time and count side by side, without node. */
    atomic_ullong last;
    unsigned node;
};
uint64_t mm_message_id_next(struct mm_message_ids *ids, int64_t wall_ms);
/* Identifiers given out from now on are above this one. */
void mm_message_id_saw(struct mm_message_ids *ids, uint64_t id);
/* The one that a node 0 would have given out last, and one that stands
 * `later_ms` behind it. */
uint64_t mm_message_id_last(const struct mm_message_ids *ids,
                            uint64_t later_ms);

/* A recipient's place in a listing. `number` -1: before a message's first. Only
 * the listing of one destination looks at the time. */
struct mm_due_key {
    int64_t next_attempt_ms;
    uint64_t message_id;
    int64_t number;
};

/* The verbs that an implementation has in files of its own: VERB(prefix, name,
 * parameters). All give an enum mailmod_error. Its prototypes, its part of the
 * table and the table's slots are made from this list. */
#define MM_STORE_VERBS(VERB, prefix)                                           \
    /* Inside a job's run. */                                                  \
    VERB(prefix, put_chunk, struct mm_store_transaction *transaction,          \
         uint64_t id, unsigned number, struct mm_span data)                    \
    VERB(prefix, put_message, struct mm_store_transaction *transaction,        \
         const struct mm_store_message *message)                               \
    VERB(prefix, put_recipient, struct mm_store_transaction *transaction,      \
         const struct mm_store_recipient *recipient)                           \
    /* `detail` may be NULL. */                                                \
    VERB(prefix, put_entry, struct mm_store_transaction *transaction,          \
         uint64_t mailbox_id, uint64_t message_id, uint64_t served_size,       \
         const struct mm_store_entry_detail *detail)                           \
    VERB(prefix, octets_of, struct mm_store_transaction *transaction,          \
         uint64_t mailbox_id, uint64_t *octets_out)                            \
    VERB(prefix, drop_chunks, struct mm_store_transaction *transaction,        \
         uint64_t id)                                                          \
    VERB(prefix, remove_entries, struct mm_store_transaction *transaction,     \
         uint64_t mailbox_id, const uint64_t *unique_numbers, size_t count,    \
         int64_t keep_ms) /* 0: they go; else they are kept from then on */    \
    VERB(prefix, restore_deleted, struct mm_store_transaction *transaction,    \
         uint64_t mailbox_id, uint64_t unique_number)                          \
    VERB(prefix, sweep_deleted, struct mm_store_transaction *transaction,      \
         int64_t before_ms, size_t count_max, size_t *count_out)               \
    VERB(prefix, update_recipient, struct mm_store_transaction *transaction,   \
         const struct mm_store_recipient *recipient)                           \
    VERB(prefix, remove_recipient, struct mm_store_transaction *transaction,   \
         uint64_t message_id, unsigned number)                                 \
    VERB(prefix, act, struct mm_store_transaction *transaction,                \
         uint64_t message_id, enum mailmod_queue_action action,                \
         int64_t now_ms, size_t *count_out)                                    \
    VERB(prefix, act_on_one, struct mm_store_transaction *transaction,         \
         uint64_t message_id, unsigned number,                                 \
         enum mailmod_queue_action action, int64_t now_ms, size_t *count)      \
    VERB(prefix, keep_recipient, struct mm_store_transaction *transaction,     \
         const struct mm_store_kept *kept)                                     \
    VERB(prefix, requeue_kept, struct mm_store_transaction *transaction,       \
         uint64_t message_id, unsigned number, int64_t now_ms,                 \
         int64_t expires_ms)                                                   \
    VERB(prefix, drop_kept, struct mm_store_transaction *transaction,          \
         uint64_t message_id, unsigned number)                                 \
    VERB(prefix, sweep_kept, struct mm_store_transaction *transaction,         \
         enum mailmod_kept_kind kind, int64_t before_ms, size_t count_max,     \
         size_t *count_out)                                                    \
    VERB(prefix, reroute, struct mm_store_transaction *transaction,            \
         const char *destination)                                              \
    VERB(prefix, add_user, struct mm_store_transaction *transaction,           \
         struct mm_store_user *user)                                           \
    VERB(prefix, change_user, struct mm_store_transaction *transaction,        \
         const struct mm_store_user *user)                                     \
    VERB(prefix, rename_user, struct mm_store_transaction *transaction,        \
         const char *name, const char *new_name)                               \
    VERB(prefix, remove_user, struct mm_store_transaction *transaction,        \
         const char *name)                                                     \
    VERB(prefix, put_secret, struct mm_store_transaction *transaction,         \
         uint64_t mailbox_id, const struct mm_store_secret_key *secret)        \
    VERB(prefix, remove_secret, struct mm_store_transaction *transaction,      \
         uint64_t mailbox_id, const char *label)                               \
    VERB(prefix, put_seen, struct mm_store_transaction *transaction,           \
         const char *account, const struct mm_store_seen *seen)                \
    VERB(prefix, drop_seen, struct mm_store_transaction *transaction,          \
         const char *account, const char *key)                                 \
    VERB(prefix, put_fetch, struct mm_store_transaction *transaction,          \
         const struct mm_store_fetch *fetch)                                   \
    VERB(prefix, wish_fetch, struct mm_store_transaction *transaction,         \
         const char *account, enum mm_store_fetch_wish wish)                   \
    VERB(prefix, forget_fetch, struct mm_store_transaction *transaction,       \
         const char *account)                                                  \
    VERB(prefix, keep_record, struct mm_store_transaction *transaction,        \
         const struct mm_store_record *record)                                 \
    VERB(prefix, drop_record, struct mm_store_transaction *transaction,        \
         enum mm_store_record_kind kind, const char *name, const char *key)    \
    VERB(prefix, record_of, struct mm_store_transaction *transaction,          \
         enum mm_store_record_kind kind, const char *name, const char *key,    \
         struct mm_store_record *record_out)                                   \
    /* To `new_name`, or with NULL: dropped. */                                \
    VERB(prefix, move_records, struct mm_store_transaction *transaction,       \
         enum mm_store_record_kind kind, const char *name,                     \
         const char *new_name)                                                 \
    VERB(prefix, add_rule, struct mm_store_transaction *transaction,           \
         const struct mm_store_rule *rule)                                     \
    VERB(prefix, remove_rule, struct mm_store_transaction *transaction,        \
         const struct mm_store_rule *rule)                                     \
    VERB(prefix, note_sighting, struct mm_store_transaction *transaction,      \
         const struct mm_store_sighting *sighting)                             \
    VERB(prefix, remove_sighting, struct mm_store_transaction *transaction,    \
         enum mm_sighting_kind kind, const char *key)                          \
    VERB(prefix, sweep_sightings, struct mm_store_transaction *transaction,    \
         int64_t now_ms, size_t keep_max, size_t count_max, size_t *count_out) \
    /* What was committed. */                                                  \
    VERB(prefix, find_user, struct mm_store *store, const char *name,          \
         struct mm_store_user *user_out)                                       \
    /* Of at least one name the first that there is. */                        \
    VERB(prefix, find_addressee, struct mm_store *store,                       \
         const char *const *names, size_t count,                               \
         struct mm_store_addressee *addressee_out)                             \
    /* Listings: what follows a key, in the order that store.h tells, until    \
     * the visitor wants no more. A call is one page. */                       \
    VERB(prefix, each_user, struct mm_store *store, const char *after_name,    \
         bool (*visit)(void *context, const struct mm_store_user *user),       \
         void *context)                                                        \
    VERB(prefix, list_secrets, struct mm_store *store, uint64_t mailbox_id,    \
         struct mm_store_secret_key secrets_out[MM_STORE_SECRETS_MAX],         \
         size_t *count_out)                                                    \
    /* Fewer than `count_max`: there are no more. */                           \
    VERB(prefix, list_entries, struct mm_store *store, uint64_t mailbox_id,    \
         uint64_t after_number, struct mm_store_entry *entries_out,            \
         size_t count_max, size_t *count_out)                                  \
    VERB(prefix, list_deleted, struct mm_store *store, uint64_t mailbox_id,    \
         uint64_t after_number, struct mm_store_deleted *deleted_out,          \
         size_t count_max, size_t *count_out)                                  \
    VERB(prefix, mailbox_tag, struct mm_store *store, uint64_t mailbox_id,     \
         uint32_t *tag_out)                                                    \
    VERB(prefix, find_entry, struct mm_store *store, uint64_t mailbox_id,      \
         uint64_t unique_number, struct mm_store_entry_detail *detail_out)     \
    VERB(prefix, mailbox_use, struct mm_store *store, uint64_t mailbox_id,     \
         uint64_t *entries_out, uint64_t *octets_out)                          \
    VERB(prefix, find_message, struct mm_store *store, uint64_t message_id,    \
         struct mm_store_message *message_out)                                 \
    VERB(prefix, read_chunk, struct mm_store *store, uint64_t message_id,      \
         unsigned number, struct mm_buf *out)                                  \
    VERB(prefix, list_destinations, struct mm_store *store, const char *after, \
         struct mm_store_destination *destinations_out, size_t count_max,      \
         size_t *count_out)                                                    \
    VERB(prefix, list_due, struct mm_store *store, const char *destination,    \
         int64_t now_ms, const struct mm_due_key *after,                       \
         bool (*visit)(void *context,                                          \
                       const struct mm_store_recipient *recipient),            \
         void *context)                                                        \
    VERB(prefix, each_recipient, struct mm_store *store,                       \
         const struct mm_due_key *after, uint64_t last_message_id,             \
         bool (*visit)(void *context, const struct mm_store_message *message,  \
                       const struct mm_store_recipient *recipient),            \
         void *context)                                                        \
    VERB(prefix, each_kept, struct mm_store *store,                            \
         enum mailmod_kept_kind kind, const struct mm_due_key *after,          \
         uint64_t last_message_id,                                             \
         bool (*visit)(void *context, const struct mm_store_message *message,  \
                       const struct mm_store_kept *kept),                      \
         void *context)                                                        \
    /* Behind `after_key`. */                                                  \
    VERB(prefix, each_seen, struct mm_store *store, const char *account,       \
         const char *after_key,                                                \
         bool (*visit)(void *context, const struct mm_store_seen *seen),       \
         void *context)                                                        \
    VERB(prefix, each_fetch, struct mm_store *store,                           \
         bool (*visit)(void *context, const struct mm_store_fetch *fetch),     \
         void *context)                                                        \
    VERB(prefix, find_record, struct mm_store *store,                          \
         enum mm_store_record_kind kind, const char *name, const char *key,    \
         void (*visit)(void *context, const struct mm_store_record *record),   \
         void *context)                                                        \
    /* Behind (`name`, `after_key`). */                                        \
    VERB(prefix, each_record, struct mm_store *store,                          \
         enum mm_store_record_kind kind, const char *name,                     \
         const char *after_key, bool is_one_name,                              \
         bool (*visit)(void *context, const struct mm_store_record *record),   \
         void *context)                                                        \
    VERB(prefix, each_rule, struct mm_store *store,                            \
         const struct mm_store_rule *after,                                    \
         bool (*visit)(void *context, const struct mm_store_rule *rule),       \
         void *context)                                                        \
    VERB(prefix, rule_changes, struct mm_store *store, uint64_t *count_out)    \
    VERB(prefix, find_sighting, struct mm_store *store,                        \
         enum mm_sighting_kind kind, const char *key,                          \
         struct mm_store_sighting *sighting_out)                               \
    /* Behind `after_key`. */                                                  \
    VERB(prefix, each_sighting, struct mm_store *store,                        \
         enum mm_sighting_kind kind, const char *after_key,                    \
         bool (*visit)(void *context,                                          \
                       const struct mm_store_sighting *sighting),              \
         void *context)                                                        \
    VERB(prefix, flush_count, struct mm_store *store, uint64_t *count_out)     \
    VERB(prefix, user_changes, struct mm_store *store, uint64_t *count_out)    \
    VERB(prefix, verify, struct mm_store *store, struct mm_buf *report_out)    \
    VERB(prefix, backup, struct mm_store *store, const char *path,             \
         mm_store_progress progress, void *context, struct mm_buf *reason_out)

#define MM_STORE_SLOT(prefix, name, ...)                                       \
    enum mailmod_error (*name)(__VA_ARGS__);
#define MM_STORE_PROTOTYPE(prefix, name, ...)                                  \
    MM_CHECK enum mailmod_error prefix##name(__VA_ARGS__);
#define MM_STORE_ENTRY(prefix, name, ...) .name = prefix##name,

struct mm_store_ops {
    void (*close)(struct mm_store *store);
    uint64_t (*new_message_id)(struct mm_store *store);
    void (*submit)(struct mm_store *store, struct mm_store_job *job);
    bool (*is_writable)(const struct mm_store *store);
    bool (*is_settling)(struct mm_store *store);
    enum mailmod_error (*lock_mailbox)(struct mm_store *store,
                                       uint64_t mailbox_id);
    void (*unlock_mailbox)(struct mm_store *store, uint64_t mailbox_id);
    void (*set_free_space_min)(struct mm_store *store, uint64_t octets);
    bool (*has_room_for)(struct mm_store *store, uint64_t octets);
    void (*counters)(const struct mm_store *store,
                     struct mm_store_counters *counters_out);

    MM_STORE_VERBS(MM_STORE_SLOT, )
    enum mailmod_error (*secret)(struct mm_store *store,
                                 uint8_t secret_out[32]);
    /* NULL, or: runs jobs that wait, on the caller's thread. For a store that
     * has no thread of its own; false: there were none, or it has one. */
    bool (*step)(struct mm_store *store);
};

/* What an implementation's own structures begin with. It opens and ends the
 * news, tells what an act or a new routing makes due, and publishes after each
 * commit; of put_recipient and update_recipient store.c tells. */
struct mm_store {
    const struct mm_store_ops *ops;
    struct mm_store_news news;
    struct mm_store_locks locks; /* of a store that uses locks.h */
    bool waits;                  /* mm_store_waits */
};
struct mm_store_transaction {
    struct mm_store *store;
};

/* MM_ENTRY_* of an entry with this detail, or with NULL. */
uint32_t mm_store_entry_flags(const struct mm_store_entry_detail *detail);

/* Where a new routing leads the recipient: `destination`, or with NULL its own
 * domain. False: nowhere else than before. */
bool mm_destination_rerouted(const char *path, const char *before,
                             const char *destination,
                             char text_out[MM_STORE_DESTINATION_MAX]);

MM_CHECK enum mailmod_error
mm_sqlite_open(struct mm_store **store_out,
               const struct mm_store_options *options,
               struct mm_buf *reason_out);
MM_CHECK enum mailmod_error
mm_memory_open_described(struct mm_store **store_out,
                         const struct mm_store_options *options,
                         struct mm_buf *reason_out);
MM_CHECK enum mailmod_error mm_sqlite_use_memory(void);
MM_CHECK enum mailmod_error mm_sqlite_stop_counting(void);
bool mm_sqlite_is_in_use(const char *data_folder);
MM_CHECK enum mailmod_error mm_sqlite_repair(const char *data_folder,
                                             mm_store_on_line on_line,
                                             void *context,
                                             struct mm_buf *reason_out);
MM_CHECK enum mailmod_error mm_sqlite_restore(const char *data_folder,
                                              const char *path,
                                              mm_store_progress progress,
                                              void *context,
                                              struct mm_buf *reason_out);

#endif
