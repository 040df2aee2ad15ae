/* time.c - virtual time: events in their order, numbers from the seed, and the
 * trace of a run.
 *
 * Owns the one clock, the heap of events and that of all loops' timers, and the
 * generator that decides everything. Promises: two runs of one seed make the
 * same events in the same order, so their traces have one hash.
 * Thread: the run's. */
#include "sim.h"

#include "base/mem.h"
#include "base/splitmix.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ORDER_BITS = 22, LINE_MAX = 2000 };

struct event {
    struct mm_heap_node node;
    void (*run)(void *context);
    void *context;
};

struct sim_options sim_options;

static struct {
    uint64_t now_ms;
    uint64_t order;
    uint64_t random;
    uint64_t hash;
    struct mm_heap events;
    struct mm_heap timers;
} run;

void sim_time_begin(uint64_t seed)
{
    memset(&run, 0, sizeof run);
    run.now_ms = 1000;
    run.random = seed;
    run.hash = 1469598103934665603u;
    mm_heap_init(&run.events, SIZE_MAX / 16);
    mm_heap_init(&run.timers, SIZE_MAX / 16);
}

void sim_time_end(void)
{
    struct mm_heap_node *node = NULL;
    while ((node = mm_heap_first(&run.events)) != NULL) {
        mm_heap_remove(&run.events, node);
        mm_free(MM_LIST_OBJECT(node, struct event, node));
    }
    mm_heap_fini(&run.events);
    mm_heap_fini(&run.timers);
}

uint64_t sim_now_ms(void)
{
    return run.now_ms;
}

int64_t sim_wall_ms(void)
{
    return SIM_BEGIN_WALL_MS + (int64_t)run.now_ms;
}

struct mm_heap *sim_timers(void)
{
    return &run.timers;
}

uint64_t sim_timer_key(uint64_t at_ms)
{
    uint64_t longest = UINT64_MAX >> ORDER_BITS;
    at_ms = at_ms < longest ? at_ms : longest;
    return (at_ms << ORDER_BITS) | (run.order++ & ((1u << ORDER_BITS) - 1));
}

void sim_after(uint64_t wait_ms, void (*what)(void *context), void *context)
{
    struct event *event = mm_alloc(sizeof *event);
    if (event == NULL) {
        sim_fail("no memory for an event");
    }
    event->run = what;
    event->context = context;
    if (mm_heap_add(&run.events, &event->node,
                    sim_timer_key(run.now_ms + wait_ms)) != MAILMOD_OK) {
        sim_fail("no memory for an event");
    }
}

static void run_timer(struct mm_heap_node *node)
{
    struct mm_timer *timer = MM_LIST_OBJECT(node, struct mm_timer, node);
    mm_heap_remove(&run.timers, node);
    timer->on_expired(timer);
}

static void run_event(struct mm_heap_node *node)
{
    struct event *event = MM_LIST_OBJECT(node, struct event, node);
    struct event copy = *event;
    mm_heap_remove(&run.events, node);
    mm_free(event);
    copy.run(copy.context);
}

bool sim_step(void)
{
    struct mm_heap_node *event = mm_heap_first(&run.events);
    struct mm_heap_node *timer = mm_heap_first(&run.timers);
    bool is_timer = timer != NULL && (event == NULL || timer->key < event->key);
    struct mm_heap_node *node = is_timer ? timer : event;
    if (node == NULL) {
        return false;
    }
    uint64_t at_ms = node->key >> ORDER_BITS;
    run.now_ms = at_ms > run.now_ms ? at_ms : run.now_ms;
    if (is_timer) {
        run_timer(node);
    } else {
        run_event(node);
    }
    return true;
}

static uint64_t next_ms(void)
{
    struct mm_heap_node *event = mm_heap_first(&run.events);
    struct mm_heap_node *timer = mm_heap_first(&run.timers);
    uint64_t key = event != NULL ? event->key : UINT64_MAX;
    key = timer != NULL && timer->key < key ? timer->key : key;
    return key >> ORDER_BITS;
}

void sim_run_until(uint64_t at_ms)
{
    while (next_ms() <= at_ms && sim_step()) {
    }
    run.now_ms = at_ms > run.now_ms ? at_ms : run.now_ms;
}

uint64_t sim_below(uint64_t limit)
{
    return limit > 1 ? mm_splitmix_next(&run.random) % limit : 0;
}

uint64_t sim_between(uint64_t least, uint64_t most)
{
    return least + sim_below(most - least + 1);
}

bool sim_chance(unsigned per_mille)
{
    return sim_below(1000) < per_mille;
}

bool sim_fault(enum sim_fault kind, unsigned per_mille)
{
    return (sim_options.faults & (unsigned)kind) != 0 && sim_chance(per_mille);
}

/* FNV-1a. */
static void add_to_hash(const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        run.hash = (run.hash ^ (unsigned char)*at) * 1099511628211u;
    }
}

uint64_t sim_trace_hash(void)
{
    return run.hash;
}

static void show_time(void)
{
    printf("%3llu:%02llu:%02llu.%03llu ",
           (unsigned long long)(run.now_ms / SIM_HOUR_MS),
           (unsigned long long)(run.now_ms / SIM_MINUTE_MS % 60),
           (unsigned long long)(run.now_ms / 1000 % 60),
           (unsigned long long)(run.now_ms % 1000));
}

void sim_trace(const char *format, ...)
{
    char line[LINE_MAX];
    va_list list;
    va_start(list, format);
    (void)vsnprintf(line, sizeof line, format, list);
    va_end(list);
    char at[32];
    (void)snprintf(at, sizeof at, "%llu ", (unsigned long long)run.now_ms);
    add_to_hash(at);
    add_to_hash(line);
    if (sim_options.shows_trace) {
        show_time();
        puts(line);
    }
}

static void end_run(const char *what, const char *line, int code)
{
    show_time();
    printf("%s: %s\n", what, line);
    (void)fflush(stdout);
    _Exit(code);
}

void sim_broken(const char *format, ...)
{
    char line[LINE_MAX];
    va_list list;
    va_start(list, format);
    (void)vsnprintf(line, sizeof line, format, list);
    va_end(list);
    end_run("BROKEN", line, 3);
}

void sim_fail(const char *format, ...)
{
    char line[LINE_MAX];
    va_list list;
    va_start(list, format);
    (void)vsnprintf(line, sizeof line, format, list);
    va_end(list);
    end_run("SIMULATOR", line, 4);
}
