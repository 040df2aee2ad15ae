/* message.c - a message in steps, with its progress and its results. */
#include <mailmod.h>
#include <stdio.h>

#include "functions.inc"

static void send_it(mailmod *mail)
{
#include "steps.inc"
}

int main(void)
{
    mailmod *mail = NULL;

    if (mailmod_new(&mail) || mailmod_services_set_wait(mail, 1) ||
        mailmod_start(mail)) {
        puts(mailmod_last_error_text());
        return 1;
    }
    send_it(mail);
    return mailmod_free(&mail);
}
