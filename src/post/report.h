/* thread: any; mm_post_report_put: the store's writer
 * report.h - what became of a message, told to its sender by a message of ours
 * (RFC 3461, RFC 3464).
 *
 * Two steps, so that no look-up is made inside a job of the store: first the
 * sender is asked for (resolve.h), then, in the transaction that the report
 * belongs to, the report is put where his mail goes. */
#ifndef MM_POST_REPORT_H
#define MM_POST_REPORT_H

#include "post/resolve.h"
#include "wire/msg/report.h"

/* To whom a report goes. The asker fills post, config, loop and done of
 * `resolve`; all zero before. Its address lives in it. */
struct mm_report_sender {
    struct mm_resolve resolve;
    struct mm_address address;
};

/* By the reverse-path. The answer is in `resolve`, as mm_resolve_ask gives it;
 * a null path is REFUSED: nobody is told. */
enum mm_answer mm_report_sender_ask(struct mm_report_sender *sender,
                                    const char *reverse_path);
/* MAILMOD_OK: somebody can be told. NOT_FOUND: nobody. Another error: it cannot
 * be said now. */
enum mailmod_error
mm_report_sender_state(const struct mm_report_sender *sender);
/* A report to him goes out by the queue: it is to be woken after the commit. */
bool mm_report_sender_is_remote(const struct mm_report_sender *sender);
void mm_report_sender_cancel(struct mm_report_sender *sender);

/* One report, about recipients of one kind. */
struct mm_post_report {
    struct mm_post *post;
    struct mm_config *config;
    const struct mm_store_message *original;
    /* Pieces of the original that are not in the store; `first.data` NULL: all
     * are. `last` has the number `last_number`, or there is none (size 0). */
    struct mm_span first;
    struct mm_span last;
    unsigned last_number;
    const struct mm_report_recipient *recipients;
    size_t recipient_count;
    int64_t now_ms;
    int64_t retry_until_ms; /* of a report of delay */
};
/* Puts it and says so in the log; without a recipient, or when nobody can be
 * told, nothing: `is_told_out` tells which. */
MM_CHECK enum mailmod_error
mm_post_report_put(const struct mm_post_report *report,
                   const struct mm_report_sender *sender,
                   struct mm_store_transaction *transaction, bool *is_told_out);

/* Whom an address stands for is hidden: by its mark, or by the settings. */
bool mm_post_hides(const struct mm_config *config,
                   enum mm_store_visibility visibility);
/* Where it is hidden: the recipient is told as `original_to`, which the sender
 * wrote ("": there is nothing to hide), and nothing of where his mail went. */
void mm_post_report_hide(const struct mm_config *config,
                         const char *original_to,
                         enum mm_store_visibility visibility,
                         struct mm_report_recipient *recipient);

#endif
