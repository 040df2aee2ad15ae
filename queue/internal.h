/* thread: any; what stands below "lock" is touched with the lock held
 * internal.h - the queue's own parts, shared by its files. */
#ifndef MQ_INTERNAL_H
#define MQ_INTERNAL_H

#include "base/heap.h"
#include "base/map.h"
#include "base/splitmix.h"
#include "platform/thread.h"
#include "queue/queue.h"

/* Destinations that are known; past it back-offs are forgotten, those first
 * that end soonest, and who finds no place is looked for again after
 * MQ_HIDDEN_MS. About 250 octets each. */
#define MQ_DESTINATIONS_MAX 131072
#define MQ_HIDDEN_MS 10000
#define MQ_FULL_MS 1000
/* How often the store is asked for all destinations, in case something was not
 * told: more seldom with every MQ_SCAN_COUNT that are known. */
#define MQ_SCAN_MS 60000
#define MQ_SCAN_COUNT 20000
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
    struct mm_heap_node time; /* in `later`, always */
    struct mm_heap_node turn; /* in `ready`, or in none */
    struct mm_list sweeping;  /* in `sweeping`, while it is looked through for
                                 overdue recipients */
    /* Nobody waits for it who is due before, unless he is claimed; INT64_MAX:
     * nobody waits. */
    int64_t due_ms;
    unsigned version;   /* rises when due_ms is told */
    int64_t overdue_ms; /* nobody waits for it who is overdue before */
    unsigned active;    /* attempts that hold a place */
    unsigned failures;  /* in a row, of the destination as such */
    int64_t retry_ms;   /* backed off until then; 0: not */
    int64_t paced_ms;   /* has had its share until then; 0: not */
    uint64_t served;    /* sequence number of its last claim: fairness */
    unsigned streak;    /* claims by mq_claim_next in this `round` */
    uint64_t round;
    char name[];
};

struct mq_queue {
    struct mm_store *store;
    struct mm_mutex *lock;
    /* lock: all below */
    struct mq_options options; /* steps_s points to `steps` */
    unsigned steps[MQ_STEPS_MAX];
    uint64_t longest_wait_ms;
    struct mm_map destinations; /* name: struct mq_destination */
    struct mm_heap later;       /* all of them, by when they can be served */
    struct mm_heap ready;       /* those that can be served now, by turn */
    struct mm_list sweeping;
    int64_t now_ms;        /* as told last */
    int64_t scanned_ms;    /* when the store was asked for all */
    int64_t hidden_ms;     /* when who found no place in the table is due */
    int64_t full_until_ms; /* no place is looked for before */
    bool wants_scan;
    bool sweeps_more; /* more is overdue than one mq_claim hands out */
    uint64_t round;   /* of mq_claim */
    /* Message and number: the queue, or the struct mq_removed that is told when
     * the claim ends. */
    struct mm_map claims;
    struct mm_list removed; /* struct mq_removed, to be told */
    int removals;           /* mq_remove at work */
    unsigned attempts;
    unsigned parked;
    uint64_t sequence;
    unsigned long long flushes; /* by operators */
    int64_t notice;             /* of other processes, as read last */
    uint64_t random;
};

/* notice.c: another process has put mail since the last look. */
bool mq_notice_changed(struct mq_queue *queue);

/* schedule.c: pure */
uint64_t mq_longest_wait_ms(const struct mq_options *options);
/* At least, after an attempt of which nobody knows what came; jittered. */
uint64_t mq_unsure_wait_ms(const struct mq_options *options, uint64_t random);
/* `due_ms` has come, or was set by a clock that went back since. */
bool mq_is_due(int64_t due_ms, int64_t now_ms, uint64_t longest_wait_ms);

/* destinations.c: lock */
struct mq_destination *mq_destination_find(struct mq_queue *queue,
                                           const char *name);
/* Finds or makes it; NULL without memory, or when there is no place for it. */
struct mq_destination *mq_destination_get(struct mq_queue *queue,
                                          const char *name);
void mq_destinations_free(struct mq_queue *queue);
bool mq_destination_is_open(const struct mq_queue *queue,
                            const struct mq_destination *destination,
                            int64_t now_ms);
/* How many attempts it may have at once. */
unsigned mq_destination_max(const struct mq_queue *queue,
                            const struct mq_destination *destination);
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

/* agenda.c: lock */
/* Its time and turn, after a change of what they follow from. */
void mq_agenda_place(struct mq_queue *queue,
                     struct mq_destination *destination);
/* The same for all; the time they follow from is `now_ms` then. */
void mq_agenda_place_all(struct mq_queue *queue, int64_t now_ms);
/* Somebody waits for it, due then. */
void mq_agenda_tell(struct mq_queue *queue, const char *name, int64_t due_ms);
/* A read of all that waits for it found nobody to claim before `due_ms`; it was
 * begun at this version. */
void mq_agenda_learn(struct mq_queue *queue, const char *name, unsigned version,
                     int64_t due_ms);
/* Who is served next, now; NULL: nobody is due. */
struct mq_destination *mq_agenda_first(struct mq_queue *queue, int64_t now_ms);
/* When somebody is to be served next. */
int64_t mq_agenda_next_ms(const struct mq_queue *queue);
/* agenda.c, without the lock: takes what the store tells, and asks for all when
 * it is time. */
enum mailmod_error mq_agenda_refresh(struct mq_queue *queue, int64_t now_ms);

/* claims.c: takes the lock itself, around each table access */
struct mq_found {
    struct mq_batch *batch; /* with OK */
    unsigned version;       /* of the destination, before the read */
    int64_t next_ms;        /* with NOT_FOUND: who is due next, or INT64_MAX */
    int64_t overdue_ms;     /* with NOT_FOUND: who is overdue next */
};
enum mailmod_error mq_fetch(struct mq_queue *queue, const char *destination,
                            int64_t now_ms, bool is_overdue,
                            struct mq_found *found_out);
void mq_unclaim(struct mq_queue *queue, uint64_t message_id, unsigned number);
/* lock: the claim of a removed recipient takes the news along; false: it is in
 * no attempt. */
bool mq_claim_keeps(struct mq_queue *queue, struct mq_removed *removed);
/* An outcome that is final is on disk: no removal is told after it. */
void mq_claim_has_end(struct mq_queue *queue, uint64_t message_id,
                      unsigned number);

#endif
