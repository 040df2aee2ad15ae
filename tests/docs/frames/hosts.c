/* hosts.c - the mail hosts of a domain, asked in both ways. */
#include <mailmod/srv.h>
#include <stdio.h>

#include "function.inc"

static void ask_instance(mailmod *mail)
{
#include "call.inc"
}

static void ask_default(void)
{
#include "findmx.inc"
}

int main(void)
{
    mailmod *mail = NULL;

    if (mailmod_new(&mail) || mailmod_services_set_wait(mail, 1) ||
        mailmod_start(mail)) {
        puts(mailmod_last_error_text());
        return 1;
    }
    ask_instance(mail);
    puts("--");
    mailmod_free(&mail);
    ask_default();
    return SRVShutdown() == 0 ? 0 : 1;
}
