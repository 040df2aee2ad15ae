/* fake_io.c - virtual time: the clock, timers, tasks and jobs, and the run that
 * moves from one to the next. Thread: the test's; mm_loop_post from any. */
#include "fake_world.h"

struct fake_world world;

static void on_log(void *context, enum mm_log_level level,
                   const char *component, const char *text,
                   const struct mm_log_field *fields, size_t count)
{
    struct mm_buf line;

    (void)context;
    (void)level;
    mm_buf_init(&line, 65536);
    mm_log_render(&line, component, text, fields, count);
    mm_mutex_lock(world.lock);
    mm_buf_append_span(&world.log_text, mm_buf_span(&line));
    mm_buf_append_char(&world.log_text, '\n');
    mm_mutex_unlock(world.lock);
    mm_buf_fini(&line);
}

void fake_open(struct mm_store *store)
{
    memset(&world, 0, sizeof world);
    world.store = store;
    world.now_ms = 1000;
    assert_int_equal(mm_mutex_new(&world.lock), MAILMOD_OK);
    mm_list_init(&world.tasks);
    mm_list_init(&world.jobs);
    mm_list_init(&world.conns);
    mm_list_init(&world.listeners);
    world.next_port = FAKE_PORT_FIRST;
    mm_heap_init(&world.timers, 100000);
    mm_buf_init(&world.log_text, FAKE_TEXT_MAX);
    world.log.sink = on_log;
    atomic_init(&world.log.level, MM_LOG_DEBUG);
}

void fake_close(void)
{
    fake_close_conns();
    assert_true(mm_list_is_empty(&world.jobs));
    assert_true(mm_list_is_empty(&world.tasks));
    assert_int_equal(world.timers.count, 0);
    assert_int_equal(world.tls.references, 0);
    assert_int_equal(world.lenient_tls.references, 0);
    assert_int_equal(world.certificates.references, 0);
    mm_heap_fini(&world.timers);
    mm_buf_fini(&world.log_text);
    mm_mutex_free(&world.lock);
}

struct mm_loop *fake_loop(void)
{
    return &world.loop;
}

struct mm_workers *fake_workers(void)
{
    return &world.workers;
}

const struct mm_log *fake_log(void)
{
    return &world.log;
}

const char *fake_log_text(void)
{
    return mm_buf_cstr(&world.log_text);
}

uint64_t fake_now_ms(void)
{
    return world.now_ms;
}

void fake_set_workers_full(bool is_full)
{
    world.is_workers_full = is_full;
}

void fake_hold_jobs(bool holds)
{
    world.holds_jobs = holds;
}

void mm_loop_post(struct mm_loop *loop, struct mm_task *task)
{
    (void)loop;
    mm_mutex_lock(world.lock);
    mm_list_append(&world.tasks, &task->node);
    mm_mutex_unlock(world.lock);
}

bool mm_loop_is_current(const struct mm_loop *loop)
{
    (void)loop;
    return true;
}

uint64_t mm_loop_now_ms(const struct mm_loop *loop)
{
    (void)loop;
    return world.now_ms;
}

int64_t mm_loop_wall_ms(const struct mm_loop *loop)
{
    (void)loop;
    return FAKE_WALL_MS + (int64_t)world.now_ms;
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
    assert_non_null(timer->on_expired);
    assert_int_equal(
        mm_heap_add(&world.timers, &timer->node, world.now_ms + after_ms),
        MAILMOD_OK);
}

void mm_timer_cancel(struct mm_timer *timer)
{
    mm_heap_remove(&world.timers, &timer->node);
}

bool mm_timer_is_set(const struct mm_timer *timer)
{
    return timer->node.place != 0;
}

void mm_timer_close(struct mm_timer *timer)
{
    mm_timer_cancel(timer);
}

enum mailmod_error mm_workers_submit(struct mm_workers *workers,
                                     struct mm_job *job)
{
    (void)workers;
    if (world.is_workers_full) {
        return MAILMOD_ERROR_LIMIT;
    }
    mm_list_append(&world.jobs, &job->node);
    return MAILMOD_OK;
}

