/* addresses.h - the addresses in a list of mailboxes and groups. */
#ifndef TOOLS_SENDMAIL_ADDRESSES_H
#define TOOLS_SENDMAIL_ADDRESSES_H

#include "text.h"

/* Addresses, each with a NUL behind. */
struct addresses {
    struct text texts;
    size_t count;
};

/* Copies `list` to `copy_out` (NULL: not), with "@domain" behind each address
 * that has no domain, and adds the addresses to `found` (NULL: not). Not 0: no
 * memory. */
int addresses_read(const char *list, size_t size, const char *domain,
                   struct text *copy_out, struct addresses *found);

#endif
