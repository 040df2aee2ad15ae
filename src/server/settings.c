/* settings.c - one snapshot of configuration and TLS contexts.
 *
 * Owns: a reference on the configuration, the certificates, one TLS context a
 * service, so that a session ticket of one listener is worth nothing on
 * another, and one more for the networks that may speak TLS 1.0. Promises: all
 * or nothing; a certificate that cannot be used fails the whole snapshot and
 * the former one stays in force.
 * Thread: any; immutable after mm_settings_new. */
#include "server/settings.h"

#include "base/mem.h"

static size_t count_certificates(const struct mm_config *config)
{
    struct mm_span rest = mm_span_cstr(config->tls.more_certificates);
    struct mm_span certificate;
    struct mm_span key;
    size_t count = 1;
    while (mm_config_next_certificate(&rest, &certificate, &key)) {
        count++;
    }
    return count;
}

static enum mailmod_error open_certificates(struct mm_settings *settings,
                                            struct mm_buf *reason_out)
{
    const struct mm_config *config = settings->config;
    size_t count = count_certificates(config);
    struct mm_certificate_files *files = mm_alloc_array(count, sizeof *files);
    if (files == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    struct mm_span rest = mm_span_cstr(config->tls.more_certificates);
    files[0].certificate = mm_span_cstr(config->tls.certificate_file);
    files[0].key = mm_span_cstr(config->tls.key_file);
    for (size_t i = 1; i < count; i++) {
        (void)mm_config_next_certificate(&rest, &files[i].certificate,
                                         &files[i].key);
    }
    enum mailmod_error error =
        mm_certificates_new(&settings->certificates, files, count,
                            config->tls.pass_phrase, reason_out);
    mm_free(files);
    return error;
}

static enum mailmod_error open_service(struct mm_settings *settings,
                                       enum mm_service service,
                                       struct mm_buf *reason_out)
{
    const struct mm_config *config = settings->config;
    const struct mm_range_list *old = mm_config_lenient_from(config, service);
    struct mm_tls_server_options options = {
        .certificates = settings->certificates,
        .service = mm_service_name(service),
        .oldest =
            config->tls.allows_tls_1_2 ? MM_TLS_OLDEST_1_2 : MM_TLS_OLDEST_1_3};
    enum mailmod_error error =
        mm_tls_server_new(&settings->tls[service], &options, reason_out);
    if (error == MAILMOD_OK && old->count > 0) {
        options.oldest = MM_TLS_OLDEST_1_0;
        error = mm_tls_server_new(&settings->lenient_tls[service], &options,
                                  reason_out);
    }
    return error;
}

static enum mailmod_error open_tls(struct mm_settings *settings,
                                   struct mm_buf *reason_out)
{
    if (settings->config->tls.certificate_file[0] == '\0') {
        return MAILMOD_OK;
    }
    enum mailmod_error error = open_certificates(settings, reason_out);
    for (int i = 0; error == MAILMOD_OK && i < MM_SERVICE_COUNT; i++) {
        error = open_service(settings, (enum mm_service)i, reason_out);
    }
    return error;
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
        mm_tls_unref(&value->lenient_tls[i]);
    }
    mm_certificates_unref(&value->certificates);
    mm_config_unref(&value->config);
    mm_free(value);
}
