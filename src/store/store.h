/* thread: any, except where a function says writer
 * store.h - messages at rest: the contract of every store.
 *
 * Writing. One writer thread owns the only writing connection. A caller hands
 * it jobs; the writer runs all that wait inside ONE transaction, commits once
 * (one sync), and then tells each job. A job's `run` uses the transaction
 * verbs below; when it returns an error its own effects are rolled back and
 * the others' are kept. It may be run again, after all was rolled back: so what
 * it changes beside the store it sets anew each time. `done` with OK means: on
 * disk, whatever happens next. A failed sync is never retried and believed: all
 * jobs of that transaction get STORAGE, and the store refuses further writes
 * until it has been written anew (mm_store_is_writable). The same when a file
 * of it was removed or renamed: that is seen after the commit and before
 * anybody hears OK. A lock of another process is waited for, 5 s at most, then
 * jobs get BUSY.
 *
 * Reading. Read verbs may be called from any thread; they use their own
 * connections, never wait for the writer, and see only what was committed.
 * Look-ups by key touch a few pages and may be made on a loop, but for a store
 * over a network (mm_store_waits): there they belong on a worker, as body reads
 * and listings always do. A listing is read in pages, each of one
 * committed state and each from the key on where the last one ended: so a long
 * one keeps no state of the store alive, and what changes behind its place is
 * seen. Its visitor must not call the store, but for that of users.
 *
 * Kinds. A store is opened by its description. A folder: SQLite (sqlite/), with
 * mailmod.db (+ -wal, -shm) and mailmod.lock in it; the daemon opens with
 * MM_STORE_EXCLUSIVE: a second one gets BUSY; tools open with MM_STORE_SHARED
 * beside a running daemon, which sees their changes when it reads. "memory:": a
 * store for clients, tests and the simulator, gone when it is closed.
 * "postgresql://..." has its place and is refused in words (ARGUMENT). What a
 * kind of store gives stands in ops.h. */
#ifndef MM_STORE_STORE_H
#define MM_STORE_STORE_H

#include "base/buf.h"
#include "base/dsn.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/log.h"
#include "mailmod/terms.h"

struct mm_store;
struct mm_store_transaction;

enum mm_store_mode {
    MM_STORE_EXCLUSIVE, /* makes the folder and tables when missing */
    MM_STORE_SHARED     /* a tool: NOT_FOUND when there is no store yet */
};

/* Whether what is removed is written over with zeros in the file. */
enum mm_store_erase {
    MM_STORE_ERASE_OFF,
    MM_STORE_ERASE_FAST, /* where that costs no write of its own */
    MM_STORE_ERASE_ON    /* always: each freed page is written */
};

struct mm_store_options {
    const char *description; /* UTF-8: a folder, or "memory:" */
    enum mm_store_mode mode;
    bool syncs;              /* false only in tests and benchmarks */
    uint64_t free_space_min; /* octets kept free on the volume; below it writes
                                of new message data get STORAGE_FULL */
    enum mm_store_erase erase;
    const struct mm_log *log;
};

/* From now on what keeps stores takes memory from base/mem.h, for whoever in
 * this process uses it. STATE when it has memory already. */
MM_CHECK enum mailmod_error mm_store_use_memory(void);
/* From now on what keeps stores does not count its memory, which is a lock that
 * all threads share; for whoever in this process uses it. STATE likewise. */
MM_CHECK enum mailmod_error mm_store_stop_counting(void);
/* A description of a store that is in memory alone: it has no folder. */
bool mm_store_is_memory(const char *description);
/* Somebody has the folder's store open for himself alone. */
bool mm_store_is_in_use(const char *data_folder);
/* BUSY, ACCESS, STORAGE_FULL, STORAGE_DAMAGED, STORAGE_VERSION ...; the words
 * that name the file and the repair go to `reason_out` (may be NULL). Opening
 * sweeps chunks of messages that were never finished. */
MM_CHECK enum mailmod_error
mm_store_open(struct mm_store **store_out,
              const struct mm_store_options *options,
              struct mm_buf *reason_out);
/* The same contract in memory, for tests and the simulator. */
MM_CHECK enum mailmod_error mm_store_open_memory(struct mm_store **store_out,
                                                 const struct mm_log *log);
/* Runs what was submitted, then closes. */
void mm_store_close(struct mm_store **store);

/* A new message identifier: unique for ever, rising with time; `text_out` is
 * its form in Received, logs and tools: 13 characters of base 32. */
#define MM_MESSAGE_ID_TEXT_MAX 16
uint64_t mm_store_new_message_id(struct mm_store *store);
void mm_message_id_format(uint64_t id, char text_out[MM_MESSAGE_ID_TEXT_MAX]);
bool mm_message_id_parse(struct mm_span text, uint64_t *id_out);

