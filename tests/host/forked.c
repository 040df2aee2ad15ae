/* forked.c - a host that forks a worker, and starts its mail system anew.
 *
 * forked CONFIG PORT: opens an SMTP server, tells so and waits for a line, so
 * that a peer may come; forks a worker that executes nothing and lives on;
 * shuts down and starts again while the worker has a copy of all that was open.
 * A host program: it may print. */
#include "show.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int serve(const char *config, int port)
{
    if (LoadConfig(config) != 0 ||
        SetSMTPServer(NULL, port, ALL_ACTIONS) != 0) {
        return show_failure("the server");
    }
    show_ports();
    return 0;
}

int main(int argc, char **argv)
{
    int failures = 0;
    pid_t worker;

    show_lines_at_once();
    if (argc != 3 || serve(argv[1], atoi(argv[2])) != 0) {
        return 1;
    }
    (void)getchar();
    worker = fork();
    if (worker == 0) {
        for (;;) {
            pause();
        }
    }
    if (SRVShutdown() != 0) {
        failures += show_failure("SRVShutdown");
    }
    printf("shut down\n");
    failures += serve(argv[1], atoi(argv[2]));
    printf("again\n");
    wait_for_end_of_input();
    (void)kill(worker, SIGKILL);
    (void)waitpid(worker, NULL, 0);
    return failures + (SRVShutdown() == 0 ? 0 : show_failure("SRVShutdown"));
}
