/* reading.c - an instance whose host reads each message. */
#include <mailmod.h>
#include <stdio.h>

#include "functions.inc"

int main(void)
{
    mailmod *mail = NULL;

    if (mailmod_new(&mail) ||
        mailmod_config_set(mail, "smtp.listen", "*:2525") ||
        mailmod_config_set(mail, "local.domains", "example.com")) {
        return 1;
    }
#include "call.inc"
    mailmod_user_add(mail, "alice", "wonderland", 0);
    if (mailmod_start(mail)) {
        puts(mailmod_last_error_text());
        return 1;
    }
    getchar();
    return mailmod_free(&mail);
}
