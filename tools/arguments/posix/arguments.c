/* arguments.c - on POSIX the words are octets, and stay what they are.
 *
 * A program takes them for UTF-8; a name in another encoding is handed on to
 * the system as it came, which knows it by these octets.
 * Thread: the main thread, once. */
#include "../arguments.h"

#include <fcntl.h>
#include <unistd.h>

/* The system gives the lowest free number, and those below are in use. */
int arguments_open_standard_files(void)
{
    for (int file = STDIN_FILENO; file <= STDERR_FILENO; file++) {
        if (fcntl(file, F_GETFD) == -1 && open("/dev/null", O_RDWR) != file) {
            return -1;
        }
    }
    return 0;
}

int arguments_read(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}
