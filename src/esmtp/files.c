/* files.c - the certificates that a user keeps for all programs of libESMTP.
 *
 * That library looks for them in $XDG_CONFIG_HOME/libesmtp, or without that
 * variable in $HOME/.config/libesmtp; a folder there with the server's name
 * comes first. The environment is read here alone. Thread: any, as for
 * getenv. */
#include "esmtp/esmtp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool can_read(const char *path)
{
    FILE *file = fopen(path, "rb");

    if (file != NULL) {
        (void)fclose(file);
    }
    return file != NULL;
}

/* `host` is "" or "name/". */
static bool find(const char *host, const char *name,
                 char path_out[MM_ESMTP_PATH_MAX])
{
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    int size = -1;

    if (config != NULL && config[0] != '\0') {
        size = snprintf(path_out, MM_ESMTP_PATH_MAX, "%s/libesmtp/%s%s", config,
                        host, name);
    } else if (home != NULL && home[0] != '\0') {
        size = snprintf(path_out, MM_ESMTP_PATH_MAX, "%s/.config/libesmtp/%s%s",
                        home, host, name);
    }
    return size > 0 && size < MM_ESMTP_PATH_MAX && can_read(path_out);
}

void mm_esmtp_file(const char *host, const char *name,
                   char path_out[MM_ESMTP_PATH_MAX])
{
    char folder[MM_ESMTP_TEXT_MAX];
    int size = snprintf(folder, sizeof folder, "%s/", host);
    bool is_name = size > 1 && (size_t)size < sizeof folder &&
                   strchr(host, '/') == NULL && host[0] != '.';

    if (!(is_name && find(folder, name, path_out)) &&
        !find("", name, path_out)) {
        path_out[0] = '\0';
    }
}
