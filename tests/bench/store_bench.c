/* store_bench.c - how fast the store takes mail, lists it and lets it go.
 *
 * Each of some threads stores messages one after the other and waits for each
 * acknowledgement, as sessions do; then a mailbox is listed, read and emptied.
 * Prints figures; nothing passes or fails on time.
 *   store_bench FOLDER [threads] [messages of each] [octets]
 * Or what others wait for meanwhile: the longest acknowledgement of small mail
 * while a mailbox of some megabytes goes, and while all of a long queue is held
 * and deleted, beside the longest sync of a bare file in the same folder.
 *   store_bench FOLDER large [megabytes] [recipients]
 * Thread: the submitters', each its own messages. */
#include "base/mem.h"
#include "platform/clock.h"
#include "platform/thread.h"
#include "store/store.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 256

struct submitter {
    struct mm_store *store;
    struct mm_thread *thread;
    uint64_t mailbox_id;
    size_t count;
    size_t size;
    double *waits_ms;
    unsigned failures;
};

struct put {
    struct mm_store_job job;
    struct submitter *submitter;
    struct mm_span body;
};

static double now_ms(void)
{
    struct timespec now;

    (void)timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static enum mailmod_error run_put(struct mm_store_job *job,
                                  struct mm_store_transaction *transaction)
{
    struct put *put = MM_LIST_OBJECT(job, struct put, job);
    struct mm_store_message message = {
        .id = mm_store_new_message_id(put->submitter->store),
        .reverse_path = "sender@example.org",
        .size = put->body.size};
    enum mailmod_error error = MAILMOD_OK;
    unsigned number = 0;

    for (size_t at = 0; error == MAILMOD_OK && at < put->body.size;
         at += 65536) {
        struct mm_span rest = mm_span_from(put->body, at);

        rest.size = rest.size < 65536 ? rest.size : 65536;
        error = mm_store_put_chunk(transaction, message.id, number++, rest);
    }
    if (error == MAILMOD_OK) {
        error = mm_store_put_message(transaction, &message);
    }
    return error == MAILMOD_OK
               ? mm_store_put_entry(transaction, put->submitter->mailbox_id,
                                    message.id, put->body.size + 34)
               : error;
}

static void submit_all(void *context)
{
    struct submitter *submitter = context;
    char *body = mm_alloc(submitter->size + 1);

    for (size_t i = 0; body != NULL && i < submitter->count; i++) {
        struct put put = {.job.run = run_put,
                          .submitter = submitter,
                          .body = mm_span(body, submitter->size)};
        double start = now_ms();

        if (mm_store_run(submitter->store, &put.job) != MAILMOD_OK) {
            submitter->failures++;
        }
        submitter->waits_ms[i] = now_ms() - start;
    }
    mm_free(body);
}

struct make_user {
    struct mm_store_job job;
    struct mm_store_user user;
};

static enum mailmod_error run_make(struct mm_store_job *job,
                                   struct mm_store_transaction *transaction)
{
    struct make_user *make = MM_LIST_OBJECT(job, struct make_user, job);

    return mm_store_add_user(transaction, &make->user);
}

static uint64_t make_mailbox(struct mm_store *store, unsigned number)
{
    struct make_user make = {.job.run = run_make};

    (void)snprintf(make.user.name, sizeof make.user.name, "bench%u", number);
    if (mm_store_run(store, &make.job) != MAILMOD_OK) {
        fprintf(stderr, "the folder must be empty\n");
        exit(1);
    }
    return make.user.mailbox_id;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

/* How long each of some took; what is past the capacity counts for the worst
 * alone. */
struct times {
    double *each_ms;
    size_t count;
    size_t capacity;
    double worst_ms;
};

static void times_init(struct times *times)
{
    *times = (struct times){.capacity = 1 << 20};
    times->each_ms = mm_alloc_array(times->capacity, sizeof *times->each_ms);
    if (times->each_ms == NULL) {
        exit(1);
    }
}

static void times_add(struct times *times, double took_ms)
{
    if (times->count < times->capacity) {
        times->each_ms[times->count++] = took_ms;
    }
    if (took_ms > times->worst_ms) {
        times->worst_ms = took_ms;
    }
}

/* Prints and frees. */
static void times_end(struct times *times, const char *what)
{
    size_t count = times->count;

    qsort(times->each_ms, count, sizeof *times->each_ms, compare);
    printf("    %s: %zu; ms: median %.1f, 99 %% %.1f, 99.9 %% %.1f, "
           "worst %.1f\n",
           what, count, count > 0 ? times->each_ms[count / 2] : 0,
           count > 0 ? times->each_ms[count - 1 - count / 100] : 0,
           count > 0 ? times->each_ms[count - 1 - count / 1000] : 0,
           times->worst_ms);
    mm_free(times->each_ms);
}

static void print_puts(struct mm_store *store, double *waits, size_t count,
                       double took_ms, unsigned failures)
{
    struct mm_store_counters counters;

    mm_store_counters(store, &counters);
    qsort(waits, count, sizeof *waits, compare);
    printf("put: %zu messages in %.0f ms: %.0f/s; %.1f a commit; wait ms: "
           "median %.2f, 99 %% %.2f, worst %.2f; failures %u\n",
           count, took_ms, (double)count * 1e3 / took_ms,
           (double)counters.jobs / (double)counters.commits, waits[count / 2],
           waits[count - 1 - count / 100], waits[count - 1], failures);
}

static void measure_puts(struct mm_store *store, struct submitter *submitters,
                         unsigned threads)
{
    size_t each = submitters[0].count;
    double *waits = mm_alloc_array(threads * each, sizeof *waits);
    unsigned failures = 0;
    double start = now_ms();

    if (waits == NULL) {
        exit(1);
    }
    for (unsigned i = 0; i < threads; i++) {
        submitters[i].waits_ms = waits + i * each;
        if (mm_thread_start(&submitters[i].thread, "submitter", submit_all,
                            &submitters[i]) != MAILMOD_OK) {
            exit(1);
        }
    }
    for (unsigned i = 0; i < threads; i++) {
        mm_thread_join(&submitters[i].thread);
        failures += submitters[i].failures;
    }
    print_puts(store, waits, threads * each, now_ms() - start, failures);
    mm_free(waits);
}

struct removal {
    struct mm_store_job job;
    uint64_t mailbox_id;
    uint64_t *numbers;
    size_t count;
};

static enum mailmod_error run_removal(struct mm_store_job *job,
                                      struct mm_store_transaction *transaction)
{
    struct removal *removal = MM_LIST_OBJECT(job, struct removal, job);

    return mm_store_remove_entries(transaction, removal->mailbox_id,
                                   removal->numbers, removal->count);
}

static void read_all(struct mm_store *store,
                     const struct mm_store_entry *entries, size_t count)
{
    struct mm_buf chunk;
    uint64_t octets = 0;
    double start = now_ms();

    mm_buf_init(&chunk, 65536);
    for (size_t i = 0; i < count; i++) {
        unsigned number = 0;

        while (mm_store_read_chunk(store, entries[i].message_id, number++,
                                   &chunk) == MAILMOD_OK) {
            octets += mm_buf_size(&chunk);
        }
    }
    mm_buf_fini(&chunk);
    printf("read: %zu messages, %llu octets: %.1f us each\n", count,
           (unsigned long long)octets,
           (now_ms() - start) * 1e3 / (double)count);
}

static void measure_mailbox(struct mm_store *store, uint64_t mailbox_id)
{
    struct removal removal = {.job.run = run_removal, .mailbox_id = mailbox_id};
    struct mm_store_entry *entries = NULL;
    double start = now_ms();

    if (mm_store_list_entries(store, mailbox_id, &entries, &removal.count) !=
        MAILMOD_OK) {
        exit(1);
    }
    printf("list: %zu entries in %.2f ms\n", removal.count, now_ms() - start);
    read_all(store, entries, removal.count);
    removal.numbers = mm_alloc_array(removal.count, sizeof *removal.numbers);
    for (size_t i = 0; removal.numbers != NULL && i < removal.count; i++) {
        removal.numbers[i] = entries[i].unique_number;
    }
    start = now_ms();
    if (removal.numbers == NULL ||
        mm_store_run(store, &removal.job) != MAILMOD_OK) {
        exit(1);
    }
    printf("remove: %.1f us each\n",
           (now_ms() - start) * 1e3 / (double)removal.count);
    mm_free(removal.numbers);
    mm_free(entries);
}

/* Small mail, one after the other, until it is told to stop. */
struct beside {
    struct mm_store *store;
    struct mm_thread *thread;
    uint64_t mailbox_id;
    atomic_bool is_over;
    struct times waits;
};

static void put_beside(void *context)
{
    struct beside *beside = context;
    static const char body[2048];
    struct submitter one = {.store = beside->store,
                            .mailbox_id = beside->mailbox_id};

    while (!atomic_load(&beside->is_over)) {
        struct put put = {.job.run = run_put,
                          .submitter = &one,
                          .body = mm_span(body, sizeof body)};
        double start = now_ms();
        if (mm_store_run(beside->store, &put.job) != MAILMOD_OK) {
            exit(1);
        }
        times_add(&beside->waits, now_ms() - start);
    }
}

/* A bare write and sync of 4 KiB after the other, in the same folder, with
 * pauses, for it must not be what the others wait for. */
struct syncer {
    const char *folder;
    struct mm_thread *thread;
    atomic_bool is_over;
    struct times syncs;
};

static void sync_beside(void *context)
{
    struct syncer *syncer = context;
    static const char page[4096];
    char path[4096];

    (void)snprintf(path, sizeof path, "%s/bare", syncer->folder);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    while (file >= 0 && !atomic_load(&syncer->is_over)) {
        double start = now_ms();
        if (write(file, page, sizeof page) != (ssize_t)sizeof page ||
            fdatasync(file) != 0) {
            exit(1);
        }
        times_add(&syncer->syncs, now_ms() - start);
        mm_clock_sleep_ms(20);
    }
    (void)close(file);
    (void)remove(path);
}

/* `what` until it and all that it promised is done, beside the others. */
static void measure_beside(struct mm_store *store, const char *folder,
                           const char *name, uint64_t mailbox_id,
                           void (*what)(struct mm_store *store, void *context),
                           void *context)
{
    struct beside beside = {.store = store, .mailbox_id = mailbox_id};
    struct syncer syncer = {.folder = folder};

    times_init(&beside.waits);
    times_init(&syncer.syncs);
    if (mm_thread_start(&beside.thread, "beside", put_beside, &beside) !=
            MAILMOD_OK ||
        mm_thread_start(&syncer.thread, "syncer", sync_beside, &syncer) !=
            MAILMOD_OK) {
        exit(1);
    }
    double start = now_ms();
    what(store, context);
    double took = now_ms() - start;
    atomic_store(&beside.is_over, true);
    atomic_store(&syncer.is_over, true);
    mm_thread_join(&beside.thread);
    mm_thread_join(&syncer.thread);
    printf("%s: %.1f s; beside it\n", name, took / 1e3);
    times_end(&beside.waits, "acknowledged");
    times_end(&syncer.syncs, "bare syncs");
}

/* Nothing but the mail beside it. */
static void wait_idle(struct mm_store *store, void *context)
{
    (void)store;
    (void)context;
    mm_clock_sleep_ms(5000);
}

/* The entries that stand when it begins, and their bodies. */
static void empty_mailbox(struct mm_store *store, void *context)
{
    struct removal removal = {.job.run = run_removal,
                              .mailbox_id = *(uint64_t *)context};
    struct mm_store_entry *entries = NULL;
    struct mm_buf chunk;

    if (mm_store_list_entries(store, removal.mailbox_id, &entries,
                              &removal.count) != MAILMOD_OK) {
        exit(1);
    }
    removal.numbers = mm_alloc_array(removal.count, sizeof *removal.numbers);
    for (size_t i = 0; removal.numbers != NULL && i < removal.count; i++) {
        removal.numbers[i] = entries[i].unique_number;
    }
    if (removal.numbers == NULL ||
        mm_store_run(store, &removal.job) != MAILMOD_OK) {
        exit(1);
    }
    /* The last piece of the last message goes last. */
    mm_buf_init(&chunk, 65536);
    for (size_t i = 0; i < removal.count; i++) {
        while (mm_store_read_chunk(store, entries[i].message_id, 15, &chunk) ==
               MAILMOD_OK) {
            mm_clock_sleep_ms(5);
        }
    }
    mm_buf_fini(&chunk);
    mm_free(removal.numbers);
    mm_free(entries);
}

struct fill {
    struct mm_store_job job;
    struct mm_store *store;
    unsigned count;
};

static enum mailmod_error run_fill(struct mm_store_job *job,
                                   struct mm_store_transaction *transaction)
{
    struct fill *fill = MM_LIST_OBJECT(job, struct fill, job);
    enum mailmod_error error = MAILMOD_OK;

    for (unsigned i = 0; error == MAILMOD_OK && i < fill->count; i++) {
        struct mm_store_message message = {
            .id = mm_store_new_message_id(fill->store), .size = 24};
        struct mm_store_recipient row = {.message_id = message.id,
                                         .path = "user@one.example",
                                         .expires_ms = 86400000};
        (void)snprintf(row.destination, sizeof row.destination, "d%u.example",
                       i % 500);
        error =
            mm_store_put_chunk(transaction, message.id, 0,
                               mm_span("Subject: bench\r\n\r\nbody\r\n", 24));
        if (error == MAILMOD_OK) {
            error = mm_store_put_message(transaction, &message);
        }
        if (error == MAILMOD_OK) {
            error = mm_store_put_recipient(transaction, &row);
        }
    }
    return error;
}

struct act {
    struct mm_store_job job;
    enum mailmod_queue_action action;
};

static enum mailmod_error run_act(struct mm_store_job *job,
                                  struct mm_store_transaction *transaction)
{
    size_t count;
    return mm_store_act(transaction, 0,
                        MM_LIST_OBJECT(job, struct act, job)->action, 1,
                        &count);
}

static void act_on_all(struct mm_store *store, void *context)
{
    struct act *act = context;

    act->job.run = run_act;
    if (mm_store_run(store, &act->job) != MAILMOD_OK) {
        exit(1);
    }
    mm_store_settle(store);
}

static void measure_large(struct mm_store *store, const char *folder,
                          unsigned megabytes, unsigned recipients)
{
    struct submitter large = {
        .store = store, .mailbox_id = make_mailbox(store, 0), .size = 1 << 20};
    struct fill fill = {.job.run = run_fill, .store = store, .count = 10000};
    struct act hold = {.action = MAILMOD_QUEUE_HOLD};
    struct act deletion = {.action = MAILMOD_QUEUE_DELETE};
    uint64_t small = make_mailbox(store, 1);

    large.count = megabytes;
    large.waits_ms = mm_alloc_array(megabytes, sizeof *large.waits_ms);
    if (large.waits_ms == NULL) {
        exit(1);
    }
    submit_all(&large);
    mm_free(large.waits_ms);
    for (unsigned i = 0; i < recipients / 10000; i++) {
        if (mm_store_run(store, &fill.job) != MAILMOD_OK) {
            exit(1);
        }
    }
    measure_beside(store, folder, "nothing", small, wait_idle, NULL);
    measure_beside(store, folder, "a mailbox goes", small, empty_mailbox,
                   &large.mailbox_id);
    measure_beside(store, folder, "a queue is held", small, act_on_all, &hold);
    measure_beside(store, folder, "a queue is deleted", small, act_on_all,
                   &deletion);
}

static void measure_small(struct mm_store *store, unsigned threads, int argc,
                          char **argv)
{
    static struct submitter submitters[THREADS_MAX];

    for (unsigned i = 0; i < threads; i++) {
        submitters[i] = (struct submitter){
            .store = store,
            .mailbox_id = make_mailbox(store, i),
            .count = argc > 3 ? strtoul(argv[3], NULL, 10) : 5000,
            .size = argc > 4 ? strtoul(argv[4], NULL, 10) : 4096};
    }
    measure_puts(store, submitters, threads);
    measure_mailbox(store, submitters[0].mailbox_id);
}

int main(int argc, char **argv)
{
    bool is_large = argc > 2 && strcmp(argv[2], "large") == 0;
    unsigned threads = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 10;
    struct mm_store_options options = {.mode = MM_STORE_EXCLUSIVE,
                                       .syncs = true};
    struct mm_store *store = NULL;

    if (argc < 2 || (!is_large && (threads == 0 || threads > THREADS_MAX))) {
        fprintf(stderr, "store_bench FOLDER [threads] [messages] [octets]\n"
                        "store_bench FOLDER large [megabytes] [recipients]\n");
        return 2;
    }
    options.description = argv[1];
    if (mm_store_open(&store, &options, NULL) != MAILMOD_OK) {
        fprintf(stderr, "%s cannot be opened\n", argv[1]);
        return 1;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    if (is_large) {
        measure_large(store, argv[1],
                      argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 2048,
                      argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 500000);
    } else {
        measure_small(store, threads, argc, argv);
    }
    mm_store_close(&store);
    return 0;
}
