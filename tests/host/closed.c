/* closed.c - a host without standard files, closed before or while it serves.
 *
 * closed CONFIG early|late: closes descriptors 0 to 2, before the first call of
 * ours or after the servers are open, serves until its input ends, and tells
 * who took their places. Its own input and output are copies of the first.
 * A host program: it may print. */
#define _GNU_SOURCE /* F_DUPFD_CLOEXEC */
#include "mailmod/srv.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static FILE *out;
static int in;

static void close_all(void)
{
    for (int file = 0; file < 3; file++) {
        (void)close(file);
    }
}

static int fail(const char *what)
{
    fprintf(out, "%s failed: %d %s\n", what, SRVLastError(),
            SRVLastErrorText());
    return 1;
}

/* For a host a closed file is one that takes and gives nothing. */
static void tell_files(const char *when)
{
    char octet = 'x';

    for (int file = 0; file < 3; file++) {
        fprintf(out, "%s %d %s\n", when, file,
                write(file, &octet, 1) < 0 && read(file, &octet, 1) < 0
                    ? "is closed"
                    : "is in use");
    }
}

int main(int argc, char **argv)
{
    int is_early = argc == 3 && strcmp(argv[2], "early") == 0;
    char octet;

    in = fcntl(0, F_DUPFD_CLOEXEC, 10);
    out = fdopen(fcntl(1, F_DUPFD_CLOEXEC, 10), "w");
    if (argc != 3 || out == NULL) {
        return 2;
    }
    (void)setvbuf(out, NULL, _IOLBF, BUFSIZ);
    if (is_early) {
        close_all();
    }
    if (LoadConfig(argv[1]) != 0 || SetSMTPServer(NULL, -1, ALL_ACTIONS) != 0 ||
        SetPOP3Server(NULL, -1, ALL_ACTIONS) != 0) {
        return fail("the servers");
    }
    if (!is_early) {
        close_all();
    }
    fprintf(out, "ports smtp=%d pop3=%d\n", SRVGetPort("smtp"),
            SRVGetPort("pop3"));
    tell_files("serving");
    while (read(in, &octet, 1) > 0) {
    }
    if (SRVShutdown() != 0) {
        return fail("SRVShutdown");
    }
    fprintf(out, "free %d %d %d\n", fcntl(0, F_GETFD), fcntl(1, F_GETFD),
            fcntl(2, F_GETFD));
    return 0;
}
