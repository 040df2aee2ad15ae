/* lifecycle.c - open, start, stop, drain, reload: the parts in their order.
 *
 * Promises: a start that fails leaves nothing behind and may be repeated; a
 * drain ends every session and attempt before the threads are joined, and joins
 * them before the store closes. What was acknowledged is on disk throughout.
 *
 * The order up: folder, certificate, settings, loops, listeners | store,
 * postmaster, workers, outbound, loops' threads. Down: sessions and attempts
 * end, workers, loops' threads, outbound, server, loops, store.
 * Thread: any but the instance's own; the instance's mutex is held. */
#include "api/host_threads.h"
#include "api/instance.h"
#include "api/message.h"

#include "base/mem.h"
#include "platform/clock.h"
#include "platform/fs.h"
#include "server/directory.h"

#include <string.h>

#define WORDS_MAX 4096
#define PATH_SIZE 4096
/* How often a drain looks; and how long after the cut it still waits for the
 * threads to hand back their work before it says so. */
#define DRAIN_STEP_MS 5
#define WORKER_QUEUE_MAX 65536

static const char certificate_name[] = "self-signed.crt";
static const char key_name[] = "self-signed.key";

static enum mailmod_error write_certificate(const struct mm_config *config)
{
    struct mm_buf certificate;
    struct mm_buf key;
    enum mailmod_error error;

    mm_buf_init(&certificate, PATH_SIZE);
    mm_buf_init(&key, PATH_SIZE);
    error = mm_tls_self_signed(config->host_name, &certificate, &key);
    if (error == MAILMOD_OK) {
        error = mm_fs_replace(config->tls.key_file, mm_buf_span(&key), true);
    }
    if (error == MAILMOD_OK) {
        error = mm_fs_replace(config->tls.certificate_file,
                              mm_buf_span(&certificate), false);
    }
    mm_secret_clear(key.data, key.capacity);
    mm_buf_fini(&key);
    mm_buf_fini(&certificate);
    return error;
}

static char *join_path(const char *folder, const char *name)
{
    struct mm_buf path;
    char *joined = NULL;

    mm_buf_init(&path, PATH_SIZE);
    if (mm_buf_appendf(&path, "%s/%s", folder, name) == MAILMOD_OK) {
        joined = mm_memdup0(mm_buf_span(&path).data, mm_buf_size(&path));
    }
    mm_buf_fini(&path);
    return joined;
}

/* Without a certificate of the operator's, one of our own stands in the data
 * folder; it is made once and kept. */
static enum mailmod_error settle_certificate(struct mm_config *config)
{
    enum mailmod_error error = MAILMOD_OK;

    if (config->tls.certificate_file[0] != '\0' || !config->tls.self_signed) {
        return MAILMOD_OK;
    }
    mm_free(config->tls.certificate_file);
    mm_free(config->tls.key_file);
    config->tls.certificate_file =
        join_path(config->data_folder, certificate_name);
    config->tls.key_file = join_path(config->data_folder, key_name);
    if (config->tls.certificate_file == NULL || config->tls.key_file == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    if (!mm_fs_exists(config->tls.certificate_file) ||
        !mm_fs_exists(config->tls.key_file)) {
        error = write_certificate(config);
    }
    return error == MAILMOD_OK
               ? MAILMOD_OK
               : mm_fail(error, "%s: cannot write a certificate: %s",
                         config->tls.certificate_file, mm_error_text(error));
}

static enum mailmod_error make_folder(const struct mm_config *config)
{
    enum mailmod_error error = mm_fs_make_folder(config->data_folder);

    if (error == MAILMOD_OK && !mm_fs_is_writable_folder(config->data_folder)) {
        error = MAILMOD_ERROR_ACCESS;
    }
    return error == MAILMOD_OK
               ? MAILMOD_OK
               : mm_fail(error, "%s: the data folder cannot be used: %s",
                         config->data_folder, mm_error_text(error));
}

static enum mailmod_error make_loops(struct mailmod *instance)
{
    size_t wanted = instance->config->loops != 0 ? instance->config->loops
                                                 : mm_processor_count();

