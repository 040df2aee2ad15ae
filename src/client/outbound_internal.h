/* thread: loop
 * outbound_internal.h - the state of an outbound, and who calls whom:
 * outbound.c (life and settings) calls handout.c (polling, on the first loop),
 * that calls branch.c (one loop's part), that calls lane.c (deliveries and
 * settlements), handover.c (which calls lane.c), unstored.c, submission.c and
 * mail_hosts.c;
 * handout.c calls kept_sweep.c;
 * all call outbound_parts.c. */
#ifndef MM_CLIENT_OUTBOUND_INTERNAL_H
#define MM_CLIENT_OUTBOUND_INTERNAL_H

#include "client/delivery.h"
#include "client/host_table.h"
#include "client/outbound.h"
#include "client/pace.h"
#include "client/settling.h"
#include "crypto/crypto.h"

#include <stdatomic.h>

/* The queue's rows get the destinations of a new configuration. */
struct mm_reroute {
    struct mm_store_job job;
    struct mm_task task;
    char destination[MM_STORE_DESTINATION_MAX]; /* "": each its own domain */
    bool is_running;
    bool is_asked; /* again */
};

/* What is kept of mail goes when its days are over. */
struct mm_kept_sweep {
    struct mm_store_job job;
    struct mm_task task;
    bool is_running;
    int64_t next_ms; /* by the wall clock */
    int64_t now_ms;
    unsigned sent_days, dead_letter_days;
    size_t count; /* that went in the last slice */
    enum mailmod_error error;
};

/* What lives on one loop. */
struct mm_branch {
    struct mm_outbound *outbound;
    size_t number; /* 0: the first loop's */
    struct mm_loop *loop;
    struct mm_resolver *resolver;
    struct mm_outbound_settings *settings;
    struct mm_host_loop hosts;
    bool is_cut;

    struct mm_list lanes;
    size_t lane_count;
    size_t parked_count; /* lanes that are at work without a place */
    struct mm_list settlings;
    size_t settling_count;
    struct mm_list unstored;
    struct mm_list unstored_works;
    size_t unstored_work_count;    /* that are at work */
    size_t unstored_resting_count; /* connections to relays that are kept */
    struct mm_list submissions;    /* of submission.c */
    struct mm_list handovers;      /* of handover.c */
    struct mm_list searches;       /* of mail_hosts.c */
    struct mm_timer retry_timer, quiet_timer;

    /* What others want of it; the outbound's lock. */
    struct mm_task task;
    bool is_posted;
    struct mm_list given;    /* batches to be tried; each counts as busy */
    struct mm_list returned; /* batches that go back: settings have changed */
    struct mm_outbound_settings *next_settings; /* NULL: as they are */
    bool is_stop_asked, is_cut_asked;
};

struct mm_outbound {
    struct mm_outbound_options options;
    struct mq_queue *queue;
    uint8_t secret[MM_SHA256_SIZE];
    struct mm_host_table hosts;
    struct mm_pace pace;
    struct mm_mutex *lock; /* what branches are asked; held for moments */
    struct mm_branch *branches;
    size_t branch_count;
    /* Asks a worker what is due; once more when it is at it already. */
    void (*poll)(struct mm_outbound *outbound);

    struct mm_task start_task, wake_task;
    atomic_bool is_start_posted, is_wake_posted;
    atomic_bool is_flush_asked;
    atomic_bool is_stopped;
    atomic_size_t busy;
    atomic_size_t unstored_count; /* so far: whose turn it is */
    atomic_size_t unstored_loops; /* that take part: with a place each */

    /* the first loop's */
    bool is_started;
    unsigned settings_round; /* rises with each reload */
    struct mm_timer poll_timer;
    struct mm_reroute reroute;
    struct mm_kept_sweep sweep;

    /* the claiming worker's */
    struct mm_job claim_job;
    bool is_claiming;
    bool polls_again;
    struct mm_list claimed;
    unsigned claim_round; /* of settings */
    int64_t claim_now_ms, next_due_ms;
    uint64_t flush_count;
    enum mailmod_error claim_error;
};

/* outbound_parts.c */
/* thread: any */
bool mm_outbound_is_stopped(const struct mm_outbound *outbound);
/* Modulo a count of loops: the one that keeps the destination's connections.
 * thread: any */
uint64_t mm_outbound_home(const struct mm_outbound *outbound,
                          const char *destination);
