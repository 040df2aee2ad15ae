/* maildirs.c - queued mail into Maildirs.
 *
 * Owns each batch's work from its taking until it came back from the worker,
 * cancelled or not: the worker has copies of all that it reads, for the batch
 * is the outbound's. Promises: the outcome "delivered" is said after the file
 * is on disk; what fails is put off and tried again by the queue's steps, with
 * the folder's trouble in the words; only a user that is no more is final.
 * Thread: the outbound's loop; `run` on a worker. */
#include "post/maildirs.h"

#include "base/limits.h"
#include "base/mem.h"
#include "config/maildir.h"
#include "mailbox/maildir.h"
#include "mailbox/store_mailbox.h"
#include "post/destination.h"

#include <stdio.h>
#include <string.h>

struct work {
    struct mm_job job;
    struct mm_task task; /* the workers had no room */
    struct mm_post *post;
    struct mm_config *config;
    struct mm_consumption *consumption; /* NULL: cancelled */
    char user[MM_STORE_USER_MAX];
    struct mm_store_message message;
    struct mm_store_recipient *recipients;
    struct mq_outcome *outcomes;
    size_t count;
};

static void free_work(struct work *work)
{
    atomic_fetch_sub(&work->post->busy, 1);
    mm_config_unref(&work->config);
    mm_free(work->recipients);
    mm_free(work->outcomes);
    mm_free(work);
}

/* RFC 3463 3.3, 3.4: what the sender and the operator read. */
static void put_off(struct mq_outcome *outcome, enum mailmod_error error)
{
    switch (error) {
    case MAILMOD_OK:
        break;
    case MAILMOD_ERROR_STORAGE_FULL:
        mm_consumption_set(outcome, error, "4.2.2", "the mailbox has no room");
        break;
    case MAILMOD_ERROR_ACCESS:
        mm_consumption_set(
            outcome, error, "4.2.0",
            "the Maildir cannot be used: permission denied, or a link "
            "is in its place");
        break;
    case MAILMOD_ERROR_NOT_FOUND:
        mm_consumption_set(
            outcome, error, "4.2.0",
            "the folder in which the Maildir should lie is missing");
        break;
    default:
        mm_consumption_set(outcome, error, "4.2.0", mm_error_text(error));
        break;
    }
}

/* The message's own for ever: the same when it is tried again. */
static void make_name(const struct work *work,
                      const struct mm_store_recipient *recipient, char *out,
                      size_t size)
{
    char id[MM_MESSAGE_ID_TEXT_MAX];
    char host[40];
    size_t at = 0;

    mm_message_id_format(work->message.id, id);
    for (const char *c = work->config->host_name;
         *c != '\0' && at + 1 < sizeof host; c++) {
        host[at++] = mm_ascii_is_alnum(*c) || *c == '.' ? *c : '-';
    }
    host[at] = '\0';
    (void)snprintf(out, size, "%lld.M%sR%u.%s",
                   (long long)(work->message.arrival_ms / 1000), id,
                   recipient->number, host);
}

static enum mailmod_error write_fields(const struct work *work,
                                       const struct mm_store_recipient *r,
                                       struct mm_maildir_delivery *delivery)
{
    struct mm_buf fields;

    mm_buf_init(&fields, 4 * MM_STORE_REVERSE_PATH_MAX);
    enum mailmod_error error = mm_mailbox_fields_write(
        &fields,
        r->has_reverse_path ? r->reverse_path : work->message.reverse_path,
        r->path, r->original_to);
    if (error == MAILMOD_OK) {
        error = mm_maildir_delivery_write(delivery, mm_buf_span(&fields));
    }
    mm_buf_fini(&fields);
    return error;
}

static enum mailmod_error write_body(const struct work *work,
                                     struct mm_maildir_delivery *delivery)
{
    enum mailmod_error error = MAILMOD_OK;
    struct mm_buf chunk;

    mm_buf_init(&chunk, MM_LIMIT_CHUNK);
    for (unsigned i = 0; error == MAILMOD_OK; i++) {
        error =
            mm_store_read_chunk(work->post->store, work->message.id, i, &chunk);
        if (error == MAILMOD_OK) {
            error = mm_maildir_delivery_write(delivery, mm_buf_span(&chunk));
        } else if (error == MAILMOD_ERROR_NOT_FOUND) {
            mm_buf_fini(&chunk);
            return MAILMOD_OK;
        }
    }
    mm_buf_fini(&chunk);
    return error;
}

