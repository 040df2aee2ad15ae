/* caller.h - who runs the program, and whose rights it has. */
#ifndef TOOLS_SENDMAIL_CALLER_H
#define TOOLS_SENDMAIL_CALLER_H

#include <stddef.h>

struct caller {
    char name[128];      /* of the user, as the system has it */
    char full_name[256]; /* or "" */
    /* It runs with the rights of the program's file (set-user-ID), and these
     * are not the caller's. */
    int has_lent_rights;
    int is_trusted; /* root, or the data folder's owner: may be anybody */
};

void caller_find(struct caller *caller_out);
/* Back to the caller's own rights, for good. Not 0: the system refused. */
int caller_give_back(void);
/* Before a configuration is read: nothing that the caller has set moves the
 * program with rights that are lent to it. Not 0: the system refused. */
int caller_guard(const struct caller *caller);
/* Before the store is opened: the caller cannot stop us in the middle. Not 0:
 * the system refused. */
int caller_keep_off(const struct caller *caller);
/* After the configuration was read. */
void caller_trust(struct caller *caller, const char *data_folder);

#endif
