/* busy.c - a host that serves and sends at the same time.
 *
 * busy CONFIG COUNT TO: opens both servers, puts COUNT messages into the queue
 * and tells when each is through; serves until its standard input ends. A host
 * program: it may print. */
#include "show.h"

#include <stdlib.h>

static void on_state(ServerStream *stream, void *context, int state, int sent)
{
    struct mailmod_result result = {.size = sizeof result};

    (void)context;
    if (state == STATE_SMTP_DONE) {
        (void)SRVGetResult(stream, 0, &result);
        printf("through outcome=%d sent=%d\n", (int)result.outcome, sent);
    }
}

static int queue_messages(long count, const char *to)
{
    for (long i = 0; i < count; i++) {
        ServerStream mail =
            SRVInitSendMsgBackground("host@mail.test", to, on_state, NULL);

        SRVprintf(mail, "Subject: number %ld\r\n\r\nhello\r\n", i);
        SRVEndOfMsg(mail);
        if (SRVLastError() != 0) {
            return show_failure("queueing");
        }
    }
    printf("queued\n");
    return 0;
}

int main(int argc, char **argv)
{
    show_lines_at_once();
    if (argc != 4 || LoadConfig(argv[1]) != 0) {
        return show_failure("LoadConfig");
    }
    if (SetSMTPServer(NULL, -1, ALL_ACTIONS) != 0 ||
        SetPOP3Server(NULL, -1, ALL_ACTIONS) != 0) {
        return show_failure("the servers");
    }
    show_ports();
    if (queue_messages(strtol(argv[2], NULL, 10), argv[3]) != 0) {
        return 1;
    }
    wait_for_end_of_input();
    return SRVShutdown() == 0 ? 0 : show_failure("SRVShutdown");
}
