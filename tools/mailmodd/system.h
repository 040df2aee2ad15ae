/* system.h - what mailmodd asks of the operating system; the folder of the
 * system implements it (posix/). */
#ifndef MAILMODD_SYSTEM_H
#define MAILMODD_SYSTEM_H

#include "mailmod.h"

#include <stddef.h>

enum system_event { SYSTEM_STOP, SYSTEM_RELOAD };

/* Before the library is first called: its threads inherit nothing of this. */
int system_init(void);
/* Waits for the operator. */
enum system_event system_wait(void);
/* From now on the next stop ends the process at once, with this code. */
void system_cut_on_stop(int exit_code);

/* One line on stderr; fits mailmod_on_log. Whole lines, from any thread. */
void system_log(void *context, enum mailmod_log_level level, const char *line);

/* Tells the service manager, where there is one: "READY=1" and the like. */
void system_notify(const char *state);
void system_notify_reloading(void);

/* Gives the data folder to `user` and becomes that user for good; "" stays.
 * Not 0 with words in `words_out`. */
int system_become_user(const char *user, const char *data_folder,
                       char *words_out, size_t size);

#endif