struct mm_store_job {
    struct mm_list node;
    /* thread: writer. */
    enum mailmod_error (*run)(struct mm_store_job *job,
                              struct mm_store_transaction *transaction);
    /* thread: writer; must not block: post to a loop and return. */
    void (*done)(struct mm_store_job *job, enum mailmod_error error);
};
/* Never fails: a store that is closing or broken answers through `done`. */
void mm_store_submit(struct mm_store *store, struct mm_store_job *job);
/* Submits and waits; not on a loop or the writer. For tools and start-up. */
MM_CHECK enum mailmod_error mm_store_run(struct mm_store *store,
                                         struct mm_store_job *job);
/* False from a commit that failed until one is good again: nothing can be
 * settled meanwhile, so no delivery may begin. The store comes back by itself;
 * it says so in the log, once each way. thread: any. */
bool mm_store_is_writable(const struct mm_store *store);

/* A read may wait for somebody else's machine: none is made on a loop. Fixed
 * from the opening on. thread: any. */
bool mm_store_waits(const struct mm_store *store);

/* Canonical address text and NUL: a path has angle brackets, this has none. */
#define MM_STORE_REVERSE_PATH_MAX (MM_LIMIT_PATH - 1)
#define MM_STORE_DESTINATION_MAX 260
#define MM_STORE_USER_MAX 256
#define MM_STORE_HOST_MAX 256 /* a mail host's name, or an address */

struct mm_store_message {
    uint64_t id;
    char reverse_path[MM_STORE_REVERSE_PATH_MAX]; /* "" null */
    int64_t arrival_ms;
    uint64_t size; /* all chunks together */
    bool is_8bit;
    bool is_smtputf8;
    bool is_report; /* a bounce or notice of ours: never bounced itself */
    /* Who cannot get it is held for an operator instead of given up: nobody
     * could be told. */
    bool keeps_failed;
    enum mm_dsn_return dsn_return;
    char envelope_id[MM_DSN_ENVELOPE_ID_MAX + 1]; /* "" none */
};

enum mm_recipient_state {
    MM_RECIPIENT_WAITING, /* due at next_attempt_ms */
    MM_RECIPIENT_HELD     /* by an operator */
};

/* Whether a sender is told whom the address stands for that was written to. */
enum mm_store_visibility {
    MM_VISIBILITY_UNSET, /* as local.hides_targets says */
    MM_VISIBILITY_HIDDEN,
    MM_VISIBILITY_SHOWN
};

struct mm_store_recipient { /* one row of the queue */
    uint64_t message_id;
    unsigned number; /* within the message, from 0 */
    char path[MM_STORE_REVERSE_PATH_MAX];
    char destination[MM_STORE_DESTINATION_MAX]; /* domain, literal, smarthost */
    enum mm_recipient_state state;
    int64_t next_attempt_ms;
    /* next_attempt_ms as it was read, 0: of a new row. An update leaves a time
     * alone that an operator has changed since. */
    int64_t read_attempt_ms;
    int64_t expires_ms;
    unsigned attempts;
    bool was_warned; /* the delay notice went out */
    unsigned notify; /* mm_dsn_notify bits */
    enum mm_store_visibility visibility;
    char original_recipient[MM_DSN_ORIGINAL_RECIPIENT_MAX + 1]; /* "" none */
    char last_reply[512];  /* "host: 450 4.2.1 text": for reports and tools */
    bool has_reverse_path; /* its own (VERP, SRS) instead of the message's */
    char reverse_path[MM_STORE_REVERSE_PATH_MAX];
    /* Who sends it on, for the field that finds loops; "" nobody. */
    char delivered_to[MM_STORE_REVERSE_PATH_MAX];
    char original_to[MM_STORE_REVERSE_PATH_MAX]; /* as the sender wrote it, when
                                                    it is another than `path` */
    /* Who got the whole text and gave no answer, so that he may have it; ""
     * nobody. */
    char unsure_host[MM_STORE_HOST_MAX];
};

/* Of mailmod_mail_flags what a reader says, and not the text. */
#define MM_MAIL_MARKS                                                          \
    ((unsigned)(MAILMOD_MAIL_SEEN | MAILMOD_MAIL_ANSWERED |                    \
                MAILMOD_MAIL_FLAGGED | MAILMOD_MAIL_DRAFT |                    \
                MAILMOD_MAIL_TRASHED | MAILMOD_MAIL_PASSED))

struct mm_store_entry {     /* a message in a mailbox */
    uint64_t unique_number; /* rises, never reused in the mailbox */
    uint64_t message_id;
    uint64_t size;  /* as served: with Return-Path in front */
    uint32_t flags; /* MM_ENTRY_* */
};
#define MM_ENTRY_HAS_DETAIL 1u  /* mm_store_find_entry tells more */
#define MM_ENTRY_HAS_ADDRESS 2u /* of it only delivered_to, original_to */
/* From this bit on: marks of readers, which a message had where it was imported
 * from. */
