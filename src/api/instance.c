/* instance.c - making an instance, its settings and its log.
 *
 * Owns: the builder of the present settings and the log's adapter. Promises:
 * no call changes what runs; mailmod_start and mailmod_reload take the settings
 * as a whole. Thread: any; one mutex an instance. */
#include "api/instance.h"

#include "api/events.h"
#include "api/handles.h"
#include "api/providers.h"
#include "api/session_events.h"
#include "api/tokens.h"
#include "base/mem.h"
#include "config/check.h"
#include "crypto/crypto.h"
#include "platform/fs.h"
#include "platform/module.h"
#include "platform/net.h"
#include "platform/standard.h"

#include <string.h>

#define MISTAKES_MAX 65536
#define LOG_LINE_MAX 4096
#define LOG_LINE_USUAL 500
#define NAME_SHOWN_MAX 128

static void write_log(void *context, enum mm_log_level level,
                      const char *component, const char *text,
                      const struct mm_log_field *fields, size_t count)
{
    struct mailmod *instance = context;
    struct mm_buf line;

    mm_buf_init(&line, LOG_LINE_MAX);
    (void)mm_buf_reserve(&line, LOG_LINE_USUAL); /* at once, not by doubling */
    mm_log_render(&line, component, text, fields, count);
    const char *rendered = mm_buf_cstr(&line);
    if (rendered != NULL) {
        instance->on_log(instance->log_context, (enum mailmod_log_level)level,
                         rendered);
    }
    mm_buf_fini(&line);
}

/* A number that no other living thread has. */
static uintptr_t this_thread(void)
{
    static _Thread_local char here;

    return (uintptr_t)&here;
}

enum mailmod_error mm_instance_lock(struct mailmod *instance)
{
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_INSTANCE, instance);

    if (error != MAILMOD_OK) {
        return error;
    }
    if (atomic_load(&instance->locker) == this_thread()) {
        mm_handle_let(instance);
        return mm_fail(MAILMOD_ERROR_STATE,
                       "not in a callback of a call that still runs");
    }
    mm_mutex_lock(instance->mutex);
    atomic_store(&instance->locker, this_thread());
    return MAILMOD_OK;
}

enum mailmod_error mm_instance_lock_running(struct mailmod *instance)
{
    enum mailmod_error error = mm_instance_lock(instance);

    if (error == MAILMOD_OK && instance->state != MM_INSTANCE_RUNNING) {
        mm_instance_unlock(instance);
        error = mm_fail(MAILMOD_ERROR_STATE, "the instance is not running");
    }
    return error;
}

void mm_instance_unlock(struct mailmod *instance)
{
    atomic_store(&instance->locker, 0);
    mm_mutex_unlock(instance->mutex);
    mm_handle_let(instance);
}

void mm_instance_dispose(struct mailmod **instance_in)
{
    struct mailmod *instance = *instance_in;
    struct mm_context context = mm_context_take(&instance->context);

    *instance_in = NULL;
    mm_asker_unref(&instance->asked.asker);
    mm_events_free(&instance->events);
    mm_session_events_free(&instance->session_events);
    mm_providers_free(&instance->providers);
    mm_tokens_free(&instance->tokens);
    mm_config_builder_free(&instance->builder);
    mm_mutex_free(&instance->asked.mutex);
    mm_mutex_free(&instance->mutex);
    mm_free(instance->working_folder);
    if (instance->holds_standard) {
        mm_standard_let();
    }
    mm_free(instance);
    mm_context_release(&context);
}

static enum mailmod_error init_instance(struct mailmod *instance)
{
    enum mailmod_error error = mm_module_keep();

    atomic_init(&instance->log.level, MM_LOG_INFO);
    atomic_init(&instance->locker, 0);
    if (error == MAILMOD_OK) {
        error = mm_standard_hold();
        instance->holds_standard = error == MAILMOD_OK;
    }
    if (error == MAILMOD_OK) {
        error = mm_crypto_prepare();
    }
    if (error == MAILMOD_OK) {
        error = mm_mutex_new(&instance->mutex);
    }
    if (error == MAILMOD_OK) {
        error = mm_mutex_new(&instance->asked.mutex);
    }
    if (error == MAILMOD_OK) {
        error = mm_events_new(&instance->events, &instance->log);
    }
    if (error == MAILMOD_OK) {
        error =
            mm_session_events_new(&instance->session_events, &instance->log);
    }
    if (error == MAILMOD_OK) {
        error = mm_providers_new(&instance->providers, &instance->log);
    }
    if (error == MAILMOD_OK) {
        error = mm_tokens_new(&instance->tokens);
    }
    if (error == MAILMOD_OK) {
        error = mm_config_builder_new(&instance->builder);
    }
    if (error == MAILMOD_OK) {
        mm_config_builder_set_guard(instance->builder, mm_fs_is_exposed);
        error = mm_handle_add(MM_HANDLE_INSTANCE, instance);
    }
    return error;
}

