/* lifecycle.c - open, start, stop, drain, free: the parts in their order.
 *
 * Promises: a start that fails leaves nothing behind and may be repeated; a
 * drain ends every session and attempt before the threads are joined, and joins
 * them before the store closes. What was acknowledged is on disk throughout.
 *
 * The order up: folder, certificate, settings, loops, listeners | store,
 * postmaster, workers, outbound, loops' threads. Down: sessions and attempts
 * end, workers, loops' threads, outbound, server, loops, store.
 * Thread: any but the instance's own; the instance's mutex is held. */
#include "api/client/client.h"
#include "api/events.h"
#include "api/handles.h"
#include "api/host_threads.h"
#include "api/instance.h"
#include "api/message/message.h"
#include "api/open_mailbox.h"
#include "api/providers.h"
#include "api/reading.h"
#include "api/session_events.h"
#include "api/tokens.h"

#include "base/mem.h"
#include "client/dns_way.h"
#include "platform/clock.h"
#include "platform/fs.h"
#include "platform/standard.h"

#include <string.h>

#define WORDS_MAX 4096
/* How often a drain looks; and how long after the cut it still waits for the
 * threads to hand back their work before it says so. */
#define DRAIN_STEP_MS 5
#define WORKER_QUEUE_MAX 65536

static enum mailmod_error make_folder(const struct mm_config *config)
{
    if (mm_store_is_memory(config->data_folder)) {
        return MAILMOD_OK;
    }
    enum mailmod_error error = mm_fs_make_folder(config->data_folder);

    if (error == MAILMOD_OK && !mm_fs_is_writable_folder(config->data_folder)) {
        error = MAILMOD_ERROR_ACCESS;
    }
    return error == MAILMOD_OK
               ? MAILMOD_OK
               : mm_fail(error, "%s: the data folder cannot be used: %s",
                         config->data_folder,
                         error == MAILMOD_ERROR_EXISTS
                             ? "a file is where the folder should be"
                             : mm_error_text(error));
}

/* Before anything listens: the peers of the one that runs are not ours. Where
 * it cannot be told now, opening the store will. */
static enum mailmod_error check_alone(const struct mm_config *config)
{
    return mm_store_is_in_use(config->data_folder)
               ? mm_fail(MAILMOD_ERROR_BUSY,
                         "another mailmod is running on the data folder %s",
                         config->data_folder)
               : MAILMOD_OK;
}

static enum mailmod_error make_loops(struct mailmod *instance)
{
    size_t wanted = instance->config->loops != 0 ? instance->config->loops
                                                 : mm_processor_count();

    if (wanted > MM_LOOPS_MAX) {
        wanted = MM_LOOPS_MAX;
    }
    if (instance->turning.is_wanted) {
        wanted = 1;
    }
    for (size_t i = 0; i < wanted; i++) {
        enum mailmod_error error =
            mm_loop_new(&instance->loops[i], &instance->log);

        if (error != MAILMOD_OK) {
            return mm_fail(error, "an event loop cannot be made: %s",
                           mm_error_text(error));
        }
        instance->loop_count = i + 1;
    }
    return MAILMOD_OK;
}

enum mailmod_error mm_resolver_use(struct mailmod *instance, size_t i,
                                   struct mm_config *config)
{
    struct mm_resolver_way way = {.context = NULL};
    struct mm_resolver_options options = {.servers = config->dns.servers,
                                          .timeout_ms = config->dns.timeout_ms,
                                          .tries = config->dns.tries,
                                          .validates = config->dns.validates};
    enum mailmod_error error = MAILMOD_OK;

    if (config->dns.through_proxy) {
        error = mm_dns_way_new(&way, config, &instance->log);
        options.way = &way;
    }
    if (error == MAILMOD_OK) {
        error = instance->resolvers[i] != NULL
                    ? mm_resolver_set_options(instance->resolvers[i], &options)
                    : mm_resolver_new(&instance->resolvers[i],
                                      instance->loops[i], &options);
    }
    if (way.context != NULL) {
        way.unref(&way.context);
    }
    return error;
}

