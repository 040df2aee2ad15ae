/* thread: loop (references: any)
 * outbound_settings.h - what attempts of one moment work by: a configuration
 * and the TLS contexts made from it. Swapped whole at a reload; an attempt
 * keeps the snapshot that it began with. */
#ifndef MM_CLIENT_OUTBOUND_SETTINGS_H
#define MM_CLIENT_OUTBOUND_SETTINGS_H

#include "client/peer_tls.h"
#include "config/config.h"

#include <stdatomic.h>

struct mm_outbound_settings {
    atomic_uint references;
    struct mm_config *config;
    struct mm_peer_tls tls;
};

/* thread: any. Takes a reference on the configuration; the words of a failure
 * (which file) go to `reason_out`, which may be NULL. */
MM_CHECK enum mailmod_error
mm_outbound_settings_new(struct mm_outbound_settings **settings_out,
                         struct mm_config *config, struct mm_buf *reason_out);
struct mm_outbound_settings *
mm_outbound_settings_ref(struct mm_outbound_settings *settings);
void mm_outbound_settings_unref(struct mm_outbound_settings **settings);

#endif
