/* arguments.c - on POSIX the words are octets, and stay what they are. */
#include "../arguments.h"

int arguments_read(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}
