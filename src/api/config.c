/* config.c - the settings of an instance as a set: to defaults, and listed.
 *
 * Owns nothing: the builder is the instance's, under its mutex. Promises that
 * a failed reset changes nothing and that a listing shows one state of the
 * settings; its callback must not call the instance.
 * Thread: any. */
#include "api/instance.h"

#include "platform/fs.h"

#include <string.h>

enum mailmod_error mailmod_host_name(mailmod *instance, char *name_out,
                                     size_t size)
{
    if (name_out == NULL || size == 0) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "name_out is NULL");
    }
    enum mailmod_error error = mm_instance_lock(instance);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_config *config = mm_config_ref(instance->config);
    error = config != NULL ? MAILMOD_OK : mm_instance_draft(instance, &config);
    mm_instance_unlock(instance);
    if (error == MAILMOD_OK &&
        !mm_span_copy(mm_span_cstr(config->host_name), name_out, size)) {
        error = mm_fail(MAILMOD_ERROR_LIMIT, "the name needs %zu octets",
                        strlen(config->host_name) + 1);
    }
    mm_config_unref(&config);
    return error;
}

#define SETTING_TEXT_MAX (1024 * 1024)

enum mailmod_error mailmod_config_reset(mailmod *instance)
{
    enum mailmod_error error = mm_instance_lock(instance);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_config_builder *fresh;
    error = mm_config_builder_new(&fresh);
    if (error == MAILMOD_OK) {
        mm_config_builder_set_guard(fresh, mm_fs_is_exposed);
        mm_config_builder_free(&instance->builder);
        instance->builder = fresh;
    } else {
        (void)mm_fail(error, "%s", mm_error_text(error));
    }
    mm_instance_unlock(instance);
    return error;
}

static enum mailmod_error list(const struct mm_config *config,
                               mailmod_on_setting on_setting, void *context)
{
    size_t count;
    const struct mm_config_key *keys = mm_config_keys(&count);
    enum mailmod_error error = MAILMOD_OK;
    struct mm_buf value;
    mm_buf_init(&value, SETTING_TEXT_MAX);
    for (size_t i = 0; i < count && error == MAILMOD_OK; i++) {
        mm_buf_clear(&value);
        error = mm_config_get(config, keys[i].name, &value);
        const char *text = mm_buf_cstr(&value);
        if (error == MAILMOD_OK && text == NULL) {
            error = MAILMOD_ERROR_MEMORY;
        }
        if (error == MAILMOD_OK) {
            const struct mailmod_setting setting = {.size = sizeof setting,
                                                    .name = keys[i].name,
                                                    .value = text,
                                                    .default_value =
                                                        keys[i].default_text,
                                                    .help = keys[i].help};

            on_setting(context, &setting);
        }
    }
    mm_buf_fini(&value);
    return error;
}

enum mailmod_error mailmod_config_list(mailmod *instance,
                                       mailmod_on_setting on_setting,
                                       void *context)
{
    if (on_setting == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "the callback is NULL");
    }
    /* The lock is held over the callbacks: settings do not change between. */
    enum mailmod_error error = mm_instance_lock(instance);
    if (error != MAILMOD_OK) {
        return error;
    }
    error = list(mm_config_peek(instance->builder), on_setting, context);
    mm_instance_unlock(instance);
    return error == MAILMOD_OK ? MAILMOD_OK
                               : mm_fail(error, "%s", mm_error_text(error));
}
