/* reading.c - texts that come piece by piece and hold no thread in between.
 *
 * Owns each reading, with its source and one piece, from its beginning to its
 * last callback. Promises: callbacks in order, one at a time, exactly one of
 * them the last; a thread is held while the source or the host works, never
 * while either waits; a reading for which no thread is to be had goes on with
 * the next one that is, or at the end.
 *
 * Law of the state: RUNNING (a job is queued, or runs) -> PAUSED (the host said
 * "later") or STARVED (the source has nothing yet) -> RUNNING ... -> gone.
 * Lock order: a source's lock, then the table's, then the pool's.
 * Thread: any; `run` on a host thread. */
#include "api/reading.h"

#include "api/handles.h"
#include "api/instance.h"
#include "base/mem.h"

#include <assert.h>

enum reading_state { READING_RUNNING, READING_PAUSED, READING_STARVED };

struct mm_readings {
    struct mm_mutex *mutex; /* the lock: all below */
    struct mm_condition *changed;
    unsigned references;
    struct mm_host_threads *threads; /* NULL once it ended */
    struct mm_list all;
    size_t count;
    struct mm_list stuck; /* RUNNING, but no thread was to be had */
};

struct mailmod_reading {
    struct mm_host_job job;
    struct mm_readings *readings;
    struct mm_text_source *source;
    mailmod_on_piece on_piece;
    void *context;
    struct mm_buf piece; /* the running thread's */
    struct mm_list node; /* the lock: all below */
    struct mm_list stuck_node;
    enum reading_state state;
    bool is_resumed;           /* before "later" was answered */
    bool is_woken;             /* before BUSY was seen */
    enum mailmod_error ending; /* OK: it goes on */
};

static _Thread_local unsigned callback_depth;

static void run(struct mm_host_job *job);

bool mm_reading_is_callback(void)
{
    return callback_depth > 0;
}

enum mailmod_error mm_readings_new(struct mm_readings **readings_out,
                                   struct mm_host_threads *threads)
{
    struct mm_readings *readings = mm_alloc(sizeof *readings);

