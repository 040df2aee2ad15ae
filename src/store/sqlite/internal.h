/* thread: any (see each part)
 * internal.h - the SQLite store from inside: connections with their
 * cached statements, the writer, the pool of readers. */
#ifndef MM_STORE_SQLITE_INTERNAL_H
#define MM_STORE_SQLITE_INTERNAL_H

#include "base/limits.h"
#include "platform/fs.h"
#include "platform/thread.h"
#include "store/ops.h"

#include <sqlite3.h>
#include <stdatomic.h>

#define MM_STORE_SCHEMA_VERSION 9
#define MM_STORE_APPLICATION_ID 1296910404 /* "MMOD" */
#define MM_STORE_PATH_SIZE 4352            /* a folder's and a name */
/* A repaired database that is being made; one that is whole, and not in its
 * place yet. */
#define MM_STORE_REPAIRING "mailmod.db.repairing"
#define MM_STORE_REPAIRED "mailmod.db.repaired"
/* Jobs of one transaction: one sync serves them all. */
#define MM_STORE_BATCH_MAX 512
/* Read connections at once; a further reader waits for one. */
#define MM_STORE_READERS_MAX 16
/* How long a transaction waits for another process's: the daemon, whose senders
 * wait with it, and a tool. After one wait that was in vain the daemon asks
 * again for no longer than MM_STORE_BUSY_AGAIN_MS until it got the lock. */
#define MM_STORE_BUSY_MS 5000
#define MM_STORE_BUSY_TOOL_MS 30000
#define MM_STORE_BUSY_AGAIN_MS 250
/* How often a store that could not be written is tried again. */
#define MM_STORE_MEND_MS 1000
/* How long nobody writes before the file is shortened, some pages at a time. */
#define MM_STORE_SHRINK_MS 200
/* How soon an owner without work sees what a tool left behind: free pages, or
 * removals that were cut. */
#define MM_STORE_LOOK_MS 5000
/* A reader that keeps the log from being used anew is ended when it is older
 * than this and the log longer than that. */
#define MM_STORE_READER_OLD_MS 10000
#define MM_STORE_LOG_LONG_PAGES 32768
/* A log as long as this waits for the copy under way before it grows on, and
 * longer for those who read it. */
#define MM_STORE_LOG_MOST_PAGES 49152
#define MM_STORE_LOG_MOST_WAIT_MS 1000
/* The files that must stay what they were: database, log, index, lock. */
#define MM_STORE_FILES 4
/* Pages that the log gains before it is copied back beside the writer; pages
 * from which on it is to begin anew; how many the writer copies itself for that
 * at most, and how long it waits for those who read the log. */
#define MM_STORE_COPY_PAGES 4000
#define MM_STORE_RESTART_PAGES 8000
#define MM_STORE_RESTART_LEFT 256
#define MM_STORE_RESTART_WAIT_MS 20
/* The same wait while the store is mended. */
#define MM_STORE_MEND_WAIT_MS 200

