/* thread: any (one lock around the tables, never held during a read)
 * queue.h - what is due, to whom, and what came of it.
 *
 * A library of its own over store.h and a clock that it is given: it opens no
 * socket, reads no clock and writes no message text. It knows: the schedule
 * (growing, jittered steps inside a lifetime), destinations (each with its own
 * back-off, so that a dead one costs one attempt a step, whatever its number of
 * messages; and when it is due next, so that a look costs by what changed and
 * not by what waits), claims (a recipient is in one attempt at a time), limits
 * in all and per destination, fairness among destinations, and outcomes. */
#ifndef MQ_QUEUE_H
#define MQ_QUEUE_H

#include "store/store.h"

struct mq_queue;

struct mq_options {
    const unsigned *steps_s; /* waits after the 1st, 2nd, ... failure; the last
                                one repeats */
    size_t step_count;
    unsigned jitter_percent;  /* each wait is off by up to this, both ways */
    uint64_t lifetime_ms;     /* 24 h */
    uint64_t warn_after_ms;   /* delay notice; 0 never */
    uint64_t unsure_wait_ms;  /* at least, after an unsure delivery */
    unsigned attempts_max;    /* at once, in all */
    unsigned destination_max; /* at once, to one destination */
    unsigned recipients_max;  /* in one attempt (RFC 5321 4.5.3.1.8: 100) */
    uint64_t seed;            /* of the jitter */
};

/* One message to some recipients of one destination: claimed until settled. All
 * have one reverse-path, which is the message's here, one `delivered_to` and
 * one `unsure_host`. */
struct mq_batch {
    struct mm_list node;
    char destination[MM_STORE_DESTINATION_MAX];
    struct mm_store_message message;
    struct mm_store_recipient *recipients;
    size_t recipient_count;
    bool requires_all; /* the sender's: all of them get it, or nobody does */
    bool is_binary;    /* BODY=BINARYMIME, or not at all (RFC 3030 3) */
    bool is_etrn;      /* no message: the paths are names for ETRN (RFC 1985) */
    struct mm_deliver_by by; /* the sender's, from the arrival on */
    /* The destination is backed off and the recipients are past their lifetime
     * or due a delay notice: no attempt, settle all as DEFERRED at once. */
    bool is_overdue;
    bool holds_slot; /* the queue's: counts as an attempt */
    bool is_parked;  /* the queue's: without a place among the attempts */
    bool is_settled; /* the queue's: what is left of it is in the store anew */
    unsigned long long flushes; /* the queue's: as many as before its claim */
    /* Attempts to the destination at work with this one. */
    unsigned attempts;
};

enum mq_verdict {
    MQ_DELIVERED, /* the next host said 2xx to the whole */
    MQ_DEFERRED,  /* not for good: 4xx, network, DNS */
    MQ_FAILED     /* for good: 5xx, no such domain, null MX ... */
};
/* What happened to one recipient. */
struct mq_outcome {
    enum mq_verdict verdict;
    uint64_t wait_ms;         /* DEFERRED: not before, as the host asks; at
                                 most MM_LIMIT_ASKED_WAIT_MS */
    bool is_destination_down; /* DEFERRED because no host could be reached or
                                 talked to: backs off the whole destination */
    /* OK when delivered; else the cause, as a host program is told it. UNSURE:
     * `host` may have taken it, and is remembered until it has said what it
     * thinks of the mail. */
    enum mailmod_error error;
    char status[12];     /* "4.4.1" */
    char host[256];      /* who said it, or "" */
    char reply[512];     /* "450 4.2.1 mailbox busy" or our own words */
    bool is_reply;       /* the host's words, not ours */
    char tls[24];        /* "TLSv1.3 verified", "none"; "": no talk */
    bool relayed_dsn;    /* NOTIFY was passed on: no success report */
    bool is_missed;      /* the queue's: it was removed meanwhile */
    bool is_dead_letter; /* the queue's: it failed, and is kept */
    bool is_removal;     /* an operator's act, and no attempt's */
    bool is_untried;     /* DEFERRED before anything was said or done: no
                            attempt; it is due again after wait_ms */
    uint64_t connection; /* the number of the one it went by; 0: none */
};
/* What the caller must report to the sender, in the same transaction. */
enum mq_report {
    MQ_REPORT_NONE,
    MQ_REPORT_FAILED,   /* verdict FAILED, or expired */
    MQ_REPORT_DELAYED,  /* once, after warn_after_ms */
    MQ_REPORT_DELIVERED /* NOTIFY=SUCCESS and not relayed_dsn */
};
/* A settlement in work; see mq_settle. */
struct mq_settlement {
    struct mm_store_job job;
    struct mq_queue *queue;
    struct mq_batch *batch;
    struct mq_outcome *outcomes; /* one a recipient of the batch */
    enum mq_report *reports;     /* filled by mq_decide, one a recipient */
    /* thread: writer. Adds the report message to the same transaction; may be
     * NULL. Called when any report is due. */
    enum mailmod_error (*write_reports)(struct mq_settlement *settlement,
                                        struct mm_store_transaction *t);
    /* thread: writer. More for the same transaction, before all else; NULL. */
    enum mailmod_error (*put)(struct mq_settlement *settlement,
                              struct mm_store_transaction *t);
    /* thread: writer. The batch's claims are still held: post to the owner and
     * call mq_release there. What was DEFERRED and removed meanwhile has
     * the outcome of the removal by now. */
    void (*done)(struct mq_settlement *settlement, enum mailmod_error error);
    void *context;
    int64_t now_ms;
    bool has_report; /* after mq_decide: some of `reports` is due */
    /* The caller's: what is kept in the store instead of removed. */
    bool keeps_sent; /* who was delivered to */
    bool keeps_dead; /* of whose failure nobody is told, though he may be */
    bool has_told;   /* write_reports': the failures are told. False before */
    /* The queue's own, zero before the first mq_decide; they let a settlement
     * that failed be submitted again with the same times. */
    bool is_counted;
    int64_t retry_ms; /* of the backed-off destination; 0: by attempts */
    uint64_t random;
};

