/* send_queued.c - a message through the queue on disk, which keeps trying.
 *
 * send_queued CONFIG [FROM TO]: hands the message over, then lives until its
 * standard input ends, so that the queue can work; without FROM and TO it only
 * lets the queue work on what an earlier run left. When "queued" is printed the
 * message outlives this process. A host program: it may print. */
#include "show.h"

static void on_state(ServerStream *stream, void *context, int state, int sent)
{
    (void)context;
    printf("state %d %d\n", state, sent);
    if (state == STATE_SMTP_DONE) {
        show_results(stream);
    }
}

static int hand_over(const char *from, const char *to)
{
    ServerStream mail = SRVInitSendMsgBackgaund(from, to, on_state, NULL);

    if (mail == NULL) {
        return show_failure("SRVInitSendMsgBackgaund");
    }
    SRVprintf(mail, "From: <%s>\r\nTo: <%s>\r\n", from, to);
    SRVprintf(mail, "Subject: no hurry\r\n\r\nWhen you can.\r\n");
    SRVEndOfMsg(mail);
    if (SRVLastError() != 0) {
        return show_failure("SRVEndOfMsg");
    }
    printf("queued\n");
    return 0;
}

int main(int argc, char **argv)
{
    show_lines_at_once();
    if ((argc != 2 && argc != 4) || LoadConfig(argv[1]) != 0) {
        return show_failure("LoadConfig");
    }
    if (SRVStart() != 0) {
        return show_failure("SRVStart");
    }
    printf("running\n");
    if (argc == 4 && hand_over(argv[2], argv[3]) != 0) {
        return 1;
    }
    wait_for_end_of_input();
    return SRVShutdown() == 0 ? 0 : show_failure("SRVShutdown");
}