/* The statements; their text stands in connection.c. */
enum mm_statement {
    MM_SQL_BEGIN,
    MM_SQL_COMMIT,
    MM_SQL_ROLLBACK,
    MM_SQL_SAVEPOINT,
    MM_SQL_RELEASE,
    MM_SQL_ROLLBACK_TO,
    MM_SQL_PUT_BODY,
    MM_SQL_PUT_CHUNK,
    MM_SQL_PUT_PENDING,
    MM_SQL_DROP_PENDING,
    MM_SQL_DROP_BODY,
    MM_SQL_DROP_CHUNKS,
    MM_SQL_PUT_LITTER,
    MM_SQL_PUT_MESSAGE,
    MM_SQL_DROP_LAST,
    MM_SQL_REFER,
    MM_SQL_UNREFER,
    MM_SQL_PUT_RECIPIENT,
    MM_SQL_UPDATE_RECIPIENT,
    MM_SQL_DROP_RECIPIENT,
    MM_SQL_KEEP_RECIPIENT,
    MM_SQL_REQUEUE_KEPT,
    MM_SQL_DROP_KEPT,
    MM_SQL_LIST_OLD_KEPT,
    MM_SQL_EACH_KEPT,
    MM_SQL_NEXT_NUMBER,
    MM_SQL_COUNT_NUMBER,
    MM_SQL_PUT_ENTRY,
    MM_SQL_FIND_ENTRY,
    MM_SQL_DROP_ENTRY,
    MM_SQL_USE_MAILBOX,
    MM_SQL_KEEP_ENTRY,
    MM_SQL_UNKEEP_ENTRY,
    MM_SQL_DROP_DELETED,
    MM_SQL_LIST_DELETED,
    MM_SQL_LIST_OLD_DELETED,
    MM_SQL_PUT_REMOVAL,
    MM_SQL_NEXT_REMOVAL,
    MM_SQL_LIST_RANGE,
    MM_SQL_DROP_REMOVAL,
    MM_SQL_LIST_REMOVALS,
    MM_SQL_NEXT_LITTER,
    MM_SQL_DROP_FIRST_CHUNKS,
    MM_SQL_DROP_LITTER,
    MM_SQL_PUT_ACT,
    MM_SQL_NEXT_ACT,
    MM_SQL_MOVE_ACT,
    MM_SQL_DROP_ACT,
    MM_SQL_HAS_ACT,
    MM_SQL_COUNT_RECIPIENTS,
    MM_SQL_LIST_KEYS,
    MM_SQL_SET_STATE,
    MM_SQL_SET_DUE,
    MM_SQL_SET_DESTINATION,
    MM_SQL_PUT_USER,
    MM_SQL_CHANGE_USER,
    MM_SQL_RENAME_USER,
    MM_SQL_DROP_USER,
    MM_SQL_PUT_SECRET,
    MM_SQL_DROP_SECRET,
    MM_SQL_DROP_SECRETS,
    MM_SQL_LIST_SECRETS,
    MM_SQL_PUT_MAILBOX,
    MM_SQL_CLOSE_MAILBOX,
    MM_SQL_DROP_MAILBOX,
    MM_SQL_MAILBOX_USE,
    MM_SQL_ENTRY_DETAIL,
    MM_SQL_FIND_USER,
    MM_SQL_FIND_ADDRESSEE,
    MM_SQL_EACH_USER,
    MM_SQL_LIST_ENTRIES,
    MM_SQL_MAILBOX_TAG,
    MM_SQL_FIND_MESSAGE,
    MM_SQL_READ_BODY,
    MM_SQL_READ_CHUNK,
    MM_SQL_CHUNK_EXISTS,
    MM_SQL_LIST_DESTINATIONS,
    MM_SQL_LIST_DUE,
    MM_SQL_EACH_RECIPIENT,
    MM_SQL_PUT_SEEN,
    MM_SQL_DROP_SEEN,
    MM_SQL_EACH_SEEN,
    MM_SQL_FORGET_SEEN,
    MM_SQL_PUT_FETCH,
    MM_SQL_WISH_FETCH,
    MM_SQL_EACH_FETCH,
    MM_SQL_FORGET_FETCH,
    MM_SQL_PUT_RECORD,
    MM_SQL_DROP_RECORD,
    MM_SQL_DROP_RECORDS,
    MM_SQL_MOVE_RECORDS,
    MM_SQL_FIND_RECORD,
    MM_SQL_LIST_RECORDS,
    MM_SQL_LIST_NAMED_RECORDS,
    MM_SQL_PUT_RULE,
    MM_SQL_DROP_RULE,
    MM_SQL_DROP_RULES,
    MM_SQL_COUNT_RULES,
    MM_SQL_EACH_RULE,
    MM_SQL_COUNT_RULE_CHANGE,
    MM_SQL_RULE_CHANGES,
    MM_SQL_PUT_SIGHTING,
    MM_SQL_DROP_SIGHTING,
    MM_SQL_FIND_SIGHTING,
    MM_SQL_EACH_SIGHTING,
    MM_SQL_COUNT_SIGHTINGS,
    MM_SQL_SWEEP_SIGHTINGS,
    MM_SQL_SECRET,
    MM_SQL_COUNT_FLUSH,
    MM_SQL_FLUSHES,
    MM_SQL_COUNT_USER_CHANGE,
    MM_SQL_USER_CHANGES,
    MM_SQL_RESERVE_IDS,
    MM_SQL_RESERVED_IDS,
    MM_SQL_COUNT
};

