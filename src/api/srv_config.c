/* srv_config.c - LoadConfig, SetConfigParam and the getters.
 *
 * Owns: one small text a thread, for the getter that returns a pointer.
 * Promises: what is set while the default instance runs is applied at once
 * where the key allows it, and kept for the next start where not.
 * Thread: any. */
#include "api/instance.h"
#include "api/srv_alias.h"
#include "api/srv_state.h"

#include <limits.h>
#include <stdio.h>

#define VALUE_MAX 4096

static const char default_file[] = "mailmod.cfg";
static _Thread_local char value_text[VALUE_MAX];

/* The default instance is not locked meanwhile: a reload reads certificates,
 * and callbacks must not wait for that. */
static int change(const struct mm_settings_change *change)
{
    mailmod *instance;
    enum mailmod_error error = mm_srv_instance(false, &instance);

    if (error == MAILMOD_OK) {
        error = mm_instance_change(instance, change);
    }
    return mm_srv_note(error);
}

int LoadConfig(const char *filename)
{
    struct mm_settings_change wanted = {
        .file = filename != NULL ? filename : default_file};

    return change(&wanted);
}

int SRVSetConfigParam(const char *param, const char *val)
{
    struct mm_settings_change wanted = {.name = param, .value = val};

    if (param == NULL || val == NULL) {
        return mm_srv_note(
            mm_fail(MAILMOD_ERROR_ARGUMENT, "a pointer is NULL"));
    }
    return change(&wanted);
}

void SetConfigParamString(const char *param, const char *val)
{
    (void)SRVSetConfigParam(param, val);
}

/* The header's macro of that name must not reach the exported symbol. */
#undef SetConfigParam
void SetConfigParam(const char *param, const char *val)
{
    (void)SRVSetConfigParam(param, val);
}

void SetConfigParamInt(const char *param, int val)
{
    char text[16];

    (void)snprintf(text, sizeof text, "%d", val);
    (void)SRVSetConfigParam(param, text);
}

enum mailmod_error mm_srv_number(const struct mm_srv *srv, const char *param,
                                 int64_t *value_out)
{
    struct mailmod *instance = srv->instance;
    enum mailmod_error error = mm_instance_lock(instance);

    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_config_get_number(mm_config_peek(instance->builder), param,
                                 value_out);
    mm_instance_unlock(instance);
    return error == MAILMOD_OK ? MAILMOD_OK
                               : mm_fail(error, "%s: %s", param,
                                         error == MAILMOD_ERROR_ARGUMENT
                                             ? "not a key with a number"
                                             : mm_error_text(error));
}

int GetConfigParamInt(const char *param)
{
    int64_t value = 0;
    enum mailmod_error error = MAILMOD_ERROR_ARGUMENT;

    if (param == NULL) {
        (void)mm_srv_note(mm_fail(error, "param is NULL"));
        return 0;
    }
    struct mm_srv *srv;
    error = mm_srv_enter(false, &srv);
    if (error == MAILMOD_OK) {
        error = mm_srv_number(srv, param, &value);
        mm_srv_unlock();
    }
    (void)mm_srv_note(error);
    return error != MAILMOD_OK ? 0 : value < INT_MAX ? (int)value : INT_MAX;
}

char *GetConfigParamStr(const char *param)
{
    mailmod *instance;
    enum mailmod_error error = mm_srv_instance(false, &instance);

    if (error == MAILMOD_OK) {
        error =
            mailmod_config_get(instance, param, value_text, sizeof value_text);
    }
    return mm_srv_note(error) == MAILMOD_OK ? value_text : NULL;
}
MM_SRV_ALIAS(GetConfigParamStr, SetConfigParamStr);
