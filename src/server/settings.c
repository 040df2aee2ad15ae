/* settings.c - one snapshot of configuration and TLS contexts.
 *
 * Owns: a reference on the configuration, one TLS context a service, so that
 * a session ticket of one listener is worth nothing on another. Promises: all
 * or nothing; a certificate that cannot be used fails the whole snapshot and
 * the former one stays in force.
 * Thread: any; immutable after mm_settings_new. */
#include "server/settings.h"

#include "base/mem.h"

static enum mailmod_error open_tls(struct mm_settings *settings,
                                   struct mm_buf *reason_out)
{
    const struct mm_config *config = settings->config;

    if (config->tls.certificate_file[0] == '\0') {
        return MAILMOD_OK;
    }
    for (int i = 0; i < MM_SERVICE_COUNT; i++) {
        struct mm_tls_server_options options = {
            .certificate_file = config->tls.certificate_file,
            .key_file =
                config->tls.key_file[0] != '\0' ? config->tls.key_file : NULL,
            .service = mm_service_name((enum mm_service)i),
            .allows_tls_1_2 = config->tls.allows_tls_1_2};
        enum mailmod_error error =
            mm_tls_server_new(&settings->tls[i], &options, reason_out);

        if (error != MAILMOD_OK) {
            return error;
        }
    }
    return MAILMOD_OK;
}

enum mailmod_error mm_settings_new(struct mm_settings **settings_out,
                                   struct mm_config *config,
                                   struct mm_buf *reason_out)
{
    struct mm_settings *settings = mm_alloc(sizeof *settings);

    *settings_out = NULL;
    if (settings == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    atomic_init(&settings->references, 1);
    settings->config = mm_config_ref(config);
    enum mailmod_error error = open_tls(settings, reason_out);
    if (error != MAILMOD_OK) {
        mm_settings_unref(&settings);
        return error;
    }
    *settings_out = settings;
    return MAILMOD_OK;
}

struct mm_settings *mm_settings_ref(struct mm_settings *settings)
{
    atomic_fetch_add(&settings->references, 1);
    return settings;
}

void mm_settings_unref(struct mm_settings **settings)
{
    struct mm_settings *value = *settings;

    *settings = NULL;
    if (value == NULL || atomic_fetch_sub(&value->references, 1) != 1) {
        return;
    }
    for (int i = 0; i < MM_SERVICE_COUNT; i++) {
        mm_tls_unref(&value->tls[i]);
    }
    mm_config_unref(&value->config);
    mm_free(value);
}
