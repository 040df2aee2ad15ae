/* fake_io.c - virtual time: the clock, timers, tasks, jobs and events, and the
 * run that moves from one to the next. Thread: the test's; mm_loop_post from
 * any. */
#include "fake_world.h"

struct fake_world world;

/* Faults belong to the code under test on the test's own thread; the store's
 * writer, which logs too, has none. */
static _Thread_local bool may_fail_here;

static void on_log(void *context, enum mm_log_level level,
                   const char *component, const char *text,
                   const struct mm_log_field *fields, size_t count)
{
    struct mm_buf line;
    bool may_fail = fake_pause_faults();
    (void)context;
    (void)level;
    mm_buf_init(&line, 65536);
    mm_log_render(&line, component, text, fields, count);
    mm_mutex_lock(world.lock);
    mm_buf_append_span(&world.log_text, mm_buf_span(&line));
    mm_buf_append_char(&world.log_text, '\n');
    mm_mutex_unlock(world.lock);
    mm_buf_fini(&line);
    fake_resume_faults(may_fail);
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
    mm_heap_init(&world.timers, 100000);
    mm_heap_init(&world.events, 100000);
    mm_buf_init(&world.said, TEXT_MAX);
    mm_buf_init(&world.body, TEXT_MAX);
    mm_buf_init(&world.log_text, TEXT_MAX);
    world.log.sink = on_log;
    atomic_init(&world.log.level, MM_LOG_DEBUG);
}

static void free_event(struct event *event)
{
    mm_heap_remove(&world.events, &event->node);
    mm_free(event->query);
    mm_free(event->bytes);
    mm_free(event);
}

