/* queue_bench.c - what a long queue costs: attempts and acceptance beside it.
 *
 * Some hundred thousand recipients wait in some thousand destinations, all due.
 * One thread claims and settles as the outbound does (each claim after at least
 * one outcome, every attempt delivered at once); then the same beside threads
 * that put mail, each waiting for its acknowledgement. With "dead" all waits
 * for one destination that is down. Prints figures; nothing passes or fails.
 *   queue_bench FOLDER [recipients] [destinations] [seconds] [dead]
 * Thread: the main one claims, the putters have their own messages. */
#include "base/mem.h"
#include "platform/thread.h"
#include "queue/queue.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PUTTERS = 8, AT_ONCE = 2000 };

static unsigned destinations = 20000;
static bool is_dead;
static atomic_bool is_over;
static atomic_ulong put_count;

static double now_ms(void)
{
    struct timespec now;
    (void)timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

struct put {
    struct mm_store_job job;
    struct mm_store *store;
    unsigned first;
    unsigned count;
};

static enum mailmod_error put_one(const struct put *put,
                                  struct mm_store_transaction *t, unsigned i)
{
    static const char body[] = "Subject: bench\r\n\r\nbody\r\n";
    struct mm_store_message message = {.id =
                                           mm_store_new_message_id(put->store),
                                       .reverse_path = "sender@example.org",
                                       .arrival_ms = (int64_t)now_ms(),
                                       .size = sizeof body - 1};
    struct mm_store_recipient row = {.message_id = message.id,
                                     .next_attempt_ms = message.arrival_ms,
                                     .expires_ms =
                                         message.arrival_ms + 86400000};
    (void)snprintf(row.destination, sizeof row.destination, "d%u.example",
                   is_dead ? 0 : i % destinations);
    (void)snprintf(row.path, sizeof row.path, "user@d%u.example",
                   i % destinations);
    enum mailmod_error error =
        mm_store_put_chunk(t, message.id, 0, mm_span(body, sizeof body - 1));
    if (error == MAILMOD_OK) {
        error = mm_store_put_message(t, &message);
    }
    return error == MAILMOD_OK ? mm_store_put_recipient(t, &row) : error;
}

static enum mailmod_error run_put(struct mm_store_job *job,
                                  struct mm_store_transaction *t)
{
    const struct put *put = MM_LIST_OBJECT(job, struct put, job);
    enum mailmod_error error = MAILMOD_OK;
    for (unsigned i = 0; error == MAILMOD_OK && i < put->count; i++) {
        error = put_one(put, t, put->first + i);
    }
    return error;
}

static void put_some(struct mm_store *store, unsigned first, unsigned count)
{
    struct put put = {
        .job.run = run_put, .store = store, .first = first, .count = count};
    if (mm_store_run(store, &put.job) != MAILMOD_OK) {
        fprintf(stderr, "the store refuses\n");
        exit(1);
    }
}

static void put_until_over(void *context)
{
    for (unsigned i = 0; !atomic_load(&is_over); i++) {
        put_some(context, i * 7919u, 1);
        atomic_fetch_add(&put_count, 1);
    }
}

struct attempt {
    struct mm_list node;
    struct mq_settlement settlement;
    struct sender *sender;
};

struct sender {
    struct mq_queue *queue;
    struct mm_mutex *mutex;
    struct mm_condition *condition;
    struct mm_list done; /* the mutex's */
    unsigned at_work;
    unsigned long settled;
    unsigned long polls;
};

static void on_done(struct mq_settlement *settlement, enum mailmod_error error)
{
    struct attempt *attempt = settlement->context;
    struct sender *sender = attempt->sender;
    (void)error;
    mm_mutex_lock(sender->mutex);
    mm_list_append(&sender->done, &attempt->node);
    mm_condition_signal(sender->condition);
    mm_mutex_unlock(sender->mutex);
}

static void settle(struct sender *sender, struct mq_batch *batch)
{
    struct attempt *attempt = mm_alloc(sizeof *attempt);
    size_t count = batch->recipient_count;
    attempt->sender = sender;
    attempt->settlement.queue = sender->queue;
    attempt->settlement.batch = batch;
    attempt->settlement.outcomes =
        mm_alloc_array(count, sizeof *attempt->settlement.outcomes);
    attempt->settlement.reports =
        mm_alloc_array(count, sizeof *attempt->settlement.reports);
    for (size_t i = 0; i < count; i++) {
        struct mq_outcome *outcome = &attempt->settlement.outcomes[i];
        outcome->verdict = is_dead ? MQ_DEFERRED : MQ_DELIVERED;
        outcome->is_destination_down = is_dead;
        strcpy(outcome->status, is_dead ? "4.4.1" : "2.0.0");
    }
    attempt->settlement.now_ms = (int64_t)now_ms();
    attempt->settlement.done = on_done;
    attempt->settlement.context = attempt;
    mm_list_init(&attempt->node);
    sender->at_work++;
    mq_settle(&attempt->settlement);
}

static void release_done(struct sender *sender, bool waits)
{
    mm_mutex_lock(sender->mutex);
    if (waits && mm_list_is_empty(&sender->done)) {
        (void)mm_condition_wait_for(sender->condition, sender->mutex, 10);
    }
    struct mm_list *node = NULL;
    while ((node = mm_list_take_first(&sender->done)) != NULL) {
        struct attempt *attempt = MM_LIST_OBJECT(node, struct attempt, node);
        mq_release(sender->queue, &attempt->settlement.batch);
        mm_free(attempt->settlement.outcomes);
        mm_free(attempt->settlement.reports);
        mm_free(attempt);
        sender->at_work--;
        sender->settled++;
    }
    mm_mutex_unlock(sender->mutex);
}

/* One poll: as client/outbound makes them, after an outcome or new mail. */
static void poll(struct sender *sender)
{
    struct mm_list batches;
    mm_list_init(&batches);
    if (mq_claim(sender->queue, (int64_t)now_ms(), &batches) != MAILMOD_OK) {
        fprintf(stderr, "the queue cannot be read\n");
        exit(1);
    }
    (void)mq_next_due(sender->queue, (int64_t)now_ms());
    sender->polls++;
    struct mm_list *node = NULL;
    while ((node = mm_list_take_first(&batches)) != NULL) {
        settle(sender, MM_LIST_OBJECT(node, struct mq_batch, node));
    }
}

static void measure(struct sender *sender, const char *what, double for_ms)
{
    double start = now_ms();
    double cpu = (double)clock();
    unsigned long settled = sender->settled;
    unsigned long polls = sender->polls;
    unsigned long put = atomic_load(&put_count);
    while (now_ms() - start < for_ms) {
        poll(sender);
        release_done(sender, true);
    }
    double took_s = (now_ms() - start) / 1e3;
    printf("%s: %.0f attempts/s, %.0f polls/s, %.0f accepted/s, CPU %.0f %%\n",
           what, (double)(sender->settled - settled) / took_s,
           (double)(sender->polls - polls) / took_s,
           (double)(atomic_load(&put_count) - put) / took_s,
           ((double)clock() - cpu) * 100 / CLOCKS_PER_SEC / took_s);
}

static void open_sender(struct sender *sender, struct mm_store *store)
{
    static const unsigned steps_s[] = {300, 600, 1200, 1800, 3600, 7200};
    static const struct mq_options options = {.steps_s = steps_s,
                                              .step_count = 6,
                                              .jitter_percent = 10,
                                              .lifetime_ms = 86400000,
                                              .warn_after_ms = 14400000,
                                              .attempts_max = 100,
                                              .destination_max = 20,
                                              .recipients_max = 100,
                                              .seed = 1};
    mm_list_init(&sender->done);
    if (mm_mutex_new(&sender->mutex) != MAILMOD_OK ||
        mm_condition_new(&sender->condition) != MAILMOD_OK ||
        mq_new(&sender->queue, store, &options) != MAILMOD_OK) {
        exit(1);
    }
}

static void close_sender(struct sender *sender)
{
    while (sender->at_work > 0) {
        release_done(sender, true);
    }
    mq_free(&sender->queue);
    mm_condition_free(&sender->condition);
    mm_mutex_free(&sender->mutex);
}

static void run(struct mm_store *store, double for_ms)
{
    struct sender sender = {0};
    struct mm_thread *putters[PUTTERS] = {NULL};
    open_sender(&sender, store);
    double start = now_ms();
    poll(&sender);
    printf("first poll: %.0f ms\n", now_ms() - start);
    measure(&sender, "alone", for_ms);
    for (int i = 0; i < PUTTERS; i++) {
        if (mm_thread_start(&putters[i], "putter", put_until_over, store) !=
            MAILMOD_OK) {
            exit(1);
        }
    }
    measure(&sender, "beside acceptance", for_ms);
    atomic_store(&is_over, true);
    for (int i = 0; i < PUTTERS; i++) {
        mm_thread_join(&putters[i]);
    }
    close_sender(&sender);
}

static unsigned number(int argc, char **argv, int i, unsigned otherwise)
{
    return argc > i ? (unsigned)strtoul(argv[i], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    unsigned recipients = number(argc, argv, 2, 500000);
    unsigned seconds = number(argc, argv, 4, 10);
    struct mm_store_options options = {.mode = MM_STORE_EXCLUSIVE};
    struct mm_store *store = NULL;
    destinations = number(argc, argv, 3, destinations);
    is_dead = argc > 5 && strcmp(argv[5], "dead") == 0;
    if (argc < 2 || destinations == 0) {
        fprintf(stderr, "queue_bench FOLDER [recipients] [destinations] "
                        "[seconds] [dead]\n");
        return 2;
    }
    options.description = argv[1];
    if (mm_store_open(&store, &options, NULL) != MAILMOD_OK) {
        fprintf(stderr, "%s cannot be opened\n", argv[1]);
        return 1;
    }
    double start = now_ms();
    for (unsigned i = 0; i < recipients; i += AT_ONCE) {
        put_some(store, i, AT_ONCE);
    }
    printf("%u recipients in %u destinations put in %.0f ms\n", recipients,
           is_dead ? 1 : destinations, now_ms() - start);
    run(store, seconds * 1e3);
    mm_store_close(&store);
    return 0;
}