/* Of the volume: above the reserve by far, not by far, or not at all. */
enum mm_sqlite_room {
    MM_SQLITE_ROOM_ENOUGH,
    MM_SQLITE_ROOM_SHORT,
    MM_SQLITE_ROOM_NONE
};

struct mm_connection {
    struct mm_list node;
    sqlite3 *db;
    sqlite3_stmt *statements[MM_SQL_COUNT];
    uint64_t taken_ms; /* a reader's, under reader_mutex */
};

/* What a copy of the log came to: how long the log was, and how much of it is
 * in the database now. */
struct mm_copied {
    int log_pages;
    int pages;
    enum mailmod_error error;
};

/* A file of the store as it was at the opening. */
struct mm_held_file {
    char *path;
    struct mm_fs_identity identity;
    bool is_known;
};

struct mm_sqlite {
    struct mm_store base;
    const struct mm_log *log;
    char *path;     /* of the database */
    bool is_shared; /* a tool's, beside the owner of the folder */
    bool syncs;
    enum mm_store_erase erase;
    atomic_uint_fast64_t free_space_min; /* a reload may change it */
    uint64_t page_size;
    char *folder;
    struct mm_file_lock *lock;
    char *lock_path;
    uint8_t secret[32];

    struct mm_connection writer;      /* the writer's thread alone */
    struct mm_log_writes *log_writes; /* of its log; NULL: none */
    struct mm_thread *thread;

    struct mm_mutex *mutex; /* guards what follows */
    struct mm_condition *condition;
    struct mm_list jobs;
    bool is_closing;
    /* Why the last commit failed; OK: the store can be written. */
    atomic_int trouble;
    atomic_ullong job_count;
    atomic_ullong commit_count;
    struct mm_message_ids ids;
    uint64_t reserved_id;      /* the writer's: on disk, none above
                                            was in a message */
    uint64_t space_checked_ms; /* the writer's */
    uint64_t space_written;    /* octets since then, the writer's */
    enum mm_sqlite_room room;
    uint64_t room_limit; /* the limit at the last look */
    /* Of those who ask before they write, on any thread. */
    atomic_uint_fast64_t asked_ms;
    atomic_uint_fast64_t asked_octets; /* free then */
    atomic_bool is_refusing;           /* below the limit then */
    atomic_bool wants_look;            /* for the writer: it changed */
    atomic_bool has_chores;            /* rows wait to go in slices */
    bool shrinks;              /* the writer's: the file may be shortened */
    unsigned slice_steps;      /* the writer's: of the next slice */
    uint64_t chores_after_ms;  /* the writer's: after a slice that failed */
    uint64_t chores_looked_ms; /* the writer's: what a tool left */
    bool was_full;             /* the last batch met a full disk */
    uint64_t mended_ms;        /* the writer's: the last trial */
    struct mm_held_file files[MM_STORE_FILES];
    bool has_links; /* among them */
    /* The writer's: when all files were there; not settled: look at them. */
    struct mm_fs_folder_state folder_seen;
    /* checkpoint.c. The writer's: pages in the write-ahead log, of them in the
     * database and synced, and from how many on it is copied back and begun
     * anew; copy_pages is MM_STORE_COPY_PAGES, or fewer in a test. */
    int log_pages;
    int copied_pages;
    int copy_pages;
    int copy_at;
    int restart_at;
    struct mm_connection copier; /* the copier's thread alone */
    struct mm_thread *copier_thread;
    struct mm_condition *copier_condition;
    atomic_bool wants_copy;  /* until it was made; set under `mutex` */
    struct mm_copied copied; /* the copier's while it is wanted, else the
                              * writer's */
    bool has_asked;   /* the writer's: it has not taken what came of it */
    bool copier_ends; /* under `mutex` */

    struct mm_mutex *reader_mutex; /* guards the readers */
    struct mm_condition *reader_condition;
    struct mm_list idle_readers;
    struct mm_list lent_readers;
    unsigned reader_count;
};

