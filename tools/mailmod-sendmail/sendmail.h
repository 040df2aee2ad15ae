/* sendmail.h - what the parts of the program share. */
#ifndef TOOLS_SENDMAIL_SENDMAIL_H
#define TOOLS_SENDMAIL_SENDMAIL_H

#include "caller.h"
#include "options.h"

#include "mailmod.h"

#define SENDMAIL_ADDRESS_MAX                                                   \
    600 /* octets; what the library takes, and more                            \
         */

struct sendmail {
    mailmod *instance; /* configured, and not started */
    const struct options *options;
    const struct caller *caller;
    char domain[256]; /* of addresses that have none */
};

/* Each returns a code of sysexits.h, and has said what went wrong. */
int sendmail_read(const struct sendmail *sendmail); /* the message, first */
int sendmail_send(const struct sendmail *sendmail);
int sendmail_list_queue(const struct sendmail *sendmail);
int sendmail_run_queue(const struct sendmail *sendmail);
int sendmail_failure(const char *head, enum mailmod_error error);
int sendmail_trouble(int code, const char *words);

#endif
