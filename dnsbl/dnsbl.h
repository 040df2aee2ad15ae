/* thread: any (pure)
 * dnsbl.h - DNS block lists: which name to ask, and what an answer means.
 * RFC 5782.
 *
 * A library of its own that opens no socket: the caller asks its resolver for
 * the addresses of the query name and gives the answers back. Weights, several
 * zones, the cache and the sessions' use of it stand on these two functions. */
#ifndef DNSBL_DNSBL_H
#define DNSBL_DNSBL_H

#include "base/error.h"
#include "base/netaddr.h"

#define DNSBL_NAME_MAX 256 /* with NUL: RFC 1035 2.3.4 */

/* "1.2.0.192.zone" of 192.0.2.1, or the 32 nibbles of an IPv6 address in
 * reverse order (RFC 5782 2.1, 2.4). LIMIT when it is no possible name. */
MM_CHECK enum mailmod_error dnsbl_query_name(const struct mm_netaddr *address,
                                             const char *zone,
                                             char name_out[DNSBL_NAME_MAX]);

enum dnsbl_verdict {
    DNSBL_NOT_LISTED,
    DNSBL_LISTED,
    DNSBL_UNKNOWN /* no usable answer: must never reject */
};

/* `error` is the look-up's: OK with the addresses, DNS_NO_NAME, DNS_NO_DATA or
 * a failure. Only 127.0.0.0/8 lists, and of that neither 127.0.0.1 (a resolver
 * that lies, RFC 5782 5) nor 127.255.255.0/24 (the list's own errors). */
enum dnsbl_verdict dnsbl_judge(enum mailmod_error error,
                               const struct mm_netaddr *addresses,
                               size_t count);

#endif