    *readings_out = readings;
    if (readings == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    readings->references = 1;
    readings->threads = threads;
    mm_list_init(&readings->all);
    mm_list_init(&readings->stuck);
    enum mailmod_error error = mm_mutex_new(&readings->mutex);
    if (error == MAILMOD_OK) {
        error = mm_condition_new(&readings->changed);
    }
    if (error != MAILMOD_OK) {
        mm_mutex_free(&readings->mutex);
        mm_free(readings);
        *readings_out = NULL;
    }
    return error;
}

struct mm_readings *mm_readings_ref(struct mm_readings *readings)
{
    mm_mutex_lock(readings->mutex);
    readings->references++;
    mm_mutex_unlock(readings->mutex);
    return readings;
}

void mm_readings_unref(struct mm_readings **readings_in)
{
    struct mm_readings *readings = *readings_in;

    *readings_in = NULL;
    if (readings == NULL) {
        return;
    }
    mm_mutex_lock(readings->mutex);
    bool is_last = --readings->references == 0;
    mm_mutex_unlock(readings->mutex);
    if (is_last) {
        mm_condition_free(&readings->changed);
        mm_mutex_free(&readings->mutex);
        mm_free(readings);
    }
}

/* Locked. Those that wait for a thread, the oldest first. */
static void pump(struct mm_readings *readings)
{
    while (readings->threads != NULL && !mm_list_is_empty(&readings->stuck)) {
        mailmod_reading *reading =
            MM_LIST_OBJECT(readings->stuck.next, mailmod_reading, stuck_node);

        mm_list_remove(&reading->stuck_node);
        if (mm_host_threads_run(readings->threads, &reading->job) !=
            MAILMOD_OK) {
            mm_list_prepend(&readings->stuck, &reading->stuck_node);
            return;
        }
    }
}

/* Locked. */
static void schedule(mailmod_reading *reading)
{
    reading->state = READING_RUNNING;
    mm_list_append(&reading->readings->stuck, &reading->stuck_node);
    pump(reading->readings);
}

/* Locked. */
static void end_with(mailmod_reading *reading, enum mailmod_error error)
{
    if (reading->ending == MAILMOD_OK) {
        reading->ending = error;
    }
    if (reading->state != READING_RUNNING) {
        schedule(reading);
    }
}

static enum mailmod_reading_answer tell(mailmod_reading *reading,
                                        const struct mailmod_piece *piece)
{
    callback_depth++;
    enum mailmod_reading_answer answer =
        reading->on_piece(reading->context, reading, piece);
    callback_depth--;
    return answer;
}

/* Nobody else takes it out. */
static void remove_handle(mailmod_reading *reading)
{
    enum mailmod_error error = mm_handle_remove(MM_HANDLE_READING, reading, 0);

    assert(error == MAILMOD_OK);
    (void)error;
}

/* The last callback; the reading is gone then. */
static void finish(mailmod_reading *reading, enum mailmod_error error)
{
    struct mm_readings *readings = reading->readings;
    const struct mailmod_piece piece = {
        .size = sizeof piece,
        .octets = "",
        .is_last = 1,
        .error = error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error};

    (void)tell(reading, &piece);
    remove_handle(reading);
    reading->source->end(reading->source);
    mm_buf_fini(&reading->piece);
    mm_mutex_lock(readings->mutex);
    mm_list_remove(&reading->node);
    readings->count--;
    pump(readings);
    mm_condition_broadcast(readings->changed);
    mm_mutex_unlock(readings->mutex);
    mm_free(reading);
    mm_readings_unref(&readings);
}

/* False: it waits now, and another thread may have it. */
static bool goes_on(mailmod_reading *reading, enum reading_state state,
                    bool *has_come)
{
    mm_mutex_lock(reading->readings->mutex);
    bool is_on = *has_come || reading->ending != MAILMOD_OK;
    *has_come = false;
    if (!is_on) {
        reading->state = state;
    }
    mm_mutex_unlock(reading->readings->mutex);
    return is_on;
}

static enum mailmod_error next_piece(mailmod_reading *reading)
{
    mm_mutex_lock(reading->readings->mutex);
    enum mailmod_error error = reading->ending;
    reading->is_woken = false;
    reading->is_resumed = false;
    mm_mutex_unlock(reading->readings->mutex);
    if (error == MAILMOD_OK) {
        mm_buf_clear(&reading->piece);
        error = reading->source->next(reading->source, &reading->piece);
    }
    return error;
}

static void run_on(mailmod_reading *reading)
{
    bool is_on = true;

    while (is_on) {
        enum mailmod_error error = next_piece(reading);

        if (error == MAILMOD_ERROR_BUSY) {
            is_on = goes_on(reading, READING_STARVED, &reading->is_woken);
        } else if (error != MAILMOD_OK) {
            finish(reading, error);
            is_on = false;
        } else {
            const struct mailmod_piece piece = {
                .size = sizeof piece,
                .octets = mm_buf_span(&reading->piece).data,
                .count = mm_buf_size(&reading->piece)};

            is_on = tell(reading, &piece) != MAILMOD_READING_LATER ||
                    goes_on(reading, READING_PAUSED, &reading->is_resumed);
        }
    }
}

static void run(struct mm_host_job *job)
{
    run_on(MM_LIST_OBJECT(job, mailmod_reading, job));
}

void mm_readings_end(struct mm_readings *readings)
{
    if (readings == NULL) {
        return;
    }
    mm_mutex_lock(readings->mutex);
    MM_LIST_EACH(node, &readings->all)
    {
        end_with(MM_LIST_OBJECT(node, mailmod_reading, node),
                 MAILMOD_ERROR_STOPPED);
    }
    readings->threads = NULL; /* nobody begins one any more */
    while (readings->count > 0) {
        if (mm_list_is_empty(&readings->stuck)) {
            mm_condition_wait(readings->changed, readings->mutex);
            continue;
        }
        mailmod_reading *reading = MM_LIST_OBJECT(
            mm_list_take_first(&readings->stuck), mailmod_reading, stuck_node);
        mm_mutex_unlock(readings->mutex);
        mm_list_init(&reading->stuck_node);
        run_on(reading); /* no thread is to be had */
        mm_mutex_lock(readings->mutex);
    }
    mm_mutex_unlock(readings->mutex);
}

static mailmod_reading *new_reading(struct mm_readings *readings,
                                    struct mm_text_source *source,
                                    mailmod_on_piece on_piece, void *context)
{
    mailmod_reading *reading = mm_alloc(sizeof *reading);

    if (reading != NULL) {
        reading->job.run = run;
        reading->readings = readings;
        reading->source = source;
        reading->on_piece = on_piece;
        reading->context = context;
        mm_buf_init(&reading->piece, (size_t)2 * MM_LIMIT_CHUNK);
        mm_list_init(&reading->node);
        mm_list_init(&reading->stuck_node);
        if (mm_handle_add(MM_HANDLE_READING, reading) != MAILMOD_OK) {
            mm_free(reading);
            reading = NULL;
        }
    }
    return reading;
}

/* Locked. */
static enum mailmod_error check_room(const struct mm_readings *readings)
{
    if (readings->threads == NULL) {
        return mm_fail(MAILMOD_ERROR_STOPPED, "the instance has ended");
    }
    return readings->count >= MM_READINGS_MAX
               ? mm_fail(MAILMOD_ERROR_LIMIT, "too many readings at once")
               : MAILMOD_OK;
}

enum mailmod_error mm_reading_begin(struct mm_readings *readings,
                                    struct mm_text_source *source,
                                    mailmod_on_piece on_piece, void *context,
                                    mailmod_reading **reading_out)
{
    mailmod_reading *reading = new_reading(readings, source, on_piece, context);

    if (reading == NULL) {
        return mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    }
    mm_mutex_lock(readings->mutex);
    enum mailmod_error error = check_room(readings);
    if (error == MAILMOD_OK) {
        readings->references++;
        readings->count++;
        mm_list_append(&readings->all, &reading->node);
        if (reading_out != NULL) {
            *reading_out = reading;
        }
        if (source->begun != NULL) {
            source->begun(source, reading);
        }
        schedule(reading);
    }
    mm_mutex_unlock(readings->mutex);
    if (error != MAILMOD_OK) {
        remove_handle(reading);
        mm_free(reading);
    }
    return error;
}

void mm_reading_wake(mailmod_reading *reading)
{
    mm_mutex_lock(reading->readings->mutex);
    if (reading->state == READING_STARVED) {
        schedule(reading);
    } else {
        reading->is_woken = true;
    }
    mm_mutex_unlock(reading->readings->mutex);
}

enum mailmod_error mailmod_reading_resume(mailmod_reading *reading)
{
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_READING, reading);

