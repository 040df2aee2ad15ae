/* kept_sweep.c - mail that was kept for its days goes.
 *
 * Owns one job of the store at a time. Promises: what is over goes in slices of
 * SLICE_ROWS recipients, each a transaction of its own between the mail that
 * comes and goes; a time that was set shorter counts for what is kept already.
 * Looked at with each poll of the queue, so not while queue.holds is set.
 * `busy` is held from before a look at is_stopped until the job is over.
 * Thread: the first loop; the job on the store's writer. */
#include "client/outbound_internal.h"

#include "base/log.h"

#define SLICE_ROWS 64
#define EVERY_MS 60000
#define MORE_MS 100 /* after a slice that left some */

#define DAY_MS (INT64_C(24) * 3600 * 1000)

static enum mailmod_error sweep(struct mm_kept_sweep *slice,
                                enum mailmod_kept_kind kind, unsigned days,
                                struct mm_store_transaction *transaction)
{
    size_t count = 0;
    enum mailmod_error error = mm_store_sweep_kept(
        transaction, kind, slice->now_ms - (int64_t)days * DAY_MS, SLICE_ROWS,
        &count);

    slice->count = count > slice->count ? count : slice->count;
    return error;
}

static enum mailmod_error run(struct mm_store_job *job,
                              struct mm_store_transaction *transaction)
{
    struct mm_kept_sweep *slice =
        MM_LIST_OBJECT(job, struct mm_kept_sweep, job);

    slice->count = 0;
    enum mailmod_error error =
        sweep(slice, MAILMOD_KEPT_SENT, slice->sent_days, transaction);
    return error == MAILMOD_OK ? sweep(slice, MAILMOD_KEPT_DEAD,
                                       slice->dead_letter_days, transaction)
                               : error;
}

static void done(struct mm_store_job *job, enum mailmod_error error)
{
    struct mm_kept_sweep *slice =
        MM_LIST_OBJECT(job, struct mm_kept_sweep, job);
    struct mm_outbound *outbound =
        MM_LIST_OBJECT(slice, struct mm_outbound, sweep);

    slice->error = error;
    mm_loop_post(outbound->branches[0].loop, &slice->task);
}

static void run_over(struct mm_task *task)
{
    struct mm_kept_sweep *slice =
        MM_LIST_OBJECT(task, struct mm_kept_sweep, task);
    struct mm_outbound *outbound =
        MM_LIST_OBJECT(slice, struct mm_outbound, sweep);
    bool has_more = slice->error == MAILMOD_OK && slice->count == SLICE_ROWS;

    slice->next_ms = slice->now_ms + (has_more ? MORE_MS : EVERY_MS);
    slice->is_running = false;
    if (slice->error != MAILMOD_OK) {
        MM_LOG(outbound->options.log, MM_LOG_ERROR, "delivery",
               "what was kept long enough stays for now",
               MM_TEXT("error", mm_error_name(slice->error)));
    }
    atomic_fetch_sub(&outbound->busy, 1);
}

/* A clock that was set back must not put it off for ever. */
static bool is_due(const struct mm_kept_sweep *slice, int64_t now_ms)
{
    return now_ms >= slice->next_ms || slice->next_ms - now_ms > EVERY_MS;
}

void mm_outbound_sweep_kept(struct mm_outbound *outbound)
{
    struct mm_kept_sweep *slice = &outbound->sweep;
    const struct mm_branch *first = &outbound->branches[0];
    const struct mm_config *config = mm_branch_config(first);
    int64_t now_ms = mm_loop_wall_ms(first->loop);

    if (slice->is_running || !outbound->is_started ||
        mm_outbound_is_stopped(outbound) || !is_due(slice, now_ms)) {
        return;
    }
    slice->is_running = true;
    slice->now_ms = now_ms;
    slice->sent_days = config->archive.sent_days;
    slice->dead_letter_days = config->archive.dead_letter_days;
    slice->job.run = run;
    slice->job.done = done;
    slice->task.run = run_over;
    atomic_fetch_add(&outbound->busy, 1);
    mm_store_submit(outbound->options.store, &slice->job);
}
