/* services.c - opens and closes a service of a running instance; with an
 * argument of the default instance. */
#include <mailmod/srv.h>
#include <stdio.h>

static int open_and_close(mailmod *mail)
{
#include "calls.inc"

    return mailmod_service_port(mail, "smtp");
}

int main(int argc, char **argv)
{
    mailmod *mail = NULL;

    (void)argv;
    if (argc > 1) {
        if (SetSMTPServer(NULL, 2525, ALL_ACTIONS) != 0) {
            puts(SRVLastErrorText());
        }
        printf("smtp %d\n", open_and_close(SRVInstance()));
        return SRVShutdown();
    }
    if (mailmod_new(&mail) || mailmod_services_set_wait(mail, 1) ||
        mailmod_start(mail)) {
        puts(mailmod_last_error_text());
        return 1;
    }
    printf("smtp %d\n", open_and_close(mail));
    return mailmod_free(&mail);
}
