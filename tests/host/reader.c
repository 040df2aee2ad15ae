/* reader.c - a host that reads mail while it arrives, and then decides.
 *
 * reader CONFIG: the SMTP server's callback reads the body with SRVRecv. The
 * reverse-path says how much and what it returns: all+0@, all-1@, all+554@,
 * part+0@, part-1@, part+554@, reply-1@ (its own reply). Both servers run until
 * standard input ends. A host program: it may print. */
#include "show.h"

#include <stdlib.h>
#include <string.h>

#define PART 100

/* Whole lines are not to be had: a piece ends where it ends. */
static long read_text(ServerStream stream, long limit)
{
    char piece[777];
    long total = 0;
    int size;

    do {
        long left = limit - total;
        int room = left < (long)sizeof piece ? (int)left : (int)sizeof piece;

        size = SRVRecv(stream, piece, room);
        total += size;
    } while (size > 0 && total < limit);
    return total;
}

static int on_request(ServerStream *stream, char *reqname, int action, ...)
{
    const char *value = strpbrk(reqname, "+-");
    long limit = strncmp(reqname, "part", 4) == 0 ? PART : 1L << 30;
    long size;

    if (action != ACTION_SMTP_SENDMSG || value == NULL) {
        return 0;
    }
    size = read_text(stream, limit);
    printf("read %ld error=%d\n", size, SRVLastError());
    if (strncmp(reqname, "reply", 5) == 0) {
        SRVprintf(stream, "250 2.6.0 %ld octets read\r\n", size);
    }
    return (int)strtol(value, NULL, 10);
}

int main(int argc, char **argv)
{
    show_lines_at_once();
    if (argc != 2 || LoadConfig(argv[1]) != 0) {
        return show_failure("LoadConfig");
    }
    if (SetSMTPServer(on_request, -1, ACTION_SMTP_SENDMSG) != 0 ||
        SetPOP3Server(NULL, -1, ALL_ACTIONS) != 0) {
        return show_failure("the servers");
    }
    show_ports();
    wait_for_end_of_input();
    return SRVShutdown() == 0 ? 0 : show_failure("SRVShutdown");
}
