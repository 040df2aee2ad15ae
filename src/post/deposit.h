/* thread: the depositor's loop, or a thread that may block, or the writer
 * deposit.h - one message on its way into the store, whichever door it came by.
 *
 * Collects envelope and text. Of the text the first octets, with the header,
 * stay in memory until the end; the rest goes to the store in pieces as it
 * comes, at most one on its way while the next one fills, so the size of a
 * message is not the size of its memory. Finishing is one durable transaction:
 * fields of ours and the first piece, message, queue recipients, mailbox
 * entries, and the reports that local recipients call for.
 *
 * A message that is to be sent but not kept is a deposit that is never
 * finished: its text is read back piece by piece, and goes when it is
 * abandoned.
 *
 * Three ways, one form in the store:
 *   - on a loop: mm_deposit_write with on_room, mm_deposit_finish with
 *     on_finished;
 *   - on a thread that may block (`loop` NULL): the same calls wait, and
 *     on_finished has been called when mm_deposit_finish returns;
 *   - inside a job of the store: mm_deposit_join, then everything is part of
 *     that transaction, and mm_deposit_put is the end. */
#ifndef MM_POST_DEPOSIT_H
#define MM_POST_DEPOSIT_H

#include "config/config.h"
#include "post/changes.h"
#include "post/post.h"
#include "post/target.h"
#include "wire/msg/header_edit.h"

struct mm_deposit;

struct mm_deposit_options {
    struct mm_post *post;
    struct mm_loop *loop;
    struct mm_config *config; /* a reference is taken */
    unsigned edits;           /* enum mm_header_edits bits */
    bool may_change;          /* judges may: room is kept for their fields */
    /* A piece is on disk, there is room again (or the message has failed: the
     * next write tells). Not after mm_deposit_abandon. */
    void (*on_room)(void *context);
    /* The end of mm_deposit_finish. NOT_FOUND: nobody is left to get it. */
    void (*on_finished)(void *context, enum mailmod_error error);
    void *context;
};

/* Texts are copied; NULL is "". */
struct mm_envelope {
    uint64_t id; /* 0: a new one */
    const char *reverse_path;
    int64_t arrival_ms;
    bool is_smtputf8;
    bool is_report; /* ours: never reported itself */
    enum mm_dsn_return dsn_return;
    const char *envelope_id;
    /* Who brought it, for the line "accepted". */
    const char *session;
    uint64_t connection; /* its number, for the news; 0: none */
    const char *peer;
    const char *user;
};

MM_CHECK enum mailmod_error
mm_deposit_new(struct mm_deposit **deposit_out,
               const struct mm_deposit_options *options,
               const struct mm_envelope *envelope);
/* Forgets the message, whatever it is doing; sweeps what it stored. The
 * pointer is gone for the caller; callbacks come no more. A deposit that
 * finished is freed by it. NULL does nothing. */
void mm_deposit_abandon(struct mm_deposit **deposit);
/* The same for one of a thread that may block (`loop` NULL), given up on a
 * loop, which does not wait. */
void mm_deposit_abandon_on(struct mm_deposit **deposit, struct mm_loop *loop);

/* A recipient; its number is its place in the order of adding, from 0, and the
 * number of its row in the queue. The same address twice is one copy or one
 * row, that of the first; two addresses of one mailbox are two copies, but one
 * when either leads there by an alias or a forward. ARGUMENT for a target that
 * is refused. */
MM_CHECK enum mailmod_error mm_deposit_add(struct mm_deposit *deposit,
                                           const struct mm_target *target);
/* One more for the address of the last: its number is none of the depositor's
 * own, and from this one on. */
#define MM_DEPOSIT_MORE (1u << 24)
MM_CHECK enum mailmod_error mm_deposit_add_more(struct mm_deposit *deposit,
                                                const struct mm_target *target);
/* All targets of an answer, none of them refused. */
MM_CHECK enum mailmod_error mm_deposit_add_all(struct mm_deposit *deposit,
                                               const struct mm_target *targets,
                                               size_t count);
/* A recipient who gets nothing here has a number, too: so that numbers are the
 * depositor's own. */
void mm_deposit_skip(struct mm_deposit *deposit);
size_t mm_deposit_recipient_count(const struct mm_deposit *deposit);
/* The path of the first one as its sender wrote it; NULL when there is none. */
const char *mm_deposit_first_path(const struct mm_deposit *deposit);
/* After an end by NOT_FOUND: a mailbox was full, so that it may be tried again;
 * else all were gone. */
bool mm_deposit_met_full(const struct mm_deposit *deposit);
/* After the end: those whose mailbox was gone or full, so that they did not get
 * it. */