struct mm_sqlite_transaction {
    struct mm_store_transaction base;
    struct mm_sqlite *store;
    struct mm_connection *connection;
    /* Of the job that runs, from zero for each: */
    uint64_t unreferred_id; /* what it wrote and nobody refers to yet */
    bool is_first_seen;     /* that one was begun here: not in `pending` */
    uint64_t referred_id;   /* the last one that is surely not in `pending` */
    /* Its row is written when it is known how many refer to it. */
    struct mm_store_message message;
    uint64_t message_referrers;
    bool has_message;
};

/* What the table's verbs are handed. */
struct mm_sqlite *mm_sqlite_of(struct mm_store *base);
const struct mm_sqlite *mm_sqlite_of_const(const struct mm_store *base);
struct mm_sqlite_transaction *
mm_sqlite_transaction_of(struct mm_store_transaction *base);
struct mm_sqlite_transaction
mm_sqlite_transaction_begin(struct mm_sqlite *store);

/* The verbs of ops.h. */
void mm_sqlite_submit(struct mm_store *base, struct mm_store_job *job);
bool mm_sqlite_is_writable(const struct mm_store *base);
bool mm_sqlite_is_settling(struct mm_store *base);
MM_STORE_VERBS(MM_STORE_PROTOTYPE, mm_sqlite_)

enum mailmod_error mm_sql_error(int result);
MM_CHECK enum mailmod_error mm_connection_open(struct mm_connection *connection,
                                               const struct mm_sqlite *store,
                                               bool is_writer);
/* Only opens the file. */
MM_CHECK enum mailmod_error mm_database_open(struct mm_connection *connection,
                                             const char *path, int flags);
/* The checks of mm_store_verify on a connection; `path` for the words. */
MM_CHECK enum mailmod_error mm_sqlite_check_all(const char *path, sqlite3 *db,
                                                struct mm_buf *report_out);
/* It is a store of mailmod, and of no newer version. */
MM_CHECK enum mailmod_error mm_sqlite_check_ours(sqlite3 *db);
/* A new database, whole, in the place of the path. */
MM_CHECK enum mailmod_error mm_schema_create(const char *path);
/* False when it is too long. */
bool mm_sqlite_path(const char *folder, const char *name,
                    char path_out[MM_STORE_PATH_SIZE]);
void mm_connection_close(struct mm_connection *connection);
/* The prepared statement, reset and unbound; NULL with the error. */
sqlite3_stmt *mm_sql(struct mm_connection *connection, enum mm_statement which,
                     enum mailmod_error *error_out);
/* Runs a statement that gives no rows, and resets it. */
MM_CHECK enum mailmod_error mm_sql_run(sqlite3_stmt *statement);
/* The same of one that must meet a row: else NOT_FOUND. */
MM_CHECK enum mailmod_error mm_sql_run_on_row(sqlite3_stmt *statement);
/* mm_sql and mm_sql_run of one whose parameter is an identifier. */
MM_CHECK enum mailmod_error mm_sql_run_with(struct mm_connection *connection,
                                            enum mm_statement which,
                                            uint64_t id);
/* The same of one without parameters. */
MM_CHECK enum mailmod_error mm_sql_do(struct mm_connection *connection,
                                      enum mm_statement which);
/* True while there is a row; `error_out` is set at the end. The caller resets
 * with mm_sql_end. */
bool mm_sql_step(sqlite3_stmt *statement, enum mailmod_error *error_out);
void mm_sql_end(sqlite3_stmt *statement);
/* Copies a text column; cut to the size (the schema's writers keep it). */
/* Of exactly this size; nothing is changed when they are not. */
void mm_sql_octets(sqlite3_stmt *statement, int column, void *octets_out,
                   size_t size);
void mm_sql_text(sqlite3_stmt *statement, int column, char *text_out,
                 size_t size);
void mm_sql_bind_text(sqlite3_stmt *statement, int index, const char *text);
/* NULL for "". */
/* The column `notify`: the sender's wishes, and behind them the visibility. */
int64_t mm_sql_of_notify(const struct mm_store_recipient *recipient);
void mm_sql_take_notify(int64_t value, struct mm_store_recipient *recipient);
void mm_sql_bind_filled(sqlite3_stmt *statement, int index, const char *text);

