/* system.h - what mailmodd asks of the operating system; the folder of the
 * system implements it (posix/, windows/). */
#ifndef MAILMODD_SYSTEM_H
#define MAILMODD_SYSTEM_H

#include "mailmod.h"

#include <stddef.h>
#include <stdio.h>

enum system_event { SYSTEM_STOP, SYSTEM_RELOAD, SYSTEM_NOTHING };

/* Runs the daemon with the words of the command line, as the system has it run
 * (here at once, or as a service), and returns its exit code. */
int system_main(int argc, char **argv, int (*run)(int argc, char **argv));
/* What --help says of the system's options and signals. */
const char *system_help(void);

/* Before the library is first called: its threads inherit nothing of this. */
int system_init(void);
/* Waits for the operator, for no longer than this. */
enum system_event system_wait(unsigned wait_ms);
/* Is there a service manager to be told of it? */
int system_has_status(void);
/* From now on the next stop ends the process at once, with this code. */
void system_cut_on_stop(int exit_code);

/* Where the log goes from now on: the file, or (NULL) stderr or what the system
 * has in its place; times are local ones or UTC. Not 0, with the reason in
 * `words_out`: the file cannot be opened. */
int system_log_begin(const char *path, int is_local, char *words_out,
                     size_t size);
/* The file by its name, which may be another file by now. */
void system_log_reopen(void);
/* Waits until all lines are written, no longer than this. */
void system_log_end(unsigned wait_ms);
/* One line; fits mailmod_on_log. Whole lines, from any thread; never waits for
 * whoever reads the log. */
void system_log(void *context, enum mailmod_log_level level, const char *line);

/* Tells the service manager, where there is one: "READY=1" and the like. */
void system_notify(const char *state);
void system_notify_reloading(void);

/* Gives the data folder to `user` and becomes that user for good; "" stays.
 * Not 0 with words in `words_out`. */
int system_become_user(const char *user, const char *data_folder,
                       char *words_out, size_t size);

/* A file without a name in the folder, to be written and then read; it goes
 * with the last who has it. NULL: it cannot be made. */
FILE *system_spool(const char *folder);

/* A program that prints a line. */
struct system_command {
    const char *line;         /* it and its arguments, with blanks between */
    FILE *input;              /* of system_spool, from its start; NULL: none */
    char *const *environment; /* "NAME=value" beside ours; NULL ends them */
    unsigned wait_ms;
    char *text_out;
    size_t size;    /* of text_out; all of it is too much, ... */
    int drops_more; /* ... or what is more is read and not kept */
    int exit_code;  /* -1: it had to be killed, ... */
    int is_late;    /* ... for its time was over */
    char words[200];
};
/* Waits for its end. Not 0 with words: it could not be started. */
int system_run(struct system_command *command);
/* Waits until fewer than `count_max` that began have not ended, for `wait_ms`
 * at most; what is left of that goes into `left_ms_out`. Not 0: it did not
 * come to that, and system_turn_end is not to be called. */
int system_turn_begin(unsigned count_max, unsigned wait_ms,
                      unsigned *left_ms_out);
void system_turn_end(void);

#endif