void mm_deposit_each_lost(const struct mm_deposit *deposit,
                          void (*visit)(void *context, size_t number,
                                        bool is_full),
                          void *context);

/* It was fetched from a mailbox elsewhere. Who cannot get it is not reported to
 * a sender, who may be forged. */
struct mm_deposit_origin {
    const char *account;
    /* The row that says so: goes into the transaction that it comes by. */
    const struct mm_store_seen *seen;
    /* seen->key is its unique-id in mailboxes here, too, where it may be one.
     */
    bool keeps_unique_id;
    /* A mailbox that turns out to be gone or full: aside.h instead of a
     * loss. */
    bool sets_aside;
};
/* All is copied; before the end. */
MM_CHECK enum mailmod_error
mm_deposit_set_origin(struct mm_deposit *deposit,
                      const struct mm_deposit_origin *origin);
/* After it: the MM_MAIL_MARKS that the message has there. */
void mm_deposit_set_marks(struct mm_deposit *deposit, unsigned marks);
/* A recipient who gets nothing now, for the reason in `words`: he is set aside
 * (aside.h) under the name `account`. All is copied. */
MM_CHECK enum mailmod_error mm_deposit_add_aside(struct mm_deposit *deposit,
                                                 const char *account,
                                                 const char *path,
                                                 const char *words);

uint64_t mm_deposit_id(const struct mm_deposit *deposit);
const char *mm_deposit_identifier(const struct mm_deposit *deposit);
const char *mm_deposit_reverse_path(const struct mm_deposit *deposit);
bool mm_deposit_is_smtputf8(const struct mm_deposit *deposit);
/* Received fields seen so far: RFC 5321 6.3. */
unsigned mm_deposit_received_count(const struct mm_deposit *deposit);
/* Of all its octets, once it is finished. */
uint64_t mm_deposit_size(const struct mm_deposit *deposit);

/* Takes what has room; less than all means on_room comes (on a loop alone). An
 * error is final: STORAGE_FULL, STORAGE, MEMORY, TOO_LARGE. */
MM_CHECK enum mailmod_error mm_deposit_write(struct mm_deposit *deposit,
                                             struct mm_span data,
                                             size_t *used_out);
/* What was written so far are whole fields: no line behind continues them. */
void mm_deposit_end_fields(struct mm_deposit *deposit);
/* Where fields of ours are written, that stand before the message's own: any
 * time before the end; MM_LIMIT_FIELDS with those that are added for it. */
struct mm_buf *mm_deposit_fields(struct mm_deposit *deposit);
/* The body goes, and what is written from now on is the body. OK; BUSY: on_room
 * comes, and it is to be called again; TOO_LARGE: the header is larger than the
 * first piece. */
MM_CHECK enum mailmod_error mm_deposit_begin_body(struct mm_deposit *deposit);
/* What judges want changed, carried out at the end, on a loop; to be filled
 * until then. */
struct mm_changes *mm_deposit_changes(struct mm_deposit *deposit);
/* After the end: it was kept aside, or taken from everybody, by a judge. */
bool mm_deposit_is_quarantined(const struct mm_deposit *deposit);
bool mm_deposit_is_discarded(const struct mm_deposit *deposit);
/* It comes now, when it was begun long ago: its lifetime counts from here. */
void mm_deposit_arrived(struct mm_deposit *deposit, int64_t now_ms);
/* The text is whole: its size is known. mm_deposit_finish does it, too. An
 * error is the message's, as of mm_deposit_write. */
enum mailmod_error mm_deposit_end_text(struct mm_deposit *deposit,
                                       bool has_8bit);
/* thread: any. A piece of a whole text that is not finished, of a thread that
 * may block, into `out`, which is empty and takes MM_LIMIT_CHUNK octets: what
 * the store would have as that chunk. NOT_FOUND past the last. */
MM_CHECK enum mailmod_error mm_deposit_read(const struct mm_deposit *deposit,
                                            unsigned number,
                                            struct mm_buf *out);
/* The text is whole, and the message goes into the store. */
void mm_deposit_finish(struct mm_deposit *deposit, bool has_8bit);

/* thread: writer. From here on the pieces go into this transaction. */
void mm_deposit_join(struct mm_deposit *deposit,
                     struct mm_store_transaction *transaction);
/* thread: writer. The end of a deposit that joined: all is put; then
 * mm_deposit_abandon frees it. It is in the store if the transaction is; the
 * wake-up is the caller's. */
MM_CHECK enum mailmod_error mm_deposit_put(struct mm_deposit *deposit,
                                           bool has_8bit);

#endif
