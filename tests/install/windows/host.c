/* host.c - a host program of another project on Windows: it knows the installed
 * header and import library alone. host FOLDER: starts, has ports, stops. */
#include <mailmod.h>

#include <stdio.h>

int main(int argc, char **argv)
{
    static const char *const services[] = {"smtp.listen", "submission.listen",
                                           "submissions.listen", "pop3.listen",
                                           "pop3s.listen"};
    mailmod *mail = NULL;
    int is_bad;

    if (argc != 2 || mailmod_new(&mail)) {
        return 2;
    }
    is_bad = mailmod_config_set(mail, "general.data_folder", argv[1]);
    for (int i = 0; !is_bad && i < 5; i++) {
        is_bad = mailmod_config_set(mail, services[i], "127.0.0.1:0");
    }
    is_bad = is_bad || mailmod_start(mail) ||
             mailmod_service_port(mail, "smtp") == 0 ||
             mailmod_service_port(mail, "pop3s") == 0 || mailmod_stop(mail) ||
             mailmod_drain(mail, 10000);
    if (is_bad) {
        printf("%s\n", mailmod_last_error_text());
    }
    mailmod_free(&mail);
    printf("version %s, %s\n", mailmod_version(), is_bad ? "failed" : "served");
    return is_bad ? 1 : 0;
}
