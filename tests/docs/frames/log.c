/* log.c - the log lines of a start and a stop. */
#include <mailmod.h>
#include <stdio.h>

#include "function.inc"

int main(void)
{
    mailmod *mail = NULL;

    if (mailmod_new(&mail) ||
        mailmod_config_set(mail, "general.log_level", "debug")) {
        return 1;
    }
#include "call.inc"

    if (mailmod_start(mail)) {
        puts(mailmod_last_error_text());
    }
    return mailmod_free(&mail);
}
