/* thread: any
 * dns_way.h - the way of a resolver's questions through the proxy
 * (dns.through_proxy). */
#ifndef MM_CLIENT_DNS_WAY_H
#define MM_CLIENT_DNS_WAY_H

#include "config/config.h"
#include "io/io.h"

/* By this configuration; the log outlives it. The caller has a reference on
 * way_out->context, to give back by way_out->unref. */
MM_CHECK enum mailmod_error mm_dns_way_new(struct mm_resolver_way *way_out,
                                           struct mm_config *config,
                                           const struct mm_log *log);

#endif