    if (wanted > MM_LOOPS_MAX) {
        wanted = MM_LOOPS_MAX;
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

static void wake_outbound(void *context)
{
    struct mailmod *instance = context;

    mm_outbound_wake(instance->outbound);
}

static enum mailmod_error make_server(struct mailmod *instance)
{
    struct mm_buf reason;
    enum mailmod_error error;

    mm_buf_init(&reason, WORDS_MAX);
    error = mm_settings_new(&instance->settings, instance->config, &reason);
    if (error == MAILMOD_OK) {
        struct mm_server_options options = {
            .loops = instance->loops,
            .loop_count = instance->loop_count,
            .log = &instance->log,
            .settings = instance->settings,
            .destination = mm_outbound_destination,
            .wake = wake_outbound,
            .wake_context = instance,
            .hooks = {.moments = instance->moments,
                      .ask = mm_request_put,
                      .context = instance}};

        error = mm_server_new(&instance->server, &options);
    }
    if (error == MAILMOD_OK) {
        error = mm_server_listen(instance->server, &reason);
    }
    if (error != MAILMOD_OK) {
        (void)mm_fail_buf(error, &reason);
    }
    mm_buf_fini(&reason);
    return error;
}

static void take_down(struct mailmod *instance)
{
    mm_host_threads_free(&instance->host_threads);
    mm_workers_free(&instance->workers);
    for (size_t i = 0; i < instance->loop_count; i++) {
        mm_loop_stop(instance->loops[i]);
    }
    mm_outbound_free(&instance->outbound);
    mm_messages_unref(&instance->messages);
    mm_server_free(&instance->server);
    mm_settings_unref(&instance->settings);
    for (size_t i = 0; i < instance->loop_count; i++) {
        mm_loop_free(&instance->loops[i]);
    }
    instance->loop_count = 0;
    mm_store_close(&instance->store);
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
        error = settle_certificate(instance->config);
    }
    if (error == MAILMOD_OK) {
        error = make_loops(instance);
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

enum mailmod_error mailmod_open_listeners(mailmod *instance)
{
    enum mailmod_error error;

    if (instance == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "the instance is NULL");
    }
    mm_mutex_lock(instance->mutex);
    error = instance->state == MM_INSTANCE_NEW
                ? open_parts(instance)
                : mm_fail(MAILMOD_ERROR_STATE, "the instance is open already");
    mm_mutex_unlock(instance->mutex);
    return error;
}

static enum mailmod_error open_store(struct mailmod *instance)
{
    struct mm_store_options options = {
        .data_folder = instance->config->data_folder,
        .mode = MM_STORE_EXCLUSIVE,
        .syncs = true,
        .free_space_min = instance->config->free_space_min,
        .log = &instance->log};
    struct mm_buf reason;
    enum mailmod_error error;

    mm_buf_init(&reason, WORDS_MAX);
    error = mm_store_open(&instance->store, &options, &reason);
    if (error != MAILMOD_OK) {
        (void)mm_fail_buf(error, &reason);
    }
    mm_buf_fini(&reason);
    if (error == MAILMOD_OK) {
        error = mm_ensure_postmaster(instance->store, instance->config);
    }
    return error;
}

static enum mailmod_error find_mailbox(void *context,
                                       const struct mm_config *config,
                                       const struct mm_address *address,
                                       uint64_t *mailbox_id_out)
{
    struct mailmod *instance = context;

    if (!mm_directory_is_local(config, address, NULL)) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    return mm_directory_find(instance->store, config, address, mailbox_id_out);
}

static enum mailmod_error open_outbound(struct mailmod *instance)
{
    struct mm_outbound_options options = {.loop = instance->loops[0],
                                          .workers = instance->workers,
                                          .store = instance->store,
                                          .log = &instance->log,
                                          .config = instance->config,
                                          .find_mailbox = find_mailbox,
                                          .find_mailbox_context = instance};
    struct mm_buf reason;
    enum mailmod_error error;

    mm_buf_init(&reason, WORDS_MAX);
    error = mm_messages_new(&instance->messages, instance->store,
                            instance->config, instance->host_threads);
    if (error == MAILMOD_OK) {
        mm_messages_observer(instance->messages, &options.observer);
        error = mm_outbound_new(&instance->outbound, &options, &reason);
    }
    if (error != MAILMOD_OK) {
        (void)mm_fail_buf(error, &reason);
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

    return error == MAILMOD_OK ? MAILMOD_OK
                               : mm_fail(error, "threads for the host: %s",
                                         mm_error_text(error));
}

static enum mailmod_error run_loops(struct mailmod *instance)
{
    for (size_t i = 0; i < instance->loop_count; i++) {
        enum mailmod_error error = mm_loop_start(instance->loops[i]);

        if (error != MAILMOD_OK) {
            return mm_fail(error, "a thread cannot be started: %s",
                           mm_error_text(error));
        }
    }
    return MAILMOD_OK;
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
        mm_server_attach(instance->server, instance->store, instance->workers);
        error = run_loops(instance);
    }
    if (error != MAILMOD_OK) {
        take_down(instance);
        return error;
    }
    if (!instance->config->queue.holds) {
        mm_outbound_start(instance->outbound);
    }
    mm_messages_open(instance->messages, instance->outbound);
    instance->state = MM_INSTANCE_RUNNING;
    MM_LOG(&instance->log, MM_LOG_INFO, "mailmod", "started",
           MM_TEXT("version", MAILMOD_VERSION),
           MM_TEXT("host", instance->config->host_name),
           MM_TEXT("data_folder", instance->config->data_folder));
    return MAILMOD_OK;
}

enum mailmod_error mailmod_start(mailmod *instance)
{
    enum mailmod_error error = MAILMOD_OK;

    if (instance == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "the instance is NULL");
    }
    mm_mutex_lock(instance->mutex);
    if (instance->state == MM_INSTANCE_NEW) {
        error = open_parts(instance);
    } else if (instance->state != MM_INSTANCE_OPEN) {
        error = mm_fail(MAILMOD_ERROR_STATE, "the instance is running already");
    }
    if (error == MAILMOD_OK) {
        error = start_parts(instance);
    }
    mm_mutex_unlock(instance->mutex);
    return error;
}

enum mailmod_error mailmod_stop(mailmod *instance)
{
    enum mailmod_error error = MAILMOD_OK;

