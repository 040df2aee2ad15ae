/* control.h - the commands of mailmodctl and what they share. */
#ifndef MAILMODCTL_CONTROL_H
#define MAILMODCTL_CONTROL_H

#include "mailmod.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { EXIT_USAGE = 2, EXIT_CONFIG = 78 /* EX_CONFIG of sysexits.h */ };

#define PASSWORD_MAX_SIZE 515 /* 512 octets, a line end and the NUL */

/* Of the queue, as it was said; NULL: any. */
struct control_filter {
    const char *domain;
    const char *sender;
    const char *recipient;
    const char *state;
    const char *older;
};

struct control {
    mailmod *instance;
    const char *config_file; /* NULL: the embedded defaults */
    int may_create;          /* a store in the folder that has none */
    char **words;            /* of the command, after "user" and the like */
    int word_count;
    int keeps_password;  /* --apop */
    int reads_password;  /* --password-stdin */
    unsigned user_flags; /* of the main password that is set */
    int is_sure;         /* --yes */
    int has_local_time;  /* --local-time */
    int draws_graph;     /* --dot */
    struct control_filter filter;
};

/* Each returns the exit code. */
int control_user(struct control *control);
int control_queue(struct control *control);
int control_store(struct control *control);
int control_backup(struct control *control);
int control_restore(struct control *control);
int control_config(struct control *control);
int control_alias(struct control *control);
int control_forward(struct control *control);
int control_reply(struct control *control);
int control_maillist(struct control *control);
int control_fetch(struct control *control);
int control_list(struct control *control);
int control_kept(struct control *control);
int control_ban(struct control *control);
int control_spam(struct control *control);
int control_mailbox(struct control *control);
/* Without an instance. */
int control_trace(struct control *control);

/* user quota and user password: account.c */
int control_is_account(const struct control *control);
int control_account(struct control *control);
/* "30m" and the like; 0 when it is none. */
uint64_t control_read_time_ms(const char *text);
/* The octets of a message that is queued or kept. */
int control_show(struct control *control, const char *message);
/* Messages, octets and quota, in columns. */
void control_print_use(const struct mailmod_user *user);
/* Asks for a password, or reads it, and hands it on; wiped afterwards. */
typedef enum mailmod_error (*control_set_password)(struct control *control,
                                                   const char *password);
int control_with_password(struct control *control, control_set_password set,
                          const char *head);

/* "mailmodctl: ..." on stderr. */
int control_usage(const char *words);
int control_failure(const char *head, enum mailmod_error error);
/* The data folder of the settings. */
const char *control_folder(struct control *control);
/* "11-30 07:15:02", in UTC unless local times are asked for; "-" for 0. */
void control_print_time(const struct control *control, int64_t unix_ms);
/* Text from peers: nothing in it moves the cursor of a terminal. */
void control_print_text(const char *text);

/* ---- the system's part (posix/, windows/) ---- */

/* Standard input and output carry octets as they are. */
void terminal_begin(void);

/* The configuration that the daemon was installed with, or NULL. */
const char *terminal_default_config(void);

/* A file to be read, octets as they are; NULL, and errno says why. */
FILE *terminal_open(const char *path);

/* Asks on the terminal without echo; 0 when it worked. */
int terminal_read_password(const char *prompt, char *password_out, size_t size);
int terminal_is_output(void);

#endif
