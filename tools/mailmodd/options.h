/* options.h - the command line of mailmodd. */
#ifndef MAILMODD_OPTIONS_H
#define MAILMODD_OPTIONS_H

#include <stddef.h>

#define OPTIONS_SETTINGS_MAX 64

enum options_task {
    OPTIONS_RUN,
    OPTIONS_CHECK,
    OPTIONS_SHOW_HELP,
    OPTIONS_SHOW_VERSION,
    OPTIONS_WRONG /* said on stderr what is wrong */
};

struct options {
    enum options_task task;
    const char *config_file;              /* NULL: the embedded defaults */
    char *settings[OPTIONS_SETTINGS_MAX]; /* "key=value", cut at the '=' */
    size_t setting_count;
    const char *log_file; /* NULL: stderr */
    int has_local_time;   /* in the log */
};

void options_parse(struct options *options, int argc, char **argv);
void options_print_help(void);

#endif
