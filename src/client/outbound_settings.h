/* thread: loop (references: any)
 * outbound_settings.h - what attempts of one moment work by: a configuration
 * and the TLS contexts made from it. Swapped whole at a reload; an attempt
 * keeps the snapshot that it began with. */
#ifndef MM_CLIENT_OUTBOUND_SETTINGS_H
#define MM_CLIENT_OUTBOUND_SETTINGS_H

#include "client/peer_tls.h"
#include "config/routes.h"

#include <stdatomic.h>

struct mm_outbound_settings {
    atomic_uint references;
    struct mm_config *config;
    struct mm_peer_tls tls;
    /* Of each row of config->routes; none where it has nothing of its own. */
    struct mm_peer_tls *route_tls;
};

/* thread: any. Takes a reference on the configuration; the words of a failure
 * (which file) go to `reason_out`, which may be NULL. */
MM_CHECK enum mailmod_error
mm_outbound_settings_new(struct mm_outbound_settings **settings_out,
                         struct mm_config *config, struct mm_buf *reason_out);
/* `route` NULL: of no row. */
struct mm_tls *
mm_outbound_settings_tls(const struct mm_outbound_settings *settings,
                         const struct mm_config_route *route, bool verifies);
/* The same for a relay that is in no row: `own` is its TLS, and rows have none.
 * NULL: as above. */
MM_CHECK enum mailmod_error mm_outbound_settings_new_own(
    struct mm_outbound_settings **settings_out, struct mm_config *config,
    const struct mm_peer_tls_options *own, struct mm_buf *reason_out);
struct mm_outbound_settings *
mm_outbound_settings_ref(struct mm_outbound_settings *settings);
void mm_outbound_settings_unref(struct mm_outbound_settings **settings);

#endif
