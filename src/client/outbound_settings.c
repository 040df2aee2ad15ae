/* outbound_settings.c - the snapshot that deliveries work by.
 *
 * Owns one reference on the configuration, and the TLS contexts.
 * Towards MX hosts TLS is opportunistic (RFC 7435); towards a relay it is as
 * strict as the operator, or the host program, says.
 * Thread: see the header. */
#include "client/outbound_settings.h"

#include "base/mem.h"

#define ABOUT_MAX 1024

/* The reason begins with the row that it is about. */
static enum mailmod_error open_route(struct mm_outbound_settings *settings,
                                     size_t i, struct mm_buf *reason_out)
{
    const struct mm_config_route *route = &settings->config->routes[i];
    const char *common = settings->config->smarthost.authority_file;
    bool is_row = route->name[0] != '\0';
    struct mm_buf about;
    mm_buf_init(&about, ABOUT_MAX);
    (void)mm_buf_appendf(&about, "%s%s", is_row ? "route " : "smarthost",
                         is_row ? route->name : "");
    const struct mm_peer_tls_options options = {
        .authority_file =
            route->authority_file[0] != '\0' ? route->authority_file : common,
        .certificate_file = route->certificate_file,
        .key_file = route->key_file,
        .pins = route->pins.digests,
        .pin_count = route->pins.count,
        .about = mm_buf_cstr(&about)};
    enum mailmod_error error =
        mm_peer_tls_open(&settings->route_tls[i], &options, reason_out);
    mm_buf_fini(&about);
    return error;
}

static enum mailmod_error open_tls(struct mm_outbound_settings *settings,
                                   const struct mm_peer_tls_options *own,
                                   struct mm_buf *reason_out)
{
    const struct mm_config *config = settings->config;
    const struct mm_peer_tls_options options = {
        .authority_file = config->smarthost.authority_file};
    settings->route_tls =
        mm_alloc_array(config->route_count, sizeof *settings->route_tls);
    if (settings->route_tls == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error = mm_peer_tls_open(
        &settings->tls, own != NULL ? own : &options, reason_out);
    for (size_t i = 0;
         own == NULL && error == MAILMOD_OK && i < config->route_count; i++) {
        if (mm_config_route_has_tls(&config->routes[i])) {
            error = open_route(settings, i, reason_out);
        }
    }
    return error;
}

struct mm_tls *
mm_outbound_settings_tls(const struct mm_outbound_settings *settings,
                         const struct mm_config_route *route, bool verifies)
{
    const struct mm_peer_tls *own =
        route != NULL ? &settings->route_tls[route - settings->config->routes]
                      : &settings->tls;
    return mm_peer_tls_get(own->verifying != NULL ? own : &settings->tls,
                           verifies);
}

enum mailmod_error
mm_outbound_settings_new(struct mm_outbound_settings **settings_out,
                         struct mm_config *config, struct mm_buf *reason_out)
{
    return mm_outbound_settings_new_own(settings_out, config, NULL, reason_out);
}

enum mailmod_error mm_outbound_settings_new_own(
    struct mm_outbound_settings **settings_out, struct mm_config *config,
    const struct mm_peer_tls_options *own, struct mm_buf *reason_out)
{
    struct mm_outbound_settings *settings = mm_alloc(sizeof *settings);
    if (settings == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    atomic_init(&settings->references, 1);
    settings->config = mm_config_ref(config);
    enum mailmod_error error = open_tls(settings, own, reason_out);
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
    for (size_t i = 0;
         released->route_tls != NULL && i < released->config->route_count;
         i++) {
        mm_peer_tls_unref(&released->route_tls[i]);
    }
    mm_free(released->route_tls);
    mm_peer_tls_unref(&released->tls);
    mm_config_unref(&released->config);
    mm_free(released);
}
