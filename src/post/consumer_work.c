/* consumer_work.c - a consumer's batch in the hands of a worker.
 *
 * Owns each batch's work from its taking until it is settled, or until it came
 * back from the worker where it was cancelled or nothing is to be settled.
 * Promises: the consumption is answered once, on its loop, and never after a
 * cancel; a stop waits for what a worker still has.
 * Thread: the outbound's first loop; `run` a worker. */
#include "post/consumer_work.h"

#include "base/mem.h"

#include <string.h>

static void free_work(struct mm_consumer_work *work)
{
    struct mm_post *post = work->post;

    if (work->consumer->verbs->end != NULL) {
        work->consumer->verbs->end(work);
    }
    mm_config_unref(&work->config);
    mm_free(work->recipients);
    mm_free(work->outcomes);
    mm_free(work);
    atomic_fetch_sub(&post->busy, 1);
}

static void on_settled(struct mm_consumption *consumption)
{
    struct mm_consumer_work *work = consumption->context;

    if (work->consumer->verbs->settled != NULL) {
        work->consumer->verbs->settled(work);
    }
    free_work(work);
}

static void answer(struct mm_consumer_work *work)
{
    struct mm_consumption *consumption = work->consumption;

    if (consumption == NULL) {
        free_work(work);
        return;
    }
    memcpy(consumption->outcomes, work->outcomes,
           work->count * sizeof *work->outcomes);
    consumption->put = work->consumer->verbs->put;
    if (work->consumer->verbs->put != NULL) {
        consumption->settled = on_settled;
    } else {
        consumption->context = NULL;
        free_work(work);
    }
    mm_consumption_done(consumption);
}

static void run(struct mm_job *job)
{
    struct mm_consumer_work *work =
        MM_LIST_OBJECT(job, struct mm_consumer_work, job);

    work->consumer->verbs->run(work);
}

static void on_done(struct mm_job *job)
{
    answer(MM_LIST_OBJECT(job, struct mm_consumer_work, job));
}

static void on_no_room(struct mm_task *task)
{
    struct mm_consumer_work *work =
        MM_LIST_OBJECT(task, struct mm_consumer_work, task);

    if (work->consumer->verbs->no_room != NULL) {
        work->consumer->verbs->no_room(work);
    } else {
        mm_consumer_work_set_all(work, MAILMOD_ERROR_LIMIT, "4.3.0",
                                 mm_error_text(MAILMOD_ERROR_LIMIT));
    }
    answer(work);
}

/* False: there is no memory. */
static bool copy_batch(struct mm_consumer_work *work,
                       const struct mq_batch *batch)
{
    struct mm_span name;
    struct mm_span rest;

    work->count = batch->recipient_count;
    work->message = batch->message;
    work->recipients = mm_alloc_array(work->count, sizeof *work->recipients);
    work->outcomes = mm_alloc_array(work->count, sizeof *work->outcomes);
    if (work->recipients == NULL || work->outcomes == NULL) {
        return false;
    }
    memcpy(work->recipients, batch->recipients,
           work->count * sizeof *work->recipients);
    (void)mm_span_cut(mm_span_cstr(batch->destination), ':', &name, &rest);
    return mm_span_copy(rest, work->rest, sizeof work->rest);
}

static bool begin(struct mm_consumer_work *work, const struct mq_batch *batch)
{
    return copy_batch(work, batch) && (work->consumer->verbs->begin == NULL ||
                                       work->consumer->verbs->begin(work));
}

void mm_consumer_work_set_all(struct mm_consumer_work *work,
                              enum mailmod_error error, const char *status,
                              const char *text)
{
    for (size_t i = 0; i < work->count; i++) {
        mm_consumption_set(&work->outcomes[i], error, status, text);
    }
}

void mm_consumer_work_too_busy(struct mm_consumer_work *work)
{
    mm_consumer_work_set_all(work, MAILMOD_ERROR_LIMIT, "4.3.2",
                             "too busy, try again later");
}

static void take(struct mm_consumer *consumer,
                 struct mm_consumption *consumption)
{
    struct mm_consumer_work *work = mm_alloc(consumer->verbs->size);

    if (work != NULL) {
        work->consumer = consumer;
        work->post = consumer->context;
        work->config = mm_config_ref(consumption->config);
        atomic_fetch_add(&work->post->busy, 1);
    }
    if (work == NULL || !begin(work, consumption->batch)) {
        mm_consumption_set_all(consumption, MAILMOD_ERROR_MEMORY, "4.3.0");
        if (work != NULL) {
            free_work(work);
        }
        mm_consumption_done(consumption);
        return;
    }
    work->consumption = consumption;
    consumption->context = work;
    work->job.loop = consumption->loop;
    work->job.run = run;
    work->job.done = on_done;
    work->task.run = on_no_room;
    if (mm_workers_submit(work->post->workers, &work->job) != MAILMOD_OK) {
        mm_loop_post(consumption->loop, &work->task);
    }
}

static void cancel(struct mm_consumer *consumer,
                   struct mm_consumption *consumption)
{
    struct mm_consumer_work *work = consumption->context;

    (void)consumer;
    work->consumption = NULL;
}

struct mm_consumer mm_consumer_of_work(const char *name, struct mm_post *post,
                                       const struct mm_consumer_verbs *verbs)
{
    return (struct mm_consumer){.name = name,
                                .take = take,
                                .cancel = cancel,
                                .context = post,
                                .verbs = verbs};
}
