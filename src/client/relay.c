/* relay.c - the smarthost of a configuration.
 *
 * Pure; owns nothing. Thread: any. */
#include "client/relay.h"

bool mm_relay_has_smarthost(const struct mm_config *config)
{
    struct mm_relay smarthost;
    mm_relay_smarthost(config, &smarthost);
    return mm_relay_is_set(&smarthost);
}

void mm_relay_smarthost(const struct mm_config *config,
                        struct mm_relay *relay_out)
{
    *relay_out = (struct mm_relay){.host = config->smarthost.host,
                                   .port = config->smarthost.port,
                                   .tls = config->smarthost.tls,
                                   .verifies = config->smarthost.verifies,
                                   .user = config->smarthost.user,
                                   .password = config->smarthost.password};
}

bool mm_relay_is_set(const struct mm_relay *relay)
{
    return relay->host != NULL && relay->host[0] != '\0';
}
