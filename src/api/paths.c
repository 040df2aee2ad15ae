/* paths.c - the files that the settings name, wherever the host's process is.
 *
 * Promises: a relative name counts from the folder that was the working one
 * when the instance was first used, so that a host may change it afterwards and
 * reload. Where the system does not tell, it stays relative.
 * Thread: any; the instance's mutex is held. */
#include "api/instance.h"

#include "base/mem.h"
#include "config/routes.h"
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

static enum mailmod_error append_path(struct mm_buf *out, const char *folder,
                                      struct mm_span path)
{
    char *whole = mm_memdup0(path.data, path.size);
    enum mailmod_error error =
        whole == NULL ? MAILMOD_ERROR_MEMORY : resolve(folder, &whole);
    if (error == MAILMOD_OK) {
        error = mm_buf_append_cstr(out, whole);
    }
    mm_free(whole);
    return error;
}

/* Lines as in tls.more_certificates. */
static enum mailmod_error append_paths(struct mm_buf *out, const char *folder,
                                       struct mm_span lines)
{
    struct mm_span certificate;
    struct mm_span key;
    enum mailmod_error error = MAILMOD_OK;
    while (error == MAILMOD_OK &&
           mm_config_next_certificate(&lines, &certificate, &key)) {
        error = append_path(out, folder, certificate);
        if (error == MAILMOD_OK && key.size > 0) {
            (void)mm_buf_append_char(out, ';');
            error = append_path(out, folder, key);
        }
        if (lines.size > 0) {
            (void)mm_buf_append_char(out, '\n');
        }
    }
    return error == MAILMOD_OK ? mm_buf_error(out) : error;
}

static enum mailmod_error resolve_lines(const char *folder, char **lines)
{
    struct mm_buf text;
    mm_buf_init(&text, SIZE_MAX);
    enum mailmod_error error =
        append_paths(&text, folder, mm_span_cstr(*lines));
    struct mm_span span = mm_buf_span(&text);
    char *whole = error == MAILMOD_OK ? mm_memdup0(span.data, span.size) : NULL;
    mm_buf_fini(&text);
    if (whole == NULL) {
        return error != MAILMOD_OK ? error : MAILMOD_ERROR_MEMORY;
    }
    mm_free(*lines);
    *lines = whole;
    return MAILMOD_OK;
}

/* In its place; LIMIT where it has no room. */
static enum mailmod_error resolve_in(const char *folder,
                                     char path[MM_CONFIG_PATH_MAX])
{
    char *whole = mm_strdup(path);
    enum mailmod_error error =
        whole == NULL ? MAILMOD_ERROR_MEMORY : resolve(folder, &whole);
    if (error == MAILMOD_OK &&
        !mm_span_copy(mm_span_cstr(whole), path, MM_CONFIG_PATH_MAX)) {
        error = MAILMOD_ERROR_LIMIT;
    }
    mm_free(whole);
    return error;
}

static enum mailmod_error resolve_routes(const char *folder,
                                         struct mm_config *config)
{
    enum mailmod_error error = MAILMOD_OK;
    for (size_t i = 0; error == MAILMOD_OK && i < config->route_count; i++) {
        struct mm_config_route *route = &config->routes[i];
        error = resolve_in(folder, route->authority_file);
        if (error == MAILMOD_OK) {
            error = resolve_in(folder, route->certificate_file);
        }
        if (error == MAILMOD_OK) {
            error = resolve_in(folder, route->key_file);
        }
    }
    return error;
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
    char **const paths[] = {
        &config->tls.certificate_file,     &config->tls.key_file,
        &config->smarthost.authority_file, &config->traps.zone_file,
        &config->lists.white_file,         &config->lists.black_file,
        &config->lists.grey_file,          &config->content.rules_file};
    enum mailmod_error error =
        mm_store_is_memory(config->data_folder)
            ? MAILMOD_OK
            : resolve(instance->working_folder, &config->data_folder);
    for (size_t i = 0;
         error == MAILMOD_OK && i < sizeof paths / sizeof paths[0]; i++) {
        error = resolve(instance->working_folder, paths[i]);
    }
    if (error == MAILMOD_OK) {
        error = resolve_routes(instance->working_folder, config);
    }
    return error == MAILMOD_OK ? resolve_lines(instance->working_folder,
                                               &config->tls.more_certificates)
                               : error;
}
