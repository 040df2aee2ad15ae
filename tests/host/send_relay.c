/* send_relay.c - a message through an external SMTP server, in one breath.
 *
 * send_relay CONFIG FROM TO HOST PORT: the text comes from standard input.
 * Without a callback SRVEndOfMsg waits for the outcome. Ends with 0 when all
 * recipients were served. A host program: it may print. */
#include "show.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
    char piece[1000];
    ServerStream mail;
    size_t size;
    int error;

    show_lines_at_once();
    if (argc != 6 || LoadConfig(argv[1]) != 0) {
        return show_failure("LoadConfig");
    }
    mail = SRVInitSendMsgSMTP(argv[2], argv[3], argv[4],
                              (int)strtol(argv[5], NULL, 10), NULL, NULL);
    if (mail == NULL) {
        return show_failure("SRVInitSendMsgSMTP");
    }
    while ((size = fread(piece, 1, sizeof piece, stdin)) > 0) {
        if (SRVSend(mail, piece, (int)size) != (int)size) {
            return show_failure("SRVSend");
        }
    }
    SRVEndOfMsg(mail);
    error = SRVLastError();
    printf("ended %d %s\n", error, SRVLastErrorText());
    show_results(NULL);
    SRVShutdown();
    return error == 0 ? 0 : 3;
}
