/* store_admin.c - the store as a whole: checked, copied, made of a copy.
 * Promises: each works on a running instance's store, or beside whoever runs on
 * the data folder; a restore and a repair on a folder where nobody runs.
 * Thread: any; they take as long as reading the file. */
#include "api/instance.h"

#define WORDS_MAX 4096

enum mailmod_error mailmod_store_verify(mailmod *instance)
{
    struct mm_admin admin;
    enum mailmod_error error = mm_admin_begin(&admin, instance, false);

    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_buf report;
    mm_buf_init(&report, WORDS_MAX);
    error = mm_store_verify(admin.store, &report);
    if (error != MAILMOD_OK) {
        (void)mm_fail_buf(error, &report);
    }
    mm_buf_fini(&report);
    mm_admin_end(&admin);
    return error;
}

enum mailmod_error mailmod_store_backup(mailmod *instance, const char *file,
                                        mailmod_on_copied progress,
                                        void *context)
{
    if (file == NULL || file[0] == '\0') {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "no file is named");
    }
    struct mm_admin admin;
    enum mailmod_error error = mm_admin_begin(&admin, instance, false);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_buf reason;
    mm_buf_init(&reason, WORDS_MAX);
    error = mm_store_backup(admin.store, file, progress, context, &reason);
    if (error != MAILMOD_OK) {
        (void)mm_fail_buf(error, &reason);
    }
    mm_buf_fini(&reason);
    mm_admin_end(&admin);
    return error;
}

/* What is done to a folder where nobody runs. */
struct closed_work {
    const char *file; /* of a restore */
    mailmod_on_copied progress;
    mailmod_on_repaired on_line;
    void *context;
};

/* On the store of an instance that is not open. */
static enum mailmod_error
do_closed(struct mailmod *instance,
          enum mailmod_error (*act)(const char *data_folder,
                                    const struct closed_work *work,
                                    struct mm_buf *reason_out),
          const struct closed_work *work)
{
    struct mm_config *config = NULL;
    enum mailmod_error error = mm_instance_lock(instance);
    if (error != MAILMOD_OK) {
        return error;
    }
    error = instance->store != NULL
                ? mm_fail(MAILMOD_ERROR_STATE, "the instance is open")
                : mm_instance_config(instance, &config);
    if (error == MAILMOD_OK) {
        struct mm_buf reason;
        mm_buf_init(&reason, WORDS_MAX);
        error = act(config->data_folder, work, &reason);
        if (error != MAILMOD_OK) {
            (void)mm_fail_buf(error, &reason);
        }
        mm_buf_fini(&reason);
    }
    mm_config_unref(&config);
    mm_instance_unlock(instance);
    return error;
}

static enum mailmod_error restore(const char *data_folder,
                                  const struct closed_work *work,
                                  struct mm_buf *reason_out)
{
    return mm_store_restore(data_folder, work->file, work->progress,
                            work->context, reason_out);
}

enum mailmod_error mailmod_store_restore(mailmod *instance, const char *file,
                                         mailmod_on_copied progress,
                                         void *context)
{
    const struct closed_work work = {
        .file = file, .progress = progress, .context = context};

    return file == NULL || file[0] == '\0'
               ? mm_fail(MAILMOD_ERROR_ARGUMENT, "no file is named")
               : do_closed(instance, restore, &work);
}

static enum mailmod_error repair(const char *data_folder,
                                 const struct closed_work *work,
                                 struct mm_buf *reason_out)
{
    return mm_store_repair(data_folder, work->on_line, work->context,
                           reason_out);
}

enum mailmod_error mailmod_store_repair(mailmod *instance,
                                        mailmod_on_repaired on_line,
                                        void *context)
{
    const struct closed_work work = {.on_line = on_line, .context = context};

    return on_line == NULL
               ? mm_fail(MAILMOD_ERROR_ARGUMENT, "the callback is NULL")
               : do_closed(instance, repair, &work);
}