#define MM_ENTRY_MARKS_SHIFT 5

/* What an entry keeps of its own, beside its message; "" and 0: nothing. */
#define MM_STORE_UIDL_MAX 71 /* RFC 1939 7: 70 octets */
struct mm_store_entry_detail {
    char uidl[MM_STORE_UIDL_MAX]; /* "": tag and number, as mailbox/ has it */
    unsigned notify;              /* RFC 3461, as of a recipient */
    char original_recipient[MM_DSN_ORIGINAL_RECIPIENT_MAX + 1];
    bool has_reverse_path; /* its own instead of the message's */
    char reverse_path[MM_STORE_REVERSE_PATH_MAX];
    char delivered_to[MM_STORE_REVERSE_PATH_MAX];
    char original_to[MM_STORE_REVERSE_PATH_MAX]; /* "": as delivered_to */
    unsigned marks; /* MM_MAIL_MARKS; read from the entry's flags alone */
};

/* All thread: writer, inside a job's run. */
/* Chunks are numbered from 0 without gaps; at most MM_LIMIT_CHUNK octets. They
 * may come in earlier jobs than the message row; number 0, when it comes in a
 * later job than others, after the row. */
MM_CHECK enum mailmod_error
mm_store_put_chunk(struct mm_store_transaction *transaction, uint64_t id,
                   unsigned number, struct mm_span data);
MM_CHECK enum mailmod_error
mm_store_put_message(struct mm_store_transaction *transaction,
                     const struct mm_store_message *message);
MM_CHECK enum mailmod_error
mm_store_put_recipient(struct mm_store_transaction *transaction,
                       const struct mm_store_recipient *recipient);
/* Gives the entry its unique number; `served_size` includes Return-Path. */
MM_CHECK enum mailmod_error
mm_store_put_entry(struct mm_store_transaction *transaction,
                   uint64_t mailbox_id, uint64_t message_id,
                   uint64_t served_size);
/* The same with what the entry keeps of its own; EXISTS, and nothing is
 * changed, when the mailbox has that unique-id text already. */
MM_CHECK enum mailmod_error
mm_store_put_entry_with(struct mm_store_transaction *transaction,
                        uint64_t mailbox_id, uint64_t message_id,
                        uint64_t served_size,
                        const struct mm_store_entry_detail *detail);
/* What lies in a mailbox as the transaction sees it: with what it put there. */
MM_CHECK enum mailmod_error
mm_store_octets_of(struct mm_store_transaction *transaction,
                   uint64_t mailbox_id, uint64_t *octets_out);
/* Drops chunks of a message that was never finished. */
MM_CHECK enum mailmod_error
mm_store_drop_chunks(struct mm_store_transaction *transaction, uint64_t id);
/* Removes entries by unique number; numbers that are gone are skipped; a
 * message without entries and recipients goes with its chunks. Of many entries
 * or a large body only the promise is committed: they are no longer listed, and
 * their rows and chunks go in slices afterwards. */
MM_CHECK enum mailmod_error
mm_store_remove_entries(struct mm_store_transaction *transaction,
                        uint64_t mailbox_id, const uint64_t *unique_numbers,
                        size_t count);
/* The same, but that the messages stay in the store as deleted mail of the
 * mailbox, which counts them no more: see mm_store_list_deleted. `now_ms` is
 * above 0. They go with the mailbox. */
MM_CHECK enum mailmod_error
mm_store_keep_entries(struct mm_store_transaction *transaction,
                      uint64_t mailbox_id, const uint64_t *unique_numbers,
                      size_t count, int64_t now_ms);
/* Deleted mail back into the mailbox, as new mail: with a number of its own and
 * without a unique-id text. NOT_FOUND. */
MM_CHECK enum mailmod_error
mm_store_restore_deleted(struct mm_store_transaction *transaction,
                         uint64_t mailbox_id, uint64_t unique_number);
/* Of all deleted mail what was deleted before then goes for good, the oldest
 * first, `count_max` at most. */
MM_CHECK enum mailmod_error
mm_store_sweep_deleted(struct mm_store_transaction *transaction,
                       int64_t before_ms, size_t count_max, size_t *count_out);
/* Updates state, times, attempts, was_warned, last_reply, destination,
 * unsure_host.
 * NOT_FOUND when an operator removed it meanwhile. */
MM_CHECK enum mailmod_error
mm_store_update_recipient(struct mm_store_transaction *transaction,
                          const struct mm_store_recipient *recipient);
/* The recipient is settled; the last one takes the message along unless it is
 * in a mailbox. NOT_FOUND likewise. */
MM_CHECK enum mailmod_error
mm_store_remove_recipient(struct mm_store_transaction *transaction,
                          uint64_t message_id, unsigned number);
/* Operator's actions on one message (0: all). `count_out`: recipients. On a
 * long queue only the promise is committed and the rows follow in slices;
 * until they have (mm_store_is_settling) nothing may be claimed. */
