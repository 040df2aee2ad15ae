/* thread: any, except what store.h says is the writer's
 * internal.h - the store in memory from inside: rows in tables, a journal that
 * takes changes back, and the transaction. */
#ifndef MM_STORE_MEMORY_INTERNAL_H
#define MM_STORE_MEMORY_INTERNAL_H

#include "platform/thread.h"
#include "store/memory/memory.h"
#include "store/memory/tree.h"
#include "store/ops.h"

/* A row is never changed where others see it: a changed one takes its place. */
struct mm_row {
    struct mm_tree_node node;  /* in the table's first order */
    struct mm_tree_node other; /* in its second one, if it has a place there */
    size_t size;
};

struct mm_table {
    struct mm_tree tree;
    struct mm_tree other; /* no compare: the table has one order */
    bool (*has_other)(const struct mm_row *row); /* NULL: each row has */
};

enum mm_memory_table {
    MM_TABLE_MESSAGE,
    MM_TABLE_CHUNK,
    MM_TABLE_RECIPIENT, /* other: by destination and time, those that wait */
    MM_TABLE_KEPT,      /* other: by kind and time */
    MM_TABLE_MAILBOX,
    MM_TABLE_ENTRY,   /* other: by unique-id text, those that have one */
    MM_TABLE_DELETED, /* deleted mail; other: by when it was */
    MM_TABLE_USER,
    MM_TABLE_SECRET,
    MM_TABLE_SEEN,
    MM_TABLE_FETCH,
    MM_TABLE_RECORD,
    MM_TABLE_RULE,
    MM_TABLE_SIGHTING, /* other: by its end */
    MM_TABLE_COUNT
};

struct mm_message_row {
    struct mm_row row;
    struct mm_store_message message;
    /* Recipients, kept ones, entries and deleted mail. */
    uint64_t references;
};
struct mm_chunk_row {
    struct mm_row row;
    uint64_t message_id;
    unsigned number;
    uint64_t checksum;
    size_t size;
    char data[]; /* `size` octets */
};
struct mm_recipient_row {
    struct mm_row row;
    struct mm_store_recipient recipient;
};
struct mm_kept_row {
    struct mm_row row;
    struct mm_store_kept kept;
};
struct mm_mailbox_row {
    struct mm_row row;
    uint64_t id;
    uint32_t tag;
    uint64_t next_number;
    uint64_t entries;
    uint64_t octets;
};
struct mm_entry_row {
    struct mm_row row;
    uint64_t mailbox_id;
    struct mm_store_entry entry;
    int64_t deleted_ms;                  /* of MM_TABLE_DELETED */
    struct mm_store_entry_detail detail; /* there with mm_entry_has_detail */
};
static inline bool mm_entry_has_detail(const struct mm_entry_row *row)
{
    return (row->entry.flags & (MM_ENTRY_HAS_DETAIL | MM_ENTRY_HAS_ADDRESS)) !=
           0;
}
struct mm_user_row {
    struct mm_row row;
    struct mm_store_user user;
};
struct mm_secret_row {
    struct mm_row row;
    uint64_t mailbox_id;
    struct mm_store_secret_key secret;
};

struct mm_seen_row {
    struct mm_row row;
    char account[MM_STORE_FETCH_NAME_MAX];
    struct mm_store_seen seen;
};
struct mm_fetch_row {
    struct mm_row row;
    struct mm_store_fetch fetch;
};

struct mm_record_row {
    struct mm_row row;
    struct mm_store_record record; /* its value is `data` */
    char data[];
};
struct mm_rule_row {
    struct mm_row row;
    struct mm_store_rule rule;
};
struct mm_sighting_row {
    struct mm_row row;
    struct mm_store_sighting sighting;
};

struct mm_memory_disk {
    struct mm_mutex *mutex; /* guards all of it */
    bool is_open;
    struct mm_table tables[MM_TABLE_COUNT];
    struct mm_message_ids ids;
    uint64_t last_mailbox_id;
    uint64_t flush_count;
    uint64_t user_changes;
    uint64_t rule_changes;
    uint64_t seed;
    uint8_t secret[32];
    uint64_t octets; /* of all chunks */
    uint64_t room;
    struct {
        uint64_t in; /* 0: none, 1: the next */
        enum mailmod_error error;
    } faults[MM_MEMORY_FAULT_COUNT];
};

/* What a transaction did, to be taken back from the end. */
struct mm_change {
    enum mm_memory_table table;
    struct mm_row *old; /* NULL: it was added */
    struct mm_row *new; /* NULL: it was removed */
};

/* How far a transaction has come. */
struct mm_journal_mark {
    size_t change_count;
    uint64_t flush_count;
    uint64_t user_changes;
    uint64_t rule_changes;
};

struct mm_memory {
    struct mm_store base;
    const struct mm_log *log;
    struct mm_memory_disk *disk;
    bool owns_disk;
    bool is_stepped;
    bool reruns;
    int64_t (*wall_ms)(void *context);
    void *context;
    atomic_ullong free_space_min;
    atomic_bool is_writable;
    bool has_power; /* the writer's */
    atomic_ullong job_count;
    atomic_ullong commit_count;

    struct mm_change *changes; /* the writer's */
    size_t change_count;
    size_t change_capacity;

    struct mm_thread *thread; /* NULL: stepped */
    struct mm_mutex *mutex;   /* guards what follows */
    struct mm_condition *condition;
    struct mm_list jobs;
    bool is_closing;
};

struct mm_memory_transaction {
    struct mm_store_transaction base;
    struct mm_memory *store;
};