/* Before the loops run. */
static enum mailmod_error make_resolvers(struct mailmod *instance)
{
    for (size_t i = 0; i < instance->loop_count; i++) {
        enum mailmod_error error =
            mm_resolver_use(instance, i, instance->config);

        if (error != MAILMOD_OK) {
            return mm_fail(error, "name servers cannot be asked: %s",
                           mm_error_text(error));
        }
    }
    return MAILMOD_OK;
}

static enum mailmod_error make_post(struct mailmod *instance,
                                    struct mm_buf *reason)
{
    enum mailmod_error error = mm_pop3_backends_new(
        &instance->backends, &instance->log, instance->config, reason);
    if (error != MAILMOD_OK) {
        return error;
    }
    const struct mm_post_options post = {
        .log = &instance->log,
        .tell = mm_events_tell,
        .is_behind = mm_events_is_behind,
        .news_context = instance->events,
        .visits = mm_providers_visits(instance->providers),
        .backends = mm_pop3_backends_door(instance->backends)};
    error = mm_post_new(&instance->post, &post);
    for (size_t i = 0; error == MAILMOD_OK && i < instance->loop_count; i++) {
        mm_loop_watch_memory(instance->loops[i], &instance->post->texts);
    }
    return error;
}

static enum mailmod_error make_server(struct mailmod *instance)
{
    struct mm_buf reason;

    mm_buf_init(&reason, WORDS_MAX);
    enum mailmod_error error = make_post(instance, &reason);
    if (error == MAILMOD_OK) {
        error = mm_settings_new(&instance->settings, instance->config, &reason);
    }
    if (error == MAILMOD_OK) {
        struct mm_server_options options = {
            .loops = instance->loops,
            .resolvers = instance->resolvers,
            .loop_count = instance->loop_count,
            .log = &instance->log,
            .settings = instance->settings,
            .post = instance->post,
            .hooks = {.moments = instance->asked.moments,
                      .ask = mm_request_put,
                      .context = instance},
            .observer = mm_session_events_observer(instance->session_events)};

        error = mm_server_new(&instance->server, &options);
    }
    if (error == MAILMOD_OK && !instance->services_wait) {
        error = mm_server_listen(instance->server, &reason);
    }
    if (error != MAILMOD_OK) {
        (void)mm_fail_setting(instance, error, &reason);
    }
    mm_buf_fini(&reason);
    return error;
}

static void take_down(struct mailmod *instance)
{
    mm_providers_use_threads(instance->providers, NULL);
    mm_host_threads_free(&instance->host_threads);
    mm_workers_free(&instance->workers);
    for (size_t i = 0; i < instance->loop_count; i++) {
        mm_loop_stop(instance->loops[i]);
    }
    mm_turning_end(&instance->turning);
    mm_fetcher_free(&instance->fetcher);
    if (instance->store != NULL) {
        mm_store_watch(instance->store, NULL, NULL);
    }
    mm_outbound_free(&instance->outbound);
    mm_messages_unref(&instance->messages);
    mm_open_mailboxes_end(instance->open_mailboxes);
    mm_open_mailboxes_unref(&instance->open_mailboxes);
    mm_readings_unref(&instance->readings);
    mm_server_free(&instance->server);
    mm_settings_unref(&instance->settings);
    for (size_t i = 0; i < instance->loop_count; i++) {
        mm_resolver_free(&instance->resolvers[i]);
        mm_loop_free(&instance->loops[i]);
    }
    instance->loop_count = 0;
    mm_store_close(&instance->store);
    mm_post_free(&instance->post);
    mm_pop3_backends_free(&instance->backends);
    mm_config_unref(&instance->config);
    instance->state = MM_INSTANCE_NEW;
}

static enum mailmod_error open_parts(struct mailmod *instance)
{
    enum mailmod_error error = mm_instance_config(instance, &instance->config);

