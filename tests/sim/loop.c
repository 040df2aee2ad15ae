/* loop.c - io.h's loops, tasks, timers and workers on virtual time.
 *
 * A loop is a list of tasks that an event runs in their order. A worker's job
 * is an event of its own some time later, and what it has done comes to its
 * loop by a task, as in io/worker.c. Loops and pools that were freed stay until
 * the run ends, for events may still name them. Thread: the run's. */
#include "sim.h"

#include "base/mem.h"
#include "platform/thread.h"

#include <string.h>

struct mm_loop {
    struct mm_list node; /* of all loops */
    struct sim_machine *machine;
    struct mm_list tasks;
    bool is_running;
    bool is_due; /* an event will run the tasks */
    bool is_stopped;
};

struct mm_workers {
    struct mm_list node;
    struct mm_list jobs;
    size_t count, max;
};

static struct mm_list loops = {&loops, &loops};
static struct mm_list pools = {&pools, &pools};

struct sim_machine *sim_loop_machine(const struct mm_loop *loop)
{
    return loop->machine;
}

enum mailmod_error mm_loop_new(struct mm_loop **loop_out,
                               const struct mm_log *log)
{
    (void)log;
    struct mm_loop *loop = mm_alloc(sizeof *loop);
    if (loop == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    loop->machine = sim_machine_starting();
    mm_list_init(&loop->tasks);
    mm_list_append(&loops, &loop->node);
    *loop_out = loop;
    return MAILMOD_OK;
}

static void run_tasks(void *context)
{
    struct mm_loop *loop = context;
    struct mm_list *node = NULL;
    loop->is_due = false;
    while ((node = mm_list_take_first(&loop->tasks)) != NULL) {
        struct mm_task *task = MM_LIST_OBJECT(node, struct mm_task, node);
        task->run(task);
    }
}

static void make_due(struct mm_loop *loop)
{
    if (!loop->is_due && loop->is_running && !mm_list_is_empty(&loop->tasks)) {
        loop->is_due = true;
        sim_after(sim_chance(50) ? sim_below(20) : 0, run_tasks, loop);
    }
}

enum mailmod_error mm_loop_start(struct mm_loop *loop)
{
    loop->is_running = true;
    make_due(loop);
    return MAILMOD_OK;
}

/* Octets arrive in pieces of the network's own here. */
void mm_loop_watch_memory(struct mm_loop *loop, const struct mm_budget *budget)
{
    (void)loop;
    (void)budget;
}

enum mailmod_error mm_loop_start_turned(struct mm_loop *loop)
{
    return mm_loop_start(loop);
}

enum mailmod_error mm_loop_turn(struct mm_loop *loop, uint64_t wait_ms)
{
    (void)loop;
    (void)wait_ms;
    return MAILMOD_ERROR_STATE;
}

enum mailmod_error mm_loop_next(struct mm_loop *loop, int *descriptor_out,
                                int64_t *wait_ms_out)
{
    (void)loop;
    *descriptor_out = -1;
    *wait_ms_out = -1;
    return MAILMOD_ERROR_STATE;
}

void mm_loop_wait(struct mm_loop *loop, struct mm_condition *condition,
                  struct mm_mutex *mutex)
{
    (void)loop;
    mm_condition_wait(condition, mutex);
}

void mm_loop_stop(struct mm_loop *loop)
{
    if (loop->is_stopped) {
        return;
    }
    run_tasks(loop);
    sim_net_loop_stops(loop);
    run_tasks(loop);
    loop->is_running = false;
    loop->is_stopped = true;
}

void mm_loop_free(struct mm_loop **loop)
{
    *loop = NULL;
}

void mm_loop_post(struct mm_loop *loop, struct mm_task *task)
{
    if (loop->is_stopped) {
        return;
    }
    mm_list_append(&loop->tasks, &task->node);
    make_due(loop);
}

bool mm_loop_is_current(const struct mm_loop *loop)
{
    (void)loop;
    return true;
}

uint64_t mm_loop_now_ms(const struct mm_loop *loop)
{
    (void)loop;
    return sim_now_ms();
}

int64_t mm_loop_wall_ms(const struct mm_loop *loop)
{
    (void)loop;
    return sim_wall_ms();
}

enum mailmod_error mm_timer_open(struct mm_timer *timer, struct mm_loop *loop,
                                 void (*on_expired)(struct mm_timer *))
{
    memset(timer, 0, sizeof *timer);
    timer->loop = loop;
    timer->on_expired = on_expired;
    return MAILMOD_OK;
}

void mm_timer_set(struct mm_timer *timer, uint64_t after_ms)
{
    uint64_t wait_ms = after_ms > 0 ? after_ms : 1;
    uint64_t now_ms = sim_now_ms();
    uint64_t at_ms =
        wait_ms < UINT64_MAX - now_ms ? now_ms + wait_ms : UINT64_MAX;
    if (mm_heap_add(sim_timers(), &timer->node, sim_timer_key(at_ms)) !=
        MAILMOD_OK) {
        sim_fail("no memory for a timer");
    }
}

void mm_timer_cancel(struct mm_timer *timer)
{
    if (timer->node.place != 0) {
        mm_heap_remove(sim_timers(), &timer->node);
    }
}

bool mm_timer_is_set(const struct mm_timer *timer)
{
    return timer->node.place != 0;
}

void mm_timer_close(struct mm_timer *timer)
{
    mm_timer_cancel(timer);
}

static void job_is_done(struct mm_task *task)
{
    struct mm_job *job = MM_LIST_OBJECT(task, struct mm_job, task);
    job->done(job);
}

static void run_job(struct mm_workers *workers)
{
    struct mm_list *node = mm_list_take_first(&workers->jobs);
    if (node == NULL) {
        return; /* it was run when the pool was freed */
    }
    struct mm_job *job = MM_LIST_OBJECT(node, struct mm_job, node);
    workers->count--;
    job->run(job);
    if (job->loop == NULL) {
        job->done(job);
        return;
    }
    job->task.run = job_is_done;
    mm_loop_post(job->loop, &job->task);
}

static void worker_turns(void *context)
{
    run_job(context);
}

enum mailmod_error mm_workers_new(struct mm_workers **workers_out,
                                  unsigned count, size_t queue_max)
{
    (void)count;
    struct mm_workers *workers = mm_alloc(sizeof *workers);
    if (workers == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    workers->max = queue_max;
    mm_list_init(&workers->jobs);
    mm_list_append(&pools, &workers->node);
    *workers_out = workers;
    return MAILMOD_OK;
}

enum mailmod_error mm_workers_submit(struct mm_workers *workers,
                                     struct mm_job *job)
{
    if (workers->count >= workers->max) {
        return MAILMOD_ERROR_LIMIT;
    }
    workers->count++;
    mm_list_append(&workers->jobs, &job->node);
    sim_after(sim_chance(30) ? sim_below(300) : 0, worker_turns, workers);
    return MAILMOD_OK;
}

void mm_workers_free(struct mm_workers **workers)
{
    while (*workers != NULL && !mm_list_is_empty(&(*workers)->jobs)) {
        run_job(*workers);
    }
    *workers = NULL;
}

struct mm_loop *sim_world_loop(void)
{
    static struct mm_loop *world;
    if (world == NULL || mm_list_is_empty(&loops)) {
        if (mm_loop_new(&world, NULL) != MAILMOD_OK ||
            mm_loop_start(world) != MAILMOD_OK) {
            sim_fail("no memory for a loop");
        }
        world->machine = NULL;
    }
    return world;
}

void sim_loops_end(void)
{
    struct mm_list *node = NULL;
    while ((node = mm_list_take_first(&loops)) != NULL) {
        mm_free(MM_LIST_OBJECT(node, struct mm_loop, node));
    }
    while ((node = mm_list_take_first(&pools)) != NULL) {
        mm_free(MM_LIST_OBJECT(node, struct mm_workers, node));
    }
}