    if (instance == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "the instance is NULL");
    }
    mm_mutex_lock(instance->mutex);
    if (instance->state == MM_INSTANCE_RUNNING) {
        mm_server_stop(instance->server);
        mm_outbound_stop(instance->outbound);
        instance->state = MM_INSTANCE_STOPPING;
        MM_LOG(&instance->log, MM_LOG_INFO, "mailmod", "stopping",
               MM_NUMBER("sessions", (int64_t)mm_server_busy(instance->server)),
               MM_NUMBER("attempts",
                         (int64_t)mm_outbound_busy(instance->outbound)));
    } else if (instance->state == MM_INSTANCE_OPEN) {
        take_down(instance);
    } else if (instance->state == MM_INSTANCE_NEW) {
        error = mm_fail(MAILMOD_ERROR_STATE, "the instance is not running");
    }
    mm_mutex_unlock(instance->mutex);
    return error;
}

static bool is_busy(const struct mailmod *instance)
{
    return mm_server_busy(instance->server) > 0 ||
           mm_outbound_busy(instance->outbound) > 0;
}

/* True when all ended in time. */
static bool wait_idle(const struct mailmod *instance, uint64_t wait_ms)
{
    uint64_t end_ms = mm_clock_monotonic_ms() + wait_ms;

    while (is_busy(instance)) {
        if (mm_clock_monotonic_ms() >= end_ms) {
            return false;
        }
        mm_clock_sleep_ms(DRAIN_STEP_MS);
    }
    return true;
}

/* True when nothing had to be cut. */
static bool drain_parts(struct mailmod *instance, uint64_t deadline_ms)
{
    if (wait_idle(instance, deadline_ms)) {
        return true;
    }
    mm_server_cut(instance->server);
    mm_outbound_cut(instance->outbound);
    /* Every cut object answers by itself; its work on the store and the
     * workers is finite. */
    while (is_busy(instance)) {
        mm_clock_sleep_ms(DRAIN_STEP_MS);
    }
    return false;
}

enum mailmod_error mailmod_drain(mailmod *instance, uint64_t deadline_ms)
{
    enum mm_instance_state state;
    bool was_cut;