    if (error == MAILMOD_OK) {
        atomic_store(&instance->log.level, instance->config->log_level);
        error = make_folder(instance->config);
    }
    if (error == MAILMOD_OK) {
        error = check_alone(instance->config);
    }
    if (error == MAILMOD_OK) {
        error = mm_standard_fill();
    }
    if (error == MAILMOD_OK) {
        error = mm_settle_certificate(instance->config);
    }
    if (error == MAILMOD_OK) {
        error = make_loops(instance);
    }
    if (error == MAILMOD_OK) {
        error = make_resolvers(instance);
    }
    if (error == MAILMOD_OK) {
        error = make_server(instance);
    }
    if (error != MAILMOD_OK) {
        take_down(instance);
        return error;
    }
    instance->state = MM_INSTANCE_OPEN;
    return MAILMOD_OK;
}

enum mailmod_error mailmod_listeners_open(mailmod *instance)
{
    enum mailmod_error error = mm_instance_lock(instance);

    if (error != MAILMOD_OK) {
        return error;
    }
    error = instance->state == MM_INSTANCE_NEW
                ? open_parts(instance)
                : mm_fail(MAILMOD_ERROR_STATE, "the instance is open already");
    mm_instance_unlock(instance);
    return error;
}

static enum mailmod_error open_store(struct mailmod *instance)
{
    struct mm_store_options options = {
        .description = instance->config->data_folder,
        .mode = MM_STORE_EXCLUSIVE,
        .syncs = true,
        .free_space_min = instance->config->free_space_min,
        .erase = (enum mm_store_erase)instance->config->secure_delete,
        .log = &instance->log};
    struct mm_buf reason;

    mm_buf_init(&reason, WORDS_MAX);
    enum mailmod_error error =
        mm_store_open(&instance->store, &options, &reason);
    if (error != MAILMOD_OK) {
        (void)mm_fail_buf(error, &reason);
    }
    mm_buf_fini(&reason);
    if (error == MAILMOD_OK) {
        error = mm_put_config_users(instance->store, instance->config);
    }
    if (error == MAILMOD_OK) {
        error = mm_ensure_postmaster(instance->store, instance->config);
    }
    return error;
}

static void wake_outbound(void *context)
{
    mm_outbound_wake(context);
}

static enum mailmod_error open_outbound(struct mailmod *instance)
{
    struct mm_outbound_options options = {
        .loops = instance->loops,
        .resolvers = instance->resolvers,
        .loop_count = instance->loop_count,
        .workers = instance->workers,
        .store = instance->store,
        .post = instance->post,
        .log = &instance->log,
        .config = instance->config,
        .tokens = mm_tokens_source(instance->tokens)};
    struct mm_messages_options messages = {.post = instance->post,
                                           .store = instance->store,
                                           .config = instance->config,
                                           .host_threads =
                                               instance->host_threads,
                                           .log = &instance->log};
    struct mm_buf reason;

    mm_buf_init(&reason, WORDS_MAX);
    enum mailmod_error error = mm_messages_new(&instance->messages, &messages);
    if (error == MAILMOD_OK) {
        mm_messages_observer(instance->messages, &options.observer);
        error = mm_outbound_new(&instance->outbound, &options, &reason);
    }
    if (error != MAILMOD_OK) {
        (void)mm_fail_setting(instance, error, &reason);
    }
    mm_buf_fini(&reason);
    return error;
}

static enum mailmod_error open_fetcher(struct mailmod *instance)
{
    const struct mm_fetcher_options options = {
        .loop = instance->loops[0],
        .resolver = instance->resolvers[0],
        .workers = instance->workers,
        .store = instance->store,
        .post = instance->post,
        .log = &instance->log,
        .tokens = mm_tokens_source(instance->tokens)};
    struct mm_fetch_settings *settings = NULL;
    struct mm_buf reason;

    mm_buf_init(&reason, WORDS_MAX);
    enum mailmod_error error =
        mm_fetch_settings_new(&settings, instance->config, &reason);
    if (error == MAILMOD_OK) {
        error = mm_fetcher_new(&instance->fetcher, &options, &settings);
    }
    if (error != MAILMOD_OK) {
        (void)mm_fail_setting(instance, error, &reason);
    }
    mm_buf_fini(&reason);
    return error;
}

