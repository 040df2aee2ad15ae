/* outbound_settings.c - the snapshot that deliveries work by.
 *
 * Owns one reference on the configuration, and the TLS contexts.
 * Towards MX hosts TLS is opportunistic (RFC 7435); towards a relay it is as
 * strict as the operator, or the host program, says.
 * Thread: see the header. */
#include "client/outbound_settings.h"

#include "base/mem.h"

enum mailmod_error
mm_outbound_settings_new(struct mm_outbound_settings **settings_out,
                         struct mm_config *config, struct mm_buf *reason_out)
{
    struct mm_outbound_settings *settings = mm_alloc(sizeof *settings);
    if (settings == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    atomic_init(&settings->references, 1);
    settings->config = mm_config_ref(config);
    enum mailmod_error error = mm_peer_tls_open(
        &settings->tls, config->smarthost.authority_file, reason_out);
    if (error != MAILMOD_OK) {
        mm_outbound_settings_unref(&settings);
        return error;
    }
    *settings_out = settings;
    return MAILMOD_OK;
}

struct mm_outbound_settings *
mm_outbound_settings_ref(struct mm_outbound_settings *settings)
{
    atomic_fetch_add(&settings->references, 1);
    return settings;
}

void mm_outbound_settings_unref(struct mm_outbound_settings **settings)
{
    struct mm_outbound_settings *released = *settings;
    *settings = NULL;
    if (released == NULL || atomic_fetch_sub(&released->references, 1) != 1) {
        return;
    }
    mm_peer_tls_unref(&released->tls);
    mm_config_unref(&released->config);
    mm_free(released);
}