const struct mm_config *mm_branch_config(const struct mm_branch *branch);
/* Of a limit that holds for all loops together; at least 1. */
size_t mm_branch_share(const struct mm_branch *branch, size_t max);
/* Looks for what is due, on the first loop. */
void mm_branch_poll(const struct mm_branch *branch);
/* What all deliveries of this branch have in common: no relay, no handler. */
struct mm_delivery_options mm_branch_delivery(struct mm_branch *branch,
                                              const char *destination);
/* Tell the observer, if there is one. thread: any */
void mm_outbound_note_progress(const struct mm_outbound *outbound,
                               const struct mq_batch *batch,
                               enum mailmod_progress progress, uint64_t octets);
void mm_outbound_note_outcome(const struct mm_outbound *outbound,
                              uint64_t message_id,
                              const struct mm_store_recipient *recipient,
                              const struct mq_outcome *outcome, bool is_final);
/* Tells what became of mail, which is on disk. */
void mm_outbound_tell(const struct mm_outbound *outbound,
                      enum mailmod_event_kind kind,
                      const struct mm_store_message *message,
                      const struct mm_store_recipient *recipient,
                      const struct mq_outcome *outcome, unsigned attempts);
/* removal.c: who was taken out of the queue and can be told of now. thread: any
 */
void mm_outbound_tell_removed(const struct mm_outbound *outbound);

/* handout.c */
/* After the branches. */
MM_CHECK enum mailmod_error mm_handout_open(struct mm_outbound *outbound);
/* After the loops stopped; before the branches. */
void mm_handout_close(struct mm_outbound *outbound);
/* What waits gets the destinations of the first branch's settings. */
void mm_handout_reroute(struct mm_outbound *outbound);

/* kept_sweep.c */
/* One slice, when it is time. */
void mm_outbound_sweep_kept(struct mm_outbound *outbound);

/* branch.c */
MM_CHECK enum mailmod_error
mm_branch_open(struct mm_branch *branch, struct mm_outbound *outbound,
               size_t number, struct mm_outbound_settings *settings);
/* After its loop stopped. */
void mm_branch_close(struct mm_branch *branch);
/* thread: the first loop. Takes the batch, to be tried on the branch's loop. */
void mm_branch_give(struct mm_branch *branch, struct mq_batch *batch);
/* thread: the first loop. What was given and not begun goes back. */
void mm_branch_use(struct mm_branch *branch,
                   struct mm_outbound_settings *settings);
/* thread: any. */
void mm_branch_stop(struct mm_branch *branch, bool cuts);

/* lane.c */
/* Memory for the outcomes of a batch, before it is tried; takes the batch. */
MM_CHECK enum mailmod_error mm_lane_prepare(struct mm_branch *branch,
                                            struct mq_batch *batch,
                                            struct mm_settling **settling_out);
/* Takes both. */
void mm_lane_settle(struct mm_branch *branch, struct mm_settling *settling,
                    struct mq_outcome *outcomes);
void mm_lane_start_batch(struct mm_branch *branch, struct mq_batch *batch);
void mm_lane_settle_overdue(struct mm_branch *branch, struct mq_batch *batch);
/* thread: any */
void mm_lane_release(struct mm_outbound *outbound, struct mq_batch *batch);
/* Gives back the places of attempts that do not come on. */
void mm_lane_park_quiet(struct mm_branch *branch);
void mm_lane_retry_settlements(struct mm_branch *branch);
void mm_lane_quit_all(struct mm_branch *branch);
void mm_lane_cut_all(struct mm_branch *branch);
void mm_lane_free_all(struct mm_branch *branch);

/* handover.c: batches for local consumers, on the first loop */
void mm_handover_start(struct mm_branch *branch, struct mq_batch *batch);
void mm_handover_cut_all(struct mm_branch *branch);

/* unstored.c */
/* Ends the connections that are kept. */
void mm_unstored_quit_resting(struct mm_branch *branch);
void mm_unstored_cut_all(struct mm_branch *branch);
void mm_unstored_free_all(struct mm_branch *branch);

/* submission.c */
void mm_submission_cut_all(struct mm_branch *branch);
void mm_submission_free_all(struct mm_branch *branch);

/* mail_hosts.c */
void mm_host_search_stop_all(struct mm_branch *branch);

#endif
