/* fetch_visit.c - mailmod_fetch_visit: one visit that the caller waits for.
 *
 * Owns the visit while the caller waits. It is made on the fetcher's loop; how
 * far it is comes to the caller's thread, with no lock held, so that the
 * callback may call the instance. Promises: a stop of the instance ends the
 * wait; the end is told last, and once.
 * Thread: any but a loop. */
#include "api/fetch.h"

#include "base/mem.h"

#include <string.h>

struct wait {
    struct mm_fetch_visit visit;
    struct mm_mutex *mutex; /* guards the rest */
    struct mm_condition *has_moved;
    struct mm_store_fetch now;
    bool has_now;
    bool is_new; /* `now` was not told */
    bool is_over;
    enum mailmod_error error;
};

/* Under the mutex. */
static void note(struct wait *wait, const struct mm_store_fetch *result)
{
    if (result != NULL) {
        wait->now = *result;
        wait->has_now = true;
        wait->is_new = true;
    }
}

static void on_progress(struct mm_fetch_visit *visit,
                        const struct mm_store_fetch *result)
{
    struct wait *wait = MM_LIST_OBJECT(visit, struct wait, visit);
    mm_mutex_lock(wait->mutex);
    note(wait, result);
    mm_condition_signal(wait->has_moved);
    mm_mutex_unlock(wait->mutex);
}

static void on_end(struct mm_fetch_visit *visit, enum mailmod_error error,
                   const struct mm_store_fetch *result)
{
    struct wait *wait = MM_LIST_OBJECT(visit, struct wait, visit);
    /* Under the mutex: the waiter frees it all as soon as it knows. */
    mm_mutex_lock(wait->mutex);
    note(wait, result);
    wait->error = error;
    wait->is_over = true;
    mm_condition_signal(wait->has_moved);
    mm_mutex_unlock(wait->mutex);
}

static void wait_free(struct wait *wait)
{
    mm_condition_free(&wait->has_moved);
    mm_mutex_free(&wait->mutex);
    mm_free(wait);
}

static enum mailmod_error wait_new(struct wait **wait_out, const char *name)
{
    struct wait *wait = mm_alloc(sizeof *wait);
    if (wait == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    (void)mm_span_copy(mm_span_cstr(name), wait->visit.name,
                       sizeof wait->visit.name);
    wait->visit.on_progress = on_progress;
    wait->visit.on_end = on_end;
    enum mailmod_error error = mm_mutex_new(&wait->mutex);
    if (error == MAILMOD_OK) {
        error = mm_condition_new(&wait->has_moved);
    }
    if (error != MAILMOD_OK) {
        wait_free(wait);
        return error;
    }
    *wait_out = wait;
    return MAILMOD_OK;
}

/* With the mutex held no stop can come between the look and the visit. */
static enum mailmod_error put_visit(mailmod *instance, struct wait *wait)
{
    enum mailmod_error error = mm_instance_lock_running(instance);
    if (error == MAILMOD_OK) {
        mm_fetcher_visit(instance->fetcher, &wait->visit);
        mm_instance_unlock(instance);
    }
    return error;
}

/* Each state that it finds, the last one at the end. */
static void tell_until_end(mailmod *instance, struct wait *wait,
                           mailmod_on_fetch_account on_account, void *context)
{
    bool is_over = false;
    while (!is_over) {
        mm_mutex_lock(wait->mutex);
        while (!wait->is_new && !wait->is_over) {
            mm_turning_wait(&instance->turning, wait->has_moved, wait->mutex);
        }
        struct mm_store_fetch now = wait->now;
        is_over = wait->is_over;
        wait->is_new = false;
        mm_mutex_unlock(wait->mutex);
        if (on_account != NULL && wait->has_now) {
            struct mailmod_fetch_account account;
            mm_fetch_account_of(&now, &account);
            on_account(context, &account);
        }
    }
}

static enum mailmod_error result_of(const struct wait *wait)
{
    enum mailmod_error error = wait->error;
    if (error == MAILMOD_OK) {
        return MAILMOD_OK;
    }
    return mm_fail(error, "%s: %s", wait->visit.name,
                   wait->has_now ? wait->now.result
                   : error == MAILMOD_ERROR_NOT_FOUND
                       ? "fetch.accounts has no such account"
                       : mm_error_text(error));
}

enum mailmod_error mailmod_fetch_visit(mailmod *instance, const char *name,
                                       enum mailmod_fetch_action action,
                                       mailmod_on_fetch_account on_account,
                                       void *context)
{
    struct wait *wait = NULL;
    if (name == NULL ||
        (action != MAILMOD_FETCH_RUN && action != MAILMOD_FETCH_CHECK)) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, name == NULL
                                                   ? "the name is NULL"
                                                   : "a visit is RUN or CHECK");
    }
    enum mailmod_error error = wait_new(&wait, name);
    if (error != MAILMOD_OK) {
        return mm_fail(error, "%s", mm_error_text(error));
    }
    wait->visit.only_counts = action == MAILMOD_FETCH_CHECK;
    error = put_visit(instance, wait);
    if (error == MAILMOD_OK) {
        tell_until_end(instance, wait, on_account, context);
        error = result_of(wait);
    }
    wait_free(wait);
    return error;
}