static enum mailmod_error deliver(const struct work *work,
                                  const struct mm_config_maildir *place,
                                  const struct mm_store_recipient *recipient)
{
    struct mm_maildir_delivery *delivery = NULL;
    char name[101];

    make_name(work, recipient, name, sizeof name);
    enum mailmod_error error =
        mm_maildir_delivery_new(&delivery, place->base, place->below, name);
    if (error == MAILMOD_OK) {
        error = write_fields(work, recipient, delivery);
    }
    if (error == MAILMOD_OK) {
        error = write_body(work, delivery);
    }
    if (error == MAILMOD_OK) {
        error = mm_maildir_delivery_finish(delivery);
    }
    mm_maildir_delivery_free(&delivery);
    return error;
}

static void set_all(struct work *work, enum mailmod_error error,
                    const char *status, const char *text)
{
    for (size_t i = 0; i < work->count; i++) {
        mm_consumption_set(&work->outcomes[i], error, status, text);
    }
}

/* Whether the user is there, and where; sets all outcomes when not. */
static bool find_place(struct work *work, struct mm_config_maildir *place)
{
    struct mm_store_user user;
    enum mailmod_error error =
        mm_store_find_user(work->post->store, work->user, &user);

    mm_secret_clear(&user, sizeof user);
    if (error == MAILMOD_ERROR_NOT_FOUND) {
        set_all(work, error, "5.1.1", "no such user here");
        return false;
    }
    if (error == MAILMOD_OK) {
        error = mm_config_find_maildir(work->config, work->user, place);
    }
    if (error != MAILMOD_OK) {
        set_all(work, error, "4.3.5",
                "local.maildirs names no folder for this user any more");
    }
    return error == MAILMOD_OK;
}

static void run(struct mm_job *job)
{
    struct work *work = MM_LIST_OBJECT(job, struct work, job);
    struct mm_config_maildir place;

    if (find_place(work, &place)) {
        for (size_t i = 0; i < work->count; i++) {
            put_off(&work->outcomes[i],
                    deliver(work, &place, &work->recipients[i]));
        }
    }
}

static void answer(struct work *work)
{
    struct mm_consumption *consumption = work->consumption;

    if (consumption != NULL) {
        consumption->context = NULL;
        memcpy(consumption->outcomes, work->outcomes,
               work->count * sizeof *work->outcomes);
    }
    free_work(work);
    if (consumption != NULL) {
        mm_consumption_done(consumption);
    }
}

static void on_done(struct mm_job *job)
{
    answer(MM_LIST_OBJECT(job, struct work, job));
}

static void on_no_room(struct mm_task *task)
{
    struct work *work = MM_LIST_OBJECT(task, struct work, task);

    set_all(work, MAILMOD_ERROR_LIMIT, "4.3.2", "too busy, try again later");
    answer(work);
}

/* Memory for `count`; false: there is none. */
static bool copy_batch(struct work *work, const struct mq_batch *batch)
{
    struct mm_span name;
    struct mm_span user;

    work->count = batch->recipient_count;
    work->message = batch->message;
    work->recipients = mm_alloc_array(work->count, sizeof *work->recipients);
    work->outcomes = mm_alloc_array(work->count, sizeof *work->outcomes);
    if (work->recipients == NULL || work->outcomes == NULL) {
        return false;
    }
    memcpy(work->recipients, batch->recipients,
           work->count * sizeof *work->recipients);
    (void)mm_span_cut(mm_span_cstr(batch->destination), ':', &name, &user);
    return mm_span_copy(user, work->user, sizeof work->user);
}

static void take(struct mm_consumer *consumer,
                 struct mm_consumption *consumption)
{
    struct mm_post *post = consumer->context;
    struct work *work = mm_alloc(sizeof *work);

    if (work != NULL) {
        atomic_fetch_add(&post->busy, 1);
        work->post = post;
        work->config = mm_config_ref(consumption->config);
    }
    if (work == NULL || !copy_batch(work, consumption->batch)) {
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
    if (mm_workers_submit(post->workers, &work->job) != MAILMOD_OK) {
        mm_loop_post(consumption->loop, &work->task);
    }
}

/* The worker goes on to its end: a second delivery of the same message has the
 * same name. */
static void cancel(struct mm_consumer *consumer,
                   struct mm_consumption *consumption)
{
    struct work *work = consumption->context;

    (void)consumer;
    if (work != NULL) {
        work->consumption = NULL;
    }
}

enum mailmod_error mm_maildirs_consumer_new(struct mm_consumer **consumer_out,
                                            struct mm_post *post)
{
    struct mm_consumer *consumer = mm_alloc(sizeof *consumer);

    *consumer_out = consumer;
    if (consumer == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    consumer->name = MM_MAILDIR_CONSUMER;
    consumer->take = take;
    consumer->cancel = cancel;
    consumer->context = post;
    return mm_consumer_register(post, consumer);
}