MM_CHECK enum mailmod_error
mm_store_act(struct mm_store_transaction *transaction, uint64_t message_id,
             enum mailmod_queue_action action, int64_t now_ms,
             size_t *count_out);
/* The same on one recipient, whom a person has chosen; `count` rises by one
 * when the action is for it. NOT_FOUND when it is gone. */
MM_CHECK enum mailmod_error
mm_store_act_on_one(struct mm_store_transaction *transaction,
                    uint64_t message_id, unsigned number,
                    enum mailmod_queue_action action, int64_t now_ms,
                    size_t *count);
/* Rows of an act on the whole queue are still being changed. */
bool mm_store_is_settling(struct mm_store *store);
/* Waits for that. Not on a loop or the writer. */
void mm_store_settle(struct mm_store *store);
/* How a domain, an address literal or a host is called as a destination: in
 * A-labels and lower case. "" for what is too long. */
void mm_destination_canonical(const char *domain,
                              char text_out[MM_STORE_DESTINATION_MAX]);
/* After a change of routing: every waiting recipient gets this destination, or
 * with NULL its own domain; but for those with a colon outside of brackets in
 * their destination, which no route leads to. */
MM_CHECK enum mailmod_error
mm_store_reroute(struct mm_store_transaction *transaction,
                 const char *destination);

/* The form in which names are kept and compared: case folded, NFC, the domain
 * in A-labels. To add, find and remove a user takes any form and does this
 * itself; what can be no name is NOT_FOUND there. SYNTAX, TOO_LARGE, MEMORY. */
MM_CHECK enum mailmod_error
mm_user_name_canonical(struct mm_span name, char name_out[MM_STORE_USER_MAX]);
/* Whether a new user may have it: a local part that needs no quotes, with a
 * domain after "@" or none; letters that can be seen, and none that NFKC would
 * take for others. */
bool mm_user_name_is_good(struct mm_span name);

struct mm_store_user {
    char name[MM_STORE_USER_MAX]; /* "alice", or "alice@example.org" when the
                                     user exists in that domain alone; in the
                                     form of mm_user_name_canonical */
    uint64_t mailbox_id;
    uint8_t salt[16];
    uint32_t iterations;
    uint8_t stored_key[32];
    uint8_t server_key[32];
    bool has_password; /* kept recoverable, for APOP */
    char password[520];
    bool is_disabled;
    uint64_t quota; /* octets of the mailbox; 0: none set */
};
/* EXISTS; makes the mailbox. */
MM_CHECK enum mailmod_error
mm_store_add_user(struct mm_store_transaction *transaction,
                  struct mm_store_user *user);
/* A new salt or number of rounds ends the user's further secrets. */
MM_CHECK enum mailmod_error
mm_store_change_user(struct mm_store_transaction *transaction,
                     const struct mm_store_user *user);
/* Another name, mailbox and secrets stay. NOT_FOUND, EXISTS. */
MM_CHECK enum mailmod_error
mm_store_rename_user(struct mm_store_transaction *transaction, const char *name,
                     const char *new_name);
/* More secrets of a user beside the main one, made with its salt and rounds. */
#define MM_STORE_SECRETS_MAX 16
#define MM_STORE_LABEL_MAX 64
struct mm_store_secret_key {
    char label[MM_STORE_LABEL_MAX];
    uint8_t stored_key[32];
    uint8_t server_key[32];
    int64_t created_ms;
};
/* EXISTS; LIMIT when the user has as many as there may be. */
MM_CHECK enum mailmod_error
mm_store_put_secret(struct mm_store_transaction *transaction,
                    uint64_t mailbox_id,
                    const struct mm_store_secret_key *secret);
MM_CHECK enum mailmod_error
mm_store_remove_secret(struct mm_store_transaction *transaction,
                       uint64_t mailbox_id, const char *label);
MM_CHECK enum mailmod_error mm_store_list_secrets(
    struct mm_store *store, uint64_t mailbox_id,
    struct mm_store_secret_key secrets_out[MM_STORE_SECRETS_MAX],
    size_t *count_out);
/* The mailbox goes too; its entries in slices. */
MM_CHECK enum mailmod_error
mm_store_remove_user(struct mm_store_transaction *transaction,
                     const char *name);

MM_CHECK enum mailmod_error mm_store_find_user(struct mm_store *store,
                                               const char *name,
                                               struct mm_store_user *user_out);
/* Of a user, what is asked when mail comes: of no secret anything. */
struct mm_store_addressee {
    char name[MM_STORE_USER_MAX];
    uint64_t mailbox_id;
    bool is_disabled;
    uint64_t quota;
};
/* The user of the first of `names` that somebody has; at most
 * MM_STORE_NAMES_MAX. One look-up, of one committed state. */
