/* loop.c - an event loop with its own thread, or on those that turn it, and an
 * inbox.
 *
 * Owns the uv_loop_t (never the process-wide default one), the wake-up handle,
 * the inbox that other threads post to, the list of what the loop is to run
 * soon, and the two buffers that connections borrow for one callback.
 * Promises that tasks run in order of posting, that what was posted before the
 * loop ended has run when mm_loop_stop returns, and that a task posted to a
 * stopped loop is dropped without being touched again. Every resident
 * (connection, acceptor, resolver) is told of the stop and closes its handles,
 * and the thread ends when the last of them is closed.
 * Thread: the loop's own, or the one that turns it, one at a time; except for
 * new, start, stop, free, post and is_current; the lock guards the inbox and
 * the state, and nothing is called while it is held. */
#include "io/loop_internal.h"

#include "base/mem.h"
#include "platform/clock.h"
#include "platform/fs.h"

/* Four timers for each of a million connections. */
#define TIMERS_MAX (4u * 1024 * 1024)
/* Of one turn: a peer that always has something to say does not keep it. */
#define TURN_PASSES 16
/* How long a thread that waits for something else turns the loop at a time. */
#define WAIT_STEP_MS 10
#define STOP_STEP_MS 1

/* Moves all of `from` to the empty list `to`, in order. */
static void take_all(struct mm_list *from, struct mm_list *to)
{
    mm_list_init(to);
    mm_list_prepend(from, to);
    mm_list_remove(from);
    mm_list_init(from);
}

static void run_all(struct mm_list *tasks)
{
    struct mm_list *node = mm_list_take_first(tasks);
    while (node != NULL) {
        struct mm_task *task = MM_LIST_OBJECT(node, struct mm_task, node);
        mm_list_init(node);
        task->run(task);
        node = mm_list_take_first(tasks);
    }
}

static void run_inbox(struct mm_loop *loop)
{
    mm_mutex_lock(loop->lock);
    struct mm_list tasks;
    take_all(&loop->inbox, &tasks);
    mm_mutex_unlock(loop->lock);
    run_all(&tasks);
}

/* One batch: what a task adds runs in the next turn, so that input and output
 * of others have their turn in between. */
static void run_soon(struct mm_loop *loop)
{
    struct mm_list tasks;
    take_all(&loop->soon, &tasks);
    run_all(&tasks);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct mm_loop *loop = prepare->data;
    run_soon(loop);
    if (!mm_list_is_empty(&loop->soon)) {
        uv_async_send(&loop->wake);
    }
}

static void on_wake(uv_async_t *wake)
{
    struct mm_loop *loop = wake->data;
    mm_loop_note_callback(loop);
    run_inbox(loop);
    mm_mutex_lock(loop->lock);
    bool is_asked_to_stop = loop->is_asked_to_stop;
    mm_mutex_unlock(loop->lock);
    if (is_asked_to_stop) {
        uv_stop(&loop->uv);
    }
}

/* What uv_loop_init opens: an epoll, a pipe for signals, an eventfd, and once
 * in a process another pipe; and one for luck. */
#define LOOP_DESCRIPTORS 7

static enum mailmod_error init_uv(struct mm_loop *loop)
{
    /* libuv aborts the process when its first pipe cannot be made, and keeps
     * the epoll open when the eventfd cannot. */
    enum mailmod_error error = mm_fs_check_room(LOOP_DESCRIPTORS);
    if (error != MAILMOD_OK) {
        return error;
    }
    int status = uv_loop_init(&loop->uv);
    if (status != 0) {
        return mm_error_from_uv(status);
    }
    status = uv_async_init(&loop->uv, &loop->wake, on_wake);
    if (status != 0) {
        (void)uv_loop_close(&loop->uv);
        return mm_error_from_uv(status);
    }
    loop->wake.data = loop;
    (void)uv_prepare_init(&loop->uv, &loop->prepare);
    loop->prepare.data = loop;
    (void)uv_prepare_start(&loop->prepare, on_prepare);
    uv_unref((uv_handle_t *)&loop->prepare);
    mm_loop_timers_start(loop);
    /* The loop's first stream opens a spare descriptor that the loop keeps.
     * Here it cannot come to stand in the place of a standard file. */
    status = uv_tcp_init(&loop->uv, &loop->first);
    if (status == 0) {
        uv_close((uv_handle_t *)&loop->first, NULL);
    }
    return MAILMOD_OK;
}

