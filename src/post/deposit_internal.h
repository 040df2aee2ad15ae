/* thread: loop, or the writer, as its depositor says
 * deposit_internal.h - the deposit, shared by its files: deposit.c (life and
 * text), deposit_recipients.c, deposit_copies.c, deposit_changes.c
 * (judges), deposit_put.c (the transaction), deposit_kept.c (what is told),
 * deposit_reports.c. */
#ifndef MM_POST_DEPOSIT_INTERNAL_H
#define MM_POST_DEPOSIT_INTERNAL_H

#include "base/map.h"
#include "post/call.h"
#include "post/deposit.h"
#include "post/report.h"

/* Recipients that are compared one by one; past it a map is made. */
#define MM_DEPOSIT_COMPARED_MAX 16

/* Why a mailbox did not get it after all. */
enum mm_deposit_loss {
    MM_LOSS_NONE,
    MM_LOSS_GONE,    /* its user was removed */
    MM_LOSS_FULL,    /* its quota */
    MM_LOSS_LOOP,    /* the message was sent on from there before */
    MM_LOSS_REFUSED, /* one of several for whom an address stands */
    MM_LOSS_REMOVED  /* by a judge: nobody is told */
};
struct mm_loss_words {
    enum mailmod_error error;
    const char *status; /* RFC 3463 3.2, 3.3 */
    const char *text;
};

/* What is kept of one is what the store and the reports need, in one block:
 * at the limit of recipients an envelope is tens of kilobytes. */
struct mm_deposit_recipient {
    struct mm_list node;
    enum mm_target_kind kind;
    unsigned number;
    unsigned notify;
    uint64_t mailbox_id;
    uint64_t limit; /* octets of the mailbox; 0: any */
    bool is_double; /* somebody before it has the copy or the row */
    bool is_expanded;
    bool meets;
    enum mm_store_visibility visibility;
    unsigned origin; /* the number of the first one of the same address */
    enum mm_deposit_loss loss;
    bool is_aside;                  /* its row is held: no longer lost */
    const struct mm_reply *refusal; /* MM_LOSS_REFUSED */
    const char *path;
    const char *place; /* name of the mailbox, or destination */
    const char *original_recipient;
    const char *delivered_to;
    const char *original_to;
    const char *words;     /* why it is held; "": it is not */
    const char *looked_up; /* as target.h says; "": not */
    char *folder; /* the address, or the destination, that names its folder;
                     NULL: none */
    char texts[];
};
struct mm_loss_words
mm_loss_words(const struct mm_deposit_recipient *recipient);
/* It gets a copy or a row of the queue. */
bool mm_deposit_gets_mail(const struct mm_deposit_recipient *recipient);

enum mm_deposit_work {
    MM_DEPOSIT_IDLE,
    MM_DEPOSIT_PIECE,
    MM_DEPOSIT_CHANGING, /* asks for whom judges want to have it */
    MM_DEPOSIT_COPYING,  /* asks who gets a copy of all mail */
    MM_DEPOSIT_ASKING,   /* for the sender */
    MM_DEPOSIT_END,
    MM_DEPOSIT_EMPTYING, /* the body goes */
    MM_DEPOSIT_DISCARD,  /* nobody is to get it */
    MM_DEPOSIT_DROP
};

struct mm_deposit_fetched {
    char account[MM_STORE_FETCH_NAME_MAX];
    struct mm_store_seen row;
    bool keeps_unique_id;
    bool sets_aside;
    unsigned marks; /* MM_MAIL_MARKS */
};

struct mm_deposit {
    struct mm_deposit_options options;
    struct mm_store_message message;
    char identifier[MM_MESSAGE_ID_TEXT_MAX];
    char session[24];
    uint64_t connection;
    char peer[MM_NETADDR_TEXT_MAX];
    char user[MM_STORE_USER_MAX];

    struct mm_list recipients;
    size_t recipient_count;
    unsigned next_number;
    unsigned more_count; /* numbers given out above MM_DEPOSIT_MORE */
    struct mm_map seen;  /* of mailboxes and rows, once there are many */
    bool has_map;

