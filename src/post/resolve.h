/* thread: loop (the asker's), or any that may block
 * resolve.h - who gets what is sent to an address: asked and answered.
 *
 * An asker fills the first part of a struct mm_resolve, which lives in its own
 * object, and asks. The answer has at least one target; when one of them is
 * REFUSED or FOR_NOW it is the only one. By mm_resolve_cancel the asker is done
 * with the question, whatever it is doing, and with the answer. */
#ifndef MM_POST_RESOLVE_H
#define MM_POST_RESOLVE_H

#include "config/config.h"
#include "post/directory.h"
#include "post/post.h"
#include "post/target.h"
#include "wire/addr/address.h"

struct mm_late_resolve;

enum mm_answer {
    MM_ANSWERED,
    MM_PENDING /* `done` comes */
};

/* An address that is looked at: the one that was asked for, or one that it
 * stands for. */
struct mm_resolve_item {
    struct mm_list node;
    const struct mm_address *address;
    unsigned depth; /* 0: the one that was asked for */
    /* Whom it stands for; NULL: the one that was asked for. */
    const struct mm_resolve_item *parent;
    unsigned notify; /* of its targets */
    bool is_final;   /* a name behind a backslash: no alias, no forward */
    bool meets;      /* as target.h says */
    enum mm_store_visibility visibility; /* so far */
    char text[MM_STORE_DESTINATION_MAX]; /* destination of a target */
    char user[MM_STORE_USER_MAX];        /* whose mailbox it is, or whose
                                            automatic reply */
    bool has_auto_reply;
    uint64_t mailbox_id; /* with has_auto_reply: the user's; 0: an alias's */
};

struct mm_resolve {
    /* The question; what it points to outlives it. */
    struct mm_post *post;
    const struct mm_config *config;
    const struct mm_address *address;
    const struct mm_netaddr *local; /* that the peer connected to; NULL */
    unsigned notify;                /* of all targets */
    const char *original_recipient;
    enum mm_store_visibility visibility; /* of what led to the address */
    uint64_t size;        /* of the message, as told; 0: nobody knows */
    bool is_report;       /* of ours */
    bool is_for_owner;    /* whose it is, and not who gets its mail: forwards
                             and whether there is room do not matter */
    bool is_by_file;      /* a forward file of the user's has spoken: it is not
                             asked again, and the address is a mailbox */
    struct mm_loop *loop; /* of `done`; NULL: the thread may block, and the
                             answer is never PENDING */
    void (*done)(struct mm_resolve *resolve);
    void *context; /* the asker's */

    /* The answer. */
    const struct mm_target *targets;
    size_t target_count;
    bool is_local; /* the address is one of ours, whatever came of it */

    /* resolve.c's. */
    struct mm_target first;
    struct mm_target *more; /* all targets, when there are several */
    size_t capacity;
    size_t expanded_count;
    size_t reply_count; /* of the targets */
    struct mm_resolve_item root;
    struct mm_list waiting; /* items to look at */
    struct mm_list looked;  /* items that targets may point to */
    struct mm_resolve_item *item;
    size_t step; /* of `item` */
    bool is_pending;
    struct mm_late_resolve *late; /* the worker's, of a store that waits */
};

/* Fills the answer, or PENDING. The question may be asked again after a
 * mm_resolve_cancel. */
enum mm_answer mm_resolve_ask(struct mm_resolve *resolve);
/* Harmless on a question that was never asked (all zero). */
void mm_resolve_cancel(struct mm_resolve *resolve);

/* Whether the login `name` may send as `address`; what comes there comes
 * to the login's mailbox, by an alias too, but not by a forward of another
 * user's mail. thread: any (point look-ups in the store) */
bool mm_resolve_owns(struct mm_post *post, const struct mm_config *config,
                     const char *name, const struct mm_address *address);

/* ---- for the steps ---- */

enum mm_step_verdict {
    MM_STEP_PASS,   /* not mine: the next step */
    MM_STEP_TAKEN,  /* its targets or addresses were added */
    MM_STEP_PENDING /* mm_resolve_resume follows, on the loop */
};
/* One row: is asked about each address in turn. */
struct mm_resolve_step {
    enum mm_step_verdict (*run)(struct mm_resolve *resolve,
                                struct mm_resolve_item *item);
    /* What it has in work is forgotten; NULL for a step that is never
     * PENDING. */
    void (*cancel)(struct mm_resolve *resolve);
};
const struct mm_resolve_step *mm_resolve_steps(size_t *count_out);
/* The texts of `target` live in the item or longer. */
void mm_resolve_add(struct mm_resolve *resolve, const struct mm_target *target);
/* The item stands for this address, too (copied): looked at later. NULL when
 * there may be no more, and the answer is spoilt. */
struct mm_resolve_item *mm_resolve_expand(struct mm_resolve *resolve,
                                          const struct mm_resolve_item *item,
                                          const struct mm_address *address);
/* What every target of the item has. */
void mm_resolve_fill(const struct mm_resolve *resolve,
                     const struct mm_resolve_item *item,
                     struct mm_target *target);
/* The mailbox of the user is a target. */
void mm_resolve_add_user(struct mm_resolve *resolve,
                         struct mm_resolve_item *item,
                         const struct mm_store_addressee *user);
/* The item is one that it stands for itself. */
bool mm_resolve_is_circle(const struct mm_resolve_item *item);
/* A pending step goes on. Not from inside its run. */
void mm_resolve_resume(struct mm_resolve *resolve,
                       enum mm_step_verdict verdict);

#endif