    if (instance == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "the instance is NULL");
    }
    mm_mutex_lock(instance->mutex);
    state = instance->state;
    if (state == MM_INSTANCE_STOPPING) {
        instance->state = MM_INSTANCE_DRAINING;
    }
    mm_mutex_unlock(instance->mutex);
    if (state != MM_INSTANCE_STOPPING) {
        return state == MM_INSTANCE_NEW
                   ? MAILMOD_OK
                   : mm_fail(MAILMOD_ERROR_STATE, "mailmod_stop comes first");
    }
    was_cut = !drain_parts(instance, deadline_ms);
    mm_messages_close(instance->messages);
    mm_mutex_lock(instance->mutex);
    MM_LOG(&instance->log, MM_LOG_INFO, "mailmod", "stopped",
           MM_TEXT("error", was_cut ? "TIMEOUT" : ""));
    take_down(instance);
    mm_mutex_unlock(instance->mutex);
    return was_cut ? mm_fail(MAILMOD_ERROR_TIMEOUT,
                             "sessions were cut at the deadline")
                   : MAILMOD_OK;
}

/* Keys that need a restart: of an open service its addresses. */
static const struct {
    const char *name;
    int service; /* enum mm_service; -1: none */
} fixed_keys[] = {
    {"general.data_folder", -1},
    {"general.loops", -1},
    {"general.workers", -1},
    {"smtp.listen", MM_SERVICE_SMTP},
    {"submission.listen", MM_SERVICE_SUBMISSION},
    {"submissions.listen", MM_SERVICE_SUBMISSIONS},
    {"pop3.listen", MM_SERVICE_POP3},
    {"pop3s.listen", MM_SERVICE_POP3S},
};
#define FIXED_KEY_COUNT (sizeof fixed_keys / sizeof fixed_keys[0])

/* Their values as text must be the same. */
static enum mailmod_error check_fixed(const struct mm_config *former,
                                      const struct mm_config *next)
{
    struct mm_buf a;
    struct mm_buf b;
    enum mailmod_error error = MAILMOD_OK;

    mm_buf_init(&a, WORDS_MAX);
    mm_buf_init(&b, WORDS_MAX);
    for (size_t i = 0; error == MAILMOD_OK && i < FIXED_KEY_COUNT; i++) {
        mm_buf_clear(&a);
        mm_buf_clear(&b);
        error = mm_config_get(former, fixed_keys[i].name, &a);
        if (error == MAILMOD_OK) {
            error = mm_config_get(next, fixed_keys[i].name, &b);
        }
        if (error == MAILMOD_OK &&
            !mm_span_equal(mm_buf_span(&a), mm_buf_span(&b))) {
            error = mm_fail(MAILMOD_ERROR_CONFIG,
                            "%s: a change of this key needs a restart",
                            fixed_keys[i].name);
        }
    }
    mm_buf_fini(&a);
    mm_buf_fini(&b);
    return error;
}

static enum mailmod_error copy_fixed(const struct mailmod *instance,
                                     struct mm_config_builder *builder)
{
    struct mm_buf text;
    enum mailmod_error error = MAILMOD_OK;