#define MM_STORE_NAMES_MAX 3
MM_CHECK enum mailmod_error
mm_store_find_addressee(struct mm_store *store, const char *const *names,
                        size_t count, struct mm_store_addressee *addressee_out);
/* By rising name; the visitor returns false to stop, and may read the store. */
MM_CHECK enum mailmod_error mm_store_each_user(
    struct mm_store *store,
    bool (*visit)(void *context, const struct mm_store_user *user),
    void *context);
/* ---- mail fetched from mailboxes elsewhere ---- */

#define MM_STORE_FETCH_NAME_MAX 64
#define MM_STORE_FETCH_SOURCE_MAX 520
#define MM_STORE_FETCH_RESULT_MAX 200
#define MM_STORE_SEEN_KEY_MAX 72

/* A message that was taken over. */
struct mm_store_seen {
    /* The server's unique id, or a key made of its content, which begins with
     * a blank, as no unique id does. */
    char key[MM_STORE_SEEN_KEY_MAX];
    uint8_t hash[32]; /* of its octets */
    uint64_t size;    /* as the server told it */
    int64_t seen_ms;
    int64_t gone_ms; /* since when the server does not list it; 0: it does */
    bool is_deleted; /* the server was told to delete it, and said yes */
};
enum mm_store_fetch_wish {
    MM_STORE_FETCH_NO_WISH,
    MM_STORE_FETCH_RUN,
    MM_STORE_FETCH_CHECK /* count alone */
};
/* How the last session of an account went. */
struct mm_store_fetch {
    char name[MM_STORE_FETCH_NAME_MAX];
    char source[MM_STORE_FETCH_SOURCE_MAX]; /* whose mailbox it was */
    int64_t begun_ms;
    int64_t ended_ms;
    uint64_t listed; /* messages that the server had */
    uint64_t octets; /* of them */
    uint64_t fresh;  /* of them not seen before */
    uint64_t fetched;
    uint64_t left; /* too large, or refused here: still there */
    uint64_t deleted;
    unsigned failures; /* sessions in a row */
    char result[MM_STORE_FETCH_RESULT_MAX];
    enum mm_store_fetch_wish wish; /* an operator's, for the next session */
};
/* Replaces. */
MM_CHECK enum mailmod_error
mm_store_put_seen(struct mm_store_transaction *transaction, const char *account,
                  const struct mm_store_seen *seen);
MM_CHECK enum mailmod_error
mm_store_drop_seen(struct mm_store_transaction *transaction,
                   const char *account, const char *key);
/* By rising key; the visitor returns false to stop. */
MM_CHECK enum mailmod_error mm_store_each_seen(
    struct mm_store *store, const char *account,
    bool (*visit)(void *context, const struct mm_store_seen *seen),
    void *context);
/* Replaces all but the wish. */
MM_CHECK enum mailmod_error
mm_store_put_fetch(struct mm_store_transaction *transaction,
                   const struct mm_store_fetch *fetch);
MM_CHECK enum mailmod_error
mm_store_wish_fetch(struct mm_store_transaction *transaction,
                    const char *account, enum mm_store_fetch_wish wish);
/* What was seen of it, and how it went. */
MM_CHECK enum mailmod_error
mm_store_forget_fetch(struct mm_store_transaction *transaction,
                      const char *account);
MM_CHECK enum mailmod_error mm_store_each_fetch(
    struct mm_store *store,
    bool (*visit)(void *context, const struct mm_store_fetch *fetch),
    void *context);

/* ---- what left the queue and is kept: sent mail, dead letters ---- */

struct mm_store_kept {
    enum mailmod_kept_kind kind;
    int64_t kept_ms; /* since when */
    /* As it was in the queue; last_reply: the words of its end. */
    struct mm_store_recipient recipient;
};
/* Takes a recipient out of the queue, as mm_store_remove_recipient does, and
 * keeps it with its message: `kind`, `kept_ms` and of the recipient message_id,
 * number, attempts and last_reply are given. NOT_FOUND likewise. */
MM_CHECK enum mailmod_error
mm_store_keep_recipient(struct mm_store_transaction *transaction,
                        const struct mm_store_kept *kept);
/* Puts it back into the queue, due at `now_ms`, as if it had never been tried.
 * NOT_FOUND. */
MM_CHECK enum mailmod_error
mm_store_requeue_kept(struct mm_store_transaction *transaction,
                      uint64_t message_id, unsigned number, int64_t now_ms,
                      int64_t expires_ms);
/* The last one takes the message along. NOT_FOUND. */
MM_CHECK enum mailmod_error
mm_store_drop_kept(struct mm_store_transaction *transaction,
                   uint64_t message_id, unsigned number);
/* Drops at most `count_max` of a kind that are kept since before `before_ms`,
 * the oldest first; how many is told. */
MM_CHECK enum mailmod_error
mm_store_sweep_kept(struct mm_store_transaction *transaction,
                    enum mailmod_kept_kind kind, int64_t before_ms,
                    size_t count_max, size_t *count_out);