/* The database's file is there, or is made; before a connection is opened. */
MM_CHECK enum mailmod_error mm_schema_find_file(struct mm_sqlite *store,
                                                bool creates,
                                                struct mm_buf *reason_out);
MM_CHECK enum mailmod_error mm_schema_settle(struct mm_sqlite *store,
                                             bool is_owner,
                                             struct mm_buf *reason_out);

/* One number from a PRAGMA or a query. */
MM_CHECK enum mailmod_error mm_sql_number(sqlite3 *db, const char *text,
                                          int64_t *value_out);
/* The steps from the file's version to ours; `store` is NULL for a new file,
 * which is made in memory. */
MM_CHECK enum mailmod_error mm_upgrade(sqlite3 *db,
                                       const struct mm_sqlite *store,
                                       struct mm_buf *reason_out);

/* log_writes.c: frames that the writer's connection puts into its log, once it
 * is open, are written together. Ended when that connection is closed. */
MM_CHECK enum mailmod_error mm_log_writes_begin(struct mm_sqlite *store);
void mm_log_writes_end(struct mm_sqlite *store);

MM_CHECK enum mailmod_error mm_writer_start(struct mm_sqlite *store);
void mm_writer_stop(struct mm_sqlite *store);

/* A connection for reading, given back with mm_reader_put. */
MM_CHECK enum mailmod_error mm_reader_take(struct mm_sqlite *store,
                                           struct mm_connection **reader_out);
void mm_reader_put(struct mm_sqlite *store, struct mm_connection *reader);
void mm_readers_close(struct mm_sqlite *store);
/* A reader and one of its statements; released by mm_read_close. */
struct mm_reading {
    struct mm_sqlite *store;
    struct mm_connection *reader;
    sqlite3_stmt *statement;
};
MM_CHECK enum mailmod_error mm_read_open(struct mm_reading *reading,
                                         struct mm_sqlite *store,
                                         enum mm_statement which);
void mm_read_close(struct mm_reading *reading);
/* A count that is kept in the table of single values; none yet leaves it. */
MM_CHECK enum mailmod_error mm_read_count(struct mm_store *base,
                                          enum mm_statement which,
                                          uint64_t *count_out);
/* Ends the reads that have gone on for too long. */
void mm_readers_end_old(struct mm_sqlite *store);

/* Notes which files the store has open; before the writer starts. */
MM_CHECK enum mailmod_error mm_health_begin(struct mm_sqlite *store);
void mm_health_end(struct mm_sqlite *store);
/* All files are where they were. thread: writer. */
bool mm_health_has_files(struct mm_sqlite *store);
/* What a transaction came to. thread: writer. */
void mm_health_judge(struct mm_sqlite *store, enum mailmod_error error);
/* Writes nothing more until it is mended. */
bool mm_health_refuses(const struct mm_sqlite *store);
/* When it is time: tries to write, and takes the trouble back when it works.
 * thread: writer. */
void mm_health_mend(struct mm_sqlite *store);
/* One slice of what is promised; true when there is more. thread: writer. */
bool mm_chores_run(struct mm_sqlite *store);
/* When nobody writes: what a tool left behind is the owner's to do. */
void mm_chores_look(struct mm_sqlite *store);
/* Gives some free pages back; `shrinks` tells whether there are more. */
void mm_chores_shrink(struct mm_sqlite *store);
/* What was left over; before the writer starts. */
void mm_chores_begin(struct mm_sqlite *store);
/* Before the writer starts; after it has ended. */
MM_CHECK enum mailmod_error mm_checkpoint_start(struct mm_sqlite *store);
void mm_checkpoint_stop(struct mm_sqlite *store);
/* After each batch and slice: asks for a copy of the log where it has grown,
 * takes what one came to, begins the log anew. thread: writer. */
void mm_checkpoint_tend(struct mm_sqlite *store);
/* Asks for one now. thread: writer. */
void mm_checkpoint_ask(struct mm_sqlite *store);
/* One was asked for, and mm_checkpoint_tend has not taken what came of it;
 * the second: it is there to be taken. thread: writer. */
bool mm_checkpoint_is_copying(const struct mm_sqlite *store);
bool mm_checkpoint_has_copied(const struct mm_sqlite *store);
/* A long log is being copied: what can wait does. thread: writer. */
bool mm_checkpoint_is_behind(const struct mm_sqlite *store);
/* All of the log, whatever was copied before, and begins it anew. BUSY when
 * others copy or read it. thread: writer. */