    mm_buf_init(&text, WORDS_MAX);
    for (size_t i = 0; error == MAILMOD_OK && i < FIXED_KEY_COUNT; i++) {
        int service = fixed_keys[i].service;

        if (service >= 0 &&
            mm_server_port(instance->server, (enum mm_service)service) == 0) {
            continue; /* closed: its addresses are free to change */
        }
        mm_buf_clear(&text);
        error = mm_config_get(instance->config, fixed_keys[i].name, &text);
        if (error == MAILMOD_OK) {
            const char *value = mm_buf_cstr(&text);

            error = value != NULL ? mm_config_set(builder, fixed_keys[i].name,
                                                  value, NULL)
                                  : MAILMOD_ERROR_MEMORY;
        }
    }
    mm_buf_fini(&text);
    return error;
}

/* What runs keeps its values of those keys; what was set of them stays in the
 * settings, for the next start. */
static enum mailmod_error keep_fixed(const struct mailmod *instance,
                                     struct mm_config **config)
{
    struct mm_config_builder *builder = NULL;
    struct mm_config *kept = NULL;
    struct mm_buf mistakes;
    enum mailmod_error error = mm_config_builder_from(&builder, *config);

    mm_buf_init(&mistakes, WORDS_MAX);
    if (error == MAILMOD_OK) {
        error = copy_fixed(instance, builder);
    }
    if (error == MAILMOD_OK) {
        error = mm_config_build(builder, &kept, &mistakes);
    }
    if (error == MAILMOD_OK) {
        mm_config_unref(config);
        *config = kept;
    } else {
        (void)mm_fail_buf(error, &mistakes);
    }
    mm_buf_fini(&mistakes);
    mm_config_builder_free(&builder);
    return error;
}

static enum mailmod_error use_config(struct mailmod *instance,
                                     struct mm_config *config)
{
    struct mm_settings *settings = NULL;
    struct mm_buf reason;
    enum mailmod_error error;

    mm_buf_init(&reason, WORDS_MAX);
    error = mm_settings_new(&settings, config, &reason);
    if (error == MAILMOD_OK) {
        error = mm_outbound_reload(instance->outbound, config, &reason);
    }
    if (error != MAILMOD_OK) {
        (void)mm_fail_buf(error, &reason);
        mm_settings_unref(&settings);
    } else {
        mm_server_set_settings(instance->server, settings);
        mm_settings_unref(&instance->settings);
        instance->settings = settings;
        mm_config_unref(&instance->config);
        instance->config = mm_config_ref(config);
        mm_messages_use_config(instance->messages, config);
        atomic_store(&instance->log.level, config->log_level);
    }
    mm_buf_fini(&reason);
    return error;
}

enum mailmod_error mm_instance_reload(struct mailmod *instance,
                                      bool keeps_fixed)
{
    struct mm_config *config = NULL;
    enum mailmod_error error = MAILMOD_OK;

    if (instance == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "the instance is NULL");
    }
    mm_mutex_lock(instance->mutex);
    if (instance->state != MM_INSTANCE_RUNNING) {
        error = mm_fail(MAILMOD_ERROR_STATE, "the instance is not running");
    } else {
        error = mm_instance_config(instance, &config);
    }
    if (error == MAILMOD_OK) {
        error = keeps_fixed ? keep_fixed(instance, &config)
                            : check_fixed(instance->config, config);
    }
    if (error == MAILMOD_OK) {
        error = settle_certificate(config); /* in the folder that is in use */
    }
    if (error == MAILMOD_OK) {
        error = use_config(instance, config);
    }
    if (error == MAILMOD_OK) {
        MM_LOG(&instance->log, MM_LOG_INFO, "mailmod", "reloaded",
               MM_TEXT("host", config->host_name));
    }
    mm_config_unref(&config);
    mm_mutex_unlock(instance->mutex);
    return error;
}

enum mailmod_error mailmod_reload(mailmod *instance)
{
    return mm_instance_reload(instance, false);
}
