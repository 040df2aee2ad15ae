/* test_crash.c - kill -9 at any time: what was acknowledged is there, once and
 * whole; what was not is there whole or not at all; the rest was swept. */
#include "../fixture.h"

#include "platform/clock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 30
#define ACKED_MAX 100000

struct told {
    uint64_t id;
    uint64_t size;
};

struct send {
    struct mm_store_job job;
    struct mm_store *store;
    uint64_t box;
    struct told told;
    int end;
};

static enum mailmod_error run_send(struct mm_store_job *job,
                                   struct mm_store_transaction *t)
{
    struct send *send = MM_LIST_OBJECT(job, struct send, job);
    enum mailmod_error error =
        fixture_put_row(t, send->told.id, send->told.size);
    return error == MAILMOD_OK ? mm_store_put_entry(t, send->box, send->told.id,
                                                    send->told.size)
                               : error;
}

static enum mailmod_error put_body(struct mm_store_transaction *t,
                                   void *context)
{
    struct send *send = context;
    return fixture_put_body(t, send->told.id, send->told.size);
}

/* The body in a job of its own, then the message: a death between the two
 * leaves chunks to sweep. Eight at a time wait. */
static void on_sent(struct mm_store_job *job, enum mailmod_error error)
{
    struct send *send = MM_LIST_OBJECT(job, struct send, job);
    if (error != MAILMOD_OK ||
        write(send->end, &send->told, sizeof send->told) !=
            (ssize_t)sizeof send->told) {
        _exit(3);
    }
    free(send);
}

static void send_until_killed(const char *folder, int end)
{
    struct mm_store_options options = {
        .description = folder, .mode = MM_STORE_EXCLUSIVE, .syncs = true};
    struct mm_store *store = NULL;
    struct mm_store_user user;
    if (mm_store_open(&store, &options, NULL) != MAILMOD_OK ||
        mm_store_find_user(store, "alice", &user) != MAILMOD_OK) {
        _exit(2);
    }
    for (uint64_t i = 0;; i++) {
        struct send *send = calloc(1, sizeof *send);
        if (send == NULL) {
            _exit(4);
        }
        send->store = store;
        send->box = user.mailbox_id;
        send->told = (struct told){mm_store_new_message_id(store),
                                   i % 20 == 0 ? 150000 : 100 + i % 4000};
        send->end = end;
        send->job.run = run_send;
        send->job.done = on_sent;
        if (fixture_run(store, put_body, send) != MAILMOD_OK) {
            _exit(5);
        }
        mm_store_submit(store, &send->job);
    }
}

static size_t read_told(int end, struct told *told)
{
    size_t size = 0;
    ssize_t got;
    do {
        got = read(end, (char *)told + size, ACKED_MAX * sizeof *told - size);
        size += got > 0 ? (size_t)got : 0;
    } while (got > 0);
    return size / sizeof *told; /* a record cut by the death was not told */
}

static size_t check(struct mm_store *store, uint64_t box,
                    const struct told *told, size_t count)
{
    struct mm_store_entry *entries;
    size_t entry_count;
    size_t at = 0;
    assert_int_equal(mm_store_list_entries(store, box, &entries, &entry_count),
                     MAILMOD_OK);
    /* Both in the order of their numbers: each told one is there, once. */
    for (size_t i = 0; i < entry_count; i++) {
        if (at < count && entries[i].message_id == told[at].id) {
            assert_int_equal(entries[i].size, told[at].size);
            at++;
        }
        assert_true(i == 0 ||
                    entries[i].message_id > entries[i - 1].message_id);
        fixture_check_body(store, entries[i].message_id, entries[i].size);
    }
    assert_int_equal(at, count);
    mm_free(entries);
    return entry_count;
}

static enum mailmod_error remove_all(struct mm_store_transaction *t,
                                     void *context)
{
    uint64_t numbers[1000];
    uint64_t *range = context;
    for (uint64_t first = range[1]; first < range[2]; first += 1000) {
        for (uint64_t i = 0; i < 1000; i++) {
            numbers[i] = first + i;
        }
        enum mailmod_error error =
            mm_store_remove_entries(t, range[0], numbers, 1000);
        if (error != MAILMOD_OK) {
            return error;
        }
    }
    return MAILMOD_OK;
}

static size_t run_round(struct fixture *fixture, struct told *told,
                        uint64_t box, unsigned wait_us)
{
    int ends[2];
    struct mm_store *store = NULL;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        send_until_killed(fixture->folder, ends[1]);
    }
    close(ends[1]);
    usleep(wait_us);
    kill(child, SIGKILL);
    size_t count = read_told(ends[0], told);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    close(ends[0]);
    assert_int_equal(fixture_open_as(fixture, MM_STORE_EXCLUSIVE, &store, NULL),
                     MAILMOD_OK);
    size_t there = check(store, box, told, count);
    fixture_verify(store);
    uint64_t range[3] = {box, 0, 0};
    struct mm_store_entry *entries;
    size_t entry_count;
    assert_int_equal(mm_store_list_entries(store, box, &entries, &entry_count),
                     MAILMOD_OK);
    if (entry_count > 0) {
        range[1] = entries[0].unique_number;
        range[2] = entries[entry_count - 1].unique_number + 1;
    }
    mm_free(entries);
    assert_int_equal(fixture_run(store, remove_all, range), MAILMOD_OK);
    assert_int_equal(fixture_count_entries(store, box), 0);
    mm_store_close(&store);
    print_message("%zu told, %zu there\n", count, there);
    return count;
}

static void test_killed(void **state)
{
    struct fixture *fixture = *state;
    struct told *told = malloc(ACKED_MAX * sizeof *told);
    uint64_t seed = mm_clock_monotonic_ms();
    size_t count = 0;
    assert_non_null(told);
    uint64_t box = fixture_add_user(fixture->store, "alice");
    mm_store_close(&fixture->store);
    print_message("seed %llu\n", (unsigned long long)seed);
    /* How many are told is the machine's affair: where that is slow, it gets
     * more time. */
    for (size_t round = 0; round < ROUNDS || count == 0; round++) {
        unsigned longest_us = count >= round ? 100000 : 2000000;
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        count += run_round(fixture, told, box,
                           5000 + (unsigned)(seed >> 33) % longest_us);
    }
    free(told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {ON_DISK(test_killed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
