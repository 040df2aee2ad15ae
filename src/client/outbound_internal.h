/* thread: loop
 * outbound_internal.h - the state of an outbound, and who calls whom:
 * outbound.c (life, settings, polling) calls lane.c (deliveries and
 * settlements), handover.c (which calls lane.c), unstored.c and mail_hosts.c,
 * and all call outbound_parts.c. */
#ifndef MM_CLIENT_OUTBOUND_INTERNAL_H
#define MM_CLIENT_OUTBOUND_INTERNAL_H

#include "client/delivery.h"
#include "client/host_table.h"
#include "client/outbound.h"
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

struct mm_outbound {
    struct mm_outbound_options options;
    struct mm_outbound_settings *settings;
    /* Asks a worker what is due; once more when it is at it already. */
    void (*poll)(struct mm_outbound *outbound);
    struct mq_queue *queue;
    uint8_t secret[MM_SHA256_SIZE];

    struct mm_task start_task, wake_task, stop_task, cut_task;
    atomic_bool is_start_posted, is_wake_posted, is_stop_posted, is_cut_posted;
    atomic_bool is_flush_asked;
    atomic_bool is_stopped;
    atomic_size_t busy;
    bool is_started;
    bool is_cut;

    struct mm_host_table hosts;
    struct mm_list lanes;
    size_t lane_count;
    size_t parked_count; /* lanes that are at work without a place */
    struct mm_list settlings;
    size_t settling_count;
    struct mm_list unstored;
    struct mm_list unstored_works;
    size_t unstored_work_count;
    struct mm_list handovers; /* of handover.c */
    struct mm_list searches;  /* of mail_hosts.c */
    struct mm_timer poll_timer, retry_timer, quiet_timer;
    struct mm_reroute reroute;

    /* the claiming worker's */
    struct mm_job claim_job;
    bool is_claiming;
    bool polls_again;
    struct mm_list claimed;
    int64_t claim_now_ms, next_due_ms;
    uint64_t flush_count;
    enum mailmod_error claim_error;
};

/* outbound_parts.c */
bool mm_outbound_is_stopped(const struct mm_outbound *outbound);
const struct mm_config *mm_outbound_config(const struct mm_outbound *outbound);
/* What all deliveries of this outbound have in common: no relay, no handler. */
struct mm_delivery_options
mm_outbound_delivery(const struct mm_outbound *outbound,
                     const char *destination);
/* Tell the observer, if there is one. */
void mm_outbound_note_progress(const struct mm_outbound *outbound,
                               const struct mq_batch *batch,
                               enum mailmod_progress progress, uint64_t octets);
void mm_outbound_note_outcome(const struct mm_outbound *outbound,
                              uint64_t message_id,
                              const struct mm_store_recipient *recipient,
                              const struct mq_outcome *outcome, bool is_final);
/* removal.c: who was taken out of the queue and can be told of now. */
void mm_outbound_tell_removed(const struct mm_outbound *outbound);

/* lane.c */
/* Memory for the outcomes of a batch, before it is tried; takes the batch. */
MM_CHECK enum mailmod_error mm_lane_prepare(struct mm_outbound *outbound,
                                            struct mq_batch *batch,
                                            struct mm_settling **settling_out);
/* Takes both. */
void mm_lane_settle(struct mm_outbound *outbound, struct mm_settling *settling,
                    struct mq_outcome *outcomes);
void mm_lane_start_batch(struct mm_outbound *outbound, struct mq_batch *batch);
void mm_lane_settle_overdue(struct mm_outbound *outbound,
                            struct mq_batch *batch);
void mm_lane_release(struct mm_outbound *outbound, struct mq_batch *batch);
/* Gives back the places of attempts that do not come on. */
void mm_lane_park_quiet(struct mm_outbound *outbound);
void mm_lane_retry_settlements(struct mm_outbound *outbound);
void mm_lane_quit_all(struct mm_outbound *outbound);
void mm_lane_cut_all(struct mm_outbound *outbound);
void mm_lane_free_all(struct mm_outbound *outbound);

/* handover.c: batches for local consumers */
void mm_handover_start(struct mm_outbound *outbound, struct mq_batch *batch);
void mm_handover_cut_all(struct mm_outbound *outbound);

/* unstored.c */
void mm_unstored_cut_all(struct mm_outbound *outbound);
void mm_unstored_free_all(struct mm_outbound *outbound);

/* mail_hosts.c */
void mm_host_search_stop_all(struct mm_outbound *outbound);

#endif
