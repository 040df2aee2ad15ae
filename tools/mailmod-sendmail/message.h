/* message.h - a message as it came on standard input, and as it is sent. */
#ifndef TOOLS_SENDMAIL_MESSAGE_H
#define TOOLS_SENDMAIL_MESSAGE_H

#include "addresses.h"
#include "text.h"

#include <stdio.h>

struct message {
    struct text text;            /* as it is sent */
    size_t read;                 /* of it, by message_read */
    struct addresses recipients; /* of the header, when it was asked for them */
    int has_from;
};

struct message_options {
    const char *domain;   /* of addresses that have none */
    int takes_recipients; /* -t */
    int ignores_dots;     /* -i */
    size_t size_max;      /* of the text; 0: any */
};

enum message_fault {
    MESSAGE_OK,
    MESSAGE_MEMORY,
    MESSAGE_INPUT, /* errno says why */
    MESSAGE_TOO_LARGE
};

enum message_fault message_take(struct message *message_out, FILE *input,
                                const struct message_options *options);
void message_free(struct message *message);
/* A mailmod_reader; `context` is the message. */
size_t message_read(void *context, void *buffer, size_t size);

#endif