/* Those of a kind, by message and number, each with its message; message_id 0
 * is all. The visitor returns false to stop. */
MM_CHECK enum mailmod_error mm_store_each_kept(
    struct mm_store *store, enum mailmod_kept_kind kind, uint64_t message_id,
    bool (*visit)(void *context, const struct mm_store_message *message,
                  const struct mm_store_kept *kept),
    void *context);

/* ---- what hangs on a name: aliases, forwards, replies, mailing lists ---- */

enum mm_store_record_kind {
    MM_RECORD_ALIAS = 1,  /* name: address; key: whom it stands for */
    MM_RECORD_FORWARD,    /* name: user; key: address, or a backslash alone: the
                             mailbox keeps a copy */
    MM_RECORD_MAILLIST,   /* name: the list's address; post/maillist.c's */
    MM_RECORD_MEMBER,     /* name: the list's address; key: the member's */
    MM_RECORD_NOTICE,     /* name: who is told; queue/notice.c's */
    MM_RECORD_AUTO_REPLY, /* name: user or alias; post/auto_reply.c's */
    MM_RECORD_REPLIED     /* the same; key: a sender who got it */
};
#define MM_STORE_RECORD_VALUE_MAX 65536
/* One row: (kind, name, key) is its place. What number and value are is the
 * kind's affair. */
struct mm_store_record {
    enum mm_store_record_kind kind;
    char name[MM_STORE_REVERSE_PATH_MAX];
    char key[MM_STORE_REVERSE_PATH_MAX];
    int64_t number;
    struct mm_span value; /* the lender's, for the call */
};
/* Replaces. TOO_LARGE. */
MM_CHECK enum mailmod_error
mm_store_keep_record(struct mm_store_transaction *transaction,
                     const struct mm_store_record *record);
/* NOT_FOUND. */
MM_CHECK enum mailmod_error
mm_store_drop_record(struct mm_store_transaction *transaction,
                     enum mm_store_record_kind kind, const char *name,
                     const char *key);
/* All rows of a name get another one, or with NULL are dropped. Those of a user
 * go along when the user is renamed or removed. */
MM_CHECK enum mailmod_error
mm_store_move_records(struct mm_store_transaction *transaction,
                      enum mm_store_record_kind kind, const char *name,
                      const char *new_name);
/* As the transaction sees it; no value. NOT_FOUND. */
MM_CHECK enum mailmod_error
mm_store_record_of(struct mm_store_transaction *transaction,
                   enum mm_store_record_kind kind, const char *name,
                   const char *key, struct mm_store_record *record_out);
/* NOT_FOUND, or visits it, once. A look-up by key. */
MM_CHECK enum mailmod_error mm_store_find_record(
    struct mm_store *store, enum mm_store_record_kind kind, const char *name,
    const char *key,
    void (*visit)(void *context, const struct mm_store_record *record),
    void *context);
/* The rows of a kind behind (name, key), in that order; of one name alone when
 * `is_one_name`. The visitor returns false to stop, and must not call the
 * store. */
MM_CHECK enum mailmod_error mm_store_each_record(
    struct mm_store *store, enum mm_store_record_kind kind, const char *name,
    const char *after_key, bool is_one_name,
    bool (*visit)(void *context, const struct mm_store_record *record),
    void *context);

/* ---- lists of peers and senders ---- */

#define MM_STORE_RULE_MAX 512
/* Of all owners together; each is looked at in memory. */
#define MM_STORE_RULES_MAX 100000

enum mm_rule_list { MM_RULE_WHITE, MM_RULE_BLACK, MM_RULE_GREY };
#define MM_RULE_LISTS 3
struct mm_store_rule {
    uint64_t mailbox_id; /* whose it is; 0: common to all */
    enum mm_rule_list list;
    char text[MM_STORE_RULE_MAX];
    int64_t added_ms;
};
/* EXISTS, and LIMIT past MM_STORE_RULES_MAX. A user's go with the user. */
MM_CHECK enum mailmod_error
mm_store_add_rule(struct mm_store_transaction *transaction,
                  const struct mm_store_rule *rule);
MM_CHECK enum mailmod_error
mm_store_remove_rule(struct mm_store_transaction *transaction,
                     const struct mm_store_rule *rule); /* NOT_FOUND */
/* By mailbox, list and text; the visitor returns false to stop. */
MM_CHECK enum mailmod_error mm_store_each_rule(
    struct mm_store *store,
    bool (*visit)(void *context, const struct mm_store_rule *rule),
    void *context);
/* Moves with each rule that was put or removed, by whatever process. */
MM_CHECK enum mailmod_error mm_store_rule_changes(struct mm_store *store,
                                                  uint64_t *count_out);

/* ---- what was seen of peers, for a time ---- */

