/* main.c - how mailmodd begins on Windows: in a console, as a service, or to
 * install or remove that service.
 *
 * Owns the options that are the system's: --install-service,
 * --remove-service, --service; the others are left for the daemon. */
#include "process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

WCHAR *wide_of(const char *text)
{
    int count = MultiByteToWideChar(CP_UTF8, 0, text, -1, NULL, 0);
    WCHAR *wide = count > 0 ? calloc((size_t)count, sizeof *wide) : NULL;
    if (wide != NULL) {
        (void)MultiByteToWideChar(CP_UTF8, 0, text, -1, wide, count);
    }
    return wide;
}

/* Takes the word out of argv where it is there. */
static int take_word(int *argc, char **argv, const char *word)
{
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], word) == 0) {
            memmove(argv + i, argv + i + 1, (size_t)(*argc - i) * sizeof *argv);
            (*argc)--;
            return 1;
        }
    }
    return 0;
}

int system_main(int argc, char **argv, program run)
{
    if (take_word(&argc, argv, "--install-service")) {
        return service_install(argc, argv);
    }
    if (take_word(&argc, argv, "--remove-service")) {
        return service_remove();
    }
    int is_service = take_word(&argc, argv, "--service");
    if (events_open() != 0) {
        return EXIT_FAILURE;
    }
    if (is_service) {
        log_open_event_log();
        return service_run(argc, argv, run);
    }
    events_listen_to_console();
    return run(argc, argv);
}

const char *system_help(void)
{
    return "  --install-service  as administrator: start with the system, with "
           "the other\n"
           "                     options given here; sc start mailmodd begins "
           "at once\n"
           "  --remove-service   stop it and forget it\n"
           "  --service          what the service manager says\n"
           "\n"
           "Ctrl-C, or a stop of the service, ends it once open sessions ended "
           "or general.drain\n"
           "is over, a second one at once; Ctrl-Break, or sc control mailmodd "
           "paramchange, reads\n"
           "the configuration anew.";
}

int system_init(void)
{
    return 0; /* system_main has done it */
}

int system_become_user(const char *user, const char *data_folder,
                       char *words_out, size_t size)
{
    (void)data_folder;
    if (user[0] != '\0') {
        snprintf(words_out, size,
                 "a process cannot change its user on Windows; the service's "
                 "account is set with sc config mailmodd obj= NAME");
        return -1;
    }
    return 0;
}
