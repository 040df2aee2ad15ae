/* paths.c - the files that the settings name, wherever the host's process is.
 *
 * Promises: a relative name counts from the folder that was the working one
 * when the instance was first used, so that a host may change it afterwards and
 * reload. Where the system does not tell, it stays relative.
 * Thread: any; the instance's mutex is held. */
#include "api/instance.h"

#include "base/mem.h"
#include "platform/fs.h"

#include <string.h>

#define PATH_MAX_SIZE 8192

char *mm_join_path(const char *folder, const char *name)
{
    struct mm_buf path;
    char *joined = NULL;
    mm_buf_init(&path, PATH_MAX_SIZE);
    if (mm_buf_appendf(&path, "%s/%s", folder, name) == MAILMOD_OK) {
        joined = mm_memdup0(mm_buf_span(&path).data, mm_buf_size(&path));
    }
    mm_buf_fini(&path);
    return joined;
}

static enum mailmod_error resolve(const char *folder, char **path)
{
    if ((*path)[0] == '\0' || mm_fs_is_absolute(*path)) {
        return MAILMOD_OK;
    }
    char *whole = mm_join_path(folder, *path);
    if (whole == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    mm_free(*path);
    *path = whole;
    return MAILMOD_OK;
}

enum mailmod_error mm_resolve_paths(struct mailmod *instance,
                                    struct mm_config *config)
{
    if (instance->working_folder == NULL) {
        char folder[PATH_MAX_SIZE];
        if (mm_fs_working_folder(folder, sizeof folder) != MAILMOD_OK) {
            return MAILMOD_OK;
        }
        instance->working_folder = mm_strdup(folder);
        if (instance->working_folder == NULL) {
            return MAILMOD_ERROR_MEMORY;
        }
    }
    char **const paths[] = {&config->data_folder, &config->tls.certificate_file,
                            &config->tls.key_file,
                            &config->smarthost.authority_file};
    enum mailmod_error error = MAILMOD_OK;
    for (size_t i = 0;
         error == MAILMOD_OK && i < sizeof paths / sizeof paths[0]; i++) {
        error = resolve(instance->working_folder, paths[i]);
    }
    return error;
}
