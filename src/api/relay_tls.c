/* relay_tls.c - how a relay that the host names is talked to.
 *
 * Owns nothing. Promises: what a password goes over is TLS whose certificate
 * was looked at, unless the host switched TLS off in so many words.
 * Thread: any. RFC 8314 3.3, RFC 7435. */
#include "api/relay_tls.h"

static enum mm_config_tls_policy default_policy(const struct mm_relay *relay)
{
    if (relay->port == MM_PORT_SUBMISSIONS) {
        return MM_CONFIG_TLS_IMPLICIT;
    }
    return relay->user != NULL && relay->user[0] != '\0' ? MM_CONFIG_TLS_MUST
                                                         : MM_CONFIG_TLS_MAY;
}

void mm_relay_set_tls(struct mm_relay *relay, enum mailmod_relay_tls wish)
{
    static const enum mm_config_tls_policy policies[] = {
        [MAILMOD_RELAY_TLS_OFF] = MM_CONFIG_TLS_OFF,
        [MAILMOD_RELAY_TLS_MUST] = MM_CONFIG_TLS_MUST,
        [MAILMOD_RELAY_TLS_IMPLICIT] = MM_CONFIG_TLS_IMPLICIT};

    relay->tls = wish == MAILMOD_RELAY_TLS_DEFAULT ? default_policy(relay)
                                                   : policies[wish];
    /* What may be had or not protects from onlookers alone: RFC 7435. */
    relay->verifies = relay->tls == MM_CONFIG_TLS_MUST ||
                      relay->tls == MM_CONFIG_TLS_IMPLICIT;
}
