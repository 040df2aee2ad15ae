/* thread: any
 * services.h - the order in which the hosts of a service are tried. */
#ifndef MM_CLIENT_SERVICES_H
#define MM_CLIENT_SERVICES_H

#include "base/limits.h"
#include "io/io.h"

/* Puts the records, which stand by priority, in the order of RFC 2782: equal
 * priorities at random, the heavier the sooner. Those that say that the service
 * is not offered, or have no port, are left out; how many stay. */
size_t mm_services_order(const struct mm_srv_record *records, size_t count,
                         struct mm_srv_record out[MM_LIMIT_MX_HOSTS],
                         uint64_t *random);
/* The target is the domain or below it: so its own name is proof enough of
 * whose it is (RFC 6186 6). */
bool mm_service_is_of(const char *host, const char *domain);

#endif