    struct mm_header_edit edit;
    struct mm_buf fields; /* at the end: the whole first piece */
    struct mm_buf first;  /* the message's first octets */
    struct mm_buf filling;
    struct mm_buf writing;
    bool is_bounded; /* by MM_LIMIT_TEXTS: it is a loop's */
    size_t taken;    /* of it */
    bool is_first_full;
    bool is_header_over;
    bool has_new_body;     /* whose octets are looked at for 8-bit ones */
    bool has_header;       /* `first` has it whole ... */
    size_t header_size;    /* ... in so many octets, without the empty line */
    unsigned piece_number; /* of the piece in `writing` or to come */
    char last[2];          /* octets of the text */

    enum mailmod_error error;
    bool has_stored; /* a piece was submitted */
    bool wants_room; /* a write was cut short */
    bool wants_end;
    bool is_ended; /* mm_deposit_end_text */
    enum mm_deposit_work work;
    struct mm_call call;
    struct mm_store_transaction *joined; /* NULL: jobs of its own */
    struct mm_report_sender *sender;     /* NULL: he has not been asked for */
    struct mm_deposit_copy *copy;        /* NULL: none is asked for */
    struct mm_changes changes;
    struct mm_deposit_changing *changing; /* NULL: none is made */
    unsigned copied;                    /* bits of kinds that were asked for */
    struct mm_deposit_fetched *fetched; /* NULL: it was not */
};

/* deposit_recipients.c */
/* Why it is held. */
const char *
mm_deposit_aside_words(const struct mm_deposit_recipient *recipient);
/* The header was seen: what was sent on from here before is not once more. */
void mm_deposit_end_loops(struct mm_deposit *deposit);
void mm_deposit_free_recipients(struct mm_deposit *deposit);

/* As its sender wrote it. */
const char *mm_deposit_given_path(const struct mm_deposit_recipient *recipient);
/* Who is whose double, anew, once somebody was removed. */
enum mailmod_error mm_deposit_find_doubles(struct mm_deposit *deposit);

/* deposit_changes.c */
/* Fields and reverse-path, in the first piece. TOO_LARGE: the header is not in
 * that whole, or has no room there. */
enum mailmod_error mm_deposit_change_text(struct mm_deposit *deposit);
/* Makes changes of recipients until an address is to be looked up; false: all
 * are made. */
bool mm_deposit_ask_change(struct mm_deposit *deposit,
                           void (*done)(struct mm_resolve *resolve),
                           enum mm_answer *answer_out);
void mm_deposit_note_change(struct mm_deposit *deposit);
void mm_deposit_forget_change(struct mm_deposit *deposit);

/* deposit_copies.c */
/* Asks for the next one who gets a copy of all mail; false: there is none. */
bool mm_deposit_ask_copy(struct mm_deposit *deposit,
                         void (*done)(struct mm_resolve *resolve),
                         enum mm_answer *answer_out);
/* It was answered: those who get the copy are added. */
void mm_deposit_note_copy(struct mm_deposit *deposit);
void mm_deposit_forget_copy(struct mm_deposit *deposit);

/* deposit_reports.c */
/* Somebody is to be told of, and the sender was not asked for. */
bool mm_deposit_wants_sender(const struct mm_deposit *deposit);
enum mm_answer mm_deposit_ask_sender(struct mm_deposit *deposit,
                                     void (*done)(struct mm_resolve *resolve));
/* He was answered: an error that is none of his is the deposit's. */
void mm_deposit_note_sender(struct mm_deposit *deposit);
void mm_deposit_forget_sender(struct mm_deposit *deposit);
/* thread: writer. STATE: the sender must be asked for first. */
enum mailmod_error mm_deposit_put_reports(struct mm_deposit *deposit,
                                          struct mm_store_transaction *t);

/* deposit_put.c; thread: writer */
enum mailmod_error mm_deposit_put_all(struct mm_deposit *deposit,
                                      struct mm_store_transaction *t);

/* deposit_kept.c: the message is on disk, whether anybody still waits for it or
 * not; or a judge took it from all. */
void mm_deposit_tell_kept(struct mm_deposit *deposit);
void mm_deposit_tell_discarded(const struct mm_deposit *deposit);

#endif
