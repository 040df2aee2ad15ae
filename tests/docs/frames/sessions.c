/* sessions.c - serves POP3 to alice and watches; the end of its input ends
 * it. */
#include <mailmod.h>
#include <stdio.h>

#include "function.inc"

int main(void)
{
    mailmod *mail = NULL;

    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    if (mailmod_new(&mail)) {
        return 1;
    }
#include "call.inc"
    if (mailmod_config_set(mail, "pop3.listen", "127.0.0.1:2110") ||
        mailmod_user_add(mail, "alice", "wonderland", 0) ||
        mailmod_start(mail)) {
        puts(mailmod_last_error_text());
    }
    puts("serving");
    getchar();
    return mailmod_free(&mail);
}
