/* store_bench.c - how fast the store takes mail, lists it and lets it go.
 *
 * Each of some threads stores messages one after the other and waits for each
 * acknowledgement, as sessions do; then a mailbox is listed, read and emptied.
 * Prints figures; nothing passes or fails on time.
 *   store_bench FOLDER [threads] [messages of each] [octets]
 * Thread: the submitters', each its own messages. */
#include "base/mem.h"
#include "platform/clock.h"
#include "platform/thread.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

int main(int argc, char **argv)
{
    static struct submitter submitters[THREADS_MAX];
    unsigned threads = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 10;
    struct mm_store_options options = {.mode = MM_STORE_EXCLUSIVE,
                                       .syncs = true};
    struct mm_store *store = NULL;

    if (argc < 2 || threads == 0 || threads > THREADS_MAX) {
        fprintf(stderr, "store_bench FOLDER [threads] [messages] [octets]\n");
        return 2;
    }
    options.description = argv[1];
    if (mm_store_open(&store, &options, NULL) != MAILMOD_OK) {
        fprintf(stderr, "%s cannot be opened\n", argv[1]);
        return 1;
    }
    for (unsigned i = 0; i < threads; i++) {
        submitters[i] = (struct submitter){
            .store = store,
            .mailbox_id = make_mailbox(store, i),
            .count = argc > 3 ? strtoul(argv[3], NULL, 10) : 5000,
            .size = argc > 4 ? strtoul(argv[4], NULL, 10) : 4096};
    }
    measure_puts(store, submitters, threads);
    measure_mailbox(store, submitters[0].mailbox_id);
    mm_store_close(&store);
    return 0;
}