/* A thread for each session that may stand in the host at once, and some for
 * the progress of messages. */
static enum mailmod_error open_host_threads(struct mailmod *instance)
{
    enum mailmod_error error = mm_host_threads_new(
        &instance->host_threads, instance->config->smtp.connections_max +
                                     instance->config->pop3.connections_max +
                                     MM_MESSAGE_THREADS_MAX);

    if (error != MAILMOD_OK) {
        return mm_fail(error, "threads for the host: %s", mm_error_text(error));
    }
    mm_events_begin(instance->events, instance->host_threads);
    mm_session_events_begin(instance->session_events, instance->host_threads);
    mm_providers_use_threads(instance->providers, instance->host_threads);
    mm_tokens_use(instance->tokens, instance->host_threads);
    error = mm_readings_new(&instance->readings, instance->host_threads);
    return error == MAILMOD_OK ? MAILMOD_OK
                               : mm_fail(error, "%s", mm_error_text(error));
}

static enum mailmod_error run_loop(struct mailmod *instance,
                                   struct mm_loop *loop)
{
    if (!instance->turning.is_wanted) {
        return mm_loop_start(loop);
    }
    enum mailmod_error error = mm_loop_start_turned(loop);
    instance->turning.loop = error == MAILMOD_OK ? loop : NULL;
    return error;
}

static enum mailmod_error run_loops(struct mailmod *instance)
{
    for (size_t i = 0; i < instance->loop_count; i++) {
        enum mailmod_error error = run_loop(instance, instance->loops[i]);

        if (error != MAILMOD_OK) {
            return mm_fail(error, "a thread cannot be started: %s",
                           mm_error_text(error));
        }
    }
    return MAILMOD_OK;
}

/* A loop that did start may have let peers in, whose questions stand in the
 * host and may want the mutex. Locked. */
static void give_up(struct mailmod *instance)
{
    if (instance->host_threads != NULL) {
        instance->state = MM_INSTANCE_DRAINING;
        mm_mutex_unlock(instance->mutex);
        mm_readings_end(instance->readings);
        mm_events_end(instance->events);
        mm_session_events_end(instance->session_events);
        mm_tokens_use(instance->tokens, NULL);
        mm_host_threads_end(instance->host_threads);
        mm_mutex_lock(instance->mutex);
    }
    take_down(instance);
}

static enum mailmod_error start_parts(struct mailmod *instance)
{
    enum mailmod_error error = open_store(instance);

    if (error == MAILMOD_OK) {
        error = mm_workers_new(&instance->workers, instance->config->workers,
                               WORKER_QUEUE_MAX);
        if (error != MAILMOD_OK) {
            (void)mm_fail(error, "the workers cannot be started: %s",
                          mm_error_text(error));
        }
    }
    if (error == MAILMOD_OK) {
        error = open_host_threads(instance);
    }
    if (error == MAILMOD_OK) {
        error = open_outbound(instance);
    }
    if (error == MAILMOD_OK) {
        error = open_fetcher(instance);
    }
    if (error == MAILMOD_OK) {
        mm_post_attach(instance->post, instance->store, instance->workers);
        error = mm_load_aliases(instance, instance->config);
    }
    if (error == MAILMOD_OK) {
        mm_server_attach(instance->server, instance->store, instance->workers);
        error = mm_open_mailboxes_new(&instance->open_mailboxes, instance->post,
                                      instance->readings);
    }
    if (error == MAILMOD_OK) {
        error = run_loops(instance);
    }
    if (error != MAILMOD_OK) {
        give_up(instance);
        return error;
    }
    mm_tell_warnings(instance, instance->settings, instance->store);
    mm_store_watch(instance->store, wake_outbound, instance->outbound);
    mm_outbound_start(instance->outbound);
    mm_fetcher_start(instance->fetcher);
    mm_messages_open(instance->messages, instance->outbound,
                     &instance->turning);
    instance->state = MM_INSTANCE_RUNNING;
    return MAILMOD_OK;
}

