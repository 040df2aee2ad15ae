/* guest_leaving.c - a host that ends its process in the middle of the work.
 *
 * guest_leaving FOLDER: prints the port of the service submissions and serves
 * until its standard input ends; then main returns, and nothing was stopped.
 * Its own function at exit was registered first and so is the last to run: for
 * half a second the instance works on in a process that libraries below it
 * may have been taken down in. */
#include "guest.h"

static mailmod *mail;

static void linger(void)
{
    usleep(500000);
}

static int set_all(const char *folder)
{
    int is_bad = mailmod_config_set(mail, "general.data_folder", folder);

    for (size_t i = 0; !is_bad && guest_settings[i] != NULL; i += 2) {
        is_bad =
            mailmod_config_set(mail, guest_settings[i], guest_settings[i + 1]);
    }
    return is_bad || mailmod_config_set(mail, "submissions.listen",
                                        "127.0.0.1:0") != MAILMOD_OK;
}

int main(int argc, char **argv)
{
    char octet;

    if (argc != 2 || atexit(linger) != 0 || mailmod_new(&mail) ||
        set_all(argv[1]) || mailmod_start(mail)) {
        printf("%s\n", mailmod_last_error_text());
        return 2;
    }
    printf("%d\n", mailmod_service_port(mail, "submissions"));
    fflush(stdout);
    while (read(STDIN_FILENO, &octet, 1) > 0) {
    }
    return 0;
}
