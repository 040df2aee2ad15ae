/* settings.c - the snapshot that deliveries work by.
 *
 * Owns one reference on the configuration, the TLS context and the resolver.
 * The context is of one of two kinds: towards MX hosts opportunistic, with no
 * look at the certificate (RFC 7435: an active attacker could strip STARTTLS
 * as well); towards the smarthost as strict as the operator says.
 * Thread: see the header. */
#include "client/settings.h"

#include "base/mem.h"

bool mm_outbound_has_smarthost(const struct mm_config *config)
{
    return config->smarthost.host != NULL && config->smarthost.host[0] != '\0';
}

enum mm_config_tls_policy mm_outbound_tls_policy(const struct mm_config *config)
{
    return mm_outbound_has_smarthost(config) ? config->smarthost.tls
                                             : config->delivery.tls;
}

static enum mailmod_error open_tls(struct mm_outbound_settings *settings,
                                   struct mm_buf *reason_out)
{
    const struct mm_config *config = settings->config;
    struct mm_tls_client_options options = {.allows_old = true};
    if (mm_outbound_tls_policy(config) == MM_CONFIG_TLS_OFF) {
        return MAILMOD_OK;
    }
    if (mm_outbound_has_smarthost(config)) {
        const char *file = config->smarthost.authority_file;
        options.authority_file = file != NULL && file[0] != '\0' ? file : NULL;
        options.allows_old = !config->smarthost.verifies;
    }
    return mm_tls_client_new(&settings->tls, &options, reason_out);
}

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
    enum mailmod_error error = open_tls(settings, reason_out);
    if (error != MAILMOD_OK) {
        mm_outbound_settings_unref(&settings);
        return error;
    }
    *settings_out = settings;
    return MAILMOD_OK;
}

enum mailmod_error
mm_outbound_settings_open_resolver(struct mm_outbound_settings *settings,
                                   struct mm_loop *loop)
{
    const struct mm_config *config = settings->config;
    struct mm_resolver_options options = {
        .servers = config->dns.servers != NULL ? config->dns.servers : "",
        .timeout_ms = config->dns.timeout_ms,
        .tries = config->dns.tries};
    return mm_resolver_new(&settings->resolver, loop, &options);
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
    if (released->resolver != NULL) {
        mm_resolver_free(&released->resolver);
    }
    if (released->tls != NULL) {
        mm_tls_unref(&released->tls);
    }
    mm_config_unref(&released->config);
    mm_free(released);
}
