/* thread: loop (the outbound's first), except where a function says otherwise
 * consumer_work.h - a consumer's batch in the hands of a worker: for consumers
 * that read texts or write files, which a loop does not wait for. */
#ifndef MM_POST_CONSUMER_WORK_H
#define MM_POST_CONSUMER_WORK_H

#include "post/consumer.h"

/* Begins the consumer's own object. The worker reads copies, for the batch is
 * the outbound's, and may be gone. */
struct mm_consumer_work {
    const struct mm_consumer *consumer; /* its context is the post office */
    struct mm_post *post;
    struct mm_config *config;
    char rest[MM_STORE_DESTINATION_MAX]; /* of the destination: "name:REST" */
    struct mm_store_message message;
    struct mm_store_recipient *recipients;
    struct mq_outcome *outcomes; /* zero: delivered */
    size_t count;                /* of both */

    /* consumer_work.c's. */
    struct mm_job job;
    struct mm_task task;                /* the workers had no room */
    struct mm_consumption *consumption; /* NULL: cancelled */
};

/* NULL is allowed but for `run`. */
struct mm_consumer_verbs {
    size_t size; /* of the consumer's object */
    /* The copies are made, what is the consumer's is zero. False: there is no
     * memory. */
    bool (*begin)(struct mm_consumer_work *work);
    /* Fills the outcomes. thread: worker */
    void (*run)(struct mm_consumer_work *work);
    /* The same, when no worker takes it. NULL: all are put off with LIMIT. */
    void (*no_room)(struct mm_consumer_work *work);
    /* As in consumer.h: there `context` is the work. With NULL the work ends
     * before it is answered. thread: writer */
    enum mailmod_error (*put)(struct mm_consumption *consumption,
                              struct mm_store_transaction *transaction);
    void (*settled)(struct mm_consumer_work *work);
    /* What is the consumer's goes; after a `begin` that failed, too. */
    void (*end)(struct mm_consumer_work *work);
};

/* All outcomes; thread: that of `run` or `no_room`. */
void mm_consumer_work_set_all(struct mm_consumer_work *work,
                              enum mailmod_error error, const char *status,
                              const char *text);
/* The same with words for the sender: for `no_room`. */
void mm_consumer_work_too_busy(struct mm_consumer_work *work);
/* A consumer whose batches a worker gets. A cancel lets the worker go on to its
 * end, and nobody hears it. `name` and `verbs` outlive it. */
struct mm_consumer mm_consumer_of_work(const char *name, struct mm_post *post,
                                       const struct mm_consumer_verbs *verbs);

#endif
