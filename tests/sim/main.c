/* main.c - runs seeds: each in a process of its own, so that one that breaks
 * ends alone; a seed that fails is run again with fewer messages and faults
 * for as long as it still fails, and then shown.
 *
 *   sim [--messages N] [--faults N] [--hours N] [--machines N] [--day] FIRST N
 *   sim --show [...] SEED      one seed with its trace
 *   sim --twice [...] FIRST N  each seed twice: the traces must be equal
 *
 * Thread: the only one. */
#include "client.h"
#include "host.h"
#include "look.h"

#include "base/mem.h"
#include "crypto/crypto.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOOK_MS = 300000, CODE_BROKEN = 3 };

static struct {
    bool is_twice, is_quiet;
    unsigned messages, hours, faults, machines;
    bool is_day;
} wanted = {.messages = 40, .hours = 2, .faults = SIM_FAULTS_ALL};

static void look(void *context)
{
    (void)context;
    sim_look();
    sim_after(LOOK_MS, look, NULL);
}

/* After the traffic: what is tried the longest, with the waits around it, and
 * what its report is tried; and senders who come again. */
static uint64_t last_ms(void)
{
    uint64_t lifetime_ms = (sim_options.is_day ? 24u : 3u) * SIM_HOUR_MS;
    return (uint64_t)sim_options.hours * SIM_HOUR_MS + 3 * lifetime_ms +
           10 * SIM_HOUR_MS;
}

static void run_to_the_end(void)
{
    uint64_t traffic_ms = (uint64_t)sim_options.hours * SIM_HOUR_MS;
    sim_run_until(traffic_ms);
    for (uint64_t at_ms = traffic_ms; !sim_ledger_is_done();) {
        at_ms += SIM_HOUR_MS / 6;
        if (at_ms > last_ms()) {
            sim_ledger_show_open();
            sim_broken("not all mail is delivered or reported at the end");
        }
        sim_run_until(at_ms);
    }
    /* What comes twice comes now. */
    sim_run_until(sim_now_ms() + 2 * SIM_HOUR_MS);
}

static void begin(uint64_t seed)
{
    sim_options.seed = seed;
    sim_time_begin(seed);
    sim_look_begin();
    sim_ledger_begin(sim_options.messages);
    sim_machines_begin();
    sim_hosts_begin();
    sim_clients_begin();
    sim_readers_begin();
    sim_after(LOOK_MS, look, NULL);
}

static void end(void)
{
    sim_machines_end();
    sim_look_end();
    sim_ledger_end();
    sim_clients_end();
    sim_readers_end();
    sim_net_end();
    sim_loops_end();
    sim_names_end();
    sim_time_end();
}

static int run_seed(uint64_t seed)
{
    unsigned delivered = 0;
    unsigned reported = 0;
    unsigned twice = 0;
    begin(seed);
    run_to_the_end();
    sim_ledger_count(&delivered, &reported, &twice);
    uint64_t hash = sim_trace_hash();
    uint64_t now_ms = sim_now_ms();
    end();
    if (!wanted.is_quiet) {
        printf("seed %llu: %u delivered, %u reported, %u twice, %llu hours, "
               "trace %016llx\n",
               (unsigned long long)seed, delivered, reported, twice,
               (unsigned long long)(now_ms / SIM_HOUR_MS),
               (unsigned long long)hash);
    }
    return 0;
}

/* In a process of its own: its exit code, and what it said in `said_out`. */
static int run_apart(uint64_t seed, char *said_out, size_t size)
{
    int pipe_ends[2];
    (void)fflush(stdout);
    if (pipe(pipe_ends) != 0) {
        sim_fail("no pipe");
    }
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(pipe_ends[1], STDOUT_FILENO);
        (void)close(pipe_ends[0]);
        int code = run_seed(seed);
        (void)fflush(stdout);
        _exit(code);
    }
    (void)close(pipe_ends[1]);
    size_t used = 0;
    ssize_t got = 0;
    char more[4096];
    while ((got = read(pipe_ends[0], more, sizeof more)) > 0) {
        size_t room = size - 1 - used;
        size_t kept = (size_t)got < room ? (size_t)got : room;
        memcpy(said_out + used, more, kept);
        used += kept;
    }
    said_out[used] = '\0';
    (void)close(pipe_ends[0]);
    int status = 0;
    (void)waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void use_wanted(void)
{
    sim_options.messages = wanted.messages;
    sim_options.faults = wanted.faults;
    sim_options.machines = wanted.machines;
    sim_options.hours = wanted.hours;
    sim_options.is_day = wanted.is_day;
}

