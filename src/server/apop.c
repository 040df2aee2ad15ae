/* apop.c - looks whether any user keeps a recoverable password.
 *
 * Owns one job. Promises: no look-up on a loop; a client that prefers APOP does
 * not lose one of its tries where it cannot work (RFC 1939 7: the stamp in the
 * greeting is the offer).
 * Thread: any; `look` on a worker, and once before the workers run. */
#include "server/apop.h"

/* Users are added by hand. */
#define LOOK_AGAIN_MS 10000

static bool on_user(void *context, const struct mm_store_user *user)
{
    bool *has_one = context;

    *has_one = user->has_password;
    return !*has_one;
}

static void look(struct mm_job *job)
{
    struct mm_apop *apop = MM_LIST_OBJECT(job, struct mm_apop, job);
    bool has_one = false;

    if (mm_store_each_user(apop->store, on_user, &has_one) == MAILMOD_OK) {
        atomic_store(&apop->is_usable, has_one);
    }
}

static void done(struct mm_job *job)
{
    atomic_flag_clear(&MM_LIST_OBJECT(job, struct mm_apop, job)->is_busy);
}

void mm_apop_init(struct mm_apop *apop, struct mm_store *store,
                  struct mm_workers *workers)
{
    apop->store = store;
    apop->workers = workers;
    apop->job.run = look;
    apop->job.done = done; /* no loop: on the worker */
    atomic_flag_clear(&apop->is_busy);
    look(&apop->job);
}

bool mm_apop_is_usable(struct mm_apop *apop, uint64_t now_ms)
{
    long long looked_ms = atomic_load(&apop->looked_ms);

    if ((long long)now_ms - looked_ms >= LOOK_AGAIN_MS &&
        !atomic_flag_test_and_set(&apop->is_busy)) {
        atomic_store(&apop->looked_ms, (long long)now_ms);
        if (mm_workers_submit(apop->workers, &apop->job) != MAILMOD_OK) {
            atomic_flag_clear(&apop->is_busy);
        }
    }
    return atomic_load(&apop->is_usable);
}