enum mailmod_error mailmod_start(mailmod *instance)
{
    enum mailmod_error error = mm_instance_lock(instance);

    if (error != MAILMOD_OK) {
        return error;
    }
    if (instance->state == MM_INSTANCE_NEW) {
        error = open_parts(instance);
    } else if (instance->state != MM_INSTANCE_OPEN) {
        error = mm_fail(MAILMOD_ERROR_STATE, "the instance is running already");
    }
    if (error == MAILMOD_OK) {
        error = start_parts(instance);
    }
    mm_instance_unlock(instance);
    return error;
}

/* Nothing is said where nothing is waited for. */
static void tell_what_is_open(struct mailmod *instance)
{
    size_t sessions = mm_server_busy(instance->server);
    size_t attempts = mm_outbound_busy(instance->outbound);
    size_t visits = mm_fetcher_visits(instance->fetcher);
    if (sessions + attempts + visits > 0) {
        MM_LOG(&instance->log, MM_LOG_INFO, "mailmod",
               "waiting for open sessions and attempts",
               MM_NUMBER("sessions", (int64_t)sessions),
               MM_NUMBER("attempts", (int64_t)attempts),
               MM_NUMBER("visits", (int64_t)visits));
    }
}

/* Locked. */
static enum mailmod_error stop_parts(struct mailmod *instance)
{
    switch (instance->state) {
    case MM_INSTANCE_NEW:
        return mm_fail(MAILMOD_ERROR_STATE, "the instance is not running");
    case MM_INSTANCE_OPEN:
        take_down(instance);
        break;
    case MM_INSTANCE_RUNNING:
        mm_server_stop(instance->server);
        mm_outbound_stop(instance->outbound);
        mm_fetcher_stop(instance->fetcher);
        instance->state = MM_INSTANCE_STOPPING;
        tell_what_is_open(instance);
        break;
    case MM_INSTANCE_STOPPING:
    case MM_INSTANCE_DRAINING:
        break;
    }
    return MAILMOD_OK;
}

enum mailmod_error mailmod_stop(mailmod *instance)
{
    enum mailmod_error error = mm_instance_lock(instance);

    if (error != MAILMOD_OK) {
        return error;
    }
    error = stop_parts(instance);
    mm_instance_unlock(instance);
    return error;
}

/* The post office last: who leaves the others may leave a deposit there. */
static bool is_busy(const struct mailmod *instance)
{
    return mm_server_busy(instance->server) > 0 ||
           mm_outbound_busy(instance->outbound) > 0 ||
           mm_fetcher_busy(instance->fetcher) > 0 ||
           mm_post_busy(instance->post) > 0;
}

/* True when all ended in time. */
static bool wait_idle(struct mailmod *instance, uint64_t wait_ms)
{
    uint64_t end_ms = mm_clock_monotonic_ms() + wait_ms;

    while (is_busy(instance)) {
        if (mm_clock_monotonic_ms() >= end_ms) {
            return false;
        }
        mm_turning_pause(&instance->turning, DRAIN_STEP_MS);
    }
    return true;
}

/* OK when nothing had to be cut. */
static enum mailmod_error drain_parts(struct mailmod *instance,
                                      uint64_t deadline_ms)
{
    if (wait_idle(instance, deadline_ms)) {
        return MAILMOD_OK;
    }
    size_t sessions = mm_server_busy(instance->server);
    size_t attempts = mm_outbound_busy(instance->outbound);
    size_t visits = mm_fetcher_visits(instance->fetcher);
    mm_server_cut(instance->server);
    mm_outbound_cut(instance->outbound);
    mm_fetcher_cut(instance->fetcher);
    /* Every cut object answers by itself; its work on the store and the
     * workers is finite. */
    while (is_busy(instance)) {
        mm_turning_pause(&instance->turning, DRAIN_STEP_MS);
    }
    return mm_fail(MAILMOD_ERROR_TIMEOUT,
                   "cut at the deadline: %zu sessions, %zu attempts, %zu "
                   "visits of mailboxes elsewhere",
                   sessions, attempts, visits);
}

