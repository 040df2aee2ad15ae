/* thread: any (point look-ups in the store), except where a function says
 * writer
 * auto_reply.h - automatic replies (RFC 3834): what one is, whom it hangs on,
 * who was replied to.
 *
 * A reply hangs on the name of a user or of an alias. Rows of the store keep
 * it: MM_RECORD_AUTO_REPLY, and one MM_RECORD_REPLIED for each sender who got
 * it. Mail to who has one is also a row of the queue for the consumer "reply"
 * (auto_replies.c), in the transaction that the mail comes by. */
#ifndef MM_POST_AUTO_REPLY_H
#define MM_POST_AUTO_REPLY_H

#include "post/resolve.h"

/* Consumer (consumer.h); the rest of a destination is the name. */
#define MM_AUTO_REPLY_CONSUMER "reply"
/* Of its row; that of a listing begins behind "". */
#define MM_AUTO_REPLY_KEY "reply"
/* So that the destination has room. */
#define MM_AUTO_REPLY_NAME_MAX 240
#define MM_AUTO_REPLY_SUBJECT_MAX 256
#define MM_AUTO_REPLY_TEXT_MAX 32768
/* RFC 3834 2: "several days"; what is usual. */
#define MM_AUTO_REPLY_DAYS 7
#define MM_AUTO_REPLY_DAYS_MAX 365

struct mm_auto_reply {
    char subject[MM_AUTO_REPLY_SUBJECT_MAX]; /* UTF-8; "": the message's */
    int64_t from_ms;                         /* 0: at once */
    int64_t until_ms;                        /* 0: for ever */
    unsigned days;       /* a sender gets it once in so many */
    struct mm_span text; /* UTF-8; the lender's */
};

/* The row of it; `value` is its memory. SYNTAX for what can be no name. */
MM_CHECK enum mailmod_error
mm_auto_reply_record(const char *name, const struct mm_auto_reply *reply,
                     struct mm_buf *value, struct mm_store_record *record_out);
/* And back; its text lives as long as the record's value. False: damage. */
bool mm_auto_reply_of(const struct mm_store_record *record,
                      struct mm_auto_reply *reply_out);
/* It counts now. */
bool mm_auto_reply_is_on(const struct mm_auto_reply *reply, int64_t now_ms);
/* NOT_FOUND; the text goes to `text_out` and lives there. */
MM_CHECK enum mailmod_error mm_auto_reply_find(struct mm_store *store,
                                               const char *name,
                                               struct mm_auto_reply *reply_out,
                                               struct mm_buf *text_out);

/* The item's mail goes to `name`, a user or an alias: when there is a reply
 * now, the item is marked. `mailbox_id` 0: of an alias. */
void mm_auto_reply_mark(struct mm_resolve *resolve,
                        struct mm_resolve_item *item, const char *name,
                        uint64_t mailbox_id);
/* A target for each item that was marked, behind all others. */
void mm_auto_reply_add_marked(struct mm_resolve *resolve);

/* ---- who was replied to; thread: writer ---- */

/* EXISTS: within the period; else that it is done now is noted. */
MM_CHECK enum mailmod_error
mm_auto_reply_note(struct mm_store_transaction *transaction, const char *name,
                   const char *sender, int64_t now_ms, int64_t period_ms);
/* Senders whose notes may go: some of those that are there. */
#define MM_AUTO_REPLY_PAGE 32
struct mm_auto_reply_page {
    struct {
        char sender[MM_STORE_REVERSE_PATH_MAX];
        int64_t replied_ms;
    } items[MM_AUTO_REPLY_PAGE];
    size_t count;
};
/* Of senders from a place by chance on. thread: any that may block */
MM_CHECK enum mailmod_error
mm_auto_reply_read_page(struct mm_store *store, const char *name,
                        struct mm_auto_reply_page *page_out);
/* Drops the notes of the page that are over, and the oldest one where there are
 * more than MM_LIMIT_REPLIED. */
MM_CHECK enum mailmod_error
mm_auto_reply_sweep(struct mm_store_transaction *transaction, const char *name,
                    const struct mm_auto_reply_page *page, int64_t now_ms,
                    int64_t period_ms);

/* ---- the consumer ---- */

MM_CHECK enum mailmod_error
mm_auto_replies_new(struct mm_consumer **consumer_out, struct mm_post *post);

#endif
