/* serve.c - a whole mail system: receives by SMTP, serves by POP3, by itself.
 *
 * serve CONFIG NAME PASSWORD: makes that user, opens both servers on free ports
 * and serves until its standard input ends. A host program: it may print. */
#include "show.h"

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
    if (mailmod_user_add(SRVInstance(), argv[2], argv[3], 0) != MAILMOD_OK) {
        printf("no user: %s\n", mailmod_last_error_text());
        return 1;
    }
    show_ports();
    wait_for_end_of_input();
    return SRVShutdown() == 0 ? 0 : show_failure("SRVShutdown");
}
