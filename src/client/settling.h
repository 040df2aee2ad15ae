/* thread: loop, done: writer
 * settling.h - one settlement on its way through the store and back. */
#ifndef MM_CLIENT_SETTLING_H
#define MM_CLIENT_SETTLING_H

#include "client/bounce.h"
#include "io/io.h"
#include "post/consumer.h"

struct mm_settling {
    struct mm_list node;
    struct mq_settlement settlement;
    struct mm_post *post;
    struct mm_config *config;       /* a reference */
    struct mm_report_sender sender; /* of the reports that are due */
    bool has_asked;                 /* for the sender */
    struct mm_loop *loop;
    struct mm_task task;
    enum mailmod_error error; /* of the last try */
    bool is_out;              /* the sender is asked for, or the store has it */
    /* Of a local consumer: see consumer.h; NULL. */
    struct mm_consumption *consumption;
    /* On the loop, after each try. */
    void (*on_done)(struct mm_settling *settling);
    /* When it ends, on disk or given up; may be NULL. */
    void (*on_dropped)(struct mm_settling *settling);
    void *context;
};

/* Takes the batch, unless it fails, and a reference on `config`. The outcomes
 * (settlement.outcomes, which it takes too) and the time (settlement.now_ms)
 * are given before it is submitted. */
MM_CHECK enum mailmod_error mm_settling_new(struct mm_settling **settling_out,
                                            struct mq_queue *queue,
                                            struct mq_batch *batch,
                                            struct mm_post *post,
                                            struct mm_config *config);
/* First and further tries alike. */
void mm_settling_submit(struct mm_settling *settling);
/* Recipient `i` is out of the queue: delivered, failed, or its lifetime over.
 */
bool mm_settling_is_final(const struct mm_settling *settling, size_t i);
/* One line a recipient: what came of it. */
void mm_settling_log(const struct mm_settling *settling);
/* Not while the store has it. With `releases` the claims are given up. */
void mm_settling_free(struct mm_settling **settling, bool releases);

#endif
