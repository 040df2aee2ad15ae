/* loop.c - an instance in the loop of a program that has one thread. */
#include <mailmod.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "turn.inc"

int main(void)
{
    mailmod *mail = NULL;
    int is_running = 1;

    if (mailmod_new(&mail) ||
        mailmod_config_set(mail, "smtp.listen", "127.0.0.1:2525")) {
        return 1;
    }
#include "start.inc"
    puts("serving");
    fflush(stdout);
    while (is_running) {
        is_running = turn(mail);
    }
    return mailmod_free(&mail);
}