/* A callback would wait for its own end. Locked. */
static enum mailmod_error check_not_callback(const struct mailmod *instance)
{
    return mm_open_mailboxes_is_callback() || mm_client_is_callback() ||
                   (instance->host_threads != NULL &&
                    mm_host_threads_is_current(instance->host_threads))
               ? mm_fail(MAILMOD_ERROR_STATE,
                         "not in a callback of the instance")
               : MAILMOD_OK;
}

/* OK: it is DRAINING now, and the caller's to bring down. Locked. */
static enum mailmod_error begin_drain(struct mailmod *instance)
{
    enum mailmod_error error = check_not_callback(instance);

    if (error == MAILMOD_OK && instance->state != MM_INSTANCE_STOPPING) {
        error = mm_fail(MAILMOD_ERROR_STATE, "mailmod_stop comes first");
    }
    if (error == MAILMOD_OK) {
        instance->state = MM_INSTANCE_DRAINING;
    }
    return error;
}

/* Waits without the mutex: the host's callbacks may still call in. */
static enum mailmod_error finish_drain(struct mailmod *instance,
                                       uint64_t deadline_ms)
{
    enum mailmod_error error = drain_parts(instance, deadline_ms);

    mm_readings_end(instance->readings);
    mm_open_mailboxes_end(instance->open_mailboxes);
    mm_messages_close(instance->messages);
    mm_events_end(instance->events);
    mm_session_events_end(instance->session_events);
    mm_tokens_use(instance->tokens, NULL);
    mm_host_threads_end(instance->host_threads);
    mm_mutex_lock(instance->mutex);
    take_down(instance);
    mm_mutex_unlock(instance->mutex);
    return error;
}

enum mailmod_error mailmod_drain(mailmod *instance, uint64_t deadline_ms)
{
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_INSTANCE, instance);
    bool is_new = false;

    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_instance_lock(instance);
    if (error == MAILMOD_OK) {
        is_new = instance->state == MM_INSTANCE_NEW;
        error = is_new ? MAILMOD_OK : begin_drain(instance);
        mm_instance_unlock(instance);
    }
    if (error == MAILMOD_OK && !is_new) {
        error = finish_drain(instance, deadline_ms);
    }
    mm_handle_let(instance);
    return error;
}

/* Brings it down, unless another call is at it. The handle is held or gone. */
static void end_parts(struct mailmod *instance)
{
    mm_mutex_lock(instance->mutex);
    if (instance->state != MM_INSTANCE_NEW) {
        (void)stop_parts(instance);
    }
    bool is_ours = instance->state == MM_INSTANCE_STOPPING;
    if (is_ours) {
        instance->state = MM_INSTANCE_DRAINING;
    }
    mm_mutex_unlock(instance->mutex);
    if (is_ours) {
        (void)finish_drain(instance, 0);
    }
}

static enum mailmod_error check_free(mailmod *instance)
{
    enum mailmod_error error = mm_instance_lock(instance);

    if (error == MAILMOD_OK) {
        error = check_not_callback(instance);
        mm_instance_unlock(instance);
    }
    return error;
}

enum mailmod_error mailmod_free(mailmod **instance_in)
{
    if (instance_in == NULL || *instance_in == NULL) {
        return MAILMOD_OK;
    }
    struct mailmod *instance = *instance_in;
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_INSTANCE, instance);
    if (error != MAILMOD_OK) {
        return error;
    }
    error = check_free(instance);
    if (error == MAILMOD_OK) {
        /* While the handle still lives, so that callbacks may call in; and
         * again when nobody can start it any more. */
        end_parts(instance);
        error = mm_handle_remove(MM_HANDLE_INSTANCE, instance, 1);
    }
    if (error != MAILMOD_OK) {
        mm_handle_let(instance); /* in a callback, or another call frees it */
        return error;
    }
    *instance_in = NULL;
    end_parts(instance);
    mm_instance_dispose(&instance);
    return MAILMOD_OK;
}
