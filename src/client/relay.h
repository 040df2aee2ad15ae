/* thread: any
 * relay.h - the host that all mail goes to, if there is one. */
#ifndef MM_CLIENT_RELAY_H
#define MM_CLIENT_RELAY_H

#include "config/config.h"

/* The host that all goes to instead of the recipients' own; host NULL or "":
 * there is none. Texts outlive its use. */
struct mm_relay {
    const char *host;
    unsigned port;
    enum mm_config_tls_policy tls;
    bool verifies;    /* the certificate */
    const char *user; /* NULL or "": no AUTH; in clear only with tls OFF */
    const char *password;
};
/* The configured smarthost; its texts are the configuration's. */
void mm_relay_smarthost(const struct mm_config *config,
                        struct mm_relay *relay_out);
bool mm_relay_is_set(const struct mm_relay *relay);
bool mm_relay_has_smarthost(const struct mm_config *config);

#endif
