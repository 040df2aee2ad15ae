/* thread: any
 * backend.h - pop3.backends: whose mailbox another POP3 server has.
 *
 * An item is "who=host" or "who=host:port". `who` is a user, "@domain" for the
 * users of a domain alone, or "*"; what names fewer goes first. `host` is a
 * name or an address, or nothing: the mailbox is here. */
#ifndef MM_CONFIG_BACKEND_H
#define MM_CONFIG_BACKEND_H

#include "base/host.h"
#include "config/config.h"

struct mm_config_backend {
    struct mm_host host;
    unsigned port;
};

bool mm_config_is_backend(struct mm_span item);
/* For a login as `user` (canonical), or as it was given. NOT_FOUND: here. */
MM_CHECK enum mailmod_error
mm_config_find_backend(const struct mm_config *config, const char *user,
                       const char *given_name,
                       struct mm_config_backend *backend_out);

#endif
