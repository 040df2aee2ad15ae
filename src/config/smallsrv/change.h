/* thread: any (the builder's owner)
 * change.h - one setting by an old name on its way into a configuration,
 * for value.c and listener.c. */
#ifndef MM_CONFIG_SMALLSRV_CHANGE_H
#define MM_CONFIG_SMALLSRV_CHANGE_H

#include "config/smallsrv/name.h"

struct mm_smallsrv_change {
    const struct mm_smallsrv_name *row;
    const struct mm_config_key *key; /* the row's, or NULL */
    struct mm_span text;
    bool is_on; /* of a flag, or of a name with "no" in front */
    struct mm_config *config;
    struct mm_buf *mistake;
};

/* The key's field. */
const void *mm_smallsrv_field(const struct mm_config_key *key,
                              const struct mm_config *config);

/* listener.c: a port, an address ("": all of IPv4), all of IPv6 or not,
 * closed or not. */
enum mailmod_error
mm_smallsrv_set_port(const struct mm_smallsrv_change *change);
enum mailmod_error
mm_smallsrv_set_bind(const struct mm_smallsrv_change *change);
enum mailmod_error
mm_smallsrv_set_ipv6(const struct mm_smallsrv_change *change);
enum mailmod_error
mm_smallsrv_set_closed(const struct mm_smallsrv_change *change);
/* user.c: one more user; OK with words is a warning. */
enum mailmod_error
mm_smallsrv_add_user(const struct mm_smallsrv_change *change);
/* The item that stands for the listener: of IPv4 if there is one; NULL when it
 * is closed. */
const struct mm_netaddr *
mm_smallsrv_main_address(const struct mm_config_key *key,
                         const struct mm_config *config);
bool mm_smallsrv_has_ipv6(const struct mm_config_key *key,
                          const struct mm_config *config);

#endif
