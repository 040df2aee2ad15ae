/* srv_rig.c - see srv_rig.h. The folder lies in the system's place for
 * temporary files and goes with its test. Thread: the test's. */
#include "srv_rig.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64];

static const char *const settings[][2] = {{"general.host_name", "mail.test"},
                                          {"local.domains", "a.test"},
                                          {"smtp.listen", "127.0.0.1:0"},
                                          {"pop3.listen", "127.0.0.1:0"},
                                          {"queue.holds", "true"},
                                          {"general.drain", "1s"},
                                          {"general.loops", "1"}};

int srv_rig_open(void **state)
{
    (void)state;
    memcpy(folder, "/tmp/mailmod-srv-XXXXXX", sizeof "/tmp/mailmod-srv-XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(SRVSetConfigParam("general.data_folder", folder), 0);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (SRVSetConfigParam(settings[i][0], settings[i][1]) != 0) {
            fail_msg("%s: %s", settings[i][0], SRVLastErrorText());
        }
    }
    return 0;
}

static void remove_folder(void)
{
    DIR *handle = opendir(folder);
    struct dirent *entry;
    char path[512];

    while (handle != NULL && (entry = readdir(handle)) != NULL) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        (void)unlink(path);
    }
    if (handle != NULL) {
        closedir(handle);
    }
    (void)rmdir(folder);
}

int srv_rig_close(void **state)
{
    (void)state;
    assert_int_equal(SRVShutdown(), 0);
    remove_folder();
    return 0;
}

void srv_rig_write_file(const char *name, const char *text, char *path_out,
                        size_t size)
{
    FILE *file;

    snprintf(path_out, size, "%s/%s", folder, name);
    file = fopen(path_out, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}