enum mailmod_error mailmod_new(mailmod **instance_out)
{
    if (instance_out == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "instance_out is NULL");
    }
    *instance_out = NULL;
    struct mailmod *instance = mm_alloc(sizeof *instance);
    if (instance == NULL) {
        return mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    }
    enum mailmod_error error = init_instance(instance);
    if (error != MAILMOD_OK) {
        mm_instance_dispose(&instance);
        return mm_fail(error, "%s", mm_error_text(error));
    }
    *instance_out = instance;
    return MAILMOD_OK;
}

/* One log line for each. */
static void log_warnings(struct mailmod *instance, struct mm_span warnings)
{
    bool has_more = warnings.size > 0;
    while (has_more) {
        struct mm_span line;
        has_more = mm_span_cut(warnings, '\n', &line, &warnings);
        char text[LOG_LINE_MAX];
        if (line.size > 0 && mm_span_copy(line, text, sizeof text)) {
            MM_LOG(&instance->log, MM_LOG_WARNING, "config", "warning",
                   MM_TEXT("what", text));
        }
    }
}

static enum mailmod_error load_file(struct mailmod *instance, const char *file)
{
    struct mm_buf mistakes;
    mm_buf_init(&mistakes, MISTAKES_MAX);
    struct mm_buf warnings;
    mm_buf_init(&warnings, MISTAKES_MAX);
    enum mailmod_error error =
        mm_config_load(instance->builder, file, &mistakes, &warnings);
    if (error != MAILMOD_OK) {
        (void)mm_fail_buf(error, &mistakes);
    } else {
        log_warnings(instance, mm_buf_span(&warnings));
    }
    mm_buf_fini(&mistakes);
    mm_buf_fini(&warnings);
    return error;
}

static enum mailmod_error set_key(struct mailmod *instance, const char *name,
                                  const char *value)
{
    struct mm_buf mistake;
    mm_buf_init(&mistake, MISTAKES_MAX);
    enum mailmod_error error =
        mm_config_set(instance->builder, name, value, &mistake);
    if (error != MAILMOD_OK) {
        const char *words =
            mm_buf_size(&mistake) > 0 ? mm_buf_cstr(&mistake) : NULL;
        (void)mm_fail(error, "%.*s: %s", NAME_SHOWN_MAX, name,
                      words != NULL ? words : mm_error_text(error));
    }
    mm_buf_fini(&mistake);
    return error;
}

static enum mailmod_error edit_key(struct mailmod *instance,
                                   const struct mm_settings_change *change)
{
    struct mm_buf value;
    mm_buf_init(&value, change->size_max);
    enum mailmod_error error = change->edit(mm_config_peek(instance->builder),
                                            change->context, &value);
    const char *text = mm_buf_size(&value) > 0 ? mm_buf_cstr(&value) : "";
    if (error == MAILMOD_OK) {
        error = text != NULL ? set_key(instance, change->name, text)
                             : mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    }
    mm_buf_wipe(&value);
    return error;
}

enum mailmod_error mm_change_settings(struct mailmod *instance,
                                      const struct mm_settings_change *change)
{
    if (change->edit != NULL) {
        return edit_key(instance, change);
    }
    return change->file != NULL
               ? load_file(instance, change->file)
               : set_key(instance, change->name, change->value);
}

static enum mailmod_error change(mailmod *instance,
                                 const struct mm_settings_change *change)
{
    enum mailmod_error error = mm_instance_lock(instance);
    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_change_settings(instance, change);
    mm_instance_unlock(instance);
    return error;
}

enum mailmod_error mailmod_config_load(mailmod *instance, const char *file)
{
    struct mm_settings_change wanted = {.file = file};
    if (file == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "the file is NULL");
    }
    return change(instance, &wanted);
}

enum mailmod_error mailmod_config_set(mailmod *instance, const char *name,
                                      const char *value)
{
    struct mm_settings_change wanted = {.name = name, .value = value};
    return name != NULL && value != NULL
               ? change(instance, &wanted)
               : mm_fail(MAILMOD_ERROR_ARGUMENT, "a pointer is NULL");
}