    if (error == MAILMOD_OK) {
        mm_mutex_lock(reading->readings->mutex);
        if (reading->state == READING_PAUSED) {
            schedule(reading);
        } else {
            reading->is_resumed = true;
        }
        mm_mutex_unlock(reading->readings->mutex);
        mm_handle_let(reading);
    }
    return error;
}

enum mailmod_error mailmod_reading_cancel(mailmod_reading *reading)
{
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_READING, reading);

    if (error == MAILMOD_OK) {
        mm_mutex_lock(reading->readings->mutex);
        end_with(reading, MAILMOD_ERROR_CANCELLED);
        mm_mutex_unlock(reading->readings->mutex);
        mm_handle_let(reading);
    }
    return error;
}

enum mailmod_error mm_fail_text(enum mailmod_error error, const char *name)
{
    return mm_fail(error, "%s: %s", name,
                   error == MAILMOD_ERROR_CANCELLED
                       ? "somebody took it away meanwhile"
                       : mm_error_text(error));
}

enum mailmod_error mm_text_read_all(struct mm_text_source *source,
                                    mailmod_on_octets on_octets, void *context)
{
    struct mm_buf piece;
    enum mailmod_error error = MAILMOD_OK;

    mm_buf_init(&piece, (size_t)2 * MM_LIMIT_CHUNK);
    while (error == MAILMOD_OK) {
        mm_buf_clear(&piece);
        error = source->next(source, &piece);
        if (error == MAILMOD_OK) {
            on_octets(context, mm_buf_span(&piece).data, mm_buf_size(&piece));
        }
    }
    mm_buf_fini(&piece);
    return error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
}