MM_CHECK enum mailmod_error mq_new(struct mq_queue **queue_out,
                                   struct mm_store *store,
                                   const struct mq_options *options);
void mq_free(struct mq_queue **queue);
/* New options from a new configuration; waits already set stay. */
MM_CHECK enum mailmod_error mq_set_options(struct mq_queue *queue,
                                           const struct mq_options *options);

/* thread: any (a worker: it reads the store). Takes claims for as much as is
 * due and allowed at `now_ms` and appends mq_batches to `batches_out`. Fair:
 * round robin over destinations. Each batch must later be settled or released.
 * Nothing is due while the store cannot be written (an attempt that cannot be
 * settled would be made again) or settles an act on the whole queue. */
MM_CHECK enum mailmod_error mq_claim(struct mq_queue *queue, int64_t now_ms,
                                     struct mm_list *batches_out);
/* One more batch for this destination alone, for a connection that stands idle;
 * NOT_FOUND when nothing is due. thread: any. */
MM_CHECK enum mailmod_error mq_claim_next(struct mq_queue *queue,
                                          const char *destination,
                                          int64_t now_ms,
                                          struct mq_batch **batch_out);
/* Decides times and reports from the outcomes: what the store's job needs can
 * be looked up then, before mq_settle. Further calls change nothing. thread:
 * any. */
void mq_decide(struct mq_settlement *settlement);
/* Decides, unless that was done, and submits the store's job.
 * The attempt is over with this call, the claims are not. When `done` tells an
 * error, call it again later: releasing instead would send a delivered message
 * a second time. thread: any. */
void mq_settle(struct mq_settlement *settlement);
/* Nothing more is claimed for the destination before `until_ms`, at most
 * MM_LIMIT_ASKED_WAIT_MS from now: it has had its share. What is overdue by
 * then is handed out as behind one that is down. New options forget it, a flush
 * does not. thread: any. */
void mq_pace(struct mq_queue *queue, const char *destination, int64_t until_ms);
/* The attempt does not come on: its place among all is for others, while it
 * goes on. False: too many of the kind already. thread: any. */
bool mq_park(struct mq_queue *queue, struct mq_batch *batch);
/* Gives the claims up and frees the batch (after settling, or untried).
 * thread: any. */
void mq_release(struct mq_queue *queue, struct mq_batch **batch);
/* When to call mq_claim again; INT64_MAX: not before something new comes or an
 * attempt ends. thread: any (reads the store). */
int64_t mq_next_due(struct mq_queue *queue, int64_t now_ms);
/* False: mq_claim would find nothing now. Cheap, without the store. thread:
 * any.
 */
bool mq_has_work(struct mq_queue *queue, int64_t now_ms);
/* Somebody whom an operator took out of the queue. */
struct mq_removed {
    struct mm_list node;
    uint64_t message_id;
    unsigned number;
    unsigned attempts;
    bool is_report; /* the message */
    char path[MM_STORE_REVERSE_PATH_MAX];
    char reverse_path[MM_STORE_REVERSE_PATH_MAX];
    bool is_removed; /* the queue's: on disk */
    bool has_end;    /* the queue's: by the outcome of its attempt */
};
/* An operator removes the recipients of one message, or (0) all that are in the
 * queue now; no report is made. In slices, each a transaction of its own; after
 * each `on_slice` is called, which takes what there is to tell. `count_out`:
 * recipients, on an error too. Nothing is claimed meanwhile. thread: any that
 * may wait for the store. */
MM_CHECK enum mailmod_error mq_remove(struct mq_queue *queue,
                                      uint64_t message_id,
                                      void (*on_slice)(void *context),
                                      void *context, size_t *count_out);
/* The next one whose removal is on disk and who is in no attempt any more;
 * NULL: none now. Look again after mq_release and mq_claim. mm_free() it.
 * thread: any. */
struct mq_removed *mq_take_removed(struct mq_queue *queue);
/* What is told of each. */
void mq_removal_outcome(struct mq_outcome *outcome_out);
/* Mail was put into the store by a process without a queue: the one that has it
 * looks at its next claim. thread: any that may wait */
MM_CHECK enum mailmod_error mq_announce(struct mm_store *store);
/* An operator's flush, here or by a tool: every back-off of destinations is
 * forgotten, and the store is asked for all that waits. thread: any. */
void mq_flush(struct mq_queue *queue);
/* The wait after this many failures, jittered: the schedule alone, for tests
 * and documentation. */
uint64_t mq_wait_ms(const struct mq_options *options, unsigned attempts,
                    uint64_t random);

#endif
