/* thread: any
 * proxy.h - the proxy that a connection goes out through, if any: that of the
 * settings proxy.*, or one that a route or an account names by a URL. */
#ifndef MM_CONFIG_PROXY_H
#define MM_CONFIG_PROXY_H

#include "base/host.h"
#include "config/config.h"

/* "default", "none" or "socks5://user:password@host:1080"; socks4a and http
 * likewise (RFC 3986 3: octets of the login may be written %40). False: it is
 * none of them, or has a login that its kind has no place for. */
bool mm_config_proxy_parse(struct mm_span text,
                           struct mm_config_proxy *proxy_out);
/* Appends " proxy=none" or " proxy=socks5://host:1080", without the login; for
 * the default nothing. */
void mm_config_proxy_describe(const struct mm_config_proxy *proxy,
                              struct mm_buf *out);
/* Can the kind carry the login? Words where it cannot, or NULL. */
const char *mm_config_proxy_fault(enum mm_config_proxy_kind kind,
                                  struct mm_span user, struct mm_span password);
/* A network, an address, or a domain with all below it (a dot or "*." in front
 * changes nothing). */
bool mm_config_is_bypass(struct mm_span item);

/* The proxy for it, or NULL: none. `own` may be NULL: the default. The answer
 * is `own` or the configuration's. */
const struct mm_config_proxy *
mm_config_proxy_for(const struct mm_config *config,
                    const struct mm_config_proxy *own,
                    const struct mm_endpoint *target);

/* That of proxy.*, made when a snapshot is; NULL: there is none. */
MM_CHECK enum mailmod_error mm_config_proxy_make(struct mm_config *config);
void mm_config_proxy_drop(struct mm_config *config);

#endif