bool fake_run_tasks(void)
{
    bool has_any = false;

    for (;;) {
        struct mm_list *node;
        struct mm_task *task;

        mm_mutex_lock(world.lock);
        node = mm_list_take_first(&world.tasks);
        mm_mutex_unlock(world.lock);
        if (node == NULL) {
            return has_any;
        }
        task = MM_LIST_OBJECT(node, struct mm_task, node);
        task->run(task);
        has_any = true;
    }
}

static bool run_job(void)
{
    struct mm_list *node =
        world.holds_jobs ? NULL : mm_list_take_first(&world.jobs);

    if (node != NULL) {
        struct mm_job *job = MM_LIST_OBJECT(node, struct mm_job, node);

        job->run(job);
        job->done(job);
    }
    return node != NULL;
}

static enum mailmod_error run_nothing(struct mm_store_job *job,
                                      struct mm_store_transaction *t)
{
    (void)job;
    (void)t;
    return MAILMOD_OK;
}

static bool wait_for_store(void)
{
    struct mm_store_job job = {.run = run_nothing};
    bool has_any;

    if (world.store != NULL && !world.is_store_held) {
        /* Refused or not: what was submitted before has been told. */
        assert_true(mm_store_run(world.store, &job) <= MAILMOD_OK);
    }
    mm_mutex_lock(world.lock);
    has_any = !mm_list_is_empty(&world.tasks);
    mm_mutex_unlock(world.lock);
    return has_any;
}

/* A job that sits in the writer until it is let go. */
static struct gate {
    struct mm_store_job job;
    struct mm_mutex *mutex;
    struct mm_condition *condition;
    bool is_in;
    bool is_open;
    bool is_done;
} gate;

static void signal_gate(bool *flag)
{
    mm_mutex_lock(gate.mutex);
    *flag = true;
    mm_condition_broadcast(gate.condition);
    mm_mutex_unlock(gate.mutex);
}

static void await_gate(const bool *flag)
{
    mm_mutex_lock(gate.mutex);
    while (!*flag) {
        mm_condition_wait(gate.condition, gate.mutex);
    }
    mm_mutex_unlock(gate.mutex);
}

static enum mailmod_error run_gate(struct mm_store_job *job,
                                   struct mm_store_transaction *t)
{
    (void)job;
    (void)t;
    signal_gate(&gate.is_in);
    await_gate(&gate.is_open);
    return MAILMOD_OK;
}

static void gate_done(struct mm_store_job *job, enum mailmod_error error)
{
    (void)job;
    (void)error;
    signal_gate(&gate.is_done);
}

void fake_hold_store(struct mm_store *store)
{
    memset(&gate, 0, sizeof gate);
    assert_int_equal(mm_mutex_new(&gate.mutex), MAILMOD_OK);
    assert_int_equal(mm_condition_new(&gate.condition), MAILMOD_OK);
    gate.job.run = run_gate;
    gate.job.done = gate_done;
    world.is_store_held = true;
    mm_store_submit(store, &gate.job);
    await_gate(&gate.is_in);
}

void fake_release_store(void)
{
    signal_gate(&gate.is_open);
    await_gate(&gate.is_done);
    world.is_store_held = false;
    mm_condition_free(&gate.condition);
    mm_mutex_free(&gate.mutex);
}

static bool run_timer(void)
{
    struct mm_heap_node *node = mm_heap_first(&world.timers);

    if (node == NULL || node->key > world.now_ms) {
        return false;
    }
    mm_heap_remove(&world.timers, node);
    MM_LIST_OBJECT(node, struct mm_timer, node)
        ->on_expired(MM_LIST_OBJECT(node, struct mm_timer, node));
    return true;
}

static uint64_t next_ms(void)
{
    struct mm_heap_node *node = mm_heap_first(&world.timers);
    uint64_t conn_ms = fake_next_conn_ms();

    return node != NULL && node->key < conn_ms ? node->key : conn_ms;
}

void fake_run(uint64_t for_ms)
{
    uint64_t end_ms = world.now_ms + for_ms;

    for (;;) {
        uint64_t next;

        if (fake_run_tasks() || run_job() || fake_run_conns() ||
            wait_for_store() || run_timer()) {
            continue;
        }
        next = next_ms();
        if (next > end_ms) {
            world.now_ms = end_ms;
            return;
        }
        world.now_ms = next > world.now_ms ? next : world.now_ms + 1;
    }
}
