/* arguments.h - the words of the command line, as UTF-8 on every system. */
#ifndef TOOLS_ARGUMENTS_H
#define TOOLS_ARGUMENTS_H

/* What main was given, or on Windows what the system has in wide characters;
 * lives until the program ends. Not 0 when it cannot be read. */
int arguments_read(int *argc, char ***argv);

#endif
