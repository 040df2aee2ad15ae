/* sightings.c - writes down what was seen of a peer.
 *
 * Owns a job for each sighting on its way. Promises: the table is bounded, and
 * swept in small jobs by those who fill it; what cannot be written was not
 * seen, as far as the store goes. Thread: any; `run` on the writer. */
#include "server/sightings.h"

#include "base/limits.h"
#include "base/mem.h"

struct writing {
    struct mm_store_job job;
    struct mm_store *store;
    struct mm_store_sighting sighting;
    struct mm_sighting_options options; /* but for `passed` */
    char passed[MM_STORE_SIGHTING_KEY_MAX];
};

static enum mailmod_error run(struct mm_store_job *job,
                              struct mm_store_transaction *transaction)
{
    const struct writing *writing = MM_LIST_OBJECT(job, struct writing, job);
    const struct mm_sighting_options *options = &writing->options;
    size_t count;

    if (options->is_outdated != NULL &&
        options->is_outdated(writing->store, &writing->sighting)) {
        return MAILMOD_OK;
    }
    enum mailmod_error error =
        mm_store_note_sighting(transaction, &writing->sighting);
    if (error == MAILMOD_OK && writing->passed[0] != '\0') {
        error = mm_store_remove_sighting(transaction, MM_SIGHTING_TRIPLET,
                                         writing->passed);
        error = error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
    }
    return error == MAILMOD_OK && options->sweep_rows > 0
               ? mm_store_sweep_sightings(
                     transaction, writing->sighting.last_ms, MM_LIMIT_SIGHTINGS,
                     options->sweep_rows, &count)
               : error;
}

static void done(struct mm_store_job *job, enum mailmod_error error)
{
    (void)error; /* nobody waits */
    mm_free(MM_LIST_OBJECT(job, struct writing, job));
}

void mm_sighting_write(struct mm_store *store,
                       const struct mm_store_sighting *sighting,
                       const struct mm_sighting_options *options)
{
    struct writing *writing = mm_alloc(sizeof *writing);

    if (writing == NULL) {
        return;
    }
    writing->job.run = run;
    writing->job.done = done;
    writing->store = store;
    writing->sighting = *sighting;
    writing->options = *options;
    (void)mm_span_copy(mm_span_cstr(options->passed), writing->passed,
                       sizeof writing->passed);
    writing->options.passed = NULL;
    mm_store_submit(store, &writing->job);
}