#define MM_STORE_SIGHTING_KEY_MAX 72

enum mm_sighting_kind {
    MM_SIGHTING_TRIPLET, /* a first attempt that was put off: greylisting */
    MM_SIGHTING_NETWORK, /* a network that came again, as mail servers do */
    MM_SIGHTING_TRAPPED, /* an address that wrote to a trap */
    MM_SIGHTING_SPAM,    /* the hash of a body that was refused */
    MM_SIGHTING_BANNED   /* a network whose logins are refused: server/bans.h */
};
struct mm_store_sighting {
    enum mm_sighting_kind kind;
    char key[MM_STORE_SIGHTING_KEY_MAX];
    int64_t first_ms;
    int64_t last_ms;
    int64_t until_ms; /* when it is forgotten */
    uint64_t count;
};
/* Replaces. */
MM_CHECK enum mailmod_error
mm_store_note_sighting(struct mm_store_transaction *transaction,
                       const struct mm_store_sighting *sighting);
MM_CHECK enum mailmod_error
mm_store_remove_sighting(struct mm_store_transaction *transaction,
                         enum mm_sighting_kind kind,
                         const char *key); /* NOT_FOUND */
/* Removes at most `count_max` of those whose time is over and of those above
 * `keep_max`, which end first; how many is told. */
MM_CHECK enum mailmod_error
mm_store_sweep_sightings(struct mm_store_transaction *transaction,
                         int64_t now_ms, size_t keep_max, size_t count_max,
                         size_t *count_out);
/* NOT_FOUND; what is over but not swept is found. */
MM_CHECK enum mailmod_error
mm_store_find_sighting(struct mm_store *store, enum mm_sighting_kind kind,
                       const char *key, struct mm_store_sighting *sighting_out);
/* By key; the visitor returns false to stop. */
MM_CHECK enum mailmod_error mm_store_each_sighting(
    struct mm_store *store, enum mm_sighting_kind kind,
    bool (*visit)(void *context, const struct mm_store_sighting *sighting),
    void *context);

/* options.free_space_min from now on. */
void mm_store_set_free_space_min(struct mm_store *store, uint64_t octets);
/* One session a mailbox (RFC 1939 4): BUSY while another one has it, wherever
 * it is. What a process holds goes with it. */
MM_CHECK enum mailmod_error mm_store_lock_mailbox(struct mm_store *store,
                                                  uint64_t mailbox_id);
void mm_store_unlock_mailbox(struct mm_store *store, uint64_t mailbox_id);
/* Would a message of so many octets find room now, above the reserve? A look
 * that may be half a second old: what is written decides anew. */
bool mm_store_has_room_for(struct mm_store *store, uint64_t octets);
/* All entries of a mailbox by rising unique number; mm_free() the array. */
MM_CHECK enum mailmod_error
mm_store_list_entries(struct mm_store *store, uint64_t mailbox_id,
                      struct mm_store_entry **entries_out, size_t *count_out);
/* The same behind that unique number: what came since. */
MM_CHECK enum mailmod_error mm_store_list_entries_after(
    struct mm_store *store, uint64_t mailbox_id, uint64_t after_number,
    struct mm_store_entry **entries_out, size_t *count_out);
/* A number drawn when the mailbox was made; part of its unique-ids, so that
 * a mailbox made anew under the same name repeats none. */
MM_CHECK enum mailmod_error mm_store_mailbox_tag(struct mm_store *store,
                                                 uint64_t mailbox_id,
                                                 uint32_t *tag_out);
/* NOT_FOUND when the entry is gone. */
MM_CHECK enum mailmod_error
mm_store_find_entry(struct mm_store *store, uint64_t mailbox_id,
                    uint64_t unique_number,
                    struct mm_store_entry_detail *detail_out);
/* What lies in a mailbox, for a quota. */
struct mm_store_deleted { /* deleted mail */
    struct mm_store_entry entry;
    int64_t deleted_ms;
};
/* Deleted mail of a mailbox behind this number, in the order of numbers; fewer
 * than `count_max`: there is no more. Of a removal that goes in slices what was
 * not reached yet is not among them. thread: worker */
MM_CHECK enum mailmod_error mm_store_list_deleted(
    struct mm_store *store, uint64_t mailbox_id, uint64_t after_number,
    struct mm_store_deleted *deleted_out, size_t count_max, size_t *count_out);
MM_CHECK enum mailmod_error mm_store_mailbox_use(struct mm_store *store,
                                                 uint64_t mailbox_id,
                                                 uint64_t *entries_out,
                                                 uint64_t *octets_out);
MM_CHECK enum mailmod_error
mm_store_find_message(struct mm_store *store, uint64_t message_id,
                      struct mm_store_message *message_out);
/* Chunk `number` of a message into `out` (replacing it; cap MM_LIMIT_CHUNK);
 * NOT_FOUND past the last one, STORAGE_DAMAGED when one is missing between or
 * is not octet for octet what was put. */
