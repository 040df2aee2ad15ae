/* admin.c - the store of an instance for one piece of administration.
 *
 * Promises: a running instance's own store is used; else the data folder's is
 * opened beside whoever runs on it, and closed again. Thread: any. */
#include "api/instance.h"

#include "platform/fs.h"

#define WORDS_MAX 4096

static enum mailmod_error open_store(struct mm_admin *admin, bool creates)
{
    struct mm_store_options options = {
        .description = admin->config->data_folder,
        .mode = MM_STORE_SHARED,
        .syncs = true,
        .erase = (enum mm_store_erase)admin->config->secure_delete,
        .log = &admin->instance->log};
    struct mm_buf reason;

    mm_buf_init(&reason, WORDS_MAX);
    enum mailmod_error error = mm_store_open(&admin->store, &options, &reason);
    if (error == MAILMOD_ERROR_NOT_FOUND && creates) {
        mm_buf_clear(&reason);
        options.mode = MM_STORE_EXCLUSIVE;
        error = mm_store_open(&admin->store, &options, &reason);
    }
    const char *folder = admin->config->data_folder;
    if (error == MAILMOD_ERROR_NOT_FOUND && mm_fs_exists(folder) &&
        !mm_fs_is_writable_folder(folder)) {
        error = mm_fail(MAILMOD_ERROR_ACCESS,
                        "the data folder %s is not ours to use", folder);
    } else if (error == MAILMOD_ERROR_NOT_FOUND) {
        (void)mm_fail(error, "there is no store in %s", folder);
    } else if (error != MAILMOD_OK) {
        (void)mm_fail_buf(error, &reason);
    }
    mm_buf_fini(&reason);
    return error;
}

enum mailmod_error mm_admin_begin(struct mm_admin *admin,
                                  struct mailmod *instance, bool creates)
{
    enum mailmod_error error = mm_instance_lock(instance);

    *admin = (struct mm_admin){.instance = instance};
    if (error != MAILMOD_OK) {
        return error;
    }
    if (instance->store != NULL) {
        admin->store = instance->store;
        admin->config = mm_config_ref(instance->config);
        return MAILMOD_OK;
    }
    admin->is_own = true;
    error = mm_instance_config(instance, &admin->config);
    if (error == MAILMOD_OK) {
        error = open_store(admin, creates);
    }
    if (error != MAILMOD_OK) {
        mm_config_unref(&admin->config);
        mm_instance_unlock(instance);
    }
    return error;
}

void mm_admin_end(struct mm_admin *admin)
{
    if (admin->is_own) {
        mm_store_close(&admin->store);
    }
    mm_config_unref(&admin->config);
    mm_instance_unlock(admin->instance);
}

enum mailmod_error mm_admin_run(struct mailmod *instance,
                                struct mm_store_job *job,
                                struct mm_store **store_out)
{
    struct mm_admin admin;
    enum mailmod_error error = mm_admin_begin(&admin, instance, false);

    *store_out = NULL;
    if (error != MAILMOD_OK) {
        return error;
    }
    *store_out = admin.store;
    error = mm_store_run(admin.store, job);
    mm_admin_end(&admin);
    return error;
}

enum mailmod_error mm_admin_each_sighting(
    struct mailmod *instance, enum mm_sighting_kind kind,
    bool (*each)(void *context, const struct mm_store_sighting *sighting),
    void *context)
{
    struct mm_admin admin;
    enum mailmod_error error = mm_admin_begin(&admin, instance, false);

    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_store_each_sighting(admin.store, kind, each, context);
    mm_admin_end(&admin);
    return error == MAILMOD_OK ? MAILMOD_OK
                               : mm_fail(error, "%s", mm_error_text(error));
}
