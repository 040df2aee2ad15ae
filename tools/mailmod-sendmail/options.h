/* options.h - the command line of sendmail, as a value. */
#ifndef TOOLS_SENDMAIL_OPTIONS_H
#define TOOLS_SENDMAIL_OPTIONS_H

enum options_task {
    OPTIONS_SEND,       /* a message from standard input */
    OPTIONS_LIST_QUEUE, /* -bp, or started as mailq */
    OPTIONS_RUN_QUEUE,  /* -q */
    OPTIONS_NOTHING,    /* -bi, or started as newaliases: there is no table to
                           build */
    OPTIONS_HELP,
    OPTIONS_VERSION,
    OPTIONS_WRONG /* it was said what is wrong */
};

struct options {
    enum options_task task;
    const char *config_file;  /* -C; NULL: the one that is installed */
    const char *sender;       /* -f, -r; NULL: who calls */
    const char *full_name;    /* -F; NULL: as the system has it */
    const char *envelope_id;  /* -V; NULL: none */
    unsigned notify;          /* -N: mailmod_dsn_notify bits; 0: not said */
    int returns;              /* -R: enum mailmod_dsn_return */
    int takes_recipients;     /* -t: from the header */
    int ignores_dots;         /* -i: a lone dot is no end */
    int is_verbose;           /* -v */
    const char *message;      /* -qI; NULL: all */
    const char *domain;       /* -qR; NULL: all */
    const char *queue_sender; /* -qS; NULL: all */
    char **words;             /* recipients */
    int word_count;
};

/* Moves argv's words about; the texts are argv's. */
void options_parse(struct options *options_out, int argc, char **argv);
void options_print_help(void);

#endif