MM_CHECK enum mailmod_error mm_store_read_chunk(struct mm_store *store,
                                                uint64_t message_id,
                                                unsigned number,
                                                struct mm_buf *out);
struct mm_store_destination {
    char name[MM_STORE_DESTINATION_MAX];
    int64_t next_attempt_ms; /* earliest */
};
/* Destinations that somebody waits for, by name, those after `after` (""), each
 * with its earliest time. Costs by what it tells, not by what waits. */
MM_CHECK enum mailmod_error
mm_store_list_destinations(struct mm_store *store, const char *after,
                           struct mm_store_destination *destinations_out,
                           size_t count_max, size_t *count_out);
/* What commits of this process may have made due since the last call: some
 * destinations, each with a time from which on; 0: no more. `is_whole_out` is
 * false when some were left out: then look at all. What another process does is
 * not told. */
size_t mm_store_take_news(struct mm_store *store,
                          struct mm_store_destination *destinations_out,
                          size_t count_max, bool *is_whole_out);
bool mm_store_has_news(const struct mm_store *store);
/* Who is told of each commit with such news, before its jobs are answered;
 * NULL: nobody, also not one who is being told just now. thread: any; `on_news`
 * is called on the writer, posts to a loop and returns. */
void mm_store_watch(struct mm_store *store, void (*on_news)(void *context),
                    void *context);
/* Recipients of one destination, by next_attempt_ms, message, number: due ones
 * with `now_ms`, all waiting ones with INT64_MAX. */
MM_CHECK enum mailmod_error mm_store_list_due(
    struct mm_store *store, const char *destination, int64_t now_ms,
    bool (*visit)(void *context, const struct mm_store_recipient *recipient),
    void *context);
/* The queue for a person: each recipient with its message, oldest message
 * first; message_id 0 is all. */
MM_CHECK enum mailmod_error mm_store_each_recipient(
    struct mm_store *store, uint64_t message_id,
    bool (*visit)(void *context, const struct mm_store_message *message,
                  const struct mm_store_recipient *recipient),
    void *context);
/* A secret of this store, made with it: decoys of unknown users. */
MM_CHECK enum mailmod_error mm_store_secret(struct mm_store *store,
                                            uint8_t secret_out[32]);
/* How often recipients were flushed or released, here or by a tool: what waits
 * for its destination is to be tried at once then. */
MM_CHECK enum mailmod_error mm_store_flush_count(struct mm_store *store,
                                                 uint64_t *count_out);
/* How often users that were there were changed, disabled or removed, here or by
 * a tool: who is logged in is to be looked at again then. */
MM_CHECK enum mailmod_error mm_store_user_changes(struct mm_store *store,
                                                  uint64_t *count_out);
/* Integrity check, for tools; the words go to `report_out`. thread: worker. */
MM_CHECK enum mailmod_error mm_store_verify(struct mm_store *store,
                                            struct mm_buf *report_out);
/* How far a long copy is, in pieces of the store's own. */
typedef void (*mm_store_progress)(void *context, uint64_t done, uint64_t all);
/* A copy of one state of the store as one new file, for its owner alone,
 * verified; beside a daemon too. EXISTS when the file is there. The words that
 * name file and cause go to `reason_out` (may be NULL), `progress` may be NULL.
 * thread: worker. */
MM_CHECK enum mailmod_error mm_store_backup(struct mm_store *store,
                                            const char *path,
                                            mm_store_progress progress,
                                            void *context,
                                            struct mm_buf *reason_out);
/* Verifies such a copy and makes the store of it in a folder that has none;
 * BUSY while a daemon runs there. thread: worker. */
MM_CHECK enum mailmod_error mm_store_restore(const char *data_folder,
                                             const char *path,
                                             mm_store_progress progress,
                                             void *context,
                                             struct mm_buf *reason_out);
/* A store that is damaged is made serviceable: what can be read is in it
 * afterwards, what is lost is told to `on_line` (may be NULL) message by
 * message, and the damaged files are kept under a name with the date, which the
 * last line says. A sound store is left alone. BUSY while somebody runs there;
 * ARGUMENT for a kind of store that has no such verb; STORAGE_FULL without room
 * for a second database, STORAGE_VERSION, STORAGE_DAMAGED when nothing of a
 * store can be read: then nothing was changed. thread: worker. */
typedef void (*mm_store_on_line)(void *context, const char *line);
MM_CHECK enum mailmod_error mm_store_repair(const char *description,
                                            mm_store_on_line on_line,
                                            void *context,
                                            struct mm_buf *reason_out);
/* For benchmarks and logs. */
struct mm_store_counters {
    uint64_t jobs;
    uint64_t commits; /* each is one sync */
};
void mm_store_counters(const struct mm_store *store,
                       struct mm_store_counters *counters_out);

#endif
