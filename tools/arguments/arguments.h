/* arguments.h - what a program is started with: its standard files, and the
 * words of the command line as UTF-8 on every system. */
#ifndef TOOLS_ARGUMENTS_H
#define TOOLS_ARGUMENTS_H

/* Before anything is opened: a standard file that the program was started
 * without becomes the null device, so that nothing else takes its place. Not 0
 * when that failed. */
int arguments_open_standard_files(void);

/* What main was given, or on Windows what the system has in wide characters;
 * lives until the program ends. Not 0 when it cannot be read. */
int arguments_read(int *argc, char ***argv);

#endif
