/* srv_instance.c - the default instance: made lazily, started, shut down.
 *
 * Owns: the one process-wide object beside the table of handles, behind a
 * process-wide lock; it comes with the first call that needs it and goes with
 * SRVShutdown. Promises: no call finds it half made or half gone; while it ends
 * it can still be asked and set, for callbacks that have not returned, but not
 * started.
 * Thread: any. */
#include "api/host_threads.h"
#include "api/instance.h"
#include "api/srv_state.h"

#include "base/mem.h"
#include "platform/random.h"

static struct mm_srv *the_srv;
/* Callbacks of the host's that this thread stands in. */
static _Thread_local unsigned callback_depth;

void mm_srv_lock(void)
{
    mm_process_lock(MM_PROCESS_SRV);
}

void mm_srv_unlock(void)
{
    mm_process_unlock(MM_PROCESS_SRV);
}

struct mm_srv *mm_srv_peek(void)
{
    return the_srv;
}

void mm_srv_callback_begins(void)
{
    callback_depth++;
}

void mm_srv_callback_ends(void)
{
    callback_depth--;
}

/* Nothing is open until a Set...Server call says so; the ports are those of
 * the documented API, and only these two services are its own. */
static enum mailmod_error set_defaults(mailmod *instance)
{
    enum mailmod_error error = mailmod_services_set_wait(instance, 1);

    if (error == MAILMOD_OK) {
        error = mailmod_config_set(instance, "smtp.listen", "*:25");
    }
    return error == MAILMOD_OK
               ? mailmod_config_set(instance, "pop3.listen", "*:110")
               : error;
}

/* Locked. */
static enum mailmod_error make(void)
{
    struct mm_srv *srv = mm_alloc(sizeof *srv);

    if (srv == NULL) {
        return mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    }
    uint64_t seed;
    enum mailmod_error error = mm_random(&seed, sizeof seed);
    if (error == MAILMOD_OK) {
        error = mailmod_new(&srv->instance);
    }
    if (error == MAILMOD_OK) {
        error = set_defaults(srv->instance);
    }
    if (error != MAILMOD_OK) {
        (void)mailmod_free(&srv->instance);
        mm_free(srv);
        return error;
    }
    mm_map_init(&srv->streams, MM_SRV_STREAMS_MAX, seed);
    mm_list_init(&srv->kept);
    the_srv = srv;
    return MAILMOD_OK;
}

/* Locked. */
static enum mailmod_error start(struct mm_srv *srv)
{
    if (srv->is_ending) {
        return mm_fail(MAILMOD_ERROR_STOPPED,
                       "the default instance is shutting down");
    }
    if (srv->is_running) {
        return MAILMOD_OK;
    }
    enum mailmod_error error = mailmod_start(srv->instance);
    srv->is_running = error == MAILMOD_OK;
    return error;
}

enum mailmod_error mm_srv_enter(bool starts, struct mm_srv **srv_out)
{
    enum mailmod_error error = MAILMOD_OK;

    mm_srv_lock();
    if (the_srv == NULL) {
        error = make();
    }
    if (error == MAILMOD_OK && starts) {
        error = start(the_srv);
    }
    *srv_out = the_srv;
    if (error != MAILMOD_OK) {
        mm_srv_unlock();
    }
    return error;
}

enum mailmod_error mm_srv_instance(bool starts, mailmod **instance_out)
{
    struct mm_srv *srv;
    enum mailmod_error error = mm_srv_enter(starts, &srv);

    *instance_out = NULL;
    if (error == MAILMOD_OK) {
        *instance_out = srv->instance;
        mm_srv_unlock();
    }
    return error;
}

mailmod *SRVInstance(void)
{
    mailmod *instance;

    (void)mm_srv_note(mm_srv_instance(false, &instance));
    return instance;
}

int SRVStart(void)
{
    mailmod *instance;

    return mm_srv_note(mm_srv_instance(true, &instance));
}

int SRVSetLog(mailmod_on_log on_log, void *context)
{
    mailmod *instance;
    enum mailmod_error error = mm_srv_instance(false, &instance);

    if (error == MAILMOD_OK) {
        error = mailmod_log_set_callback(instance, on_log, context);
    }
    return mm_srv_note(error);
}

/* Whether this thread stands in a callback that a drain would wait for: one of
 * ours, or one that the host gave to the instance itself. */
static bool is_in_callback(mailmod *instance)
{
    bool is_inside = callback_depth > 0;

    if (!is_inside && mm_instance_lock(instance) == MAILMOD_OK) {
        is_inside = instance->host_threads != NULL &&
                    mm_host_threads_is_current(instance->host_threads);
        mm_instance_unlock(instance);
    }
    return is_inside;
}

/* Takes the right to end it; NULL with OK: there is none. */
static enum mailmod_error begin_end(struct mm_srv **srv_out)
{
    enum mailmod_error error = MAILMOD_OK;

    *srv_out = NULL;
    mm_srv_lock();
    if (the_srv != NULL && is_in_callback(the_srv->instance)) {
        error = mm_fail(MAILMOD_ERROR_STATE, "SRVShutdown cannot wait for the "
                                             "callback that calls it");
    } else if (the_srv != NULL && the_srv->is_ending) {
        error = mm_fail(MAILMOD_ERROR_STATE,
                        "another thread shuts the default instance down");
    } else if (the_srv != NULL) {
        the_srv->is_ending = true;
        *srv_out = the_srv;
    }
    mm_srv_unlock();
    return error;
}

static uint64_t drain_ms(mailmod *instance)
{
    uint64_t wait_ms = 0;

    if (mm_instance_lock(instance) == MAILMOD_OK) {
        wait_ms = mm_config_peek(instance->builder)->drain_ms;
        mm_instance_unlock(instance);
    }
    return wait_ms;
}

/* TIMEOUT: what was not over by then is cut. */
static enum mailmod_error drain(const struct mm_srv *srv)
{
    if (!srv->is_running) {
        return MAILMOD_OK;
    }
    enum mailmod_error error = mailmod_stop(srv->instance);
    return error == MAILMOD_OK
               ? mailmod_drain(srv->instance, drain_ms(srv->instance))
               : error;
}

static void end(struct mm_srv *srv)
{
    mm_srv_end_streams(srv);
    mm_srv_lock();
    the_srv = NULL;
    mm_srv_unlock();
    (void)mailmod_free(&srv->instance);
    mm_map_fini(&srv->streams);
    mm_free(srv);
}

int SRVShutdown(void)
{
    struct mm_srv *srv;
    enum mailmod_error error = begin_end(&srv);

    if (srv == NULL) {
        return mm_srv_note(error);
    }
    error = drain(srv);
    end(srv);
    (void)mm_srv_note(error); /* whatever it says, it is over */
    return 0;
}
