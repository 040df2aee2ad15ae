/* relay.c - sends a message through the server that it names; with an argument
 * the server is the smarthost, and the message goes out as configured. */
#include <mailmod/srv.h>
#include <stdio.h>

static int send_it(void)
{
#include "plain.inc"

    SRVprintf(mail, "Subject: through a relay\n\nHello.\n");
    SRVEndOfMsg(mail);
    puts(SRVLastError() == 0 ? "delivered" : SRVLastErrorText());
    return SRVShutdown();
}

static void log_in(void)
{
#include "login.inc"
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        log_in();
    }
    return send_it() == 0 ? 0 : 1;
}
