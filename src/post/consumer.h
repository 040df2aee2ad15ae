/* thread: loop (the outbound's first), except where a function says writer
 * consumer.h - destinations of the queue that nobody dials.
 *
 * A part of this system that takes mail by a function ("list:announce") has a
 * name and stands in the post office's table. What is queued for
 * "name:anything" is claimed, tried again, settled and reported like any mail;
 * instead of a connection the function gets the batch. */
#ifndef MM_POST_CONSUMER_H
#define MM_POST_CONSUMER_H

#include "config/config.h"
#include "post/post.h"
#include "queue/queue.h"

/* One batch in a consumer's hands. */
struct mm_consumption {
    const struct mq_batch *batch;
    struct mm_config *config;
    struct mm_loop *loop;
    /* The consumer's answer, one a recipient; what is zero is "delivered". */
    struct mq_outcome *outcomes;
    /* The consumer's, may stay NULL. thread: writer. Its part of the
     * transaction that settles the outcomes; may be run again when that
     * failed. */
    enum mailmod_error (*put)(struct mm_consumption *work,
                              struct mm_store_transaction *transaction);
    /* The consumer's, may stay NULL: the outcomes are on disk, or were given up
     * at a stop; `work` is gone after it. Not called after cancel. */
    void (*settled)(struct mm_consumption *work);
    void *context; /* the consumer's */
    /* The outbound's. */
    void (*done)(struct mm_consumption *work);
};

struct mm_consumer_verbs;

struct mm_consumer {
    struct mm_list node;
    /* Lower-case letters, digits and hyphens, one of the letters past f: so it
     * begins no IPv6 address. Outlives the table. */
    const char *name;
    /* Fills the outcomes and says mm_consumption_done, exactly once; perhaps
     * inside this call. */
    void (*take)(struct mm_consumer *consumer, struct mm_consumption *work);
    /* A batch that it has is forgotten: no `done` comes, and what waits is
     * tried again at the next start. */
    void (*cancel)(struct mm_consumer *consumer, struct mm_consumption *work);
    void *context;
    /* Of one whose batches a worker gets (consumer_work.h); else NULL. */
    const struct mm_consumer_verbs *verbs;
    /* What it takes is no delivery: no log line, and the host is not told. */
    bool is_silent;
};

/* Before the outbound starts. ARGUMENT for a name that could be another
 * destination's, EXISTS. */
MM_CHECK enum mailmod_error mm_consumer_register(struct mm_post *post,
                                                 struct mm_consumer *consumer);
/* Of a destination; NULL when none of that name is registered. */
struct mm_consumer *mm_consumer_of(const struct mm_post *post,
                                   const char *destination);
void mm_consumption_done(struct mm_consumption *work);
/* Not delivered: for good with a status of class 5 (RFC 3463), else for now. */
void mm_consumption_set(struct mq_outcome *outcome, enum mailmod_error error,
                        const char *status, const char *text);
/* The same of the whole batch, with the error's own words. */
void mm_consumption_set_all(struct mm_consumption *work,
                            enum mailmod_error error, const char *status);
/* A row for a consumer waits for an operator who releases it, however long, for
 * the reason in `words`. */
void mm_consumer_hold(struct mm_store_recipient *row, const char *words);

#endif
