/* thread: any; what stands below "lock" is touched with the lock held
 * internal.h - the queue's own parts, shared by its files. */
#ifndef MQ_INTERNAL_H
#define MQ_INTERNAL_H

#include "base/map.h"
#include "base/splitmix.h"
#include "platform/thread.h"
#include "queue/queue.h"

/* Destinations whose back-off is remembered; past it those are forgotten whose
 * back-off ends soonest. About 120 octets each. */
#define MQ_DESTINATIONS_MAX 131072
/* Attempts that wait in silence beside those that hold places: four times as
 * many, but no more than the descriptors of a usual process allow. */
#define MQ_PARKED_MAX 400
#define MQ_CLAIMS_MAX 1000000
#define MQ_STEPS_MAX 64
/* Overdue batches handed out by one mq_claim: the caller comes again. */
#define MQ_OVERDUE_BATCHES_MAX 64
/* Messages in a row that one destination may be given on idle connections
 * while others wait for a place. */
#define MQ_STREAK_MAX 32
/* A due time further off than the longest wait by more than this was written
 * by a clock that has been set back since. */
#define MQ_CLOCK_SLACK_MS 60000

/* How soon to ask again whether a store that cannot be claimed from can be. */
#define MQ_STORE_AWAY_MS 1000

struct mq_destination {
    unsigned active;   /* attempts that hold a place */
    unsigned failures; /* in a row, of the destination as such */
    int64_t retry_ms;  /* backed off until then; 0: not */
    uint64_t served;   /* sequence number of its last claim: fairness */
    unsigned streak;   /* claims by mq_claim_next since the last mq_claim */
    bool sweeps;       /* look for overdue recipients */
};

struct mq_queue {
    struct mm_store *store;
    struct mm_mutex *lock;
    /* lock: all below */
    struct mq_options options; /* steps_s points to `steps` */
    unsigned steps[MQ_STEPS_MAX];
    uint64_t longest_wait_ms;
    struct mm_map destinations; /* name: struct mq_destination */
    /* Message and number: the queue, or the struct mq_removed that is told when
     * the claim ends. */
    struct mm_map claims;
    struct mm_list removed; /* struct mq_removed, to be told */
    int removals;           /* mq_remove at work */
    unsigned attempts;
    unsigned parked;
    uint64_t sequence;
    uint64_t random;
    bool is_starved;      /* a destination waits for a place in all */
    bool clock_went_back; /* due times of before lie in a far future */
};

/* schedule.c: pure */
uint64_t mq_longest_wait_ms(const struct mq_options *options);
/* `due_ms` has come, or was set by a clock that went back since. */
bool mq_is_due(int64_t due_ms, int64_t now_ms, uint64_t longest_wait_ms);

/* destinations.c: lock */
struct mq_destination *mq_destination_find(struct mq_queue *queue,
                                           const char *name);
/* Finds or makes it; NULL without memory. */
struct mq_destination *mq_destination_get(struct mq_queue *queue,
                                          const char *name);
void mq_destinations_free(struct mq_queue *queue);
bool mq_destination_is_open(const struct mq_queue *queue,
                            const struct mq_destination *destination,
                            int64_t now_ms);
/* A place for one more attempt, if the limits allow it. */
bool mq_slot_take(struct mq_queue *queue, struct mq_destination *destination,
                  int64_t now_ms);
void mq_slot_give(struct mq_queue *queue, const struct mq_batch *batch);
/* The place of a claim that came to nothing. */
void mq_slot_return(struct mq_queue *queue, const char *name);
/* What an attempt says about the destination as such. */
void mq_destination_down(struct mq_queue *queue, const char *name,
                         int64_t now_ms, int64_t *retry_ms_out);
void mq_destination_up(struct mq_queue *queue, const char *name);

/* claims.c: takes the lock itself, around each table access */
enum mailmod_error mq_fetch(struct mq_queue *queue, const char *destination,
                            int64_t now_ms, bool is_overdue,
                            struct mq_batch **batch_out);
void mq_unclaim(struct mq_queue *queue, uint64_t message_id, unsigned number);
/* lock: the claim of a removed recipient takes the news along; false: it is in
 * no attempt. */
bool mq_claim_keeps(struct mq_queue *queue, struct mq_removed *removed);
/* An outcome that is final is on disk: no removal is told after it. */
void mq_claim_has_end(struct mq_queue *queue, uint64_t message_id,
                      unsigned number);

#endif