static enum mailmod_error copy_value(struct mm_buf *value, char *value_out,
                                     size_t size)
{
    if (!mm_span_copy(mm_buf_span(value), value_out, size)) {
        return mm_fail(MAILMOD_ERROR_LIMIT, "the value needs %zu octets",
                       mm_buf_size(value) + 1);
    }
    return MAILMOD_OK;
}

enum mailmod_error mailmod_config_get(mailmod *instance, const char *name,
                                      char *value_out, size_t size)
{
    if (name == NULL || value_out == NULL || size == 0) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "an argument is missing");
    }
    enum mailmod_error error = mm_instance_lock(instance);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_buf value;
    mm_buf_init(&value, MISTAKES_MAX);
    error = mm_config_get(mm_config_peek(instance->builder), name, &value);
    mm_instance_unlock(instance);
    if (error == MAILMOD_OK) {
        error = copy_value(&value, value_out, size);
    } else {
        mm_buf_clear(&value);
        (void)mm_buf_appendf(&value, "%s: ", name);
        if (error == MAILMOD_ERROR_UNKNOWN_NAME) {
            mm_config_say_unknown(name, &value);
        } else {
            (void)mm_buf_append_cstr(&value, mm_error_text(error));
        }
        (void)mm_fail_buf(error, &value);
    }
    mm_buf_fini(&value);
    return error;
}

/* Fills in the system's host name where the settings have none. */
static enum mailmod_error fill_host_name(struct mm_config *config)
{
    if (config->host_name[0] != '\0') {
        return MAILMOD_OK;
    }
    char name[MM_LIMIT_DOMAIN + 1];
    if (mm_net_host_name(name, sizeof name) != MAILMOD_OK || name[0] == '\0') {
        memcpy(name, "localhost", sizeof "localhost");
    }
    char *copy = mm_strdup(name);
    if (copy == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    mm_free(config->host_name);
    config->host_name = copy;
    return MAILMOD_OK;
}

enum mailmod_error mm_instance_draft(struct mailmod *instance,
                                     struct mm_config **config_out)
{
    enum mailmod_error error = mm_config_draft(instance->builder, config_out);
    if (error == MAILMOD_OK) {
        error = fill_host_name(*config_out);
    }
    if (error == MAILMOD_OK) {
        error = mm_resolve_paths(instance, *config_out);
    }
    if (error != MAILMOD_OK) {
        (void)mm_fail(error, "%s", mm_error_text(error));
        mm_config_unref(config_out);
    }
    return error;
}

enum mailmod_error mm_instance_config(struct mailmod *instance,
                                      struct mm_config **config_out)
{
    enum mailmod_error error = mm_instance_draft(instance, config_out);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_buf mistakes;
    mm_buf_init(&mistakes, MISTAKES_MAX);
    error = mm_config_check(instance->builder, *config_out, &mistakes);
    if (error != MAILMOD_OK) {
        (void)mm_fail_buf(error, &mistakes);
        mm_config_unref(config_out);
    }
    mm_buf_fini(&mistakes);
    return error;
}

enum mailmod_error mailmod_instance_set_context(mailmod *instance,
                                                void *context,
                                                mailmod_on_release on_release)
{
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_INSTANCE, instance);

    if (error != MAILMOD_OK) {
        return error;
    }
    mm_mutex_lock(instance->asked.mutex);
    struct mm_context former = mm_context_take(&instance->context);
    instance->context = (struct mm_context){context, on_release};
    mm_mutex_unlock(instance->asked.mutex);
    mm_handle_let(instance);
    mm_context_release(&former);
    return MAILMOD_OK;
}

void *mailmod_instance_context(mailmod *instance)
{
    void *context = NULL;

    if (mm_handle_hold(MM_HANDLE_INSTANCE, instance) == MAILMOD_OK) {
        mm_mutex_lock(instance->asked.mutex);
        context = instance->context.value;
        mm_mutex_unlock(instance->asked.mutex);
        mm_handle_let(instance);
    }
    return context;
}

enum mailmod_error mailmod_log_set_callback(mailmod *instance,
                                            mailmod_on_log on_log,
                                            void *context)
{
    enum mailmod_error error = mm_instance_lock(instance);

    if (error != MAILMOD_OK) {
        return error;
    }
    if (instance->state != MM_INSTANCE_NEW) {
        error = mm_fail(MAILMOD_ERROR_STATE,
                        "the log is set before the instance starts");
    } else {
        instance->on_log = on_log;
        instance->log_context = context;
        instance->log.sink = on_log != NULL ? write_log : NULL;
        instance->log.context = instance;
    }
    mm_instance_unlock(instance);
    return error;
}
