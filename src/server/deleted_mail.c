/* deleted_mail.c - deleted mail that is kept for a time goes when that is over.
 *
 * Owns a timer on the server's first loop, and a small job of the store at a
 * time, which has a share of the object and may outlive the server. Promises:
 * what was deleted pop3.keep_deleted_days ago goes within a minute or two; a
 * lot of it goes in slices, with time for others between them; where the volume
 * has no more room than it must, deleted mail goes at once, the oldest first,
 * so that mail can come in.
 * Thread: the loop; `run` and `done` on the store's writer. */
#include "server/deleted_mail.h"

#include "base/mem.h"
#include "server/server_internal.h"

#define EVERY_MS 60000
#define LOOK_MS 100 /* whether a slice is done */
#define SLICE_ROWS 64
#define DAY_MS INT64_C(86400000)

struct mm_deleted_mail {
    atomic_uint references; /* the server, and a job that is out */
    struct mm_server *server;
    struct mm_timer timer;
    bool is_pausing; /* until the next round */
    atomic_bool is_out;
    atomic_bool has_more; /* the last slice was full */
    atomic_bool is_short; /* of room, when that one was done */
};

struct slice {
    struct mm_store_job job;
    struct mm_deleted_mail *deleted;
    struct mm_store *store;
    int64_t before_ms;
    size_t count;
};

static void unref(struct mm_deleted_mail *deleted)
{
    if (atomic_fetch_sub(&deleted->references, 1) == 1) {
        mm_free(deleted);
    }
}

static enum mailmod_error run(struct mm_store_job *job,
                              struct mm_store_transaction *transaction)
{
    struct slice *slice = MM_LIST_OBJECT(job, struct slice, job);

    return mm_store_sweep_deleted(transaction, slice->before_ms, SLICE_ROWS,
                                  &slice->count);
}

static void done(struct mm_store_job *job, enum mailmod_error error)
{
    struct slice *slice = MM_LIST_OBJECT(job, struct slice, job);
    struct mm_deleted_mail *deleted = slice->deleted;

    atomic_store(&deleted->is_short, !mm_store_has_room_for(slice->store, 0));
    atomic_store(&deleted->has_more,
                 error == MAILMOD_OK && slice->count == SLICE_ROWS);
    atomic_store(&deleted->is_out, false);
    mm_free(slice);
    unref(deleted);
}

/* What was deleted before then has no time left. */
static int64_t limit_of(struct mm_deleted_mail *deleted, int64_t now_ms)
{
    struct mm_server *server = deleted->server;

    mm_mutex_lock(server->mutex);
    int64_t days = server->settings->config->pop3.keep_deleted_days;
    mm_mutex_unlock(server->mutex);
    return atomic_load(&deleted->is_short) ? now_ms : now_ms - days * DAY_MS;
}

static void submit(struct mm_deleted_mail *deleted)
{
    struct slice *slice = mm_alloc(sizeof *slice);

    if (slice == NULL) {
        return; /* the next round */
    }
    slice->job.run = run;
    slice->job.done = done;
    slice->deleted = deleted;
    slice->store = deleted->server->store;
    slice->before_ms =
        limit_of(deleted, mm_loop_wall_ms(deleted->server->loops[0].loop));
    atomic_fetch_add(&deleted->references, 1);
    atomic_store(&deleted->has_more, false);
    atomic_store(&deleted->is_out, true);
    mm_store_submit(deleted->server->store, &slice->job);
}

static void on_timer(struct mm_timer *timer)
{
    struct mm_deleted_mail *deleted =
        MM_LIST_OBJECT(timer, struct mm_deleted_mail, timer);
    bool is_out = atomic_load(&deleted->is_out);

    if (!is_out && (deleted->is_pausing || atomic_load(&deleted->has_more))) {
        deleted->is_pausing = false;
        submit(deleted);
        is_out = true;
    }
    deleted->is_pausing = !is_out;
    mm_timer_set(timer, is_out ? LOOK_MS : EVERY_MS);
}

enum mailmod_error mm_deleted_mail_new(struct mm_deleted_mail **deleted_out,
                                       struct mm_server *server)
{
    struct mm_deleted_mail *deleted = mm_alloc(sizeof *deleted);

    *deleted_out = NULL;
    if (deleted == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    deleted->server = server;
    atomic_init(&deleted->references, 1);
    atomic_init(&deleted->is_out, false);
    atomic_init(&deleted->has_more, false);
    atomic_init(&deleted->is_short, false);
    enum mailmod_error error =
        mm_timer_open(&deleted->timer, server->loops[0].loop, on_timer);
    if (error != MAILMOD_OK) {
        mm_free(deleted);
        return error;
    }
    *deleted_out = deleted;
    return MAILMOD_OK;
}

void mm_deleted_mail_attach(struct mm_deleted_mail *deleted)
{
    deleted->is_pausing = true;
    mm_timer_set(&deleted->timer, LOOK_MS);
}

void mm_deleted_mail_free(struct mm_deleted_mail **deleted)
{
    struct mm_deleted_mail *freed = *deleted;

    *deleted = NULL;
    if (freed != NULL) {
        mm_timer_close(&freed->timer);
        unref(freed);
    }
}
