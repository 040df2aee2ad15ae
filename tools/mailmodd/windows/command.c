/* command.c - programs that print a line, on Windows: there are none yet.
 *
 * Whoever wants one run is told so in words, and the daemon goes on: a visit
 * that needs a token fails with them. A host of the library sets a callback
 * instead, which works everywhere. */
#include "../system.h"

#include <stdio.h>

int system_run(struct system_command *command)
{
    command->exit_code = -1;
    command->text_out[0] = '\0';
    snprintf(command->words, sizeof command->words,
             "mailmodd runs no program on Windows yet");
    return -1;
}
