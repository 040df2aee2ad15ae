/* call.c - a job of the store between its asker's loop and the writer.
 *
 * Owns nothing: the call is its owner's. Promises the law of call.h; one hop to
 * the writer and one back, no memory of its own.
 * Thread: the asker's loop; `run_job` and `job_done` on the writer. */
#include "post/call.h"

static enum mailmod_error run_job(struct mm_store_job *job,
                                  struct mm_store_transaction *transaction)
{
    struct mm_call *call = MM_LIST_OBJECT(job, struct mm_call, job);

    return call->run(call, transaction);
}

static void come_back(struct mm_task *task)
{
    struct mm_call *call = MM_LIST_OBJECT(task, struct mm_call, task);

    call->is_out = false;
    if (call->is_abandoned) {
        call->come_home(call, call->error);
    } else {
        call->done(call, call->error);
    }
}

static void job_done(struct mm_store_job *job, enum mailmod_error error)
{
    struct mm_call *call = MM_LIST_OBJECT(job, struct mm_call, job);

    call->error = error;
    mm_loop_post(call->loop, &call->task);
}

void mm_call_submit(struct mm_call *call)
{
    call->job.run = run_job;
    call->job.done = job_done;
    call->task.run = come_back;
    call->is_out = true;
    if (call->loop != NULL) {
        mm_store_submit(call->store, &call->job);
        return;
    }
    call->error = mm_store_run(call->store, &call->job);
    come_back(&call->task);
}

bool mm_call_is_out(const struct mm_call *call)
{
    return call->is_out;
}

bool mm_call_abandon(struct mm_call *call)
{
    call->is_abandoned = true;
    return call->is_out;
}
