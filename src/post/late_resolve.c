/* late_resolve.c - see late_resolve.h.
 *
 * Owns a copy of the question, with a reference on its configuration, for as
 * long as a worker or the asker has it: who cancels may go at once, and the
 * worker ends with what it has. Promises: the steps of resolve.c are the same
 * ones, on a thread that may block; `done` comes once, on the loop, and never
 * after a cancel.
 * Thread: the asker's loop; `run` alone is a worker's, and touches nothing of
 * the asker's. */
#include "post/late_resolve.h"

#include "base/mem.h"

struct mm_late_resolve {
    struct mm_job job;
    struct mm_resolve *asker; /* the loop's; NULL: cancelled */
    bool is_done;             /* the loop's */
    struct mm_config *config;
    struct mm_address address;
    struct mm_netaddr local;
    char *original_recipient;
    struct mm_resolve inner;
};

static void free_late(struct mm_late_resolve *late)
{
    mm_resolve_cancel(&late->inner);
    mm_config_unref(&late->config);
    mm_free(late->original_recipient);
    mm_free(late);
}

static void run(struct mm_job *job)
{
    (void)mm_resolve_ask(
        &MM_LIST_OBJECT(job, struct mm_late_resolve, job)->inner);
}

static void done(struct mm_job *job)
{
    struct mm_late_resolve *late =
        MM_LIST_OBJECT(job, struct mm_late_resolve, job);
    struct mm_resolve *asker = late->asker;

    atomic_fetch_sub(&late->inner.post->busy, 1);
    late->is_done = true;
    if (asker == NULL) {
        free_late(late);
        return;
    }
    asker->targets = late->inner.targets;
    asker->target_count = late->inner.target_count;
    asker->is_local = late->inner.is_local;
    asker->done(asker);
}

/* What the question points to is the asker's, and may go with it. */
static struct mm_late_resolve *copy(struct mm_resolve *resolve)
{
    struct mm_late_resolve *late = mm_alloc(sizeof *late);

    if (late == NULL) {
        return NULL;
    }
    late->asker = resolve;
    late->config = mm_config_ref((struct mm_config *)resolve->config);
    late->address = *resolve->address;
    late->inner = (struct mm_resolve){.post = resolve->post,
                                      .config = late->config,
                                      .address = &late->address,
                                      .notify = resolve->notify,
                                      .size = resolve->size,
                                      .is_report = resolve->is_report,
                                      .is_for_owner = resolve->is_for_owner,
                                      .is_by_file = resolve->is_by_file,
                                      .visibility = resolve->visibility};
    if (resolve->local != NULL) {
        late->local = *resolve->local;
        late->inner.local = &late->local;
    }
    if (resolve->original_recipient != NULL) {
        late->original_recipient = mm_strdup(resolve->original_recipient);
        if (late->original_recipient == NULL) {
            free_late(late);
            return NULL;
        }
        late->inner.original_recipient = late->original_recipient;
    }
    return late;
}

enum mm_answer mm_late_resolve_ask(struct mm_resolve *resolve,
                                   enum mailmod_error *error_out)
{
    struct mm_late_resolve *late = copy(resolve);

    *error_out = MAILMOD_ERROR_MEMORY;
    if (late == NULL) {
        return MM_ANSWERED;
    }
    late->job.loop = resolve->loop;
    late->job.run = run;
    late->job.done = done;
    atomic_fetch_add(&resolve->post->busy, 1);
    *error_out = mm_workers_submit(resolve->post->workers, &late->job);
    if (*error_out != MAILMOD_OK) {
        atomic_fetch_sub(&resolve->post->busy, 1);
        free_late(late);
        return MM_ANSWERED;
    }
    resolve->late = late;
    return MM_PENDING;
}

void mm_late_resolve_cancel(struct mm_late_resolve **late_in)
{
    struct mm_late_resolve *late = *late_in;

    *late_in = NULL;
    if (late == NULL) {
        return;
    }
    late->asker = NULL;
    if (late->is_done) {
        free_late(late);
    }
}