/* The fewest messages and faults with which it still fails. */
static void cut_down(uint64_t seed, char *said, size_t size)
{
    for (unsigned bit = 1; bit < SIM_FAULTS_ALL; bit <<= 1) {
        unsigned before = sim_options.faults;
        sim_options.faults &= ~bit;
        if (sim_options.faults != before && run_apart(seed, said, size) == 0) {
            sim_options.faults = before;
        }
    }
    unsigned step = sim_options.messages / 2;
    while (step > 0) {
        if (step < sim_options.messages) {
            sim_options.messages -= step;
            if (run_apart(seed, said, size) == 0) {
                sim_options.messages += step;
                step /= 2;
            }
        } else {
            step /= 2;
        }
    }
}

static void show_failure(uint64_t seed)
{
    static char said[4000];
    int code = run_apart(seed, said, sizeof said);
    printf("seed %llu fails (%d):\n%s", (unsigned long long)seed, code, said);
    cut_down(seed, said, sizeof said);
    (void)run_apart(seed, said, sizeof said);
    printf("the shortest: sim --show --messages %u --faults %u --hours %u "
           "--machines %u%s %llu\n%s",
           sim_options.messages, sim_options.faults, sim_options.hours,
           sim_options.machines, sim_options.is_day ? " --day" : "",
           (unsigned long long)seed, said);
    (void)fflush(stdout);
    use_wanted();
}

static bool is_equal_twice(uint64_t seed)
{
    static char first[4000];
    static char second[4000];
    int code = run_apart(seed, first, sizeof first);
    /* The other one begins with memory elsewhere. */
    void *shift = malloc((size_t)sim_below(100000) + 100);
    bool is_equal = code == 0 && run_apart(seed, second, sizeof second) == 0 &&
                    strcmp(first, second) == 0;
    free(shift);
    if (!is_equal) {
        printf("two runs of one seed differ:\n%s%s", first, second);
    }
    return is_equal;
}

static int run_seeds(uint64_t first, uint64_t count)
{
    static char said[4000];
    unsigned failed = 0;
    for (uint64_t seed = first; seed < first + count; seed++) {
        if (wanted.is_twice) {
            failed += !is_equal_twice(seed);
        } else if (run_apart(seed, said, sizeof said) != 0) {
            failed++;
            show_failure(seed);
        } else if (count <= 50) {
            (void)fputs(said, stdout);
        }
    }
    printf("%llu seeds, %u failed\n", (unsigned long long)count, failed);
    return failed > 0 ? 1 : 0;
}

static unsigned number(const char *text)
{
    return (unsigned)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        const char *value = at + 1 < argc ? argv[at + 1] : "";
        if (strcmp(argv[at], "--show") == 0) {
            sim_options.shows_trace = true;
        } else if (strcmp(argv[at], "--twice") == 0) {
            wanted.is_twice = true;
        } else if (strcmp(argv[at], "--day") == 0) {
            wanted.is_day = true;
        } else {
            unsigned *target =
                strcmp(argv[at], "--messages") == 0   ? &wanted.messages
                : strcmp(argv[at], "--faults") == 0   ? &wanted.faults
                : strcmp(argv[at], "--hours") == 0    ? &wanted.hours
                : strcmp(argv[at], "--machines") == 0 ? &wanted.machines
                                                      : NULL;
            if (target == NULL) {
                (void)fprintf(stderr, "%s?\n", argv[at]);
                return 2;
            }
            *target = number(value);
            at++;
        }
    }
    if (at >= argc) {
        (void)fprintf(stderr, "sim [options] FIRST [COUNT]\n");
        return 2;
    }
    uint64_t first = strtoull(argv[at], NULL, 10);
    use_wanted();
    if (sim_options.shows_trace) {
        return run_seed(first);
    }
    return run_seeds(first, at + 1 < argc ? number(argv[at + 1]) : 1);
}