struct mm_memory *mm_memory_of(struct mm_store *base);
/* The store of a verb that writes, or NULL with a fault that is due. */
struct mm_memory *mm_memory_write(struct mm_store_transaction *base,
                                  enum mailmod_error *error_out);
/* The tables as they were committed, from here to the end. */
struct mm_memory_disk *mm_memory_read(struct mm_store *base);
void mm_memory_read_end(struct mm_store *base);
/* True when the fault is due now; `error_out` is its error. */
bool mm_memory_fault_is_due(struct mm_memory_disk *disk,
                            enum mm_memory_fault which,
                            enum mailmod_error *error_out);

void mm_tables_init(struct mm_memory_disk *disk);
void mm_tables_fini(struct mm_memory_disk *disk);
struct mm_row *mm_row_of(struct mm_tree_node *node);
struct mm_row *mm_row_of_other(struct mm_tree_node *node);
#define MM_ROW(type, from) MM_LIST_OBJECT(from, type, row)
struct mm_row *mm_table_find(struct mm_memory_disk *disk,
                             enum mm_memory_table table,
                             const struct mm_row *key);
struct mm_row *mm_table_from(struct mm_memory_disk *disk,
                             enum mm_memory_table table,
                             const struct mm_row *key);
struct mm_row *mm_table_behind(struct mm_memory_disk *disk,
                               enum mm_memory_table table,
                               const struct mm_row *key);
struct mm_row *mm_table_first(struct mm_memory_disk *disk,
                              enum mm_memory_table table);

/* A new row, or a copy to be changed and put in the place of `row`. NULL: no
 * memory. */
struct mm_row *mm_row_new(size_t size);
struct mm_row *mm_row_copy(const struct mm_row *row);
/* Takes the row over, also when it fails: EXISTS, MEMORY. */
MM_CHECK enum mailmod_error mm_row_add(struct mm_memory *store,
                                       enum mm_memory_table table,
                                       struct mm_row *row);
/* Puts `row`, of the same key, in the place of `old`. */
MM_CHECK enum mailmod_error mm_row_change(struct mm_memory *store,
                                          enum mm_memory_table table,
                                          struct mm_row *old,
                                          struct mm_row *row);
/* A new row, or it in the place of the one with its key. */
MM_CHECK enum mailmod_error mm_row_put(struct mm_memory *store,
                                       enum mm_memory_table table,
                                       struct mm_row *row);
MM_CHECK enum mailmod_error mm_row_remove(struct mm_memory *store,
                                          enum mm_memory_table table,
                                          struct mm_row *row);
/* All of the transaction is kept for ever. */
void mm_journal_keep(struct mm_memory *store);
/* All that was done since the mark. */
void mm_journal_take_back(struct mm_memory *store,
                          const struct mm_journal_mark *mark);
struct mm_journal_mark mm_journal_mark(const struct mm_memory *store);

/* Rows by key; NULL when there is none. */
struct mm_message_row *mm_find_message_row(struct mm_memory_disk *disk,
                                           uint64_t id);
struct mm_mailbox_row *mm_find_mailbox_row(struct mm_memory_disk *disk,
                                           uint64_t id);
/* The first at this place or behind it. */
struct mm_chunk_row *mm_chunk_row_from(struct mm_memory_disk *disk,
                                       uint64_t message_id, int64_t number);
struct mm_recipient_row *mm_recipient_row_from(struct mm_memory_disk *disk,
                                               uint64_t message_id,
                                               int64_t number);
struct mm_entry_row *mm_entry_row_from(struct mm_memory_disk *disk,
                                       uint64_t mailbox_id, uint64_t number);
struct mm_recipient_row *mm_due_row_from(struct mm_memory_disk *disk,
                                         const char *destination,
                                         const struct mm_due_key *after);

/* One more, or one fewer, who refers to the message. */
MM_CHECK enum mailmod_error mm_memory_refer(struct mm_memory *store,
                                            uint64_t message_id);
MM_CHECK enum mailmod_error mm_memory_unrefer(struct mm_memory *store,
                                              uint64_t message_id);
/* `keep_ms` 0: it goes; else it is deleted mail from then on. */
MM_CHECK enum mailmod_error mm_memory_take_entry(struct mm_memory *store,
                                                 struct mm_entry_row *row,
                                                 int64_t keep_ms);
/* One entry more, with the mailbox's next number. */
MM_CHECK enum mailmod_error
mm_memory_count_entry(struct mm_memory *store, struct mm_mailbox_row *mailbox,
                      uint64_t size);
/* deleted.c: a copy of the row, which has still to go from the mailbox. */
MM_CHECK enum mailmod_error
mm_memory_keep_deleted(struct mm_memory *store, const struct mm_entry_row *row,
                       int64_t now_ms);
/* Of a mailbox that goes. */
MM_CHECK enum mailmod_error mm_memory_drop_deleted_of(struct mm_memory *store,
                                                      uint64_t mailbox_id);
MM_CHECK enum mailmod_error
mm_memory_take_recipient(struct mm_memory *store, struct mm_recipient_row *row);
/* rule.c: those of a mailbox that goes. */
MM_CHECK enum mailmod_error mm_memory_drop_rules(struct mm_memory *store,
                                                 uint64_t mailbox_id);
/* What no opening would leave: unfinished messages, those that nobody has. */
MM_CHECK enum mailmod_error mm_memory_sweep(struct mm_memory *store);
void mm_memory_run_writer(void *context);

/* The disk's mutex is held. */
bool mm_memory_has_room(const struct mm_memory *store, uint64_t size);

/* The verbs of ops.h. */
void mm_memory_submit(struct mm_store *base, struct mm_store_job *job);
MM_STORE_VERBS(MM_STORE_PROTOTYPE, mm_memory_)

#endif