void fake_close(void)
{
    struct mm_heap_node *node = NULL;
    while ((node = mm_heap_first(&world.events)) != NULL) {
        free_event(MM_LIST_OBJECT(node, struct event, node));
    }
    MM_LIST_EACH(item, &world.conns)
    {
        fake_free_conn(MM_LIST_OBJECT(item, struct mm_conn, node));
    }
    fake_remove_hosts();
    mm_heap_fini(&world.timers);
    mm_heap_fini(&world.events);
    mm_buf_fini(&world.said);
    mm_buf_fini(&world.body);
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

void fake_log_from(enum mm_log_level level)
{
    atomic_store(&world.log.level, (int)level);
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

void fake_shift_wall(int64_t by_ms)
{
    world.wall_shift_ms += by_ms;
}

void fake_set_workers_full(bool is_full)
{
    world.is_workers_full = is_full;
}

void fake_fail_allocation(unsigned long number)
{
    world.fault_number = number;
    world.is_fault_met = false;
}

bool fake_has_failed_allocation(void)
{
    return world.is_fault_met;
}

bool fake_pause_faults(void)
{
    bool may_fail = may_fail_here;
    if (may_fail && world.fault_number > 0) {
        unsigned long count = mm_mem_set_fault(0, 0);
        world.is_fault_met = count >= world.fault_number;
        world.fault_number -= world.is_fault_met ? world.fault_number : count;
    }
    may_fail_here = false;
    return may_fail;
}

void fake_resume_faults(bool may_fail)
{
    may_fail_here = may_fail;
    if (may_fail && world.fault_number > 0) {
        (void)mm_mem_set_fault(world.fault_number, 0);
    }
}

struct event *fake_add_event(enum event_kind kind, struct mm_conn *conn,
                             uint64_t after_ms)
{
    bool may_fail = fake_pause_faults();
    struct event *event = mm_alloc(sizeof *event);
    assert_non_null(event);
    event->kind = kind;
    event->conn = conn;
    /* Those of one time come in the order of their making. */
    uint64_t key = (world.now_ms + after_ms) * TICKS + (world.order++ % TICKS);
    assert_int_equal(mm_heap_add(&world.events, &event->node, key), MAILMOD_OK);
    fake_resume_faults(may_fail);
    return event;
}

void fake_drop_events(const struct mm_conn *conn)
{
    for (size_t i = 0; i < world.events.count;) {
        struct event *event =
            MM_LIST_OBJECT(world.events.nodes[i], struct event, node);
        if (event->conn == conn && event->kind != EVENT_ANSWER) {
            free_event(event);
            i = 0;
        } else {
            i++;
        }
    }
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
    return FAKE_WALL_MS + (int64_t)world.now_ms + world.wall_shift_ms;
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
    bool may_fail = fake_pause_faults();
    assert_non_null(timer->on_expired);
    assert_int_equal(
        mm_heap_add(&world.timers, &timer->node, world.now_ms + after_ms),
        MAILMOD_OK);
    fake_resume_faults(may_fail);
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

static void run_event(const struct event *event)
{
    if (event->kind == EVENT_ANSWER) {
        fake_answer(event->query);
    } else {
        fake_run_conn_event(event);
    }
}

/* A copy runs, so that whatever it does to the heap does not touch it. */
static void run_first_event(void)
{
    struct event *event =
        MM_LIST_OBJECT(mm_heap_first(&world.events), struct event, node);
    struct event copy = *event;
    mm_heap_remove(&world.events, &event->node);
    mm_free(event);
    copy.node.place = 0;
    run_event(&copy);
    mm_free(copy.bytes);
    mm_free(copy.query);
}

static struct mm_task *take_task(void)
{
    mm_mutex_lock(world.lock);
    struct mm_list *node = mm_list_take_first(&world.tasks);
    mm_mutex_unlock(world.lock);
    return node == NULL ? NULL : MM_LIST_OBJECT(node, struct mm_task, node);
}

static bool run_tasks_and_jobs(void)
{
    bool has_any = false;
    struct mm_task *task = NULL;
    while ((task = take_task()) != NULL) {
        fake_resume_faults(true);
        task->run(task);
        fake_pause_faults();
        has_any = true;
    }
    struct mm_list *node = mm_list_take_first(&world.jobs);
    if (node != NULL) {
        struct mm_job *job = MM_LIST_OBJECT(node, struct mm_job, node);
        fake_resume_faults(true);
        job->run(job);
        job->done(job);
        fake_pause_faults();
        has_any = true;
    }
    return has_any;
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
    if (world.store != NULL) {
        /* Refused or not: what was submitted before has been told. */
        fake_resume_faults(true);
        enum mailmod_error error = mm_store_run(world.store, &job);
        fake_pause_faults();
        assert_true(error <= MAILMOD_OK);
    }
    mm_mutex_lock(world.lock);
    bool has_any = !mm_list_is_empty(&world.tasks);
    mm_mutex_unlock(world.lock);
    return has_any;
}

static uint64_t next_time(void)
{
    uint64_t next_ms = UINT64_MAX;
    struct mm_heap_node *node = mm_heap_first(&world.timers);
    if (node != NULL) {
        next_ms = node->key;
    }
    node = mm_heap_first(&world.events);
    if (node != NULL && node->key / TICKS < next_ms) {
        next_ms = node->key / TICKS;
    }
    return next_ms;
}

void fake_run(uint64_t for_ms)
{
    uint64_t end_ms = world.now_ms + for_ms;
    for (;;) {
        if (run_tasks_and_jobs() || wait_for_store()) {
            continue;
        }
        uint64_t next_ms = next_time();
        if (next_ms > end_ms) {
            world.now_ms = end_ms;
            return;
        }
        world.now_ms = next_ms > world.now_ms ? next_ms : world.now_ms;
        struct mm_heap_node *node = mm_heap_first(&world.events);
        if (node != NULL && node->key / TICKS <= world.now_ms) {
            run_first_event();
            continue;
        }
        node = mm_heap_first(&world.timers);
        if (node != NULL && node->key <= world.now_ms) {
            struct mm_timer *timer =
                MM_LIST_OBJECT(node, struct mm_timer, node);
            mm_heap_remove(&world.timers, node);
            fake_resume_faults(true);
            timer->on_expired(timer);
            fake_pause_faults();
        }
    }
}