static void free_parts(struct mm_loop *loop)
{
    mm_heap_fini(&loop->timers);
    mm_mutex_free(&loop->lock);
    mm_free(loop->lent);
    mm_free(loop->plain);
    mm_free(loop);
}

enum mailmod_error mm_loop_new(struct mm_loop **loop_out,
                               const struct mm_log *log)
{
    *loop_out = NULL;
    struct mm_loop *loop = mm_alloc(sizeof *loop);
    if (loop == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    loop->log = log;
    mm_heap_init(&loop->timers, TIMERS_MAX);
    mm_list_init(&loop->soon);
    mm_list_init(&loop->inbox);
    mm_list_init(&loop->residents);
    loop->lent = mm_alloc(MM_LOOP_LENT_SIZE);
    loop->plain = mm_alloc(MM_LOOP_PLAIN_SIZE);
    enum mailmod_error error = mm_mutex_new(&loop->lock);
    if (error == MAILMOD_OK && (loop->lent == NULL || loop->plain == NULL)) {
        error = MAILMOD_ERROR_MEMORY;
    }
    if (error == MAILMOD_OK) {
        error = init_uv(loop);
    }
    if (error != MAILMOD_OK) {
        free_parts(loop);
        return error;
    }
    *loop_out = loop;
    return MAILMOD_OK;
}

void mm_loop_watch_memory(struct mm_loop *loop, const struct mm_budget *budget)
{
    loop->memory = budget;
}

static bool is_finished(struct mm_loop *loop)
{
    run_soon(loop);
    run_inbox(loop);
    if (!mm_list_is_empty(&loop->soon) || uv_loop_alive(&loop->uv)) {
        return false;
    }
    mm_mutex_lock(loop->lock);
    bool is_empty = mm_list_is_empty(&loop->inbox);
    if (is_empty) {
        /* From here on nobody posts, nor touches the wake-up handle. */
        loop->state = MM_LOOP_STOPPED;
    }
    mm_mutex_unlock(loop->lock);
    return is_empty;
}

static void wind_down(struct mm_loop *loop)
{
    loop->is_closing = true;
    run_inbox(loop);
    (void)uv_timer_stop(&loop->alarm);
    (void)uv_timer_stop(&loop->turn_end);
    struct mm_list *node = mm_list_take_first(&loop->residents);
    while (node != NULL) {
        struct mm_resident *resident =
            MM_LIST_OBJECT(node, struct mm_resident, node);
        mm_list_init(node);
        resident->on_stop(resident);
        node = mm_list_take_first(&loop->residents);
    }
    uv_unref((uv_handle_t *)&loop->wake);
    do {
        (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
    } while (!is_finished(loop));
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->alarm, NULL);
    uv_close((uv_handle_t *)&loop->turn_end, NULL);
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
}

static void run_loop(void *context)
{
    struct mm_loop *loop = context;
    /* mm_loop_start holds the lock until loop->thread is written. */
    mm_mutex_lock(loop->lock);
    mm_mutex_unlock(loop->lock);
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
    wind_down(loop);
    mm_tls_thread_end();
}

enum mailmod_error mm_loop_start(struct mm_loop *loop)
{
    enum mailmod_error error = MAILMOD_ERROR_STATE;
    mm_mutex_lock(loop->lock);
    if (loop->state == MM_LOOP_NEW) {
        error = mm_thread_start(&loop->thread, "mailmod-loop", run_loop, loop);
        if (error == MAILMOD_OK) {
            loop->state = MM_LOOP_RUNNING;
        }
    }
    mm_mutex_unlock(loop->lock);
    return error;
}

enum mailmod_error mm_loop_start_turned(struct mm_loop *loop)
{
    mm_mutex_lock(loop->lock);
    bool is_new = loop->state == MM_LOOP_NEW;
    if (is_new) {
        loop->state = MM_LOOP_RUNNING;
        loop->is_turned = true;
    }
    mm_mutex_unlock(loop->lock);
    return is_new ? MAILMOD_OK : MAILMOD_ERROR_STATE;
}

/* OK: this thread turns it until end_turn. */
static enum mailmod_error begin_turn(struct mm_loop *loop)
{
    enum mailmod_error error = MAILMOD_OK;
    mm_mutex_lock(loop->lock);
    if (loop->state != MM_LOOP_RUNNING || !loop->is_turned ||
        loop->is_asked_to_stop) {
        error = MAILMOD_ERROR_STATE;
    } else if (loop->is_turning) {
        error = MAILMOD_ERROR_BUSY;
    } else {
        loop->is_turning = true;
    }
    mm_mutex_unlock(loop->lock);
    return error;
}

static void end_turn(struct mm_loop *loop)
{
    mm_mutex_lock(loop->lock);
    loop->is_turning = false;
    mm_mutex_unlock(loop->lock);
}

static void on_turn_end(uv_timer_t *turn_end)
{
    (void)turn_end;
}

void mm_loop_note_callback(struct mm_loop *loop)
{
    loop->callbacks++;
}

enum mailmod_error mm_loop_turn(struct mm_loop *loop, uint64_t wait_ms)
{
    enum mailmod_error error = begin_turn(loop);
    if (error != MAILMOD_OK) {
        return error;
    }
    uint64_t callbacks = loop->callbacks;
    if (wait_ms > 0) {
        uv_update_time(&loop->uv);
        (void)uv_timer_start(&loop->turn_end, on_turn_end, wait_ms, 0);
        (void)uv_run(&loop->uv, UV_RUN_ONCE);
        (void)uv_timer_stop(&loop->turn_end);
    } else {
        (void)uv_run(&loop->uv, UV_RUN_NOWAIT);
    }
    for (unsigned i = 0; i < TURN_PASSES && loop->callbacks != callbacks; i++) {
        callbacks = loop->callbacks;
        (void)uv_run(&loop->uv, UV_RUN_NOWAIT);
    }
    loop->is_unfinished = loop->callbacks != callbacks;
    end_turn(loop);
    return MAILMOD_OK;
}

enum mailmod_error mm_loop_next(struct mm_loop *loop, int *descriptor_out,
                                int64_t *wait_ms_out)
{
    enum mailmod_error error = begin_turn(loop);
    if (error != MAILMOD_OK) {
        return error;
    }
    uv_update_time(&loop->uv);
    *descriptor_out = uv_backend_fd(&loop->uv);
    *wait_ms_out = loop->is_unfinished || !mm_list_is_empty(&loop->soon)
                       ? 0
                       : uv_backend_timeout(&loop->uv);
    end_turn(loop);
    return MAILMOD_OK;
}

static bool is_turned(struct mm_loop *loop)
{
    mm_mutex_lock(loop->lock);
    bool is_turned = loop->is_turned;
    mm_mutex_unlock(loop->lock);
    return is_turned;
}

void mm_loop_wait(struct mm_loop *loop, struct mm_condition *condition,
                  struct mm_mutex *mutex)
{
    if (loop == NULL || !is_turned(loop)) {
        mm_condition_wait(condition, mutex);
        return;
    }
    mm_mutex_unlock(mutex);
    enum mailmod_error error = mm_loop_turn(loop, WAIT_STEP_MS);
    mm_mutex_lock(mutex);
    if (error != MAILMOD_OK) {
        /* Another thread turns it, or nobody has to. What happened while the
         * mutex was free shows at the end of this step. */
        (void)mm_condition_wait_for(condition, mutex, WAIT_STEP_MS);
    }
}

/* What is under way in a turn ends first. */
static void stop_turned(struct mm_loop *loop)
{
    bool is_ours = false;
    while (!is_ours) {
        mm_mutex_lock(loop->lock);
        is_ours = !loop->is_turning;
        loop->is_turning = true;
        mm_mutex_unlock(loop->lock);
        if (!is_ours) {
            mm_clock_sleep_ms(STOP_STEP_MS);
        }
    }
    wind_down(loop);
}

void mm_loop_stop(struct mm_loop *loop)
{
    mm_mutex_lock(loop->lock);
    bool has_thread = loop->thread != NULL;
    bool is_new = loop->state == MM_LOOP_NEW;
    bool is_turned = loop->state == MM_LOOP_RUNNING && loop->is_turned;
    loop->is_asked_to_stop = true;
    if (loop->state == MM_LOOP_RUNNING) {
        uv_async_send(&loop->wake);
    }
    mm_mutex_unlock(loop->lock);
    if (has_thread) {
        mm_thread_join(&loop->thread);
    } else if (is_turned) {
        stop_turned(loop);
    } else if (is_new) {
        /* No thread ever owned it, so the caller may. */
        wind_down(loop);
    }
}

void mm_loop_free(struct mm_loop **loop)
{
    if (*loop == NULL) {
        return;
    }
    mm_loop_stop(*loop);
    (void)uv_loop_close(&(*loop)->uv);
    free_parts(*loop);
    *loop = NULL;
}

bool mm_loop_try_post(struct mm_loop *loop, struct mm_task *task)
{
    mm_mutex_lock(loop->lock);
    bool is_open = loop->state != MM_LOOP_STOPPED;
    if (is_open) {
        bool was_empty = mm_list_is_empty(&loop->inbox);
        mm_list_init(&task->node);
        mm_list_append(&loop->inbox, &task->node);
        if (was_empty) {
            uv_async_send(&loop->wake);
        }
    }
    mm_mutex_unlock(loop->lock);
    return is_open;
}

void mm_loop_post(struct mm_loop *loop, struct mm_task *task)
{
    (void)mm_loop_try_post(loop, task);
}

bool mm_loop_take_back(struct mm_loop *loop, struct mm_task *task)
{
    mm_mutex_lock(loop->lock);
    bool is_new = loop->state == MM_LOOP_NEW;
    if (is_new) {
        mm_list_remove(&task->node);
    }
    mm_mutex_unlock(loop->lock);
    return is_new;
}

void mm_loop_soon(struct mm_loop *loop, struct mm_task *task)
{
    mm_list_init(&task->node);
    mm_list_append(&loop->soon, &task->node);
}

enum mailmod_error mm_loop_admit(struct mm_loop *loop,
                                 struct mm_resident *resident)
{
    if (loop->is_closing) {
        return MAILMOD_ERROR_STOPPED;
    }
    mm_list_init(&resident->node);
    mm_list_append(&loop->residents, &resident->node);
    return MAILMOD_OK;
}

bool mm_loop_is_current(const struct mm_loop *loop)
{
    mm_mutex_lock(loop->lock);
    bool is_current = loop->state == MM_LOOP_RUNNING && loop->thread != NULL &&
                      mm_thread_is_current(loop->thread);
    mm_mutex_unlock(loop->lock);
    return is_current;
}

uint64_t mm_loop_now_ms(const struct mm_loop *loop)
{
    (void)loop;
    return mm_clock_monotonic_ms();
}

int64_t mm_loop_wall_ms(const struct mm_loop *loop)
{
    (void)loop;
    return mm_clock_wall_ms();
}

enum mailmod_error mm_error_from_uv(int status)
{
    static const struct {
        int status;
        enum mailmod_error error;
    } table[] = {
        {UV_ECONNREFUSED, MAILMOD_ERROR_CONNECTION_REFUSED},
        {UV_EHOSTUNREACH, MAILMOD_ERROR_UNREACHABLE},
        {UV_ENETUNREACH, MAILMOD_ERROR_UNREACHABLE},
        {UV_ENETDOWN, MAILMOD_ERROR_UNREACHABLE},
        {UV_EADDRNOTAVAIL, MAILMOD_ERROR_UNREACHABLE},
        {UV_ETIMEDOUT, MAILMOD_ERROR_TIMEOUT},
        {UV_EOF, MAILMOD_ERROR_CLOSED},
        {UV_EPIPE, MAILMOD_ERROR_CLOSED},
        {UV_ECONNRESET, MAILMOD_ERROR_CLOSED},
        {UV_ECONNABORTED, MAILMOD_ERROR_CLOSED},
        {UV_EMFILE, MAILMOD_ERROR_DESCRIPTORS},
        {UV_ENFILE, MAILMOD_ERROR_DESCRIPTORS},
        {UV_ENOMEM, MAILMOD_ERROR_MEMORY},
        {UV_ENOBUFS, MAILMOD_ERROR_MEMORY},
        {UV_EACCES, MAILMOD_ERROR_ACCESS},
        {UV_EPERM, MAILMOD_ERROR_ACCESS},
        {UV_EADDRINUSE, MAILMOD_ERROR_ADDRESS_IN_USE},
        {UV_ECANCELED, MAILMOD_ERROR_CANCELLED},
        {UV_EINVAL, MAILMOD_ERROR_ARGUMENT},
        {UV_EAFNOSUPPORT, MAILMOD_ERROR_UNREACHABLE},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].status == status) {
            return table[i].error;
        }
    }
    return status < 0 ? MAILMOD_ERROR_NETWORK : MAILMOD_OK;
}
