/* thread: loop
 * host_addresses.h - the addresses of one host, of both families.
 *
 * Lives in its owner's object, zeroed before the first question; may be asked
 * again once it was answered. */
#ifndef MM_CLIENT_HOST_ADDRESSES_H
#define MM_CLIENT_HOST_ADDRESSES_H

#include "base/limits.h"
#include "config/config.h"
#include "io/io.h"

struct mm_host_addresses;

struct mm_host_family {
    struct mm_host_addresses *owner;
    struct mm_query *query;
    struct mm_netaddr items[MM_LIMIT_HOST_ADDRESSES];
    size_t count;
    enum mailmod_error error; /* of its question; OK too when none was put */
};

enum { MM_HOST_V6, MM_HOST_V4, MM_HOST_FAMILIES };

struct mm_host_addresses {
    struct mm_host_family families[MM_HOST_FAMILIES];
    enum mm_config_prefers prefers;
    /* As it was asked for: by default IPv6 and IPv4 in turn (RFC 6724; one dead
     * family costs one connect). Without ports. */
    struct mm_netaddr items[MM_LIMIT_HOST_ADDRESSES];
    size_t count;
    unsigned pending;
    void (*on_answer)(struct mm_host_addresses *addresses);
};

struct mm_host_question {
    struct mm_resolver *resolver;
    const char *host;
    bool wants_v6, wants_v4;
    enum mm_config_prefers prefers;
    bool is_chosen; /* the operator named it: the hosts file knows it too */
};
/* True: on_answer follows, never from inside this call. False: what there is
 * to know is there already. */
MM_CHECK bool mm_host_addresses_ask(struct mm_host_addresses *addresses,
                                    const struct mm_host_question *question);
/* The answer without a question: a host that is given by its address. */
void mm_host_addresses_set(struct mm_host_addresses *addresses,
                           const struct mm_netaddr *address);
/* No on_answer after this. */
void mm_host_addresses_cancel(struct mm_host_addresses *addresses);

#endif
