/* mailbox.c - a host that says who may read mail, and what they get to read.
 *
 * mailbox CONFIG: any user whose name begins with "guest" may come in with any
 * password, "banned" never; all others as configured. Message 1 is handed out
 * in the host's own words, message 2 cannot be deleted, the deletion of message
 * 3 is the host's own affair. Lives until standard input ends. A host program:
 * it may print. */
#include "show.h"

#include <stdarg.h>
#include <string.h>

static int on_login(ServerStream stream, const char *user)
{
    const char *password = GetAUTHPassw(stream);

    printf("login %s with %s\n", user, password != NULL ? password : "-");
    if (strncmp(user, "guest", 5) == 0) {
        return -1; /* the host vouches */
    }
    return strcmp(user, "banned") == 0 ? 1 : 0;
}

static int on_read(ServerStream stream, unsigned number)
{
    static const char text[] = ".a line with a dot\r\n";

    if (number != 1) {
        return 0;
    }
    SRVprintf(stream, "Subject: message %u\r\n\r\n", number);
    SRVSend(stream, text, (int)sizeof text - 1);
    SRVprintf(stream, "%0*d\r\n", 70000, 7); /* larger than any buffer */
    return -1;
}

static int on_delete(unsigned number)
{
    if (number == 3) {
        printf("deleting is up to the host\n");
        return -1;
    }
    return number == 2 ? 550 : 0;
}

static int on_request(ServerStream *stream, char *reqname, int action, ...)
{
    unsigned number = 0;
    va_list more;

    if (action == ACTION_POP_LOGIN) {
        return on_login(stream, reqname);
    }
    va_start(more, action);
    number = va_arg(more, unsigned);
    va_end(more);
    return action == ACTION_POP_GETMSG ? on_read(stream, number)
                                       : on_delete(number);
}

int main(int argc, char **argv)
{
    show_lines_at_once();
    if (argc != 2 || LoadConfig(argv[1]) != 0) {
        return show_failure("LoadConfig");
    }
    if (SetSMTPServer(NULL, -1, ALL_ACTIONS) != 0 ||
        SetPOP3Server(on_request, -1, ALL_ACTIONS) != 0) {
        return show_failure("the servers");
    }
    show_ports();
    wait_for_end_of_input();
    return SRVShutdown() == 0 ? 0 : show_failure("SRVShutdown");
}