MM_CHECK enum mailmod_error mm_checkpoint_all(struct mm_sqlite *store);
/* How long the writer waits for another process now. */
int mm_health_busy_ms(const struct mm_sqlite *store);

/* One more or one fewer who refers to the message; `mm_store_settle_job` ends a
 * job: what it wrote and nobody refers to is noted for the sweep. */
MM_CHECK enum mailmod_error
mm_sqlite_refer(struct mm_sqlite_transaction *transaction, uint64_t message_id);
MM_CHECK enum mailmod_error
mm_sqlite_settle_job(struct mm_sqlite_transaction *transaction);
/* Notes on disk that identifiers up to now and some more are used up. */
MM_CHECK enum mailmod_error mm_sqlite_reserve_ids(struct mm_sqlite *store,
                                                  bool is_closing);
MM_CHECK enum mailmod_error mm_sqlite_note_ids(struct mm_sqlite *store,
                                               uint64_t reserved);
/* The node's number in identifiers that are made here. */
MM_CHECK enum mailmod_error mm_sqlite_choose_node(struct mm_sqlite *store);
/* Is the volume above its reserve? Asked of the system now and then. */
bool mm_sqlite_has_space(struct mm_sqlite *store);
/* Tells a change that others than the writer saw. thread: writer */
void mm_sqlite_look_if_asked(struct mm_sqlite *store);
bool mm_sqlite_has_room_for(struct mm_store *base, uint64_t octets);
/* Removes entries now, row by row. */
MM_CHECK enum mailmod_error
mm_sqlite_take_entries(struct mm_sqlite_transaction *transaction,
                       uint64_t mailbox_id, const uint64_t *unique_numbers,
                       size_t count, int64_t keep_ms);
/* Notes that the numbers from `first` to `last` are gone from the mailbox; the
 * mailbox itself too when `last` is INT64_MAX. */
MM_CHECK enum mailmod_error
mm_sqlite_put_removal(struct mm_sqlite_transaction *transaction,
                      uint64_t mailbox_id, uint64_t first, uint64_t last,
                      int64_t keep_ms);
/* The number that the next entry gets; NOT_FOUND when the mailbox is gone. */
MM_CHECK enum mailmod_error
mm_sqlite_next_number(struct mm_connection *connection, uint64_t mailbox_id,
                      int64_t *number_out);
/* One entry more, with that number. */
MM_CHECK enum mailmod_error
mm_sqlite_count_entry(struct mm_connection *connection, uint64_t mailbox_id,
                      uint64_t size);
/* deleted.c: the row is copied, and has still to go from the mailbox. */
MM_CHECK enum mailmod_error
mm_sqlite_keep_entry(struct mm_sqlite_transaction *transaction,
                     uint64_t mailbox_id, uint64_t number, int64_t now_ms);
/* Deleted mail of a mailbox that goes: `count_max` of it at most. */
#define MM_SQLITE_DELETED_MAX 32
MM_CHECK enum mailmod_error
mm_sqlite_drop_deleted_of(struct mm_sqlite_transaction *transaction,
                          uint64_t mailbox_id, size_t count_max,
                          bool *has_more);
/* rule.c: those of a mailbox that goes. */
MM_CHECK enum mailmod_error
mm_sqlite_drop_rules(struct mm_connection *connection, uint64_t mailbox_id);
/* Some rows of the first act on the whole queue; `found_out`: there is one. */
MM_CHECK enum mailmod_error
mm_sqlite_act_step(struct mm_sqlite_transaction *transaction, bool *found_out);
bool mm_sqlite_has_act(struct mm_sqlite *store);
MM_CHECK enum mailmod_error
mm_sqlite_unrefer(struct mm_sqlite_transaction *transaction,
                  uint64_t message_id);

/* The rows as structures. */
void mm_row_message(sqlite3_stmt *statement, int first,
                    struct mm_store_message *message_out);
void mm_row_recipient(sqlite3_stmt *statement, int first,
                      struct mm_store_recipient *recipient_out);

#endif
